//! Tells the audit log that a command made a copy of what is stored: the daemon, or its file where it does not run.

use anyhow::bail;
use serde_json::json;

use super::control::Control;
use super::{screen, wiring};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::engine::{Copied, note_copied};
use crate::store::{Options, ReadOnly, Store};

/// Tells of a copy that stands. If that cannot be, the copy stands all the same, and people are told.
pub(super) async fn tell(config: &Config, store: ReadOnly, copied: Copied) -> std::io::Result<()> {
    match try_tell(config, store, copied).await {
        Ok(()) => Ok(()),
        Err(error) => screen::note(format_args!("the audit log does not say so: {error:#}")),
    }
}

async fn try_tell(config: &Config, store: ReadOnly, copied: Copied) -> anyhow::Result<()> {
    let body = match &copied {
        Copied::Backup { rows, encrypted } => json!({"kind": "backup", "rows": rows, "encrypted": encrypted}),
        Copied::Everything { lines } => json!({"kind": "everything", "rows": lines}),
        Copied::Person(ids) => {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            json!({"kind": "person", "opportunities": ids})
        }
    };
    match Control::of(config)?.post("/api/v1/copies", &body).await {
        Err(error) if error.is_not_running() => {}
        answer => return Ok(answer.map(drop)?),
    }
    // Who only makes a copy brings no file up to date: it may be made for going back to.
    if !store.is_up_to_date()? {
        bail!("the daemon is not running, and the file is an older program's");
    }
    drop(store);
    let file = Options::file(&config.store.path).keys(wiring::seal_keys(config)?);
    let (store, now) = (Store::open(file, Box::new(|_| {}))?, Clock::System.now());
    store.change(move |tx| note_copied(tx, &copied, &"operator".into(), now)).await?;
    store.close().await;
    Ok(())
}

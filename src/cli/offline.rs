//! Reads the file itself, where the daemon does not run.
//!
//! It is read by the engine's functions and told by the API's bodies, so a command need not care where
//! an answer comes from. What only a running daemon knows (rates, tasks, health) is not there.

use anyhow::{Context, bail};
use fulcrum_domain::{ConversationId, Sight};
use serde::Serialize;
use serde_json::Value;

use super::conversations::Paging;
use super::{screen, wiring};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::engine::{StoredStatus, view};
use crate::server::{ConversationBody, Cursor, Listing, MessageBody, StoredBody};
use crate::store::{ReadOnly, Snapshot};

/// The file of a daemon that does not run.
pub(super) struct Offline {
    store: ReadOnly,
    bytes: u64,
    rate: f64,
}

impl Offline {
    /// Opens it, and says so.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let path = &config.store.path;
        let Ok(metadata) = path.metadata() else {
            bail!(
                "the daemon is not running, and there is no store at {}: `fulcrum run` makes it",
                path.display()
            );
        };
        let store = ReadOnly::open_with(path, wiring::seal_keys(config)?)
            .context("the daemon is not running, and its file cannot be read")?;
        screen::note(format_args!("the daemon is not running; read from {}", path.display()))?;
        Ok(Self { store, bytes: metadata.len(), rate: config.lever.requests_per_second.get().into() })
    }

    pub(super) fn status(&self) -> anyhow::Result<Value> {
        let now = Clock::System.now();
        self.read(|snapshot| {
            let stored = StoredStatus::read(snapshot, self.rate, now)?;
            Ok(StoredBody::new(stored, self.bytes))
        })
    }

    pub(super) fn conversations(&self, paging: &Paging) -> anyhow::Result<Value> {
        let after = after(paging)?;
        self.read(|snapshot| {
            Ok(Listing::<ConversationBody>::from(view::conversations(
                snapshot,
                after,
                paging.limit(),
                Sight::All,
            )?))
        })
    }

    pub(super) fn messages(&self, id: ConversationId, paging: &Paging) -> anyhow::Result<Value> {
        let after = after(paging)?;
        self.read(|snapshot| {
            if view::conversation(snapshot, id, Sight::All)?.is_none() {
                bail!("no conversation has this id");
            }
            Ok(Listing::<MessageBody>::from(view::messages(snapshot, id, after, paging.limit(), Sight::All)?))
        })
    }

    fn read<T: Serialize>(&self, read: impl FnOnce(&Snapshot) -> anyhow::Result<T>) -> anyhow::Result<Value> {
        Ok(serde_json::to_value(self.store.read(read)?)?)
    }
}

fn after<C: Cursor>(paging: &Paging) -> anyhow::Result<Option<C>> {
    let read = |text| C::from_text(text).context("the cursor is not one of this list");
    paging.cursor().map(read).transpose()
}

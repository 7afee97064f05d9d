//! Reads the file itself, where the daemon does not run.
//!
//! It is read by the engine's functions and told by the API's bodies, so a command need not care where
//! an answer comes from. What only a running daemon knows (rates, tasks, health) is not there.

use std::path::Path;

use anyhow::{Context, bail};
use fulcrum_domain::{ConversationId, ErasureId, MessageId, OpportunityId, Sight};
use serde::Serialize;
use serde_json::{Value, json};

use super::control::Control;
use super::conversations::Paging;
use super::{load, screen, wiring};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::engine::{self, StoredStatus, view};
use crate::server::{
    AutomationsBody, ConversationBody, Cursor, ErasureBody, HoldBody, Listing, MessageBody, ReasonBody,
    StoredBody, TestedBody,
};
use crate::store::{ReadOnly, Snapshot};

/// What the daemon answers to a `GET`, or where it does not run what its file says, for which the whole config
/// is wanted.
pub(super) async fn ask_or_read(
    control: &Control,
    config: &Path,
    path: &str,
    query: &[(&str, String)],
    read: impl FnOnce(&Offline) -> anyhow::Result<Value>,
) -> anyhow::Result<Value> {
    match control.get(path, query).await {
        Err(error) if error.is_not_running() => read(&Offline::open(load(config)?)?),
        answer => Ok(answer?),
    }
}

/// The file of a daemon that does not run.
pub(super) struct Offline {
    store: ReadOnly,
    bytes: u64,
    config: Config,
}

impl Offline {
    /// Opens it, and says so.
    fn open(config: Config) -> anyhow::Result<Self> {
        let path = &config.store.path;
        let Ok(metadata) = path.metadata() else {
            bail!(
                "the daemon is not running, and there is no store at {}: `fulcrum run` makes it",
                path.display()
            );
        };
        let store = ReadOnly::open_with(path, wiring::seal_keys(&config)?)
            .context("the daemon is not running, and its file cannot be read")?;
        screen::note(format_args!("the daemon is not running; read from {}", path.display()))?;
        Ok(Self { store, bytes: metadata.len(), config })
    }

    pub(super) fn status(&self) -> anyhow::Result<Value> {
        let now = Clock::System.now();
        let rate = self.config.lever.requests_per_second.get().into();
        self.read(|snapshot| {
            let stored = StoredStatus::read(snapshot, rate, now)?;
            let mut told = serde_json::to_value(StoredBody::new(stored, self.bytes))?;
            told["lever"] = json!({ "rate_used": null });
            Ok(told)
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

    pub(super) fn automations(&self) -> anyhow::Result<Value> {
        let settings = wiring::settings(&self.config)?;
        self.read(|snapshot| {
            Ok(AutomationsBody::from(engine::standing(snapshot, &settings.rules.automations.list)?))
        })
    }

    pub(super) fn test(&self, automation: &str, days: u16) -> anyhow::Result<Value> {
        let settings = wiring::settings(&self.config)?;
        let rules = &settings.rules;
        let automation = rules.automations.get(automation).context("the config has no such automation")?;
        let now = Clock::System.now();
        self.read(|snapshot| {
            let tested = engine::tested(snapshot, automation, days, Sight::All, rules, now)?;
            Ok(Listing::<TestedBody>::from(tested))
        })
    }

    pub(super) fn certificate(&self, id: u64) -> anyhow::Result<Value> {
        let id = ErasureId::new(id);
        self.read(|snapshot| {
            let erasure = engine::certificate(snapshot, id)?.context("no erasure has this number")?;
            Ok(ErasureBody::new(Some(id), erasure, &wiring::lever_web(&self.config)))
        })
    }

    pub(super) fn why(&self, id: &str) -> anyhow::Result<Value> {
        let unknown = "no such text is known";
        let id: MessageId = id.parse().context(unknown)?;
        let (settings, now) = (wiring::settings(&self.config)?, Clock::System.now());
        self.read(|snapshot| {
            let reasons = engine::why(snapshot, id, Sight::All, &settings.rules, now)?.context(unknown)?;
            Ok(Listing::<ReasonBody>::from(reasons))
        })
    }

    pub(super) fn why_not(&self, candidate: &str, automation: &str) -> anyhow::Result<Value> {
        let unknown = "no such automation or candidate is known";
        let id: OpportunityId = candidate.parse().context(unknown)?;
        let settings = wiring::settings(&self.config)?;
        let automation = settings.rules.automations.get(automation).context(unknown)?;
        self.read(|snapshot| {
            let reasons = engine::why_not(snapshot, &id, automation, Sight::All)?.context(unknown)?;
            Ok(Listing::<ReasonBody>::from(reasons))
        })
    }

    pub(super) fn holds(&self) -> anyhow::Result<Value> {
        self.read(|snapshot| Ok(Listing::<HoldBody>::from(engine::holds(snapshot)?)))
    }

    fn read<T: Serialize>(&self, read: impl FnOnce(&Snapshot) -> anyhow::Result<T>) -> anyhow::Result<Value> {
        Ok(serde_json::to_value(self.store.read(read)?)?)
    }
}

fn after<C: Cursor>(paging: &Paging) -> anyhow::Result<Option<C>> {
    let read = |text| C::from_text(text).context("the cursor is not one of this list");
    paging.cursor().map(read).transpose()
}

//! Reads the file itself, where the daemon does not run.
//!
//! What comes out has the shapes of the API, so that a script need not care. What only a running
//! daemon knows (rates, tasks, health) is empty.

use std::ops::ControlFlow;

use anyhow::{Context, bail};
use fulcrum_domain::{ConversationId, Direction, EffectState, MessageId};

use super::screen;
use super::shapes::{Backfill, Conversation, Deadlines, Message, Outbox, Page, Phase, Status};
use crate::config::Config;
use crate::engine::changes::suppression_of;
use crate::engine::clock::Clock;
use crate::store::tables::{
    BACKFILL, CONVERSATIONS, DEADLINES, INBOX, MESSAGES, OPPORTUNITIES, OUTBOX, OUTBOX_DUE, PLACES,
};
use crate::store::{Keys, PhaseName, PhaseState, Read, ReadOnly, Snapshot, StoreError};

/// The file of a daemon that does not run.
pub(super) struct Offline {
    store: ReadOnly,
    bytes: u64,
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
        let store = ReadOnly::open(path).context("the daemon is not running, and its file cannot be read")?;
        screen::note(format_args!("the daemon is not running; read from {}", path.display()))?;
        Ok(Self { store, bytes: metadata.len() })
    }

    pub(super) fn status(&self) -> Result<Status, StoreError> {
        let now = Clock::System.now();
        let status = self.store.read(|snapshot| {
            let mut outbox = Outbox { due: snapshot.len(OUTBOX_DUE)?, ..Outbox::default() };
            snapshot.scan(OUTBOX, &Keys::all(), |_, row| {
                outbox.failed += u64::from(row.state == EffectState::Failed);
                let age = u64::try_from(now.duration_since(row.asked_at).as_secs()).unwrap_or(0);
                if row.due_at <= now {
                    outbox.oldest_seconds = outbox.oldest_seconds.max(age);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok::<_, StoreError>(Status {
                backfill: backfill(snapshot)?,
                outbox,
                deadlines: Deadlines { pending: snapshot.len(DEADLINES)? },
                inbox: snapshot.len(INBOX)?,
                opportunities: snapshot.len(OPPORTUNITIES)?,
                conversations: snapshot.len(CONVERSATIONS)?,
                store_bytes: self.bytes,
                ..Status::default()
            })
        })?;
        Ok(status)
    }

    /// Conversations, the newest first; `after` is where the page before ended.
    pub(super) fn conversations(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Page<Conversation>> {
        let after: Option<ConversationId> = after.map(str::parse).transpose().context("the cursor")?;
        let keys = after.map_or_else(Keys::all, |id| Keys::all().before(&id));
        let page = self.store.read(|snapshot| {
            let mut rows = snapshot.list_back(CONVERSATIONS, &keys, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
            let data = rows.into_iter().map(|(_, row)| conversation(snapshot, &row));
            Ok::<_, StoreError>(Page { data: data.collect::<Result<_, _>>()?, next })
        })?;
        Ok(page)
    }

    /// The messages of a conversation; `after` is where the page before ended.
    pub(super) fn messages(
        &self,
        id: ConversationId,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Page<Message>> {
        let after: Option<MessageId> = after.map(str::parse).transpose().context("the cursor")?;
        let page = self.store.read(|snapshot| {
            if !snapshot.has(CONVERSATIONS, &id)? {
                return Ok(None);
            }
            let all = Keys::beginning(&id);
            let keys = match after {
                Some(after) => match snapshot.get(PLACES, &after)? {
                    Some(place) => all.after(&(id, place.at, after)),
                    None => return Ok(None),
                },
                None => all,
            };
            let mut rows = snapshot.list(MESSAGES, &keys, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|(_, row)| row.id.to_string());
            Ok::<_, StoreError>(Some(Page { data: rows.iter().map(|(_, row)| message(row)).collect(), next }))
        })?;
        page.with_context(|| format!("there is no conversation {id}, or none with that cursor"))
    }
}

/// For commands that change something.
pub(super) fn how_to_start(error: super::control::ControlError) -> anyhow::Error {
    let not_running = error.is_not_running();
    let error = anyhow::Error::from(error);
    if not_running {
        error.context("this needs the daemon: `fulcrum run`, or `systemctl start fulcrum`")
    } else {
        error
    }
}

fn backfill(read: &Snapshot) -> Result<Backfill, StoreError> {
    let Some(stored) = read.get(BACKFILL, &())? else {
        return Ok(Backfill { state: "not begun".to_owned(), phases: Vec::new() });
    };
    let phases = stored.phases.into_iter().map(|phase| Phase {
        name: phase_name(phase.name).to_owned(),
        state: match phase.state {
            PhaseState::Waiting => "waiting",
            PhaseState::Running => "stopped",
            PhaseState::Complete => "complete",
        }
        .to_owned(),
        done: phase.done,
        known: (phase.state == PhaseState::Complete).then_some(phase.done),
        requests: phase.requests,
        seconds_left: None,
    });
    let state = if stored.complete_at.is_some() { "complete" } else { "stopped" };
    Ok(Backfill { state: state.to_owned(), phases: phases.collect() })
}

fn phase_name(name: PhaseName) -> &'static str {
    match name {
        PhaseName::Users => "users",
        PhaseName::Stages => "stages",
        PhaseName::ArchiveReasons => "archive reasons",
        PhaseName::Postings => "postings",
        PhaseName::RecentOpportunities => "recent opportunities",
        PhaseName::ActiveOpportunities => "active opportunities",
        PhaseName::ArchivedOpportunities => "archived opportunities",
        PhaseName::Interviews => "interviews",
        PhaseName::CatchUp => "catch up",
    }
}

fn conversation(read: &Snapshot, row: &fulcrum_domain::Conversation) -> Result<Conversation, StoreError> {
    let opportunity = match &row.opportunity {
        Some(id) => read.get(OPPORTUNITIES, id)?,
        None => None,
    };
    Ok(Conversation {
        id: row.id.to_string(),
        number: row.number.to_string(),
        name: opportunity.map(|opportunity| opportunity.name),
        opportunity: row.opportunity.as_ref().map(ToString::to_string),
        opted_out: suppression_of(read, row.number)?.is_some(),
        last_message_at: row.last_message_at,
        files_at: row.session.map(|session| session.files_at()),
    })
}

fn message(row: &fulcrum_domain::Message) -> Message {
    Message {
        id: row.id.to_string(),
        direction: match row.direction {
            Direction::In => "in",
            Direction::Out => "out",
        }
        .to_owned(),
        body: row.body.reveal().to_owned(),
        status: row.delivery.word().to_owned(),
        at: row.at,
        error: row.failure.map(|failure| failure.reason().to_owned()),
    }
}

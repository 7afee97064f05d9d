//! Reads the file itself, where the daemon does not run.
//!
//! What comes out has the shapes of the API, so that a script need not care. What only a running
//! daemon knows (rates, tasks, health) is empty.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::{Context, bail};
use fulcrum_domain::{ConversationId, MessageId};

use super::screen;
use super::shapes::{
    Backfill, Conversation, Deadlines, Message, Outbox, Page, Phase, Rows, Status, Webhooks,
};
use crate::config::Config;
use crate::engine::changes::suppression_of;
use crate::engine::clock::Clock;
use crate::engine::{direction_word, failure_words};
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
            let mut oldest_seconds = 0;
            let mut counts = BTreeMap::new();
            snapshot.scan(OUTBOX, &Keys::all(), |effect, row| {
                *counts.entry((effect.kind(), row.state.as_str())).or_default() += 1;
                if row.due_at <= now {
                    let age = u64::try_from(now.duration_since(row.asked_at).as_secs()).unwrap_or(0);
                    oldest_seconds = age.max(oldest_seconds);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let rows = counts.into_iter().map(|((effect, state), rows)| Rows {
                effect: effect.to_owned(),
                state: state.to_owned(),
                rows,
            });
            let outbox = Outbox { due: snapshot.len(OUTBOX_DUE)?, oldest_seconds, rows: rows.collect() };
            Ok::<_, StoreError>(Status {
                backfill: backfill(snapshot)?,
                outbox,
                deadlines: Deadlines { pending: snapshot.len(DEADLINES)? },
                webhooks: Webhooks { waiting: snapshot.len(INBOX)?, ..Webhooks::default() },
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
    let mut phases: Vec<Phase> = Vec::new();
    for step in &stored.phases {
        let (name, state) = (phase_name(step.name), state_word(step.state));
        // The steps of reading opportunities follow one another, and are one phase to the API.
        match phases.last_mut().filter(|phase| phase.name == name) {
            Some(phase) => {
                phase.done += step.done;
                phase.requests += step.requests;
                if phase.state != state {
                    state_word(PhaseState::Running).clone_into(&mut phase.state);
                }
            }
            None => phases.push(Phase {
                name: name.to_owned(),
                state: state.to_owned(),
                done: step.done,
                requests: step.requests,
                ..Phase::default()
            }),
        }
    }
    let state = if stored.complete_at.is_some() { "complete" } else { "stopped" };
    Ok(Backfill { state: state.to_owned(), phases })
}

fn state_word(state: PhaseState) -> &'static str {
    match state {
        PhaseState::Waiting => "waiting",
        PhaseState::Running => "stopped",
        PhaseState::Complete => "complete",
    }
}

fn phase_name(name: PhaseName) -> &'static str {
    match name {
        PhaseName::Users => "users",
        PhaseName::Stages => "stages",
        PhaseName::ArchiveReasons => "archive reasons",
        PhaseName::Postings => "postings",
        PhaseName::RecentOpportunities
        | PhaseName::ActiveOpportunities
        | PhaseName::ArchivedOpportunities => "opportunities",
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
        name: opportunity.map(|opportunity| opportunity.name).filter(|name| !name.is_empty()),
        opportunity: row.opportunity.as_ref().map(ToString::to_string),
        opted_out: suppression_of(read, row.number)?.is_some(),
        last_message_at: row.last_message_at,
        files_at: row.deadline,
    })
}

fn message(row: &fulcrum_domain::Message) -> Message {
    Message {
        id: row.id.to_string(),
        direction: direction_word(row.direction).to_owned(),
        body: row.body.reveal().to_owned(),
        status: row.delivery.word().to_owned(),
        at: row.at,
        error: failure_words(row).map(str::to_owned),
    }
}

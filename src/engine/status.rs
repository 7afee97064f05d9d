//! How it goes, for `fulcrum status` and the metrics: what the file says, which can be asked without a
//! daemon too, and what only the running parts know. Nothing here reads more of the file than a few
//! rows of each table, whatever its size.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Engine;
use super::backups::{last_backup, last_copy};
use super::changes::{EffectCounts, count_failed, effect_counts, first_due_at, muted, oldest_asked_at};
use super::health::Health;
use super::tasks::TaskState;
use crate::store::tables::{
    BACKFILL, CONVERSATIONS, COUNTERS, DEADLINES, INBOX, INTERVIEWS_WANTED, OPPORTUNITIES, OUTBOX_DUE,
};
use crate::store::{BackfillState, Muted, PhaseName, PhaseState, Read, Sealing, Snapshot, StoreError};

/// A part of the initial sync.
#[derive(Clone, Debug)]
pub struct PhaseStatus {
    /// Its name.
    pub name: &'static str,
    /// How far it is.
    pub state: PhaseState,
    /// Rows done.
    pub done: u64,
    /// Rows in all, as far as that is known.
    pub known: Option<u64>,
    /// Requests used.
    pub requests: u64,
    /// At the present rate.
    pub seconds_left: Option<u64>,
}

/// The initial sync.
#[derive(Clone, Debug)]
pub struct BackfillStatus {
    /// Whether all of it is done.
    pub complete: bool,
    /// Its parts.
    pub phases: Vec<PhaseStatus>,
}

/// The use of Lever's rate.
#[derive(Clone, Debug)]
pub struct LeverStatus {
    /// Share of the allowed rate that was used while there was work.
    pub rate_used: f64,
    /// The rate now, in percent of the configured one.
    pub rate_percent: u32,
    /// Requests that wait, by lane.
    pub waiting: BTreeMap<&'static str, usize>,
    /// Requests under way.
    pub in_flight: usize,
    /// Refusals for the rate.
    pub throttled: u64,
}

/// A background task.
pub type TaskStatus = TaskState;

/// What the file says.
#[derive(Clone, Debug)]
pub struct StoredStatus {
    /// The initial sync.
    pub backfill: BackfillStatus,
    /// Effects by kind and state.
    pub outbox: EffectCounts,
    /// Effects that wait for their time.
    pub outbox_due: u64,
    /// Age of the oldest effect that could be done by now, in seconds.
    pub outbox_oldest_seconds: u64,
    /// When the first effect is due, where none could be done by now.
    pub outbox_first_at: Option<Timestamp>,
    /// Deadlines that wait.
    pub deadlines: u64,
    /// Webhooks that wait.
    pub inbox: u64,
    /// Opportunities known.
    pub opportunities: u64,
    /// Conversations.
    pub conversations: u64,
    /// What arrived only by looking, not by webhook.
    pub found_by_poll: u64,
    /// When the last backup was made by itself.
    pub last_backup: Option<Timestamp>,
    /// When the newest backup was made that lies in the bucket.
    pub last_copy: Option<Timestamp>,
    /// How far the file is sealed as wanted; none, if there are neither keys nor seals.
    pub sealing: Option<Sealing>,
    /// Since when nothing leaves, if that is so.
    pub muted: Option<Muted>,
}

/// Everything that `fulcrum status` shows.
#[derive(Clone, Debug)]
pub struct Status {
    /// What the file says.
    pub stored: StoredStatus,
    /// The file's size.
    pub store_bytes: u64,
    /// Lever's rate.
    pub lever: LeverStatus,
    /// Verified webhooks: the last of each event.
    pub hooks_seen: BTreeMap<&'static str, Timestamp>,
    /// Background tasks.
    pub tasks: BTreeMap<&'static str, TaskStatus>,
    /// Health.
    pub health: Health,
}

/// The name of a phase in the interface.
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

impl Engine {
    /// The state of everything, from one snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn status(&self) -> Result<Status, StoreError> {
        let now = self.clock.now();
        let rate = self.settings.load().requests_per_second;
        let stored = self.store.read(move |snapshot| StoredStatus::read(snapshot, rate, now)).await?;
        let pace = self.lever.pacer().status();
        let lanes = fulcrum_domain::Lane::ALL;
        Ok(Status {
            lever: LeverStatus {
                rate_used: pace.rate_used,
                rate_percent: pace.rate_percent,
                waiting: lanes.iter().map(|lane| (lane.as_str(), pace.waiting[lane.index()])).collect(),
                in_flight: pace.in_flight,
                throttled: pace.throttled,
            },
            health: self.health_of(Ok(&stored), now),
            stored,
            store_bytes: self.store.file_bytes(),
            hooks_seen: self.notices.hooks_seen(),
            tasks: self.tasks.states(),
        })
    }
}

impl StoredStatus {
    /// The state of the file; `rate` is how many requests a second are made, for the time left.
    pub(crate) fn read(read: &Snapshot, rate: f64, now: Timestamp) -> Result<Self, StoreError> {
        let oldest = oldest_asked_at(read, now)?;
        Ok(Self {
            backfill: match read.get(BACKFILL, &())? {
                Some(state) => backfill(&state, read.len(INTERVIEWS_WANTED)?, rate),
                None => BackfillStatus { complete: false, phases: Vec::new() },
            },
            outbox: effect_counts(read)?,
            outbox_due: read.len(OUTBOX_DUE)?,
            outbox_oldest_seconds: oldest
                .map_or(0, |at| u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0)),
            outbox_first_at: if oldest.is_none() { first_due_at(read)? } else { None },
            deadlines: read.len(DEADLINES)?,
            inbox: read.len(INBOX)?,
            opportunities: read.len(OPPORTUNITIES)?,
            conversations: read.len(CONVERSATIONS)?,
            last_backup: last_backup(read)?,
            last_copy: last_copy(read)?,
            sealing: read.sealing()?,
            muted: muted(read)?,
            found_by_poll: read.get(COUNTERS, &FOUND_BY_POLL.to_owned())?.unwrap_or(0),
        })
    }

    /// How many effects wait for a person.
    pub(crate) fn failed(&self) -> u64 {
        count_failed(&self.outbox)
    }
}

fn backfill(state: &BackfillState, wanted: u64, rate: f64) -> BackfillStatus {
    let phases = state.phases.iter().map(|phase| {
        // Lever tells no totals: how many interviews are wanted is known here alone.
        let known = match (phase.name, phase.state) {
            (_, PhaseState::Complete) => Some(phase.done),
            (PhaseName::Interviews, _) => Some(phase.done + wanted),
            _ => None,
        };
        let left = known.map(|known| known.saturating_sub(phase.done));
        PhaseStatus {
            name: phase_name(phase.name),
            state: phase.state,
            done: phase.done,
            known,
            requests: phase.requests,
            seconds_left: left.map(|left| (left as f64 / rate).ceil() as u64),
        }
    });
    BackfillStatus { complete: state.complete_at.is_some(), phases: phases.collect() }
}

/// The counter of what arrived only by looking.
pub(crate) const FOUND_BY_POLL: &str = "found by poll";

//! How it goes: for `/health`, `fulcrum status`, the metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fulcrum_domain::HookEvent;
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::tasks::TaskState;
use crate::store::tables::{
    BACKFILL, CONVERSATIONS, COUNTERS, DEADLINES, INBOX, INTERVIEWS_WANTED, OPPORTUNITIES, OUTBOX, OUTBOX_DUE,
};
use crate::store::{Keys, PhaseName, PhaseState, Read, StoreError};

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// It works.
    Ok,
    /// It works in part; an operator should look.
    Degraded,
    /// It does not work.
    Failing,
}

impl HealthStatus {
    /// The word of interface.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// A part of the daemon, as health shows it.
#[derive(Clone, Debug)]
pub struct Component {
    /// How it is.
    pub status: HealthStatus,
    /// Since when.
    pub since: Timestamp,
    /// In words, with what to do.
    pub detail: String,
}

/// The whole, and its parts by name.
#[derive(Clone, Debug)]
pub struct Health {
    /// The worst of the parts.
    pub status: HealthStatus,
    /// The parts.
    pub components: BTreeMap<&'static str, Component>,
}

/// A part of the initial sync.
#[derive(Clone, Debug)]
pub struct PhaseStatus {
    /// Its name.
    pub name: &'static str,
    /// `waiting`, `running`, `complete`.
    pub state: &'static str,
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

/// Everything that `fulcrum status` shows.
#[derive(Clone, Debug)]
pub struct Status {
    /// The initial sync.
    pub backfill: BackfillStatus,
    /// Lever's rate.
    pub lever: LeverStatus,
    /// Effects by kind and state.
    pub outbox: BTreeMap<(&'static str, &'static str), u64>,
    /// Effects that wait for their time.
    pub outbox_due: u64,
    /// Age of the oldest effect, in seconds.
    pub outbox_oldest_seconds: u64,
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
    /// The file's size.
    pub store_bytes: u64,
    /// Verified webhooks: the last of each event.
    pub hooks_seen: BTreeMap<&'static str, Timestamp>,
    /// Background tasks.
    pub tasks: BTreeMap<&'static str, TaskStatus>,
    /// Health.
    pub health: Health,
}

/// What the parts report about the remotes and themselves.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    inner: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    trouble: BTreeMap<&'static str, Component>,
    healthy_since: BTreeMap<&'static str, Timestamp>,
    hooks: BTreeMap<&'static str, Timestamp>,
}

impl Notices {
    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part works, as far as could be seen just now.
    pub(crate) fn well(&self, part: &'static str, now: Timestamp) {
        let mut noted = self.lock();
        if noted.trouble.remove(part).is_some() || !noted.healthy_since.contains_key(part) {
            noted.healthy_since.insert(part, now);
        }
    }

    /// A part has trouble. The first moment of it stays, and whether that is news is told.
    pub(crate) fn trouble(
        &self,
        part: &'static str,
        status: HealthStatus,
        detail: String,
        now: Timestamp,
    ) -> bool {
        let mut noted = self.lock();
        let since = noted.trouble.get(part).map_or(now, |component| component.since);
        noted.trouble.insert(part, Component { status, since, detail }).is_none()
    }

    pub(crate) fn hook_verified(&self, event: HookEvent, now: Timestamp) {
        self.lock().hooks.insert(event.as_key(), now);
    }

    fn of(&self, part: &'static str, started: Timestamp) -> Component {
        let noted = self.lock();
        noted.trouble.get(part).cloned().unwrap_or_else(|| Component {
            status: HealthStatus::Ok,
            since: noted.healthy_since.get(part).copied().unwrap_or(started),
            detail: String::new(),
        })
    }
}

/// The name of a phase in the interface.
pub(crate) fn phase_name(name: PhaseName) -> &'static str {
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
        let rate = self.lever_rate();
        let stored = self.store.read(move |snapshot| Stored::read(snapshot, now)).await?;
        let pace = self.lever.pacer().status();
        let lanes = fulcrum_domain::Lane::ALL;
        let backfill = stored.backfill(rate);
        Ok(Status {
            lever: LeverStatus {
                rate_used: pace.rate_used,
                rate_percent: pace.rate_percent,
                waiting: lanes.iter().map(|lane| (lane.as_str(), pace.waiting[lane.index()])).collect(),
                in_flight: pace.in_flight,
                throttled: pace.throttled,
            },
            outbox_oldest_seconds: stored
                .oldest
                .map_or(0, |at| u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0)),
            health: self.health_of(&stored, &backfill, now),
            backfill,
            outbox: stored.outbox,
            outbox_due: stored.due,
            deadlines: stored.deadlines,
            inbox: stored.inbox,
            opportunities: stored.opportunities,
            conversations: stored.conversations,
            found_by_poll: stored.found_by_poll,
            store_bytes: self.store.file_bytes(),
            hooks_seen: self.notices.lock().hooks.clone(),
            tasks: self.tasks.states(),
        })
    }

    fn lever_rate(&self) -> f64 {
        self.settings.load().requests_per_second
    }

    fn health_of(&self, stored: &Stored, backfill: &BackfillStatus, now: Timestamp) -> Health {
        let mut components = BTreeMap::new();
        for part in ["store", "lever", "carrier", "backfill", "outbox", "clock"] {
            components.insert(part, self.notices.of(part, self.started_at));
        }
        let put = |components: &mut BTreeMap<_, Component>, part, status, detail: String| {
            if let Some(component) = components.get_mut(part)
                && component.status < status
            {
                *component = Component { status, since: component.since, detail };
            } else if let Some(component) = components.get_mut(part)
                && component.detail.is_empty()
            {
                component.detail = detail;
            }
        };
        if self.store.broken().is_cancelled() {
            let detail =
                "the storage failed under a write; the process ends so that the next start repairs it";
            put(&mut components, "store", HealthStatus::Failing, detail.into());
        }
        let failed: u64 =
            stored.outbox.iter().filter(|((_, state), _)| *state == "failed").map(|(_, n)| n).sum();
        if let Some(detail) = self.refused.in_words() {
            put(&mut components, "lever", HealthStatus::Degraded, detail);
        }
        if failed > 0 {
            let detail =
                format!("{failed} effects failed and wait for a person: `fulcrum status` lists them");
            put(&mut components, "outbox", HealthStatus::Degraded, detail);
        }
        if !backfill.complete {
            let running = backfill.phases.iter().find(|phase| phase.state == "running");
            let detail = running.map_or_else(
                || "not begun".to_owned(),
                |phase| format!("reading {}: {} done; anyone can be texted now", phase.name, phase.done),
            );
            put(&mut components, "backfill", HealthStatus::Ok, detail);
        }
        if let Some(skew) = self.lever.skew(now)
            && skew.abs() > SignedDuration::from_secs(30)
        {
            let detail =
                format!("this clock is {} s off Lever's: set up time synchronisation", skew.as_secs());
            put(&mut components, "clock", HealthStatus::Degraded, detail);
        }
        let status = components.values().map(|component| component.status).max().unwrap_or(HealthStatus::Ok);
        Health { status, components }
    }
}

/// What is counted in the file.
struct Stored {
    backfill: Option<crate::store::BackfillState>,
    outbox: BTreeMap<(&'static str, &'static str), u64>,
    due: u64,
    oldest: Option<Timestamp>,
    deadlines: u64,
    inbox: u64,
    opportunities: u64,
    conversations: u64,
    found_by_poll: u64,
    wanted: u64,
}

impl Stored {
    fn read(read: &impl Read, now: Timestamp) -> Result<Self, StoreError> {
        let mut outbox = BTreeMap::new();
        let mut oldest: Option<Timestamp> = None;
        read.scan(OUTBOX, &Keys::all(), |effect, row| {
            *outbox.entry((effect.kind(), row.state.as_str())).or_insert(0) += 1;
            if row.due_at <= now {
                oldest = Some(oldest.map_or(row.asked_at, |at| at.min(row.asked_at)));
            }
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        Ok(Self {
            backfill: read.get(BACKFILL, &())?,
            outbox,
            oldest,
            due: read.len(OUTBOX_DUE)?,
            deadlines: read.len(DEADLINES)?,
            inbox: read.len(INBOX)?,
            opportunities: read.len(OPPORTUNITIES)?,
            conversations: read.len(CONVERSATIONS)?,
            wanted: read.len(INTERVIEWS_WANTED)?,
            found_by_poll: read.get(COUNTERS, &FOUND_BY_POLL.to_owned())?.unwrap_or(0),
        })
    }

    fn backfill(&self, rate: f64) -> BackfillStatus {
        let Some(state) = &self.backfill else {
            return BackfillStatus { complete: false, phases: Vec::new() };
        };
        let phases = state.phases.iter().map(|phase| {
            // Lever tells no totals: how many interviews are wanted is known here alone.
            let known = match (phase.name, phase.state) {
                (_, PhaseState::Complete) => Some(phase.done),
                (PhaseName::Interviews, _) => Some(phase.done + self.wanted),
                _ => None,
            };
            let left = known.map(|known| known.saturating_sub(phase.done));
            PhaseStatus {
                name: phase_name(phase.name),
                state: match phase.state {
                    PhaseState::Waiting => "waiting",
                    PhaseState::Running => "running",
                    PhaseState::Complete => "complete",
                },
                done: phase.done,
                known,
                requests: phase.requests,
                seconds_left: left.map(|left| (left as f64 / rate).ceil() as u64),
            }
        });
        BackfillStatus { complete: state.complete_at.is_some(), phases: phases.collect() }
    }
}

/// The counter of what arrived only by looking.
pub(crate) const FOUND_BY_POLL: &str = "found by poll";

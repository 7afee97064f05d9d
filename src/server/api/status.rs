//! `/api/v1/status`: how far the sync is, what waits, what fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::{BackfillStatus, LeverStatus, PhaseStatus, Status, StoredStatus};
use crate::server::Shared;
use crate::server::ops::HealthBody;
use crate::server::problem::Problem;
use crate::store::PhaseState;

/// The daemon's state.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusBody {
    #[serde(flatten)]
    stored: StoredBody,
    /// The use of Lever's rate.
    lever: LeverBody,
    /// Background tasks by name.
    tasks: BTreeMap<&'static str, TaskBody>,
    /// How it and its parts are.
    health: HealthBody,
}

/// What the file says: all that there is to tell where no daemon runs.
#[derive(Serialize, ToSchema)]
#[schema(as = StoredStatus)]
pub(crate) struct StoredBody {
    /// The initial sync.
    backfill: BackfillBody,
    /// What is to be done to the outside.
    outbox: OutboxBody,
    /// What waits for its time.
    deadlines: DeadlinesBody,
    /// Webhooks.
    webhooks: WebhooksBody,
    /// Opportunities that are known.
    opportunities: u64,
    /// Conversations.
    conversations: u64,
    /// Changes in Lever that no webhook announced.
    found_by_poll: u64,
    /// Since when nothing leaves, if this is a restored copy that is muted.
    #[schema(value_type = Option<String>, format = DateTime)]
    muted_since: Option<Timestamp>,
    /// Bytes of the file.
    store_bytes: u64,
}

/// The initial sync.
#[derive(Serialize, ToSchema)]
#[schema(as = Backfill)]
struct BackfillBody {
    /// `running` or `complete`.
    state: &'static str,
    /// In the order in which they begin.
    phases: Vec<PhaseBody>,
}

/// A part of the initial sync.
#[derive(Serialize, ToSchema)]
#[schema(as = Phase)]
struct PhaseBody {
    /// What is read.
    name: &'static str,
    /// `waiting`, `running` or `complete`.
    state: &'static str,
    /// Rows done.
    done: u64,
    /// Rows in all, as far as that is known.
    known: Option<u64>,
    /// At the present rate.
    seconds_left: Option<u64>,
    /// Requests used.
    requests: u64,
}

/// The use of Lever's rate.
#[derive(Serialize, ToSchema)]
#[schema(as = LeverRate)]
struct LeverBody {
    /// Share of the allowed rate that was used while there was work.
    rate_used: f64,
    /// The rate now, in percent of the configured one: less after Lever refused.
    rate_percent: u32,
    /// Requests that wait, by lane.
    waiting: BTreeMap<&'static str, usize>,
    /// Requests under way.
    in_flight: usize,
    /// Refusals for the rate.
    throttled: u64,
}

/// What is to be done to the outside.
#[derive(Serialize, ToSchema)]
#[schema(as = Outbox)]
struct OutboxBody {
    /// Effects that wait for their time.
    due: u64,
    /// Age of the oldest that could be done by now.
    oldest_seconds: u64,
    /// When the first is due, where none could be done by now.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_at: Option<Timestamp>,
    /// All of them, by kind and state.
    rows: Vec<OutboxRow>,
}

/// Effects of one kind in one state.
#[derive(Serialize, ToSchema)]
struct OutboxRow {
    /// `send`, `note`, `hydrate`, `interviews`, `delete_note`, `delete_text`, `interview` or `fetch_file`.
    effect: &'static str,
    /// `due`, `in_flight`, `unknown` or `failed`.
    state: &'static str,
    /// How many.
    rows: u64,
}

/// What waits for its time.
#[derive(Serialize, ToSchema)]
#[schema(as = Deadlines)]
struct DeadlinesBody {
    /// How many.
    pending: u64,
}

/// Webhooks of Lever.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhooks)]
struct WebhooksBody {
    /// Stored, not yet acted on.
    waiting: u64,
    /// When each event was last verified; one that is missing has not come.
    #[schema(value_type = BTreeMap<String, String>)]
    last_verified: BTreeMap<&'static str, Timestamp>,
}

/// A background task.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
struct TaskBody {
    /// Whether it runs.
    running: bool,
    /// How often it failed.
    failures: u64,
    /// The last failure, in words.
    last_error: Option<String>,
}

impl From<Status> for StatusBody {
    fn from(status: Status) -> Self {
        let tasks = status.tasks.into_iter().map(|(name, task)| {
            let body =
                TaskBody { running: task.running, failures: task.failures, last_error: task.last_error };
            (name, body)
        });
        let mut stored = StoredBody::new(status.stored, status.store_bytes);
        stored.webhooks.last_verified = status.hooks_seen;
        Self { stored, lever: status.lever.into(), tasks: tasks.collect(), health: status.health.into() }
    }
}

impl StoredBody {
    pub(crate) fn new(stored: StoredStatus, store_bytes: u64) -> Self {
        let rows = stored.outbox.into_iter();
        Self {
            backfill: stored.backfill.into(),
            outbox: OutboxBody {
                due: stored.outbox_due,
                oldest_seconds: stored.outbox_oldest_seconds,
                first_at: stored.outbox_first_at,
                rows: rows
                    .map(|((kind, state), rows)| OutboxRow {
                        effect: kind.as_str(),
                        state: state.as_str(),
                        rows,
                    })
                    .collect(),
            },
            deadlines: DeadlinesBody { pending: stored.deadlines },
            webhooks: WebhooksBody { waiting: stored.inbox, last_verified: BTreeMap::new() },
            opportunities: stored.opportunities,
            conversations: stored.conversations,
            found_by_poll: stored.found_by_poll,
            muted_since: stored.muted.map(|muted| muted.since),
            store_bytes,
        }
    }
}

impl From<LeverStatus> for LeverBody {
    fn from(lever: LeverStatus) -> Self {
        Self {
            rate_used: lever.rate_used,
            rate_percent: lever.rate_percent,
            waiting: lever.waiting,
            in_flight: lever.in_flight,
            throttled: lever.throttled,
        }
    }
}

impl From<BackfillStatus> for BackfillBody {
    fn from(backfill: BackfillStatus) -> Self {
        let state = if backfill.complete { "complete" } else { "running" };
        Self { state, phases: merged(backfill.phases) }
    }
}

const OPPORTUNITIES: &str = "opportunities";

/// The phases as interface.md names them. Reading opportunities is one phase, whatever its steps
/// are, and it is there from the first moment on.
fn merged(phases: Vec<PhaseStatus>) -> Vec<PhaseBody> {
    let mut shown: Vec<PhaseBody> = Vec::new();
    for phase in phases {
        let name = if phase.name.ends_with(OPPORTUNITIES) { OPPORTUNITIES } else { phase.name };
        let step = PhaseBody {
            name,
            state: phase.state.word(),
            done: phase.done,
            known: phase.known,
            seconds_left: phase.seconds_left,
            requests: phase.requests,
        };
        match shown.iter_mut().find(|phase| phase.name == name) {
            Some(phase) => phase.add(&step),
            None => shown.push(step),
        }
    }
    if !shown.iter().any(|phase| phase.name == OPPORTUNITIES) {
        let waiting = PhaseBody {
            name: OPPORTUNITIES,
            state: PhaseState::Waiting.word(),
            done: 0,
            known: None,
            seconds_left: None,
            requests: 0,
        };
        shown.push(waiting);
    }
    shown
}

impl PhaseBody {
    fn add(&mut self, step: &Self) {
        self.state = if self.state == step.state { self.state } else { PhaseState::Running.word() };
        self.done += step.done;
        self.requests += step.requests;
        self.known = self.known.zip(step.known).map(|(a, b)| a + b);
        self.seconds_left = self.seconds_left.zip(step.seconds_left).map(|(a, b)| a + b);
    }
}

#[utoipa::path(
    get, path = "/api/v1/status", summary = "The daemon's state",
    responses((status = 200, body = StatusBody)),
    security(("bearer" = []))
)]
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Result<Json<StatusBody>, Problem> {
    Ok(Json(shared.engine.status().await?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &'static str, state: PhaseState, done: u64, known: Option<u64>) -> PhaseStatus {
        PhaseStatus { name, state, done, known, requests: 1, seconds_left: known.map(|known| known - done) }
    }

    #[test]
    fn the_steps_of_reading_opportunities_are_one_phase() {
        let shown = merged(vec![
            phase("users", PhaseState::Complete, 7, Some(7)),
            phase("recent opportunities", PhaseState::Complete, 100, Some(100)),
            phase("active opportunities", PhaseState::Running, 200, Some(250)),
            phase("interviews", PhaseState::Waiting, 0, Some(9)),
            phase("archived opportunities", PhaseState::Waiting, 0, Some(1000)),
        ]);
        let names: Vec<_> = shown.iter().map(|phase| phase.name).collect();
        assert_eq!(names, ["users", OPPORTUNITIES, "interviews"]);
        let all = &shown[1];
        assert_eq!((all.state, all.done, all.requests), ("running", 300, 3));
        assert_eq!((all.known, all.seconds_left), (Some(1350), Some(1050)));
    }

    #[test]
    fn one_step_of_unknown_length_makes_the_whole_unknown() {
        let shown = merged(vec![
            phase("active opportunities", PhaseState::Complete, 200, Some(200)),
            phase("archived opportunities", PhaseState::Waiting, 0, None),
        ]);
        assert_eq!((shown[0].state, shown[0].known, shown[0].seconds_left), ("running", None, None));
    }

    #[test]
    fn the_phase_that_scripts_look_for_is_there_before_anything_began() {
        let shown = merged(Vec::new());
        assert_eq!((shown[0].name, shown[0].state, shown[0].done), (OPPORTUNITIES, "waiting", 0));
    }
}

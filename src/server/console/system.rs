//! `/system`: how the parts of the daemon are, for operators. Nothing here is about a person.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::frame::{Frame, page};
use super::{texts, words};
use crate::engine::{HealthStatus, Status};
use crate::server::caller::Caller;
use crate::server::problem::Problem;
use crate::server::{Shared, extension};
use crate::store::SCHEMA;

/// The page.
#[derive(Template)]
#[template(path = "system.html")]
struct Page {
    frame: Frame,
    parts: Vec<Part>,
    queues: Vec<Pair>,
    lanes: Vec<Pair>,
    store: Vec<Pair>,
    tasks: Vec<Task>,
}

type Pair = (String, String);

/// A component of health.
struct Part {
    name: &'static str,
    mood: &'static str,
    status: &'static str,
    since: String,
    detail: String,
}

/// A background task.
struct Task {
    name: &'static str,
    mood: &'static str,
    state: &'static str,
    restarts: String,
    error: String,
}

/// `GET /system`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let status = shared.engine.status().await?;
    let now = shared.engine.now();
    let parts = status.health.components.iter().map(|(name, part)| Part {
        name,
        mood: match part.status {
            HealthStatus::Ok => "good",
            HealthStatus::Degraded => "warn",
            HealthStatus::Failing => "bad",
        },
        status: part.status.as_str(),
        since: words::lasting(u64::try_from(now.duration_since(part.since).as_secs()).unwrap_or(0)),
        detail: part.detail.clone(),
    });
    let tasks = status.tasks.iter().map(|(name, task)| Task {
        name,
        mood: match (task.running, task.is_failing()) {
            (true, false) => "good",
            (true, true) => "warn",
            (false, _) => "bad",
        },
        state: if task.running { texts::RUNNING } else { texts::STOPPED },
        restarts: words::count(task.failures),
        error: task.last_error.clone().unwrap_or_default(),
    });
    Ok(page(&Page {
        frame: Frame::new(&shared, &caller, "/system").await?,
        parts: parts.collect(),
        queues: queues(&status),
        lanes: lanes(&status),
        store: vec![
            pair(texts::STORE_SIZE, bytes(status.store_bytes)),
            pair(texts::OPPORTUNITIES, words::count(status.stored.opportunities)),
            pair(texts::CONVERSATIONS, words::count(status.stored.conversations)),
            pair(texts::VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            pair(texts::STORE_VERSION, SCHEMA.to_string()),
            pair(texts::EXTENSION_VERSION, extension::VERSION.to_owned()),
        ],
        tasks: tasks.collect(),
    }))
}

fn pair(name: impl Into<String>, value: String) -> Pair {
    (name.into(), value)
}

fn queues(status: &Status) -> Vec<Pair> {
    let stored = &status.stored;
    let effects = stored.outbox.iter().filter(|(_, count)| **count > 0);
    let mut pairs: Vec<Pair> = effects
        .map(|((kind, state), rows)| pair(format!("{kind}, {}", state.as_str()), words::count(*rows)))
        .collect();
    if pairs.is_empty() {
        pairs.push(pair(texts::EFFECT, texts::NO_EFFECTS.to_owned()));
    }
    pairs.push(pair(texts::INBOX_WAITING, words::count(stored.inbox)));
    pairs.push(pair(texts::DEADLINES, words::count(stored.deadlines)));
    pairs.push(pair(texts::FOUND_BY_POLL, words::count(stored.found_by_poll)));
    pairs
}

fn lanes(status: &Status) -> Vec<Pair> {
    let lever = &status.lever;
    let waiting =
        lever.waiting.iter().map(|(lane, waiting)| pair(*lane, format!("{waiting} {}", texts::WAITING)));
    let mut pairs: Vec<Pair> = waiting.collect();
    pairs.push(pair(texts::IN_FLIGHT, lever.in_flight.to_string()));
    pairs.push(pair(texts::RATE_USED, format!("{:.0} %", lever.rate_used * 100.0)));
    pairs.push(pair(texts::THROTTLED, words::count(lever.throttled)));
    pairs
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

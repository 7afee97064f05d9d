//! What commands read of the API's answers (interface.md).
//!
//! A client's view: fields that a person is not shown are passed over, and what is not there, since the
//! daemon is older or does not run, is empty.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    /// None where the daemon does not run.
    pub(super) health: Option<Health>,
    pub(super) backfill: Backfill,
    pub(super) lever: Lever,
    pub(super) outbox: Outbox,
    pub(super) deadlines: Deadlines,
    pub(super) webhooks: Webhooks,
    pub(super) opportunities: u64,
    pub(super) conversations: u64,
    pub(super) found_by_poll: u64,
    pub(super) muted_since: Option<Timestamp>,
    pub(super) store_bytes: u64,
    pub(super) tasks: BTreeMap<String, Task>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    pub(super) status: String,
    pub(super) components: BTreeMap<String, Component>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Component {
    pub(super) status: String,
    pub(super) detail: String,
}

/// The initial sync.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Backfill {
    pub(super) state: String,
    pub(super) phases: Vec<Phase>,
}

impl Backfill {
    pub(super) fn is_complete(&self) -> bool {
        self.state == "complete"
    }

    /// Whether anything was read yet.
    pub(super) fn is_begun(&self) -> bool {
        self.phases.iter().any(|phase| phase.state != "waiting")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) done: u64,
    pub(super) known: Option<u64>,
    pub(super) requests: u64,
    pub(super) seconds_left: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lever {
    pub(super) rate_used: Option<f64>,
    pub(super) rate_percent: Option<u32>,
    pub(super) in_flight: u64,
    pub(super) throttled: u64,
    pub(super) waiting: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outbox {
    pub(super) due: u64,
    pub(super) oldest_seconds: u64,
    /// When the first is due, where none could be done by now.
    pub(super) first_at: Option<Timestamp>,
    pub(super) rows: Vec<Rows>,
}

impl Outbox {
    /// How many wait for a person.
    pub(super) fn failed(&self) -> u64 {
        self.rows.iter().filter(|rows| rows.state == "failed").map(|rows| rows.rows).sum()
    }
}

/// Effects of one kind in one state.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rows {
    pub(super) effect: String,
    pub(super) state: String,
    pub(super) rows: u64,
}

/// An effect that waits for a person.
#[derive(Debug, Deserialize)]
pub(super) struct Failed {
    pub(super) kind: String,
    pub(super) id: String,
    #[serde(default)]
    pub(super) conversation: Option<String>,
    #[serde(default)]
    pub(super) opportunity: Option<String>,
    pub(super) attempts: u32,
    pub(super) error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Webhooks {
    pub(super) waiting: u64,
    pub(super) last_verified: BTreeMap<String, Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Deadlines {
    pub(super) pending: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task {
    pub(super) running: bool,
    pub(super) failures: u64,
    pub(super) last_error: Option<String>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Conversation {
    pub(super) id: String,
    pub(super) number: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) opted_out: bool,
    #[serde(default)]
    pub(super) possible_opt_out: Option<Timestamp>,
    pub(super) last_message_at: Option<Timestamp>,
    pub(super) files_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) direction: String,
    pub(super) body: String,
    pub(super) status: String,
    pub(super) at: Timestamp,
    #[serde(default)]
    pub(super) send_at: Option<Timestamp>,
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) files: Vec<File>,
}

/// What came with a text.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) media_type: Option<String>,
    pub(super) bytes: Option<u64>,
}

impl File {
    /// As people are told: `[picture, 3.0 KiB]`.
    pub(super) fn words(&self) -> String {
        let is_picture = self.media_type.as_deref().is_some_and(|kind| kind.starts_with("image/"));
        let what = if is_picture { "picture" } else { "file" };
        match self.bytes {
            Some(bytes) => format!("[{what}, {}]", super::screen::bytes(bytes)),
            None => format!("[{what}]"),
        }
    }
}

/// A text that was taken.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) conversation: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) send_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) waits_for: Option<String>,
}

//! What really happened at the remotes, in order.
//!
//! Every request that had an effect is written down with its time and body, whether or not its answer
//! arrived. A crash test compares this with what the daemon believes: that is the only honest judge of "no
//! text sent twice". Reads leave no entry.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

/// One effect at a remote.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Position, from 1, without gaps.
    pub seq: u64,
    /// When, by the simulated clock, in milliseconds since the epoch.
    pub at_ms: i64,
    /// What: `note_created`, `message_created`, `webhook_sent` and so on.
    pub kind: &'static str,
    /// The request's body and whatever identifies what it made.
    pub detail: Value,
}

/// The shared list of effects. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger {
    entries: Arc<Mutex<Vec<Entry>>>,
    length: watch::Sender<u64>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { entries: Arc::default(), length: watch::Sender::new(0) }
    }
}

impl Ledger {
    /// Writes an effect down.
    pub fn record(&self, at_ms: i64, kind: &'static str, detail: Value) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = entries.len() as u64 + 1;
        entries.push(Entry { seq, at_ms, kind, detail });
        self.length.send_replace(seq);
    }

    /// Everything so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.since(0)
    }

    /// What came after the entry numbered `seq`.
    #[must_use]
    pub fn since(&self, seq: u64) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().skip(usize::try_from(seq).unwrap_or(usize::MAX)).cloned().collect()
    }

    /// Number of entries so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        *self.length.borrow()
    }

    /// Whether nothing has happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until something comes after the entry numbered `seq`, then returns all that did. Cancel-safe.
    pub async fn wait_past(&self, seq: u64) -> Vec<Entry> {
        let mut length = self.length.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = length.wait_for(|len| *len > seq).await;
        self.since(seq)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn waiting_returns_only_what_is_new() {
        let ledger = Ledger::default();
        ledger.record(1, "note_created", json!({}));
        let waiting = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.wait_past(1).await }
        });
        ledger.record(2, "note_deleted", json!({}));
        let new = waiting.await.unwrap();
        assert_eq!(
            new.iter().map(|entry| (entry.seq, entry.kind)).collect::<Vec<_>>(),
            [(2, "note_deleted")]
        );
    }
}

//! Legal holds, and the daily look at what need not be kept any longer.

use fulcrum_domain::{Actor, ConversationId, Number, OpportunityId, Retention, Whom};
use jiff::Timestamp;

use super::Engine;
use super::changes;
use crate::store::tables::HOLDS;
use crate::store::{Hold, Keys, Read, Snapshot, StoreError};

/// Decisions of automations that are looked at in one go.
const DECISIONS: usize = 500;

/// Threads that are looked at in one go.
const BATCH: usize = 100;

/// All legal holds.
pub(crate) fn holds(read: &impl Read) -> Result<Vec<(OpportunityId, Hold)>, StoreError> {
    read.list(HOLDS, &Keys::all(), usize::MAX)
}

impl Engine {
    /// Keeps everything of a person until the hold is released. How many opportunities that are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hold(&self, whom: Whom, reason: String, by: Actor) -> Result<usize, StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| changes::hold(tx, &whom, &reason, &by, now)).await
    }

    /// Whether anything was said with a number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_thread(&self, number: Number) -> Result<bool, StoreError> {
        self.store.read(move |snapshot| Ok(changes::thread_of(snapshot, number)?.is_some())).await
    }

    /// Releases the hold on a person. On how many opportunities there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn release_hold(&self, whom: Whom, by: Actor) -> Result<usize, StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| changes::release(tx, &whom, &by, now)).await
    }

    /// All holds there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn holds(&self) -> Result<Vec<(OpportunityId, Hold)>, StoreError> {
        self.store.read(holds).await
    }

    /// Erases what was said where its time is over. How many threads that were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erase_what_is_over(&self, now: Timestamp) -> Result<usize, StoreError> {
        let retention = self.settings.load().retention;
        let mut erased = 0;
        let mut last: Option<ConversationId> = None;
        while !retention.is_for_ever() && !self.tasks.stop_token().is_cancelled() {
            let page =
                move |read: &Snapshot| changes::threads_over(read, last.as_ref(), BATCH, &retention, now);
            let (over, end) = self.store.read(page).await?;
            for id in over {
                // One in a change, which holds all that it takes away, pictures too, until it ends.
                let gone = self.store.change(move |tx| changes::erase_if_over(tx, id, &retention, now));
                match gone.await {
                    Err(error) if error.lies_in_a_row() => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a thread cannot be erased, though its time is over"
                    ),
                    gone => erased += usize::from(gone?),
                }
            }
            last = match end {
                Some(end) => Some(end),
                None => break,
            };
        }
        if erased > 0 {
            tracing::info!(conversations = erased, "what was said was erased, since its time is over");
        }
        self.forget_decisions(retention, now).await?;
        Ok(erased)
    }

    /// Forgets what automations decided where its time is over: the run log, and enrolments that have ended.
    async fn forget_decisions(&self, retention: Retention, now: Timestamp) -> Result<(), StoreError> {
        let mut last = None;
        while !retention.is_for_ever() && !self.tasks.stop_token().is_cancelled() {
            let page = move |read: &Snapshot| {
                changes::decisions_over(read, last.as_ref(), DECISIONS, &retention, now)
            };
            let (over, end) = self.store.read(page).await?;
            if !over.is_empty() {
                self.store.change(move |tx| changes::forget_decisions(tx, &over, &retention, now)).await?;
            }
            last = match end {
                Some(end) => Some(end),
                None => break,
            };
        }
        Ok(())
    }
}

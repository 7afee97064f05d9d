//! What is kept for a time and then forgotten: webhooks that came, answers to repeated requests, what happened.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};

use super::{Engine, changes};
use crate::store::tables::{IDEMPOTENT, SEEN_HOOKS, Table};
use crate::store::{Keys, Read, StoreError, Stored, Tx};

/// How long a webhook's token is remembered, and the answer to a request with an `Idempotency-Key`.
const HOOKS_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
const ANSWERS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long it is known what happened.
const ACTIVITY_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Rows that are forgotten in one change.
const FORGOTTEN: usize = 1000;

impl Engine {
    /// Forgets webhooks and answers that nobody will repeat any more, and what happened long ago.
    pub(crate) async fn forget_seen(&self) -> Result<(), StoreError> {
        let before = |age| self.clock.now().saturating_sub(age).unwrap_or(Timestamp::MIN);
        let (hooks, answers) = (before(HOOKS_FOR), before(ANSWERS_FOR));
        self.forget(SEEN_HOOKS, move |seen| seen.0 < hooks).await?;
        self.forget(IDEMPOTENT, move |answer| answer.at < answers).await?;
        let activity = before(ACTIVITY_FOR);
        let mut last = None;
        loop {
            let step = move |tx: &mut Tx<'_>| changes::forget_activity(tx, activity, last, FORGOTTEN);
            last = self.store.change(step).await?;
            if last.is_none() {
                break;
            }
        }
        let (now, mut last) = (self.clock.now(), None);
        loop {
            let step = move |tx: &mut Tx<'_>| changes::forget_events(tx, now, last, FORGOTTEN);
            last = self.store.change(step).await?;
            if last.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Takes away what is old. It is looked for on a snapshot, since that may take a while.
    async fn forget<V: Stored + 'static>(
        &self,
        table: Table<[u8; 16], V>,
        is_old: impl Fn(&V) -> bool + Send + Copy + 'static,
    ) -> Result<(), StoreError> {
        loop {
            let old = self
                .store
                .read(move |snapshot| {
                    let mut old = Vec::new();
                    snapshot.scan(table, &Keys::all(), |key, value| {
                        old.extend(is_old(&value).then_some(key));
                        Ok(if old.len() < FORGOTTEN {
                            ControlFlow::Continue(())
                        } else {
                            ControlFlow::Break(())
                        })
                    })?;
                    Ok::<_, StoreError>(old)
                })
                .await?;
            if old.is_empty() {
                return Ok(());
            }
            self.store
                .change(move |tx| old.iter().try_for_each(|key| tx.remove(table, key).map(drop)))
                .await?;
        }
    }
}

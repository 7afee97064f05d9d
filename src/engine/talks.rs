//! Talks about times: each turn of ours asks the calendars first, and then decides in one transaction.
//! What is to be said is stored, so a stop in between delays it and nothing else.

use std::time::Duration;

use fulcrum_domain::ConversationId;

use super::{Engine, changes};
use crate::store::tables::{BOOKINGS, TALKS, TALKS_DUE};
use crate::store::{Keys, Read, StoreError};

/// Turns in one pass.
const BATCH: usize = 16;
/// A look without being told: whatever was missed is found.
const NAP: Duration = Duration::from_secs(60);

impl Engine {
    /// Takes our turns in talks about times.
    pub(crate) async fn run_talks(self) -> Result<(), StoreError> {
        loop {
            let told = self.wake.talks.notified();
            let due = self.store.read(|snapshot| snapshot.list(TALKS_DUE, &Keys::all(), BATCH)).await?;
            if due.is_empty() {
                let _ = tokio::time::timeout(NAP, told).await;
                continue;
            }
            for (thread, ()) in due {
                match self.talk(thread).await {
                    Err(error) if error.lies_in_a_row() => self.leave_to_people(thread, &error).await?,
                    done => done?,
                }
            }
        }
    }

    /// What a talk is about cannot be read, or breaks us: it must not hold up the others.
    async fn leave_to_people(&self, thread: ConversationId, error: &StoreError) -> Result<(), StoreError> {
        tracing::error!(
            %thread,
            error = error as &dyn std::error::Error,
            "a talk about times is left to people"
        );
        self.store.change(move |tx| changes::end_talk(tx, thread)).await
    }

    async fn talk(&self, thread: ConversationId) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let booking = self.store.read(move |snapshot| match snapshot.get(TALKS, &thread)? {
            Some(talk) => snapshot.get(BOOKINGS, &talk.booking),
            None => Ok(None),
        });
        let event = booking
            .await?
            .and_then(|booking| settings.rules.booking.event_type(&booking.event_type).cloned());
        let busy = match &event {
            Some(event) => self.busy(event, &settings, true).await,
            None => changes::Busy::new(),
        };
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| changes::take_turn_to_talk(tx, thread, &busy, &settings.rules, &mut moment))
            .await
    }
}

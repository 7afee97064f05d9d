//! The outbox's dispatchers: one for each remote, which take effects as they fall due, in lane
//! order, and do a bounded number at a time. The pace itself is kept by the remotes' clients.

use std::sync::Arc;
use std::time::Duration;

use fulcrum_domain::{Effect, Remote};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::Engine;
use super::changes::{self, Taken};
use crate::store::StoreError;

/// Effects of Lever's that are under way at a time. The pace allows ten requests a second of
/// 0.4 s, so more would only wait inside the client.
const AT_LEVER: usize = 8;

/// Records of the carrier's that are being deleted or fetched at a time: texts go first.
const AT_RECORDS: usize = 2;

/// Longest sleep: a wall clock that jumps is noticed within it.
const NAP: Duration = Duration::from_secs(1);

impl Engine {
    /// Does Lever's effects.
    pub(crate) async fn run_lever_outbox(self) -> Result<(), StoreError> {
        self.run_outbox(Remote::Lever, AT_LEVER).await
    }

    /// Does those of the carrier's records.
    pub(crate) async fn run_records_outbox(self) -> Result<(), StoreError> {
        self.run_outbox(Remote::Records, AT_RECORDS).await
    }

    async fn run_outbox(&self, remote: Remote, at_a_time: usize) -> Result<(), StoreError> {
        let slots = Arc::new(Semaphore::new(at_a_time));
        loop {
            let mut news = std::pin::pin!(self.wake.of(remote).notified());
            news.as_mut().enable();
            let now = self.clock.now();
            let free = slots.available_permits();
            let (due, next) = self.store.read(move |s| changes::due(s, remote, now, free.max(1))).await?;
            if due.is_empty() || free == 0 {
                self.doze(news.as_mut(), next).await;
                continue;
            }
            let taken = self.take(due.into_iter().take(free).collect()).await?;
            for one in taken {
                let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(()) };
                let this = self.clone();
                self.tasks.run(async move {
                    let effect = one.effect.clone();
                    this.settle(effect, this.carry_out(one).await).await;
                    drop(slot);
                    this.wake.of(remote).notify_one();
                });
            }
        }
    }

    async fn carry_out(&self, taken: Taken) -> Result<(), StoreError> {
        match taken.effect.clone() {
            Effect::Hydrate(id) => self.hydrate(taken, id).await,
            Effect::Interviews(id) => self.interviews(taken, id).await,
            Effect::PostNote(id) => self.post_note(taken, id).await,
            Effect::DeleteNote(erasure, opportunity, note) => {
                self.delete_note(taken, erasure, opportunity, note).await
            }
            Effect::DeleteText(erasure, sid) => self.delete_text(taken, erasure, sid).await,
            Effect::Appointment(id) => self.write_appointment(taken, id).await,
            Effect::FetchFile(id, place) => self.fetch_file(taken, id, place).await,
            // It has a dispatcher of its own and is never taken here.
            Effect::Send(_) => Ok(()),
        }
    }

    /// Takes effects to be done.
    pub(crate) async fn take(&self, due: Vec<Effect>) -> Result<Vec<Taken>, StoreError> {
        self.store
            .change(move |tx| {
                let mut taken = Vec::with_capacity(due.len());
                for effect in due {
                    taken.extend(changes::take(tx, effect)?);
                }
                Ok(taken)
            })
            .await
    }

    /// A piece of work has ended. When what it came to could not be stored, it is done again later,
    /// or looked up; a store that takes nothing any more leaves it in flight, for the next start.
    pub(crate) async fn settle(&self, effect: Effect, outcome: Result<(), StoreError>) {
        let Err(error) = outcome else { return };
        let kind = effect.kind().as_str();
        let why = error.to_string();
        tracing::error!(
            kind,
            error = &error as &dyn std::error::Error,
            "the outcome of an effect could not be stored"
        );
        let mut moment = self.clock.moment();
        if let Err(error) =
            self.store.change(move |tx| changes::put_back(tx, &effect, &why, &mut moment)).await
        {
            tracing::error!(
                kind,
                error = &error as &dyn std::error::Error,
                "it stays in flight until the next start"
            );
        }
    }

    /// Waits for news or for `until`.
    pub(crate) async fn doze(
        &self,
        news: std::pin::Pin<&mut tokio::sync::futures::Notified<'_>>,
        until: Option<Timestamp>,
    ) {
        let left = until.map(|at| at.duration_since(self.clock.now()));
        let left = left.map_or(NAP, |left| Duration::try_from(left).unwrap_or_default().min(NAP));
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep(left.max(Duration::from_millis(1))) => {}
        }
    }
}

//! After somebody was erased the file is written anew, so that their bytes are gone from it, and not
//! only their rows (invariant 5). That it is owed is a row, written with the erasure, so no stop
//! forgets it; it is paid beside everything else, at the start, at once for whoever is erased by
//! command, and every few minutes for all others who were erased meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use super::Engine;
use super::changes::{ERASED, certify_file};
use super::health::{HealthStatus, Part};
use crate::store::tables::BOOKMARKS;
use crate::store::{Read, Seen, StoreError};

/// From one look whether it is owed to the next. A large file takes a while to write.
const EVERY: Duration = Duration::from_secs(600);

/// One that failed is tried again after twice as long, then after twice that, up to this.
const REST_MAX: Duration = Duration::from_secs(3600);

const ABOUT: &str = "renewal";

impl Engine {
    /// Writes the file anew whenever that is owed.
    pub(crate) async fn run_renewal(self) -> Result<(), Infallible> {
        let mut rest = EVERY;
        loop {
            let outcome = self.renew_if_owed().await;
            self.tell_of_renewal(&outcome);
            rest = if outcome.is_ok() { EVERY } else { (rest * 2).min(REST_MAX) };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.wake.renewal.notified() => {}
            }
        }
    }

    /// Health says so while somebody's bytes are still there who was erased.
    fn tell_of_renewal(&self, outcome: &Result<bool, StoreError>) {
        let now = self.clock.now();
        match outcome {
            Ok(renewed) => {
                self.notices.well(Part::Store, ABOUT, now);
                if *renewed {
                    tracing::info!("the file was written anew: nothing of who was erased is left in it");
                }
            }
            // It is owed still, and paid by the next run.
            Err(StoreError::Closed) => {}
            Err(error) => {
                let what = format!(
                    "the file could not be written anew, so bytes of who was erased may be left in it; it is tried \
                     again: {error}"
                );
                if self.notices.trouble(Part::Store, ABOUT, HealthStatus::Degraded, what.clone(), now) {
                    tracing::error!("store: {what}");
                }
            }
        }
    }

    /// Writes the file anew if somebody was erased since it was last written. False when not, or when
    /// the storage is no file.
    ///
    /// # Errors
    /// [`StoreError`]: it is owed still.
    pub async fn renew_if_owed(&self) -> Result<bool, StoreError> {
        let name = || ERASED.to_owned();
        let Some(owed) = self.store.read(move |s| s.get(BOOKMARKS, &name())).await? else { return Ok(false) };
        let renewed = self.store.renew().await?;
        let now = self.clock.now();
        self.store
            .change(move |tx| {
                certify_file(tx, owed.0, now)?;
                // Who was erased meanwhile may be in the new file.
                if tx.get(BOOKMARKS, &name())?.is_some_and(|Seen(at)| at == owed.0) {
                    tx.remove(BOOKMARKS, &name())?;
                }
                Ok(renewed)
            })
            .await
    }
}

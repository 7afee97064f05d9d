//! After somebody was erased the file is written anew, so that their bytes are gone from it, and not
//! only their rows (invariant 5). That it is owed is a row, written with the erasure, so no stop
//! forgets it; it is paid beside everything else, at the start, at once for whoever is erased by
//! command, and every few minutes for all others who were erased meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use super::Engine;
use super::changes::{ERASED, certify_file};
use crate::store::tables::BOOKMARKS;
use crate::store::{Read, Seen, StoreError};

/// From one look whether it is owed to the next. A large file takes a while to write.
const EVERY: Duration = Duration::from_secs(600);

impl Engine {
    /// Writes the file anew whenever that is owed.
    pub(crate) async fn run_renewal(self) -> Result<(), Infallible> {
        loop {
            match self.renew_if_owed().await {
                Ok(true) => {
                    tracing::info!("the file was written anew: nothing of who was erased is left in it");
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the file could not be written anew; it is tried again"
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.wake.renewal.notified() => {}
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

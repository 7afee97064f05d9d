//! Whether anything may leave: not from a restored copy, until somebody says so.

use std::sync::atomic::Ordering;

use fulcrum_domain::Actor;

use super::Engine;
use super::changes::{self, Late, Unmuted};
use crate::store::{Muted, StoreError};

/// How a preview ends: nothing of it is kept.
enum Previewed {
    Would(Option<Unmuted>),
    Store(StoreError),
}

impl From<StoreError> for Previewed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Engine {
    /// Since when nothing leaves, if that is so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn muted(&self) -> Result<Option<Muted>, StoreError> {
        self.store.read(changes::muted).await
    }

    /// Whether nothing leaves, as pages show it.
    pub fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Relaxed)
    }

    /// What the end of the muting would do, by doing it and taking it back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn preview_unmute(&self, late: Late, by: Actor) -> Result<Option<Unmuted>, StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let outcome = self
            .store
            .change(move |tx| {
                let told = changes::unmute(tx, late, by, &settings.rules, &mut moment)?;
                Err::<(), _>(Previewed::Would(told))
            })
            .await;
        match outcome {
            Err(Previewed::Store(error)) => Err(error),
            Err(Previewed::Would(told)) => Ok(told),
            Ok(()) => Ok(None),
        }
    }

    /// Lets things leave again. None when nothing was muted.
    ///
    /// # Errors
    /// [`StoreError`]; then it stays muted.
    pub async fn unmute(&self, late: Late, by: Actor) -> Result<Option<Unmuted>, StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let told =
            self.change_once(move |tx| changes::unmute(tx, late, by, &settings.rules, &mut moment)).await?;
        self.muted.store(false, Ordering::Relaxed);
        if told.is_some() {
            tracing::warn!("texts and notes leave again");
        }
        Ok(told)
    }
}

//! Reading a candidate again because somebody looks at them.
//!
//! Nobody has to wait for it: what is stored is shown at once, and again when this has an answer. People
//! who open the same profile at once share one read.

use std::time::Duration;

use fulcrum_domain::{Lane, OpportunityId, Sight};

use super::Engine;
use super::changes::Arrival;
use super::people::FetchError;
use super::view::Found;
use crate::lever::LeverError;
use crate::store::tables::OPPORTUNITIES;
use crate::store::{Read, StoreError};

/// How well what is stored of a candidate agrees with Lever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Lever was asked within the wanted time.
    Fresh,
    /// It could not be asked: what is shown may be outdated. Why, for people.
    Stale(&'static str),
}

impl Engine {
    /// Reads an opportunity again, on the interactive lane, if what is stored is older than `age` or
    /// nothing is. It takes as long as Lever takes.
    pub async fn refresh_if_older(&self, id: &OpportunityId, age: Duration) -> Freshness {
        self.read_if_older(id, age).await.0
    }

    /// The same, with whether Lever was asked now.
    async fn read_if_older(&self, id: &OpportunityId, age: Duration) -> (Freshness, bool) {
        let turn = self.refreshing.of(id.clone());
        let _mine = turn.lock().await;
        match self.is_older(id, age).await {
            Ok(false) => return (Freshness::Fresh, false),
            Ok(true) => {}
            Err(_) => return (Freshness::Stale("the store cannot be read"), false),
        }
        match self.fetch_opportunity(id, Lane::Interactive, Arrival::Webhook).await {
            Ok(_) => (Freshness::Fresh, true),
            Err(error) => (Freshness::Stale(why(&error)), false),
        }
    }

    /// The same for a profile that is being shown: its open pages are told when something came.
    pub async fn refresh_shown(&self, id: &OpportunityId, age: Duration) {
        let (_, asked) = self.read_if_older(id, age).await;
        if asked && let Ok(Found::Known(found)) = self.opportunity(id, Sight::All).await {
            found.conversations.into_iter().for_each(|id| self.wake.news.tell(id));
        }
    }

    async fn is_older(&self, id: &OpportunityId, age: Duration) -> Result<bool, StoreError> {
        let key = id.clone();
        let stored = self.store.read(move |snapshot| snapshot.get(OPPORTUNITIES, &key)).await?;
        let now = self.clock.now();
        // What lies ahead was stored before the clock was set back.
        let fresh = |as_of| as_of <= now && now.duration_since(as_of).unsigned_abs() <= age;
        Ok(!stored.is_some_and(|row| fresh(row.as_of)))
    }
}

fn why(error: &FetchError) -> &'static str {
    match error {
        FetchError::Store(_) => "the answer could not be stored",
        FetchError::Lever(error) => match error {
            LeverError::Unauthorized => "Lever refuses the API key",
            LeverError::Forbidden { .. } => "the API key may not see this candidate",
            LeverError::NotFound { .. } => "Lever does not show this candidate any more",
            LeverError::Throttled => "Lever is busy",
            LeverError::Unreachable(_) | LeverError::Interrupted(_) | LeverError::Intercepted { .. } => {
                "Lever cannot be reached"
            }
            LeverError::Server { .. } | LeverError::Unreadable(_) => "Lever is not well",
            LeverError::InvalidOffset | LeverError::BadRequest { .. } => "Lever refuses the request",
            LeverError::Cancelled => "fulcrum is stopping",
        },
    }
}

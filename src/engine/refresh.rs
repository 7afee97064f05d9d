//! Reading a candidate again because somebody looks at them.
//!
//! Nobody has to wait for it: what is stored is shown at once, and again when this has an answer. People
//! who open the same profile at once share one read.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fulcrum_domain::{ConversationId, Lane, OpportunityId, Sight};
use jiff::Timestamp;

use super::Engine;
use super::News;
use super::changes::{self, Arrival};
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

/// Profiles of which it is kept that they could not be read again; beyond, it starts anew.
const MOST_OUTDATED: usize = 1000;

/// Why profiles could not be read again when they were last opened.
#[derive(Debug, Default)]
pub(crate) struct Outdated(Mutex<HashMap<OpportunityId, &'static str>>);

impl Outdated {
    fn all(&self) -> MutexGuard<'_, HashMap<OpportunityId, &'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps how well it went; whether that is news.
    fn note(&self, id: &OpportunityId, freshness: &Freshness) -> bool {
        let mut all = self.all();
        match freshness {
            Freshness::Fresh => all.remove(id).is_some(),
            Freshness::Stale(why) => {
                if all.len() == MOST_OUTDATED && !all.contains_key(id) {
                    all.clear();
                }
                all.insert(id.clone(), why) != Some(why)
            }
        }
    }
}

/// What is shown of an opportunity, as far as its open pages care.
struct Standing {
    /// Whether everybody may see it.
    open: bool,
    conversations: BTreeSet<ConversationId>,
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
        let as_of = self.clock.now();
        match self.fetch_opportunity(id, Lane::Interactive, Arrival::Webhook).await {
            Ok(_) => (Freshness::Fresh, true),
            // Who is deleted or turned confidential is left out at once, as for a webhook.
            Err(FetchError::Lever(error)) if self.shows_nothing(&error) => {
                match self.lose_sight(id, as_of).await {
                    Ok(()) => (Freshness::Fresh, true),
                    Err(_) => (Freshness::Stale("the answer could not be stored"), false),
                }
            }
            Err(error) => (Freshness::Stale(why(&error)), false),
        }
    }

    /// The same for a profile that is being shown: its open pages are told when something came, also those of
    /// numbers that they have no more. Where they are not to be seen any more, every page looks anew.
    pub async fn refresh_shown(&self, id: &OpportunityId, age: Duration) {
        let before = self.standing(id).await;
        let (freshness, asked) = self.read_if_older(id, age).await;
        let is_news = self.outdated.note(id, &freshness);
        if !asked && !is_news {
            return;
        }
        let after = self.standing(id).await;
        if before.open && !after.open {
            self.wake.news.tell(News::Everything);
            return;
        }
        before.conversations.union(&after.conversations).for_each(|id| self.wake.news.tell(*id));
        self.wake.news.tell(News::Opportunity(id.clone()));
    }

    /// Why a profile could not be read again when it was last opened, for people.
    pub fn outdated(&self, id: &OpportunityId) -> Option<&'static str> {
        self.outdated.all().get(id).copied()
    }

    async fn standing(&self, id: &OpportunityId) -> Standing {
        match self.opportunity(id, Sight::All).await {
            Ok(Found::Known(found)) => Standing {
                open: !found.opportunity.confidential,
                conversations: found.conversations.into_iter().chain(found.earlier).collect(),
            },
            _ => Standing { open: false, conversations: BTreeSet::new() },
        }
    }

    /// Lever shows us an opportunity no more that is known here.
    async fn lose_sight(&self, id: &OpportunityId, as_of: Timestamp) -> Result<(), StoreError> {
        let id = id.clone();
        self.store
            .change(move |tx| {
                if tx.has(OPPORTUNITIES, &id)? {
                    changes::mark_invisible(tx, &id, as_of)?;
                }
                Ok(())
            })
            .await
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

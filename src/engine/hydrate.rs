//! Reading single candidates again: after a webhook, and when somebody waits.

use std::sync::atomic::{AtomicBool, Ordering};

use fulcrum_domain::{Effect, EffectState, HookEvent, Lane, Opportunity, OpportunityId};
use jiff::Timestamp;

use super::changes::{self, Arrival, Put, Taken};
use super::health::HealthStatus;
use super::people::FetchError;
use super::status::FOUND_BY_POLL;
use super::{Confidential, Engine, convert};
use crate::lever::{self, Confidentiality, Endpoint, LeverError};
use crate::store::tables::{COUNTERS, INBOX, OPPORTUNITIES};
use crate::store::{HookRow, Keys, Read, StoreError};

/// What the key turned out not to allow, so that it is not asked for again in this process.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Applications within opportunities.
    pub(crate) expand: AtomicBool,
    /// Confidential records.
    pub(crate) confidential: AtomicBool,
    /// Listing notes.
    pub(crate) list_notes: AtomicBool,
    /// Listing deletions.
    pub(crate) deletions: AtomicBool,
    /// Whether some single opportunity could be read: then a refusal is about the record.
    pub(crate) single_read_works: AtomicBool,
}

/// Webhooks that are turned into effects at a time.
const INBOX_BATCH: usize = 256;

impl Engine {
    /// Turns waiting webhooks into effects: many of one candidate become one read.
    pub(crate) async fn run_inbox(self) -> Result<(), StoreError> {
        loop {
            let mut news = std::pin::pin!(self.wake.inbox.notified());
            news.as_mut().enable();
            let now = self.clock.now();
            let waiting = self.store.read(|snapshot| snapshot.len(INBOX)).await?;
            if waiting == 0 {
                news.await;
                continue;
            }
            self.store
                .change(move |tx| {
                    for (number, row) in tx.list(INBOX, &Keys::all(), INBOX_BATCH)? {
                        ask_for(tx, &row, now)?;
                        tx.remove(INBOX, &number)?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
    }

    /// Which records the lists are asked for.
    pub(crate) fn confidentiality(&self) -> Confidentiality {
        let wanted = self.settings.load().confidential != Confidential::Off;
        if wanted && !self.refused.confidential.load(Ordering::Relaxed) {
            Confidentiality::All
        } else {
            Confidentiality::Open
        }
    }

    /// Whether applications are asked for within opportunities.
    pub(crate) fn expands(&self) -> bool {
        !self.refused.expand.load(Ordering::Relaxed)
    }

    /// Reads an opportunity and takes it in.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch_opportunity(
        &self,
        id: &OpportunityId,
        lane: Lane,
        arrival: Arrival,
    ) -> Result<Put, FetchError> {
        let as_of = self.clock.now();
        let expand = self.expands();
        let sent = match self.lever.opportunity(lane, id, expand).await {
            Err(LeverError::Forbidden { .. }) if expand => {
                let plain = self.lever.opportunity(lane, id, false).await;
                if plain.is_ok() {
                    self.refused.expand.store(true, Ordering::Relaxed);
                }
                plain
            }
            answer => answer,
        };
        self.note_lever(sent.as_ref().map(|_| Endpoint::Opportunity));
        let sent = sent?;
        self.refused.single_read_works.store(true, Ordering::Relaxed);
        let Some(mut row) = convert::opportunity(sent, as_of, &self.settings.load().rules.region) else {
            return Ok(Put::Older);
        };
        self.complete_posting(lane, id, &mut row).await;
        Ok(self.put(vec![(id.clone(), row)], arrival).await?.first().copied().unwrap_or(Put::Older))
    }

    /// The posting of an opportunity whose application came as an id alone: what is stored, or a
    /// single read. Without it the row is still worth having.
    pub(crate) async fn complete_posting(&self, lane: Lane, id: &OpportunityId, row: &mut Opportunity) {
        let Some(application) = row.application.clone().filter(|_| row.posting.is_none()) else { return };
        let key = id.clone();
        let stored = self.store.read(move |snapshot| snapshot.get(OPPORTUNITIES, &key)).await;
        if let Ok::<_, StoreError>(Some(stored)) = stored
            && stored.application.as_ref() == Some(&application)
            && stored.posting.is_some()
        {
            row.posting = stored.posting;
        } else if let Ok(sent) = self.lever.application(lane, id, &application).await {
            row.posting = sent.posting;
        }
    }

    /// Takes rows in, in one change.
    pub(crate) async fn put(
        &self,
        rows: Vec<(OpportunityId, Opportunity)>,
        arrival: Arrival,
    ) -> Result<Vec<Put>, StoreError> {
        let settings = self.settings.load_full();
        self.store
            .change(move |tx| {
                let mut puts = Vec::with_capacity(rows.len());
                for (id, row) in rows {
                    puts.push(changes::put_opportunity(tx, &id, row, arrival, &settings.rules)?);
                }
                let news = puts.iter().filter(|put| put.is_news()).count() as u64;
                if arrival == Arrival::Poll && news > 0 {
                    let name = FOUND_BY_POLL.to_owned();
                    let before = tx.get(COUNTERS, &name)?.unwrap_or(0);
                    tx.put(COUNTERS, &name, &(before + news))?;
                }
                Ok(puts)
            })
            .await
    }

    /// Does [`Effect::Hydrate`].
    pub(crate) async fn hydrate(&self, taken: Taken, id: OpportunityId) -> Result<(), StoreError> {
        let outcome = self.fetch_opportunity(&id, taken.row.lane, Arrival::Webhook).await;
        let error = match outcome {
            Ok(_) => return self.finish(taken.effect).await,
            Err(FetchError::Store(error)) => return Err(error),
            Err(FetchError::Lever(error)) => error,
        };
        let about_the_record = self.refused.single_read_works.load(Ordering::Relaxed);
        let now = self.clock.now();
        match error {
            LeverError::NotFound { .. } if taken.row.deletion_announced => self.erase(id, now).await,
            LeverError::Forbidden { .. } if taken.row.deletion_announced && about_the_record => {
                self.erase(id, now).await
            }
            LeverError::NotFound { .. } => {
                let effect = taken.effect;
                self.store
                    .change(move |tx| {
                        changes::mark_invisible(tx, &id)?;
                        changes::finish(tx, &effect, now)
                    })
                    .await
            }
            // Confidential, or the key lacks the permission, which health tells.
            LeverError::Forbidden { .. } => self.finish(taken.effect).await,
            error => self.put_off(taken, &error).await,
        }
    }

    /// Erases an opportunity that is surely deleted.
    pub(crate) async fn erase(&self, id: OpportunityId, now: Timestamp) -> Result<(), StoreError> {
        let known = self.store.change(move |tx| changes::erase_opportunity(tx, &id, now)).await?;
        if known {
            tracing::info!("a deleted opportunity was erased");
        }
        Ok(())
    }

    /// Lists all interviews of an opportunity and takes them in.
    pub(crate) async fn fetch_interviews(&self, id: &OpportunityId, lane: Lane) -> Result<bool, FetchError> {
        let as_of = self.clock.now();
        let mut list = Vec::new();
        let mut offset: Option<lever::Offset> = None;
        loop {
            let page = self.lever.interviews(lane, id, offset.as_ref()).await;
            self.note_lever(page.as_ref().map(|_| Endpoint::Interviews));
            let page = page?;
            list.extend(page.items.into_iter().filter_map(|sent| convert::interview(sent, as_of)));
            match page.next {
                Some(next) => offset = Some(next),
                None => break,
            }
        }
        let id = id.clone();
        Ok(self.store.change(move |tx| changes::put_interviews(tx, &id, &list, as_of)).await?)
    }

    /// Does [`Effect::Interviews`].
    pub(crate) async fn interviews(&self, taken: Taken, id: OpportunityId) -> Result<(), StoreError> {
        let key = id.clone();
        let known = self.store.read(move |snapshot| snapshot.has(OPPORTUNITIES, &key)).await?;
        if !known {
            match self.fetch_opportunity(&id, taken.row.lane, Arrival::Webhook).await {
                Ok(_)
                | Err(FetchError::Lever(LeverError::NotFound { .. } | LeverError::Forbidden { .. })) => {}
                Err(FetchError::Store(error)) => return Err(error),
                Err(FetchError::Lever(error)) => return self.put_off(taken, &error).await,
            }
        }
        match self.fetch_interviews(&id, taken.row.lane).await {
            Ok(_) | Err(FetchError::Lever(LeverError::NotFound { .. } | LeverError::Forbidden { .. })) => {
                self.finish(taken.effect).await
            }
            Err(FetchError::Store(error)) => Err(error),
            Err(FetchError::Lever(error)) => self.put_off(taken, &error).await,
        }
    }

    /// The effect is done.
    pub(crate) async fn finish(&self, effect: Effect) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.change(move |tx| changes::finish(tx, &effect, now)).await
    }

    /// A read failed: again later, for as long as it takes; or, if it never will, for a person.
    pub(crate) async fn put_off(&self, taken: Taken, error: &LeverError) -> Result<(), StoreError> {
        let hopeless = matches!(error, LeverError::BadRequest { .. } | LeverError::InvalidOffset);
        let state = if hopeless { EffectState::Failed } else { EffectState::Due };
        let why = error.to_string();
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| changes::postpone(tx, &taken.effect, state, None, &why, &mut moment))
            .await
    }

    /// Keeps health's word on Lever true after each answer: a missing tick-box is about one endpoint,
    /// all else about Lever.
    pub(crate) fn note_lever(&self, answer: Result<Endpoint, &LeverError>) {
        let now = self.clock.now();
        let (about, status, what) = match answer {
            Ok(endpoint) => {
                self.notices.well("lever", "", now);
                return self.notices.well("lever", endpoint.as_str(), now);
            }
            Err(LeverError::Unauthorized) => {
                ("", HealthStatus::Failing, "the API key is refused: put a valid one in place".to_owned())
            }
            Err(error @ LeverError::Forbidden { endpoint }) => {
                (endpoint.as_str(), HealthStatus::Degraded, error.to_string())
            }
            Err(error) if error.passes() && !matches!(error, LeverError::Cancelled) => {
                ("", HealthStatus::Degraded, format!("{error}; everything waits and is tried again"))
            }
            Err(_) => return,
        };
        if self.notices.trouble("lever", about, status, what.clone(), now) {
            tracing::warn!("lever: {what}");
        }
    }
}

/// What a webhook asks for. Only ids were taken from it, so everything is fetched.
fn ask_for(tx: &mut crate::store::Tx<'_>, row: &HookRow, now: Timestamp) -> Result<(), StoreError> {
    let Some(id) = row.opportunity.clone() else { return Ok(()) };
    match row.event {
        HookEvent::CandidateDeleted => changes::ask_after_deletion(tx, &Effect::Hydrate(id), now),
        HookEvent::InterviewCreated | HookEvent::InterviewUpdated | HookEvent::InterviewDeleted => {
            changes::ask(tx, &Effect::Interviews(id), Lane::Live, now)
        }
        HookEvent::ApplicationCreated
        | HookEvent::CandidateStageChange
        | HookEvent::CandidateArchiveChange
        | HookEvent::CandidateHired => changes::ask(tx, &Effect::Hydrate(id), Lane::Live, now),
    }
}

//! Looking for what no webhook told: every few minutes, whether webhooks come or not.
//!
//! Lever's lists are ordered by stage and paged by a key that moves with the candidate
//! (lever-api.md 3), so a listing alone loses whoever moves behind its cursor. But whoever moves
//! is changed, and is found by the next look: each one asks for what changed, advanced or began
//! since the last look began, with some overlap. So nothing is lost for longer than one interval.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fulcrum_domain::{Effect, Lane, OpportunityId};
use jiff::{SignedDuration, Timestamp};

use super::changes::{self, Arrival};
use super::people::FetchError;
use super::{Engine, convert};
use crate::lever::{Endpoint, LeverError, ListQuery, Offset, Span};
use crate::store::tables::{BACKFILL, BOOKMARKS, DELETED, INTERVIEWS, OPPORTUNITIES};
use crate::store::{Keys, Read, Seen, StoreError};

/// How far each look reaches back before the last one: clocks differ, and Lever's index may lag.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// The longest window of deletions that Lever shows (lever-api.md 4.4).
const DELETIONS_MAX: SignedDuration = SignedDuration::from_hours(29 * 24);

/// Daily: reference data, and interviews to come.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The name of the bookmark: changes before it are known.
const LOOKED: &str = "reconciled";
const REFERENCE: &str = "reference data";

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Requests for lists that had a second page: what moved meanwhile may hide behind it.
    pub(crate) several_pages: bool,
    /// Requests.
    pub(crate) requests: u64,
    /// Rows that brought news.
    pub(crate) news: u64,
}

impl Engine {
    /// Looks, every poll interval, and sooner when somebody asks.
    pub(crate) async fn run_reconcile(&self) -> Result<(), FetchError> {
        loop {
            let interval = self.settings.load().poll_interval;
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = self.wake.sync.notified() => continue,
            }
            if self.look().await?.is_some() {
                self.look_daily().await?;
            }
        }
    }

    /// One look. None when the initial sync has not begun.
    pub(crate) async fn look(&self) -> Result<Option<Looked>, FetchError> {
        let _alone = self.looking.lock().await;
        let now = self.clock.now();
        let since = self
            .store
            .read(|snapshot| {
                let looked = snapshot.get(BOOKMARKS, &LOOKED.to_owned())?.map(|Seen(at)| at);
                let began = snapshot.get(BACKFILL, &())?.map(|state| state.began_at);
                Ok::<_, StoreError>(looked.or(began))
            })
            .await?;
        let Some(since) = since else { return Ok(None) };
        let skew = self.lever.skew(now).unwrap_or_default().abs();
        let back = |at: Timestamp, by: SignedDuration| at.saturating_sub(by).unwrap_or(Timestamp::UNIX_EPOCH);
        let since = Span::since(back(back(since, OVERLAP), skew));
        let mut looked = Looked::default();
        let base = ListQuery { confidentiality: self.confidentiality(), ..ListQuery::default() };
        for query in [
            ListQuery { updated: since, ..base.clone() },
            ListQuery { advanced: since, ..base.clone() },
            ListQuery { created: since, ..base },
        ] {
            self.look_at_list(query, &mut looked).await?;
        }
        self.look_at_deletions(since.start.unwrap_or(now), now, skew, &mut looked).await?;
        self.store.change(move |tx| tx.put(BOOKMARKS, &LOOKED.to_owned(), &Seen(now)).map(drop)).await?;
        Ok(Some(looked))
    }

    async fn look_at_list(&self, mut query: ListQuery, looked: &mut Looked) -> Result<(), FetchError> {
        loop {
            let (rows, next) = self.opportunities_page(Lane::Reconcile, &mut query).await?;
            let puts = self.put(rows, Arrival::Poll).await?;
            looked.requests += 1;
            looked.news += puts.iter().filter(|put| put.is_news()).count() as u64;
            match next {
                Some(next) => query.offset = Some(next),
                None => return Ok(()),
            }
            looked.several_pages = true;
        }
    }

    /// A page of a listing, with its applications one way or another. What the key turns out not
    /// to allow is asked for no more; an offset that Lever forgot begins the listing anew.
    pub(crate) async fn opportunities_page(
        &self,
        lane: Lane,
        query: &mut ListQuery,
    ) -> Result<(Vec<(OpportunityId, fulcrum_domain::Opportunity)>, Option<Offset>), FetchError> {
        let (as_of, page) = loop {
            query.expand_applications = self.expands();
            query.confidentiality = self.confidentiality();
            let as_of = self.clock.now();
            let answer = self.lever.opportunities(lane, query).await;
            match answer {
                Err(LeverError::InvalidOffset) if query.offset.is_some() => query.offset = None,
                Err(LeverError::Forbidden { .. })
                    if self.confidentiality() != crate::lever::Confidentiality::Open =>
                {
                    tracing::warn!("the key does not show confidential records: they are left out");
                    self.refused.confidential.store(true, Ordering::Relaxed);
                    query.offset = None;
                }
                Err(LeverError::Forbidden { .. }) if query.expand_applications => {
                    tracing::warn!(
                        "the key does not show applications within opportunities: each is read alone"
                    );
                    self.refused.expand.store(true, Ordering::Relaxed);
                }
                answer => {
                    self.note_lever(answer.as_ref().map(|_| Endpoint::Opportunities));
                    break (as_of, answer?);
                }
            }
        };
        if page.skipped > 0 {
            tracing::warn!(skipped = page.skipped, "records of Lever's without a usable id were left out");
        }
        let region = self.settings.load().rules.region;
        let convert = |sent: crate::lever::Opportunity| {
            let id = sent.id.clone();
            convert::opportunity(sent, as_of, &region).map(|row| (id, row))
        };
        let mut rows: Vec<_> = page.items.into_iter().filter_map(convert).collect();
        if !query.expand_applications {
            let each = rows.iter_mut().map(|(id, row)| self.complete_posting(lane, id, row));
            futures_util::future::join_all(each).await;
        }
        Ok((rows, page.next))
    }

    async fn look_at_deletions(
        &self,
        since: Timestamp,
        now: Timestamp,
        skew: SignedDuration,
        looked: &mut Looked,
    ) -> Result<(), FetchError> {
        if self.refused.deletions.load(Ordering::Relaxed) {
            return Ok(());
        }
        let end = now.saturating_add(skew).unwrap_or(now);
        let start = since.max(end.saturating_sub(DELETIONS_MAX).unwrap_or(since));
        let mut offset: Option<Offset> = None;
        loop {
            let page =
                match self.lever.deleted_opportunities(Lane::Reconcile, start, end, offset.as_ref()).await {
                    Err(LeverError::Forbidden { .. } | LeverError::NotFound { .. }) => {
                        self.refused.deletions.store(true, Ordering::Relaxed);
                        tracing::info!("the key does not list deletions: they are known by webhook alone");
                        return Ok(());
                    }
                    answer => answer?,
                };
            looked.requests += 1;
            for sent in page.items {
                let id = sent.id.clone();
                let gone = self.store.read(move |snapshot| snapshot.has(DELETED, &id)).await?;
                if !gone {
                    looked.news += 1;
                    self.erase(sent.id, now).await?;
                }
            }
            match page.next {
                Some(next) => offset = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Once a day: reference data, and the interviews of active opportunities that have one to come.
    async fn look_daily(&self) -> Result<(), FetchError> {
        let now = self.clock.now();
        let last = self.store.read(|snapshot| snapshot.get(BOOKMARKS, &REFERENCE.to_owned())).await;
        let Some(Seen(last)) = last? else {
            self.store
                .change(move |tx| tx.put(BOOKMARKS, &REFERENCE.to_owned(), &Seen(now)).map(drop))
                .await?;
            return Ok(());
        };
        if now.duration_since(last) < DAY {
            return Ok(());
        }
        self.read_reference(Lane::Reconcile).await?;
        self.ask_for_coming_interviews(now).await?;
        self.forget_seen().await?;
        self.store.change(move |tx| tx.put(BOOKMARKS, &REFERENCE.to_owned(), &Seen(now)).map(drop)).await?;
        Ok(())
    }

    async fn ask_for_coming_interviews(&self, now: Timestamp) -> Result<(), StoreError> {
        let coming = self
            .store
            .read(move |snapshot| {
                let mut coming: Vec<OpportunityId> = Vec::new();
                snapshot.scan(INTERVIEWS, &Keys::all(), |(opportunity, _), interview| {
                    if interview.starts_at > now && coming.last() != Some(&opportunity) {
                        coming.push(opportunity);
                    }
                    Ok(std::ops::ControlFlow::Continue(()))
                })?;
                let mut active = Vec::new();
                for id in coming {
                    if snapshot.get(OPPORTUNITIES, &id)?.is_some_and(|o| o.is_active()) {
                        active.push(id);
                    }
                }
                Ok::<_, StoreError>(active)
            })
            .await?;
        for batch in coming.chunks(256) {
            let batch = batch.to_vec();
            self.store
                .change(move |tx| {
                    for id in batch {
                        changes::ask(tx, &Effect::Interviews(id), Lane::Reconcile, now)?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Rests after a failure of the sync, before it goes on where it stopped.
    pub(crate) async fn rest_after(&self, error: &FetchError) {
        const REST: Duration = Duration::from_secs(5);
        if let FetchError::Lever(error) = error {
            self.note_lever(Err(error));
        }
        tracing::info!(
            error = error as &dyn std::error::Error,
            "the sync rests and goes on where it stopped"
        );
        tokio::time::sleep(REST).await;
    }
}

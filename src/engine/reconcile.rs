//! Looking for what no webhook told: every few minutes, whether webhooks come or not.
//!
//! Lever's lists are ordered by stage and paged by a key that moves with the candidate
//! (lever-api.md 3), so a listing alone loses whoever moves behind its cursor. But whoever moves
//! is changed, and is found by the next look: each one asks for what changed, advanced or began
//! since the last look began, with some overlap. So nothing is lost for longer than one interval.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fulcrum_domain::{Effect, Lane, OpportunityId};
use jiff::{SignedDuration, Timestamp};

use super::changes::{self, Arrival, Profile};
use super::health::{HealthStatus, Part};
use super::people::FetchError;
use super::{Engine, convert};
use crate::lever::{Confidentiality, Endpoint, LeverError, ListQuery, Offset, Span};
use crate::store::tables::{BACKFILL, BOOKMARKS, DELETED, INTERVIEWS, OPPORTUNITIES, VANISHED};
use crate::store::{Keys, Read, Seen, StoreError, Tx};

/// How far each look reaches back before the last one: clocks differ, and Lever's index may lag.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// The longest window of deletions that Lever shows (lever-api.md 4.4).
const DELETIONS_MAX: SignedDuration = SignedDuration::from_hours(29 * 24);

/// How often what changes seldom is looked at. No page is under way for as long.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// By so much a clock is wrong, and not only late.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// The names of bookmarks: changes before the first are known, deletions before the second.
const LOOKED: &str = "reconciled";
const DELETIONS: &str = "deletions";

/// And when it was last looked what need not be kept any longer.
const RETENTION: &str = "retention";

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
    /// Looks every poll interval, counted from the last look, whether that was before a restart or
    /// a change of the settings.
    pub(crate) async fn run_reconcile(&self) -> Result<(), FetchError> {
        loop {
            let interval = self.settings.load().poll_interval;
            let looked = self.store.read(|snapshot| snapshot.get(BOOKMARKS, &LOOKED.to_owned())).await?;
            let left = looked.map_or(interval, |Seen(at)| {
                let since = Duration::try_from(self.clock.now().duration_since(at)).unwrap_or_default();
                interval.saturating_sub(since)
            });
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = self.wake.sync.notified() => continue,
            }
            // What is too old goes whether or not Lever can be asked.
            let forgotten = self.forget_daily().await;
            let looked = match self.look().await {
                Ok(Some(_)) => self.look_daily().await,
                looked => looked.map(drop),
            };
            self.tell_of_retention().await?;
            looked.and(forgotten)?;
        }
    }

    /// Up to when something was looked at, or the beginning of the sync before the first time.
    async fn looked(&self, name: &'static str, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let stored = self
            .store
            .read(move |snapshot| {
                let looked = snapshot.get(BOOKMARKS, &name.to_owned())?.map(|Seen(at)| at);
                let began = snapshot.get(BACKFILL, &())?.map(|state| state.began_at);
                Ok::<_, StoreError>(looked.or(began))
            })
            .await?;
        // What lies ahead was stored before the clock was set back, by that much at least.
        Ok(stored.map(|at| back(at.min(now), at.duration_since(now).max(SignedDuration::ZERO))))
    }

    async fn set_bookmark(&self, name: &'static str, at: Timestamp) -> Result<(), StoreError> {
        self.store.change(move |tx| tx.put(BOOKMARKS, &name.to_owned(), &Seen(at)).map(drop)).await
    }

    /// One look. None when the initial sync has not begun.
    pub(crate) async fn look(&self) -> Result<Option<Looked>, FetchError> {
        let _alone = self.looking.lock().await;
        let now = self.clock.now();
        let Some(since) = self.looked(LOOKED, now).await? else { return Ok(None) };
        let skew = self.lever.skew(now).unwrap_or_default().abs();
        let since = Span::since(back(since, OVERLAP + skew));
        let mut looked = Looked::default();
        let base = ListQuery { confidentiality: self.confidentiality(), ..ListQuery::default() };
        for query in [
            ListQuery { updated: since, ..base.clone() },
            ListQuery { advanced: since, ..base.clone() },
            ListQuery { created: since, ..base },
        ] {
            self.look_at_list(query, &mut looked).await?;
        }
        self.set_bookmark(LOOKED, now).await?;
        match self.look_at_deletions(now, skew, &mut looked).await {
            Ok(()) => self.notices.well(Part::Lever, DELETIONS, now),
            // For themselves: how Lever answers here is not sure (lever-api.md 4.4), and all else goes on.
            Err(FetchError::Lever(error)) => {
                let what = format!("deletions cannot be listed, and webhooks alone tell of them: {error}");
                if self.notices.trouble(Part::Lever, DELETIONS, HealthStatus::Degraded, what.clone(), now) {
                    tracing::warn!("lever: {what}");
                }
            }
            Err(error) => return Err(error),
        }
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
    ) -> Result<(Vec<(OpportunityId, Profile)>, Option<Offset>), FetchError> {
        let (expands, confidentiality) = (self.expands(), self.confidentiality());
        let before = (query.confidentiality, query.offset.clone());
        if query.confidentiality != confidentiality {
            query.offset = None; // It belongs to the other listing.
        }
        (query.expand_applications, query.confidentiality) = (expands, confidentiality);
        let (as_of, page) = loop {
            let as_of = self.clock.now();
            let answer = self.lever.opportunities(lane, query).await;
            match answer {
                Err(LeverError::InvalidOffset) if query.offset.is_some() => query.offset = None,
                // Lever does not say what it refuses, so the cheaper loss is tried first.
                Err(LeverError::Forbidden { .. }) if query.expand_applications => {
                    query.expand_applications = false;
                }
                Err(LeverError::Forbidden { .. }) if query.confidentiality != Confidentiality::Open => {
                    query.expand_applications = expands;
                    query.confidentiality = Confidentiality::Open;
                    // It goes on where it was, if it was of these before.
                    query.offset = if before.0 == Confidentiality::Open { before.1.clone() } else { None };
                }
                answer => {
                    self.note_lever(answer.as_ref().map(|_| Endpoint::Opportunities));
                    break (as_of, answer?);
                }
            }
        };
        if query.expand_applications != expands {
            tracing::warn!("the key does not show applications within opportunities: each is read alone");
            self.refused.expand.store(true, Ordering::Relaxed);
        }
        if query.confidentiality != confidentiality {
            tracing::warn!("the key does not show confidential records: they are left out");
            self.refused.confidential.store(true, Ordering::Relaxed);
        }
        if page.skipped > 0 {
            tracing::warn!(skipped = page.skipped, "records of Lever's without a usable id were left out");
        }
        let settings = self.settings.load_full();
        let convert = |sent: crate::lever::Opportunity| {
            let id = sent.id.clone();
            convert::profile(sent, as_of, &settings.rules).map(|profile| (id, profile))
        };
        let mut rows: Vec<_> = page.items.into_iter().filter_map(convert).collect();
        if !query.expand_applications {
            let each = rows.iter_mut().map(|(id, profile)| self.complete_application(lane, id, profile));
            futures_util::future::try_join_all(each).await?;
        }
        Ok((rows, page.next))
    }

    /// Deletions have a bookmark of their own, since they cannot always be listed.
    async fn look_at_deletions(
        &self,
        now: Timestamp,
        skew: SignedDuration,
        looked: &mut Looked,
    ) -> Result<(), FetchError> {
        if self.refused.has(Endpoint::DeletedOpportunities) {
            return Ok(());
        }
        // By our clock: what lies ahead by Lever's it may refuse, and what is later there overlaps the next look.
        let end = now;
        let since = back(self.looked(DELETIONS, now).await?.unwrap_or(now), OVERLAP + skew);
        let mut start = since;
        loop {
            let until = start.saturating_add(DELETIONS_MAX).unwrap_or(end).min(end);
            if !self.look_at_deletions_between(start, until, now, looked).await? {
                return Ok(());
            }
            self.set_bookmark(DELETIONS, until).await?;
            if until == end {
                return Ok(());
            }
            start = until;
        }
    }

    /// One window of them. False where they cannot be listed.
    async fn look_at_deletions_between(
        &self,
        start: Timestamp,
        end: Timestamp,
        now: Timestamp,
        looked: &mut Looked,
    ) -> Result<bool, FetchError> {
        let mut offset: Option<Offset> = None;
        loop {
            let page =
                match self.lever.deleted_opportunities(Lane::Reconcile, start, end, offset.as_ref()).await {
                    Err(LeverError::Forbidden { endpoint, .. }) => {
                        self.refused.refuse(endpoint);
                        return Ok(false);
                    }
                    // By Lever or by a gateway, for good or for now.
                    Err(LeverError::NotFound { .. }) => return Ok(false),
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
                None => return Ok(true),
            }
        }
    }

    /// Once a day: what no longer matters is forgotten.
    async fn forget_daily(&self) -> Result<(), FetchError> {
        let now = self.clock.now();
        let forget = async {
            self.forget_seen().await?;
            Ok::<_, FetchError>(self.store.change(move |tx| forget_vanished(tx, back(now, DAY), now)).await?)
        };
        self.daily("forgetting", now, forget).await
    }

    /// Health says so when nothing was erased by age for long.
    async fn tell_of_retention(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let last = self.store.read(|snapshot| snapshot.get(BOOKMARKS, &RETENTION.to_owned())).await?;
        let late = last.filter(|Seen(last)| now.duration_since(*last) > DAY + DAY);
        let is_wanted = !self.settings.load().retention.is_for_ever();
        if is_wanted && self.is_ahead(now) {
            let detail = "nothing is erased by [retention] while this clock is ahead of Lever's".to_owned();
            self.notices.trouble(Part::Store, RETENTION, HealthStatus::Degraded, detail, now);
            return Ok(());
        }
        match late.filter(|_| is_wanted) {
            Some(Seen(last)) => {
                let detail = format!(
                    "nothing was erased by [retention] since {last:.0}: that waits until Lever has told who is a \
                     candidate still"
                );
                self.notices.trouble(Part::Store, RETENTION, HealthStatus::Degraded, detail, now);
            }
            None => self.notices.well(Part::Store, RETENTION, now),
        }
        Ok(())
    }

    /// Once a day, each for itself: what the key may do is tried again, reference data and the
    /// interviews to come are read, and what need not be kept any longer is erased.
    async fn look_daily(&self) -> Result<(), FetchError> {
        let now = self.clock.now();
        let is_ahead = self.is_ahead(now);
        let outcomes = [
            self.daily("permissions", now, async {
                self.refused.forget();
                self.retry_appointments().await;
                self.wake.backfill.notify_one();
                Ok(())
            })
            .await,
            self.daily("reference data", now, self.read_reference(Lane::Reconcile)).await,
            self.daily("coming interviews", now, self.ask_for_coming_interviews(now)).await,
            // Only now: whether somebody is a candidate still is for Lever to say. What is erased is gone for
            // good, and a clock is set right some time.
            match is_ahead {
                true => Ok(()),
                false => {
                    let erase = async { Ok(self.erase_what_is_over(now).await.map(drop)?) };
                    self.daily(RETENTION, now, erase).await
                }
            },
        ];
        outcomes.into_iter().collect()
    }

    /// Whether this clock is so far ahead of Lever's that no age can be told by it.
    fn is_ahead(&self, now: Timestamp) -> bool {
        self.lever.skew(now).is_some_and(|skew| -skew > CLOCKS_DIFFER)
    }

    /// Does `step` if it was last done a day ago. At first it is not yet needed.
    async fn daily(
        &self,
        name: &'static str,
        now: Timestamp,
        step: impl Future<Output = Result<(), FetchError>>,
    ) -> Result<(), FetchError> {
        let last = self.store.read(move |snapshot| snapshot.get(BOOKMARKS, &name.to_owned())).await?;
        match last {
            Some(Seen(last)) if now.duration_since(last).abs() < DAY => return Ok(()),
            Some(_) => step.await?,
            None => {}
        }
        Ok(self.set_bookmark(name, now).await?)
    }

    /// Those of active opportunities that have one to come.
    async fn ask_for_coming_interviews(&self, now: Timestamp) -> Result<(), FetchError> {
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

fn back(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn forget_vanished(tx: &mut Tx<'_>, before: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    for (id, Seen(at)) in tx.list(VANISHED, &Keys::all(), usize::MAX)? {
        if at < before {
            tx.remove(VANISHED, &id)?;
            // Lever, or something before it, may have been wrong: they are asked for once more.
            changes::ask(tx, &Effect::Hydrate(id), Lane::Reconcile, now)?;
        }
    }
    changes::sweep_vanished_numbers(tx, now)
}

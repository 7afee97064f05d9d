//! Reading single candidates again: after a webhook, and when somebody waits.

use std::sync::atomic::Ordering;

use fulcrum_domain::{Effect, EffectState, ErasureCause, Lane, Opportunity, OpportunityId};
use jiff::{SignedDuration, Timestamp};

use super::News;
use super::changes::{self, Arrival, Profile, Put, Taken};
use super::health::{HealthStatus, Part};
use super::people::FetchError;
use super::status::FOUND_BY_POLL;
use super::{Confidential, Engine, convert};
use crate::lever::{self, Confidentiality, Endpoint, LeverError};
use crate::store::tables::{COUNTERS, INTERVIEWS_WANTED, OPPORTUNITIES};
use crate::store::{Keys, Read, StoreError, Tx};

/// How often a list of interviews is begun whose offset Lever does not take.
const BEGUN_MAX: u32 = 3;

impl Engine {
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
        if matches!(sent, Err(LeverError::Forbidden { .. })) && self.would_forget(id).await? {
            self.try_single_read(lane, id).await?;
        }
        if !sent.as_ref().is_err_and(|error| self.shows_nothing(error)) {
            self.note_lever(sent.as_ref().map(|_| Endpoint::Opportunity));
        }
        let sent = sent?;
        self.refused.single_read_works.store(true, Ordering::Relaxed);
        if sent.confidential && self.settings.load().confidential == Confidential::Off {
            let id = id.clone();
            self.store.change(move |tx| leave_out(tx, &id, lane, as_of)).await?;
            return Ok(Put::LeftOut);
        }
        let Some(mut profile) = convert::profile(sent, as_of, &self.settings.load().rules) else {
            return Ok(Put::Older);
        };
        self.complete_application(lane, id, &mut profile).await?;
        Ok(self.put(vec![(id.clone(), profile)], arrival).await?.first().copied().unwrap_or(Put::Older))
    }

    /// What the application says where it came as an id alone: the posting that is stored, or a single
    /// read. Where Lever does not tell it, the row is worth having without.
    pub(crate) async fn complete_application(
        &self,
        lane: Lane,
        id: &OpportunityId,
        profile: &mut Profile,
    ) -> Result<(), FetchError> {
        let row = &mut profile.row;
        let Some(application) = row.application.clone().filter(|_| row.posting.is_none()) else {
            return Ok(());
        };
        let key = id.clone();
        let stored = self.store.read(move |snapshot| snapshot.get(OPPORTUNITIES, &key)).await?;
        let same = |stored: &Opportunity| stored.application.as_ref() == Some(&application);
        row.posting = stored.filter(same).and_then(|stored| stored.posting);
        if row.posting.is_some() || self.refused.has(Endpoint::Application) {
            return Ok(());
        }
        match self.lever.application(lane, id, &application).await {
            Ok(sent) => {
                profile.consent = convert::consent(&sent, row.created_at, &self.settings.load().rules);
                row.posting = sent.posting;
            }
            Err(LeverError::Forbidden { endpoint, .. }) => {
                // Of a whole page of them, one is enough to find out.
                if !self.refused.has(endpoint) && self.is_shown(lane, id).await? {
                    self.refused.refuse(endpoint);
                }
            }
            Err(LeverError::NotFound { .. } | LeverError::BadRequest { .. } | LeverError::InvalidOffset) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes rows in, in one change.
    pub(crate) async fn put(
        &self,
        rows: Vec<(OpportunityId, Profile)>,
        arrival: Arrival,
    ) -> Result<Vec<Put>, StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| {
                let now = moment.now;
                let mut puts = Vec::with_capacity(rows.len());
                for (id, row) in rows {
                    let put = changes::put_profile(tx, &id, row, arrival, &settings.rules, now)?;
                    if put == Put::Changed {
                        changes::retime(tx, &id, &settings.rules, &mut moment)?;
                    }
                    puts.push(put);
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
        let now = self.clock.now();
        let announced = taken.row.deletion_announced;
        let error = match self.fetch_opportunity(&id, taken.row.lane, Arrival::Webhook).await {
            Ok(Put::Gone) => return self.finish(taken.effect).await,
            Ok(_) if announced => return self.doubt_deletion(taken).await,
            Ok(put) => {
                if put.is_news() {
                    self.wake.news.tell(News::Opportunity(id));
                }
                return self.finish(taken.effect).await;
            }
            Err(FetchError::Store(error)) => return Err(error),
            Err(FetchError::Lever(error)) => error,
        };
        match error {
            error if self.shows_nothing(&error) && announced => self.erase(id, now).await,
            error if self.shows_nothing(&error) => {
                let Taken { effect, row } = taken;
                self.store
                    .change(move |tx| {
                        leave_out(tx, &id, row.lane, now)?;
                        changes::finish(tx, &effect, now)
                    })
                    .await?;
                self.wake.news.tell(News::Everything);
                Ok(())
            }
            LeverError::Forbidden { .. } if announced => self.doubt_deletion(taken).await,
            // The key lacks the permission, which health tells.
            LeverError::Forbidden { .. } => self.finish(taken.effect).await,
            error => self.put_off(taken, &error).await,
        }
    }

    /// Whether Lever says that there is no such opportunity, or none for us.
    pub(super) fn shows_nothing(&self, error: &LeverError) -> bool {
        match error {
            LeverError::NotFound { of_record, .. } => *of_record,
            LeverError::Forbidden { .. } => self.refused.single_read_works.load(Ordering::Relaxed),
            _ => false,
        }
    }

    /// What belongs to an opportunity is refused: whether Lever shows us the opportunity still, so that the
    /// key lacks a tick-box. One that turned confidential, of which no webhook tells, is refused alike;
    /// it is left out from now on, and others are asked for as before.
    pub(crate) async fn is_shown(&self, lane: Lane, id: &OpportunityId) -> Result<bool, FetchError> {
        let as_of = self.clock.now();
        let error = match self.lever.opportunity(lane, id, false).await {
            Ok(_) => {
                self.refused.single_read_works.store(true, Ordering::Relaxed);
                return Ok(true);
            }
            Err(error) => error,
        };
        if matches!(error, LeverError::Forbidden { .. }) {
            self.try_single_read(lane, id).await?;
        }
        match error {
            error if self.shows_nothing(&error) => {
                let id = id.clone();
                self.store.change(move |tx| changes::mark_invisible(tx, &id, as_of)).await?;
                Ok(false)
            }
            // The key reads nobody alone, so that says nothing.
            LeverError::Forbidden { .. } => Ok(true),
            error => Err(error.into()),
        }
    }

    /// Whether a refusal would be taken for one about this opportunity, which is known here.
    async fn would_forget(&self, id: &OpportunityId) -> Result<bool, StoreError> {
        let id = id.clone();
        Ok(self.refused.single_read_works.load(Ordering::Relaxed)
            && self.store.read(move |snapshot| snapshot.has(OPPORTUNITIES, &id)).await?)
    }

    /// Finds out by other opportunities whether the key may read one alone. That it could before proves nothing:
    /// a tick-box is taken away in Lever without a word, and then each candidate of whom a webhook tells would
    /// be taken for one who is not shown any more. One other may be hidden as well, so a few are asked for.
    async fn try_single_read(&self, lane: Lane, but: &OpportunityId) -> Result<(), FetchError> {
        const OTHERS: usize = 3;
        let some = self.store.read(|snapshot| snapshot.list(OPPORTUNITIES, &Keys::all(), OTHERS + 1)).await?;
        let mut works = None;
        for (other, _) in some.into_iter().filter(|(other, _)| other != but).take(OTHERS) {
            match self.lever.opportunity(lane, &other, false).await {
                Ok(_) | Err(LeverError::NotFound { of_record: true, .. }) => works = Some(true),
                Err(LeverError::Forbidden { .. }) => works = Some(false),
                Err(error) => return Err(error.into()),
            }
            if works == Some(true) {
                break;
            }
        }
        if let Some(works) = works {
            self.refused.single_read_works.store(works, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A deletion was announced, and Lever's answer does not confirm it: it may lag behind its own
    /// webhook, or the key may read nobody. After the last pause the answer is believed.
    async fn doubt_deletion(&self, taken: Taken) -> Result<(), StoreError> {
        const DOUBT: &str = "a deletion was announced and is not confirmed";
        const PAUSES: [SignedDuration; 3] =
            [SignedDuration::from_secs(30), SignedDuration::from_mins(5), SignedDuration::from_hours(1)];
        let row = &taken.row;
        let tried = usize::try_from(row.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        // Attempts that failed for another reason have raised no doubt.
        if tried >= PAUSES.len() && row.last_error.as_deref() == Some(DOUBT) {
            tracing::warn!(
                "a deletion that a webhook announced was not confirmed by Lever: nothing is erased"
            );
            return self.finish(taken.effect).await;
        }
        let pause = PAUSES[tried.min(PAUSES.len() - 1)];
        let mut moment = self.clock.moment();
        let at = moment.now.saturating_add(pause).ok();
        self.store
            .change(move |tx| changes::postpone(tx, &taken.effect, EffectState::Due, at, DOUBT, &mut moment))
            .await
    }

    /// Erases an opportunity that is surely deleted.
    pub(crate) async fn erase(&self, id: OpportunityId, now: Timestamp) -> Result<(), StoreError> {
        let known = self
            .store
            .change(move |tx| changes::erase_opportunity(tx, &id, ErasureCause::Deleted, now))
            .await?;
        if known {
            tracing::info!("a deleted opportunity was erased");
        }
        Ok(())
    }

    /// Lists all interviews of an opportunity and takes them in, as of when the list began.
    pub(crate) async fn fetch_interviews(&self, id: &OpportunityId, lane: Lane) -> Result<bool, FetchError> {
        let as_of = self.clock.now();
        let (mut list, mut listed) = (Vec::new(), Vec::new());
        let (mut offset, mut begun) = (None::<lever::Offset>, 1);
        loop {
            let page = self.lever.interviews(lane, id, offset.as_ref()).await;
            // Lever forgot it, as when the interview that it names was deleted: the list begins anew.
            if matches!(page, Err(LeverError::InvalidOffset)) && offset.is_some() && begun < BEGUN_MAX {
                (list, listed, offset) = (Vec::new(), Vec::new(), None);
                begun += 1;
                continue;
            }
            // A refusal may be about this candidate alone.
            if !matches!(page, Err(LeverError::Forbidden { .. })) {
                self.note_lever(page.as_ref().map(|_| Endpoint::Interviews));
            }
            let page = page?;
            for mut sent in page.items {
                listed.extend(sent.note.take().map(|note| (sent.id.clone(), sent.panel.clone(), note)));
                let (made_at, made_by) = (sent.created_at, sent.user.clone());
                let row = convert::interview(sent, as_of);
                list.extend(row.map(|row| changes::ListedInterview { row, made_at, made_by }));
            }
            match page.next {
                Some(next) => offset = Some(next),
                None => break,
            }
        }
        let (id, settings, mut moment) = (id.clone(), self.settings.load_full(), self.clock.moment());
        let put = move |tx: &mut Tx<'_>| {
            changes::adopt_listed(tx, &id, &listed, as_of)?;
            let changed = changes::put_interviews(tx, &id, &list, as_of, &settings.rules, moment.now)?;
            changes::retime(tx, &id, &settings.rules, &mut moment)?;
            Ok::<_, StoreError>(changed)
        };
        Ok(self.store.change(put).await?)
    }

    /// Does [`Effect::Interviews`].
    pub(crate) async fn interviews(&self, taken: Taken, id: OpportunityId) -> Result<(), StoreError> {
        if self.refused.has(Endpoint::Interviews) {
            return self.want_interviews_later(taken, id).await;
        }
        let key = id.clone();
        let known = self.store.read(move |snapshot| snapshot.has(OPPORTUNITIES, &key)).await?;
        let listing = async {
            if !known {
                self.fetch_opportunity(&id, taken.row.lane, Arrival::Webhook).await?;
            }
            match self.fetch_interviews(&id, taken.row.lane).await {
                Err(FetchError::Lever(LeverError::Forbidden { .. })) => {
                    self.is_shown(taken.row.lane, &id).await
                }
                listed => listed.map(|_| false),
            }
        };
        match listing.await {
            // We are shown the opportunity, so it is the tick-box that is missing.
            Ok(true) => {
                self.refused.refuse(Endpoint::Interviews);
                self.want_interviews_later(taken, id).await
            }
            Ok(false)
            | Err(FetchError::Lever(
                LeverError::NotFound { of_record: true, .. } | LeverError::Forbidden { .. },
            )) => self.finish(taken.effect).await,
            Err(FetchError::Store(error)) => Err(error),
            Err(FetchError::Lever(error)) => self.put_off(taken, &error).await,
        }
    }

    /// The key may list no interviews: they are listed once it may.
    async fn want_interviews_later(&self, taken: Taken, id: OpportunityId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store
            .change(move |tx| {
                tx.put(INTERVIEWS_WANTED, &(0, id), &())?;
                changes::finish(tx, &taken.effect, now)
            })
            .await
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
                self.notices.well(Part::Lever, "", now);
                return self.notices.well(Part::Lever, endpoint.as_str(), now);
            }
            Err(LeverError::Unauthorized) => {
                ("", HealthStatus::Failing, "the API key is refused: put a valid one in place".to_owned())
            }
            Err(error @ LeverError::Forbidden { endpoint, .. }) => {
                (endpoint.as_str(), HealthStatus::Degraded, error.to_string())
            }
            Err(error @ LeverError::NotFound { endpoint, .. }) if error.is_no_api() => {
                (endpoint.as_str(), HealthStatus::Failing, self.no_lever_there(error))
            }
            Err(error) if error.is_strange() => ("", HealthStatus::Degraded, self.no_lever_there(error)),
            Err(error @ LeverError::Unreachable(_)) => {
                let what = format!("{error} at {}; everything waits and is tried again", self.lever.place());
                ("", HealthStatus::Degraded, what)
            }
            Err(error) if error.passes() && !matches!(error, LeverError::Cancelled) => {
                ("", HealthStatus::Degraded, format!("{error}; everything waits and is tried again"))
            }
            Err(_) => return,
        };
        if self.notices.trouble(Part::Lever, about, status, what.clone(), now) {
            tracing::warn!("lever: {what}");
        }
    }
}

impl Engine {
    /// What to look at where something else than Lever seems to answer.
    fn no_lever_there(&self, error: &LeverError) -> String {
        let place = self.lever.place();
        format!(
            "{error}, at {place}: is that Lever's API? Look at lever.base_url, which ends with /v1, and at the proxy; \
             everything waits and is tried again"
        )
    }
}

/// An opportunity is not for us to see. Those who were left out before are asked for once more, in their own
/// lane, when that is a day old; a second time they are left alone.
fn leave_out(tx: &mut Tx<'_>, id: &OpportunityId, lane: Lane, as_of: Timestamp) -> Result<(), StoreError> {
    if lane == Lane::Reconcile && !tx.has(OPPORTUNITIES, id)? {
        return Ok(());
    }
    changes::mark_invisible(tx, id, as_of).map(drop)
}

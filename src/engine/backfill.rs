//! The initial sync: useful first, complete later, exact at the end.
//!
//! Three listings that share no record are read side by side: active opportunities that moved in
//! the last 30 days, the other active ones, the archived ones. A listing is walked by offsets, one
//! page after the other, so only several of them, and the interviews beside, use the whole rate.
//! Interviews have no list of their own: each opportunity that wants them is a row of a table, put
//! there with its page, taken when they are read.
//!
//! Exact under moves: a record that does not change after the beginning stands still in exactly
//! one listing and is read there. One that does change is found by the look at what changed since
//! the beginning (`reconcile`), which the last phase repeats until it fits into single pages. Not
//! windows of creation time, which are exact by themselves but double the requests.
//!
//! A page is stored in parts, so that a stranger who comes meanwhile does not wait for a hundred candidates, and where
//! the next begins is stored when all of them are: any stop costs at most what was being fetched. When the question about texts changes, the three listings are read once more.

use std::future::Future;

use fulcrum_domain::{Activity, ActivityKind, Actor, Lane, OpportunityId};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::asked::{asks_anew, read_again};
use super::changes::{self, Arrival, LEFT_FOR_NOW, Profile};
use super::people::FetchError;
use super::{BackfillScope, Engine};
use crate::lever::{Confidentiality, Endpoint, LeverError, ListQuery, Offset, Span};
use crate::store::tables::{BACKFILL, INTERVIEWS_WANTED, OPPORTUNITIES};
use crate::store::{BackfillState, Keys, Phase, PhaseName, PhaseState, Read, Scope, StoreError, Tx};

/// What moved within this time is read first.
const RECENT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Opportunities whose interviews are asked for at a time: enough to use the rate together with
/// the listings, few enough that these are not held up.
const AT_A_TIME: usize = 6;

const PHASES: [PhaseName; 9] = [
    PhaseName::Users,
    PhaseName::Stages,
    PhaseName::ArchiveReasons,
    PhaseName::Postings,
    PhaseName::RecentOpportunities,
    PhaseName::ActiveOpportunities,
    PhaseName::ArchivedOpportunities,
    PhaseName::Interviews,
    PhaseName::CatchUp,
];

/// Pages of one listing that may wait to be stored. At Lever's pace none does.
const PAGES_AHEAD: usize = 8;

/// Candidates that are stored in one change.
const PART: usize = 20;

/// A page of a listing: its rows, how many there are up to here, and where the next page begins.
struct Fetched {
    rows: Vec<(OpportunityId, Profile)>,
    done: u64,
    next: Option<Offset>,
}

impl Engine {
    /// The initial sync, and looking for changes; both begin again where they stopped.
    pub(crate) async fn run_sync(self) -> Result<(), StoreError> {
        let sync = async {
            loop {
                match Box::pin(self.backfill()).await {
                    Ok(()) => self.wake.backfill.notified().await,
                    Err(error) => self.rest_after(&error).await,
                }
            }
        };
        let looks = async {
            loop {
                if let Err(error) = self.run_reconcile().await {
                    self.rest_after(&error).await;
                }
            }
        };
        tokio::join!(sync, looks);
        Ok(())
    }

    /// Reads what is left of the tenant, or all of it when more is wanted than was read.
    async fn backfill(&self) -> Result<(), FetchError> {
        self.look_for_a_new_grant().await?;
        let (now, scope, asked) = (self.clock.now(), self.scope(), self.asked());
        let state = self
            .store
            .change(move |tx| {
                let stored = tx.get(BACKFILL, &())?.filter(|state| !scope.is_wider_than(&state.scope));
                let asks_anew = asks_anew(tx, asked)?;
                let stored = match stored {
                    None => {
                        note_sync(tx, "the initial sync began", now)?;
                        begin(now, scope)
                    }
                    Some(state) if asks_anew => {
                        note_sync(tx, "applications are read again for their answers about texts", now)?;
                        read_again(&state)
                    }
                    Some(state) => state,
                };
                let state = BackfillState { scope, ..stored };
                tx.put(BACKFILL, &(), &state)?;
                for ((rank, id), ()) in
                    tx.list(INTERVIEWS_WANTED, &Keys::beginning(&LEFT_FOR_NOW), usize::MAX)?
                {
                    tx.remove(INTERVIEWS_WANTED, &(rank, id.clone()))?;
                    tx.put(INTERVIEWS_WANTED, &(1, id), &())?;
                }
                Ok::<_, StoreError>(state)
            })
            .await?;
        if state.complete_at.is_some() {
            return Box::pin(self.beside_interviews(async { Ok(()) })).await;
        }
        let lists = async {
            tokio::try_join!(
                self.reference(&state),
                self.list(&state, PhaseName::RecentOpportunities),
                self.list(&state, PhaseName::ActiveOpportunities),
                self.list(&state, PhaseName::ArchivedOpportunities),
            )
            .map(drop)
        };
        Box::pin(self.beside_interviews(lists)).await?;
        self.complete(PhaseName::Interviews).await?;
        self.catch_up().await?;
        let (now, confidential) = (self.clock.now(), self.scope().confidential);
        self.store
            .change(move |tx| {
                let Some(mut state) = tx.get(BACKFILL, &())? else { return Ok(()) };
                state.complete_at = Some(now);
                state.scope.confidential &= confidential;
                note_sync(tx, "the initial sync is complete", now)?;
                tx.put(BACKFILL, &(), &state).map(drop)
            })
            .await?;
        tracing::info!("the initial sync is complete");
        Ok(())
    }

    /// Confidential records that were wanted and not shown are asked for again, with one request, so
    /// that the sync begins anew once they are, and not before.
    async fn look_for_a_new_grant(&self) -> Result<(), FetchError> {
        let synced = self.store.read(|snapshot| snapshot.get(BACKFILL, &())).await?;
        if self.scope().confidential && synced.is_some_and(|state| !state.scope.confidential) {
            let confidentiality = self.confidentiality();
            let created = Span::since(self.clock.now());
            let mut query = ListQuery { created, confidentiality, ..ListQuery::default() };
            self.opportunities_page(Lane::Backfill, &mut query).await?;
        }
        Ok(())
    }

    /// What is to be read, as far as the key is known to allow it.
    fn scope(&self) -> Scope {
        let settings = self.settings.load();
        Scope {
            confidential: self.confidentiality() == Confidentiality::All,
            interviews: settings.interviews,
            since: settings.since,
        }
    }

    /// Walks one listing of opportunities. The next pages are fetched while one is stored, and
    /// what came meanwhile is stored together: a commit costs as much as a hundred rows.
    async fn list(&self, state: &BackfillState, name: PhaseName) -> Result<(), FetchError> {
        let Some(phase) = open_phase(state, name) else { return Ok(()) };
        let mut query = self.query(state, name);
        query.offset = phase.cursor.clone().map(Offset::new);
        let mut done = phase.done;
        let (fetched, mut pages) = mpsc::channel(PAGES_AHEAD);
        let fetch = async move {
            loop {
                let went_on = query.offset.is_some();
                let (rows, next) = self.opportunities_page(Lane::Backfill, &mut query).await?;
                if went_on && query.offset.is_none() {
                    done = 0; // Lever forgot the offset: the listing began anew.
                }
                done += rows.len() as u64;
                query.offset.clone_from(&next);
                if fetched.send(Fetched { rows, done, next }).await.is_err() || query.offset.is_none() {
                    return Ok(());
                }
            }
        };
        let store = async move {
            let mut together = Vec::new();
            while pages.recv_many(&mut together, PAGES_AHEAD).await > 0 {
                self.store_pages(name, std::mem::take(&mut together)).await?;
            }
            Ok::<_, FetchError>(())
        };
        tokio::try_join!(fetch, store).map(drop)
    }

    fn query(&self, state: &BackfillState, name: PhaseName) -> ListQuery {
        let border = state.began_at.saturating_sub(RECENT).unwrap_or(Timestamp::UNIX_EPOCH);
        let before = border.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(border);
        let advanced = match name {
            PhaseName::RecentOpportunities => Span::since(border),
            PhaseName::ActiveOpportunities => Span { start: None, end: Some(before) },
            _ => Span::default(),
        };
        ListQuery {
            archived: Some(name == PhaseName::ArchivedOpportunities),
            created: Span { start: self.settings.load().since, end: None },
            advanced,
            confidentiality: self.confidentiality(),
            ..ListQuery::default()
        }
    }

    /// Pages, what they ask for, and, once all that is stored, where the next begins.
    async fn store_pages(&self, name: PhaseName, pages: Vec<Fetched>) -> Result<(), StoreError> {
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        for page in pages {
            rows.extend(page.rows);
            ends.push((page.done, page.next));
        }
        let mut parts = Vec::with_capacity(rows.len().div_ceil(PART));
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(PART));
            parts.push(self.store_part(std::mem::replace(&mut rows, rest)));
        }
        futures_util::future::try_join_all(parts).await?;
        self.store
            .change(move |tx| {
                ends.iter().try_for_each(|(done, next)| advance(tx, name, *done, 1, next.as_ref()))
            })
            .await
    }

    async fn store_part(&self, rows: Vec<(OpportunityId, Profile)>) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        self.store
            .change(move |tx| {
                for (id, profile) in rows {
                    let wanted = match settings.interviews {
                        BackfillScope::None => false,
                        BackfillScope::Active => profile.row.is_active(),
                        BackfillScope::All => true,
                    };
                    let rank = u8::from(!profile.row.is_active());
                    changes::put_profile(tx, &id, profile, Arrival::Backfill, &settings.rules, now)?;
                    let unlisted = |row: fulcrum_domain::Opportunity| row.interviews_as_of.is_none();
                    if wanted && tx.get(OPPORTUNITIES, &id)?.is_some_and(unlisted) {
                        tx.put(INTERVIEWS_WANTED, &(rank, id), &())?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Reads the interviews that are wanted while `lists` runs, and those that are left after it.
    async fn beside_interviews(
        &self,
        lists: impl Future<Output = Result<(), FetchError>>,
    ) -> Result<(), FetchError> {
        let mut lists = std::pin::pin!(lists);
        let mut listing = true;
        let mut reading = FuturesUnordered::new();
        let mut busy: Vec<OpportunityId> = Vec::new();
        loop {
            if busy.len() < AT_A_TIME && !self.refused.has(Endpoint::Interviews) {
                // Those under way stand in the table still.
                let wanted =
                    self.store.read(|s| s.list(INTERVIEWS_WANTED, &Keys::all(), 2 * AT_A_TIME)).await?;
                for ((rank, id), ()) in wanted {
                    if rank < LEFT_FOR_NOW && busy.len() < AT_A_TIME && !busy.contains(&id) {
                        busy.push(id.clone());
                        reading.push(async move { (self.wanted_interviews(rank, &id).await, id) });
                    }
                }
            }
            tokio::select! {
                outcome = &mut lists, if listing => {
                    outcome?;
                    listing = false;
                }
                Some((outcome, id)) = reading.next(), if !reading.is_empty() => {
                    outcome?;
                    busy.retain(|other| *other != id);
                }
                () = tokio::time::sleep(std::time::Duration::from_millis(50)), if listing && busy.len() < AT_A_TIME => {}
                else => return Ok(()),
            }
        }
    }

    /// Reads the interviews of one opportunity. Whatever is wrong with one does not hold the others
    /// up: it comes again after them, or not at all if that cannot help.
    async fn wanted_interviews(&self, rank: u8, id: &OpportunityId) -> Result<(), FetchError> {
        let key = id.clone();
        let known = self
            .store
            .read(move |snapshot| snapshot.get(OPPORTUNITIES, &key))
            .await?
            .is_some_and(|row| row.interviews_as_of.is_none());
        if known {
            match self.fetch_interviews(id, Lane::Backfill).await {
                Ok(_) => {}
                Err(FetchError::Lever(LeverError::Forbidden { endpoint, .. })) => {
                    match self.is_shown(Lane::Backfill, id).await {
                        Ok(true) => {
                            self.refused.refuse(endpoint);
                            return Ok(());
                        }
                        Ok(false) => {}
                        Err(FetchError::Lever(error)) if error.passes() => {
                            return Ok(self.read_after_the_others(rank, id).await?);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(FetchError::Lever(error @ (LeverError::Unauthorized | LeverError::Cancelled))) => {
                    return Err(error.into());
                }
                Err(FetchError::Lever(error)) if error.passes() => {
                    return Ok(self.read_after_the_others(rank, id).await?);
                }
                Err(FetchError::Lever(error)) => {
                    tracing::warn!(%error, "the interviews of one opportunity cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        let id = id.clone();
        self.store
            .change(move |tx| {
                changes::want_no_interviews(tx, &id)?;
                count(tx, PhaseName::Interviews, u64::from(known))
            })
            .await?;
        Ok(())
    }

    async fn read_after_the_others(&self, rank: u8, id: &OpportunityId) -> Result<(), StoreError> {
        let id = id.clone();
        self.store
            .change(move |tx| {
                tx.remove(INTERVIEWS_WANTED, &(rank, id.clone()))?;
                tx.put(INTERVIEWS_WANTED, &(rank.max(1) + 1, id), &()).map(drop)
            })
            .await
    }

    /// Looks at what changed since the beginning until a look fits into single pages or brings
    /// nothing new: what moves behind its back from then on is found by the next.
    async fn catch_up(&self) -> Result<(), FetchError> {
        loop {
            let Some(looked) = self.look().await? else { break };
            let (news, requests) = (looked.news, looked.requests);
            self.store
                .change(move |tx| {
                    let Some(mut state) = tx.get(BACKFILL, &())? else { return Ok(()) };
                    if let Some(phase) = state.phases.iter_mut().find(|p| p.name == PhaseName::CatchUp) {
                        phase.state = PhaseState::Running;
                        phase.done += news;
                        phase.requests += requests;
                    }
                    tx.put(BACKFILL, &(), &state).map(drop)
                })
                .await?;
            if !looked.several_pages || news == 0 {
                break;
            }
        }
        Ok(self.complete(PhaseName::CatchUp).await?)
    }

    pub(super) async fn complete(&self, name: PhaseName) -> Result<(), StoreError> {
        self.store
            .change(move |tx| {
                let Some(mut state) = tx.get(BACKFILL, &())? else { return Ok(()) };
                if let Some(phase) = state.phases.iter_mut().find(|phase| phase.name == name) {
                    phase.state = PhaseState::Complete;
                }
                tx.put(BACKFILL, &(), &state).map(drop)
            })
            .await
    }
}

fn note_sync(tx: &mut Tx<'_>, what: &str, now: Timestamp) -> Result<(), StoreError> {
    changes::note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Sync, what))
}

pub(super) fn begin(now: Timestamp, scope: Scope) -> BackfillState {
    let phase = |name| Phase { name, state: PhaseState::Waiting, done: 0, requests: 0, cursor: None };
    let phases = PHASES.into_iter().map(phase).collect();
    BackfillState { began_at: now, complete_at: None, scope, phases }
}

pub(super) fn open_phase(state: &BackfillState, name: PhaseName) -> Option<&Phase> {
    state.phases.iter().find(|phase| phase.name == name && phase.state != PhaseState::Complete)
}

/// A page was stored: `done` rows in all, and the next one begins at `next`, or nowhere.
pub(super) fn advance(
    tx: &mut Tx<'_>,
    name: PhaseName,
    done: u64,
    requests: u64,
    next: Option<&Offset>,
) -> Result<(), StoreError> {
    let Some(mut state) = tx.get(BACKFILL, &())? else { return Ok(()) };
    if let Some(phase) = state.phases.iter_mut().find(|phase| phase.name == name) {
        phase.done = done;
        phase.requests += requests;
        phase.cursor = next.map(|offset| offset.as_str().to_owned());
        phase.state = if next.is_some() { PhaseState::Running } else { PhaseState::Complete };
    }
    tx.put(BACKFILL, &(), &state).map(drop)
}

/// One more is done of a phase that is no listing.
fn count(tx: &mut Tx<'_>, name: PhaseName, requests: u64) -> Result<(), StoreError> {
    let Some(mut state) = tx.get(BACKFILL, &())? else { return Ok(()) };
    if let Some(phase) = state.phases.iter_mut().find(|phase| phase.name == name) {
        phase.done += 1;
        phase.requests += requests;
        if phase.state == PhaseState::Waiting {
            phase.state = PhaseState::Running;
        }
    }
    tx.put(BACKFILL, &(), &state).map(drop)
}

//! Reference data: users, stages, archive reasons, postings. Read by the initial sync, page by page
//! with its bookmarks, and again once a day, since no webhook tells of it. What the key may not read
//! is left out and told, and stops nothing.

use std::sync::atomic::Ordering;

use fulcrum_domain::Lane;

use super::backfill::{advance, open_phase};
use super::people::FetchError;
use super::{Engine, changes, convert};
use crate::lever::{Confidentiality, Endpoint, LeverError, Offset, Page};
use crate::store::tables::{ARCHIVE_REASONS, POSTINGS, STAGES};
use crate::store::{BackfillState, PhaseName, StoreError, Tx};

/// A page of reference data: rows to be written, and where the next page begins.
type Write = Box<dyn FnOnce(&mut Tx<'_>) -> Result<u64, StoreError> + Send>;

impl Engine {
    /// Users, stages, archive reasons and postings, side by side.
    pub(super) async fn reference(&self, state: &BackfillState) -> Result<(), FetchError> {
        tokio::try_join!(
            self.reference_phase(state, PhaseName::Users),
            self.reference_phase(state, PhaseName::Stages),
            self.reference_phase(state, PhaseName::ArchiveReasons),
            self.reference_phase(state, PhaseName::Postings),
        )
        .map(drop)
    }

    async fn reference_phase(&self, state: &BackfillState, name: PhaseName) -> Result<(), FetchError> {
        let Some(phase) = open_phase(state, name) else { return Ok(()) };
        let mut offset = phase.cursor.clone().map(Offset::new);
        let mut done = phase.done;
        loop {
            let (write, rows, next) =
                match self.reference_page(Lane::Backfill, name, offset.as_ref(), done).await {
                    Err(FetchError::Lever(LeverError::InvalidOffset)) if offset.is_some() => {
                        (offset, done) = (None, 0);
                        continue;
                    }
                    Err(FetchError::Lever(LeverError::Forbidden { endpoint, .. })) => {
                        self.refused.refuse(endpoint);
                        return Ok(self.complete(name).await?);
                    }
                    page => page?,
                };
            done += rows;
            let cursor = next.clone();
            self.store
                .change(move |tx| {
                    write(tx)?;
                    advance(tx, name, done, 1, cursor.as_ref())
                })
                .await?;
            match next {
                Some(next) => offset = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Reads all reference data again, each kind for itself.
    pub(crate) async fn read_reference(&self, lane: Lane) -> Result<(), FetchError> {
        let mut outcome = Ok(());
        for name in [PhaseName::Users, PhaseName::Stages, PhaseName::ArchiveReasons, PhaseName::Postings] {
            match self.read_reference_of(lane, name).await {
                Err(FetchError::Lever(LeverError::Forbidden { endpoint, .. })) => {
                    self.refused.refuse(endpoint);
                }
                other => outcome = outcome.and(other),
            }
        }
        outcome
    }

    async fn read_reference_of(&self, lane: Lane, name: PhaseName) -> Result<(), FetchError> {
        let mut offset: Option<Offset> = None;
        let mut done = 0;
        loop {
            let (write, rows, next) = self.reference_page(lane, name, offset.as_ref(), done).await?;
            done += rows;
            self.store.change(write).await?;
            match next {
                Some(next) => offset = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn reference_page(
        &self,
        lane: Lane,
        name: PhaseName,
        offset: Option<&Offset>,
        before: u64,
    ) -> Result<(Write, u64, Option<Offset>), FetchError> {
        let answer = match name {
            PhaseName::Stages => self.lever.stages(lane, offset).await.map(|page| {
                let before = u32::try_from(before).unwrap_or(u32::MAX);
                let mut position = before..;
                rows(
                    page,
                    |tx, id, row| tx.put(STAGES, id, row).map(drop),
                    move |sent| (sent.id.clone(), convert::stage(sent, position.next().unwrap_or(before))),
                )
            }),
            PhaseName::ArchiveReasons => self.lever.archive_reasons(lane, offset).await.map(|page| {
                rows(
                    page,
                    |tx, id, row| tx.put(ARCHIVE_REASONS, id, row).map(drop),
                    |sent| (sent.id.clone(), convert::archive_reason(sent)),
                )
            }),
            PhaseName::Postings => {
                let confidentiality = self.confidentiality();
                let page = match self.lever.postings(lane, confidentiality, offset).await {
                    // The listing begins anew, as another one, which the next page goes on with.
                    Err(LeverError::Forbidden { .. }) if confidentiality != Confidentiality::Open => {
                        let open = self.lever.postings(lane, Confidentiality::Open, None).await;
                        self.refused.confidential.fetch_or(open.is_ok(), Ordering::Relaxed);
                        open
                    }
                    page => page,
                };
                page.map(|page| {
                    rows(
                        page,
                        |tx, id, row| tx.put(POSTINGS, id, row).map(drop),
                        |sent| (sent.id.clone(), convert::posting(sent)),
                    )
                })
            }
            _ => self
                .lever
                .users(lane, offset)
                .await
                .map(|page| rows(page, changes::put_user, |sent| (sent.id.clone(), convert::user(sent)))),
        };
        let endpoint = match name {
            PhaseName::Stages => Endpoint::Stages,
            PhaseName::ArchiveReasons => Endpoint::ArchiveReasons,
            PhaseName::Postings => Endpoint::Postings,
            _ => Endpoint::Users,
        };
        self.note_lever(answer.as_ref().map(|_| endpoint));
        let (write, rows, next) = answer?;
        if next.is_some() {
            return Ok((write, rows, next));
        }
        // The listing is complete: what waited for a name in it may have it.
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        let write: Write = Box::new(move |tx| {
            let count = write(tx)?;
            changes::look_at_held(tx, &settings.rules, now)?;
            Ok(count)
        });
        Ok((write, rows, None))
    }
}

fn rows<T, K, V>(
    page: Page<T>,
    put: impl Fn(&mut Tx<'_>, &K, &V) -> Result<(), StoreError> + Send + 'static,
    convert: impl FnMut(T) -> (K, V),
) -> (Write, u64, Option<Offset>)
where
    K: Send + 'static,
    V: Send + 'static,
{
    let rows: Vec<(K, V)> = page.items.into_iter().map(convert).collect();
    let count = rows.len() as u64;
    let write: Write = Box::new(move |tx| {
        for (id, row) in &rows {
            put(tx, id, row)?;
        }
        Ok(count)
    });
    (write, count, page.next)
}

//! Copies of backups in a bucket, so that one survives its machine.
//!
//! What is to be copied is decided by what lies here and there, not by what was done: a bucket that is
//! new or was emptied gets the newest ones again, and nothing is remembered that could be wrong. A copy
//! that fails is told by health, as the component `backup`, and tried again after ever longer rests; it
//! is a task of its own, so neither the next backup nor anything else waits for it. A restored store that is
//! still muted copies nothing: it has the config of its original, and its bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use fulcrum_domain::{Activity, ActivityKind, Actor};
use jiff::Timestamp;

use super::super::Engine;
use super::super::changes;
use super::super::health::{HealthStatus, Part};
use super::{ENDS, EVERY, is_ahead, is_ours, made_at, made_in};
use crate::bucket::{Bucket, BucketError};
use crate::store::tables::BOOKMARKS;
use crate::store::{Read, Seen, StoreError};

/// The bookmark of the newest backup that lies there.
const COPIED: &str = "backup-copied";

/// About what of the component health tells.
const ABOUT: &str = "copies";

/// When all is copied, it is looked again so often whether it still is.
const LOOK: Duration = Duration::from_secs(3600);

/// After failures it is tried again no less often.
const REST_MAX: Duration = Duration::from_secs(3600);

/// Where backups are copied to.
#[derive(Clone, Debug)]
pub struct CopyPlan {
    /// The folder of a bucket.
    pub bucket: Bucket,
    /// How many are kept there; all, if none is named.
    pub keep: Option<NonZeroUsize>,
    /// Whether they may be copied although anybody could read them.
    pub unencrypted: bool,
}

/// Why copies are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder of backups.
    #[error("the folder of backups cannot be read")]
    Folder(#[source] io::Error),
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// What came to be there is something else.
    #[error("what lies in the bucket has another size than the backup")]
    Differs,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All that was made was copied to this place, as of then.
struct Settled {
    place: String,
    newest: Option<String>,
    at: Instant,
}

impl Engine {
    /// Copies backups as they are made.
    pub(crate) async fn run_copies(self) -> Result<(), Infallible> {
        let (mut settled, mut rest) = (None, EVERY);
        loop {
            rest = match self.settle_copies(&mut settled).await {
                Ok(()) => EVERY,
                Err(error) => {
                    let now = self.clock.now();
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    let what = format!("backups are not copied: {error}{}", cause.unwrap_or_default());
                    if self.notices.trouble(Part::Backup, ABOUT, HealthStatus::Degraded, what.clone(), now) {
                        tracing::error!("backup: {what}");
                    }
                    self.metrics.copied("failed");
                    (rest * 2).min(REST_MAX)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.wake.copies.notified() => {}
            }
        }
    }

    /// Copies what was not copied, unless nothing has happened since it last was.
    async fn settle_copies(&self, settled: &mut Option<Settled>) -> Result<(), CopyError> {
        if self.is_muted() {
            // A drill must not touch what the original keeps there.
            return Ok(());
        }
        let plan = self.settings.load().backup.clone();
        let Some((directory, copies)) = plan.and_then(|plan| Some((plan.directory, plan.copies?))) else {
            self.notices.well(Part::Backup, ABOUT, self.clock.now());
            return Ok(());
        };
        let made = made(&directory, copies.unencrypted, self.clock.now()).await?;
        let (place, newest) = (copies.bucket.to_string(), made.last().cloned());
        if newest.is_none()
            || settled.as_ref().is_some_and(|settled| {
                settled.place == place && settled.newest == newest && settled.at.elapsed() < LOOK
            })
        {
            return Ok(());
        }
        self.copy_backups(&directory, &copies).await?;
        *settled = Some(Settled { place, newest, at: Instant::now() });
        self.notices.well(Part::Backup, ABOUT, self.clock.now());
        Ok(())
    }

    /// Copies every backup of a folder that is newer than those in the bucket, the oldest first, and takes
    /// away there what is too many. Gives back how many were copied.
    ///
    /// # Errors
    /// [`CopyError`]: the others are still to be copied.
    pub async fn copy_backups(&self, directory: &Path, plan: &CopyPlan) -> Result<usize, CopyError> {
        let now = self.clock.now();
        let made = made(directory, plan.unencrypted, now).await?;
        let mut before = plan.bucket.list(is_ours).await?;
        self.tell_of_dates("dates in the bucket", before.keys(), now);
        // One of those would pass for the newest until its day comes.
        before.retain(|name, _| !is_ahead(name, now));
        let wanted = to_copy(&made, &before, plan.keep);
        for name in &wanted {
            let bytes = plan.bucket.put(name, &directory.join(name)).await?;
            let there = plan.bucket.list(|there| there == name.as_str()).await?;
            if there.get(name) != Some(&bytes) {
                return Err(CopyError::Differs);
            }
            tracing::info!(bytes, "a backup was copied to the bucket");
            self.metrics.copied("copied");
            self.note_copy(name, true).await?;
        }
        if let (Some(newest), true) = (before.keys().next_back(), wanted.is_empty()) {
            self.note_copy(newest, false).await?;
        }
        let there = before.into_keys().chain(wanted.iter().cloned()).collect();
        for name in too_many(there, plan.keep) {
            plan.bucket.remove(&name).await?;
        }
        Ok(wanted.len())
    }

    /// Writes down which backup is the newest there; in the activity as well, if it has just been copied.
    async fn note_copy(&self, name: &str, is_news: bool) -> Result<(), StoreError> {
        let (Some(made_at), now) = (made_at(name), self.clock.now()) else { return Ok(()) };
        let change = self.store.change(move |tx| {
            if tx.get(BOOKMARKS, &COPIED.to_owned())? != Some(Seen(made_at)) {
                tx.put(BOOKMARKS, &COPIED.to_owned(), &Seen(made_at))?;
            }
            if is_news {
                let what = format!("the backup of {made_at:.0} was copied to the bucket");
                changes::note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Admin, what))?;
            }
            Ok(())
        });
        change.await
    }
}

/// When the newest backup was made that lies in the bucket.
pub(crate) fn last_copy(read: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(read.get(BOOKMARKS, &COPIED.to_owned())?.map(|Seen(at)| at))
}

/// The backups of a folder that may be copied.
async fn made(directory: &Path, unencrypted: bool, now: Timestamp) -> Result<BTreeSet<String>, CopyError> {
    let mut made = made_in(directory).await.map_err(CopyError::Folder)?;
    made.retain(|name| (unencrypted || name.ends_with(ENDS[1])) && !is_ahead(name, now));
    Ok(made)
}

/// What is newer than all that lies there, as many as are kept. An older one that is missing there was
/// taken away, by us or by somebody else.
fn to_copy(
    made: &BTreeSet<String>,
    there: &BTreeMap<String, u64>,
    keep: Option<NonZeroUsize>,
) -> Vec<String> {
    let newest = there.keys().next_back();
    let newer: Vec<_> =
        made.iter().filter(|name| newest.is_none_or(|newest| *name > newest)).cloned().collect();
    let too_many = keep.map_or(0, |keep| newer.len().saturating_sub(keep.get()));
    newer.into_iter().skip(too_many).collect()
}

/// The oldest beyond those that are kept.
fn too_many(there: BTreeSet<String>, keep: Option<NonZeroUsize>) -> Vec<String> {
    let too_many = keep.map_or(0, |keep| there.len().saturating_sub(keep.get()));
    there.into_iter().take(too_many).collect()
}

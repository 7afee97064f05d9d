//! The backups that the daemon makes by itself: every so often, into a folder, the newest of them kept.
//!
//! When the last one was made is a row, so a restart neither forgets nor repeats one. One that fails is
//! told by health, as the component `backup`, and tried again after a while.

mod copies;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use age::x25519::Recipient;
use fulcrum_domain::{Activity, ActivityKind, Actor};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Engine;
use super::changes;
use super::health::{HealthStatus, Part};
use crate::store::tables::BOOKMARKS;
use crate::store::{BackupError, Read, Seen, StoreError, UNFINISHED};

pub(crate) use copies::last_copy;
pub use copies::{CopyError, CopyPlan};

/// The bookmark of the last one.
const MADE: &str = "backup";

/// How often it is looked whether one is due. One that failed is tried again after twice as long, then after twice
/// that, up to the second.
const EVERY: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(3600);

/// What the names of backups begin and end with.
const BEGINS: &str = "fulcrum-";
const ENDS: [&str; 2] = [".backup", ".backup.age"];
/// What stands between: when they were made.
const NAMED: &str = "%Y%m%dT%H%M%SZ";

/// The backups that are to be made.
#[derive(Clone)]
pub struct BackupPlan {
    /// How often.
    pub every: Duration,
    /// Where they are put.
    pub directory: PathBuf,
    /// How many are kept.
    pub keep: usize,
    /// Who alone can open them.
    pub recipient: Option<Recipient>,
    /// Where they are copied to, if anywhere.
    pub copies: Option<CopyPlan>,
}

impl std::fmt::Debug for BackupPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupPlan")
            .field("every", &self.every)
            .field("directory", &self.directory)
            .field("copies", &self.copies)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes backups as they fall due.
    pub(crate) async fn run_backups(self) -> Result<(), Infallible> {
        let mut rest = EVERY;
        loop {
            let mut next = EVERY;
            if let Some(plan) = self.settings.load().backup.clone() {
                let now = self.clock.now();
                let made = made_in(&plan.directory).await.unwrap_or_default();
                self.tell_of_dates("dates", made.iter(), now);
                match self.backup_if_due(&plan, now).await {
                    Ok(false) => {}
                    Ok(true) => {
                        self.notices.well(Part::Backup, "", now);
                        self.wake.copies.notify_one();
                    }
                    Err(error) => {
                        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                        let (folder, cause) = (plan.directory.display(), cause.unwrap_or_default());
                        let what = format!("the last one was not made in {folder}: {error}{cause}");
                        if self.notices.trouble(Part::Backup, "", HealthStatus::Degraded, what.clone(), now) {
                            tracing::error!("backup: {what}");
                        }
                        // Each attempt may write as much as the store holds.
                        next = (rest * 2).min(REST_MAX);
                    }
                }
            }
            rest = next;
            tokio::time::sleep(rest).await;
        }
    }

    /// Makes a backup if the last one was made so long ago. False when not.
    ///
    /// # Errors
    /// [`BackupError`]: it is due still.
    pub async fn backup_if_due(&self, plan: &BackupPlan, now: Timestamp) -> Result<bool, BackupError> {
        let last = self.store.read(|read| read.get(BOOKMARKS, &MADE.to_owned())).await?;
        let age = |Seen(at): Seen| Duration::try_from(now.duration_since(at)).unwrap_or(Duration::MAX);
        if last.is_some_and(|last| age(last) < plan.every) {
            return Ok(false);
        }
        let folder = plan.directory.clone();
        let tidied = tokio::task::spawn_blocking(move || drop_unfinished(&folder)).await;
        tidied.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(BackupError::Write)?;
        let ending = ENDS[usize::from(plan.recipient.is_some())];
        let name = format!("{BEGINS}{}{ending}", now.strftime(NAMED));
        let made = self.store.backup(plan.directory.join(name), plan.recipient.clone(), now).await?;
        tracing::info!(rows = made.contents.rows, bytes = made.bytes, "a backup was made");
        self.store
            .change(move |tx| {
                tx.put(BOOKMARKS, &MADE.to_owned(), &Seen(now))?;
                let what = format!("a backup was made: {} rows", made.contents.rows);
                changes::note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Admin, what))
            })
            .await?;
        let (directory, keep) = (plan.directory.clone(), plan.keep);
        let tidied = tokio::task::spawn_blocking(move || keep_newest(&directory, keep, now)).await;
        tidied.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(BackupError::Write)?;
        Ok(true)
    }

    /// Tells of backups that are named after a time to come: a clock was wrong when they were made. They are
    /// neither counted nor taken away.
    fn tell_of_dates<'n>(&self, about: &str, names: impl Iterator<Item = &'n String>, now: Timestamp) {
        match names.filter(|name| is_ahead(name, now)).max() {
            None => self.notices.well(Part::Backup, about, now),
            Some(name) => {
                let what =
                    format!("{name} is dated ahead, by a clock that was wrong: rename it or take it away");
                if self.notices.trouble(Part::Backup, about, HealthStatus::Degraded, what.clone(), now) {
                    tracing::warn!("backup: {what}");
                }
            }
        }
    }

    /// What health says of backups while all is well.
    pub(crate) fn backup_in_words(&self, last: Option<Timestamp>, copied: Option<Timestamp>) -> String {
        let settings = self.settings.load();
        let copies = settings.backup.as_ref().is_some_and(|plan| plan.copies.is_some());
        match (&settings.backup, last, copied) {
            (None, ..) => "none are made by themselves: [backup] sets when and where".to_owned(),
            (Some(_), None, _) => "none was made yet".to_owned(),
            (Some(_), Some(at), Some(copied)) if copies => {
                format!("the last one is of {at:.0}, the last one in the bucket of {copied:.0}")
            }
            (Some(_), Some(at), None) if copies => format!("the last one is of {at:.0}, none is copied yet"),
            (Some(_), Some(at), _) => format!("the last one is of {at:.0}"),
        }
    }
}

/// When the last one was made.
pub(crate) fn last_backup(read: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(read.get(BOOKMARKS, &MADE.to_owned())?.map(|Seen(at)| at))
}

/// Takes the oldest backups away.
fn keep_newest(directory: &Path, keep: usize, now: Timestamp) -> io::Result<()> {
    let mut names = names_in(directory)?;
    names.retain(|name| !is_ahead(name, now));
    let too_many = names.len().saturating_sub(keep);
    names.iter().take(too_many).try_for_each(|name| std::fs::remove_file(directory.join(name)))
}

/// Takes away what is left of backups that were cut off, by a power cut say: each is as large as the store.
fn drop_unfinished(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(|name| name.strip_suffix(UNFINISHED)).is_some_and(is_ours) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The backups in a folder: what has another name is not ours. Their names sort by time.
fn names_in(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        names.extend(entry?.file_name().to_str().filter(|name| is_ours(name)).map(str::to_owned));
    }
    Ok(names)
}

/// The same for who must not block.
async fn made_in(directory: &Path) -> io::Result<BTreeSet<String>> {
    let directory = directory.to_owned();
    let names = tokio::task::spawn_blocking(move || names_in(&directory)).await;
    names.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

fn is_ours(name: &str) -> bool {
    made_at(name).is_some()
}

/// When a backup was made, by its name.
fn made_at(name: &str) -> Option<Timestamp> {
    let rest = name.strip_prefix(BEGINS)?;
    let at = ENDS.iter().find_map(|ending| rest.strip_suffix(ending))?;
    TimeZone::UTC.to_timestamp(DateTime::strptime(NAMED, at).ok()?).ok()
}

fn is_ahead(name: &str, now: Timestamp) -> bool {
    made_at(name).is_some_and(|at| at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_other_files_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "fulcrum-20250301T000000Z.backup",
            "fulcrum-20250302T000000Z.backup.age",
            "fulcrum-20250303T000000Z.backup",
            "fulcrum-notes.txt",
            "fulcrum-by-hand.backup",
            "fulcrum-20350303T000000Z.backup",
        ];
        let now = "2025-03-04T00:00:00Z".parse().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "x").unwrap());
        keep_newest(folder.path(), 1, now).unwrap();
        let is_there = names.map(|name| folder.path().join(name).exists());
        assert_eq!(is_there, [false, false, true, true, true, true], "one dated ahead takes nobody's place");
    }

    #[test]
    fn what_is_left_of_one_that_was_cut_off_goes() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "fulcrum-20250301T000000Z.backup.part",
            "fulcrum-20250302T000000Z.backup.age.part",
            "fulcrum-20250303T000000Z.backup",
            "fulcrum-by-hand.backup.part",
        ];
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "x").unwrap());
        drop_unfinished(folder.path()).unwrap();
        assert_eq!(names.map(|name| folder.path().join(name).exists()), [false, false, true, true]);
    }
}

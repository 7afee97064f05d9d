//! The backups that the daemon makes by itself: every so often, into a folder, the newest of them kept.
//!
//! When the last one was made is a row, so a restart neither forgets nor repeats one. One that fails is
//! told by health, as the component `backup`, and tried again after a while.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use age::x25519::Recipient;
use fulcrum_domain::{Activity, ActivityKind, Actor};
use jiff::Timestamp;

use super::Engine;
use super::changes;
use super::health::HealthStatus;
use crate::store::tables::BOOKMARKS;
use crate::store::{BackupError, Read, Seen, StoreError};

/// The bookmark of the last one.
const MADE: &str = "backup";

/// The component of health.
const PART: &str = "backup";

/// How often it is looked whether one is due; one that failed is tried again after as long.
const EVERY: Duration = Duration::from_secs(60);

/// What the names of backups begin and end with.
const BEGINS: &str = "fulcrum-";
const ENDS: [&str; 2] = [".backup", ".backup.age"];

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
}

impl std::fmt::Debug for BackupPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupPlan")
            .field("every", &self.every)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes backups as they fall due.
    pub(crate) async fn run_backups(self) -> Result<(), Infallible> {
        loop {
            if let Some(plan) = self.settings.load().backup.clone() {
                let now = self.clock.now();
                match self.backup_if_due(&plan, now).await {
                    Ok(false) => {}
                    Ok(true) => self.notices.well(PART, "", now),
                    Err(error) => {
                        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                        let what = format!("the last one was not made: {error}{}", cause.unwrap_or_default());
                        if self.notices.trouble(PART, "", HealthStatus::Degraded, what.clone(), now) {
                            tracing::error!("backup: {what}");
                        }
                    }
                }
            }
            tokio::time::sleep(EVERY).await;
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
        let ending = ENDS[usize::from(plan.recipient.is_some())];
        let name = format!("{BEGINS}{}{ending}", now.strftime("%Y%m%dT%H%M%SZ"));
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
        let tidied = tokio::task::spawn_blocking(move || keep_newest(&directory, keep)).await;
        tidied.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(BackupError::Write)?;
        Ok(true)
    }

    /// What health says of backups while all is well.
    pub(crate) fn backup_in_words(&self, last: Option<Timestamp>) -> String {
        match (&self.settings.load().backup, last) {
            (None, _) => "none are made by themselves: [backup] sets when and where".to_owned(),
            (Some(_), None) => "none was made yet".to_owned(),
            (Some(_), Some(at)) => format!("the last one is of {at:.0}"),
        }
    }
}

/// When the last one was made.
pub(crate) fn last_backup(read: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(read.get(BOOKMARKS, &MADE.to_owned())?.map(|Seen(at)| at))
}

/// Takes the oldest backups away. Their names sort by time, and what has another name is not ours.
fn keep_newest(directory: &Path, keep: usize) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(BEGINS) && ENDS.iter().any(|ending| name.ends_with(ending)));
        names.extend(ours.then_some(name));
    }
    names.sort();
    let too_many = names.len().saturating_sub(keep);
    names.iter().take(too_many).try_for_each(|name| std::fs::remove_file(directory.join(name)))
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
            "other.backup",
        ];
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "x").unwrap());
        keep_newest(folder.path(), 1).unwrap();
        let is_there = names.map(|name| folder.path().join(name).exists());
        assert_eq!(is_there, [false, false, true, true, true]);
    }
}

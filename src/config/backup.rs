//! `[backup]`: the backups that the daemon makes by itself.

use std::path::PathBuf;
use std::time::Duration;

use age::x25519::Recipient;
use serde::Deserialize;

use super::check::{Check, Checked};

/// An hour is for those who keep a copy warm elsewhere; whoever wants less than one a month, wants none.
const EVERY: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(3600)..=Duration::from_secs(31 * 24 * 3600);

/// How backups are made.
#[derive(Clone)]
pub struct Backup {
    /// Who alone can open them; anybody who can read them, if nobody is named.
    pub recipient: Option<Recipient>,
    /// Those that the daemon makes by itself, if any.
    pub schedule: Option<BackupSchedule>,
}

/// The backups that the daemon makes by itself.
#[derive(Clone, Debug)]
pub struct BackupSchedule {
    /// How often.
    pub every: Duration,
    /// Where they are put.
    pub directory: PathBuf,
    /// How many are kept.
    pub keep: usize,
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let encrypted = self.recipient.is_some();
        f.debug_struct("Backup").field("encrypted", &encrypted).field("schedule", &self.schedule).finish()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackup {
    every: String,
    directory: String,
    keep: usize,
    recipient: String,
}

impl RawBackup {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Backup> {
        let recipient = match self.recipient.as_str() {
            "" => Ok(None),
            key => check.parse("backup.recipient", key, "a public key of age's, \"age1...\"").map(Some),
        };
        let keep = check.within("backup.keep", self.keep, &(1..=1000));
        let schedule = match self.every.as_str() {
            "" => Ok(None),
            every => {
                let every = check.duration("backup.every", every, &EVERY);
                let directory = check.path("backup.directory", &self.directory);
                every.and_then(|every| Ok(Some((every, directory?))))
            }
        };
        let (recipient, keep, schedule) = (recipient?, keep?, schedule?);
        let schedule = schedule.map(|(every, directory)| BackupSchedule { every, directory, keep });
        Ok(Backup { recipient, schedule })
    }
}

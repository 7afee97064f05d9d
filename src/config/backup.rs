//! `[backup]`: the backups that the daemon makes by itself.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use age::x25519::Recipient;
use serde::Deserialize;
use url::{Host, Url};

use super::check::{Check, Checked};
use super::secret::Secret;

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
    /// Where they are copied to, if anywhere.
    pub s3: Option<BackupS3>,
}

/// A folder of a bucket that backups are copied to.
#[derive(Clone, Debug)]
pub struct BackupS3 {
    /// The service, without the bucket.
    pub endpoint: Url,
    /// The bucket.
    pub bucket: String,
    /// The folder in it, without slashes at its ends; empty for none.
    pub prefix: String,
    /// What requests are signed for.
    pub region: String,
    /// Whether the bucket stands in the path.
    pub path_style: bool,
    /// An access key: its name, and its secret behind a colon.
    pub key: Secret,
    /// How many are kept; all, if none is named.
    pub keep: Option<NonZeroUsize>,
    /// Whether they may be copied although they are not encrypted.
    pub unencrypted: bool,
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
    s3: RawS3,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawS3 {
    endpoint: String,
    bucket: String,
    prefix: String,
    region: String,
    path_style: bool,
    key_file: String,
    keep: usize,
    unencrypted: bool,
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
        let s3 = self.s3.check(check);
        let (recipient, keep, schedule, s3) = (recipient?, keep?, schedule?, s3?);
        if s3.is_some() && schedule.is_none() {
            let expected = "how often, since backup.s3 is for those that the daemon makes by itself";
            return Err(check.reject("backup.every", "not set", expected));
        }
        if s3.as_ref().is_some_and(|s3| !s3.unencrypted) && recipient.is_none() {
            let expected = "a key that backups are encrypted for before they leave this machine, or \
                            backup.s3.unencrypted = true";
            return Err(check.reject("backup.recipient", "not set", expected));
        }
        let schedule = schedule.map(|(every, directory)| BackupSchedule { every, directory, keep, s3 });
        Ok(Backup { recipient, schedule })
    }
}

impl RawS3 {
    fn check(&self, check: &mut Check<'_>) -> Checked<Option<BackupS3>> {
        if self.endpoint.is_empty() {
            return Ok(None);
        }
        let endpoint = check.base_url("backup.s3.endpoint", &self.endpoint);
        let bucket = word(check, "backup.s3.bucket", &self.bucket, ".-_", "the name of a bucket");
        let prefix = match self.prefix.trim_matches('/') {
            "" => Ok(String::new()),
            prefix => word(check, "backup.s3.prefix", prefix, ".-_/", "a folder, such as \"fulcrum\""),
        };
        let region = word(check, "backup.s3.region", &self.region, "-_", "a region, such as \"us-east-1\"");
        let key = check.secret("backup.s3.key", &self.key_file, "backup-s3-key");
        let key = key.and_then(|key| match key.expose().split_once(':') {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok(key),
            _ => Err(check.reject("backup.s3.key_file", "a secret without a colon", "ID:SECRET")),
        });
        let keep = check.within("backup.s3.keep", self.keep, &(0..=10_000));
        let endpoint = endpoint?;
        if !self.path_style && !matches!(endpoint.host(), Some(Host::Domain(_))) {
            let expected = "true, since backup.s3.endpoint has no name that the bucket could stand before";
            return Err(check.reject("backup.s3.path_style", "false", expected));
        }
        Ok(Some(BackupS3 {
            endpoint,
            bucket: bucket?,
            prefix: prefix?,
            region: region?,
            path_style: self.path_style,
            key: key?,
            keep: NonZeroUsize::new(keep?),
            unencrypted: self.unencrypted,
        }))
    }
}

/// Letters, digits and these: what needs no quoting in an address.
fn word(check: &mut Check<'_>, key: &str, text: &str, more: &str, expected: &str) -> Checked<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    let empty_part = text.split('/').any(|part| matches!(part, "" | "." | ".."));
    if !empty_part && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let found = if text.is_empty() { "not set".to_owned() } else { format!("{text:?}") };
    Err(check.reject(key, found, expected))
}

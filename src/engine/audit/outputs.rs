//! Where the audit log goes by itself, for those who watch over many programs: it waits for nobody, and
//! nobody waits for it.
//!
//! Each output has a bookmark in the file, the number of the last entry that it surely has. A batch is what
//! stands behind that; once the output has it, the bookmark moves. So an output may be away for a month: what
//! it misses waits in the store, which keeps the log for ever. A stop lets the batch that is under way come
//! to its end. After a crash it goes out once more, and its numbers tell.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::file::{self, FileError};
use super::syslog::{Syslog, SyslogError};
use super::{Line, behind};
use crate::engine::Engine;
use crate::engine::health::{HealthStatus, Part};
use crate::store::tables::COUNTERS;
use crate::store::{Read, Store, StoreError};

/// Entries in a batch: some 100 KB.
const BATCH: usize = 500;
/// The same for the syslog after a failure: one that is slow gets along, one that ends midway gets little twice.
const FEW: usize = 20;

/// How long an output rests that has failed; twice as long each time, up to the second.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// How often it is looked without any news: after an unmute, say.
const LOOK: Duration = Duration::from_secs(60);
/// A batch that takes longer is told by health, and waited for all the same.
const LONG: Duration = Duration::from_secs(90);

/// Where the log goes.
#[derive(Clone, Debug, Default)]
pub struct AuditOutputs {
    /// The file that lines are added to.
    pub file: Option<PathBuf>,
    /// Who takes them as syslog.
    pub syslog: Option<Arc<Syslog>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Output {
    File(PathBuf),
    Syslog(Arc<Syslog>),
}

/// Why an output has not got a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Syslog(#[from] SyslogError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Output {
    /// The counter that is its bookmark.
    fn bookmark(&self) -> String {
        match self {
            Self::File(_) => "audit in the file".to_owned(),
            Self::Syslog(_) => "audit in syslog".to_owned(),
        }
    }

    /// Entries in a batch after a failure. A file gets the same batch again, in which its last whole line is found.
    fn batch_after_failure(&self) -> usize {
        match self {
            Self::File(_) => BATCH,
            Self::Syslog(_) => FEW,
        }
    }

    /// Returns when the output surely has these entries.
    async fn take(&self, lines: Vec<Line>) -> Result<(), OutputError> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let written = tokio::task::spawn_blocking(move || file::append(&path, &lines)).await;
                written.unwrap_or(Err(FileError::Panicked)).map_err(OutputError::File)
            }
            Self::Syslog(syslog) => syslog.take(&lines).await.map_err(OutputError::Syslog),
        }
    }
}

/// Gives an output what it lacks, at most so many entries. How many those were.
pub(super) async fn pass_on(store: &Store, output: &Output, most: usize) -> Result<usize, OutputError> {
    let name = output.bookmark();
    let bookmark = name.clone();
    let lines =
        store.read(move |read| behind(read, read.get(COUNTERS, &bookmark)?.unwrap_or(0), most)).await?;
    let count = lines.len();
    if let Some(last) = lines.last().map(|line| line.number) {
        output.take(lines).await?;
        store.change(move |tx| tx.put(COUNTERS, &name, &last).map(drop)).await.map_err(OutputError::Store)?;
    }
    Ok(count)
}

impl Engine {
    /// Adds to the file what it lacks.
    pub(crate) async fn run_audit_file(self) -> Result<(), StoreError> {
        loop {
            self.give("file", || self.settings.load().audit.file.clone().map(Output::File)).await?;
            let _ = tokio::time::timeout(LOOK, self.wake.audit_file.notified()).await;
        }
    }

    /// Sends to the syslog what it lacks.
    pub(crate) async fn run_audit_syslog(self) -> Result<(), StoreError> {
        loop {
            self.give("syslog", || self.settings.load().audit.syslog.clone().map(Output::Syslog)).await?;
            let _ = tokio::time::timeout(LOOK, self.wake.audit_syslog.notified()).await;
        }
    }

    /// Gives an output all that it lacks, however often that must be tried. A restored copy gives nothing,
    /// since its original has: see [`crate::engine::muting`].
    async fn give(&self, about: &str, output: impl Fn() -> Option<Output>) -> Result<(), StoreError> {
        let mut pause = PAUSE[0];
        let mut most = BATCH;
        loop {
            let Some(output) = output().filter(|_| !self.muted.load(Ordering::Relaxed)) else {
                self.notices.well(Part::Audit, about, self.clock.now());
                return Ok(());
            };
            let after_failure = output.batch_after_failure();
            // Of its own, so that a stop waits for it and does not cut it off before its bookmark.
            let store = self.store.clone();
            let mut passing = self.tasks.tracker().spawn(async move { pass_on(&store, &output, most).await });
            let passed = loop {
                match tokio::time::timeout(LONG, &mut passing).await {
                    Ok(passed) => break passed.unwrap_or(Err(StoreError::Panicked.into())),
                    Err(_) => self.audit_waits(about, "it takes very long"),
                }
            };
            match passed {
                Ok(count) => {
                    self.notices.well(Part::Audit, about, self.clock.now());
                    if count < most {
                        return Ok(());
                    }
                    (pause, most) = (PAUSE[0], BATCH);
                }
                Err(OutputError::Store(error)) => return Err(error),
                Err(error) => {
                    self.audit_waits(about, &in_words(&error));
                    tokio::time::sleep(pause).await;
                    (pause, most) = ((2 * pause).min(PAUSE[1]), after_failure);
                }
            }
        }
    }

    fn audit_waits(&self, about: &str, why: &str) {
        let what = format!(
            "{why}; entries wait in the store and nothing else does, it is tried again by itself: \
             docs/siem.md, audit.{about}"
        );
        if self.notices.trouble(Part::Audit, about, HealthStatus::Degraded, what.clone(), self.clock.now()) {
            tracing::error!("audit log: {what}");
        }
    }

    /// What health says of the log while all is well.
    pub(crate) fn audit_in_words(&self) -> String {
        let audit = &self.settings.load().audit;
        match (&audit.file, &audit.syslog) {
            (None, None) => "it stays in the store: [audit] says where else it goes".to_owned(),
            (Some(path), None) => format!("it is added to {}", path.display()),
            (None, Some(syslog)) => format!("it goes to {syslog}"),
            (Some(path), Some(syslog)) => format!("it is added to {} and goes to {syslog}", path.display()),
        }
    }
}

/// With the reason behind it, which says more.
fn in_words(error: &OutputError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use fulcrum_domain::{Activity, ActivityKind, Actor};
    use jiff::Timestamp;

    use super::*;
    use crate::engine::audit::{export, verify_lines};
    use crate::engine::changes::note;
    use crate::store::Options;

    pub(in super::super) fn store(folder: &Path) -> Store {
        Store::open(Options::file(folder.join("fulcrum.redb")), Box::new(|_| {})).unwrap()
    }

    pub(in super::super) async fn happen(store: &Store, times: usize) {
        for _ in 0..times {
            let activity =
                Activity::new(Timestamp::UNIX_EPOCH, Actor::fulcrum(), ActivityKind::SignIn, "signed in");
            store.change(move |tx| note(tx, &activity)).await.unwrap();
        }
    }

    /// Whole, unbroken, each once, is what the file has.
    fn assert_has_all(store: &Store, text: &[u8]) {
        let mut exported = Vec::new();
        store.read_here(|read| export(read, &mut exported)).unwrap();
        assert_eq!(String::from_utf8_lossy(text), String::from_utf8_lossy(&exported));
        verify_lines(text, &[], |_| Ok(())).unwrap();
    }

    #[tokio::test]
    async fn the_file_gets_each_entry_once_across_restarts_rotations_and_crashes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let output = Output::File(path.clone());
        let before = store(folder.path());
        happen(&before, 5).await;
        assert_eq!(pass_on(&before, &output, 3).await.unwrap(), 3);
        assert_eq!(pass_on(&before, &output, 3).await.unwrap(), 2);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        before.close().await;
        drop(before);
        let store = store(folder.path());
        assert_eq!(pass_on(&store, &output, 3).await.unwrap(), 0);
        assert_has_all(&store, &fs::read(&path).unwrap());
        // A crash between the file and the bookmark, and one in the midst of a line.
        let set_back = |number: u64| {
            let name = output.bookmark();
            store.change(move |tx| tx.put(COUNTERS, &name, &number))
        };
        set_back(3).await.unwrap();
        assert_eq!(pass_on(&store, &output, 3).await.unwrap(), 2);
        assert_has_all(&store, &fs::read(&path).unwrap());
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 10]).unwrap();
        set_back(2).await.unwrap();
        assert_eq!(pass_on(&store, &output, 3).await.unwrap(), 3);
        assert_has_all(&store, &fs::read(&path).unwrap());
        let rotated = folder.path().join("audit.jsonl.1");
        fs::rename(&path, &rotated).unwrap();
        happen(&store, 2).await;
        assert_eq!(pass_on(&store, &output, 3).await.unwrap(), 2);
        assert_has_all(&store, &[fs::read(&rotated).unwrap(), fs::read(&path).unwrap()].concat());
    }

    /// It was tried again with a batch too small to hold the last line that the disk had room for.
    #[tokio::test]
    async fn a_disk_that_fills_up_midway_gets_no_line_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let output = Output::File(path.clone());
        let store = store(folder.path());
        happen(&store, 3 * FEW).await;
        assert_eq!(pass_on(&store, &output, BATCH).await.unwrap(), 3 * FEW);
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 10]).unwrap();
        let name = output.bookmark();
        store.change(move |tx| tx.put(COUNTERS, &name, &0)).await.unwrap();
        pass_on(&store, &output, output.batch_after_failure()).await.unwrap();
        assert_has_all(&store, &fs::read(&path).unwrap());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_told_and_gets_everything_later() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("log");
        let output = Output::File(missing.join("audit.jsonl"));
        let store = store(folder.path());
        happen(&store, 2).await;
        let told = in_words(&pass_on(&store, &output, 10).await.unwrap_err());
        assert!(told.contains("log/audit.jsonl") && told.contains("No such file"), "{told}");
        happen(&store, 1).await;
        fs::create_dir(&missing).unwrap();
        assert_eq!(pass_on(&store, &output, 10).await.unwrap(), 3);
        assert_has_all(&store, &fs::read(missing.join("audit.jsonl")).unwrap());
        happen(&store, 1).await;
        let pipe = Output::File("/dev/null".into());
        let told = in_words(&pass_on(&store, &pipe, 10).await.unwrap_err());
        assert!(told.contains("no regular file"), "{told}");
    }
}

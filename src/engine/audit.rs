//! The audit log: what of the activity has to be proven, append-only, each entry chained to the one before.
//!
//! An entry's hash covers the hash before it, so nothing in between can be changed, taken out or put in
//! without every later hash being another. Whoever keeps the last hash of an export elsewhere can show
//! later that the log still continues from it. Entries have ids and words of ours alone, so they outlive
//! the erasure of a person, and the forgetting of the activity.
//!
//! The hash is SHA-256 over the hash before (32 bytes, zeros for the first) and seven fields, each after
//! its length in bytes as 8 bytes, big-endian: number, time, actor, kind, conversation, opportunity, detail,
//! as they stand in the exported line; null is empty.

mod checkpoints;
mod file;
mod outputs;
mod syslog;

use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;

use fulcrum_domain::Activity;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::tables::{AUDIT, COUNTERS};
use crate::store::{AuditEntry, Keys, Read, Signal, StoreError, Tx};

pub(crate) use checkpoints::KEY;
pub use checkpoints::{Checkpoint, KeyError, PublicKey, Signer};
pub use outputs::AuditOutputs;
pub use syslog::Syslog;

/// The counter of entries.
const ENTRIES: &str = "audit";

/// An entry, as it is exported: a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place, from 1.
    pub number: u64,
    /// When it happened.
    pub at: String,
    /// Who did it.
    pub actor: String,
    /// What kind of thing.
    pub kind: String,
    /// In which conversation.
    pub conversation: Option<String>,
    /// About which opportunity.
    pub opportunity: Option<String>,
    /// What, in words.
    pub detail: String,
    /// The hash of this and all before, in hexadecimal.
    pub hash: String,
}

impl Line {
    fn new(number: u64, activity: &Activity) -> Self {
        Self {
            number,
            at: format!("{:.3}", activity.at),
            actor: activity.actor.as_str().to_owned(),
            kind: activity.kind.word().to_owned(),
            conversation: activity.conversation.map(|id| id.to_string()),
            opportunity: activity.opportunity.as_ref().map(ToString::to_string),
            detail: activity.detail.clone(),
            hash: String::new(),
        }
    }

    fn of(number: u64, entry: &AuditEntry) -> Self {
        Self { hash: hex::encode(entry.hash), ..Self::new(number, &entry.activity) }
    }

    fn chained_to(&self, before: [u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        let number = self.number.to_string();
        let fields = [
            number.as_str(),
            &self.at,
            &self.actor,
            &self.kind,
            self.conversation.as_deref().unwrap_or_default(),
            self.opportunity.as_deref().unwrap_or_default(),
            &self.detail,
        ];
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }
}

/// How far a log was found to be right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many entries.
    pub entries: u64,
    /// The last one's hash; null when there is none.
    pub last: Option<String>,
    /// Up to which one the last valid checkpoint signs; not there where no key was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<u64>,
}

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The chain is broken.
    #[error("entry {number} is not what was written, or one before it was taken out")]
    Broken {
        /// Where.
        number: u64,
    },
    /// No entry.
    #[error("line {line} is no entry of an audit log")]
    NotAnEntry {
        /// Where.
        line: u64,
    },
    /// A checkpoint that none of the keys has signed, or not of the entry before it.
    #[error("the checkpoint at entry {number} is not signed by that key, or signs something else")]
    NotSigned {
        /// Where.
        number: u64,
    },
    /// No checkpoint.
    #[error("there is no signed checkpoint in this log")]
    NoCheckpoint,
    /// The log of this store is another.
    #[error("the store's log does not continue from this file: entry {number} differs, or is not there")]
    Differs {
        /// Where.
        number: u64,
    },
    /// The file.
    #[error("the log cannot be read or written")]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A check of entries as they come.
#[derive(Default)]
struct Checking {
    entries: u64,
    last: [u8; 32],
    keys: Vec<PublicKey>,
    signed: Option<u64>,
}

impl Checking {
    fn by(keys: &[PublicKey]) -> Self {
        Self { keys: keys.to_owned(), ..Self::default() }
    }

    fn next(&mut self, line: &Line) -> Result<(), AuditError> {
        let hash = line.chained_to(self.last);
        let number = self.entries + 1;
        if line.number != number || line.hash != hex::encode(hash) {
            return Err(AuditError::Broken { number });
        }
        self.signed_too(self.last, line)?;
        (self.entries, self.last) = (number, hash);
        Ok(())
    }

    fn end(self) -> Result<Verified, AuditError> {
        if !self.keys.is_empty() && self.signed.is_none() {
            return Err(AuditError::NoCheckpoint);
        }
        let last = (self.entries > 0).then(|| hex::encode(self.last));
        Ok(Verified { entries: self.entries, last, signed: self.signed })
    }
}

/// Appends what happened. Only from where the activity is written down.
pub(crate) fn append(tx: &mut Tx<'_>, activity: &Activity) -> Result<(), StoreError> {
    let name = ENTRIES.to_owned();
    let before = tx.get(COUNTERS, &name)?.unwrap_or(0);
    let last = tx.get(AUDIT, &before)?.map_or([0; 32], |entry| entry.hash);
    let number = before + 1;
    let hash = Line::new(number, activity).chained_to(last);
    tx.put(COUNTERS, &name, &number)?;
    tx.signal(Signal::Audit);
    tx.put(AUDIT, &number, &AuditEntry { activity: activity.clone(), hash }).map(drop)
}

/// Shows the entries of a store to `f`, in order.
fn each(read: &impl Read, mut f: impl FnMut(Line) -> Result<(), AuditError>) -> Result<(), AuditError> {
    let mut ended = Ok(());
    read.scan(AUDIT, &Keys::all(), |number, entry| {
        ended = f(Line::of(number, &entry));
        Ok(if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    ended
}

/// The entries behind a number, at most so many.
fn behind(read: &impl Read, number: u64, most: usize) -> Result<Vec<Line>, StoreError> {
    let entries = read.list(AUDIT, &Keys::all().after(&number), most)?;
    Ok(entries.iter().map(|(number, entry)| Line::of(*number, entry)).collect())
}

/// Checks the log of a store, from its first entry to its last; with keys its checkpoints as well.
///
/// # Errors
/// [`AuditError`]: where it is broken.
pub fn verify(read: &impl Read, keys: &[PublicKey]) -> Result<Verified, AuditError> {
    let mut checking = Checking::by(keys);
    each(read, |line| checking.next(&line))?;
    // What was cut off at the end leaves a counter that says so.
    let counted = read.get(COUNTERS, &ENTRIES.to_owned())?.unwrap_or(0);
    if counted != checking.entries {
        return Err(AuditError::Broken { number: checking.entries + 1 });
    }
    checking.end()
}

/// The checkpoints of a store's log, in order.
///
/// # Errors
/// [`AuditError`].
pub fn checkpoints(read: &impl Read) -> Result<Vec<Checkpoint>, AuditError> {
    let mut found = Vec::new();
    each(read, |line| {
        found.extend(Checkpoint::of(&line));
        Ok(())
    })?;
    Ok(found)
}

/// Checks an exported log; `f` sees each entry that is right.
///
/// # Errors
/// [`AuditError`]: where it is broken.
pub fn verify_lines(
    lines: impl BufRead,
    keys: &[PublicKey],
    mut f: impl FnMut(&Line) -> Result<(), AuditError>,
) -> Result<Verified, AuditError> {
    let mut checking = Checking::by(keys);
    for (line, text) in (1..).zip(lines.lines()) {
        let entry: Line = serde_json::from_str(&text?).map_err(|_| AuditError::NotAnEntry { line })?;
        checking.next(&entry)?;
        f(&entry)?;
    }
    checking.end()
}

/// Whether a store has this very entry.
///
/// # Errors
/// [`AuditError::Differs`] when not.
pub fn has(read: &impl Read, line: &Line) -> Result<(), AuditError> {
    let stored = read.get(AUDIT, &line.number)?.map(|entry| hex::encode(entry.hash));
    if stored.as_ref() == Some(&line.hash) {
        Ok(())
    } else {
        Err(AuditError::Differs { number: line.number })
    }
}

/// Writes the log as lines of JSON. How many.
///
/// # Errors
/// [`AuditError`].
pub fn export(read: &impl Read, mut out: impl Write) -> Result<u64, AuditError> {
    let mut lines = 0;
    each(read, |line| {
        serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        lines += 1;
        Ok(())
    })?;
    out.flush()?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::{ActivityKind, Actor};
    use jiff::Timestamp;

    use super::*;
    use crate::engine::changes::note;
    use crate::store::{Options, Store};

    async fn with_entries(folder: &std::path::Path) -> Store {
        let store = Store::open(Options::file(folder.join("fulcrum.redb")), Box::new(|_| {})).unwrap();
        for (kind, detail) in [
            (ActivityKind::SignIn, "signed in"),
            (ActivityKind::Webhook, "nothing to be proven"),
            (ActivityKind::OptOut, "opted out: stop"),
            (ActivityKind::Admin, "a person was erased"),
        ] {
            let at = Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap();
            let activity = Activity::new(at, Actor::from("ana@acme.example"), kind, detail)
                .about(Some("an-opportunity".parse().unwrap()));
            store.change(move |tx| note(tx, &activity)).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn what_has_to_be_proven_stands_in_a_chain_that_can_be_checked_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_entries(folder.path()).await;
        let verified = store.read_here(|read| verify(read, &[])).unwrap();
        assert_eq!(verified.entries, 3);
        let mut exported = Vec::new();
        assert_eq!(store.read_here(|read| export(read, &mut exported)).unwrap(), 3);
        assert_eq!(verify_lines(exported.as_slice(), &[], |_| Ok(())).unwrap(), verified);
        let text = String::from_utf8(exported).unwrap();
        let check = |text: &str| verify_lines(text.as_bytes(), &[], |_| Ok(()));
        let changed = text.replace("opted out: stop", "opted out: nope");
        assert!(matches!(check(&changed), Err(AuditError::Broken { number: 2 })));
        let lines: Vec<_> = text.lines().collect();
        let without = [lines[0], lines[2]].join("\n");
        assert!(matches!(check(&without), Err(AuditError::Broken { number: 2 })));
        assert!(matches!(check("{}"), Err(AuditError::NotAnEntry { line: 1 })));
        let first: Line = serde_json::from_str(lines[0]).unwrap();
        store.read_here(|read| has(read, &first)).unwrap();
        let other = Line { hash: "00".repeat(32), ..first };
        let differs = store.read_here(|read| has(read, &other));
        assert!(matches!(differs, Err(AuditError::Differs { number: 1 })));
    }

    #[tokio::test]
    async fn a_changed_or_shortened_log_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_entries(folder.path()).await;
        let last = store.read_here(|read| read.get(AUDIT, &3)).unwrap().unwrap();
        store.change(|tx| tx.remove(AUDIT, &3)).await.unwrap();
        assert!(matches!(store.read_here(|read| verify(read, &[])), Err(AuditError::Broken { number: 3 })));
        let mut forged = last.clone();
        forged.activity.actor = Actor::from("somebody else");
        store.change(move |tx| tx.put(AUDIT, &3, &forged)).await.unwrap();
        assert!(matches!(store.read_here(|read| verify(read, &[])), Err(AuditError::Broken { number: 3 })));
        store.change(move |tx| tx.put(AUDIT, &3, &last)).await.unwrap();
        assert_eq!(store.read_here(|read| verify(read, &[])).unwrap().entries, 3);
    }
}

//! Backups: written while the daemon runs, read back before they are trusted, encrypted on the way if
//! somebody is named who can open them; and restored, muted.
//!
//! A backup has another name until it is whole and was read back: a power cut on the way leaves nothing
//! that looks like one. So it is with a store that is restored, which is read twice: once to know that
//! all of it is good, before anything is written, and once to write it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use age::x25519::Recipient;
use age::{DecryptError, Decryptor, Encryptor, IdentityFile};
use jiff::Timestamp;
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio_util::sync::CancellationToken;

use super::dump::{self, Contents, Hashing, Part};
use super::error::StoreError;
use super::migrations::{SEALED_SCHEMA, migrate, set_schema};
use super::open::{self, sync_folder, with_ending};
use super::records::Muted;
use super::room::{NoRoom, has_room};
use super::seal::{self, SealKeys};
use super::sealing;
use super::tables::MUTED;
use super::tx::{Tx, definition};
use super::{ReadOnly, Store};

/// What a backup is called with until it is whole.
pub(crate) const UNFINISHED: &str = ".part";

/// With which a file of age's begins.
const AGE: &[u8] = b"age-encryption.org/v1";

/// Rows of one table in one transaction while a store is restored.
const ROWS: usize = 100_000;

/// Why a backup is not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The name is taken.
    #[error("a file of this name is there already: give the backup another name")]
    Exists,
    /// The disk, mostly.
    #[error("it cannot be written")]
    Write(#[source] io::Error),
    /// The disk would be full.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The same for reading.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// What was read back is not what was written.
    #[error("what was read back is not what was written: the disk is not to be trusted")]
    Differs,
    /// It is another kind of file.
    #[error("this is not a backup of fulcrum's")]
    NotABackup,
    /// It is a store.
    #[error("this is a store, not a backup: to use it, stop the daemon and copy it to where store.path says")]
    IsStore,
    /// It is not whole.
    #[error("the backup is damaged or was cut off: use another one")]
    Damaged,
    /// It is encrypted.
    #[error("the backup is encrypted: --identity names the file with the key")]
    Encrypted,
    /// The key is for another.
    #[error("the key does not open this backup")]
    WrongKey,
    /// The file with the key.
    #[error("the file with the key cannot be read: it must have a line AGE-SECRET-KEY-1...")]
    Identity(#[source] io::Error),
    /// There is a store where one is to be restored.
    #[error("there is a store already: --replace keeps it aside and puts the restored one in its place")]
    StoreThere,
    /// Nor is there a folder for one, as on a machine where the daemon never ran.
    #[error(
        "there is no folder {} for the store: make it for the daemon's user, with \
         `install -d -o fulcrum -g fulcrum -m 0700 {}`",
        folder.display(),
        folder.display()
    )]
    NoFolder {
        /// Where it should be.
        folder: PathBuf,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// What reading ended with.
    pub(super) fn read(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Damaged,
            _ => Self::Read(error),
        }
    }
}

/// A backup that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it holds.
    pub contents: Contents,
    /// The size of the file.
    pub bytes: u64,
}

/// A store that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What it holds.
    pub contents: Contents,
    /// Where the one is kept that was there before.
    pub kept: Option<PathBuf>,
}

/// Keys that open encrypted backups.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl Identities {
    /// From a file as `age-keygen` writes it.
    ///
    /// # Errors
    /// [`BackupError::Identity`].
    pub fn from_file(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(BackupError::Identity)?;
        let keys = IdentityFile::from_buffer(BufReader::new(file)).map_err(BackupError::Identity)?;
        let keys =
            keys.into_identities().map_err(|_| BackupError::Identity(io::ErrorKind::InvalidData.into()))?;
        Ok(Self(keys))
    }
}

impl Store {
    /// Makes a backup of the last commit, while everything goes on.
    ///
    /// # Errors
    /// [`BackupError`]; then there is no file at `to`.
    pub async fn backup(
        &self,
        to: PathBuf,
        recipient: Option<Recipient>,
        now: Timestamp,
    ) -> Result<Made, BackupError> {
        let (database, closing) = (self.inner.database.load_full(), self.inner.closing.clone());
        let bytes = self.file_bytes();
        let done = tokio::task::spawn_blocking(move || {
            let snapshot = database.begin_read().map_err(StoreError::redb)?;
            make((snapshot, bytes), &to, recipient.as_ref(), now, &closing)
        });
        done.await.unwrap_or(Err(StoreError::Panicked.into()))
    }
}

impl ReadOnly {
    /// The same from another process, whether or not a daemon runs.
    ///
    /// # Errors
    /// [`BackupError`]; then there is no file at `to`.
    pub fn backup(
        &self,
        to: &Path,
        recipient: Option<&Recipient>,
        now: Timestamp,
    ) -> Result<Made, BackupError> {
        let snapshot = self.database.begin_read().map_err(StoreError::redb)?;
        make((snapshot, self.bytes), to, recipient, now, &CancellationToken::new())
    }
}

/// Makes one of a snapshot of a file that is so large.
fn make(
    (from, bytes): (ReadTransaction, u64),
    to: &Path,
    recipient: Option<&Recipient>,
    now: Timestamp,
    stop: &CancellationToken,
) -> Result<Made, BackupError> {
    if to.try_exists().map_err(BackupError::Write)? {
        return Err(BackupError::Exists);
    }
    let part = with_ending(to, UNFINISHED);
    remove(&part)?;
    has_room(to, bytes)?;
    let outcome = write_and_check(from, &part, recipient, now, stop).and_then(|contents| {
        let bytes = part.metadata().map_err(BackupError::Read)?.len();
        fs::rename(&part, to).and_then(|()| sync_folder(to)).map_err(BackupError::Write)?;
        Ok(Made { contents, bytes })
    });
    if outcome.is_err() {
        remove(&part)?;
    }
    outcome
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::Write(error)),
        _ => Ok(()),
    }
}

fn write_and_check(
    from: ReadTransaction,
    part: &Path,
    recipient: Option<&Recipient>,
    now: Timestamp,
    stop: &CancellationToken,
) -> Result<Contents, BackupError> {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(part);
    let mut out = Hashing::new(BufWriter::new(file.map_err(BackupError::Write)?));
    let contents = match recipient {
        None => dump::write(&from, now, &mut out, stop)?,
        Some(recipient) => {
            let recipients = std::iter::once(recipient as &dyn age::Recipient);
            let encryptor = Encryptor::with_recipients(recipients);
            let encryptor = encryptor.map_err(|error| BackupError::Write(io::Error::other(error)))?;
            let mut sealed = encryptor.wrap_output(&mut out).map_err(BackupError::Write)?;
            let contents = dump::write(&from, now, &mut sealed, stop)?;
            sealed.finish().map_err(BackupError::Write)?;
            contents
        }
    };
    // Reading back takes a while, and what changes meanwhile needs no place beside what it was.
    drop(from);
    let written = out.digest();
    let file = out.into_inner().into_inner().map_err(|error| BackupError::Write(error.into_error()))?;
    file.sync_all().map_err(BackupError::Write)?;
    // What is encrypted can only be read by whoever has the key: here it is compared as it is.
    let mut input = BufReader::new(File::open(part).map_err(BackupError::Read)?);
    let mut back = Hashing::new(io::sink());
    io::copy(&mut input, &mut back).map_err(BackupError::Read)?;
    if back.digest() != written {
        return Err(BackupError::Differs);
    }
    if recipient.is_none() && check_backup(part, None)? != contents {
        return Err(BackupError::Differs);
    }
    Ok(contents)
}

/// Reads a backup to its end.
///
/// # Errors
/// [`BackupError`]: it cannot be restored, and why.
pub fn check_backup(from: &Path, keys: Option<&Identities>) -> Result<Contents, BackupError> {
    dump::read(open_backup(from, keys)?, |_, _| Ok(()))
}

fn open_backup(from: &Path, keys: Option<&Identities>) -> Result<Box<dyn Read>, BackupError> {
    let file = || File::open(from).map_err(BackupError::Read);
    let mut begins = Vec::new();
    file()?.take(AGE.len() as u64).read_to_end(&mut begins).map_err(BackupError::Read)?;
    if begins != AGE {
        return Ok(Box::new(BufReader::new(file()?)));
    }
    let Identities(keys) = keys.ok_or(BackupError::Encrypted)?;
    let sealed = Decryptor::new_buffered(BufReader::new(file()?)).map_err(|error| match error {
        DecryptError::Io(error) => BackupError::read(error),
        _ => BackupError::Damaged,
    })?;
    let keys = keys.iter().map(|key| key.as_ref() as &dyn age::Identity);
    let plain = sealed.decrypt(keys).map_err(|error| match error {
        DecryptError::NoMatchingKeys => BackupError::WrongKey,
        DecryptError::Io(error) => BackupError::read(error),
        _ => BackupError::Damaged,
    })?;
    Ok(Box::new(BufReader::new(plain)))
}

/// Makes a store at `to` of a backup that is read to its end first. It is muted: nothing leaves until
/// somebody says so, since the original may have sent the same. With `replace` a store that is there is
/// kept aside; its daemon must not run. The search index goes: it is made anew. `seals` are the keys by which
/// values of the backup's store were sealed, if they were; what is restored stays sealed by them.
///
/// # Errors
/// [`BackupError`]; then whatever is at `to` is as it was.
pub fn restore(
    from: &Path,
    keys: Option<&Identities>,
    to: &Path,
    replace: bool,
    now: Timestamp,
    seals: &SealKeys,
) -> Result<Restored, BackupError> {
    let is_there = to.try_exists().map_err(BackupError::Read)?;
    if is_there && !replace {
        return Err(BackupError::StoreThere);
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(BackupError::NoFolder { folder: folder.to_owned() });
    }
    check_backup(from, keys)?;
    let outcome = write_store(from, keys, to, now, seals).and_then(|contents| {
        // The index goes first: it is made anew of whatever store is there.
        match fs::remove_dir_all(with_ending(to, ".search")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(BackupError::Write(error)),
            _ => {}
        }
        let kept = is_there.then(|| with_ending(to, &format!(".before-{}", now.strftime("%Y%m%dT%H%M%SZ"))));
        if let Some(kept) = &kept {
            keep_aside(to, kept).map_err(BackupError::Write)?;
        }
        open::appear(to)?;
        Ok(Restored { contents, kept })
    });
    if outcome.is_err() {
        open::give_up(to)?;
    }
    outcome
}

/// Gives a store that is there its second name. It keeps the first until another file takes that, so a power cut
/// finds one there whenever it comes; but for disks on which no file has two names.
fn keep_aside(store: &Path, kept: &Path) -> io::Result<()> {
    match fs::hard_link(store, kept) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => fs::rename(store, kept)?,
        Ok(()) => {}
    }
    sync_folder(kept)
}

/// Writes the rows into a new file under the other name.
fn write_store(
    from: &Path,
    keys: Option<&Identities>,
    to: &Path,
    now: Timestamp,
    seals: &SealKeys,
) -> Result<Contents, BackupError> {
    let new = open::begin_anew(to, open::CACHE_BYTES)?;
    let mut filling = Filling { new: &new, transaction: None, table: "", rows: 0 };
    let contents = dump::read(open_backup(from, keys)?, |_, part| match part {
        Part::Table(name) => filling.begin(name),
        Part::Row(key, value) => filling.put(key, value),
    })?;
    filling.commit()?;
    let sealed = if contents.sealed { SEALED_SCHEMA } else { 0 };
    set_schema(&new, contents.schema | sealed)?;
    sealing::check(&new.begin_read().map_err(StoreError::redb)?, seals)?;
    migrate(&new, seals)?;
    let mut transaction = new.begin_write().map_err(StoreError::redb)?;
    transaction.set_quick_repair(true);
    // Opening it seals what is to be sealed.
    Tx::new(&transaction, None, &seal::NONE).put(
        MUTED,
        &(),
        &Muted { since: now, made_at: contents.made_at },
    )?;
    transaction.commit().map_err(StoreError::redb)?;
    Ok(contents)
}

/// A new store, as its rows come in.
struct Filling<'d> {
    new: &'d Database,
    transaction: Option<WriteTransaction>,
    table: &'static str,
    rows: usize,
}

impl Filling<'_> {
    fn begin(&mut self, table: &'static str) -> Result<(), BackupError> {
        self.commit()?;
        self.table = table;
        Ok(())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => self.new.begin_write().map_err(StoreError::redb)?,
        };
        let mut table = transaction.open_table(definition(self.table)).map_err(StoreError::redb)?;
        table.insert(key, value).map_err(StoreError::redb)?;
        drop(table);
        self.transaction = Some(transaction);
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), BackupError> {
        match self.transaction.take() {
            Some(transaction) => Ok(transaction.commit().map_err(StoreError::redb)?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use age::x25519::Identity;

    use super::*;
    use crate::store::tables::{BOOKMARKS, COUNTERS};
    use crate::store::{Keys, Options, Read as _, Seen};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    async fn some_store(folder: &Path) -> Store {
        let store = Store::open(Options::file(folder.join("fulcrum.redb")), Box::new(|_| {})).unwrap();
        let fill = store.change(|tx| {
            (0..3000u64).try_for_each(|n| tx.put(COUNTERS, &format!("{n:04}"), &n).map(drop))?;
            tx.put(BOOKMARKS, &"here".to_owned(), &Seen(NOW)).map(drop)
        });
        fill.await.unwrap();
        store
    }

    fn key_file(folder: &Path, name: &str) -> (Recipient, Identities) {
        use age::secrecy::ExposeSecret;
        let key = Identity::generate();
        let path = folder.join(name);
        fs::write(&path, format!("# a key\n{}\n", key.to_string().expose_secret())).unwrap();
        (key.to_public(), Identities::from_file(&path).unwrap())
    }

    #[tokio::test]
    async fn what_is_restored_is_what_was_there_and_is_muted() {
        let folder = tempfile::tempdir().unwrap();
        let store = some_store(folder.path()).await;
        let (recipient, keys) = key_file(folder.path(), "key");
        let beside = ReadOnly::open(&folder.path().join("fulcrum.redb")).unwrap();
        for (name, recipient) in [("plain", None), ("sealed", Some(recipient))] {
            let backup = folder.path().join(name);
            let made = store.backup(backup.clone(), recipient.clone(), NOW).await.unwrap();
            assert!(made.contents.rows >= 3001);
            let again = store.backup(backup.clone(), None, NOW).await;
            assert!(matches!(again, Err(BackupError::Exists)));
            let other =
                beside.backup(&folder.path().join(format!("{name}-2")), recipient.as_ref(), NOW).unwrap();
            assert_eq!(other.contents, made.contents);
            let to = folder.path().join(format!("{name}.redb"));
            let restored = restore(&backup, Some(&keys), &to, false, NOW, &seal::NONE).unwrap();
            assert_eq!((restored.contents, restored.kept), (made.contents, None));
            let again = restore(&backup, Some(&keys), &to, false, NOW, &seal::NONE);
            assert!(matches!(again, Err(BackupError::StoreThere)));
            let kept = restore(&backup, Some(&keys), &to, true, NOW, &seal::NONE).unwrap().kept.unwrap();
            assert!(kept.exists());
            let copy = Store::open(Options::file(&to), Box::new(|_| {})).unwrap();
            let all = |store: &Store| store.read_here(|s| s.list(COUNTERS, &Keys::all(), 9999)).unwrap();
            assert_eq!(all(&copy), all(&store));
            assert!(copy.read_here(|s| s.has(MUTED, &())).unwrap());
            copy.close().await;
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        let unfinished = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            name.ends_with(".part") || name.ends_with(".new")
        };
        assert!(!left.iter().any(unfinished), "{left:?}");
    }

    #[tokio::test]
    async fn a_store_that_is_there_stays_until_all_else_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let store = some_store(folder.path()).await;
        let (to, backup) = (folder.path().join("fulcrum.redb"), folder.path().join("backup"));
        store.backup(backup.clone(), None, NOW).await.unwrap();
        store.close().await;
        drop(store);
        let before = fs::read(&to).unwrap();
        // An index that cannot be taken away.
        let index = with_ending(&to, ".search");
        fs::write(&index, "no folder").unwrap();
        let refused = restore(&backup, None, &to, true, NOW, &seal::NONE);
        assert!(matches!(refused, Err(BackupError::Write(_))), "{refused:?}");
        assert!(fs::read(&to).unwrap() == before, "it is as it was");
        fs::remove_file(index).unwrap();
        let kept = restore(&backup, None, &to, true, NOW, &seal::NONE).unwrap().kept.unwrap();
        assert!(fs::read(kept).unwrap() == before && fs::read(&to).unwrap() != before);
        let again = restore(&backup, None, &to, true, NOW, &seal::NONE);
        assert!(matches!(again, Err(BackupError::Write(_))), "what was kept aside is not written over");
    }

    #[tokio::test]
    async fn what_cannot_be_restored_changes_nothing_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let store = some_store(folder.path()).await;
        let (recipient, keys) = key_file(folder.path(), "key");
        let (_, other) = key_file(folder.path(), "other");
        let path = |name: &str| folder.path().join(name);
        store.backup(path("plain"), None, NOW).await.unwrap();
        store.backup(path("sealed"), Some(recipient), NOW).await.unwrap();
        let to = path("new.redb");
        let tried =
            |from: &str, keys: Option<&Identities>| restore(&path(from), keys, &to, false, NOW, &seal::NONE);
        assert!(matches!(tried("sealed", None), Err(BackupError::Encrypted)));
        assert!(matches!(tried("sealed", Some(&other)), Err(BackupError::WrongKey)));
        assert!(matches!(tried("fulcrum.redb", None), Err(BackupError::IsStore)));
        assert!(matches!(tried("key", None), Err(BackupError::NotABackup)));
        assert!(matches!(tried("nowhere", None), Err(BackupError::Read(_))));
        let nowhere = path("lib/fulcrum/fulcrum.redb");
        let refused =
            restore(&path("plain"), None, &nowhere, false, NOW, &seal::NONE).unwrap_err().to_string();
        assert!(refused.contains(&format!("no folder {} for", path("lib/fulcrum").display())), "{refused}");
        for name in ["plain", "sealed"] {
            let whole = fs::read(path(name)).unwrap();
            // Where the content begins: age's header has no fixed length, a nonce follows it.
            let header = whole.windows(5).position(|five| five == b"\n--- ").map_or(40, |at| at + 49 + 16);
            for length in [header, header + 5, 300, whole.len() / 2, whole.len() - 1] {
                fs::write(path("cut"), &whole[..length]).unwrap();
                assert!(matches!(tried("cut", Some(&keys)), Err(BackupError::Damaged)), "{name} {length}");
            }
            let mut turned = whole.clone();
            turned[whole.len() / 2] ^= 1;
            fs::write(path("turned"), turned).unwrap();
            assert!(matches!(tried("turned", Some(&keys)), Err(BackupError::Damaged)), "{name}");
        }
        let mut newer = fs::read(path("plain")).unwrap();
        newer[24] = 200; // The last byte of the schema.
        fs::write(path("newer"), newer).unwrap();
        let refused = tried("newer", None);
        assert!(matches!(refused, Err(BackupError::Store(StoreError::Newer { found: 200, .. }))));
        assert!(!to.exists() && !path("new.redb.new").exists());
    }
}

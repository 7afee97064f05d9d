//! Opening the file: who holds it, whether it is one of ours, and how an older one becomes a newer one.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, StorageBackend,
};

use super::error::StoreError;
use super::migrations::{META, SCHEMA, SEALED_SCHEMA, check, migrate, schema_of};
use super::seal::{self, SealKeys};
use super::sealing;

/// Opens a database on a storage of the caller's.
type OpenOn = Box<dyn FnOnce(&Builder) -> Result<Database, DatabaseError>>;

enum Place {
    File(PathBuf),
    Backend(OpenOn),
}

/// What is kept of a file's pages; in memory each takes a quarter more. The inner pages of a million opportunities'
/// tables are 11 MB, and what is not here the kernel still has.
pub const CACHE_BYTES: usize = 16 << 20;

/// How to open a store.
pub struct Options {
    place: Place,
    cache_bytes: usize,
    keys: Arc<SealKeys>,
}

impl Options {
    /// A file, made with mode 0600 when it is missing.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::File(path.into()), cache_bytes: CACHE_BYTES, keys: Arc::default() }
    }

    /// A storage of the caller's, for fault tests.
    pub fn backend(backend: impl StorageBackend) -> Self {
        let open = move |builder: &Builder| builder.create_with_backend(backend);
        Self { place: Place::Backend(Box::new(open)), cache_bytes: 4 << 20, keys: Arc::default() }
    }

    /// How many bytes of pages stay in memory: [`CACHE_BYTES`] unless set, whatever the file's size.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The keys that values are sealed with and opened; none unless set.
    #[must_use]
    pub fn keys(mut self, keys: Arc<SealKeys>) -> Self {
        self.keys = keys;
        self
    }

    pub(super) fn seal_keys(&self) -> Arc<SealKeys> {
        self.keys.clone()
    }

    pub(super) fn cache(&self) -> usize {
        self.cache_bytes
    }

    /// The path of what is kept beside the file, by what its name has more; none where there is no file.
    pub fn beside(&self, ending: &str) -> Option<PathBuf> {
        self.path().map(|path| with_ending(path, ending))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Backend(_) => None,
        }
    }
}

pub(super) fn open(options: Options) -> Result<Database, StoreError> {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    let (database, path) = match options.place {
        Place::Backend(open_on) => (open_on(&builder).map_err(StoreError::redb)?, None),
        Place::File(path) => {
            // Single writer: `fulcrum status` may read while the daemon writes.
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            if path.metadata().is_ok_and(|file| file.is_file() && file.len() == 0) {
                return Err(StoreError::Empty { path });
            }
            if path.exists() {
                // Opening for writing touches the file, so a newer one, or one for which the key is not
                // here, is known before. What else may be wrong is told below: reading alone cannot repair.
                let refused = open_read_only(&path, &options.keys).err();
                let is_for_another = |error: &StoreError| {
                    use StoreError::{Locked, Newer, Sealed};
                    matches!(error, Newer { .. } | Locked { .. } | Sealed { .. })
                };
                if let Some(error) = refused.filter(is_for_another) {
                    return Err(error);
                }
            } else {
                make(&builder, &path)?;
            }
            let database = builder.create(&path).map_err(|error| refusal(&path, error))?;
            // Only so that a second process can be told who is first; it may fail. Anew, since it may be root's.
            let _ = fs::remove_file(holder_file(&path));
            let _ = fs::write(holder_file(&path), format!("process {}", std::process::id()));
            (database, Some(path))
        }
    };
    let found = {
        let transaction = database.begin_read().map_err(StoreError::redb)?;
        sealing::check(&transaction, &options.keys)?;
        schema_of(&transaction)? & !SEALED_SCHEMA
    };
    let database = match path {
        Some(path) if (1..SCHEMA).contains(&found) => {
            bring_up_to_date(database, &builder, &path, &options.keys)?
        }
        _ => {
            migrate(&database, &options.keys)?;
            database
        }
    };
    sealing::begin(&database, &options.keys)?;
    Ok(database)
}

/// Migrates a copy of the file, which takes its name once it is whole: whatever fails on the way leaves the
/// file as it was, for the program that wrote it.
fn bring_up_to_date(
    old: Database,
    builder: &Builder,
    path: &Path,
    keys: &SealKeys,
) -> Result<Database, StoreError> {
    tracing::info!(
        "the store is of an older version: a copy of it is brought up to date, then takes its place"
    );
    let migrated = || {
        give_up(path)?;
        fs::copy(path, unfinished(path)).map_err(io)?;
        let new = builder.create(unfinished(path)).map_err(|error| refusal(path, error))?;
        migrate(&new, keys)?;
        appear(path)?;
        Ok(new)
    };
    let outcome = migrated();
    // Held until here, so that nobody opens the one while the other is made.
    drop(old);
    outcome.map_err(|error| {
        let _ = give_up(path);
        StoreError::Upgrade { path: path.into(), source: Box::new(error) }
    })
}

pub(super) fn open_read_only(path: &Path, keys: &SealKeys) -> Result<ReadOnlyDatabase, StoreError> {
    let database = Builder::new()
        .set_cache_size(8 << 20)
        .set_concurrency_mode(ConcurrencyMode::SingleWriter)
        .open_read_only(path)
        .map_err(|error| refusal(path, error))?;
    let transaction = database.begin_read().map_err(StoreError::redb)?;
    match transaction.open_table(META) {
        Ok(meta) => {
            let found = meta.get("schema_version").map_err(StoreError::redb)?.map_or(0, |v| v.value());
            check(found)?;
        }
        Err(error) => return Err(StoreError::Damaged { path: path.into(), source: Box::new(error.into()) }),
    }
    sealing::check(&transaction, keys)?;
    Ok(database)
}

/// Closes in order what a daemon that was killed left open, as its next start would. Nothing else is changed:
/// neither is an older file brought up to date, nor anything sealed.
pub(super) fn close_in_order(path: &Path) -> Result<(), StoreError> {
    let mut builder = Builder::new();
    builder.set_cache_size(8 << 20).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder.open(path).map(drop).map_err(|error| refusal(path, error))
}

/// Makes a new file under another name and lets it appear when it is whole: a power cut on the way
/// leaves nothing that a later start would have to call damaged.
fn make(builder: &Builder, path: &Path) -> Result<(), StoreError> {
    drop(begin(builder, path)?);
    appear(path)
}

/// The same for a file that is to take the place of the one at `path`.
pub(super) fn begin_anew(path: &Path, cache_bytes: usize) -> Result<Database, StoreError> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    begin(&builder, path)
}

/// A new file with empty tables, under the other name.
fn begin(builder: &Builder, path: &Path) -> Result<Database, StoreError> {
    give_up(path)?;
    let unfinished = unfinished(path);
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished);
    made.map_err(|source| StoreError::Place { path: path.into(), source })?;
    let database = builder.create(&unfinished).map_err(|error| refusal(&unfinished, error))?;
    migrate(&database, &seal::NONE)?;
    Ok(database)
}

/// Takes away what was begun and did not appear.
pub(super) fn give_up(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(unfinished(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

fn unfinished(path: &Path) -> PathBuf {
    with_ending(path, ".new")
}

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn io(error: std::io::Error) -> StoreError {
    StoreError::redb(redb::StorageError::Io(error))
}

/// Gives a file that is whole its name.
pub(super) fn appear(path: &Path) -> Result<(), StoreError> {
    fs::rename(unfinished(path), path).and_then(|()| sync_folder(path)).map_err(io)
}

/// Makes a name last that a file was given.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    fs::File::open(folder_of(path))?.sync_all()
}

/// Where a file is.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn holder_file(path: &Path) -> PathBuf {
    path.with_extension("holder")
}

fn refusal(path: &Path, error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            let holder = fs::read_to_string(holder_file(path))
                .ok()
                .filter(|text| text.len() < 100)
                .unwrap_or_else(|| "another process".into());
            StoreError::Held { path: path.into(), holder: format!("{holder} holds it") }
        }
        // Only a reader is told so: whoever opens for writing repairs.
        DatabaseError::RepairAborted => StoreError::Unrepaired { path: path.into() },
        error @ DatabaseError::Storage(redb::StorageError::Io(_)) => {
            let redb::Error::Io(io) = redb::Error::from(error) else { return StoreError::Closed };
            use std::io::ErrorKind::{InvalidData, UnexpectedEof};
            if matches!(io.kind(), InvalidData | UnexpectedEof) {
                StoreError::Damaged { path: path.into(), source: Box::new(redb::Error::Io(io)) }
            } else {
                StoreError::Place { path: path.into(), source: io }
            }
        }
        other => StoreError::Damaged { path: path.into(), source: Box::new(other.into()) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::migrations::set_schema;
    use super::super::tables::RETIRED;
    use super::*;

    /// A store as an older program left it.
    fn older(path: &Path, schema: u64) {
        let database = open(Options::file(path)).unwrap();
        set_schema(&database, schema).unwrap();
    }

    fn found(path: &Path) -> u64 {
        let database = Builder::new().open(path).unwrap();
        schema_of(&database.begin_read().unwrap()).unwrap()
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_on_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fulcrum.redb");
        older(&path, 2);
        fs::write(unfinished(&path), "what was left of an attempt").unwrap();
        let kept = fs::hard_link(&path, folder.path().join("kept"));
        drop(open(Options::file(&path)).unwrap());
        assert_eq!(found(&path), SCHEMA);
        assert!(!unfinished(&path).exists());
        kept.unwrap();
        assert_eq!(found(&folder.path().join("kept")), 2, "the old file was written to");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    /// It was taken for a new one, and all opt-outs were forgotten.
    #[test]
    fn an_empty_file_is_no_new_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fulcrum.redb");
        fs::write(&path, "").unwrap();
        assert!(matches!(open(Options::file(&path)), Err(StoreError::Empty { .. })));
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        fs::remove_file(&path).unwrap();
        drop(open(Options::file(&path)).unwrap());
    }

    /// It was "the store failed: No such file or directory", whichever that was.
    #[test]
    fn a_place_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no such folder/fulcrum.redb");
        for error in
            [open(Options::file(&path)).err().unwrap(), open_read_only(&path, &seal::NONE).err().unwrap()]
        {
            assert!(matches!(error, StoreError::Place { .. }), "{error:?}");
            assert!(error.to_string().contains("no such folder/fulcrum.redb"), "{error}");
        }
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fulcrum.redb");
        older(&path, 4);
        // What is to become schema 6 looks for another kind of table under this name.
        let database = Builder::new().open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let odd = redb::TableDefinition::<u64, u64>::new(RETIRED[0]);
        transaction.open_table(odd).unwrap().insert(1, 1).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let error = open(Options::file(&path)).err().unwrap();
        assert!(matches!(&error, StoreError::Upgrade { .. }), "{error:?}");
        assert!(error.to_string().contains("it is as it was"), "{error}");
        assert_eq!(found(&path), 4);
        assert!(!unfinished(&path).exists());
    }
}

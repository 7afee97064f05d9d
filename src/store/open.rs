//! Opening the file: who holds it, which schema it has, what is done to an older one.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fulcrum_domain::AppointmentId;
use jiff::Timestamp;
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    ReadableTable, StorageBackend, WriteTransaction,
};

use super::error::StoreError;
use super::records::{Created, Engagement, Idempotent};
use super::seal::{self, SealKeys};
use super::sealing;
use super::tables::{ALL, IDEMPOTENT, INTERVIEWS, MEETINGS, RETIRED, USERS, USERS_BY_EMAIL};
use super::tx::{Keys, Read, Tx, definition};

/// The schema that this program writes: the number of migrations it knows.
const SCHEMA: u64 = MIGRATIONS.len() as u64;

type Migration = fn(&WriteTransaction, &SealKeys) -> Result<(), StoreError>;

/// Each brings the schema from its place in the list to the next. Forward only; each runs in a
/// transaction of its own together with the new number.
const MIGRATIONS: &[Migration] = &[
    make_tables,
    make_tables,
    index_users,
    make_tables,
    index_interviews,
    gather_repeats,
    make_tables,
    make_tables,
];

/// Added to the number of the schema while values of the file are sealed: a program that knows nothing of that
/// takes it for a newer one, and says so.
pub(super) const SEALED_SCHEMA: u64 = 1 << 32;

pub(super) const META: redb::TableDefinition<'static, &'static str, u64> =
    redb::TableDefinition::new("meta-1");

/// Opens a database on a storage of the caller's.
type OpenOn = Box<dyn FnOnce(&Builder) -> Result<Database, DatabaseError>>;

enum Place {
    File(PathBuf),
    Backend(OpenOn),
}

/// How to open a store.
pub struct Options {
    place: Place,
    cache_bytes: usize,
    keys: Arc<SealKeys>,
}

impl Options {
    /// A file, made with mode 0600 when it is missing.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::File(path.into()), cache_bytes: 32 << 20, keys: Arc::default() }
    }

    /// A storage of the caller's, for fault tests.
    pub fn backend(backend: impl StorageBackend) -> Self {
        let open = move |builder: &Builder| builder.create_with_backend(backend);
        Self { place: Place::Backend(Box::new(open)), cache_bytes: 4 << 20, keys: Arc::default() }
    }

    /// How many bytes of pages stay in memory: 32 MiB unless set, whatever the file's size.
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
    let database = match options.place {
        Place::Backend(open_on) => open_on(&builder).map_err(StoreError::redb)?,
        Place::File(path) => {
            // Single writer: `fulcrum status` may read while the daemon writes.
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
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
            // Only so that a second process can be told who is first; it may fail.
            let _ = fs::write(holder_file(&path), format!("process {}", std::process::id()));
            database
        }
    };
    sealing::check(&database.begin_read().map_err(StoreError::redb)?, &options.keys)?;
    migrate(&database, &options.keys)?;
    sealing::begin(&database, &options.keys)?;
    Ok(database)
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
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished).map_err(io)?;
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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
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
                StoreError::redb(redb::StorageError::Io(io))
            }
        }
        other => StoreError::Damaged { path: path.into(), source: Box::new(other.into()) },
    }
}

pub(super) fn check(found: u64) -> Result<(), StoreError> {
    let found = found & !SEALED_SCHEMA;
    if found > SCHEMA { Err(StoreError::Newer { found, known: SCHEMA }) } else { Ok(()) }
}

/// The schema of a file, with [`SEALED_SCHEMA`] if its values are sealed; 0 while it has none.
pub(super) fn schema_of(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get("schema_version").map_err(StoreError::redb)?.map_or(0, |v| v.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(StoreError::redb(error)),
    }
}

/// Says which schema the rows have that were put into a new file.
pub(super) fn set_schema(database: &Database, schema: u64) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(StoreError::redb)?;
    {
        let mut meta = transaction.open_table(META).map_err(StoreError::redb)?;
        meta.insert("schema_version", schema).map_err(StoreError::redb)?;
    }
    transaction.commit().map_err(StoreError::redb)
}

pub(super) fn migrate(database: &Database, keys: &SealKeys) -> Result<(), StoreError> {
    let found = schema_of(&database.begin_read().map_err(StoreError::redb)?)?;
    check(found)?;
    let (found, sealed) = (found & !SEALED_SCHEMA, found & SEALED_SCHEMA);
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = database.begin_write().map_err(StoreError::redb)?;
        migration(&transaction, keys)?;
        {
            let mut meta = transaction.open_table(META).map_err(StoreError::redb)?;
            meta.insert("schema_version", (number as u64 + 1) | sealed).map_err(StoreError::redb)?;
        }
        transaction.commit().map_err(StoreError::redb)?;
        if found > 0 {
            tracing::info!(schema = number + 1, "the store was brought to a newer schema");
        }
    }
    Ok(())
}

/// Schema 3: users are found by their e-mail.
fn index_users(transaction: &WriteTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    make_tables(transaction, keys)?;
    let mut tx = Tx::new(transaction, None, keys);
    for (id, user) in tx.list(USERS, &Keys::all(), usize::MAX)? {
        if user.active {
            tx.put(USERS_BY_EMAIL, &user.email.to_ascii_lowercase(), &id)?;
        }
    }
    Ok(())
}

/// Schema 4: an interviewer's meetings are found by their start.
fn index_interviews(transaction: &WriteTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    make_tables(transaction, keys)?;
    let mut tx = Tx::new(transaction, None, keys);
    let mut last = None;
    loop {
        let keys = last.take().map_or_else(Keys::all, |key| Keys::all().after(&key));
        let page = tx.list(INTERVIEWS, &keys, 10_000)?;
        let Some((key, _)) = page.last() else { return Ok(()) };
        last = Some(key.clone());
        for ((opportunity, id), interview) in page {
            if interview.cancelled_at.is_none() {
                let engagement = Engagement { opportunity, minutes: interview.minutes };
                for user in interview.interviewers {
                    tx.put(MEETINGS, &(user, interview.starts_at, id.clone()), &engagement)?;
                }
            }
        }
    }
}

/// Schema 6: what requests with a key came to stands in one table, whatever it was.
fn gather_repeats(transaction: &WriteTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    make_tables(transaction, keys)?;
    let [interviews] = RETIRED;
    let interviews = definition(interviews);
    let mut found = Vec::new();
    for row in
        transaction.open_table(interviews).map_err(StoreError::redb)?.iter().map_err(StoreError::redb)?
    {
        let (key, value) = row.map_err(StoreError::redb)?;
        // None of these is sealed: the table is older than seals. A version byte, then when, what was asked, and the interview. One that cannot be read answers no
        // repeat; that is no reason not to start.
        let told = value.value().get(1..).unwrap_or_default();
        let told = postcard::from_bytes::<(i64, [u8; 16], AppointmentId)>(told).ok();
        if let (Ok(key), Some((at, request, one))) = (key.value().try_into(), told) {
            let at = Timestamp::from_millisecond(at).unwrap_or_default();
            found.push((key, Idempotent { at, request, created: Created::Appointment(one) }));
        }
    }
    let mut tx = Tx::new(transaction, None, keys);
    for (key, row) in found {
        tx.put(IDEMPOTENT, &key, &row)?;
    }
    drop(tx);
    transaction.delete_table(interviews).map_err(StoreError::redb).map(drop)
}

/// Every table there is, so that a snapshot finds each of them: those of schema 1, and in a file of
/// that schema those that later ones brought.
fn make_tables(transaction: &WriteTransaction, _: &SealKeys) -> Result<(), StoreError> {
    for name in ALL {
        transaction.open_table(definition(name)).map_err(StoreError::redb)?;
    }
    Ok(())
}

//! The redb file: the only state of the daemon.
//!
//! [`Store::change`] runs a closure in the one write transaction of its moment and answers after
//! the sync; [`Store::read`] runs one on a snapshot, off the async threads. What the tables are
//! stands in [`tables`]; what the bytes are in `codec`. Nothing outside this room sees redb.

mod backup;
mod codec;
mod dump;
mod error;
mod line;
mod migrations;
mod open;
mod records;
mod renew;
mod room;
mod seal;
mod sealing;
mod signal;
pub mod tables;
mod tx;
mod versions;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use redb::{Database, ReadOnlyDatabase, ReadableDatabase};
use tokio_util::sync::CancellationToken;

pub(crate) use backup::UNFINISHED;
pub use backup::{BackupError, Identities, Made, Restored, check_backup, restore};
pub use codec::{Key, Stored};
pub use dump::Contents;
pub use error::{StoreError, readable};
pub use migrations::SCHEMA;
pub(crate) use open::sync_folder;
pub use open::{CACHE_BYTES, Options};
pub use records::{
    AppointmentNews, AuditEntry, BackfillState, Created, Deleted, DeskRow, Engagement, Erased, FileBytes,
    FloodRow, Hold, HookRefusal, HookRow, Idempotent, Lifted, Muted, Phase, PhaseName, PhaseState, Place,
    RefusedHook, Scope, SecretKey, Seen, Subject,
};
pub use room::{NoRoom, free_bytes};
pub use seal::{BadSealKey, KeyId, SealKeys};
pub use sealing::Sealing;
pub use signal::{OnCommit, Signal};
pub use tx::{Keys, Read, Snapshot, Tx};

use line::Who;

/// The open file. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// The writer changes it over when the file is written anew.
    database: Arc<ArcSwap<Database>>,
    keys: Arc<SealKeys>,
    writer: tokio::sync::RwLock<()>,
    path: Option<PathBuf>,
    cache_bytes: usize,
    closing: CancellationToken,
    handle: Mutex<Option<Arc<writer::Writer>>>,
    broken: CancellationToken,
}

impl Store {
    /// Opens the file, makes it when it is missing, and brings an older schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process has it, [`StoreError::Newer`], [`StoreError::Locked`] and
    /// [`StoreError::Damaged`] when it cannot be used; the file is then untouched.
    pub fn open(options: Options, on_commit: OnCommit) -> Result<Self, StoreError> {
        let path = options.path().map(Path::to_owned);
        let (cache_bytes, keys) = (options.cache(), options.seal_keys());
        let database = Arc::new(ArcSwap::from_pointee(open::open(options)?));
        let broken = CancellationToken::new();
        let writer = writer::Writer::start(database.clone(), keys.clone(), on_commit, broken.clone())
            .map_err(|error| StoreError::redb(redb::StorageError::Io(error)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                keys,
                writer: tokio::sync::RwLock::new(()),
                path,
                cache_bytes,
                closing: CancellationToken::new(),
                handle: Mutex::new(Some(Arc::new(writer))),
                broken,
            }),
        })
    }

    fn handle(&self) -> MutexGuard<'_, Option<Arc<writer::Writer>>> {
        self.inner.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` in a transaction, answers when it is on disk. When it fails nothing of it is
    /// stored. It runs on the writer's thread: no waiting in it, and nothing long. When very many
    /// changes wait, this one waits for room.
    ///
    /// # Errors
    /// The change's own, and [`StoreError::Failed`], [`StoreError::Closed`].
    pub async fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.change_for(Who::Us, change).await
    }

    /// The same for what strangers send: it goes before all of ours that wait. When very many changes wait it is
    /// refused at once with [`StoreError::Busy`], and the sender tries again.
    ///
    /// # Errors
    /// As [`Self::change`], and [`StoreError::Busy`].
    pub async fn try_change<T, E>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.change_for(Who::Stranger, change).await
    }

    async fn change_for<T, E>(
        &self,
        who: Who,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let _open = self.inner.writer.read().await;
        let writer = self.handle().clone().ok_or(StoreError::Closed)?;
        writer.change(who, change).await
    }

    /// Runs `read` on the state of the last commit, off the async threads.
    ///
    /// # Errors
    /// The read's own, and [`StoreError`].
    pub async fn read<T, E>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (database, keys) = (self.inner.database.load_full(), self.inner.keys.clone());
        let done = tokio::task::spawn_blocking(move || {
            let transaction = database.begin_read().map_err(StoreError::redb)?;
            read(&Snapshot::new(transaction, keys))
        });
        done.await.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    /// The same on this thread, for programs and tests without a runtime.
    ///
    /// # Errors
    /// The read's own, and [`StoreError`].
    pub fn read_here<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.inner.database.load().begin_read().map_err(StoreError::redb)?;
        read(&Snapshot::new(transaction, self.inner.keys.clone()))
    }

    /// Cancelled when the storage has failed under a commit: the process must end.
    pub fn broken(&self) -> CancellationToken {
        self.inner.broken.clone()
    }

    /// The size of the file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.inner.path.as_ref().and_then(|path| path.metadata().ok()).map_or(0, |meta| meta.len())
    }

    /// Writes what waits and closes. Later changes fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.inner.closing.cancel();
        let _nobody = self.inner.writer.write().await;
        let writer = self.handle().take();
        let closed = tokio::task::spawn_blocking(move || {
            if let Some(mut writer) = writer.and_then(Arc::into_inner) {
                writer.close();
            }
        });
        let _ = closed.await;
    }

    /// Every key and plain value of these tables, one after the other, to look for what must not be there.
    #[cfg(test)]
    pub(crate) fn bytes_of(&self, tables: &[&str]) -> Vec<u8> {
        use redb::ReadableTable as _;
        let read = self.inner.database.load().begin_read().unwrap();
        let mut bytes = Vec::new();
        for name in tables::ALL.iter().filter(|name| tables.is_empty() || tables.contains(name)) {
            for row in read.open_table(tx::definition(name)).unwrap().iter().unwrap() {
                let (key, value) = row.unwrap();
                bytes.extend_from_slice(key.value());
                bytes.extend_from_slice(&self.inner.keys.open(name, key.value(), value.value()).unwrap());
            }
        }
        bytes
    }
}

/// The file opened for reading alone, beside a daemon that writes or without one.
pub struct ReadOnly {
    database: ReadOnlyDatabase,
    keys: Arc<SealKeys>,
    /// The size of the file.
    bytes: u64,
}

impl ReadOnly {
    /// Opens an existing file whose values are not sealed.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Arc::default())
    }

    /// Opens an existing file. One that a killed daemon left open is closed in order first, so that whoever
    /// cannot start it can look, and make a backup.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is no store, [`StoreError::Newer`] when it is too new,
    /// [`StoreError::Locked`] when it is sealed with a key that is not among these,
    /// [`StoreError::Unrepaired`] when it was left open and may not be written.
    pub fn open_with(path: &Path, keys: Arc<SealKeys>) -> Result<Self, StoreError> {
        let database = match open::open_read_only(path, &keys) {
            Err(left_open @ StoreError::Unrepaired { .. }) => {
                open::close_in_order(path).map_err(|_| left_open)?;
                open::open_read_only(path, &keys)?
            }
            opened => opened?,
        };
        Ok(Self { database, keys, bytes: path.metadata().map_or(0, |meta| meta.len()) })
    }

    /// Whether its rows are as this program writes them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_up_to_date(&self) -> Result<bool, StoreError> {
        let transaction = self.database.begin_read().map_err(StoreError::redb)?;
        Ok(migrations::schema_of(&transaction)? & !migrations::SEALED_SCHEMA == SCHEMA)
    }

    /// Runs `read` on the state of the last commit.
    ///
    /// # Errors
    /// The read's own, and [`StoreError`].
    pub fn read<T, E: From<StoreError>>(&self, read: impl FnOnce(&Snapshot) -> Result<T, E>) -> Result<T, E> {
        let transaction = self.database.begin_read().map_err(StoreError::redb)?;
        read(&Snapshot::new(transaction, self.keys.clone()))
    }
}

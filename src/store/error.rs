//! What can go wrong with the file, by what the caller can do about it.

use std::path::PathBuf;

use super::room::NoRoom;
use super::seal::KeyId;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open for writing.
    #[error("the store {} is already open: {holder}", path.display())]
    Held {
        /// The file.
        path: PathBuf,
        /// Who holds it, as far as it can be told.
        holder: String,
    },
    /// The file was written by a newer fulcrum.
    #[error(
        "the store has schema {found}, this fulcrum knows up to {known}: run the newer version, or restore a backup"
    )]
    Newer {
        /// The schema in the file.
        found: u64,
        /// The newest that this program reads.
        known: u64,
    },
    /// The file is not there, or the system does not let it be opened or made.
    #[error("the store {} cannot be opened: is its folder there, and may this user write to it?", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no store, or damaged.
    #[error("the store {} cannot be read: it is damaged or not a fulcrum store; restore a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What redb found.
        #[source]
        source: Box<redb::Error>,
    },
    /// The file has nothing in it: whatever was there is lost, and nobody is to find out by texting who opted out.
    #[error("the store {} is empty: restore a backup, or remove the file to begin anew", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// An older file could not be brought up to date.
    #[error(
        "the store {} is of an older version and could not be brought up to date; it is as it was. That is done on a \
         copy beside it, which needs as much room again",
        path.display()
    )]
    Upgrade {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// The file was not closed in order, and only opening it for writing repairs it.
    #[error(
        "the store {} was not closed in order, and may not be written: its owner, or the daemon's next start, \
         repairs it",
        path.display()
    )]
    Unrepaired {
        /// The file.
        path: PathBuf,
    },
    /// The disk has no room for the file that is to take the place of this one.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// A stored value cannot be decoded.
    #[error("a row of table {table} cannot be decoded (version {version})")]
    Row {
        /// The table.
        table: &'static str,
        /// The version byte in front of the value.
        version: u8,
    },
    /// A value cannot be encoded. Nothing of the change that had it is stored.
    #[error("a row for table {table} cannot be encoded")]
    Encode {
        /// The table.
        table: &'static str,
    },
    /// A key that the first start makes is not there.
    #[error("the store lacks its key {name:?}, which the first start makes: restore a backup")]
    NoKey {
        /// Which.
        name: &'static str,
    },
    /// A sealed value cannot be opened.
    #[error("a row of table {table} cannot be opened: it is damaged, or was sealed for another place")]
    Sealed {
        /// The table.
        table: &'static str,
    },
    /// Values of the file are sealed with a key that is not here.
    #[error(
        "the store is sealed with the key {id}, which is not among those of store.keys_file: name it there"
    )]
    Locked {
        /// Which key.
        id: KeyId,
    },
    /// The storage failed under a commit: the process must end, so that the next start repairs.
    #[error("the store has failed and takes no more writes")]
    Failed,
    /// More writes wait than the writer can take at the moment.
    #[error("the store is busy")]
    Busy,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A change panicked. It was undone; its neighbours were not harmed.
    #[error("a change of the store panicked and was undone")]
    Panicked,
    /// Anything else from redb.
    #[error("the store failed")]
    Redb(#[source] Box<redb::Error>),
}

impl StoreError {
    /// Whether one row is damaged, and all others can be read.
    pub fn is_of_a_row(&self) -> bool {
        matches!(self, Self::Row { .. } | Self::Sealed { .. })
    }

    /// Whether the change itself failed, and the store can do others.
    pub fn lies_in_a_row(&self) -> bool {
        self.is_of_a_row() || matches!(self, Self::Panicked)
    }

    pub(super) fn redb(error: impl Into<redb::Error>) -> Self {
        Self::Redb(Box::new(error.into()))
    }
}

/// A row, for whoever can go on without it when it cannot be read.
///
/// # Errors
/// All but [`StoreError::Row`] and [`StoreError::Sealed`].
pub fn readable<T>(row: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match row {
        Err(error) if error.is_of_a_row() => Ok(None),
        row => row,
    }
}

//! What can go wrong with the index, by what is to be done about it.

use std::io;

use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenReadError};

/// A failure of the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It cannot be read: it is to be thrown away and made anew.
    #[error("the search index is damaged")]
    Damaged(#[source] TantivyError),
    /// The same, as a search found.
    #[error("a search found the search index damaged")]
    Unsound,
    /// It cannot be made, read or written now: the folder, the disk, another process.
    #[error("the search index cannot be read or written")]
    Failed(#[source] TantivyError),
    /// The same, in the folder itself.
    #[error("the folder of the search index cannot be used")]
    Folder(#[source] io::Error),
    /// Files with erased words are still held open.
    #[error("the search index still holds files that are to go")]
    Held,
}

impl From<TantivyError> for IndexError {
    fn from(error: TantivyError) -> Self {
        use TantivyError as E;
        match error {
            E::OpenReadError(OpenReadError::IoError { .. })
            | E::IoError(_)
            | E::OpenDirectoryError(_)
            | E::OpenWriteError(_)
            | E::LockFailure(LockError::LockBusy | LockError::IoError(_), _)
            // What a thread died of is not told: a full disk, mostly.
            | E::ErrorInThread(_)
            | E::SystemError(_)
            | E::Poisoned => Self::Failed(error),
            _ => Self::Damaged(error),
        }
    }
}

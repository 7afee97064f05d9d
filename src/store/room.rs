//! Whether a disk has room for a whole file more. A full disk fails the next commit, which ends the daemon; so what
//! is as large as the store itself is begun only where it fits.

use std::path::{Path, PathBuf};

use super::open::folder_of;

/// What stays free for everybody else beside a file: an eighth of it, and so much.
const LEFT: u64 = 16 << 20;

/// There is no room.
#[derive(Debug, thiserror::Error)]
#[error("there is no room for a file of some {} MiB: {} has {} MiB free", needs >> 20, folder.display(), free >> 20)]
pub struct NoRoom {
    /// Where.
    pub folder: PathBuf,
    /// Bytes that it takes.
    pub needs: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// Bytes that are free where a path is or will be, for whoever is not root; none where the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(folder).ok().filter(|told| told.f_blocks > 0)?;
    told.f_bavail.checked_mul(told.f_frsize)
}

/// Whether a file of about this size fits beside `path`.
pub(super) fn has_room(path: &Path, bytes: u64) -> Result<(), NoRoom> {
    let folder = folder_of(path);
    let needs = bytes.saturating_add(bytes / 8).saturating_add(LEFT);
    match free_bytes(folder) {
        Some(free) if free < needs => Err(NoRoom { folder: folder.to_owned(), needs, free }),
        _ => Ok(()),
    }
}

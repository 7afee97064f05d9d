//! Whether the folders that the config names are there, and whether the daemon may write to them.
//!
//! Looked at by whoever runs the command, who may be another user than the daemon: then what is not allowed
//! here is only a doubt. Whom the daemon runs as is seen by who owns the store, or the folder that it will be in.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::config::Config;

/// What is wrong with a folder, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nobody can write to it.
    Certain(String),
    /// This user cannot say.
    Doubtful(String),
}

/// A folder that the daemon writes to, by the setting that names it, and what is wrong with it.
pub(super) fn named(config: &Config) -> Vec<(&'static str, &Path, Option<Flaw>)> {
    let owner = owner(&config.store.path);
    let backups = config.backup.schedule.as_ref().map(|plan| ("backup.directory", plan.directory.as_path()));
    let audit = config.audit.file.as_ref().map(|file| ("audit.file", folder_of(file)));
    let all = backups.into_iter().chain(audit);
    all.map(|(key, folder)| (key, folder, flaw(folder, owner))).collect()
}

/// Who owns the store, or its folder.
pub(super) fn owner(store: &Path) -> Option<u32> {
    let found = store.metadata().or_else(|_| folder_of(store).metadata());
    found.ok().map(|metadata| metadata.uid())
}

/// Where a file is.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What is wrong with a folder that `owner` is to write to.
pub(super) fn flaw(folder: &Path, owner: Option<u32>) -> Option<Flaw> {
    let shown = folder.display();
    let metadata = match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return Some(Flaw::Certain(format!("{shown} is not a folder"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let told = format!("there is no folder {shown}: make it, owned by the daemon's user");
            return Some(Flaw::Certain(told));
        }
        Err(error) => return Some(Flaw::Doubtful(format!("{shown} cannot be looked at: {error}"))),
    };
    let us = Path::new("/proc/self").metadata().ok().map(|us| us.uid());
    match accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) if us == Some(0) => belongs_to_another(&metadata, owner).then(|| {
            Flaw::Doubtful(format!("{shown} belongs to another user than the daemon's, most likely"))
        }),
        Ok(()) => None,
        Err(Errno::ROFS) => {
            Some(Flaw::Certain(format!("{shown} is on a file system that cannot be written to")))
        }
        Err(error) if us == owner => {
            Some(Flaw::Certain(format!("{shown} cannot be written to: {}", io::Error::from(error))))
        }
        Err(_) => {
            Some(Flaw::Doubtful(format!("{shown} is closed to this user; may the daemon's write there?")))
        }
    }
}

/// Root may write anywhere, the daemon may not.
fn belongs_to_another(folder: &Metadata, owner: Option<u32>) -> bool {
    let open_to_others = folder.mode() & 0o022 != 0;
    owner.is_some_and(|owner| owner != 0 && owner != folder.uid()) && !open_to_others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_or_none_is_a_flaw() {
        let folder = tempfile::tempdir().unwrap();
        let owner = owner(&folder.path().join("fulcrum.redb"));
        assert_eq!(flaw(folder.path(), owner), None);
        let told = |path: &Path| match flaw(path, owner) {
            Some(Flaw::Certain(told)) => told,
            other => panic!("{other:?}"),
        };
        assert!(told(&folder.path().join("missing")).contains("/missing"));
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(told(&file).contains("is not a folder"));
        // As read-only as a mount can be.
        assert!(flaw(Path::new("/proc/sys"), owner).is_some());
    }
}

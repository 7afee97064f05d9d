//! The file of the audit log: entries as lines of JSON, as `fulcrum audit export` writes them.
//!
//! It is opened for each batch, so one that was renamed is left alone and a new one begun. What a crash or a
//! full disk left of a line is cut off, and lines that stand there already are not written again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Line;
use crate::store::sync_folder;

/// No line is longer.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// What the group may read is for the collector of the SIEM.
const MODE: u32 = 0o640;

/// Why lines are not in the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// Its folder is missing, its disk is full, it is another's.
    #[error("{path} cannot be written to (folder, rights, room?)")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Waiting for whoever reads a pipe could last for ever.
    #[error("{0} is no regular file")]
    NotAFile(PathBuf),
    #[error("the writing of a file broke off")]
    Panicked,
}

/// Adds lines to the file, and returns when they are on the disk.
pub(super) fn append(path: &Path, lines: &[Line]) -> Result<(), FileError> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(FileError::NotAFile(path.into()));
    }
    add(path, lines).map_err(|source| FileError::Io { path: path.into(), source })
}

fn add(path: &Path, lines: &[Line]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
    let there = last_line(&mut file)?;
    let already = lines.iter().position(|line| there.as_ref() == Some(line)).map_or(0, |at| at + 1);
    let mut text = Vec::new();
    for line in &lines[already..] {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    file.write_all(&text)?;
    file.sync_all()?;
    if is_new { sync_folder(path) } else { Ok(()) }
}

/// The last whole line, if it is one of the log. What stands behind it is cut off.
fn last_line(file: &mut File) -> io::Result<Option<Line>> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(2 * LINE_BYTES_MAX);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < tail.len() {
        file.set_len(from + whole as u64)?;
    }
    let before = tail[..whole].strip_suffix(b"\n").unwrap_or_default();
    let begins = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(serde_json::from_slice(&before[begins..]).ok())
}

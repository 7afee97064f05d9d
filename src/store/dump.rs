//! What a backup is made of: the rows of all tables at one commit, one after the other.
//!
//! Not a copy of the file: rows can be written from beginning to end, so they can be encrypted on their
//! way, and no copy in the clear has to lie anywhere; and no unused bytes go along. A digest over
//! everything stands at the end, so that a backup that was cut off is known as such.
//!
//! ```text
//! "fulcrum backup 1\n" schema made_at { 1 length name { 2 length key length value } } 3 rows digest
//! ```

use std::io::{self, Read, Write};

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::backup::BackupError;
use super::error::StoreError;
use super::migrations::{SEALED_SCHEMA, check, schema_of};
use super::tables::{ALL, RETIRED};
use super::tx::definition;

const MAGIC: &[u8] = b"fulcrum backup 1\n";
/// With which a file of redb's begins.
const REDB: &[u8] = b"redb";

const TABLE: u8 = 1;
const ROW: u8 = 2;
const END: u8 = 3;

/// Longer keys or values are none of ours: a damaged length must not fill the memory.
const BYTES_MAX: u32 = 64 << 20;

/// Rows that are written before it is looked whether to stop.
const ROWS: u64 = 1024;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The schema of its rows.
    pub schema: u64,
    /// Whether their values are sealed: then it is of use only with the keys of its store.
    pub sealed: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// How many rows.
    pub rows: u64,
}

/// A part of a backup, as it is read.
pub(super) enum Part<'a> {
    Table(&'static str),
    Row(&'a [u8], &'a [u8]),
}

/// Writes all rows of a snapshot.
pub(super) fn write(
    from: &ReadTransaction,
    made_at: Timestamp,
    out: impl Write,
    stop: &CancellationToken,
) -> Result<Contents, BackupError> {
    let mut out = Hashing::new(out);
    let schema = schema_of(from)?;
    out.put(MAGIC)?;
    out.put(&schema.to_be_bytes())?;
    out.put(&made_at.as_millisecond().to_be_bytes())?;
    let mut rows = 0u64;
    for name in ALL {
        out.put(&[TABLE])?;
        out.put_sized(name.as_bytes())?;
        let table = from.open_table(definition(name)).map_err(StoreError::redb)?;
        for row in table.iter().map_err(StoreError::redb)? {
            if rows.is_multiple_of(ROWS) && stop.is_cancelled() {
                return Err(StoreError::Closed.into());
            }
            let (key, value) = row.map_err(StoreError::redb)?;
            out.put(&[ROW])?;
            out.put_sized(key.value())?;
            out.put_sized(value.value())?;
            rows += 1;
        }
    }
    out.put(&[END])?;
    out.put(&rows.to_be_bytes())?;
    let digest = out.digest();
    out.put(&digest)?;
    Ok(Contents { schema: schema & !SEALED_SCHEMA, sealed: schema & SEALED_SCHEMA > 0, made_at, rows })
}

/// Reads a backup to its end, showing `f` what it holds after the schema is known to be one that can be
/// used. All of it is worth something only when this succeeds.
pub(super) fn read(
    input: impl Read,
    mut f: impl FnMut(&Contents, Part<'_>) -> Result<(), BackupError>,
) -> Result<Contents, BackupError> {
    let mut input = Hashing::new(input);
    // What can be read to a short end is something else; what cannot be read that far is damaged.
    let mut magic = Vec::with_capacity(MAGIC.len());
    input.inner.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(BackupError::read)?;
    match magic.as_slice() {
        MAGIC => input.hash.update(MAGIC),
        other if other.starts_with(REDB) => return Err(BackupError::IsStore),
        _ => return Err(BackupError::NotABackup),
    }
    let schema = u64::from_be_bytes(input.take()?);
    let made_at = i64::from_be_bytes(input.take()?);
    let made_at = Timestamp::from_millisecond(made_at).map_err(|_| BackupError::Damaged)?;
    check(schema)?;
    let (schema, sealed) = (schema & !SEALED_SCHEMA, schema & SEALED_SCHEMA > 0);
    let mut contents = Contents { schema, sealed, made_at, rows: 0 };
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut in_table = false;
    loop {
        match input.take()? {
            [TABLE] => {
                input.take_sized(&mut key)?;
                let mut known = ALL.iter().chain(&RETIRED);
                let name = known.find(|name| name.as_bytes() == key).ok_or(BackupError::Damaged)?;
                in_table = true;
                f(&contents, Part::Table(name))?;
            }
            [ROW] if in_table => {
                input.take_sized(&mut key)?;
                input.take_sized(&mut value)?;
                contents.rows += 1;
                f(&contents, Part::Row(&key, &value))?;
            }
            [END] => break,
            _ => return Err(BackupError::Damaged),
        }
    }
    let rows = u64::from_be_bytes(input.take()?);
    let digest = input.digest();
    let told: [u8; 32] = input.take()?;
    let more = input.inner.read(&mut [0]).map_err(BackupError::read)?;
    if rows != contents.rows || digest != told || more > 0 {
        return Err(BackupError::Damaged);
    }
    Ok(contents)
}

/// Passes bytes on and keeps their digest.
pub(super) struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashing<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// Over what has passed so far.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.write_all(bytes).map_err(BackupError::Write)
    }

    fn put_sized(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(bytes.len()).map_err(|_| BackupError::Damaged)?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Hashing<R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(BackupError::read)?;
        self.hash.update(bytes);
        Ok(bytes)
    }

    fn take_sized(&mut self, into: &mut Vec<u8>) -> Result<(), BackupError> {
        let length = u32::from_be_bytes(self.take()?);
        if length > BYTES_MAX {
            return Err(BackupError::Damaged);
        }
        into.clear();
        let read = (&mut self.inner).take(length.into()).read_to_end(into).map_err(BackupError::read)?;
        if read as u64 != u64::from(length) {
            return Err(BackupError::Damaged);
        }
        self.hash.update(&into);
        Ok(())
    }
}

//! How a file comes to be sealed with another key, or with none, while everything goes on.
//!
//! Whoever opens a file first finds out whether its keys are there: for each key that seals anything the
//! table of secrets has a row that it opens, [`CHECK`] and its id; with another key the file stays as it is.
//! A sealed file says so in the number of its schema, too, so a program that knows nothing of seals refuses it.
//!
//! From the start on, what is written is sealed as wanted. What lies there from before is done by a pass: a
//! snapshot is looked through for rows that are not as wanted, and a change of a few hundred of them at a time
//! writes them anew, with how far the pass is. So a crash loses nothing and repeats little. When the last row
//! is done, the rows of keys that are needed no more go in the same change.

use std::collections::BTreeSet;
use std::ops::Bound;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction,
};

use super::error::StoreError;
use super::migrations::{META, SEALED_SCHEMA, schema_of};
use super::records::SecretKey;
use super::seal::{KeyId, SealKeys};
use super::tables::{ALL, SECRETS};
use super::tx::{Bytes, Snapshot, Tx, definition};
use super::{Store, codec::Key as _};

/// What the names of rows begin with that tell by which keys values are sealed.
const CHECK: &str = "sealing-key-";

/// How far the pass is. Not a part of a backup: a restored store is looked through from its beginning.
pub(super) const PASS: redb::TableDefinition<'static, &'static str, &'static [u8]> =
    redb::TableDefinition::new("sealing-1");
const DONE: &str = "done";
const AT: &str = "at";

/// Rows that are written anew in one change, so that nobody waits long behind them.
const ROWS: usize = if cfg!(test) { 16 } else { 256 };
/// Rows that are looked at for one change.
const LOOKED_AT: usize = 20_000;

/// How far a file is sealed as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// With which key; none, if values are written as they are.
    pub target: Option<KeyId>,
    /// Whether all of it is.
    pub done: bool,
    /// Rows that the pass has looked at, of how many.
    pub rows: (u64, u64),
    /// Keys that are here and open nothing that is in the file.
    pub spare: Vec<KeyId>,
}

/// The index of a table, and a key in it.
type RowKey = (usize, Vec<u8>);

/// Where the pass goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct At {
    table: String,
    after: Vec<u8>,
    looked_at: u64,
}

impl At {
    fn bytes(&self, target: Option<KeyId>) -> Vec<u8> {
        let mut bytes = wanted(target);
        bytes.extend_from_slice(&self.looked_at.to_be_bytes());
        bytes.extend_from_slice(self.table.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&self.after);
        bytes
    }

    /// Of a pass to another target nothing is of use.
    fn read(bytes: &[u8], target: Option<KeyId>) -> Option<Self> {
        let (looked_at, rest) = bytes.strip_prefix(wanted(target).as_slice())?.split_first_chunk::<8>()?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let table = String::from_utf8(rest[..end].to_vec()).ok()?;
        Some(Self { table, after: rest[end + 1..].to_vec(), looked_at: u64::from_be_bytes(*looked_at) })
    }
}

fn wanted(target: Option<KeyId>) -> Vec<u8> {
    target.map_or_else(|| vec![0], |KeyId(id)| [[1].as_slice(), &id].concat())
}

fn check_name(id: KeyId) -> String {
    format!("{CHECK}{id}")
}

/// The keys by which values of a file are sealed.
fn ids_in(table: &impl ReadableTable<Bytes, Bytes>) -> Result<BTreeSet<KeyId>, StoreError> {
    let mut ids = BTreeSet::new();
    let range = (Bound::Included(CHECK.as_bytes()), Bound::<&[u8]>::Unbounded);
    for row in table.range::<&[u8]>(range).map_err(StoreError::redb)? {
        let (key, _) = row.map_err(StoreError::redb)?;
        let Some(id) = key.value().strip_prefix(CHECK.as_bytes()) else { break };
        ids.extend(std::str::from_utf8(id).ok().and_then(KeyId::parse));
    }
    Ok(ids)
}

/// Whether a file can be read with these keys.
pub(super) fn check(transaction: &ReadTransaction, keys: &SealKeys) -> Result<(), StoreError> {
    let secrets = match transaction.open_table(definition(SECRETS.text())) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(StoreError::redb(error)),
    };
    for id in ids_in(&secrets)? {
        let name = check_name(id).bytes();
        if !keys.ids().any(|known| known == id) {
            return Err(StoreError::Locked { id });
        }
        if let Some(row) = secrets.get(name.as_slice()).map_err(StoreError::redb)? {
            keys.open(SECRETS.text(), &name, row.value())?;
        }
    }
    Ok(())
}

/// Makes a file one that values are sealed in, if they are from now on, and forgets that a pass to another
/// target was done, since from now on it is not. Called before anything is written.
pub(super) fn begin(database: &Database, keys: &SealKeys) -> Result<(), StoreError> {
    let target = keys.target();
    let (unknown, undone) = {
        let transaction = database.begin_read().map_err(StoreError::redb)?;
        let secrets = transaction.open_table(definition(SECRETS.text())).map_err(StoreError::redb)?;
        let known = ids_in(&secrets)?;
        let done = pass_row(&transaction, DONE)?;
        (target.filter(|id| !known.contains(id)), done.is_some_and(|done| done != wanted(target)))
    };
    if unknown.is_none() && !undone {
        return Ok(());
    }
    let transaction = database.begin_write().map_err(StoreError::redb)?;
    if let Some(id) = unknown {
        Tx::new(&transaction, None, keys).put(SECRETS, &check_name(id), &SecretKey(rand::random()))?;
        set_sealed(&transaction, true)?;
    }
    if undone {
        let mut pass = transaction.open_table(PASS).map_err(StoreError::redb)?;
        pass.remove(DONE).map_err(StoreError::redb)?;
        pass.remove(AT).map_err(StoreError::redb)?;
    }
    transaction.commit().map_err(StoreError::redb)
}

/// Says in the number of the schema whether values are sealed.
fn set_sealed(transaction: &WriteTransaction, sealed: bool) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META).map_err(StoreError::redb)?;
    let found = meta.get("schema_version").map_err(StoreError::redb)?.map_or(0, |v| v.value());
    let number = if sealed { found | SEALED_SCHEMA } else { found & !SEALED_SCHEMA };
    meta.insert("schema_version", number).map_err(StoreError::redb).map(drop)
}

/// Takes what is said of a file over into the one that is to take its place: the rows are copied alone.
pub(super) fn copy_marks(from: &ReadTransaction, to: &Database) -> Result<(), StoreError> {
    let is_sealed = is_sealed(from)?;
    let transaction = to.begin_write().map_err(StoreError::redb)?;
    set_sealed(&transaction, is_sealed)?;
    if let Some(pass) = pass(from)? {
        let mut to = transaction.open_table(PASS).map_err(StoreError::redb)?;
        for row in pass.iter().map_err(StoreError::redb)? {
            let (name, value) = row.map_err(StoreError::redb)?;
            to.insert(name.value(), value.value()).map_err(StoreError::redb)?;
        }
    }
    transaction.commit().map_err(StoreError::redb)
}

fn is_sealed(transaction: &ReadTransaction) -> Result<bool, StoreError> {
    Ok(schema_of(transaction)? & SEALED_SCHEMA > 0)
}

type PassTable = redb::ReadOnlyTable<&'static str, &'static [u8]>;

fn pass(transaction: &ReadTransaction) -> Result<Option<PassTable>, StoreError> {
    match transaction.open_table(PASS) {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(StoreError::redb(error)),
    }
}

fn pass_row(transaction: &ReadTransaction, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(table) = pass(transaction)? else { return Ok(None) };
    Ok(table.get(name).map_err(StoreError::redb)?.map(|value| value.value().to_vec()))
}

/// Where the pass to a target is; none, if there is nothing to do.
fn at(transaction: &ReadTransaction, target: Option<KeyId>) -> Result<Option<At>, StoreError> {
    let done = match target {
        Some(_) => pass_row(transaction, DONE)?.is_some_and(|done| done == wanted(target)),
        None => !is_sealed(transaction)?,
    };
    if done {
        return Ok(None);
    }
    let at = pass_row(transaction, AT)?;
    Ok(Some(at.and_then(|at| At::read(&at, target)).unwrap_or_default()))
}

impl Snapshot {
    /// How far the file is sealed as wanted; none, if there are neither keys nor seals.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sealing(&self) -> Result<Option<Sealing>, StoreError> {
        let (transaction, keys) = (self.transaction(), self.keys());
        if keys.ids().next().is_none() {
            return Ok(None);
        }
        let at = at(transaction, keys.target())?;
        let mut total = 0;
        for name in ALL {
            let table = transaction.open_table(definition(name)).map_err(StoreError::redb)?;
            total += table.len().map_err(StoreError::redb)?;
        }
        let secrets = transaction.open_table(definition(SECRETS.text())).map_err(StoreError::redb)?;
        let needed = ids_in(&secrets)?;
        Ok(Some(Sealing {
            target: keys.target(),
            done: at.is_none(),
            rows: (at.map_or(total, |at| at.looked_at.min(total)), total),
            spare: keys.ids().filter(|id| !needed.contains(id)).collect(),
        }))
    }

    /// The next rows that are not as wanted, and where to go on behind them; none, if those were the last.
    fn next_to_seal(&self, from: &At) -> Result<(Vec<RowKey>, Option<At>), StoreError> {
        let mut rows = Vec::new();
        let mut looked_at = 0;
        let first = ALL.iter().position(|name| *name == from.table);
        for (index, name) in ALL.iter().enumerate().skip(first.unwrap_or(0)) {
            let table = self.transaction().open_table(definition(name)).map_err(StoreError::redb)?;
            let goes_on = first == Some(index);
            let after = if goes_on { Bound::Excluded(from.after.as_slice()) } else { Bound::Unbounded };
            for row in table.range::<&[u8]>((after, Bound::Unbounded)).map_err(StoreError::redb)? {
                let (key, value) = row.map_err(StoreError::redb)?;
                looked_at += 1;
                if !is_check(index, key.value()) && !self.keys().is_as_wanted(value.value()) {
                    rows.push((index, key.value().to_vec()));
                }
                if rows.len() == ROWS || looked_at == LOOKED_AT {
                    let looked_at = from.looked_at + looked_at as u64;
                    let at = At { table: (*name).to_owned(), after: key.value().to_vec(), looked_at };
                    return Ok((rows, Some(at)));
                }
            }
        }
        Ok((rows, None))
    }
}

/// Whether a row tells of a key: it stays as that key has sealed it, and goes with it.
fn is_check(table: usize, key: &[u8]) -> bool {
    table == SECRETS.index && key.starts_with(CHECK.as_bytes())
}

impl Tx<'_> {
    /// The pass has come to here.
    fn set_at(&mut self, at: &At) -> Result<(), StoreError> {
        let bytes = at.bytes(self.keys().target());
        let mut pass = self.transaction().open_table(PASS).map_err(StoreError::redb)?;
        pass.insert(AT, bytes.as_slice()).map_err(StoreError::redb).map(drop)
    }

    /// The pass is over: other keys are needed no more.
    fn set_done(&mut self) -> Result<(), StoreError> {
        let target = self.keys().target();
        let ids = self.visit_table(SECRETS.index, ids_in)?;
        for id in ids.into_iter().filter(|id| Some(*id) != target) {
            self.remove(SECRETS, &check_name(id))?;
        }
        set_sealed(self.transaction(), target.is_some())?;
        let mut pass = self.transaction().open_table(PASS).map_err(StoreError::redb)?;
        pass.remove(AT).map_err(StoreError::redb)?;
        pass.insert(DONE, wanted(target).as_slice()).map_err(StoreError::redb).map(drop)
    }
}

impl Store {
    /// One step of the pass that seals what is in the file as wanted. False when there is nothing to do.
    /// A row that does not open stays as it is. `at_end` is a part of the change that does the last row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn seal_some(
        &self,
        at_end: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let found = self.read(|snapshot| {
            let Some(at) = at(snapshot.transaction(), snapshot.keys().target())? else { return Ok(None) };
            snapshot.next_to_seal(&at).map(Some)
        });
        let Some((rows, next)) = found.await? else { return Ok(false) };
        self.change(move |tx| {
            for (table, key) in rows {
                tx.seal_anew(table, key)?;
            }
            match next {
                Some(next) => tx.set_at(&next),
                None => tx.set_done().and_then(|()| at_end(tx)),
            }
        })
        .await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;

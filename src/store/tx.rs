//! Reading and changing rows: [`Read`] for both, [`Tx`] for changes, [`Snapshot`] for reading alone.
//!
//! A write transaction of redb is shared by many changes (see `writer`), and redb cannot take back
//! one of them. So [`Tx`] keeps, for the change that is running, what each row held before; when
//! the change fails it puts that back, and its neighbours in the same commit never notice.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, Table as RedbTable, TableDefinition, WriteTransaction};

use super::codec::{Key, Stored, encode};
use super::error::{StoreError, readable};
use super::seal::SealKeys;
use super::signal::Signal;
use super::tables::{ALL, Table};
use super::writer::Changed;

pub(super) type Bytes = &'static [u8];
type Raw<'t> = RedbTable<'t, Bytes, Bytes>;
type VisitKey<'v> = dyn FnMut(&[u8]) -> Result<ControlFlow<()>, StoreError> + 'v;
type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError> + 'v;

pub(super) const fn definition(name: &'static str) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(name)
}

/// A range of raw keys.
#[derive(Clone, Debug)]
pub struct Keys(Bound<Vec<u8>>, Bound<Vec<u8>>);

impl Keys {
    /// All keys.
    pub fn all() -> Self {
        Self(Bound::Unbounded, Bound::Unbounded)
    }

    /// The keys that begin with `part`.
    pub fn beginning<P: Key>(part: &P) -> Self {
        let first = part.bytes();
        let last = after_all_with(&first);
        Self(Bound::Included(first), last)
    }

    /// From `first` on, itself included.
    pub fn from<P: Key>(first: &P) -> Self {
        Self(Bound::Included(first.bytes()), Bound::Unbounded)
    }

    /// The same, but only what comes after `key`. For paging.
    #[must_use]
    pub fn after<P: Key>(self, key: &P) -> Self {
        Self(Bound::Excluded(key.bytes()), self.1)
    }

    /// The same, but only what comes before `key`. For paging backwards.
    #[must_use]
    pub fn before<P: Key>(self, key: &P) -> Self {
        Self(self.0, Bound::Excluded(key.bytes()))
    }

    fn is_empty(&self) -> bool {
        use Bound::{Excluded, Included, Unbounded};
        match (&self.0, &self.1) {
            (Unbounded, _) | (_, Unbounded) => false,
            (Included(a), Included(b)) => a > b,
            (Included(a) | Excluded(a), Excluded(b)) | (Excluded(a), Included(b)) => a >= b,
        }
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.0.as_ref().map(Vec::as_slice), self.1.as_ref().map(Vec::as_slice))
    }
}

/// The first key that does not begin with `prefix` and comes after all that do.
fn after_all_with(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

fn visit(
    table: &impl ReadableTable<Bytes, Bytes>,
    (name, seals): (&'static str, &SealKeys),
    keys: &Keys,
    backwards: bool,
    f: &mut Visit<'_>,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut range = table.range::<&[u8]>(keys.bounds()).map_err(StoreError::redb)?;
    while let Some(row) = if backwards { range.next_back() } else { range.next() } {
        let (key, value) = row.map_err(StoreError::redb)?;
        let plain = seals.open(name, key.value(), value.value())?;
        if f(key.value(), &plain)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn visit_keys(
    table: &impl ReadableTable<Bytes, Bytes>,
    keys: &Keys,
    f: &mut VisitKey<'_>,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    for row in table.range::<&[u8]>(keys.bounds()).map_err(StoreError::redb)? {
        let (key, _) = row.map_err(StoreError::redb)?;
        if f(key.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

fn opened(
    table: &impl ReadableTable<Bytes, Bytes>,
    name: &'static str,
    key: &[u8],
    keys: &SealKeys,
) -> Result<Option<Vec<u8>>, StoreError> {
    let value = table.get(key).map_err(StoreError::redb)?;
    value.map(|value| keys.open(name, key, value.value()).map(Cow::into_owned)).transpose()
}

/// Reading rows, in a transaction or on a snapshot.
pub trait Read {
    #[doc(hidden)]
    fn raw_get(&self, table: usize, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    #[doc(hidden)]
    fn raw_has(&self, table: usize, key: &[u8]) -> Result<bool, StoreError>;
    #[doc(hidden)]
    fn raw_visit(&self, table: usize, keys: &Keys, back: bool, f: &mut Visit<'_>) -> Result<(), StoreError>;
    #[doc(hidden)]
    fn raw_keys(&self, table: usize, keys: &Keys, f: &mut VisitKey<'_>) -> Result<(), StoreError>;
    #[doc(hidden)]
    fn raw_len(&self, table: usize) -> Result<u64, StoreError>;

    /// The value of `key`.
    fn get<K: Key, V: Stored>(&self, table: Table<K, V>, key: &K) -> Result<Option<V>, StoreError> {
        self.raw_get(table.index, &key.bytes())?.map(|bytes| table.decode(&bytes)).transpose()
    }

    /// Whether there is a row for `key`.
    fn has<K: Key, V: Stored>(&self, table: Table<K, V>, key: &K) -> Result<bool, StoreError> {
        self.raw_has(table.index, &key.bytes())
    }

    /// How many rows there are.
    fn len<K: Key, V: Stored>(&self, table: Table<K, V>) -> Result<u64, StoreError> {
        self.raw_len(table.index)
    }

    /// Shows each row of `keys` to `f`, in order, until it breaks.
    fn scan<K: Key, V: Stored>(
        &self,
        table: Table<K, V>,
        keys: &Keys,
        mut f: impl FnMut(K, V) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        self.raw_visit(table.index, keys, false, &mut |key, value| f(table.key(key)?, table.decode(value)?))
    }

    /// At most `limit` rows of `keys`, in order.
    fn list<K: Key, V: Stored>(
        &self,
        table: Table<K, V>,
        keys: &Keys,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        self.collect(table, keys, limit, false)
    }

    /// At most `limit` keys of `keys`, in order, whether or not their values can be read: for whoever goes
    /// through all of them, row by row, and must not stop at a broken one.
    fn list_keys<K: Key, V: Stored>(
        &self,
        table: Table<K, V>,
        keys: &Keys,
        limit: usize,
    ) -> Result<Vec<K>, StoreError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        self.raw_keys(table.index, keys, &mut |key| {
            found.push(table.key(key)?);
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// At most `limit` rows of `keys`, from the last backwards.
    fn list_back<K: Key, V: Stored>(
        &self,
        table: Table<K, V>,
        keys: &Keys,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        self.collect(table, keys, limit, true)
    }

    #[doc(hidden)]
    fn collect<K: Key, V: Stored>(
        &self,
        table: Table<K, V>,
        keys: &Keys,
        limit: usize,
        back: bool,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        self.raw_visit(table.index, keys, back, &mut |key, value| {
            rows.push((table.key(key)?, table.decode(value)?));
            Ok(if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(rows)
    }

    /// The first row of `keys`.
    fn first<K: Key, V: Stored>(
        &self,
        table: Table<K, V>,
        keys: &Keys,
    ) -> Result<Option<(K, V)>, StoreError> {
        Ok(self.list(table, keys, 1)?.pop())
    }
}

/// The state of the file at one commit.
pub struct Snapshot {
    transaction: ReadTransaction,
    keys: Arc<SealKeys>,
}

impl Snapshot {
    pub(super) fn new(transaction: ReadTransaction, keys: Arc<SealKeys>) -> Self {
        Self { transaction, keys }
    }

    pub(super) fn transaction(&self) -> &ReadTransaction {
        &self.transaction
    }

    pub(super) fn keys(&self) -> &SealKeys {
        &self.keys
    }

    fn open(&self, table: usize) -> Result<redb::ReadOnlyTable<Bytes, Bytes>, StoreError> {
        self.transaction.open_table(definition(ALL[table])).map_err(StoreError::redb)
    }
}

impl Read for Snapshot {
    fn raw_get(&self, table: usize, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        opened(&self.open(table)?, ALL[table], key, &self.keys)
    }

    fn raw_has(&self, table: usize, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.open(table)?.get(key).map_err(StoreError::redb)?.is_some())
    }

    fn raw_visit(&self, table: usize, keys: &Keys, back: bool, f: &mut Visit<'_>) -> Result<(), StoreError> {
        visit(&self.open(table)?, (ALL[table], &self.keys), keys, back, f)
    }

    fn raw_keys(&self, table: usize, keys: &Keys, f: &mut VisitKey<'_>) -> Result<(), StoreError> {
        visit_keys(&self.open(table)?, keys, f)
    }

    fn raw_len(&self, table: usize) -> Result<u64, StoreError> {
        redb::ReadableTableMetadata::len(&self.open(table)?).map_err(StoreError::redb)
    }
}

/// One change among those of a commit.
pub struct Tx<'t> {
    transaction: &'t WriteTransaction,
    keys: &'t SealKeys,
    tables: [OnceCell<Raw<'t>>; ALL.len()],
    undo: Vec<(usize, Vec<u8>, Option<Vec<u8>>)>,
    signals: Vec<Signal>,
    changed: Option<&'t mut Changed>,
}

impl<'t> Tx<'t> {
    /// What its changes touch is noted in `changed`, if somebody wants to know.
    pub(super) fn new(
        transaction: &'t WriteTransaction,
        changed: Option<&'t mut Changed>,
        keys: &'t SealKeys,
    ) -> Self {
        Self {
            transaction,
            keys,
            tables: std::array::from_fn(|_| OnceCell::new()),
            undo: Vec::new(),
            signals: Vec::new(),
            changed,
        }
    }

    fn open(&self, table: usize) -> Result<&Raw<'t>, StoreError> {
        let cell = &self.tables[table];
        if cell.get().is_none() {
            let opened = self.transaction.open_table(definition(ALL[table])).map_err(StoreError::redb)?;
            let _ = cell.set(opened); // It was empty, and this thread is the only one.
        }
        cell.get().ok_or(StoreError::Closed)
    }

    fn open_mut(&mut self, table: usize) -> Result<&mut Raw<'t>, StoreError> {
        self.open(table)?;
        self.tables[table].get_mut().ok_or(StoreError::Closed)
    }

    pub(super) fn transaction(&self) -> &'t WriteTransaction {
        self.transaction
    }

    pub(super) fn keys(&self) -> &'t SealKeys {
        self.keys
    }

    /// Lets `f` read a table as it lies in the file.
    pub(super) fn visit_table<T>(
        &self,
        table: usize,
        f: impl FnOnce(&Raw<'t>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        f(self.open(table)?)
    }

    /// Writes a row; gives back whether there was one before.
    pub fn put<K: Key, V: Stored>(
        &mut self,
        table: Table<K, V>,
        key: &K,
        value: &V,
    ) -> Result<bool, StoreError> {
        let value = encode(value).ok_or(StoreError::Encode { table: table.text() })?;
        self.put_plain(table.index, key.bytes(), value)
    }

    fn put_plain(&mut self, table: usize, key: Vec<u8>, plain: Vec<u8>) -> Result<bool, StoreError> {
        let sealed = self.keys.seal(ALL[table], &key, plain)?;
        let before = {
            let raw = self.open_mut(table)?;
            let before = raw.insert(key.as_slice(), sealed.as_slice()).map_err(StoreError::redb)?;
            before.map(|v| v.value().to_vec())
        };
        let was_there = before.is_some();
        self.undo.push((table, key, before));
        Ok(was_there)
    }

    /// Writes a row that nobody can read.
    #[cfg(test)]
    pub(crate) fn spoil<K: Key, V: Stored>(
        &mut self,
        table: Table<K, V>,
        key: &K,
    ) -> Result<bool, StoreError> {
        self.put_plain(table.index, key.bytes(), vec![u8::MAX])
    }

    /// Writes a row as it is, sealed as is wanted now. One that is gone or does not open is left alone.
    pub(super) fn seal_anew(&mut self, table: usize, key: Vec<u8>) -> Result<(), StoreError> {
        match readable(opened(self.open(table)?, ALL[table], &key, self.keys))? {
            Some(plain) => self.put_plain(table, key, plain).map(drop),
            None => Ok(()),
        }
    }

    /// Takes a row away; gives back whether there was one.
    pub fn remove<K: Key, V: Stored>(&mut self, table: Table<K, V>, key: &K) -> Result<bool, StoreError> {
        let key = key.bytes();
        let before = {
            let raw = self.open_mut(table.index)?;
            let before = raw.remove(key.as_slice()).map_err(StoreError::redb)?;
            before.map(|v| v.value().to_vec())
        };
        let was_there = before.is_some();
        if was_there {
            self.undo.push((table.index, key, before));
        }
        Ok(was_there)
    }

    /// Says something to the rest of the program once this change is on disk.
    pub fn signal(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// The change has succeeded: what it said stays to be told after the commit.
    pub(super) fn keep(&mut self) -> Vec<Signal> {
        let touched = self.undo.drain(..).map(|(table, key, _)| (table, key));
        if let Some(changed) = &mut self.changed {
            changed.extend(touched);
        }
        std::mem::take(&mut self.signals)
    }

    /// The change has failed: every row is as it was.
    pub(super) fn take_back(&mut self) -> Result<(), StoreError> {
        self.signals.clear();
        while let Some((table, key, before)) = self.undo.pop() {
            let raw = self.open_mut(table)?;
            match before {
                Some(value) => raw.insert(key.as_slice(), value.as_slice()).map(drop),
                None => raw.remove(key.as_slice()).map(drop),
            }
            .map_err(StoreError::redb)?;
        }
        Ok(())
    }
}

impl Read for Tx<'_> {
    fn raw_get(&self, table: usize, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        opened(self.open(table)?, ALL[table], key, self.keys)
    }

    fn raw_has(&self, table: usize, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.open(table)?.get(key).map_err(StoreError::redb)?.is_some())
    }

    fn raw_visit(&self, table: usize, keys: &Keys, back: bool, f: &mut Visit<'_>) -> Result<(), StoreError> {
        visit(self.open(table)?, (ALL[table], self.keys), keys, back, f)
    }

    fn raw_keys(&self, table: usize, keys: &Keys, f: &mut VisitKey<'_>) -> Result<(), StoreError> {
        visit_keys(self.open(table)?, keys, f)
    }

    fn raw_len(&self, table: usize) -> Result<u64, StoreError> {
        redb::ReadableTableMetadata::len(self.open(table)?).map_err(StoreError::redb)
    }
}

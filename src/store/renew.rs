//! Writing the file anew, from the rows that are there.
//!
//! A row that was removed is in no table any more, but its bytes stay in pages that are not used
//! again yet, and behind the end of what pages hold that are. Overwriting a row before it is removed
//! is of no use, since redb never writes where something stands. redb's own compaction needs the file
//! for itself and moves pages as they are. So where bytes must be gone, since a person was erased,
//! the rows are copied into a new file, which then takes the name of the old one.
//!
//! Nobody waits for that: a snapshot is copied while the daemon works on. The writer notes which rows
//! change, and those are copied again, until so few are left that the writer copies them itself,
//! between two commits, and changes over. A crash before the new file has its name leaves the old
//! one, which lacks nothing; what was begun is taken away by the next attempt.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::room::has_room;
use super::tables::ALL;
use super::tx::{Bytes, definition};
use super::writer::{Between, Changed};
use super::{Store, open, sealing};

/// So few changed rows are copied by the writer itself.
const FEW: usize = 512;

/// So often what has changed meanwhile is copied again before the attempt is given up: each time it
/// is a fraction of the time before.
const ROUNDS: usize = 12;

/// Rows that are copied before it is looked whether the store closes.
const ROWS: usize = 1024;

impl Store {
    /// Writes the file anew, without the bytes of rows that were removed before. It may take a while,
    /// during which everything goes on. False when the storage is no file.
    ///
    /// # Errors
    /// [`StoreError`]: the file is as it was, unless the store has failed as a whole.
    pub async fn renew(&self) -> Result<bool, StoreError> {
        let Some(path) = self.inner.path.clone() else { return Ok(false) };
        let between = self.handle().as_ref().ok_or(StoreError::Closed)?.between();
        let (cache_bytes, closing) = (self.inner.cache_bytes, self.inner.closing.clone());
        let done = tokio::task::spawn_blocking(move || {
            let outcome = renew(&path, cache_bytes, &between, &closing);
            if outcome.is_err() {
                // Nobody is interested any more; and what cannot be taken away now is taken away later.
                let _ = between.run(|writer| {
                    writer.changed = None;
                    Ok(())
                });
                let _ = open::give_up(&path);
            }
            outcome
        });
        done.await.unwrap_or(Err(StoreError::Panicked)).map(|()| true)
    }
}

fn renew(
    path: &Path,
    cache_bytes: usize,
    between: &Between,
    closing: &CancellationToken,
) -> Result<(), StoreError> {
    // What an attempt left that was cut off makes room first.
    open::give_up(path)?;
    has_room(path, path.metadata().map_or(0, |file| file.len()))?;
    let new = open::begin_anew(path, cache_bytes)?;
    let (_, mut snapshot) = next_changes(between)?;
    copy_all(&snapshot, &new, closing)?;
    for _ in 0..ROUNDS {
        let changed;
        (changed, snapshot) = next_changes(between)?;
        copy_changed(&snapshot, &new, &changed)?;
        if changed.len() <= FEW {
            drop(snapshot);
            return change_over(path.to_owned(), new, between);
        }
        if closing.is_cancelled() {
            return Err(StoreError::Closed);
        }
    }
    Err(StoreError::Busy)
}

/// What has changed since the last call, the state that holds it, and from here on the next changes.
fn next_changes(between: &Between) -> Result<(Changed, ReadTransaction), StoreError> {
    between.run(|writer| {
        let changed = writer.changed.replace(Changed::new()).unwrap_or_default();
        Ok((changed, writer.database.load().begin_read().map_err(StoreError::redb)?))
    })
}

fn copy_all(from: &ReadTransaction, to: &Database, closing: &CancellationToken) -> Result<(), StoreError> {
    for name in ALL {
        let source = from.open_table(definition(name)).map_err(StoreError::redb)?;
        let transaction = to.begin_write().map_err(StoreError::redb)?;
        {
            let mut table = transaction.open_table(definition(name)).map_err(StoreError::redb)?;
            for (number, row) in source.iter().map_err(StoreError::redb)?.enumerate() {
                if number % ROWS == 0 && closing.is_cancelled() {
                    return Err(StoreError::Closed);
                }
                let (key, value) = row.map_err(StoreError::redb)?;
                table.insert(key.value(), value.value()).map_err(StoreError::redb)?;
            }
        }
        transaction.commit().map_err(StoreError::redb)?;
    }
    Ok(())
}

fn copy_changed(from: &ReadTransaction, to: &Database, changed: &Changed) -> Result<(), StoreError> {
    let mut transaction = to.begin_write().map_err(StoreError::redb)?;
    // As the writer leaves the file when it is quiet: the next open needs no repair.
    transaction.set_quick_repair(true);
    for (index, key) in changed {
        let name = definition(ALL[*index]);
        let source = from.open_table::<Bytes, Bytes>(name).map_err(StoreError::redb)?;
        let mut table = transaction.open_table(name).map_err(StoreError::redb)?;
        match source.get(key.as_slice()).map_err(StoreError::redb)? {
            Some(value) => table.insert(key.as_slice(), value.value()).map(drop),
            None => table.remove(key.as_slice()).map(drop),
        }
        .map_err(StoreError::redb)?;
    }
    transaction.commit().map_err(StoreError::redb)
}

/// The last changed rows, the name, and from then on the new file.
fn change_over(path: std::path::PathBuf, new: Database, between: &Between) -> Result<(), StoreError> {
    between.run(move |writer| {
        let changed = writer.changed.take().unwrap_or_default();
        let snapshot = writer.database.load().begin_read().map_err(StoreError::redb)?;
        sealing::copy_marks(&snapshot, &new)?;
        copy_changed(&snapshot, &new, &changed)?;
        if let Err(error) = open::appear(&path) {
            // Which of the two files a restart would find is not known: nothing may be promised.
            writer.fail(&error);
            return Err(error);
        }
        writer.database.store(Arc::new(new));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::tables::{BOOKMARKS, COUNTERS};
    use crate::store::{Keys, Options, Read, Seen};

    const WORDS: &str = "a name that must be gone";

    fn holds(path: &Path, words: &str) -> bool {
        std::fs::read(path).unwrap().windows(words.len()).any(|window| window == words.as_bytes())
    }

    /// Rows beside one another, most of them removed in one change: redb leaves their bytes both in
    /// unused pages and behind the end of those that it uses.
    async fn with_removed_rows(folder: &Path) -> Store {
        let store = Store::open(Options::file(folder.join("fulcrum.redb")), Box::new(|_| {})).unwrap();
        let name = |n: u64| format!("{n:06} {WORDS}");
        let all: Vec<String> = (0..5000).map(name).collect();
        for names in all.chunks(500) {
            let names = names.to_vec();
            store
                .change(move |tx| {
                    names.iter().try_for_each(|name| tx.put(COUNTERS, name, &7).map(drop))?;
                    tx.put(BOOKMARKS, &"stays".to_owned(), &Seen(jiff::Timestamp::UNIX_EPOCH)).map(drop)
                })
                .await
                .unwrap();
        }
        store
            .change(move |tx| all.iter().try_for_each(|name| tx.remove(COUNTERS, name).map(drop)))
            .await
            .unwrap();
        store
    }

    #[tokio::test]
    async fn removed_bytes_are_in_the_file_until_it_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_removed_rows(folder.path()).await;
        let path = folder.path().join("fulcrum.redb");
        assert!(holds(&path, WORDS));
        let before = store.file_bytes();
        assert!(store.renew().await.unwrap());
        assert!(!holds(&path, WORDS) && store.file_bytes() < before);
        store.close().await;
        drop(store);
        let again = Store::open(Options::file(&path), Box::new(|_| {})).unwrap();
        assert!(again.read_here(|s| s.has(BOOKMARKS, &"stays".to_owned())).unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_changes_meanwhile_is_in_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_removed_rows(folder.path()).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut writing = tokio::task::JoinSet::new();
        writing.spawn({
            let (store, stop) = (store.clone(), stop.clone());
            async move {
                let mut written = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    let n = written;
                    let change = store.change(move |tx| {
                        tx.put(COUNTERS, &format!("{n:06}"), &n)?;
                        let before = n.checked_sub(10).map(|old| format!("{old:06}"));
                        before.map_or(Ok(true), |old| tx.remove(COUNTERS, &old))
                    });
                    change.await.unwrap();
                    written += 1;
                }
                written
            }
        });
        for _ in 0..5 {
            store.renew().await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let written = writing.join_next().await.unwrap().unwrap();
        store.close().await;
        drop(store);
        let path = folder.path().join("fulcrum.redb");
        let again = Store::open(Options::file(path), Box::new(|_| {})).unwrap();
        let left = again.read_here(|s| s.list(COUNTERS, &Keys::all(), 100)).unwrap();
        let expected: Vec<_> = (written - 10..written).map(|n| (format!("{n:06}"), n)).collect();
        assert_eq!(left, expected);
    }

    /// What has the name of the file is so large that no disk has room for a second one.
    #[tokio::test]
    async fn where_there_is_no_room_nothing_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_removed_rows(folder.path()).await;
        let (path, aside) = (folder.path().join("fulcrum.redb"), folder.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::fs::File::create(&path).unwrap().set_len(15 << 40).unwrap();
        let refused = store.renew().await.unwrap_err();
        assert!(matches!(&refused, StoreError::NoRoom(_)) && refused.to_string().contains("MiB free"));
        assert!(!folder.path().join("fulcrum.redb.new").exists());
        let backup = folder.path().join("a.backup");
        let refused = store.backup(backup.clone(), None, jiff::Timestamp::UNIX_EPOCH).await;
        assert!(matches!(refused, Err(crate::store::BackupError::NoRoom(_))) && !backup.exists());
        std::fs::rename(&aside, &path).unwrap();
        assert!(store.renew().await.unwrap());
    }

    #[tokio::test]
    async fn what_an_interrupted_attempt_left_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_removed_rows(folder.path()).await;
        let left = folder.path().join("fulcrum.redb.new");
        std::fs::write(&left, WORDS).unwrap();
        assert!(store.renew().await.unwrap() && !left.exists());
        store.close().await;
        assert!(matches!(store.renew().await, Err(StoreError::Closed)) && !left.exists());
    }
}

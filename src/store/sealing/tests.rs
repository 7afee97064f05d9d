//! Values go round, and no other key, row or bit opens them; a change of keys that is cut off anywhere loses nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::store::tables::{BOOKMARKS, COUNTERS, TEMPLATE_WORDS};
use crate::store::{Keys, Options, Read as _, ReadOnly, Seen, backup, check_backup, restore};

const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const WORDS: &str = "what nobody else is to read";
const ROWS_MADE: u64 = 1500;

fn keys(keys: &[&str], seals: bool) -> Arc<SealKeys> {
    Arc::new(SealKeys::new(keys.iter().copied(), seals).unwrap())
}

fn open(path: &Path, keys: Arc<SealKeys>) -> Result<Store, StoreError> {
    Store::open(Options::file(path).keys(keys), Box::new(|_| {}))
}

fn digest(n: u64) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    digest
}

async fn fill(store: &Store) {
    for from in (0..ROWS_MADE).step_by(500) {
        let fill = store.change(move |tx| {
            (from..from + 500).try_for_each(|n| {
                tx.put(TEMPLATE_WORDS, &digest(n), &format!("{n} {WORDS}"))?;
                tx.put(COUNTERS, &format!("counter {n}"), &n).map(drop)
            })
        });
        fill.await.unwrap();
    }
    store
        .change(|tx| tx.put(BOOKMARKS, &"here".to_owned(), &Seen(Timestamp::UNIX_EPOCH)).map(drop))
        .await
        .unwrap();
}

fn is_whole(read: &Snapshot) -> Result<(), StoreError> {
    for n in 0..ROWS_MADE {
        assert_eq!(read.get(TEMPLATE_WORDS, &digest(n))?, Some(format!("{n} {WORDS}")));
    }
    assert_eq!(read.list(COUNTERS, &Keys::all(), usize::MAX)?.len() as u64, ROWS_MADE);
    Ok(())
}

async fn to_the_end(store: &Store) {
    while store.seal_some(|_| Ok(())).await.unwrap() {}
}

fn sealing(store: &Store) -> Sealing {
    store.read_here(Snapshot::sealing).unwrap().unwrap()
}

fn holds(path: &Path, words: &str) -> bool {
    memchr::memmem::find(&std::fs::read(path).unwrap(), words.as_bytes()).is_some()
}

/// A store with rows under these keys, closed again.
async fn made(folder: &Path, with: Arc<SealKeys>) -> PathBuf {
    let path = folder.join("fulcrum.redb");
    let store = open(&path, with).unwrap();
    fill(&store).await;
    to_the_end(&store).await;
    store.close().await;
    path
}

#[tokio::test]
async fn what_is_written_with_a_key_stands_nowhere_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), Arc::default()).await;
    assert!(holds(&path, WORDS));
    std::fs::remove_file(&path).unwrap();
    let path = made(folder.path(), keys(&[ONE], true)).await;
    assert!(!holds(&path, WORDS) && holds(&path, "counter 7"), "keys of rows stay readable");
    let store = open(&path, keys(&[ONE], true)).unwrap();
    store.read_here(is_whole).unwrap();
    let Sealing { target, done, spare, .. } = sealing(&store);
    assert!(target.is_some() && done && spare.is_empty());
}

#[tokio::test]
async fn a_file_is_sealed_sealed_anew_and_opened_while_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), Arc::default()).await;
    for (step, with) in [
        ("sealed", keys(&[ONE], true)),
        ("sealed anew", keys(&[OTHER, ONE], true)),
        ("with the new key alone", keys(&[OTHER], true)),
        ("opened", keys(&[OTHER], false)),
        ("without keys", Arc::default()),
    ] {
        // Some rows change on the way; they are as before in the end.
        let store = open(&path, with.clone()).unwrap();
        let mut steps = 0;
        while store.seal_some(|_| Ok(())).await.unwrap() {
            steps += 1;
            store.change(|tx| tx.put(COUNTERS, &"counter 1499".to_owned(), &1499).map(drop)).await.unwrap();
            if steps == 3 {
                break;
            }
        }
        store.close().await;
        drop(store);
        let store = open(&path, with.clone()).unwrap();
        if steps == 3 {
            assert!(!sealing(&store).done && sealing(&store).rows.0 > 0, "{step}: it does not begin anew");
        }
        to_the_end(&store).await;
        store.read_here(is_whole).unwrap();
        store.renew().await.unwrap();
        store.close().await;
        drop(store);
        let plain = with.target().is_none();
        assert_eq!(holds(&path, WORDS), plain, "{step}");
        let store = open(&path, with.clone()).unwrap();
        assert!(!store.seal_some(|_| Ok(())).await.unwrap(), "{step}: the new file knows that it is done");
        store.close().await;
    }
}

#[tokio::test]
async fn the_key_before_is_needed_until_the_last_row_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), keys(&[ONE], true)).await;
    let store = open(&path, keys(&[OTHER, ONE], true)).unwrap();
    assert!(store.seal_some(|_| Ok(())).await.unwrap());
    assert!(sealing(&store).spare.is_empty());
    store.close().await;
    drop(store);
    let before = std::fs::read(&path).unwrap();
    for with in [keys(&[OTHER], true), keys(&[ONE], true), Arc::default()] {
        assert!(matches!(open(&path, with.clone()), Err(StoreError::Locked { .. })));
        assert!(matches!(ReadOnly::open_with(&path, with), Err(StoreError::Locked { .. })));
    }
    assert!(std::fs::read(&path).unwrap() == before, "who lacks a key changes nothing");
    let store = open(&path, keys(&[OTHER, ONE], true)).unwrap();
    to_the_end(&store).await;
    let Sealing { spare, done, .. } = sealing(&store);
    assert!(done && spare == keys(&[ONE], true).ids().collect::<Vec<_>>(), "{spare:?}");
    store.close().await;
    drop(store);
    open(&path, keys(&[OTHER], true)).unwrap().read_here(is_whole).unwrap();
}

/// Whether every row is as it would be written now.
fn all_as_wanted(store: &Store) -> bool {
    let left = store.read_here(|read| {
        let mut at = Some(At::default());
        let mut left = 0;
        while let Some(from) = at.take() {
            let (rows, next) = read.next_to_seal(&from)?;
            left += rows.len();
            at = next;
        }
        Ok::<_, StoreError>(left)
    });
    left.unwrap() == 0
}

#[tokio::test]
async fn a_change_of_mind_on_the_way_is_a_pass_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), keys(&[ONE], true)).await;
    for way in [keys(&[OTHER, ONE], true), keys(&[ONE, OTHER], false)] {
        // Something is written the new way, and the pass does some or nothing of it.
        for steps in [0, 3] {
            let store = open(&path, way.clone()).unwrap();
            store.change(|tx| tx.put(COUNTERS, &"counter 7".to_owned(), &7)).await.unwrap();
            for _ in 0..steps {
                store.seal_some(|_| Ok(())).await.unwrap();
            }
            store.close().await;
            drop(store);
            let store = open(&path, keys(&[ONE, OTHER], true)).unwrap();
            assert!(!all_as_wanted(&store) && !sealing(&store).done);
            to_the_end(&store).await;
            assert!(all_as_wanted(&store) && sealing(&store).spare.len() == 1);
            store.read_here(is_whole).unwrap();
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_program_that_knows_no_seals_takes_a_sealed_file_for_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), keys(&[ONE], true)).await;
    let store = open(&path, keys(&[ONE], false)).unwrap();
    let number = |store: &Store| store.read_here(|read| schema_of(read.transaction())).unwrap();
    assert!(number(&store) > u64::from(u32::MAX));
    to_the_end(&store).await;
    assert!(number(&store) < 100);
}

#[tokio::test]
async fn a_damaged_or_swapped_value_is_refused_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), keys(&[ONE], true)).await;
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(definition(TEMPLATE_WORDS.text())).unwrap();
            let value = |n| table.get(digest(n).as_slice()).unwrap().unwrap().value().to_vec();
            let (mut first, second, third) = (value(0), value(1), value(2));
            *first.last_mut().unwrap() ^= 1;
            table.insert(digest(0).as_slice(), first.as_slice()).unwrap();
            table.insert(digest(1).as_slice(), third.as_slice()).unwrap();
            table.insert(digest(2).as_slice(), second.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let store = open(&path, keys(&[OTHER, ONE], true)).unwrap();
    to_the_end(&store).await;
    for n in 0..3 {
        let error = store.read_here(|read| read.get(TEMPLATE_WORDS, &digest(n))).unwrap_err();
        assert!(matches!(error, StoreError::Sealed { table: "template-words-1" }), "{error}");
        assert!(error.is_of_a_row());
    }
    assert!(store.read_here(|read| read.get(TEMPLATE_WORDS, &digest(3))).unwrap().is_some());
    // It can be replaced, which is what heals it.
    store.change(|tx| tx.put(TEMPLATE_WORDS, &digest(0), &"new".to_owned())).await.unwrap();
    assert_eq!(store.read_here(|read| read.get(TEMPLATE_WORDS, &digest(0))).unwrap().unwrap(), "new");
}

#[tokio::test]
async fn a_backup_of_a_sealed_store_is_sealed_and_comes_to_life_with_the_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), keys(&[ONE], true)).await;
    let store = open(&path, keys(&[ONE], true)).unwrap();
    let file = folder.path().join("backup");
    let made = store.backup(file.clone(), None, Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(made.contents.sealed && !holds(&file, WORDS));
    assert_eq!(check_backup(&file, None).unwrap(), made.contents);
    let to = folder.path().join("restored.redb");
    let tried = |with: &SealKeys| restore(&file, None, &to, false, Timestamp::UNIX_EPOCH, with);
    for without in [SealKeys::default(), SealKeys::new([OTHER], true).unwrap()] {
        let error = tried(&without).unwrap_err();
        assert!(matches!(error, backup::BackupError::Store(StoreError::Locked { .. })), "{error}");
        assert!(!to.exists() && !to.with_extension("redb.new").exists());
    }
    tried(&keys(&[ONE], true)).unwrap();
    let restored = open(&to, keys(&[OTHER, ONE], true)).unwrap();
    to_the_end(&restored).await;
    restored.read_here(is_whole).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Rows come, change and go, keys are changed over and back, and the process dies, at any step.
    #[test]
    fn whatever_happens_on_the_way_nothing_is_lost(
        acts in prop::collection::vec((0..6u8, 0..40u64, any::<u16>()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("fulcrum.redb");
            let ways =
                [keys(&[ONE, OTHER], true), keys(&[OTHER, ONE], true), keys(&[ONE, OTHER], false)];
            let mut store = open(&path, ways[0].clone()).unwrap();
            let mut expected = std::collections::BTreeMap::new();
            for (act, n, value) in acts {
                match act {
                    0 | 1 => {
                        let words = format!("{WORDS} {value}");
                        expected.insert(digest(n), words.clone());
                        store.change(move |tx| tx.put(TEMPLATE_WORDS, &digest(n), &words)).await.unwrap();
                    }
                    2 => {
                        expected.remove(&digest(n));
                        store.change(move |tx| tx.remove(TEMPLATE_WORDS, &digest(n))).await.unwrap();
                    }
                    3 => drop(store.seal_some(|_| Ok(())).await.unwrap()),
                    4 => {
                        let failed: Result<(), StoreError> = store
                            .change(move |tx| {
                                tx.put(TEMPLATE_WORDS, &digest(n), &"never".to_owned())?;
                                Err(StoreError::Busy)
                            })
                            .await;
                        assert!(failed.is_err());
                    }
                    _ => {
                        store.close().await;
                        drop(store);
                        store = open(&path, ways[usize::from(value) % ways.len()].clone()).unwrap();
                    }
                }
            }
            to_the_end(&store).await;
            assert!(all_as_wanted(&store));
            let rows = store.read_here(|read| read.list(TEMPLATE_WORDS, &Keys::all(), usize::MAX)).unwrap();
            assert_eq!(rows, expected.into_iter().collect::<Vec<_>>());
        });
    }
}

//! The store on a disk that fails, under changes that fail, and on files that are no store.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fulcrum::carrier::ReceivedText;
use fulcrum::engine::LeverHook;
use fulcrum::engine::changes::Recipient;
use fulcrum::engine::clock::Clock;
use fulcrum::store::tables::{BOOKMARKS, COUNTERS};
use fulcrum::store::{Keys, Options, Read, Seen, Store, StoreError, Tx};
use fulcrum_domain::{HookEvent, Sight};
use fulcrum_sandbox::Sandbox;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::disk::{Death, Disk};
use crate::world::{engine, eventually, number, request, settings, small};

fn open(disk: &Disk) -> Result<Store, StoreError> {
    Store::open(Options::backend(disk.clone()), Box::new(|_| {}))
}

/// One change: two rows in two tables, which stand together or not at all.
async fn write(store: &Store, n: u64) -> Result<u64, StoreError> {
    store.change(move |tx| put(tx, n)).await
}

fn put(tx: &mut Tx<'_>, n: u64) -> Result<u64, StoreError> {
    let name = format!("{n:04}");
    tx.put(COUNTERS, &name, &n)?;
    tx.put(BOOKMARKS, &name, &Seen(Timestamp::from_second(n as i64).unwrap()))?;
    Ok(n)
}

/// Changes one after the other, then many at a time. Those that were acknowledged.
async fn workload(store: &Store) -> BTreeSet<u64> {
    let mut acknowledged = BTreeSet::new();
    for n in 0..12 {
        acknowledged.extend(write(store, n).await.ok());
    }
    let many = join_all((100..140).map(|n| write(store, n))).await;
    acknowledged.extend(many.into_iter().flatten());
    acknowledged
}

/// What stands in the file; a change of which only one half is there is an error.
fn stored(store: &Store) -> BTreeSet<u64> {
    store
        .read_here(|read| {
            let mut halves = (BTreeSet::new(), BTreeSet::new());
            read.scan(COUNTERS, &Keys::all(), |_, n| {
                halves.0.insert(n);
                Ok(ControlFlow::Continue(()))
            })?;
            read.scan(BOOKMARKS, &Keys::all(), |_, Seen(at)| {
                halves.1.insert(at.as_second() as u64);
                Ok(ControlFlow::Continue(()))
            })?;
            assert_eq!(halves.0, halves.1, "a change is stored by half");
            Ok::<_, StoreError>(halves.0)
        })
        .unwrap()
}

fn check_recovery(disk: &Disk, bytes: Vec<u8>, acknowledged: &BTreeSet<u64>, when: &str) {
    if !disk.platter().starts_with(b"redb") {
        return; // Not even made: a file is made under another name and appears when it is whole.
    }
    let disk = Disk::holding(bytes);
    let store = open(&disk).unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let stored = stored(&store);
    assert!(stored.is_superset(acknowledged), "{when}: lost {:?}", acknowledged.difference(&stored));
}

/// Everything that was acknowledged before the failing sync is there after it, and nothing after it
/// was acknowledged: what was half-way is there whole or not at all.
#[tokio::test]
async fn a_sync_that_fails_ends_the_store_and_loses_nothing_that_was_acknowledged() {
    for n in 1.. {
        let disk = Disk::default();
        disk.die(Death::AtSync(n));
        let mut acknowledged = BTreeSet::new();
        if let Ok(store) = open(&disk) {
            acknowledged = workload(&store).await;
            if disk.is_dead() {
                assert!(store.broken().is_cancelled(), "sync {n}: nobody is told");
                let after = write(&store, 999).await;
                assert!(matches!(after, Err(StoreError::Failed)), "sync {n}: {after:?}");
            } else {
                assert_eq!(acknowledged.len(), 52);
                assert!(n > 25, "the workload syncs only {n} times");
                return;
            }
        }
        check_recovery(&disk, disk.platter(), &acknowledged, &format!("sync {n}, all unsynced lost"));
        for seed in 0..4 {
            let when = format!("sync {n}, power cut {seed}");
            check_recovery(&disk, disk.after_power_cut(seed), &acknowledged, &when);
        }
    }
}

/// The same at any operation of the disk, reads and writes in the middle of a change included.
#[tokio::test]
async fn a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    let whole = Disk::default();
    workload(&open(&whole).unwrap()).await;
    let operations = whole.operations();
    for seed in 0..150 {
        let disk = Disk::default();
        disk.die(Death::AtOperation(1 + seed * 7919 % operations));
        let acknowledged = match open(&disk) {
            Ok(store) => workload(&store).await,
            Err(_) => BTreeSet::new(),
        };
        check_recovery(&disk, disk.after_power_cut(seed), &acknowledged, &format!("seed {seed}"));
    }
}

/// Changes that fail and changes that panic, among others that do not, in the same commits.
#[tokio::test]
async fn a_change_that_fails_or_panics_harms_no_neighbour() {
    let disk = Disk::default();
    let store = open(&disk).unwrap();
    write(&store, 7).await.unwrap();
    disk.hold(true); // The first commit waits in its sync, so the rest are one group.
    let first = write(&store, 1000);
    let asked = Cell::new(0);
    let rest = join_all((0..300).map(|n| {
        let (store, asked) = (store.clone(), &asked);
        async move {
            asked.set(asked.get() + 1);
            store
                .change(move |tx| {
                    let name = format!("{n:04}");
                    tx.put(COUNTERS, &name, &n)?;
                    match n % 3 {
                        0 => drop(tx.remove(COUNTERS, &"0007".to_owned())?),
                        1 => std::panic::resume_unwind(Box::new("a change that panics")),
                        _ => {}
                    }
                    tx.put(BOOKMARKS, &name, &Seen(Timestamp::from_second(n as i64).unwrap()))?;
                    if n % 3 == 0 { Err(StoreError::Busy) } else { Ok(()) }
                })
                .await
        }
    }));
    let release = async {
        while asked.get() < 300 {
            tokio::task::yield_now().await;
        }
        disk.hold(false);
    };
    let (first, rest, ()) = tokio::join!(first, rest, release);
    first.unwrap();
    for (n, outcome) in rest.iter().enumerate() {
        let right = match n % 3 {
            0 => matches!(outcome, Err(StoreError::Busy)),
            1 => matches!(outcome, Err(StoreError::Panicked)),
            _ => outcome.is_ok(),
        };
        assert!(right, "{n}: {outcome:?}");
    }
    let mut expected: BTreeSet<u64> = (0..300).filter(|n| n % 3 == 2).collect();
    expected.extend([7, 1000]);
    assert_eq!(stored(&store), expected);
    assert!(!store.broken().is_cancelled());
    check_recovery(&disk, disk.platter(), &expected, "afterwards");
}

#[tokio::test]
async fn a_full_queue_says_so_at_once_and_loses_nothing_that_it_took() {
    let disk = Disk::default();
    let store = open(&disk).unwrap();
    disk.hold(true);
    let busy = Cell::new(0);
    let changes = (0..9000).map(async |n| {
        let outcome = store.try_change(move |tx| put(tx, n)).await;
        busy.set(busy.get() + usize::from(matches!(outcome, Err(StoreError::Busy))));
        outcome
    });
    let release = async {
        while busy.get() < 2000 {
            tokio::task::yield_now().await;
        }
        disk.hold(false);
    };
    let (outcomes, ()) = tokio::join!(join_all(changes), release);
    let taken: BTreeSet<u64> = outcomes.iter().flatten().copied().collect();
    assert_eq!(taken.len() + busy.get(), 9000);
    assert!(taken.len() >= 4096);
    assert_eq!(stored(&store), taken);
    write(&store, 9999).await.unwrap();
}

/// What a second process is told: this very test, run again as a child.
#[test]
fn a_second_process_is_told_who_holds_the_file() {
    const PATH: &str = "FULCRUM_TEST_SECOND_PROCESS";
    if let Ok(path) = std::env::var(PATH) {
        let Err(error) = Store::open(Options::file(path), Box::new(|_| {})) else { panic!("it was opened") };
        println!("refused: {error:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fulcrum.redb");
    let _held = Store::open(Options::file(&path), Box::new(|_| {})).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_faults::a_second_process_is_told_who_holds_the_file", "--nocapture"])
        .env(PATH, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.filter(|line| line.contains("refused: ")).collect();
    assert!(child.wait().unwrap().success());
    let us = format!("process {} holds it", std::process::id());
    assert!(said.len() == 1 && said[0].contains("Held") && said[0].contains(&us), "{said:?}");
}

/// A file that holds a few rows and was closed well.
async fn store_file(path: &Path) {
    let store = Store::open(Options::file(path), Box::new(|_| {})).unwrap();
    workload(&store).await;
    store.close().await;
}

fn refused(path: &Path) -> StoreError {
    let before = std::fs::read(path).unwrap();
    let refused = match Store::open(Options::file(path), Box::new(|_| {})) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    };
    assert!(std::fs::read(path).unwrap() == before, "the file was touched: {refused:?}");
    refused
}

/// The power went while the file was made: no start may find a beginning of one and call it damaged.
#[tokio::test]
async fn a_file_that_was_half_made_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fulcrum.redb");
    std::fs::write(folder.path().join("fulcrum.redb.new"), [0; 5000]).unwrap();
    store_file(&path).await;
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "fulcrum.redb.new"), "{names:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fulcrum.redb");
    store_file(&path).await;
    {
        let mut builder = redb::Builder::new();
        builder.set_concurrency_mode(redb::ConcurrencyMode::SingleWriter);
        let database = builder.open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, u64>::new("meta-1");
        transaction.open_table(meta).unwrap().insert("schema_version", 99).unwrap();
        transaction.commit().unwrap();
    }
    let error = refused(&path);
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_store_or_a_damaged_one_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fulcrum.redb");
    store_file(&path).await;
    let whole = std::fs::read(&path).unwrap();
    let scribbled = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + 8].fill(0xA5);
        bytes
    };
    let damages: Vec<(&str, Vec<u8>)> = vec![
        ("foreign text", b"[organisation]\nname = \"Acme\"\n".to_vec()),
        ("foreign and long", b"SQLite format 3\0".repeat(10_000)),
        ("zeros", vec![0; 50_000]),
        ("cut in the header", whole[..200].to_vec()),
        ("cut after the header", whole[..4096].to_vec()),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut at the end", whole[..whole.len() - 100].to_vec()),
        ("magic overwritten", scribbled(0)),
        ("geometry overwritten", scribbled(16)),
        ("both roots overwritten", {
            let mut bytes = scribbled(64 + 16);
            bytes[192 + 16..192 + 24].fill(0xA5);
            bytes
        }),
    ];
    for (what, bytes) in damages {
        std::fs::write(&path, bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error:?}");
    }
}

/// The whole engine on a disk whose syncs begin to fail: a webhook, an inbound text and a text to
/// be sent are refused from then on, nothing is sent, and whoever runs the engine is told to end.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_disk_fails_acknowledges_nothing_more() {
    let sandbox = Sandbox::start(small()).await.unwrap();
    let disk = Disk::default();
    let file = Options::backend(disk.clone());
    let engine = engine(&sandbox, file, settings(&sandbox), Clock::System).await.unwrap();
    let texted = |sid: u8| ReceivedText {
        sid: format!("SM{sid:032x}").parse().unwrap(),
        from: "+12025550142".into(),
        to: sandbox.numbers()[0].clone(),
        body: "hello".into(),
        media: Vec::new(),
        segments: 1,
        opt_out: None,
        at: None,
    };
    engine.take_text(texted(1)).await.unwrap();
    disk.die(Death::AtSync(1));
    eventually("the failure is noticed", async || engine.broken().is_cancelled()).await;
    let hook = LeverHook {
        event: HookEvent::CandidateHired,
        token: "t".into(),
        triggered_at: engine.now(),
        opportunity: None,
        is_ping: false,
    };
    assert!(engine.take_hook(hook).await.is_err());
    assert!(engine.take_text(texted(2)).await.is_err());
    let to = Recipient::Number(number("+12025550142"));
    assert!(engine.send_text(request(to, "hello")).await.is_err());
    assert!(engine.ready().await.is_err());
    assert!(sandbox.ledger().entries().iter().all(|entry| entry.kind != "message_created"));
    engine.stop(Duration::from_secs(5)).await;
    drop(engine);

    let disk = Disk::holding(disk.platter());
    let file = Options::backend(disk);
    let engine = crate::world::engine(&sandbox, file, settings(&sandbox), Clock::System).await.unwrap();
    let known = engine.conversations(None, 10, Sight::All).await.unwrap().rows;
    assert_eq!(known.len(), 1);
    let texts = engine.messages(known[0].conversation.id, None, 10, Sight::All).await.unwrap().rows;
    assert_eq!(texts.len(), 1, "the one that was acknowledged");
    engine.stop(Duration::from_secs(5)).await;
}

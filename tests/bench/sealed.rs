//! What it costs to seal the store: the same rows, written and read, plain and sealed in turn.
//!
//! Rows are as long as a candidate's, on average. The best of each counts: other work on the machine only
//! ever adds.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use fulcrum::store::tables::TEMPLATE_WORDS;
use fulcrum::store::{Keys, Options, Read, SealKeys, Store, StoreError};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::backfill::compacted;
use crate::process::processor_seconds;
use crate::table::Row;

/// As a page of Lever's comes in.
const PAGE: u64 = 100;
const ROWS: u64 = 100_000;
/// A row of the projection has about so many bytes.
const BYTES: usize = 450;
/// Changes of one row each, by so many callers at once.
const CALLERS: u64 = 64;
const CHANGES: u64 = 20_000;
const READS: u64 = 200_000;
const ROUNDS: usize = 3;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The rows are read in order so often: once would be too short for the clock of the processor.
const SCANS: u64 = 20;

/// Seconds each thing takes, of the clock for what waits for the disk and of the processor for what does
/// not; and the bytes of a row.
#[derive(Clone, Copy)]
struct Figures {
    pages: f64,
    pages_processor: f64,
    single: f64,
    reads: f64,
    scan: f64,
    bytes: f64,
}

impl Figures {
    fn best(self, other: Self) -> Self {
        Self {
            pages: self.pages.min(other.pages),
            pages_processor: self.pages_processor.min(other.pages_processor),
            single: self.single.min(other.single),
            reads: self.reads.min(other.reads),
            scan: self.scan.min(other.scan),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let never = f64::INFINITY;
        let none = Figures {
            pages: never,
            pages_processor: never,
            single: never,
            reads: never,
            scan: never,
            bytes: never,
        };
        let (mut plain, mut sealed, mut pass) = (none, none, never);
        for _ in 0..ROUNDS {
            plain = plain.best(measure(&folder.path().join("plain"), Arc::default()).await?);
            let path = folder.path().join("sealed");
            sealed = sealed.best(measure(&path, keys(&[KEY])?).await?);
            pass = pass.min(seal_anew(&path, keys(&[OTHER, KEY])?).await?);
        }
        let rate = |what: &str, count: u64, of: fn(&Figures) -> f64| {
            let [sealed, plain] = [&sealed, &plain].map(of);
            let count = count as f64;
            Row::told(
                format!("sealed: {what}"),
                format!("{:.0}/s: {:.0} %", count / sealed, 100.0 * plain / sealed),
            )
            .beside(format!("plain {:.0}/s", count / plain))
        };
        let processor = |what: &str, count: u64, of: fn(&Figures) -> f64| {
            let [sealed, plain] = [&sealed, &plain].map(|figures| of(figures) * 1e6 / count as f64);
            Row::told(format!("sealed: {what}, processor each"), format!("{sealed:.2} us"))
                .beside(format!("plain {plain:.2} us"))
        };
        Ok(vec![
            rate("changes of one row, 64 at once", CHANGES, |figures| figures.single),
            rate("rows written, a hundred in a change", ROWS, |figures| figures.pages),
            processor("rows written, a hundred in a change", ROWS, |figures| figures.pages_processor),
            processor("rows read, at random", READS, |figures| figures.reads),
            processor("rows read, in order", ROWS * SCANS, |figures| figures.scan),
            Row::told("sealed: bytes of file for each row, compacted", format!("{:.0}", sealed.bytes))
                .beside(format!("plain {:.0}", plain.bytes)),
            Row::told(
                "rows sealed with another key, processor each",
                format!("{:.1} us", pass * 1e6 / ROWS as f64),
            ),
        ])
    })
}

fn keys(keys: &[&str]) -> anyhow::Result<Arc<SealKeys>> {
    Ok(Arc::new(SealKeys::new(keys.iter().copied(), true)?))
}

fn open(path: &Path, keys: Arc<SealKeys>) -> Result<Store, StoreError> {
    Store::open(Options::file(path).cache_bytes(128 << 20).keys(keys), Box::new(|_| ()))
}

fn key(n: u64) -> [u8; 16] {
    u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()
}

fn value(n: u64) -> String {
    let mut rng = SmallRng::seed_from_u64(n);
    (0..BYTES).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

async fn measure(path: &Path, keys: Arc<SealKeys>) -> anyhow::Result<Figures> {
    let _ = std::fs::remove_file(path);
    let store = open(path, keys)?;
    let values: Arc<Vec<String>> = Arc::new((0..ROWS).map(value).collect());

    let (began, processor) = (Instant::now(), processor_seconds("self")?);
    for first in (0..ROWS).step_by(PAGE as usize) {
        let values = values.clone();
        let page = store.change(move |tx| {
            (first..first + PAGE)
                .try_for_each(|n| tx.put(TEMPLATE_WORDS, &key(n), &values[n as usize]).map(drop))
        });
        page.await?;
    }
    let (pages, pages_processor) = (began.elapsed().as_secs_f64(), processor_seconds("self")? - processor);

    let began = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, values) = (store.clone(), values.clone());
        callers.spawn(async move {
            for n in (caller..CHANGES).step_by(CALLERS as usize) {
                let values = values.clone();
                store.change(move |tx| tx.put(TEMPLATE_WORDS, &key(n), &values[n as usize])).await?;
            }
            Ok::<_, StoreError>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    let single = began.elapsed().as_secs_f64();

    let processor = processor_seconds("self")?;
    store.read_here(|snapshot| {
        let mut rng = SmallRng::seed_from_u64(1);
        (0..READS).try_for_each(|_| {
            black_box(snapshot.get(TEMPLATE_WORDS, &key(rng.random_range(0..ROWS)))?);
            Ok::<_, StoreError>(())
        })
    })?;
    let reads = processor_seconds("self")? - processor;

    let processor = processor_seconds("self")?;
    let mut seen = 0;
    for _ in 0..SCANS {
        store.read_here(|snapshot| {
            snapshot.scan(TEMPLATE_WORDS, &Keys::all(), |_, words| {
                seen += 1;
                black_box(words);
                Ok(ControlFlow::Continue(()))
            })
        })?;
    }
    let scan = processor_seconds("self")? - processor;
    ensure!(seen == ROWS * SCANS, "rows are missing");
    store.close().await;
    drop(store);
    let bytes = compacted(path)? / ROWS as f64;
    Ok(Figures { pages, pages_processor, single, reads, scan, bytes })
}

/// What the processor does for the pass that seals all rows with another key.
async fn seal_anew(path: &Path, keys: Arc<SealKeys>) -> anyhow::Result<f64> {
    let store = open(path, keys)?;
    let processor = processor_seconds("self")?;
    while store.seal_some(|_| Ok(())).await? {}
    let took = processor_seconds("self")? - processor;
    store.close().await;
    Ok(took)
}

//! A million deadlines: memory, re-arming, and finding them again at the start. Beside the wheel,
//! tokio-util's DelayQueue, which is given the advantage that nobody has to look up its keys.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use fulcrum::cli::wiring;
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{Engine, wheel_of};
use fulcrum::store::tables::DEADLINES;
use fulcrum::store::{self, Keys, Read, Store, StoreError};
use fulcrum_domain::{ConversationId, DeadlineKey, Tick, Wheel};
use jiff::SignedDuration;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::time::DelayQueue;

use crate::backfill::unlimited;
use crate::child;
use crate::daemon::{Home, Setup};
use crate::process::resident;
use crate::table::Row;

const DEADLINES_MANY: u64 = 1_000_000;
/// The two are measured in turn so often, and the best of each counts: other work on the machine
/// only ever adds.
const ROUNDS: usize = 3;
const HOUR: u64 = 36_000;

/// Which of the two.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Kind {
    Wheel,
    DelayQueue,
}

#[derive(Clone, Copy, Deserialize)]
struct Figures {
    bytes: f64,
    later_ns: f64,
    earlier_ns: f64,
}

impl Figures {
    fn best(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            later_ns: self.later_ns.min(other.later_ns),
            earlier_ns: self.earlier_ns.min(other.earlier_ns),
        }
    }
}

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let mut best: [Option<Figures>; 2] = [None, None];
    for _ in 0..ROUNDS {
        for (kind, best) in [Kind::Wheel, Kind::DelayQueue].into_iter().zip(&mut best) {
            let figures: Figures = child::ask("wheel", &kind)?;
            *best = Some(best.map_or(figures, |best| best.best(figures)));
        }
    }
    let [Some(ours), Some(theirs)] = best else { anyhow::bail!("nothing was measured") };
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    let rebuilt = tokio::runtime::Runtime::new()?.block_on(rebuild())?;
    Ok(vec![
        Row::new(
            "1,000,000 deadlines, resident bytes each",
            "<= 48",
            format!("{:.1}", ours.bytes),
            ours.bytes <= 48.0,
        )
        .beside(format!("DelayQueue {:.1}", theirs.bytes)),
        Row::new(
            "re-arm one of them later, in random order",
            "<= 150 ns",
            format!("{:.0} ns", ours.later_ns),
            ours.later_ns <= 150.0,
        )
        .beside(format!("DelayQueue {:.0} ns", theirs.later_ns)),
        Row::new(
            "re-arm one earlier, which is rare",
            "<= 150 ns",
            format!("{:.0} ns", ours.earlier_ns),
            ours.earlier_ns <= 150.0,
        )
        .beside(format!("DelayQueue {:.0} ns", theirs.earlier_ns)),
        Row::new(
            "1,000,000 deadlines from the table to the wheel",
            "<= 150 ms",
            ms(rebuilt.wheel),
            rebuilt.wheel <= Duration::from_millis(150),
        )
        .beside(format!(
            "to a DelayQueue and a map {}; reading alone {}",
            ms(rebuilt.queue),
            ms(rebuilt.scan)
        )),
        Row::told("the engine's start with them", ms(rebuilt.start)),
    ])
}

/// The job: memory and re-arming of one of the two.
pub(crate) fn measure(kind: &Kind) -> anyhow::Result<Value> {
    let mut order: Vec<u32> = (0..DEADLINES_MANY as u32).collect();
    order.shuffle(&mut SmallRng::seed_from_u64(1));
    match kind {
        Kind::Wheel => measure_wheel(&order),
        Kind::DelayQueue => tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?
            .block_on(async { measure_queue(&order) }),
    }
}

fn measure_wheel(order: &[u32]) -> anyhow::Result<Value> {
    let empty = resident("self")?;
    let mut wheel = Wheel::new(Tick::new(0));
    for key in 0..DEADLINES_MANY {
        wheel.arm(key, Tick::new(HOUR + key % HOUR));
    }
    let bytes = resident("self")? - empty;
    let each = |wheel: &mut Wheel, by: u64| {
        let began = Instant::now();
        for &key in order {
            wheel.arm(key.into(), Tick::new(by + u64::from(key) % HOUR));
        }
        nanoseconds_each(began)
    };
    let later_ns = each(&mut wheel, 2 * HOUR);
    let earlier_ns = each(&mut wheel, HOUR / 2);
    black_box(&wheel);
    Ok(json!({"bytes": bytes / order.len() as f64, "later_ns": later_ns, "earlier_ns": earlier_ns}))
}

fn measure_queue(order: &[u32]) -> anyhow::Result<Value> {
    let mut keys = Vec::with_capacity(order.len());
    let empty = resident("self")?;
    let now = tokio::time::Instant::now();
    let at = |by: u64, key: u32| now + Duration::from_millis(100 * (by + u64::from(key) % HOUR));
    let mut queue = DelayQueue::new();
    for key in 0..DEADLINES_MANY as u32 {
        keys.push(queue.insert_at(u64::from(key), at(HOUR, key)));
    }
    // The caller's keys are in there, and are not the queue's.
    let bytes = resident("self")? - empty - size_of_val(keys.as_slice()) as f64;
    let each = |queue: &mut DelayQueue<u64>, by: u64| {
        let began = Instant::now();
        for &number in order {
            queue.reset_at(&keys[number as usize], at(by, number));
        }
        nanoseconds_each(began)
    };
    let later_ns = each(&mut queue, 2 * HOUR);
    let earlier_ns = each(&mut queue, HOUR / 2);
    black_box(&queue);
    Ok(json!({"bytes": bytes / order.len() as f64, "later_ns": later_ns, "earlier_ns": earlier_ns}))
}

fn nanoseconds_each(began: Instant) -> f64 {
    began.elapsed().as_nanos() as f64 / DEADLINES_MANY as f64
}

struct Rebuilt {
    start: Duration,
    wheel: Duration,
    scan: Duration,
    queue: Duration,
}

/// Starts an engine on a file with a million deadlines.
async fn rebuild() -> anyhow::Result<Rebuilt> {
    let home = Home::new()?;
    let path = home.store();
    let soon = Clock::System.now() + SignedDuration::from_hours(24);
    let store = Store::open(store::Options::file(&path), Box::new(|_| ()))?;
    for batch in 0..DEADLINES_MANY / 50_000 {
        let numbers = batch * 50_000..(batch + 1) * 50_000;
        store
            .change(move |tx| {
                for number in numbers {
                    let at = soon + SignedDuration::from_millis((number * 7919 % 3_600_000) as i64);
                    let key = DeadlineKey::Transcript(ConversationId::new(number)).to_u64();
                    tx.put(DEADLINES, &(at, key), &())?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
    }
    store.close().await;
    drop(store);

    let sandbox = unlimited(10).await?;
    home.configure(&sandbox, Setup::REAL)?;
    let never = Duration::MAX;
    let mut best = Rebuilt { start: never, wheel: never, scan: never, queue: never };
    for _ in 0..ROUNDS {
        let config = home.read_config()?;
        let (remotes, settings) = (wiring::remotes(&config)?, wiring::settings(&config)?);
        let began = Instant::now();
        let engine = Engine::start(remotes, settings, Clock::System).await?;
        best.start = best.start.min(began.elapsed());
        anyhow::ensure!(engine.status().await?.stored.deadlines == DEADLINES_MANY, "deadlines are missing");
        engine.stop(Duration::from_secs(5)).await;
        drop(engine);

        // Each opens the file anew: redb keeps what it has read.
        let wheel = with(&path, |store| {
            let wheel =
                store.read_here(|snapshot| wheel_of(snapshot, Tick::of_clock(Clock::System.now())))?;
            anyhow::ensure!(wheel.len() as u64 == DEADLINES_MANY);
            Ok(())
        });
        best.wheel = best.wheel.min(wheel.await?);
        let nothing = with(&path, |store| scan(store, |at, key| _ = black_box((at, key))));
        best.scan = best.scan.min(nothing.await?);
        let queue = with(&path, |store| {
            let mut queue = DelayQueue::with_capacity(DEADLINES_MANY as usize);
            // Whoever re-arms by name must find its key again.
            let mut keys = HashMap::with_capacity(DEADLINES_MANY as usize);
            let (now, clock) = (tokio::time::Instant::now(), Clock::System.now());
            scan(store, |at, key| {
                let left = Duration::try_from(at.duration_since(clock)).unwrap_or_default();
                keys.insert(key, queue.insert_at(key, now + left));
            })
        });
        best.queue = best.queue.min(queue.await?);
    }
    sandbox.shutdown().await;
    Ok(best)
}

/// How long this takes with the file open.
async fn with(path: &Path, act: impl FnOnce(&Store) -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let store = Store::open(store::Options::file(path), Box::new(|_| ()))?;
    let began = Instant::now();
    act(&store)?;
    let took = began.elapsed();
    store.close().await;
    Ok(took)
}

fn scan(store: &Store, mut each: impl FnMut(jiff::Timestamp, u64)) -> anyhow::Result<()> {
    store
        .read_here(|snapshot| {
            snapshot.scan(DEADLINES, &Keys::all(), |(at, key), ()| {
                each(at, key);
                Ok::<_, StoreError>(std::ops::ControlFlow::Continue(()))
            })
        })
        .context("cannot read the deadlines")
}

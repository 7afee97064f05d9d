//! The pacer on tokio's paused time, against a bucket as strict as Lever's may be.

use proptest::prelude::*;

use super::*;

const LEVER: PaceSettings =
    PaceSettings { period: Duration::from_millis(100), burst: NonZeroU32::new(20).unwrap(), in_flight: 16 };

/// Lever's own bucket: 20, refilled at 10 a second. Says how many requests it would refuse.
fn refusals(sent_at: &[Duration]) -> usize {
    let (mut tokens, mut last, mut refused) = (20.0f64, Duration::ZERO, 0);
    for &at in sent_at {
        tokens = (tokens + (at - last).as_secs_f64() * 10.0).min(20.0);
        last = at;
        if tokens >= 1.0 { tokens -= 1.0 } else { refused += 1 }
    }
    refused
}

struct Bench {
    tracker: TaskTracker,
    stop: CancellationToken,
    pacer: Pacer,
}

fn bench(settings: PaceSettings) -> Bench {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let pacer = Pacer::start(settings, &tracker, stop.clone());
    Bench { tracker, stop, pacer }
}

#[tokio::test(start_paused = true)]
async fn hours_of_work_use_the_rate_and_never_exceed_it() {
    let Bench { tracker, pacer, .. } = bench(LEVER);
    let (start, work) = (Instant::now(), Duration::from_secs(4 * 3600));
    let (arrivals, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    for worker in 0..24u64 {
        let (pacer, arrivals) = (pacer.clone(), arrivals.clone());
        tracker.spawn(async move {
            for n in 0u64.. {
                let turn = pacer.turn(Lane::Backfill).await.unwrap();
                // On the way there, a request is late by up to 0.6 s; then it takes 0.2 to 0.4 s.
                let noise = (n.wrapping_mul(2_654_435_761) ^ worker.wrapping_mul(40_503)) % 601;
                let late = if noise < 60 { noise * 10 } else { noise / 30 };
                tokio::time::sleep(Duration::from_millis(late)).await;
                if start.elapsed() > work || arrivals.send(start.elapsed()).is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200 + noise % 200)).await;
                drop(turn);
            }
        });
    }
    drop(arrivals);
    let mut sent_at = Vec::new();
    while let Some(at) = arrived.recv().await {
        sent_at.push(at);
    }
    assert!(sent_at.len() as f64 >= 0.99 * 144_000.0, "{}", sent_at.len());
    assert_eq!(refusals(&sent_at), 0);
    let status = pacer.status();
    assert!(status.rate_used >= 0.99, "{status:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Pause(u64),
    Complaint,
    Restart,
    Work(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..60_000u64).prop_map(Step::Pause),
        Just(Step::Complaint),
        Just(Step::Restart),
        (1..80usize).prop_map(Step::Work),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Sends by these steps, and says when.
async fn sent_by(steps: Vec<Step>) -> Vec<Duration> {
    let start = Instant::now();
    let (mut pacer, mut sent_at) = (bench(LEVER).pacer, Vec::new());
    for step in steps {
        let work = match step {
            Step::Pause(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                0
            }
            Step::Restart => {
                pacer = bench(LEVER).pacer;
                1
            }
            Step::Complaint => {
                pacer.turn(Lane::Live).await.unwrap().throttled();
                sent_at.push(start.elapsed());
                0
            }
            Step::Work(turns) => turns,
        };
        for _ in 0..work {
            drop(pacer.turn(Lane::Backfill).await.unwrap());
            sent_at.push(start.elapsed());
        }
    }
    sent_at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_pause_complaint_or_restart_exceeds_the_rate(steps in steps()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        prop_assert_eq!(refusals(&runtime.block_on(sent_by(steps))), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_at_once_after_a_start() {
    let Bench { pacer, .. } = bench(LEVER);
    let start = Instant::now();
    drop(pacer.turn(Lane::Interactive).await.unwrap());
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served_within_a_lane() {
    let Bench { tracker, pacer, .. } = bench(LEVER);
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    for nth in 0..100 {
        let (pacer, sender) = (pacer.clone(), sender.clone());
        tracker.spawn(async move {
            let _turn = pacer.turn(Lane::Live).await.unwrap();
            sender.send(nth).unwrap();
        });
        tokio::task::yield_now().await;
    }
    for nth in 0..100 {
        assert_eq!(served.recv().await, Some(nth));
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_holds_until_a_turn_is_dropped() {
    let Bench { pacer, .. } = bench(PaceSettings { in_flight: 2, ..LEVER });
    let (first, second) =
        (pacer.turn(Lane::Interactive).await.unwrap(), pacer.turn(Lane::Interactive).await.unwrap());
    let late = tokio::time::timeout(Duration::from_secs(60), pacer.turn(Lane::Interactive)).await;
    assert!(late.is_err());
    drop(first);
    let third = pacer.turn(Lane::Interactive).await.unwrap();
    assert_eq!(pacer.status().in_flight, 2);
    drop((second, third));
    assert_eq!(pacer.status().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_slows_down_and_minutes_bring_the_rate_back() {
    let Bench { pacer, .. } = bench(LEVER);
    pacer.turn(Lane::Live).await.unwrap().throttled();
    assert_eq!(pacer.status().rate_percent, 70);
    let start = Instant::now();
    for _ in 0..70 {
        pacer.turn(Lane::Live).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(9_900), "{:?}", start.elapsed());
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(pacer.status().rate_percent, 100);
    assert_eq!(pacer.status().throttled, 1);
}

#[tokio::test(start_paused = true)]
async fn callers_that_gave_up_cost_nothing() {
    let Bench { pacer, .. } = bench(LEVER);
    for _ in 0..50 {
        let gone = tokio::time::timeout(Duration::from_millis(1), pacer.turn(Lane::Interactive)).await;
        assert!(gone.is_err());
    }
    let start = Instant::now();
    pacer.turn(Lane::Backfill).await.unwrap();
    assert!(start.elapsed() <= Duration::from_millis(102));
    assert_eq!(pacer.status().turns, [0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_told_of_the_stop() {
    let Bench { tracker, stop, pacer } = bench(LEVER);
    let waiting = tracker.spawn({
        let pacer = pacer.clone();
        async move { pacer.turn(Lane::Backfill).await.err() }
    });
    tokio::task::yield_now().await;
    stop.cancel();
    assert_eq!(waiting.await.unwrap(), Some(Stopped));
    assert_eq!(pacer.turn(Lane::Backfill).await.err(), Some(Stopped));
    tracker.close();
    tracker.wait().await;
}

#[tokio::test]
async fn a_raised_limit_is_used_too() {
    let Bench { pacer, tracker, .. } = bench(PaceSettings {
        period: Duration::from_micros(50),
        burst: NonZeroU32::new(4_000).unwrap(),
        in_flight: 64,
    });
    let start = Instant::now();
    for _ in 0..64 {
        let pacer = pacer.clone();
        tracker.spawn(async move {
            for _ in 0..100 {
                drop(pacer.turn(Lane::Backfill).await);
            }
        });
    }
    // The dispatcher stays, so it is not the tracker that says when the workers are done.
    while tracker.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

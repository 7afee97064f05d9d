//! Hands out turns to ask Lever, at the pace that Lever allows.
//!
//! One task asks the token bucket and gives each token to whoever is next by [`Turns`]: governor's
//! own waiting is not first come, first served. The bucket is a little slower and much smaller than
//! Lever's and starts empty, because clocks differ, delays bunch requests on their way, and a
//! process that restarts in a loop must not bring a full bucket each time (dependencies.md, pacing).
//!
//! Time is tokio's, so that tests may pause it. The queue has no bound of its own: each entry is a
//! caller that awaits [`Pacer::turn`], and an entry whose caller has gone is skipped.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fulcrum_domain::{Lane, Rate, Turns, Usage};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What Lever allows, and how many requests may be under way.
#[derive(Clone, Copy, Debug)]
pub struct PaceSettings {
    /// Lever's steady rate, for each key, as the time from one request to the next (lever-api.md 2:
    /// a tenth of a second).
    pub period: Duration,
    /// Lever's bucket (lever-api.md 2: 20). A quarter of it is used.
    pub burst: NonZeroU32,
    /// The most requests under way: the rate times the latency, and some; 16 for Lever's 10/s.
    pub in_flight: usize,
}

impl PaceSettings {
    /// One token each period: a thousandth slower than allowed, since clocks differ.
    fn quota(&self, percent: u32) -> Quota {
        let period = self.period.mul_f64(1.001) * 100 / percent.max(1);
        let burst = NonZeroU32::new(self.burst.get() / 4).unwrap_or(NonZeroU32::MIN);
        Quota::with_period(period.max(Duration::from_nanos(1)))
            .expect("a period of a nanosecond or more")
            .allow_burst(burst)
    }
}

/// What the pacer is doing, for status and metrics. Tables are by [`Lane::index`].
#[derive(Clone, Copy, Debug)]
pub struct PaceStatus {
    /// The share of the permitted rate that was used in the last minute with work, 0 to 1.
    pub rate_used: f64,
    /// The share of the full rate that is used just now, in percent: below 100 after complaints.
    pub rate_percent: u32,
    /// Turns handed out since the start.
    pub turns: [u64; 4],
    /// Callers that wait.
    pub waiting: [usize; 4],
    /// Requests under way.
    pub in_flight: usize,
    /// Refusals for the rate (429) since the start.
    pub throttled: u64,
}

/// The pacer has stopped, and nothing more is asked of Lever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no more requests to lever: stopping")]
pub struct Stopped;

/// The budget of the whole process. Cheap to clone.
#[derive(Clone)]
pub struct Pacer(Arc<Shared>);

impl Pacer {
    /// Starts handing out turns, until `stop` is cancelled.
    pub fn start(settings: PaceSettings, tracker: &TaskTracker, stop: CancellationToken) -> Self {
        let shared = Arc::new(Shared {
            settings,
            started: Instant::now(),
            state: Mutex::new(State {
                queues: Default::default(),
                turns: Turns::new(settings.in_flight),
                rate: Rate::default(),
                usage: Usage::default(),
                handed_out: [0; 4],
                throttled: 0,
                stopped: false,
            }),
            changed: Notify::new(),
            stop: stop.clone(),
        });
        let dispatcher = Arc::clone(&shared);
        tracker.spawn(async move {
            stop.run_until_cancelled(dispatcher.dispatch()).await;
            dispatcher.stop();
        });
        Self(shared)
    }

    /// Waits for a turn; first come, first served within a lane. Cancel-safe.
    ///
    /// # Errors
    /// [`Stopped`] once the pacer was told to stop.
    pub async fn turn(&self, lane: Lane) -> Result<Turn, Stopped> {
        let (reply, turn) = oneshot::channel();
        {
            let mut state = self.0.lock();
            if state.stopped {
                return Err(Stopped);
            }
            state.passed(self.0.now());
            state.queues[lane.index()].push_back(reply);
        }
        self.0.changed.notify_one();
        turn.await.map_err(|_| Stopped)
    }

    /// Runs `work` unless, and until, the pacer is told to stop. For what may be cut off anywhere.
    pub(super) async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.stop.run_until_cancelled(work).await
    }

    /// What it is doing.
    pub fn status(&self) -> PaceStatus {
        let mut state = self.0.lock();
        let now = self.0.now();
        state.passed(now);
        PaceStatus {
            rate_used: state.usage.ratio(1.0 / self.0.settings.period.as_secs_f64()),
            rate_percent: state.rate.percent(now),
            turns: state.handed_out,
            waiting: state.waiting(),
            in_flight: state.turns.in_flight(),
            throttled: state.throttled,
        }
    }
}

/// Leave to send one request. Its slot is free again when this is dropped.
pub struct Turn {
    shared: Arc<Shared>,
    lane: Lane,
}

impl Turn {
    /// Lever refused this request for the rate (429): slow down.
    pub fn throttled(&self) {
        let mut state = self.shared.lock();
        state.throttled += 1;
        state.rate.throttled(self.shared.now());
    }

    /// Lever failed (5xx) or did not answer in time: slow down a little.
    pub fn troubled(&self) {
        self.shared.lock().rate.troubled(self.shared.now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.passed(self.shared.now());
        state.turns.finished(self.lane);
        drop(state);
        self.shared.changed.notify_one();
    }
}

struct Shared {
    settings: PaceSettings,
    started: Instant,
    state: Mutex<State>,
    changed: Notify,
    stop: CancellationToken,
}

struct State {
    queues: [VecDeque<oneshot::Sender<Turn>>; 4],
    turns: Turns,
    rate: Rate,
    usage: Usage,
    handed_out: [u64; 4],
    throttled: u64,
    stopped: bool,
}

impl State {
    fn waiting(&self) -> [usize; 4] {
        self.queues.each_ref().map(VecDeque::len)
    }

    /// Callers that gave up are forgotten as they come to the front.
    fn forget_the_gone(&mut self) {
        for queue in &mut self.queues {
            while queue.front().is_some_and(oneshot::Sender::is_closed) {
                queue.pop_front();
            }
        }
    }

    /// To be called before the queues or the slots change. There is work while somebody waits, and
    /// while a backfill is under way, which has always more to ask than is under way.
    fn passed(&mut self, now: Duration) {
        let waits = self.queues.iter().any(|queue| !queue.is_empty());
        self.usage.passed(now, waits || self.turns.in_flight_of(Lane::Backfill) > 0);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with the lock held left nothing half done that would matter here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    async fn dispatch(self: &Arc<Self>) {
        let mut bucket = Bucket::drained(&self.settings, 100, self.started);
        loop {
            let (ready, percent) = {
                let mut state = self.lock();
                state.passed(self.now());
                state.forget_the_gone();
                (state.turns.peek(&state.waiting()).is_some(), state.rate.percent(self.now()))
            };
            if percent != bucket.percent {
                bucket = Bucket::drained(&self.settings, percent, self.started);
            }
            // Whose turn it is, is decided when the token is there, not when the wait for it begins.
            if !ready {
                self.changed.notified().await;
            } else if let Err(wait) = bucket.take() {
                tokio::time::sleep(wait).await;
            } else {
                self.hand_out();
            }
        }
    }

    /// Gives one turn to the next caller that is still there.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let (reply, turn) = {
                let mut state = self.lock();
                state.forget_the_gone();
                let waiting = state.waiting();
                let Some(lane) = state.turns.next(&waiting) else { return };
                let Some(reply) = state.queues[lane.index()].pop_front() else { return };
                state.handed_out[lane.index()] += 1;
                state.usage.turn();
                (reply, Turn { shared: Arc::clone(self), lane })
            };
            // A caller that left just now gives the turn back, and the token goes to the next.
            if reply.send(turn).is_ok() {
                return;
            }
        }
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.queues = Default::default();
    }
}

/// governor's bucket on tokio's time.
struct Bucket {
    percent: u32,
    clock: TokioClock,
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
}

impl Bucket {
    /// Empty at first: what it allows in any time counts on from what was allowed before.
    fn drained(settings: &PaceSettings, percent: u32, started: Instant) -> Self {
        let quota = settings.quota(percent);
        let clock = TokioClock(started);
        let limiter = RateLimiter::direct_with_clock(quota, clock);
        limiter.check_n(quota.burst_size()).expect("a burst fits the bucket").expect("a new bucket is full");
        Self { percent, clock, limiter }
    }

    /// Takes a token, or says how long until there is one.
    fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

/// tokio's time since the start, as governor's clock.
#[derive(Clone, Copy)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests;

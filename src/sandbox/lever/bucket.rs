//! Lever's rate limit, strictly: a token bucket, and what it saw (lever-api.md 2).
//!
//! Lever promises the burst only "when possible"; here it is exact, so that a client that counts on more is
//! caught. Every request takes a token, whatever its answer; a refused one takes none, since there is none.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

/// What the simulated Lever was asked, for tests and benchmarks.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Requests of any outcome.
    pub requests: u64,
    /// Requests answered 429 because the bucket was empty.
    pub violations: u64,
    /// The most requests that came within any one second.
    pub peak_per_second: usize,
    /// Requests by method and route, such as `GET /v1/opportunities/{o}`.
    pub by_route: BTreeMap<String, u64>,
    /// Answers by status; a cut connection counts as 0.
    pub by_status: BTreeMap<u16, u64>,
    /// Pages of `GET /opportunities` that were served.
    pub list_pages: u64,
}

/// The bucket. Its time is that since it was made, by tokio's time as the client's pace is, whatever the
/// simulated clock does.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Duration,
    recent: VecDeque<Duration>,
    pub(super) stats: Stats,
}

impl Bucket {
    /// A full bucket of `burst` tokens, refilled by `rate` a second.
    pub(super) fn new(rate: f64, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self {
            rate,
            burst,
            tokens: burst,
            filled_at: Duration::ZERO,
            recent: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Counts a request that comes at `now`; false if it must be refused.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        self.stats.requests += 1;
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|first| now.saturating_sub(*first) >= Duration::from_secs(1)) {
            self.recent.pop_front();
        }
        self.stats.peak_per_second = self.stats.peak_per_second.max(self.recent.len());
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.filled_at = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        } else {
            self.stats.violations += 1;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_empties_it_and_each_tenth_of_a_second_gives_one_back() {
        let mut bucket = Bucket::new(10.0, 20);
        assert_eq!((0..25).filter(|_| bucket.take(ms(0))).count(), 20);
        assert!(!bucket.take(ms(99)));
        assert!(bucket.take(ms(101)));
        assert!(!bucket.take(ms(150)));
        assert_eq!(bucket.stats.violations, 7);
        assert_eq!(bucket.stats.peak_per_second, 28);
    }

    #[test]
    fn over_any_span_no_more_than_burst_plus_refill_pass() {
        let mut bucket = Bucket::new(10.0, 20);
        let passed = (0..60_000).filter(|at| bucket.take(ms(*at))).count();
        assert!((618..=620).contains(&passed), "{passed}");
    }
}

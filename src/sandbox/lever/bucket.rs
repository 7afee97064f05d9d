//! Lever's rate limit, strictly: a token bucket, and what it saw (lever-api.md 2).
//!
//! Lever promises the burst only "when possible"; here it is exact, so that a client that counts on more is caught.
//! Every request takes a token, whatever its answer; a refused one takes none, since there is none.

use std::collections::{BTreeMap, VecDeque};

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

/// The bucket, by the simulated clock.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at_ms: i64,
    recent: VecDeque<i64>,
    pub(super) stats: Stats,
}

impl Bucket {
    /// A full bucket of `burst` tokens, refilled by `rate` a second.
    pub(super) fn new(rate: f64, burst: u32, now_ms: i64) -> Self {
        let burst = f64::from(burst);
        Self {
            rate,
            burst,
            tokens: burst,
            filled_at_ms: now_ms,
            recent: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Counts a request; false if it must be refused.
    pub(super) fn take(&mut self, now_ms: i64) -> bool {
        self.stats.requests += 1;
        self.recent.push_back(now_ms);
        while self.recent.front().is_some_and(|first| now_ms - first >= 1000) {
            self.recent.pop_front();
        }
        self.stats.peak_per_second = self.stats.peak_per_second.max(self.recent.len());
        // A clock that was set back refills nothing.
        let passed = (now_ms - self.filled_at_ms).max(0) as f64 / 1000.0;
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.filled_at_ms = now_ms;
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

    #[test]
    fn a_burst_empties_it_and_each_tenth_of_a_second_gives_one_back() {
        let mut bucket = Bucket::new(10.0, 20, 0);
        assert_eq!((0..25).filter(|_| bucket.take(0)).count(), 20);
        assert!(!bucket.take(99));
        assert!(bucket.take(100));
        assert!(!bucket.take(150));
        assert_eq!(bucket.stats.violations, 7);
        assert_eq!(bucket.stats.peak_per_second, 28);
    }

    #[test]
    fn over_any_span_no_more_than_burst_plus_refill_pass() {
        let mut bucket = Bucket::new(10.0, 20, 0);
        let passed = (0..60_000).filter(|ms| bucket.take(*ms)).count();
        assert!((619..=620).contains(&passed), "{passed}");
    }
}

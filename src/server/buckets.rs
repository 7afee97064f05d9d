//! How often somebody may do something, for strangers without number in memory without growth.
//!
//! Whoever is counted shares a fixed number of buckets by a hash that nobody outside can foresee:
//! whatever strangers send, the memory stays the same. That one in 65,536 may share a bucket with
//! somebody who is being attacked, or who attacks, is nothing.

use std::hash::{BuildHasher, Hash, RandomState};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Buckets, each with the same quota.
pub(super) struct Buckets<C: Clock = DefaultClock> {
    hasher: RandomState,
    limiter: RateLimiter<u16, HashMapStateStore<u16>, C, NoOpMiddleware<C::Instant>>,
}

/// It was too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    /// After how many seconds the next one may pass.
    pub(super) seconds: u64,
}

impl Buckets {
    pub(super) fn new(quota: Quota) -> Self {
        Self::by(quota, DefaultClock::default())
    }
}

impl<C: Clock> Buckets<C> {
    pub(super) fn by(quota: Quota, clock: C) -> Self {
        Self { hasher: RandomState::new(), limiter: RateLimiter::hashmap_with_clock(quota, clock) }
    }

    /// Counts one of `key`'s.
    pub(super) fn passes(&self, key: impl Hash) -> Result<(), TooMany> {
        // The lowest bits are as good as any.
        #[expect(clippy::cast_possible_truncation, reason = "a bucket's number")]
        let bucket = self.hasher.hash_one(key) as u16;
        self.limiter.check_key(&bucket).map_err(|until| {
            let wait = until.wait_time_from(self.limiter.clock().now());
            TooMany { seconds: wait.as_secs() + 1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn who_waits_as_long_as_was_said_passes() {
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_period(Duration::from_secs(5)).unwrap().allow_burst(NonZeroU32::MIN);
        let buckets = Buckets::by(quota, clock.clone());
        assert_eq!(buckets.passes("one"), Ok(()));
        let TooMany { seconds } = buckets.passes("one").unwrap_err();
        assert!((5..=6).contains(&seconds), "{seconds}");
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(buckets.passes("one"), Ok(()));
    }

    #[test]
    fn strangers_without_number_take_no_more_memory() {
        let quota = Quota::per_second(NonZeroU32::MIN);
        let buckets = Buckets::by(quota, FakeRelativeClock::default());
        for stranger in 0..200_000 {
            let _ = buckets.passes(stranger);
        }
        assert!(buckets.limiter.len() <= 1 << 16, "{}", buckets.limiter.len());
    }
}

//! The one place where time becomes ticks.

use jiff::Timestamp;

/// A tenth of a second: a filing may be late by one second at most, and nobody waits for less.
const NANOSECONDS: u128 = 100_000_000;

/// A point in time as the wheel counts it: tenths of seconds since 1970.
///
/// A deadline is rounded up and the clock down, so that nothing fires early; it fires less than
/// one tick late. Times before 1970 are tick 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The n-th tick.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Which one it is.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The first tick at which this deadline has passed.
    pub fn of_deadline(at: Timestamp) -> Self {
        Self::whole(since_1970(at).div_ceil(NANOSECONDS))
    }

    /// The last tick that a clock which shows `now` has reached.
    pub fn of_clock(now: Timestamp) -> Self {
        Self::whole(since_1970(now) / NANOSECONDS)
    }

    /// When it begins, for whoever sleeps until then.
    pub fn begins(self) -> Timestamp {
        let nanoseconds = i128::from(self.0) * NANOSECONDS as i128;
        Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
    }

    fn whole(ticks: u128) -> Self {
        Self(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}

fn since_1970(at: Timestamp) -> u128 {
    u128::try_from(at.as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_far_away_end_with_the_calendar() {
        assert_eq!(Tick::new(u64::MAX).begins(), Timestamp::MAX);
        assert_eq!(Tick::of_deadline(Timestamp::MIN), Tick::new(0));
        assert!(Tick::of_deadline(Timestamp::MAX) > Tick::of_clock(Timestamp::MAX));
    }

    proptest! {
        #[test]
        fn nothing_is_early_nor_late_by_a_whole_tick(ns in 0i64..i64::MAX) {
            let at = Timestamp::from_nanosecond(i128::from(ns)).unwrap();
            let fires = Tick::of_deadline(at).begins();
            prop_assert!(fires >= at);
            prop_assert!(fires.as_nanosecond() - at.as_nanosecond() < 100_000_000);
            prop_assert!(Tick::of_clock(at).begins() <= at);
            prop_assert_eq!(Tick::of_clock(fires), Tick::of_deadline(at));
        }
    }
}

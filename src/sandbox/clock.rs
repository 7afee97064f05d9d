//! The simulated remotes' own clock.
//!
//! Real time, plus an offset, times a speed: a story can run an hour in a minute and a test can jump past a
//! deadline. It belongs to the remotes only; the daemon under test has a clock of its own, which is the
//! point: the two may disagree, as in life.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that may be moved and sped up. Clones share it.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<Anchor>>);

/// At `real` the clock showed `shown_ms`; since then it has run `speed` times as fast.
#[derive(Debug)]
struct Anchor {
    real: Instant,
    shown_ms: f64,
    speed: f64,
}

impl Default for SimClock {
    /// Starts at the machine's time, at its speed.
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Mutex::new(Anchor {
            real: Instant::now(),
            shown_ms: since_epoch.as_secs_f64() * 1000.0,
            speed: 1.0,
        })))
    }
}

impl SimClock {
    /// The time shown, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.with(|anchor| anchor.shown_ms as i64)
    }

    /// Jumps by `ms`, backwards if negative.
    pub fn advance(&self, ms: i64) {
        self.with(|anchor| anchor.shown_ms += ms as f64);
    }

    /// Jumps to `ms` since the epoch.
    pub fn set(&self, ms: i64) {
        self.with(|anchor| anchor.shown_ms = ms as f64);
    }

    /// From now on `speed` simulated seconds pass in each real one.
    pub fn set_speed(&self, speed: f64) {
        self.with(|anchor| anchor.speed = speed);
    }

    /// Brings the anchor up to the present, then reads or moves it.
    fn with<T>(&self, act: impl FnOnce(&mut Anchor) -> T) -> T {
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        anchor.shown_ms += now.duration_since(anchor.real).as_secs_f64() * 1000.0 * anchor.speed;
        anchor.real = now;
        act(&mut anchor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_every_clone() {
        let clock = SimClock::default();
        let clone = clock.clone();
        let before = clock.now_ms();
        clone.advance(3_600_000);
        assert!(clock.now_ms() - before >= 3_600_000);
    }

    #[test]
    fn a_stopped_clock_stays_where_it_was_set() {
        let clock = SimClock::default();
        clock.set_speed(0.0);
        clock.set(1_735_689_600_123);
        assert_eq!(clock.now_ms(), 1_735_689_600_123);
    }
}

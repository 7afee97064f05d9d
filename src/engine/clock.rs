//! Where time and chance come from: read once, at the edge, and passed down as a [`Moment`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What tells the time of day.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's.
    System,
    /// One that stands until it is moved: milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
    /// The system's and so many milliseconds: one can have an hour pass and watch what follows.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// The system's, until it is moved.
    pub fn shifted() -> Self {
        Self::Shifted(Arc::default())
    }

    /// The time, to the millisecond: what is stored has no finer one.
    pub fn now(&self) -> Timestamp {
        let ms = match self {
            Self::System => system_ms(),
            Self::Manual(ms) => ms.load(Ordering::SeqCst),
            Self::Shifted(by) => system_ms().saturating_add(by.load(Ordering::SeqCst)),
        };
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }

    /// Moves a clock of ours; the system's stays.
    pub fn set(&self, to: Timestamp) {
        match self {
            Self::System => {}
            Self::Manual(ms) => ms.store(to.as_millisecond(), Ordering::SeqCst),
            Self::Shifted(by) => by.store(to.as_millisecond() - system_ms(), Ordering::SeqCst),
        }
    }

    /// Now, with fresh randomness.
    pub fn moment(&self) -> Moment {
        Moment::new(self.now(), rand::random())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the system's time is read")]
fn system_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The time at which a change is decided, and the chance that it may use.
#[derive(Debug)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    random: SmallRng,
}

impl Moment {
    /// A moment whose chance follows from `seed`.
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self { now, random: SmallRng::seed_from_u64(seed) }
    }

    /// The random part of a new id.
    pub fn id_bits(&mut self) -> [u8; 10] {
        self.random.random()
    }

    /// What nobody can guess, for links that act for whoever holds them: not from the seed.
    pub fn secret(&self) -> [u8; 16] {
        rand::random()
    }

    /// A number in [0, 1), to spread retries.
    pub fn jitter(&mut self) -> f64 {
        self.random.random()
    }
}

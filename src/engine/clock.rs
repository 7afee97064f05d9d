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
    /// Ids that were made.
    ids: u16,
}

impl Moment {
    /// A moment whose chance follows from `seed`.
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self { now, random: SmallRng::seed_from_u64(seed), ids: 0 }
    }

    /// The random part of a new id. It begins with a counter of twelve bits, so that of two ids for one
    /// millisecond the later stands behind (RFC 9562, 6.2, method 1): an answer of ours behind what it answers.
    pub fn id_bits(&mut self) -> [u8; 10] {
        const MOST: u16 = 0xfff;
        let mut bits: [u8; 10] = self.random.random();
        bits[..2].copy_from_slice(&self.ids.to_be_bytes());
        self.ids = (self.ids + 1).min(MOST);
        bits
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

#[cfg(test)]
mod tests {
    use fulcrum_domain::MessageId;

    use super::*;

    /// The note once had "You will get no more texts" above the STOP that it answers, whenever both came in one
    /// millisecond and chance had it so.
    #[test]
    fn of_two_ids_of_one_moment_the_later_stands_behind() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let ids = |seed| {
            let mut moment = Moment::new(now, seed);
            (0..300).map(|_| MessageId::new(now, &moment.id_bits())).collect::<Vec<_>>()
        };
        let (one, other) = (ids(1), ids(2));
        assert!(one.is_sorted() && other.is_sorted());
        assert!(one.iter().all(|id| !other.contains(id)), "another change has others");
    }
}

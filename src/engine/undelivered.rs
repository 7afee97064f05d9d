//! What a text that was taken and did not arrive says of our account at the carrier.
//!
//! A carrier may take every text with a good answer and say only later, text by text, that none of them
//! leaves (carriers.md 1.3). So what is learned from answers is learned from reports as well: nothing more is
//! handed over for a while, a bulk text waits for a person, and health tells. What health says of it stays
//! until a text has arrived: that others are taken proves nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fulcrum_domain::{Delivery, Number, SendFailure};
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::health::HealthStatus;

/// What health says of the carrier is kept apart for these.
const DELIVERY: &str = "delivery";
const FILTERED: &str = "filtered";

/// How long what nobody wrote rests at a number that has sent as many texts as the carrier takes in a day.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// The end of a text, as a report told it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Which.
    pub(crate) delivery: Delivery,
    /// Why it is no better.
    pub(crate) failure: Option<SendFailure>,
    /// Our number, which it left from.
    pub(crate) from: Number,
}

/// Until when which of our numbers send nothing that nobody wrote. A start forgets it, and learns it anew
/// from the next text.
#[derive(Debug, Default)]
pub(crate) struct Capped(Mutex<BTreeMap<Number, Timestamp>>);

impl Capped {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Number, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, number: Number, until: Timestamp) {
        self.lock().insert(number, until);
    }

    /// Those that rest now.
    pub(crate) fn at(&self, now: Timestamp) -> BTreeMap<Number, Timestamp> {
        let mut numbers = self.lock();
        numbers.retain(|_, until| *until > now);
        numbers.clone()
    }
}

impl Engine {
    /// A report told the end of a text.
    pub(super) fn note_end(&self, end: End) {
        let now = self.clock.now();
        if end.delivery == Delivery::Delivered {
            self.notices.well("carrier", DELIVERY, now);
            return self.notices.well("carrier", FILTERED, now);
        }
        let (about, status, what) = match end.failure {
            Some(SendFailure::Config) => {
                self.pause_sending();
                (
                    DELIVERY,
                    HealthStatus::Failing,
                    "the carrier takes texts and does not deliver them, since the account is not in order: \
                     check registration and numbers, then send again what failed",
                )
            }
            Some(SendFailure::Filtered) => (
                FILTERED,
                HealthStatus::Degraded,
                "texts are taken for spam: look at the words and the registration of those that failed",
            ),
            Some(SendFailure::DailyCap) => {
                return self.capped.rest(end.from, now.saturating_add(A_DAY).unwrap_or(Timestamp::MAX));
            }
            _ => return,
        };
        if self.notices.trouble("carrier", about, status, what.to_owned(), now) {
            tracing::warn!("carrier: {what}");
        }
    }

    /// What health says of numbers that have sent all that they may today.
    pub(super) fn capped_in_words(&self, now: Timestamp) -> Option<String> {
        let until = self.capped.at(now).into_values().max()?;
        Some(format!(
            "the carrier takes no more texts of one of our numbers today: automatic and bulk texts from it wait \
             until {until:.0}"
        ))
    }
}

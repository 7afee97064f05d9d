//! What a text that was taken and did not arrive says of our account at the carrier.
//!
//! A carrier may take every text with a good answer and say only later, text by text, that none of them
//! leaves (carriers.md 1.3). So what is learned from answers is learned from reports as well: nothing more is
//! handed over for a while, a bulk text waits for a person, and health tells. What health says of it stays
//! until a text has arrived: that others are taken proves nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fulcrum_domain::{Delivery, Effect, Message, MessageId, Number, SendFailure};
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::changes::{self, Report, Rules};
use super::clock::Moment;
use super::health::{HealthStatus, Part};
use crate::store::{StoreError, Tx};

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

/// Takes in what the carrier says of a text that it has taken, and what that teaches of a bulk text. Whether it is
/// known, and its end, if this is that.
pub(super) fn report(
    tx: &mut Tx<'_>,
    id: MessageId,
    news: Report,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(bool, Option<End>), StoreError> {
    let before = changes::message(tx, id)?.is_none_or(|text| text.delivery.is_final());
    let known = changes::report(tx, id, news, rules, moment)?;
    let text = changes::message(tx, id)?.filter(|text| !before && text.delivery.is_final());
    let Some(text) = text else { return Ok((known, None)) };
    changes::pause_refused_bulk(tx, &text, rules, moment)?;
    let Message { delivery, failure, our_number: from, .. } = text;
    Ok((known, Some(End { delivery, failure, from })))
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
    /// A text whose answer was lost was found at the carrier, as it stands there. Its effect is done.
    pub(super) async fn adopt(&self, id: MessageId, news: Report) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let end = self
            .store
            .change(move |tx| {
                let (_, end) = report(tx, id, news, &settings.rules, &mut moment)?;
                changes::finish(tx, &Effect::Send(id), moment.now)?;
                Ok::<_, StoreError>(end)
            })
            .await?;
        if let Some(end) = end {
            self.note_end(end);
        }
        Ok(())
    }

    /// A report told the end of a text.
    pub(super) fn note_end(&self, end: End) {
        let now = self.clock.now();
        if end.delivery == Delivery::Delivered {
            self.notices.well(Part::Carrier, DELIVERY, now);
            return self.notices.well(Part::Carrier, FILTERED, now);
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
                self.rest_number(end.from, now);
                return;
            }
            _ => return,
        };
        if self.notices.trouble(Part::Carrier, about, status, what.to_owned(), now) {
            tracing::warn!("carrier: {what}");
        }
    }

    /// One of our numbers has sent all that it may today: until when what nobody wrote waits there.
    pub(super) fn rest_number(&self, number: Number, now: Timestamp) -> Timestamp {
        let until = now.saturating_add(A_DAY).unwrap_or(Timestamp::MAX);
        self.capped.rest(number, until);
        until
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

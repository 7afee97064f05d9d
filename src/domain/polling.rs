//! When a carrier is asked, and for what, where no webhook has told (carriers.md 1.8): what came in, and
//! what became of texts.
//!
//! Its list is asked for by day and is not promised to be up to date at once, so each look reaches back
//! behind the one before; what was seen is known by its name. What becomes of a text is asked ever more
//! rarely: most ends come within a minute, some never (1.4).

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// The list is asked for by day, and days end at different times everywhere.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// How far back a new installation looks.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(24);

/// After so long nobody asks any more what became of a text.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(72);

/// A look may take so long before it counts as late: there are pages, and slow answers.
const GRACE: SignedDuration = SignedDuration::from_mins(2);

/// From which day on (UTC, inclusive) the carrier's list is read, by the last look that saw all of it.
#[must_use]
pub fn look_from(looked: Option<Timestamp>, now: Timestamp) -> Date {
    let since = looked.map_or_else(|| now.saturating_sub(FIRST_LOOK), |at| at.saturating_sub(OVERLAP));
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(since).date()
}

/// Whether texts that are polled for every `every` have not been for too long.
#[must_use]
pub fn is_late(polled: Timestamp, every: SignedDuration, now: Timestamp) -> bool {
    let patience = every.saturating_mul(3).saturating_add(GRACE);
    now.duration_since(polled) > patience
}

/// What to do about a text whose end nobody has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is too early to ask, or to ask once more.
    Wait,
    /// Ask the carrier.
    Ask,
    /// Its end will not be known any more.
    GiveUp,
}

/// Whether the carrier is asked what became of a text that was handed over at `sent` and last `heard` of
/// then. The first time after `first`; then the pauses grow by half of the text's age.
#[must_use]
pub fn receipt(sent: Timestamp, heard: Timestamp, first: SignedDuration, now: Timestamp) -> Receipt {
    let pause = first.max(heard.duration_since(sent) / 2);
    if now.duration_since(heard) <= pause {
        Receipt::Wait
    } else if now.duration_since(sent) <= GIVE_UP {
        Receipt::Ask
    } else {
        Receipt::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_look_reaches_back_behind_the_last_one_however_long_that_is_ago() {
        let now = at("2026-11-24T00:30:00Z");
        assert_eq!(look_from(None, now).to_string(), "2026-11-23");
        assert_eq!(look_from(Some(now), now).to_string(), "2026-11-23");
        assert_eq!(look_from(Some(at("2026-10-01T12:00:00Z")), now).to_string(), "2026-09-30");
        assert_eq!(look_from(Some(Timestamp::MIN), now), Date::constant(1970, 1, 1));
    }

    #[test]
    fn three_looks_and_a_while_may_be_missed() {
        let every = SignedDuration::from_secs(20);
        assert!(!is_late(second(0), every, second(180)));
        assert!(is_late(second(0), every, second(181)));
        assert!(!is_late(second(9), every, second(0)), "a clock that went back is no trouble");
        assert!(!is_late(second(0), SignedDuration::MAX, second(1_000_000)));
    }

    #[test]
    fn a_text_is_asked_for_ever_more_rarely_and_then_no_more() {
        let first = SignedDuration::from_secs(20);
        let mut asked = Vec::new();
        let mut heard = 0;
        for now in 0..GIVE_UP.as_secs() + 1_000_000 {
            match receipt(second(0), second(heard), first, second(now)) {
                Receipt::Wait => {}
                Receipt::Ask => {
                    asked.push(now);
                    heard = now;
                }
                Receipt::GiveUp => break,
            }
        }
        assert_eq!(asked[..5], [21, 42, 64, 97, 146]);
        assert!(asked.len() < 30, "{asked:?}");
        assert!(*asked.last().unwrap() > GIVE_UP.as_secs() / 2);
    }

    proptest! {
        #[test]
        fn whatever_the_clocks_say_it_is_decided(a in any::<i32>(), b in any::<i32>(), c in any::<i32>(), d in 0..i64::MAX) {
            let first = SignedDuration::from_secs(d);
            let asked = receipt(second(a.into()), second(b.into()), first, second(c.into()));
            if asked == Receipt::Ask {
                prop_assert!(c > b);
            }
            let _ = is_late(second(a.into()), first, second(b.into()));
        }
    }
}

//! Numbers and times as people read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// A moment as clocks in a zone show it.
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> ZonedDateTime {
    at.to_zoned_datetime(zone.clone())
}

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut words = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

/// A word of the API's as people say it.
pub(super) fn spoken(word: &str) -> String {
    word.replace('-', " ")
}

/// How long something takes, in the largest two units or fewer.
pub(super) fn lasting(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds.div_ceil(60)),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long ago something was.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0) {
        0..2 => "just now".to_owned(),
        seconds => format!("{} ago", lasting(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_lasts_is_told_in_at_most_two_units() {
        assert_eq!([5, 61, 7_260, 200_000].map(lasting), ["5 s", "2 min", "2 h 1 min", "2 d 7 h"]);
        let at = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(ago(at(10), at(10)), "just now");
        assert_eq!(ago(at(10), at(9)), "just now");
        assert_eq!(ago(at(10), at(30)), "20 s ago");
    }
}

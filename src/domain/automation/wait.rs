//! How long an automation waits, and when that is over (behaviour.md 3, "Wait").
//!
//! Days are those of the recipient's calendar. A time that their clock passes over moves to the first that
//! it shows again; one that it shows twice is the first. Where the number allows several zones, the latest
//! moment counts: too early would be wrong for somebody.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::zones::Zones;

/// Office hours, for waits that count them: from Monday to Friday in the recipient's zone.
const OFFICE: (Time, Time) = (Time::constant(9, 0, 0, 0), Time::constant(17, 0, 0, 0));
/// Nobody waits for longer.
const MOST_DAYS: u32 = 365;

/// How long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    None,
    /// Minutes and hours, by a stop-watch.
    Time(SignedDuration),
    /// So many days, at the same time of day.
    Days(u32),
    /// So many hours of those from nine to five on weekdays.
    OfficeHours(u32),
    /// So many weekdays, at the same time of day.
    OfficeDays(u32),
    /// At a time of day, so many days later.
    At(Time, u32),
    /// So long before the interview begins.
    Before(SignedDuration),
    /// So long after it ends.
    After(SignedDuration),
}

/// No wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a wait, such as \"10m\", \"2h\", \"3d\", \"4 business hours\", \"2 business days\", \
     \"at 09:00\", \"at 09:00, 2d later\", \"24h before interview\" or \"1h after interview\""
)]
pub struct NotAWait;

impl FromStr for Wait {
    type Err = NotAWait;

    fn from_str(text: &str) -> Result<Self, NotAWait> {
        let text = text.trim();
        if text.is_empty() || text == "none" {
            return Ok(Self::None);
        }
        if let Some(number) = text.strip_suffix(" business hours").or(text.strip_suffix(" business hour")) {
            return count(number, MOST_DAYS * 8).map(Self::OfficeHours);
        }
        if let Some(number) = text.strip_suffix(" business days").or(text.strip_suffix(" business day")) {
            return count(number, MOST_DAYS).map(Self::OfficeDays);
        }
        if let Some(span) = text.strip_suffix(" before interview") {
            return span_of(span).map(Self::Before);
        }
        if let Some(span) = text.strip_suffix(" after interview") {
            return span_of(span).map(Self::After);
        }
        if let Some(rest) = text.strip_prefix("at ") {
            let (time, days) = match rest.split_once(',') {
                None => (rest, 0),
                Some((time, later)) => {
                    let days = later.trim().strip_suffix(" later").and_then(|days| days.strip_suffix('d'));
                    (time, count(days.ok_or(NotAWait)?, MOST_DAYS)?)
                }
            };
            let time = (time.len() == 5).then(|| format!("{time}:00").parse().ok()).flatten();
            return Ok(Self::At(time.ok_or(NotAWait)?, days));
        }
        match text.strip_suffix('d') {
            Some(days) => count(days, MOST_DAYS).map(Self::Days),
            None => span_of(text).map(Self::Time),
        }
    }
}

fn count(text: &str, most: u32) -> Result<u32, NotAWait> {
    text.trim().parse().ok().filter(|number| (1..=most).contains(number)).ok_or(NotAWait)
}

/// A time of minutes, hours and days of 24 hours.
fn span_of(text: &str) -> Result<SignedDuration, NotAWait> {
    let longest = SignedDuration::from_hours(24 * i64::from(MOST_DAYS));
    let span = match text.strip_suffix('d') {
        Some(days) => SignedDuration::from_hours(24 * i64::from(count(days, MOST_DAYS)?)),
        None => text.parse().map_err(|_| NotAWait)?,
    };
    if span.is_positive() && span <= longest { Ok(span) } else { Err(NotAWait) }
}

impl Wait {
    /// Whether it is counted from an interview.
    pub fn is_by_interview(self) -> bool {
        matches!(self, Self::Before(_) | Self::After(_))
    }

    /// When it is over, for something that happened at `from`; `interview` is the start and the end of the
    /// interview that it is about. None where there is no such moment.
    pub fn due(
        self,
        from: Timestamp,
        interview: Option<(Timestamp, Timestamp)>,
        zones: &Zones,
        fallback: &TimeZone,
    ) -> Option<Timestamp> {
        match self {
            Self::None => Some(from),
            Self::Time(span) => from.checked_add(span).ok(),
            Self::Before(span) => interview.and_then(|(start, _)| start.checked_sub(span).ok()),
            Self::After(span) => interview.and_then(|(_, end)| end.checked_add(span).ok()),
            Self::Days(_) | Self::OfficeHours(_) | Self::OfficeDays(_) | Self::At(..) => {
                let each =
                    zones.or(fallback).iter().map(|zone| self.due_in(from, zone)).collect::<Option<Vec<_>>>();
                each?.into_iter().max()
            }
        }
    }

    /// When it is over by the clock of one zone.
    fn due_in(self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let clock = zone.to_datetime(from);
        match self {
            Self::Days(days) => moment(zone, later(clock.date(), days)?.to_datetime(clock.time())),
            Self::OfficeDays(days) => {
                let mut date = clock.date();
                for _ in 0..days {
                    date = next_weekday(date)?;
                }
                moment(zone, date.to_datetime(clock.time()))
            }
            Self::At(time, days) => {
                let date = later(clock.date(), days)?;
                let at = moment(zone, date.to_datetime(time))?;
                if at >= from { Some(at) } else { moment(zone, later(date, 1)?.to_datetime(time)) }
            }
            Self::OfficeHours(hours) => office_hours(from, hours, zone),
            _ => None,
        }
    }
}

fn office_hours(from: Timestamp, hours: u32, zone: &TimeZone) -> Option<Timestamp> {
    let mut left = SignedDuration::from_hours(i64::from(hours));
    let mut date = zone.to_datetime(from).date();
    if is_weekend(date) {
        date = next_weekday(date)?;
    }
    loop {
        let open = moment(zone, date.to_datetime(OFFICE.0))?.max(from);
        let close = moment(zone, date.to_datetime(OFFICE.1))?;
        let there = close.duration_since(open).max(SignedDuration::ZERO);
        if left <= there {
            return open.checked_add(left).ok();
        }
        left -= there;
        date = next_weekday(date)?;
    }
}

fn later(date: Date, days: u32) -> Option<Date> {
    date.checked_add(i32::try_from(days).ok()?.days()).ok()
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn next_weekday(date: Date) -> Option<Date> {
    let mut next = date.tomorrow().ok()?;
    while is_weekend(next) {
        next = next.tomorrow().ok()?;
    }
    Some(next)
}

/// The moment at which a zone's clock first shows a time, or the first moment after it that it shows.
fn moment(zone: &TimeZone, clock: DateTime) -> Option<Timestamp> {
    let read = zone.to_ambiguous_timestamp(clock);
    let skipped = matches!(read.offset(), AmbiguousOffset::Gap { .. });
    let earlier = read.earlier().ok()?;
    // By the offset that holds after the gap, a time within it lies before it.
    if skipped { zone.following(earlier).next().map(|jump| jump.timestamp()) } else { Some(earlier) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(wait: &str, from: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let wait: Wait = wait.parse().unwrap();
        wait.due(from.parse().unwrap(), None, &Zones::one(zone), &TimeZone::UTC).unwrap().to_string()
    }

    #[test]
    fn a_wait_is_read_as_it_is_written() {
        for (text, wait) in [
            ("", Wait::None),
            ("none", Wait::None),
            ("90m", Wait::Time(SignedDuration::from_mins(90))),
            ("2h 30m", Wait::Time(SignedDuration::from_mins(150))),
            ("3d", Wait::Days(3)),
            ("1 business hour", Wait::OfficeHours(1)),
            ("2 business days", Wait::OfficeDays(2)),
            ("at 09:30", Wait::At(Time::constant(9, 30, 0, 0), 0)),
            ("at 09:00, 2d later", Wait::At(Time::constant(9, 0, 0, 0), 2)),
            ("2d before interview", Wait::Before(SignedDuration::from_hours(48))),
            ("1h after interview", Wait::After(SignedDuration::from_hours(1))),
        ] {
            assert_eq!(text.parse(), Ok(wait), "{text}");
        }
        for text in
            ["soon", "-1h", "0d", "at 9", "at 25:00", "at 09:00, later", "3 business weeks", "400d", "h"]
        {
            assert_eq!(text.parse::<Wait>(), Err(NotAWait), "{text}");
        }
    }

    #[test]
    fn days_are_those_of_the_recipients_calendar() {
        // The night of 9 March 2025 has 23 hours in New York.
        assert_eq!(due("1d", "2025-03-08T17:00:00Z", "America/New_York"), "2025-03-09T16:00:00Z");
        assert_eq!(due("24h", "2025-03-08T17:00:00Z", "America/New_York"), "2025-03-09T17:00:00Z");
        assert_eq!(due("at 09:00", "2025-03-08T17:00:00Z", "America/New_York"), "2025-03-09T13:00:00Z");
        assert_eq!(
            due("at 09:00, 2d later", "2025-03-05T03:00:00Z", "America/New_York"),
            "2025-03-06T14:00:00Z"
        );
    }

    #[test]
    fn a_time_that_does_not_exist_moves_to_the_next_that_does_and_a_repeated_one_is_the_first() {
        assert_eq!(due("at 02:30", "2025-03-09T05:30:00Z", "America/New_York"), "2025-03-09T07:00:00Z");
        assert_eq!(due("at 01:30", "2025-11-02T04:30:00Z", "America/New_York"), "2025-11-02T05:30:00Z");
    }

    #[test]
    fn office_time_passes_on_weekdays_from_nine_to_five() {
        // A Friday, three in the afternoon.
        let friday = "2025-03-07T20:00:00Z";
        assert_eq!(due("2 business hours", friday, "America/New_York"), "2025-03-07T22:00:00Z");
        assert_eq!(due("3 business hours", friday, "America/New_York"), "2025-03-10T14:00:00Z");
        assert_eq!(due("1 business day", friday, "America/New_York"), "2025-03-10T19:00:00Z");
        assert_eq!(
            due("1 business hour", "2025-03-08T20:00:00Z", "America/New_York"),
            "2025-03-10T14:00:00Z"
        );
    }

    #[test]
    fn of_several_zones_the_latest_counts() {
        let number = crate::Number::from_e164("+18125550142").unwrap();
        let wait: Wait = "at 09:00".parse().unwrap();
        let due = wait.due(
            "2025-03-04T05:30:00Z".parse().unwrap(),
            None,
            &crate::zones::of(number),
            &TimeZone::UTC,
        );
        // In Chicago it is still the third, half past eleven at night.
        assert_eq!(due.unwrap().to_string(), "2025-03-04T15:00:00Z");
    }

    #[test]
    fn a_wait_by_an_interview_moves_with_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let meeting = Some((at(100_000), at(101_800)));
        let due = |wait: &str, meeting| {
            let wait: Wait = wait.parse().unwrap();
            wait.due(at(0), meeting, &Zones::unknown(), &TimeZone::UTC)
        };
        assert_eq!(due("24h before interview", meeting), Some(at(13_600)));
        assert_eq!(due("1h after interview", meeting), Some(at(105_400)));
        assert_eq!(due("1h after interview", None), None);
    }

    const ZONES: [&str; 6] = [
        "America/New_York",
        "Europe/London",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "America/Santiago",
    ];

    proptest! {
        #[test]
        fn no_wait_ends_before_it_began(
            from in 1_200_000_000i64..2_000_000_000,
            zone in 0..ZONES.len(),
            (hour, minute, days) in (0..24i8, 0..60i8, 0..40u32),
            count in 1..60u32,
        ) {
            let zone = TimeZone::get(ZONES[zone]).unwrap();
            let from = Timestamp::from_second(from).unwrap();
            let time = Time::constant(hour, minute, 0, 0);
            let waits = [Wait::At(time, days), Wait::Days(count), Wait::OfficeDays(count), Wait::OfficeHours(count)];
            for wait in waits {
                let due = wait.due(from, None, &Zones::one(zone.clone()), &TimeZone::UTC).unwrap();
                prop_assert!(due >= from, "{wait:?}");
                if let Wait::At(time, days) = wait {
                    let clock = zone.to_datetime(due);
                    // The time itself, or what the clock jumped to over it.
                    let before = zone.to_datetime(due - SignedDuration::from_millis(1));
                    prop_assert!(clock.time() == time || (before.time() < time && clock.time() > time)
                        || clock.date() > before.date());
                    let last = zone.to_datetime(from).date().checked_add(i64::from(days + 2).days()).unwrap();
                    prop_assert!(clock.date() <= last);
                }
                if let Wait::OfficeHours(_) = wait {
                    let clock = zone.to_datetime(due);
                    prop_assert!(!is_weekend(clock.date()));
                    prop_assert!(OFFICE.0 <= clock.time() && clock.time() <= OFFICE.1);
                }
            }
        }
    }
}

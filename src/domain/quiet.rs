//! Quiet hours: whether a text may start now, and when the next one may (behaviour.md 2, "Quiet hours").
//!
//! A window for each weekday, in the recipient's zone. Where several zones are possible, a moment is open
//! only if it is open in all of them. The last five minutes of a window are closed already: a text that
//! is handed over then may arrive after it.
//!
//! The rule itself ([`is_open`](Hours::is_open)) only reads clocks. When it opens next is not computed
//! but looked for: among the few moments at which any zone's clock can come into a window, the first that
//! the rule lets pass. So no arithmetic on a night of clock change can promise a wrong one.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::zones::Zones;

/// Minutes before its end in which a window is closed already.
const MARGIN: u16 = 5;
/// How many days ahead an opening is looked for: a week in which some are off, and a night of clock change.
const DAYS_AHEAD: i32 = 9;
const DAY_MINUTES: u16 = 24 * 60;

/// When texts may start on one day: from `open` to five minutes before `close`, in minutes of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    open: u16,
    close: u16,
}

/// No window of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a window of a day, such as \"08:00-20:00\"")]
pub struct NotAWindow;

impl FromStr for Window {
    type Err = NotAWindow;

    /// Reads `08:00-20:00`; `24:00` is the end of the day. It must be longer than its own margin.
    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let (open, close) = text.split_once('-').ok_or(NotAWindow)?;
        let (open, close) = (minute_of_day(open)?, minute_of_day(close)?);
        if open + MARGIN < close { Ok(Self { open, close }) } else { Err(NotAWindow) }
    }
}

impl fmt::Display for Window {
    /// As the run log names it: `08-20`, `08:30-20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |minute: u16| match (minute / 60, minute % 60) {
            (hour, 0) => format!("{hour:02}"),
            (hour, minute) => format!("{hour:02}:{minute:02}"),
        };
        write!(f, "{}-{}", told(self.open), told(self.close))
    }
}

fn minute_of_day(text: &str) -> Result<u16, NotAWindow> {
    let (hour, minute) = text.trim().split_once(':').ok_or(NotAWindow)?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| plain).ok_or(NotAWindow)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let whole = hour * 60 + minute;
    if minute < 60 && whole <= DAY_MINUTES { Ok(whole) } else { Err(NotAWindow) }
}

fn time_of(minute: u16) -> Time {
    let part = |minutes: u16| i8::try_from(minutes).unwrap_or(0);
    Time::constant(part(minute / 60), part(minute % 60), 0, 0)
}

impl Window {
    const WHOLE_DAY: Self = Self { open: 0, close: DAY_MINUTES };

    /// Whether `time` is inside, but for the last `margin` minutes.
    fn holds(self, time: Time, margin: u16) -> bool {
        let [hour, minute] = [time.hour(), time.minute()].map(|part| u16::from(part.unsigned_abs()));
        (self.open..self.close - margin).contains(&(hour * 60 + minute))
    }

    /// The part that both have, unless it is no longer than the margin.
    fn within(self, other: Self) -> Option<Self> {
        let both = Self { open: self.open.max(other.open), close: self.close.min(other.close) };
        (both.open + MARGIN < both.close).then_some(both)
    }

    fn opens_at(self) -> Time {
        time_of(self.open)
    }

    /// When it ends on `date`: at midnight, that is on the next.
    fn closes_on(self, date: Date) -> Option<DateTime> {
        match self.close {
            DAY_MINUTES => Some(date.tomorrow().ok()?.to_datetime(Time::midnight())),
            close => Some(date.to_datetime(time_of(close))),
        }
    }
}

/// A window for each day of the week; none on a day that is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Monday first.
    windows: [Option<Window>; 7],
}

impl Default for Hours {
    /// From eight to eight on each day.
    fn default() -> Self {
        Self::new([Some(Window { open: 8 * 60, close: 20 * 60 }); 7])
    }
}

/// Whether a text may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Open,
    /// Not now.
    Closed {
        /// When it may; none where no moment suits all possible zones.
        opens: Option<Timestamp>,
    },
}

impl Hours {
    /// The windows from Monday to Sunday.
    pub const fn new(windows: [Option<Window>; 7]) -> Self {
        Self { windows }
    }

    /// No quiet hours at all.
    pub const fn always() -> Self {
        Self::new([Some(Window::WHOLE_DAY); 7])
    }

    /// Whether there are no quiet hours: then no window ends, and none has last minutes.
    fn is_always(&self) -> bool {
        *self == Self::always()
    }

    /// What is open here and there.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let mut windows = self.windows;
        for (window, other) in windows.iter_mut().zip(other.windows) {
            *window = window.zip(other).and_then(|(one, other)| one.within(other));
        }
        Self { windows }
    }

    fn on(&self, day: Weekday) -> Option<Window> {
        self.windows[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    /// The window of the day that it is at `at`, in the first possible zone or in `fallback`; none on a day that
    /// is off.
    pub fn on_the_day(&self, zones: &Zones, fallback: &TimeZone, at: Timestamp) -> Option<Window> {
        let known = zones.or(fallback);
        let zone = known.iter().next()?;
        self.on(zone.to_datetime(at).date().weekday())
    }

    /// Whether a text may start at `at`: inside the window in every possible zone, or in `fallback`
    /// where none is known.
    pub fn is_open(&self, zones: &Zones, fallback: &TimeZone, at: Timestamp) -> bool {
        self.is_always() || self.hold(&zones.or(fallback), at, MARGIN)
    }

    /// Whether `at` is inside the window of each of the zones, but for its last `margin` minutes.
    fn hold(&self, zones: &Zones, at: Timestamp, margin: u16) -> bool {
        zones.iter().all(|zone| {
            let clock = zone.to_datetime(at);
            self.on(clock.date().weekday()).is_some_and(|window| window.holds(clock.time(), margin))
        })
    }

    /// When a text that starts at `now` must have arrived: the first moment after it that is outside the
    /// window in any possible zone. None where no window ends.
    pub fn closes(&self, zones: &Zones, fallback: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        if self.is_always() {
            return None;
        }
        let known = zones.or(fallback);
        let ends = known.iter().flat_map(|zone| self.ends(zone, now));
        // A window that goes on where the next begins has no end.
        ends.filter(|at| !self.hold(&known, *at, 0)).min()
    }

    /// The moments after `now` at which a zone's clock may leave a window: where one ends, twice where the
    /// hour is repeated, and where the clock itself jumps.
    fn ends<'a>(&'a self, zone: &'a TimeZone, now: Timestamp) -> impl Iterator<Item = Timestamp> + 'a {
        self.moments(zone, now, |date| self.on(date.weekday())?.closes_on(date))
    }

    /// The same, with the time at which it opens.
    pub fn verdict(&self, zones: &Zones, fallback: &TimeZone, now: Timestamp) -> Verdict {
        match self.next_opening(zones, fallback, now) {
            Some(opens) if opens == now => Verdict::Open,
            opens => Verdict::Closed { opens },
        }
    }

    /// The first moment from `now` on that is open; `now` itself if it is.
    pub fn next_opening(&self, zones: &Zones, fallback: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(zones, fallback, now) {
            return Some(now);
        }
        let known = zones.or(fallback);
        let mut moments: Vec<Timestamp> = known.iter().flat_map(|zone| self.openings(zone, now)).collect();
        moments.sort_unstable();
        moments.into_iter().find(|at| self.is_open(zones, fallback, *at))
    }

    /// The recipient's next morning: when the next window begins, in the zone where that is last. Before
    /// the opening that is today's, and within the window tomorrow's. Where there are no quiet hours, the
    /// morning is that of the default.
    pub fn next_morning(&self, zones: &Zones, fallback: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        if self.is_always() {
            return Self::default().next_morning(zones, fallback, now);
        }
        let known = zones.or(fallback);
        let first = |zone| self.openings(zone, now).min();
        let last = known.iter().map(first).collect::<Option<Vec<_>>>()?.into_iter().max()?;
        self.next_opening(zones, fallback, last)
    }

    /// The moments after `now` at which a zone's clock may come into a window: where one begins, twice
    /// where the hour is repeated, and where the clock itself jumps.
    fn openings<'a>(&'a self, zone: &'a TimeZone, now: Timestamp) -> impl Iterator<Item = Timestamp> + 'a {
        let begin = |date: Date| Some(date.to_datetime(self.on(date.weekday())?.opens_at()));
        self.moments(zone, now, begin).filter(move |at| self.begins(zone, *at))
    }

    /// The moments after `now` at which a zone's clock shows what `of_day` says of a day, both where the hour is
    /// repeated, and those at which it jumps.
    fn moments<'a>(
        &'a self,
        zone: &'a TimeZone,
        now: Timestamp,
        of_day: impl Fn(Date) -> Option<DateTime> + 'a,
    ) -> impl Iterator<Item = Timestamp> + 'a {
        let today = zone.to_datetime(now).date();
        // A clock that is set back over midnight shows the end of yesterday once more.
        let shown = (-1..=DAYS_AHEAD).flat_map(move |days| {
            let shown = today.checked_add(days.days()).ok().and_then(&of_day);
            let read = shown.map(|shown| zone.to_ambiguous_timestamp(shown));
            read.into_iter().flat_map(|read| [read.earlier(), read.later()]).flatten()
        });
        let horizon = now.saturating_add(SignedDuration::from_hours(24 * i64::from(DAYS_AHEAD)));
        let horizon = horizon.unwrap_or(Timestamp::MAX);
        let jumps = zone.following(now).map(|jump| jump.timestamp()).take_while(move |at| *at <= horizon);
        shown.chain(jumps).filter(move |at| *at > now)
    }

    /// Whether a window of the zone, or what is left of one after a jump, begins at `at`.
    fn begins(&self, zone: &TimeZone, at: Timestamp) -> bool {
        let alone = Zones::one(zone.clone());
        let before = at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at);
        self.is_open(&alone, zone, at) && !self.is_open(&alone, zone, before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Number, zones};

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn number(text: &str) -> Zones {
        zones::of(Number::from_e164(text).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(text: &str) -> Hours {
        Hours::new([Some(text.parse().unwrap()); 7])
    }

    #[test]
    fn a_window_is_named_by_the_day_that_it_is_there() {
        let mut windows = ["08:00-20:00"; 7].map(|text| text.parse().ok());
        windows[5] = "09:30-14:00".parse().ok();
        windows[6] = None;
        let named = |now| {
            let window = Hours::new(windows).on_the_day(&number("+12025550142"), &TimeZone::UTC, at(now));
            window.map(|window| window.to_string())
        };
        // 21:14 on a Tuesday, a Friday's night on to Saturday, Sunday.
        assert_eq!(named("2025-03-05T02:14:00Z").as_deref(), Some("08-20"));
        assert_eq!(named("2025-03-08T04:59:00Z").as_deref(), Some("08-20"));
        assert_eq!(named("2025-03-08T05:00:00Z").as_deref(), Some("09:30-14"));
        assert_eq!(named("2025-03-09T15:00:00Z"), None);
    }

    fn check(zones: &Zones, now: &str, expected: Option<&str>) {
        let verdict = hours("08:00-20:00").verdict(zones, &zone("America/New_York"), at(now));
        let expected = match expected {
            Some(opens) if opens == now => Verdict::Open,
            opens => Verdict::Closed { opens: opens.map(at) },
        };
        assert_eq!(verdict, expected, "{now}");
    }

    #[test]
    fn a_window_is_read_as_it_is_written() {
        for right in
            ["08:00-20:00", "00:00-24:00", "9:00-10:00".replacen('9', "09", 1).as_str(), "08:00 - 20:00"]
        {
            assert!(right.parse::<Window>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "off",
            "8-20",
            "8:00-20:00",
            "20:00-08:00",
            "08:00-08:05",
            "08:60-20:00",
            "08:00-24:01",
            "+8:00-20:00",
        ] {
            assert_eq!(wrong.parse::<Window>(), Err(NotAWindow), "{wrong}");
        }
    }

    #[test]
    fn a_text_starts_inside_the_window_and_not_in_its_last_minutes() {
        let washington = number("+12025550142");
        check(&washington, "2025-03-04T13:00:00Z", Some("2025-03-04T13:00:00Z"));
        check(&washington, "2025-03-04T12:59:59.999Z", Some("2025-03-04T13:00:00Z"));
        check(&washington, "2025-03-05T00:54:59.999Z", Some("2025-03-05T00:54:59.999Z"));
        check(&washington, "2025-03-05T00:55:00Z", Some("2025-03-05T13:00:00Z"));
    }

    #[test]
    fn what_starts_must_arrive_before_the_window_ends_in_any_possible_zone() {
        let closes = |hours: &Hours, zones: &Zones, now| hours.closes(zones, &zone("UTC"), at(now));
        let day = hours("08:00-20:00");
        let evening = "2025-03-05T00:54:00Z";
        assert_eq!(closes(&day, &number("+12025550142"), evening), Some(at("2025-03-05T01:00:00Z")));
        let indiana = number("+18125550142");
        assert_eq!(closes(&day, &indiana, "2025-03-04T20:00:00Z"), Some(at("2025-03-05T01:00:00Z")));
        let until_midnight = hours("08:00-24:00");
        let washington = number("+12025550142");
        assert_eq!(closes(&until_midnight, &washington, evening), Some(at("2025-03-05T05:00:00Z")));
        assert_eq!(closes(&Hours::always(), &washington, evening), None);
        // All of Friday and Saturday, which begins where Friday ends; Sunday is off.
        let whole = Some("00:00-24:00".parse().unwrap());
        let days = Hours::new([whole, whole, whole, whole, whole, whole, None]);
        assert_eq!(closes(&days, &washington, "2025-03-07T20:00:00Z"), Some(at("2025-03-09T05:00:00Z")));
        // The clock jumps over the end.
        let night = hours("01:00-02:30");
        assert_eq!(closes(&night, &washington, "2025-03-09T06:10:00Z"), Some(at("2025-03-09T07:00:00Z")));
    }

    #[test]
    fn all_possible_zones_must_be_open() {
        let indiana = number("+18125550142");
        check(&indiana, "2025-03-04T13:30:00Z", Some("2025-03-04T14:00:00Z"));
        check(&indiana, "2025-03-05T00:58:00Z", Some("2025-03-05T14:00:00Z"));
    }

    #[test]
    fn an_unknown_number_keeps_the_hours_of_the_organisation() {
        check(&number("+18005550142"), "2025-03-04T12:00:00Z", Some("2025-03-04T13:00:00Z"));
    }

    #[test]
    fn zones_on_opposite_sides_of_the_world_are_never_open_at_once() {
        let hours = hours("08:00-12:00");
        let fallback = zone("UTC");
        let far = number("+61412345678");
        assert_eq!(
            hours.verdict(&far, &fallback, at("2025-03-04T00:00:00Z")),
            Verdict::Closed { opens: None }
        );
        assert_eq!(hours.next_morning(&far, &fallback, at("2025-03-04T00:00:00Z")), None);
    }

    #[test]
    fn without_quiet_hours_every_minute_is_open_and_morning_is_at_eight() {
        let (always, fallback) = (Hours::always(), zone("UTC"));
        assert_eq!(Hours::new([Some("00:00-24:00".parse().unwrap()); 7]), always);
        let washington = number("+12025550142");
        let last_minute = at("2025-03-05T04:59:00Z");
        assert_eq!(always.verdict(&washington, &fallback, last_minute), Verdict::Open);
        assert_eq!(
            always.next_morning(&washington, &fallback, last_minute),
            Some(at("2025-03-05T13:00:00Z"))
        );
    }

    #[test]
    fn two_sets_of_hours_leave_what_both_have() {
        let both = |one: &str, other: &str| hours(one).within(hours(other));
        assert_eq!(both("08:00-20:00", "09:00-21:00"), hours("09:00-20:00"));
        assert_eq!(both("00:00-24:00", "09:00-21:00"), hours("09:00-21:00"));
        assert_eq!(both("08:00-12:05", "12:00-20:00"), Hours::new([None; 7]));
        assert_eq!(Hours::always().within(Hours::new([None; 7])), Hours::new([None; 7]));
    }

    #[test]
    fn a_day_that_is_off_is_passed_over() {
        let window = Some("08:00-20:00".parse().unwrap());
        let hours = Hours::new([window, window, window, window, window, None, None]);
        let friday_night = at("2025-03-08T02:00:00Z");
        // Monday, after the clocks have been set forward.
        let monday = Some(at("2025-03-10T12:00:00Z"));
        let washington = number("+12025550142");
        assert_eq!(hours.next_opening(&washington, &zone("UTC"), friday_night), monday);
        assert_eq!(hours.next_morning(&washington, &zone("UTC"), friday_night), monday);
        assert_eq!(Hours::new([None; 7]).next_opening(&washington, &zone("UTC"), friday_night), None);
    }

    #[test]
    fn the_next_morning_is_the_recipient_s() {
        let hours = hours("08:00-20:00");
        let morning = |number: &Zones, now| hours.next_morning(number, &zone("America/New_York"), at(now));
        let honolulu = number("+18085550142");
        assert_eq!(morning(&honolulu, "2025-03-04T22:00:00Z"), Some(at("2025-03-05T18:00:00Z")));
        // Two at night there: this morning, not tomorrow's.
        assert_eq!(
            morning(&number("+12025550142"), "2025-03-04T07:00:00Z"),
            Some(at("2025-03-04T13:00:00Z"))
        );
        // Half past eight in one zone and half past seven in the other.
        assert_eq!(
            morning(&number("+18125550142"), "2025-03-04T13:30:00Z"),
            Some(at("2025-03-05T14:00:00Z"))
        );
    }

    #[test]
    fn an_opening_that_the_clock_jumps_over_comes_when_it_has_jumped() {
        let hours = hours("02:30-20:00");
        let new_york = Zones::one(zone("America/New_York"));
        let night = at("2025-03-09T06:00:00Z");
        assert_eq!(hours.next_opening(&new_york, &zone("UTC"), night), Some(at("2025-03-09T07:00:00Z")));
    }

    #[test]
    fn an_hour_that_is_repeated_opens_twice() {
        let hours = hours("01:30-01:50");
        let new_york = Zones::one(zone("America/New_York"));
        let next = |now| hours.next_opening(&new_york, &zone("UTC"), at(now));
        assert_eq!(next("2025-11-02T04:00:00Z"), Some(at("2025-11-02T05:30:00Z")));
        assert_eq!(next("2025-11-02T05:45:00Z"), Some(at("2025-11-02T06:30:00Z")));
    }

    /// Days on which clocks are changed somewhere, and others.
    fn moments() -> impl Strategy<Value = Timestamp> {
        let day = prop_oneof![
            Just("2025-03-09T00:00:00Z"),
            Just("2025-11-02T00:00:00Z"),
            Just("2025-03-30T00:00:00Z"),
            Just("2025-10-26T00:00:00Z"),
            Just("2025-04-06T00:00:00Z"),
            Just("2025-10-05T00:00:00Z"),
            Just("2025-07-04T00:00:00Z"),
        ];
        (day, -48 * 60..48 * 60i64).prop_map(|(day, minutes)| at(day) + SignedDuration::from_mins(minutes))
    }

    fn some_zones() -> impl Strategy<Value = Zones> {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let one = prop::sample::select(names).prop_map(|name| Zones::one(zone(&name)));
        let areas =
            ["+18125550142", "+12085550142", "+19075550142", "+18675550142", "+61412345678", "+18005550142"];
        prop_oneof![3 => one, 1 => prop::sample::select(areas.to_vec()).prop_map(number)]
    }

    fn some_hours() -> impl Strategy<Value = Hours> {
        let window = (0..DAY_MINUTES - 6, 6..DAY_MINUTES)
            .prop_map(|(open, long)| Window { open, close: (open + long).min(DAY_MINUTES) });
        prop::array::uniform7(prop::option::weighted(0.8, window)).prop_map(Hours::new)
    }

    proptest! {
        #[test]
        fn no_text_starts_outside_the_window_of_any_possible_zone(
            zones in some_zones(), hours in some_hours(), now in moments()
        ) {
            let fallback = zone("America/New_York");
            let promised = [hours.next_opening(&zones, &fallback, now), hours.next_morning(&zones, &fallback, now)];
            for opens in promised.into_iter().flatten() {
                prop_assert!(opens >= now);
                for zone in zones.or(&fallback).iter() {
                    let clock = zone.to_datetime(opens);
                    let minute = u16::from(clock.hour().unsigned_abs()) * 60 + u16::from(clock.minute().unsigned_abs());
                    let window = hours.on(clock.date().weekday());
                    prop_assert!(window.is_some_and(|w| w.open <= minute && minute + 5 < w.close + 1));
                }
            }
        }

        /// What starts may take until the window closes, and no minute longer.
        #[test]
        fn until_it_closes_the_window_is_open_in_every_possible_zone(
            zones in some_zones(), hours in some_hours(), now in moments()
        ) {
            let fallback = zone("America/New_York");
            prop_assume!(hours.is_open(&zones, &fallback, now));
            let known = zones.or(&fallback);
            let in_all = |at: Timestamp| known.iter().all(|zone| {
                let clock = zone.to_datetime(at);
                let minute = u16::from(clock.hour().unsigned_abs()) * 60 + u16::from(clock.minute().unsigned_abs());
                hours.on(clock.date().weekday()).is_some_and(|w| w.open <= minute && minute < w.close)
            });
            let closes = hours.closes(&zones, &fallback, now).unwrap();
            let mut minute = now;
            while minute < closes {
                prop_assert!(in_all(minute), "{minute}");
                minute += SignedDuration::from_mins(1);
            }
            prop_assert!(!in_all(closes), "{closes}");
        }

        /// Nothing is held back for longer than it must be: every minute before the opening is closed.
        #[test]
        fn the_next_opening_is_the_first(zones in some_zones(), hours in some_hours(), now in moments()) {
            let fallback = zone("America/New_York");
            let opens = hours.next_opening(&zones, &fallback, now);
            let end = now + SignedDuration::from_hours(24 * 8);
            let mut minute = now;
            while minute < opens.unwrap_or(end).min(end) {
                prop_assert!(!hours.is_open(&zones, &fallback, minute));
                minute += SignedDuration::from_mins(1);
            }
        }
    }
}

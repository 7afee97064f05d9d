//! Free times for a meeting: when everybody needed can, by their hours, calendars and caps
//! (behaviour.md 4, "Event type", "Slots", "Pool").
//!
//! All arithmetic is on moments. A person's week is turned into spans of absolute time first, day by
//! day in their zone, so a night of clock change makes a span shorter or longer and nothing else, and
//! hours that end at 24:00 and begin at 00:00 are one. Starts lie on a grid of the clock (on the hour
//! and its parts), the same for everybody, so that the hours of a group meet.

mod offer;
mod week;

#[cfg(test)]
mod tests;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use offer::{DAYS_SHOWN, Day, SLOTS_SHOWN, choose, offer, spaced};
pub use week::{BadHours, Week};

/// A stretch of time; its end is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub start: Timestamp,
    /// Where it ends.
    pub end: Timestamp,
}

impl Span {
    /// So long from `start` on.
    pub fn new(start: Timestamp, length: SignedDuration) -> Self {
        Self { start, end: later(start, length) }
    }

    /// Whether they share a moment.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn holds(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    fn widened(self, by: SignedDuration) -> Self {
        Self { start: later(self.start, -by), end: later(self.end, by) }
    }
}

/// `at` and so long; at the ends of time it stays there.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// What a kind of meeting asks of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long it takes.
    pub length: SignedDuration,
    /// No sooner than so long from now.
    pub notice: SignedDuration,
    /// No later than so long from now.
    pub horizon: SignedDuration,
    /// Starts lie so far apart, counted from the hour.
    pub increment: SignedDuration,
    /// Free time that everybody needs before and after.
    pub buffer: SignedDuration,
    /// Meetings that one person has on a day at most.
    pub per_day: u32,
    /// The same in a week, from Monday on.
    pub per_week: u32,
}

/// Who of the interviewers must have time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// All of them.
    All,
    /// One of them.
    Any,
}

/// Somebody who may interview, with all that is known of their time.
#[derive(Clone, Debug)]
pub struct Person {
    /// When they interview at all.
    pub week: Week,
    /// When they have no time.
    pub busy: Vec<Span>,
    /// When their meetings start that count towards the caps, each once.
    pub meetings: Vec<Timestamp>,
    /// Of equals the heavier one is taken.
    pub weight: u32,
    /// Whether their calendar could be read; without, nothing is offered in their name.
    pub known: bool,
}

impl Person {
    /// How many of their meetings start within 14 days of `at`.
    fn booked_around(&self, at: Timestamp) -> usize {
        const FORTNIGHT: SignedDuration = SignedDuration::from_hours(14 * 24);
        self.meetings.iter().filter(|start| start.duration_since(at).abs() < FORTNIGHT).count()
    }

    /// Whether one more meeting at `start` is within their caps.
    fn has_room(&self, start: Timestamp, terms: &Terms) -> bool {
        let zone = self.week.zone();
        let week_of = |date: Date| (date.iso_week_date().year(), date.iso_week_date().week());
        let date = zone.to_datetime(start).date();
        let (mut day, mut week) = (0, 0);
        for meeting in &self.meetings {
            let other = zone.to_datetime(*meeting).date();
            day += u32::from(other == date);
            week += u32::from(week_of(other) == week_of(date));
        }
        day < terms.per_day && week < terms.per_week
    }
}

/// A start, and who has time then, by place in the list of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it begins.
    pub start: Timestamp,
    /// Who has time.
    pub who: Vec<usize>,
}

/// Every free start from now on, in order.
pub fn free(terms: &Terms, need: Need, people: &[Person], now: Timestamp) -> Vec<Slot> {
    let window = Span { start: later(now, terms.notice), end: later(now, terms.horizon) };
    // A meeting that begins at the end of the horizon ends after it.
    let whole = Span { start: window.start, end: later(window.end, terms.length) };
    let open: Vec<Vec<Span>> = people
        .iter()
        .map(|person| if person.known { person.week.spans(whole) } else { Vec::new() })
        .collect();
    let mut slots = Vec::new();
    let mut start = grid(window.start, terms.increment);
    while start <= window.end {
        let meeting = Span::new(start, terms.length);
        let around = meeting.widened(terms.buffer);
        let can = |index: usize, person: &Person| {
            open[index].iter().any(|span| span.holds(meeting))
                && !person.busy.iter().any(|busy| busy.overlaps(around))
                && person.has_room(start, terms)
        };
        let who: Vec<usize> =
            people.iter().enumerate().filter(|(index, person)| can(*index, person)).map(|(i, _)| i).collect();
        let enough = match need {
            Need::All => who.len() == people.len(),
            Need::Any => true,
        };
        if enough && !who.is_empty() {
            slots.push(Slot { start, who });
        }
        start = later(start, terms.increment);
    }
    slots
}

/// The first moment of the grid that is not before `at`.
fn grid(at: Timestamp, increment: SignedDuration) -> Timestamp {
    let step = increment.as_secs().max(60);
    let whole = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(whole.div_euclid(step) * step + if whole.rem_euclid(step) > 0 { step } else { 0 })
        .unwrap_or(at)
}

/// The zone of this name, or what stands in for it.
pub fn zone_or(name: &str, fallback: &TimeZone) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|_| fallback.clone())
}

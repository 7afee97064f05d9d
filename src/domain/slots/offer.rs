//! What of the free times is shown, and who of a pool takes one.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Person, Slot};

/// Days that a page shows at most, and times on each (behaviour.md 4, "Slots").
pub const DAYS_SHOWN: usize = 6;
/// See [`DAYS_SHOWN`].
pub const SLOTS_SHOWN: usize = 8;

/// A day as the candidate's clock has it, with some of its free times in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// When.
    pub starts: Vec<Timestamp>,
}

/// The first days that have free times, each with times spread over it.
pub fn offer(slots: &[Slot], zone: &TimeZone) -> Vec<Day> {
    days(slots, zone)
        .into_iter()
        .take(DAYS_SHOWN)
        .map(|day| Day { starts: spread(&day.starts, SLOTS_SHOWN), ..day })
        .collect()
}

/// At most `count` times of the first days, far from each other, for a text.
pub fn spaced(slots: &[Slot], zone: &TimeZone, count: usize) -> Vec<Timestamp> {
    let first: Vec<Timestamp> =
        days(slots, zone).into_iter().take(count).flat_map(|day| spread(&day.starts, SLOTS_SHOWN)).collect();
    spread(&first, count)
}

fn days(slots: &[Slot], zone: &TimeZone) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for slot in slots {
        let date = zone.to_datetime(slot.start).date();
        match days.last_mut() {
            Some(day) if day.date == date => day.starts.push(slot.start),
            _ => days.push(Day { date, starts: vec![slot.start] }),
        }
    }
    days
}

/// At most `count` of a list, as far apart as can be: the first and the last are among them.
fn spread(all: &[Timestamp], count: usize) -> Vec<Timestamp> {
    if all.len() <= count {
        return all.to_vec();
    }
    let steps = count.saturating_sub(1).max(1);
    (0..count).map(|n| all[n * (all.len() - 1) / steps]).collect()
}

/// Who of a pool takes a slot: the one with the fewest meetings within 14 days of it, of those the
/// heaviest, of those by `draw` in [0, 1).
pub fn choose(slot: &Slot, people: &[Person], draw: f64) -> Option<usize> {
    let rank = |index: &usize| {
        let person = &people[*index];
        (person.booked_around(slot.start), std::cmp::Reverse(person.weight))
    };
    let best = slot.who.iter().map(rank).min()?;
    let equals: Vec<usize> = slot.who.iter().filter(|index| rank(index) == best).copied().collect();
    let place = (draw.clamp(0.0, 1.0) * equals.len() as f64) as usize;
    equals.get(place.min(equals.len() - 1)).copied()
}

//! Somebody's calendar, read for one thing: when they have no time.
//!
//! The crate `icalendar` takes each line apart and `rrule` repeats events. It repeats the clock on the
//! wall, as if all of it were UTC, and each start becomes a moment by our own tables only then: so zones
//! and nights of clock change are jiff's alone, and Windows' names and a zone that nobody knows can be
//! dealt with. An event whose zone is not known blocks every moment that it could mean.
//!
//! When in doubt there is no time: tentative counts, and a calendar that cannot be understood as a whole
//! is an error, by which nothing is offered in its owner's name. Whoever invites the owner writes into it,
//! so what it may nest and how much it may repeat is bounded by counts.

mod nested;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime as ChronoDateTime, TimeZone as _};
use fulcrum_domain::slots::Span;
use icalendar::parser::{Component, Property, unfold};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use rrule::{RRule, RRuleSet, Unvalidated};

use super::windows;
use nested::nested;

/// Starts of one repeating event that are looked at: an hourly one of ten years.
const STARTS: usize = 100_000;
/// The same of all events of a calendar together.
const ALL_STARTS: usize = 50 * STARTS;
/// Times of day of one rule: each quarter of an hour. `rrule` makes all of a year's at once.
const TIMES_OF_DAY: usize = 24 * 4;
/// Busy times of one calendar in the weeks that are asked for.
const SPANS: usize = 20_000;
/// No zone has a longer name.
const ZONE_BYTES: usize = 200;

/// Why a calendar cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFeed {
    /// Not iCalendar.
    #[error("what is there is no calendar in the iCalendar format")]
    NotACalendar,
    /// A date, a length or a rule.
    #[error("a date or a rule in it cannot be read")]
    Unreadable,
    /// More than anybody has.
    #[error("it repeats something too often")]
    TooMany,
}

/// When the owner of a calendar has no time within `window`. Times without a zone, and whole days, are
/// read by the calendar's own, or else by `zone`.
///
/// # Errors
/// [`BadFeed`].
pub fn busy(text: &str, zone: &TimeZone, window: Span) -> Result<Vec<Span>, BadFeed> {
    let text = unfold(text.trim_start_matches('\u{feff}'));
    let calendar = nested(&text)?;
    let own = calendar.properties.iter().find(|property| property.name == "X-WR-TIMEZONE");
    let floating = own.and_then(|property| known(property.val.as_str())).unwrap_or_else(|| zone.clone());
    let left = Cell::new(ALL_STARTS);
    let reader = Reader { floating, zones: defined(&calendar.components), window, left };
    let mut spans = Vec::new();
    let events: Vec<&Component<'_>> = named(&calendar.components, "VEVENT").collect();
    let mut moved: BTreeMap<&str, BTreeSet<Timestamp>> = BTreeMap::new();
    for event in &events {
        if let (Some(uid), Some(instead)) = (value(event, "UID"), event.find_prop("RECURRENCE-ID")) {
            moved.entry(uid).or_default().insert(reader.when(instead)?.earliest()?);
        }
    }
    for event in events {
        let instead = value(event, "UID").and_then(|uid| moved.get(uid));
        let instead = instead.filter(|_| event.find_prop("RECURRENCE-ID").is_none());
        if is_busy(event) {
            reader.event(event, instead, &mut spans)?;
        }
        if spans.len() > SPANS {
            return Err(BadFeed::TooMany);
        }
    }
    for component in named(&calendar.components, "VFREEBUSY") {
        for property in component.properties.iter().filter(|property| property.name == "FREEBUSY") {
            if parameter(property, "FBTYPE") != Some("FREE") {
                reader.periods(property, &mut spans)?;
            }
        }
    }
    spans.retain(|span| span.start < span.end && span.overlaps(window));
    spans.sort_unstable();
    Ok(spans)
}

fn named<'c, 'i>(
    components: &'c [Component<'i>],
    name: &'static str,
) -> impl Iterator<Item = &'c Component<'i>> {
    components.iter().filter(move |component| component.name == name)
}

fn value<'c>(component: &'c Component<'_>, name: &str) -> Option<&'c str> {
    component.find_prop(name).map(|property| property.val.as_str())
}

fn parameter<'p>(property: &'p Property<'_>, name: &str) -> Option<&'p str> {
    let found = property.params.iter().find(|parameter| parameter.key.as_str().eq_ignore_ascii_case(name))?;
    found.val.as_ref().map(|value| value.as_str().trim_matches('"'))
}

/// Tentative is busy; what is cancelled, or marked as free, is not.
fn is_busy(event: &Component<'_>) -> bool {
    let says =
        |name: &str, word: &str| value(event, name).is_some_and(|said| said.eq_ignore_ascii_case(word));
    !says("STATUS", "CANCELLED")
        && !says("TRANSP", "TRANSPARENT")
        && !says("X-MICROSOFT-CDO-BUSYSTATUS", "FREE")
}

/// The zone of a name, as IANA, Windows or a program's own prefix has it.
fn known(name: &str) -> Option<TimeZone> {
    let name = name.trim().trim_matches('"');
    if name.len() > ZONE_BYTES {
        return None;
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    if let Some(name) = windows::iana(name) {
        return TimeZone::get(name).ok();
    }
    // "/freeassociation.sourceforge.net/Europe/Berlin".
    let mut rest = name;
    while let Some((_, after)) = rest.split_once('/') {
        if after.contains('/')
            && let Ok(zone) = TimeZone::get(after)
        {
            return Some(zone);
        }
        rest = after;
    }
    None
}

/// The zones that a calendar defines, as far as their definitions say which they are.
fn defined(components: &[Component<'_>]) -> BTreeMap<String, TimeZone> {
    let zones = named(components, "VTIMEZONE").filter_map(|zone| {
        let place = value(zone, "X-LIC-LOCATION").and_then(known)?;
        Some((value(zone, "TZID")?.to_owned(), place))
    });
    zones.collect()
}

/// A time as a calendar writes it.
#[derive(Clone, Debug)]
struct When {
    clock: DateTime,
    /// None: nobody knows.
    zone: Option<TimeZone>,
    is_date: bool,
}

impl When {
    /// The first moment that it can mean.
    fn earliest(&self) -> Result<Timestamp, BadFeed> {
        self.moment(self.clock, Offset::constant(14))
    }

    /// The last one.
    fn latest(&self, clock: DateTime) -> Result<Timestamp, BadFeed> {
        self.moment(clock, Offset::constant(-12))
    }

    fn moment(&self, clock: DateTime, otherwise: Offset) -> Result<Timestamp, BadFeed> {
        let moment = match &self.zone {
            Some(zone) => zone.to_timestamp(clock),
            None => otherwise.to_timestamp(clock),
        };
        moment.map_err(|_| BadFeed::Unreadable)
    }

    fn at(&self, clock: DateTime) -> Self {
        Self { clock, ..self.clone() }
    }
}

/// How long an event is: days by the calendar, or a time.
#[derive(Clone, Copy, Debug)]
enum Length {
    Clock(jiff::Span),
    Elapsed(SignedDuration),
}

struct Reader {
    floating: TimeZone,
    zones: BTreeMap<String, TimeZone>,
    window: Span,
    /// Starts that may still be looked at.
    left: Cell<usize>,
}

impl Reader {
    fn look_at(&self, starts: usize) -> Result<(), BadFeed> {
        self.left.set(self.left.get().checked_sub(starts).ok_or(BadFeed::TooMany)?);
        Ok(())
    }

    fn when(&self, property: &Property<'_>) -> Result<When, BadFeed> {
        self.read(property.val.as_str(), property)
    }

    /// One value of a property: a list has several.
    fn read(&self, text: &str, property: &Property<'_>) -> Result<When, BadFeed> {
        let text = text.trim();
        if text.len() == 8 {
            let date = Date::strptime("%Y%m%d", text).map_err(|_| BadFeed::Unreadable)?;
            let clock = date.at(0, 0, 0, 0);
            return Ok(When { clock, zone: Some(self.floating.clone()), is_date: true });
        }
        let (local, zone) = match (text.strip_suffix('Z'), parameter(property, "TZID")) {
            (Some(local), _) => (local, Some(TimeZone::UTC)),
            (None, None) => (text, Some(self.floating.clone())),
            (None, Some(name)) => (text, known(name).or_else(|| self.zones.get(name).cloned())),
        };
        let clock = DateTime::strptime("%Y%m%dT%H%M%S", local).map_err(|_| BadFeed::Unreadable)?;
        Ok(When { clock, zone, is_date: false })
    }

    /// All values of all properties of this name.
    fn list(&self, event: &Component<'_>, name: &str) -> Result<Vec<When>, BadFeed> {
        let mut all = Vec::new();
        for property in event.properties.iter().filter(|property| property.name == name) {
            for text in property.val.as_str().split(',').filter(|text| !text.trim().is_empty()) {
                self.look_at(1)?;
                // Of a period its start.
                all.push(self.read(text.split('/').next().unwrap_or(text), property)?);
            }
        }
        Ok(all)
    }

    fn event(
        &self,
        event: &Component<'_>,
        moved: Option<&BTreeSet<Timestamp>>,
        spans: &mut Vec<Span>,
    ) -> Result<(), BadFeed> {
        let first = self.when(event.find_prop("DTSTART").ok_or(BadFeed::Unreadable)?)?;
        let length = self.length(event, &first)?;
        let mut starts = match value(event, "RRULE") {
            Some(rule) => self.starts(&first, rule)?,
            None => vec![first.clone()],
        };
        starts.extend(self.list(event, "RDATE")?);
        let (mut days_out, mut moments_out) = (BTreeSet::new(), BTreeSet::new());
        for out in self.list(event, "EXDATE")? {
            if out.is_date {
                days_out.insert(out.clock.date());
            } else {
                moments_out.extend(out.earliest().ok());
            }
        }
        for start in starts {
            let moment = start.earliest()?;
            let is_left_out = days_out.contains(&start.clock.date()) || moments_out.contains(&moment);
            if is_left_out || moved.is_some_and(|moved| moved.contains(&moment)) {
                continue;
            }
            let end = match length {
                Length::Clock(span) => {
                    start.latest(start.clock.checked_add(span).map_err(|_| BadFeed::Unreadable)?)?
                }
                Length::Elapsed(length) => Span::new(start.latest(start.clock)?, length).end,
            };
            spans.push(Span { start: moment, end });
        }
        Ok(())
    }

    fn length(&self, event: &Component<'_>, first: &When) -> Result<Length, BadFeed> {
        if let Some(end) = event.find_prop("DTEND") {
            let end = self.when(end)?;
            if first.is_date && end.is_date {
                let days = first.clock.date().until(end.clock.date()).map_err(|_| BadFeed::Unreadable)?;
                return Ok(Length::Clock(days));
            }
            return Ok(Length::Elapsed(end.earliest()?.duration_since(first.earliest()?)));
        }
        match value(event, "DURATION") {
            Some(text) => text.parse().map(Length::Clock).map_err(|_| BadFeed::Unreadable),
            None if first.is_date => Ok(Length::Clock(1.day())),
            None => Ok(Length::Elapsed(SignedDuration::ZERO)),
        }
    }

    /// The starts of a repeating event that come before the window's end.
    fn starts(&self, first: &When, rule: &str) -> Result<Vec<When>, BadFeed> {
        // `rrule` cuts days of the week by bytes, which panics within a character.
        if !rule.is_ascii() {
            return Err(BadFeed::Unreadable);
        }
        let rule: RRule<Unvalidated> =
            self.by_wall_clock(first, rule)?.parse().map_err(|_| BadFeed::Unreadable)?;
        let times_of_day = [rule.get_by_hour().len(), rule.get_by_minute().len(), rule.get_by_second().len()];
        if matches!(rule.get_freq(), rrule::Frequency::Secondly | rrule::Frequency::Minutely)
            || times_of_day.map(|list| list.max(1)).into_iter().product::<usize>() > TIMES_OF_DAY
        {
            return Err(BadFeed::TooMany);
        }
        let (often, count) = (rule.get_freq(), rule.get_count());
        let stop = rule.get_until().and_then(|stop| Timestamp::from_second(stop.timestamp()).ok());
        let start = on_the_wall(first.clock)?;
        let rule = rule.validate(start).map_err(|_| BadFeed::Unreadable)?;
        // A day more, since the wall's clock is not the moment.
        let [from, until] = [(self.window.start, -2), (self.window.end, 2)].map(|(at, days)| {
            let day = SignedDuration::from_hours(24 * days);
            at.saturating_add(day).unwrap_or(at)
        });
        // A rule that hits no day is tried as often as one that hits each.
        let first_at = TimeZone::UTC.to_timestamp(first.clock).map_err(|_| BadFeed::Unreadable)?;
        let end = stop.map_or(until, |stop| stop.min(until));
        self.look_at(tries(often, first_at, end))?;
        let mut starts = Vec::new();
        let mut all = RRuleSet::new(start).rrule(rule).limit().into_iter();
        for looked_at in 0.. {
            if looked_at >= STARTS {
                return Err(BadFeed::TooMany);
            }
            let Some(found) = all.next() else {
                // It may have tried in vain until it was stopped.
                self.look_at(match (count, stop) {
                    (Some(count), _) if looked_at >= count as usize => 0,
                    (_, Some(stop)) => tries(often, end, stop),
                    _ => STARTS,
                })?;
                break;
            };
            self.look_at(1)?;
            let at = Timestamp::from_second(found.timestamp()).map_err(|_| BadFeed::Unreadable)?;
            if at > until {
                break;
            }
            // Nothing that began so long before lasts into the window.
            if at.duration_since(from) > -SignedDuration::from_hours(24 * 40) {
                starts.push(first.at(TimeZone::UTC.to_datetime(at)));
            }
        }
        Ok(starts)
    }

    /// The rule with its end as the wall's clock shows it, written as UTC.
    fn by_wall_clock(&self, first: &When, rule: &str) -> Result<String, BadFeed> {
        let parts = rule.split(';').map(|part| {
            let Some(until) = part.strip_prefix("UNTIL=") else { return Ok(part.to_owned()) };
            if until.len() == 8 {
                return Ok(format!("UNTIL={until}T235959Z"));
            }
            let Some(local) = until.strip_suffix('Z') else { return Ok(format!("UNTIL={until}Z")) };
            let clock = DateTime::strptime("%Y%m%dT%H%M%S", local).map_err(|_| BadFeed::Unreadable)?;
            let moment = TimeZone::UTC.to_timestamp(clock).map_err(|_| BadFeed::Unreadable)?;
            let zone = first.zone.as_ref().unwrap_or(&self.floating);
            Ok(format!("UNTIL={}", zone.to_datetime(moment).strftime("%Y%m%dT%H%M%SZ")))
        });
        Ok(parts.collect::<Result<Vec<String>, BadFeed>>()?.join(";"))
    }

    /// What `VFREEBUSY` lists.
    fn periods(&self, property: &Property<'_>, spans: &mut Vec<Span>) -> Result<(), BadFeed> {
        for period in property.val.as_str().split(',') {
            let (start, end) = period.split_once('/').ok_or(BadFeed::Unreadable)?;
            let start = self.read(start, property)?.earliest()?;
            let end = if end.starts_with('P') {
                let length: SignedDuration = end.parse().map_err(|_| BadFeed::Unreadable)?;
                Span::new(start, length).end
            } else {
                self.read(end, property)?.earliest()?
            };
            spans.push(Span { start, end });
            if spans.len() > SPANS {
                return Err(BadFeed::TooMany);
            }
        }
        Ok(())
    }
}

/// How often a rule of this frequency is tried between two moments; `rrule` stops by itself then.
fn tries(often: rrule::Frequency, from: Timestamp, to: Timestamp) -> usize {
    let hours = match often {
        rrule::Frequency::Yearly => 365 * 24,
        rrule::Frequency::Monthly => 28 * 24,
        rrule::Frequency::Weekly => 7 * 24,
        rrule::Frequency::Daily => 24,
        _ => 1,
    };
    usize::try_from(to.duration_since(from).as_hours() / hours).unwrap_or(0).min(STARTS)
}

/// What the clock on the wall shows, as if it were UTC.
fn on_the_wall(clock: DateTime) -> Result<ChronoDateTime<rrule::Tz>, BadFeed> {
    let at = TimeZone::UTC.to_timestamp(clock).map_err(|_| BadFeed::Unreadable)?;
    rrule::Tz::UTC.timestamp_opt(at.as_second(), 0).single().ok_or(BadFeed::Unreadable)
}

#[cfg(test)]
mod tests;

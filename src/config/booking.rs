//! `[[event_types]]` and `[[calendars]]`: what candidates book, and when whom (behaviour.md 4).

use std::{ops::RangeInclusive, time::Duration};

use fulcrum_domain::booking::EventType;
use fulcrum_domain::slots::{BadHours, Need, Terms, Week};
use jiff::{SignedDuration, tz::TimeZone};
use serde::Deserialize;
use url::Url;

use super::{
    check::{Check, Checked, Noted, is_loopback},
    reminders,
    secret::Secret,
    templates::{id, words},
};

/// What candidates can book.
#[derive(Clone, Debug)]
pub struct Booking {
    /// The kinds of meeting.
    pub event_types: Vec<EventType>,
    /// Those who interview.
    pub calendars: Vec<Calendar>,
}

/// Somebody who interviews.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The e-mail of the Lever user, in lower case.
    pub user: String,
    /// When they interview.
    pub week: Week,
    /// Where their calendar is read; without, they are free whenever Lever knows of nothing.
    pub address: Option<Secret>,
    /// Of equals in a pool the heavier one is taken.
    pub weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEventType {
    id: String,
    name: String,
    minutes: u32,
    location: String,
    interviewers: Vec<String>,
    pool: Vec<String>,
    notice: String,
    horizon: String,
    increment: String,
    buffer: String,
    per_day: u32,
    per_week: u32,
    feedback_template: String,
    confirmation: String,
    reminders: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCalendar {
    user: String,
    timezone: String,
    address_file: String,
    weight: u32,
    monday: String,
    tuesday: String,
    wednesday: String,
    thursday: String,
    friday: String,
    saturday: String,
    sunday: String,
}

const MINUTES: RangeInclusive<u32> = 5..=480;
const NOTICE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(14 * 24);
const BUFFER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(4);
const HORIZON_DAYS: RangeInclusive<i64> = 1..=90;
/// A confirmation is one or two segments as it is.
const CONFIRMATION_CHARS_MAX: usize = 300;
/// Nobody has more meetings than that; it bounds nothing that costs.
const CAP: RangeInclusive<u32> = 1..=1000;

/// The kinds of meeting and those who interview.
pub(super) fn check(
    event_types: &[RawEventType],
    calendars: &[RawCalendar],
    zone: Option<&TimeZone>,
    check: &mut Check<'_>,
) -> Checked<Booking> {
    let mut noted = None;
    let mut list: Vec<Calendar> = Vec::new();
    for (index, raw) in calendars.iter().enumerate() {
        let at = format!("calendars[{index}]");
        let again = calendars[..index].iter().any(|other| same(&other.user, &raw.user));
        match raw.check(&at, again, zone, check) {
            Ok(calendar) => list.push(calendar),
            Err(problem) => noted = Some(problem),
        }
    }
    let mut types = Vec::new();
    for (index, raw) in event_types.iter().enumerate() {
        let at = format!("event_types[{index}]");
        let again = event_types[..index].iter().any(|other| other.id == raw.id);
        match raw.check(&at, again, calendars, check) {
            Ok(event) => types.push(event),
            Err(problem) => noted = Some(problem),
        }
    }
    noted.map_or_else(|| Ok(Booking { event_types: types, calendars: list }), Err)
}

fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

impl RawCalendar {
    fn check(
        &self,
        at: &str,
        again: bool,
        zone: Option<&TimeZone>,
        check: &mut Check<'_>,
    ) -> Checked<Calendar> {
        let key = format!("{at}.user");
        let user = check.text(&key, &self.user, "the e-mail of a Lever user").and_then(|user| {
            if again {
                Err(check.reject(&key, format!("\"{user}\" again"), "each user once"))
            } else if user.contains('@') {
                Ok(user.to_lowercase())
            } else {
                Err(check.reject(&key, format!("\"{user}\""), "the e-mail of a Lever user"))
            }
        });
        let zone = self.zone(at, zone, check);
        let address = self.address(at, check);
        let weight = check.within(&format!("{at}.weight"), self.weight, &CAP);
        // Its hours are checked whatever is wrong with its zone.
        let week = self.week(at, zone.as_ref().map_or(TimeZone::UTC, Clone::clone), check);
        zone?;
        Ok(Calendar { user: user?, week: week?, address: address?, weight: weight? })
    }

    fn zone(&self, at: &str, zone: Option<&TimeZone>, check: &mut Check<'_>) -> Checked<TimeZone> {
        match self.timezone.as_str() {
            // Without one, the organisation's own was a problem already.
            "" => Ok(zone.cloned().unwrap_or(TimeZone::UTC)),
            name => TimeZone::get(name).map_err(|_| {
                let found = format!("\"{name}\"");
                check.reject(&format!("{at}.timezone"), found, "an IANA name, such as \"America/New_York\"")
            }),
        }
    }

    /// What is wrong with it is said without it.
    fn address(&self, at: &str, check: &mut Check<'_>) -> Checked<Option<Secret>> {
        let credential = format!("calendar-{}", self.user.trim().to_lowercase());
        let secret = check.optional_secret(&format!("{at}.address"), &self.address_file, &credential)?;
        let Some(secret) = secret else { return Ok(None) };
        let text = secret.expose().trim();
        let text =
            text.strip_prefix("webcal://").map_or_else(|| text.to_owned(), |rest| format!("https://{rest}"));
        match Url::parse(&text) {
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
                Ok(Some(Secret::new(url.as_str())))
            }
            _ => {
                let expected = "the https address of a calendar in the iCalendar format";
                Err(check.reject(&format!("{at}.address_file"), "something else", expected))
            }
        }
    }

    fn week(&self, at: &str, zone: TimeZone, check: &mut Check<'_>) -> Checked<Week> {
        let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let days = [
            self.monday.as_str(),
            &self.tuesday,
            &self.wednesday,
            &self.thursday,
            &self.friday,
            &self.saturday,
            &self.sunday,
        ];
        Week::parse(zone, days).map_err(|BadHours(bad)| {
            let expected = "hours, such as \"09:00-12:00, 13:00-17:00\", in order";
            for day in bad {
                let (key, found) = (format!("{at}.{}", names[day]), format!("\"{}\"", days[day]));
                check.reject(&key, found, expected);
            }
            Noted
        })
    }
}

impl RawEventType {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn check(
        &self,
        at: &str,
        again: bool,
        calendars: &[RawCalendar],
        check: &mut Check<'_>,
    ) -> Checked<EventType> {
        let id_key = format!("{at}.id");
        let id = id(&id_key, &self.id, "-_", check).and_then(|id| match again {
            false => Ok(id),
            true => Err(check.reject(&id_key, format!("\"{id}\" again"), "each id once")),
        });
        let name = check.text(
            &format!("{at}.name"),
            &self.name,
            "what candidates read, such as \"Phone interview\"",
        );
        let minutes = check.within(&format!("{at}.minutes"), self.minutes, &MINUTES);
        let people = self.people(at, calendars, check);
        let notice = duration(check, &format!("{at}.notice"), &self.notice, &NOTICE);
        let buffer = duration(check, &format!("{at}.buffer"), &self.buffer, &BUFFER);
        let increment = self.increment(at, check);
        let horizon = self.horizon(at, check);
        let per_day = check.within(&format!("{at}.per_day"), self.per_day, &CAP);
        let per_week = check.within(&format!("{at}.per_week"), self.per_week, &CAP);
        let location = words(&format!("{at}.location"), &self.location, check);
        let key = format!("{at}.confirmation");
        let chars = self.confirmation.trim().chars().count();
        let confirmation = if chars <= CONFIRMATION_CHARS_MAX {
            words(&key, &self.confirmation, check)
        } else {
            let expected = format!("{CONFIRMATION_CHARS_MAX} at most");
            Err(check.reject(&key, format!("{chars} characters"), expected))
        };
        let reminders = self.reminders(at, check);
        let (need, interviewers) = people?;
        Ok(EventType {
            id: id?,
            name: name?,
            location: location?,
            terms: Terms {
                length: SignedDuration::from_mins(minutes?.into()),
                notice: notice?,
                horizon: horizon?,
                increment: increment?,
                buffer: buffer?,
                per_day: per_day?,
                per_week: per_week?,
            },
            need,
            interviewers,
            feedback_template: Some(self.feedback_template.trim().to_owned()).filter(|id| !id.is_empty()),
            confirmation: confirmation?,
            reminders: reminders?,
        })
    }

    /// Who interviews: all of them, or one of a pool.
    fn people(
        &self,
        at: &str,
        calendars: &[RawCalendar],
        check: &mut Check<'_>,
    ) -> Checked<(Need, Vec<String>)> {
        let (need, name, list) = match (self.interviewers.is_empty(), self.pool.is_empty()) {
            (false, true) => (Need::All, "interviewers", &self.interviewers),
            (true, false) => (Need::Any, "pool", &self.pool),
            (true, true) => {
                let expected = "interviewers, who all take part, or a pool, of whom one does";
                return Err(check.reject(&format!("{at}.interviewers"), "nobody", expected));
            }
            (false, false) => {
                let expected = "only one of interviewers and pool";
                return Err(check.reject(&format!("{at}.pool"), "set as well as interviewers", expected));
            }
        };
        let mut people: Vec<String> = Vec::new();
        let mut noted: Option<Noted> = None;
        for (index, email) in list.iter().enumerate() {
            let email = email.trim().to_lowercase();
            let key = format!("{at}.{name}[{index}]");
            if !calendars.iter().any(|calendar| same(&calendar.user, &email)) {
                let expected = "people with a [[calendars]] of their own";
                noted = Some(check.reject(&key, format!("\"{email}\""), expected));
            } else if people.contains(&email) {
                noted = Some(check.reject(&key, format!("\"{email}\" again"), "each of them once"));
            }
            people.push(email);
        }
        noted.map_or(Ok((need, people)), Err)
    }

    /// How many minutes before; none where `[reminders]` says it.
    fn reminders(&self, at: &str, check: &mut Check<'_>) -> Checked<Option<Vec<u32>>> {
        match self.reminders.as_slice() {
            [] => Ok(None),
            [none] if none == "none" => Ok(Some(Vec::new())),
            leads => reminders::leads(&format!("{at}.reminders"), leads, check)
                .map(|leads| Some(leads.into_iter().map(whole_minutes).collect())),
        }
    }

    /// Parts of an hour alone, so that the times of a day are round ones.
    fn increment(&self, at: &str, check: &mut Check<'_>) -> Checked<SignedDuration> {
        let key = format!("{at}.increment");
        let hour = Duration::from_hours(1);
        let increment = duration(check, &key, &self.increment, &(Duration::from_mins(5)..=hour))?;
        if 3600 % increment.as_secs() == 0 {
            return Ok(increment);
        }
        let expected = "a part of an hour, such as \"15m\", \"20m\", \"30m\"";
        Err(check.reject(&key, format!("\"{}\"", self.increment), expected))
    }

    fn horizon(&self, at: &str, check: &mut Check<'_>) -> Checked<SignedDuration> {
        let days = self.horizon.strip_suffix('d').and_then(|days| days.parse().ok());
        match days.filter(|days| HORIZON_DAYS.contains(days)) {
            Some(days) => Ok(SignedDuration::from_hours(24 * days)),
            None => {
                let expected = "days, from \"1d\" to \"90d\"";
                Err(check.reject(&format!("{at}.horizon"), format!("\"{}\"", self.horizon), expected))
            }
        }
    }
}

fn whole_minutes(lead: Duration) -> u32 {
    u32::try_from(lead.as_secs() / 60).unwrap_or(u32::MAX)
}

fn duration(
    check: &mut Check<'_>,
    key: &str,
    value: &str,
    bounds: &RangeInclusive<Duration>,
) -> Checked<SignedDuration> {
    let duration = check.duration(key, value, bounds)?;
    Ok(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

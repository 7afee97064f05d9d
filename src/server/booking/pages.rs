//! The page itself: plain HTML, whose module only finds out the visitor's zone.

use askama::Template;
use axum::response::{IntoResponse, Response};
use fulcrum_domain::booking::{Fixed, Over, spoken};
use fulcrum_domain::slots::Day;
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{form_token, texts};
use crate::engine::{BookingState, BookingView};
use crate::server::Shared;
use crate::server::console;

/// Zones to choose from: those of most numbers here.
pub(in crate::server) const ZONES: [&str; 13] = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/Halifax",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Sydney",
];

#[derive(Template)]
#[template(path = "booking.html")]
struct Page<'a> {
    base: &'a str,
    path: String,
    organisation: &'a str,
    first_name: &'a str,
    title: &'a str,
    minutes: Option<u32>,
    location: &'a str,
    zone: &'a str,
    zones: Vec<&'a str>,
    form: String,
    notice: &'a str,
    face: Face,
}

/// What of the page is shown.
enum Face {
    /// With what is booked, where another time is chosen instead.
    Times {
        days: Vec<DayShown>,
        moves: Option<String>,
    },
    /// With why it stays as it is, where it does.
    Booked {
        when: String,
        may_move: bool,
        may_call_off: bool,
        fixed: Option<&'static str>,
    },
    Over(&'static str),
}

struct DayShown {
    name: String,
    times: Vec<(String, String)>,
}

/// The page of a booking; `moves` shows the times instead of what is booked, and `notice` why what was
/// asked for was not done.
pub(super) fn page(
    shared: &Shared,
    token: &str,
    view: &BookingView,
    moves: bool,
    notice: Option<(StatusCode, &str)>,
) -> Response {
    let zone = view.zone.iana_name().unwrap_or("UTC");
    let face = match &view.state {
        BookingState::Open(days) => Face::Times { days: shown(days, &view.zone), moves: None },
        BookingState::Booked { booked, others: Some(days), .. } if moves => {
            let moves = Some(spoken(booked.starts_at, &view.zone));
            Face::Times { days: shown(days, &view.zone), moves }
        }
        BookingState::Booked { booked, others, may_call_off } => Face::Booked {
            when: spoken(booked.starts_at, &view.zone),
            may_move: others.is_some(),
            may_call_off: *may_call_off,
            fixed: match (others, booked.may_move(shared.engine.now())) {
                (Some(_), _) => None,
                (None, Err(Fixed::MovedTwice)) => Some(texts::MOVED_ENOUGH),
                (None, Err(Fixed::TooLate)) => Some(texts::TOO_LATE),
                (None, Ok(())) => Some(texts::FIXED),
            },
        },
        BookingState::Over(why) => Face::Over(match why {
            Over::Expired => texts::EXPIRED,
            Over::CalledOff => texts::CALLED_OFF,
            Over::Archived | Over::StageLeft | Over::Gone => texts::NOT_OPEN,
        }),
    };
    let page = console::page(&Page {
        base: shared.site.base(),
        path: format!("{}/b/{token}", shared.site.base()),
        organisation: &view.organisation,
        first_name: &view.first_name,
        title: &view.name,
        minutes: view.minutes,
        location: &view.location,
        zone,
        zones: zones(&view.zone, zone),
        form: form_token(token, view.revision),
        notice: notice.map_or("", |(_, words)| words),
        face,
    });
    (notice.map_or(StatusCode::OK, |(status, _)| status), page).into_response()
}

/// Zones to choose from, the visitor's first. One that is the same by another name, as browsers say
/// Asia/Calcutta, is no other.
fn zones<'a>(own: &TimeZone, name: &'a str) -> Vec<&'a str> {
    let is_other = |other: &&str| TimeZone::get(other).is_ok_and(|other| !are_one(own, &other));
    std::iter::once(name).chain(ZONES.into_iter().filter(is_other)).collect()
}

/// Whether two zones have always had the same clock.
fn are_one(one: &TimeZone, other: &TimeZone) -> bool {
    /// Transitions that are compared: from the first on, past those of our days.
    const COMPARED: usize = 300;
    let changes = |zone: &TimeZone| {
        let changes = zone.following(Timestamp::MIN).take(COMPARED);
        changes.map(|change| (change.timestamp(), change.offset())).collect::<Vec<_>>()
    };
    one.to_offset(Timestamp::UNIX_EPOCH) == other.to_offset(Timestamp::UNIX_EPOCH)
        && changes(one) == changes(other)
}

/// Says one thing. Nothing of it leads into the console: that is not for candidates.
#[derive(Template)]
#[template(path = "booking-said.html")]
struct Said<'a> {
    base: &'a str,
    organisation: &'a str,
    title: &'a str,
    words: &'a str,
}

/// A page that says one thing, with a status.
pub(super) fn say(shared: &Shared, status: StatusCode, title: &str, words: &str) -> Response {
    let organisation = shared.engine.organisation();
    let said = Said { base: shared.site.base(), organisation: &organisation, title, words };
    (status, console::page(&said)).into_response()
}

fn shown(days: &[Day], zone: &TimeZone) -> Vec<DayShown> {
    let time = |start: &Timestamp| {
        let local = start.to_zoned_datetime(zone.clone());
        // A night on which clocks are put back has some times twice.
        let is_told_twice = zone.to_ambiguous_timestamp(local.datetime()).is_ambiguous();
        let clock = local.strftime(if is_told_twice { "%-I:%M %p %Z" } else { "%-I:%M %p" }).to_string();
        (start.to_string(), clock)
    };
    let day = |day: &Day| DayShown {
        name: day.date.strftime("%A, %B %-d").to_string(),
        times: day.starts.iter().map(time).collect(),
    };
    days.iter().map(day).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_offered_under_one_name() {
        let offered = |name| zones(&TimeZone::get(name).unwrap(), name);
        assert_eq!(offered("America/New_York"), ZONES);
        for (name, same) in [("Asia/Calcutta", "Asia/Kolkata"), ("US/Pacific", "America/Los_Angeles")] {
            let offered = offered(name);
            assert!(
                offered[0] == name && !offered.contains(&same) && offered.len() == ZONES.len(),
                "{offered:?}"
            );
        }
        assert_eq!(offered("Asia/Tokyo").len(), ZONES.len() + 1);
    }

    /// Two buttons once said "1:30 AM" under one day.
    #[test]
    fn a_time_that_a_day_has_twice_is_told_with_its_zone() {
        let starts = ["04:30", "05:30", "06:30", "07:30"]
            .map(|time| format!("2026-11-01T{time}:00Z").parse::<Timestamp>().unwrap());
        let day = Day { date: jiff::civil::date(2026, 11, 1), starts: starts.to_vec() };
        let names = |zone| {
            let shown = shown(std::slice::from_ref(&day), &TimeZone::get(zone).unwrap());
            shown[0].times.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("America/New_York"), ["12:30 AM", "1:30 AM EDT", "1:30 AM EST", "2:30 AM"]);
        assert_eq!(names("America/Phoenix"), ["9:30 PM", "10:30 PM", "11:30 PM", "12:30 AM"]);
    }
}

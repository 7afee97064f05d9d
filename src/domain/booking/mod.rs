//! Bookings: a candidate is given a link, or three times by text, and takes one (behaviour.md 4).
//!
//! A [`Booking`] is bound to one opportunity and one kind of meeting. It is open until a time is taken,
//! and what ended it is not waited for: whoever looks decides by the opportunity as it stands now
//! ([`Booking::standing`]). So a stage that is left while the page is open ends the link at the next
//! click, whichever way that news came.

mod place;
mod reading;
pub mod words;

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::fmt::serde::timestamp::millisecond;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::slots::{Need, Terms, Week};
use crate::{Appointment, AppointmentId, BookingId, Opportunity, OpportunityId, StageId, UserId};

pub use place::{fill, place, places};
pub use reading::{Reply, read};

/// How long a link is good for (behaviour.md 4, "Link").
pub const LINK_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long three times stand that were offered by text.
pub const OFFER_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// A time is moved at least so long before it (behaviour.md 4, "Reschedule").
const MOVED_BEFORE: SignedDuration = SignedDuration::from_hours(12);
/// And so often.
const MOVES: u8 = 2;

/// A kind of meeting that candidates book, by the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// What it is called by programs.
    pub id: String,
    /// What it is called by people.
    pub name: String,
    /// Where it is: a place or a link. May be empty.
    pub location: String,
    /// What it asks of time.
    pub terms: Terms,
    /// Who must have time.
    pub need: Need,
    /// Who interviews: e-mails of Lever users, in lower case.
    pub interviewers: Vec<String>,
    /// Lever's form for feedback, by its id.
    pub feedback_template: Option<String>,
    /// What the confirmation says besides day, time and place. May be empty.
    pub confirmation: String,
    /// How many minutes before it the candidate is reminded; none: as the config says of interviews.
    pub reminders: Option<Vec<u32>>,
}

impl EventType {
    /// Its length in minutes.
    pub fn minutes(&self) -> u32 {
        u32::try_from(self.terms.length.as_mins()).unwrap_or(u32::MAX)
    }
}

/// Somebody who interviews, by the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interviewer {
    /// When.
    pub week: Week,
    /// See [`Person::weight`](crate::slots::Person::weight).
    pub weight: u32,
    /// Whether they have a calendar that is to be asked.
    pub has_calendar: bool,
}

/// What can be booked, and with whom.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// The kinds of meeting.
    pub event_types: Vec<EventType>,
    /// Those who interview, by their e-mail in lower case.
    pub interviewers: BTreeMap<String, Interviewer>,
}

impl Offers {
    /// The kind with this id.
    pub fn event_type(&self, id: &str) -> Option<&EventType> {
        self.event_types.iter().find(|event| event.id == id)
    }
}

/// A meeting that a candidate is asked to choose the time of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// With whom.
    pub opportunity: OpportunityId,
    /// Which kind, by its id.
    pub event_type: String,
    /// The stage in which they were asked.
    pub stage: StageId,
    /// Until when a time can be taken.
    #[serde(with = "millisecond::required")]
    pub expires_at: Timestamp,
    /// How far it is.
    pub state: State,
    /// Counts every change: a form that was shown before the last one is not taken.
    pub revision: u32,
    /// Digests of the tokens that lead here.
    pub tokens: Vec<[u8; 16]>,
}

/// How far a booking is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// A time can be taken.
    Open,
    /// One is.
    Booked(Booked),
    /// Nothing can be done with it any more.
    Over(Over),
}

/// A time that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// When it begins.
    #[serde(with = "millisecond::required")]
    pub starts_at: Timestamp,
    /// Its length.
    pub minutes: u32,
    /// Who interviews.
    pub interviewers: Vec<UserId>,
    /// The candidate's zone, an IANA name.
    pub timezone: String,
    /// How often it was moved.
    pub moves: u8,
    /// The interview that Lever gets; none where it takes none about this candidate.
    pub appointment: Option<AppointmentId>,
}

/// Why nothing can be done with a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    /// Its days have passed.
    Expired,
    /// The opportunity is archived.
    Archived,
    /// The candidate is in another stage.
    StageLeft,
    /// The candidate called it off.
    CalledOff,
    /// The opportunity, or the kind of meeting, is not known any more.
    Gone,
}

/// Why a taken time stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fixed {
    /// It is too near.
    #[error("it is too close to the start")]
    TooLate,
    /// It was moved often enough.
    #[error("it was moved twice already")]
    MovedTwice,
}

impl Booking {
    /// How far it really is, by the opportunity and the interview as they stand.
    pub fn standing(
        &self,
        opportunity: Option<&Opportunity>,
        appointment: Option<&Appointment>,
        now: Timestamp,
    ) -> State {
        if let (State::Booked(booked), Some(appointment)) = (&self.state, appointment) {
            return if appointment.stands() {
                // Lever's side wins: it may have been moved there.
                let meeting = &appointment.meeting;
                State::Booked(Booked {
                    starts_at: meeting.starts_at,
                    minutes: meeting.minutes,
                    ..booked.clone()
                })
            } else {
                State::Over(Over::CalledOff)
            };
        }
        match (&self.state, opportunity) {
            (State::Open, None) => State::Over(Over::Gone),
            (State::Open, Some(row)) if !row.is_active() => State::Over(Over::Archived),
            (State::Open, Some(row)) if row.stage != self.stage => State::Over(Over::StageLeft),
            (State::Open, Some(_)) if now >= self.expires_at => State::Over(Over::Expired),
            (state, _) => state.clone(),
        }
    }
}

impl Booked {
    /// Whether another time may be taken instead.
    ///
    /// # Errors
    /// [`Fixed`].
    pub fn may_move(&self, now: Timestamp) -> Result<(), Fixed> {
        if self.moves >= MOVES {
            return Err(Fixed::MovedTwice);
        }
        if self.starts_at.duration_since(now) < MOVED_BEFORE { Err(Fixed::TooLate) } else { Ok(()) }
    }

    /// Whether it may be called off.
    ///
    /// # Errors
    /// [`Fixed::TooLate`] once it has begun.
    pub fn may_call_off(&self, now: Timestamp) -> Result<(), Fixed> {
        if now < self.starts_at { Ok(()) } else { Err(Fixed::TooLate) }
    }
}

/// What is being said by text about a booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Which one.
    pub booking: BookingId,
    /// The times of the last offer, in the order of their numbers.
    pub offered: Vec<Offered>,
    /// Until when they stand.
    #[serde(with = "millisecond::required")]
    pub until: Timestamp,
    /// How many offers were made.
    pub round: u8,
    /// Whether an answer was not understood already.
    pub asked_again: bool,
    /// What is to be done once the calendars are asked.
    pub next: Option<Next>,
}

impl Talk {
    /// A talk in which nothing is offered yet, good until then.
    pub fn about(booking: BookingId, until: Timestamp) -> Self {
        Self { booking, offered: Vec::new(), until, round: 0, asked_again: false, next: None }
    }
}

/// A time that stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered(#[serde(with = "millisecond::required")] pub Timestamp);

/// What the candidate waits for in a talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Three times, or three others.
    Offer,
    /// The one with this place in the offer.
    Take(u8),
}

/// A day and time as a text says it, "Tue, Mar 4 at 2:30 PM EST".
pub fn spoken(at: Timestamp, zone: &TimeZone) -> String {
    let abbreviation = at.to_zoned_datetime(zone.clone()).strftime("%Z").to_string();
    let named = abbreviation.chars().all(|c| c.is_ascii_alphabetic());
    let name = || format!("({})", zone.iana_name().unwrap_or("UTC"));
    format!("{} {}", clock(zone.to_datetime(at)), if named { abbreviation } else { name() })
}

/// The same without the zone.
pub fn clock(at: DateTime) -> String {
    at.strftime("%a, %b %-d at %-I:%M %p").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn booked(moves: u8) -> Booked {
        Booked {
            starts_at: at("2025-03-04T15:00:00Z"),
            minutes: 30,
            interviewers: vec![],
            timezone: "America/New_York".into(),
            moves,
            appointment: None,
        }
    }

    #[test]
    fn a_time_is_moved_twice_and_no_later_than_twelve_hours_before() {
        assert_eq!(booked(1).may_move(at("2025-03-04T03:00:00Z")), Ok(()));
        assert_eq!(booked(1).may_move(at("2025-03-04T03:00:01Z")), Err(Fixed::TooLate));
        assert_eq!(booked(2).may_move(at("2025-03-01T03:00:00Z")), Err(Fixed::MovedTwice));
    }

    #[test]
    fn a_time_is_called_off_until_it_begins() {
        assert_eq!(booked(2).may_call_off(at("2025-03-04T14:59:59Z")), Ok(()));
        assert_eq!(booked(0).may_call_off(at("2025-03-04T15:00:00Z")), Err(Fixed::TooLate));
    }

    #[test]
    fn a_time_is_said_with_its_zone() {
        let zone = |name| TimeZone::get(name).unwrap();
        let start = at("2025-03-04T19:30:00Z");
        assert_eq!(spoken(start, &zone("America/New_York")), "Tue, Mar 4 at 2:30 PM EST");
        assert_eq!(spoken(start, &zone("Asia/Dubai")), "Tue, Mar 4 at 11:30 PM (Asia/Dubai)");
    }
}

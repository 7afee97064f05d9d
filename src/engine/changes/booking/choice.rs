//! A booking as it stands at one moment: whatever is shown of it, said about it or done with it goes by one
//! look at the file.

use fulcrum_domain::booking::{Booking, EventType, State};
use fulcrum_domain::{Actor, Appointment, BookingId, Number};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{booking_of, note_about};
use crate::engine::changes::Rules;
use crate::engine::changes::zone::zones_of;
use crate::store::tables::{APPOINTMENTS, BOOKINGS, OPPORTUNITIES};
use crate::store::{Read, StoreError, Tx};

/// A booking with all that its times are chosen by, at this moment.
pub struct Choice<'r> {
    /// Which one.
    pub id: BookingId,
    /// As it is stored.
    pub booking: Booking,
    /// How far it really is.
    pub state: State,
    /// None where the config has no such kind of meeting any more: what is taken of it stands, and may be
    /// called off.
    pub event: Option<&'r EventType>,
    /// By what is decided.
    pub rules: &'r Rules,
    /// When.
    pub now: Timestamp,
}

impl<'r> Choice<'r> {
    /// The booking with this id; none where it is erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(
        read: &impl Read,
        id: BookingId,
        rules: &'r Rules,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(booking) = read.get(BOOKINGS, &id)? else { return Ok(None) };
        Self::by(read, id, booking, rules, now).map(Some)
    }

    /// The booking that a token leads to; none where it leads nowhere.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn behind(
        read: &impl Read,
        token: &str,
        rules: &'r Rules,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some((id, booking)) = booking_of(read, token)? else { return Ok(None) };
        Self::by(read, id, booking, rules, now).map(Some)
    }

    fn by(
        read: &impl Read,
        id: BookingId,
        booking: Booking,
        rules: &'r Rules,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let state = standing_of(read, &booking, now)?;
        let event = rules.booking.event_type(&booking.event_type);
        Ok(Self { id, booking, state, event, rules, now })
    }

    /// The interview that Lever has, or gets, for the time that is taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn interview(&self, read: &impl Read) -> Result<Option<Appointment>, StoreError> {
        interview_of(read, &self.state)
    }

    /// Where the meeting takes place: as its interview says, which people may have changed; without one, as
    /// the config does, if it has such a kind of meeting still.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn location(&self, read: &impl Read) -> Result<String, StoreError> {
        let location = match self.interview(read)? {
            Some(one) => one.meeting.location,
            None => self.event.map(|event| event.location.clone()),
        };
        Ok(location.unwrap_or_default())
    }

    /// What the meeting is called: as the config says, and where that has no such kind any more as its
    /// interview does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn name(&self, read: &impl Read) -> Result<String, StoreError> {
        const UNNAMED: &str = "interview";
        if let Some(event) = self.event {
            return Ok(event.name.clone());
        }
        let subject = self.interview(read)?.and_then(|one| one.meeting.subject);
        Ok(subject.unwrap_or_else(|| UNNAMED.to_owned()))
    }

    /// In which zone the candidate is told times: theirs if a person or their number leaves no doubt, else
    /// the organisation's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn zone(&self, read: &impl Read) -> Result<TimeZone, StoreError> {
        let zones = zones_of(read, self.number(read)?)?;
        Ok(zones.agreed(self.now).cloned().unwrap_or_else(|| self.rules.zone.clone()))
    }

    /// The candidate's number, if they have one.
    pub(super) fn number(&self, read: &impl Read) -> Result<Option<Number>, StoreError> {
        Ok(read.get(OPPORTUNITIES, &self.booking.opportunity)?.and_then(|row| row.number()))
    }

    pub(super) fn note(&self, tx: &mut Tx<'_>, by: Actor, what: impl Into<String>) -> Result<(), StoreError> {
        note_about(tx, &self.booking, by, what, self.now)
    }
}

/// How far a booking really is.
pub(super) fn standing_of(read: &impl Read, booking: &Booking, now: Timestamp) -> Result<State, StoreError> {
    let row = read.get(OPPORTUNITIES, &booking.opportunity)?;
    let appointment = interview_of(read, &booking.state)?;
    Ok(booking.standing(row.as_ref(), appointment.as_ref(), now))
}

fn interview_of(read: &impl Read, state: &State) -> Result<Option<Appointment>, StoreError> {
    match state {
        State::Booked(booked) => booked.appointment.map_or(Ok(None), |id| read.get(APPOINTMENTS, &id)),
        State::Open | State::Over(_) => Ok(None),
    }
}

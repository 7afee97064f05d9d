//! When the interviewers of a booking have time: Lever's interviews, our own bookings, and what their
//! calendars say.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::booking::{EventType, State};
use fulcrum_domain::slots::{Person, Slot, Span, free};
use fulcrum_domain::{AppointmentId, BookingId, OpportunityId, UserId};
use jiff::{SignedDuration, Timestamp};

use super::choice::{Choice, standing_of};
use crate::engine::changes::{Rules, user_by_email};
use crate::store::tables::{APPOINTMENT_AT, APPOINTMENTS, BOOKINGS, MEETINGS, TAKEN};
use crate::store::{Keys, Read, StoreError};

/// When people have no time by their own calendars, by their e-mail; none where one cannot be read.
pub type Busy = BTreeMap<String, Option<Vec<Span>>>;

/// The free times of a booking, and whose they are.
#[derive(Clone, Debug, Default)]
pub struct SlotsOf {
    /// When, in order.
    pub slots: Vec<Slot>,
    /// The users of Lever whom the slots mean, in the order of the event type; none where Lever has
    /// nobody of that e-mail.
    pub users: Vec<Option<UserId>>,
    /// What is known of their time.
    pub people: Vec<Person>,
}

/// So much before and after what can be booked counts for caps and for who has the fewest.
const AROUND: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Those of an event type whose calendars are to be asked: their e-mails.
pub fn interviewers_of(event: &EventType, rules: &Rules) -> Vec<String> {
    let has_calendar =
        |email: &&String| rules.booking.interviewers.get(*email).is_some_and(|person| person.has_calendar);
    event.interviewers.iter().filter(has_calendar).cloned().collect()
}

fn minutes(count: u32) -> SignedDuration {
    SignedDuration::from_mins(count.into())
}

impl Choice<'_> {
    /// The free times. What the booking has taken itself does not stand in its way. Of a kind that the config
    /// has no more, none is free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn free(&self, read: &impl Read, busy: &Busy) -> Result<SlotsOf, StoreError> {
        let Some(event) = self.event else { return Ok(SlotsOf::default()) };
        let booked = match &self.state {
            State::Booked(booked) => Some(booked),
            State::Open | State::Over(_) => None,
        };
        let own = Own {
            booking: self.id,
            opportunity: &self.booking.opportunity,
            span: booked.map(|booked| Span::new(booked.starts_at, minutes(booked.minutes))),
            appointment: booked.and_then(|booked| booked.appointment),
        };
        let mut users = Vec::new();
        let mut people = Vec::new();
        for email in &event.interviewers {
            let Some(interviewer) = self.rules.booking.interviewers.get(email) else { continue };
            let user = user_by_email(read, email)?;
            let mut person = Person {
                week: interviewer.week.clone(),
                busy: Vec::new(),
                meetings: Vec::new(),
                weight: interviewer.weight,
                known: user.is_some(),
            };
            if interviewer.has_calendar {
                match busy.get(email) {
                    // Lever puts the interview into their calendar, where it must not keep the candidate
                    // from moving it.
                    Some(Some(spans)) => {
                        person.busy.extend(spans.iter().filter(|span| Some(**span) != own.span));
                    }
                    Some(None) | None => person.known = false,
                }
            }
            if let Some(user) = &user {
                add_meetings(read, user, &own, event, &mut person, self.now)?;
            }
            users.push(user);
            people.push(person);
        }
        Ok(SlotsOf { slots: free(&event.terms, event.need, &people, self.now), users, people })
    }
}

/// What a booking has taken itself.
struct Own<'b> {
    booking: BookingId,
    opportunity: &'b OpportunityId,
    span: Option<Span>,
    appointment: Option<AppointmentId>,
}

/// What Lever and our own bookings say of somebody's time.
fn add_meetings(
    read: &impl Read,
    user: &UserId,
    own: &Own<'_>,
    event: &EventType,
    person: &mut Person,
    now: Timestamp,
) -> Result<(), StoreError> {
    let until = event.terms.horizon + AROUND;
    let [from, until] =
        [now.saturating_sub(AROUND), now.saturating_add(until)].map(|at| at.unwrap_or(Timestamp::MAX));
    let keys = Keys::from(&(user.clone(), from)).before(&(user.clone(), until));
    // Our bookings become interviews in Lever: a start counts once.
    let mut starts = BTreeSet::new();
    for ((_, start, interview), meeting) in read.list(MEETINGS, &keys, usize::MAX)? {
        let ours = match read.get(APPOINTMENT_AT, &interview)? {
            Some(id) => read.get(APPOINTMENTS, &id)?,
            None => None,
        };
        let span = match ours {
            Some(ours) if own.appointment == Some(ours.id) || !ours.stands() => continue,
            // As it is wanted, which Lever has in a moment.
            Some(ours) if ours.meeting.interviewers.contains(user) => {
                Span::new(ours.meeting.starts_at, minutes(ours.meeting.minutes))
            }
            Some(_) => continue,
            None => Span::new(start, minutes(meeting.minutes)),
        };
        // It may not be known as ours yet.
        if own.span.is_some_and(|own| own.start == span.start) && *own.opportunity == meeting.opportunity {
            continue;
        }
        person.busy.push(span);
        starts.insert(span.start);
    }
    for ((_, _, other), ()) in read.list(TAKEN, &keys, usize::MAX)? {
        let Some(row) = read.get(BOOKINGS, &other)?.filter(|_| other != own.booking) else { continue };
        // It may have been moved or cancelled in Lever.
        if let State::Booked(booked) = standing_of(read, &row, now)? {
            person.busy.push(Span::new(booked.starts_at, minutes(booked.minutes)));
            starts.insert(booked.starts_at);
        }
    }
    person.meetings = starts.into_iter().collect();
    Ok(())
}

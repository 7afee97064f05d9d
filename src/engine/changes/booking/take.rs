//! Taking a time, moving it, calling it off, and saying that none suits.

use fulcrum_domain::booking::{Booked, EventType, Fixed, Over, State, spoken, words::sentence};
use fulcrum_domain::slots::{Need, choose, zone_or};
use fulcrum_domain::{
    Actor, Appointment, AppointmentId, Body, BookingId, ConversationId, Meeting, Message, MessageId,
    NewAppointment, Purpose, UserId,
};
use jiff::Timestamp;

use super::choice::Choice;
use super::talk::listen;
use super::times::Busy;
use crate::engine::changes::appointment::{
    AppointmentError, call_off_appointment, change_appointment, make_appointment,
};
use crate::engine::changes::compose::{ComposeError, Draft, Recipient, compose};
use crate::engine::changes::thread::{add_message, open, store, tell};
use crate::engine::clock::Moment;
use crate::store::tables::{BOOKINGS, TAKEN};
use crate::store::{StoreError, Tx};

/// What the texts about a booking are called.
const LABEL: &str = "booking";
/// The longest wish about times that is taken.
const WISH_CHARS_MAX: usize = 500;

/// Why a booking stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// There is none.
    #[error("no such booking is known")]
    Unknown,
    /// It was changed since the page was shown.
    #[error("the booking was changed since")]
    Stale,
    /// Somebody else was quicker, or an interviewer has no time any more.
    #[error("that time is not free any more")]
    NotFree,
    /// Nothing can be done with it.
    #[error("the link is not good any more")]
    Over(Over),
    /// It must stay.
    #[error(transparent)]
    Fixed(#[from] Fixed),
    /// No time is taken yet.
    #[error("no time is booked")]
    NotBooked,
    /// The config has no such kind of meeting any more.
    #[error("no such event type is configured any more")]
    NoSuchType,
    /// Nothing was said.
    #[error("the wish is empty or longer than {WISH_CHARS_MAX} characters")]
    Wish,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A time to be taken.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Which.
    pub start: Timestamp,
    /// The candidate's zone, an IANA name.
    pub timezone: String,
    /// The revision of the booking that they saw.
    pub revision: u32,
}

impl Choice<'_> {
    /// Whether somebody who saw this revision may do something with the booking.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn may_act(&self, revision: u32) -> Result<(), BookError> {
        if let State::Over(why) = self.state {
            return Err(BookError::Over(why));
        }
        if self.booking.revision != revision {
            return Err(BookError::Stale);
        }
        if self.event.is_none() && self.state == State::Open {
            return Err(BookError::NoSuchType);
        }
        Ok(())
    }

    /// Takes a time, or another one instead of the one that is taken: that is released only then.
    ///
    /// # Errors
    /// [`BookError`]; then nothing changes.
    pub fn take(
        &mut self,
        tx: &mut Tx<'_>,
        wanted: &Pick,
        busy: &Busy,
        moment: &mut Moment,
    ) -> Result<Booked, BookError> {
        self.may_act(wanted.revision)?;
        let event = self.event.ok_or(BookError::NoSuchType)?;
        let before = match &self.state {
            State::Booked(before) => Some(before),
            State::Open | State::Over(_) => None,
        };
        if let Some(before) = before {
            before.may_move(self.now)?;
        }
        let found = self.free(tx, busy)?;
        let slot = found.slots.iter().find(|slot| slot.start == wanted.start).ok_or(BookError::NotFree)?;
        let who: Vec<usize> = match event.need {
            Need::All => slot.who.clone(),
            Need::Any => choose(slot, &found.people, moment.jitter()).into_iter().collect(),
        };
        let interviewers: Vec<UserId> = who.iter().filter_map(|index| found.users[*index].clone()).collect();
        let mut booked = Booked {
            starts_at: wanted.start,
            minutes: event.minutes(),
            interviewers,
            timezone: zone_or(&wanted.timezone, &self.rules.zone).iana_name().unwrap_or("UTC").to_owned(),
            moves: before.map_or(0, |before| before.moves + 1),
            appointment: before.and_then(|before| before.appointment),
        };
        release(tx, self.id, &self.booking.state)?;
        for user in &booked.interviewers {
            tx.put(TAKEN, &(user.clone(), booked.starts_at, self.id), &())?;
        }
        booked.appointment = self.arrange(tx, event, &booked, moment)?;
        self.becomes(tx, State::Booked(booked.clone()))?;
        let what = if booked.moves == 0 { "a time was booked" } else { "a booked time was moved" };
        self.note(tx, Actor::candidate(), format!("{what}: {}", booked.starts_at))?;
        self.confirm(tx, &booked, moment)?;
        Ok(booked)
    }

    /// Stores how far it is from now on.
    fn becomes(&mut self, tx: &mut Tx<'_>, state: State) -> Result<(), StoreError> {
        self.booking.state = state.clone();
        self.state = state;
        self.put(tx)
    }

    /// Stores that the candidate did something with it.
    fn put(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.booking.revision += 1;
        tx.put(BOOKINGS, &self.id, &self.booking).map(drop)
    }

    /// The interview in Lever, made or moved to this time. What Lever may not be told keeps nobody from
    /// meeting: the activity says that it is not there.
    fn arrange(
        &self,
        tx: &mut Tx<'_>,
        event: &EventType,
        booked: &Booked,
        moment: &mut Moment,
    ) -> Result<Option<AppointmentId>, BookError> {
        let before = match &self.state {
            State::Booked(before) => before.interviewers.as_slice(),
            State::Open | State::Over(_) => &[],
        };
        let stands = self.interview(tx)?.filter(Appointment::stands);
        let meeting = stands.map(|one| moved(one.meeting, before, booked)).unwrap_or_else(|| Meeting {
            subject: Some(event.name.clone()),
            note: None,
            location: Some(event.location.clone()),
            starts_at: booked.starts_at,
            minutes: booked.minutes,
            timezone: self.rules.zone.iana_name().unwrap_or("UTC").to_owned(),
            interviewers: booked.interviewers.iter().cloned().collect(),
            feedback_template: event.feedback_template.clone(),
        });
        let Some(perform_as) = booked.interviewers.first().cloned() else { return Ok(None) };
        let (by, rules) = (Actor::candidate(), self.rules);
        let arranged = match booked.appointment {
            Some(id) => change_appointment(tx, id, meeting, by, rules, moment).map(|()| id),
            None => {
                let opportunity = self.booking.opportunity.clone();
                let reminders = event.reminders.clone();
                let new = NewAppointment { opportunity, meeting, perform_as, reminders };
                make_appointment(tx, new, by, rules, moment)
            }
        };
        match arranged {
            Ok(id) => Ok(Some(id)),
            Err(AppointmentError::Store(error)) => Err(error.into()),
            Err(error) => {
                self.note(tx, Actor::fulcrum(), not_in_lever(&error))?;
                Ok(booked.appointment)
            }
        }
    }

    /// Calls a booked time off.
    ///
    /// # Errors
    /// [`BookError`]; then nothing changes.
    pub fn call_off(&mut self, tx: &mut Tx<'_>, revision: u32, moment: &mut Moment) -> Result<(), BookError> {
        self.may_act(revision)?;
        let State::Booked(booked) = self.state.clone() else { return Err(BookError::NotBooked) };
        booked.may_call_off(self.now)?;
        let name = self.name(tx)?;
        release(tx, self.id, &self.booking.state)?;
        if let Some(appointment) = booked.appointment {
            match call_off_appointment(tx, appointment, Actor::candidate(), self.rules, moment) {
                Ok(()) | Err(AppointmentError::CalledOff | AppointmentError::Unknown) => {}
                Err(AppointmentError::Store(error)) => return Err(error.into()),
                Err(error) => self.note(tx, Actor::fulcrum(), not_in_lever(&error))?,
            }
        }
        self.becomes(tx, State::Over(Over::CalledOff))?;
        self.note(tx, Actor::candidate(), format!("a booked time was called off: {}", booked.starts_at))?;
        let when = spoken(booked.starts_at, &zone_or(&booked.timezone, &self.rules.zone));
        let words = format!("{}: your {name} on {when} is called off.", self.rules.organisation);
        self.say(tx, words, Purpose::Booking, moment).map(drop)
    }

    /// The text after booking: day, time, place, and how to change it.
    fn confirm(&mut self, tx: &mut Tx<'_>, booked: &Booked, moment: &mut Moment) -> Result<(), BookError> {
        let when = spoken(booked.starts_at, &zone_or(&booked.timezone, &self.rules.zone));
        let link = self.link(tx, moment)?;
        let begin = if booked.moves == 0 { "is booked for" } else { "is moved to" };
        let mut words = format!("{}: your {} {begin} {when}.", self.rules.organisation, self.name(tx)?);
        let confirmation = self.event.map(|event| event.confirmation.as_str()).unwrap_or_default();
        for part in [self.location(tx)?.as_str(), confirmation] {
            if !part.is_empty() {
                words.push_str(&format!(" {}", sentence(part)));
            }
        }
        let change = if booked.may_move(self.now).is_ok() { "R to reschedule, X" } else { "X" };
        words.push_str(&format!(" Add it to your calendar: {link}/calendar.ics {change} to call it off."));
        match self.say(tx, words, Purpose::Booking, moment)? {
            Some(thread) => Ok(listen(tx, thread, self.id, booked.starts_at)?),
            None => Ok(()),
        }
    }

    /// Texts the candidate about their booking; in which thread. Whoever cannot be texted has booked all the
    /// same.
    pub(super) fn say(
        &self,
        tx: &mut Tx<'_>,
        words: String,
        purpose: Purpose,
        moment: &mut Moment,
    ) -> Result<Option<ConversationId>, BookError> {
        let to = Recipient::Opportunity(self.booking.opportunity.clone());
        let draft = Draft::by_itself(to, words, LABEL.to_owned(), purpose);
        match compose(tx, draft, self.rules, moment) {
            Ok(message) => Ok(Some(message.conversation)),
            Err(ComposeError::Store(error)) => Err(error.into()),
            Err(refusal) => {
                self.note(tx, Actor::fulcrum(), format!("no text about the booking: {refusal}"))?;
                Ok(None)
            }
        }
    }

    /// No time suits: what the candidate writes instead stands in their conversation as if they had texted
    /// it, so that it is answered like a text and filed like one.
    ///
    /// # Errors
    /// [`BookError`]; then nothing changes.
    pub fn suggest(
        &mut self,
        tx: &mut Tx<'_>,
        revision: u32,
        wish: &str,
        moment: &mut Moment,
    ) -> Result<(), BookError> {
        let wish = wish.trim();
        if wish.is_empty() || wish.chars().count() > WISH_CHARS_MAX {
            return Err(BookError::Wish);
        }
        self.may_act(revision)?;
        let name = self.name(tx)?;
        self.put(tx)?;
        self.note(tx, Actor::candidate(), "no offered time suits; they wrote others")?;
        let Some(number) = self.number(tx)? else { return Ok(()) };
        let mut conversation = open(tx, number)?;
        let id = MessageId::new(self.now, &moment.id_bits());
        let words = Body::new(format!("[On the booking page, {name}] {wish}"));
        let ours = conversation.our_number.or(self.rules.numbers.first().copied()).unwrap_or(number);
        let message = Message {
            opportunity: Some(self.booking.opportunity.clone()),
            ..Message::incoming(id, conversation.id, self.now, words, ours)
        };
        conversation.opportunity = message.opportunity.clone();
        add_message(tx, &mut conversation, &message, self.rules)?;
        tell(tx, &message);
        Ok(store(tx, &conversation)?)
    }
}

/// The same meeting at another time: what people have changed of it since stays. Where others of the event type
/// have the new time, they take the place of those who had the old one, unless people had them replaced.
fn moved(stands: Meeting, before: &[UserId], booked: &Booked) -> Meeting {
    let mut interviewers = stands.interviewers;
    let leave: Vec<&UserId> = before.iter().filter(|user| !booked.interviewers.contains(user)).collect();
    let left = leave.iter().filter(|user| interviewers.remove(**user)).count();
    if leave.is_empty() || left > 0 {
        interviewers.extend(booked.interviewers.iter().filter(|user| !before.contains(user)).cloned());
    }
    Meeting { starts_at: booked.starts_at, minutes: booked.minutes, interviewers, ..stands }
}

fn not_in_lever(error: &AppointmentError) -> String {
    format!("Lever does not have the booking as it is: {error}")
}

/// What a booking has taken is free again.
pub(super) fn release(tx: &mut Tx<'_>, id: BookingId, state: &State) -> Result<(), StoreError> {
    if let State::Booked(booked) = state {
        for user in &booked.interviewers {
            tx.remove(TAKEN, &(user.clone(), booked.starts_at, id))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    fn at_another_time(stands: &[&str], before: &[&str], after: &[&str]) -> Vec<String> {
        let meeting = Meeting {
            subject: None,
            note: None,
            location: None,
            starts_at: Timestamp::UNIX_EPOCH,
            minutes: 30,
            timezone: "UTC".into(),
            interviewers: users(stands).into_iter().collect(),
            feedback_template: None,
        };
        let booked = Booked {
            starts_at: Timestamp::UNIX_EPOCH,
            minutes: 30,
            interviewers: users(after),
            timezone: "UTC".into(),
            moves: 1,
            appointment: None,
        };
        moved(meeting, &users(before), &booked).interviewers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn another_time_changes_only_who_was_chosen_for_it() {
        assert_eq!(at_another_time(&["ana"], &["ana"], &["ana"]), ["ana"]);
        assert_eq!(at_another_time(&["ana", "cid"], &["ana"], &["ana"]), ["ana", "cid"]);
        assert_eq!(at_another_time(&["ana", "cid"], &["ana"], &["ben"]), ["ben", "cid"]);
        // In Lever somebody else was put in her place.
        assert_eq!(at_another_time(&["cid"], &["ana"], &["ana"]), ["cid"]);
        assert_eq!(at_another_time(&["cid"], &["ana"], &["ben"]), ["cid"]);
        // The config has one more now.
        assert_eq!(at_another_time(&["ana"], &["ana"], &["ana", "ben"]), ["ana", "ben"]);
    }
}

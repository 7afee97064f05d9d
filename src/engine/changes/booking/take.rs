//! Taking a time, moving it, calling it off, and saying that none suits.

use fulcrum_domain::booking::{Booked, Booking, EventType, Fixed, Over, State, spoken};
use fulcrum_domain::slots::{Need, choose, zone_or};
use fulcrum_domain::{
    Actor, Appointment, AppointmentId, Body, BookingId, ConversationId, Meeting, Message, MessageId,
    NewAppointment, Purpose, UserId,
};
use jiff::Timestamp;

use super::talk::listen;
use super::times::{Busy, free_slots};
use super::{interview_of, link, location_of, name_of, note_about, standing_of};
use crate::engine::changes::Rules;
use crate::engine::changes::appointment::{
    AppointmentError, call_off_appointment, change_appointment, make_appointment,
};
use crate::engine::changes::compose::{ComposeError, Draft, Recipient, compose};
use crate::engine::changes::thread::{add_message, open, store, tell};
use crate::engine::clock::Moment;
use crate::store::tables::{BOOKINGS, OPPORTUNITIES, TAKEN};
use crate::store::{Read, StoreError, Tx};

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

/// A booking with all that is decided by, at this moment.
struct AtHand {
    booking: Booking,
    /// None where a time is taken of a kind that the config has no more: that may be called off still.
    event: Option<EventType>,
    state: State,
}

fn at_hand(
    read: &impl Read,
    id: BookingId,
    revision: u32,
    rules: &Rules,
    now: Timestamp,
) -> Result<AtHand, BookError> {
    let booking = read.get(BOOKINGS, &id)?.ok_or(BookError::Unknown)?;
    let state = standing_of(read, &booking, now)?;
    if let State::Over(why) = state {
        return Err(BookError::Over(why));
    }
    if booking.revision != revision {
        return Err(BookError::Stale);
    }
    let event = rules.booking.event_type(&booking.event_type).cloned();
    if event.is_none() && matches!(state, State::Open) {
        return Err(BookError::NoSuchType);
    }
    Ok(AtHand { booking, event, state })
}

/// Takes a time, or another one instead of the one that is taken: that is released only then.
///
/// # Errors
/// [`BookError`]; then nothing changes.
pub fn take_slot(
    tx: &mut Tx<'_>,
    id: BookingId,
    wanted: &Pick,
    busy: &Busy,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Booked, BookError> {
    let now = moment.now;
    let AtHand { mut booking, event, state } = at_hand(tx, id, wanted.revision, rules, now)?;
    let event = event.ok_or(BookError::NoSuchType)?;
    let moves = match &state {
        State::Booked(before) => {
            before.may_move(now)?;
            before.moves + 1
        }
        State::Open | State::Over(_) => 0,
    };
    let found = free_slots(tx, id, &booking, &event, busy, rules, now)?;
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
        timezone: zone_or(&wanted.timezone, &rules.zone).iana_name().unwrap_or("UTC").to_owned(),
        moves,
        appointment: match &state {
            State::Booked(before) => before.appointment,
            State::Open | State::Over(_) => None,
        },
    };
    release(tx, id, &booking.state)?;
    for user in &booked.interviewers {
        tx.put(TAKEN, &(user.clone(), booked.starts_at, id), &())?;
    }
    let before = match &state {
        State::Booked(before) => before.interviewers.as_slice(),
        State::Open | State::Over(_) => &[],
    };
    booked.appointment = arrange(tx, &booking, &event, before, &booked, rules, moment)?;
    booking.state = State::Booked(booked.clone());
    booking.revision += 1;
    tx.put(BOOKINGS, &id, &booking)?;
    let what = if moves == 0 { "a time was booked" } else { "a booked time was moved" };
    note_about(tx, &booking, Actor::candidate(), format!("{what}: {}", booked.starts_at), now)?;
    confirm(tx, id, &booking, &event, &booked, rules, moment)?;
    Ok(booked)
}

/// The interview in Lever, made or moved; `before` are those who were to interview. What Lever may not be
/// told keeps nobody from meeting: the activity says that it is not there.
fn arrange(
    tx: &mut Tx<'_>,
    booking: &Booking,
    event: &EventType,
    before: &[UserId],
    booked: &Booked,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Option<AppointmentId>, BookError> {
    let stands = interview_of(tx, booked)?.filter(Appointment::stands);
    let meeting = stands.map(|one| moved(one.meeting, before, booked)).unwrap_or_else(|| Meeting {
        subject: Some(event.name.clone()),
        note: None,
        location: Some(event.location.clone()),
        starts_at: booked.starts_at,
        minutes: booked.minutes,
        timezone: rules.zone.iana_name().unwrap_or("UTC").to_owned(),
        interviewers: booked.interviewers.iter().cloned().collect(),
        feedback_template: event.feedback_template.clone(),
    });
    let Some(perform_as) = booked.interviewers.first().cloned() else { return Ok(None) };
    let opportunity = booking.opportunity.clone();
    let arranged = match booked.appointment {
        Some(id) => change_appointment(tx, id, meeting, Actor::candidate(), rules, moment).map(|()| id),
        None => {
            let new = NewAppointment { opportunity, meeting, perform_as, reminders: event.reminders.clone() };
            make_appointment(tx, new, Actor::candidate(), rules, moment)
        }
    };
    match arranged {
        Ok(id) => Ok(Some(id)),
        Err(AppointmentError::Store(error)) => Err(error.into()),
        Err(error) => {
            note_about(tx, booking, Actor::fulcrum(), not_in_lever(&error), moment.now)?;
            Ok(booked.appointment)
        }
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

/// Calls a booked time off.
///
/// # Errors
/// [`BookError`]; then nothing changes.
pub fn call_off_booking(
    tx: &mut Tx<'_>,
    id: BookingId,
    revision: u32,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), BookError> {
    let now = moment.now;
    let AtHand { mut booking, event, state } = at_hand(tx, id, revision, rules, now)?;
    let State::Booked(booked) = &state else { return Err(BookError::NotBooked) };
    booked.may_call_off(now)?;
    let name = name_of(tx, &state, event.as_ref())?;
    release(tx, id, &booking.state)?;
    if let Some(appointment) = booked.appointment {
        match call_off_appointment(tx, appointment, Actor::candidate(), rules, moment) {
            Ok(()) | Err(AppointmentError::CalledOff | AppointmentError::Unknown) => {}
            Err(AppointmentError::Store(error)) => return Err(error.into()),
            Err(error) => note_about(tx, &booking, Actor::fulcrum(), not_in_lever(&error), now)?,
        }
    }
    booking.state = State::Over(Over::CalledOff);
    booking.revision += 1;
    tx.put(BOOKINGS, &id, &booking)?;
    let what = format!("a booked time was called off: {}", booked.starts_at);
    note_about(tx, &booking, Actor::candidate(), what, now)?;
    let when = spoken(booked.starts_at, &zone_or(&booked.timezone, &rules.zone));
    let words = format!("{}: your {name} on {when} is called off.", rules.organisation);
    say(tx, &booking, words, Purpose::Booking, rules, moment).map(drop)
}

/// The text after booking: day, time, place, and how to change it.
fn confirm(
    tx: &mut Tx<'_>,
    id: BookingId,
    booking: &Booking,
    event: &EventType,
    booked: &Booked,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), BookError> {
    let when = spoken(booked.starts_at, &zone_or(&booked.timezone, &rules.zone));
    let link = link(tx, id, booking.clone(), rules, moment)?;
    let begin = if booked.moves == 0 { "is booked for" } else { "is moved to" };
    let mut words = format!("{}: your {} {begin} {when}.", rules.organisation, event.name);
    for part in [&location_of(tx, booked, Some(event))?, &event.confirmation] {
        if !part.is_empty() {
            let end =
                if part.ends_with(|c: char| ".!?/".contains(c)) || part.contains("://") { "" } else { "." };
            words.push_str(&format!(" {part}{end}"));
        }
    }
    let change = if booked.may_move(moment.now).is_ok() { "R to reschedule, X" } else { "X" };
    words.push_str(&format!(" Add it to your calendar: {link}/calendar.ics {change} to call it off."));
    match say(tx, booking, words, Purpose::Booking, rules, moment)? {
        Some(thread) => Ok(listen(tx, thread, id, booked.starts_at)?),
        None => Ok(()),
    }
}

/// Texts a candidate about their booking; in which thread. Whoever cannot be texted has booked all the
/// same.
pub(super) fn say(
    tx: &mut Tx<'_>,
    booking: &Booking,
    words: String,
    purpose: Purpose,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Option<ConversationId>, BookError> {
    let draft = Draft::by_itself(
        Recipient::Opportunity(booking.opportunity.clone()),
        words,
        LABEL.to_owned(),
        purpose,
    );
    match compose(tx, draft, rules, moment) {
        Ok(message) => Ok(Some(message.conversation)),
        Err(ComposeError::Store(error)) => Err(error.into()),
        Err(refusal) => {
            let what = format!("no text about the booking: {refusal}");
            note_about(tx, booking, Actor::fulcrum(), what, moment.now)?;
            Ok(None)
        }
    }
}

/// No time suits: what the candidate writes instead stands in their conversation as if they had texted
/// it, so that it is answered like a text and filed like one.
///
/// # Errors
/// [`BookError`]; then nothing changes.
pub fn suggest_times(
    tx: &mut Tx<'_>,
    id: BookingId,
    revision: u32,
    wish: &str,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), BookError> {
    let wish = wish.trim();
    if wish.is_empty() || wish.chars().count() > WISH_CHARS_MAX {
        return Err(BookError::Wish);
    }
    let AtHand { mut booking, event, state } = at_hand(tx, id, revision, rules, moment.now)?;
    let name = name_of(tx, &state, event.as_ref())?;
    booking.revision += 1;
    tx.put(BOOKINGS, &id, &booking)?;
    note_about(tx, &booking, Actor::candidate(), "no offered time suits; they wrote others", moment.now)?;
    let number = tx.get(OPPORTUNITIES, &booking.opportunity)?.and_then(|row| row.number());
    let Some(number) = number else { return Ok(()) };
    let mut conversation = open(tx, number)?;
    let id = MessageId::new(moment.now, &moment.id_bits());
    let words = Body::new(format!("[On the booking page, {name}] {wish}"));
    let ours = conversation.our_number.or(rules.numbers.first().copied()).unwrap_or(number);
    let message = Message {
        opportunity: Some(booking.opportunity.clone()),
        ..Message::incoming(id, conversation.id, moment.now, words, ours)
    };
    conversation.opportunity = message.opportunity.clone();
    add_message(tx, &mut conversation, &message, rules)?;
    tell(tx, &message);
    Ok(store(tx, &conversation)?)
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

//! Booking by text alone: three numbered times, an answer, and what follows (behaviour.md 4, "By text
//! only").
//!
//! Times are offered and taken by what interviewers' calendars say, and those cannot be asked in a
//! transaction. So what an answer means is stored as what comes next ([`Talk::next`]), and a task takes
//! it from there (`engine/talks`): nothing is lost by a stop in between. Whatever is not understood twice
//! is left to people, by being left unanswered.

use fulcrum_domain::booking::{
    Booked, Booking, EventType, Next, OFFER_LASTS, Offered, Reply, State, Talk, read as reading, spoken,
};
use fulcrum_domain::guard::{Timing, refusal};
use fulcrum_domain::slots::{Slot, spaced};
use fulcrum_domain::{
    ActivityKind, Actor, Author, BookingId, Conversation, ConversationId, Direction, Message, OpportunityId,
    Purpose,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::take::{BookError, Pick, call_off_booking, say, take_slot};
use super::times::{Busy, free_slots};
use super::{LinkError, link, note_about, standing_of, under_way};
use crate::engine::changes::Rules;
use crate::engine::changes::activity::note_of;
use crate::engine::changes::guard::{leaves, standing};
use crate::engine::changes::remind::tells_of;
use crate::engine::changes::suppress::suppression_of;
use crate::engine::changes::thread::{open, store};
use crate::engine::changes::zone::zones_of;
use crate::engine::clock::Moment;
use crate::store::tables::{BOOKINGS, CONVERSATIONS, MESSAGES, OPPORTUNITIES, TALKS, TALKS_DUE};
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// Times in one text.
const TIMES: usize = 3;
/// Offers after which a person takes over.
const ROUNDS: u8 = 4;
/// Nobody has read a list, and answered it, sooner.
const READ_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// Begins to offer the candidate of an opportunity times by text.
///
/// # Errors
/// [`LinkError`]; then nothing is stored.
pub fn offer_times(
    tx: &mut Tx<'_>,
    opportunity: &OpportunityId,
    event_type: &str,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<ConversationId, LinkError> {
    rules.booking.event_type(event_type).ok_or(LinkError::UnknownEventType)?;
    let row = tx.get(OPPORTUNITIES, opportunity)?.ok_or(LinkError::UnknownOpportunity)?;
    if !row.is_active() {
        return Err(LinkError::Archived);
    }
    if row.confidential && !rules.text_confidential {
        return Err(LinkError::Confidential);
    }
    let number = row.number().ok_or(LinkError::NoNumber)?;
    refusal(Purpose::Conversation, &standing(tx, number, rules, moment.now)?)?;
    let (id, booking) = under_way(tx, opportunity, &row, event_type, moment.now)?;
    if let State::Booked(_) = booking.state {
        return Err(LinkError::Booked);
    }
    tx.put(BOOKINGS, &id, &booking)?;
    let conversation = open(tx, number)?;
    store(tx, &conversation)?;
    let talk = Talk { next: Some(Next::Offer), ..Talk::about(id, moment.now) };
    put(tx, conversation.id, &talk)?;
    Ok(conversation.id)
}

/// A time was booked: from now on an R moves it and an X calls it off.
pub(super) fn listen(
    tx: &mut Tx<'_>,
    thread: ConversationId,
    booking: BookingId,
    until: Timestamp,
) -> Result<(), StoreError> {
    put(tx, thread, &Talk::about(booking, until))
}

fn put(tx: &mut Tx<'_>, thread: ConversationId, talk: &Talk) -> Result<(), StoreError> {
    tx.put(TALKS, &thread, talk)?;
    if talk.next.is_some() {
        tx.put(TALKS_DUE, &thread, &())?;
        tx.signal(Signal::Talk);
    } else {
        tx.remove(TALKS_DUE, &thread)?;
    }
    Ok(())
}

/// A talk is over: what the candidate says from now on is for people.
pub(crate) fn end(tx: &mut Tx<'_>, thread: ConversationId) -> Result<(), StoreError> {
    tx.remove(TALKS_DUE, &thread)?;
    tx.remove(TALKS, &thread).map(drop)
}

/// Hears a text that means nothing else, in a thread in which times were offered or booked; `asked` is the
/// newest text of ours that it can answer.
pub(in crate::engine::changes) fn hear(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    text: &Message,
    asked: Option<&Message>,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let thread = conversation.id;
    let Some(mut talk) = tx.get(TALKS, &thread)? else { return Ok(()) };
    // Whoever said STOP gets no answer, so nothing is booked behind their back.
    if suppression_of(tx, conversation.number)?.is_some() {
        return end(tx, thread);
    }
    if talk.next.is_some() {
        return Ok(());
    }
    let Some(booking) = tx.get(BOOKINGS, &talk.booking)? else { return end(tx, thread) };
    // An answer to what was written since, by a person or by itself, is for people.
    if !asked.map_or(Ok(true), |asked| is_of(tx, asked, &booking))? {
        return Ok(());
    }
    let reply = reading(text.body.reveal());
    let hasty = is_hasty(tx, conversation, text, reply)?;
    // Of a kind that the config has no more, no other time can be taken.
    let is_known = rules.booking.event_type(&booking.event_type).is_some();
    match (standing_of(tx, &booking, moment.now)?, reply) {
        (State::Over(_), _) => end(tx, thread),
        (State::Open, _) if moment.now >= talk.until => end(tx, thread),
        (State::Open, Reply::Number(_)) if hasty => {
            let what = "a number was said again before the next times can have been read: it was passed by";
            note_of(tx, conversation, Actor::fulcrum(), ActivityKind::Booking, what, moment.now)
        }
        (State::Open, Reply::Number(number)) if usize::from(number) <= talk.offered.len() => {
            talk.next = Some(Next::Take(number - 1));
            put(tx, thread, &talk)
        }
        (State::Open, Reply::Other) => {
            talk.next = Some(Next::Offer);
            put(tx, thread, &talk)
        }
        (State::Open, _) if talk.asked_again => {
            let what = "an answer about times was not understood twice; a person is to read it";
            note_of(tx, conversation, Actor::fulcrum(), ActivityKind::Booking, what, moment.now)?;
            end(tx, thread)
        }
        (State::Open, _) => {
            talk.asked_again = true;
            put(tx, thread, &talk)?;
            let numbers = numbers(talk.offered.len());
            let words = format!("Sorry, which time? Reply {numbers}, or 0 for other times.");
            in_store(say(tx, &booking, words, Purpose::Booking, rules, moment)).map(drop)
        }
        (State::Booked(booked), Reply::Move) if is_known && booked.may_move(moment.now).is_ok() => {
            let link = link(tx, talk.booking, booking.clone(), rules, moment)?;
            let words = format!("Choose another time here: {link} Until then the one that you have stays.");
            in_store(say(tx, &booking, words, Purpose::Booking, rules, moment)).map(drop)
        }
        (State::Booked(booked), Reply::Move) if moment.now < booked.starts_at => {
            let words =
                "Sorry, that time cannot be changed here any more. Tell us what you need: a person reads it.";
            in_store(say(tx, &booking, words.into(), Purpose::Booking, rules, moment)).map(drop)
        }
        (State::Booked(booked), Reply::CallOff) if booked.may_call_off(moment.now).is_ok() => {
            let called_off = call_off_booking(tx, talk.booking, booking.revision, rules, moment);
            in_store(called_off)?;
            end(tx, thread)
        }
        (State::Booked(_), _) => Ok(()),
    }
}

/// Only the store's own trouble takes an inbound text back.
fn in_store<T>(outcome: Result<T, BookError>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(BookError::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether a text of ours asks about this booking: an offer, an answer of ours in the talk, what was booked, or
/// what tells of its interview.
fn is_of(read: &impl Read, asked: &Message, booking: &Booking) -> Result<bool, StoreError> {
    if asked.opportunity.as_ref() != Some(&booking.opportunity) {
        return Ok(false);
    }
    if is_said_here(asked) {
        return Ok(true);
    }
    match &booking.state {
        State::Booked(Booked { appointment: Some(interview), .. }) => {
            tells_of(read, asked, &booking.opportunity, *interview)
        }
        State::Booked(_) | State::Open | State::Over(_) => Ok(false),
    }
}

/// Whether it was written by [`say`]. The first offer stands in for a person.
fn is_said_here(text: &Message) -> bool {
    match text.purpose {
        Purpose::Booking => true,
        Purpose::Conversation => matches!(text.author, Author::Automatic(_)),
        _ => false,
    }
}

/// Whether a number answers the list before the newest one: it is the number that was said to that, and came
/// sooner than the newest can have been read.
fn is_hasty(
    read: &impl Read,
    conversation: &Conversation,
    text: &Message,
    reply: Reply,
) -> Result<bool, StoreError> {
    const LOOK_BACK: usize = 20;
    if !matches!(reply, Reply::Number(_)) {
        return Ok(false);
    }
    let newest_first = read.list_back(MESSAGES, &Keys::beginning(&conversation.id), LOOK_BACK)?;
    let mut before = newest_first.into_iter().map(|(_, message)| message).skip_while(|m| !is_said_here(m));
    let Some(list) = before.next() else { return Ok(false) };
    let said = before.find(|m| m.direction == Direction::In);
    let came = text.at.duration_since(list.submitted_at.unwrap_or(list.at));
    Ok(came < READ_WITHIN && said.is_some_and(|said| reading(said.body.reveal()) == reply))
}

/// One turn of ours in a talk: with whom, about what.
struct Turn<'t> {
    thread: ConversationId,
    talk: Talk,
    booking: &'t Booking,
    event: &'t EventType,
    busy: &'t Busy,
}

/// Does what comes next in a talk. The calendars of those who interview were asked just now.
///
/// # Errors
/// [`StoreError`].
pub fn take_turn_to_talk(
    tx: &mut Tx<'_>,
    thread: ConversationId,
    busy: &Busy,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let found = match tx.get(TALKS, &thread)? {
        Some(talk) => tx.get(BOOKINGS, &talk.booking)?.map(|booking| (talk, booking)),
        None => None,
    };
    let Some((mut talk, booking)) = found else { return end(tx, thread) };
    let number = tx.get(CONVERSATIONS, &thread)?.map(|conversation| conversation.number);
    let opted_out = number.map(|number| suppression_of(tx, number)).transpose()?.flatten().is_some();
    if opted_out {
        return end(tx, thread);
    }
    let Some(event) = rules.booking.event_type(&booking.event_type).cloned() else { return end(tx, thread) };
    let next = talk.next.take();
    let mut turn = Turn { thread, talk, booking: &booking, event: &event, busy };
    match next {
        Some(Next::Offer) => offer(tx, turn, "", rules, moment),
        Some(Next::Take(place)) => {
            let Some(Offered(start)) = turn.talk.offered.get(usize::from(place)).copied() else {
                return end(tx, thread);
            };
            let zone = zone_of(tx, &booking, rules, moment.now)?;
            let timezone = zone.iana_name().unwrap_or_default().to_owned();
            let pick = Pick { start, timezone, revision: booking.revision };
            // Whatever thread the confirmation goes to: this turn is taken.
            put(tx, thread, &turn.talk)?;
            match take_slot(tx, turn.talk.booking, &pick, busy, rules, moment) {
                Ok(_) => Ok(()),
                Err(BookError::NotFree) => {
                    // The others of that offer may be free still.
                    turn.talk.offered.clear();
                    offer(tx, turn, "Sorry, that time was just taken. ", rules, moment)
                }
                Err(BookError::Store(error)) => Err(error),
                Err(error) => {
                    let what = format!("a time that was chosen by text was not booked: {error}");
                    note_about(tx, &booking, Actor::fulcrum(), what, moment.now)?;
                    end(tx, thread)
                }
            }
        }
        None => put(tx, thread, &turn.talk),
    }
}

/// Offers three times, later than those before. Where there are none a person takes over: the
/// candidate's text stays unanswered.
fn offer(
    tx: &mut Tx<'_>,
    Turn { thread, mut talk, booking, event, busy }: Turn<'_>,
    begin: &str,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    if let State::Over(_) | State::Booked(_) = standing_of(tx, booking, moment.now)? {
        return end(tx, thread);
    }
    // The first is asked for by a person, the others by the candidate.
    let purpose = if talk.round == 0 { Purpose::Conversation } else { Purpose::Booking };
    let zone = zone_of(tx, booking, rules, moment.now)?;
    let leaves_at = leaves_at(tx, booking, purpose, rules, moment.now)?;
    let earliest = leaves_at.saturating_add(event.terms.notice).unwrap_or(Timestamp::MAX);
    let found = free_slots(tx, talk.booking, booking, event, busy, rules, moment.now)?;
    let last = talk.offered.iter().map(|Offered(at)| *at).max();
    let fresh: Vec<Slot> = found
        .slots
        .into_iter()
        .filter(|slot| slot.start >= earliest && last.is_none_or(|last| slot.start > last))
        .collect();
    let times = spaced(&fresh, &zone, TIMES);
    if times.is_empty() || talk.round >= ROUNDS {
        let what = "no more times can be offered by text; a person is to write";
        note_about(tx, booking, Actor::fulcrum(), what, moment.now)?;
        return end(tx, thread);
    }
    let lines: Vec<String> =
        (1..).zip(&times).map(|(n, at)| format!("{n}) {}", spoken(*at, &zone))).collect();
    let words = format!(
        "{begin}{}: times for your {}:\n{}\nReply {}. 0 for other times.",
        rules.organisation,
        event.name,
        lines.join("\n"),
        numbers(times.len()),
    );
    talk.round += 1;
    talk.asked_again = false;
    talk.offered = times.into_iter().map(Offered).collect();
    talk.until = leaves_at.saturating_add(OFFER_LASTS).unwrap_or(Timestamp::MAX);
    match in_store(say(tx, booking, words, purpose, rules, moment))?.flatten() {
        Some(_) => put(tx, thread, &talk),
        None => end(tx, thread),
    }
}

/// When a text to the candidate of a booking leaves that is written now: quiet hours may hold it up.
fn leaves_at(
    read: &impl Read,
    booking: &Booking,
    purpose: Purpose,
    rules: &Rules,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let number = read.get(OPPORTUNITIES, &booking.opportunity)?.and_then(|row| row.number());
    let Some(number) = number else { return Ok(now) };
    let standing = standing(read, number, rules, now)?;
    Ok(match leaves(read, number, purpose, &standing, rules, now)? {
        Ok(Timing::Later(at)) => at,
        _ => now,
    })
}

/// "1, 2 or 3", "1 or 2", "1".
fn numbers(count: usize) -> String {
    let names: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// In which zone a candidate is told times: theirs if a person or their number leaves no doubt, else the
/// organisation's.
///
/// # Errors
/// [`StoreError`].
pub fn zone_of(
    read: &impl Read,
    booking: &Booking,
    rules: &Rules,
    now: Timestamp,
) -> Result<TimeZone, StoreError> {
    let number = read.get(OPPORTUNITIES, &booking.opportunity)?.and_then(|row| row.number());
    Ok(zones_of(read, number)?.agreed(now).cloned().unwrap_or_else(|| rules.zone.clone()))
}

//! Booking by text alone: three numbered times, an answer, and what follows (behaviour.md 4, "By text
//! only").
//!
//! Times are offered and taken by what interviewers' calendars say, and those cannot be asked in a
//! transaction. So what an answer means is stored as what comes next ([`Talk::next`]), and a task takes
//! it from there (`engine/talks`): nothing is lost by a stop in between. Whatever is not understood twice
//! is left to people, by being left unanswered.

use fulcrum_domain::booking::{EventType, Next, OFFER_LASTS, Offered, Reply, State, Talk, read, words};
use fulcrum_domain::guard::{Leaving, Timing, refusal};
use fulcrum_domain::slots::{Slot, spaced};
use fulcrum_domain::{
    ActivityKind, Actor, Author, BookingId, Conversation, ConversationId, Direction, Message, OpportunityId,
    Purpose,
};
use jiff::Timestamp;

use super::choice::Choice;
use super::take::{BookError, Pick};
use super::times::Busy;
use super::{LinkError, under_way};
use crate::engine::changes::Rules;
use crate::engine::changes::activity::note_of;
use crate::engine::changes::guard::standing;
use crate::engine::changes::suppress::suppression_of;
use crate::engine::changes::thread::{open, store};
use crate::engine::clock::Moment;
use crate::store::tables::{BOOKINGS, CONVERSATIONS, MESSAGES, OPPORTUNITIES, TALKS, TALKS_DUE};
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// Times in one text.
const TIMES: usize = 3;
/// Offers after which a person takes over.
const ROUNDS: u8 = 4;

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
    let event = rules.booking.event_type(event_type).ok_or(LinkError::UnknownEventType)?;
    let row = tx.get(OPPORTUNITIES, opportunity)?.ok_or(LinkError::UnknownOpportunity)?;
    if !row.is_active() {
        return Err(LinkError::Archived);
    }
    if row.confidential && !rules.text_confidential {
        return Err(LinkError::Confidential);
    }
    let number = row.number().ok_or(LinkError::NoNumber)?;
    refusal(Purpose::Conversation, &standing(tx, number, rules, moment.now)?)?;
    let choice = under_way(tx, opportunity, &row, event, rules, moment.now)?;
    if let State::Booked(_) = choice.state {
        return Err(LinkError::Booked);
    }
    tx.put(BOOKINGS, &choice.id, &choice.booking)?;
    let conversation = open(tx, number)?;
    store(tx, &conversation)?;
    let talk = Talk { next: Some(Next::Offer), ..Talk::about(choice.id, moment.now) };
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

/// Hears a text that means nothing else, in a thread in which times were offered or booked.
pub(in crate::engine::changes) fn hear(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    said: &str,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let thread = conversation.id;
    let Some(mut talk) = tx.get(TALKS, &thread)? else { return Ok(()) };
    // Whoever said STOP gets no answer, so nothing is booked behind their back.
    if suppression_of(tx, conversation.number)?.is_some() {
        return end(tx, thread);
    }
    // An answer to what a person wrote since is for them.
    if talk.next.is_some() || spoke_last(tx, conversation)? {
        return Ok(());
    }
    let Some(mut choice) = Choice::of(tx, talk.booking, rules, moment.now)? else { return end(tx, thread) };
    // Of a kind that the config has no more, no other time can be taken.
    let is_known = choice.event.is_some();
    match (&choice.state, read(said)) {
        (State::Over(_), _) => end(tx, thread),
        (State::Open, _) if moment.now >= talk.until => end(tx, thread),
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
            let words = words::which(talk.offered.len());
            in_store(choice.say(tx, words, Purpose::Booking, moment)).map(drop)
        }
        (State::Booked(booked), Reply::Move) if is_known && booked.may_move(moment.now).is_ok() => {
            let link = choice.link(tx, moment)?;
            let words = format!("Choose another time here: {link} Until then the one that you have stays.");
            in_store(choice.say(tx, words, Purpose::Booking, moment)).map(drop)
        }
        (State::Booked(booked), Reply::Move) if moment.now < booked.starts_at => {
            let words =
                "Sorry, that time cannot be changed here any more. Tell us what you need: a person reads it.";
            in_store(choice.say(tx, words.into(), Purpose::Booking, moment)).map(drop)
        }
        (State::Booked(booked), Reply::CallOff) if booked.may_call_off(moment.now).is_ok() => {
            in_store(choice.call_off(tx, choice.booking.revision, moment))?;
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

/// Whether the newest text that the candidate has had is a person's.
fn spoke_last(read: &impl Read, conversation: &Conversation) -> Result<bool, StoreError> {
    const LOOK_BACK: usize = 50;
    let rows = read.list_back(MESSAGES, &Keys::beginning(&conversation.id), LOOK_BACK)?;
    // What they have not seen they do not answer.
    let newest = rows
        .into_iter()
        .map(|(_, message)| message)
        .find(|m: &Message| m.direction == Direction::Out && !m.delivery.has_stayed());
    Ok(newest.is_some_and(|message| matches!(message.author, Author::Staff { .. })))
}

/// One turn of ours in a talk: with whom, about what.
struct Turn<'t> {
    thread: ConversationId,
    talk: Talk,
    choice: Choice<'t>,
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
        Some(talk) => Choice::of(tx, talk.booking, rules, moment.now)?.map(|choice| (talk, choice)),
        None => None,
    };
    let Some((mut talk, choice)) = found else { return end(tx, thread) };
    let number = tx.get(CONVERSATIONS, &thread)?.map(|conversation| conversation.number);
    let opted_out = number.map(|number| suppression_of(tx, number)).transpose()?.flatten().is_some();
    if opted_out {
        return end(tx, thread);
    }
    let Some(event) = choice.event else { return end(tx, thread) };
    let next = talk.next.take();
    let mut turn = Turn { thread, talk, choice, event, busy };
    match next {
        Some(Next::Offer) => offer(tx, turn, "", moment),
        Some(Next::Take(place)) => {
            let Some(Offered(start)) = turn.talk.offered.get(usize::from(place)).copied() else {
                return end(tx, thread);
            };
            let timezone = turn.choice.zone(tx)?.iana_name().unwrap_or_default().to_owned();
            let pick = Pick { start, timezone, revision: turn.choice.booking.revision };
            // Whatever thread the confirmation goes to: this turn is taken.
            put(tx, thread, &turn.talk)?;
            match turn.choice.take(tx, &pick, busy, moment) {
                Ok(_) => Ok(()),
                Err(BookError::NotFree) => {
                    // The others of that offer may be free still.
                    turn.talk.offered.clear();
                    offer(tx, turn, "Sorry, that time was just taken. ", moment)
                }
                Err(BookError::Store(error)) => Err(error),
                Err(error) => {
                    let what = format!("a time that was chosen by text was not booked: {error}");
                    turn.choice.note(tx, Actor::fulcrum(), what)?;
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
    Turn { thread, mut talk, choice, event, busy }: Turn<'_>,
    begin: &str,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    if choice.state != State::Open {
        return end(tx, thread);
    }
    // The first is asked for by a person, the others by the candidate.
    let purpose = if talk.round == 0 { Purpose::Conversation } else { Purpose::Booking };
    let zone = choice.zone(tx)?;
    let leaves_at = choice.leaves_at(tx, purpose)?;
    let earliest = leaves_at.saturating_add(event.terms.notice).unwrap_or(Timestamp::MAX);
    let found = choice.free(tx, busy)?;
    let last = talk.offered.iter().map(|Offered(at)| *at).max();
    let fresh: Vec<Slot> = found
        .slots
        .into_iter()
        .filter(|slot| slot.start >= earliest && last.is_none_or(|last| slot.start > last))
        .collect();
    let times = spaced(&fresh, &zone, TIMES);
    if times.is_empty() || talk.round >= ROUNDS {
        let what = "no more times can be offered by text; a person is to write";
        choice.note(tx, Actor::fulcrum(), what)?;
        return end(tx, thread);
    }
    let words = words::offer(&choice.rules.organisation, &event.name, &times, &zone, begin);
    talk.round += 1;
    talk.offered = times.into_iter().map(Offered).collect();
    talk.until = leaves_at.saturating_add(OFFER_LASTS).unwrap_or(Timestamp::MAX);
    match in_store(choice.say(tx, words, purpose, moment))?.flatten() {
        Some(_) => put(tx, thread, &talk),
        None => end(tx, thread),
    }
}

impl Choice<'_> {
    /// When a text to the candidate leaves that is written now: quiet hours may hold it up.
    fn leaves_at(&self, read: &impl Read, purpose: Purpose) -> Result<Timestamp, StoreError> {
        let Self { rules, now, .. } = *self;
        let Some(number) = self.number(read)? else { return Ok(now) };
        let standing = standing(read, number, rules, now)?;
        Ok(match rules.clockwork().timing(Leaving::now(purpose, now), &standing, now) {
            Ok(Timing::Later(at)) => at,
            _ => now,
        })
    }
}

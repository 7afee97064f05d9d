//! A text is to go out: whether it may, what exactly it says, and the effect that sends it.

use fulcrum_domain::booking::fill;
use fulcrum_domain::guard::refusal;
use fulcrum_domain::{
    ActivityKind, Actor, Author, Body, Candidacy, Conversation, Delivery, Effect, Lane, MAX_BODY_CHARS,
    Message, MessageId, Number, Opportunity, OpportunityId, Purpose, Refusal, target, tidy,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::activity::note_of;
use super::booking::{LinkError, booking_link};
use super::filing::attach;
use super::guard::{decide, note_deferral, standing, waits};
use super::outbox::ask_later;
use super::retention::is_gone;
use super::thread::{add_message, candidacies, may_be_theirs, open, put_message, store, tell, thread_of};
use crate::engine::clock::Moment;
use crate::store::tables::{OPPORTUNITIES, OVERRIDES};
use crate::store::{Read, Seen, StoreError, Tx};

/// Whom a text is for.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// The candidate of this opportunity, at the number that Lever has.
    Opportunity(OpportunityId),
    /// This number, whoever's it is.
    Number(Number),
    /// The candidate of this opportunity, at this one of their numbers.
    Both(OpportunityId, Number),
}

/// A text as somebody wants it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// For whom.
    pub to: Recipient,
    /// The words.
    pub body: Body,
    /// By whom.
    pub author: Author,
    /// Why, as far as the guard at the moment of sending cares.
    pub purpose: Purpose,
    /// From which of our numbers; else the one that spoke last, else the first.
    pub from: Option<Number>,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Why it cannot wait for the end of quiet hours, where a person who may says so.
    pub cannot_wait: Option<String>,
}

impl Draft {
    /// A text that nobody typed, under the name of what wrote it: it leaves when it may.
    pub fn by_itself(to: Recipient, words: String, writer: String, purpose: Purpose) -> Self {
        Self {
            to,
            body: Body::new(words),
            author: Author::Automatic(writer),
            purpose,
            from: None,
            send_at: None,
            cannot_wait: None,
        }
    }
}

/// Why a text is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The number must not be texted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The opportunity is not known here.
    #[error("no such opportunity is known")]
    UnknownOpportunity,
    /// Lever has no number for them that can be texted.
    #[error("the candidate has no number that can be texted")]
    NoNumber,
    /// Lever has another number for them, and no unknown person has written from this one.
    #[error("that is none of the candidate's numbers in Lever, and nobody unknown has written from it")]
    NotTheirNumber,
    /// The opportunity is confidential, and such are only read here.
    #[error("the opportunity is confidential, and lever.confidential does not allow texts about such")]
    Confidential,
    /// Nothing is left of it.
    #[error("the text is empty")]
    Empty,
    /// More than a carrier takes.
    #[error("the text has {chars} characters{}, at most {MAX_BODY_CHARS} can be sent", with_added(*added))]
    TooLong {
        /// Its length.
        chars: usize,
        /// So many of them nobody wrote: a first text says who we are.
        added: usize,
    },
    /// Nobody can mean that time, and the farthest that there are cannot be stored.
    #[error("a text can be written for the next ten years at most")]
    TooFarAhead,
    /// The words have a place for a booking link, and there can be none.
    #[error("no booking link can be made: {0}")]
    NoBookingLink(LinkError),
    /// One of our numbers: we would talk to ourselves.
    #[error("that number is one of ours")]
    OurNumber,
    /// Not one of our numbers.
    #[error("that number is not one of ours")]
    NotOurNumber,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far ahead a text can be written.
const FARTHEST: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// Takes a text: stores it and asks for it to be sent. It is checked again when it leaves.
///
/// # Errors
/// [`ComposeError`]; then nothing is stored.
pub fn compose(
    tx: &mut Tx<'_>,
    draft: Draft,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Message, ComposeError> {
    let words = wanted(&draft, moment.now)?;
    let (number, asked) = addressed(tx, draft.to)?;
    if rules.numbers.contains(&number) {
        return Err(ComposeError::OurNumber);
    }
    refusal(draft.purpose, &standing(tx, number, rules, moment.now)?)?;
    let mut conversation = open(tx, number)?;
    let opportunity = about(tx, &conversation, asked, rules, moment.now)?;
    let from = sender(&conversation, draft.from, rules)?;
    let words = whole(tx, &words, &conversation, opportunity.as_ref(), rules, moment)?;
    let unmatched = conversation.opportunity.is_none() && conversation.session.is_some();
    conversation.opportunity = opportunity.clone().or(conversation.opportunity);
    let message = Message {
        opportunity,
        our_number: from,
        ..outbound(&conversation, draft.author, words, draft.purpose, moment)
    };
    if let Some(reason) = draft.cannot_wait {
        tx.put(OVERRIDES, &message.id, &Seen(moment.now))?;
        let by = Actor::from(name_of(&message.author));
        // What is kept for audits outlives an erasure, and nobody knows what a reason says.
        let what = format!("quiet hours were overridden for the text {}", message.id);
        note_of(tx, &conversation, by.clone(), ActivityKind::QuietHours, what, moment.now)?;
        let what = format!("quiet hours were overridden: {reason}");
        note_of(tx, &conversation, by, ActivityKind::Message, what, moment.now)?;
    }
    let send_at = leaves_later(tx, &conversation, &message, draft.send_at, rules, moment.now)?;
    // Who wrote before anybody knew whom it is about is known from now on, whatever becomes of this text.
    if let Some(id) = message.opportunity.as_ref().filter(|_| unmatched) {
        conversation = attach(tx, conversation, id, rules, moment.now)?;
    }
    Ok(match send_at {
        None => queue(tx, conversation, message, rules)?,
        Some(at) => schedule(tx, conversation, message, at, moment.now)?,
    })
}

/// The words that somebody wants sent, if there are any, and at a time that somebody can mean.
fn wanted(draft: &Draft, now: Timestamp) -> Result<String, ComposeError> {
    let words = tidy(draft.body.reveal());
    if words.trim().is_empty() {
        return Err(ComposeError::Empty);
    }
    if draft.send_at.is_some_and(|at| at.duration_since(now) > FARTHEST) {
        return Err(ComposeError::TooFarAhead);
    }
    Ok(words)
}

/// Which number it goes to, and the opportunity that is asked for, if one is.
fn addressed(read: &impl Read, to: Recipient) -> Result<(Number, Option<OpportunityId>), ComposeError> {
    Ok(match to {
        Recipient::Number(number) => (number, None),
        Recipient::Both(id, number) => {
            if !may_be_theirs(read, number, &known(read, &id)?)? {
                return Err(ComposeError::NotTheirNumber);
            }
            (number, Some(id))
        }
        Recipient::Opportunity(id) => (known(read, &id)?.number().ok_or(ComposeError::NoNumber)?, Some(id)),
    })
}

/// What it is about: what is asked for, or what the thread is about; nothing confidential where that is only read.
fn about(
    read: &impl Read,
    conversation: &Conversation,
    asked: Option<OpportunityId>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<OpportunityId>, ComposeError> {
    let opportunity = match asked {
        Some(id) => Some(id),
        None => {
            let about = conversation.opportunity.clone();
            let is_shown = |id| Ok::<_, StoreError>(read.has(OPPORTUNITIES, id)? && !is_gone(read, id)?);
            match about.as_ref().map_or(Ok(false), is_shown)? {
                true => about,
                // One that Lever shows no more says nothing of whom they are writing with now.
                false => target(&here(read, conversation.number)?, None, now).or(about),
            }
        }
    };
    if opportunity.as_ref().map_or(Ok(false), |id| is_gone(read, id))? {
        return Err(Refusal::Gone.into());
    }
    if let Some(id) = opportunity.as_ref().filter(|_| !rules.text_confidential)
        && read.get(OPPORTUNITIES, id)?.is_none_or(|row| row.confidential)
    {
        return Err(ComposeError::Confidential);
    }
    Ok(opportunity)
}

/// Whom a number leads to, but for those whom Lever wants gone.
fn here(read: &impl Read, number: Number) -> Result<Vec<Candidacy>, StoreError> {
    let mut all = Vec::new();
    for one in candidacies(read, number)? {
        if !is_gone(read, &one.id)? {
            all.push(one);
        }
    }
    Ok(all)
}

/// Which of our numbers it leaves from: the chosen one, the one that spoke last, or the first.
fn sender(
    conversation: &Conversation,
    chosen: Option<Number>,
    rules: &Rules,
) -> Result<Number, ComposeError> {
    let ours = chosen.or(conversation.our_number).filter(|number| rules.numbers.contains(number));
    let first = rules.numbers.first().copied().filter(|_| chosen.is_none());
    ours.or(first).ok_or(ComposeError::NotOurNumber)
}

/// The words as they leave: with booking links in their places, and with who we are, where it is the first text.
fn whole(
    tx: &mut Tx<'_>,
    words: &str,
    conversation: &Conversation,
    opportunity: Option<&OpportunityId>,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<String, ComposeError> {
    let words = with_booking_links(tx, words, opportunity, rules, moment)?;
    introduce(words, conversation.texted, &rules.organisation)
}

/// The words as they leave for somebody who has been texted before, or not, as far as a carrier takes them.
fn introduce(words: String, texted: bool, organisation: &str) -> Result<String, ComposeError> {
    let written = words.chars().count();
    let words = if texted { words } else { first_text(&words, organisation) };
    let chars = words.chars().count();
    if chars > MAX_BODY_CHARS {
        return Err(ComposeError::TooLong { chars, added: chars - written });
    }
    Ok(words)
}

fn with_added(added: usize) -> String {
    match added {
        0 => String::new(),
        added => format!(" with the {added} by which a first text says who writes and how to opt out"),
    }
}

/// When it leaves, if not at once. One that only waits for somebody to call it off is decided already here:
/// people see what becomes of it.
fn leaves_later(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    message: &Message,
    chosen: Option<Timestamp>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Timestamp>, ComposeError> {
    let send_at = chosen.filter(|at| *at > now);
    let leaves_at = send_at.unwrap_or(now);
    if is_soon(leaves_at, now)
        && let Some((until, why)) = waits(decide(tx, conversation, message, rules, leaves_at)??)
    {
        note_deferral(tx, conversation, until, why, rules, now)?;
        return Ok(Some(until));
    }
    Ok(send_at)
}

/// The words with a link in each place that they have for one. It is made here, in the transaction that
/// takes the text, and for no other.
fn with_booking_links(
    tx: &mut Tx<'_>,
    words: &str,
    opportunity: Option<&OpportunityId>,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<String, ComposeError> {
    fill(words, |event_type| {
        let opportunity = opportunity.ok_or(ComposeError::UnknownOpportunity)?;
        let first = || rules.booking.event_types.first().map(|event| event.id.as_str());
        let link = match event_type.or_else(first) {
            Some(id) => booking_link(tx, opportunity, id, rules, moment),
            None => Err(LinkError::UnknownEventType),
        };
        link.map_err(|error| match error {
            LinkError::Store(error) => error.into(),
            error => ComposeError::NoBookingLink(error),
        })
    })
}

/// What goes to an audience never holds up what somebody waits for.
pub(super) fn lane_of(purpose: Purpose) -> Lane {
    match purpose {
        Purpose::Bulk => Lane::Backfill,
        Purpose::Automatic => Lane::Live,
        _ => Lane::Interactive,
    }
}

fn name_of(author: &Author) -> &str {
    match author {
        Author::Staff { name, .. } | Author::Automatic(name) => name,
        Author::Candidate => "candidate",
    }
}

/// Whether a text that leaves then comes before all that are written from now on.
pub(super) fn is_soon(at: Timestamp, now: Timestamp) -> bool {
    const SOON: SignedDuration = SignedDuration::from_secs(60);
    at.duration_since(now) <= SOON
}

/// Which of our numbers a text to a number leaves from, where nobody chose one.
pub(crate) fn leaves_from(
    read: &impl Read,
    number: Number,
    rules: &Rules,
) -> Result<Option<Number>, StoreError> {
    let last = thread_of(read, number)?.and_then(|conversation| conversation.our_number);
    let last = last.filter(|ours| rules.numbers.contains(ours));
    Ok(last.or_else(|| rules.numbers.first().copied()))
}

fn known(read: &impl Read, id: &OpportunityId) -> Result<Opportunity, ComposeError> {
    read.get(OPPORTUNITIES, id)?.ok_or(ComposeError::UnknownOpportunity)
}

/// The words as they would leave for this number: a first text says more.
///
/// # Errors
/// [`ComposeError::TooLong`], [`ComposeError::Store`].
pub fn introduced(
    read: &impl Read,
    number: Number,
    words: &str,
    rules: &Rules,
) -> Result<String, ComposeError> {
    let texted = thread_of(read, number)?.is_some_and(|conversation| conversation.texted);
    introduce(tidy(words), texted, &rules.organisation)
}

/// The first text to a person names the organisation and carries the opt-out line (behaviour.md 2).
pub(super) fn first_text(words: &str, organisation: &str) -> String {
    let spoken = |text: &str| -> Vec<String> {
        let split = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        split.map(str::to_lowercase).collect()
    };
    let said = spoken(words);
    let name = spoken(organisation);
    let names_us = !name.is_empty() && said.windows(name.len()).any(|part| part == name);
    // "Can you stop by at 2?" tells nobody how to opt out.
    let says_how = said.windows(2).any(|pair| {
        matches!(pair[0].as_str(), "reply" | "text" | "send" | "txt" | "answer") && pair[1] == "stop"
    });
    let mut whole = if names_us { words.to_owned() } else { format!("{organisation}: {words}") };
    if !says_how {
        whole.push_str(if whole.ends_with(char::is_alphanumeric) { ". " } else { " " });
        whole.push_str("Reply STOP to opt out.");
    }
    whole
}

fn outbound(
    conversation: &Conversation,
    author: Author,
    words: String,
    purpose: Purpose,
    moment: &mut Moment,
) -> Message {
    let id = MessageId::new(moment.now, &moment.id_bits());
    let ours = conversation.our_number.unwrap_or(conversation.number);
    Message {
        purpose,
        opportunity: conversation.opportunity.clone(),
        ..Message::outgoing(id, conversation.id, moment.now, author, Body::new(words), ours)
    }
}

fn queue(
    tx: &mut Tx<'_>,
    mut conversation: Conversation,
    message: Message,
    rules: &Rules,
) -> Result<Message, StoreError> {
    conversation.texted = true;
    conversation.our_number = Some(message.our_number);
    add_message(tx, &mut conversation, &message, rules)?;
    tell(tx, &message);
    store(tx, &conversation)?;
    ask_later(tx, &Effect::Send(message.id), lane_of(message.purpose), message.at, message.at)?;
    Ok(message)
}

/// The same for one that leaves at `at`.
fn schedule(
    tx: &mut Tx<'_>,
    mut conversation: Conversation,
    message: Message,
    at: Timestamp,
    now: Timestamp,
) -> Result<Message, StoreError> {
    // One that only waits for somebody to call it off is as good as sent.
    if is_soon(at, now) {
        conversation.texted = true;
        conversation.our_number = Some(message.our_number);
    }
    let message = Message { delivery: Delivery::Scheduled, ..message };
    put_message(tx, &message)?;
    tell(tx, &message);
    ask_later(tx, &Effect::Send(message.id), lane_of(message.purpose), now, at)?;
    store(tx, &conversation)?;
    Ok(message)
}

/// A text that the daemon itself answers with. It leaves from the number that was written to.
pub(super) fn queue_automatic(
    tx: &mut Tx<'_>,
    conversation: Conversation,
    label: &str,
    words: String,
    purpose: Purpose,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let message = outbound(&conversation, Author::Automatic(label.into()), words, purpose, moment);
    let what = format!("a text was written by itself: {label}");
    note_of(tx, &conversation, Actor::fulcrum(), ActivityKind::Message, what, moment.now)?;
    queue(tx, conversation, message, rules).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_text_gets_what_it_lacks() {
        assert_eq!(
            first_text("Free at 2?", "Acme Recruiting"),
            "Acme Recruiting: Free at 2? Reply STOP to opt out."
        );
        let whole = "Hi from acme recruiting. Text STOP to opt out.";
        assert_eq!(first_text(whole, "Acme Recruiting"), whole);
    }

    #[test]
    fn a_word_that_only_looks_like_it_is_not_enough() {
        assert_eq!(
            first_text("Can you stop by with it at 2?", "It & Co"),
            "It & Co: Can you stop by with it at 2? Reply STOP to opt out."
        );
        assert_eq!(first_text("Hello", "Acme"), "Acme: Hello. Reply STOP to opt out.");
    }
}

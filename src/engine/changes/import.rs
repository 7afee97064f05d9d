//! Conversations from elsewhere: texts that were sent and received before fulcrum was there.
//!
//! They are history: they stand in their thread, are found by the search and are shown to Lever's users,
//! but nothing is sent and nothing is filed for them, since whoever had them before filed them or not. An
//! opt-out among them counts as one, and people are asked about what may be one. A text's id is made of what it says, so importing it twice is to
//! import it once.

use std::ops::ControlFlow;

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Author, Body, Delivery, Direction, Message, MessageId, Number,
    OptOutSource, Suppression, optout, optout::Verdict, target,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::activity::note;
use super::desk::{change_desk, desk_of};
use super::receive::{rule_of, said_otherwise_since};
use super::suppress::{doubt, lift, settle_doubt, suppress, suppression_of};
use super::thread::{candidacies, key_of, open, put_message, store};
use crate::store::tables::{MESSAGES, PLACES};
use crate::store::{Keys, Read, StoreError, Tx};

/// A text from elsewhere.
#[derive(Clone, Debug)]
pub struct Past {
    /// The candidate's number.
    pub number: Number,
    /// Ours, that it came to or left from.
    pub our_number: Number,
    /// Which way it went.
    pub direction: Direction,
    /// When.
    pub at: Timestamp,
    /// The words.
    pub body: Body,
    /// What whoever wrote it is called, if it was one of ours.
    pub author: String,
}

/// What became of texts from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// They are here now.
    pub texts: u64,
    /// They were here before.
    pub known: u64,
    /// Numbers that have opted out by them.
    pub opt_outs: u64,
    /// Numbers that may have: people are asked.
    pub possible: u64,
}

/// Takes texts in that were sent and received before.
pub fn import(tx: &mut Tx<'_>, texts: Vec<Past>, by: Actor, now: Timestamp) -> Result<Imported, StoreError> {
    let mut told = Imported::default();
    for text in texts {
        take_in(tx, text, &by, now, &mut told)?;
    }
    if told.texts > 0 {
        let Imported { texts, opt_outs, possible, .. } = told;
        let what =
            format!("{texts} texts were imported, with {opt_outs} opt-outs and {possible} that may be some");
        note(tx, &Activity::new(now, by, ActivityKind::Admin, what))?;
    }
    Ok(told)
}

fn take_in(
    tx: &mut Tx<'_>,
    text: Past,
    by: &Actor,
    now: Timestamp,
    told: &mut Imported,
) -> Result<(), StoreError> {
    let id = id_of(&text);
    if tx.has(PLACES, &id)? {
        told.known += 1;
        return Ok(());
    }
    let mut conversation = open(tx, text.number)?;
    let known = candidacies(tx, text.number)?;
    let opportunity = conversation.opportunity.clone().or_else(|| target(&known, None, now));
    let (thread, at, ours) = (conversation.id, text.at, text.our_number);
    let (message, verdict) = match text.direction {
        Direction::In => {
            let is_suppressed = suppression_of(tx, text.number)?.is_some();
            let verdict = optout::read(text.body.reveal(), is_suppressed);
            (Message::incoming(id, thread, at, text.body, ours), verdict)
        }
        Direction::Out => {
            let author = Author::Staff { user: None, name: text.author };
            let sent = Message::outgoing(id, thread, at, author, text.body, ours);
            (Message { delivery: Delivery::Delivered, ..sent }, Verdict::Answer)
        }
    };
    let rule = rule_of(verdict).map(str::to_owned);
    let message = Message { opportunity: opportunity.clone(), rule, ..message };
    let outdated = said_otherwise_since(tx, &message, verdict)?;
    // A thread that is new here needs no answer from anybody; one that is in use stays where it is.
    let put_away =
        conversation.last_message_at.is_none() || desk_of(tx, conversation.id)?.archived_at.is_some();
    put_message(tx, &message)?;
    conversation.opportunity = opportunity;
    conversation.texted |= text.direction == Direction::Out;
    if conversation.last_message_at.is_none_or(|last| last < text.at) {
        conversation.last_message_at = Some(text.at);
        conversation.our_number = Some(text.our_number);
    }
    store(tx, &conversation)?;
    if put_away {
        change_desk(tx, conversation.id, |desk| desk.archive(now))?;
    }
    told.texts += 1;
    match verdict {
        Verdict::OptOut { rule } if !outdated => {
            settle_doubt(tx, &mut conversation)?;
            store(tx, &conversation)?;
            let stop = Suppression { at: text.at, source: OptOutSource::Text(rule.to_owned()) };
            told.opt_outs += u64::from(suppress(tx, text.number, &stop, by.clone(), now)?);
        }
        // As of now: until today nobody could be asked.
        Verdict::PossibleOptOut { rule } if !outdated && suppression_of(tx, text.number)?.is_none() => {
            told.possible += u64::from(conversation.possible_opt_out.is_none());
            doubt(tx, &mut conversation, rule, now)?;
        }
        Verdict::Start if !outdated => {
            if !is_doubted_since(tx, &message)? {
                settle_doubt(tx, &mut conversation)?;
                store(tx, &conversation)?;
            }
            lift(tx, text.number, true, by.clone(), text.at)?;
        }
        _ => {}
    }
    Ok(())
}

/// Whether a later text may be an opt-out: a START from before says nothing of that.
fn is_doubted_since(read: &impl Read, start: &Message) -> Result<bool, StoreError> {
    let mut found = false;
    let later = Keys::beginning(&start.conversation).after(&key_of(start));
    read.scan(MESSAGES, &later, |_, later| {
        let verdict = optout::read(later.body.reveal(), false);
        found = later.direction == Direction::In && matches!(verdict, Verdict::PossibleOptOut { .. });
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// The same for the same text, whenever it is imported.
fn id_of(text: &Past) -> MessageId {
    let mut hash = Sha256::new();
    for number in [text.number, text.our_number] {
        hash.update(number.as_u64().to_be_bytes());
    }
    hash.update([u8::from(text.direction == Direction::In)]);
    hash.update(text.at.as_millisecond().to_be_bytes());
    hash.update(text.body.reveal());
    let mut random = [0; 10];
    random.copy_from_slice(&hash.finalize()[..10]);
    MessageId::new(text.at, &random)
}

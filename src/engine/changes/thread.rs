//! Threads: finding one, its messages, its deadline.

use fulcrum_domain::{
    Candidacy, Conversation, ConversationId, DeadlineKey, Message, MessageId, Number, Opportunity,
    OpportunityId, PostingId, Searchable, Session, TranscriptMode,
};
use jiff::Timestamp;

use super::Rules;
use super::counter::{Counter, next};
use super::deadline;
use super::desk::{desk_of, note_message, place};
use super::events::texted;
use super::searchable::to_index;
use crate::store::tables::{
    BY_NUMBER, CONVERSATIONS, MESSAGES, MessageKey, OPPORTUNITIES, PLACES, SPOKEN_OF, THREADS, UNFILED,
};
use crate::store::{Keys, Place, Read, Signal, StoreError, Tx};

/// The thread of a number, if anything was ever said.
pub fn thread_of(read: &impl Read, number: Number) -> Result<Option<Conversation>, StoreError> {
    match read.get(THREADS, &number)? {
        Some(id) => read.get(CONVERSATIONS, &id),
        None => Ok(None),
    }
}

/// The thread of a number, begun if there is none. A new one is nowhere before [`store`] has written it: what
/// it was begun for may be refused.
pub(super) fn open(tx: &mut Tx<'_>, number: Number) -> Result<Conversation, StoreError> {
    if let Some(conversation) = thread_of(tx, number)? {
        return Ok(conversation);
    }
    let count = next(tx, Counter::Conversations)?;
    Ok(Conversation::new(ConversationId::new(count), number))
}

pub(super) fn store(tx: &mut Tx<'_>, conversation: &Conversation) -> Result<(), StoreError> {
    if !tx.put(CONVERSATIONS, &conversation.id, conversation)? {
        tx.put(THREADS, &conversation.number, &conversation.id)?;
        to_index(tx, &Searchable::Conversation(conversation.id))?;
    }
    place(tx, conversation)?;
    tx.signal(Signal::Conversation(conversation.id));
    Ok(())
}

/// Moves the armed deadline of a thread to `at`, or takes it away.
pub(super) fn arm(
    tx: &mut Tx<'_>,
    conversation: &mut Conversation,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    if conversation.deadline == at {
        return Ok(());
    }
    deadline::arm(tx, DeadlineKey::Transcript(conversation.id), conversation.deadline, at)?;
    conversation.deadline = at;
    Ok(())
}

/// Counts a message at `at` in the open session and arms its deadline, unless the session waits
/// for somebody to say whom it is about.
pub(super) fn extend_session(
    tx: &mut Tx<'_>,
    conversation: &mut Conversation,
    at: Timestamp,
    mode: TranscriptMode,
    rules: &Rules,
) -> Result<(), StoreError> {
    let (session, files_at) = match mode {
        TranscriptMode::Off => return Ok(()),
        TranscriptMode::Session => {
            let session = Session::with_message(conversation.session, at, rules.times);
            (session, session.files_at())
        }
        // A session about another posting stays open beside it.
        TranscriptMode::Instant => {
            (conversation.session.unwrap_or(Session { due: at, latest: Some(at) }), at)
        }
    };
    conversation.session = Some(session);
    let armed = conversation.opportunity.is_some().then_some(files_at);
    arm(tx, conversation, armed)
}

/// A text that does not leave, or not yet, is taken out of the open session, which is then what it would
/// be without it.
pub(super) fn leave_session(
    tx: &mut Tx<'_>,
    conversation: &mut Conversation,
    text: &Message,
    rules: &Rules,
) -> Result<(), StoreError> {
    // Where no session is open, what is left waits for its outcome.
    if !tx.remove(UNFILED, &key_of(text))? || conversation.session.is_none() {
        return Ok(());
    }
    conversation.session = None;
    arm(tx, conversation, None)?;
    for text in unfiled(tx, conversation.id)? {
        let mode = mode_for(tx, text.opportunity.as_ref(), rules)?;
        extend_session(tx, conversation, text.at, mode, rules)?;
    }
    Ok(())
}

/// What a transcript is for messages about this opportunity.
pub(super) fn mode_for(
    read: &impl Read,
    opportunity: Option<&OpportunityId>,
    rules: &Rules,
) -> Result<TranscriptMode, StoreError> {
    if rules.mode_of.is_empty() {
        return Ok(rules.mode);
    }
    let posting: Option<PostingId> = match opportunity {
        Some(id) => read.get(OPPORTUNITIES, id)?.and_then(|o| o.posting),
        None => None,
    };
    Ok(posting.and_then(|id| rules.mode_of.get(&id).copied()).unwrap_or(rules.mode))
}

pub(super) fn key_of(message: &Message) -> MessageKey {
    (message.conversation, message.at, message.id)
}

/// Writes a message where its time puts it: a text that waited for its time moves there as it
/// leaves. What follows for the inbox is placed once its thread is stored.
pub(super) fn put_message(tx: &mut Tx<'_>, message: &Message) -> Result<(), StoreError> {
    let before = self::message(tx, message.id)?;
    if before
        .as_ref()
        .is_none_or(|before| before.body != message.body || before.opportunity != message.opportunity)
    {
        to_index(tx, &Searchable::Message(message.id))?;
    }
    note_message(tx, before.as_ref(), message, |tx| {
        if let Some(before) = before.as_ref().filter(|before| before.at != message.at) {
            tx.remove(MESSAGES, &key_of(before))?;
        }
        tx.put(MESSAGES, &key_of(message), message).map(drop)
    })?;
    let place = Place { conversation: message.conversation, at: message.at };
    tx.put(PLACES, &message.id, &place)?;
    if let Some(opportunity) = &message.opportunity {
        tx.put(SPOKEN_OF, &(opportunity.clone(), message.conversation), &())?;
    }
    Ok(())
}

/// Tells that a text is in a state that it was not in before.
pub(super) fn tell(tx: &mut Tx<'_>, message: &Message) {
    tx.signal(Signal::Text(message.direction, message.delivery));
}

/// Writes a new message into its thread: it stands in the open session from now on.
pub(super) fn add_message(
    tx: &mut Tx<'_>,
    conversation: &mut Conversation,
    message: &Message,
    rules: &Rules,
) -> Result<(), StoreError> {
    put_message(tx, message)?;
    let mode = mode_for(tx, message.opportunity.as_ref(), rules)?;
    if mode != TranscriptMode::Off {
        tx.put(UNFILED, &key_of(message), &())?;
        extend_session(tx, conversation, message.at, mode, rules)?;
    }
    conversation.last_message_at = Some(conversation.last_message_at.unwrap_or(message.at).max(message.at));
    texted(tx, message, rules)
}

/// A message by its id.
pub fn message(read: &impl Read, id: MessageId) -> Result<Option<Message>, StoreError> {
    match read.get(PLACES, &id)? {
        Some(place) => read.get(MESSAGES, &(place.conversation, place.at, id)),
        None => Ok(None),
    }
}

/// The messages of a thread that stand in no filed transcript, in order, at most 10,000.
pub(super) fn unfiled(read: &impl Read, id: ConversationId) -> Result<Vec<Message>, StoreError> {
    const MOST: usize = 10_000;
    let mut messages = Vec::new();
    for (key, ()) in read.list(UNFILED, &Keys::beginning(&id), MOST)? {
        messages.extend(read.get(MESSAGES, &key)?);
    }
    Ok(messages)
}

/// The opportunities that a number leads to.
pub fn candidacies(read: &impl Read, number: Number) -> Result<Vec<Candidacy>, StoreError> {
    /// More people do not share a telephone.
    const MOST: usize = 100;
    let mut known = Vec::new();
    for ((_, id), ()) in read.list(BY_NUMBER, &Keys::beginning(&number), MOST)? {
        if let Some(o) = read.get(OPPORTUNITIES, &id)? {
            known.push(Candidacy {
                active: o.is_active(),
                advanced_at: o.advanced_at,
                created_at: o.created_at,
                id,
            });
        }
    }
    Ok(known)
}

/// Whether a person may say that a number is this candidate's: Lever says so of one of their opportunities. Where
/// it leads to nobody there, its thread is theirs already, or waits since somebody wrote from it (behaviour.md 1,
/// Unmatched). A thread of somebody else is never given to them.
pub(super) fn may_be_theirs(
    read: &impl Read,
    number: Number,
    candidate: &Opportunity,
) -> Result<bool, StoreError> {
    if candidate.numbers().any(|theirs| theirs == number) {
        return Ok(true);
    }
    let is_theirs = |id: &OpportunityId| {
        Ok::<_, StoreError>(read.get(OPPORTUNITIES, id)?.is_some_and(|row| row.contact == candidate.contact))
    };
    let leads_to = candidacies(read, number)?;
    for one in &leads_to {
        if is_theirs(&one.id)? {
            return Ok(true);
        }
    }
    match thread_of(read, number)?.filter(|_| leads_to.is_empty()) {
        None => Ok(false),
        Some(thread) => match &thread.opportunity {
            Some(about) => is_theirs(about),
            None => Ok(desk_of(read, thread.id)?.said.last_in_at.is_some()),
        },
    }
}

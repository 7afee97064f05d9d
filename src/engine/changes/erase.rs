//! A candidate was deleted: their data goes from the file (invariant 5). What stays is a tombstone
//! of the opportunity, so that no older page brings it back, and the keyed hash of an opt-out.

use std::collections::BTreeSet;

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Conversation, ConversationId, Effect, Message, Opportunity, OpportunityId,
    Searchable, target,
};
use jiff::{SignedDuration, Timestamp};

use super::activity::{forget_subject, note};
use super::appointment::erase_appointments;
use super::booking::forget_bookings;
use super::desk::{clear, recount};
use super::outbox::drop_effect;
use super::projection::forget_meeting;
use super::remind::erase_reminders;
use super::searchable::to_index;
use super::suppress::settle_doubt;
use super::thread::{arm, candidacies, key_of, store, thread_of};
use crate::store::tables::{
    AWAITING_RECEIPT, BOOKMARKS, BY_CONTACT, BY_NUMBER, CONVERSATIONS, DELETED, FILINGS, FILINGS_OF,
    INTERVIEWS, MESSAGES, OPPORTUNITIES, OVERRIDES, PLACES, SPOKEN_OF, THREADS, UNFILED, VANISHED,
};
use crate::store::{Deleted, Keys, Read, Seen, Signal, StoreError, Subject, Tx};

/// The bookmark of the last erasure whose bytes may still be in unused parts of the file.
pub(crate) const ERASED: &str = "erased";

/// Erases an opportunity and what was said about it, over all numbers that it had. Of a thread the
/// messages about the one who is gone are erased, and those about nobody when its number leads to
/// nobody else; the thread itself when nothing is left in it. The carrier's names of erased
/// messages stay, without their words, so that reading its list again brings nothing back.
///
/// Gives back whether it was known.
pub fn erase_opportunity(tx: &mut Tx<'_>, id: &OpportunityId, now: Timestamp) -> Result<bool, StoreError> {
    tx.put(DELETED, id, &Deleted(now))?;
    for effect in [Effect::Hydrate(id.clone()), Effect::Interviews(id.clone())] {
        drop_effect(tx, &effect)?;
    }
    erase_appointments(tx, id)?;
    let mut threads = BTreeSet::new();
    for ((_, conversation), ()) in tx.list(SPOKEN_OF, &Keys::beginning(id), usize::MAX)? {
        tx.remove(SPOKEN_OF, &(id.clone(), conversation))?;
        threads.insert(conversation);
    }
    for number in tx.get(OPPORTUNITIES, id)?.iter().flat_map(Opportunity::numbers) {
        threads.extend(thread_of(tx, number)?.map(|conversation| conversation.id));
    }
    forget_bookings(tx, id, &threads)?;
    let known = forget(tx, id, now)?;
    forget_subject(tx, &Subject::Opportunity(id.clone()))?;
    if known || !threads.is_empty() {
        owe_new_file(tx, now)?;
        let erased = "a person was erased, since they were deleted in Lever";
        note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Sync, erased))?;
    }
    for thread in threads {
        if let Some(conversation) = tx.get(CONVERSATIONS, &thread)? {
            erase_from_thread(tx, conversation, id, now)?;
        }
    }
    Ok(known)
}

/// Lever was asked at `as_of` and shows an opportunity no more, and nobody says that it was deleted
/// (lever-api.md 1.5): it is forgotten as a projection and nothing of ours is erased.
pub fn mark_invisible(tx: &mut Tx<'_>, id: &OpportunityId, as_of: Timestamp) -> Result<bool, StoreError> {
    tx.put(VANISHED, id, &Seen(as_of))?;
    forget(tx, id, as_of)
}

/// The rows go at once, their bytes when the file is written anew (`engine/renewal`). Each erasure
/// has a time of its own, so that one that comes meanwhile is not taken for paid.
fn owe_new_file(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let name = ERASED.to_owned();
    let next = |Seen(before): Seen| before.checked_add(SignedDuration::from_millis(1)).unwrap_or(before);
    let at = tx.get(BOOKMARKS, &name)?.map_or(now, |before| now.max(next(before)));
    tx.put(BOOKMARKS, &name, &Seen(at)).map(drop)
}

/// Takes the projection of an opportunity away. False when there was none.
fn forget(tx: &mut Tx<'_>, id: &OpportunityId, now: Timestamp) -> Result<bool, StoreError> {
    erase_reminders(tx, id)?;
    for ((_, interview), row) in tx.list(INTERVIEWS, &Keys::beginning(id), usize::MAX)? {
        forget_meeting(tx, &row)?;
        tx.remove(INTERVIEWS, &(id.clone(), interview))?;
    }
    let Some(opportunity) = tx.get(OPPORTUNITIES, id)? else { return Ok(false) };
    owe_new_file(tx, now)?;
    tx.remove(OPPORTUNITIES, id)?;
    to_index(tx, &Searchable::Person(id.clone()))?;
    tx.remove(BY_CONTACT, &(opportunity.contact.clone(), id.clone()))?;
    for number in opportunity.numbers() {
        tx.remove(BY_NUMBER, &(number, id.clone()))?;
    }
    Ok(true)
}

fn erase_from_thread(
    tx: &mut Tx<'_>,
    mut conversation: Conversation,
    id: &OpportunityId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let others = candidacies(tx, conversation.number)?;
    erase_filings(tx, conversation.id, id)?;
    let mut last = None;
    let mut unfiled = false;
    // In pages, since a thread has no longest length.
    let mut keys = Keys::beginning(&conversation.id);
    loop {
        let page = tx.list(MESSAGES, &keys, 500)?;
        let Some((end, _)) = page.last() else { break };
        keys = keys.after(end);
        for (key, message) in page {
            let theirs = message.opportunity.as_ref().map_or(others.is_empty(), |about| about == id);
            if theirs {
                erase_message(tx, &message)?;
            } else {
                unfiled |= tx.has(UNFILED, &key)?;
                last = Some(message.at);
            }
        }
    }
    if last.is_none() {
        arm(tx, &mut conversation, None)?;
        settle_doubt(tx, &mut conversation)?;
        tx.remove(CONVERSATIONS, &conversation.id)?;
        tx.remove(THREADS, &conversation.number)?;
        clear(tx, conversation.id)?;
        forget_subject(tx, &Subject::Conversation(conversation.id))?;
        to_index(tx, &Searchable::Conversation(conversation.id))?;
        tx.signal(Signal::Conversation(conversation.id));
        return Ok(());
    }
    conversation.late_failures.clear();
    conversation.last_message_at = last;
    if !unfiled {
        conversation.session = None;
        arm(tx, &mut conversation, None)?;
    }
    if conversation.opportunity.as_ref() == Some(id) {
        conversation.opportunity = target(&others, None, now);
    }
    recount(tx, conversation.id)?;
    store(tx, &conversation)
}

fn erase_message(tx: &mut Tx<'_>, message: &Message) -> Result<(), StoreError> {
    let key = key_of(message);
    tx.remove(MESSAGES, &key)?;
    to_index(tx, &Searchable::Message(message.id))?;
    tx.remove(UNFILED, &key)?;
    tx.remove(PLACES, &message.id)?;
    tx.remove(AWAITING_RECEIPT, &message.id)?;
    tx.remove(OVERRIDES, &message.id)?;
    drop_effect(tx, &Effect::Send(message.id))
}

fn erase_filings(
    tx: &mut Tx<'_>,
    conversation: ConversationId,
    id: &OpportunityId,
) -> Result<(), StoreError> {
    for ((_, filing), ()) in tx.list(FILINGS_OF, &Keys::beginning(&conversation), usize::MAX)? {
        if tx.get(FILINGS, &filing)?.is_some_and(|row| row.opportunity == *id) {
            tx.remove(FILINGS, &filing)?;
            tx.remove(FILINGS_OF, &(conversation, filing))?;
            drop_effect(tx, &Effect::PostNote(filing))?;
        }
    }
    Ok(())
}

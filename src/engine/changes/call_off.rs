//! What waits for somebody who wants no texts is called off in the transaction that learns of it: texts that
//! are written, automations that they are in, their turns in bulk texts (behaviour.md 2, "Effect").
//!
//! The guard would stop each of these when it is due. Until then people would see it wait and count on it,
//! and a word that is taken back meanwhile would let leave what nobody expects any more.

use fulcrum_domain::bulk::{BulkState, Exclusion, RecipientState};
use fulcrum_domain::{ActivityKind, Actor, ConversationId, Delivery, Effect, Number, OpportunityId, Refusal};
use jiff::Timestamp;

use super::activity::note_of;
use super::bulk::{all_recipients, move_on};
use super::enrolment::Enrolled;
use super::introduce::forget_introduction;
use super::outbox::drop_effect;
use super::thread::{candidacies, store, thread_of};
use crate::store::tables::{BULKS, MESSAGES, OPPORTUNITIES, OUTBOX};
use crate::store::{Keys, Read, StoreError, Tx};

/// Nobody has more texts waiting in one thread.
pub(super) const LOOK_BACK: usize = 1000;

/// In how many bulk texts somebody may wait; in older ones they are asked about when their turn comes, as in
/// all.
const BULKS_MAX: usize = 100;

/// Calls off what waits for a number: `why` stands with each of it, and in the activity. What is in flight
/// cannot be called back.
pub(super) fn call_off(
    tx: &mut Tx<'_>,
    number: Number,
    why: Refusal,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(mut conversation) = thread_of(tx, number)? {
        let count = call_off_texts(tx, conversation.id, why)?;
        if count > 0 {
            let texts = if count == 1 { "a text that waited was" } else { "texts that waited were" };
            let what = format!("{texts} called off: {why}");
            note_of(tx, &conversation, Actor::fulcrum(), ActivityKind::Message, what, now)?;
            forget_introduction(tx, &mut conversation)?;
            store(tx, &conversation)?;
        }
    }
    let theirs = texted_at(tx, number)?;
    for about in &theirs {
        for one in Enrolled::of(tx, about)?.into_iter().filter(|one| one.is_live()) {
            one.end(tx, &why.to_string(), now)?;
        }
    }
    call_off_turns(tx, &theirs, why)
}

/// The opportunities whose candidates are texted at a number.
pub(super) fn texted_at(read: &impl Read, number: Number) -> Result<Vec<OpportunityId>, StoreError> {
    let mut theirs = Vec::new();
    for one in candidacies(read, number)? {
        // Who has several numbers is texted at the first.
        let row = read.get(OPPORTUNITIES, &one.id)?;
        theirs.extend(row.filter(|row| row.number() == Some(number)).map(|_| one.id));
    }
    Ok(theirs)
}

fn call_off_texts(tx: &mut Tx<'_>, conversation: ConversationId, why: Refusal) -> Result<usize, StoreError> {
    let mut count = 0;
    for (_, message) in tx.list_back(MESSAGES, &Keys::beginning(&conversation), LOOK_BACK)? {
        let waits = matches!(message.delivery, Delivery::Queued | Delivery::Scheduled);
        let effect = Effect::Send(message.id);
        if waits && !why.spares(message.purpose) && tx.has(OUTBOX, &effect)? {
            super::delivery::call_off(tx, message, why)?;
            drop_effect(tx, &effect)?;
            count += 1;
        }
    }
    Ok(count)
}

fn call_off_turns(tx: &mut Tx<'_>, theirs: &[OpportunityId], why: Refusal) -> Result<(), StoreError> {
    if theirs.is_empty() {
        return Ok(());
    }
    for (id, bulk) in tx.list_back(BULKS, &Keys::all(), BULKS_MAX)? {
        if matches!(bulk.state, BulkState::Stopped | BulkState::Done) {
            continue;
        }
        for (place, recipient) in all_recipients(tx, id)? {
            if recipient.state == RecipientState::Waiting && theirs.contains(&recipient.opportunity) {
                let state = RecipientState::Excluded(Exclusion::Refused(why.to_string()));
                move_on(tx, id, place, recipient, state)?;
            }
        }
    }
    Ok(())
}

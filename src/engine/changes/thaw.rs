//! What was frozen while somebody may have opted out is decided anew once it is known that they have not
//! (behaviour.md 2): texts that were written, automations that they are in, their turns in bulk texts. If they
//! have, all of it is called off (`call_off`).

use fulcrum_domain::automation::{Enrolment, EnrolmentState, HeldFor};
use fulcrum_domain::{Conversation, Delivery, Effect, OpportunityId};
use jiff::Timestamp;

use super::Rules;
use super::bulk::give_turn;
use super::call_off::{LOOK_BACK, texted_at};
use super::cancel::cancel_if_waiting;
use super::compose::lane_of;
use super::enrolment::{Enrolled, STALE, wake_those};
use super::outbox::{ask_later, drop_effect};
use super::recheck::{is_too_late, writer_of};
use super::suppress::over_at;
use crate::store::tables::{BULKS_RUNNING, MESSAGES, OUTBOX, RECIPIENTS, TURNS};
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// They have not opted out, of whom that was doubted `since` then.
pub(super) fn thaw(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    since: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    thaw_texts(tx, conversation, since, rules, now)?;
    let theirs = texted_at(tx, conversation.number)?;
    for about in &theirs {
        let frozen = |row: &Enrolment| row.state == EnrolmentState::Held(HeldFor::Doubt);
        wake_those(tx, Enrolled::of(tx, about)?, frozen, rules, now)?;
    }
    thaw_turns(tx, &theirs, since, now)
}

/// Texts that wait for the end of the doubt are due at once; the guard, and what has become of their reasons,
/// decides then. What an automation wrote too long ago is not told any more.
fn thaw_texts(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    since: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (_, text) in tx.list_back(MESSAGES, &Keys::beginning(&conversation.id), LOOK_BACK)? {
        let effect = Effect::Send(text.id);
        if text.delivery != Delivery::Scheduled || !text.purpose.is_unasked() {
            continue;
        }
        let frozen = tx.get(OUTBOX, &effect)?.filter(|row| row.due_at >= over_at(since));
        let Some(frozen) = frozen else { continue };
        let writer = match &text.opportunity {
            Some(about) => writer_of(tx, about, text.id)?,
            None => None,
        };
        match writer.filter(|one| is_too_late(one, frozen.asked_at, rules, now)) {
            Some(one) => {
                cancel_if_waiting(tx, text.id, rules, now)?;
                one.end(tx, STALE, now)?;
            }
            None => {
                drop_effect(tx, &effect)?;
                ask_later(tx, &effect, lane_of(text.purpose), now, now)?;
            }
        }
    }
    Ok(())
}

/// The turns in bulk texts that were put off until the end of the doubt come now.
fn thaw_turns(
    tx: &mut Tx<'_>,
    theirs: &[OpportunityId],
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (id, ()) in tx.list(BULKS_RUNNING, &Keys::all(), usize::MAX)? {
        for ((_, at, place), ()) in tx.list(TURNS, &Keys::beginning(&(id, over_at(since))), usize::MAX)? {
            if tx.get(RECIPIENTS, &(id, place))?.is_some_and(|one| theirs.contains(&one.opportunity)) {
                tx.remove(TURNS, &(id, at, place))?;
                give_turn(tx, id, place, now)?;
                tx.signal(Signal::Turn);
            }
        }
    }
    Ok(())
}

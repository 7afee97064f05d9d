//! Calling off: a text before it leaves, and an effect that failed.

use fulcrum_domain::{Activity, ActivityKind, Actor, Delivery, Effect, EffectState, MessageId};
use jiff::Timestamp;

use super::Rules;
use super::activity::{note, note_effect};
use super::delivery::{Report, report};
use super::introduce::introduce_anew;
use super::outbox::drop_effect;
use super::thread::{leave_session, message, put_message, store, tell};
use crate::engine::clock::Moment;
use crate::store::tables::{CONVERSATIONS, OUTBOX};
use crate::store::{Read, StoreError, Tx};

/// Why a text is not called off.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is none.
    #[error("no text has this id")]
    Unknown,
    /// It is at the carrier, or was called off before.
    #[error("the text has left already, or was called off before")]
    TooLate,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Calls a text off. It can be until the transaction that hands it over, which looks at what is
/// stored here: whichever of the two comes first decides.
///
/// # Errors
/// [`CancelError`]; then nothing changes.
pub fn cancel(
    tx: &mut Tx<'_>,
    id: MessageId,
    by: Actor,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), CancelError> {
    let mut text = message(tx, id)?.ok_or(CancelError::Unknown)?;
    let mut conversation = tx.get(CONVERSATIONS, &text.conversation)?.ok_or(CancelError::Unknown)?;
    if !matches!(text.delivery, Delivery::Scheduled | Delivery::Queued) {
        return Err(CancelError::TooLate);
    }
    text.delivery = Delivery::Canceled;
    put_message(tx, &text)?;
    tell(tx, &text);
    drop_effect(tx, &Effect::Send(id))?;
    leave_session(tx, &mut conversation, &text, rules)?;
    introduce_anew(tx, &mut conversation, rules, now)?;
    store(tx, &conversation)?;
    let activity = Activity::new(now, by, ActivityKind::Message, "a text was called off");
    Ok(note(tx, &activity.of(text.conversation).about(text.opportunity))?)
}

/// Calls a text of ours off that is not wanted any more. False when it has left, which is as it should be.
pub(super) fn cancel_if_waiting(
    tx: &mut Tx<'_>,
    id: MessageId,
    rules: &Rules,
    now: Timestamp,
) -> Result<bool, StoreError> {
    match cancel(tx, id, Actor::fulcrum(), rules, now) {
        Ok(()) => Ok(true),
        Err(CancelError::Unknown | CancelError::TooLate) => Ok(false),
        Err(CancelError::Store(error)) => Err(error),
    }
}

/// Gives up a failed effect, by a person's wish, and does what follows from that. False when there
/// is no such failure.
pub fn give_up(
    tx: &mut Tx<'_>,
    effect: &Effect,
    by: Actor,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<bool, StoreError> {
    if tx.get(OUTBOX, effect)?.is_none_or(|row| row.state != EffectState::Failed) {
        return Ok(false);
    }
    note_effect(tx, effect, by, format!("{} was given up", effect.kind()), moment.now)?;
    if let Effect::Send(id) = effect {
        report(tx, *id, Report { delivery: Delivery::Failed, failure: None, sid: None }, rules, moment)?;
    }
    drop_effect(tx, effect)?;
    Ok(true)
}

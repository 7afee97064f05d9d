//! Bulk texts as rows: what a person's step changes, and where a recipient is.
//!
//! A turn (`TURNS`) is a hint to look at a recipient at a time; what is due is decided by the stored state,
//! so a turn too many does nothing. A recipient's state moves in the transaction that writes their text:
//! nobody gets it twice, wherever the daemon is killed.

use std::ops::ControlFlow;

use fulcrum_domain::bulk::{
    self, Bulk, BulkId, BulkState, Exclusion, Recipient, RecipientState, Step, StepRefusal,
};
use fulcrum_domain::{Activity, ActivityKind, Actor, Message, Purpose, SendFailure};
use jiff::Timestamp;

use super::Rules;
use super::activity::note;
use super::cancel::cancel_if_waiting;
use super::counter::{Counter, next};
use super::thread::message;
use crate::engine::clock::Moment;
use crate::store::tables::{BULKS, BULKS_RUNNING, RECIPIENTS, TURNS};
use crate::store::{Keys, Read, StoreError, Tx};

/// Why a step is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// There is none.
    #[error("no such bulk text is known")]
    Unknown,
    /// The step does not fit.
    #[error(transparent)]
    Refused(#[from] StepRefusal),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes down a bulk text and whom it is for.
pub fn make_bulk(tx: &mut Tx<'_>, bulk: &Bulk, recipients: Vec<Recipient>) -> Result<BulkId, StoreError> {
    let count = next(tx, Counter::Bulks)?;
    let id = BulkId::new(count);
    tx.put(BULKS, &id, bulk)?;
    for (place, recipient) in (1..).zip(recipients) {
        tx.put(RECIPIENTS, &(id, place), &recipient)?;
    }
    tell(tx, id, "made", bulk.made_by.clone(), bulk.made_at)?;
    Ok(id)
}

/// A person's step, and what follows from it at once.
///
/// # Errors
/// [`BulkError`]; then nothing changes.
pub fn step_bulk(
    tx: &mut Tx<'_>,
    id: BulkId,
    step: Step,
    by: &Actor,
    second_person_above: usize,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), BulkError> {
    let bulk = tx.get(BULKS, &id)?.ok_or(BulkError::Unknown)?;
    let all = all_recipients(tx, id)?;
    let waiting = all.iter().filter(|(_, one)| one.state == RecipientState::Waiting).count();
    let state = bulk::after(&bulk.state, step, by, waiting, second_person_above)?;
    match state {
        BulkState::Running => {
            tx.put(BULKS_RUNNING, &id, &())?;
            for (place, _) in all.iter().filter(|(_, one)| one.state == RecipientState::Waiting) {
                tx.put(TURNS, &(id, moment.now, *place), &())?;
            }
        }
        BulkState::Paused | BulkState::Stopped => {
            tx.remove(BULKS_RUNNING, &id)?;
            if state == BulkState::Stopped {
                for (turn, ()) in tx.list(TURNS, &Keys::beginning(&id), usize::MAX)? {
                    tx.remove(TURNS, &turn)?;
                }
            }
            for (place, recipient) in all {
                call_back(tx, (id, place), recipient, state == BulkState::Stopped, rules, moment)?;
            }
        }
        _ => {}
    }
    let what = match step {
        Step::Confirm { .. } => format!("confirmed for {waiting}"),
        Step::Approve => "approved by a second person".to_owned(),
        Step::Pause => "paused".to_owned(),
        Step::Resume => "let go on".to_owned(),
        Step::Stop => "stopped".to_owned(),
    };
    tx.put(BULKS, &id, &Bulk { state, ..bulk })?;
    Ok(tell(tx, id, &what, by.clone(), moment.now)?)
}

/// Everybody's turn has come: nothing waits any more.
pub fn finish_bulk(tx: &mut Tx<'_>, id: BulkId, now: Timestamp) -> Result<(), StoreError> {
    let Some(bulk) = tx.get(BULKS, &id)? else { return Ok(()) };
    let waits = !tx.list(TURNS, &Keys::beginning(&id), 1)?.is_empty();
    if waits || bulk.state != BulkState::Running {
        return Ok(());
    }
    tx.remove(BULKS_RUNNING, &id)?;
    tx.put(BULKS, &id, &Bulk { state: BulkState::Done, ..bulk })?;
    tell(tx, id, "done", Actor::fulcrum(), now)
}

/// The recipient whose turn it is, with the bulk text. None if it is not being sent, or the turn was taken.
pub fn take_turn(
    tx: &mut Tx<'_>,
    (id, at, place): (BulkId, Timestamp, u64),
) -> Result<Option<(Bulk, Recipient)>, StoreError> {
    let running = tx.get(BULKS, &id)?.filter(|bulk| bulk.state == BulkState::Running);
    match running {
        Some(bulk) if tx.remove(TURNS, &(id, at, place))? => {
            Ok(tx.get(RECIPIENTS, &(id, place))?.map(|recipient| (bulk, recipient)))
        }
        _ => Ok(None),
    }
}

/// Gives a recipient a turn.
pub fn give_turn(tx: &mut Tx<'_>, id: BulkId, place: u64, at: Timestamp) -> Result<(), StoreError> {
    tx.put(TURNS, &(id, at, place), &()).map(drop)
}

/// Moves a recipient on.
pub fn move_on(
    tx: &mut Tx<'_>,
    id: BulkId,
    place: u64,
    recipient: Recipient,
    state: RecipientState,
) -> Result<(), StoreError> {
    tx.put(RECIPIENTS, &(id, place), &Recipient { state, ..recipient }).map(drop)
}

/// A text could not be written, and its transaction was undone: whose turn it was gets none, or no second.
pub fn exclude(tx: &mut Tx<'_>, turn: (BulkId, Timestamp, u64), why: Exclusion) -> Result<(), StoreError> {
    match take_turn(tx, turn)? {
        Some((_, recipient)) if recipient.state == RecipientState::Waiting => {
            move_on(tx, turn.0, turn.2, recipient, RecipientState::Excluded(why))
        }
        _ => Ok(()),
    }
}

/// Takes a turn away of which nothing can be read.
pub(crate) fn leave_turn(tx: &mut Tx<'_>, turn: (BulkId, Timestamp, u64)) -> Result<(), StoreError> {
    tx.remove(TURNS, &turn).map(drop)
}

/// The same for a whole bulk text: it is not looked at any more.
pub(crate) fn leave_bulk(tx: &mut Tx<'_>, id: BulkId) -> Result<(), StoreError> {
    tx.remove(BULKS_RUNNING, &id).map(drop)
}

/// All recipients of a bulk text, in their order.
pub fn all_recipients(read: &impl Read, id: BulkId) -> Result<Vec<(u64, Recipient)>, StoreError> {
    let mut all = Vec::new();
    read.scan(RECIPIENTS, &Keys::beginning(&id), |(_, place), recipient| {
        all.push((place, recipient));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all)
}

/// So many texts in a row that fail for our account say that the next ones will.
const REFUSED: usize = 5;

/// A text has come to its end. If it is one of a bulk text whose newest have all failed since our account at
/// the carrier is not in order, those who wait are kept for a person to decide.
pub(crate) fn pause_refused_bulk(
    tx: &mut Tx<'_>,
    text: &Message,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let refused = |text: &Message| text.failure == Some(SendFailure::Config);
    if text.purpose != Purpose::Bulk || !refused(text) {
        return Ok(());
    }
    for (id, ()) in tx.list(BULKS_RUNNING, &Keys::all(), usize::MAX)? {
        let mut own = Vec::new();
        for (_, recipient) in all_recipients(tx, id)? {
            own.extend(match recipient.state {
                RecipientState::Written(text) => vec![text],
                RecipientState::Nudged { first, nudge } => vec![first, nudge],
                _ => Vec::new(),
            });
        }
        if !own.contains(&text.id) {
            continue;
        }
        let mut ended = Vec::new();
        for text in own {
            ended.extend(message(tx, text)?.filter(|text| text.delivery.is_final()));
        }
        ended.sort_by_key(|text| std::cmp::Reverse(text.submitted_at));
        if ended.len() < REFUSED || !ended.iter().take(REFUSED).all(refused) {
            continue;
        }
        match step_bulk(tx, id, Step::Pause, &Actor::fulcrum(), usize::MAX, rules, moment) {
            Ok(()) => {
                let why = "paused, since the account at the carrier is not in order: let it go on once it is";
                tell(tx, id, why, Actor::fulcrum(), moment.now)?;
            }
            Err(BulkError::Store(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// What was written and has not left is called off: it is written again when it goes on, or never.
fn call_back(
    tx: &mut Tx<'_>,
    (id, place): (BulkId, u64),
    recipient: Recipient,
    for_good: bool,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let state = match &recipient.state {
        RecipientState::Waiting if for_good => RecipientState::CalledOff,
        RecipientState::Written(text) if cancel_if_waiting(tx, *text, rules, moment.now)? => {
            if for_good {
                RecipientState::CalledOff
            } else {
                RecipientState::Waiting
            }
        }
        RecipientState::Nudged { first, nudge } if cancel_if_waiting(tx, *nudge, rules, moment.now)? => {
            RecipientState::Written(*first)
        }
        _ => return Ok(()),
    };
    if !for_good {
        give_turn(tx, id, place, moment.now)?;
    }
    move_on(tx, id, place, recipient, state)
}

fn tell(tx: &mut Tx<'_>, id: BulkId, what: &str, by: Actor, at: Timestamp) -> Result<(), StoreError> {
    let what = format!("bulk text {id} was {what}");
    note(tx, &Activity::new(at, by, ActivityKind::Bulk, what))
}

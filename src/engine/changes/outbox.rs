//! The outbox: asking for effects, taking those that are due, and what becomes of them.
//!
//! How many rows of each kind are in each state is counted beside them, in the same transaction: an
//! outage of Lever's leaves a hundred thousand rows, and a look at the metrics must not read them all.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use fulcrum_domain::{
    Actor, Delivery, Effect, EffectKind, EffectRow, EffectState, FilingState, Lane, Remote, SendFailure,
    retry_at,
};
use jiff::Timestamp;

use super::activity::note_effect;
use super::mute::holds_back;
use super::thread::message;
use crate::engine::clock::Moment;
use crate::store::tables::{APPOINTMENTS, COUNTERS, DueKey, FILINGS, MUTED, OUTBOX, OUTBOX_DUE};
use crate::store::{Keys, Read, Signal, StoreError, Tx, readable};

fn remote_key(remote: Remote) -> u8 {
    match remote {
        Remote::Lever => 0,
        Remote::Carrier => 1,
        Remote::Records => 2,
    }
}

fn due_key(effect: &Effect, row: &EffectRow) -> DueKey {
    (remote_key(effect.remote()), (row.lane as u8, row.due_at, effect.clone()))
}

/// Whether a row waits for its time, be it for the first attempt or for a look-up.
fn waits(row: &EffectRow) -> bool {
    matches!(row.state, EffectState::Due | EffectState::Unknown)
}

/// Changes a row, and what is known of it elsewhere: the index of those that wait, and the counts.
fn store(
    tx: &mut Tx<'_>,
    effect: &Effect,
    before: Option<&EffectRow>,
    row: &EffectRow,
) -> Result<(), StoreError> {
    if let Some(before) = before.filter(|row| waits(row)) {
        tx.remove(OUTBOX_DUE, &due_key(effect, before))?;
    }
    tx.put(OUTBOX, effect, row)?;
    count(tx, effect, before, Some(row))?;
    if waits(row) {
        tx.put(OUTBOX_DUE, &due_key(effect, row), &())?;
        tx.signal(Signal::Outbox(effect.remote()));
    }
    Ok(())
}

/// The same for a row that goes.
fn remove(tx: &mut Tx<'_>, effect: &Effect, row: &EffectRow) -> Result<(), StoreError> {
    if waits(row) {
        tx.remove(OUTBOX_DUE, &due_key(effect, row))?;
    }
    tx.remove(OUTBOX, effect)?;
    count(tx, effect, Some(row), None)
}

fn count(
    tx: &mut Tx<'_>,
    effect: &Effect,
    before: Option<&EffectRow>,
    after: Option<&EffectRow>,
) -> Result<(), StoreError> {
    let (before, after) = (before.map(|row| row.state), after.map(|row| row.state));
    if before == after {
        return Ok(());
    }
    for (state, change) in [(before, -1), (after, 1)] {
        if let Some(state) = state {
            let name = counter(effect.kind(), state);
            let rows = tx.get(COUNTERS, &name)?.unwrap_or(0);
            tx.put(COUNTERS, &name, &rows.saturating_add_signed(change))?;
        }
    }
    Ok(())
}

fn counter(kind: EffectKind, state: EffectState) -> String {
    format!("outbox {kind} {}", state.as_str())
}

/// How many effects there are, by kind and state; without those of which there are none.
pub type EffectCounts = BTreeMap<(EffectKind, EffectState), u64>;

/// How many effects there are.
pub fn effect_counts(read: &impl Read) -> Result<EffectCounts, StoreError> {
    let mut counts = EffectCounts::new();
    for kind in EffectKind::ALL {
        for state in EffectState::ALL {
            let rows = read.get(COUNTERS, &counter(kind, state))?.unwrap_or(0);
            if rows > 0 {
                counts.insert((kind, state), rows);
            }
        }
    }
    Ok(counts)
}

/// How many of them wait for a person.
pub fn count_failed(counts: &EffectCounts) -> u64 {
    counts.iter().filter(|((_, state), _)| *state == EffectState::Failed).map(|(_, rows)| rows).sum()
}

/// When the first effect is due of those that wait.
pub(crate) fn first_due_at(read: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let mut first: Option<Timestamp> = None;
    for remote in [Remote::Lever, Remote::Carrier, Remote::Records] {
        for lane in Lane::ALL {
            let keys = Keys::beginning(&(remote_key(remote), lane as u8));
            if let Some(((_, (_, due_at, _)), ())) = read.first(OUTBOX_DUE, &keys)? {
                first = Some(first.map_or(due_at, |at| at.min(due_at)));
            }
        }
    }
    Ok(first)
}

/// How many rows of a lane the age of the oldest is judged by: those that have been due for longest.
const JUDGED: usize = 64;

/// When the oldest effect was asked for that could be done by now: its time has come, or came before
/// and the attempt failed. Not one that is scheduled for later, nor a deletion that Lever is asked about again
/// later on: nothing has failed there.
pub fn oldest_asked_at(read: &impl Read, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let mut oldest: Option<Timestamp> = None;
    for remote in [Remote::Lever, Remote::Carrier, Remote::Records] {
        for lane in Lane::ALL {
            let keys = Keys::beginning(&(remote_key(remote), lane as u8));
            for ((_, (_, due_at, effect)), ()) in read.list(OUTBOX_DUE, &keys, JUDGED)? {
                let row = read.get(OUTBOX, &effect)?;
                let failed = |row: &EffectRow| row.attempts > 0 && !row.deletion_announced;
                if let Some(row) = row.filter(|row| due_at <= now || failed(row)) {
                    oldest = Some(oldest.map_or(row.asked_at, |at| at.min(row.asked_at)));
                }
            }
        }
    }
    Ok(oldest)
}

/// How many rows of a lane are looked at for those that are tried again: so many whose time has come, and so
/// many whose pause is not over. Behind those that nobody has tried yet, the former might never be seen.
const LOOKED_AT: usize = 200;

/// Effects that were tried in vain and wait for their next attempt or look-up, the oldest wish first. Where
/// more than `LOOKED_AT` wait in a lane, those that are tried next.
pub fn tried_again(read: &impl Read, now: Timestamp) -> Result<Vec<(Effect, EffectRow)>, StoreError> {
    let mut tried = Vec::new();
    for remote in [Remote::Lever, Remote::Carrier, Remote::Records] {
        for lane in Lane::ALL {
            let all = Keys::beginning(&(remote_key(remote), lane as u8));
            let now = (remote_key(remote), (lane as u8, now));
            for keys in [all.clone().before(&now), all.after(&now)] {
                for (_, (_, _, effect)) in read.list_keys(OUTBOX_DUE, &keys, LOOKED_AT)? {
                    let row = readable(read.get(OUTBOX, &effect))?.filter(|row| row.attempts > 0);
                    tried.extend(row.map(|row| (effect, row)));
                }
            }
        }
    }
    tried.sort_by_key(|(_, row)| row.asked_at);
    Ok(tried)
}

/// Asks for an effect now.
pub fn ask(tx: &mut Tx<'_>, effect: &Effect, lane: Lane, now: Timestamp) -> Result<(), StoreError> {
    ask_later(tx, effect, lane, now, now)
}

/// Asks for an effect at `due_at`.
pub fn ask_later(
    tx: &mut Tx<'_>,
    effect: &Effect,
    lane: Lane,
    now: Timestamp,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    let before = tx.get(OUTBOX, effect)?;
    let row = match before.clone() {
        Some(row) => row.asked_again(lane, due_at),
        None => EffectRow::new(lane, now, due_at),
    };
    // One that waits stands in the index: asked for a hundred times, it is written once.
    if row.state == EffectState::Due && before.as_ref() == Some(&row) {
        return Ok(());
    }
    store(tx, effect, before.as_ref(), &row)
}

/// The same for a webhook that says that the subject was deleted.
pub fn ask_after_deletion(tx: &mut Tx<'_>, effect: &Effect, now: Timestamp) -> Result<(), StoreError> {
    ask(tx, effect, Lane::Live, now)?;
    if let Some(mut row) = tx.get(OUTBOX, effect)?.filter(|row| !row.deletion_announced) {
        row.deletion_announced = true;
        tx.put(OUTBOX, effect, &row)?;
    }
    Ok(())
}

/// An effect that was taken to be done.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Which.
    pub effect: Effect,
    /// Its row: [`EffectState::Unknown`] asks for a look-up, not for a repeat.
    pub row: EffectRow,
}

/// Shows the effects for `remote` whose time has come to `f`, the most urgent lane first, until it
/// breaks, which it is asked again in each lane. Gives back when the next one is due.
pub fn scan_due(
    read: &impl Read,
    remote: Remote,
    now: Timestamp,
    mut f: impl FnMut(Effect) -> Result<ControlFlow<()>, StoreError>,
) -> Result<Option<Timestamp>, StoreError> {
    let mut next: Option<Timestamp> = None;
    let is_muted = read.has(MUTED, &())?;
    for lane in Lane::ALL {
        let keys = Keys::beginning(&(remote_key(remote), lane as u8));
        read.scan(OUTBOX_DUE, &keys, |(_, (_, due_at, effect)), ()| {
            if is_muted && effect.changes_something() {
                return Ok(ControlFlow::Continue(()));
            }
            if due_at <= now {
                return f(effect);
            }
            next = Some(next.map_or(due_at, |next| next.min(due_at)));
            Ok(ControlFlow::Break(()))
        })?;
    }
    Ok(next)
}

/// How many effects of a lane are due, as far as `most`.
pub fn waiting_in(
    read: &impl Read,
    remote: Remote,
    lane: Lane,
    now: Timestamp,
    most: usize,
) -> Result<usize, StoreError> {
    let rows = read.list(OUTBOX_DUE, &Keys::beginning(&(remote_key(remote), lane as u8)), most)?;
    Ok(rows.iter().filter(|((_, (_, due_at, _)), ())| *due_at <= now).count())
}

/// The same as [`scan_due`], as a list of at most `limit`.
pub fn due(
    read: &impl Read,
    remote: Remote,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<Effect>, Option<Timestamp>), StoreError> {
    let mut due = Vec::new();
    let next = scan_due(read, remote, now, |effect| {
        if due.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        due.push(effect);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((due, next))
}

/// Takes an effect that is due, to be done. None when somebody was faster, or nothing may leave.
pub fn take(tx: &mut Tx<'_>, effect: Effect) -> Result<Option<Taken>, StoreError> {
    let Some(row) = tx.get(OUTBOX, &effect)?.filter(waits) else { return Ok(None) };
    if holds_back(tx, &effect)? || !tx.remove(OUTBOX_DUE, &due_key(&effect, &row))? {
        return Ok(None);
    }
    let taken = match row.state {
        // A look-up changes nothing outside, so its row stays unknown while it is made.
        EffectState::Unknown => EffectRow { looks: row.looks + 1, ..row.clone() },
        _ => EffectRow { state: EffectState::InFlight, attempts: row.attempts + 1, looks: 0, ..row.clone() },
    };
    tx.put(OUTBOX, &effect, &taken)?;
    count(tx, &effect, Some(&row), Some(&taken))?;
    Ok(Some(Taken { effect, row: EffectRow { state: row.state, ..taken } }))
}

/// The effect is done: its row goes, or is due once more if it was asked for meanwhile.
pub fn finish(tx: &mut Tx<'_>, effect: &Effect, now: Timestamp) -> Result<(), StoreError> {
    let Some(row) = tx.get(OUTBOX, effect)? else { return Ok(()) };
    if row.again {
        let again =
            EffectRow { deletion_announced: row.deletion_announced, ..EffectRow::new(row.lane, now, now) };
        store(tx, effect, Some(&row), &again)
    } else {
        remove(tx, effect, &row)?;
        tx.signal(Signal::Outbox(effect.remote()));
        Ok(())
    }
}

/// The effect is not done: tried again later, looked up later, or left to a person, as `state`
/// says; at `at`, or after the usual pause.
pub fn postpone(
    tx: &mut Tx<'_>,
    effect: &Effect,
    state: EffectState,
    at: Option<Timestamp>,
    why: &str,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let Some(before) = tx.get(OUTBOX, effect)? else { return Ok(()) };
    let failures = before.attempts.max(before.looks);
    let due_at = at.unwrap_or_else(|| retry_at(moment.now, failures, moment.jitter()));
    let row = EffectRow { state, due_at, last_error: Some(why.to_owned()), ..before.clone() };
    // Of a transcript that is held, its filing tells; of an interview, its appointment.
    if state == EffectState::Failed && !matches!(effect, Effect::PostNote(_) | Effect::Appointment(_)) {
        let what = format!("{} failed, attempt {}: {why}", effect.kind(), row.attempts);
        note_effect(tx, effect, Actor::fulcrum(), what, moment.now)?;
    }
    store(tx, effect, Some(&before), &row)
}

/// Counts an answer after which a text is tried only so often.
pub(super) fn count_answer(tx: &mut Tx<'_>, effect: &Effect, class: SendFailure) -> Result<(), StoreError> {
    let Some(row) = tx.get(OUTBOX, effect)? else { return Ok(()) };
    let limited = Some((class, row.answers(class)));
    tx.put(OUTBOX, effect, &EffectRow { limited, ..row }).map(drop)
}

/// What an attempt came to could not be stored: as after a start, it is looked up if its request may
/// have left, and is due again if not.
pub fn put_back(tx: &mut Tx<'_>, effect: &Effect, why: &str, moment: &mut Moment) -> Result<(), StoreError> {
    let state = state_after_all(tx, effect)?;
    postpone(tx, effect, state, None, why, moment)
}

/// What a person is told of an effect whose subject cannot be read.
pub(crate) const UNREADABLE: &str = "what it is about cannot be read from the file";

/// The state of an effect that was under way, by what is stored of its subject.
fn state_after_all(read: &impl Read, effect: &Effect) -> Result<EffectState, StoreError> {
    match may_have_left(read, effect) {
        Ok(true) => Ok(EffectState::Unknown),
        Ok(false) => Ok(EffectState::Due),
        // One broken row must not hold up the others.
        Err(error) if error.is_of_a_row() => Ok(EffectState::Failed),
        Err(error) => Err(error),
    }
}

/// After a start: what was in flight has an unknown outcome if its request may have left, and is
/// simply due if it did not, or if it only reads. Gives back how many there were. All rows are seen
/// here anyway, so they are counted anew.
pub fn recover(tx: &mut Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let mut found = Vec::new();
    let mut counts = EffectCounts::new();
    let mut after: Option<Effect> = None;
    loop {
        let keys = after.as_ref().map_or_else(Keys::all, |last| Keys::all().after(last));
        let page = tx.list(OUTBOX, &keys, 1000)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        // A row that is waiting stands in the index already, whether it is due or unknown; one
        // whose look-up was under way does not.
        for (effect, row) in page {
            *counts.entry((effect.kind(), row.state)).or_default() += 1;
            let indexed = waits(&row) && tx.has(OUTBOX_DUE, &due_key(&effect, &row))?;
            if row.state != EffectState::Failed && !indexed {
                found.push((effect, row));
            }
        }
    }
    for kind in EffectKind::ALL {
        for state in EffectState::ALL {
            let rows = counts.get(&(kind, state)).copied().unwrap_or(0);
            tx.put(COUNTERS, &counter(kind, state), &rows)?;
        }
    }
    for (effect, row) in &found {
        let state = state_after_all(tx, effect)?;
        let last_error =
            if state == EffectState::Failed { Some(UNREADABLE.into()) } else { row.last_error.clone() };
        store(tx, effect, Some(row), &EffectRow { state, due_at: now, last_error, ..row.clone() })?;
    }
    Ok(found.len())
}

/// Whether the subject of an effect says that its request was about to leave.
fn may_have_left(read: &impl Read, effect: &Effect) -> Result<bool, StoreError> {
    Ok(match effect {
        Effect::Send(id) => message(read, *id)?.is_some_and(|text| text.delivery == Delivery::Submitting),
        Effect::PostNote(id) => read.get(FILINGS, id)?.is_some_and(|f| f.state == FilingState::Posting),
        // To delete twice is to delete once.
        Effect::Hydrate(_) | Effect::Interviews(_) | Effect::DeleteNote(..) | Effect::DeleteText(..) => false,
        Effect::FetchFile(id, _) => message(read, *id).map(|_| false)?,
        // Only what may stand twice: to replace or to delete twice does no harm.
        Effect::Appointment(id) => {
            read.get(APPOINTMENTS, id)?.is_some_and(|one| one.sending.is_some() && one.lever.is_none())
        }
    })
}

/// Makes a failed effect due again, by a person's wish. False when there is no such failure.
pub fn retry_failed(tx: &mut Tx<'_>, effect: &Effect, by: Actor, now: Timestamp) -> Result<bool, StoreError> {
    let Some(row) = tx.get(OUTBOX, effect)?.filter(|row| row.state == EffectState::Failed) else {
        return Ok(false);
    };
    let due = EffectRow { state: EffectState::Due, due_at: now, attempts: 0, limited: None, ..row.clone() };
    store(tx, effect, Some(&row), &due)?;
    note_effect(tx, effect, by, format!("{} is tried again", effect.kind()), now)?;
    Ok(true)
}

/// An effect may have been done by somebody else: it is looked up before it is done.
pub(super) fn doubt_effect(tx: &mut Tx<'_>, effect: &Effect, row: &EffectRow) -> Result<(), StoreError> {
    store(tx, effect, Some(row), &EffectRow { state: EffectState::Unknown, ..row.clone() })
}

/// Takes an effect away that nobody wants any more.
pub(super) fn drop_effect(tx: &mut Tx<'_>, effect: &Effect) -> Result<(), StoreError> {
    match tx.get(OUTBOX, effect)? {
        Some(row) => remove(tx, effect, &row),
        None => Ok(()),
    }
}

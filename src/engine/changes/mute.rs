//! A restored copy is muted: nothing leaves it, neither texts nor writes to Lever, until somebody says
//! so, since its original may have sent the same, or may run still. The row is looked at where effects
//! are found and again where they are taken.

use fulcrum_domain::automation::AutomationState;
use fulcrum_domain::bulk::Step;
use fulcrum_domain::{
    Activity, ActivityKind, Actor, Appointment, Author, Effect, EffectRow, EffectState, FilingState,
    MessageId,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::activity::note;
use super::bulk::{BulkError, step_bulk};
use super::cases::due_of;
use super::delivery::hold_back;
use super::enrolment::Enrolled;
use super::interview_news::drop_untold;
use super::outbox::{doubt_effect, drop_effect};
use super::thread::message;
use crate::engine::clock::Moment;
use crate::store::tables::{APPOINTMENTS, AUTOMATIONS, BULKS, BULKS_RUNNING, FILINGS, MUTED, OUTBOX};
use crate::store::{Keys, Muted, Read, StoreError, Tx, readable};

/// Why a candidate gets no text of an automation whose moment came before or while nothing left.
const DONE_THERE: &str = "this is a restored copy, and its original may have sent the text";

/// What becomes of texts that were due while nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// What the original may have sent is not sent again. Texts that were due in the backup fail with that
    /// reason, and so do those that the copy wrote by itself since, and those that are older than this;
    /// bulk texts are paused, and automations begin anew.
    Fail(SignedDuration),
    /// They leave now.
    Send,
}

/// What the end of the muting does, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmuted {
    /// Texts that leave now.
    pub texts: u64,
    /// Texts that fail, since they are late.
    pub late: u64,
    /// Transcripts that are looked for in Lever before they are posted, since the original may have.
    pub transcripts: u64,
    /// What else leaves now.
    pub others: u64,
    /// Bulk texts that are paused, for a person to decide.
    pub bulks: u64,
    /// Candidates who get no text any more of an automation, or of a change in Lever.
    pub ended: u64,
}

/// Whether nothing may leave, and since when.
pub fn muted(read: &impl Read) -> Result<Option<Muted>, StoreError> {
    read.get(MUTED, &())
}

/// Whether an effect may be done now.
pub(super) fn holds_back(read: &impl Read, effect: &Effect) -> Result<bool, StoreError> {
    Ok(effect.changes_something() && read.has(MUTED, &())?)
}

/// Lets things leave again. None when nothing was muted.
pub fn unmute(
    tx: &mut Tx<'_>,
    late: Late,
    by: Actor,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Option<Unmuted>, StoreError> {
    let Some(muted) = muted(tx)? else { return Ok(None) };
    tx.remove(MUTED, &())?;
    let mut told = Unmuted::default();
    if late != Late::Send {
        told.bulks = pause_bulks(tx, &muted, &by, rules, moment)?;
        told.ended = begin_anew(tx, rules, moment.now)? + drop_untold(tx, moment.now)?;
    }
    let mut keys = Keys::all();
    loop {
        let page = tx.list(OUTBOX, &keys, 500)?;
        let Some((last, _)) = page.last() else { break };
        keys = keys.after(last);
        for (effect, row) in page {
            if row.state == EffectState::Due && effect.changes_something() {
                settle(tx, &effect, &row, (&muted, late), &mut told, rules, moment)?;
            }
        }
    }
    let what = format!(
        "texts and notes leave again after a restore: {} texts failed as late, {} transcripts are looked for \
         first, {} bulk texts were paused, {} candidates get no text of an automation or of a change in Lever",
        told.late, told.transcripts, told.bulks, told.ended
    );
    note(tx, &Activity::new(moment.now, by, ActivityKind::Admin, what))?;
    Ok(Some(told))
}

/// The original may have gone on with the bulk texts that were being sent: nobody here knows whom it texted.
fn pause_bulks(
    tx: &mut Tx<'_>,
    muted: &Muted,
    by: &Actor,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<u64, StoreError> {
    let mut paused = 0;
    for (id, ()) in tx.list(BULKS_RUNNING, &Keys::all(), usize::MAX)? {
        if tx.get(BULKS, &id)?.is_none_or(|bulk| bulk.made_at > muted.made_at) {
            continue;
        }
        match step_bulk(tx, id, Step::Pause, by, usize::MAX, rules, moment) {
            Ok(()) => paused += 1,
            Err(BulkError::Store(error)) => return Err(error),
            Err(BulkError::Unknown | BulkError::Refused(_)) => {}
        }
    }
    Ok(paused)
}

/// What happened until now sets no automation off any more, and whoever waits for a text whose time has
/// come gets none. How many those are. Who waits on a card, or while an automation is paused, waits on: a
/// person decides there.
fn begin_anew(tx: &mut Tx<'_>, rules: &Rules, now: Timestamp) -> Result<u64, StoreError> {
    for (name, state) in tx.list(AUTOMATIONS, &Keys::all(), usize::MAX)? {
        if state.active_since.is_some_and(|since| since < now) {
            tx.put(AUTOMATIONS, &name, &AutomationState { active_since: Some(now), ..state })?;
        }
    }
    let mut ended = 0;
    for one in Enrolled::live(tx)? {
        let Some(automation) = rules.automations.get(&one.automation) else { continue };
        let state = tx.get(AUTOMATIONS, &one.automation)?.unwrap_or_default();
        let on_a_card = one.card.is_some() && one.is_held();
        if on_a_card || state.is_paused(automation.paused) {
            continue;
        }
        // Not when it is due here: the copy itself may have put that off, the original may not have.
        let due = due_of(tx, automation, &one.opportunity, &one.event, one.happened_at, rules)?;
        if due.is_none_or(|due| due <= now) {
            one.end(tx, DONE_THERE, now)?;
            ended += 1;
        }
    }
    Ok(ended)
}

fn settle(
    tx: &mut Tx<'_>,
    effect: &Effect,
    row: &EffectRow,
    (muted, late): (&Muted, Late),
    told: &mut Unmuted,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let in_backup = row.asked_at <= muted.made_at;
    match effect {
        Effect::Send(id) if is_late(tx, *id, row, muted, late, moment.now)? => {
            hold_back(tx, *id, rules, moment)?;
            drop_effect(tx, effect)?;
            told.late += 1;
        }
        _ if row.due_at > moment.now => return Ok(()),
        Effect::Send(_) => told.texts += 1,
        Effect::PostNote(id) if in_backup => {
            if let Some(mut filing) = tx.get(FILINGS, id)? {
                filing.state = FilingState::Posting;
                tx.put(FILINGS, id, &filing)?;
                doubt_effect(tx, effect, row)?;
            }
            told.transcripts += 1;
        }
        Effect::Appointment(id) if in_backup => {
            // Lever takes an interview twice: it is looked for before it is made.
            if let Some(mut one) = tx.get(APPOINTMENTS, id)?.filter(is_unwritten) {
                one.sending = Some(one.meeting.clone());
                tx.put(APPOINTMENTS, id, &one)?;
                doubt_effect(tx, effect, row)?;
            }
            told.others += 1;
        }
        _ => told.others += 1,
    }
    // Whoever waits for work looks again.
    tx.signal(crate::store::Signal::Outbox(effect.remote()));
    Ok(())
}

/// Whether somebody wants an interview that Lever does not have, as far as is known here.
fn is_unwritten(one: &Appointment) -> bool {
    one.lever.is_none() && one.stands()
}

fn is_late(
    read: &impl Read,
    id: MessageId,
    row: &EffectRow,
    muted: &Muted,
    late: Late,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Late::Fail(older_than) = late else { return Ok(false) };
    let waits = row.due_at <= now;
    let in_backup = row.asked_at <= muted.made_at;
    if waits && (in_backup || now.duration_since(row.due_at) > older_than) {
        return Ok(true);
    }
    // What the copy wrote by itself, the original wrote at the time for it: a reminder, say.
    let text = if in_backup { None } else { readable(message(read, id))? };
    Ok(text.is_some_and(|text| matches!(text.author, Author::Automatic(_))))
}

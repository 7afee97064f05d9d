//! A restored copy is muted: nothing leaves it, neither texts nor writes to Lever, until somebody says
//! so, since its original may have sent the same, or may run still. The row is looked at where effects
//! are found and again where they are taken.

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Delivery, Effect, EffectRow, EffectState, FilingState, SendFailure,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::activity::note;
use super::delivery::{Report, report};
use super::outbox::{doubt_effect, drop_effect};
use crate::engine::clock::Moment;
use crate::store::tables::{FILINGS, MUTED, OUTBOX};
use crate::store::{Keys, Muted, Read, StoreError, Tx};

/// What becomes of texts that were due while nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Those that were due in the backup, which the original may have sent, fail with that reason; and
    /// so do those that are older than this.
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
    let mut keys = Keys::all();
    loop {
        let page = tx.list(OUTBOX, &keys, 500)?;
        let Some((last, _)) = page.last() else { break };
        keys = keys.after(last);
        for (effect, row) in page {
            let waits = row.state == EffectState::Due && row.due_at <= moment.now;
            if waits && effect.changes_something() {
                settle(tx, &effect, &row, (&muted, late), &mut told, rules, moment)?;
            }
        }
    }
    let what = format!(
        "texts and notes leave again after a restore: {} texts failed as late, {} transcripts are looked for first",
        told.late, told.transcripts
    );
    note(tx, &Activity::new(moment.now, by, ActivityKind::Admin, what))?;
    Ok(Some(told))
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
    match effect {
        Effect::Send(id) if is_late(row, muted, late, moment.now) => {
            let failed =
                Report { delivery: Delivery::Failed, failure: Some(SendFailure::HeldBack), sid: None };
            report(tx, *id, failed, rules, moment)?;
            drop_effect(tx, effect)?;
            told.late += 1;
        }
        Effect::Send(_) => told.texts += 1,
        Effect::PostNote(id) if row.asked_at <= muted.made_at => {
            if let Some(mut filing) = tx.get(FILINGS, id)? {
                filing.state = FilingState::Posting;
                tx.put(FILINGS, id, &filing)?;
                doubt_effect(tx, effect, row)?;
            }
            told.transcripts += 1;
        }
        _ => told.others += 1,
    }
    // Whoever waits for work looks again.
    tx.signal(crate::store::Signal::Outbox(effect.remote()));
    Ok(())
}

fn is_late(row: &EffectRow, muted: &Muted, late: Late, now: Timestamp) -> bool {
    match late {
        Late::Send => false,
        Late::Fail(older_than) => {
            row.asked_at <= muted.made_at || now.duration_since(row.due_at) > older_than
        }
    }
}

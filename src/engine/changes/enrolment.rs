//! Enrolments as they are stored. When one begins, and what is decided about it, is `enrol`'s matter.
//!
//! What is armed for an enrolment, and in which lists it stands, follows from its row. So a row is written by
//! [`Enrolled`] alone, which knows the one that is stored.

use std::ops::Deref;

use fulcrum_domain::automation::{CardState, Enrolment, EnrolmentId, EnrolmentState, RunLine};
use fulcrum_domain::{DeadlineKey, MessageId, OpportunityId};
use jiff::Timestamp;

use super::Rules;
use super::counter::{Counter, next};
use super::deadline::arm;
use super::recheck::is_too_late;
use crate::store::tables::{
    AUTOMATIONS, CARDS, ENROLMENTS, ENROLMENTS_OF, ENROLMENTS_ON, LIVE_ENROLMENTS, RUN_LOG,
};
use crate::store::{Keys, Read, StoreError, Tx};

/// Why a waiting enrolment that is found too late comes to nothing.
pub(crate) const STALE: &str = "stale: too long ago";

/// An enrolment as it is stored. Whatever changes it takes it: what was read is not what is stored any more.
pub(super) struct Enrolled {
    id: EnrolmentId,
    row: Enrolment,
}

impl Deref for Enrolled {
    type Target = Enrolment;

    fn deref(&self) -> &Enrolment {
        &self.row
    }
}

impl Enrolled {
    /// One by its number.
    pub(super) fn get(read: &impl Read, id: EnrolmentId) -> Result<Option<Self>, StoreError> {
        Ok(read.get(ENROLMENTS, &id)?.map(|row| Self { id, row }))
    }

    fn all(read: &impl Read, ids: impl Iterator<Item = EnrolmentId>) -> Result<Vec<Self>, StoreError> {
        ids.filter_map(|id| Self::get(read, id).transpose()).collect()
    }

    /// Those of a candidate.
    pub(super) fn of(read: &impl Read, about: &OpportunityId) -> Result<Vec<Self>, StoreError> {
        let rows = read.list(ENROLMENTS_OF, &Keys::beginning(about), usize::MAX)?;
        Self::all(read, rows.into_iter().map(|((_, id), ())| id))
    }

    /// Those on a card, of which a text may still come.
    pub(super) fn on(read: &impl Read, card: u64) -> Result<Vec<Self>, StoreError> {
        let rows = read.list(ENROLMENTS_ON, &Keys::beginning(&card), usize::MAX)?;
        let mut on = Self::all(read, rows.into_iter().map(|((_, id), ())| id))?;
        on.retain(|one| one.is_live());
        Ok(on)
    }

    /// All of which a text may still come.
    pub(super) fn live(read: &impl Read) -> Result<Vec<Self>, StoreError> {
        let rows = read.list(LIVE_ENROLMENTS, &Keys::all(), usize::MAX)?;
        Self::all(read, rows.into_iter().map(|(id, ())| id))
    }

    /// Makes one.
    pub(super) fn make(tx: &mut Tx<'_>, row: Enrolment) -> Result<Self, StoreError> {
        let one = Self { id: EnrolmentId::new(next(tx, Counter::Enrolments)?), row };
        one.put(tx, None)?;
        tx.put(ENROLMENTS_OF, &(one.opportunity.clone(), one.id), &())?;
        Ok(one)
    }

    /// Its number.
    pub(super) fn id(&self) -> EnrolmentId {
        self.id
    }

    /// Writes the row, and arms its deadline in place of the one that was armed.
    fn put(&self, tx: &mut Tx<'_>, armed: Option<Timestamp>) -> Result<(), StoreError> {
        arm(tx, DeadlineKey::Enrolment(self.id), armed, self.decided_at())?;
        tx.put(ENROLMENTS, &self.id, &self.row)?;
        if self.is_live() {
            tx.put(LIVE_ENROLMENTS, &self.id, &())?;
        } else {
            tx.remove(LIVE_ENROLMENTS, &self.id)?;
        }
        Ok(())
    }

    /// Changes the row, and what is armed for it.
    pub(super) fn change(
        mut self,
        tx: &mut Tx<'_>,
        how: impl FnOnce(&mut Enrolment),
    ) -> Result<(), StoreError> {
        let armed = self.decided_at();
        how(&mut self.row);
        self.put(tx, armed)
    }

    fn line(&self, what: impl Into<String>, at: Timestamp) -> RunLine {
        RunLine::new(at, self.automation.as_str(), what).of(self.id)
    }

    /// Writes a line of the run log about it.
    pub(super) fn log(
        &self,
        tx: &mut Tx<'_>,
        what: impl Into<String>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        log(tx, &self.opportunity, &self.line(what, at))
    }

    /// Ends it without a text.
    pub(super) fn end(self, tx: &mut Tx<'_>, why: &str, at: Timestamp) -> Result<(), StoreError> {
        self.log(tx, format!("no text: {why}"), at)?;
        self.change(tx, |row| row.state = EnrolmentState::Ended(why.to_owned()))
    }

    /// It came to its text.
    pub(super) fn sent(self, tx: &mut Tx<'_>, text: MessageId, at: Timestamp) -> Result<(), StoreError> {
        let mut automation = tx.get(AUTOMATIONS, &self.automation)?.unwrap_or_default();
        automation.sent += 1;
        tx.put(AUTOMATIONS, &self.automation, &automation)?;
        log(tx, &self.opportunity, &self.line("the text was written", at).made(text))?;
        self.change(tx, |row| row.state = EnrolmentState::Sent(text))
    }

    /// Decides it once more after it was held, unless that comes too late. What comes before an interview is
    /// good until then.
    pub(super) fn wake(self, tx: &mut Tx<'_>, rules: &Rules, now: Timestamp) -> Result<(), StoreError> {
        let late = self.due.is_some_and(|due| is_too_late(&self, due, rules, now));
        if late && self.card.is_none() {
            return self.end(tx, STALE, now);
        }
        self.change(tx, |row| {
            row.state = EnrolmentState::Waiting;
            row.due = row.due.map(|due| due.max(now));
        })
    }

    /// It waits on a card.
    pub(super) fn join(self, tx: &mut Tx<'_>, card: u64) -> Result<(), StoreError> {
        tx.put(ENROLMENTS_ON, &(card, self.id), &())?;
        self.change(tx, |row| row.card = Some(card))
    }

    /// Forgets it, and with the last of a card the card.
    pub(super) fn forget(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Self { id, row } = self;
        if row.is_live() {
            arm(tx, DeadlineKey::Enrolment(id), row.decided_at(), None)?;
            tx.remove(LIVE_ENROLMENTS, &id)?;
        }
        tx.remove(ENROLMENTS, &id)?;
        tx.remove(ENROLMENTS_OF, &(row.opportunity, id))?;
        let Some(card) = row.card else { return Ok(()) };
        tx.remove(ENROLMENTS_ON, &(card, id))?;
        let is_empty = tx.list(ENROLMENTS_ON, &Keys::beginning(&card), 1)?.is_empty();
        if is_empty && tx.get(CARDS, &card)?.is_some_and(|row| row.state != CardState::Waiting) {
            tx.remove(CARDS, &card)?;
        }
        Ok(())
    }
}

/// Decides those of some once more that `which` names.
pub(super) fn wake_those(
    tx: &mut Tx<'_>,
    some: Vec<Enrolled>,
    which: impl Fn(&Enrolment) -> bool,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    some.into_iter().filter(|one| which(one)).try_for_each(|one| one.wake(tx, rules, now))
}

/// Something about a candidate has changed: those of their enrolments that are held for want of it are
/// decided once more.
pub(super) fn look_again(
    tx: &mut Tx<'_>,
    about: &OpportunityId,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    wake_those(tx, Enrolled::of(tx, about)?, |row| row.is_held() && row.card.is_none(), rules, now)
}

/// Writes a line of the run log.
pub(super) fn log(tx: &mut Tx<'_>, about: &OpportunityId, line: &RunLine) -> Result<(), StoreError> {
    let number = next(tx, Counter::RunLog)?;
    tx.put(RUN_LOG, &(about.clone(), number), line).map(drop)
}

/// Forgets what automations had to do with somebody who is erased.
pub(super) fn forget_enrolments_of(tx: &mut Tx<'_>, about: &OpportunityId) -> Result<(), StoreError> {
    for one in Enrolled::of(tx, about)? {
        one.forget(tx)?;
    }
    for (key, _) in tx.list(RUN_LOG, &Keys::beginning(about), usize::MAX)? {
        tx.remove(RUN_LOG, &key)?;
    }
    Ok(())
}

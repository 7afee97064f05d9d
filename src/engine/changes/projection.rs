//! The copy of the tenant: rows come in any order, from pages, webhooks and single reads; a row
//! never takes the place of one that was asked for later, and a deleted one never comes back.

use std::collections::BTreeSet;

use fulcrum_domain::{Conversation, Effect, Interview, Lane, Number, Opportunity, OpportunityId};
use jiff::Timestamp;

use super::Rules;
use super::filing::attach;
use super::outbox::ask;
use super::thread::thread_of;
use crate::store::tables::{BACKFILL, BY_CONTACT, BY_NUMBER, DELETED, INTERVIEWS, OPPORTUNITIES};
use crate::store::{Keys, PhaseName, PhaseState, Read, StoreError, Tx};

/// How a row came, for the question whether its interviews must be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// By the backfill, whose own phase lists the interviews.
    Backfill,
    /// After a webhook, which announces interviews by itself.
    Webhook,
    /// By looking for what changed: interviews may have changed unheard.
    Poll,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was not known.
    New,
    /// It says something else than before.
    Changed,
    /// It says the same, as of a later time.
    Same,
    /// What is stored was asked for later.
    Older,
    /// The opportunity is deleted.
    Gone,
}

impl Put {
    /// Whether it brought news.
    pub fn is_news(self) -> bool {
        matches!(self, Self::New | Self::Changed)
    }
}

/// Takes a row in.
pub fn put_opportunity(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    mut fetched: Opportunity,
    arrival: Arrival,
    rules: &Rules,
) -> Result<Put, StoreError> {
    if tx.has(DELETED, id)? {
        return Ok(Put::Gone);
    }
    let stored = tx.get(OPPORTUNITIES, id)?;
    let put = match &stored {
        None => Put::New,
        Some(stored) if !fetched.replaces(stored) => return Ok(Put::Older),
        Some(stored) if fetched.says_the_same(stored) => Put::Same,
        Some(_) => Put::Changed,
    };
    if let Some(stored) = &stored {
        fetched.interviews_as_of = stored.interviews_as_of;
    }
    tx.put(OPPORTUNITIES, id, &fetched)?;
    if put.is_news() {
        index(tx, id, stored.as_ref(), &fetched, rules)?;
        if fetched.is_active() && wants_interviews(tx, &fetched, arrival)? {
            ask(tx, &Effect::Interviews(id.clone()), Lane::Reconcile, fetched.as_of)?;
        }
    }
    Ok(put)
}

/// An active opportunity that changed unheard, or that the backfill's own phase has passed by.
fn wants_interviews(tx: &Tx<'_>, row: &Opportunity, arrival: Arrival) -> Result<bool, StoreError> {
    if row.interviews_as_of.is_some() {
        return Ok(arrival == Arrival::Poll);
    }
    if arrival == Arrival::Backfill {
        return Ok(false);
    }
    let backfill = tx.get(BACKFILL, &())?;
    let phase = backfill.and_then(|b| b.phases.into_iter().find(|p| p.name == PhaseName::ActiveInterviews));
    Ok(phase.is_some_and(|p| p.state == PhaseState::Complete))
}

fn index(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    stored: Option<&Opportunity>,
    fetched: &Opportunity,
    rules: &Rules,
) -> Result<(), StoreError> {
    if let Some(stored) = stored.filter(|stored| stored.contact != fetched.contact) {
        tx.remove(BY_CONTACT, &(stored.contact.clone(), id.clone()))?;
    }
    tx.put(BY_CONTACT, &(fetched.contact.clone(), id.clone()), &())?;
    let before: BTreeSet<Number> = stored.into_iter().flat_map(Opportunity::numbers).collect();
    let after: BTreeSet<Number> = fetched.numbers().collect();
    for number in before.difference(&after) {
        tx.remove(BY_NUMBER, &(*number, id.clone()))?;
    }
    for number in after.difference(&before) {
        tx.put(BY_NUMBER, &(*number, id.clone()), &())?;
        // Somebody wrote from this number before we knew whose it is.
        let waits = |c: &Conversation| c.opportunity.is_none();
        if let Some(conversation) = thread_of(tx, *number)?.filter(waits) {
            attach(tx, conversation, id, rules, fetched.as_of)?;
        }
    }
    Ok(())
}

/// Takes in the whole list of an opportunity's interviews: what is not in it is gone.
pub fn put_interviews(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    list: &[Interview],
    as_of: Timestamp,
) -> Result<bool, StoreError> {
    let Some(mut opportunity) = tx.get(OPPORTUNITIES, id)? else { return Ok(false) };
    if opportunity.interviews_as_of.is_some_and(|stored| stored > as_of) {
        return Ok(false);
    }
    let mut changed = false;
    let listed: BTreeSet<_> = list.iter().map(|interview| &interview.id).collect();
    for ((_, known), _) in tx.list(INTERVIEWS, &Keys::beginning(id), usize::MAX)? {
        if !listed.contains(&known) {
            changed |= tx.remove(INTERVIEWS, &(id.clone(), known))?;
        }
    }
    for interview in list {
        let key = (id.clone(), interview.id.clone());
        let same = |stored: Interview| Interview { as_of: interview.as_of, ..stored } == *interview;
        changed |= !tx.get(INTERVIEWS, &key)?.is_some_and(same);
        tx.put(INTERVIEWS, &key, interview)?;
    }
    opportunity.interviews_as_of = Some(as_of);
    tx.put(OPPORTUNITIES, id, &opportunity)?;
    Ok(changed)
}

/// Active opportunities whose interviews were never listed, after `after` in order of their ids,
/// among the next `window` rows; and the last row looked at.
pub fn interviews_wanted(
    read: &impl Read,
    after: Option<&OpportunityId>,
    window: usize,
    active: bool,
) -> Result<(Vec<OpportunityId>, Option<OpportunityId>), StoreError> {
    let keys = after.map_or_else(Keys::all, |id| Keys::all().after(id));
    let rows = read.list(OPPORTUNITIES, &keys, window)?;
    let last = rows.last().map(|(id, _)| id.clone());
    let wanted = rows.into_iter().filter(|(_, o)| o.is_active() == active && o.interviews_as_of.is_none());
    Ok((wanted.map(|(id, _)| id).collect(), last))
}

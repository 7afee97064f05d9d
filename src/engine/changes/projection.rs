//! The copy of the tenant: rows come in any order, from pages, webhooks and single reads; a row
//! never takes the place of one that was asked for later, and a deleted one never comes back.

use std::collections::BTreeSet;

use fulcrum_domain::{Conversation, Effect, Interview, Lane, Number, Opportunity, OpportunityId};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::filing::attach;
use super::outbox::ask;
use super::thread::thread_of;
use crate::store::tables::{BY_CONTACT, BY_NUMBER, DELETED, INTERVIEWS, INTERVIEWS_WANTED, OPPORTUNITIES};
use crate::store::{Keys, Read, StoreError, Tx};

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

impl Arrival {
    /// Whether the interviews of a row that is news are listed for themselves. Interviews made
    /// before we listened are announced by nobody; those of a new candidate will be.
    fn asks_for_interviews(self, row: &Opportunity) -> bool {
        const NEW: SignedDuration = SignedDuration::from_hours(24);
        row.is_active()
            && match self {
                Self::Backfill => false,
                Self::Poll => true,
                Self::Webhook => {
                    row.interviews_as_of.is_none() && row.as_of.duration_since(row.created_at) > NEW
                }
            }
    }
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
    if put.is_news() || arrival == Arrival::Webhook {
        index(tx, id, stored.as_ref(), &fetched, rules)?;
        if put.is_news() && arrival.asks_for_interviews(&fetched) {
            ask(tx, &Effect::Interviews(id.clone()), Lane::Reconcile, fetched.as_of)?;
        }
    }
    Ok(put)
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
    for number in after {
        tx.put(BY_NUMBER, &(number, id.clone()), &())?;
        // Somebody wrote from this number before we knew whose it is.
        let waits = |c: &Conversation| c.opportunity.is_none();
        if let Some(conversation) = thread_of(tx, number)?.filter(waits) {
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
    for rank in [0u8, 1] {
        tx.remove(INTERVIEWS_WANTED, &(rank, id.clone()))?;
    }
    opportunity.interviews_as_of = Some(as_of);
    tx.put(OPPORTUNITIES, id, &opportunity)?;
    Ok(changed)
}

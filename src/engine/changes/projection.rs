//! The copy of the tenant: rows come in any order, from pages, webhooks and single reads; a row
//! never takes the place of one that was asked for later, and a deleted one never comes back.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::{
    Conversation, Effect, EffectState, ErasureCause, Interview, Lane, Number, Opportunity, OpportunityId,
    Searchable, UserId, is_newer,
};
use jiff::Timestamp;

use super::Rules;
use super::appointment::{appointments_of, see_appointment};
use super::consent::forget_owner;
use super::erase::{erase_opportunity, take_vanished_numbers};
use super::events::{Fetched, interviews_differ, opportunity_differs};
use super::filing::attach;
use super::outbox::ask;
use super::posting::post_held;
use super::searchable::to_index;
use super::thread::thread_of;
use crate::store::tables::{
    BY_CONTACT, BY_NUMBER, DELETED, INTERVIEWS, INTERVIEWS_WANTED, MEETINGS, OPPORTUNITIES, OUTBOX, VANISHED,
};
use crate::store::{Engagement, Keys, Read, Seen, StoreError, Tx};

/// How a row came. Webhooks announce interviews by themselves, and the backfill has a phase for
/// them; what is found by looking may have interviews that nobody heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// By the backfill.
    Backfill,
    /// After a webhook, or because somebody waits.
    Webhook,
    /// By looking for what changed.
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
    /// The opportunity is deleted or anonymised.
    Gone,
    /// It is confidential, and such are left out.
    LeftOut,
}

impl Put {
    /// Whether it brought news.
    pub fn is_news(self) -> bool {
        matches!(self, Self::New | Self::Changed)
    }
}

/// Takes a row in; `moved_by` moved the candidate to the stage that they are in, where Lever says so.
pub fn put_opportunity(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    mut fetched: Opportunity,
    moved_by: Option<&UserId>,
    arrival: Arrival,
    rules: &Rules,
    now: Timestamp,
) -> Result<Put, StoreError> {
    if tx.has(DELETED, id)? {
        return Ok(Put::Gone);
    }
    if let Some(Seen(at)) = tx.get(VANISHED, id)? {
        if !is_newer(fetched.as_of, at, now) {
            return Ok(Put::Older);
        }
        tx.remove(VANISHED, id)?;
    }
    if fetched.anonymised {
        erase_opportunity(tx, id, ErasureCause::Anonymised, now)?;
        return Ok(Put::Gone);
    }
    let stored = tx.get(OPPORTUNITIES, id)?;
    let put = match &stored {
        None => Put::New,
        Some(stored) if !fetched.replaces(stored, now) => return Ok(Put::Older),
        Some(stored) if fetched.says_the_same(stored) => Put::Same,
        Some(_) => Put::Changed,
    };
    if let Some(stored) = &stored {
        fetched.interviews_as_of = stored.interviews_as_of;
    }
    tx.put(OPPORTUNITIES, id, &fetched)?;
    if stored.is_none() {
        post_held(tx, id, &fetched, rules, now)?;
    }
    if stored
        .as_ref()
        .is_none_or(|stored| stored.name != fetched.name || !stored.numbers().eq(fetched.numbers()))
    {
        to_index(tx, &Searchable::Person(id.clone()))?;
    }
    if put.is_news() || arrival == Arrival::Webhook {
        index(tx, id, stored.as_ref(), &fetched, rules)?;
    }
    if put.is_news() {
        let seen = Fetched { row: &fetched, moved_by, arrival };
        opportunity_differs(tx, id, stored.as_ref(), seen, rules, now)?;
    }
    if arrival == Arrival::Poll && fetched.wants_interviews(now) && !are_asked_for(tx, id, &fetched)? {
        ask(tx, &Effect::Interviews(id.clone()), Lane::Reconcile, now)?;
    }
    Ok(put)
}

/// Whether a listing of the interviews waits, or is under way, that shows all that this row may tell
/// of: one look finds a candidate in two or three lists.
fn are_asked_for(tx: &Tx<'_>, id: &OpportunityId, row: &Opportunity) -> Result<bool, StoreError> {
    let asked = tx.get(OUTBOX, &Effect::Interviews(id.clone()))?;
    Ok(asked.is_some_and(|asked| {
        asked.state != EffectState::Failed && row.updated_at.is_none_or(|at| at < asked.asked_at)
    }))
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
    let mut before: BTreeSet<Number> = stored.into_iter().flat_map(Opportunity::numbers).collect();
    before.extend(take_vanished_numbers(tx, id)?);
    let after: BTreeSet<Number> = fetched.numbers().collect();
    for number in before.difference(&after) {
        tx.remove(BY_NUMBER, &(*number, id.clone()))?;
        forget_owner(tx, *number)?;
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

/// An interview as it was just listed.
#[derive(Clone, Debug)]
pub struct ListedInterview {
    /// The row.
    pub row: Interview,
    /// When Lever says that it was made.
    pub made_at: Option<Timestamp>,
    /// Who made it, in Lever.
    pub made_by: Option<UserId>,
}

/// Takes in the whole list of an opportunity's interviews: what is not in it is gone.
pub fn put_interviews(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    list: &[ListedInterview],
    as_of: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(mut opportunity) = tx.get(OPPORTUNITIES, id)? else { return Ok(false) };
    if opportunity.interviews_as_of.is_some_and(|stored| !is_newer(as_of, stored, now)) {
        return Ok(false);
    }
    let mut changed = false;
    let before: BTreeMap<_, _> = tx
        .list(INTERVIEWS, &Keys::beginning(id), usize::MAX)?
        .into_iter()
        .map(|((_, interview), row)| (interview, row))
        .collect();
    let listed: BTreeSet<_> = list.iter().map(|one| &one.row.id).collect();
    for row in before.values() {
        forget_meeting(tx, row)?;
    }
    let gone: Vec<_> = before.keys().filter(|known| !listed.contains(known)).cloned().collect();
    changed |= !gone.is_empty();
    for interview in list.iter().map(|one| &one.row) {
        let key = (id.clone(), interview.id.clone());
        let same = |stored: &Interview| Interview { as_of: interview.as_of, ..stored.clone() } == *interview;
        changed |= !before.get(&interview.id).is_some_and(same);
        tx.put(INTERVIEWS, &key, interview)?;
        if interview.cancelled_at.is_none() {
            let engagement = Engagement { opportunity: id.clone(), minutes: interview.minutes };
            for user in &interview.interviewers {
                tx.put(MEETINGS, &(user.clone(), interview.starts_at, interview.id.clone()), &engagement)?;
            }
        }
    }
    for one in appointments_of(tx, id)? {
        if let Some(there) = one.lever {
            let seen = list.iter().map(|one| &one.row).find(|seen| seen.id == there.interview);
            see_appointment(tx, one.id, seen, as_of, now)?;
        }
    }
    want_no_interviews(tx, id)?;
    let listed_before = opportunity.interviews_as_of.is_some();
    opportunity.interviews_as_of = Some(as_of);
    tx.put(OPPORTUNITIES, id, &opportunity)?;
    if changed {
        interviews_differ(tx, id, &before, list, listed_before.then_some(as_of), rules, now)?;
    }
    // Whoever is told that one was called off is told which: until here it could be read.
    for gone in gone {
        tx.remove(INTERVIEWS, &(id.clone(), gone))?;
    }
    Ok(changed)
}

/// Takes a meeting off its interviewers' days.
pub(super) fn forget_meeting(tx: &mut Tx<'_>, interview: &Interview) -> Result<(), StoreError> {
    for user in &interview.interviewers {
        tx.remove(MEETINGS, &(user.clone(), interview.starts_at, interview.id.clone()))?;
    }
    Ok(())
}

/// The rank in [`INTERVIEWS_WANTED`] of those that failed again and again: left for another day.
pub(crate) const LEFT_FOR_NOW: u8 = 4;

/// The interviews of an opportunity need not be listed any more.
pub(crate) fn want_no_interviews(tx: &mut Tx<'_>, id: &OpportunityId) -> Result<(), StoreError> {
    for rank in 0..=LEFT_FOR_NOW {
        tx.remove(INTERVIEWS_WANTED, &(rank, id.clone()))?;
    }
    Ok(())
}

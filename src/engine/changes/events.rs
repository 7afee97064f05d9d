//! What happens to candidates: one log, from webhooks and from looking, and what automations make of it.
//!
//! An event is written in the transaction that takes in the row from which it follows, so it is never told
//! without the row, nor twice.

use std::collections::BTreeMap;

use fulcrum_domain::automation::{Event, EventKind, difference_of_interview, differences};
use fulcrum_domain::{
    Actor, Author, Direction, Interview, InterviewId, Message, Opportunity, OpportunityId, Purpose, UserId,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::counter::{Counter, next};
use super::enrol::{follow, on_event};
use super::enrolment::look_again;
use super::projection::{Arrival, ListedInterview};
use super::remind::is_of_an_interview;
use super::retention::is_held;
use crate::store::tables::{ARCHIVE_REASONS, EVENTS, EVENTS_OF, EventKey, USERS};
use crate::store::{Keys, Read, StoreError, Tx, readable};

/// How long events are kept, for back-tests; what is older when it is seen is not written.
const LOG_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many of a candidate's last events a new one is compared with.
const COMPARED: usize = 20;

/// Who did what no account of ours did, and of whom nobody says who it was.
const LEVER: &str = "Lever";

/// A row as it was just fetched.
pub(super) struct Fetched<'r> {
    /// It.
    pub(super) row: &'r Opportunity,
    /// Who moved the candidate to the stage that they are in, where Lever says so.
    pub(super) moved_by: Option<&'r UserId>,
    /// How it came.
    pub(super) arrival: Arrival,
}

/// A row of an opportunity says something new.
pub(super) fn opportunity_differs(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    stored: Option<&Opportunity>,
    Fetched { row: fetched, moved_by, arrival }: Fetched<'_>,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let hired = match fetched.archived.as_ref().and_then(|archived| archived.reason.as_ref()) {
        Some(reason) => tx.get(ARCHIVE_REASONS, reason)?.is_some_and(|reason| reason.hired),
        None => false,
    };
    let undated = match stored {
        Some(stored) if arrival != Arrival::Webhook => stored.as_of,
        _ => fetched.as_of,
    };
    for (kind, at) in differences(stored, fetched, hired, undated) {
        // Of the rest Lever does not say who did it.
        let user = moved_by.filter(|_| matches!(kind, EventKind::StageEntered { .. }));
        let by = in_lever(tx, user)?;
        happened(tx, kind, id, at, by, rules, now)?;
    }
    look_again(tx, id, rules, now)
}

/// A list of interviews says something new. `listed_before` is the time of this list, unless it is the
/// first: then an interview without a date may be old.
pub(super) fn interviews_differ(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    before: &BTreeMap<InterviewId, Interview>,
    list: &[ListedInterview],
    listed_before: Option<Timestamp>,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut told = Vec::new();
    for ListedInterview { row, made_at, made_by } in list {
        let made_at = made_at.or(listed_before).unwrap_or(Timestamp::UNIX_EPOCH);
        let differs = difference_of_interview(before.get(&row.id), Some(row), made_at, row.as_of);
        told.extend(differs.map(|told| (told, made_by.as_ref())));
    }
    let gone = before.values().filter(|row| !list.iter().any(|one| one.row.id == row.id));
    let gone = gone.filter_map(|row| difference_of_interview(Some(row), None, now, now));
    told.extend(gone.map(|told| (told, None)));
    for ((kind, at), made_by) in told {
        let by = in_lever(tx, made_by.filter(|_| matches!(kind, EventKind::InterviewCreated(_))))?;
        happened(tx, kind, id, at, by, rules, now)?;
    }
    look_again(tx, id, rules, now)
}

/// Who did something in Lever: the account of ours that has their e-mail, so that it is one person wherever
/// they do it.
fn in_lever(read: &impl Read, user: Option<&UserId>) -> Result<Actor, StoreError> {
    let Some(id) = user else {
        return Ok(LEVER.into());
    };
    let email = read.get(USERS, id)?.map(|user| user.email.to_lowercase()).filter(|email| !email.is_empty());
    Ok(email.unwrap_or_else(|| format!("{LEVER} user {id}")).as_str().into())
}

/// A message stands in its thread. One of ours sets off what waits for no answer to it, unless nobody expects
/// one: it answers what the candidate has just done, or tells of an interview.
pub(super) fn texted(tx: &mut Tx<'_>, message: &Message, rules: &Rules) -> Result<(), StoreError> {
    let only_tells = message.purpose == Purpose::Booking
        || message.purpose.is_of_the_number()
        || is_of_an_interview(&message.author);
    let is_told = message.direction == Direction::Out && !only_tells;
    let Some(id) = message.opportunity.as_ref().filter(|_| is_told) else {
        return Ok(());
    };
    let by = match &message.author {
        Author::Staff { name, .. } | Author::Automatic(name) => Actor::from(name.as_str()),
        Author::Candidate => return Ok(()),
    };
    happened(tx, EventKind::Texted(message.id), id, message.at, by, rules, message.at)
}

/// Writes an event down, unless it is known, and lets automations see it.
fn happened(
    tx: &mut Tx<'_>,
    kind: EventKind,
    id: &OpportunityId,
    at: Timestamp,
    by: Actor,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_recent = now.duration_since(at) <= LOG_FOR;
    // An interview that was made long ago may still be to come.
    if !is_recent && kind.interview().is_none() {
        return Ok(());
    }
    let event = Event { kind, opportunity: id.clone(), at, seen_at: now, by };
    let known = events_of(tx, id, COMPARED)?;
    if event.repeats(&known) {
        // It may have been moved once more.
        return follow(tx, &event, rules, now);
    }
    if is_recent {
        let number = next(tx, Counter::Events)?;
        let key: EventKey = (at, number);
        tx.put(EVENTS, &key, &event)?;
        tx.put(EVENTS_OF, &(id.clone(), key), &())?;
    }
    on_event(tx, &event, &known, rules, now)
}

/// The last `count` events of a candidate, in order.
pub(crate) fn events_of(
    read: &impl Read,
    id: &OpportunityId,
    count: usize,
) -> Result<Vec<Event>, StoreError> {
    let mut events = Vec::new();
    for ((_, key), ()) in read.list_back(EVENTS_OF, &Keys::beginning(id), count)? {
        events.extend(read.get(EVENTS, &key)?);
    }
    events.reverse();
    Ok(events)
}

/// Forgets what happened to somebody who is erased.
pub(super) fn forget_events_of(tx: &mut Tx<'_>, id: &OpportunityId) -> Result<(), StoreError> {
    for ((_, key), ()) in tx.list(EVENTS_OF, &Keys::beginning(id), usize::MAX)? {
        tx.remove(EVENTS, &key)?;
        tx.remove(EVENTS_OF, &(id.clone(), key))?;
    }
    Ok(())
}

/// Forgets the events that are too old for a back-test, of the next `count` after one, but not what a legal hold
/// keeps. The last that was looked at; none at the end.
pub fn forget_events(
    tx: &mut Tx<'_>,
    now: Timestamp,
    after: Option<EventKey>,
    count: usize,
) -> Result<Option<EventKey>, StoreError> {
    let before = now.saturating_sub(LOG_FOR).unwrap_or(Timestamp::MIN);
    let keys = after.map_or_else(Keys::all, |last| Keys::all().after(&last));
    let old = tx.list_keys(EVENTS, &keys.before(&(before, 0u64)), count)?;
    for key in &old {
        let Some(event) = readable(tx.get(EVENTS, key))? else { continue };
        if !is_held(tx, &event.opportunity)? {
            tx.remove(EVENTS, key)?;
            tx.remove(EVENTS_OF, &(event.opportunity, *key))?;
        }
    }
    Ok(old.last().copied())
}

//! What was said is erased when its time is over, unless a legal hold keeps it.
//!
//! Retention is about what is ours: texts, transcripts, activity, what automations decided. What Lever
//! shows of a candidate follows Lever, and so do the notes there. A hold keeps everything of a person, whoever wants it gone: an erasure
//! by command is refused, and one that Lever asks for waits until the hold is released.

use std::collections::BTreeMap;

use fulcrum_domain::automation::{Enrolment, EnrolmentId, EnrolmentState};
use fulcrum_domain::{
    Activity, ActivityKind, Actor, Conversation, ConversationId, Effect, ErasureCause, Footing,
    OpportunityId, Retention, Whom,
};
use jiff::Timestamp;

use super::activity::note;
use super::enrolment::Enrolled;
use super::erase::{Erasing, opportunities_of};
use super::outbox::ask_after_deletion;
use super::thread::candidacies;
use crate::store::tables::{
    ARCHIVE_REASONS, CONVERSATIONS, ENROLMENTS, HOLDS, OPPORTUNITIES, RUN_LOG, SPOKEN_OF,
};
use crate::store::{Hold, Keys, Read, StoreError, Tx, readable};

/// Whether a legal hold keeps what there is of an opportunity.
pub(super) fn is_held(read: &impl Read, id: &OpportunityId) -> Result<bool, StoreError> {
    read.has(HOLDS, id)
}

/// Whether a legal hold keeps something of what was said in a thread, whomever its number leads to by now.
pub(super) fn is_thread_held(read: &impl Read, thread: &Conversation) -> Result<bool, StoreError> {
    // There are few holds, and a thread has no longest length.
    for (id, _) in read.list(HOLDS, &Keys::all(), usize::MAX)? {
        if thread.opportunity.as_ref() == Some(&id) || read.has(SPOKEN_OF, &(id, thread.id))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps what Lever wants gone, if a legal hold says so; whoever releases it asks Lever again.
pub(super) fn keep_if_held(tx: &mut Tx<'_>, id: &OpportunityId) -> Result<bool, StoreError> {
    let Some(hold) = tx.get(HOLDS, id)? else { return Ok(false) };
    tx.put(HOLDS, id, &Hold { wanted_gone: true, ..hold })?;
    Ok(true)
}

/// Keeps everything of a person until the hold is released. How many opportunities that are: none when
/// nobody is known so.
pub fn hold(
    tx: &mut Tx<'_>,
    whom: &Whom,
    reason: &str,
    by: Actor,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let opportunities = opportunities_of(tx, whom)?;
    for id in &opportunities {
        let wanted_gone = tx.get(HOLDS, id)?.is_some_and(|hold| hold.wanted_gone);
        let hold = Hold { since: now, by: by.clone(), reason: reason.to_owned(), wanted_gone };
        tx.put(HOLDS, id, &hold)?;
    }
    let held = opportunities.len();
    if held > 0 {
        let what = format!("a legal hold keeps {held} opportunities");
        note(tx, &Activity::new(now, by, ActivityKind::Admin, what))?;
    }
    Ok(held)
}

/// Releases the hold on a person. What Lever wanted gone meanwhile is looked at again, and goes.
pub fn release(tx: &mut Tx<'_>, whom: &Whom, by: Actor, now: Timestamp) -> Result<usize, StoreError> {
    let mut released = 0;
    for id in opportunities_of(tx, whom)? {
        let Some(hold) = tx.get(HOLDS, &id)? else { continue };
        tx.remove(HOLDS, &id)?;
        if hold.wanted_gone {
            ask_after_deletion(tx, &Effect::Hydrate(id), now)?;
        }
        released += 1;
    }
    if released > 0 {
        let what = format!("the legal hold on {released} opportunities was released");
        note(tx, &Activity::new(now, by, ActivityKind::Admin, what))?;
    }
    Ok(released)
}

/// Threads whose time is over, of the next `count` after one, and the last that was looked at; none at the end.
/// One that cannot be read is passed by: the others must not wait for it.
pub fn threads_over(
    read: &impl Read,
    after: Option<&ConversationId>,
    count: usize,
    retention: &Retention,
    now: Timestamp,
) -> Result<(Vec<ConversationId>, Option<ConversationId>), StoreError> {
    let keys = after.map_or_else(Keys::all, |id| Keys::all().after(id));
    let threads = read.list_keys(CONVERSATIONS, &keys, count)?;
    let mut over = Vec::new();
    for id in &threads {
        let of_it = unless_broken(thread_over(read, *id, retention, now), "a thread")?;
        over.extend(of_it.flatten().map(|_| *id));
    }
    Ok((over, threads.last().copied()))
}

/// A thread, if its time is over.
fn thread_over(
    read: &impl Read,
    id: ConversationId,
    retention: &Retention,
    now: Timestamp,
) -> Result<Option<Conversation>, StoreError> {
    let Some(conversation) = read.get(CONVERSATIONS, &id)? else { return Ok(None) };
    let Some(last_text) = conversation.last_message_at else { return Ok(None) };
    let candidates = candidacies(read, conversation.number)?;
    for one in &candidates {
        if is_held(read, &one.id)? {
            return Ok(None);
        }
    }
    let footing = footing(read, candidates.iter().map(|one| &one.id))?;
    let stays = !retention.is_over(footing, last_text, now)
        || waits_to_be_filed(&conversation, footing)
        || is_thread_held(read, &conversation)?;
    Ok((!stays).then_some(conversation))
}

/// What was found of a row; none, and a word in the log, where it cannot be read.
fn unless_broken<T>(found: Result<T, StoreError>, what: &str) -> Result<Option<T>, StoreError> {
    match found {
        Err(error) if error.is_of_a_row() => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "{what} cannot be read, and is kept whether or not its time is over");
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// Erases what was said in a thread if its time is over. False when not.
pub fn erase_if_over(
    tx: &mut Tx<'_>,
    id: ConversationId,
    retention: &Retention,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(conversation) = thread_over(tx, id, retention, now)? else { return Ok(false) };
    let mut erasing = Erasing::begin(tx, ErasureCause::Retention, Actor::fulcrum(), now)?;
    erasing.thread(tx, conversation.number)?;
    Ok(erasing.end(tx)?.is_some())
}

/// A transcript that is not in Lever yet is not lost to the calendar; of nobody there will never be one.
fn waits_to_be_filed(conversation: &Conversation, footing: Footing) -> bool {
    conversation.session.is_some() && footing != Footing::Nobody
}

/// What automations did about somebody, by its key.
#[derive(Clone, Debug)]
pub enum Decision {
    /// A line of the run log.
    Line(OpportunityId, u64),
    /// An enrolment that came to its end.
    Enrolment(EnrolmentId),
}

/// Whether a hold keeps what happened, since it is about somebody or a thread that is held. What is found of
/// threads is kept in `threads`.
pub(super) fn keeps(
    read: &impl Read,
    opportunity: Option<&OpportunityId>,
    thread: Option<ConversationId>,
    threads: &mut BTreeMap<ConversationId, bool>,
) -> Result<bool, StoreError> {
    if let Some(id) = opportunity
        && is_held(read, id)?
    {
        return Ok(true);
    }
    let Some(id) = thread else { return Ok(false) };
    if let Some(held) = threads.get(&id) {
        return Ok(*held);
    }
    let conversation = readable(read.get(CONVERSATIONS, &id))?;
    let held = conversation.map(|row| is_thread_held(read, &row)).transpose()?.unwrap_or(false);
    threads.insert(id, held);
    Ok(held)
}

/// Decisions whose time is over, of the next `count` after one: first the run log, then the enrolments. And
/// the last that was looked at; none at the end.
pub fn decisions_over(
    read: &impl Read,
    after: Option<&Decision>,
    count: usize,
    retention: &Retention,
    now: Timestamp,
) -> Result<(Vec<Decision>, Option<Decision>), StoreError> {
    let mut over = Vec::new();
    let mut last = None;
    let (lines, enrolments) = match after {
        None => (Some(Keys::all()), Keys::all()),
        Some(Decision::Line(about, number)) => {
            (Some(Keys::all().after(&(about.clone(), *number))), Keys::all())
        }
        Some(Decision::Enrolment(id)) => (None, Keys::all().after(id)),
    };
    if let Some(keys) = lines {
        for key in read.list_keys(RUN_LOG, &keys, count)? {
            let is_over = || -> Result<bool, StoreError> {
                let Some(line) = read.get(RUN_LOG, &key)? else { return Ok(false) };
                Ok(is_over(read, &key.0, line.at, retention, now)?.is_some())
            };
            let is_over = unless_broken(is_over(), "a line of a run log")?;
            let decision = Decision::Line(key.0, key.1);
            over.extend((is_over == Some(true)).then(|| decision.clone()));
            last = Some(decision);
        }
    }
    if last.is_none() {
        for id in read.list_keys(ENROLMENTS, &enrolments, count)? {
            let is_over = || -> Result<bool, StoreError> {
                let Some(row) = read.get(ENROLMENTS, &id)? else { return Ok(false) };
                is_enrolment_over(read, &row, retention, now)
            };
            let is_over = unless_broken(is_over(), "an enrolment")?;
            over.extend((is_over == Some(true)).then_some(Decision::Enrolment(id)));
            last = Some(Decision::Enrolment(id));
        }
    }
    Ok((over, last))
}

/// Forgets these decisions, unless one is to be kept by now. How many went.
pub fn forget_decisions(
    tx: &mut Tx<'_>,
    over: &[Decision],
    retention: &Retention,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut forgotten = 0;
    for decision in over {
        let goes = match decision {
            Decision::Line(about, number) => {
                let key = (about.clone(), *number);
                let line = tx.get(RUN_LOG, &key)?;
                let goes = match line {
                    Some(line) => is_over(tx, about, line.at, retention, now)?.is_some(),
                    None => false,
                };
                goes && tx.remove(RUN_LOG, &key)?
            }
            Decision::Enrolment(id) => match Enrolled::get(tx, *id)? {
                Some(one) if is_enrolment_over(tx, &one, retention, now)? => {
                    one.forget(tx)?;
                    true
                }
                _ => false,
            },
        };
        forgotten += usize::from(goes);
    }
    Ok(forgotten)
}

/// Where a candidate stands, if what was done about them at that time is over and no hold keeps it.
fn is_over(
    read: &impl Read,
    about: &OpportunityId,
    at: Timestamp,
    retention: &Retention,
    now: Timestamp,
) -> Result<Option<Footing>, StoreError> {
    let footing = footing(read, std::iter::once(about))?;
    let over = retention.is_over(footing, at, now) && !is_held(read, about)?;
    Ok(over.then_some(footing))
}

/// One that was texted keeps a second text of the same automation back while its candidate is active.
fn is_enrolment_over(
    read: &impl Read,
    row: &Enrolment,
    retention: &Retention,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if row.is_live() {
        return Ok(false);
    }
    let at = row.due.map_or(row.enrolled_at, |due| due.max(row.enrolled_at));
    let footing = is_over(read, &row.opportunity, at, retention, now)?;
    let texted = matches!(row.state, EnrolmentState::Sent(_));
    Ok(footing.is_some_and(|footing| !(texted && footing == Footing::Active)))
}

fn footing<'i>(
    read: &impl Read,
    ids: impl Iterator<Item = &'i OpportunityId>,
) -> Result<Footing, StoreError> {
    let mut footing = Footing::Nobody;
    for id in ids {
        let Some(row) = read.get(OPPORTUNITIES, id)? else { continue };
        let Some(archived) = row.archived else { return Ok(Footing::Active) };
        let reason = archived.reason.map(|reason| read.get(ARCHIVE_REASONS, &reason)).transpose()?.flatten();
        let hired = reason.is_some_and(|reason| reason.hired);
        footing = match footing {
            Footing::Hired(before) => Footing::Hired(before.max(archived.at)),
            Footing::Archived(before) if hired => Footing::Hired(before.max(archived.at)),
            Footing::Archived(before) => Footing::Archived(before.max(archived.at)),
            _ if hired => Footing::Hired(archived.at),
            _ => Footing::Archived(archived.at),
        };
    }
    Ok(footing)
}

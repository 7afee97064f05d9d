//! Writing down what happened, in the transaction in which it did.

use std::collections::BTreeMap;

use fulcrum_domain::{Activity, ActivityKind, Actor, Conversation, ConversationId, Effect, OpportunityId};
use jiff::Timestamp;

use super::counter::{Counter, next_of_many};
use super::retention::keeps;
use super::thread::message;
use crate::engine::audit;
use crate::store::tables::{ACTIVITY, ACTIVITY_OF, APPOINTMENTS, ActivityKey, CONVERSATIONS, FILINGS};
use crate::store::{Keys, Read, StoreError, Subject, Tx, readable};

/// Writes down what happened.
pub fn note(tx: &mut Tx<'_>, activity: &Activity) -> Result<(), StoreError> {
    note_all(tx, std::slice::from_ref(activity))
}

/// Writes down all that happened; they are numbered at once.
pub fn note_all(tx: &mut Tx<'_>, activities: &[Activity]) -> Result<(), StoreError> {
    let first = next_of_many(tx, Counter::Activity, activities.len())?;
    for (number, activity) in (first..).zip(activities) {
        if activity.kind.is_audited() {
            audit::append(tx, activity)?;
        }
        let key = (activity.at, number);
        tx.put(ACTIVITY, &key, activity)?;
        for subject in subjects(activity) {
            tx.put(ACTIVITY_OF, &(subject, key), &())?;
        }
    }
    Ok(())
}

/// The same for what happened in a thread, about its current opportunity.
pub fn note_in_thread(tx: &mut Tx<'_>, id: ConversationId, activity: Activity) -> Result<(), StoreError> {
    let about = tx.get(CONVERSATIONS, &id)?.and_then(|conversation| conversation.opportunity);
    note(tx, &activity.of(id).about(about))
}

/// The same, with the thread at hand.
pub(super) fn note_of(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    actor: Actor,
    kind: ActivityKind,
    detail: impl Into<String>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let activity = Activity::new(at, actor, kind, detail).of(conversation.id);
    note(tx, &activity.about(conversation.opportunity.clone()))
}

/// The same for what becomes of an effect, about whatever that is about.
pub(super) fn note_effect(
    tx: &mut Tx<'_>,
    effect: &Effect,
    actor: Actor,
    detail: String,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (conversation, opportunity) = about_whom(tx, effect)?;
    let activity = Activity::new(at, actor, ActivityKind::Effect, detail).about(opportunity);
    note(tx, &Activity { conversation, ..activity })
}

/// In which thread and about which opportunity an effect is, as far as that can be read.
pub(crate) fn about_whom(
    read: &impl Read,
    effect: &Effect,
) -> Result<(Option<ConversationId>, Option<OpportunityId>), StoreError> {
    Ok(match effect {
        Effect::Send(id) | Effect::FetchFile(id, _) => match readable(message(read, *id))? {
            Some(text) => (Some(text.conversation), text.opportunity),
            None => (None, None),
        },
        Effect::PostNote(id) => match readable(read.get(FILINGS, id))? {
            Some(filing) => (Some(filing.conversation), Some(filing.opportunity)),
            None => (None, None),
        },
        Effect::Hydrate(id) | Effect::Interviews(id) => (None, Some(id.clone())),
        Effect::DeleteNote(..) | Effect::DeleteText(..) => (None, None),
        Effect::Appointment(id) => (None, readable(read.get(APPOINTMENTS, id))?.map(|one| one.opportunity)),
    })
}

fn subjects(activity: &Activity) -> impl Iterator<Item = Subject> {
    let conversation = activity.conversation.map(Subject::Conversation);
    conversation.into_iter().chain(activity.opportunity.clone().map(Subject::Opportunity))
}

fn remove(tx: &mut Tx<'_>, key: ActivityKey, activity: &Activity) -> Result<(), StoreError> {
    for subject in subjects(activity) {
        tx.remove(ACTIVITY_OF, &(subject, key))?;
    }
    tx.remove(ACTIVITY, &key).map(drop)
}

/// Forgets what happened to somebody who is erased. How many lines that were.
pub(super) fn forget_subject(tx: &mut Tx<'_>, subject: &Subject) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for ((_, key), ()) in tx.list(ACTIVITY_OF, &Keys::beginning(subject), usize::MAX)? {
        if let Some(activity) = tx.get(ACTIVITY, &key)? {
            remove(tx, key, &activity)?;
            forgotten += 1;
        }
    }
    Ok(forgotten)
}

/// Forgets what happened before a time, of the next `count` lines after one, but not what a legal hold keeps.
/// The last that was looked at; none at the end.
pub fn forget_activity(
    tx: &mut Tx<'_>,
    before: Timestamp,
    after: Option<ActivityKey>,
    count: usize,
) -> Result<Option<ActivityKey>, StoreError> {
    let keys = after.map_or_else(Keys::all, |last| Keys::all().after(&last));
    let old = tx.list_keys(ACTIVITY, &keys.before(&(before, 0u64)), count)?;
    let mut held = BTreeMap::new();
    for key in &old {
        let Some(activity) = readable(tx.get(ACTIVITY, key))? else { continue };
        if !keeps(tx, activity.opportunity.as_ref(), activity.conversation, &mut held)? {
            remove(tx, *key, &activity)?;
        }
    }
    Ok(old.last().copied())
}

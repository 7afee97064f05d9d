//! Posting a filing, part by part, and what follows from each answer (behaviour.md 1, "Once").

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Conversation, ConversationId, Effect, EffectState, Filing, FilingId,
    FilingState, Lane, Message, NoteId, Opportunity, OpportunityId, Session, WhyHeld, target,
};
use jiff::Timestamp;

use super::Rules;
use super::activity::note;
use super::erase::erase_late_note;
use super::filing::fallback_author;
use super::outbox::{ask, finish, postpone, retry_failed};
use super::thread::{arm, candidacies, key_of, put_message, store, unfiled};
use super::users::refuse_author;
use crate::engine::clock::Moment;
use crate::store::tables::{
    CONVERSATIONS, FILINGS, FILINGS_OF, MESSAGES, OPPORTUNITIES, OUTBOX, SPOKEN_OF, UNFILED,
};
use crate::store::{Keys, Read, StoreError, Tx};

/// A part of a transcript to be posted.
#[derive(Clone, Debug)]
pub struct NextPost {
    /// The filing; its next part is to be posted.
    pub filing: Filing,
    /// Which part, from 0.
    pub part: usize,
}

/// Marks the next part of a filing as being posted. None when nothing is left to post; the effect
/// is then done.
pub fn begin_post(tx: &mut Tx<'_>, id: FilingId, now: Timestamp) -> Result<Option<NextPost>, StoreError> {
    let next = match tx.get(FILINGS, &id)? {
        Some(filing) => filing.next_part().map(|part| NextPost { filing, part }),
        None => None,
    };
    match next {
        Some(mut next) => {
            next.filing.state = FilingState::Posting;
            tx.put(FILINGS, &id, &next.filing)?;
            Ok(Some(next))
        }
        None => {
            finish(tx, &Effect::PostNote(id), now)?;
            Ok(None)
        }
    }
}

/// What a posted part leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPost {
    /// Another part follows.
    More,
    /// The transcript stands in Lever; it was due then.
    Filed(Timestamp),
}

/// A part stands in Lever as `note`, at `opportunity`.
pub fn finish_post(
    tx: &mut Tx<'_>,
    id: FilingId,
    opportunity: &OpportunityId,
    note: NoteId,
    now: Timestamp,
) -> Result<AfterPost, StoreError> {
    let Some(mut filing) = tx.get(FILINGS, &id)? else {
        erase_late_note(tx, opportunity, note, now)?;
        finish(tx, &Effect::PostNote(id), now)?;
        return Ok(AfterPost::Filed(now));
    };
    filing.notes.push(note);
    filing.reposts = 0;
    if filing.next_part().is_some() {
        filing.state = FilingState::Due; // The next part has surely not left.
        tx.put(FILINGS, &id, &filing)?;
        return Ok(AfterPost::More);
    }
    filing.state = FilingState::Filed;
    filing.filed_at = Some(now);
    filing.parts = Vec::new();
    tx.put(FILINGS, &id, &filing)?;
    finish(tx, &Effect::PostNote(id), now)?;
    let what = match filing.messages {
        1 => "a transcript of 1 message stands in Lever".to_owned(),
        count => format!("a transcript of {count} messages stands in Lever"),
    };
    note_filing(tx, &filing, what, now)?;
    tx.signal(crate::store::Signal::Conversation(filing.conversation));
    Ok(AfterPost::Filed(filing.due_at))
}

/// How often a part is posted again whose answer is lost each time, or on which Lever fails: then a person
/// should look.
const REPOSTS: u32 = 4;

/// A part that may stand already, and that cannot be looked for, is to be posted again. False when
/// that was so too often: the notes would be cluttered.
pub fn may_repost(tx: &mut Tx<'_>, id: FilingId) -> Result<bool, StoreError> {
    let Some(mut filing) = tx.get(FILINGS, &id)? else { return Ok(false) };
    filing.reposts += 1;
    tx.put(FILINGS, &id, &filing)?;
    Ok(filing.reposts <= REPOSTS)
}

/// A person must decide about a filing.
pub fn hold_post(
    tx: &mut Tx<'_>,
    id: FilingId,
    held: WhyHeld,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let why = held.to_string();
    if let Some(mut filing) = tx.get(FILINGS, &id)? {
        filing.state = FilingState::Held(held);
        tx.put(FILINGS, &id, &filing)?;
        note_filing(tx, &filing, format!("a transcript is held: {why}"), moment.now)?;
    }
    postpone(tx, &Effect::PostNote(id), EffectState::Failed, Some(moment.now), &why, moment)
}

fn note_filing(tx: &mut Tx<'_>, filing: &Filing, what: String, now: Timestamp) -> Result<(), StoreError> {
    let activity = Activity::new(now, Actor::fulcrum(), ActivityKind::Filing, what);
    note(tx, &activity.of(filing.conversation).about(Some(filing.opportunity.clone())))
}

/// Lever does not take the author: the fallback signs, or nobody. False when that was so already.
pub fn release_author(
    tx: &mut Tx<'_>,
    id: FilingId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<bool, StoreError> {
    let Some(mut filing) = tx.get(FILINGS, &id)? else { return Ok(false) };
    if let Some(refused) = &filing.perform_as {
        refuse_author(tx, refused, moment.now)?;
    }
    let fallback = fallback_author(tx, rules, moment.now)?;
    let next = if filing.perform_as == fallback { None } else { fallback };
    if filing.perform_as == next {
        return Ok(false);
    }
    filing.perform_as = next;
    tx.put(FILINGS, &id, &filing)?;
    postpone(
        tx,
        &Effect::PostNote(id),
        EffectState::Due,
        Some(moment.now),
        "the author was refused",
        moment,
    )?;
    Ok(true)
}

/// Lever shows an opportunity again: what was held since it did not is posted, as the row says now who may read
/// it.
pub(super) fn post_held(
    tx: &mut Tx<'_>,
    opportunity: &OpportunityId,
    row: &Opportunity,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    for ((_, conversation), ()) in tx.list(SPOKEN_OF, &Keys::beginning(opportunity), usize::MAX)? {
        for ((_, id), ()) in tx.list(FILINGS_OF, &Keys::beginning(&conversation), usize::MAX)? {
            let held = |filing: &Filing| filing.state == FilingState::Held(WhyHeld::NotShown);
            let Some(filing) = tx.get(FILINGS, &id)?.filter(held) else { continue };
            if filing.opportunity != *opportunity
                || !retry_failed(tx, &Effect::PostNote(id), Actor::fulcrum(), now)?
            {
                continue;
            }
            let secret = rules.secret_notes || row.confidential || !filing.notes.is_empty() && filing.secret;
            let contact = Some(row.contact.clone());
            let filing =
                Filing { confidential: row.confidential, secret, contact, state: FilingState::Due, ..filing };
            tx.put(FILINGS, &id, &filing)?;
        }
    }
    Ok(())
}

/// Lever does not know the opportunity any more: the note goes to another one of the same person,
/// or its messages go back to the thread and wait as Unmatched. It never goes to somebody else on
/// the same telephone, nor from a confidential opportunity to an open one: where either could come of
/// giving the messages back, a person decides.
pub fn retarget(tx: &mut Tx<'_>, id: FilingId, rules: &Rules, moment: &mut Moment) -> Result<(), StoreError> {
    let effect = Effect::PostNote(id);
    let now = moment.now;
    let Some(mut filing) = tx.get(FILINGS, &id)? else { return finish(tx, &effect, now) };
    let Some(mut conversation) = tx.get(CONVERSATIONS, &filing.conversation)? else {
        return finish(tx, &effect, now);
    };
    // What we hold is not what Lever shows: read again, it goes or the note finds it after all.
    ask(tx, &Effect::Hydrate(filing.opportunity.clone()), Lane::Live, now)?;
    let Some((other, row)) = other_of_the_person(tx, &conversation, &filing, now)? else {
        if filing.confidential || leads_elsewhere(tx, &conversation, &filing.opportunity)? {
            return hold_post(tx, id, WhyHeld::NotShown, moment);
        }
        return give_back(tx, id, &filing, conversation, rules, moment);
    };
    // The messages are about the other one now, and are erased with that one alone.
    for mut text in messages_of(tx, conversation.id, id)? {
        text.opportunity = Some(other.clone());
        put_message(tx, &text)?;
    }
    filing.opportunity = other.clone();
    filing.confidential = row.confidential;
    filing.secret |= row.confidential;
    filing.state = FilingState::Due;
    tx.put(FILINGS, &id, &filing)?;
    if conversation.opportunity.as_ref() != Some(&other) {
        conversation.opportunity = Some(other);
        store(tx, &conversation)?;
    }
    // At once; but if that one is gone as well, after the usual pause.
    let is_first = tx.get(OUTBOX, &effect)?.is_some_and(|row| row.attempts <= 1);
    let at = is_first.then_some(now);
    postpone(tx, &effect, EffectState::Due, at, "the opportunity was not found", moment)
}

fn other_of_the_person(
    read: &impl Read,
    conversation: &Conversation,
    filing: &Filing,
    now: Timestamp,
) -> Result<Option<(OpportunityId, Opportunity)>, StoreError> {
    let mut others = Vec::new();
    for other in candidacies(read, conversation.number)? {
        let Some(row) = read.get(OPPORTUNITIES, &other.id)? else { continue };
        let same_person = filing.contact.as_ref() == Some(&row.contact);
        if other.id != filing.opportunity && same_person && (row.confidential || !filing.confidential) {
            others.push(other);
        }
    }
    match target(&others, None, now) {
        Some(id) => Ok(read.get(OPPORTUNITIES, &id)?.map(|row| (id, row))),
        None => Ok(None),
    }
}

/// Whether messages of a thread that are about nobody would come to be about somebody else than `gone`.
fn leads_elsewhere(
    read: &impl Read,
    conversation: &Conversation,
    gone: &OpportunityId,
) -> Result<bool, StoreError> {
    let known = candidacies(read, conversation.number)?.into_iter().map(|other| other.id);
    Ok(known.chain(conversation.opportunity.clone()).any(|id| id != *gone))
}

/// Nobody is left whom the note could be about.
fn give_back(
    tx: &mut Tx<'_>,
    id: FilingId,
    filing: &Filing,
    mut conversation: Conversation,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    if !filing.notes.is_empty() {
        let why = "the opportunity is gone after a part was posted".to_owned();
        return hold_post(tx, id, WhyHeld::Other(why), moment);
    }
    for mut text in messages_of(tx, conversation.id, id)? {
        text.filing = None;
        put_message(tx, &text)?;
        tx.put(UNFILED, &key_of(&text), &())?;
    }
    // What came since about the same one is about nobody that Lever knows, either.
    for mut text in unfiled(tx, conversation.id)? {
        if text.opportunity.as_ref() == Some(&filing.opportunity) {
            text.opportunity = None;
            put_message(tx, &text)?;
        }
    }
    tx.remove(FILINGS, &id)?;
    tx.remove(FILINGS_OF, &(conversation.id, id))?;
    if conversation.opportunity.as_ref() == Some(&filing.opportunity) {
        conversation.opportunity = None;
    }
    let session = Session::with_message(conversation.session, moment.now, rules.times);
    conversation.session = Some(session);
    // Others of the thread, with a target of their own, keep their deadline.
    let armed = conversation.opportunity.is_some().then(|| session.files_at());
    arm(tx, &mut conversation, armed)?;
    store(tx, &conversation)?;
    finish(tx, &Effect::PostNote(id), moment.now)
}

/// The messages of a filing.
fn messages_of(
    read: &impl Read,
    thread: ConversationId,
    filing: FilingId,
) -> Result<Vec<Message>, StoreError> {
    let all = read.list(MESSAGES, &Keys::beginning(&thread), usize::MAX)?;
    Ok(all.into_iter().map(|(_, text)| text).filter(|text| text.filing == Some(filing)).collect())
}

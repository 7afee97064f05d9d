//! A person's data goes from the file (invariant 5): since they were deleted or anonymised in Lever,
//! or since somebody wants it. What stays is a tombstone of each opportunity, so that no older page
//! brings it back, the keyed hash of an opt-out, and a certificate of what went ([`Erasure`]). What we
//! left elsewhere, notes and the carrier's copies of texts, is deleted by effects of its own.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Conversation, ConversationId, Delivery, Effect, ErasedNote, Erasure,
    ErasureCause, ErasureId, Lane, Message, NoteId, Number, Opportunity, OpportunityId, OptOutSource,
    Remains, Searchable, Suppression, Whom, target,
};
use jiff::{SignedDuration, Timestamp};

use super::activity::{forget_subject, note};
use super::appointment::erase_appointments;
use super::booking::{end_talk, forget_bookings};
use super::consent::{forget_owner, is_spoken_of};
use super::desk::{clear, recount};
use super::enrolment::forget_enrolments_of;
use super::events::forget_events_of;
use super::file::forget_files;
use super::outbox::{ask, drop_effect};
use super::projection::forget_meeting;
use super::remind::erase_reminders;
use super::retention::{is_held, is_thread_held, keep_if_held};
use super::searchable::to_index;
use super::suppress::{settle_doubt, suppress};
use super::thread::{arm, candidacies, key_of, store, thread_of};
use crate::store::tables::{
    AWAITING_RECEIPT, BOOKMARKS, BY_CONTACT, BY_NUMBER, CONVERSATIONS, COUNTERS, DELETED, ERASED_BY,
    ERASURES, FILINGS, FILINGS_OF, INTERVIEWS, MADE_FROM, MESSAGES, OPPORTUNITIES, OVERRIDES, PLACES,
    SPOKEN_OF, THREADS, UNFILED, VANISHED, VANISHED_NUMBERS,
};
use crate::store::{Deleted, Erased, Keys, Read, Seen, Signal, StoreError, Subject, Tx};

/// The bookmark of the last erasure whose bytes may still be in unused parts of the file.
pub(crate) const ERASED: &str = "erased";

/// The counter of erasures.
const ERASURES_MADE: &str = "erasures";

/// Erases an opportunity and what was said about it, over all numbers that it had. Of a thread the
/// messages about the one who is gone are erased, and those about nobody when its number leads to
/// nobody else; the thread itself when nothing is left in it. The carrier's names of erased
/// messages stay, without their words, so that reading its list again brings nothing back.
///
/// Gives back whether it was known, and is not kept by a legal hold.
pub fn erase_opportunity(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    cause: ErasureCause,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if keep_if_held(tx, id, now)? {
        drop_effect(tx, &Effect::Hydrate(id.clone()))?;
        return Ok(false);
    }
    if cause == ErasureCause::Deleted {
        notes_went_with(tx, id)?;
    }
    let mut erasing = Erasing::begin(tx, cause, Actor::fulcrum(), now)?;
    let known = erasing.opportunity(tx, id)?;
    erasing.end(tx)?;
    Ok(known)
}

/// Why nobody is erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// A legal hold.
    #[error("a legal hold keeps what there is of this person: `fulcrum hold --release` ends it")]
    Held,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Erases a person, by somebody's wish. None when there is nothing of them. What Lever has of them
/// stays there, and is not taken in again.
///
/// # Errors
/// [`EraseError`]; then nothing is erased.
pub fn erase_person(
    tx: &mut Tx<'_>,
    whom: &Whom,
    by: Actor,
    now: Timestamp,
) -> Result<Option<(ErasureId, Erasure)>, EraseError> {
    let opportunities = opportunities_of(tx, whom)?;
    for id in &opportunities {
        if is_held(tx, id)? {
            return Err(EraseError::Held);
        }
    }
    if let Whom::Number(number) = whom
        && let Some(thread) = thread_of(tx, *number)?
        && is_thread_held(tx, &thread)?
    {
        return Err(EraseError::Held);
    }
    let mut erasing = Erasing::begin(tx, ErasureCause::Command, by, now)?;
    for id in &opportunities {
        erasing.opportunity(tx, id)?;
    }
    if let Whom::Number(number) = whom {
        erasing.thread(tx, *number)?;
    }
    Ok(erasing.end(tx)?)
}

/// Writes down for audits that somebody was not erased, since a legal hold keeps them.
pub(crate) fn note_held(tx: &mut Tx<'_>, whom: &Whom, by: Actor, now: Timestamp) -> Result<(), StoreError> {
    let what = "a person was not erased by command: a legal hold keeps them";
    let opportunities = opportunities_of(tx, whom)?;
    let entry = Activity::new(now, by, ActivityKind::Admin, what);
    if opportunities.is_empty() {
        return note(tx, &entry);
    }
    for id in opportunities {
        note(tx, &entry.clone().about(Some(id)))?;
    }
    Ok(())
}

/// The opportunities of a person, as far as they are known.
pub(crate) fn opportunities_of(read: &impl Read, whom: &Whom) -> Result<BTreeSet<OpportunityId>, StoreError> {
    let mut found = BTreeSet::new();
    let mut contacts = BTreeSet::new();
    match whom {
        Whom::Contact(contact) => drop(contacts.insert(contact.clone())),
        Whom::Opportunity(id) => {
            let spoken_of = read.first(SPOKEN_OF, &Keys::beginning(id))?.is_some();
            let vanished = read.first(VANISHED_NUMBERS, &Keys::beginning(id))?.is_some();
            if spoken_of || vanished || read.has(OPPORTUNITIES, id)? {
                found.insert(id.clone());
            }
        }
        Whom::Number(number) => {
            let rows = read.list(BY_NUMBER, &Keys::beginning(number), usize::MAX)?;
            found.extend(rows.into_iter().map(|((_, id), ())| id));
            // Few ask so, and those who vanished stand by themselves: they are found by looking through all.
            read.scan(VANISHED_NUMBERS, &Keys::all(), |(id, theirs), ()| {
                if theirs == *number {
                    found.insert(id);
                }
                Ok::<_, StoreError>(ControlFlow::Continue(()))
            })?;
        }
    }
    for id in &found {
        contacts.extend(read.get(OPPORTUNITIES, id)?.map(|row| row.contact));
    }
    for contact in contacts {
        let rows = read.list(BY_CONTACT, &Keys::beginning(&contact), usize::MAX)?;
        found.extend(rows.into_iter().map(|((_, id), ())| id));
    }
    Ok(found)
}

/// Lever was asked at `as_of` and shows an opportunity no more, and nobody says that it was deleted
/// (lever-api.md 1.5): it is forgotten as a projection and nothing of ours is erased.
pub fn mark_invisible(tx: &mut Tx<'_>, id: &OpportunityId, as_of: Timestamp) -> Result<bool, StoreError> {
    if is_held(tx, id)? {
        return Ok(false);
    }
    tx.put(VANISHED, id, &Seen(as_of))?;
    for number in tx.get(OPPORTUNITIES, id)?.iter().flat_map(Opportunity::numbers) {
        if is_spoken_of(tx, number)? {
            tx.put(VANISHED_NUMBERS, &(id.clone(), number), &())?;
        }
    }
    forget(tx, id, as_of).map(|forgotten| forgotten.is_some())
}

/// Takes away the numbers that an opportunity had when Lever showed it last, for whoever looks after what
/// stands by them from now on.
pub(super) fn take_vanished_numbers(tx: &mut Tx<'_>, id: &OpportunityId) -> Result<Vec<Number>, StoreError> {
    let mut numbers = Vec::new();
    for (key, ()) in tx.list(VANISHED_NUMBERS, &Keys::beginning(id), usize::MAX)? {
        tx.remove(VANISHED_NUMBERS, &key)?;
        numbers.push(key.1);
    }
    Ok(numbers)
}

/// Takes away the numbers of those who vanished by which nothing stands any more, since it was erased when its
/// time was over.
pub(crate) fn sweep_vanished_numbers(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let mut needless = Vec::new();
    for (key, ()) in tx.list(VANISHED_NUMBERS, &Keys::all(), usize::MAX)? {
        if !is_spoken_of(tx, key.1)? {
            needless.push(key);
        }
    }
    if needless.is_empty() {
        return Ok(());
    }
    for key in needless {
        tx.remove(VANISHED_NUMBERS, &key)?;
    }
    owe_new_file(tx, now)
}

/// A note was made while its candidate was being erased: it goes as well.
pub(super) fn erase_late_note(
    tx: &mut Tx<'_>,
    opportunity: &OpportunityId,
    note: NoteId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(Erased(id)) = tx.get(ERASED_BY, opportunity)? else { return Ok(()) };
    let Some(mut erasure) = tx.get(ERASURES, &id)? else { return Ok(()) };
    if erasure.cause.leaves_notes() {
        ask(tx, &Effect::DeleteNote(id, opportunity.clone(), note.clone()), Lane::Reconcile, now)?;
        erasure.notes.push(ErasedNote { opportunity: opportunity.clone(), note, state: Remains::Asked });
        tx.put(ERASURES, &id, &erasure)?;
    }
    Ok(())
}

/// Somebody who was erased here before is deleted in Lever: what notes of ours stood there went with them.
fn notes_went_with(tx: &mut Tx<'_>, opportunity: &OpportunityId) -> Result<(), StoreError> {
    let Some(Erased(id)) = tx.get(ERASED_BY, opportunity)? else { return Ok(()) };
    let Some(erasure) = tx.get(ERASURES, &id)? else { return Ok(()) };
    let stood = |left: &ErasedNote| left.opportunity == *opportunity && left.state != Remains::Gone;
    for left in erasure.notes.into_iter().filter(stood) {
        certify_note(tx, id, &left.note, Remains::Gone)?;
        drop_effect(tx, &Effect::DeleteNote(id, left.opportunity, left.note))?;
    }
    Ok(())
}

/// What became of a note that was to be deleted, for the certificate.
pub(crate) fn certify_note(
    tx: &mut Tx<'_>,
    id: ErasureId,
    note: &NoteId,
    state: Remains,
) -> Result<(), StoreError> {
    let Some(mut erasure) = tx.get(ERASURES, &id)? else { return Ok(()) };
    if let Some(row) = erasure.notes.iter_mut().find(|row| row.note == *note) {
        row.state = state;
    }
    tx.put(ERASURES, &id, &erasure).map(drop)
}

/// One more of the carrier's copies is gone, for the certificate.
pub(crate) fn certify_copy(tx: &mut Tx<'_>, id: ErasureId) -> Result<(), StoreError> {
    let Some(mut erasure) = tx.get(ERASURES, &id)? else { return Ok(()) };
    erasure.copies.gone += 1;
    tx.put(ERASURES, &id, &erasure).map(drop)
}

/// The carrier deletes none of its copies when asked, for the certificate.
pub(crate) fn certify_kept(tx: &mut Tx<'_>, id: ErasureId) -> Result<(), StoreError> {
    let Some(mut erasure) = tx.get(ERASURES, &id)? else { return Ok(()) };
    erasure.copies.kept += 1;
    tx.put(ERASURES, &id, &erasure).map(drop)
}

/// The file was written anew: nothing is left in it of what was erased up to `owed`.
pub(crate) fn certify_file(tx: &mut Tx<'_>, owed: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let mut keys = Keys::all();
    loop {
        let page = tx.list_back(ERASURES, &keys, 100)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        keys = keys.before(last);
        for (id, mut erasure) in page {
            if erasure.file_written_at.is_some() {
                return Ok(()); // All before it were certified with it.
            }
            if erasure.at <= owed {
                erasure.file_written_at = Some(now);
                tx.put(ERASURES, &id, &erasure)?;
            }
        }
    }
}

/// The rows go at once, their bytes when the file is written anew (`engine/renewal`). Each erasure
/// has a time of its own, so that one that comes meanwhile is not taken for paid.
pub(crate) fn owe_new_file(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let name = ERASED.to_owned();
    let next = |Seen(before): Seen| before.checked_add(SignedDuration::from_millis(1)).unwrap_or(before);
    let at = tx.get(BOOKMARKS, &name)?.map_or(now, |before| now.max(next(before)));
    tx.put(BOOKMARKS, &name, &Seen(at)).map(drop)
}

/// Takes the projection of an opportunity away. How many interviews it had; none when it was unknown.
fn forget(tx: &mut Tx<'_>, id: &OpportunityId, now: Timestamp) -> Result<Option<u64>, StoreError> {
    let mut interviews = 0;
    erase_reminders(tx, id)?;
    for ((_, interview), row) in tx.list(INTERVIEWS, &Keys::beginning(id), usize::MAX)? {
        forget_meeting(tx, &row)?;
        tx.remove(INTERVIEWS, &(id.clone(), interview))?;
        interviews += 1;
    }
    let Some(opportunity) = tx.get(OPPORTUNITIES, id)? else { return Ok(None) };
    owe_new_file(tx, now)?;
    tx.remove(OPPORTUNITIES, id)?;
    to_index(tx, &Searchable::Person(id.clone()))?;
    tx.remove(BY_CONTACT, &(opportunity.contact.clone(), id.clone()))?;
    for number in opportunity.numbers() {
        tx.remove(BY_NUMBER, &(number, id.clone()))?;
    }
    Ok(Some(interviews))
}

/// An erasure under way, and its certificate.
pub(super) struct Erasing {
    id: ErasureId,
    now: Timestamp,
    erasure: Erasure,
    /// Of whom was spoken in what goes.
    spoken_of: BTreeSet<OpportunityId>,
    /// Whether something went that the certificate does not count: what people took down by a number.
    has_more: bool,
}

impl Erasing {
    pub(super) fn begin(
        read: &impl Read,
        cause: ErasureCause,
        by: Actor,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let made = read.get(COUNTERS, &ERASURES_MADE.to_owned())?.unwrap_or(0);
        let (id, erasure) = (ErasureId::new(made + 1), Erasure::new(now, by, cause));
        Ok(Self { id, now, erasure, spoken_of: BTreeSet::new(), has_more: false })
    }

    /// Writes the certificate, if anything went.
    pub(super) fn end(self, tx: &mut Tx<'_>) -> Result<Option<(ErasureId, Erasure)>, StoreError> {
        let Self { id, now, erasure, has_more, .. } = self;
        if !erasure.is_of_somebody() && !has_more {
            return Ok(None);
        }
        owe_new_file(tx, now)?;
        tx.put(COUNTERS, &ERASURES_MADE.to_owned(), &id.number())?;
        tx.put(ERASURES, &id, &erasure)?;
        for opportunity in &erasure.opportunities {
            tx.put(ERASED_BY, opportunity, &Erased(id))?;
        }
        let what = format!("{}: erasure {id}", erasure.cause.words());
        note(tx, &Activity::new(now, erasure.by.clone(), ActivityKind::Admin, what))?;
        Ok(Some((id, erasure)))
    }

    /// Erases an opportunity. False when it was not known.
    pub(super) fn opportunity(&mut self, tx: &mut Tx<'_>, id: &OpportunityId) -> Result<bool, StoreError> {
        tx.put(DELETED, id, &Deleted(self.now))?;
        for effect in [Effect::Hydrate(id.clone()), Effect::Interviews(id.clone())] {
            drop_effect(tx, &effect)?;
        }
        erase_appointments(tx, id)?;
        let mut threads = BTreeSet::new();
        for ((_, conversation), ()) in tx.list(SPOKEN_OF, &Keys::beginning(id), usize::MAX)? {
            tx.remove(SPOKEN_OF, &(id.clone(), conversation))?;
            threads.insert(conversation);
        }
        let numbers: Vec<Number> = tx.get(OPPORTUNITIES, id)?.iter().flat_map(Opportunity::numbers).collect();
        for number in numbers.iter().copied() {
            threads.extend(thread_of(tx, number)?.map(|conversation| conversation.id));
        }
        forget_bookings(tx, id, &threads)?;
        let forgotten = forget(tx, id, self.now)?;
        for number in numbers.into_iter().chain(take_vanished_numbers(tx, id)?) {
            self.has_more |= forget_owner(tx, number)?;
        }
        if let Some(interviews) = forgotten {
            self.erasure.rows.opportunities += 1;
            self.erasure.rows.interviews += interviews;
        }
        self.erasure.rows.activity += forget_subject(tx, &Subject::Opportunity(id.clone()))?;
        forget_events_of(tx, id)?;
        forget_enrolments_of(tx, id)?;
        for thread in threads {
            if let Some(conversation) = tx.get(CONVERSATIONS, &thread)? {
                self.filings(tx, thread, |about| about == id)?;
                let others = candidacies(tx, conversation.number)?;
                let theirs =
                    |text: &Message| text.opportunity.as_ref().map_or(others.is_empty(), |o| o == id);
                self.messages(tx, conversation, theirs)?;
            }
        }
        self.erasure.opportunities.push(id.clone());
        Ok(forgotten.is_some())
    }

    /// Erases all that was said with a number, whomever it was about.
    pub(super) fn thread(&mut self, tx: &mut Tx<'_>, number: Number) -> Result<(), StoreError> {
        let Some(conversation) = thread_of(tx, number)? else {
            self.has_more |= forget_owner(tx, number)?;
            return Ok(());
        };
        self.filings(tx, conversation.id, |_| true)?;
        self.messages(tx, conversation, |_| true)
    }

    /// Erases the messages of a thread that are theirs, and the thread when nothing is left in it.
    fn messages(
        &mut self,
        tx: &mut Tx<'_>,
        mut conversation: Conversation,
        theirs: impl Fn(&Message) -> bool,
    ) -> Result<(), StoreError> {
        let mut last = None;
        let mut unfiled = false;
        // In pages, since a thread has no longest length.
        let mut keys = Keys::beginning(&conversation.id);
        loop {
            let page = tx.list(MESSAGES, &keys, 500)?;
            let Some((end, _)) = page.last() else { break };
            keys = keys.after(end);
            for (key, message) in page {
                if theirs(&message) {
                    self.message(tx, &message)?;
                } else {
                    unfiled |= tx.has(UNFILED, &key)?;
                    last = Some(message.at);
                }
            }
        }
        if last.is_none() {
            self.erasure.rows.conversations += 1;
            arm(tx, &mut conversation, None)?;
            if conversation.possible_opt_out.is_some() {
                // Nobody is left who could say what they meant; a wish outlives who had it.
                let rule = "possible opt-out, erased before anybody decided";
                let stop = Suppression { at: self.now, source: OptOutSource::Text(rule.into()) };
                suppress(tx, conversation.number, &stop, Actor::fulcrum(), self.now)?;
            }
            settle_doubt(tx, &mut conversation)?;
            tx.remove(CONVERSATIONS, &conversation.id)?;
            tx.remove(THREADS, &conversation.number)?;
            forget_owner(tx, conversation.number)?;
            clear(tx, conversation.id)?;
            end_talk(tx, conversation.id)?;
            for about in self.spoken_of.iter().chain(&conversation.opportunity) {
                tx.remove(SPOKEN_OF, &(about.clone(), conversation.id))?;
            }
            self.erasure.rows.activity += forget_subject(tx, &Subject::Conversation(conversation.id))?;
            to_index(tx, &Searchable::Conversation(conversation.id))?;
            tx.signal(Signal::Conversation(conversation.id));
            return Ok(());
        }
        for id in std::mem::take(&mut conversation.late_failures) {
            if tx.has(PLACES, &id)? {
                conversation.late_failures.push(id);
            }
        }
        conversation.last_message_at = last;
        if !unfiled {
            conversation.session = None;
            arm(tx, &mut conversation, None)?;
        }
        let gone = conversation.opportunity.as_ref().map(|id| tx.has(DELETED, id)).transpose()?;
        if gone == Some(true) {
            let others = candidacies(tx, conversation.number)?;
            conversation.opportunity = target(&others, None, self.now);
        }
        recount(tx, conversation.id)?;
        store(tx, &conversation)
    }

    fn message(&mut self, tx: &mut Tx<'_>, message: &Message) -> Result<(), StoreError> {
        let key = key_of(message);
        tx.remove(MESSAGES, &key)?;
        to_index(tx, &Searchable::Message(message.id))?;
        tx.remove(UNFILED, &key)?;
        tx.remove(PLACES, &message.id)?;
        tx.remove(AWAITING_RECEIPT, &message.id)?;
        tx.remove(OVERRIDES, &message.id)?;
        tx.remove(MADE_FROM, &message.id)?;
        drop_effect(tx, &Effect::Send(message.id))?;
        forget_files(tx, message)?;
        self.spoken_of.extend(message.opportunity.clone());
        self.erasure.rows.messages += 1;
        if let Some(sid) = &message.sid {
            ask(tx, &Effect::DeleteText(self.id, sid.clone()), Lane::Reconcile, self.now)?;
            self.erasure.copies.asked += 1;
        } else if matches!(message.delivery, Delivery::Submitting | Delivery::Unconfirmed) {
            self.erasure.copies.unnamed += 1;
        }
        Ok(())
    }

    /// Erases the transcripts of a thread that are about somebody, and asks for their notes to go.
    fn filings(
        &mut self,
        tx: &mut Tx<'_>,
        conversation: ConversationId,
        about: impl Fn(&OpportunityId) -> bool,
    ) -> Result<(), StoreError> {
        for ((_, id), ()) in tx.list(FILINGS_OF, &Keys::beginning(&conversation), usize::MAX)? {
            let Some(filing) = tx.get(FILINGS, &id)?.filter(|row| about(&row.opportunity)) else { continue };
            tx.remove(FILINGS, &id)?;
            tx.remove(FILINGS_OF, &(conversation, id))?;
            drop_effect(tx, &Effect::PostNote(id))?;
            self.spoken_of.insert(filing.opportunity.clone());
            self.erasure.rows.transcripts += 1;
            if !self.erasure.cause.leaves_notes() {
                continue;
            }
            for note in filing.notes {
                let opportunity = filing.opportunity.clone();
                let effect = Effect::DeleteNote(self.id, opportunity.clone(), note.clone());
                ask(tx, &effect, Lane::Reconcile, self.now)?;
                self.erasure.notes.push(ErasedNote { opportunity, note, state: Remains::Asked });
            }
        }
        Ok(())
    }
}

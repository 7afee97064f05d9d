//! What people said about being texted: kept with its source for as long as the person is known, the
//! newest counts (behaviour.md 2, "Consent").

use fulcrum_domain::{
    ActivityKind, Actor, Answer, Consent, ConsentSource, NoConsent, Number, Opportunity, OpportunityId,
    UserId,
};
use jiff::Timestamp;

use super::Rules;
use super::activity::note_of;
use super::call_off::call_off;
use super::projection::{Arrival, Put, put_opportunity};
use super::suppress::{forget_reason, has_reason};
use super::thread::{candidacies, thread_of};
use crate::store::tables::{CONSENTS, KNOWN_ZONES, LIFTED, THREADS};
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// Nobody is asked more often.
const EVIDENCE_MAX: usize = 100;

/// An opportunity as Lever shows it, with what its candidate said about texts when they applied, and who
/// moved them.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The row of the projection.
    pub row: Opportunity,
    /// Their answer to the configured question.
    pub consent: Option<Consent>,
    /// Who moved them to the stage that they are in: a user, if it was one.
    pub moved_by: Option<UserId>,
}

/// Takes a profile in: the row, and the answer for each of the candidate's numbers.
///
/// # Errors
/// [`StoreError`].
pub fn put_profile(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    profile: Profile,
    arrival: Arrival,
    rules: &Rules,
    now: Timestamp,
) -> Result<Put, StoreError> {
    let Profile { row, consent, moved_by } = profile;
    let numbers: Vec<Number> = if consent.is_some() { row.numbers().collect() } else { Vec::new() };
    let put = put_opportunity(tx, id, row, moved_by.as_ref(), arrival, rules, now)?;
    if matches!(put, Put::New | Put::Changed | Put::Same)
        && let Some(consent) = consent
    {
        for number in numbers {
            put_consent(tx, number, &consent, now)?;
        }
    }
    Ok(put)
}

/// What the owner of a number said last.
///
/// # Errors
/// [`StoreError`].
pub fn consent_of(read: &impl Read, number: Number) -> Result<Option<Consent>, StoreError> {
    let newest = read.list_back(CONSENTS, &Keys::beginning(&number), 1)?;
    Ok(newest.into_iter().next().map(|(_, consent)| consent))
}

/// All that they ever said, the newest first.
///
/// # Errors
/// [`StoreError`].
pub fn consents_of(read: &impl Read, number: Number) -> Result<Vec<Consent>, StoreError> {
    let rows = read.list_back(CONSENTS, &Keys::beginning(&number), EVIDENCE_MAX)?;
    Ok(rows.into_iter().map(|(_, consent)| consent).collect())
}

/// Keeps an answer. One that is known already changes nothing: applications are read again and again. A no
/// that is their last word calls off what waits for them.
///
/// # Errors
/// [`StoreError`].
pub fn put_consent(
    tx: &mut Tx<'_>,
    number: Number,
    consent: &Consent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = (number, consent.at);
    if tx.get(CONSENTS, &key)?.as_ref() == Some(consent) {
        return Ok(());
    }
    tx.put(CONSENTS, &key, consent)?;
    if let Some(conversation) = thread_of(tx, number)? {
        let how = match consent.source {
            ConsentSource::Application(_) => "on an application",
            ConsentSource::Text => "by text",
            ConsentSource::Person(_) => "as a person recorded",
            ConsentSource::Import(_) => "by an import",
        };
        let what = format!("said {} to texts, {how}", consent.answer.word());
        note_of(tx, &conversation, consent.by.clone(), ActivityKind::OptOut, what, now)?;
        tx.signal(Signal::Conversation(conversation.id));
    }
    if consent_of(tx, number)?.is_some_and(|last| last.answer == Answer::No) {
        call_off(tx, number, NoConsent::SaidNo.into(), now)?;
    }
    Ok(())
}

/// Somebody records what the owner of a number said. How they know stands with it and not in the activity,
/// since people write names into it.
///
/// # Errors
/// [`StoreError`].
pub fn record_consent(
    tx: &mut Tx<'_>,
    number: Number,
    answer: Answer,
    source: ConsentSource,
    by: Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    put_consent(tx, number, &Consent { answer, source, at: now, by }, now)
}

/// Whether anything stands by a number that [`forget_owner`] would forget, or that keeps it from doing so.
pub(super) fn is_spoken_of(read: &impl Read, number: Number) -> Result<bool, StoreError> {
    Ok(read.has(THREADS, &number)?
        || read.first(CONSENTS, &Keys::beginning(&number))?.is_some()
        || read.first(LIFTED, &Keys::beginning(&number))?.is_some()
        || read.has(KNOWN_ZONES, &number)?
        || has_reason(read, number)?)
}

/// Forgets what the owner of a number said, where they are, and what people took down of it, once the number
/// leads to nobody and nobody writes from it. That it has opted out stays. False when there was nothing.
pub(super) fn forget_owner(tx: &mut Tx<'_>, number: Number) -> Result<bool, StoreError> {
    if !candidacies(tx, number)?.is_empty() || thread_of(tx, number)?.is_some() {
        return Ok(false);
    }
    // It leads to no thread; older programs left some that do not exist.
    let mut forgotten = tx.remove(THREADS, &number)?;
    for (key, _) in tx.list(CONSENTS, &Keys::beginning(&number), usize::MAX)? {
        forgotten |= tx.remove(CONSENTS, &key)?;
    }
    for (key, _) in tx.list(LIFTED, &Keys::beginning(&number), usize::MAX)? {
        forgotten |= tx.remove(LIFTED, &key)?;
    }
    forgotten |= tx.remove(KNOWN_ZONES, &number)?;
    Ok(forget_reason(tx, number)? | forgotten)
}

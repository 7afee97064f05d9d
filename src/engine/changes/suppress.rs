//! Opt-outs: stored under a keyed hash of the number, in force with the transaction that stores them.

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Conversation, ConversationId, DeadlineKey, Number, OptOutSource, Refusal,
    Suppression, target,
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use super::Rules;
use super::activity::{note, note_of};
use super::call_off::call_off;
use super::deadline::{arm, is_ahead};
use super::desk::place;
use super::thaw::thaw;
use super::thread::{candidacies, store, thread_of};
use crate::store::tables::{CONVERSATIONS, Digest, LIFTED, SECRETS, SUPPRESSIONS};
use crate::store::{Lifted, Read, SecretKey, Signal, StoreError, Tx};

/// The name of the key under which numbers are hashed; made at the first start.
pub(crate) const HASH_KEY: &str = "suppressions";

/// What stands for a number once its owner is deleted: nobody without the key can tell which it was.
fn digest(read: &impl Read, number: Number) -> Result<Digest, StoreError> {
    let SecretKey(key) =
        read.get(SECRETS, &HASH_KEY.to_owned())?.ok_or(StoreError::NoKey { name: HASH_KEY })?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    mac.update(number.to_string().as_bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    Ok(digest)
}

/// Whether and why a number must not be texted.
pub fn suppression_of(read: &impl Read, number: Number) -> Result<Option<Suppression>, StoreError> {
    read.get(SUPPRESSIONS, &digest(read, number)?)
}

/// Opts a number out: for all our numbers and all paths. What waits for it is called off. False
/// when it was opted out before; the first reason stays, unless they only now say so themselves.
pub(super) fn suppress(
    tx: &mut Tx<'_>,
    number: Number,
    suppression: &Suppression,
    by: Actor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let what = match &suppression.source {
        OptOutSource::Text(rule) => format!("opted out: {rule}"),
        OptOutSource::Carrier => "opted out at the carrier".to_owned(),
        OptOutSource::Person(_) => "an opt-out was recorded".to_owned(),
    };
    opt_out(tx, number, suppression, what, by, now)
}

/// The same, told in the activity as `what`.
fn opt_out(
    tx: &mut Tx<'_>,
    number: Number,
    suppression: &Suppression,
    what: String,
    by: Actor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let key = digest(tx, number)?;
    let before = tx.get(SUPPRESSIONS, &key)?;
    if before.as_ref().is_some_and(|before| before.lifted_by_start() || !suppression.lifted_by_start()) {
        return Ok(false);
    }
    tx.put(SUPPRESSIONS, &key, suppression)?;
    tell(tx, number, by, what, now)?;
    call_off(tx, number, Refusal::OptedOut, now)?;
    Ok(before.is_none())
}

/// Lets a number be texted again. False when it was not opted out, or when `by_candidate` and the
/// opt-out is not theirs to lift.
pub(super) fn lift(
    tx: &mut Tx<'_>,
    number: Number,
    by_candidate: bool,
    by: Actor,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let key = digest(tx, number)?;
    let Some(suppression) = tx.get(SUPPRESSIONS, &key)? else { return Ok(false) };
    if by_candidate && !suppression.lifted_by_start() {
        return Ok(false);
    }
    tx.remove(SUPPRESSIONS, &key)?;
    tell(tx, number, by, "may be texted again".to_owned(), at)?;
    Ok(true)
}

/// Writes down what became of a number, in its thread. Where there is none, what has to be proven names the
/// number by its keyed hash, as an export does.
fn tell(tx: &mut Tx<'_>, number: Number, by: Actor, what: String, at: Timestamp) -> Result<(), StoreError> {
    if let Some(conversation) = thread_of(tx, number)? {
        note_of(tx, &conversation, by, ActivityKind::OptOut, what, at)?;
        place(tx, &conversation)?;
        tx.signal(Signal::Conversation(conversation.id));
        return Ok(());
    }
    let about = target(&candidacies(tx, number)?, None, at);
    let what = format!("{what}, number_hash {}", hex::encode(digest(tx, number)?));
    note(tx, &Activity::new(at, by, ActivityKind::OptOut, what).about(about))
}

/// What stands in place of what people wrote about an opt-out, once its number leads to nobody.
const FORGOTTEN: &str = "a person recorded it; what they wrote was erased";

/// With this begins why a possible opt-out is one, before what the person wrote who said so.
const CONFIRMED: &str = "possible opt-out, confirmed";

/// Forgets what somebody wrote about an opt-out: it may name its owner, and stays for as long as the opt-out.
/// False when there was nothing.
pub(super) fn forget_reason(tx: &mut Tx<'_>, number: Number) -> Result<bool, StoreError> {
    let Some(stop) = suppression_of(tx, number)? else { return Ok(false) };
    let Some(source) = without_words(&stop.source) else { return Ok(false) };
    tx.put(SUPPRESSIONS, &digest(tx, number)?, &Suppression { source, ..stop })?;
    Ok(true)
}

/// Whether somebody's words about an opt-out stand by a number.
pub(super) fn has_reason(read: &impl Read, number: Number) -> Result<bool, StoreError> {
    Ok(suppression_of(read, number)?.is_some_and(|stop| without_words(&stop.source).is_some()))
}

/// Why there is an opt-out, without the words that somebody wrote; none where there are none.
fn without_words(source: &OptOutSource) -> Option<OptOutSource> {
    let without = match source {
        OptOutSource::Person(_) => OptOutSource::Person(FORGOTTEN.to_owned()),
        OptOutSource::Text(rule) if rule.starts_with(CONFIRMED) => OptOutSource::Text(CONFIRMED.to_owned()),
        OptOutSource::Text(_) | OptOutSource::Carrier => return None,
    };
    (without != *source).then_some(without)
}

/// How long a person has to say whether a possible opt-out is one (behaviour.md 2).
const DOUBT: SignedDuration = SignedDuration::from_hours(24);

/// Somebody may have opted out: a person decides within a day, else they have.
pub(super) fn doubt(
    tx: &mut Tx<'_>,
    conversation: &mut Conversation,
    rule: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if conversation.possible_opt_out.is_none() {
        conversation.possible_opt_out = Some(now);
        let what = format!("may want no texts: {rule}");
        note_of(tx, conversation, Actor::fulcrum(), ActivityKind::PossibleOptOut, what, now)?;
        arm(tx, DeadlineKey::PossibleOptOut(conversation.id), None, Some(over_at(now)))?;
    }
    store(tx, conversation)
}

/// When a doubt that began then is over.
pub(super) fn over_at(since: Timestamp) -> Timestamp {
    since.saturating_add(DOUBT).unwrap_or(Timestamp::MAX)
}

/// The doubt about a conversation is over, however it was decided. What froze is called off with an opt-out; else
/// the caller lets it [`thaw`].
pub(super) fn settle_doubt(tx: &mut Tx<'_>, conversation: &mut Conversation) -> Result<(), StoreError> {
    match conversation.possible_opt_out.take() {
        Some(since) => arm(tx, DeadlineKey::PossibleOptOut(conversation.id), Some(over_at(since)), None),
        None => Ok(()),
    }
}

/// Nobody has decided about a possible opt-out in time: it is one.
pub(super) fn doubt_is_over(tx: &mut Tx<'_>, id: ConversationId, now: Timestamp) -> Result<(), StoreError> {
    let Some(mut conversation) = tx.get(CONVERSATIONS, &id)? else { return Ok(()) };
    let Some(since) = conversation.possible_opt_out else { return Ok(()) };
    if is_ahead(tx, DeadlineKey::PossibleOptOut(id), over_at(since), now) {
        return Ok(());
    }
    settle_doubt(tx, &mut conversation)?;
    store(tx, &conversation)?;
    let rule = "possible opt-out, nobody said otherwise in 24 hours";
    let suppression = Suppression { at: now, source: OptOutSource::Text(rule.into()) };
    suppress(tx, conversation.number, &suppression, Actor::fulcrum(), now).map(drop)
}

/// Why a person cannot let a number be texted again.
#[derive(Debug, thiserror::Error)]
pub enum LiftError {
    /// Only the candidate takes that back.
    #[error("the candidate opted out by text: only their START lifts that")]
    ByText,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a person learned of a candidate's wish: the answer to a possible opt-out, one that reached us by
/// other ways than a text, or the end of such a one.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whether they want no texts.
    pub opted_out: bool,
    /// How that is known. It stands with the opt-out, or with its end, and not in the activity, since people
    /// write names into it.
    pub reason: String,
    /// When they said so, if not just now.
    pub since: Option<Timestamp>,
}

/// A person records a wish, for a number and whoever writes from it. What froze while they may have opted out is
/// decided anew once they have not.
///
/// # Errors
/// [`LiftError`]; then nothing changes.
pub fn decide_opt_out(
    tx: &mut Tx<'_>,
    number: Number,
    wish: &Wish,
    by: &Actor,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), LiftError> {
    let thread = thread_of(tx, number)?;
    let doubted = thread.as_ref().filter(|thread| thread.possible_opt_out.is_some());
    if let Some(conversation) = doubted {
        let what = if wish.opted_out { "they want no texts" } else { "they may be texted" };
        note_of(tx, conversation, by.clone(), ActivityKind::PossibleOptOut, what, now)?;
    }
    if wish.opted_out {
        let (by_whom, reason) = (by.as_str(), &wish.reason);
        // What they texted is theirs, whoever had to read it.
        let (source, what) = match doubted {
            Some(_) => {
                let rule = format!("{CONFIRMED} by {by_whom}: {reason}");
                (OptOutSource::Text(rule), "opted out: possible opt-out, confirmed")
            }
            None => (OptOutSource::Person(format!("{by_whom}: {reason}")), "an opt-out was recorded"),
        };
        let suppression = Suppression { at: wish.since.map_or(now, |since| since.min(now)), source };
        opt_out(tx, number, &suppression, what.to_owned(), by.clone(), now)?;
    } else {
        let opt_out = suppression_of(tx, number)?;
        if opt_out.as_ref().is_some_and(Suppression::lifted_by_start) {
            return Err(LiftError::ByText);
        }
        let was_possible = thread.as_ref().is_some_and(|thread| thread.possible_opt_out.is_some());
        if opt_out.is_some() || was_possible {
            let lifted = Lifted { by: by.clone(), reason: wish.reason.clone(), opt_out };
            tx.put(LIFTED, &(number, now), &lifted)?;
        }
        lift(tx, number, false, by.clone(), now)?;
    }
    if let Some(mut conversation) = thread_of(tx, number)? {
        let since = conversation.possible_opt_out;
        settle_doubt(tx, &mut conversation)?;
        store(tx, &conversation)?;
        if let Some(since) = since.filter(|_| !wish.opted_out) {
            thaw(tx, &conversation, since, rules, now)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wrote_under_an_older_program_is_told_from_what_it_says_itself() {
        let of = |rule: &str| OptOutSource::Text(rule.to_owned());
        // As it stands by opt-outs in files: it must not be spelt otherwise.
        let confirmed = of("possible opt-out, confirmed");
        let by_ana = of("possible opt-out, confirmed by ana: Dana said so on the phone");
        assert_eq!(without_words(&by_ana), Some(confirmed.clone()));
        for without in [confirmed, of("stop"), of("possible opt-out, nobody said otherwise in 24 hours")] {
            assert_eq!(without_words(&without), None);
        }
    }
}

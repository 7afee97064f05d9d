//! Opt-outs: stored under a keyed hash of the number, in force with the transaction that stores them.

use fulcrum_domain::{ConversationId, Delivery, Effect, Number, OptOutSource, Purpose, Suppression};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::outbox::drop_effect;
use super::thread::thread_of;
use crate::store::tables::{Digest, MESSAGES, OUTBOX, SECRETS, SUPPRESSIONS};
use crate::store::{Keys, Read, SecretKey, Signal, StoreError, Tx};

/// The name of the key under which numbers are hashed; made at the first start.
pub(crate) const HASH_KEY: &str = "suppressions";

/// What stands for a number once its owner is deleted: nobody without the key can tell which it was.
fn digest(read: &impl Read, number: Number) -> Result<Digest, StoreError> {
    let SecretKey(key) = read.get(SECRETS, &HASH_KEY.to_owned())?.ok_or(StoreError::Closed)?;
    // HMAC takes a key of any length, so this cannot fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| StoreError::Closed)?;
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
/// when it was opted out before; the first reason stays.
pub(super) fn suppress(
    tx: &mut Tx<'_>,
    number: Number,
    source: OptOutSource,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let key = digest(tx, number)?;
    if tx.has(SUPPRESSIONS, &key)? {
        return Ok(false);
    }
    tx.put(SUPPRESSIONS, &key, &Suppression { at, source })?;
    if let Some(conversation) = thread_of(tx, number)? {
        call_off(tx, conversation.id)?;
        tx.signal(Signal::Conversation(conversation.id));
    }
    Ok(true)
}

/// Lets a number be texted again. False when it was not opted out, or when `by_candidate` and the
/// opt-out is not theirs to lift.
pub(super) fn lift(tx: &mut Tx<'_>, number: Number, by_candidate: bool) -> Result<bool, StoreError> {
    let key = digest(tx, number)?;
    let Some(suppression) = tx.get(SUPPRESSIONS, &key)? else { return Ok(false) };
    if by_candidate && !suppression.lifted_by_start() {
        return Ok(false);
    }
    tx.remove(SUPPRESSIONS, &key)
}

/// Fails every text of a thread that has not left. What is in flight cannot be called back.
fn call_off(tx: &mut Tx<'_>, conversation: ConversationId) -> Result<(), StoreError> {
    /// Nobody has more texts waiting in one thread.
    const LOOK_BACK: usize = 1000;
    for (_, message) in tx.list_back(MESSAGES, &Keys::beginning(&conversation), LOOK_BACK)? {
        let waits = matches!(message.delivery, Delivery::Queued | Delivery::Scheduled);
        let effect = Effect::Send(message.id);
        if waits && message.purpose != Purpose::OptOutConfirmation && tx.has(OUTBOX, &effect)? {
            super::delivery::call_off(tx, message)?;
            drop_effect(tx, &effect)?;
        }
    }
    Ok(())
}

//! Requests that carry an `Idempotency-Key` (interface.md, "HTTP, public listener"): what one came to is
//! remembered in the transaction that did it, so a repeat does nothing and is answered the same.

use jiff::Timestamp;

use crate::store::tables::{Digest, IDEMPOTENT};
use crate::store::{Created, Idempotent, Read, StoreError, Tx};

/// A request that has its effect once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// The key, as the caller's own.
    pub key: Digest,
    /// What is asked.
    pub request: Digest,
}

/// The key was used before, for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency key was used for another request")]
pub struct KeyReused;

/// What the same request came to under the same key.
///
/// # Errors
/// [`KeyReused`], [`StoreError`].
pub(crate) fn made_before<E: From<StoreError> + From<KeyReused>>(
    read: &impl Read,
    once: Option<Once>,
) -> Result<Option<Created>, E> {
    let Some(once) = once else { return Ok(None) };
    match read.get(IDEMPOTENT, &once.key)? {
        Some(before) if before.request != once.request => Err(KeyReused.into()),
        before => Ok(before.map(|before| before.created)),
    }
}

/// Remembers what a request came to, for its repeats.
pub(crate) fn remember(
    tx: &mut Tx<'_>,
    once: Option<Once>,
    created: Created,
    now: Timestamp,
) -> Result<(), StoreError> {
    match once {
        Some(Once { key, request }) => {
            tx.put(IDEMPOTENT, &key, &Idempotent { at: now, request, created }).map(drop)
        }
        None => Ok(()),
    }
}

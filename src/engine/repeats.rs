//! Requests that carry an `Idempotency-Key` (interface.md, "HTTP, public listener"): what one came to is
//! remembered in the transaction that did it, so a repeat does nothing and is answered the same.
//!
//! What is asked goes to an engine that is [under](Engine::under) the key. Texts and bulk texts ask for
//! themselves what was made before: their repeats are answered before the request is looked at.

use fulcrum_domain::{AppointmentId, ConversationId, Erasure, ErasureId};
use jiff::Timestamp;

use super::Engine;
use super::changes::{Imported, Unmuted};
use crate::store::tables::{Digest, ERASURES, IDEMPOTENT, MUTED};
use crate::store::{Created, Idempotent, Read, StoreError, Tx};

/// A request that has its effect once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// The key, as the caller's own.
    pub key: Digest,
    /// What is asked.
    pub request: Digest,
    /// What an older program took for that: the body without the path.
    pub body: Digest,
}

impl Once {
    /// Whether a request that had its effect is this one.
    fn is(&self, before: &Idempotent) -> bool {
        before.request == self.request || before.request == self.body
    }
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
        Some(before) if !once.is(&before) => Err(KeyReused.into()),
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
        Some(Once { key, request, .. }) => {
            tx.put(IDEMPOTENT, &key, &Idempotent { at: now, request, created }).map(drop)
        }
        None => Ok(()),
    }
}

/// What a change came to, as a repeat of its request is told.
pub(crate) trait Told: Sized {
    /// What is remembered of it; none where nothing was done.
    fn remembered(&self) -> Option<Created>;

    /// The same once more; none where it cannot be told, and is done again.
    ///
    /// # Errors
    /// [`StoreError`].
    fn again(created: Created, read: &impl Read) -> Result<Option<Self>, StoreError>;
}

impl Engine {
    /// For a request that has its effect once: what is asked of it is remembered with what it changes, and
    /// is told to a repeat.
    ///
    /// # Errors
    /// [`KeyReused`], if the key came with another request before, and [`StoreError`].
    pub async fn under<E>(&self, once: Option<Once>) -> Result<Self, E>
    where
        E: From<StoreError> + From<KeyReused> + Send + 'static,
    {
        if once.is_some() {
            self.store.read(move |snapshot| made_before::<E>(snapshot, once).map(drop)).await?;
        }
        Ok(Self { once, ..self.clone() })
    }

    /// Changes the store once for the request that this engine is [under](Engine::under).
    pub(super) async fn change_once<T, E>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Told + Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (once, now) = (self.once, self.clock.now());
        self.store
            .change(move |tx| {
                let before = once.map(|once| tx.get(IDEMPOTENT, &once.key)).transpose()?.flatten();
                if let Some(before) = before {
                    // Two came at one time, so neither knew of the other: this one is to come again.
                    if once.is_some_and(|once| !once.is(&before)) {
                        return Err(StoreError::Busy.into());
                    }
                    if let Some(told) = T::again(before.created, tx)? {
                        return Ok(told);
                    }
                }
                let told = change(tx)?;
                if let Some(created) = told.remembered() {
                    remember(tx, once, created, now)?;
                }
                Ok(told)
            })
            .await
    }
}

impl Told for () {
    fn remembered(&self) -> Option<Created> {
        Some(Created::Done)
    }

    fn again(created: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok((created == Created::Done).then_some(()))
    }
}

/// Whether there was something to be done.
impl Told for bool {
    fn remembered(&self) -> Option<Created> {
        self.then_some(Created::Done)
    }

    fn again(created: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok((created == Created::Done).then_some(true))
    }
}

/// How much there was.
impl Told for usize {
    fn remembered(&self) -> Option<Created> {
        (*self > 0).then_some(Created::Count(*self as u64))
    }

    fn again(created: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok(match created {
            Created::Count(count) => usize::try_from(count).ok(),
            _ => None,
        })
    }
}

/// A link, which is shown once: a repeat is given another to the same booking.
impl Told for String {
    fn remembered(&self) -> Option<Created> {
        Some(Created::Done)
    }

    fn again(_: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok(None)
    }
}

impl Told for Option<(ErasureId, Erasure)> {
    fn remembered(&self) -> Option<Created> {
        self.as_ref().map(|(id, _)| Created::Erasure(*id))
    }

    fn again(created: Created, read: &impl Read) -> Result<Option<Self>, StoreError> {
        let Created::Erasure(id) = created else { return Ok(None) };
        Ok(read.get(ERASURES, &id)?.map(|erasure| Some((id, erasure))))
    }
}

impl Told for Option<Unmuted> {
    fn remembered(&self) -> Option<Created> {
        self.map(|told| {
            let Unmuted { texts, late, transcripts, others, bulks, ended } = told;
            Created::CameToLife([texts, late, transcripts, others, bulks, ended])
        })
    }

    fn again(created: Created, read: &impl Read) -> Result<Option<Self>, StoreError> {
        let [texts, late, transcripts, others, bulks, ended] = match created {
            Created::CameToLife(told) => told,
            Created::Unmuted([texts, late, transcripts, others]) => [texts, late, transcripts, others, 0, 0],
            _ => return Ok(None),
        };
        // A copy that was made after it came to life, and was restored since, is muted again.
        let told = Unmuted { texts, late, transcripts, others, bulks, ended };
        Ok(if read.has(MUTED, &())? { None } else { Some(Some(told)) })
    }
}

impl Told for AppointmentId {
    fn remembered(&self) -> Option<Created> {
        Some(Created::Appointment(*self))
    }

    fn again(created: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok(match created {
            Created::Appointment(id) => Some(id),
            _ => None,
        })
    }
}

/// The thread in which times were offered.
impl Told for ConversationId {
    fn remembered(&self) -> Option<Created> {
        Some(Created::Offer(*self))
    }

    fn again(created: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok(match created {
            Created::Offer(thread) => Some(thread),
            _ => None,
        })
    }
}

impl Told for Imported {
    fn remembered(&self) -> Option<Created> {
        Some(Created::TakenIn([self.texts, self.known, self.opt_outs, self.possible]))
    }

    fn again(created: Created, _: &impl Read) -> Result<Option<Self>, StoreError> {
        Ok(match created {
            Created::Imported([texts, known, opt_outs]) => Some(Self { texts, known, opt_outs, possible: 0 }),
            Created::TakenIn([texts, known, opt_outs, possible]) => {
                Some(Self { texts, known, opt_outs, possible })
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An older program took the body alone for what was asked.
    #[test]
    fn a_request_from_before_the_upgrade_is_known_and_that_of_another_path_is_not() {
        let once = Once { key: [0; 16], request: [1; 16], body: [2; 16] };
        let before = |request| Idempotent { at: Timestamp::UNIX_EPOCH, request, created: Created::Done };
        assert!(once.is(&before(once.request)) && once.is(&before(once.body)));
        assert!(!once.is(&before([3; 16])));
    }
}

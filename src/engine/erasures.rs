//! Erasing people: what would go, doing it, and deleting what we left at the remotes.
//!
//! The rows go in one transaction (`changes/erase`). Our notes and the carrier's copies of texts are
//! deleted by effects, which wait and try again as all do; where Lever's key may not, the certificate
//! and the failed effect say which notes a person must delete.

use fulcrum_domain::{
    Actor, CarrierSid, EffectState, Erasure, ErasureId, Lane, NoteId, OpportunityId, Remains, Whom,
};

use super::Engine;
use super::changes::{self, EraseError, Taken};
use super::people::FetchError;
use super::view::Page;
use crate::carrier::ReadError;
use crate::lever::{Endpoint, LeverError};
use crate::store::tables::ERASURES;
use crate::store::{Keys, Read, StoreError};

/// Twilio's code for a text that is under way still (carriers.md 1.12): it can be deleted later.
const UNDER_WAY: u32 = 20009;

/// How a preview ends: nothing of it is kept.
enum Previewed {
    Would(Option<Box<Erasure>>),
    Refused(EraseError),
}

impl<E: Into<EraseError>> From<E> for Previewed {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// The certificate of an erasure.
pub(crate) fn certificate(read: &impl Read, id: ErasureId) -> Result<Option<Erasure>, StoreError> {
    read.get(ERASURES, &id)
}

impl Engine {
    /// What erasing somebody would take, by doing it and taking it back. None when there is nothing.
    ///
    /// # Errors
    /// [`EraseError`].
    pub async fn preview_erasure(&self, whom: Whom, by: Actor) -> Result<Option<Erasure>, EraseError> {
        let now = self.clock.now();
        let outcome = self
            .store
            .change(move |tx| {
                let erased = changes::erase_person(tx, &whom, by, now)?;
                Err::<(), _>(Previewed::Would(erased.map(|(_, erasure)| Box::new(erasure))))
            })
            .await;
        match outcome {
            Err(Previewed::Refused(error)) => Err(error),
            Err(Previewed::Would(erasure)) => Ok(erasure.map(|erasure| *erasure)),
            Ok(()) => Ok(None),
        }
    }

    /// Erases a person. None when there is nothing of them.
    ///
    /// # Errors
    /// [`EraseError`]; then nothing is erased.
    pub async fn erase_person(
        &self,
        whom: Whom,
        by: Actor,
    ) -> Result<Option<(ErasureId, Erasure)>, EraseError> {
        let now = self.clock.now();
        let (wanted, wanted_by) = (whom.clone(), by.clone());
        let erased = self.change_once(move |tx| changes::erase_person(tx, &whom, by, now)).await;
        if matches!(erased, Err(EraseError::Held)) {
            self.store.change(move |tx| changes::note_held(tx, &wanted, wanted_by, now)).await?;
        }
        let erased = erased?;
        if let Some((id, _)) = &erased {
            tracing::info!(erasure = %id, "a person was erased by command");
            self.wake.renewal.notify_one();
        }
        Ok(erased)
    }

    /// The certificate of an erasure.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>, StoreError> {
        self.store.read(move |snapshot| certificate(snapshot, id)).await
    }

    /// A page of certificates, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erasures(
        &self,
        before: Option<ErasureId>,
        limit: usize,
    ) -> Result<Page<(ErasureId, Erasure), ErasureId>, StoreError> {
        self.store
            .read(move |snapshot| {
                let keys = before.map_or_else(Keys::all, |id| Keys::all().before(&id));
                Page::read(limit, |most| snapshot.list_back(ERASURES, &keys, most), |(id, _)| *id)
            })
            .await
    }

    /// Does [`DeleteNote`](fulcrum_domain::Effect::DeleteNote). To delete twice is to delete once, so no outcome is unknown.
    pub(crate) async fn delete_note(
        &self,
        taken: Taken,
        erasure: ErasureId,
        opportunity: OpportunityId,
        note: NoteId,
    ) -> Result<(), StoreError> {
        let answer = match self.lever.delete_note(Lane::Reconcile, &opportunity, &note).await {
            // Where Lever does not show the candidate, the note may stand (lever-api.md 1.5).
            Err(LeverError::NotFound { of_record: true, .. }) => {
                self.is_shown(Lane::Reconcile, &opportunity).await
            }
            answer => answer.map(|()| true).map_err(FetchError::from),
        };
        let mut moment = self.clock.moment();
        let why = match answer {
            Ok(true) => {
                self.note_lever(Ok(Endpoint::DeleteNote));
                return self
                    .store
                    .change(move |tx| {
                        changes::certify_note(tx, erasure, &note, Remains::Gone)?;
                        changes::finish(tx, &taken.effect, moment.now)
                    })
                    .await;
            }
            Ok(false) => "lever does not show this candidate, and the note may stand".to_owned(),
            Err(FetchError::Lever(
                error @ (LeverError::Forbidden { .. } | LeverError::BadRequest { .. }),
            )) => error.to_string(),
            Err(FetchError::Lever(error)) => {
                self.note_lever(Err(&error));
                return self.put_off(taken, &error).await;
            }
            Err(FetchError::Store(error)) => return Err(error),
        };
        self.store
            .change(move |tx| {
                let why = format!("{why}; delete it in Lever, then give this up");
                changes::certify_note(tx, erasure, &note, Remains::ByHand(why.clone()))?;
                let at = Some(moment.now);
                changes::postpone(tx, &taken.effect, EffectState::Failed, at, &why, &mut moment)
            })
            .await
    }

    /// Does [`DeleteText`](fulcrum_domain::Effect::DeleteText).
    pub(crate) async fn delete_text(
        &self,
        taken: Taken,
        erasure: ErasureId,
        sid: CarrierSid,
    ) -> Result<(), StoreError> {
        let answer = self.carrier.delete(&sid).await;
        let mut moment = self.clock.moment();
        match answer {
            Ok(()) | Err(ReadError::NotFound) => {
                self.store
                    .change(move |tx| {
                        changes::certify_copy(tx, erasure)?;
                        changes::finish(tx, &taken.effect, moment.now)
                    })
                    .await
            }
            // There is nobody whom waiting for it, or a person, would help.
            Err(ReadError::NotOffered) => {
                self.store
                    .change(move |tx| {
                        changes::certify_kept(tx, erasure)?;
                        changes::finish(tx, &taken.effect, moment.now)
                    })
                    .await
            }
            Err(error) => {
                let lasting = match &error {
                    ReadError::Refused { status, code } => {
                        *code != Some(UNDER_WAY) && !matches!(status, 401 | 403)
                    }
                    _ => false,
                };
                let (state, why) =
                    (if lasting { EffectState::Failed } else { EffectState::Due }, error.to_string());
                self.store
                    .change(move |tx| changes::postpone(tx, &taken.effect, state, None, &why, &mut moment))
                    .await
            }
        }
    }
}

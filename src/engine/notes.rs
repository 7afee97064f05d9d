//! Posting transcripts as notes, once (behaviour.md 1, "Once").
//!
//! Lever knows no idempotency: a POST whose answer is lost may have made the note. So each part is
//! marked as being posted before the request leaves, and one whose outcome is unknown is looked
//! for by its reference, where the key may list notes, before anything else happens.

use std::sync::atomic::Ordering;

use fulcrum_domain::{
    Effect, EffectState, FilingId, FilingState, Lane, NoteId, OpportunityId, WhyHeld, note,
};

use super::changes::{self, AfterPost, NextPost, Taken};
use super::people::FetchError;
use super::{Engine, OnUnknown};
use crate::lever::{Endpoint, LeverError, NewNote, Offset};
use crate::store::tables::FILINGS;
use crate::store::{Read, StoreError};

/// How often a part is posted again whose answer is lost each time, or on which Lever fails: then a person
/// should look.
const REPOSTS: u32 = 4;

/// The same where notes can be listed and the list does not show it: some hours, since a gateway may keep Lever
/// from us for as long.
const REPOSTS_ABSENT: u32 = 12;

/// What a look for a note came to.
enum Look {
    Found(NoteId),
    Absent,
    NotAllowed,
    Failed(LeverError),
}

impl Engine {
    /// Does [`Effect::PostNote`]: posts what is left of a filing, part by part.
    pub(crate) async fn post_note(&self, taken: Taken, id: FilingId) -> Result<(), StoreError> {
        if taken.row.state == EffectState::Unknown && !self.resolve_unknown(&taken, id).await? {
            return Ok(());
        }
        loop {
            let now = self.clock.now();
            let next = self.store.change(move |tx| changes::begin_post(tx, id, now)).await?;
            let Some(NextPost { filing, part }) = next else { return Ok(()) };
            let Some(value) = filing.parts.get(part) else { return Ok(()) };
            let note = NewNote {
                value,
                secret: filing.secret,
                perform_as: filing.perform_as.as_ref(),
                notify_followers: self.settings.load().notify_followers,
            };
            let answer = self.lever.create_note(Lane::Live, &filing.opportunity, note).await;
            // Of a refusal that is about the author the key knows nothing.
            let of_author = matches!(answer, Err(LeverError::Forbidden { names_user: true, .. }))
                && filing.perform_as.is_some();
            if !of_author {
                self.note_lever(answer.as_ref().map(|_| Endpoint::CreateNote));
            }
            match answer {
                Ok(note) => {
                    if !self.posted(id, filing.opportunity, note).await? {
                        return Ok(());
                    }
                }
                Err(error) => return self.not_posted(id, &error).await,
            }
        }
    }

    /// A part stands in Lever. True when another follows.
    async fn posted(&self, id: FilingId, at: OpportunityId, note: NoteId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let after = self.store.change(move |tx| changes::finish_post(tx, id, &at, note, now)).await?;
        let AfterPost::Filed(due_at) = after else { return Ok(true) };
        self.metrics.filed(self.clock.now().duration_since(due_at).as_secs_f64().max(0.0));
        Ok(false)
    }

    async fn not_posted(&self, id: FilingId, error: &LeverError) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let why = error.to_string();
        match error {
            LeverError::NotFound { names_user: true, .. }
            | LeverError::BadRequest { names_user: true, .. }
            | LeverError::Forbidden { names_user: true, .. } => {
                self.store
                    .change(move |tx| {
                        if changes::release_author(tx, id, &settings.rules, &mut moment)? {
                            return Ok(());
                        }
                        changes::hold_post(tx, id, WhyHeld::Other(why), &mut moment)
                    })
                    .await
            }
            LeverError::NotFound { of_record: true, .. } => {
                self.store.change(move |tx| changes::retarget(tx, id, &settings.rules, &mut moment)).await
            }
            // Not for want of a tick-box: whoever turned confidential is refused alike, and no webhook tells of that.
            LeverError::Forbidden { .. } if self.is_of_a_shown(id).await? == Some(false) => {
                self.store.change(move |tx| changes::hold_post(tx, id, WhyHeld::NotShown, &mut moment)).await
            }
            LeverError::Forbidden { .. } | LeverError::BadRequest { .. } | LeverError::InvalidOffset => {
                tracing::warn!(filing = %id, "a transcript is held: {why}");
                self.store
                    .change(move |tx| changes::hold_post(tx, id, WhyHeld::Other(why), &mut moment))
                    .await
            }
            // Lever is away and says so itself: nothing was done. Where that can be checked, it is.
            LeverError::Server { status: 503 } if !self.may_list_notes(id).await? => {
                self.postpone_post(id, EffectState::Due, why).await
            }
            // Lever failed on it. If that was after the note was made, each try makes one more; while Lever fails
            // on reads as well, it is away, and that is waited for.
            LeverError::Server { status: 500 } if !self.may_list_notes(id).await? => {
                if self.is_of_a_shown(id).await?.is_none() {
                    return self.postpone_post(id, EffectState::Due, why).await;
                }
                self.store
                    .change(move |tx| {
                        if changes::may_repost(tx, id, REPOSTS)? {
                            let effect = Effect::PostNote(id);
                            return changes::postpone(tx, &effect, EffectState::Due, None, &why, &mut moment);
                        }
                        changes::hold_post(tx, id, WhyHeld::Other(why), &mut moment)
                    })
                    .await
            }
            // Of the others, 502 and 504 are a gateway's, that lost patience with Lever and not with the note.
            LeverError::Server { .. } | LeverError::Interrupted(_) | LeverError::Unreadable(_) => {
                self.postpone_post(id, EffectState::Unknown, why).await
            }
            // A gateway's word says nothing of the opportunity.
            LeverError::NotFound { .. }
            | LeverError::Intercepted { .. }
            | LeverError::Unauthorized
            | LeverError::Throttled
            | LeverError::Unreachable(_)
            | LeverError::Cancelled => self.postpone_post(id, EffectState::Due, why).await,
        }
    }

    /// Whether Lever shows the opportunity of a transcript. None where Lever does not even say that.
    async fn is_of_a_shown(&self, id: FilingId) -> Result<Option<bool>, StoreError> {
        let Some(filing) = self.store.read(move |snapshot| snapshot.get(FILINGS, &id)).await? else {
            return Ok(Some(true));
        };
        match self.is_shown(Lane::Live, &filing.opportunity).await {
            Ok(shown) => Ok(Some(shown)),
            Err(FetchError::Lever(_)) => Ok(None),
            Err(FetchError::Store(error)) => Err(error),
        }
    }

    /// Whether the key may list notes, as far as can be told now.
    async fn may_list_notes(&self, id: FilingId) -> Result<bool, StoreError> {
        if !self.refused.list_notes.load(Ordering::Relaxed)
            && let Some(filing) = self.store.read(move |snapshot| snapshot.get(FILINGS, &id)).await?
            && let Err(LeverError::Forbidden { .. }) =
                self.lever.notes(Lane::Live, &filing.opportunity, None).await
        {
            match self.is_shown(Lane::Live, &filing.opportunity).await {
                Ok(true) => self.refused.list_notes.store(true, Ordering::Relaxed),
                Ok(false) => return Ok(false),
                // It is asked again when the note is looked for.
                Err(FetchError::Lever(_)) => {}
                Err(FetchError::Store(error)) => return Err(error),
            }
        }
        Ok(!self.refused.list_notes.load(Ordering::Relaxed))
    }

    async fn postpone_post(&self, id: FilingId, state: EffectState, why: String) -> Result<(), StoreError> {
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| changes::postpone(tx, &Effect::PostNote(id), state, None, &why, &mut moment))
            .await
    }

    /// A part may stand in Lever already. True when posting may go on.
    async fn resolve_unknown(&self, taken: &Taken, id: FilingId) -> Result<bool, StoreError> {
        let filing = self.store.read(move |snapshot| snapshot.get(FILINGS, &id)).await?;
        let Some(filing) = filing else {
            self.finish(taken.effect.clone()).await?;
            return Ok(false);
        };
        let (FilingState::Posting, Some(part)) = (&filing.state, filing.next_part()) else { return Ok(true) };
        let reference = note::reference(id, part + 1, filing.parts.len());
        match self.find_note(&filing.opportunity, &reference).await? {
            Look::Found(note) => {
                tracing::info!(filing = %id, "a note whose answer was lost was found");
                self.posted(id, filing.opportunity, note).await
            }
            // A list may lag, or keep secret notes to itself: then each of these makes one more.
            Look::Absent
                if self.store.change(move |tx| changes::may_repost(tx, id, REPOSTS_ABSENT)).await? =>
            {
                Ok(true)
            }
            Look::Absent => {
                let mut moment = self.clock.moment();
                let why = "the answer was lost each time and Lever's list does not show the note: look in Lever, \
                           then retry or leave it";
                self.store
                    .change(move |tx| changes::hold_post(tx, id, WhyHeld::Other(why.to_owned()), &mut moment))
                    .await?;
                Ok(false)
            }
            Look::NotAllowed => {
                self.refused.list_notes.store(true, Ordering::Relaxed);
                let reposts = self.settings.load().on_unknown == OnUnknown::Repost;
                if reposts && self.store.change(move |tx| changes::may_repost(tx, id, REPOSTS)).await? {
                    tracing::warn!(filing = %id, "a note whose answer was lost is posted again: the key may not list notes");
                    return Ok(true);
                }
                let mut moment = self.clock.moment();
                let why = "the answer was lost and the key may not list notes: look in Lever, then retry or leave it";
                self.store
                    .change(move |tx| changes::hold_post(tx, id, WhyHeld::Other(why.to_owned()), &mut moment))
                    .await?;
                Ok(false)
            }
            Look::Failed(error) => {
                self.postpone_post(id, EffectState::Unknown, error.to_string()).await?;
                Ok(false)
            }
        }
    }

    async fn find_note(&self, opportunity: &OpportunityId, reference: &str) -> Result<Look, StoreError> {
        let mut offset: Option<Offset> = None;
        loop {
            match self.lever.notes(Lane::Live, opportunity, offset.as_ref()).await {
                Ok(page) => {
                    let has = |value: &str| note::find_reference(value) == Some(reference);
                    let found =
                        page.items.iter().find(|note| note.fields.iter().any(|field| has(&field.value)));
                    if let Some(note) = found {
                        return Ok(Look::Found(note.id.clone()));
                    }
                    match page.next {
                        Some(next) => offset = Some(next),
                        None => return Ok(Look::Absent),
                    }
                }
                Err(LeverError::Forbidden { .. }) => {
                    return match self.is_shown(Lane::Live, opportunity).await {
                        Ok(true) => Ok(Look::NotAllowed),
                        Ok(false) => Ok(Look::Absent),
                        Err(FetchError::Lever(error)) => Ok(Look::Failed(error)),
                        Err(FetchError::Store(error)) => Err(error),
                    };
                }
                // No such opportunity: posting will tell and find another.
                Err(LeverError::NotFound { of_record: true, .. }) => return Ok(Look::Absent),
                Err(error) => return Ok(Look::Failed(error)),
            }
        }
    }
}

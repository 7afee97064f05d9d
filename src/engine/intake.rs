//! Signals from outside, verified by the server: made durable, then answered.
//!
//! A webhook of Lever's goes to the inbox, since what it announces must be fetched first. A text
//! and its status are decided at once, in the transaction that stores them: an opt-out is in force
//! before the carrier hears that we have it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fulcrum_domain::{Activity, ActivityKind, Actor, Attachment, Body, HookEvent, Number, OpportunityId};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Engine;
use super::changes::{self, Incoming, Received, Report};
use super::setup::HookRefusal;
use super::undelivered;
use crate::carrier::{self, ReceivedText, StatusUpdate};
use crate::store::tables::{BY_SID, HOOKS_REFUSED, HOOKS_VERIFIED};
use crate::store::{HookRow, Read, RefusedHook, Seen, StoreError};

/// Webhooks triggered longer ago are refused: a rerun may be days old, a replay much older.
const HOOK_AGE_MAX: SignedDuration = SignedDuration::from_hours(15 * 24);

/// A verified webhook.
#[derive(Clone, Debug)]
pub struct LeverHook {
    /// What happened.
    pub event: HookEvent,
    /// Lever's token of this delivery.
    pub token: String,
    /// When it happened.
    pub triggered_at: Timestamp,
    /// To which opportunity, where the body says.
    pub opportunity: Option<OpportunityId>,
    /// The test on set-up: nothing happened.
    pub is_ping: bool,
}

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookOutcome {
    /// It is on disk.
    Stored,
    /// It was there before.
    Duplicate,
    /// It was the test on set-up.
    Verified,
    /// No token of its event made the signature.
    BadSignature,
    /// Its event has no token.
    NoToken,
    /// It is too old to be true.
    Stale,
    /// It could not be stored.
    Unavailable,
    /// It was stored, and names no opportunity.
    NoOpportunity,
    /// It is of none of the eight events.
    UnknownEvent,
    /// It could not be read.
    Malformed,
    /// It is longer than a webhook may be.
    TooLarge,
}

impl HookOutcome {
    /// What becomes of one that names its event.
    pub(crate) const OF_AN_EVENT: [Self; 8] = [
        Self::Stored,
        Self::Duplicate,
        Self::Verified,
        Self::BadSignature,
        Self::NoToken,
        Self::Stale,
        Self::Unavailable,
        Self::NoOpportunity,
    ];

    /// As answers and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Verified => "verified",
            Self::BadSignature => "bad_signature",
            Self::NoToken => "no_token",
            Self::Stale => "stale",
            Self::Unavailable => "unavailable",
            Self::NoOpportunity => "no_opportunity",
            Self::UnknownEvent => "unknown_event",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }

    /// As people are told it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Stored => "it is stored",
            Self::Duplicate => "it was there before",
            Self::Verified => "the test on set-up",
            Self::BadSignature => "no token of this event made the signature",
            Self::NoToken => "no signature token is configured for this event",
            Self::Stale => "triggered more than 15 days ago",
            Self::Unavailable => "it cannot be stored at the moment",
            Self::NoOpportunity => "it names no opportunity",
            Self::UnknownEvent => "it is of no known event",
            Self::Malformed => "it cannot be read",
            Self::TooLarge => "it is too large",
        }
    }
}

/// When which kind of webhook was last refused.
#[derive(Debug, Default)]
pub(crate) struct RefusedHooks(Mutex<BTreeMap<(&'static str, HookOutcome), Timestamp>>);

impl RefusedHooks {
    /// Whether none of that kind was within a minute.
    fn is_new(&self, kind: (&'static str, HookOutcome), now: Timestamp) -> bool {
        const MINUTE: SignedDuration = SignedDuration::from_secs(60);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = last.get(&kind).is_none_or(|at| now.duration_since(*at).abs() >= MINUTE);
        if is_new {
            last.insert(kind, now);
        }
        is_new
    }
}

impl Engine {
    /// Stores a verified webhook. The answer may be given once this returns.
    ///
    /// # Errors
    /// [`StoreError`]: it is not stored, and the sender must try again.
    pub async fn take_hook(&self, hook: LeverHook) -> Result<HookOutcome, StoreError> {
        let now = self.clock.now();
        let outcome = if now.duration_since(hook.triggered_at) > HOOK_AGE_MAX {
            let why = Some(HookRefusal::TooOld);
            self.note_refused_hook(hook.event.as_key(), HookOutcome::Stale, why).await;
            HookOutcome::Stale
        } else {
            let outcome = if hook.is_ping {
                self.store_ping(hook.event, now).await?
            } else {
                self.store_hook(hook.clone(), now).await?
            };
            self.notices.hook_verified(hook.event, now);
            outcome
        };
        self.metrics.webhook(hook.event.as_key(), outcome);
        Ok(outcome)
    }

    async fn store_ping(&self, event: HookEvent, now: Timestamp) -> Result<HookOutcome, StoreError> {
        let what = format!("{}: the test on set-up", event.as_key());
        let activity = Activity::new(now, Actor::lever(), ActivityKind::Webhook, what);
        self.store
            .try_change(move |tx| {
                tx.put(HOOKS_VERIFIED, &event.as_key().to_owned(), &Seen(now))?;
                changes::note(tx, &activity)?;
                Ok(HookOutcome::Verified)
            })
            .await
    }

    async fn store_hook(&self, hook: LeverHook, now: Timestamp) -> Result<HookOutcome, StoreError> {
        let mut digest = [0; 16];
        let hash =
            Sha256::new().chain_update(hook.event.as_key()).chain_update([0]).chain_update(&hook.token);
        digest.copy_from_slice(&hash.finalize()[..16]);
        let row = HookRow {
            event: hook.event,
            opportunity: hook.opportunity,
            triggered_at: hook.triggered_at,
            received_at: now,
            digest: Some(digest),
        };
        let waiting = self.waiting.clone();
        self.store.try_change(move |tx| waiting.store(tx, digest, &row)).await
    }

    /// A webhook was refused; `why` is told where it named one of the eight events. Anybody can
    /// send such, so of one kind one a minute is stored.
    pub async fn note_refused_hook(
        &self,
        event: &'static str,
        outcome: HookOutcome,
        why: Option<HookRefusal>,
    ) {
        let now = self.clock.now();
        let refused = why.map(|why| RefusedHook { at: now, why });
        if let Some(refused) = refused {
            self.notices.hook_refused(event, refused);
        }
        if !self.refused_hooks.is_new((event, outcome), now) {
            return;
        }
        let what = format!("{event} was refused: {}", outcome.in_words());
        let activity = Activity::new(now, Actor::lever(), ActivityKind::Webhook, what);
        let noted = self.store.try_change(move |tx| {
            if let Some(refused) = refused {
                tx.put(HOOKS_REFUSED, &event.to_owned(), &refused)?;
            }
            changes::note(tx, &activity)
        });
        if let Err(error) = noted.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a refusal was not written down");
        }
    }

    /// Takes a text in. None when it did not come from a telephone number, such as a short code:
    /// there is no thread for it.
    ///
    /// # Errors
    /// [`StoreError`]: it is not stored, and the sender must try again.
    pub async fn take_text(&self, text: ReceivedText) -> Result<Option<Received>, StoreError> {
        let Some(incoming) = self.incoming(text) else { return Ok(None) };
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store
            .try_change(move |tx| changes::receive(tx, incoming, &settings.rules, &mut moment).map(Some))
            .await
    }

    /// Takes texts in that no webhook brought, in their order and in one change: old as they are,
    /// their session is due at once, and it is to hold them all.
    pub(crate) async fn take_missed(&self, texts: Vec<ReceivedText>) -> Result<(), StoreError> {
        let incoming: Vec<Incoming> = texts.into_iter().filter_map(|text| self.incoming(text)).collect();
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let stored = self
            .store
            .change(move |tx| {
                let mut stored = 0;
                for text in incoming {
                    let received = changes::receive(tx, text, &settings.rules, &mut moment)?;
                    stored += u32::from(received != Received::Duplicate);
                }
                Ok::<_, StoreError>(stored)
            })
            .await?;
        // Where no webhook comes, none was missed.
        if self.settings.load().poll_alone.is_none() {
            (0..stored).for_each(|_| self.metrics.text_found_by_poll());
        }
        Ok(())
    }

    fn incoming(&self, text: ReceivedText) -> Option<Incoming> {
        let (Ok(from), Ok(to)) = (Number::from_e164(&text.from), Number::from_e164(&text.to)) else {
            self.metrics.text_ignored();
            tracing::info!(sid = %text.sid, "a text from or to what is no telephone number was left alone");
            return None;
        };
        let attachments = text.media.into_iter().map(attachment);
        Some(Incoming {
            sid: text.sid,
            from,
            to,
            body: Body::new(text.body),
            attachments: attachments.collect(),
            at: text.at,
            keyword: text.opt_out,
        })
    }

    /// Takes in what the carrier reports of a text that we sent, by our name for it or by its own.
    /// False when the text is not known.
    ///
    /// # Errors
    /// [`StoreError`]: it is not stored, and the sender must try again.
    pub async fn take_status(&self, update: StatusUpdate) -> Result<bool, StoreError> {
        let StatusUpdate { mid, sid, status: Some(delivery), failure } = update else { return Ok(false) };
        let report = Report { delivery, failure, sid: Some(sid.clone()) };
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let (known, end) = self
            .store
            .try_change(move |tx| {
                let by_sid = || tx.get(BY_SID, &sid.to_string());
                let Some(id) = mid.map_or_else(by_sid, |mid| Ok(Some(mid)))? else {
                    return Ok((false, None));
                };
                undelivered::report(tx, id, report, &settings.rules, &mut moment)
            })
            .await?;
        if let Some(end) = end {
            self.note_end(end);
        }
        Ok(known)
    }
}

/// A file as the carrier tells of it.
pub(super) fn attachment(media: carrier::Media) -> Attachment {
    Attachment { media_type: media.content_type, url: media.url.to_string() }
}

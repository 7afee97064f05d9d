//! Signals from outside, verified by the server: made durable, then answered.
//!
//! A webhook of Lever's goes to the inbox, since what it announces must be fetched first. A text
//! and its status are decided at once, in the transaction that stores them: an opt-out is in force
//! before the carrier hears that we have it.

use fulcrum_domain::{Attachment, Body, HookEvent, Number, OpportunityId, class_of};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Engine;
use super::changes::{self, Incoming, Keyword, Received, Report};
use crate::carrier::{self, ReceivedText, StatusUpdate};
use crate::store::tables::{COUNTERS, INBOX, SEEN_HOOKS};
use crate::store::{HookRow, Read, Seen, Signal, StoreError};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// It is on disk.
    Stored,
    /// It was there before.
    Duplicate,
    /// It was the test on set-up.
    Verified,
    /// It is too old to be true.
    Stale,
}

impl HookOutcome {
    /// As answers and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Verified => "verified",
            Self::Stale => "stale",
        }
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
            HookOutcome::Stale
        } else if hook.is_ping {
            HookOutcome::Verified
        } else {
            self.store_hook(hook.clone(), now).await?
        };
        self.metrics.webhook(hook.event.as_key(), outcome.as_str());
        self.notices.hook_verified(hook.event, now);
        Ok(outcome)
    }

    async fn store_hook(&self, hook: LeverHook, now: Timestamp) -> Result<HookOutcome, StoreError> {
        let mut digest = [0; 16];
        let hash =
            Sha256::new().chain_update(hook.event.as_key()).chain_update([0]).chain_update(&hook.token);
        digest.copy_from_slice(&hash.finalize()[..16]);
        self.store
            .try_change(move |tx| {
                if tx.put(SEEN_HOOKS, &digest, &Seen(now))? {
                    return Ok(HookOutcome::Duplicate);
                }
                let name = "inbox".to_owned();
                let number = tx.get(COUNTERS, &name)?.unwrap_or(0) + 1;
                tx.put(COUNTERS, &name, &number)?;
                let row = HookRow {
                    event: hook.event,
                    opportunity: hook.opportunity,
                    triggered_at: hook.triggered_at,
                    received_at: now,
                };
                tx.put(INBOX, &number, &row)?;
                tx.signal(Signal::Inbox);
                Ok(HookOutcome::Stored)
            })
            .await
    }

    /// Takes a text in, from a webhook or from the carrier's list. None when it did not come from
    /// a telephone number, such as a short code: there is no thread for it.
    ///
    /// # Errors
    /// [`StoreError`]: it is not stored, and the sender must try again.
    pub async fn take_text(&self, text: ReceivedText) -> Result<Option<Received>, StoreError> {
        let (Ok(from), Ok(to)) = (Number::from_e164(&text.from), Number::from_e164(&text.to)) else {
            self.metrics.text_ignored();
            tracing::info!(sid = %text.sid, "a text from or to what is no telephone number was left alone");
            return Ok(None);
        };
        let attachments = text
            .media
            .into_iter()
            .map(|media| Attachment { media_type: media.content_type, url: media.url.to_string() });
        let incoming = Incoming {
            sid: text.sid,
            from,
            to,
            body: Body::new(text.body),
            attachments: attachments.collect(),
            at: text.at,
            keyword: text.opt_out.map(|keyword| match keyword {
                carrier::Keyword::Stop => Keyword::Stop,
                carrier::Keyword::Start => Keyword::Start,
                carrier::Keyword::Help => Keyword::Help,
            }),
        };
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store
            .try_change(move |tx| changes::receive(tx, incoming, &settings.rules, &mut moment).map(Some))
            .await
    }

    /// Takes in what the carrier reports of a text that we sent. False when the text is not known.
    ///
    /// # Errors
    /// [`StoreError`]: it is not stored, and the sender must try again.
    pub async fn take_status(&self, update: StatusUpdate) -> Result<bool, StoreError> {
        let (Some(mid), Some(delivery)) = (update.mid, update.status) else { return Ok(false) };
        let report = Report { delivery, failure: update.code.map(class_of), sid: Some(update.sid) };
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store.try_change(move |tx| changes::report(tx, mid, report, &settings.rules, &mut moment)).await
    }
}

/// How long a webhook's token is remembered.
const SEEN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Engine {
    /// Forgets what was seen more than 30 days ago, a thousand rows a change.
    pub(crate) async fn forget_seen(&self) -> Result<u64, StoreError> {
        let oldest = self.clock.now().saturating_sub(SEEN_FOR).unwrap_or(Timestamp::MIN);
        let mut forgotten = 0;
        let mut after: Option<[u8; 16]> = None;
        loop {
            let from = after;
            let (last, gone) = self
                .store
                .change(move |tx| {
                    let all = crate::store::Keys::all();
                    let keys = from.map_or_else(|| all.clone(), |key| all.clone().after(&key));
                    let page = tx.list(SEEN_HOOKS, &keys, 1000)?;
                    let last = page.last().map(|(key, _)| *key);
                    let old: Vec<_> = page.into_iter().filter(|(_, seen)| seen.0 < oldest).collect();
                    let gone = old.len() as u64;
                    for (key, _) in old {
                        tx.remove(SEEN_HOOKS, &key)?;
                    }
                    Ok::<_, StoreError>((last, gone))
                })
                .await?;
            forgotten += gone;
            match last {
                Some(key) => after = Some(key),
                None => return Ok(forgotten),
            }
        }
    }
}

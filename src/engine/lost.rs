//! Texts of which it is not known whether the carrier took them, since its answer was lost or we ended
//! before it came. They are looked for in the carrier's list, or asked about by the same request once
//! more where that has a key ([`LostAnswer`]); never sent again blindly.

use std::collections::HashSet;
use std::time::Duration;

use fulcrum_domain::guard::Timing;
use fulcrum_domain::{
    Delivery, Lost, LostSend, Message, MessageId, Number, Remedy, SendFailure, match_lost, next_look,
    next_repeat, retry_at,
};
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::changes::{self, Report, Taken};
use super::send::with_recipient;
use crate::carrier::{LostAnswer, Outcome, SendError};
use crate::store::tables::BY_SID;
use crate::store::{Read, StoreError};

impl Engine {
    /// Finds out what became of a text. One of which that cannot be found out is told to people as
    /// unconfirmed.
    pub(super) async fn look_up(&self, taken: Taken, id: MessageId) -> Result<(), StoreError> {
        let text = self.store.read(move |snapshot| with_recipient(snapshot, id)).await?;
        let Some((text, to)) = text.filter(|(text, _)| text.sid.is_none()) else {
            return self.finish(taken.effect).await;
        };
        match self.carrier.lost_answer() {
            LostAnswer::LookFor => self.look_for(&taken, text, to).await,
            LostAnswer::Repeat { kept } => self.repeat(taken, text, to, kept).await,
        }
    }

    /// Looks for it in the carrier's list (carriers.md 1.9). Found, it is adopted; not found after a few
    /// looks, it is unconfirmed, and never sent again.
    async fn look_for(&self, taken: &Taken, text: Message, to: Number) -> Result<(), StoreError> {
        let id = text.id;
        let listed = self.carrier.find_lost(&to.to_string()).await;
        self.note_read(&listed);
        let listed = match listed {
            Ok(listed) => listed,
            // Without the list nothing is known: looked up again, for as long as it takes.
            Err(error) => {
                let mut moment = self.clock.moment();
                let at = retry_at(moment.now, taken.row.looks, moment.jitter());
                return self.look_again(id, at, error.to_string()).await;
            }
        };
        let now = self.clock.now();
        let submitted_at = text.submitted_at.unwrap_or(text.at);
        let sids: Vec<String> = listed.iter().map(|one| one.sid.to_string()).collect();
        let owned = self.store.read(move |snapshot| owned_sids(snapshot, sids, id)).await?;
        let to = to.to_string();
        let lost = LostSend { to: &to, body: text.body.reveal(), submitted_at };
        match match_lost(lost, &listed, |sid| owned.contains(&sid.to_string()), now) {
            Lost::Adopt { found, several } => {
                if several {
                    tracing::warn!(mid = %id, "several texts at the carrier fit one whose answer was lost; the oldest was adopted");
                }
                let failure = found.failure;
                let delivery = found.status.unwrap_or(Delivery::Accepted);
                self.adopt(id, Report { delivery, failure, sid: Some(found.sid.clone()) }).await
            }
            Lost::Absent => match next_look(now.duration_since(submitted_at)) {
                Some(wait) => {
                    let at = now.checked_add(wait).unwrap_or(now);
                    self.look_again(id, at, "not found at the carrier yet".into()).await
                }
                None => self.unconfirmed(id).await,
            },
        }
    }

    /// Hands it over once more by the same request (carriers.md 2.1). If the carrier has the first, it
    /// answers as it did then; if not, this is when the text leaves, so it is checked as one that does.
    async fn repeat(
        &self,
        taken: Taken,
        text: Message,
        to: Number,
        kept: Duration,
    ) -> Result<(), StoreError> {
        let id = text.id;
        let submitted_at = text.submitted_at.unwrap_or(text.at);
        let kept = SignedDuration::try_from(kept).unwrap_or_default();
        let forgotten_at = submitted_at.saturating_add(kept).unwrap_or(Timestamp::MAX);
        let now = self.clock.now();
        let settings = self.settings.load_full();
        let allowed =
            self.store.read(move |snapshot| changes::may_repeat(snapshot, id, &settings.rules, now)).await?;
        let closes = match allowed {
            _ if now >= forgotten_at => return self.unconfirmed(id).await,
            Some(Ok(Timing::Now { closes })) => closes,
            Some(Ok(Timing::Later(until) | Timing::Frozen(until))) if until < forgotten_at => {
                return self.look_again(id, until, "it may leave only then".into()).await;
            }
            // It may never leave any more, or only when the carrier has forgotten its key.
            Some(_) => return self.unconfirmed(id).await,
            None => return self.finish(taken.effect).await,
        };
        let error = match self.hand_over(&text, to, closes).await {
            Ok(accepted) => return self.accepted(id, accepted).await,
            Err(error) => error,
        };
        if error.remedy() == Remedy::PauseSending {
            self.pause_sending();
        }
        if let Some(report) = certain(&error) {
            return self.settle_send(id, report).await;
        }
        match next_repeat(now.duration_since(submitted_at), kept) {
            Some(wait) => {
                let at = now.checked_add(wait).unwrap_or(now);
                self.look_again(id, at, error.to_string()).await
            }
            None => self.unconfirmed(id).await,
        }
    }

    async fn unconfirmed(&self, id: MessageId) -> Result<(), StoreError> {
        let unconfirmed = Report { delivery: Delivery::Unconfirmed, failure: None, sid: None };
        self.settle_send(id, unconfirmed).await
    }

    pub(super) async fn look_again(
        &self,
        id: MessageId,
        at: Timestamp,
        why: String,
    ) -> Result<(), StoreError> {
        let mut moment = self.clock.moment();
        self.store.change(move |tx| changes::look_up_send(tx, id, at, &why, &mut moment)).await
    }
}

/// What the refusal of a text that was asked about by its key says of it for good. A carrier keeps the good
/// answers only, so a refusal of the text itself says that it did not leave; but an opt-out may have come
/// between the two requests. What is refused for another reason (our account, the hour, a request that the
/// carrier cannot make sense of any more) says nothing of the first.
fn certain(error: &SendError) -> Option<Report> {
    if error.outcome == Outcome::Unknown {
        return None;
    }
    let delivery = match error.class {
        SendFailure::OptedOut => Delivery::Unconfirmed,
        SendFailure::BadNumber
        | SendFailure::Landline
        | SendFailure::Blocked
        | SendFailure::Filtered
        | SendFailure::NotPermitted
        | SendFailure::TooLong => Delivery::Failed,
        _ => return None,
    };
    Some(Report { delivery, failure: Some(error.class), sid: None })
}

/// The carrier's names among these that belong to other messages.
fn owned_sids(read: &impl Read, sids: Vec<String>, but: MessageId) -> Result<HashSet<String>, StoreError> {
    let mut owned = HashSet::new();
    for sid in sids {
        if read.get(BY_SID, &sid)?.is_some_and(|owner| owner != but) {
            owned.insert(sid);
        }
    }
    Ok(owned)
}

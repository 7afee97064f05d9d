//! Handing texts to the carrier: at our numbers' pace, one at a time to a recipient, checked in
//! the transaction before each leaves, and never a second time unless it surely did not leave.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fulcrum_domain::{
    Delivery, Effect, EffectState, Lost, LostSend, Message, MessageId, Number, Remedy, Remote, SegmentPacing,
    Segments, SendFailure, lookup_delay, match_lost,
};
use jiff::Timestamp;

use super::Engine;
use super::changes::{self, Report, Taken};
use super::health::HealthStatus;
use crate::carrier::{Outgoing, ReadError, SendError};
use crate::store::tables::{BY_SID, CONVERSATIONS};
use crate::store::{Read, StoreError};

/// Requests to the carrier under way at a time (carriers.md 1.7).
const AT_CARRIER: usize = 10;

/// Texts that are looked at in one round.
const ROUND: usize = 256;

/// How long nothing is sent after the carrier said that our account is not in order.
const PAUSE: Duration = Duration::from_secs(60);

/// A text that is due, as far as its turn depends on it.
struct DueSend {
    effect: Effect,
    from: Number,
    to: Number,
    segments: u32,
    is_look_up: bool,
}

/// What one dispatcher keeps in mind; nothing of it needs to survive.
struct Turns {
    pacing: SegmentPacing,
    busy: Arc<Mutex<HashSet<Number>>>,
}

impl Engine {
    /// Sends texts as they fall due.
    pub(crate) async fn run_carrier_outbox(self) -> Result<(), StoreError> {
        let per_segment = Duration::from_secs_f64(1.0 / self.settings.load().segments_per_second.max(0.01));
        let mut turns = Turns { pacing: SegmentPacing::new(per_segment), busy: Arc::default() };
        loop {
            let mut news = std::pin::pin!(self.wake.carrier.notified());
            news.as_mut().enable();
            let now = self.clock.now();
            let (due, next) = self.store.read(move |snapshot| due_sends(snapshot, now)).await?;
            let paused = self.paused_until().filter(|until| *until > now);
            let (chosen, ready_in) =
                if paused.is_some() { (Vec::new(), None) } else { turns.choose(due, Instant::now()) };
            if chosen.is_empty() {
                let ready_at = ready_in.and_then(|left: Duration| now.checked_add(left).ok());
                let until = [next, ready_at, paused].into_iter().flatten().min();
                self.doze(news.as_mut(), until).await;
                continue;
            }
            let effects = chosen.iter().map(|due| due.effect.clone()).collect();
            let taken = self.take(effects).await?;
            for due in chosen {
                let Some(one) = taken.iter().find(|taken| taken.effect == due.effect).cloned() else {
                    turns.free(due.to);
                    continue;
                };
                let this = self.clone();
                let busy = turns.busy.clone();
                self.tasks.run(async move {
                    this.settle(this.do_at_carrier(one).await);
                    busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&due.to);
                    this.wake.carrier.notify_one();
                });
            }
        }
    }

    async fn do_at_carrier(&self, taken: Taken) -> Result<(), StoreError> {
        let Effect::Send(id) = taken.effect else { return Ok(()) };
        if taken.row.state == EffectState::Unknown {
            self.look_up(taken, id).await
        } else {
            self.send(id).await
        }
    }

    /// Hands a text over.
    async fn send(&self, id: MessageId) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let begun =
            self.store.change(move |tx| changes::begin_send(tx, id, &settings.rules, &mut moment)).await?;
        let Some(submission) = begun else { return Ok(()) };
        let outgoing = Outgoing {
            mid: id,
            to: submission.to.to_string(),
            from: submission.message.our_number.to_string(),
            body: submission.message.body.reveal().to_owned(),
            validity: None,
        };
        match self.carrier.send(&outgoing).await {
            Ok(accepted) => {
                self.notices.well("carrier", self.clock.now());
                let report = Report { delivery: accepted.status, failure: None, sid: Some(accepted.sid) };
                self.settle_send(id, report).await
            }
            Err(error) => self.not_accepted(id, &error).await,
        }
    }

    async fn not_accepted(&self, id: MessageId, error: &SendError) -> Result<(), StoreError> {
        let now = self.clock.now();
        let why = error.to_string();
        let after = |wait: Duration| now.checked_add(wait).ok();
        match error.remedy() {
            Remedy::LookUp => {
                self.note_carrier(error.class);
                let at = lookup_delay(0).and_then(after).unwrap_or(now);
                let mut moment = self.clock.moment();
                self.store.change(move |tx| changes::look_up_send(tx, id, at, &why, &mut moment)).await
            }
            Remedy::RetryAfter(wait) => {
                self.note_carrier(error.class);
                self.requeue(id, after(wait), why).await
            }
            Remedy::PauseSending => {
                self.note_carrier(error.class);
                self.pause_until(after(PAUSE));
                self.requeue(id, after(PAUSE), why).await
            }
            Remedy::GiveUp | Remedy::Suppress => {
                let report = Report { delivery: Delivery::Failed, failure: Some(error.class), sid: None };
                self.settle_send(id, report).await
            }
        }
    }

    async fn requeue(&self, id: MessageId, at: Option<Timestamp>, why: String) -> Result<(), StoreError> {
        let mut moment = self.clock.moment();
        self.store.change(move |tx| changes::requeue_send(tx, id, at, &why, &mut moment)).await
    }

    async fn settle_send(&self, id: MessageId, report: Report) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store.change(move |tx| changes::settle_send(tx, id, report, &settings.rules, &mut moment)).await
    }

    /// The answer to a text was lost: looks for it at the carrier (carriers.md 1.9). Found, it is
    /// adopted; not found after a few looks, it is told to people as unconfirmed, and never sent again.
    async fn look_up(&self, taken: Taken, id: MessageId) -> Result<(), StoreError> {
        let text = self.store.read(move |snapshot| with_recipient(snapshot, id)).await?;
        let Some((text, to)) = text.filter(|(text, _)| text.sid.is_none()) else {
            return self.finish(taken.effect).await;
        };
        let now = self.clock.now();
        let listed = match self.carrier.find_lost(&to.to_string()).await {
            Ok(listed) => listed,
            // Without the list nothing is known: looked up again, for as long as it takes.
            Err(error) => {
                self.note_read(&error);
                return self.look_again(id, None, error.to_string()).await;
            }
        };
        let submitted_at = text.submitted_at.unwrap_or(text.at);
        let sids: Vec<String> = listed.iter().map(|one| one.sid.to_string()).collect();
        let owned = self.store.read(move |snapshot| owned_sids(snapshot, sids, id)).await?;
        let to = to.to_string();
        let lost = LostSend { to: &to, body: text.body.reveal(), submitted_at };
        let looks = usize::try_from(taken.row.looks).unwrap_or(usize::MAX);
        match match_lost(lost, &listed, |sid| owned.contains(&sid.to_string()), now) {
            Lost::Adopt { found, several } => {
                if several {
                    tracing::warn!(mid = %id, "several texts at the carrier fit one whose answer was lost; the oldest was adopted");
                }
                let failure = found.code.map(fulcrum_domain::class_of);
                let delivery = found.status.unwrap_or(Delivery::Accepted);
                self.settle_send(id, Report { delivery, failure, sid: Some(found.sid.clone()) }).await
            }
            Lost::Absent => match lookup_delay(looks).and_then(|wait| now.checked_add(wait).ok()) {
                Some(at) => self.look_again(id, Some(at), "not found at the carrier yet".into()).await,
                None => {
                    let unconfirmed = Report { delivery: Delivery::Unconfirmed, failure: None, sid: None };
                    self.settle_send(id, unconfirmed).await
                }
            },
        }
    }

    async fn look_again(&self, id: MessageId, at: Option<Timestamp>, why: String) -> Result<(), StoreError> {
        let mut moment = self.clock.moment();
        let at = at.or_else(|| Some(fulcrum_domain::retry_at(moment.now, 1, moment.jitter())));
        self.store
            .change(move |tx| changes::look_up_send(tx, id, at.unwrap_or(moment.now), &why, &mut moment))
            .await
    }

    fn note_carrier(&self, class: SendFailure) {
        let (status, what) = match class {
            SendFailure::Config => (
                HealthStatus::Failing,
                "the account at the carrier is not in order: check credentials, numbers and registration; texts wait",
            ),
            _ => (HealthStatus::Degraded, "texts cannot be handed over now; they wait and are tried again"),
        };
        if self.notices.trouble("carrier", status, what.to_owned(), self.clock.now()) {
            tracing::warn!("carrier: {what}");
        }
    }

    /// Until when nothing is handed to the carrier.
    fn paused_until(&self) -> Option<Timestamp> {
        let ms = self.carrier_pause.load(Ordering::Relaxed);
        Timestamp::from_millisecond(ms).ok().filter(|_| ms > 0)
    }

    /// Hands nothing to the carrier until then.
    fn pause_until(&self, until: Option<Timestamp>) {
        self.carrier_pause.store(until.map_or(0, Timestamp::as_millisecond), Ordering::Relaxed);
    }

    pub(crate) fn note_read(&self, error: &ReadError) {
        let now = self.clock.now();
        if self.notices.trouble("carrier", HealthStatus::Degraded, error.to_string(), now) {
            tracing::warn!(error = error as &dyn std::error::Error, "the carrier cannot be read");
        }
    }
}

impl Turns {
    /// Which of the due texts go now, marked as busy; and how long until another may.
    fn choose(&mut self, due: Vec<DueSend>, now: Instant) -> (Vec<DueSend>, Option<Duration>) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chosen = Vec::new();
        let mut ready_in: Option<Duration> = None;
        for one in due {
            if busy.len() >= AT_CARRIER {
                break;
            }
            if busy.contains(&one.to) {
                continue;
            }
            let from = one.from.to_string();
            let wait = self.pacing.ready_at(&from, one.segments, now).saturating_duration_since(now);
            if !one.is_look_up && !wait.is_zero() {
                ready_in = Some(ready_in.map_or(wait, |least| least.min(wait)));
                continue;
            }
            if !one.is_look_up {
                self.pacing.sent(&from, one.segments, now);
            }
            busy.insert(one.to);
            chosen.push(one);
        }
        (chosen, ready_in)
    }

    fn free(&self, to: Number) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&to);
    }
}

fn due_sends(read: &impl Read, now: Timestamp) -> Result<(Vec<DueSend>, Option<Timestamp>), StoreError> {
    let (effects, next) = changes::due(read, Remote::Carrier, now, ROUND)?;
    let mut due = Vec::with_capacity(effects.len());
    for effect in effects {
        let Effect::Send(id) = effect else { continue };
        // The effect of an erased message goes with it, so there always is one.
        if let Some((text, to)) = with_recipient(read, id)? {
            due.push(DueSend {
                effect,
                from: text.our_number,
                to,
                segments: Segments::of(text.body.reveal()).count,
                is_look_up: text.delivery == Delivery::Submitting,
            });
        }
    }
    Ok((due, next))
}

fn with_recipient(read: &impl Read, id: MessageId) -> Result<Option<(Message, Number)>, StoreError> {
    let Some(text) = changes::message(read, id)? else { return Ok(None) };
    let conversation = read.get(CONVERSATIONS, &text.conversation)?;
    Ok(conversation.map(|conversation| (text, conversation.number)))
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

//! Handing texts to the carrier: at our numbers' pace, one at a time to a recipient, checked in
//! the transaction before each leaves, and never a second time unless it surely did not leave.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fulcrum_domain::{
    Brake, Delivery, Effect, EffectRow, EffectState, Gate, Message, MessageId, Number, Purpose, Remedy,
    Remote, SegmentPacing, Segments, SendFailure, next_look, retry_at,
};
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::changes::{self, Report, Submission, Taken};
use super::health::{HealthStatus, Part};
use crate::carrier::{Accepted, LostAnswer, Outgoing, ReadError, SendError};
use crate::store::tables::CONVERSATIONS;
use crate::store::{Read, StoreError};

/// Requests to the carrier under way at a time (carriers.md 1.7).
const AT_CARRIER: usize = 10;

/// Texts that are looked at in one round: those that wait for one number must not hide the others'.
const ROUND: usize = 10_000;

/// Texts that are put off in one change, since their number takes no more.
const RESTED: usize = 200;

/// Segments that a bulk text leaves for what a person may write in the next moment.
const SPARED: u32 = 5;

/// How long nothing is sent after the carrier said that our account is not in order.
const PAUSE: Duration = Duration::from_secs(60);

/// What health says of the carrier is kept apart for these: a list that reads well says nothing of
/// texts that are refused.
const SENDING: &str = "sending";
const READING: &str = "reading";

/// A text that is due, as far as its turn depends on it.
struct DueSend {
    effect: Effect,
    from: Number,
    to: Number,
    segments: u32,
    /// What its number must have left for it: more than it takes, if others must not wait for it.
    room: u32,
    /// Nothing leaves: it is only asked about.
    is_look_up: bool,
    /// Nobody wrote it to this person.
    is_unasked: bool,
    /// Which it is, where it has surely not left.
    waits: Option<MessageId>,
}

/// What one dispatcher keeps in mind; nothing of it needs to survive.
struct Turns {
    pacing: SegmentPacing,
    /// How the carrier is asked about a text whose answer was lost.
    lost_answer: LostAnswer,
    busy: Arc<Mutex<HashSet<Number>>>,
}

/// Whose turn it is.
#[derive(Default)]
struct Round {
    /// They go now, and are marked as busy.
    chosen: Vec<DueSend>,
    /// How long until a text that is due may leave.
    ready_in: Option<Duration>,
    /// When the next one is due.
    next: Option<Timestamp>,
    /// What they are about cannot be read.
    broken: Vec<Effect>,
    /// Nobody wrote them, and their number takes no more today: until when they wait.
    resting: Vec<(MessageId, Timestamp)>,
}

impl Engine {
    /// Sends texts as they fall due.
    pub(crate) async fn run_carrier_outbox(self) -> Result<(), StoreError> {
        let per_segment = Duration::from_secs_f64(1.0 / self.settings.load().segments_per_second.max(0.01));
        let mut turns = Turns {
            pacing: SegmentPacing::new(per_segment),
            lost_answer: self.carrier.lost_answer(),
            busy: Arc::default(),
        };
        loop {
            let mut news = std::pin::pin!(self.wake.carrier.notified());
            news.as_mut().enable();
            let now = self.clock.now();
            if let Some(until) = self.paused_until().filter(|until| *until > now) {
                self.doze(news.as_mut(), Some(until)).await;
                continue;
            }
            let capped = self.capped.at(now);
            // One that knows our keys is asked again without harm.
            let gate = match turns.lost_answer {
                LostAnswer::LookFor => self.brake().gate(now),
                LostAnswer::Repeat { .. } => Gate::Open,
            };
            let round;
            (turns, round) = self
                .store
                .read(move |snapshot| {
                    let at = tokio::time::Instant::now().into_std();
                    let round = turns.choose(snapshot, &capped, gate, now, at)?;
                    Ok::<_, StoreError>((turns, round))
                })
                .await?;
            for effect in round.broken {
                self.give_up_on(effect).await?;
            }
            self.rest_all(round.resting).await?;
            if round.chosen.is_empty() {
                let ready_at = round.ready_in.and_then(|left| now.checked_add(left).ok());
                let until = [round.next, ready_at].into_iter().flatten().min();
                self.doze(news.as_mut(), until).await;
                continue;
            }
            let effects = round.chosen.iter().map(|due| due.effect.clone()).collect();
            let taken = self.take(effects).await?;
            for due in round.chosen {
                let Some(one) = taken.iter().find(|taken| taken.effect == due.effect).cloned() else {
                    turns.busy().remove(&due.to);
                    continue;
                };
                let this = self.clone();
                let busy = turns.busy.clone();
                self.tasks.run(async move {
                    this.settle(due.effect, this.do_at_carrier(one).await).await;
                    busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&due.to);
                    this.wake.carrier.notify_one();
                });
            }
        }
    }

    /// Their numbers take no more today: they wait for tomorrow, and hold up nobody who leaves from another.
    async fn rest_all(&self, texts: Vec<(MessageId, Timestamp)>) -> Result<(), StoreError> {
        if texts.is_empty() {
            return Ok(());
        }
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        self.store
            .change(move |tx| {
                for (id, until) in texts {
                    changes::rest(tx, id, until, &settings.rules, now)?;
                }
                Ok(())
            })
            .await
    }

    /// A broken row must not hold up the other texts; a person is told of it.
    async fn give_up_on(&self, effect: Effect) -> Result<(), StoreError> {
        tracing::error!(kind = effect.kind().as_str(), "an effect is given up: {}", changes::UNREADABLE);
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| {
                let at = Some(moment.now);
                changes::postpone(tx, &effect, EffectState::Failed, at, changes::UNREADABLE, &mut moment)
            })
            .await
    }

    async fn do_at_carrier(&self, taken: Taken) -> Result<(), StoreError> {
        let Effect::Send(id) = taken.effect else { return Ok(()) };
        if taken.row.state == EffectState::Unknown {
            self.look_up(taken, id).await
        } else {
            self.send(id, &taken.row).await
        }
    }

    /// Hands a text over.
    async fn send(&self, id: MessageId, row: &EffectRow) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let begun =
            self.store.change(move |tx| changes::begin_send(tx, id, &settings.rules, &mut moment)).await?;
        let Some(Submission { message, to, closes }) = begun else { return Ok(()) };
        match self.hand_over(&message, to, closes).await {
            Ok(accepted) => self.accepted(id, accepted).await,
            Err(error) => self.not_accepted(&message, row, &error).await,
        }
    }

    /// Asks the carrier to send it, and to hold it no longer than until `closes`: what waits in the carrier's
    /// queue must not leave in quiet hours. Else each time the same request, since it may be bound to a key.
    pub(super) async fn hand_over(
        &self,
        text: &Message,
        to: Number,
        closes: Option<Timestamp>,
    ) -> Result<Accepted, SendError> {
        let now = self.clock.now();
        let left = |closes: Timestamp| Duration::try_from(closes.duration_since(now)).unwrap_or_default();
        let from = text.our_number.to_string();
        let outgoing = Outgoing {
            mid: text.id,
            to: to.to_string(),
            from: from.clone(),
            body: text.body.reveal().to_owned(),
            validity: closes.map(left),
            at: now,
        };
        let answer = self.carrier.send(&outgoing).await;
        match &answer {
            Ok(_) => {
                let now = self.clock.now();
                self.brake().answered();
                self.notices.well(Part::Carrier, SENDING, now);
                self.notices.well(Part::Carrier, &from, now);
            }
            // What became of it is being found out; health counts those by what is stored.
            Err(error) if error.remedy() == Remedy::LookUp => {
                self.brake().lost(self.clock.now());
                tracing::warn!("carrier: the answer to a text was lost");
            }
            Err(error) => {
                if error.class != SendFailure::CarrierDown {
                    self.brake().answered();
                }
                self.note_refusal(error.class, &from);
            }
        }
        answer
    }

    pub(super) async fn accepted(&self, id: MessageId, accepted: Accepted) -> Result<(), StoreError> {
        let report = Report { delivery: accepted.status, failure: None, sid: Some(accepted.sid) };
        self.settle_send(id, report).await
    }

    async fn not_accepted(
        &self,
        text: &Message,
        row: &EffectRow,
        error: &SendError,
    ) -> Result<(), StoreError> {
        let (id, class) = (text.id, error.class);
        let unasked = text.purpose.is_unasked();
        let tried = row.tried(class, unasked);
        let mut moment = self.clock.moment();
        let now = moment.now;
        let why = error.to_string();
        let pause = retry_at(now, tried, moment.jitter());
        let after = |least: Duration| now.checked_add(least).map_or(pause, |at| at.max(pause));
        let again = match error.remedy() {
            Remedy::LookUp => {
                let wait = next_look(SignedDuration::ZERO).unwrap_or_default();
                return self.look_again(id, now.checked_add(wait).unwrap_or(pause), why).await;
            }
            Remedy::PauseSending => {
                self.pause_sending();
                after(PAUSE)
            }
            Remedy::RetryAfter(least) if tried < class.tries(unasked) => after(least),
            Remedy::RetryAfter(_) | Remedy::GiveUp | Remedy::Suppress => {
                let report = Report { delivery: Delivery::Failed, failure: Some(error.class), sid: None };
                return self.settle_send(id, report).await;
            }
        };
        let capped = class == SendFailure::DailyCap && unasked;
        let rested = capped.then(|| self.rest_number(text.our_number, now));
        let settings = self.settings.load_full();
        self.store
            .change(move |tx| {
                if class.is_limited(unasked) {
                    return changes::requeue_limited(tx, id, class, again, &why, &mut moment);
                }
                changes::requeue_send(tx, id, Some(again), &why, &mut moment)?;
                match rested {
                    Some(until) => changes::rest(tx, id, until, &settings.rules, now),
                    None => Ok(()),
                }
            })
            .await
    }

    pub(super) async fn settle_send(&self, id: MessageId, report: Report) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store.change(move |tx| changes::settle_send(tx, id, report, &settings.rules, &mut moment)).await
    }

    /// Tells health of a text that was not accepted, unless it is about its recipient or its words.
    fn note_refusal(&self, class: SendFailure, from: &str) {
        let (about, status, what) = match class {
            SendFailure::Config => (
                SENDING,
                HealthStatus::Failing,
                "the account at the carrier is not in order: check credentials, numbers and registration; texts wait",
            ),
            SendFailure::Sender => (
                from,
                HealthStatus::Degraded,
                "the carrier does not let one of our numbers send: check that it is ours and may send texts",
            ),
            class if class.remedy() == Remedy::GiveUp || class.remedy() == Remedy::Suppress => return,
            _ => (
                SENDING,
                HealthStatus::Degraded,
                "texts cannot be handed over now; they wait and are tried again",
            ),
        };
        if self.notices.trouble(Part::Carrier, about, status, what.to_owned(), self.clock.now()) {
            tracing::warn!("carrier: {what}");
        }
    }

    /// Tells health how a reading at the carrier went.
    pub(crate) fn note_read<T>(&self, answer: &Result<T, ReadError>) {
        let now = self.clock.now();
        match answer {
            Ok(_) => self.notices.well(Part::Carrier, READING, now),
            Err(error) => {
                if self.notices.trouble(
                    Part::Carrier,
                    READING,
                    HealthStatus::Degraded,
                    error.to_string(),
                    now,
                ) {
                    tracing::warn!(error = error as &dyn std::error::Error, "the carrier cannot be read");
                }
            }
        }
    }

    pub(super) fn brake(&self) -> MutexGuard<'_, Brake> {
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when nothing is handed to the carrier.
    fn paused_until(&self) -> Option<Timestamp> {
        let ms = self.carrier_pause.load(Ordering::Relaxed);
        Timestamp::from_millisecond(ms).ok().filter(|_| ms > 0)
    }

    /// Hands nothing to the carrier for a while.
    pub(super) fn pause_sending(&self) {
        let now = self.clock.now();
        let until = now.checked_add(PAUSE).unwrap_or(now);
        self.carrier_pause.store(until.as_millisecond(), Ordering::Relaxed);
    }
}

impl Turns {
    fn busy(&self) -> MutexGuard<'_, HashSet<Number>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes through what is due, the most urgent first. The texts of a number that must rest wait in
    /// their order; those of other numbers pass them by, and so do look-ups, which send nothing.
    fn choose(
        &mut self,
        read: &impl Read,
        capped: &BTreeMap<Number, Timestamp>,
        gate: Gate,
        now: Timestamp,
        at: Instant,
    ) -> Result<Round, StoreError> {
        let mut round = Round::default();
        let mut busy = self.busy().clone();
        let mut resting = HashSet::new();
        let mut left = ROUND;
        let (mut may_leave, opens_in) = match gate {
            Gate::Open => (usize::MAX, None),
            Gate::One => (usize::from(busy.is_empty()), None),
            Gate::Closed(until) => (0, until.duration_since(now).try_into().ok()),
        };
        round.next = changes::scan_due(read, Remote::Carrier, now, |effect| {
            if left == 0 || busy.len() >= AT_CARRIER {
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            let one = match due_send(read, effect.clone(), self.lost_answer) {
                Ok(Some(one)) => one,
                Ok(None) => return Ok(ControlFlow::Continue(())),
                Err(error) if error.is_of_a_row() => {
                    round.broken.push(effect);
                    return Ok(ControlFlow::Continue(()));
                }
                Err(error) => return Err(error),
            };
            if one.is_unasked
                && !one.is_look_up
                && let Some(until) = capped.get(&one.from)
            {
                round
                    .resting
                    .extend(one.waits.filter(|_| round.resting.len() < RESTED).map(|id| (id, *until)));
                return Ok(ControlFlow::Continue(()));
            }
            if busy.contains(&one.to) || (!one.is_look_up && resting.contains(&one.from)) {
                return Ok(ControlFlow::Continue(()));
            }
            if !one.is_look_up {
                if may_leave == 0 {
                    round.ready_in = round.ready_in.into_iter().chain(opens_in).min();
                    return Ok(ControlFlow::Continue(()));
                }
                let from = one.from.to_string();
                let wait = self.pacing.ready_at(&from, one.room, at).saturating_duration_since(at);
                if !wait.is_zero() {
                    resting.insert(one.from);
                    round.ready_in = Some(round.ready_in.map_or(wait, |least| least.min(wait)));
                    return Ok(ControlFlow::Continue(()));
                }
                self.pacing.sent(&from, one.segments, at);
                may_leave -= 1;
            }
            busy.insert(one.to);
            round.chosen.push(one);
            Ok(ControlFlow::Continue(()))
        })?;
        round.next = round.next.into_iter().chain(capped.values().copied()).min();
        self.busy().extend(round.chosen.iter().map(|one| one.to));
        Ok(round)
    }
}

/// None for the effect of an erased message, which goes with it.
fn due_send(
    read: &impl Read,
    effect: Effect,
    lost_answer: LostAnswer,
) -> Result<Option<DueSend>, StoreError> {
    let Effect::Send(id) = effect else { return Ok(None) };
    Ok(with_recipient(read, id)?.map(|(text, to)| {
        let segments = Segments::of(text.body.reveal()).count;
        let spared = if text.purpose == Purpose::Bulk { SPARED } else { 0 };
        DueSend {
            effect,
            from: text.our_number,
            to,
            segments,
            room: segments + spared,
            is_unasked: text.purpose.is_unasked(),
            waits: matches!(text.delivery, Delivery::Scheduled | Delivery::Queued).then_some(id),
            is_look_up: text.delivery == Delivery::Submitting && lost_answer == LostAnswer::LookFor,
        }
    }))
}

pub(super) fn with_recipient(
    read: &impl Read,
    id: MessageId,
) -> Result<Option<(Message, Number)>, StoreError> {
    let Some(text) = changes::message(read, id)? else { return Ok(None) };
    let conversation = read.get(CONVERSATIONS, &text.conversation)?;
    Ok(conversation.map(|conversation| (text, conversation.number)))
}

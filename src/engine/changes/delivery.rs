//! Sending a text: the last check, what the carrier said, and what it reports later.

use fulcrum_domain::guard::Timing;
use fulcrum_domain::{
    Activity, ActivityKind, Actor, CarrierSid, Conversation, ConversationId, Delivery, Direction, Effect,
    EffectState, Message, MessageId, NoConsent, Number, OptOutSource, Refusal, SendFailure, Suppression,
    TranscriptMode,
};
use jiff::Timestamp;

use super::Rules;
use super::activity::{note, note_of};
use super::guard::{decide, put_off, waits};
use super::introduce::introduce_anew;
use super::outbox::{count_answer, finish, postpone};
use super::recheck::lapsed;
use super::suppress::{settle_doubt, suppress};
use super::thread::{extend_session, key_of, message, mode_for, put_message, store, tell};
use crate::engine::clock::Moment;
use crate::store::tables::{
    ACTIVITY, ACTIVITY_OF, AWAITING_RECEIPT, BY_SID, CONVERSATIONS, OUTBOX, OVERRIDES, UNFILED,
};
use crate::store::{Keys, Read, Seen, StoreError, Subject, Tx};

/// Why a text waits that nobody wrote.
const DAILY_CAP: &str = "the carrier takes no more texts of our number today";

/// A text that may leave now.
#[derive(Clone, Debug)]
pub struct Submission {
    /// It, marked as being handed over.
    pub message: Message,
    /// To whom.
    pub to: Number,
    /// When it must have arrived; none for what may arrive at any hour.
    pub closes: Option<Timestamp>,
}

/// The last check before a text leaves, in the transaction that marks it as leaving: invariant 2.
/// None when it may not leave or is no longer wanted; then it is settled here.
pub fn begin_send(
    tx: &mut Tx<'_>,
    id: MessageId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Option<Submission>, StoreError> {
    let effect = Effect::Send(id);
    let Some(text) = message(tx, id)? else {
        finish(tx, &effect, moment.now)?;
        return Ok(None);
    };
    let Some(mut conversation) = tx.get(CONVERSATIONS, &text.conversation)? else {
        finish(tx, &effect, moment.now)?;
        return Ok(None);
    };
    if !matches!(text.delivery, Delivery::Scheduled | Delivery::Queued) {
        // It was called off after it was taken up, or it has left.
        finish(tx, &effect, moment.now)?;
        return Ok(None);
    }
    let verdict = decide(tx, &conversation, &text, rules, moment.now)?;
    let lapsed = match verdict {
        Ok(_) => lapsed(tx, &text, rules, moment.now)?,
        Err(_) => None,
    };
    let (why, words) = match (verdict, &lapsed) {
        (Err(why), _) => (why, why.to_string()),
        (Ok(_), Some(lapsed)) => (Refusal::Lapsed, lapsed.why.clone()),
        (Ok(Timing::Now { closes }), None) => {
            let (message, to) = leave(tx, text, conversation, rules, moment.now)?;
            return Ok(Some(Submission { message, to, closes }));
        }
        (Ok(timing @ (Timing::Later(_) | Timing::Frozen(_))), None) => {
            if let Some((until, why)) = waits(timing) {
                let thread = conversation.id;
                put_off(tx, text, conversation, until, why, rules, moment.now)?;
                if matches!(timing, Timing::Frozen(_)) {
                    introduce_meanwhile(tx, thread, rules, moment.now)?;
                }
            }
            return Ok(None);
        }
    };
    let what = format!("a text was not sent: {words}");
    note_of(tx, &conversation, Actor::fulcrum(), ActivityKind::Message, what, moment.now)?;
    if let Some(lapsed) = lapsed {
        lapsed.settle(tx, moment.now)?;
    }
    call_off(tx, text, why)?;
    introduce_anew(tx, &mut conversation, rules, moment.now)?;
    store(tx, &conversation)?;
    finish(tx, &effect, moment.now)?;
    Ok(None)
}

/// What a person writes passes by texts that are frozen: if nobody was told who we are, it tells.
fn introduce_meanwhile(
    tx: &mut Tx<'_>,
    thread: ConversationId,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut conversation) = tx.get(CONVERSATIONS, &thread)? else { return Ok(()) };
    introduce_anew(tx, &mut conversation, rules, now)?;
    store(tx, &conversation)
}

/// A text is handed over from here on.
fn leave(
    tx: &mut Tx<'_>,
    mut text: Message,
    mut conversation: Conversation,
    rules: &Rules,
    now: Timestamp,
) -> Result<(Message, Number), StoreError> {
    if text.delivery == Delivery::Scheduled {
        // Its place in the thread is where it leaves, not where it was written.
        text.at = now;
        conversation.texted = true;
        conversation.our_number = Some(text.our_number);
        super::thread::add_message(tx, &mut conversation, &text, rules)?;
    }
    text.delivery = Delivery::Submitting;
    text.submitted_at = Some(now);
    put_message(tx, &text)?;
    store(tx, &conversation)?;
    Ok((text, conversation.number))
}

/// Whether a text whose answer was lost may be handed over once more, by what stands now: it may not have
/// left before. None when nothing is left to find out.
pub(crate) fn may_repeat(
    read: &impl Read,
    id: MessageId,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Result<Timing, Refusal>>, StoreError> {
    let Some(text) = message(read, id)? else { return Ok(None) };
    let Some(conversation) = read.get(CONVERSATIONS, &text.conversation)? else { return Ok(None) };
    if text.delivery != Delivery::Submitting {
        return Ok(None);
    }
    let verdict = decide(read, &conversation, &text, rules, now)?;
    match verdict {
        Ok(_) if lapsed(read, &text, rules, now)?.is_some() => Ok(Some(Err(Refusal::Lapsed))),
        verdict => Ok(Some(verdict)),
    }
}

/// A text that will not leave, since the guard says so: it is in no transcript.
pub(super) fn call_off(tx: &mut Tx<'_>, mut text: Message, why: Refusal) -> Result<(), StoreError> {
    text.delivery = Delivery::Canceled;
    text.failure = Some(match why {
        Refusal::OptedOut => SendFailure::OptedOut,
        Refusal::NoConsent(NoConsent::SaidNo) => SendFailure::SaidNo,
        _ => SendFailure::Held,
    });
    tx.remove(OVERRIDES, &text.id)?;
    tx.remove(UNFILED, &key_of(&text))?;
    tell(tx, &text);
    put_message(tx, &text)
}

/// A text of a restored copy that its original may have sent fails, for a person to decide.
pub(super) fn hold_back(
    tx: &mut Tx<'_>,
    id: MessageId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    if let Some(mut text) = message(tx, id)?.filter(|text| text.delivery == Delivery::Scheduled)
        && let Some(mut conversation) = tx.get(CONVERSATIONS, &text.conversation)?
    {
        // What fails stands in a session, as what leaves does, but nothing is set off by it.
        (text.at, text.delivery) = (moment.now, Delivery::Queued);
        put_message(tx, &text)?;
        let mode = mode_for(tx, text.opportunity.as_ref(), rules)?;
        if mode != TranscriptMode::Off {
            tx.put(UNFILED, &key_of(&text), &())?;
            extend_session(tx, &mut conversation, text.at, mode, rules)?;
        }
        store(tx, &conversation)?;
    }
    let failed = Report { delivery: Delivery::Failed, failure: Some(SendFailure::HeldBack), sid: None };
    report(tx, id, failed, rules, moment).map(drop)
}

/// News of a text that we sent.
#[derive(Clone, Debug)]
pub struct Report {
    /// How far it is.
    pub delivery: Delivery,
    /// Why not farther.
    pub failure: Option<SendFailure>,
    /// The carrier's name for it.
    pub sid: Option<CarrierSid>,
}

/// What the attempt to send came to; its effect is done.
pub fn settle_send(
    tx: &mut Tx<'_>,
    id: MessageId,
    news: Report,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    report(tx, id, news, rules, moment)?;
    finish(tx, &Effect::Send(id), moment.now)
}

/// Takes in what the carrier says of a text. States only move up (carriers.md 1.4), so repeats and
/// late reports change nothing. False when the text is not known.
pub fn report(
    tx: &mut Tx<'_>,
    id: MessageId,
    news: Report,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<bool, StoreError> {
    let Some(mut text) = message(tx, id)? else { return Ok(false) };
    let Some(mut conversation) = tx.get(CONVERSATIONS, &text.conversation)? else { return Ok(false) };
    if let Some(sid) = news.sid {
        tx.put(BY_SID, &sid.to_string(), &id)?;
        if text.sid.is_none() {
            // A report proves that the text left: a lost answer needs no look-up any more.
            let effect = Effect::Send(id);
            let unknown = tx.get(OUTBOX, &effect)?;
            if unknown.is_some_and(|row| row.state == EffectState::Unknown) {
                finish(tx, &effect, moment.now)?;
            }
            text.sid = Some(sid);
        }
    }
    if news.failure == Some(SendFailure::OptedOut) {
        settle_doubt(tx, &mut conversation)?;
        let stop = Suppression { at: moment.now, source: OptOutSource::Carrier };
        suppress(tx, conversation.number, &stop, Actor::carrier(), moment.now)?;
    }
    let was_open = text.delivery;
    let (stands, says) = (was_open == Delivery::Delivered, news.delivery == Delivery::Delivered);
    if text.direction == Direction::Out && was_open.conflicts_with(news.delivery) && (stands || says) {
        flag_conflict(tx, &text, moment.now)?;
    }
    if let Some(next) = text.delivery.advance(news.delivery) {
        text.delivery = next;
        text.failure = news.failure.or(text.failure);
        let failed = matches!(next, Delivery::Failed | Delivery::Undelivered);
        if failed && text.filing.is_some() {
            conversation.late_failures.push(id);
        }
    }
    if text.sid.is_some() && !text.delivery.is_final() {
        if !tx.has(AWAITING_RECEIPT, &id)? {
            tx.put(AWAITING_RECEIPT, &id, &Seen(moment.now))?;
        }
    } else {
        tx.remove(AWAITING_RECEIPT, &id)?;
    }
    if !matches!(text.delivery, Delivery::Scheduled | Delivery::Queued | Delivery::Submitting) {
        // It is gone. Until then it may have to be tried again, and what cannot wait cannot wait then either.
        tx.remove(OVERRIDES, &id)?;
    }
    put_message(tx, &text)?;
    if matches!(text.delivery, Delivery::Failed | Delivery::Undelivered) {
        introduce_anew(tx, &mut conversation, rules, moment.now)?;
    }
    // Several states are one to people: `queued` until the carrier says that it is sent.
    if text.delivery.word() != was_open.word() {
        tell(tx, &text);
        let what = match text.delivery {
            Delivery::Unconfirmed => Some("a text may not have been sent".to_owned()),
            Delivery::Failed | Delivery::Undelivered => {
                let why = text.failure.unwrap_or(SendFailure::Unknown).reason();
                Some(format!("a text did not arrive: {why}"))
            }
            _ => None,
        };
        if let Some(what) = what {
            let activity = Activity::new(moment.now, Actor::carrier(), ActivityKind::Message, what);
            note(tx, &activity.of(text.conversation).about(text.opportunity.clone()))?;
        }
    }
    // It was still waiting when its session was filed: it opens the next one.
    let waited = matches!(was_open, Delivery::Queued | Delivery::Submitting);
    if waited && tx.has(UNFILED, &key_of(&text))? {
        let mode = mode_for(tx, text.opportunity.as_ref(), rules)?;
        if mode == TranscriptMode::Instant || conversation.session.is_none() {
            extend_session(tx, &mut conversation, moment.now, mode, rules)?;
        }
    }
    store(tx, &conversation)?;
    Ok(true)
}

/// How far back a line is looked for that was written already; a carrier repeats itself within minutes.
const REPEATED_WITHIN: usize = 100;

/// The carrier says of one text that it arrived and that it did not: the first stands (carriers.md 1.4), and
/// a person is told, once.
fn flag_conflict(tx: &mut Tx<'_>, text: &Message, now: Timestamp) -> Result<(), StoreError> {
    let (first, then) = match text.delivery {
        Delivery::Delivered => ("arrived", "did not arrive"),
        _ => ("did not arrive", "arrived"),
    };
    let what = format!(
        "the carrier said that a text {first}, and now that it {then}: the first stands, {}",
        text.id
    );
    let of = Keys::beginning(&Subject::Conversation(text.conversation));
    for ((_, key), ()) in tx.list_back(ACTIVITY_OF, &of, REPEATED_WITHIN)? {
        if tx.get(ACTIVITY, &key)?.is_some_and(|known| known.detail == what) {
            return Ok(());
        }
    }
    let activity = Activity::new(now, Actor::carrier(), ActivityKind::Message, what);
    note(tx, &activity.of(text.conversation).about(text.opportunity.clone()))
}

/// The answer to a text was lost: it is looked up at `at`.
pub(crate) fn look_up_send(
    tx: &mut Tx<'_>,
    id: MessageId,
    at: Timestamp,
    why: &str,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    // A report may have come meanwhile; then there is nothing to look up.
    if message(tx, id)?.is_none_or(|text| text.sid.is_some()) {
        return finish(tx, &Effect::Send(id), moment.now);
    }
    postpone(tx, &Effect::Send(id), EffectState::Unknown, Some(at), why, moment)
}

/// The carrier's answer was one after which a text is tried only so often: it is counted, and tried again.
pub(crate) fn requeue_limited(
    tx: &mut Tx<'_>,
    id: MessageId,
    class: SendFailure,
    at: Timestamp,
    why: &str,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    count_answer(tx, &Effect::Send(id), class)?;
    requeue_send(tx, id, Some(at), why, moment)
}

/// The number that a text would leave from has sent all that it may today: the text waits until `until`, and is
/// decided anew then.
pub(crate) fn rest(
    tx: &mut Tx<'_>,
    id: MessageId,
    until: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = tx.get(OUTBOX, &Effect::Send(id))?;
    let Some(text) = message(tx, id)?.filter(|_| row.is_some_and(|row| row.state == EffectState::Due)) else {
        return Ok(());
    };
    match tx.get(CONVERSATIONS, &text.conversation)? {
        Some(conversation) if matches!(text.delivery, Delivery::Scheduled | Delivery::Queued) => {
            put_off(tx, text, conversation, until, DAILY_CAP, rules, now)
        }
        _ => Ok(()),
    }
}

/// The text certainly did not leave and is tried again at `at`, checked anew.
pub(crate) fn requeue_send(
    tx: &mut Tx<'_>,
    id: MessageId,
    at: Option<Timestamp>,
    why: &str,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let Some(mut text) = message(tx, id)? else { return finish(tx, &Effect::Send(id), moment.now) };
    if text.delivery == Delivery::Submitting {
        text.delivery = Delivery::Queued;
        put_message(tx, &text)?;
    }
    postpone(tx, &Effect::Send(id), EffectState::Due, at, why, moment)
}

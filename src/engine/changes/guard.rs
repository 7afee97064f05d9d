//! What the guard is told of a number, and what becomes of a text that it holds up.

use fulcrum_domain::guard::{CAP_WINDOW, FROZEN, Leaving, Standing, Timing, condemned, refusal};
use fulcrum_domain::{
    ActivityKind, Actor, Conversation, Delivery, Direction, Effect, Message, Number, Refusal,
};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::activity::note_of;
use super::compose::lane_of;
use super::consent::consent_of;
use super::outbox::{ask_later, drop_effect};
use super::suppress::{over_at, suppression_of};
use super::thread::{leave_session, put_message, store, thread_of};
use super::zone::zones_of;
use crate::store::tables::{MESSAGES, OVERRIDES};
use crate::store::{Keys, Read, StoreError, Tx};

/// Nobody exchanges more texts in a week.
const LOOK_BACK: usize = 1000;
/// How long a text may have waited between its place in the thread and when it left, such as for a carrier that
/// was down.
const HELD_UP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many of the newest texts say whether the number works.
const TELLING: usize = 20;

/// What is stored of a number, as the guard wants it.
///
/// # Errors
/// [`StoreError`].
pub fn standing(
    read: &impl Read,
    number: Number,
    rules: &Rules,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    standing_in(read, number, thread_of(read, number)?.as_ref(), rules, now)
}

/// The same with the thread at hand, if there is one.
fn standing_in(
    read: &impl Read,
    number: Number,
    thread: Option<&Conversation>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    let texts = match thread {
        Some(thread) => read.list_back(MESSAGES, &Keys::beginning(&thread.id), LOOK_BACK)?,
        None => Vec::new(),
    };
    let mut newest = Vec::with_capacity(TELLING);
    let (mut last_in, mut unasked) = (None, Vec::new());
    for (_, text) in texts {
        if newest.len() == TELLING && now.duration_since(text.at) > CAP_WINDOW + HELD_UP {
            break;
        }
        if text.direction == Direction::In {
            last_in = last_in.or(Some(text.at));
        }
        unasked.extend(left_unasked(&text));
        if newest.len() < TELLING {
            newest.push(text);
        }
    }
    Ok(Standing {
        suppression: suppression_of(read, number)?,
        consent: consent_of(read, number)?.map(|consent| consent.answer),
        wanted: rules.consent.level,
        in_doubt: thread.and_then(|thread| thread.possible_opt_out).map(over_at),
        unusable: condemned(&newest).is_some(),
        last_in,
        unasked,
        zones: zones_of(read, number)?,
        lawful: rules.state_windows.of(number),
        whose: thread.map_or(number.as_u64(), |thread| thread.id.number()),
    })
}

/// When a text left that nobody wrote, if it is one and did.
fn left_unasked(text: &Message) -> Option<Timestamp> {
    let left = !matches!(text.delivery, Delivery::Scheduled | Delivery::Queued | Delivery::Canceled);
    text.submitted_at.filter(|_| left && text.purpose.is_unasked())
}

/// Whether a text may leave at `at`, or when. One that may have left already does not count against itself.
pub(super) fn decide(
    read: &impl Read,
    conversation: &Conversation,
    text: &Message,
    rules: &Rules,
    at: Timestamp,
) -> Result<Result<Timing, Refusal>, StoreError> {
    let mut standing = standing_in(read, conversation.number, Some(conversation), rules, at)?;
    let own = left_unasked(text).and_then(|own| standing.unasked.iter().position(|left| *left == own));
    if let Some(own) = own {
        standing.unasked.swap_remove(own);
    }
    let leaving = Leaving {
        purpose: text.purpose,
        written_at: text.id.made_at(),
        overridden: read.has(OVERRIDES, &text.id)?,
    };
    Ok(refusal(text.purpose, &standing).and_then(|()| rules.clockwork().timing(leaving, &standing, at)))
}

/// Why most texts wait.
pub(super) const QUIET_HOURS: &str = "quiet hours";

/// Until when a text waits that may leave then, and why; none for one that may leave now.
pub(super) fn waits(timing: Timing) -> Option<(Timestamp, &'static str)> {
    match timing {
        Timing::Now { .. } => None,
        Timing::Later(until) => Some((until, QUIET_HOURS)),
        Timing::Frozen(until) => Some((until, FROZEN)),
    }
}

/// A text that was to leave waits until `until` and is decided anew then. Until it leaves, it is in no
/// transcript.
pub(super) fn put_off(
    tx: &mut Tx<'_>,
    mut text: Message,
    mut conversation: Conversation,
    until: Timestamp,
    why: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    if text.delivery == Delivery::Queued {
        text.delivery = Delivery::Scheduled;
        put_message(tx, &text)?;
        leave_session(tx, &mut conversation, &text, rules)?;
    }
    note_deferral(tx, &conversation, until, why, rules, now)?;
    store(tx, &conversation)?;
    let effect = Effect::Send(text.id);
    drop_effect(tx, &effect)?;
    ask_later(tx, &effect, lane_of(text.purpose), now, until)
}

/// Writes down that a text waits, in the candidate's time.
pub(super) fn note_deferral(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    until: Timestamp,
    why: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let zones = zones_of(tx, conversation.number)?.or(&rules.zone);
    let clock = |at: Timestamp| {
        let zone = zones.iter().next().unwrap_or(&rules.zone).clone();
        at.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M %Z").to_string()
    };
    let what = format!("deferred {} to {}: {why}", clock(now), clock(until));
    note_of(tx, conversation, Actor::fulcrum(), ActivityKind::Message, what, now)
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::{Author, Body, ConversationId, MessageId, Purpose};

    use super::super::thread::put_message;
    use super::*;
    use crate::store::tables::{CONVERSATIONS, SECRETS};
    use crate::store::{Options, SecretKey, Store};

    fn text(number: u8, purpose: Purpose, at: Timestamp, left: Timestamp) -> Message {
        let own = Number::from_e164("+12025550100").unwrap();
        let (id, thread) = (MessageId::new(at, &[number; 10]), ConversationId::new(1));
        Message {
            purpose,
            delivery: Delivery::Delivered,
            submitted_at: Some(left),
            ..Message::outgoing(id, thread, at, Author::Automatic("hello".into()), Body::new("Hello"), own)
        }
    }

    /// A simulated month found it: an automatic text that had waited for hours at a carrier that was down was
    /// counted by when it was written, and the candidate got one more in a week than the caps allow.
    #[test]
    fn the_caps_count_from_when_a_text_left_in_a_long_thread_too() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let backend = Options::backend(redb::backends::InMemoryBackend::new());
        let store = Store::open(backend, Box::new(|_| {})).unwrap();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let ago = move |hours: i64| now - SignedDuration::from_hours(hours);
        let number = Number::from_e164("+12025550142").unwrap();
        let conversation = Conversation::new(ConversationId::new(1), number);
        let stored = conversation.clone();
        let change = store.change(move |tx| {
            tx.put(SECRETS, &super::super::HASH_KEY.to_owned(), &SecretKey([7; 32]))?;
            tx.put(CONVERSATIONS, &stored.id, &stored)?;
            put_message(tx, &text(0, Purpose::Automatic, ago(7 * 24 + 1), ago(7 * 24 - 3)))?;
            for count in 1..30u8 {
                let at = ago(50) + SignedDuration::from_mins(i64::from(count));
                put_message(tx, &text(count, Purpose::Conversation, at, at))?;
            }
            Ok::<_, StoreError>(())
        });
        runtime.block_on(change).unwrap();
        let rules = super::super::tests::rules();
        let standing = store
            .read_here(|read| standing_in(read, conversation.number, Some(&conversation), &rules, now))
            .unwrap();
        assert_eq!(standing.unasked, [ago(7 * 24 - 3)]);
        // Two a day are allowed. One whose answer was lost is not kept back by itself, but another one is.
        let (own, other) = (text(40, Purpose::Automatic, ago(2), ago(2)), ago(1));
        let left = own.clone();
        let change = store.change(move |tx| {
            put_message(tx, &left)?;
            put_message(tx, &text(41, Purpose::Automatic, other, other))
        });
        runtime.block_on(change).unwrap();
        let may_leave = |text: &Message| {
            store.read_here(|read| decide(read, &conversation, text, &rules, now)).unwrap().is_ok()
        };
        assert!(may_leave(&own));
        assert!(!may_leave(&Message { delivery: Delivery::Queued, submitted_at: None, ..own }));
    }
}

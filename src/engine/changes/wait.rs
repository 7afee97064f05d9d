//! Why a text has not left yet: read for those who ask, and nothing is decided by it.

use fulcrum_domain::{Delivery, Effect, Message};
use jiff::Timestamp;

use super::Rules;
use super::guard::{decide, waits};
use super::mute::muted;
use crate::store::tables::{CONVERSATIONS, OUTBOX};
use crate::store::{Read, StoreError};

/// Why nothing leaves a restored copy.
pub const MUTED_COPY: &str = "this is a restored copy that is muted; nothing leaves until `fulcrum unmute`";

/// What a text waits for that nothing else keeps.
const ITS_TIME: &str = "the time that was chosen";

/// A text that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until when; none for one whose time has come.
    pub until: Option<Timestamp>,
    /// For what, in words.
    pub what: String,
}

/// Until when a text waits, and for what. None for one that leaves now, or has left.
///
/// # Errors
/// [`StoreError`].
pub fn wait_of(
    read: &impl Read,
    text: &Message,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Wait>, StoreError> {
    if !matches!(text.delivery, Delivery::Scheduled | Delivery::Queued) {
        return Ok(None);
    }
    let Some(row) = read.get(OUTBOX, &Effect::Send(text.id))? else { return Ok(None) };
    let until = Some(row.due_at).filter(|at| *at > now);
    if muted(read)?.is_some() {
        return Ok(Some(Wait { until, what: MUTED_COPY.to_owned() }));
    }
    let Some(due_at) = until else { return Ok(None) };
    if let Some(error) = row.last_error {
        return Ok(Some(Wait { until, what: format!("another try; the last one failed: {error}") }));
    }
    let mut what = ITS_TIME;
    if let Some(thread) = read.get(CONVERSATIONS, &text.conversation)? {
        // Either as it was decided then, or as it would be now. A time that neither gives was chosen.
        for at in [row.asked_at, now] {
            let held = decide(read, &thread, text, rules, at)?.ok().and_then(waits);
            if let Some((_, why)) = held.filter(|(until, _)| *until == due_at) {
                what = why;
                break;
            }
        }
    }
    Ok(Some(Wait { until, what: what.to_owned() }))
}

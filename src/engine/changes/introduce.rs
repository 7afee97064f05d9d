//! Who we are: the first text that reaches somebody names the organisation and says how to opt out
//! (behaviour.md 2). A text that fails, or is called off, has told nobody, so the next one has to.

use fulcrum_domain::{Body, Conversation, Delivery, Direction, Effect, Message};
use jiff::Timestamp;

use super::Rules;
use super::compose::{first_text, is_soon};
use super::thread::put_message;
use crate::store::tables::{MESSAGES, OUTBOX};
use crate::store::{Keys, Read, StoreError, Tx};

/// If nothing that left for this number can have arrived, the next that does is the first, and says who
/// we are.
pub(super) fn introduce_anew(
    tx: &mut Tx<'_>,
    conversation: &mut Conversation,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(waiting) = unheard(tx, conversation)? else { return Ok(()) };
    let next = waiting.into_iter().min_by_key(|(due_at, text)| (*due_at, text.id));
    conversation.texted = next.as_ref().is_some_and(|(due_at, _)| is_soon(*due_at, now));
    if let Some((_, mut text)) = next {
        text.body = Body::new(first_text(text.body.reveal(), &rules.organisation));
        put_message(tx, &text)?;
    }
    Ok(())
}

/// The same where all that waited was called off.
pub(super) fn forget_introduction(
    read: &impl Read,
    conversation: &mut Conversation,
) -> Result<(), StoreError> {
    if unheard(read, conversation)?.is_some_and(|waiting| waiting.is_empty()) {
        conversation.texted = false;
    }
    Ok(())
}

/// What waits in a thread, and when it is due. None where a text arrived, or may have, or where an answer to
/// STOP or HELP is about to leave.
fn unheard(
    read: &impl Read,
    conversation: &Conversation,
) -> Result<Option<Vec<(Timestamp, Message)>>, StoreError> {
    const PAGE: usize = 200;
    let mut waiting: Vec<(Timestamp, Message)> = Vec::new();
    let mut keys = Keys::beginning(&conversation.id);
    loop {
        let page = read.list(MESSAGES, &keys, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        keys = keys.after(last);
        for (_, text) in page.into_iter().filter(|(_, text)| text.direction == Direction::Out) {
            match text.delivery {
                Delivery::Canceled | Delivery::Failed | Delivery::Undelivered => {}
                Delivery::Scheduled | Delivery::Queued if !text.purpose.is_of_the_number() => {
                    let row = read.get(OUTBOX, &Effect::Send(text.id))?;
                    waiting.extend(row.map(|row| (row.due_at, text)));
                }
                _ => return Ok(None),
            }
        }
    }
    Ok(Some(waiting))
}

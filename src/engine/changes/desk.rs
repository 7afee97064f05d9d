//! The office's side of a conversation, and the index by which the inbox finds it.
//!
//! What the messages come to is noted as each is written ([`note_message`]); the shelves are
//! looked at when all of a change is written ([`place`]), and only what differs is stored. A
//! thread of an older file has no row yet: the first that touches it counts its messages.

use fulcrum_domain::{
    Account, Conversation, ConversationId, Desk, Direction, Folder, Message, Number, Said, folders, shelves,
};
use jiff::Timestamp;

use super::suppress::suppression_of;
use super::thread::thread_of;
use crate::store::tables::{CONVERSATIONS, DESKS, MESSAGES, READ, SHELVES};
use crate::store::{DeskRow, Keys, Read, Seen, Signal, StoreError, Tx};

/// Messages that are counted in one go: a thread has no longest length.
const PAGE: usize = 500;

/// The office's side of a thread.
pub fn desk_of(read: &impl Read, id: ConversationId) -> Result<Desk, StoreError> {
    Ok(row_of(read, id)?.desk)
}

/// Whether the owner of a number wrote something that nobody has answered.
pub fn is_unanswered(read: &impl Read, number: Number) -> Result<bool, StoreError> {
    let Some(conversation) = thread_of(read, number)? else { return Ok(false) };
    Ok(folders(&conversation, &desk_of(read, conversation.id)?).has(Folder::Unanswered))
}

fn row_of(read: &impl Read, id: ConversationId) -> Result<DeskRow, StoreError> {
    match read.get(DESKS, &id)? {
        Some(row) => Ok(row),
        None => {
            Ok(DeskRow { desk: Desk { said: count(read, id)?, ..Desk::default() }, ..DeskRow::default() })
        }
    }
}

/// What all messages of a thread come to.
fn count(read: &impl Read, id: ConversationId) -> Result<Said, StoreError> {
    let mut said = Said::default();
    let mut keys = Keys::beginning(&id);
    loop {
        let page = read.list(MESSAGES, &keys, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(said) };
        keys = keys.after(last);
        said = page.iter().fold(said, |said, (_, message)| said.with(message));
    }
}

/// A message is about to be written where `before` stood, or is new.
pub(super) fn note_message(
    tx: &mut Tx<'_>,
    before: Option<&Message>,
    after: &Message,
    write: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let id = after.conversation;
    let stored = row_of(tx, id)?;
    write(tx)?;
    let mut row = stored.clone();
    row.desk.said = match stored.desk.said.changed(before, after) {
        Some(said) => said,
        None => count(tx, id)?,
    };
    if before.is_none() && after.direction == Direction::In {
        row.desk.archived_at = None;
    }
    if row != stored {
        tx.put(DESKS, &id, &row)?;
    }
    Ok(())
}

/// Messages of a thread were taken away.
pub(super) fn recount(tx: &mut Tx<'_>, id: ConversationId) -> Result<(), StoreError> {
    let mut row = row_of(tx, id)?;
    let said = count(tx, id)?;
    if said == row.desk.said && tx.has(DESKS, &id)? {
        return Ok(());
    }
    row.desk.said = said;
    tx.put(DESKS, &id, &row).map(drop)
}

/// Puts a thread on the shelves where it belongs by now.
pub(super) fn place(tx: &mut Tx<'_>, conversation: &Conversation) -> Result<(), StoreError> {
    let id = conversation.id;
    let stored = tx.get(DESKS, &id)?;
    let before = match &stored {
        Some(row) => row.clone(),
        None => row_of(tx, id)?,
    };
    let mut row = before.clone();
    row.desk.opted_out = suppression_of(tx, conversation.number)?.is_some();
    row.shelves = shelves(conversation, &row.desk);
    row.at = row.desk.said.last_at.unwrap_or(Timestamp::UNIX_EPOCH);
    if stored.as_ref() == Some(&row) {
        return Ok(());
    }
    let moved = row.at != before.at;
    for shelf in before.shelves.iter().filter(|shelf| moved || !row.shelves.contains(shelf)) {
        tx.remove(SHELVES, &(shelf.clone(), before.at, id))?;
    }
    for shelf in row.shelves.iter().filter(|shelf| moved || !before.shelves.contains(shelf)) {
        tx.put(SHELVES, &(shelf.clone(), row.at, id), &())?;
    }
    tx.put(DESKS, &id, &row).map(drop)
}

/// A person changes the office's side of a thread. What it was before, and is now; none when there
/// is no such thread.
pub fn change_desk(
    tx: &mut Tx<'_>,
    id: ConversationId,
    change: impl FnOnce(&mut Desk),
) -> Result<Option<(Desk, Desk)>, StoreError> {
    let Some(conversation) = tx.get(CONVERSATIONS, &id)? else { return Ok(None) };
    let mut row = row_of(tx, id)?;
    let before = row.desk.clone();
    change(&mut row.desk);
    let after = row.desk.clone();
    if after != before {
        tx.put(DESKS, &id, &row)?;
        place(tx, &conversation)?;
        tx.signal(Signal::Conversation(id));
    }
    Ok(Some((before, after)))
}

/// An account has read a thread up to a time; nothing of it, without one.
pub fn mark_read(
    tx: &mut Tx<'_>,
    id: ConversationId,
    account: Account,
    up_to: Option<Timestamp>,
) -> Result<(), StoreError> {
    if !tx.has(CONVERSATIONS, &id)? {
        return Ok(());
    }
    let key = (id, account);
    let changed = match up_to {
        Some(up_to) if has_read(tx, &key, up_to)? => false,
        Some(up_to) => {
            tx.put(READ, &key, &Seen(up_to))?;
            true
        }
        None => tx.remove(READ, &key)?,
    };
    // A page that is told reads anew, and marks what it reads: without news it would never rest.
    if changed {
        tx.signal(Signal::Conversation(id));
    }
    Ok(())
}

/// Whether an account has read a thread up to there already.
pub fn has_read(
    read: &impl Read,
    key: &(ConversationId, Account),
    up_to: Timestamp,
) -> Result<bool, StoreError> {
    Ok(read.get(READ, key)?.is_some_and(|Seen(before)| before >= up_to))
}

/// Nothing is left of a thread.
pub(super) fn clear(tx: &mut Tx<'_>, id: ConversationId) -> Result<(), StoreError> {
    if let Some(row) = tx.get(DESKS, &id)? {
        for shelf in row.shelves {
            tx.remove(SHELVES, &(shelf, row.at, id))?;
        }
        tx.remove(DESKS, &id)?;
    }
    for ((_, account), _) in tx.list(READ, &Keys::beginning(&id), usize::MAX)? {
        tx.remove(READ, &(id, account))?;
    }
    Ok(())
}

/// Places the next threads of an older file, after `after`, by what their messages come to today: it may know no
/// shelves yet, or have counted differently. Gives back where to go on; none at the end.
pub fn place_older(
    tx: &mut Tx<'_>,
    after: Option<ConversationId>,
    count: usize,
) -> Result<Option<ConversationId>, StoreError> {
    let keys = after.map_or_else(Keys::all, |id| Keys::all().after(&id));
    let page = tx.list(CONVERSATIONS, &keys, count)?;
    for (id, conversation) in &page {
        if tx.has(DESKS, id)? {
            recount(tx, *id)?;
        }
        place(tx, conversation)?;
    }
    Ok(page.last().map(|(id, _)| *id))
}

//! Files that came with a text: asked for in the transaction that takes the text in, kept or given up in
//! one that asks whether the text is still here.

use fulcrum_domain::file::{FileKind, FileState, FileTrouble};
use fulcrum_domain::{Attachment, Effect, Lane, Message, MessageId};
use jiff::Timestamp;

use super::outbox::{ask, drop_effect, finish};
use super::thread::{message, put_message};
use crate::store::tables::{FILE_BYTES, FILES};
use crate::store::{FileBytes, Read, Signal, StoreError, Tx};

/// What a file turned out to be.
pub(crate) enum Fetched {
    /// It is taken.
    File(FileKind, Vec<u8>),
    /// It is not, for this reason.
    Missing(FileTrouble),
    /// What stood there was only the word that there are some: these.
    Listed(Vec<Attachment>),
}

/// A file for whoever asked for it.
pub(crate) fn file(
    read: &impl Read,
    message: MessageId,
    place: u8,
) -> Result<Option<(FileKind, Vec<u8>)>, StoreError> {
    let Some(FileState::Here { kind, .. }) = read.get(FILES, &(message, place))? else { return Ok(None) };
    Ok(read.get(FILE_BYTES, &(message, place))?.map(|FileBytes(bytes)| (kind, bytes)))
}

/// How far the files of a text are, in their order; none for one that was never asked for.
pub(crate) fn files_of(read: &impl Read, message: &Message) -> Result<Vec<Option<FileState>>, StoreError> {
    places(message).map(|place| read.get(FILES, &(message.id, place))).collect()
}

/// A carrier takes ten with a text, so there are numbers for all.
fn places(message: &Message) -> impl Iterator<Item = u8> {
    (0..=u8::MAX).take(message.attachments.len())
}

/// Asks for the files of a text that came in.
pub(super) fn ask_for_files(tx: &mut Tx<'_>, message: &Message, now: Timestamp) -> Result<(), StoreError> {
    for place in places(message) {
        tx.put(FILES, &(message.id, place), &FileState::Waiting)?;
        ask(tx, &Effect::FetchFile(message.id, place), Lane::Live, now)?;
    }
    Ok(())
}

/// Keeps what was fetched, unless its text has been erased meanwhile.
pub(crate) fn settle_file(
    tx: &mut Tx<'_>,
    id: MessageId,
    place: u8,
    fetched: Fetched,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(mut text) = message(tx, id)? {
        match fetched {
            Fetched::File(kind, bytes) => {
                let size = bytes.len() as u64;
                tx.put(FILE_BYTES, &(id, place), &FileBytes(bytes))?;
                tx.put(FILES, &(id, place), &FileState::Here { kind, size })?;
            }
            Fetched::Missing(trouble) => drop(tx.put(FILES, &(id, place), &FileState::Missing(trouble))?),
            Fetched::Listed(attachments) => {
                tx.remove(FILES, &(id, place))?;
                text.attachments = attachments;
                put_message(tx, &text)?;
                ask_for_files(tx, &text, now)?;
            }
        }
        tx.signal(Signal::Conversation(text.conversation));
    }
    finish(tx, &Effect::FetchFile(id, place), now)
}

/// The files of a text that is erased go with it.
pub(super) fn forget_files(tx: &mut Tx<'_>, message: &Message) -> Result<(), StoreError> {
    for place in places(message) {
        tx.remove(FILES, &(message.id, place))?;
        tx.remove(FILE_BYTES, &(message.id, place))?;
        drop_effect(tx, &Effect::FetchFile(message.id, place))?;
    }
    Ok(())
}

//! How keys and values become bytes.
//!
//! Keys are big-endian or self-delimiting, so that their order is the order of what they mean and
//! parts can follow one another. Values are postcard with a version byte of ours in front:
//! postcard does not describe itself, so a struct that has been released never changes in place;
//! a changed one gets the next version, and [`Stored::upgrade`] reads the older.

use fulcrum_domain::automation::EnrolmentId;
use fulcrum_domain::bulk::BulkId;
use fulcrum_domain::{
    Account, AppointmentId, ArchiveReasonId, BookingId, CarrierSid, ContactId, ConversationId, Effect,
    ErasureId, FilingId, Folder, InterviewId, MessageId, NoteId, Number, OpportunityId, PostingId, SessionId,
    Shelf, StageId, UserId,
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::records::Subject;

/// What can be a key, or a part of one.
pub trait Key: Sized {
    /// Appends the bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes the bytes off the front; none when they were not written by [`Key::write`].
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// The bytes of the whole key.
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        self.write(&mut out);
        out
    }
}

/// What can be a value.
pub trait Stored: Serialize + DeserializeOwned {
    /// The version of this shape. A change of the struct takes the next number.
    const VERSION: u8;

    /// Reads what an older version wrote.
    fn upgrade(_version: u8, _bytes: &[u8]) -> Option<Self> {
        None
    }
}

/// None for types that postcard does not know (maps of unknown length): no row of ours has such.
pub(super) fn encode<V: Stored>(value: &V) -> Option<Vec<u8>> {
    // What begins with 255 is sealed (`seal`), and no flipped bit of that may make it a version.
    const { assert!(V::VERSION < 64) };
    let mut out = Vec::with_capacity(128);
    out.push(V::VERSION);
    postcard::to_extend(value, out).ok()
}

pub(super) fn decode<V: Stored>(bytes: &[u8]) -> Result<V, u8> {
    let (&version, rest) = bytes.split_first().ok_or(0)?;
    if version == V::VERSION {
        postcard::from_bytes(rest).map_err(|_| version)
    } else {
        V::upgrade(version, rest).ok_or(version)
    }
}

impl Key for () {
    fn write(&self, _out: &mut Vec<u8>) {}
    fn read(_bytes: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Key for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(first)
    }
}

impl Key for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        Some(u64::from_be_bytes(*number))
    }
}

/// Milliseconds since the epoch; what lies before it sorts as the epoch.
impl Key for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_millisecond()).unwrap_or(0).write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Timestamp::from_millisecond(i64::try_from(u64::read(bytes)?).ok()?).ok()
    }
}

/// A 16-byte digest.
impl Key for [u8; 16] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk::<16>()?;
        *bytes = rest;
        Some(*digest)
    }
}

impl Key for SessionId {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_key().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        <[u8; 16]>::read(bytes).map(Self::new)
    }
}

/// Text, only as the last part of a key.
impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.to_owned();
        *bytes = &[];
        Some(text)
    }
}

impl Key for ConversationId {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::new)
    }
}

impl Key for ErasureId {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::new)
    }
}

impl Key for BookingId {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::new)
    }
}

impl Key for AppointmentId {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::new)
    }
}

impl Key for EnrolmentId {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::new)
    }
}

impl Key for BulkId {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Self::new)
    }
}

/// Only as the last part of a key.
impl Key for CarrierSid {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        String::read(bytes)?.parse().ok()
    }
}

impl Key for Number {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_u64().write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Self::from_u64(u64::read(bytes)?).ok()
    }
}

macro_rules! id_keys {
    ($($id:ty),*) => {$(
        impl Key for $id {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_key());
            }
            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let (id, rest) = Self::from_key(bytes).ok()?;
                *bytes = rest;
                Some(id)
            }
        }
    )*};
}

id_keys!(
    ArchiveReasonId,
    ContactId,
    FilingId,
    InterviewId,
    MessageId,
    NoteId,
    OpportunityId,
    PostingId,
    StageId,
    UserId
);

impl Key for Effect {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Send(id) => (1u8, *id).write(out),
            Self::PostNote(id) => (2u8, *id).write(out),
            Self::Hydrate(id) => (3u8, id.clone()).write(out),
            Self::Interviews(id) => (4u8, id.clone()).write(out),
            // 6 and 7 are left to kinds that came to be at the same time.
            Self::DeleteNote(erasure, opportunity, note) => {
                (8u8, (*erasure, opportunity.clone(), note.clone())).write(out);
            }
            Self::DeleteText(erasure, sid) => (9u8, (*erasure, sid.clone())).write(out),
            Self::Appointment(id) => (5u8, *id).write(out),
            Self::FetchFile(message, place) => (10u8, (*message, *place)).write(out),
        }
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            1 => Key::read(bytes).map(Self::Send),
            2 => Key::read(bytes).map(Self::PostNote),
            3 => Key::read(bytes).map(Self::Hydrate),
            4 => Key::read(bytes).map(Self::Interviews),
            8 => Key::read(bytes)
                .map(|(erasure, opportunity, note)| Self::DeleteNote(erasure, opportunity, note)),
            9 => Key::read(bytes).map(|(erasure, sid)| Self::DeleteText(erasure, sid)),
            5 => Key::read(bytes).map(Self::Appointment),
            10 => Key::read(bytes).map(|(message, place)| Self::FetchFile(message, place)),
            _ => None,
        }
    }
}

/// Its length first, so that others can follow it. An e-mail is shorter than 256 bytes.
impl Key for Account {
    fn write(&self, out: &mut Vec<u8>) {
        u8::try_from(self.as_str().len()).unwrap_or(u8::MAX).write(out);
        out.extend_from_slice(self.as_str().as_bytes());
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let length = u8::read(bytes)?;
        let (text, rest) = bytes.split_at_checked(length.into())?;
        *bytes = rest;
        std::str::from_utf8(text).ok()?.parse().ok()
    }
}

impl Key for Shelf {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Folder(folder) => (1u8, *folder as u8).write(out),
            Self::Mine(account) => (2u8, account.clone()).write(out),
        }
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            1 => Folder::ALL.get(usize::from(u8::read(bytes)?)).copied().map(Self::Folder),
            2 => Key::read(bytes).map(Self::Mine),
            _ => None,
        }
    }
}

impl Key for Subject {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Conversation(id) => (1u8, *id).write(out),
            Self::Opportunity(id) => (2u8, id.clone()).write(out),
        }
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            1 => Key::read(bytes).map(Self::Conversation),
            2 => Key::read(bytes).map(Self::Opportunity),
            _ => None,
        }
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?, C::read(bytes)?))
    }
}

#[cfg(test)]
mod tests;

//! Names of things: Lever's and our own, each a type of its own, so that none is taken for another.
//!
//! Lever's ids are mostly UUIDs but not always: default stages and custom roles have slugs
//! (lever-api.md 5). A [`LeverId`] keeps a canonical UUID as its 16 bytes and anything else as
//! text, which makes a row of the store, and a million of them, a third smaller.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id given by Lever: a UUID in 16 bytes, or a slug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum LeverId {
    Uuid(Uuid),
    Text(Box<str>),
}

impl LeverId {
    fn parse(text: &str) -> Self {
        // Only the canonical spelling, so that the id is given back to Lever as it came.
        match Uuid::try_parse(text) {
            Ok(uuid) if uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text => {
                Self::Uuid(uuid)
            }
            _ => Self::Text(text.into()),
        }
    }
}

impl fmt::Display for LeverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => write!(f, "{}", uuid.hyphenated()),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// An id that is no id: empty, longer than 128 bytes, or with characters that no id has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: it must be 1 to 128 letters, digits, '-', '_' or '.'")]
pub struct BadId;

/// What an id of Lever's may look like. It ends in URLs and keys, so strangers' characters are refused.
fn check(text: &str) -> Result<(), BadId> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let dots = text.bytes().all(|b| b == b'.');
    if text.len() <= 128 && !dots && text.bytes().all(plain) { Ok(()) } else { Err(BadId) }
}

macro_rules! lever_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(LeverId);

        impl $name {
            /// The bytes that stand for this id in a key of the store. They say where they end,
            /// so that ids can follow one another in a key.
            pub fn to_key(&self) -> Vec<u8> {
                match &self.0 {
                    LeverId::Uuid(uuid) => [&[0], uuid.as_bytes().as_slice()].concat(),
                    LeverId::Text(text) => {
                        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
                        [&[1, length], text.as_bytes()].concat()
                    }
                }
            }

            /// Reads the id that [`Self::to_key`] wrote, and gives back what follows it.
            ///
            /// # Errors
            /// [`BadId`] when the bytes were not written by it.
            pub fn from_key(key: &[u8]) -> Result<(Self, &[u8]), BadId> {
                match key {
                    [0, rest @ ..] => {
                        let (uuid, rest) = rest.split_first_chunk::<16>().ok_or(BadId)?;
                        Ok((Self(LeverId::Uuid(Uuid::from_bytes(*uuid))), rest))
                    }
                    [1, length, rest @ ..] => {
                        let (text, rest) = rest.split_at_checked((*length).into()).ok_or(BadId)?;
                        Ok((std::str::from_utf8(text).map_err(|_| BadId)?.parse()?, rest))
                    }
                    _ => Err(BadId),
                }
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                check(text)?;
                Ok(Self(LeverId::parse(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

lever_ids! {
    /// One person's candidacy (lever-api.md 5.1).
    OpportunityId;
    /// The person behind one or more opportunities (5.2).
    ContactId;
    /// A step of the pipeline; often a slug (5.8).
    StageId;
    /// A job (5.9).
    PostingId;
    /// A member of the recruiting team (5.10).
    UserId;
    /// Why an opportunity was archived (5.11).
    ArchiveReasonId;
    /// What the person sent to apply (5.3).
    ApplicationId;
    /// A meeting (5.5).
    InterviewId;
    /// The frame of one or more interviews (5.7).
    PanelId;
    /// A note on an opportunity (5.4).
    NoteId;
}

impl OpportunityId {
    /// From an id, or from the address of a profile in Lever, whichever of its sites that is on:
    /// `https://hire.lever.co/candidates/{id}`, with whatever stands behind the id.
    ///
    /// # Errors
    /// [`BadId`] when it is neither.
    pub fn from_profile(text: &str) -> Result<Self, BadId> {
        let text = text.trim();
        let behind = text.rsplit_once("/candidates/").map_or(text, |(_, behind)| behind);
        behind.split(['/', '?', '#']).next().unwrap_or_default().parse()
    }
}

macro_rules! own_uuids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one for this instant; `random` makes it unique within the millisecond.
            pub fn new(at: jiff::Timestamp, random: &[u8; 10]) -> Self {
                let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(ms, random).into_uuid())
            }

            /// The instant that it was made for, to the millisecond.
            pub fn made_at(self) -> jiff::Timestamp {
                let mut ms = [0; 8];
                ms[2..].copy_from_slice(&self.0.as_bytes()[..6]);
                jiff::Timestamp::from_millisecond(i64::from_be_bytes(ms)).unwrap_or(jiff::Timestamp::MAX)
            }

            /// The bytes that stand for this id in a key of the store, in order of time.
            pub fn to_key(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// Reads the id that [`Self::to_key`] wrote, and gives back what follows it.
            ///
            /// # Errors
            /// [`BadId`] when there are fewer than 16 bytes.
            pub fn from_key(key: &[u8]) -> Result<(Self, &[u8]), BadId> {
                let (uuid, rest) = key.split_first_chunk::<16>().ok_or(BadId)?;
                Ok((Self(Uuid::from_bytes(*uuid)), rest))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                Uuid::try_parse(text).map(Self).map_err(|_| BadId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

own_uuids! {
    /// A text, in or out. The `mid` of carriers.md 1.9.
    MessageId;
    /// A transcript being filed, or filed. The `ref` at the end of its note.
    FilingId;
}

/// The thread with one phone number. Short, since it stands in the links of notes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationId(u64);

/// A meeting that a candidate is asked to choose the time of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BookingId(u64);

impl BookingId {
    /// The n-th one.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Which one it is.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BookingId({})", self.0)
    }
}

/// Crockford's alphabet: no I, L, O, U, so that an id can be read out on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl ConversationId {
    /// The n-th conversation.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Which one it is.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = (64 - self.0.leading_zeros()).div_ceil(5).max(4);
        for place in (0..digits).rev() {
            let digit = (self.0 >> (place * 5)) & 31;
            write!(f, "{}", char::from(ALPHABET[digit as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConversationId({self})")
    }
}

impl FromStr for ConversationId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.is_empty() {
            return Err(BadId);
        }
        text.bytes()
            .try_fold(0u64, |number, byte| {
                let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_uppercase());
                let shifted = number.checked_mul(32).ok_or(BadId)?;
                Ok(shifted + digit.ok_or(BadId)? as u64)
            })
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uuid_text() -> impl Strategy<Value = String> {
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    }

    proptest! {
        #[test]
        fn an_id_is_given_back_as_it_came(text in prop_oneof![uuid_text(), "[A-Za-z0-9_-]{1,60}"]) {
            let id: OpportunityId = text.parse().unwrap();
            prop_assert_eq!(id.to_string(), text);
            let key = [id.to_key(), vec![7]].concat();
            prop_assert_eq!(OpportunityId::from_key(&key).unwrap(), (id, [7].as_slice()));
        }

        #[test]
        fn a_conversation_id_reads_back(number in any::<u64>()) {
            let id = ConversationId::new(number);
            prop_assert_eq!(id.to_string().parse::<ConversationId>().unwrap(), id);
        }

        #[test]
        fn no_key_of_a_stranger_panics(key in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = StageId::from_key(&key);
        }
    }

    #[test]
    fn an_id_that_would_leave_its_place_in_a_url_is_refused() {
        for text in ["", "..", ".", "a/b", "a?b", "a b", "é", "%2e", &"x".repeat(129)] {
            assert_eq!(text.parse::<OpportunityId>(), Err(BadId), "{text}");
        }
    }

    #[test]
    fn an_opportunity_is_named_by_its_profile() {
        let id: OpportunityId = "4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f".parse().unwrap();
        for before in
            ["", " ", "https://hire.lever.co/candidates/", "http://hire.sandbox.lever.co/candidates/"]
        {
            for behind in ["", " ", "?origin=", "#notes", "/resume"] {
                assert_eq!(OpportunityId::from_profile(&format!("{before}{id}{behind}")), Ok(id.clone()));
            }
        }
        for text in
            ["", "https://hire.lever.co/candidates", "https://hire.lever.co/candidates/", "Ada Example"]
        {
            assert_eq!(OpportunityId::from_profile(text), Err(BadId), "{text}");
        }
    }

    #[test]
    fn an_upper_case_uuid_stays_upper_case() {
        let text = "4F0C7A52-1111-4C1E-9D3A-0A1B2C3D4E5F";
        assert_eq!(text.parse::<StageId>().unwrap().to_string(), text);
    }
}

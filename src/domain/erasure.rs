//! Erasing a person, as it is proven afterwards: the certificate says what went, when, by whose wish
//! and what is left to be done by hand, and has nothing of the person in it but ids of Lever's.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::{Actor, BadId, ContactId, NoteId, Number, OpportunityId};

/// An erasure, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ErasureId(u64);

impl ErasureId {
    /// The n-th.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ErasureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ErasureId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        text.parse().map(Self).map_err(|_| BadId)
    }
}

/// Who is to be erased. A person is all opportunities of a contact, wherever one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The person behind an opportunity.
    Opportunity(OpportunityId),
    /// The person.
    Contact(ContactId),
    /// Whoever has this number, and the whole thread with it.
    Number(Number),
}

/// Why somebody was erased. Stored by position: new causes go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErasureCause {
    /// They were deleted in Lever.
    Deleted,
    /// They were anonymised in Lever.
    Anonymised,
    /// Somebody here wanted it.
    Command,
    /// What was said with them need not be kept any longer.
    Retention,
}

impl ErasureCause {
    /// The word in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Anonymised => "anonymised",
            Self::Command => "command",
            Self::Retention => "retention",
        }
    }

    /// What the activity says.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Deleted => "a person was erased, since they were deleted in Lever",
            Self::Anonymised => "a person was erased, since they were anonymised in Lever",
            Self::Command => "a person was erased by command",
            Self::Retention => "what was said with a person was erased, since its time was over",
        }
    }

    /// Whether their notes in Lever are ours to delete: with the opportunity they are gone anyway, and for
    /// how long Lever keeps what it has is Lever's to know.
    pub const fn leaves_notes(self) -> bool {
        matches!(self, Self::Anonymised | Self::Command)
    }
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedRows {
    /// Opportunities, as Lever showed them.
    pub opportunities: u64,
    /// Interviews.
    pub interviews: u64,
    /// Threads of which nothing is left.
    pub conversations: u64,
    /// Texts.
    pub messages: u64,
    /// Transcripts.
    pub transcripts: u64,
    /// Lines of the activity.
    pub activity: u64,
}

/// How far what we left elsewhere is gone. Stored by position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remains {
    /// It is being deleted.
    Asked,
    /// It is gone.
    Gone,
    /// A person must delete it, since we may not; why, in words.
    ByHand(String),
}

/// A note of ours in Lever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedNote {
    /// Where it stands.
    pub opportunity: OpportunityId,
    /// It.
    pub note: NoteId,
    /// How far it is gone.
    pub state: Remains,
}

/// The carrier's copies of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedCopies {
    /// How many were asked to be deleted.
    pub asked: u64,
    /// How many are gone.
    pub gone: u64,
    /// How many the carrier may have without our knowing their names: they were just being sent.
    pub unnamed: u64,
    /// How many stay, since the carrier deletes none when asked: for as long as it keeps them.
    pub kept: u64,
}

/// The certificate of an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// By whose wish.
    pub by: Actor,
    /// Why.
    pub cause: ErasureCause,
    /// Which opportunities; their tombstones keep them from coming back.
    pub opportunities: Vec<OpportunityId>,
    /// What went from the file.
    pub rows: ErasedRows,
    /// Our notes in Lever.
    pub notes: Vec<ErasedNote>,
    /// The carrier's copies.
    pub copies: ErasedCopies,
    /// When the file was written anew, without the bytes of the rows that went.
    #[serde(with = "millisecond::optional")]
    pub file_written_at: Option<Timestamp>,
}

impl Erasure {
    /// One that begins.
    pub fn new(at: Timestamp, by: Actor, cause: ErasureCause) -> Self {
        Self {
            at,
            by,
            cause,
            opportunities: Vec::new(),
            rows: ErasedRows::default(),
            notes: Vec::new(),
            copies: ErasedCopies::default(),
            file_written_at: None,
        }
    }

    /// Whether anything went.
    pub fn is_of_somebody(&self) -> bool {
        self.rows != ErasedRows::default()
    }

    /// Whether nothing is left to be done, here or elsewhere. What a carrier keeps that deletes nothing when asked
    /// is its own to delete.
    pub fn is_complete(&self) -> bool {
        let gone = self.notes.iter().all(|note| note.state == Remains::Gone);
        let settled = self.copies.gone + self.copies.kept;
        gone && settled == self.copies.asked && self.file_written_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_is_complete_when_nothing_is_left_anywhere() {
        let mut erasure = Erasure::new(Timestamp::UNIX_EPOCH, Actor::fulcrum(), ErasureCause::Command);
        assert!(!erasure.is_of_somebody());
        erasure.rows.messages = 1;
        erasure.copies.asked = 1;
        erasure.file_written_at = Some(Timestamp::UNIX_EPOCH);
        assert!(erasure.is_of_somebody() && !erasure.is_complete());
        erasure.copies.gone = 1;
        assert!(erasure.is_complete());
        erasure.copies.asked = 2;
        assert!(!erasure.is_complete());
        erasure.copies.kept = 1;
        assert!(erasure.is_complete(), "nobody can do anything about it");
        erasure.notes.push(ErasedNote {
            opportunity: "o".parse().unwrap(),
            note: "n".parse().unwrap(),
            state: Remains::ByHand("the key may not".into()),
        });
        assert!(!erasure.is_complete());
    }
}

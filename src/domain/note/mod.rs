//! A transcript as the note that Lever keeps (behaviour.md 1, *Format*).
//!
//! A note is read by people who never see fulcrum, may be read by more people than the texts
//! were, and notifies whoever an "@" in it names. So a note shows last digits and not numbers,
//! kinds and not links that act for the candidate, and nothing a stranger wrote can look like a
//! line of ours: what follows a line break in a text is indented.
//!
//! Plain data in, plain text out: the caller reads the store, this file knows nothing of it.
//! Each part ends with a reference, by which [`find_reference`] recognises a note of ours whose
//! posting had an unknown outcome.

mod clean;
mod layout;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ids::FilingId;
use crate::phone::Number;

pub use layout::{find_reference, reference, render};

/// The messages since the last filing, and what the note says around them.
///
/// No `Debug`, here and below: it would print what people wrote to each other.
#[derive(Clone)]
pub struct Transcript {
    /// The candidate's full name.
    pub candidate_name: String,
    /// The candidate's number.
    pub candidate_number: Number,
    /// Who sends the texts.
    pub organisation: String,
    /// The number they are sent from.
    pub our_number: Number,
    /// The organisation's zone, in which all times are shown.
    pub zone: TimeZone,
    /// In the order in which they are shown, which is that of their times.
    pub messages: Vec<Line>,
    /// Texts of earlier notes that were found not to have arrived.
    pub late_failures: Vec<LateFailure>,
    /// One-person links to be shown by their kind.
    pub links: Vec<LinkKind>,
    /// Where the conversation can be opened.
    pub public_link: Option<String>,
    /// The filing that this note is; its reference.
    pub filing: FilingId,
}

/// One message.
#[derive(Clone)]
pub struct Line {
    /// When the carrier had it, or when we decided to send it.
    pub at: Timestamp,
    /// Whose words it is.
    pub author: Author,
    /// What it says; may be empty beside media.
    pub body: String,
    /// What came or went with it.
    pub media: Vec<Media>,
    /// What went wrong, if it did.
    pub trouble: Option<Trouble>,
}

/// Whose words a message is.
#[derive(Clone)]
pub enum Author {
    /// A member of the recruiting team, by full name.
    Staff {
        /// The full name.
        name: String,
    },
    /// The candidate.
    Candidate,
    /// An automation, a booking, an opt-out confirmation.
    Automatic {
        /// What sent it, as named in the config.
        label: String,
        /// In whose name, if in anybody's.
        sender: Option<String>,
    },
}

/// A picture or another file.
#[derive(Clone)]
pub struct Media {
    /// As the carrier names it, e.g. `image/jpeg`.
    pub content_type: String,
    /// Its size in bytes, where known.
    pub size: Option<u64>,
}

/// Why a message may not have reached its reader.
#[derive(Clone)]
pub enum Trouble {
    /// The carrier says that it did not.
    NotDelivered {
        /// Why, in words for people.
        reason: String,
    },
    /// Nobody can say.
    Unconfirmed,
}

/// A text of an earlier note that did not arrive.
#[derive(Clone)]
pub struct LateFailure {
    /// The time under which the earlier note shows it.
    pub at: Timestamp,
    /// Why, in words for people.
    pub reason: String,
}

/// A kind of link that lets whoever has it act for the candidate.
#[derive(Clone)]
pub struct LinkKind {
    /// How all of them begin, e.g. `https://text.acme.example/b/`.
    pub prefix: String,
    /// What stands in their place, e.g. `booking link`.
    pub kind: String,
}

#[cfg(test)]
mod tests;

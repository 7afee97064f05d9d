//! What is stored beside the words of the domain: the inbox, what was seen, how far the sync is.

use std::fmt;

use fulcrum_domain::automation::EnrolmentId;
use fulcrum_domain::bulk::BulkId;
use fulcrum_domain::{
    Activity, Actor, AppointmentId, BackfillScope, ConversationId, Desk, ErasureId, HookEvent, MessageId,
    OpportunityId, Shelf, Suppression,
};
use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tables::Digest;

/// A verified webhook of Lever's that waits to be processed: ids only, since the signature covers
/// nothing else and everything is fetched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRow {
    /// What happened.
    pub event: HookEvent,
    /// To which opportunity, where it says.
    pub opportunity: Option<OpportunityId>,
    /// When, by Lever.
    #[serde(with = "millisecond::required")]
    pub triggered_at: Timestamp,
    /// When it came.
    #[serde(with = "millisecond::required")]
    pub received_at: Timestamp,
    /// What it is known by when it comes again, until that stands among those that were seen; none where it does.
    pub digest: Option<Digest>,
}

/// Why a webhook was refused that named one of the eight events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookRefusal {
    /// There is no token for it here.
    NoToken,
    /// It was signed with the token of another event.
    TokenOf(HookEvent),
    /// No token that is known here made the signature.
    BadSignature,
    /// It is too old to be true.
    TooOld,
}

/// The last webhook of an event that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedHook {
    /// When it came.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// Why it was refused.
    pub why: HookRefusal,
}

/// When something was first seen, so that its repeat is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen(#[serde(with = "millisecond::required")] pub Timestamp);

/// The tombstone of an opportunity. It keeps an older page from bringing the person back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted(#[serde(with = "millisecond::required")] pub Timestamp);

/// By which erasure somebody went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased(pub ErasureId);

/// Everything of somebody is kept, since a court may ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// By whose wish.
    pub by: Actor,
    /// Why, such as the number of the case.
    pub reason: String,
    /// Whether Lever has wanted them gone since.
    pub wanted_gone: bool,
}

/// Somebody said that a number may be texted again, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Who said so.
    pub by: Actor,
    /// How they know.
    pub reason: String,
    /// What they took back; none where it was only possible that there was an opt-out.
    pub opt_out: Option<Suppression>,
}

/// Nothing leaves, since this file is a restored copy: its original may have sent the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// Since when.
    #[serde(with = "millisecond::required")]
    pub since: Timestamp,
    /// When the backup was made.
    #[serde(with = "millisecond::required")]
    pub made_at: Timestamp,
}

/// Something that was done and has to be proven: an event of the activity, with the hash of itself
/// and of all that came before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// What happened.
    pub activity: Activity,
    /// SHA-256 over the entry before and this one.
    pub hash: [u8; 32],
}

/// Where a message stands in its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The thread.
    pub conversation: ConversationId,
    /// Its time there.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

/// A meeting, as it stands in the index by interviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engagement {
    /// With whom.
    pub opportunity: OpportunityId,
    /// Its length.
    pub minutes: u32,
}

/// The office's side of a thread, and where the inbox has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskRow {
    /// What is known.
    pub desk: Desk,
    /// On which shelves it lies.
    pub shelves: Vec<Shelf>,
    /// At which place there: its last activity.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

/// Enrolments that one actor has caused of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodRow {
    /// Those of the last minute, and when each was made, in milliseconds since the epoch.
    pub recent: Vec<(i64, EnrolmentId)>,
    /// The card that was opened last.
    pub card: Option<u64>,
}

/// A thread or an opportunity: what something happened to, or what is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A thread.
    Conversation(ConversationId),
    /// An opportunity.
    Opportunity(OpportunityId),
}

/// The answer to a request that carried an `Idempotency-Key`, given again to its repeats.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotent {
    /// When it was given.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// What was asked, as a digest: the same key for another request is a mistake.
    pub request: [u8; 16],
    /// What came of it.
    pub created: Created,
}

/// What a request made. Stored by position: new ones go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Created {
    /// A text.
    Message(MessageId),
    /// An interview.
    Appointment(AppointmentId),
    /// A bulk text.
    Bulk(BulkId),
    /// An offer of times, in this conversation.
    Offer(ConversationId),
    /// Nothing that is told: it was done.
    Done,
    /// So much of what was asked for.
    Count(u64),
    /// An erasure, with its certificate.
    Erasure(ErasureId),
    /// The end of the muting, as an older program told it: texts, late ones, transcripts, others.
    Unmuted([u64; 4]),
    /// An import: texts, those known before, opt-outs.
    Imported([u64; 3]),
    /// The end of the muting: texts, late ones, transcripts, others, bulk texts, candidates in automations.
    CameToLife([u64; 6]),
}

/// A file that came with a text. postcard would write a list number by number.
#[derive(Clone, PartialEq, Eq)]
pub struct FileBytes(pub Vec<u8>);

impl fmt::Debug for FileBytes {
    /// Without what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBytes({})", self.0.len())
    }
}

impl Serialize for FileBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for FileBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = FileBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<FileBytes, E> {
                Ok(FileBytes(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// What a candidate knows of an interview that was changed in Lever since. Until it begins, the text that tells
/// them of that may not have left.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppointmentNews {
    /// When they are told; once they were, when it begins.
    #[serde(with = "millisecond::required")]
    pub due_at: Timestamp,
    /// Its start.
    #[serde(with = "millisecond::required")]
    pub starts_at: Timestamp,
    /// Its length.
    pub minutes: u32,
    /// Its place.
    pub location: Option<String>,
    /// The last text that tells them, which may wait still.
    pub told: Option<MessageId>,
    /// Whether it was changed after that text, or there is none.
    pub changed_since: bool,
}

/// A key made at the first start and never shown.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey(pub [u8; 32]);

/// The parts of the initial sync, in their order: what is useful first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PhaseName {
    /// Users, deactivated ones too.
    Users,
    /// Stages of the pipeline.
    Stages,
    /// Archive reasons.
    ArchiveReasons,
    /// Postings.
    Postings,
    /// Active opportunities that moved of late.
    RecentOpportunities,
    /// The other active opportunities.
    ActiveOpportunities,
    /// Archived opportunities.
    ArchivedOpportunities,
    /// Interviews, of active opportunities before archived ones.
    Interviews,
    /// What changed while all that was read.
    CatchUp,
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhaseState {
    /// Its turn has not come.
    Waiting,
    /// It is at work.
    Running,
    /// It is done.
    Complete,
}

impl PhaseState {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Complete => "complete",
        }
    }
}

/// A part of the initial sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Which.
    pub name: PhaseName,
    /// How far.
    pub state: PhaseState,
    /// Rows stored by it.
    pub done: u64,
    /// Requests that it took.
    pub requests: u64,
    /// Where it goes on: Lever's offset.
    pub cursor: Option<String>,
}

/// What the initial sync was told to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Confidential records, too.
    pub confidential: bool,
    /// Interviews.
    pub interviews: BackfillScope,
    /// Only opportunities created since.
    #[serde(with = "millisecond::optional")]
    pub since: Option<Timestamp>,
}

impl Scope {
    /// Whether something is in it that `other` leaves out.
    pub fn is_wider_than(&self, other: &Self) -> bool {
        (self.confidential && !other.confidential)
            || self.interviews > other.interviews
            // No limit comes before every limit.
            || self.since < other.since
    }
}

/// The initial sync, stored with each page in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillState {
    /// When the first listing began: what changed since then is caught up.
    #[serde(with = "millisecond::required")]
    pub began_at: Timestamp,
    /// When it was done.
    #[serde(with = "millisecond::optional")]
    pub complete_at: Option<Timestamp>,
    /// What it was told to read: it begins anew when that becomes more.
    pub scope: Scope,
    /// Its parts, in order.
    pub phases: Vec<Phase>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_wider_if_any_part_of_it_is() {
        let since = |s| Some(Timestamp::from_second(s).unwrap());
        let usual = Scope { confidential: false, interviews: BackfillScope::Active, since: since(10) };
        assert!(!usual.is_wider_than(&usual));
        assert!(Scope { confidential: true, interviews: BackfillScope::None, ..usual }.is_wider_than(&usual));
        assert!(Scope { interviews: BackfillScope::All, ..usual }.is_wider_than(&usual));
        assert!(Scope { since: since(9), ..usual }.is_wider_than(&usual));
        assert!(Scope { since: None, ..usual }.is_wider_than(&usual));
        assert!(!Scope { since: since(11), ..usual }.is_wider_than(&usual));
    }
}

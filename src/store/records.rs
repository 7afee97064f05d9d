//! What is stored beside the words of the domain: the inbox, what was seen, how far the sync is.
//!
//! Here, too, stands the version of every stored shape. A struct that has been released never
//! changes in place; `tests/fixtures` holds backups as older programs wrote them, and a test reads them.

use std::fmt;

use fulcrum_domain::automation::{
    AutomationState, Card, Enrolment, EnrolmentId, EnrolmentState, Event, EventKind, RunLine,
};
use fulcrum_domain::booking::{Booking, Talk};
use fulcrum_domain::bulk::{Bulk, BulkId, Recipient};
use fulcrum_domain::file::FileState;
use fulcrum_domain::template::Version;
use fulcrum_domain::zones::KnownZone;
use fulcrum_domain::{
    Activity, Actor, Appointment, AppointmentId, ArchiveReason, BackfillScope, BookingId, Consent,
    Conversation, ConversationId, Desk, EffectRow, EffectState, ErasedCopies, ErasedNote, ErasedRows,
    Erasure, ErasureCause, ErasureId, Filing, HookEvent, Interview, Lane, Message, MessageId, Opportunity,
    OpportunityId, Posting, Reminders, Searchable, Shelf, SignIn, Stage, Suppression, User, UserId,
};
use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codec::Stored;

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

macro_rules! stored {
    ($($shape:ty = $version:literal;)*) => {$(
        impl Stored for $shape {
            const VERSION: u8 = $version;
        }
    )*};
}

stored! {
    () = 1;
    u64 = 1;
    Activity = 1;
    Appointment = 1;
    AppointmentId = 1;
    ArchiveReason = 1;
    AuditEntry = 1;
    BackfillState = 1;
    Consent = 1;
    Bulk = 1;
    AutomationState = 1;
    Card = 1;
    Booking = 1;
    BookingId = 1;
    Conversation = 1;
    ConversationId = 1;
    Deleted = 1;
    DeskRow = 1;
    Erased = 1;
    Filing = 1;
    Hold = 1;
    Event = 1;
    FileBytes = 1;
    FileState = 1;
    FloodRow = 1;
    HookRow = 1;
    Interview = 1;
    KnownZone = 1;
    Lifted = 1;
    Engagement = 1;
    Message = 1;
    MessageId = 1;
    Muted = 1;
    Opportunity = 1;
    Place = 1;
    Posting = 1;
    RefusedHook = 1;
    Recipient = 1;
    RunLine = 1;
    Reminders = 1;
    Searchable = 1;
    SecretKey = 1;
    Seen = 1;
    SignIn = 1;
    Stage = 1;
    String = 1;
    Suppression = 1;
    Talk = 1;
    User = 1;
    UserId = 1;
    Version = 1;
}

impl Stored for AppointmentNews {
    const VERSION: u8 = 2;

    /// The first version went with the text.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Untold {
            #[serde(with = "millisecond::required")]
            due_at: Timestamp,
            #[serde(with = "millisecond::required")]
            starts_at: Timestamp,
            minutes: u32,
            location: Option<String>,
        }
        let Untold { due_at, starts_at, minutes, location } = match version {
            1 => postcard::from_bytes(bytes).ok()?,
            _ => return None,
        };
        Some(Self { due_at, starts_at, minutes, location, told: None, changed_since: true })
    }
}

impl Stored for Erasure {
    const VERSION: u8 = 2;

    /// The first version did not count the copies that a carrier keeps.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Copies {
            asked: u64,
            gone: u64,
            unnamed: u64,
        }
        #[derive(Deserialize)]
        struct Before {
            #[serde(with = "millisecond::required")]
            at: Timestamp,
            by: Actor,
            cause: ErasureCause,
            opportunities: Vec<OpportunityId>,
            rows: ErasedRows,
            notes: Vec<ErasedNote>,
            copies: Copies,
            #[serde(with = "millisecond::optional")]
            file_written_at: Option<Timestamp>,
        }
        let Before { at, by, cause, opportunities, rows, notes, copies, file_written_at } = match version {
            1 => postcard::from_bytes(bytes).ok()?,
            _ => return None,
        };
        let Copies { asked, gone, unnamed } = copies;
        let copies = ErasedCopies { asked, gone, unnamed, kept: 0 };
        Some(Self { at, by, cause, opportunities, rows, notes, copies, file_written_at })
    }
}

impl Stored for EffectRow {
    const VERSION: u8 = 2;

    /// The first version did not count answers apart from attempts.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Uncounted {
            state: EffectState,
            lane: Lane,
            #[serde(with = "millisecond::required")]
            due_at: Timestamp,
            #[serde(with = "millisecond::required")]
            asked_at: Timestamp,
            attempts: u32,
            looks: u32,
            again: bool,
            deletion_announced: bool,
            last_error: Option<String>,
        }
        let Uncounted {
            state,
            lane,
            due_at,
            asked_at,
            attempts,
            looks,
            again,
            deletion_announced,
            last_error,
        } = match version {
            1 => postcard::from_bytes(bytes).ok()?,
            _ => return None,
        };
        Some(Self {
            state,
            lane,
            due_at,
            asked_at,
            attempts,
            looks,
            again,
            deletion_announced,
            last_error,
            limited: None,
        })
    }
}

impl Stored for Enrolment {
    const VERSION: u8 = 2;

    /// The first version knew an interview by its id alone.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct First {
            automation: String,
            opportunity: OpportunityId,
            event: EventKind,
            #[serde(with = "millisecond::required")]
            happened_at: Timestamp,
            #[serde(with = "millisecond::required")]
            enrolled_at: Timestamp,
            #[serde(with = "millisecond::optional")]
            due: Option<Timestamp>,
            state: EnrolmentState,
            card: Option<u64>,
        }
        let first: First = match version {
            1 => postcard::from_bytes(bytes).ok()?,
            _ => return None,
        };
        let First { automation, opportunity, event, happened_at, enrolled_at, due, state, card } = first;
        Some(Self { automation, opportunity, event, happened_at, enrolled_at, due, state, card, was: None })
    }
}

impl Stored for Idempotent {
    const VERSION: u8 = 2;

    /// The first version knew of texts alone.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct OfText {
            #[serde(with = "millisecond::required")]
            at: Timestamp,
            request: [u8; 16],
            message: MessageId,
        }
        let OfText { at, request, message } = match version {
            1 => postcard::from_bytes(bytes).ok()?,
            _ => return None,
        };
        Some(Self { at, request, created: Created::Message(message) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_of_an_older_program_reads_as_one_without_counted_answers() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let row =
            EffectRow { attempts: 7, last_error: Some("busy".into()), ..EffectRow::new(Lane::Live, at, at) };
        let mut older = vec![1];
        // The last field, none, is one byte.
        older.extend(postcard::to_allocvec(&row).unwrap().split_last().unwrap().1);
        assert_eq!(EffectRow::upgrade(1, &older[1..]), Some(row));
    }

    #[test]
    fn a_certificate_of_an_older_program_reads_as_one_of_which_no_carrier_keeps_anything() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let copies = ErasedCopies { asked: 5, gone: 2, unnamed: 3, kept: 0 };
        let row = Erasure { copies, ..Erasure::new(at, Actor::fulcrum(), ErasureCause::Command) };
        let mut older = postcard::to_allocvec(&row).unwrap();
        // The last field, none, is one byte, and so is the one before, which is new.
        older.remove(older.len() - 2);
        assert_eq!(Erasure::upgrade(1, &older), Some(row));
    }

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

//! What is stored beside the words of the domain: the inbox, what was seen, how far the sync is.
//!
//! Here, too, stands the version of every stored shape. A struct that has been released never
//! changes in place; `tests/fixtures` of this room hold a row of each as it was written.

use fulcrum_domain::booking::{Booking, Talk};
use fulcrum_domain::{
    Activity, Appointment, AppointmentId, ArchiveReason, BookingId, Conversation, ConversationId, Desk,
    EffectRow, Filing, HookEvent, Interview, Message, MessageId, Opportunity, OpportunityId, Posting,
    Reminders, Searchable, Shelf, SignIn, Stage, Suppression, User, UserId,
};
use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

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

/// When something was first seen, so that its repeat is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen(#[serde(with = "millisecond::required")] pub Timestamp);

/// The tombstone of an opportunity. It keeps an older page from bringing the person back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted(#[serde(with = "millisecond::required")] pub Timestamp);

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

/// What something happened to, as the activity is looked up by it.
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
    /// The message that came of it.
    pub message: MessageId,
}

/// The same for a request that arranged an interview.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeAppointment {
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// What was asked, as a digest.
    pub request: [u8; 16],
    /// The interview that came of it.
    pub appointment: AppointmentId,
}

/// What a candidate knows of an interview that was changed in Lever since.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppointmentNews {
    /// When they are told.
    #[serde(with = "millisecond::required")]
    pub due_at: Timestamp,
    /// Its start.
    #[serde(with = "millisecond::required")]
    pub starts_at: Timestamp,
    /// Its length.
    pub minutes: u32,
    /// Its place.
    pub location: Option<String>,
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

/// Which interviews the initial sync lists, one request an opportunity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BackfillScope {
    /// None.
    None,
    /// Those of active opportunities.
    Active,
    /// All.
    All,
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
    AppointmentNews = 1;
    ArchiveReason = 1;
    BackfillState = 1;
    Booking = 1;
    BookingId = 1;
    Conversation = 1;
    ConversationId = 1;
    Deleted = 1;
    DeskRow = 1;
    EffectRow = 1;
    Filing = 1;
    HookRow = 1;
    Idempotent = 1;
    Interview = 1;
    MadeAppointment = 1;
    Engagement = 1;
    Message = 1;
    MessageId = 1;
    Opportunity = 1;
    Place = 1;
    Posting = 1;
    Reminders = 1;
    Searchable = 1;
    SecretKey = 1;
    Seen = 1;
    SignIn = 1;
    Stage = 1;
    Suppression = 1;
    Talk = 1;
    User = 1;
    UserId = 1;
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

//! The version of every stored shape, and how an older one is read. A struct that has been released never
//! changes in place; `tests/fixtures` holds backups as older programs wrote them, and a test reads them.

use fulcrum_domain::automation::{
    AutomationState, Card, Enrolment, EnrolmentState, Event, EventKind, HeldFor, RunLine,
};
use fulcrum_domain::booking::{Booking, Talk};
use fulcrum_domain::bulk::{Bulk, Recipient};
use fulcrum_domain::file::FileState;
use fulcrum_domain::template::Version;
use fulcrum_domain::zones::KnownZone;
use fulcrum_domain::{
    Activity, Actor, Appointment, AppointmentId, ArchiveReason, BookingId, Consent, ContactId, Conversation,
    ConversationId, EffectRow, EffectState, ErasedCopies, ErasedNote, ErasedRows, Erasure, ErasureCause,
    Filing, FilingState, HookEvent, Interview, Lane, Message, MessageId, NoteId, Opportunity, OpportunityId,
    Posting, Reminded, Reminders, Searchable, SignIn, Stage, Suppression, User, UserId, WhyHeld,
};
use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::codec::Stored;
use super::records::{
    AppointmentNews, AuditEntry, BackfillState, Created, Deleted, DeskRow, Engagement, Erased, FileBytes,
    FloodRow, Hold, HookRow, Idempotent, Lifted, Muted, Place, RefusedHook, SecretKey, Seen,
};

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
    Hold = 1;
    Event = 1;
    FileBytes = 1;
    FileState = 1;
    FloodRow = 1;
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

/// Reads what a first version wrote.
fn first<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Option<T> {
    if version == 1 { postcard::from_bytes(bytes).ok() } else { None }
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
        let Untold { due_at, starts_at, minutes, location } = first(version, bytes)?;
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
        let Before { at, by, cause, opportunities, rows, notes, copies, file_written_at } =
            first(version, bytes)?;
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
        } = first(version, bytes)?;
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

/// What an enrolment is held for, by the words of older programs, which stand in files whatever is said today.
fn held_for(words: String) -> HeldFor {
    let card =
        || words.strip_prefix("many at once: card ")?.strip_suffix(" waits for approval")?.parse().ok();
    match (words.as_str(), card()) {
        (_, Some(card)) => HeldFor::Card(card),
        ("the automation is paused", _) => HeldFor::Paused,
        ("the candidate may have opted out: nothing is sent by itself until somebody decides", _) => {
            HeldFor::Doubt
        }
        ("no hour is open in all time zones that the number allows", _) => HeldFor::NoHour,
        _ => HeldFor::NoText(words),
    }
}

impl Stored for Enrolment {
    const VERSION: u8 = 3;

    /// The first version knew an interview by its id alone, and both said in words alone what one is held for.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        enum State {
            Waiting,
            Held(String),
            Sent(MessageId),
            Ended(String),
        }
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
            state: State,
            card: Option<u64>,
        }
        let (first, rest): (First, _) = postcard::take_from_bytes(bytes).ok()?;
        let was = match version {
            1 => None,
            2 => postcard::from_bytes(rest).ok()?,
            _ => return None,
        };
        let First { automation, opportunity, event, happened_at, enrolled_at, due, state, card } = first;
        let state = match state {
            State::Waiting => EnrolmentState::Waiting,
            State::Held(words) => EnrolmentState::Held(held_for(words)),
            State::Sent(text) => EnrolmentState::Sent(text),
            State::Ended(why) => EnrolmentState::Ended(why),
        };
        Some(Self { automation, opportunity, event, happened_at, enrolled_at, due, state, card, was })
    }
}

impl Stored for Filing {
    const VERSION: u8 = 2;

    /// The first version said in words alone why one is held.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        enum State {
            Due,
            Posting,
            Filed,
            Held(String),
        }
        #[derive(Deserialize)]
        struct First {
            conversation: ConversationId,
            opportunity: OpportunityId,
            contact: Option<ContactId>,
            confidential: bool,
            reposts: u32,
            perform_as: Option<UserId>,
            secret: bool,
            parts: Vec<String>,
            notes: Vec<NoteId>,
            messages: u32,
            state: State,
            #[serde(with = "millisecond::required")]
            due_at: Timestamp,
            #[serde(with = "millisecond::optional")]
            filed_at: Option<Timestamp>,
        }
        let First {
            conversation,
            opportunity,
            contact,
            confidential,
            reposts,
            perform_as,
            secret,
            parts,
            notes,
            messages,
            state,
            due_at,
            filed_at,
        } = first(version, bytes)?;
        let state = match state {
            State::Due => FilingState::Due,
            State::Posting => FilingState::Posting,
            State::Filed => FilingState::Filed,
            State::Held(words) if words == "Lever does not show the opportunity any more" => {
                FilingState::Held(WhyHeld::NotShown)
            }
            State::Held(words) => FilingState::Held(WhyHeld::Other(words)),
        };
        Some(Self {
            conversation,
            opportunity,
            contact,
            confidential,
            reposts,
            perform_as,
            secret,
            parts,
            notes,
            messages,
            state,
            due_at,
            filed_at,
        })
    }
}

impl Stored for HookRow {
    const VERSION: u8 = 2;

    /// The first version stood among those that were seen from the beginning.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct First {
            event: HookEvent,
            opportunity: Option<OpportunityId>,
            #[serde(with = "millisecond::required")]
            triggered_at: Timestamp,
            #[serde(with = "millisecond::required")]
            received_at: Timestamp,
        }
        let First { event, opportunity, triggered_at, received_at } = first(version, bytes)?;
        Some(Self { event, opportunity, triggered_at, received_at, digest: None })
    }
}

impl Stored for Reminders {
    const VERSION: u8 = 2;

    /// The first version did not say which of them there are none of.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Untold {
            opportunity: OpportunityId,
            of: Reminded,
            #[serde(with = "millisecond::required")]
            starts_at: Timestamp,
            due: Vec<i64>,
            sent: Option<MessageId>,
            #[serde(with = "millisecond::required")]
            armed: Timestamp,
        }
        let Untold { opportunity, of, starts_at, due, sent, armed } = first(version, bytes)?;
        Some(Self { opportunity, of, starts_at, due, sent, armed, dropped: Vec::new() })
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
        let OfText { at, request, message } = first(version, bytes)?;
        Some(Self { at, request, created: Created::Message(message) })
    }
}

#[cfg(test)]
mod tests;

//! The version of every stored shape, and how an older one is read. A struct that has been released never
//! changes in place; `tests/fixtures` holds backups as older programs wrote them, and a test reads them.

use fulcrum_domain::automation::{
    AutomationState, Card, Enrolment, EnrolmentState, Event, EventKind, RunLine,
};
use fulcrum_domain::booking::{Booking, Talk};
use fulcrum_domain::bulk::{Bulk, Recipient};
use fulcrum_domain::file::FileState;
use fulcrum_domain::template::Version;
use fulcrum_domain::zones::KnownZone;
use fulcrum_domain::{
    Activity, Actor, Appointment, AppointmentId, ArchiveReason, BookingId, Consent, Conversation,
    ConversationId, EffectRow, EffectState, ErasedCopies, ErasedNote, ErasedRows, Erasure, ErasureCause,
    Filing, HookEvent, Interview, Lane, Message, MessageId, Opportunity, OpportunityId, Posting, Reminded,
    Reminders, Searchable, SignIn, Stage, Suppression, User, UserId,
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
    Filing = 1;
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
        let first: First = first(version, bytes)?;
        let First { automation, opportunity, event, happened_at, enrolled_at, due, state, card } = first;
        Some(Self { automation, opportunity, event, happened_at, enrolled_at, due, state, card, was: None })
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
    fn a_webhook_that_an_older_program_took_waits_still() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let opportunity = Some("a-slug".parse().unwrap());
        let event = HookEvent::CandidateHired;
        let row = HookRow { event, opportunity, triggered_at: at, received_at: at, digest: None };
        let older = postcard::to_allocvec(&row).unwrap();
        // The last field, none, is one byte.
        assert_eq!(HookRow::upgrade(1, older.split_last().unwrap().1), Some(row));
    }

    #[test]
    fn reminders_of_an_older_program_read_as_ones_of_which_none_was_left_out() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let of = Reminded::Appointment(AppointmentId::new(1));
        let row = Reminders::new("o1".parse().unwrap(), of, at, [at], Vec::new());
        let older = postcard::to_allocvec(&row).unwrap();
        // The last field, none, is one byte.
        assert_eq!(Reminders::upgrade(1, &older[..older.len() - 1]), Some(row));
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
}

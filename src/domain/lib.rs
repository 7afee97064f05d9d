//! The words of the trade as types, and every decision about people, time and texts.
//!
//! Pure: nothing here knows a clock, a socket, a file or a runtime. Time comes in as an
//! argument, randomness too, and what is to be done comes out as a value.

mod activity;
mod appointment;
pub mod automation;
pub mod booking;
mod brake;
pub mod bulk;
mod choices;
mod consent;
mod conversation;
mod delivery;
mod desk;
mod erasure;
pub mod file;
mod filing;
pub mod guard;
mod hook_event;
mod ids;
pub mod note;
pub mod optout;
mod outbox;
mod pacing;
mod people;
mod phone;
pub mod polling;
pub mod quiet;
mod reminder;
mod retention;
mod searchable;
mod segments;
mod sending;
mod sign_in;
pub mod slots;
pub mod states;
mod suppression;
pub mod template;
mod tenant;
mod wheel;
pub mod zones;

pub use activity::{Activity, ActivityKind};
pub use appointment::{
    Appointment, AppointmentId, InLever, LeversChange, Meeting, MeetingFlaw, NewAppointment, Wanted, Write,
};
pub use brake::{Brake, Gate};
pub use choices::{BackfillScope, Confidential, OnUnknown, RemindOf, TranscriptMode};
pub use consent::{Answer, Consent, ConsentLevel, ConsentQuestion, ConsentRules, ConsentSource, NoConsent};
pub use conversation::{
    Attachment, Author, Body, Candidacy, Conversation, Direction, FilingTimes, Message, Session, target,
};
pub use delivery::{BadSid, CarrierSid, Delivery, Remedy, SendFailure};
pub use desk::{Desk, Folder, Folders, Said, Shelf, folders, shelves};
pub use erasure::{ErasedCopies, ErasedNote, ErasedRows, Erasure, ErasureCause, ErasureId, Remains, Whom};
pub use filing::{Filing, FilingState, Group, Grouping, WhyHeld, main_author, plan};
pub use guard::{Purpose, Refusal};
pub use hook_event::HookEvent;
pub use ids::{
    ApplicationId, ArchiveReasonId, BadId, BookingId, ContactId, ConversationId, FilingId, InterviewId,
    MessageId, NoteId, OpportunityId, PanelId, PostingId, StageId, UserId,
};
pub use outbox::{DeadlineKey, Effect, EffectKind, EffectRow, EffectState, Remote, retry_at};
pub use pacing::{Lane, Rate, Turns, Usage};
pub use people::{Account, Actor, NotAnAccount, Right, Role, Sight};
pub use phone::{NotANumber, NotARegion, NotE164, Number, Region};
pub use reminder::{Planned, Reminded, Reminders, remind_at};
pub use retention::{Footing, Retention};
pub use searchable::Searchable;
pub use segments::{Encoding, MAX_BODY_CHARS, Segments, explain, tidy};
pub use sending::{Listed, Lost, LostSend, SegmentPacing, match_lost, next_look, next_repeat};
pub use sign_in::{Authority, Lifetimes, SessionId, SignIn, SignInKind};
pub use suppression::{OptOutSource, Suppression};
pub use tenant::{ArchiveReason, Archived, Interview, Opportunity, Phone, Posting, Stage, User, is_newer};
pub use wheel::{Tick, Wheel};

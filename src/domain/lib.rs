//! The words of the trade as types, and every decision about people, time and texts.
//!
//! Pure: nothing here knows a clock, a socket, a file or a runtime. Time comes in as an
//! argument, randomness too, and what is to be done comes out as a value.

mod ids;
pub mod note;
pub mod optout;
mod phone;
mod segments;
mod wheel;

pub use ids::{
    ApplicationId, ArchiveReasonId, BadId, ContactId, ConversationId, FilingId, InterviewId, MessageId,
    NoteId, OpportunityId, PanelId, PostingId, StageId, UserId,
};
pub use phone::{NotANumber, NotARegion, NotE164, Number, Region};
pub use segments::{Encoding, MAX_BODY_CHARS, Segments, tidy};
pub use wheel::{Tick, Wheel};

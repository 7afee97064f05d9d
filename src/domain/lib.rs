//! The words of the trade as types, and every decision about people, time and texts.
//!
//! Pure: nothing here knows a clock, a socket, a file or a runtime. Time comes in as an
//! argument, randomness too, and what is to be done comes out as a value.

mod delivery;
mod ids;
mod sending;

pub use delivery::{BadSid, CarrierSid, Delivery, Remedy, SendFailure, class_of};
pub use ids::{
    ApplicationId, ArchiveReasonId, BadId, ContactId, ConversationId, FilingId, InterviewId, MessageId,
    NoteId, OpportunityId, PanelId, PostingId, StageId, UserId,
};
pub use sending::{Listed, Lost, LostSend, SegmentPacing, lookup_delay, match_lost};

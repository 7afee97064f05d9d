//! The Lever Data API (lever-api.md): client, pace, errors, permission probe, webhook envelope.

mod pace;
mod wire;

pub use pace::{PaceSettings, PaceStatus, Pacer, Stopped, Turn};
pub use wire::{
    Application, ArchiveReason, Archived, Contact, IdOr, Interview, Interviewer, Note, NoteField, Offset,
    Opportunity, Page, Phone, Posting, Stage, StageChange, User,
};

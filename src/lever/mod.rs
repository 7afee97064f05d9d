//! The Lever Data API (lever-api.md): client, pace, errors, permission probe, webhook envelope.

mod client;
mod endpoint;
mod error;
mod hook;
mod pace;
mod probe;
mod requests;
mod scheduling;
mod wire;

pub use client::{LeverClient, LeverSettings, Observer, Seen, SettingsError};
pub use endpoint::Endpoint;
pub use error::{LeverError, Outcome};
pub use hook::{Envelope, HookError};
pub use pace::{PaceSettings, PaceStatus, Pacer, Stopped, Turn};
pub use probe::{Permissions, Verdict, probe};
pub use requests::{Confidentiality, ListQuery, NewNote, Span};
pub use scheduling::{InterviewBody, InterviewerBody, Performed};
pub use wire::{
    Application, ArchiveReason, Archived, Contact, IdOr, Interview, Interviewer, Note, NoteField, Offset,
    Opportunity, Page, Panel, Phone, Posting, Stage, StageChange, Unreadable, User,
};

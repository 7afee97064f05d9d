//! Calendars in the iCalendar format: reading those of interviewers for when they have no time, and
//! the file that a candidate puts into theirs.

mod client;
mod feed;
mod invitation;
mod windows;

pub use client::{Calendars, FeedError};
pub use feed::{BadFeed, busy};
pub use invitation::{Invitation, file};

//! The moving parts.

pub mod changes;
pub mod clock;

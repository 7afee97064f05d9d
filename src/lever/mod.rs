//! The Lever Data API (lever-api.md): client, pace, errors, permission probe, webhook envelope.

mod pace;

pub use pace::{PaceSettings, PaceStatus, Pacer, Stopped, Turn};

//! The simulated Lever and the simulated carriers: real HTTP servers with the real contracts, faults on demand
//! and a ledger of what really happened.
//!
//! It knows nothing of the daemon's rooms: sharing types with the client would hide bugs.

#![allow(clippy::disallowed_methods, reason = "a simulator has clocks and tasks of its own")]

mod carrier;
mod clock;
mod control;
mod courier;
mod dice;
mod exchange;
mod faults;
mod gateway;
mod ledger;
mod lever;
mod sandbox;
mod seen;
mod server;
mod telnyx;
pub mod twilio;

pub use carrier::Carrier;
pub use clock::SimClock;
pub use faults::{Fault, Faults, Remote, Rule};
pub use ledger::{Entry, Ledger};
pub use lever::{
    Event, EventError, Happened, Hidden, LeverOptions, Moves, Permission, Permissions, Stats, Truth,
    TruthInterview, TruthNote, UnknownPermission, WEBHOOK_EVENTS, WebhookRetries,
};
pub use sandbox::{Options, Sandbox, SandboxError, SandboxStats, TextError};
pub use seen::Requests;

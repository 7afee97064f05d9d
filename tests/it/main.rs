//! The whole engine over real sockets, against the simulated Lever and the simulated Twilio.

#![allow(clippy::unwrap_used, reason = "a test may end at what it did not expect")]

mod bad_answers;
mod disk;
mod doubts;
mod erasure;
mod floors;
mod opt_out;
mod store_faults;
mod sync;
mod texts;
mod transcripts;
mod world;

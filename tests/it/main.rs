//! The whole engine over real sockets, against the simulated Lever and the simulated carriers.

#![allow(clippy::unwrap_used, reason = "a test may end at what it did not expect")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod activation;
mod automations;
mod backups;
mod bad_answers;
mod booking;
mod bulk;
mod carriers;
mod consent;
mod crash;
#[allow(dead_code, reason = "the drills use more of it")]
mod daemon;
mod days;
mod disk;
mod doubts;
mod erasure;
mod events;
mod facts;
mod files;
mod floors;
mod holdups;
mod hours;
mod interviews;
mod judge;
mod load;
mod opt_out;
mod polling;
mod quiet;
mod sealed;
mod search;
mod secrecy;
mod segments;
mod store_faults;
mod sync;
mod texts;
mod transcripts;
mod way_out;
mod world;

//! fulcrum as a library, so that tests can run the whole program in process.
//!
//! The rooms, from the ground up; each uses what stands below it, never what stands above or
//! beside it. See ARCHITECTURE.md.

pub mod bucket;
pub mod calendar;
pub mod config;
pub mod search;
pub mod store;

pub mod carrier;
pub mod lever;

pub mod engine;

pub mod server;

pub mod cli;

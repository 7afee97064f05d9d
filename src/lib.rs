//! fulcrum as a library, so that tests can run the whole program in process.

pub mod config;
pub mod store;

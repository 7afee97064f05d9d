//! fulcrum as a library, so that tests can run the whole program in process.

pub mod lever;

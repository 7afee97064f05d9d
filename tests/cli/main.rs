//! The program as an operator starts it: processes, exit codes, what they print.

#![expect(clippy::unwrap_used, reason = "helpers of tests are outside of test functions")]
#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

mod commands;
mod daemon;
mod docs;
mod processes;

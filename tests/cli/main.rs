//! The program as an operator starts it: processes, exit codes, what they print.

#![expect(clippy::unwrap_used, reason = "helpers of tests are outside of test functions")]

mod commands;
mod daemon;
mod docs;
mod processes;

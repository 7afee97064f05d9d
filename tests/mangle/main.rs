//! Everything that reads what strangers send, fed with their usual things and with these mangled.
//!
//! Each reader has a folder in `corpus`: whole inputs that it takes, those whose name begins with `bad-`
//! that it refuses, and `words` that a mangled input may get, one a line with Rust's escapes. A check
//! holds for whatever is put in: nothing panics, what is taken has its limits and reads back the same.
//! `PROPTEST_CASES=100000 cargo test --test mangle` looks longer. An input that went wrong once is put
//! into the corpus.

#![allow(clippy::unwrap_used, reason = "a test may end at what it did not expect")]

mod corpus;
mod hooks;
mod lists;
mod settings;
mod words;

//! The words of the trade as types, and every decision about people, time and texts.
//!
//! Pure: nothing here knows a clock, a socket, a file or a runtime. Time comes in as an
//! argument, randomness too, and what is to be done comes out as a value.

mod hook_event;

pub use hook_event::HookEvent;

//! A panic is a bug: it is logged, the process ends, and systemd starts it again in a state that is known.
//!
//! Not caught and forgotten: the task that panicked would be missing while everything looks well. The
//! store's thread is another matter: it undoes a change that panics and goes on.

use std::panic::{PanicHookInfo, set_hook};

/// The thread that catches panics itself.
const CATCHES: &str = "store";

/// From now on.
pub(super) fn end_the_process() {
    set_hook(Box::new(|panic| {
        log(panic);
        if std::thread::current().name() != Some(CATCHES) {
            std::process::abort();
        }
    }));
}

/// The place is told and not the message, which may quote a text or a number.
fn log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        place,
        thread = thread.name().unwrap_or_default(),
        "a bug in fulcrum: please report this place"
    );
}

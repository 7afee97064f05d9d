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

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::panic::take_hook;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u8>>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_a_panic_the_place_is_told_and_not_the_message() {
        const WHOSE: &str = "looked-at";
        let before = take_hook();
        // The panics of other tests are told as before.
        set_hook(Box::new(move |panic| match thread::current().name() {
            Some(WHOSE) => log(panic),
            _ => before(panic),
        }));
        let told = Told::default();
        let writer = told.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let panics = move || {
            tracing::subscriber::with_default(subscriber, || panic!("to +12025550142: a very private matter"))
        };
        assert!(thread::Builder::new().name(WHOSE.into()).spawn(panics).unwrap().join().is_err());
        let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains("panics.rs:") && told.contains(WHOSE), "{told}");
        assert!(!told.contains("private") && !told.contains("2025550142"), "{told}");
    }
}

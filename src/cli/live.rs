//! What tells a running command to stop or to read its config again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals of this process, caught from the moment that this exists.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGTERM, or Ctrl-C.
    Stop,
    /// SIGHUP.
    Reload,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish. May be dropped while it waits; none gets lost.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }

    /// The next wish to stop.
    pub(super) async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}

//! What systemd gives: sockets. What it is told: ready, a line on how it goes, and that there is progress.
//!
//! The watchdog is fed while the engine says that it makes progress, as `/health/live` does, so a process
//! that merely exists is restarted. Without systemd all of it does nothing.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::cli::screen::count;
use crate::engine::{Engine, Status};
use crate::server::Given;
use crate::store::PhaseState;

/// How often the status line is renewed, unless the watchdog wants more.
const EVERY: Duration = Duration::from_secs(10);

/// The sockets of fulcrum.socket, in its order: the public one, then that of health and metrics.
///
/// # Errors
/// When one of them is no TCP socket.
pub(super) fn sockets() -> io::Result<Given> {
    let mut handed = ListenFd::from_env();
    Ok(Given { public: handed.take_tcp_listener(0)?, ops: handed.take_tcp_listener(1)? })
}

/// The listeners are open: dependants may start.
pub(super) fn ready(engine: &Engine) {
    tell(&[NotifyState::Ready]);
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let every = sd_notify::watchdog_enabled().map_or(EVERY, |limit| EVERY.min(limit / 3));
    let this = engine.clone();
    engine.tasks().keep("systemd", move || keep_telling(this.clone(), every));
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

async fn keep_telling(engine: Engine, every: Duration) -> Result<(), Infallible> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !engine.is_alive() {
            tracing::error!("there is no progress: the watchdog is not fed");
            continue;
        }
        let status = timeout(every, engine.status()).await.ok().and_then(Result::ok);
        let line = status.as_ref().map_or_else(|| "the store is slow to answer".to_owned(), line);
        tell(&[NotifyState::Watchdog, NotifyState::Status(&line)]);
    }
}

fn line(status: &Status) -> String {
    let stored = &status.stored;
    let sync = match stored.backfill.phases.iter().find(|phase| phase.state == PhaseState::Running) {
        _ if stored.backfill.complete => format!("in sync, {} opportunities", count(stored.opportunities)),
        Some(phase) => {
            let known = phase.known.map(|known| format!(" of {}", count(known))).unwrap_or_default();
            format!("syncing {} {}{known}", phase.name, count(phase.done))
        }
        None => "sync not begun".to_owned(),
    };
    let health = match status.health.status.as_str() {
        "ok" => "",
        "degraded" => "degraded: ",
        _ => "failing: ",
    };
    format!(
        "{health}{sync}, {} deadlines pending, {} effects due",
        count(stored.deadlines),
        count(stored.outbox_due)
    )
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

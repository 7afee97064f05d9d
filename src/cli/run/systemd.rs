//! What systemd is told: ready, a line on how it goes, and that there is progress.
//!
//! The watchdog is fed only after the store has answered a read and all background tasks are seen to
//! run, so a process that merely exists is restarted. Without systemd all of it does nothing.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::cli::screen::count;
use crate::engine::{Engine, Status};

/// How often the status line is renewed, unless the watchdog wants more.
const EVERY: Duration = Duration::from_secs(10);

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
        match timeout(every, engine.status()).await {
            Ok(Ok(status)) => match stuck(&status) {
                None => tell(&[NotifyState::Watchdog, NotifyState::Status(&line(&status))]),
                Some(task) => {
                    tracing::error!(task, "a task has ended that should run: the watchdog is not fed");
                }
            },
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the store does not answer: the watchdog is not fed");
            }
            Err(_) => tracing::error!("the store takes too long to answer: the watchdog is not fed"),
        }
    }
}

fn stuck(status: &Status) -> Option<&'static str> {
    status.tasks.iter().find(|(_, task)| !task.running).map(|(name, _)| *name)
}

fn line(status: &Status) -> String {
    let sync = match status.backfill.phases.iter().find(|phase| phase.state == "running") {
        _ if status.backfill.complete => format!("in sync, {} opportunities", count(status.opportunities)),
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
        count(status.deadlines),
        count(status.outbox_due)
    )
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

//! `fulcrum run`: the daemon, from its settings to its end.
//!
//! ```text
//! settings ──> log ──> engine ──> listeners ──> ready ──┬── SIGHUP: settings again ──┐
//!                                                       ├────────────────────────────┘
//!                                                       └── SIGTERM: listeners stop, engine drains, file closes
//! ```

mod logging;
mod panics;
mod reload;
mod systemd;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::time::Instant;

use super::live::{Signals, Wish};
use super::{Exit, Outcome, load, wiring};
use crate::engine::Engine;
use crate::engine::clock::Clock;
use crate::server::{Running, Server};
use reload::Reloader;

/// From the signal to the end. systemd would wait 90 s; nobody needs that, since what is cut off is
/// found again.
const GRACE: Duration = Duration::from_secs(9);
/// How much of it requests that came in may take.
const SERVER_GRACE: Duration = Duration::from_secs(4);

/// Run the daemon
///
/// SIGTERM or Ctrl-C stops it within 10 seconds, a second one at once; nothing is lost either way.
/// SIGHUP reads the config again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum run -c /etc/fulcrum/fulcrum.toml")]
pub(super) struct Run {}

impl Run {
    pub(super) async fn carry_out(self, path: &Path) -> Outcome {
        let config = load(path)?;
        let settings = wiring::settings(&config)?;
        let remotes = wiring::remotes(&config)?;
        let served = wiring::server(&config)?;
        let filter = logging::start(&config.log)?;
        panics::end_the_process();
        let mut signals = Signals::new()?;
        let given = systemd::sockets().context("the sockets that systemd hands over")?;

        let engine = Engine::start(remotes, settings.clone(), Clock::System).await.context("starting")?;
        let server = match Server::bind(engine.clone(), served, given).await {
            Ok(server) => server,
            Err(error) => {
                engine.stop(SERVER_GRACE).await;
                return Err(error.into());
            }
        };
        let addresses = server.addresses();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %addresses.public,
            ops = %addresses.ops,
            "fulcrum runs; Lever's webhooks go to {}", wiring::lever_hook_url(&config)
        );
        systemd::ready(&engine);

        let mut reloader = Reloader::new(path, config, settings, filter);
        let broken = engine.broken();
        let exit = loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::Stop => break Exit::Done,
                    Wish::Reload => reloader.reload(&engine, &server),
                },
                () = broken.cancelled() => {
                    tracing::error!("the storage failed under a write; the next start repairs it");
                    break Exit::Bad;
                }
            }
        };

        systemd::stopping();
        tokio::select! {
            () = drain(&engine, server) => {}
            () = signals.stop() => tracing::warn!("told to stop again: what is under way is left behind"),
        }
        Ok(exit)
    }
}

/// The start in mirror order.
async fn drain(engine: &Engine, server: Running) {
    let deadline = Instant::now() + GRACE;
    tracing::info!("stopping");
    let answered = server.stop(SERVER_GRACE).await;
    let in_time = engine.stop(deadline.saturating_duration_since(Instant::now())).await;
    if answered && in_time {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped; what was still under way is found again at the next start");
    }
}

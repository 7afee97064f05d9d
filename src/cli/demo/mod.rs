//! `fulcrum demo`: the daemon and the sandbox in one process, over real HTTP on loopback, and a
//! story that shows what they do together. Nothing is needed, and nothing is left behind.

mod narrator;
mod stage;
mod story;

use std::time::Duration;

use anyhow::Context;
use clap::{Args, builder::RangedU64ValueParser};
use fulcrum_sandbox::{LeverOptions, Options, Sandbox};

use super::live::Signals;
use super::sandbox::daemon::{self, Limits};
use super::{Exit, Outcome, load, wiring};
use crate::engine::Engine;
use crate::engine::clock::Clock;
use crate::server::{Given, Server};
use narrator::Narrator;
use stage::Stage;

/// Lever's limits, as they are.
const LIMITS: Limits = Limits { rate: 10, burst: 20 };

/// How long a transcript waits after the last message: an hour in life, so short that one can watch.
const DELAY: Duration = Duration::from_secs(20);

/// For what is under way when the demo is stopped.
const GRACE: Duration = Duration::from_secs(5);

/// Show everything against a simulated Lever and carrier, with nothing to set up
///
/// A tenant is synced at Lever's pace while candidates apply, are texted, answer, say STOP; the
/// transcripts are filed 20 seconds after the last message, so that one can watch, and shown as
/// Lever would show them. Runs until Ctrl-C.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fulcrum demo\n  fulcrum demo --once --speed 4    # one story, for scripts"
)]
pub(super) struct Demo {
    /// Play one story to its end; exit 0 only if every step was seen to work
    #[arg(long)]
    once: bool,
    /// Run the story's clock so many times faster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..=20))]
    speed: u32,
    /// How many opportunities the tenant has at the start
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = RangedU64ValueParser::<u32>::new().range(10..=1_000_000))]
    opportunities: u32,
    /// What everything random is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Demo {
    pub(super) async fn carry_out(self) -> Outcome {
        let mut signals = Signals::new()?;
        let folder = tempfile::Builder::new().prefix("fulcrum-demo-").tempdir().context("making a folder")?;
        let lever = LeverOptions { opportunities: self.opportunities, ..LeverOptions::default() };
        let options = Options { seed: self.seed, lever, ..Options::default() };
        let sandbox = Sandbox::start(options).await?;
        let delay = DELAY / self.speed;
        let daemon = daemon::write(folder.path(), &sandbox, LIMITS, delay)?;
        let config = load(&daemon.config)?;
        let engine =
            Engine::start(wiring::remotes(&config)?, wiring::settings(&config)?, Clock::System).await?;
        let server = Server::bind(engine.clone(), wiring::server(&config)?, Given::default()).await?;
        sandbox.configure_webhooks(&format!("{}/hooks/lever", daemon.public_url), sandbox.webhook_tokens());
        sandbox.configure_twilio(&format!("{}/hooks/twilio/message", daemon.public_url));

        let narrator = Narrator::new();
        narrator.say(format_args!(
            "fulcrum {} and a simulated Lever with {} opportunities, in {}\n\
             API     {}/api/v1/status   (Authorization: Bearer {})\n\
             Console {}   sign in as {} with {}
             Health  http://{}/health   and /metrics\n\
             Look    fulcrum status --watch -c {}\n",
            env!("CARGO_PKG_VERSION"),
            self.opportunities,
            folder.path().display(),
            daemon.public_url,
            daemon.api_token,
            daemon.public_url,
            daemon::CONSOLE_USER,
            daemon.console_password,
            server.addresses().ops,
            daemon.config.display(),
        ))?;
        let stage = Stage::new(&sandbox, &daemon, &narrator, self.speed)?;
        let outcome = tokio::select! {
            outcome = self.play(&stage) => outcome,
            () = signals.stop() => Ok(Exit::Done),
        };
        server.stop(GRACE).await;
        engine.stop(GRACE).await;
        sandbox.shutdown().await;
        outcome
    }

    async fn play(&self, stage: &Stage<'_>) -> Outcome {
        let (story, synced) = tokio::join!(story::play(stage), stage.watch_the_sync());
        let passed = stage.sum_up(&story.and(synced))?;
        if self.once {
            return Ok(if passed { Exit::Done } else { Exit::Bad });
        }
        stage.narrator.say("\nLife goes on until Ctrl-C.")?;
        story::go_on(stage).await?;
        Ok(Exit::Done)
    }
}

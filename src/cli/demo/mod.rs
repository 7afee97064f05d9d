//! `fulcrum demo`: the daemon and the sandbox in one process, over real HTTP on loopback, and a
//! story that shows what they do together. Nothing is needed, and nothing is left behind.

mod appointments;
mod narrator;
mod office;
mod stage;
mod story;

use std::time::Duration;

use anyhow::Context;
use clap::{Args, builder::RangedU64ValueParser};
use fulcrum_sandbox::{LeverOptions, Options, Permissions, Sandbox};
use uuid::Uuid;

use super::live::Signals;
use super::sandbox::daemon::{self, Wanted};
use super::{Exit, Outcome, wiring};
use crate::config::{Config, Secret, Sources};
use crate::engine::Engine;
use crate::engine::clock::Clock;
use crate::server::{Given, Invitation, Server, ServerSettings};
use narrator::Narrator;
use stage::Stage;

/// How long a transcript waits after the last message: an hour in life, so short that one can watch.
const DELAY: Duration = Duration::from_secs(20);

/// Beyond that, people and remotes that are faster by it would not keep up with Lever's rate.
const FASTEST: u64 = 20;
/// The story is about several people.
const FEWEST: u64 = 10;

/// For what is under way when the demo is stopped.
const GRACE: Duration = Duration::from_secs(5);

/// Show everything against a simulated Lever and carrier, with nothing to set up
///
/// A tenant is synced at Lever's pace while candidates apply, are texted, answer, say STOP, and book
/// interviews by a link and by text; the transcripts are filed 20 seconds after the last message, so
/// that one can watch, and shown as Lever would show them. Runs until Ctrl-C.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fulcrum demo\n  fulcrum demo --once --speed 4    # one story, for scripts"
)]
pub(super) struct Demo {
    /// Play one story to its end; exit 0 only if every step was seen to work
    #[arg(long)]
    once: bool,
    /// Run the story's clock so many times faster, up to 20: Lever's pace stays what it is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..=FASTEST))]
    speed: u32,
    /// How many opportunities the tenant has at the start, at least 10: the story needs its people
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = RangedU64ValueParser::<u32>::new().range(FEWEST..=1_000_000))]
    opportunities: u32,
    /// What everything random is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Demo {
    pub(super) async fn carry_out(self) -> Outcome {
        let mut signals = Signals::new()?;
        let folder = tempfile::Builder::new().prefix("fulcrum-demo-").tempdir().context("making a folder")?;
        let Self { speed, opportunities, .. } = self;
        // The key may all that fulcrum can do with it.
        let lever =
            LeverOptions { opportunities, permissions: Permissions::all(), ..LeverOptions::default() };
        let options = Options { seed: self.seed, lever, ..Options::default() };
        let sandbox = Sandbox::start(options).await?;
        // Lever's limits as they are; and its user sees all there is to see.
        let wanted = Wanted { rate: 10, burst: 20, delay: DELAY / speed, lever_user: "admin" };
        let daemon = daemon::write(folder.path(), &sandbox, wanted)?;
        // The file alone: what the environment says is meant for another daemon, and its store.
        let config = Config::load(&Sources { file: Some(daemon.config.clone()), ..Sources::default() })?;
        let clock = Clock::shifted();
        let engine =
            Engine::start(wiring::remotes(&config)?, wiring::settings(&config)?, clock.clone()).await?;
        let (name, email) = sandbox.lasting_user();
        let word = Uuid::new_v4().simple().to_string();
        let invitation = Some(Invitation { account: email.parse()?, word: Secret::new(&word) });
        let settings = ServerSettings { invitation, ..wiring::server(&config)? };
        let server = Server::bind(engine.clone(), settings, Given::default()).await?;
        sandbox.configure_webhooks(&format!("{}/hooks/lever", daemon.public_url), sandbox.webhook_tokens());
        sandbox.configure_twilio(&format!("{}/hooks/twilio/message", daemon.public_url));
        // As Lever does when somebody turns them on: the Setup page has seen each of them.
        sandbox.verify_webhooks().await;

        let narrator = Narrator::new();
        narrator.say(format_args!(
            "fulcrum {} and a simulated Lever with {} opportunities, in {}\n\
             Console {url}/sign-in/link/{word}\n        \
             signs you in as {name}, once; later {url} with {email} and {}\n\
             API     {url}/api/v1/status   (Authorization: Bearer {})\n\
             Health  http://{}/health   and /metrics\n\
             Look    fulcrum status --watch -c {}\n",
            env!("CARGO_PKG_VERSION"),
            opportunities,
            folder.path().display(),
            daemon.console_password,
            daemon.api_token,
            server.addresses().ops,
            daemon.config.display(),
            url = daemon.public_url,
        ))?;
        let stage = Stage::new(&sandbox, &daemon, &narrator, clock, speed)?;
        let outcome = tokio::select! {
            (outcome, _) = async { tokio::join!(self.play(&stage), engine.probe_key()) } => outcome,
            // A story that was cut short was not seen to work.
            () = signals.stop() => Ok(if self.once { Exit::Bad } else { Exit::Done }),
        };
        server.stop(GRACE).await;
        engine.stop(GRACE).await;
        sandbox.shutdown().await;
        outcome
    }

    async fn play(&self, stage: &Stage<'_>) -> Outcome {
        let (story, filled, met, synced) = tokio::join!(
            story::play(stage),
            office::fill(stage),
            appointments::make(stage),
            stage.watch_the_sync()
        );
        let met = match story.and(filled).and(synced).and(met) {
            Ok(met) => appointments::remind(stage, &met).await,
            Err(error) => Err(error),
        };
        let passed = stage.sum_up(&met);
        if self.once {
            // Nobody who reads it has seen it to its end, either.
            return Ok(if passed.is_ok_and(|passed| passed) { Exit::Done } else { Exit::Bad });
        }
        passed?;
        stage.narrator.say("\nLife goes on until Ctrl-C.")?;
        story::go_on(stage).await?;
        Ok(Exit::Done)
    }
}

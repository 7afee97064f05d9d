//! `fulcrum sandbox`: the simulated Lever and carriers, for other programs to talk to.
//!
//! Prints one JSON line with all that a client needs to know, then serves until it is told to stop.
//! With `--write-config` a daemon can be set on it as a second process, without any account.

pub mod daemon;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum, builder::RangedU64ValueParser};
use fulcrum_sandbox::{Carrier, LeverOptions, Options, Permissions, Rule};
use serde_json::json;
use url::Url;

use super::{Exit, Outcome, live, screen};

/// What a transcript waits after the last text: an hour in life, so short that one can watch it.
const DELAY: Duration = Duration::from_secs(60);

/// Run a simulated Lever and simulated carriers for other programs
///
/// Prints addresses, keys and tokens as one line of JSON and serves until it is stopped. What can be
/// made to happen there is listed at /_sandbox/, by one line for each route. For a daemon with a config of
/// its own, copy address, keys and tokens into that, and name its public address with --webhook-url.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum sandbox --listen 127.0.0.1:9000 --opportunities 500
  fulcrum sandbox --write-config /tmp/fulcrum    # and then, beside it:
  fulcrum run -c /tmp/fulcrum/fulcrum.toml       # sign in as admin@acme.example
  cat /tmp/fulcrum/console-password              # with this")]
pub(super) struct Sandbox {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How many opportunities the tenant has at the start
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = RangedU64ValueParser::<u32>::new().range(..=1_000_000))]
    opportunities: u32,
    /// What everything random is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Requests a second that Lever allows
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    rate: u32,
    /// Requests that Lever allows at once
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    burst: u32,
    /// What the API key may do: names with commas, as find_all_users; `default`, `all`, `-name`
    #[arg(long, value_name = "LIST", default_value = "default", allow_hyphen_values = true)]
    permissions: Permissions,
    /// A JSON file with a list of faults
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// The public address of a daemon with a config of its own: webhooks and texts are announced there. Not with
    /// --write-config, which names an address in its config and announces that
    #[arg(long, value_name = "URL", conflicts_with = "write_config")]
    webhook_url: Option<Url>,
    /// Which carrier has the numbers: there candidates' texts arrive, and a written config goes by it
    #[arg(long, value_name = "NAME", default_value = "twilio")]
    carrier: CarrierName,
    /// Write a config with its secrets into this folder, for a daemon that talks to this sandbox, and announce
    /// webhooks and texts to it
    #[arg(long, value_name = "DIR")]
    write_config: Option<PathBuf>,
}

/// The words for `--carrier`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CarrierName {
    Twilio,
    Telnyx,
    /// A gateway of one's own
    Webhook,
}

impl Sandbox {
    pub(super) async fn carry_out(self) -> Outcome {
        let mut signals = live::Signals::new()?;
        let faults = self.faults.as_ref().map_or(Ok(Vec::new()), read_faults)?;
        let lever = LeverOptions {
            opportunities: self.opportunities,
            rate: self.rate.into(),
            burst: self.burst,
            permissions: self.permissions,
            ..LeverOptions::default()
        };
        let carrier = match self.carrier {
            CarrierName::Twilio => Carrier::Twilio,
            CarrierName::Telnyx => Carrier::Telnyx,
            CarrierName::Webhook => Carrier::Gateway,
        };
        let options =
            Options { listen: self.listen, seed: self.seed, lever, faults, carrier, ..Options::default() };
        let sandbox = fulcrum_sandbox::Sandbox::start(options).await?;
        let mut announcement = sandbox.announcement();
        let mut webhook_url = self.webhook_url.map(String::from);
        if let Some(dir) = &self.write_config {
            let (rate, burst) = (self.rate, self.burst);
            let wanted = daemon::Wanted { rate, burst, delay: DELAY, lever_user: "recruiter" };
            let daemon = daemon::write(dir, &sandbox, wanted)
                .with_context(|| format!("writing a config into {}", dir.display()))?;
            announcement["config"] = json!(daemon.config);
            announcement["daemon"] = json!(daemon.public_url);
            announcement["api_token"] = json!(daemon.api_token);
            announcement["console_user"] = json!(daemon::CONSOLE_USER);
            announcement["recruiter"] = json!(sandbox.lasting_user().1);
            announcement["console_password"] = json!(daemon.console_password);
            announcement["console_password_file"] = json!(daemon.console_password_file());
            webhook_url = Some(daemon.public_url);
        }
        if let Some(url) = webhook_url {
            let url = url.trim_end_matches('/');
            sandbox.configure_webhooks(&format!("{url}/hooks/lever"), sandbox.webhook_tokens());
            sandbox.configure_carriers(url);
        }
        screen::json(&announcement)?;
        signals.stop().await;
        sandbox.shutdown().await;
        Ok(Exit::Done)
    }
}

fn read_faults(path: &PathBuf) -> anyhow::Result<Vec<Rule>> {
    let reading = || format!("reading the faults in {}", path.display());
    let rules = serde_json::from_slice(&fs::read(path).with_context(reading)?).with_context(reading)?;
    Rule::read_all(rules).map_err(anyhow::Error::msg).with_context(reading)
}

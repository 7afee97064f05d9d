//! `fulcrum check`: validates the config without touching anything else.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::folders::{self, Flaw};
use super::wiring::WiringError;
use super::{Exit, Form, Outcome, carriers, load, screen, wiring};
use crate::config::{Config, Origin, Problem};
use crate::engine::clock::Clock;
use crate::server::Certificate;

/// Validate the config, offline
///
/// Prints what is configured, without secrets, or every problem with its place, and what to write
/// instead. Exits with 78 when there is a problem.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum check -c /etc/fulcrum/fulcrum.toml")]
pub(super) struct Check {
    #[command(flatten)]
    form: Form,
}

impl Check {
    pub(super) fn carry_out(&self, path: &Path) -> Outcome {
        let config = match load(path) {
            Ok(config) => config,
            Err(problems) if self.form.json => {
                let problems: Vec<_> = problems.iter().map(shape).collect();
                screen::json(&json!({ "ok": false, "problems": problems }))?;
                return Ok(Exit::BadConfig);
            }
            Err(problems) => return Err(problems.into()),
        };
        // What only setting things up shows, such as a file that holds no certificate.
        let flaws =
            [wiring::remotes(&config).err(), wiring::settings(&config).err(), wiring::server(&config).err()];
        let mut flaws: Vec<_> = flaws.into_iter().flatten().map(|flaw| problem(path, flaw)).collect();
        flaws.dedup();
        if !flaws.is_empty() {
            if self.form.json {
                let problems: Vec<_> = flaws.iter().map(shape).collect();
                screen::json(&json!({ "ok": false, "problems": problems }))?;
            } else {
                for flaw in flaws {
                    screen::note(format_args!("fulcrum: {flaw}"))?;
                }
            }
            return Ok(Exit::BadConfig);
        }
        let summary = Summary::of(&config);
        // No mistakes: the folders may be made, or mounted, before the daemon starts.
        let warnings: Vec<_> = folders::named(&config)
            .into_iter()
            .filter_map(|(key, _, flaw)| match flaw? {
                Flaw::Certain(told) | Flaw::Doubtful(told) => Some(format!("{key}: {told}")),
            })
            .chain(certificate_flaw(&config))
            .collect();
        if self.form.json {
            screen::json(&json!({ "ok": true, "summary": summary, "warnings": warnings }))?;
        } else {
            screen::line(format_args!("OK: {}", path.display()))?;
            let mut facts = screen::facts();
            for (name, value) in summary.lines() {
                facts.add_row([format!("  {name}").as_str(), value]);
            }
            screen::show(&mut facts, 1)?;
            for warning in warnings {
                screen::note(format_args!("fulcrum: warning: {warning}"))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn certificate_flaw(config: &Config) -> Option<String> {
    let certificate = Certificate::load(config.server.tls.clone()?).ok()?;
    Some(
        certificate
            .flaw(config.server.public_url.host_str().unwrap_or_default(), Clock::System.now())?
            .to_string(),
    )
}

/// A setting that its user refuses, as any other mistake.
fn problem(path: &Path, flaw: WiringError) -> Problem {
    let (key, expected) = (flaw.key().to_owned(), flaw.expected().to_owned());
    // What it says itself is where.
    let flaw = anyhow::Error::from(flaw);
    let causes: Vec<_> = flaw.chain().skip(1).map(ToString::to_string).collect();
    let found = if causes.is_empty() { flaw.to_string() } else { causes.join(": ") };
    Problem { key, origin: Origin::File(path.to_owned()), line: None, found, expected, suggestion: None }
}

fn shape(problem: &Problem) -> serde_json::Value {
    let (file, variable) = match &problem.origin {
        Origin::File(path) => (Some(path), None),
        Origin::Environment(name) => (None, Some(name)),
        Origin::Nowhere => (None, None),
    };
    json!({
        "key": problem.key, "file": file, "variable": variable, "line": problem.line,
        "found": problem.found, "expected": problem.expected, "suggestion": problem.suggestion,
    })
}

/// What is configured, as far as it is no secret.
#[derive(Serialize)]
struct Summary {
    organisation: String,
    public_url: String,
    hooks: String,
    store: String,
    lever: String,
    webhooks: String,
    carrier: String,
    transcripts: String,
    api: String,
}

impl Summary {
    fn of(config: &Config) -> Self {
        let lever = &config.lever;
        let tokens = wiring::events_with_tokens(config).count();
        let webhooks = match (tokens, &lever.webhook_tokens_file) {
            (0, None) => "no tokens: hooks are refused, polling does the work".to_owned(),
            (0, Some(file)) => format!("no tokens yet in {}", file.display()),
            (tokens, _) => format!("tokens for {tokens} of 8 events"),
        };
        let numbers: Vec<_> = config.carrier.numbers.iter().map(ToString::to_string).collect();
        let tokens = config.api.tokens.iter().map(|token| format!("{} ({:?})", token.name, token.role));
        let api = tokens.collect::<Vec<_>>().join(", ").to_lowercase();
        let max_wait = config.transcript.max_wait.map(|wait| screen::span(wait.as_secs()));
        Self {
            organisation: format!(
                "{}, {}",
                config.organisation.name,
                config.organisation.timezone.iana_name().unwrap_or("a zone without a name"),
            ),
            public_url: format!("{} by way of {}", config.server.public_url, config.server.listen),
            hooks: wiring::lever_hook_url(config),
            store: config.store.path.display().to_string(),
            lever: format!(
                "{}, {} requests/s, looked at every {}",
                lever.base_url,
                lever.requests_per_second,
                screen::span(lever.poll_interval.as_secs()),
            ),
            webhooks,
            carrier: format!("{}, {}", carriers::described(config), numbers.join(", ")),
            transcripts: format!(
                "{} after the last text{}",
                screen::span(config.transcript.delay.as_secs()),
                max_wait.map(|wait| format!(", at the latest {wait} after the first")).unwrap_or_default(),
            ),
            api: if api.is_empty() { "no tokens".to_owned() } else { api },
        }
    }

    fn lines(&self) -> [(&'static str, &str); 9] {
        [
            ("organisation", &self.organisation),
            ("reached at", &self.public_url),
            ("hooks", &self.hooks),
            ("store", &self.store),
            ("lever", &self.lever),
            ("webhooks", &self.webhooks),
            ("carrier", &self.carrier),
            ("transcripts", &self.transcripts),
            ("api", &self.api),
        ]
    }
}

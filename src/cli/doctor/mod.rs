//! `fulcrum doctor`: asks the live remotes and this machine what works.
//!
//! A list of findings, each with what breaks without it or what to do. It changes nothing anywhere:
//! the permissions are tried by requests that cannot succeed (see `lever::probe`). A daemon that runs is told
//! to look as well, where it may have interviews that wait for a permission.

mod lever;
mod machine;

use std::path::Path;

use clap::Args;
use comfy_table::Cell;
use serde::Serialize;
use serde_json::json;

use super::control::Control;
use super::screen::Mood;
use super::shapes::Status;
use super::{Exit, Form, Outcome, carriers, load, screen, wiring};
use crate::carrier::Carrier;
use crate::config::Config;
use crate::engine::clock::Clock;

/// Ask Lever, the carrier and this machine what works
///
/// Shows what is missing, what breaks without it and what to do. Sends about 25 requests to Lever,
/// none of which changes anything; beside a running daemon the two share Lever's limit.
/// Exits with 1 when something is missing that must be there.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum doctor -c /etc/fulcrum/fulcrum.toml")]
pub(super) struct Doctor {
    #[command(flatten)]
    form: Form,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It works.
    Works,
    /// It could be better, or could not be found out.
    Doubtful,
    /// It is not there, and something optional does without.
    Missing,
    /// It must be there and is not.
    Broken,
}

/// Something that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    what: String,
    state: State,
    /// What was seen, what breaks without it, what to do.
    advice: String,
}

impl Finding {
    fn new(what: impl Into<String>, state: State, advice: impl Into<String>) -> Self {
        Self { what: what.into(), state, advice: advice.into() }
    }
}

impl Doctor {
    pub(super) async fn carry_out(self, path: &Path) -> Outcome {
        let config = load(path)?;
        let mut findings = vec![Finding::new("config", State::Works, path.display().to_string())];
        let daemon = running(&config).await;
        findings.extend(machine::look(&config, daemon.is_some()));
        if daemon.is_some() {
            screen::hint("asking Lever, slowly beside the daemon: about 15 seconds")?;
        }
        findings.extend(lever::look(&config, daemon.is_some()).await?);
        if daemon.is_some() && lever::makes_interviews(&findings) {
            tell_the_daemon(&config).await;
        }
        findings.push(carrier(&carriers::client(&config)?).await);
        findings.push(webhooks(&config, daemon.as_ref()));

        let broken = findings.iter().any(|finding| finding.state == State::Broken);
        if self.form.json {
            screen::json(&json!({ "ok": !broken, "findings": findings }))?;
        } else {
            show(&findings)?;
        }
        Ok(if broken { Exit::Bad } else { Exit::Done })
    }
}

/// Interviews that wait for a permission go on once the daemon has seen it itself. Where that fails they wait for
/// its own look, and what was found out stands all the same.
async fn tell_the_daemon(config: &Config) {
    if let Ok(control) = Control::new(config)
        && let Err(error) = control.post("/api/v1/lever/probe", &json!({})).await
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "the daemon does not look at Lever's key");
    }
}

/// What the daemon says of itself, if it runs.
async fn running(config: &Config) -> Option<Status> {
    let answer = Control::new(config).ok()?.get("/api/v1/status", &[]).await.ok()?;
    serde_json::from_value(answer).ok()
}

async fn carrier(carrier: &Carrier) -> Finding {
    let what = "carrier account";
    match carrier.check(Clock::System.now()).await {
        Ok(account) if account.status != "active" => {
            Finding::new(what, State::Broken, format!("its status is {}: nothing is sent", account.status))
        }
        Ok(account) if account.trial => Finding::new(
            what,
            State::Doubtful,
            "a trial: it texts verified numbers only, and marks each text",
        ),
        Ok(_) => Finding::new(what, State::Works, "active"),
        Err(error) => {
            let advice = format!("{:#}; see [carrier.{}]", anyhow::Error::from(error), carrier.name());
            Finding::new(what, State::Broken, advice)
        }
    }
}

fn webhooks(config: &Config, daemon: Option<&Status>) -> Finding {
    let what = "webhooks";
    let tokens: Vec<_> = wiring::events_with_tokens(config).map(fulcrum_domain::HookEvent::as_key).collect();
    if tokens.is_empty() {
        let advice = format!(
            "no tokens: changes are seen by polling only; set the webhooks up in Lever with the address {} \
             and put their tokens into lever.webhook_tokens_file",
            wiring::lever_hook_url(config)
        );
        return Finding::new(what, State::Missing, advice);
    }
    let Some(status) = daemon else {
        return Finding::new(what, State::Doubtful, "the daemon does not run, so nobody knows");
    };
    let unseen: Vec<_> =
        tokens.iter().filter(|event| !status.webhooks.last_verified.contains_key(**event)).copied().collect();
    if unseen.is_empty() {
        return Finding::new(what, State::Works, format!("{} events seen", tokens.len()));
    }
    let unseen =
        if unseen.len() == tokens.len() { format!("all {}", tokens.len()) } else { unseen.join(", ") };
    let advice = format!(
        "not seen yet: {unseen}; polling stands in. \
         `Verify connection` in Lever sends one"
    );
    Finding::new(what, State::Doubtful, advice)
}

fn show(findings: &[Finding]) -> std::io::Result<()> {
    let mut table = screen::table(["what", "state", "why, or what to do"]);
    // What works and needs no word is one line: the rest would get lost among it.
    let is_fine = |finding: &Finding| finding.state == State::Works && finding.advice.is_empty();
    let fine = findings.iter().filter(|finding| is_fine(finding)).count();
    let mut fine = (fine > 0).then(|| {
        let what = format!("lever: {fine} permissions");
        [Cell::new(what), screen::word("works", Mood::Good), Cell::new("")]
    });
    for finding in findings {
        if is_fine(finding) {
            if let Some(row) = fine.take() {
                table.add_row(row);
            }
            continue;
        }
        let state = match finding.state {
            State::Works => screen::word("works", Mood::Good),
            State::Doubtful => screen::word("doubtful", Mood::Doubtful),
            State::Missing => screen::word("missing", Mood::Doubtful),
            State::Broken => screen::word("broken", Mood::Bad),
        };
        table.add_row([Cell::new(&finding.what), state, Cell::new(&finding.advice)]);
    }
    screen::show(&mut table, 2)
}

//! What the story acts with: the sandbox, where things happen, and the daemon's own API, where
//! they must be seen. Nothing is taken for true that did not come back over HTTP.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use fulcrum_sandbox::{Entry, Event, Happened, Sandbox};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::sandbox::daemon::Daemon;
use super::super::screen;
use super::super::shapes::Status;
use super::narrator::Narrator;
use crate::engine::clock::Clock;

/// Longer than any step takes at Lever's pace on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);
const GLANCE: Duration = Duration::from_millis(50);

/// The story's surroundings.
pub(super) struct Stage<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) narrator: &'a Narrator,
    http: reqwest::Client,
    api: String,
    token: String,
    clock: Clock,
    speed: u32,
    seen: Mutex<Vec<&'static str>>,
}

impl<'a> Stage<'a> {
    #[expect(clippy::disallowed_methods, reason = "what is simulated is on this machine")]
    pub(super) fn new(
        sandbox: &'a Sandbox,
        daemon: &Daemon,
        narrator: &'a Narrator,
        clock: Clock,
        speed: u32,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            sandbox,
            narrator,
            // Loopback is reached directly, whatever the environment's proxy is.
            http: reqwest::Client::builder().no_proxy().build()?,
            api: format!("{}/api/v1", daemon.public_url),
            token: daemon.api_token.clone(),
            clock,
            speed,
            seen: Mutex::default(),
        })
    }

    /// Lets time pass in the story.
    pub(super) async fn pause(&self, seconds: u32) {
        tokio::time::sleep(Duration::from_secs(seconds.into()) / self.speed).await;
    }

    /// Puts the clocks of all forward.
    pub(super) fn put_forward(&self, to: Timestamp) {
        let by = to.as_millisecond() - self.clock.now().as_millisecond();
        self.clock.set(to);
        self.sandbox.clock().advance(by);
    }

    /// A page as a candidate's browser reads it.
    pub(super) async fn page(&self, url: &str) -> anyhow::Result<String> {
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }

    /// Sends a form of a page. Gives the page that follows.
    pub(super) async fn submit(&self, url: &str, form: &[(&str, &str)]) -> anyhow::Result<String> {
        Ok(self.http.post(url).form(form).send().await?.error_for_status()?.text().await?)
    }

    /// Makes something happen in Lever.
    pub(super) fn happen(&self, event: &Event) -> anyhow::Result<Happened> {
        Ok(self.sandbox.happen(event)?)
    }

    /// A step was seen to work.
    pub(super) fn saw(&self, what: &'static str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(&what) {
            seen.push(what);
        }
    }

    /// Asks the daemon's API. Gives the status and the body.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let answer = self.http.get(format!("{}{path}", self.api)).bearer_auth(&self.token).send().await?;
        Ok((answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null)))
    }

    /// Has the daemon send a text.
    pub(super) async fn text(
        &self,
        opportunity: &str,
        body: &str,
        sender: &str,
    ) -> anyhow::Result<(u16, Value)> {
        self.post("/messages", &json!({ "opportunity": opportunity, "body": body, "as": sender })).await
    }

    /// Calls the daemon's API. Gives the status and the body.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.api)).bearer_auth(&self.token);
        let answer = request.json(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null)))
    }

    /// Waits until the daemon's answer at `path` is as it should be.
    pub(super) async fn until(
        &self,
        what: &str,
        path: &str,
        holds: impl Fn(u16, &Value) -> bool,
    ) -> anyhow::Result<Value> {
        let waiting = async {
            loop {
                let (status, body) = self.get(path).await?;
                if holds(status, &body) {
                    return Ok(body);
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .with_context(|| format!("waited in vain until {what}"))?
    }

    /// Waits for an entry of the sandbox's ledger: what really happened there.
    pub(super) async fn ledger(&self, what: &str, fits: impl Fn(&Entry) -> bool) -> anyhow::Result<Entry> {
        let waiting = async {
            loop {
                if let Some(entry) = self.sandbox.ledger().entries().into_iter().rev().find(&fits) {
                    return entry;
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("waited in vain until {what}"))
    }

    /// Shows the initial sync until it is complete.
    pub(super) async fn watch_the_sync(&self) -> anyhow::Result<()> {
        loop {
            let status: Status = serde_json::from_value(self.get("/status").await?.1)?;
            self.narrator.sync(&status.backfill);
            if status.backfill.is_complete() {
                let requests: u64 = status.backfill.phases.iter().map(|phase| phase.requests).sum();
                let known = screen::count(status.opportunities);
                let used = status.lever.rate_used.unwrap_or_default() * 100.0;
                self.narrator.event(
                    "fulcrum",
                    format_args!("the initial sync is complete: {known} opportunities, {requests} requests, {used:.1} % of Lever's rate"),
                )?;
                self.saw("the tenant was synced at Lever's pace");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// What was seen, and what the simulated remotes counted. False when the story broke off.
    pub(super) fn sum_up(&self, outcome: &anyhow::Result<()>) -> anyhow::Result<bool> {
        let mut text = String::from("\nSeen to work:");
        for what in &*self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            text.push_str("\n  ✓ ");
            text.push_str(what);
        }
        if let Err(error) = outcome {
            text.push_str(&format!("\n  ✗ {error:#}"));
        }
        let entries = self.sandbox.ledger().entries();
        let count = |kind: &str| entries.iter().filter(|entry| entry.kind == kind).count();
        let stats = self.sandbox.stats().lever;
        text.push_str(&format!(
            "\nIn the simulated remotes: {} requests to Lever, {} refused for the rate; {} webhooks; {} texts; {} notes.",
            stats.requests,
            stats.violations,
            count("webhook_sent"),
            count("message_created"),
            count("note_created"),
        ));
        self.narrator.say(text)?;
        Ok(outcome.is_ok())
    }
}

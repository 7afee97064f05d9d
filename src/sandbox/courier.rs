//! Delivers the webhooks of the carriers that send JSON: with the faults drawn for them, and again while
//! they are not taken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::sync::Notify;

use crate::{Fault, Faults, Ledger, Remote, SimClock};

/// How long a webhook that is to be overtaken waits for the one behind it.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);

/// For the connection and the answer together: Telnyx' bound, the tightest (carriers.md 2.1).
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(200);

/// Whose webhooks it delivers. Clones share it.
#[derive(Clone)]
pub(crate) struct Courier {
    http: reqwest::Client,
    pub(crate) clock: SimClock,
    ledger: Ledger,
    faults: Faults,
    remote: Remote,
    /// As the ledger calls the remote.
    name: &'static str,
    attempts: u32,
    delivered: Arc<Notify>,
    webhook: Arc<Mutex<Option<String>>>,
}

/// One attempt: its own headers, and the body.
pub(crate) type Attempt = (Vec<(&'static str, String)>, String);

impl Courier {
    pub(crate) fn new(
        (remote, name): (Remote, &'static str),
        attempts: u32,
        clock: SimClock,
        ledger: Ledger,
        faults: Faults,
    ) -> Result<Self, reqwest::Error> {
        // Each attempt connects anew: an idle connection may have been closed by a restart.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().timeout(ANSWER_WITHIN);
        let http = http.redirect(reqwest::redirect::Policy::none()).build()?;
        let (delivered, webhook) = (Arc::default(), Arc::default());
        Ok(Self { http, clock, ledger, faults, remote, name, attempts, delivered, webhook })
    }

    /// Where webhooks go from now on.
    pub(crate) fn set_webhook(&self, url: &str) {
        *self.webhook.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }

    /// Where they go, once that was said.
    pub(crate) fn webhook(&self) -> Option<String> {
        self.webhook.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Delivers `event` to `url`; `make` writes each attempt, by its number from 1.
    pub(crate) async fn deliver(&self, event: &'static str, url: &str, make: impl Fn(u32) -> Attempt) {
        match self.faults.draw(self.remote, &Method::POST, event) {
            Some(Fault::Drop | Fault::CutBefore | Fault::Hang) => return,
            Some(Fault::Delay { ms } | Fault::Latency { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Some(Fault::Duplicate) => self.transact(event, url, &make).await,
            Some(Fault::Reorder) => {
                // Nobody overtaking it within the time is fine too.
                let _ = tokio::time::timeout(OVERTAKEN_WITHIN, self.delivered.notified()).await;
            }
            _ => {}
        }
        self.transact(event, url, &make).await;
    }

    async fn transact(&self, event: &'static str, url: &str, make: &impl Fn(u32) -> Attempt) {
        let mut pause = PAUSE;
        let mut attempt = 1;
        let status = loop {
            let status = self.attempt(url, make(attempt)).await;
            if status.is_some_and(|status| (200..300).contains(&status)) || attempt == self.attempts {
                break status;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            attempt += 1;
        };
        self.ledger.record(
            self.clock.now_ms(),
            "webhook_sent",
            json!({"remote": self.name, "event": event, "url": url, "attempts": attempt, "status": status}),
        );
        self.delivered.notify_waiters();
    }

    async fn attempt(&self, url: &str, (headers, body): Attempt) -> Option<u16> {
        let mut request = self.http.post(url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Some(request.send().await.ok()?.status().as_u16())
    }
}

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
        match self.draw(event, |fault| !fault.is_of_an_attempt()) {
            Some(Fault::Drop) => return,
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
            let status = self.attempt(event, url, make(attempt)).await;
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

    fn draw(&self, event: &'static str, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        self.faults.draw_of(self.remote, &Method::POST, event, fits)
    }

    /// The status that the carrier sees, none for no answer. What went wrong on the way is a failed attempt.
    async fn attempt(&self, event: &'static str, url: &str, attempt: Attempt) -> Option<u16> {
        let fault = self.draw(event, Fault::is_of_an_attempt);
        match fault {
            Some(Fault::CutBefore | Fault::Hang) => return None,
            Some(Fault::Status { code, .. }) => return Some(code),
            _ => {}
        }
        let status = self.post(url, attempt).await;
        // The receiver may have it, and the carrier does not know.
        match fault {
            Some(Fault::CutAfter) => None,
            Some(Fault::StatusAfter { code }) => Some(code),
            _ => status,
        }
    }

    async fn post(&self, url: &str, (headers, body): Attempt) -> Option<u16> {
        let mut request = self.http.post(url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Some(request.send().await.ok()?.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::post;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::Rule;
    use crate::server::serve;

    #[tokio::test]
    async fn a_fault_on_the_way_fails_an_attempt_and_loses_no_webhook() {
        let (sender, mut arrived) = mpsc::unbounded_channel();
        let take = post(move |body: String| {
            let taken = sender.send(body);
            async move { taken.unwrap() }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Router::new().route("/", take), CancellationToken::new()));
        for (fault, deliveries) in [
            (Fault::CutBefore, 1),
            (Fault::Hang, 1),
            (Fault::Status { code: 502, body: None }, 1),
            (Fault::CutAfter, 2),
            (Fault::StatusAfter { code: 500 }, 2),
        ] {
            let remote = Remote::GatewayWebhook;
            let faults = Faults::new(1, vec![Rule::new(remote, fault.clone()).times(1)]);
            let ledger = Ledger::default();
            let courier =
                Courier::new((remote, "gateway"), 3, SimClock::default(), ledger.clone(), faults).unwrap();
            courier.deliver("message", &url, |attempt| (Vec::new(), attempt.to_string())).await;
            let sent = &ledger.entries()[0].detail;
            assert_eq!((&sent["attempts"], &sent["status"]), (&json!(2), &json!(200)), "{fault:?}");
            let mut bodies: Vec<String> = std::iter::from_fn(|| arrived.try_recv().ok()).collect();
            assert_eq!((bodies.len(), bodies.pop().as_deref()), (deliveries, Some("2")), "{fault:?}");
        }
    }
}

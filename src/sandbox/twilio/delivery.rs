//! Posts webhooks the way Twilio does: signed, with the retries that the URL's fragment asks for.
//!
//! One transaction is one message to one URL: at most 1 + `rc` attempts within `tt`, all with
//! the same `I-Twilio-Idempotency-Token`. By default that is one retry, and only if no
//! connection came about, so an answer of 500 is final (carriers.md 1.8). Retries follow at
//! once, since no pause is documented and none is the worst case. Timeouts are real time: the
//! simulated clock may run fast, sockets do not. A fault of the way concerns one attempt; when and how
//! often the whole is sent, or that it is lost, is drawn once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, header};
use reqwest::Client;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{Fault, Faults, Ledger, Remote, SimClock};

use super::signature::{Port, sign};

/// Twilio reads no more of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a webhook that is to be overtaken waits for another one.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);

/// One webhook: what kind it is (`message` or `status`), where it goes and what it says.
#[derive(Clone)]
pub(super) struct Webhook {
    pub(super) event: &'static str,
    pub(super) url: String,
    pub(super) fields: Vec<(String, String)>,
}

/// A 2xx or 3xx answer, read to its end.
pub(super) struct Answer {
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// Why no usable answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Connect,
    Timeout,
    Status(u16),
    /// The connection broke, or the answer did not end.
    Broken,
    TooLarge,
    /// A fault of ours: never sent, and Twilio does not know.
    Lost,
}

impl Failure {
    /// The code that the debugger shows and the fallback URL is told.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Connect => 11205,
            Self::TooLarge => 11750,
            Self::Timeout | Self::Status(_) | Self::Broken | Self::Lost => 11200,
        }
    }
}

/// What a URL's fragment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overrides {
    connect: Duration,
    read: Duration,
    total: Duration,
    retries: u32,
    on: RetryOn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RetryOn {
    connect: bool,
    timeout: bool,
    client_error: bool,
    server_error: bool,
}

impl Overrides {
    fn of(url: &str) -> Self {
        let mut overrides = Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            on: RetryOn { connect: true, ..RetryOn::default() },
        };
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        for (key, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            let millis = |max| value.parse().ok().map(|ms: u64| Duration::from_millis(ms.clamp(100, max)));
            match key {
                "ct" => overrides.connect = millis(10_000).unwrap_or(overrides.connect),
                "rt" => overrides.read = millis(15_000).unwrap_or(overrides.read),
                "tt" => overrides.total = millis(15_000).unwrap_or(overrides.total),
                "rc" => overrides.retries = value.parse().map_or(overrides.retries, |rc: u32| rc.min(5)),
                "rp" => overrides.on = RetryOn::of(value),
                _ => {}
            }
        }
        overrides
    }
}

impl RetryOn {
    fn of(list: &str) -> Self {
        let has = |name| list.split(',').any(|item| item == name || item == "all");
        Self { connect: has("ct"), timeout: has("rt"), client_error: has("4xx"), server_error: has("5xx") }
    }

    fn includes(self, failure: Failure) -> bool {
        match failure {
            Failure::Connect => self.connect,
            Failure::Timeout => self.timeout,
            Failure::Status(400..=499) => self.client_error,
            Failure::Status(_) => self.server_error,
            // A partial answer is never asked for again.
            Failure::Broken | Failure::TooLarge | Failure::Lost => false,
        }
    }
}

/// Sends the webhooks of one account.
pub(super) struct Sender {
    pub(super) token: String,
    pub(super) port: Port,
    pub(super) clock: SimClock,
    pub(super) ledger: Ledger,
    pub(super) faults: Faults,
    /// One client for each connect timeout that was asked for.
    clients: Mutex<HashMap<Duration, Client>>,
    delivered: Notify,
}

impl Sender {
    pub(super) fn new(token: String, port: Port, clock: SimClock, ledger: Ledger, faults: Faults) -> Self {
        Self { token, port, clock, ledger, faults, clients: Mutex::default(), delivered: Notify::new() }
    }

    fn draw(&self, webhook: &Webhook, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        self.faults.draw_of(Remote::TwilioWebhook, &Method::POST, webhook.event, fits)
    }

    /// Sends one webhook, with whatever fault is drawn for it.
    pub(super) async fn send(&self, webhook: &Webhook) -> Result<Answer, Failure> {
        match self.draw(webhook, |fault| !fault.is_of_an_attempt()) {
            Some(Fault::Drop) => return Err(Failure::Lost),
            Some(Fault::Delay { ms } | Fault::Latency { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Some(Fault::Duplicate) => {
                // What the first copy is answered does not matter to Twilio either.
                let _ = self.transact(webhook).await;
            }
            Some(Fault::Reorder) => {
                // Nobody overtaking it within the time is fine too.
                let _ = timeout(OVERTAKEN_WITHIN, self.delivered.notified()).await;
            }
            _ => {}
        }
        self.transact(webhook).await
    }

    async fn transact(&self, webhook: &Webhook) -> Result<Answer, Failure> {
        let overrides = Overrides::of(&webhook.url);
        let until = Instant::now() + overrides.total;
        let token = uuid::Uuid::new_v4().to_string();
        let mut attempts = 0;
        let outcome = loop {
            attempts += 1;
            let attempt = self.attempt(webhook, &token, overrides);
            let outcome = timeout_at(until, attempt).await.unwrap_or(Err(Failure::Timeout));
            match outcome {
                Err(failure)
                    if attempts <= overrides.retries
                        && overrides.on.includes(failure)
                        && Instant::now() < until => {}
                outcome => break outcome,
            }
        };
        self.ledger.record(
            self.clock.now_ms(),
            "webhook_sent",
            json!({
                "remote": "twilio", "event": webhook.event, "url": webhook.url, "attempts": attempts,
                "failure": outcome.as_ref().err().map(|failure| format!("{failure:?}")),
                "fields": webhook.fields.iter().cloned().collect::<HashMap<_, _>>(),
            }),
        );
        self.delivered.notify_waiters();
        outcome
    }

    /// Tries once, and may meet something on the way.
    async fn attempt(&self, webhook: &Webhook, token: &str, overrides: Overrides) -> Result<Answer, Failure> {
        match self.draw(webhook, Fault::is_of_an_attempt) {
            Some(Fault::CutBefore) => Err(Failure::Connect),
            Some(Fault::Hang) => Err(Failure::Timeout),
            Some(Fault::Status { code: code @ 400.., .. }) => Err(Failure::Status(code)),
            // Something on the way says that all is well.
            Some(Fault::Status { .. }) => {
                Ok(Answer { content_type: "text/xml".into(), body: "<Response/>".into() })
            }
            // The receiver has it, and Twilio does not know.
            Some(Fault::CutAfter) => self.post(webhook, token, overrides).await.and(Err(Failure::Broken)),
            Some(Fault::StatusAfter { code }) => {
                self.post(webhook, token, overrides).await.and(Err(Failure::Status(code)))
            }
            _ => self.post(webhook, token, overrides).await,
        }
    }

    async fn post(&self, webhook: &Webhook, token: &str, overrides: Overrides) -> Result<Answer, Failure> {
        let url = webhook.url.split_once('#').map_or(webhook.url.as_str(), |(url, _)| url);
        let request = self
            .client(overrides.connect)?
            .post(url)
            .header(header::ACCEPT, "*/*")
            .header("X-Twilio-Signature", sign(&self.token, url, self.port, &webhook.fields))
            .header("I-Twilio-Idempotency-Token", token)
            .header("X-Home-Region", "us1")
            .form(&webhook.fields);
        // A connection that hangs ends by the client's own limit, before this one.
        let waiting = timeout(overrides.connect + overrides.read, request.send());
        let mut response = match waiting.await {
            Err(_) => return Err(Failure::Timeout),
            Ok(Err(error)) if error.is_connect() => return Err(Failure::Connect),
            Ok(Err(_)) => return Err(Failure::Broken),
            Ok(Ok(response)) => response,
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            return Err(Failure::Status(response.status().as_u16()));
        }
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut body = BytesMut::new();
        loop {
            match timeout(overrides.read, response.chunk()).await {
                Ok(Ok(None)) => return Ok(Answer { content_type, body: body.freeze() }),
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Err(_)) | Err(_) => return Err(Failure::Broken),
            }
            if body.len() > ANSWER_BYTES_MAX {
                return Err(Failure::TooLarge);
            }
        }
    }

    fn client(&self, connect: Duration) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&connect) {
            return Ok(client.clone());
        }
        // Each attempt connects anew: an idle connection that a restart of the receiver has closed
        // would look like a broken answer, which is not retried.
        let builder = Client::builder().pool_max_idle_per_host(0).no_proxy();
        let builder = builder.user_agent("TwilioProxy/1.1").connect_timeout(connect);
        let client = builder.build().map_err(|_| Failure::Connect)?;
        clients.insert(connect, client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_fragment_only_a_failed_connection_is_retried_once() {
        let overrides = Overrides::of("https://a.example/x?rc=5");
        assert_eq!((overrides.retries, overrides.total), (1, Duration::from_secs(15)));
        let retried = |failure| overrides.on.includes(failure);
        assert!(retried(Failure::Connect));
        assert!(!retried(Failure::Status(500)) && !retried(Failure::Timeout));
    }

    #[test]
    fn the_fragment_is_read_within_its_limits() {
        let overrides = Overrides::of("https://a.example/x#ct=2000&rt=99999&tt=1&rc=9&rp=5xx,rt");
        assert_eq!(
            overrides,
            Overrides {
                connect: Duration::from_secs(2),
                read: Duration::from_secs(15),
                total: Duration::from_millis(100),
                retries: 5,
                on: RetryOn { server_error: true, timeout: true, ..RetryOn::default() },
            }
        );
        let all = Overrides::of("https://a.example/x#rc=3&rp=all").on;
        assert!(all.includes(Failure::Status(404)) && all.includes(Failure::Status(503)));
        assert!(!all.includes(Failure::Broken));
    }
}

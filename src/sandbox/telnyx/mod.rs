//! The simulated Telnyx: one account with a messaging profile, over the real HTTP contract (carriers.md 2.1).
//!
//! | route | does |
//! | --- | --- |
//! | `POST /v2/messages` | send, once for each `Idempotency-Key` |
//! | `GET /v2/messages/{id}` | one message |
//! | `GET /v2/media/{id}/{place}` | a file that came with a text |
//! | `GET /v2/balance` | whether the key works |
//!
//! What comes in and what becomes of texts is told by webhooks, signed with a key of its own, three times
//! at most. The profile keeps opt-outs for all its numbers. There is no failover address here.

mod json;
mod routes;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json as value};

use crate::courier::Courier;
use crate::dice::Dice;
use crate::exchange::{Exchange, State, Text};
use crate::twilio::InboundMedia;
use crate::{Faults, Ledger, Remote, SimClock};

pub(crate) use routes::router;

/// How often a webhook is tried.
const ATTEMPTS: u32 = 3;

/// The account. Clones share it.
#[derive(Clone)]
pub(crate) struct Telnyx(Arc<Account>);

struct Account {
    exchange: Exchange,
    courier: Courier,
    key: SigningKey,
    api_key: String,
    profile: String,
    /// Where it answers, without a slash at the end.
    base_url: String,
}

impl Telnyx {
    pub(crate) fn new(
        base_url: &str,
        seed: u64,
        numbers: Vec<String>,
        clock: SimClock,
        ledger: Ledger,
        faults: Faults,
    ) -> Result<Self, reqwest::Error> {
        let mut dice = Dice::new(seed, 0x7E14, 0);
        let mut key = [0; 32];
        key.iter_mut().for_each(|byte| *byte = u8::try_from(dice.below(256)).unwrap_or(0));
        let remote = (Remote::TelnyxWebhook, "telnyx");
        Ok(Self(Arc::new(Account {
            exchange: Exchange::new(numbers, clock.clone(), ledger.clone()),
            courier: Courier::new(remote, ATTEMPTS, clock, ledger, faults)?,
            key: SigningKey::from_bytes(&key),
            api_key: format!("KEY{}", dice.hex(40)),
            profile: "16fd2706-8baf-433b-82eb-8c7fada847da".into(),
            base_url: base_url.to_owned(),
        })))
    }

    /// The bearer of requests.
    pub(crate) fn api_key(&self) -> &str {
        &self.0.api_key
    }

    /// What webhooks are verified with, base64.
    pub(crate) fn public_key(&self) -> String {
        BASE64.encode(self.0.key.verifying_key().as_bytes())
    }

    /// Where the profile's webhooks go.
    pub(crate) fn set_webhook(&self, url: &str) {
        self.0.courier.set_webhook(url);
    }

    /// Lets somebody text one of our numbers; the text's id, or none if the number is not ours.
    pub(crate) fn inbound(
        &self,
        from: &str,
        to: &str,
        body: &str,
        media: Vec<InboundMedia>,
    ) -> Option<String> {
        let text = self.0.exchange.receive(from, to, body, media)?;
        let id = text.id.clone();
        let this = self.clone();
        tokio::spawn(async move { this.announce("message", "message.received", &text).await });
        Some(id)
    }

    /// A message as it is told.
    fn json(&self, text: &Text) -> Value {
        json::message(text, &self.0.profile, &self.0.base_url)
    }

    /// Lets a text that was taken go its way.
    fn send_on(&self, text: Text) {
        let this = self.clone();
        let exchange = self.0.exchange.clone();
        tokio::spawn(exchange.follow(text, move |text: Text| {
            let this = this.clone();
            let event = if text.state == State::Sent { "message.sent" } else { "message.finalized" };
            async move { this.announce("status", event, &text).await }
        }));
    }

    /// `what` is how faults name it.
    async fn announce(&self, what: &'static str, event: &str, text: &Text) {
        let Some(url) = text.news_to.clone().or_else(|| self.0.courier.webhook()) else { return };
        let id = uuid::Uuid::new_v4().to_string();
        let payload = self.json(text);
        let occurred_at = json::time(self.0.courier.clock.now_ms());
        let make = |attempt: u32| {
            let event: Value = value!({
                "data": {"event_type": event, "id": id, "occurred_at": occurred_at, "payload": payload,
                         "record_type": "event"},
                "meta": {"attempt": attempt, "delivered_to": url},
            });
            let body = event.to_string();
            let second = (self.0.courier.clock.now_ms() / 1000).to_string();
            let signature = self.0.key.sign(format!("{second}|{body}").as_bytes());
            let signature = BASE64.encode(signature.to_bytes());
            (vec![("telnyx-timestamp", second), ("telnyx-signature-ed25519", signature)], body)
        };
        self.0.courier.deliver(what, &url, make).await;
    }
}

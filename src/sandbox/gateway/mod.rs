//! The simulated gateway of an operator: the contract of docs/gateway.md from the other side.
//!
//! | route | does |
//! | --- | --- |
//! | `POST /gateway` | `message.send`, once for each `webhook-id`; `ping` |
//! | `GET /gateway/files/{text}/{place}` | a file that came with a text |
//!
//! It acts on keywords by itself, as most carriers behind a gateway do, and tells what comes in and what
//! becomes of texts by webhooks of its own, which it repeats while they are not taken.

mod signature;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::courier::Courier;
use crate::dice::Dice;
use crate::exchange::{Draft, Exchange, Refused, State as How, Text, Why};
use crate::twilio::{InboundMedia, segments};
use crate::{Faults, Ledger, Remote, SimClock};
use signature::Key;

/// How often a webhook is tried.
const ATTEMPTS: u32 = 5;

/// How far a request's time may be from the simulated one, in seconds.
const TOLERANCE: i64 = 300;

/// The gateway. Clones share it.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Inner>);

struct Inner {
    exchange: Exchange,
    courier: Courier,
    /// What is posted here is signed with it.
    key: Key,
    /// What is posted from here.
    outbound: Key,
    /// Where it answers, without a slash at the end.
    base_url: String,
}

impl Gateway {
    pub(crate) fn new(
        base_url: &str,
        seed: u64,
        numbers: Vec<String>,
        clock: SimClock,
        ledger: Ledger,
        faults: Faults,
    ) -> Result<Self, reqwest::Error> {
        let mut dice = Dice::new(seed, 0x6A7E, 0);
        Ok(Self(Arc::new(Inner {
            exchange: Exchange::new(numbers, clock.clone(), ledger.clone()),
            courier: Courier::new((Remote::GatewayWebhook, "gateway"), ATTEMPTS, clock, ledger, faults)?,
            key: Key::new(&dice.hex(32)),
            outbound: Key::new(&dice.hex(32)),
            base_url: base_url.to_owned(),
        })))
    }

    /// What a daemon signs with, and what it verifies with.
    pub(crate) fn secrets(&self) -> (String, String) {
        (self.0.key.to_string(), self.0.outbound.to_string())
    }

    /// Where webhooks go.
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
        let media = text.media.iter().enumerate().map(|(place, media)| {
            json!({"url": self.file_url(&format!("{id}/{place}")), "content_type": media.content_type})
        });
        let data = json!({"id": id, "from": text.from, "to": text.to, "text": text.body,
                          "media": media.collect::<Vec<_>>(), "news": {"of": [1]}});
        let this = self.clone();
        tokio::spawn(async move { this.tell("message", "message.received", data).await });
        Some(id)
    }

    fn file_url(&self, name: &str) -> String {
        format!("{}/gateway/files/{name}", self.0.base_url)
    }

    /// Whether a request was signed over `signed`, of late.
    fn is_signed(&self, headers: &HeaderMap, signed: &[u8]) -> bool {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, second) = (header("webhook-id"), header("webhook-timestamp"));
        let apart = second.parse().map(|second: i64| second - self.0.courier.clock.now_ms() / 1000);
        let fresh = apart.is_ok_and(|apart| apart.abs() <= TOLERANCE);
        fresh && !id.is_empty() && self.0.key.sign(id, second, signed) == header("webhook-signature")
    }

    fn send_on(&self, text: Text) {
        let this = self.clone();
        let exchange = self.0.exchange.clone();
        tokio::spawn(exchange.follow(text, move |text: Text| {
            let (status, error) = match text.state {
                How::Failed(Why::Landline) => ("undelivered", Some("landline")),
                How::Failed(Why::Spam) => ("undelivered", Some("spam")),
                How::Delivered => ("delivered", None),
                _ => ("sent", None),
            };
            let data = json!({"mid": text.mid, "provider_id": text.id, "status": status, "error": error});
            let this = this.clone();
            async move { this.tell("status", "message.status", data).await }
        }));
    }

    /// `what` is how faults name it.
    async fn tell(&self, what: &'static str, kind: &str, data: Value) {
        let Some(url) = self.0.courier.webhook() else { return };
        let clock = &self.0.courier.clock;
        let now = jiff::Timestamp::from_millisecond(clock.now_ms()).unwrap_or_default();
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        let body = json!({"type": kind, "timestamp": now.to_string(), "data": data}).to_string();
        let make = |_| {
            let second = (clock.now_ms() / 1000).to_string();
            let signature = self.0.outbound.sign(&id, &second, body.as_bytes());
            let headers = vec![
                ("webhook-id", id.clone()),
                ("webhook-timestamp", second),
                ("webhook-signature", signature),
            ];
            (headers, body.clone())
        };
        self.0.courier.deliver(what, &url, make).await;
    }
}

pub(crate) fn router(gateway: Gateway) -> Router {
    let router = Router::new().route("/gateway", post(take));
    router.route("/gateway/files/{text}/{place}", get(file)).with_state(gateway)
}

#[derive(Deserialize)]
struct Webhook {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

#[derive(Deserialize)]
struct Send {
    mid: String,
    from: String,
    to: String,
    text: String,
}

async fn file(
    State(gateway): State<Gateway>,
    Path((text, place)): Path<(String, usize)>,
    headers: HeaderMap,
) -> Response {
    let url = gateway.file_url(&format!("{text}/{place}"));
    if !gateway.is_signed(&headers, url.as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match gateway.0.exchange.text(&text).and_then(|text| text.media.into_iter().nth(place)) {
        Some(media) => ([(header::CONTENT_TYPE, media.content_type)], media.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn take(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> Response {
    let refuse = |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
    if !gateway.is_signed(&headers, &body) {
        // It is no word about a text, so it is none of the contract's.
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(webhook) = serde_json::from_slice::<Webhook>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "malformed");
    };
    if webhook.kind == "ping" {
        return StatusCode::NO_CONTENT.into_response();
    }
    let wanted =
        (webhook.kind == "message.send").then(|| serde_json::from_value::<Send>(webhook.data.clone()));
    let Some(Ok(send)) = wanted else { return refuse(StatusCode::BAD_REQUEST, "malformed") };
    if send.mid != id {
        return refuse(StatusCode::BAD_REQUEST, "malformed");
    }
    let draft = Draft { from: &send.from, to: &send.to, body: &send.text, news_to: None };
    // The time of the attempt is no part of what the key is bound to.
    match gateway.0.exchange.take(Some(id), webhook.data.to_string().as_bytes(), &draft) {
        Ok((text, new)) => {
            let answer = Json(json!({"provider_id": text.id, "segments": segments(&text.body)}));
            if new {
                gateway.send_on(text);
            }
            answer.into_response()
        }
        Err(Refused::OtherRequest) => refuse(StatusCode::UNPROCESSABLE_ENTITY, "malformed"),
        Err(Refused::OptedOut) => refuse(StatusCode::UNPROCESSABLE_ENTITY, "opted_out"),
        Err(Refused::NotOurs) => refuse(StatusCode::UNPROCESSABLE_ENTITY, "sender"),
    }
}

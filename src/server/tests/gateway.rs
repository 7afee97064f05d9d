//! A gateway's webhooks through the real listener, signed as carriers.md 2.8 says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use crate::carrier::webhook;

const PATH: &str = "/hooks/gateway";
const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const AT: i64 = 1_764_000_000;
const TEXT: &str = r#"{"type":"message.received","timestamp":"2025-11-24T16:00:00Z","data":{"from":"+14155550123","to":"+14155550100","text":"Yes, 9am works"}}"#;

async fn world() -> World {
    let key = webhook::Key::parse(&format!("whsec_{KEY}")).unwrap();
    let carrier = Some(Hooks::Webhook(webhook::Hooks::new(key)));
    World::start(Choice { clock: shortly_after(AT * 1000), carrier, ..Choice::default() }).await
}

impl World {
    async fn gateway(&self, id: &str, at: i64, signed: &str, sent: &str) -> Answer {
        let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64.decode(KEY).unwrap()).unwrap();
        mac.update(format!("{id}.{at}.{signed}").as_bytes());
        let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        let request = self.client.post(self.url(PATH)).header("webhook-id", id);
        let request = request.header("webhook-timestamp", at).header("webhook-signature", signature);
        Answer::of(request.body(sent.to_owned())).await
    }
}

#[tokio::test]
async fn a_text_is_taken_once_by_the_id_of_its_webhook() {
    let world = world().await;
    for (id, at) in [("msg_1", AT), ("msg_1", AT + 7), ("msg_2", AT)] {
        assert_eq!(world.gateway(id, at, TEXT, TEXT).await.status, 204);
    }
    let conversations = world.get("/api/v1/conversations", VIEWER).await.json();
    let id = conversations["data"][0]["id"].as_str().unwrap();
    let messages = world.get(&format!("/api/v1/conversations/{id}/messages"), VIEWER).await.json();
    assert_eq!(messages["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_gateway_did_not_sign_or_signed_long_ago_is_refused() {
    let world = world().await;
    world.post(PATH, TEXT).await.problem(403, "bad-signature");
    world.gateway("msg_1", AT, TEXT, &TEXT.replace("9am", "8am")).await.problem(403, "bad-signature");
    world.gateway("msg_1", AT - 400, TEXT, TEXT).await.problem(403, "bad-signature");
    world.gateway("msg_1", AT, "{}", "{}").await.problem(400, "malformed");
    assert_eq!(world.get("/api/v1/conversations", VIEWER).await.json()["data"], serde_json::json!([]));
    world.engine.store.close().await;
    world.gateway("msg_1", AT, TEXT, TEXT).await.problem(503, "unavailable");
}

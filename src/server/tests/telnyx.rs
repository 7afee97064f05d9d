//! Telnyx' webhooks through the real listener, signed as carriers.md 2.1 says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::carrier::telnyx;

const PATH: &str = "/hooks/telnyx";
const AT: i64 = 1_764_000_000;
const TEXT: &str = r#"{"data":{"event_type":"message.received","id":"b301ed3f-1490-491f-995f-6e64e69674d4","payload":{"id":"84cca175-9755-4859-b67f-4730d7f58aa3","direction":"inbound","text":"Yes, 9am works","from":{"phone_number":"+14155550123"},"to":[{"phone_number":"+14155550100"}]},"record_type":"event"},"meta":{"attempt":1}}"#;
const STATUS: &str = r#"{"data":{"event_type":"message.finalized","id":"e2","payload":{"id":"m2","to":[{"phone_number":"+14155550123","status":"delivered"}]}}}"#;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

async fn world() -> World {
    let public_url = "https://sms.example.com".parse().unwrap();
    let carrier = Some(Hooks::Telnyx(telnyx::Hooks::new(&public_url, key().verifying_key())));
    World::start(Choice { clock: shortly_after(AT * 1000), carrier, ..Choice::default() }).await
}

impl World {
    async fn telnyx(&self, at: i64, key: &SigningKey, body: &str, sent: &str) -> Answer {
        let signature = BASE64.encode(key.sign(format!("{at}|{body}").as_bytes()).to_bytes());
        let request = self.client.post(self.url(PATH)).header("telnyx-timestamp", at);
        Answer::of(request.header("telnyx-signature-ed25519", signature).body(sent.to_owned())).await
    }

    async fn texts(&self) -> usize {
        let conversations = self.get("/api/v1/conversations", VIEWER).await.json();
        let Some(id) = conversations["data"][0]["id"].as_str() else { return 0 };
        let messages = self.get(&format!("/api/v1/conversations/{id}/messages"), VIEWER).await.json();
        messages["data"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn a_text_is_taken_once_however_often_it_comes() {
    let world = world().await;
    for at in [AT, AT, AT + 7] {
        let answer = world.telnyx(at, &key(), TEXT, TEXT).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    }
    assert_eq!(world.texts().await, 1);
    assert_eq!(
        world.telnyx(AT, &key(), STATUS, STATUS).await.status,
        204,
        "also for a text that is not known"
    );
}

#[tokio::test]
async fn what_telnyx_did_not_sign_or_signed_long_ago_is_refused_and_stores_nothing() {
    let world = world().await;
    world.post(PATH, TEXT).await.problem(403, "bad-signature");
    world.telnyx(AT, &key(), TEXT, &TEXT.replace("9am", "8am")).await.problem(403, "bad-signature");
    world.telnyx(AT, &SigningKey::from_bytes(&[8; 32]), TEXT, TEXT).await.problem(403, "bad-signature");
    for late in [-400, 400] {
        world.telnyx(AT + late, &key(), TEXT, TEXT).await.problem(403, "bad-signature");
    }
    world.telnyx(AT, &key(), "{}", "{}").await.problem(400, "malformed");
    let headless = TEXT.replace(r#""from""#, r#""form""#);
    world.telnyx(AT, &key(), &headless, &headless).await.problem(400, "malformed");
    let huge = " ".repeat(100_000);
    world.telnyx(AT, &key(), &huge, &huge).await.problem(413, "too-large");
    assert_eq!(world.texts().await, 0);
}

#[tokio::test]
async fn a_store_that_takes_nothing_makes_telnyx_try_again() {
    let world = world().await;
    world.engine.store.close().await;
    world.telnyx(AT, &key(), TEXT, TEXT).await.problem(503, "unavailable");
}

#[tokio::test]
async fn only_the_carrier_that_is_configured_has_its_routes() {
    let telnyx = world().await;
    telnyx.post("/hooks/twilio/message", "a=b").await.problem(404, "not-found");
    let twilio = World::start(Choice::default()).await;
    twilio.telnyx(AT, &key(), TEXT, TEXT).await.problem(404, "not-found");
}

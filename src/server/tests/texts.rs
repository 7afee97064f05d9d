//! Twilio's webhooks through the real listener, signed as carriers.md 1.6 says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use super::*;

/// The second vector of carriers.md 1.6, with the path that is ours.
const TEXT: &str = "ToCountry=US&ToState=CA&SmsMessageSid=SM11111111111111111111111111111111&NumMedia=0&ToCity=&FromZip=94105&SmsSid=SM11111111111111111111111111111111&FromState=CA&SmsStatus=received&FromCity=SAN+FRANCISCO&Body=Yes%2C+9am+works+%F0%9F%91%8D&FromCountry=US&To=%2B14155550100&ToZip=&NumSegments=1&MessageSid=SM11111111111111111111111111111111&AccountSid=AC00000000000000000000000000000000&From=%2B14155550123&ApiVersion=2010-04-01";
const STATUS: &str = "SmsSid=SM22222222222222222222222222222222&SmsStatus=delivered&MessageStatus=delivered&To=%2B14155550123&MessageSid=SM22222222222222222222222222222222&AccountSid=AC00000000000000000000000000000000&From=%2B14155550100&ApiVersion=2010-04-01";
const MID: &str = "0190f3c2-0000-7000-8000-000000000001";

/// What Twilio signs: the address, then the fields in order.
fn text_to_sign(url: &str, body: &str) -> String {
    let fields: std::collections::BTreeSet<_> = form_urlencoded::parse(body.as_bytes()).collect();
    fields.iter().fold(url.to_owned(), |text, (key, value)| text + key + value)
}

fn sign(url: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(text_to_sign(url, body).as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

impl World {
    async fn twilio(&self, path: &str, signature: &str, body: &str) -> Answer {
        let request = self.client.post(self.url(path)).header("x-twilio-signature", signature);
        Answer::of(request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned()))
            .await
    }
}

#[test]
fn the_test_signs_as_twilio_does() {
    assert_eq!(sign("https://sms.example.com/twilio/inbound", TEXT), "UU77jl2fkWO2ig1pHHjbxgMSf8U=");
    assert_eq!(sign("https://sms.example.com:443/twilio/inbound", TEXT), "nOZxHfRsy5I7erlREq5Z8IWftj4=");
}

#[tokio::test]
async fn a_text_is_taken_once_and_seen_through_the_api() {
    let world = World::start(Choice::default()).await;
    let path = "/hooks/twilio/message";
    for url in ["https://sms.example.com", "https://sms.example.com:443"] {
        let answer = world.twilio(path, &sign(&format!("{url}{path}"), TEXT), TEXT).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/xml"), "{answer:?}");
        assert_eq!(answer.text, r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
    }
    let conversations = world.get("/api/v1/conversations", VIEWER).await.json();
    let conversation = &conversations["data"][0];
    assert_eq!(conversation["number"], "+14155550123");
    assert_eq!((&conversation["opportunity"], &conversation["opted_out"]), (&Value::Null, &false.into()));
    let id = conversation["id"].as_str().unwrap();
    let messages = world.get(&format!("/api/v1/conversations/{id}/messages"), VIEWER).await.json();
    assert_eq!(messages["data"].as_array().unwrap().len(), 1);
    let message = &messages["data"][0];
    assert_eq!((&message["direction"], &message["status"]), (&"in".into(), &"received".into()));
    assert_eq!((&message["body"], &message["error"]), (&"Yes, 9am works 👍".into(), &Value::Null));
}

#[tokio::test]
async fn a_shared_key_signs_too() {
    let world = World::start(Choice::default()).await;
    let path = "/hooks/twilio/message";
    let mut mac = Hmac::<Sha256>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(text_to_sign(&format!("https://sms.example.com{path}"), TEXT).as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    let status = async |settings: &'static [u8]| {
        let settings = http::HeaderValue::from_bytes(settings).unwrap();
        let request = world.client.post(world.url(path)).header("x-twilio-signature", &signature);
        let request = request.header("x-twilio-webhooks-signature-settings", settings);
        Answer::of(request.body(TEXT)).await.status
    };
    assert_eq!(status(b"key=webhooks_sharedkey_1,algorithm=HMAC_SHA256").await, 200);
    assert_eq!(status(b"key=webhooks_sharedkey_1,algorithm=HMAC_MD5").await, 403);
    assert_eq!(status(b"\xff").await, 403);
    assert_eq!(world.twilio(path, &signature, TEXT).await.status, 403);
}

#[tokio::test]
async fn what_twilio_did_not_sign_is_refused_and_stores_nothing() {
    let world = World::start(Choice::default()).await;
    let path = "/hooks/twilio/message";
    let url = format!("https://sms.example.com{path}");
    let fine = sign(&url, TEXT);
    world.post(path, TEXT).await.problem(403, "bad-signature");
    world.twilio(path, "", TEXT).await.problem(403, "bad-signature");
    world.twilio(path, &fine, &TEXT.replace("9am", "8am")).await.problem(403, "bad-signature");
    world.twilio("/hooks/twilio/message?x=1", &fine, TEXT).await.problem(403, "bad-signature");
    // Twilio signs blank fields too (the vector V2x).
    let blanks_dropped = TEXT.replace("&ToCity=&", "&").replace("&ToZip=&", "&");
    world.twilio(path, &sign(&url, &blanks_dropped), TEXT).await.problem(403, "bad-signature");
    let other = TEXT.replace(ACCOUNT, "AC11111111111111111111111111111111");
    world.twilio(path, &sign(&url, &other), &other).await.problem(403, "bad-signature");

    world.twilio(path, &fine, "Body=%ff%fe").await.problem(400, "malformed");
    world.twilio(path, &fine, &"a=b&".repeat(20_000)).await.problem(413, "too-large");
    let headless = TEXT.replace("&From=", "&Fromm=");
    world.twilio(path, &sign(&url, &headless), &headless).await.problem(400, "malformed");
    assert_eq!(world.get("/api/v1/conversations", VIEWER).await.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn a_status_is_taken_with_the_query_that_is_signed() {
    let world = World::start(Choice::default()).await;
    let path = format!("/hooks/twilio/status?mid={MID}");
    let fine = sign(&format!("https://sms.example.com{path}"), STATUS);
    let answer = world.twilio(&path, &fine, STATUS).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""), "also for a text that is not known");
    let other = format!("{}2", &path[..path.len() - 1]);
    world.twilio(&other, &fine, STATUS).await.problem(403, "bad-signature");
    world.twilio("/hooks/twilio/status", &fine, STATUS).await.problem(403, "bad-signature");
}

#[tokio::test]
async fn a_path_in_the_public_address_is_signed_whether_a_proxy_takes_it_off_or_not() {
    let world = World::start(Choice { public_url: "https://x.example/fulcrum", ..Choice::default() }).await;
    let path = format!("/hooks/twilio/status?mid={MID}");
    let fine = sign(&format!("https://x.example/fulcrum{path}"), STATUS);
    assert_eq!(world.twilio(&path, &fine, STATUS).await.status, 204);
    assert_eq!(world.twilio(&format!("/fulcrum{path}"), &fine, STATUS).await.status, 204);
}

#[tokio::test]
async fn a_store_that_takes_nothing_makes_twilio_try_again() {
    let world = World::start(Choice::default()).await;
    world.engine.store.close().await;
    let path = "/hooks/twilio/message";
    let fine = sign(&format!("https://sms.example.com{path}"), TEXT);
    let answer = world.twilio(path, &fine, TEXT).await;
    answer.problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_carrier_that_is_only_asked_finds_no_door() {
    let world = World::start(Choice { polls: true, ..Choice::default() }).await;
    for (path, body) in [("/hooks/twilio/message", TEXT), ("/hooks/twilio/status", STATUS)] {
        let url = format!("https://sms.example.com{path}");
        assert_eq!(world.twilio(path, &sign(&url, body), body).await.status, 404, "{path}");
    }
    for path in ["/hooks/telnyx", "/hooks/gateway"] {
        assert_eq!(world.post(path, "{}").await.status, 404, "{path}");
    }
}

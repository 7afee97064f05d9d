//! The client at the wire: what is posted, and what each kind of answer means.

use std::time::Duration;

use fulcrum_domain::{Delivery, Remedy, SendFailure};
use jiff::Timestamp;
use url::Url;

use super::{Client, Key, WebhookSettings};
use crate::carrier::listener::{self, MID, answer, failing, http, serve};
use crate::carrier::{Carrier, LostAnswer, Outcome, Outgoing, ReadError};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn carrier(url: Url) -> Carrier {
    let settings = WebhookSettings { url, key: Key::parse(KEY).unwrap(), timeout: Duration::from_secs(10) };
    Carrier::Webhook(Client::new(http(), settings))
}

fn outgoing() -> Outgoing {
    Outgoing { at: Timestamp::from_second(1_764_000_000).unwrap(), ..listener::outgoing() }
}

/// A header of a request.
fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let lines = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    lines.unwrap_or_else(|| panic!("no {name}: {request}"))
}

#[tokio::test]
async fn a_text_is_posted_under_our_id_and_signed() {
    let (url, server) = serve(vec![answer("200 OK", r#"{"provider_id":"g-1","more":1}"#)]);
    let accepted = carrier(url.join("/texts?tenant=7").unwrap()).send(&outgoing()).await.unwrap();
    assert_eq!((accepted.sid.as_str(), accepted.status), ("g-1", Delivery::Accepted));
    let asked = server.join().unwrap().remove(0);
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /texts?tenant=7 HTTP/1.1\r\n"), "{head}");
    assert_eq!((header(head, "webhook-id"), header(head, "webhook-timestamp")), (MID, "1764000000"));
    let key = Key::parse(KEY).unwrap();
    assert_eq!(header(head, "webhook-signature"), key.sign(MID, "1764000000", body.as_bytes()));
    let expected = format!(
        r#"{{"type":"message.send","timestamp":"2025-11-24T16:00:00Z","data":{{"mid":"{MID}","to":"+14155550123","from":"+14155550100","text":"private words & more","media":[]}}}}"#
    );
    assert_eq!(body, expected);
}

async fn check(answer: String, outcome: Outcome, class: SendFailure, remedy: Remedy) {
    let error = failing(carrier, &outgoing(), answer.clone()).await;
    assert_eq!((error.outcome, error.class, error.remedy()), (outcome, class, remedy), "{answer}");
}

#[tokio::test]
async fn a_refusal_in_the_gateways_words_is_certain() {
    let bad = |error: &str| answer("422 Unprocessable Entity", &format!(r#"{{"error":"{error}"}}"#));
    let not_sent = Outcome::NotSent;
    check(bad("opted_out"), not_sent, SendFailure::OptedOut, Remedy::Suppress).await;
    check(bad("landline"), not_sent, SendFailure::Landline, Remedy::GiveUp).await;
    check(bad("news"), not_sent, SendFailure::Unknown, Remedy::GiveUp).await;
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"] {
        for body in ["<html>", r#"{"error":"unauthorized"}"#, r#"{"error":"signature"}"#] {
            check(answer(status, body), not_sent, SendFailure::Config, Remedy::PauseSending).await;
        }
    }
    let forbidden = answer("403 Forbidden", r#"{"error":"blocked"}"#);
    check(forbidden, not_sent, SendFailure::Blocked, Remedy::GiveUp).await;
    let later =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 77\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let wait = Remedy::RetryAfter(Duration::from_secs(77));
    check(later.into(), not_sent, SendFailure::Throttled, wait).await;
}

#[tokio::test]
async fn whatever_is_not_certain_is_settled_by_the_id() {
    let down = SendFailure::CarrierDown;
    for (answer, class) in [
        (answer("502 Bad Gateway", ""), down),
        (answer("400 Bad Request", "<html>a proxy says hello</html>"), down),
        (answer("409 Conflict", r#"{"error":"busy"}"#), down),
        (answer("302 Found\r\nlocation: https://elsewhere.example/", ""), down),
        (answer("200 OK", "OK"), SendFailure::Unknown),
        (answer("204 No Content", ""), SendFailure::Unknown),
        (String::new(), down),
    ] {
        check(answer, Outcome::Unknown, class, Remedy::LookUp).await;
    }
    let nowhere = carrier("http://127.0.0.1:1".parse().unwrap());
    assert!(matches!(nowhere.lost_answer(), LostAnswer::Repeat { .. }));
    assert!(!nowhere.lists_inbound());
    assert!(!format!("{nowhere:?}").contains("MfKQ"));
}

#[tokio::test]
async fn the_gateway_is_pinged() {
    let (url, server) = serve(vec![answer("204 No Content", ""), answer("401 Unauthorized", "")]);
    let carrier = carrier(url);
    let at = Timestamp::from_second(1_764_000_000).unwrap();
    assert_eq!(carrier.check(at).await.unwrap().status, "active");
    assert!(matches!(carrier.check(at).await.unwrap_err(), ReadError::Refused { status: 401, .. }));
    let asked = server.join().unwrap();
    assert!(
        asked[0].contains(r#"{"type":"ping","timestamp":"2025-11-24T16:00:00Z","data":{}}"#),
        "{}",
        asked[0]
    );
    assert_ne!(header(&asked[0], "webhook-id"), header(&asked[1], "webhook-id"));
}

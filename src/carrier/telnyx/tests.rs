//! The client at the wire: what is asked, and what each kind of answer means.

use std::time::Duration;

use fulcrum_domain::{Delivery, Remedy, SendFailure};
use url::Url;

use super::{Client, TelnyxSettings};
use crate::carrier::listener::{MID, answer, failing, http, outgoing, serve};
use crate::carrier::{Carrier, LostAnswer, Outcome, ReadError};

fn settings(base_url: Url) -> TelnyxSettings {
    TelnyxSettings {
        base_url,
        api_key: "KEY-secret".into(),
        messaging_profile_id: Some("b0c6b1f4-0000-4000-8000-000000000001".into()),
        public_url: Some("https://text.acme.example/".parse().unwrap()),
        timeout: Duration::from_secs(10),
    }
}

fn carrier(settings: TelnyxSettings) -> Carrier {
    Carrier::Telnyx(Client::new(http(), settings))
}

const MESSAGE: &str = r#"{"data":{"id":"84cca175-9755-4859-b67f-4730d7f58aa3","record_type":"message",
    "direction":"outbound","from":{"phone_number":"+14155550100"},"text":"private words & more","parts":1,
    "to":[{"phone_number":"+14155550123","status":"queued","carrier":"x"}],"errors":[],"cost":null,
    "received_at":"2026-11-24T05:30:00Z"}}"#;

async fn check(answer: String, outcome: Outcome, class: SendFailure, remedy: Remedy) {
    let error = failing(|url| carrier(settings(url)), &outgoing(), answer.clone()).await;
    assert_eq!((error.outcome, error.class, error.remedy()), (outcome, class, remedy), "{answer}");
}

#[tokio::test]
async fn a_text_is_handed_over_with_our_id_as_its_key_and_again_by_the_same_bytes() {
    let (url, server) = serve(vec![answer("200 OK", MESSAGE), answer("200 OK", MESSAGE)]);
    let carrier = carrier(settings(url));
    let accepted = carrier.send(&outgoing()).await.unwrap();
    assert_eq!(accepted.sid.as_str(), "84cca175-9755-4859-b67f-4730d7f58aa3");
    assert_eq!((accepted.status, accepted.segments), (Delivery::Accepted, Some(1)));
    assert_eq!(carrier.send(&outgoing()).await.unwrap(), accepted);

    let asked = server.join().unwrap();
    assert_eq!(asked[0], asked[1]);
    let (head, body) = asked[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v2/messages HTTP/1.1\r\n"), "{head}");
    for line in ["authorization: Bearer KEY-secret", &format!("idempotency-key: {MID}")] {
        assert!(head.lines().any(|found| found == line), "{head}");
    }
    let expected = format!(
        r#"{{"from":"+14155550100","to":"+14155550123","text":"private words & more","messaging_profile_id":"b0c6b1f4-0000-4000-8000-000000000001","webhook_url":"https://text.acme.example/hooks/telnyx?mid={MID}"}}"#
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_refusal_with_a_code_is_certain() {
    let refusal = |status, code| {
        let body = format!(r#"{{"errors":[{{"code":"{code}","title":"about +14155550123","detail":"x"}}]}}"#);
        answer(status, &body)
    };
    let bad = |code| refusal("400 Bad Request", code);
    let not_sent = Outcome::NotSent;
    check(bad(40300), not_sent, SendFailure::OptedOut, Remedy::Suppress).await;
    check(bad(40001), not_sent, SendFailure::Landline, Remedy::GiveUp).await;
    check(bad(49999), not_sent, SendFailure::Unknown, Remedy::GiveUp).await;
    let unfit = refusal("422 Unprocessable Entity", 19999);
    check(unfit, not_sent, SendFailure::Rejected, Remedy::GiveUp).await;
    for code in [10009, 19999] {
        let denied = refusal("401 Unauthorized", code);
        check(denied, not_sent, SendFailure::Config, Remedy::PauseSending).await;
    }
    let later =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 77\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let wait = Remedy::RetryAfter(Duration::from_secs(77));
    check(later.into(), not_sent, SendFailure::Throttled, wait).await;
}

#[tokio::test]
async fn whatever_is_not_certain_is_settled_by_the_key() {
    let html = "<html>a proxy says hello</html>";
    let down = SendFailure::CarrierDown;
    for (answer, class) in [
        (answer("500 Internal Server Error", r#"{"errors":[{"code":"10007"}]}"#), down),
        (answer("409 Conflict", r#"{"errors":[{"code":"10012"}]}"#), down),
        (answer("403 Forbidden", html), down),
        (answer("302 Found\r\nlocation: https://elsewhere.example/", ""), down),
        (answer("200 OK", html), SendFailure::Unknown),
        (answer("200 OK", r#"{"data":{"id":null}}"#), SendFailure::Unknown),
        (answer("200 OK", MESSAGE).split_at(200).0.into(), SendFailure::Unknown),
        (String::new(), down),
    ] {
        check(answer, Outcome::Unknown, class, Remedy::LookUp).await;
    }
    let LostAnswer::Repeat { kept } = carrier(settings("http://127.0.0.1:1".parse().unwrap())).lost_answer()
    else {
        panic!()
    };
    assert!(kept < Duration::from_hours(24));
}

#[tokio::test]
async fn what_became_of_a_text_is_read_by_its_id() {
    let failed = MESSAGE
        .replace("queued", "delivery_failed")
        .replace(r#""errors":[]"#, r#""errors":[{"code":"40008"}]"#);
    let (url, server) = serve(vec![
        answer("200 OK", MESSAGE),
        answer("200 OK", &failed),
        answer("404 Not Found", r#"{"errors":[{"code":"10005","title":"Resource not found"}]}"#),
        answer("404 Not Found", "<html>"),
    ]);
    let carrier = carrier(settings(url));
    let sid = "84cca175-9755-4859-b67f-4730d7f58aa3".parse().unwrap();
    let listed = carrier.fetch(&sid).await.unwrap();
    assert_eq!((listed.status, listed.failure), (Some(Delivery::Accepted), None));
    let listed = carrier.fetch(&sid).await.unwrap();
    assert_eq!((listed.status, listed.failure), (Some(Delivery::Undelivered), Some(SendFailure::Unknown)));
    assert!(matches!(carrier.fetch(&sid).await, Err(ReadError::NotFound)));
    assert!(matches!(carrier.fetch(&sid).await, Err(ReadError::Down { status: 404 })));
    assert!(server.join().unwrap()[0].starts_with(&format!("GET /v2/messages/{sid} HTTP/1.1\r\n")));
}

#[tokio::test]
async fn the_key_is_checked_by_the_balance() {
    let good = answer("200 OK", r#"{"data":{"record_type":"balance","balance":"300.00","currency":"USD"}}"#);
    let denied = answer("401 Unauthorized", r#"{"errors":[{"code":"10009","title":"no"}]}"#);
    let (url, server) = serve(vec![good, denied]);
    let carrier = carrier(settings(url));
    assert_eq!(carrier.check(jiff::Timestamp::UNIX_EPOCH).await.unwrap().status, "active");
    let refused = carrier.check(jiff::Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(refused, ReadError::Refused { status: 401, code: Some(10009) }));
    assert!(server.join().unwrap()[0].starts_with("GET /v2/balance HTTP/1.1\r\n"));
}

#[tokio::test]
async fn what_telnyx_does_not_offer_is_not_asked_for() {
    let carrier = carrier(settings("http://127.0.0.1:1".parse().unwrap()));
    assert!(!carrier.lists_inbound());
    assert!(matches!(carrier.delete(&"m1".parse().unwrap()).await, Err(ReadError::NotOffered)));
    assert!(matches!(carrier.find_lost("+14155550123").await, Err(ReadError::NotOffered)));
    assert!(!format!("{carrier:?}").contains("secret"));
}

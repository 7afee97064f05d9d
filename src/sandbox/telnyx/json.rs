//! Telnyx' JSON as the simulated one writes it: messages and errors (carriers.md 2.1).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::exchange::{State, Text, Why};
use crate::twilio::{is_gsm, segments};

/// A moment as Telnyx writes it.
pub(super) fn time(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string()
}

/// A message, with one field that nobody has heard of.
pub(super) fn message(text: &Text, profile: &str, base_url: &str) -> Value {
    let media = text.media.iter().enumerate().map(|(place, media)| {
        let url = format!("{base_url}/v2/media/{}/{place}", text.id);
        json!({"url": url, "content_type": media.content_type, "size": media.bytes.len(),
               "hash_sha256": hex::encode(Sha256::digest(&media.bytes))})
    });
    let outbound = text.state != State::Received;
    let (status, errors) = match text.state {
        State::Received => ("webhook_delivered", json!([])),
        State::Queued => ("queued", json!([])),
        State::Sent => ("sent", json!([])),
        State::Delivered => ("delivered", json!([])),
        State::Failed(why) => ("delivery_failed", json!([undelivered(why)])),
    };
    let sent = !matches!(text.state, State::Queued | State::Received);
    let done = matches!(text.state, State::Delivered | State::Failed(_));
    let stamp = |yes: bool| yes.then(|| time(text.at_ms));
    json!({
        "record_type": "message",
        "direction": if outbound { "outbound" } else { "inbound" },
        "id": text.id,
        "type": if text.media.is_empty() { "SMS" } else { "MMS" },
        "organization_id": "b448f9cc-a842-4784-98e9-03c1a5872950",
        "messaging_profile_id": profile,
        "from": {"phone_number": text.from, "carrier": "Telnyx", "line_type": "Wireless", "status": null},
        "to": [{"phone_number": text.to, "status": status, "carrier": "", "line_type": ""}],
        "cc": [],
        "text": text.body,
        "media": media.collect::<Vec<_>>(),
        "webhook_url": text.news_to,
        "webhook_failover_url": null,
        "encoding": if is_gsm(&text.body) { "GSM-7" } else { "UCS-2" },
        "parts": segments(&text.body),
        "tags": [],
        "cost": null,
        "received_at": time(text.at_ms),
        "sent_at": stamp(sent),
        "completed_at": stamp(done),
        "valid_until": time(text.at_ms + 3_600_000),
        "errors": errors,
        "added_without_notice": {"of": [1]},
    })
}

fn undelivered(why: Why) -> Value {
    match why {
        Why::Landline => json!({"code": "40001", "title": "Not routable", "detail": "A landline."}),
        Why::Spam => json!({"code": "40002", "title": "Blocked as spam - temporary", "detail": "Filtered."}),
    }
}

/// An error.
pub(super) fn error(status: StatusCode, code: &str, title: &str) -> Response {
    (status, Json(json!({"errors": [{"code": code, "title": title, "detail": title}]}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_counts_its_parts() {
        let mut text = Text {
            id: "m1".into(),
            from: "+12025550100".into(),
            to: "+12025550142".into(),
            body: "a".repeat(161),
            state: State::Queued,
            news_to: None,
            mid: None,
            at_ms: 0,
            media: Vec::new(),
        };
        let counted = |text: &Text| {
            let told = message(text, "p", "http://127.0.0.1");
            (told["parts"].clone(), told["encoding"].clone())
        };
        assert_eq!(counted(&text), (json!(2), json!("GSM-7")));
        text.body = "ж".repeat(70);
        assert_eq!(counted(&text), (json!(1), json!("UCS-2")));
    }
}

//! What the gateway sends us, all to one address: texts, and what became of ours (docs/gateway.md).
//!
//! [`Hooks`] checks the signature before anything is read. Who repeats a webhook changes nothing: texts are
//! taken in once by their id, and states only move up.

use jiff::Timestamp;
use serde::de::IgnoredAny;

use super::{Key, wire};
use crate::carrier::{BadSignature, HookError, HookEvent};

/// The receiving end.
#[derive(Clone, Debug)]
pub struct Hooks {
    key: Key,
}

/// A request of the gateway's, raw.
#[derive(Clone, Copy)]
pub struct HookRequest<'a> {
    /// The header `webhook-id`.
    pub id: Option<&'a str>,
    /// The header `webhook-timestamp`.
    pub timestamp: Option<&'a str>,
    /// The header `webhook-signature`.
    pub signature: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl Hooks {
    /// For a gateway that signs with this key.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key }
    }

    /// What it tells.
    ///
    /// # Errors
    /// [`HookError`]; nothing in it comes from the sender.
    pub fn event(&self, request: &HookRequest<'_>, now: Timestamp) -> Result<HookEvent, HookError> {
        let (Some(id), Some(timestamp), Some(signature)) = (request.id, request.timestamp, request.signature)
        else {
            return Err(BadSignature::Wrong.into());
        };
        self.key.verify(id, timestamp, signature, request.body, now)?;
        let kind: wire::Envelope<IgnoredAny> = read(request.body)?;
        match kind.kind.as_str() {
            "message.received" => {
                let wire::Envelope { data, .. } = read::<wire::Received>(request.body)?;
                data.text(id).map(HookEvent::Text)
            }
            "message.status" => {
                let wire::Envelope { data, .. } = read::<wire::Status>(request.body)?;
                data.update().map(HookEvent::Status)
            }
            _ => return Ok(HookEvent::Other),
        }
        .map_err(HookError::Field)
    }
}

fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<wire::Envelope<T>, HookError> {
    serde_json::from_slice(body).map_err(|_| HookError::Unreadable)
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::{Delivery, SendFailure};
    use proptest::prelude::*;

    use super::*;
    use fulcrum_domain::optout::Keyword;

    const NOW: i64 = 1_764_000_000;
    const MID: &str = "0190f3c2-0000-7000-8000-000000000001";

    fn event(body: &str) -> Result<HookEvent, HookError> {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = NOW.to_string();
        let signature = key.sign("msg_1", &at, body.as_bytes());
        let request = HookRequest {
            id: Some("msg_1"),
            timestamp: Some(&at),
            signature: Some(&signature),
            body: body.as_bytes(),
        };
        Hooks::new(key).event(&request, Timestamp::from_second(NOW).unwrap())
    }

    fn told(kind: &str, data: &str) -> Result<HookEvent, HookError> {
        event(&format!(r#"{{"type":"{kind}","timestamp":"2026-11-24T05:30:00Z","data":{data}}}"#))
    }

    #[test]
    fn a_text_has_its_own_name_or_that_of_its_webhook() {
        let data = r#"{"from":"+14155550123","to":"+14155550100","text":"private words","keyword":"stop",
            "media":[{"url":"https://media.example/1","content_type":"image/png"},{"url":"no"}],"news":1}"#;
        let Ok(HookEvent::Text(text)) = told("message.received", data) else { panic!() };
        assert_eq!((text.sid.as_str(), &*text.body, text.media.len()), ("msg_1", "private words", 1));
        assert_eq!((text.segments, text.opt_out, text.at), (1, Some(Keyword::Stop), None));
        let named = data.replacen('{', r#"{"id":"smpp-77","#, 1);
        let Ok(HookEvent::Text(text)) = told("message.received", &named) else { panic!() };
        assert_eq!(text.sid.as_str(), "smpp-77");
    }

    #[test]
    fn news_goes_by_our_name_or_by_the_gateways() {
        let news = |data: &str| match told("message.status", data) {
            Ok(HookEvent::Status(update)) => update,
            other => panic!("{other:?}"),
        };
        let ours = news(&format!(r#"{{"mid":"{MID}","status":"delivered"}}"#));
        assert_eq!((ours.mid, ours.sid.as_str()), (Some(MID.parse().unwrap()), MID));
        assert_eq!((ours.status, ours.failure), (Some(Delivery::Delivered), None));
        let theirs = news(r#"{"provider_id":"g-1","status":"undelivered","error":"landline"}"#);
        assert_eq!((theirs.mid, theirs.sid.as_str()), (None, "g-1"));
        assert_eq!(
            (theirs.status, theirs.failure),
            (Some(Delivery::Undelivered), Some(SendFailure::Landline))
        );
        assert_eq!(news(r#"{"provider_id":"g-1","status":"teleported"}"#).status, None);
    }

    #[test]
    fn what_lacks_its_head_is_refused_and_what_is_new_is_passed_over() {
        assert_eq!(told("message.received", "{}"), Err(HookError::Field("data.from")));
        assert_eq!(told("message.status", r#"{"status":"sent"}"#), Err(HookError::Field("data.provider_id")));
        assert_eq!(told("message.status", r#"{"mid":"x"}"#), Err(HookError::Field("data.mid")));
        assert_eq!(told("message.received", "7"), Err(HookError::Unreadable));
        assert_eq!(told("message.send", r#"{"mid":"x"}"#), Ok(HookEvent::Other), "our own, played back");
        assert_eq!(event("<html>"), Err(HookError::Unreadable));
    }

    proptest! {
        #[test]
        fn no_body_of_anybodys_panics(
            kind in "message\\.(received|status)",
            data in r#"(\{|\}|\[|\]|,|:|"(id|from|to|status|media|url|error|mid|provider_id)"|"\PC{0,5}"|[0-9]{1,20}|null){0,30}"#,
        ) {
            let _ = told(&kind, &data);
        }
    }
}

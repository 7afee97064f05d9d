//! What Telnyx sends us, all to one address: texts, and what became of ours (carriers.md 2.1).
//!
//! [`Hooks`] checks the signature before anything is read. Who repeats a webhook within the signature's
//! time changes nothing: texts are taken in once by their id, and states only move up.

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use url::Url;

use super::{hook_url, signature, wire};
use crate::carrier::{HookError, HookEvent};

/// The receiving end.
#[derive(Clone, Debug)]
pub struct Hooks {
    hook_url: String,
    key: VerifyingKey,
}

/// A request of Telnyx', raw.
#[derive(Clone, Copy)]
pub struct HookRequest<'a> {
    /// The header `telnyx-timestamp`.
    pub timestamp: Option<&'a str>,
    /// The header `telnyx-signature-ed25519`.
    pub signature: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl Hooks {
    /// For an account whose public key this is; news of our texts go to an address below `public_url`.
    #[must_use]
    pub fn new(public_url: &Url, key: VerifyingKey) -> Self {
        Self { hook_url: hook_url(public_url), key }
    }

    /// What it tells.
    ///
    /// # Errors
    /// [`HookError`]; nothing in it comes from the sender.
    pub fn event(&self, request: &HookRequest<'_>, now: Timestamp) -> Result<HookEvent, HookError> {
        signature::verify(&self.key, request.timestamp, request.signature, request.body, now)?;
        let wire::Envelope { data: wire::Event { event_type, payload } } =
            serde_json::from_slice(request.body).map_err(|_| HookError::Unreadable)?;
        let payload = || payload.ok_or(HookError::Field("payload"));
        match event_type.as_deref() {
            Some("message.received") => payload()?.received().map(HookEvent::Text),
            Some("message.sent" | "message.finalized") => {
                payload()?.update(&self.hook_url).map(HookEvent::Status)
            }
            _ => return Ok(HookEvent::Other),
        }
        .map_err(HookError::Field)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use ed25519_dalek::{Signer, SigningKey};
    use fulcrum_domain::{Delivery, SendFailure};
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_764_000_000;
    const MID: &str = "0190f3c2-0000-7000-8000-000000000001";

    fn event(body: &str) -> Result<HookEvent, HookError> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let hooks = Hooks::new(&"https://text.acme.example/".parse().unwrap(), key.verifying_key());
        let signature = BASE64.encode(key.sign(format!("{NOW}|{body}").as_bytes()).to_bytes());
        let request = HookRequest {
            timestamp: Some(&NOW.to_string()),
            signature: Some(&signature),
            body: body.as_bytes(),
        };
        hooks.event(&request, Timestamp::from_second(NOW).unwrap())
    }

    fn told(kind: &str, payload: &str) -> Result<HookEvent, HookError> {
        event(&format!(
            r#"{{"data":{{"event_type":"{kind}","id":"e1","payload":{payload},"record_type":"event"}},"meta":{{"attempt":1}}}}"#
        ))
    }

    #[test]
    fn a_text_comes_with_its_media() {
        let payload = r#"{"id":"84cca175-9755-4859-b67f-4730d7f58aa3","direction":"inbound","text":"private words",
            "from":{"phone_number":"+14155550123","carrier":"x"},"to":[{"phone_number":"+14155550100"}],"parts":2,
            "received_at":"2026-11-24T05:30:00.000+00:00",
            "media":[{"url":"https://media.example/1","content_type":"image/png"},{"url":"no"}]}"#;
        let Ok(HookEvent::Text(text)) = told("message.received", payload) else { panic!() };
        assert_eq!((text.sid.as_str(), text.segments), ("84cca175-9755-4859-b67f-4730d7f58aa3", 2));
        assert_eq!((&*text.from, &*text.to, &*text.body), ("+14155550123", "+14155550100", "private words"));
        assert_eq!(text.at, Some("2026-11-24T05:30:00Z".parse().unwrap()));
        assert_eq!((text.media.len(), &*text.media[0].content_type), (1, "image/png"));
        let printed = format!("{text:?}");
        assert!(!printed.contains("private") && !printed.contains("555"), "{printed}");
    }

    #[test]
    fn news_names_our_text_and_its_failure() {
        let news = |kind: &str, status: &str, errors: &str| {
            let payload = format!(
                r#"{{"id":"m1","to":[{{"phone_number":"+14155550123","status":"{status}"}}],"errors":{errors},
                    "webhook_url":"https://text.acme.example/hooks/telnyx?mid={MID}"}}"#
            );
            let Ok(HookEvent::Status(update)) = told(kind, &payload) else { panic!("{payload}") };
            assert_eq!((update.mid, update.sid.as_str()), (Some(MID.parse().unwrap()), "m1"));
            (update.status, update.failure)
        };
        assert_eq!(news("message.sent", "sent", "[]"), (Some(Delivery::Sent), None));
        assert_eq!(news("message.finalized", "delivered", "null"), (Some(Delivery::Delivered), None));
        assert_eq!(
            news("message.finalized", "delivery_failed", r#"[{"code":"40001","title":"x"}]"#),
            (Some(Delivery::Undelivered), Some(SendFailure::Landline))
        );
        assert_eq!(
            news("message.finalized", "expired", "[]"),
            (Some(Delivery::Failed), Some(SendFailure::Expired))
        );
        assert_eq!(news("message.finalized", "delivery_unconfirmed", "[]").0, Some(Delivery::Sent));
    }

    #[test]
    fn what_lacks_its_head_is_refused_and_what_is_new_is_passed_over() {
        assert_eq!(told("message.received", "null"), Err(HookError::Field("payload")));
        assert_eq!(told("message.received", r#"{"id":"m1"}"#), Err(HookError::Field("from")));
        assert_eq!(told("message.sent", r#"{"id":"m1"}"#), Err(HookError::Field("to.status")));
        assert_eq!(told("call.hangup", r#"{"id":"m1"}"#), Ok(HookEvent::Other));
        assert_eq!(event("{}"), Err(HookError::Unreadable));
        assert_eq!(event("<html>"), Err(HookError::Unreadable));
    }

    proptest! {
        #[test]
        fn no_body_of_anybodys_panics(
            kind in "message\\.(received|sent|finalized)",
            payload in r#"(\{|\}|\[|\]|,|:|"(id|from|to|status|media|url|errors|code|webhook_url|parts)"|"\PC{0,5}"|[0-9]{1,20}|null){0,30}"#,
        ) {
            let _ = told(&kind, &payload);
        }
    }
}

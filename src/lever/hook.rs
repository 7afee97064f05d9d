//! What Lever's webhooks send: the envelope, and its signature (lever-api.md 6.3 and 6.4).
//!
//! The signature covers `token` and `triggeredAt` and nothing else, so whoever saw one webhook can
//! sign any `data`. Hence only ids are read from it, and all else is asked of Lever again; and the
//! three signed fields never reach a log.

use std::fmt;

use fulcrum_domain::{HookEvent, OpportunityId};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::wire::Fields;

/// Lever nests two deep. Parsers of strangers' input need a bound that holds before they begin.
const DEPTH_MAX: usize = 16;

/// Lever sends 48 characters. The token becomes a key of the store, so it has a bound.
const TOKEN_BYTES_MAX: usize = 256;

/// Why a body is no webhook of Lever's. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Not a JSON object in UTF-8.
    #[error("the body is not a json object")]
    NotAnObject,
    /// Nested deeper than anything that Lever sends.
    #[error("the body is nested too deep")]
    TooDeep,
    /// A field without which it is no webhook.
    #[error("the body has no usable {0:?}")]
    Field(&'static str),
    /// It is about something that we did not ask to be told of.
    #[error("the event is none of the eight")]
    UnknownEvent,
}

/// One webhook, not yet verified.
#[derive(Clone, PartialEq)]
pub struct Envelope {
    /// What happened. Not covered by the signature, but each event has tokens of its own.
    pub event: HookEvent,
    /// When it happened.
    pub triggered_at: Timestamp,
    /// Random for each event: what tells a second delivery from a second event.
    pub token: String,
    /// Whose candidacy it is about, where it says. Not covered by the signature.
    pub opportunity: Option<OpportunityId>,
    triggered_at_digits: String,
    signature: Option<String>,
    ping: bool,
}

impl Envelope {
    /// Reads a body. Fields that it does not know, and odd ids, are ignored.
    ///
    /// # Errors
    /// [`HookError`]: a body that Lever would not send.
    pub fn parse(body: &[u8]) -> Result<Self, HookError> {
        let text = std::str::from_utf8(body).map_err(|_| HookError::NotAnObject)?;
        if depth(body) > DEPTH_MAX {
            return Err(HookError::TooDeep);
        }
        let mut fields = Fields::parse(text).ok_or(HookError::NotAnObject)?;
        let event: String = fields.take("event").ok_or(HookError::Field("event"))?;
        let event = HookEvent::from_lever(&event).ok_or(HookError::UnknownEvent)?;
        let token: String = fields.take("token").ok_or(HookError::Field("token"))?;
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(HookError::Field("token"));
        }
        let digits = fields.raw("triggeredAt").ok_or(HookError::Field("triggeredAt"))?;
        let triggered_at = milliseconds(digits).ok_or(HookError::Field("triggeredAt"))?;
        let mut data = fields.raw("data").and_then(Fields::parse).ok_or(HookError::Field("data"))?;
        Ok(Self {
            triggered_at,
            triggered_at_digits: digits.to_owned(),
            signature: fields.take("signature"),
            ping: data.is_empty(),
            opportunity: data.id("opportunityId").or_else(|| data.id("candidateId")),
            event,
            token,
        })
    }

    /// Whether this is the test that Lever sends when a webhook is set up (lever-api.md 6.6).
    pub const fn is_ping(&self) -> bool {
        self.ping
    }

    /// Whether one of these signature tokens signed it. In constant time for each of them.
    pub fn verify<'a>(&self, signature_tokens: impl IntoIterator<Item = &'a SecretString>) -> bool {
        let Some(signature) = self.signature.as_deref().and_then(|hex| hex::decode(hex).ok()) else {
            return false;
        };
        signature_tokens.into_iter().any(|key| {
            // The key is the text itself, although it looks like hex.
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else {
                return false;
            };
            mac.update(self.token.as_bytes());
            mac.update(self.triggered_at_digits.as_bytes());
            mac.verify_slice(&signature).is_ok()
        })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("event", &self.event)
            .field("triggered_at", &self.triggered_at)
            .field("opportunity", &self.opportunity)
            .finish_non_exhaustive()
    }
}

/// Milliseconds as digits and nothing else, since the signature covers the digits as sent.
fn milliseconds(digits: &str) -> Option<Timestamp> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

/// How deep the brackets of a JSON text nest. For what is no JSON, any number.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while bytes.by_ref().find(|b| matches!(b, b'"' | b'\\')) == Some(&b'\\') {
                    bytes.next();
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";
    const TOKEN: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718";
    const AT: &str = "1735689600123";
    const SIGNATURE: &str = "89b2661c5e3c835a30cebee9aae3a9631d6f6b783971fa2859a369403bc6cdc5";

    fn body(token: &str, at: &str, signature: &str) -> String {
        format!(
            r#"{{"id":"c0ffee00-0000-4000-8000-000000000001","event":"candidateStageChange","triggeredAt":{at},
            "token":"{token}","signature":"{signature}","data":{{"opportunityId":"4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f",
            "contactId":"9d2b6c10-2222-4d2f-8e4b-1b2c3d4e5f60","candidateId":"c1","fromStageId":null,"toStageId":"offer"}}}}"#
        )
    }

    fn verified(body: &str, key: &str) -> bool {
        Envelope::parse(body.as_bytes()).unwrap().verify([&SecretString::from(key)])
    }

    fn refused(body: impl AsRef<[u8]>) -> HookError {
        Envelope::parse(body.as_ref()).unwrap_err()
    }

    #[test]
    fn the_vectors_verify() {
        assert!(verified(&body(TOKEN, AT, SIGNATURE), KEY));
        let second = "a642f81028baa36b1798bcc39efac3f4036b4f75e26e71dd908838182317632a";
        assert!(verified(&body("tok", "1600000000000", second), "test-signature-token"));
    }

    #[test]
    fn wrong_ways_to_sign_do_not_verify() {
        for (why, signature) in [
            ("key read as hex", "018299e57cc8585ab2b80e76ea0e861174707f33140d4fbc0e4d778719642180"),
            ("order swapped", "baea367d093c716695f300e780178cf3cb21f4093e64acb47bc6fddc25680ec9"),
            ("time with a fraction", "2b17c81064dafa3ca5231ff89af4a250c7a95b8ae2fc1e8f02ca184944e9adc7"),
            ("base64", "ibJmHF48g1owzr7pquOpYx1va3g5cfooWaNpQDvGzcU="),
            ("cut short", &SIGNATURE[..62]),
            ("empty", ""),
        ] {
            assert!(!verified(&body(TOKEN, AT, signature), KEY), "{why}");
        }
        assert!(!verified(&body(TOKEN, AT, SIGNATURE), "another key"));
        assert!(!verified(&body(TOKEN, "1735689600124", SIGNATURE), KEY));
        assert!(!verified(&body("tok", AT, SIGNATURE), KEY));
        assert!(!verified(&body(TOKEN, AT, SIGNATURE).replace("\"signature\"", "\"sig\""), KEY));
    }

    #[test]
    fn any_of_the_tokens_may_have_signed() {
        let envelope = Envelope::parse(body(TOKEN, AT, SIGNATURE).as_bytes()).unwrap();
        let tokens = ["old", KEY].map(SecretString::from);
        assert!(envelope.verify(&tokens));
        assert!(!envelope.verify([]));
    }

    #[test]
    fn the_opportunity_is_read_and_an_odd_id_ignored() {
        let envelope = Envelope::parse(body(TOKEN, AT, SIGNATURE).as_bytes()).unwrap();
        assert_eq!(envelope.opportunity.unwrap().to_string(), "4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f");

        let about = |data: &str| {
            let body = format!(r#"{{"event":"interviewDeleted","triggeredAt":1,"token":"t","data":{data}}}"#);
            Envelope::parse(body.as_bytes()).unwrap().opportunity
        };
        assert_eq!(about(r#"{"id":"i1","candidateId":"o1"}"#).unwrap().to_string(), "o1");
        assert_eq!(about(r#"{"id":"x","opportunityId":"../x"}"#), None);
    }

    #[test]
    fn the_ping_is_an_event_about_nothing() {
        let ping = |data: &str| {
            let body = format!(r#"{{"event":"candidateHired","triggeredAt":1,"token":"t","data":{data}}}"#);
            Envelope::parse(body.as_bytes()).unwrap().is_ping()
        };
        assert!(ping("{}"));
        assert!(ping("{ }"));
        assert!(!ping(r#"{"opportunityId":7}"#));
    }

    #[test]
    fn what_lever_would_not_send_is_refused() {
        for text in ["", "[]", "7", "null", "<html>", r#"{"event":"#, "{} {}"] {
            assert_eq!(refused(text), HookError::NotAnObject, "{text}");
        }
        assert_eq!(refused(b"{\"event\":\"\xff\"}"), HookError::NotAnObject);
        let whole = body(TOKEN, AT, SIGNATURE);
        assert_eq!(refused(whole.replace("\"event\"", "\"e\"")), HookError::Field("event"));
        assert_eq!(refused(whole.replace("candidateStageChange", "contactCreated")), HookError::UnknownEvent);
        assert_eq!(refused(body("", AT, SIGNATURE)), HookError::Field("token"));
        assert_eq!(refused(body(&"t".repeat(257), AT, SIGNATURE)), HookError::Field("token"));
        assert_eq!(refused(whole.replace("\"data\"", "\"d\"")), HookError::Field("data"));
        for at in
            ["1735689600123.0", "1.7e12", "-1", "\"1735689600123\"", "null", "99999999999999999999", "{}"]
        {
            assert_eq!(refused(body(TOKEN, at, SIGNATURE)), HookError::Field("triggeredAt"), "{at}");
        }
    }

    #[test]
    fn depth_is_bounded_before_parsing() {
        let deep = |n: usize| {
            format!(
                r#"{{"event":"candidateHired","triggeredAt":1,"token":"t","data":{{"a":{}1{}}}}}"#,
                "[".repeat(n),
                "]".repeat(n)
            )
        };
        assert!(Envelope::parse(deep(DEPTH_MAX - 2).as_bytes()).is_ok());
        assert_eq!(refused(deep(DEPTH_MAX - 1)), HookError::TooDeep);
        assert_eq!(refused("[".repeat(1_000_000)), HookError::TooDeep);
        let brackets_in_text = body(&format!("{}\\\"[", "[".repeat(40)), AT, SIGNATURE);
        assert!(Envelope::parse(brackets_in_text.as_bytes()).is_ok());
    }

    #[test]
    fn debug_shows_nothing_that_could_sign() {
        let shown = format!("{:?}", Envelope::parse(body(TOKEN, AT, SIGNATURE).as_bytes()).unwrap());
        assert!(!shown.contains(TOKEN) && !shown.contains(SIGNATURE), "{shown}");
    }

    proptest! {
        #[test]
        fn nothing_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::parse(&bytes);
        }

        #[test]
        fn nothing_panics_on_almost_json(
            cut in 0..500usize, at in 0..500usize, byte in any::<u8>(),
        ) {
            let mut bytes = body(TOKEN, AT, SIGNATURE).into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut);
            if let Ok(envelope) = Envelope::parse(&bytes) {
                envelope.verify([&SecretString::from(KEY)]);
            }
        }
    }
}

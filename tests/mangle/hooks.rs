//! Webhooks: Lever's envelope with its signature, and the carrier's forms with theirs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fulcrum::carrier::twilio::{BadSignature, Form, HookError, HookRequest, Hooks, SigningKeys};
use fulcrum::lever::Envelope;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use secrecy::SecretString;
use sha1::Sha1;
use std::collections::BTreeSet;

use crate::corpus::{hold, hold_text};

/// The keys of the vectors in lever-api.md 6.4 and carriers.md 1.6.
const LEVER_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";
const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ACCOUNT: &str = "AC00000000000000000000000000000000";
/// What Lever has signed in the whole corpus: whatever else verifies is forged.
const SIGNED: [(&str, i64); 2] =
    [("a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718", 1_735_689_600_123), ("tok", 1_600_000_000_000)];

#[test]
fn a_webhook_of_levers_is_genuine_or_refused_and_never_more() {
    hold("lever", |bytes| {
        let Ok(envelope) = Envelope::parse(bytes) else { return false };
        assert!((1..=256).contains(&envelope.token.len()));
        if let Some(opportunity) = &envelope.opportunity {
            // It becomes part of a path at Lever.
            let id = opportunity.to_string();
            assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{id}");
            assert_eq!(id.parse().as_ref(), Ok(opportunity));
        }
        let keys = [LEVER_KEY, "test-signature-token"].map(SecretString::from);
        if envelope.verify(&keys) {
            let signed = (envelope.token.as_str(), envelope.triggered_at.as_millisecond());
            assert!(SIGNED.contains(&signed), "forged: {bytes:?}");
        }
        assert!(!envelope.verify([]));
        assert_eq!(Envelope::parse(bytes).unwrap(), envelope);
        true
    });
}

fn hooks() -> Hooks {
    let keys = SigningKeys { auth_tokens: vec![AUTH_TOKEN.into()], ..SigningKeys::default() };
    Hooks::new("https://sms.example.com".parse().unwrap(), ACCOUNT.into(), keys)
}

/// As Twilio signs, by another decoder than the one under test.
fn sign(target: &str, body: &[u8]) -> String {
    let fields: BTreeSet<_> = form_urlencoded::parse(body).into_owned().collect();
    let mut mac = Hmac::<Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(format!("https://sms.example.com{target}").as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    BASE64.encode(mac.finalize().into_bytes())
}

#[test]
fn a_form_that_is_signed_is_taken_whole_or_refused_by_its_fields() {
    const TARGET: &str = "/hooks/twilio/message?mid=0190f3c2-0000-7000-8000-000000000001";
    let hooks = hooks();
    hold("twilio", |bytes| {
        let signature = sign(TARGET, bytes);
        let genuine =
            HookRequest { target: TARGET, signature: Some(&signature), key_settings: None, body: bytes };
        let read = Form::parse(bytes);
        let (text, status) = (hooks.message(&genuine), hooks.status(&genuine));
        let forged = HookRequest { target: "/hooks/twilio/message", ..genuine };
        assert_eq!(hooks.message(&forged).is_err(), hooks.status(&forged).is_err());
        assert!(hooks.message(&forged).is_err(), "signed for another address");
        match read {
            Err(error) => assert_eq!(text.as_ref().err(), Some(&HookError::Form(error))),
            Ok(_) => assert_ne!(text.as_ref().err(), Some(&HookError::Signature(BadSignature))),
        }
        if let Ok(text) = &text {
            assert!(!text.from.is_empty() && !text.to.is_empty() && text.media.len() <= 16);
            assert_eq!(text.sid.as_str().parse().as_ref(), Ok(&text.sid));
            assert!(text.sid.as_str().len() <= 64, "it becomes a key and a part of a path");
        }
        text.is_ok() || status.is_ok()
    });
}

#[test]
fn no_signature_but_the_right_one_is_taken() {
    const BODY: &[u8] = b"MessageSid=SM1&From=%2B14155550123&To=%2B14155550100&Body=hi&AccountSid=AC00000000000000000000000000000000";
    const TARGET: &str = "/hooks/twilio/message";
    let hooks = hooks();
    let right = sign(TARGET, BODY);
    let with = |signature: Option<&str>, key_settings: Option<&str>| {
        hooks.message(&HookRequest { target: TARGET, signature, key_settings, body: BODY })
    };
    assert!(with(Some(&right), None).is_ok());
    assert!(with(None, None).is_err());
    hold_text("signatures", |header| {
        assert_eq!(with(Some(header), None).is_ok(), header == right, "{header}");
        // No shared key is known, so whatever the settings say nobody could have signed by one.
        assert!(with(Some(&right), Some(header)).is_err());
        false
    });
}

proptest! {
    /// Whatever is signed by the key is taken, whatever is changed after is not.
    #[test]
    fn what_lever_signs_verifies_and_what_is_changed_then_does_not(
        token in "[a-zA-Z0-9]{1,60}", ms in 0..4_102_444_800_000i64, at in 0..64usize, digit in "[0-9a-f]",
    ) {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(LEVER_KEY.as_bytes()).unwrap();
        mac.update(format!("{token}{ms}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let body = |signature: &str, ms: i64| {
            format!(
                r#"{{"event":"candidateHired","triggeredAt":{ms},"token":"{token}","signature":"{signature}","data":{{}}}}"#
            )
        };
        let verifies = |body: String| {
            Envelope::parse(body.as_bytes()).unwrap().verify([&SecretString::from(LEVER_KEY)])
        };
        prop_assert!(verifies(body(&signature, ms)));
        prop_assert!(!verifies(body(&signature, ms + 1)));
        let mut other = signature.clone();
        other.replace_range(at..=at, &digit);
        prop_assert_eq!(verifies(body(&other, ms)), other == signature);
    }
}

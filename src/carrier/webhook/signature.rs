//! Signatures as Standard Webhooks 1.0 has them (carriers.md 2.8).
//!
//! What is signed is the webhook's id, its time and its raw body, so none of the three can be changed. A
//! sender may list several signatures while it changes its key; one that fits is enough.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::carrier::event::{BadSignature, is_about_now};

/// More than a sender lists while it changes its key.
const MAX_LISTED: usize = 16;

/// A key for one way.
#[derive(Clone)]
pub struct Key(SecretSlice<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(not shown)")
    }
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: it must be whsec_ and base64 of 24 to 64 bytes")]
pub struct BadKey;

impl Key {
    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// [`BadKey`], which repeats nothing.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bytes = text.strip_prefix("whsec_").and_then(|text| BASE64.decode(text).ok()).ok_or(BadKey)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes.into())) } else { Err(BadKey) }
    }

    /// The header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        format!("v1,{}", BASE64.encode(self.mac(id, timestamp, body).finalize().into_bytes()))
    }

    /// Whether one of the listed signatures is ours, and of about now.
    pub(super) fn verify(
        &self,
        id: &str,
        timestamp: &str,
        listed: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), BadSignature> {
        let fits = |one: &str| {
            let signature = one.strip_prefix("v1,").and_then(|one| BASE64.decode(one).ok());
            signature.is_some_and(|signature| self.mac(id, timestamp, body).verify_slice(&signature).is_ok())
        };
        if !listed.split(' ').take(MAX_LISTED).any(fits) {
            return Err(BadSignature::Wrong);
        }
        is_about_now(timestamp, now)
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret());
        let mac = mac.expect("HMAC takes keys of any length");
        mac.chain_update(id).chain_update(".").chain_update(timestamp).chain_update(".").chain_update(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of carriers.md 2.8, which the official package takes.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(id: &str, listed: &str, body: &[u8], late: i64) -> Result<(), BadSignature> {
        let now = Timestamp::from_second(1_614_265_330 + late).unwrap();
        Key::parse(KEY).unwrap().verify(id, AT, listed, body, now)
    }

    #[test]
    fn the_vector_holds_both_ways_and_for_five_minutes() {
        assert_eq!(Key::parse(KEY).unwrap().sign(ID, AT, BODY), SIGNATURE);
        for late in [0, 300, -300] {
            assert_eq!(check(ID, SIGNATURE, BODY, late), Ok(()), "{late}");
        }
        assert_eq!(check(ID, SIGNATURE, BODY, 301), Err(BadSignature::Time));
        assert_eq!(check(ID, &format!("v1,AAAA v1a,AAAA {SIGNATURE}"), BODY, 0), Ok(()));
    }

    #[test]
    fn whatever_else_is_refused() {
        let wrong = Err(BadSignature::Wrong);
        assert_eq!(check("msg_1", SIGNATURE, BODY, 0), wrong);
        assert_eq!(check(ID, SIGNATURE, b"{}", 0), wrong);
        for listed in ["", "v1,", "v1,AAAA", &SIGNATURE[3..], &SIGNATURE.replace("v1,", "v1a,")] {
            assert_eq!(check(ID, listed, BODY, 0), wrong, "{listed}");
        }
    }

    #[test]
    fn a_key_has_its_mark_and_its_length_and_is_not_printed() {
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64"] {
            assert_eq!(Key::parse(text).unwrap_err(), BadKey, "{text}");
        }
        assert_eq!(format!("{:?}", Key::parse(KEY).unwrap()), "Key(not shown)");
    }
}

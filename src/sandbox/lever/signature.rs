//! Lever's webhook signature (lever-api.md 6.4): lowercase hex HMAC-SHA256 over token and decimal
//! `triggeredAt`, the key being the signature token's text.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signs one event.
pub(super) fn sign(signature_token: &str, token: &str, triggered_at: i64) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(signature_token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(token.as_bytes());
    mac.update(triggered_at.to_string().as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_vectors_hold() {
        assert_eq!(
            sign(
                "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978",
                "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718",
                1_735_689_600_123
            ),
            "89b2661c5e3c835a30cebee9aae3a9631d6f6b783971fa2859a369403bc6cdc5"
        );
        assert_eq!(
            sign("test-signature-token", "tok", 1_600_000_000_000),
            "a642f81028baa36b1798bcc39efac3f4036b4f75e26e71dd908838182317632a"
        );
    }
}

//! `telnyx-signature-ed25519`, exactly (carriers.md 2.1).
//!
//! What is signed is the timestamp, a bar and the raw body, with a key of which only the public half is
//! here: who reads this machine's secrets still cannot make a webhook. The timestamp bounds how long one
//! can be played back; within that time the carrier's own ids catch it. The address is not signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use jiff::Timestamp;

use crate::carrier::event::{BadSignature, is_about_now};

/// Whether this body was signed at about this time.
pub(super) fn verify(
    key: &VerifyingKey,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), BadSignature> {
    let (Some(timestamp), Some(signature)) = (timestamp, signature) else { return Err(BadSignature::Wrong) };
    let signature = BASE64.decode(signature).map_err(|_| BadSignature::Wrong)?;
    let signature = Signature::from_slice(&signature).map_err(|_| BadSignature::Wrong)?;
    let signed = [timestamp.as_bytes(), b"|", body].concat();
    key.verify_strict(&signed, &signature).map_err(|_| BadSignature::Wrong)?;
    // Only now, since the time is part of what is signed.
    is_about_now(timestamp, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of carriers.md 2.1, which Telnyx' own package takes.
    const KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const AT: &str = "1764000000";
    const BODY: &str = r#"{"data":{"event_type":"message.received","id":"b301ed3f-1490-491f-995f-6e64e69674d4","payload":{"id":"84cca175-9755-4859-b67f-4730d7f58aa3","text":"Yes, 9am works"},"record_type":"event"}}"#;
    const SIGNATURE: &str =
        "htFR7tSckU4YaNOXw0M0YRz8E5q3ERbYkBnK2m8aJZ/a/B1oYgjb2DDqL0iB0sQendeI3wsHdpM8Ma7aFflDDA==";

    fn check(at: Option<&str>, signature: Option<&str>, body: &str, late: i64) -> Result<(), BadSignature> {
        let key: [u8; 32] = BASE64.decode(KEY).unwrap().try_into().unwrap();
        let key = VerifyingKey::from_bytes(&key).unwrap();
        verify(&key, at, signature, body.as_bytes(), Timestamp::from_second(1_764_000_000 + late).unwrap())
    }

    #[test]
    fn the_vector_holds_for_five_minutes() {
        for late in [0, 300, -300] {
            assert_eq!(check(Some(AT), Some(SIGNATURE), BODY, late), Ok(()), "{late}");
        }
        for late in [301, -301, 1_000_000] {
            assert_eq!(check(Some(AT), Some(SIGNATURE), BODY, late), Err(BadSignature::Time), "{late}");
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let wrong = Err(BadSignature::Wrong);
        assert_eq!(check(Some(AT), Some(SIGNATURE), &BODY.replace("9am", "8am"), 0), wrong);
        assert_eq!(check(Some("1764000001"), Some(SIGNATURE), BODY, 0), wrong);
        assert_eq!(check(None, Some(SIGNATURE), BODY, 0), wrong);
        assert_eq!(check(Some(AT), None, BODY, 0), wrong);
        for signature in ["", "no base64!", "aGk=", &SIGNATURE.replace("ht", "Ht")] {
            assert_eq!(check(Some(AT), Some(signature), BODY, 0), wrong, "{signature}");
        }
        assert_eq!(check(Some("soon"), Some(SIGNATURE), BODY, 0), wrong);
    }
}

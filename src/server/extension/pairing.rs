//! How an extension comes to a token without anybody copying one.
//!
//! The extension draws a *verifier* and shows the hash of it, the *challenge*, to a page of ours
//! that it opens. Whoever is signed in there approves, after comparing six digits that both sides
//! show. The extension asks with the verifier, which nobody else knows, and gets its token, once.
//! Only decisions are kept, in memory, for five minutes: what was not decided is simply not there.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fulcrum_domain::SessionId;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// For so long the extension asks, and a decision is kept.
pub(super) const PAIRING_TIME: Duration = Duration::from_mins(5);
/// Far more than people pair at once. The oldest gives way.
const DECISIONS_MAX: usize = 1000;
/// What a browser's name may be long.
const LABEL_CHARS_MAX: usize = 60;

/// The hash that an extension shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Challenge([u8; 32]);

/// That is no challenge and no verifier: 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 bytes in base64url")]
pub(super) struct NotPairing;

fn bytes(text: &str) -> Result<[u8; 32], NotPairing> {
    // Not decoded at any length that a stranger likes.
    let text = (text.len() == 43).then_some(text).ok_or(NotPairing)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotPairing)?;
    bytes.try_into().map_err(|_| NotPairing)
}

impl FromStr for Challenge {
    type Err = NotPairing;

    fn from_str(text: &str) -> Result<Self, NotPairing> {
        bytes(text).map(Self)
    }
}

impl Challenge {
    /// The challenge of a verifier.
    pub(super) fn of_verifier(text: &str) -> Result<Self, NotPairing> {
        Ok(Self(Sha256::digest(bytes(text)?).into()))
    }

    /// Six digits for people to compare, as `123 456`.
    pub(super) fn code(self) -> String {
        let [a, b, c, d, ..] = self.0;
        let digits = u32::from_be_bytes([a, b, c, d]) % 1_000_000;
        format!("{:03} {:03}", digits / 1000, digits % 1000)
    }
}

impl std::fmt::Display for Challenge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The name that an extension gives its browser, fit to be shown: it comes from a link.
pub(super) fn label(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || " .-/()".contains(*c);
    let label: String = text.chars().filter(plain).take(LABEL_CHARS_MAX).collect();
    match label.trim() {
        "" => "A browser".to_owned(),
        label => label.to_owned(),
    }
}

/// What somebody decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The extension acts for whoever is signed in so, under this label.
    Approved(SessionId, String),
    /// It does not.
    Refused,
}

/// The decisions that no extension has fetched yet.
#[derive(Default)]
pub(super) struct Pairings(Mutex<HashMap<Challenge, (Instant, Decision)>>);

impl Pairings {
    pub(super) fn decide(&self, challenge: Challenge, decision: Decision, now: Instant) {
        let mut decisions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        decisions.retain(|_, (at, _)| now.duration_since(*at) < PAIRING_TIME);
        if decisions.len() >= DECISIONS_MAX {
            let oldest = decisions.iter().min_by_key(|(_, (at, _))| *at).map(|(challenge, _)| *challenge);
            oldest.and_then(|oldest| decisions.remove(&oldest));
        }
        decisions.insert(challenge, (now, decision));
    }

    /// The decision, which is then forgotten.
    pub(super) fn take(&self, challenge: Challenge, now: Instant) -> Option<Decision> {
        let mut decisions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, decision) = decisions.remove(&challenge)?;
        (now.duration_since(at) < PAIRING_TIME).then_some(decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn challenge(n: u8) -> Challenge {
        Challenge([n; 32])
    }

    /// The pair of RFC 7636, appendix B, hashed as bytes rather than as text.
    #[test]
    fn a_challenge_is_the_hash_of_its_verifier() {
        let challenge = Challenge::of_verifier(VERIFIER).unwrap();
        assert_eq!(challenge.to_string().parse(), Ok(challenge));
        assert_eq!(challenge.code().len(), 7);
        assert_eq!(Challenge([0, 0, 0, 7].repeat(8).try_into().unwrap()).code(), "000 007");
        for wrong in ["", "abc", &VERIFIER[1..], &VERIFIER.replace('-', "+"), &format!("{VERIFIER}=")] {
            assert_eq!(Challenge::of_verifier(wrong), Err(NotPairing), "{wrong}");
        }
    }

    #[test]
    fn a_decision_is_fetched_once_and_not_late() {
        let (pairings, now) = (Pairings::default(), Instant::now());
        assert_eq!(pairings.take(challenge(1), now), None);
        let approved = Decision::Approved(SessionId::new([7; 16]), "Chromium".to_owned());
        pairings.decide(challenge(1), approved.clone(), now);
        pairings.decide(challenge(2), Decision::Refused, now);
        assert_eq!(pairings.take(challenge(1), now), Some(approved));
        assert_eq!(pairings.take(challenge(1), now), None);
        assert_eq!(pairings.take(challenge(2), now + PAIRING_TIME), None);
    }

    #[test]
    fn there_are_only_so_many_decisions() {
        let (pairings, now) = (Pairings::default(), Instant::now());
        for n in 0..=DECISIONS_MAX {
            let bytes = (n as u64).to_be_bytes().repeat(4).try_into().unwrap();
            pairings.decide(Challenge(bytes), Decision::Refused, now + Duration::from_millis(n as u64));
        }
        assert_eq!(pairings.0.lock().unwrap().len(), DECISIONS_MAX);
        assert_eq!(pairings.take(challenge(0), now), None, "the oldest gave way");
    }

    #[test]
    fn a_label_is_plain_and_short() {
        assert_eq!(label("Chromium on Linux (156.0)"), "Chromium on Linux (156.0)");
        assert_eq!(label("<b>\u{202e}x</b>"), "bx/b");
        assert_eq!(label(" \u{7}"), "A browser");
        assert_eq!(label(&"x".repeat(500)).len(), LABEL_CHARS_MAX);
    }
}

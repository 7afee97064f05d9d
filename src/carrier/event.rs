//! What the carriers with signed JSON webhooks have in common: an event, and why one is not taken.

use jiff::{SignedDuration, Timestamp};

use super::{ReceivedText, StatusUpdate};

/// What a carrier tells by a webhook that may be about either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookEvent {
    /// A text came in.
    Text(ReceivedText),
    /// News of one of ours.
    Status(StatusUpdate),
    /// Nothing that concerns us.
    Other,
}

/// A webhook that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// 403.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// 400.
    #[error("no event that can be read")]
    Unreadable,
    /// 400.
    #[error("field {0} is missing or makes no sense")]
    Field(&'static str),
}

/// No proof that it comes from the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A header is missing or makes no sense, or another key or body was signed.
    #[error("the signature does not match")]
    Wrong,
    /// A replay, or a clock that is wrong.
    #[error("the signature's time is more than {} s from ours", TOLERANCE.as_secs())]
    Time,
}

/// How far a webhook's time may be from ours, both ways (carriers.md 2.1, 2.8).
const TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

/// Whether a timestamp, in seconds and as it was signed, is about now.
pub(super) fn is_about_now(timestamp: &str, now: Timestamp) -> Result<(), BadSignature> {
    let at = timestamp.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    let apart = now.duration_since(at.ok_or(BadSignature::Wrong)?);
    if apart.abs() <= TOLERANCE { Ok(()) } else { Err(BadSignature::Time) }
}

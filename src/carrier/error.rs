//! What can go wrong with a carrier, sorted by what the caller can do about it.
//!
//! For a send, only one question counts first: may the text have left? (carriers.md 1.9). So a
//! [`SendError`] is made by one of two functions, and everything that is not certain is unknown.

use std::time::Duration;

use fulcrum_domain::{Remedy, SendFailure};

/// Whether a failed send may have reached the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not: it may be sent again.
    NotSent,
    /// It may have: look for it, and never send it again blindly.
    Unknown,
}

impl Outcome {
    const fn words(self) -> &'static str {
        match self {
            Self::NotSent => "text not sent",
            Self::Unknown => "text may or may not be sent",
        }
    }
}

/// A text was not accepted.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .outcome.words(), .class.reason())]
pub struct SendError {
    /// Whether it may have left.
    pub outcome: Outcome,
    /// Why.
    pub class: SendFailure,
    /// The carrier's code, where it gave one.
    pub code: Option<u32>,
    /// How long the carrier asks us to wait.
    pub retry_after: Option<Duration>,
    /// What the network said.
    #[source]
    source: Option<reqwest::Error>,
}

impl SendError {
    /// It did not leave.
    pub(super) fn not_sent(class: SendFailure, code: Option<u32>) -> Self {
        Self { outcome: Outcome::NotSent, class, code, retry_after: None, source: None }
    }

    /// It may have left.
    pub(super) fn unknown(class: SendFailure) -> Self {
        Self { outcome: Outcome::Unknown, class, code: None, retry_after: None, source: None }
    }

    pub(super) fn after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// Sorts what the network said. Only a connection that never stood proves that nothing left.
    pub(super) fn network(error: reqwest::Error) -> Self {
        let never_left = error.is_connect() || error.is_builder();
        let outcome = if never_left { Outcome::NotSent } else { Outcome::Unknown };
        Self { outcome, source: Some(error.without_url()), ..Self::unknown(SendFailure::CarrierDown) }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match (self.outcome, self.class.remedy(), self.retry_after) {
            (Outcome::Unknown, ..) => Remedy::LookUp,
            (_, Remedy::RetryAfter(least), Some(asked)) => Remedy::RetryAfter(least.max(asked)),
            (_, remedy, _) => remedy,
        }
    }
}

/// Something could not be read at the carrier. Reading may always be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Too many requests at once.
    #[error("the carrier asks us to slow down")]
    Throttled {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
    /// No such thing, or no such account.
    #[error("the carrier does not know it")]
    NotFound,
    /// A request that will be refused again: wrong credentials, most often.
    #[error("the carrier refused the request with status {status}")]
    Refused {
        /// Of the answer.
        status: u16,
        /// The carrier's own code.
        code: Option<u32>,
    },
    /// The carrier is not itself.
    #[error("the carrier failed with status {status}")]
    Down {
        /// Of the answer.
        status: u16,
    },
    /// No answer, or half of one.
    #[error("the carrier could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The answer makes no sense: not what carriers.md describes.
    #[error("the carrier's answer could not be read")]
    Unreadable,
    /// The answer is larger than any should be.
    #[error("the carrier's answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// A next page on another host: our credentials do not go there.
    #[error("the carrier's next page lies elsewhere")]
    Elsewhere,
    /// The carrier has no such request.
    #[error("the carrier does not offer it")]
    NotOffered,
}

impl ReadError {
    /// What the network said, without the address: numbers stand in it.
    pub(super) fn network(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url())
    }
}

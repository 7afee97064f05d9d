//! Fetching a calendar. Its address is a secret, so no error here says it.

use std::time::Duration;

use fulcrum_domain::slots::Span;
use jiff::tz::TimeZone;
use reqwest::redirect::{Attempt, Policy};
use secrecy::{ExposeSecret, SecretString};

use super::feed::{BadFeed, busy};

/// For a whole answer: somebody waits for the page.
const TIMEOUT: Duration = Duration::from_secs(8);
/// A calendar of many years has a few MiB.
const BYTES_MAX: usize = 16 << 20;
/// Providers move calendars once, not around.
const REDIRECTS: usize = 3;

/// Why a calendar is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// No answer, or none in time.
    #[error("its address does not answer")]
    Unreachable,
    /// Another answer than a calendar.
    #[error("its address answers with status {0}")]
    Status(u16),
    /// More than is read.
    #[error("it is larger than 16 MiB")]
    TooLarge,
    /// It cannot be used.
    #[error(transparent)]
    Bad(#[from] BadFeed),
}

/// Reads calendars.
#[derive(Clone, Debug)]
pub struct Calendars {
    http: reqwest::Client,
}

impl Calendars {
    /// Over a client with this way out.
    ///
    /// # Errors
    /// What reqwest has against it.
    pub fn new(way: reqwest::ClientBuilder) -> Result<Self, reqwest::Error> {
        let http = way.redirect(Policy::custom(few_and_safe)).timeout(TIMEOUT).build()?;
        Ok(Self { http })
    }

    /// When the owner of the calendar at this address has no time within `window`.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn busy(
        &self,
        address: &SecretString,
        zone: &TimeZone,
        window: Span,
    ) -> Result<Vec<Span>, FeedError> {
        let answer = self.http.get(address.expose_secret()).send().await;
        let mut answer = answer.map_err(|_| FeedError::Unreachable)?;
        if !answer.status().is_success() {
            return Err(FeedError::Status(answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| FeedError::Unreachable)? {
            if bytes.len() + chunk.len() > BYTES_MAX {
                return Err(FeedError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        let zone = zone.clone();
        let read = move || busy(&String::from_utf8_lossy(&bytes), &zone, window);
        // A large one takes its time.
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| FeedError::Bad(BadFeed::Unreadable))?
            .map_err(Into::into)
    }
}

/// Never from https to http, nor around in circles.
fn few_and_safe(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let from_safe = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > REDIRECTS || (from_safe && attempt.url().scheme() != "https") {
        attempt.stop()
    } else {
        attempt.follow()
    }
}

//! Sends requests to Lever: in turn, with a deadline, and again where that is safe.
//!
//! What may be asked for is in `requests`. Reads (and deletions) are tried again here; a write is
//! sent once, since Lever has no idempotency keys: its error says by [`LeverError::outcome`] what is
//! known of it. Reads end at once when the pacer stops; a write that was sent runs to its deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fulcrum_domain::Lane;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, LOCATION};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::wire::Unreadable;
use super::{Endpoint, LeverError, Pacer};

/// Where Lever is and how it is reached.
pub struct LeverSettings {
    /// With the version: `https://api.lever.co/v1` (lever-api.md 1.1).
    pub base_url: Url,
    /// The key.
    pub api_key: SecretString,
    /// Refuse to send the key without TLS. Off for the sandbox only.
    pub https_only: bool,
    /// The way out: proxy, roots, identity. The rest is set here.
    pub way: ClientBuilder,
    /// The proxy on it, in words, if there is one.
    pub proxy: Option<String>,
    /// To have a connection.
    pub connect_timeout: Duration,
    /// From sending a request to the last byte of the answer.
    pub deadline: Duration,
}

/// The settings do not make a client.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The base URL is not one that paths can be put after.
    #[error("lever's base url cannot be a base")]
    BaseUrl,
    /// What the way out asks for cannot be had.
    #[error("cannot set up the connection to lever")]
    Connection(#[source] reqwest::Error),
}

/// A request that was made, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// On whose behalf.
    pub lane: Lane,
    /// What was asked.
    pub endpoint: Endpoint,
    /// `None` when no answer came.
    pub status: Option<StatusCode>,
    /// From the turn to the end of the answer.
    pub took: Duration,
}

/// Told of each request, on the task that made it: must be quick.
pub type Observer = Arc<dyn Fn(Seen) + Send + Sync>;

/// Lever, as this process sees it. Cheap to clone.
#[derive(Clone)]
pub struct LeverClient(Arc<Inner>);

struct Inner {
    http: Client,
    place: String,
    base_url: Url,
    api_key: SecretString,
    pacer: Pacer,
    observer: Observer,
    last_date: Mutex<Option<(Timestamp, Instant)>>,
}

/// One request, but for its lane.
pub(super) struct Ask<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<serde_json::Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(endpoint: Endpoint, path: &'a [&'a str], query: Vec<(&'static str, String)>) -> Self {
        Self { endpoint, method: Method::GET, path, query, body: None }
    }
}

/// An answer to one request.
struct Sent {
    status: StatusCode,
    /// Where to ask instead.
    moved: Option<Url>,
    /// An error where it did not end.
    body: Result<String, LeverError>,
}

/// How often a read is sent on before it counts as sent astray.
const HOPS_MAX: u32 = 2;

/// A page of 100 opportunities with everything expanded has a few hundred KiB.
const BODY_BYTES_MAX: usize = 32 << 20;

/// A connection that Lever closes just as a write goes out leaves that write in doubt, so idle ones
/// are given up well before the minute after which load balancers close them.
const POOL_IDLE: Duration = Duration::from_secs(20);

impl LeverClient {
    /// A client that takes its turns from `pacer` and tells `observer` of each request.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing is sent yet.
    pub fn new(settings: LeverSettings, pacer: Pacer, observer: Observer) -> Result<Self, SettingsError> {
        if settings.base_url.cannot_be_a_base() {
            return Err(SettingsError::BaseUrl);
        }
        let http = settings
            .way
            .user_agent(concat!("fulcrum/", env!("CARGO_PKG_VERSION")))
            .https_only(settings.https_only)
            .redirect(redirect::Policy::none())
            .gzip(true)
            // One connection for all would take all with it when it dies without a word, and leave
            // each write on it in doubt.
            .http1_only()
            .pool_idle_timeout(POOL_IDLE)
            // The deadline must not strike first: what was never sent would count as unknown.
            .connect_timeout(settings.connect_timeout.min(settings.deadline / 2))
            .timeout(settings.deadline)
            .build()
            .map_err(SettingsError::Connection)?;
        let place = match settings.proxy {
            Some(proxy) => format!("{} by way of the proxy {proxy}", settings.base_url),
            None => settings.base_url.to_string(),
        };
        Ok(Self(Arc::new(Inner {
            http,
            place,
            base_url: settings.base_url,
            api_key: settings.api_key,
            pacer,
            observer,
            last_date: Mutex::new(None),
        })))
    }

    /// Where it takes Lever to be, and the way there, for people.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// The pace of this client, for its status.
    pub fn pacer(&self) -> &Pacer {
        &self.0.pacer
    }

    /// By how much Lever's clock is ahead of ours, to a second or two, by its last answer.
    pub fn skew(&self, now: Timestamp) -> Option<SignedDuration> {
        let (date, received) = (*self.0.last_date.lock().unwrap_or_else(PoisonError::into_inner))?;
        let age = SignedDuration::try_from(received.elapsed()).ok()?;
        Some(date.duration_since(now) + age)
    }

    /// Asks until there is an answer that `read` accepts, or no more trying.
    pub(super) async fn ask<T>(
        &self,
        lane: Lane,
        ask: Ask<'_>,
        read: impl Fn(&str) -> Result<T, Unreadable>,
    ) -> Result<T, LeverError> {
        let asking = async {
            let mut tries = 1;
            loop {
                let error = match self.once(lane, &ask, &read).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                let Some(pause) = pause_before_retry(lane, &error, tries, rand::random()) else {
                    return Err(error);
                };
                tracing::debug!(lane = %lane, endpoint = %ask.endpoint, tries, %error, "asking lever again");
                tries += 1;
                tokio::time::sleep(pause).await;
            }
        };
        self.0.pacer.until_stopped(asking).await.unwrap_or(Err(LeverError::Cancelled))
    }

    /// Asks once.
    pub(super) async fn once<T>(
        &self,
        lane: Lane,
        ask: &Ask<'_>,
        read: impl Fn(&str) -> Result<T, Unreadable>,
    ) -> Result<T, LeverError> {
        let mut moved: Option<Url> = None;
        let mut hops = 0;
        loop {
            let turn = self.0.pacer.turn(lane).await.map_err(|_| LeverError::Cancelled)?;
            let began = Instant::now();
            let mut next = None;
            let (status, answer) = match self.send(ask, moved.take()).await {
                Ok(Sent { status, body, .. }) if status.is_success() => {
                    (Some(status), body.and_then(|body| read(&body).map_err(LeverError::Unreadable)))
                }
                // A refusal is one, whether or not the rest of it could be read.
                Ok(Sent { status, body, moved }) => {
                    next = moved;
                    let body = body.unwrap_or_default();
                    (Some(status), Err(LeverError::of_answer(ask.endpoint, status, &body)))
                }
                Err(error) => (None, Err(error)),
            };
            match &answer {
                Err(LeverError::Throttled) => turn.throttled(),
                Err(
                    LeverError::Server { .. } | LeverError::Interrupted(_) | LeverError::Intercepted { .. },
                ) => turn.troubled(),
                _ => {}
            }
            (self.0.observer)(Seen { lane, endpoint: ask.endpoint, status, took: began.elapsed() });
            if next.is_none() || hops == HOPS_MAX {
                return answer;
            }
            (moved, hops) = (next, hops + 1);
        }
    }

    /// Sends it, to where it has moved if it has. The outer error means that no answer began.
    async fn send(&self, ask: &Ask<'_>, moved: Option<Url>) -> Result<Sent, LeverError> {
        let url = moved.unwrap_or_else(|| self.address(ask));
        let mut request = self
            .0
            .http
            .request(ask.method.clone(), url.clone())
            .basic_auth(self.0.api_key.expose_secret(), None::<&str>);
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        self.keep_date(&response);
        let moved = self.moved_to(&url, ask, &response);
        Ok(Sent { status, moved, body: whole_body(response).await })
    }

    fn address(&self, ask: &Ask<'_>) -> Url {
        let mut url = self.0.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(ask.path);
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        url
    }

    /// Where else what was asked at `url` can be read (lever-api.md 1.5). Only at Lever, since the key goes
    /// along; and a write is never sent on.
    fn moved_to(&self, url: &Url, ask: &Ask<'_>, response: &Response) -> Option<Url> {
        if ask.method != Method::GET || !response.status().is_redirection() {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let to = url.join(location).ok()?;
        (to.origin() == self.0.base_url.origin()).then_some(to)
    }

    fn keep_date(&self, response: &Response) {
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let parse = |date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok();
        if let Some(date) = date.and_then(parse) {
            *self.0.last_date.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
        }
    }
}

/// Sorts an error without an answer by whether anything was sent.
fn lost(error: reqwest::Error) -> LeverError {
    // The URL is left out: it names candidates.
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        LeverError::Unreachable(error)
    } else {
        LeverError::Interrupted(error)
    }
}

/// The body, as long as it is one that Lever might send. Bytes that are no UTF-8 must not stop a
/// listing for ever at the same page, so they are replaced.
async fn whole_body(mut response: Response) -> Result<String, LeverError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(LeverError::Unreadable(Unreadable::TooLong));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(body).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned()))
}

/// How long to wait before the next try after `tries`, or `None` to give up. `jitter` is 0 to 1.
///
/// People do not wait for long; the rest has time, and its caller tries again later by itself.
fn pause_before_retry(lane: Lane, error: &LeverError, tries: u32, jitter: f64) -> Option<Duration> {
    let tries_max = match lane {
        Lane::Interactive => 3,
        Lane::Live | Lane::Reconcile => 5,
        Lane::Backfill => 8,
    };
    if tries >= tries_max || !error.passes() {
        return None;
    }
    if matches!(error, LeverError::Throttled) {
        // Back into its lane: the pacer has slowed down already.
        return Some(Duration::ZERO);
    }
    let longest = Duration::from_millis(500) * 2u32.pow(tries - 1);
    Some(longest.min(Duration::from_secs(30)).mul_f64(0.5 + jitter / 2.0))
}

#[cfg(test)]
mod tests;

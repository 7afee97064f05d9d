//! Telnyx' REST API (carriers.md 2.1).
//!
//! Our id is the key of a send, and the same text is the same bytes each time: then a second request
//! is answered with what became of the first. The answer is sorted as Twilio's is, by whether the text
//! may have left; what differs is only how that is found out, and the engine does that.

use std::sync::Arc;

use fulcrum_domain::{CarrierSid, Listed, SendFailure};
use reqwest::{Method, RequestBuilder, header};
use secrecy::ExposeSecret;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::codes::class_of;
use super::{TelnyxSettings, hook_url, wire};
use crate::carrier::answer::{Answer, Line};
use crate::carrier::file::{FILE_TIME, is_below};
use crate::carrier::{Accepted, Account, FileError, Outgoing, ReadError, SendError};

/// Where Telnyx keeps media: the addresses are signed by themselves, and get no key from us.
const STORAGE: [&str; 2] = ["telnyx.com", "amazonaws.com"];

/// Speaks to Telnyx for one account. Cheap to clone; its clones share the bound on requests.
#[derive(Clone, Debug)]
pub struct Client {
    line: Line,
    settings: Arc<TelnyxSettings>,
}

impl Client {
    /// `http` must not follow redirects: the credentials would go with them.
    #[must_use]
    pub fn new(http: reqwest::Client, settings: TelnyxSettings) -> Self {
        Self { line: Line::new(http), settings: Arc::new(settings) }
    }

    pub(in crate::carrier) async fn send(&self, text: &Outgoing) -> Result<Accepted, SendError> {
        let create = wire::Create {
            from: &text.from,
            to: &text.to,
            text: &text.body,
            messaging_profile_id: self.settings.messaging_profile_id.as_deref(),
            webhook_url: self
                .settings
                .public_url
                .as_ref()
                .map(|public_url| format!("{}?mid={}", hook_url(public_url), text.mid)),
        };
        let request = self
            .request(Method::POST, "/v2/messages")
            .header("idempotency-key", text.mid.to_string())
            .json(&create);
        sort_send(self.line.ask(request).await.map_err(SendError::network)?)
    }

    pub(in crate::carrier) async fn fetch(&self, sid: &CarrierSid) -> Result<Listed, ReadError> {
        let message: wire::Message = self.get(&format!("/v2/messages/{sid}")).await?;
        message.listed().ok_or(ReadError::Unreadable)
    }

    pub(in crate::carrier) async fn check(&self) -> Result<Account, ReadError> {
        // The balance itself is nobody's business here: whoever may read it has a key that works.
        let _: IgnoredAny = self.get("/v2/balance").await?;
        Ok(Account { status: "active".into(), trial: false })
    }

    pub(in crate::carrier) async fn file(&self, url: &Url, most: u64) -> Result<Vec<u8>, FileError> {
        let base = &self.settings.base_url;
        let is_theirs = |next: &Url| next.origin() == base.origin() || is_below(next, &STORAGE);
        if !is_theirs(url) {
            return Err(ReadError::Elsewhere.into());
        }
        let mut request = self.line.http().get(url.clone()).timeout(FILE_TIME);
        if url.origin() == base.origin() {
            request = request.bearer_auth(self.settings.api_key.expose_secret());
        }
        self.line.fetch(url.clone(), request, is_theirs, most).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.settings.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.line
            .http()
            .request(method, self.url(path))
            .bearer_auth(self.settings.api_key.expose_secret())
            .header(header::ACCEPT, "application/json")
            .timeout(self.settings.timeout)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ReadError> {
        let answer = self.line.ask(self.request(Method::GET, path)).await.map_err(ReadError::network)?;
        let body = answer.whole(wire::code, |_| true)?;
        let wire::Envelope { data } = serde_json::from_slice(&body).map_err(|_| ReadError::Unreadable)?;
        Ok(data)
    }
}

/// What the answer to a send says (carriers.md 2.1).
fn sort_send(answer: Answer) -> Result<Accepted, SendError> {
    match (answer.status, answer.body.as_deref().ok().and_then(wire::code)) {
        (200..=299, _) => answer
            .body
            .ok()
            .and_then(|body| {
                serde_json::from_slice::<wire::Envelope<wire::Message>>(&body).ok()?.data.accepted()
            })
            .ok_or_else(|| SendError::unknown(SendFailure::Unknown)),
        (429, code) => Err(SendError::not_sent(SendFailure::Throttled, code).after(answer.retry_after)),
        // The first request with this key is still under way.
        (409, _) => Err(SendError::unknown(SendFailure::CarrierDown)),
        (status @ 400..=499, Some(code)) => {
            let class = match class_of(code) {
                SendFailure::Unknown if matches!(status, 401 | 403) => SendFailure::Config,
                SendFailure::Unknown if status == 422 => SendFailure::Rejected,
                class => class,
            };
            Err(SendError::not_sent(class, Some(code)).after(answer.retry_after))
        }
        _ => Err(SendError::unknown(SendFailure::CarrierDown)),
    }
}

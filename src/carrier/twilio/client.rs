//! Twilio's REST API (carriers.md 1.1, 1.2, 1.11).
//!
//! A send has no idempotency key, so its answer is sorted by the one question whether the text
//! may have left (1.9): only a connection that never stood, a refusal with Twilio's code and a
//! 429 say no. It is never repeated here. Reading is never repeated either: the caller knows when
//! it next has time for it.

use std::sync::Arc;

use fulcrum_domain::{CarrierSid, Listed, SendFailure};
use jiff::civil;
use reqwest::{Method, RequestBuilder, header};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use url::Url;

use super::codes::class_of;
use super::{STATUS_PATH, TwilioSettings, wire};
use crate::carrier::answer::{Answer, Line};
use crate::carrier::file::{FILE_TIME, is_below};
use crate::carrier::{
    Accepted, Account, FileError, InboundPage, Media, NextPage, Outgoing, ReadError, SendError,
};

/// More is refused (21617).
const MAX_BODY_CHARS: usize = 1600;

/// Twilio's own bounds of `ValidityPeriod`, in seconds.
const VALIDITY_SECONDS: (u64, u64) = (1, 36_000);

/// Where Twilio's media addresses lead to, by a signed address (1.10).
const STORAGE: [&str; 3] = ["twiliocdn.com", "twilio.com", "amazonaws.com"];

/// How many texts to one person are looked through for a lost one, 50 a page.
const MAX_LOST_PAGES: usize = 20;

/// How many pages a list of media may have: a message has ten at most (1.2), and a page holds 50.
const MAX_MEDIA_PAGES: usize = 5;

/// Speaks to Twilio for one account. Cheap to clone; its clones share the bound on requests.
#[derive(Clone, Debug)]
pub struct Client {
    line: Line,
    settings: Arc<TwilioSettings>,
}

impl Client {
    /// `http` must not follow redirects: the credentials would go with them.
    #[must_use]
    pub fn new(http: reqwest::Client, settings: TwilioSettings) -> Self {
        Self { line: Line::new(http), settings: Arc::new(settings) }
    }

    pub(in crate::carrier) async fn send(&self, text: &Outgoing) -> Result<Accepted, SendError> {
        if text.body.chars().count() > MAX_BODY_CHARS {
            return Err(SendError::not_sent(SendFailure::TooLong, None));
        }
        let validity = text.validity.map_or(self.settings.validity, |most| most.min(self.settings.validity));
        let validity = validity.as_secs();
        let validity = validity.clamp(VALIDITY_SECONDS.0, VALIDITY_SECONDS.1).to_string();
        let sender = match &self.settings.messaging_service_sid {
            Some(service) => ("MessagingServiceSid", service),
            None => ("From", &text.from),
        };
        let callback = self.settings.public_url.as_ref().map(|public_url| {
            let public_url = public_url.as_str().trim_end_matches('/');
            format!("{public_url}{STATUS_PATH}?mid={}#rc=5&rp=all", text.mid)
        });
        let mut form = vec![("To", &text.to), ("Body", &text.body), sender, ("ValidityPeriod", &validity)];
        form.extend(callback.iter().map(|url| ("StatusCallback", url)));
        let request = self.request(Method::POST, self.url("/Messages.json")).form(&form);
        let answer = self.line.ask(request).await.map_err(SendError::network)?;
        sort_send(answer)
    }

    pub(in crate::carrier) async fn find_lost(&self, to: &str) -> Result<Vec<Listed>, ReadError> {
        // By recipient only: sender and date are null until Twilio has chosen and sent.
        let mut url = self.url("/Messages.json");
        url.query_pairs_mut().append_pair("To", to).append_pair("PageSize", "50");
        let mut found = Vec::new();
        let mut next = Some(url);
        for _ in 0..MAX_LOST_PAGES {
            let Some(url) = next else { break };
            let page: wire::MessagePage = self.get(url).await?;
            found.extend(page.messages.into_iter().filter_map(wire::Message::listed));
            next = self.next_page(page.next_page_uri.as_deref())?;
        }
        Ok(found)
    }

    pub(in crate::carrier) async fn fetch(&self, sid: &CarrierSid) -> Result<Listed, ReadError> {
        let message: wire::Message = self.get(self.url(&format!("/Messages/{sid}.json"))).await?;
        message.listed().ok_or(ReadError::Unreadable)
    }

    pub(in crate::carrier) async fn inbound_since(
        &self,
        number: &str,
        since: civil::Date,
    ) -> Result<InboundPage, ReadError> {
        let mut url = self.url("/Messages.json");
        url.query_pairs_mut()
            .append_pair("To", number)
            .append_pair("DateSent>", &since.to_string())
            .append_pair("PageSize", "100");
        self.inbound_page(url).await
    }

    pub(in crate::carrier) async fn inbound_page(&self, url: Url) -> Result<InboundPage, ReadError> {
        let page: wire::MessagePage = self.get(url).await?;
        let inbound = page.messages.into_iter().filter(wire::Message::is_inbound);
        let texts = inbound.filter_map(wire::Message::received).collect();
        Ok(InboundPage { texts, next: self.next_page(page.next_page_uri.as_deref())?.map(NextPage) })
    }

    /// The media first: they do not go with their message, and nobody finds them once it is gone (1.11).
    pub(in crate::carrier) async fn delete(&self, sid: &CarrierSid) -> Result<(), ReadError> {
        for item in self.media_items(sid).await? {
            let name = item.sid.as_deref().and_then(|name| name.parse::<CarrierSid>().ok());
            let name = name.ok_or(ReadError::Unreadable)?;
            match self.whole(Method::DELETE, self.url(&format!("/Messages/{sid}/Media/{name}.json"))).await {
                Ok(_) | Err(ReadError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let url = self.url(&format!("/Messages/{sid}.json"));
        self.whole(Method::DELETE, url).await.map(drop)
    }

    pub(in crate::carrier) async fn check(&self) -> Result<Account, ReadError> {
        let account: wire::Account = self.get(self.url(".json")).await?;
        Ok(Account { status: account.status, trial: account.kind.as_deref() == Some("Trial") })
    }

    pub(in crate::carrier) async fn media(&self, sid: &CarrierSid) -> Result<Vec<Media>, ReadError> {
        let media = |item: wire::MediaItem| {
            let url = self.settings.base_url.join(item.uri?.trim_end_matches(".json")).ok()?;
            Some(Media { url, content_type: item.content_type.unwrap_or_default() })
        };
        Ok(self.media_items(sid).await?.into_iter().filter_map(media).collect())
    }

    /// All media of a message; none of one that is not there.
    async fn media_items(&self, sid: &CarrierSid) -> Result<Vec<wire::MediaItem>, ReadError> {
        let mut items = Vec::new();
        let mut next = Some(self.url(&format!("/Messages/{sid}/Media.json")));
        for _ in 0..MAX_MEDIA_PAGES {
            let Some(url) = next else { return Ok(items) };
            let page: wire::MediaPage = match self.get(url).await {
                Err(ReadError::NotFound) => return Ok(items),
                page => page?,
            };
            items.extend(page.media_list);
            next = self.next_page(page.next_page_uri.as_deref())?;
        }
        Err(ReadError::Unreadable)
    }

    pub(in crate::carrier) async fn file(&self, url: &Url, most: u64) -> Result<Vec<u8>, FileError> {
        let base = &self.settings.base_url;
        let below = self.url("/Messages/");
        if url.origin() != base.origin() || !url.path().starts_with(below.path()) {
            return Err(ReadError::Elsewhere.into());
        }
        let request = self.request(Method::GET, url.clone()).timeout(FILE_TIME);
        let is_theirs = |next: &Url| next.origin() == base.origin() || is_below(next, &STORAGE);
        self.line.fetch(url.clone(), request, is_theirs, most).await
    }

    /// Where something of the account lies.
    fn url(&self, below: &str) -> Url {
        let mut url = self.settings.base_url.clone();
        let base = url.path().trim_end_matches('/');
        let path = format!("{base}/2010-04-01/Accounts/{}{below}", self.settings.account_sid);
        url.set_path(&path);
        url
    }

    /// Twilio's own word for the rest of a list, taken only where our credentials belong.
    fn next_page(&self, uri: Option<&str>) -> Result<Option<Url>, ReadError> {
        let Some(uri) = uri else { return Ok(None) };
        let url = self.settings.base_url.join(uri).map_err(|_| ReadError::Unreadable)?;
        let ours = url.origin() == self.settings.base_url.origin();
        if ours { Ok(Some(url)) } else { Err(ReadError::Elsewhere) }
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.line
            .http()
            .request(method, url)
            .basic_auth(&self.settings.account_sid, Some(self.settings.auth_token.expose_secret()))
            .header(header::ACCEPT, "application/json")
            .timeout(self.settings.timeout)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ReadError> {
        let body = self.whole(Method::GET, url).await?;
        serde_json::from_slice(&body).map_err(|_| ReadError::Unreadable)
    }

    /// The body of a good answer.
    async fn whole(&self, method: Method, url: Url) -> Result<Vec<u8>, ReadError> {
        self.line
            .ask(self.request(method, url))
            .await
            .map_err(ReadError::network)?
            .whole(code, |code| code == MISSING)
    }
}

/// Twilio's code for what is not there (carriers.md 1.3).
const MISSING: u32 = 20404;

/// Twilio's code in an error.
fn code(body: &[u8]) -> Option<u32> {
    serde_json::from_slice::<wire::ErrorBody>(body).ok()?.code
}

/// What the answer to a send says (carriers.md 1.9, 2).
fn sort_send(answer: Answer) -> Result<Accepted, SendError> {
    match (answer.status, answer.body.as_deref().ok().and_then(code)) {
        (200..=299, _) => answer
            .body
            .ok()
            .and_then(|body| serde_json::from_slice::<wire::Message>(&body).ok()?.accepted())
            .ok_or_else(|| SendError::unknown(SendFailure::Unknown)),
        (429, code) => Err(SendError::not_sent(SendFailure::Throttled, code).after(answer.retry_after)),
        (status @ 400..=499, Some(code)) => {
            let class = match class_of(code) {
                SendFailure::Unknown if matches!(status, 401 | 403) => SendFailure::Config,
                class => class,
            };
            Err(SendError::not_sent(class, Some(code)).after(answer.retry_after))
        }
        _ => Err(SendError::unknown(SendFailure::CarrierDown)),
    }
}

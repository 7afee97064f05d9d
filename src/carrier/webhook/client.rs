//! What is posted to the gateway (docs/gateway.md): texts, and a ping that asks whether it is there.
//!
//! The answer is sorted as every carrier's is, by whether the text may have left. What the gateway refuses
//! in its own words is certain; a proxy's page is not.

use std::sync::Arc;

use fulcrum_domain::SendFailure;
use jiff::Timestamp;
use reqwest::{RequestBuilder, header};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::{WebhookSettings, wire};
use crate::carrier::answer::{Answer, Line};
use crate::carrier::file::FILE_TIME;
use crate::carrier::{Accepted, Account, FileError, Outgoing, ReadError, SendError};

/// Speaks to one gateway. Cheap to clone; its clones share the bound on requests.
#[derive(Clone, Debug)]
pub struct Client {
    line: Line,
    settings: Arc<WebhookSettings>,
}

impl Client {
    /// `http` must not follow redirects: the text would go with them.
    #[must_use]
    pub fn new(http: reqwest::Client, settings: WebhookSettings) -> Self {
        Self { line: Line::new(http), settings: Arc::new(settings) }
    }

    pub(in crate::carrier) async fn send(&self, text: &Outgoing) -> Result<Accepted, SendError> {
        let mid = text.mid.to_string();
        let data =
            wire::Send { mid: mid.clone(), to: &text.to, from: &text.from, text: &text.body, media: [] };
        let request = self.request(&mid, "message.send", data, text.at);
        let request = request.ok_or_else(|| SendError::not_sent(SendFailure::Rejected, None))?;
        sort_send(self.line.ask(request).await.map_err(SendError::network)?)
    }

    pub(in crate::carrier) async fn check(&self, at: Timestamp) -> Result<Account, ReadError> {
        let id = format!("ping_{}", Uuid::new_v4().simple());
        let request = self.request(&id, "ping", wire::Nothing {}, at).ok_or(ReadError::Unreadable)?;
        self.line.ask(request).await.map_err(ReadError::network)?.whole(|_| None, |_| false)?;
        Ok(Account { status: "active".into(), trial: false })
    }

    /// Asks as everything is asked: signed, over the address as the gateway told it.
    pub(in crate::carrier) async fn file(
        &self,
        url: &Url,
        most: u64,
        at: Timestamp,
    ) -> Result<Vec<u8>, FileError> {
        if url.origin() != self.settings.url.origin() {
            return Err(ReadError::Elsewhere.into());
        }
        let id = format!("file_{}", Uuid::new_v4().simple());
        let second = at.as_second().to_string();
        let signature = self.settings.key.sign(&id, &second, url.as_str().as_bytes());
        let request = self
            .line
            .http()
            .get(url.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", second)
            .header("webhook-signature", signature)
            .timeout(FILE_TIME);
        self.line.fetch(url.clone(), request, |_| false, most).await
    }

    /// None for what cannot be written as JSON, which is nothing that we have.
    fn request<T: Serialize>(&self, id: &str, kind: &str, data: T, at: Timestamp) -> Option<RequestBuilder> {
        let envelope = wire::Envelope { kind: kind.to_owned(), timestamp: Some(at), data };
        let body = serde_json::to_vec(&envelope).ok()?;
        let second = at.as_second().to_string();
        let signature = self.settings.key.sign(id, &second, &body);
        Some(
            self.line
                .http()
                .post(self.settings.url.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", second)
                .header("webhook-signature", signature)
                .timeout(self.settings.timeout)
                .body(body),
        )
    }
}

/// What the answer to a send says.
fn sort_send(answer: Answer) -> Result<Accepted, SendError> {
    let class = answer.body.as_deref().ok().and_then(wire::refusal);
    match (answer.status, class) {
        (200..=299, _) => answer
            .body
            .ok()
            .and_then(|body| serde_json::from_slice::<wire::Taken>(&body).ok()?.accepted())
            .ok_or_else(|| SendError::unknown(SendFailure::Unknown)),
        (429, _) => Err(SendError::not_sent(SendFailure::Throttled, None).after(answer.retry_after)),
        // The first webhook with this id is still under way.
        (409, _) => Err(SendError::unknown(SendFailure::CarrierDown)),
        // 410 is how a gateway says that it wants no more. A word that is none of the contract's says of no text
        // that it is bad: it is what stands in any such answer.
        (401 | 403 | 404 | 410, None | Some(SendFailure::Unknown)) => {
            Err(SendError::not_sent(SendFailure::Config, None).after(answer.retry_after))
        }
        (400..=499, Some(class)) => Err(SendError::not_sent(class, None).after(answer.retry_after)),
        _ => Err(SendError::unknown(SendFailure::CarrierDown).after(answer.retry_after)),
    }
}

//! Asking a carrier, and its answer: read as far as it came and never farther than it should be.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, header};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::file::fetch;
use super::{FileError, ReadError};

/// Requests at a time. Twilio counts them for each account, and refuses about 100 (carriers.md 1.7); others bear more.
const MAX_IN_FLIGHT: usize = 10;

/// Well above a page of the longest texts.
pub(super) const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The way to one carrier. Cheap to clone; its clones share the bound on requests.
#[derive(Clone, Debug)]
pub(super) struct Line {
    http: reqwest::Client,
    turns: Arc<Semaphore>,
}

impl Line {
    /// `http` must not follow redirects: the credentials would go with them.
    pub(super) fn new(http: reqwest::Client) -> Self {
        Self { http, turns: Arc::new(Semaphore::new(MAX_IN_FLIGHT)) }
    }

    /// What requests are made with, for [`Self::ask`].
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Asks once, in turn. An error means that no answer came.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let _turn = self.turn().await;
        Answer::to(request).await
    }

    /// Fetches a file, in turn: see [`fetch`].
    pub(super) async fn fetch(
        &self,
        url: Url,
        request: RequestBuilder,
        is_theirs: impl Fn(&Url) -> bool,
        most: u64,
    ) -> Result<Vec<u8>, FileError> {
        let _turn = self.turn().await;
        fetch(&self.http, url, request, is_theirs, most).await
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        self.turns.acquire().await.expect("the semaphore is never closed")
    }
}

/// An answer.
pub(super) struct Answer {
    /// Its HTTP status.
    pub(super) status: u16,
    /// How long we are asked to wait.
    pub(super) retry_after: Option<Duration>,
    /// Its body, or why there is only half of it.
    pub(super) body: Result<Vec<u8>, ReadError>,
}

impl Answer {
    async fn to(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let mut response = request.send().await?;
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        Ok(Self {
            status: response.status().as_u16(),
            retry_after: retry_after.and_then(|after| after.parse().ok()).map(Duration::from_secs),
            body: read(&mut response).await,
        })
    }

    /// The body of a good answer to a reading; `code` finds the carrier's own code in that of an error, and
    /// `missing` says whether it stands for what is not there. Any other 404 is the word of a gateway.
    pub(super) fn whole(
        self,
        code: impl FnOnce(&[u8]) -> Option<u32>,
        missing: impl FnOnce(u32) -> bool,
    ) -> Result<Vec<u8>, ReadError> {
        let status = self.status;
        match (status, self.body.as_deref().ok().and_then(code)) {
            (200..=299, _) => self.body,
            (404, Some(code)) if missing(code) => Err(ReadError::NotFound),
            (429, _) => Err(ReadError::Throttled { retry_after: self.retry_after }),
            (404 | 500.., _) => Err(ReadError::Down { status }),
            (_, code) => Err(ReadError::Refused { status, code }),
        }
    }
}

async fn read(response: &mut reqwest::Response) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadError::network)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(ReadError::TooLarge { limit: MAX_ANSWER_BYTES });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

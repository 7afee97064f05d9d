//! A carrier's answer, read as far as it came and never farther than it should be.

use std::time::Duration;

use reqwest::{RequestBuilder, header};

use super::ReadError;

/// Well above a page of the longest texts.
pub(super) const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

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
    /// Asks once. An error means that no answer came.
    pub(super) async fn to(request: RequestBuilder) -> Result<Self, reqwest::Error> {
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

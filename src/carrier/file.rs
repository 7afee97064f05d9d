//! Fetching a file that came with a text: with our credentials, and from nowhere but the carrier
//! (carriers.md 1.10).
//!
//! Where it lies is a stranger's word until it is looked at: whoever could make us ask any address, or show
//! our credentials there, would be inside. So each client says which addresses are the carrier's, a redirect
//! is looked at like the first address, and nothing that proves who we are goes along with it. More than
//! what is wanted is never read.

use fulcrum_domain::file::FetchFailure;
use http::StatusCode;
use reqwest::{RequestBuilder, Response, header};
use url::Url;

use super::ReadError;

/// A carrier keeps files one step away from where it tells of them.
const MAX_REDIRECTS: usize = 3;

/// A file was not fetched. It may always be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is larger than what is wanted.
    #[error("the file is too large")]
    TooLarge {
        /// Its size in bytes, if the carrier says so.
        size: Option<u64>,
    },
    /// The carrier.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl FileError {
    /// What that means for those who wait for the file.
    #[must_use]
    pub fn failure(&self) -> FetchFailure {
        match self {
            Self::TooLarge { size } => FetchFailure::TooLarge { size: *size },
            Self::Read(ReadError::Elsewhere | ReadError::NotOffered) => FetchFailure::Elsewhere,
            Self::Read(ReadError::NotFound) => FetchFailure::Gone,
            Self::Read(ReadError::Refused { .. }) => FetchFailure::Refused,
            Self::Read(_) => FetchFailure::Unreachable,
        }
    }
}

/// Follows `request`, which was made for `url`, to a file of at most `most` bytes. `is_theirs` says which
/// other addresses are the carrier's.
pub(super) async fn fetch(
    http: &reqwest::Client,
    url: Url,
    request: RequestBuilder,
    is_theirs: impl Fn(&Url) -> bool,
    most: u64,
) -> Result<Vec<u8>, FileError> {
    let (mut at, mut request) = (url, request);
    for _ in 0..=MAX_REDIRECTS {
        let response = request.send().await.map_err(ReadError::network)?;
        if !response.status().is_redirection() {
            return read(response, most).await;
        }
        let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let next = location.and_then(|to| at.join(to).ok()).filter(&is_theirs);
        at = next.ok_or(ReadError::Elsewhere)?;
        // Signed by itself, so it needs nothing from us.
        request = http.get(at.clone()).timeout(FILE_TIME);
    }
    Err(ReadError::Elsewhere.into())
}

/// For a whole file, from the connection to the last byte.
pub(super) const FILE_TIME: std::time::Duration = std::time::Duration::from_secs(60);

async fn read(mut response: Response, most: u64) -> Result<Vec<u8>, FileError> {
    let status = response.status();
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(ReadError::NotFound.into()),
        StatusCode::TOO_MANY_REQUESTS => return Err(ReadError::Throttled { retry_after: None }.into()),
        status if status.is_server_error() => return Err(ReadError::Down { status: status.as_u16() }.into()),
        status if !status.is_success() => {
            return Err(ReadError::Refused { status: status.as_u16(), code: None }.into());
        }
        _ => {}
    }
    if let Some(size) = response.content_length().filter(|size| *size > most) {
        return Err(FileError::TooLarge { size: Some(size) });
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadError::network)? {
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(FileError::TooLarge { size: None });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Whether `url` is a host below one of these names, reached so that nobody listens.
pub(super) fn is_below(url: &Url, names: &[&str]) -> bool {
    let Some(url::Host::Domain(host)) = url.host() else { return false };
    let below =
        |name: &&str| host.strip_suffix(*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    url.scheme() == "https" && is_plain && names.iter().any(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_below_a_name_are_the_carriers() {
        let is_theirs = |url: &str| is_below(&url.parse().unwrap(), &["twiliocdn.com"]);
        assert!(is_theirs("https://mms.twiliocdn.com/ME1?signature=x"));
        assert!(is_theirs("https://twiliocdn.com/"));
        for url in [
            "http://mms.twiliocdn.com/",
            "https://mms.twiliocdn.com:8443/",
            "https://u:p@mms.twiliocdn.com/",
            "https://nottwiliocdn.com/",
            "https://twiliocdn.com.evil.example/",
            "https://evil.example/twiliocdn.com",
            "https://127.0.0.1/",
            "https://[::1]/",
            "file:///etc/passwd",
        ] {
            assert!(!is_theirs(url), "{url}");
        }
    }
}

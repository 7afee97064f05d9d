//! Storage that speaks as S3 does, for copies of backups: list, put, remove, and nothing else.
//!
//! The requests are `object_store`'s, the way out is that of everything else here. A large file goes up
//! in parts, one after the other, so memory holds one of them whatever the file's size.

mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use url::Url;

pub use error::BucketError;

/// A part of a file; what is not longer goes up at once. S3 allows 10,000 of them.
const PART: u64 = 8 << 20;
const PARTS_MAX: u64 = 9000;

/// For one request with its answer: a part over a slow line.
const REQUEST: Duration = Duration::from_secs(600);
/// A request is tried again this often and for so long; then whoever asked decides.
const RETRIES: usize = 3;
const RETRY_FOR: Duration = Duration::from_secs(120);

/// Which storage, and what proves who we are there.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// The service, without the bucket.
    pub endpoint: Url,
    /// The bucket.
    pub bucket: String,
    /// The folder in it; empty for none.
    pub prefix: String,
    /// What requests are signed for.
    pub region: String,
    /// Whether the bucket stands in the path, not in the name of the host.
    pub path_style: bool,
    /// The name of the access key.
    pub key_id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// A folder of a bucket. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    folder: object_store::path::Path,
    /// For people: no secret is in it.
    place: Arc<str>,
}

impl fmt::Display for Bucket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.place)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Bucket({self})")
    }
}

impl Bucket {
    /// A bucket over a client with this way out. Nothing is asked yet.
    ///
    /// # Errors
    /// [`BucketError::Settings`], [`BucketError::Connection`].
    pub fn new(settings: &BucketSettings, way: reqwest::ClientBuilder) -> Result<Self, BucketError> {
        let BucketSettings { endpoint, bucket, prefix, .. } = settings;
        let plain = endpoint.scheme() == "http";
        let http = way.https_only(!plain).timeout(REQUEST).build().map_err(BucketError::Connection)?;
        let mut address = endpoint.clone();
        if !settings.path_style {
            let host = format!("{bucket}.{}", endpoint.host_str().unwrap_or_default());
            address.set_host(Some(&host)).map_err(|_| BucketError::Settings)?;
        }
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
        let store = AmazonS3Builder::new()
            .with_endpoint(address.as_str().trim_end_matches('/'))
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_access_key_id(&settings.key_id)
            .with_secret_access_key(settings.secret.expose_secret())
            .with_allow_http(plain)
            .with_retry(retry)
            .with_http_connector(Way(http))
            .build()
            .map_err(|_| BucketError::Settings)?;
        let place = format!("{}/{bucket}/{prefix}", endpoint.as_str().trim_end_matches('/'));
        Self::on(Arc::new(store), prefix, place)
    }

    /// The same on a storage of the caller's, for tests.
    ///
    /// # Errors
    /// [`BucketError::Settings`].
    pub fn on(store: Arc<dyn ObjectStore>, folder: &str, place: String) -> Result<Self, BucketError> {
        let folder = object_store::path::Path::parse(folder).map_err(|_| BucketError::Settings)?;
        Ok(Self { store, folder, place: place.into() })
    }

    /// What lies in the folder, by name with its size: those names that `wanted` wants, and nothing in
    /// folders below.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn list(&self, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, u64>, BucketError> {
        let mut found = BTreeMap::new();
        let mut objects = self.store.list(Some(&self.folder));
        while let Some(object) = objects.try_next().await? {
            let mut below = object.location.prefix_match(&self.folder).into_iter().flatten();
            if let (Some(name), None) = (below.next(), below.next())
                && wanted(name.as_ref())
            {
                found.insert(name.as_ref().to_owned(), object.size);
            }
        }
        Ok(found)
    }

    /// Puts a file there under this name; gives back its size.
    ///
    /// # Errors
    /// [`BucketError`]; then nothing of this name has come to be.
    pub async fn put(&self, name: &str, file: &Path) -> Result<u64, BucketError> {
        let mut file = File::open(file).await.map_err(BucketError::File)?;
        let length = file.metadata().await.map_err(BucketError::File)?.len();
        let to = self.folder.clone().join(name);
        let size = part_size(length);
        let first = next_part(&mut file, size).await?;
        if (first.len() as u64) < size {
            let put = first.len() as u64;
            self.store.put(&to, first.into()).await?;
            return Ok(put);
        }
        let mut upload = self.store.put_multipart(&to).await?;
        let outcome = put_parts(upload.as_mut(), first, &mut file, size).await;
        if outcome.is_err() {
            // What cannot be taken away now is for the bucket's own rule for unfinished uploads.
            let _ = upload.abort().await;
        }
        outcome
    }

    /// Takes a file away; no matter whether it was there.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn remove(&self, name: &str) -> Result<(), BucketError> {
        match self.store.delete(&self.folder.clone().join(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            outcome => Ok(outcome?),
        }
    }
}

async fn put_parts(
    upload: &mut dyn MultipartUpload,
    first: Bytes,
    file: &mut File,
    size: u64,
) -> Result<u64, BucketError> {
    let (mut part, mut put) = (first, 0);
    while !part.is_empty() {
        put += part.len() as u64;
        upload.put_part(part.into()).await?;
        part = next_part(file, size).await?;
    }
    upload.complete().await?;
    Ok(put)
}

/// So large that a file of this length has no more parts than S3 allows.
fn part_size(length: u64) -> u64 {
    length.div_ceil(PARTS_MAX).max(PART)
}

/// The next `size` bytes, or what is left of the file.
async fn next_part(file: &mut File, size: u64) -> Result<Bytes, BucketError> {
    let mut part = BytesMut::new();
    let mut rest = file.take(size);
    while rest.read_buf(&mut part).await.map_err(BucketError::File)? > 0 {}
    Ok(part.freeze())
}

/// Hands the client out that was made for everything that goes out.
#[derive(Debug)]
struct Way(reqwest::Client);

impl HttpConnector for Way {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

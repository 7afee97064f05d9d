#![allow(clippy::disallowed_methods, reason = "a storage of its own, outside of the daemon")]

use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Mutex;

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as Location;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, ObjectMeta, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, UploadPart,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;

/// A storage in memory that knows how large the parts were, and refuses one of them.
#[derive(Debug, Default)]
struct Watched {
    memory: InMemory,
    refused: Option<usize>,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    parts: Mutex<Vec<usize>>,
    aborted: Mutex<usize>,
}

#[derive(Debug)]
struct Watching {
    inner: Box<dyn MultipartUpload>,
    refused: Option<usize>,
    seen: Arc<Seen>,
}

impl fmt::Display for Watched {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("watched")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Watched {
    async fn put_opts(
        &self,
        to: &Location,
        what: PutPayload,
        how: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.seen.parts.lock().unwrap().push(what.content_length());
        self.memory.put_opts(to, what, how).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Location,
        how: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let inner = self.memory.put_multipart_opts(to, how).await?;
        Ok(Box::new(Watching { inner, refused: self.refused, seen: self.seen.clone() }))
    }

    async fn get_opts(&self, of: &Location, how: GetOptions) -> object_store::Result<GetResult> {
        self.memory.get_opts(of, how).await
    }

    async fn get_ranges(&self, of: &Location, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.memory.get_ranges(of, ranges).await
    }

    fn delete_stream(
        &self,
        of: BoxStream<'static, object_store::Result<Location>>,
    ) -> BoxStream<'static, object_store::Result<Location>> {
        self.memory.delete_stream(of)
    }

    fn list(&self, prefix: Option<&Location>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.memory.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Location>) -> object_store::Result<ListResult> {
        self.memory.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Location, to: &Location, how: CopyOptions) -> object_store::Result<()> {
        self.memory.copy_opts(from, to, how).await
    }
}

#[async_trait::async_trait]
impl MultipartUpload for Watching {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut parts = self.seen.parts.lock().unwrap();
        parts.push(data.content_length());
        if self.refused == Some(parts.len()) {
            return Box::pin(async {
                Err(object_store::Error::Generic { store: "watched", source: "no".into() })
            });
        }
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        *self.seen.aborted.lock().unwrap() += 1;
        self.inner.abort().await
    }
}

fn watched(refused: Option<usize>) -> (Bucket, Arc<Seen>) {
    let store = Watched { refused, ..Watched::default() };
    let seen = store.seen.clone();
    (Bucket::on(Arc::new(store), "a/folder", "watched".to_owned()).unwrap(), seen)
}

#[tokio::test]
async fn a_file_goes_up_whole_whatever_its_size_and_memory_holds_one_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let part = usize::try_from(PART).unwrap();
    for (length, parts) in
        [(0, vec![0]), (5, vec![5]), (part, vec![part]), (part + 1, vec![part, 1]), (3 * part, vec![part; 3])]
    {
        let (bucket, seen) = watched(None);
        let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let file = folder.path().join("file");
        fs::write(&file, &bytes).unwrap();
        assert_eq!(bucket.put("name", &file).await.unwrap(), length as u64);
        assert_eq!(*seen.parts.lock().unwrap(), parts);
        let listed = bucket.list(|_| true).await.unwrap();
        assert_eq!(listed, BTreeMap::from([("name".to_owned(), length as u64)]));
        let there = bucket.store.get(&"a/folder/name".into()).await.unwrap().bytes().await.unwrap();
        assert!(there == bytes, "{length} bytes came to be others");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::File::create(&file).unwrap().set_len(3 * PART).unwrap();
    let (bucket, seen) = watched(Some(2));
    assert!(matches!(bucket.put("name", &file).await, Err(BucketError::Failed(_))));
    assert_eq!(*seen.aborted.lock().unwrap(), 1);
    assert!(bucket.list(|_| true).await.unwrap().is_empty());
    assert!(matches!(bucket.put("name", &folder.path().join("none")).await, Err(BucketError::File(_))));
}

#[tokio::test]
async fn only_what_is_wanted_and_lies_in_the_folder_itself_is_listed() {
    let (bucket, _) = watched(None);
    for at in ["a/folder/one", "a/folder/two", "a/folder/below/one", "a/one", "a/folder-of-others/one"] {
        bucket.store.put(&at.into(), PutPayload::from_static(b"x")).await.unwrap();
    }
    let names: Vec<_> = bucket.list(|name| name != "two").await.unwrap().into_keys().collect();
    assert_eq!(names, ["one"]);
    bucket.remove("one").await.unwrap();
    bucket.remove("one").await.unwrap();
    let names: Vec<_> = bucket.list(|_| true).await.unwrap().into_keys().collect();
    assert_eq!(names, ["two"]);
}

#[test]
fn a_part_is_so_large_that_there_are_not_too_many() {
    for length in [0, PART, 100 << 30, 5 << 40] {
        assert!(length.div_ceil(part_size(length)) <= PARTS_MAX && part_size(length) >= PART);
    }
}

/// Somebody who gives each request the same answer, and where; and the heads of what was asked.
async fn answering(status: &'static str, body: &'static str) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(String::new()));
    let kept = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 8192];
            let length = stream.read(&mut head).await.unwrap();
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&head[..length]));
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, heads)
}

fn at(address: SocketAddr, path_style: bool) -> Bucket {
    let settings = BucketSettings {
        endpoint: format!("http://s3.localhost:{}", address.port()).parse().unwrap(),
        bucket: "backups".to_owned(),
        prefix: "acme".to_owned(),
        region: "us-east-1".to_owned(),
        path_style,
        key_id: "AKIDEXAMPLE".to_owned(),
        secret: SecretString::from("a-secret-of-the-key"),
    };
    let way = reqwest::Client::builder().no_proxy();
    let way = way.resolve("s3.localhost", address).resolve("backups.s3.localhost", address);
    Bucket::new(&settings, way).unwrap()
}

async fn refused(status: &'static str, body: &'static str) -> BucketError {
    at(answering(status, body).await.0, true).list(|_| true).await.unwrap_err()
}

#[tokio::test]
async fn what_is_wrong_is_told_in_s3s_own_word_and_without_its_prose() {
    let refusal = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AKIDEXAMPLE</StringToSign></Error>";
    let error = refused("403 Forbidden", refusal).await;
    let told = error.to_string();
    assert!(matches!(error, BucketError::Refused(_)) && told.contains("(SignatureDoesNotMatch)"), "{told}");
    assert!(!told.contains("AKIDEXAMPLE"), "{told}");
    let error = refused("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>").await;
    assert!(matches!(error, BucketError::Missing(code) if code == "NoSuchBucket"));
    let error = refused("400 Bad Request", "<Error><Code>no <b>word</b></Code></Error>").await;
    assert!(matches!(&error, BucketError::Failed(code) if !code.contains('<')), "{error}");
}

#[tokio::test]
async fn a_storage_that_does_not_answer_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let bucket = at(address, true);
    assert!(matches!(bucket.list(|_| true).await, Err(BucketError::Unreachable)));
    let told = format!("{bucket} {bucket:?}");
    assert!(!told.contains("AKIDEXAMPLE") && !told.contains("a-secret"), "{told}");
}

#[tokio::test]
async fn the_bucket_stands_in_the_path_or_before_the_host() {
    let listed = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    for (path_style, host, path) in
        [(true, "s3.localhost", "/backups?"), (false, "backups.s3.localhost", "/?")]
    {
        let (address, heads) = answering("200 OK", listed).await;
        assert!(at(address, path_style).list(|_| true).await.unwrap().is_empty());
        let heads = heads.lock().unwrap();
        let begins = format!("GET {path}list-type=2&prefix=acme%2F HTTP/1.1\r\n");
        assert!(heads.starts_with(&begins), "{heads}");
        assert!(heads.contains(&format!("host: {host}:{}\r\n", address.port())), "{heads}");
        assert!(heads.contains("/us-east-1/s3/aws4_request") && !heads.contains("a-secret"), "{heads}");
    }
}

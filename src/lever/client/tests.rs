//! The client at the wire: a server that answers by a script, byte for byte.

#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

use std::num::NonZeroU32;
use std::process::Command;

use fulcrum_domain::OpportunityId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::lever::{ListQuery, NewNote, Offset, Outcome, PaceSettings};

/// What the server does with one request.
#[derive(Clone)]
enum Reply {
    /// A status line's end and a body.
    Json(&'static str, &'static str),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, for longer than any deadline here.
    Hang,
}

struct Bench {
    client: LeverClient,
    requests: mpsc::UnboundedReceiver<String>,
    stop: CancellationToken,
}

impl Bench {
    async fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let mut script = script.into_iter().collect::<Vec<_>>().into_iter();
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        tracker.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, script.next().unwrap_or(Reply::Hang), &sender).await;
            }
        });
        let client = client(&format!("http://{address}/v1/"), &tracker, stop.clone());
        Self { client, requests, stop }
    }

    fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

fn client(base_url: &str, tracker: &TaskTracker, stop: CancellationToken) -> LeverClient {
    let many = NonZeroU32::new(1000).unwrap();
    let pace = PaceSettings { period: Duration::from_millis(1), burst: many, in_flight: 8 };
    let settings = LeverSettings {
        base_url: base_url.parse().unwrap(),
        api_key: SecretString::from("k/e+y"),
        https_only: false,
        way: Client::builder(),
        proxy: None,
        connect_timeout: Duration::from_secs(2),
        deadline: Duration::from_millis(400),
    };
    LeverClient::new(settings, Pacer::start(pace, tracker, stop), Arc::new(|_| {})).unwrap()
}

async fn serve(mut stream: TcpStream, reply: Reply, requests: &mpsc::UnboundedSender<String>) {
    requests.send(whole_request(&mut stream).await).unwrap();
    let bytes = match reply {
        Reply::Json(status, body) => {
            let date = "Date: Wed, 01 Jan 2025 00:00:00 GMT\r\nConnection: close\r\n";
            format!("HTTP/1.1 {status}\r\n{date}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        }
        Reply::Raw(bytes) => bytes,
        Reply::Hang => return tokio::time::sleep(Duration::from_secs(2)).await,
    };
    stream.write_all(&bytes).await.unwrap();
}

async fn whole_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
    }
}

fn half(status: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 500\r\n\r\n{{\"data\":[{{\"id\"").into_bytes())
}

const EMPTY: Reply = Reply::Json("200 OK", r#"{"data":[],"hasNext":false}"#);

fn opportunity() -> OpportunityId {
    "4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f".parse().unwrap()
}

async fn create(bench: &Bench) -> LeverError {
    let note = NewNote { value: "hello", secret: false, perform_as: None, notify_followers: false };
    bench.client.create_note(Lane::Live, &opportunity(), note).await.unwrap_err()
}

#[tokio::test]
async fn a_request_is_what_lever_expects() {
    let mut bench = Bench::new([EMPTY, Reply::Json("201 Created", r#"{"data":{"noteId":"n1"}}"#)]).await;
    let query = ListQuery { offset: Some(Offset::new("%5B3%2C1%5D")), ..ListQuery::default() };
    bench.client.opportunities(Lane::Backfill, &query).await.unwrap();
    let user = "u1".parse().unwrap();
    let note = NewNote { value: "hello", secret: true, perform_as: Some(&user), notify_followers: false };
    let id = bench.client.create_note(Lane::Live, &opportunity(), note).await.unwrap();
    assert_eq!(id.to_string(), "n1");

    let asked = bench.asked();
    let list = "GET /v1/opportunities?limit=100&offset=%255B3%252C1%255D&confidentiality=non-confidential HTTP/1.1\r\n";
    assert!(asked[0].starts_with(list), "{}", asked[0]);
    // "k/e+y:" in base64: the key is the user, the password is empty.
    assert!(asked[0].contains("authorization: Basic ay9lK3k6\r\n"), "{}", asked[0]);
    let create =
        "POST /v1/opportunities/4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f/notes?perform_as=u1 HTTP/1.1\r\n";
    assert!(asked[1].starts_with(create), "{}", asked[1]);
    assert!(asked[1].ends_with(r#"{"notifyFollowers":false,"secret":true,"value":"hello"}"#), "{}", asked[1]);
}

#[tokio::test]
async fn a_read_is_tried_again_until_it_is_answered() {
    let script = [
        Reply::Json("429 Too Many Requests", r#"{"code":"TooManyRequestsError"}"#),
        Reply::Json("503 Service Unavailable", "<html>"),
        Reply::Json("200 OK", "<html>log in</html>"),
        half("200 OK"),
        Reply::Json("200 OK", r#"{"code":"x","message":"y"}"#),
        EMPTY,
    ];
    let mut bench = Bench::new(script).await;
    let page = bench.client.stages(Lane::Backfill, None).await.unwrap();
    assert!(page.items.is_empty());
    assert_eq!(bench.asked().len(), 6);
    let status = bench.client.pacer().status();
    assert_eq!((status.throttled, status.turns, status.in_flight), (1, [0, 0, 0, 6], 0));
    assert!(status.rate_percent < 100);
}

#[tokio::test]
async fn a_person_does_not_wait_for_long() {
    let mut bench = Bench::new(vec![Reply::Json("500 Internal Server Error", ""); 9]).await;
    let error = bench.client.opportunity(Lane::Interactive, &opportunity(), true).await.unwrap_err();
    assert!(matches!(error, LeverError::Server { status: 500 }), "{error}");
    assert_eq!(bench.asked().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_final() {
    for (status, expected) in [
        ("401 Unauthorized", "lever refuses the api key"),
        ("404 Not Found", "lever finds nothing at opportunity"),
        (
            "403 Forbidden",
            "the api key may not use opportunity: it needs \u{201c}Find an opportunity\u{201d}",
        ),
    ] {
        let mut bench = Bench::new([Reply::Json(status, "{}")]).await;
        let error = bench.client.opportunity(Lane::Live, &opportunity(), true).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(bench.asked().len(), 1);
    }
}

fn moved(to: &str) -> Reply {
    let head = "HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\nConnection: close\r\nLocation: ";
    Reply::Raw(format!("{head}{to}\r\n\r\n").into_bytes())
}

#[tokio::test]
async fn a_read_of_what_has_moved_within_lever_follows() {
    let mut bench = Bench::new([moved("/v1/levels?limit=1"), moved("grades"), EMPTY]).await;
    assert!(bench.client.stages(Lane::Live, None).await.unwrap().items.is_empty());
    let asked = bench.asked();
    let lines: Vec<_> = asked.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        ["GET /v1/stages?limit=100 HTTP/1.1", "GET /v1/levels?limit=1 HTTP/1.1", "GET /v1/grades HTTP/1.1"]
    );
    assert!(asked.iter().all(|request| request.contains("authorization: Basic ay9lK3k6\r\n")));
    // Each of them took a turn: they count against the rate.
    assert_eq!(bench.client.pacer().status().turns, [0, 3, 0, 0]);
}

#[tokio::test]
async fn the_key_goes_nowhere_else_and_nothing_goes_in_circles() {
    let mut elsewhere = Bench::new([]).await;
    let there = elsewhere.client.0.base_url.join("/v1/stages").unwrap();
    let ask = Ask::get(Endpoint::Stages, &["stages"], Vec::new());
    for (reply, requests) in [(moved(there.as_str()), 1), (moved("/v1/stages"), 3)] {
        let mut bench = Bench::new(vec![reply; 9]).await;
        let error = bench.client.once(Lane::Live, &ask, |_| Ok(())).await.unwrap_err();
        assert!(matches!(error, LeverError::Unreadable(Unreadable::Redirect)), "{error}");
        assert_eq!(bench.asked().len(), requests);
    }
    assert!(elsewhere.asked().is_empty());
    let mut bench = Bench::new([moved("/v1/notes")]).await;
    assert_eq!(create(&bench).await.outcome(), Outcome::Unknown);
    assert_eq!(bench.asked().len(), 1, "a write is sent once");
}

#[tokio::test]
async fn a_bad_offset_is_told_apart() {
    let bad = r#"{"code":"BadRequestError","message":"Invalid offset token: x"}"#;
    let bench = Bench::new([Reply::Json("400 Bad Request", bad)]).await;
    let error = bench.client.users(Lane::Backfill, Some(&Offset::new("x"))).await.unwrap_err();
    assert!(matches!(error, LeverError::InvalidOffset), "{error}");
}

#[tokio::test]
async fn a_write_is_sent_once_and_its_loss_is_unknown() {
    let lost = [
        Reply::Raw(Vec::new()),
        Reply::Hang,
        half("201 Created"),
        Reply::Json("201 Created", "<html>"),
        Reply::Json("201 Created", r#"{"code":"x"}"#),
        Reply::Json("201 Created", r#"{"data":{"noteId":"a/b"}}"#),
        Reply::Json("200 OK", "rubbish"),
        Reply::Json("302 Found", ""),
        Reply::Json("500 Internal Server Error", ""),
        Reply::Json("502 Bad Gateway", "<html>"),
        half("503 Service Unavailable"),
        Reply::Json("504 Gateway Timeout", ""),
    ];
    for (nth, reply) in lost.into_iter().enumerate() {
        let mut bench = Bench::new([reply]).await;
        let error = create(&bench).await;
        assert_eq!(error.outcome(), Outcome::Unknown, "{nth}: {error}");
        assert_eq!(bench.asked().len(), 1, "{nth}");
    }
}

#[tokio::test]
async fn a_write_that_was_refused_is_not_done() {
    for status in ["400 Bad Request", "401 U", "403 F", "404 N", "422 U", "429 Too Many Requests"] {
        let bench = Bench::new([Reply::Json(status, "{}")]).await;
        assert_eq!(create(&bench).await.outcome(), Outcome::NotDone, "{status}");
    }
    let bench = Bench::new([half("400 Bad Request")]).await;
    assert_eq!(create(&bench).await.outcome(), Outcome::NotDone);
}

#[tokio::test]
async fn a_write_without_a_connection_is_not_done() {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for base_url in [format!("http://127.0.0.1:{port}/v1"), "http://no-such-host.invalid/v1".to_owned()] {
        let bench = Bench {
            client: client(&base_url, &tracker, stop.clone()),
            requests: mpsc::unbounded_channel().1,
            stop: stop.clone(),
        };
        let error = create(&bench).await;
        assert!(matches!(error, LeverError::Unreachable(_)), "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotDone);
    }
}

/// It waits for more than a greeting, so it is the time to connect that ends this.
#[tokio::test]
async fn a_server_without_tls_is_unreachable() {
    let bench = Bench::new([EMPTY]).await;
    let url = format!("https://{}/v1", bench.client.0.base_url.authority());
    let tls = Bench { client: client(&url, &TaskTracker::new(), bench.stop.clone()), ..bench };
    assert!(matches!(create(&tls).await, LeverError::Unreachable(_)));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    endless.resize(BODY_BYTES_MAX + 1000, b' ');
    let bench = Bench::new([Reply::Raw(endless)]).await;
    let ask = Ask::get(Endpoint::Stages, &["stages"], Vec::new());
    let error = bench.client.once(Lane::Live, &ask, |_| Ok(())).await.unwrap_err();
    // On a slow machine the deadline may come first, which is a bound as well.
    assert!(
        matches!(error, LeverError::Unreadable(Unreadable::TooLong) | LeverError::Interrupted(_)),
        "{error}"
    );
}

#[tokio::test]
async fn reads_end_when_we_stop() {
    let bench = Bench::new([]).await;
    let stop = bench.stop.clone();
    let (answer, ()) = tokio::join!(bench.client.stages(Lane::Backfill, None), async move {
        tokio::task::yield_now().await;
        stop.cancel();
    });
    assert!(matches!(answer, Err(LeverError::Cancelled)));
    assert_eq!(create(&bench).await.outcome(), Outcome::NotDone);
}

#[tokio::test]
async fn the_clock_of_lever_is_compared_with_ours() {
    let bench = Bench::new([EMPTY]).await;
    let ours: Timestamp = "2024-12-31T23:59:00Z".parse().unwrap();
    assert_eq!(bench.client.skew(ours), None);
    bench.client.stages(Lane::Live, None).await.unwrap();
    let skew = bench.client.skew(ours).unwrap();
    assert!((60..65).contains(&skew.as_secs()), "{skew}");
}

#[tokio::test]
async fn errors_name_no_candidate() {
    let bench = Bench::new([Reply::Hang]).await;
    let shown = format!("{:?}", create(&bench).await);
    assert!(!shown.contains("4f0c7a52"), "{shown}");
}

#[test]
fn no_settings_show_the_key() {
    let settings = format!("{:?}", SecretString::from("k/e+y"));
    assert!(!settings.contains("k/e+y"));
}

#[test]
fn pauses_grow_and_end() {
    let error = LeverError::Server { status: 500 };
    let pauses: Vec<_> =
        (1..).map_while(|tries| pause_before_retry(Lane::Backfill, &error, tries, 1.0)).collect();
    let seconds = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0].map(Duration::from_secs_f64);
    assert_eq!(pauses, seconds);
    assert_eq!(pause_before_retry(Lane::Live, &LeverError::Throttled, 1, 0.5), Some(Duration::ZERO));
    assert_eq!(pause_before_retry(Lane::Live, &LeverError::Unauthorized, 1, 0.5), None);
}

/// The environment belongs to the whole process, so the asking is done by another one: this test
/// binary again, running only [`through_the_proxy_of_the_environment`].
#[tokio::test]
async fn the_proxy_variable_is_heeded() {
    let mut proxy = Bench::new([Reply::Json("200 OK", r#"{"data":[]}"#)]).await;
    let url = format!("http://{}", proxy.client.0.base_url.authority());
    let child = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lever::client::tests::through_the_proxy_of_the_environment", "--ignored"])
            .env("http_proxy", url)
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .output()
            .unwrap()
    });
    let output = child.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(proxy.asked()[0].starts_with("GET http://lever.invalid/v1/stages?limit=100 HTTP/1.1\r\n"));
}

#[tokio::test]
#[ignore = "run by the_proxy_variable_is_heeded, with the variable set"]
async fn through_the_proxy_of_the_environment() {
    let client = client("http://lever.invalid/v1", &TaskTracker::new(), CancellationToken::new());
    client.stages(Lane::Interactive, None).await.unwrap();
}

//! The client at the wire: what is asked, and what each kind of answer means.
//!
//! Against a scripted listener and not the simulated Twilio: here the answers are ones that no proper
//! server gives, cut in half or made of something else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use fulcrum_domain::file::FetchFailure;
use fulcrum_domain::{Delivery, Remedy, SendFailure};
use url::Url;

use super::{Client, TwilioSettings};
use crate::carrier::listener::{self, MID, answer, http, outgoing, serve};
use crate::carrier::{Carrier, FileError, Outcome, Outgoing, ReadError, SendError};

fn settings(base_url: Url) -> TwilioSettings {
    TwilioSettings {
        base_url,
        account_sid: "AC0".into(),
        auth_token: "secret".into(),
        messaging_service_sid: None,
        public_url: Some("https://text.acme.example/".parse().unwrap()),
        timeout: Duration::from_secs(10),
        validity: Duration::from_secs(3600),
    }
}

fn carrier(settings: TwilioSettings) -> Carrier {
    Carrier::Twilio(Client::new(http(), settings))
}

const MESSAGE: &str = r#"{"sid":"SM1","status":"queued","direction":"outbound-api","to":"+14155550123",
    "from":"+14155550100","body":"private words & more","num_segments":"1","num_media":"0",
    "error_code":null,"date_created":"Thu, 24 Aug 2023 05:01:45 +0000"}"#;

/// How a send ends that is answered so.
async fn failing(answer: String) -> SendError {
    listener::failing(|url| carrier(settings(url)), &outgoing(), answer).await
}

async fn check(answer: String, outcome: Outcome, class: SendFailure, remedy: Remedy) {
    let error = failing(answer.clone()).await;
    assert_eq!((error.outcome, error.class, error.remedy()), (outcome, class, remedy), "{answer}");
}

#[tokio::test]
async fn a_text_is_handed_over_with_our_id_in_its_callback() {
    let (url, server) = serve(vec![answer("201 Created", MESSAGE)]);
    let accepted = carrier(settings(url)).send(&outgoing()).await.unwrap();
    assert_eq!((accepted.sid.as_str(), accepted.status), ("SM1", Delivery::Accepted));
    assert_eq!(accepted.segments, Some(1));

    let asked = server.join().unwrap().remove(0);
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /2010-04-01/Accounts/AC0/Messages.json HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Basic QUMwOnNlY3JldA=="), "{head}");
    let fields: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
    let callback = format!("https://text.acme.example/hooks/twilio/status?mid={MID}#rc=5&rp=all");
    let expected = [
        ("To", "+14155550123"),
        ("Body", "private words & more"),
        ("From", "+14155550100"),
        ("ValidityPeriod", "3600"),
        ("StatusCallback", &callback),
    ];
    assert_eq!(fields, expected.map(|(key, value)| (key.into(), value.into())));
}

#[tokio::test]
async fn a_service_chooses_the_sender_and_without_an_address_nothing_calls_back() {
    let (url, server) = serve(vec![answer("201 Created", MESSAGE)]);
    let service = TwilioSettings {
        messaging_service_sid: Some("MG1".into()),
        public_url: None,
        validity: Duration::from_secs(86_400),
        ..settings(url)
    };
    carrier(service).send(&outgoing()).await.unwrap();
    let asked = server.join().unwrap().remove(0);
    let body = asked.split_once("\r\n\r\n").unwrap().1;
    let end = "&MessagingServiceSid=MG1&ValidityPeriod=36000";
    assert!(body.ends_with(end) && !body.contains("From="), "{body}");
}

#[tokio::test]
async fn no_text_is_held_for_longer_than_it_may_be_nor_than_is_set() {
    for (left, held) in [(0, "1"), (360, "360"), (7200, "3600")] {
        let (url, server) = serve(vec![answer("201 Created", MESSAGE)]);
        let text = Outgoing { validity: Some(Duration::from_secs(left)), ..outgoing() };
        carrier(settings(url)).send(&text).await.unwrap();
        let asked = server.join().unwrap().remove(0);
        let body = asked.split_once("\r\n\r\n").unwrap().1;
        let mut fields = form_urlencoded::parse(body.as_bytes());
        assert_eq!(fields.find(|(key, _)| key == "ValidityPeriod").unwrap().1, held);
    }
}

#[tokio::test]
async fn a_refusal_with_a_code_is_certain() {
    let refusal = |code| format!(r#"{{"code":{code},"message":"about +14155550123","status":400}}"#);
    let bad = |code| answer("400 Bad Request", &refusal(code));
    check(bad(21610), Outcome::NotSent, SendFailure::OptedOut, Remedy::Suppress).await;
    check(bad(21614), Outcome::NotSent, SendFailure::Landline, Remedy::GiveUp).await;
    check(bad(29999), Outcome::NotSent, SendFailure::Unknown, Remedy::GiveUp).await;
    let denied = |code| answer("401 Unauthorized", &refusal(code));
    check(denied(20003), Outcome::NotSent, SendFailure::Config, Remedy::PauseSending).await;
    check(denied(29999), Outcome::NotSent, SendFailure::Config, Remedy::PauseSending).await;
}

#[tokio::test]
async fn too_many_requests_were_never_processed() {
    let later =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 77\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let retry = |seconds| Remedy::RetryAfter(Duration::from_secs(seconds));
    check(later.into(), Outcome::NotSent, SendFailure::Throttled, retry(77)).await;
    let soon = answer("429 Too Many Requests", r#"{"code":20429,"status":429}"#);
    check(soon, Outcome::NotSent, SendFailure::Throttled, retry(10)).await;
}

#[tokio::test]
async fn whatever_is_not_certain_is_looked_up_and_not_sent_again() {
    let html = "<html>a proxy says hello</html>";
    let down = SendFailure::CarrierDown;
    for (answer, class) in [
        (answer("500 Internal Server Error", r#"{"code":20500,"status":500}"#), down),
        (answer("503 Service Unavailable", ""), down),
        (answer("403 Forbidden", html), down),
        (answer("302 Found\r\nlocation: https://elsewhere.example/", ""), down),
        (answer("200 OK", html), SendFailure::Unknown),
        (answer("201 Created", r#"{"sid":null}"#), SendFailure::Unknown),
        (answer("201 Created", r#"{"code":20500,"status":500}"#), SendFailure::Unknown),
        (answer("201 Created", MESSAGE).split_at(200).0.into(), SendFailure::Unknown),
        ("HTTP/1.1 20".into(), down),
        (String::new(), down),
    ] {
        check(answer, Outcome::Unknown, class, Remedy::LookUp).await;
    }
}

#[tokio::test]
async fn no_answer_in_time_is_looked_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let quick = TwilioSettings { timeout: Duration::from_millis(50), ..settings(url) };
    let error = carrier(quick).send(&outgoing()).await.unwrap_err();
    assert_eq!((error.outcome, error.remedy()), (Outcome::Unknown, Remedy::LookUp));
}

#[tokio::test]
async fn a_connection_that_never_stood_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = carrier(settings(url)).send(&outgoing()).await.unwrap_err();
    assert_eq!((error.outcome, error.class), (Outcome::NotSent, SendFailure::CarrierDown));
    assert!(matches!(error.remedy(), Remedy::RetryAfter(_)));
    assert!(std::error::Error::source(&error).is_some(), "the operator sees why");
}

#[tokio::test]
async fn a_handshake_that_failed_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert_ne!(stream.read(&mut [0; 512]).unwrap(), 0);
        stream.write_all(b"HTTP/1.1 400 This is not TLS\r\n\r\n").unwrap();
    });
    let error = carrier(settings(url)).send(&outgoing()).await.unwrap_err();
    assert_eq!((error.outcome, error.class), (Outcome::NotSent, SendFailure::CarrierDown));
    server.join().unwrap();
}

#[tokio::test]
async fn a_text_that_is_too_long_does_not_go_out_at_all() {
    let nowhere = settings("http://127.0.0.1:1".parse().unwrap());
    let long = Outgoing { body: "é".repeat(1601), ..outgoing() };
    let error = carrier(nowhere).send(&long).await.unwrap_err();
    assert_eq!((error.outcome, error.class), (Outcome::NotSent, SendFailure::TooLong));
}

fn page(messages: &[&str], next: Option<&str>) -> String {
    let next = next.map_or("null".to_owned(), |next| format!(r#""{next}""#));
    answer("200 OK", &format!(r#"{{"messages":[{}],"next_page_uri":{next}}}"#, messages.join(",")))
}

fn inbound(sid: &str, media: u32) -> String {
    format!(
        r#"{{"sid":"{sid}","status":"received","direction":"inbound","from":"+14155550123",
            "to":"+14155550100","body":"yes","num_media":"{media}","date_created":"Thu, 24 Aug 2023 05:01:45 +0000"}}"#
    )
}

#[tokio::test]
async fn a_lost_text_is_looked_for_on_every_page() {
    let next = "/2010-04-01/Accounts/AC0/Messages.json?To=%2B1&PageToken=PASM%2d1";
    let second = MESSAGE.replace("SM1", "SM2");
    let (url, server) = serve(vec![page(&[MESSAGE, "{}"], Some(next)), page(&[&second], None)]);
    let found = carrier(settings(url)).find_lost("+14155550123").await.unwrap();
    assert_eq!(found.iter().map(|one| one.sid.as_str()).collect::<Vec<_>>(), ["SM1", "SM2"]);
    let asked = server.join().unwrap();
    assert!(asked[0].starts_with(
        "GET /2010-04-01/Accounts/AC0/Messages.json?To=%2B14155550123&PageSize=50 HTTP/1.1\r\n"
    ));
    assert!(asked[1].starts_with(&format!("GET {next} HTTP/1.1\r\n")), "verbatim");
}

#[tokio::test]
async fn what_came_in_is_listed_over_pages_and_its_media_apart() {
    let media = r#"{"media_list":[{"content_type":"image/png","uri":"/2010-04-01/Accounts/AC0/Messages/MM2/Media/ME1.json"}]}"#;
    let receiving = inbound("SM3", 0).replace("received", "receiving");
    let (url, server) = serve(vec![
        page(&[&inbound("SM1", 0), MESSAGE, &receiving], Some("/next?Page=1")),
        page(&[&inbound("MM2", 1)], None),
        answer("200 OK", media),
    ]);
    let carrier = carrier(settings(url.clone()));
    let since = jiff::civil::date(2026, 11, 23);
    let first = carrier.inbound_since("+14155550100", since).await.unwrap();
    assert_eq!(first.texts.iter().map(|one| one.text.sid.as_str()).collect::<Vec<_>>(), ["SM1"]);
    assert_eq!(first.texts[0].text.at, Some("2023-08-24T05:01:45Z".parse().unwrap()));
    let rest = carrier.inbound_next(first.next.unwrap()).await.unwrap();
    assert!(rest.next.is_none());
    let expected = url.join("/2010-04-01/Accounts/AC0/Messages/MM2/Media/ME1").unwrap();
    assert_eq!((first.texts[0].has_media, rest.texts[0].has_media), (false, true));
    let media = carrier.media(&rest.texts[0].text.sid).await.unwrap();
    assert_eq!(media[0].url, expected);
    let asked = server.join().unwrap();
    assert!(asked[0].contains("?To=%2B14155550100&DateSent%3E=2026-11-23&PageSize=100 "), "{}", asked[0]);
}

/// The path of each request, with its method.
fn lines(asked: &[String]) -> Vec<&str> {
    let line = |request: &'_ String| request.find(" HTTP/1.1").unwrap_or_default();
    asked.iter().map(|request| &request[..line(request)]).collect()
}

#[tokio::test]
async fn a_text_is_deleted_after_each_of_its_media() {
    let media = |names: &[&str], next: &str| {
        let items: Vec<_> = names.iter().map(|name| format!(r#"{{"sid":"{name}"}}"#)).collect();
        answer("200 OK", &format!(r#"{{"media_list":[{}],"next_page_uri":{next}}}"#, items.join(",")))
    };
    let missing = || answer("404 Not Found", r#"{"code":20404,"status":404}"#);
    let done = || answer("204 No Content", "");
    let delete = async |answers: Vec<String>| {
        let (url, server) = serve(answers);
        let deleted = carrier(settings(url)).delete(&"MM1".parse().unwrap()).await;
        (deleted, server.join().unwrap())
    };
    let rest = r#""/2010-04-01/Accounts/AC0/Messages/MM1/Media.json?Page=1""#;
    // The second was deleted before, by a request whose answer was lost.
    let pages = vec![media(&["ME1", "ME2"], rest), media(&["ME3"], "null")];
    let (deleted, asked) = delete([pages, vec![done(), missing(), done(), done()]].concat()).await;
    deleted.unwrap();
    let below = "/2010-04-01/Accounts/AC0/Messages/MM1";
    let expected = [
        format!("GET {below}/Media.json"),
        format!("GET {below}/Media.json?Page=1"),
        format!("DELETE {below}/Media/ME1.json"),
        format!("DELETE {below}/Media/ME2.json"),
        format!("DELETE {below}/Media/ME3.json"),
        format!("DELETE {below}.json"),
    ];
    assert_eq!(lines(&asked), expected);

    let (deleted, asked) = delete(vec![missing(), missing()]).await;
    assert!(matches!(deleted, Err(ReadError::NotFound)) && asked.len() == 2);
    // While one of them stays, so does the message, by which it is found again.
    let down = answer("503 Service Unavailable", "");
    let (deleted, _) = delete(vec![media(&["ME1"], "null"), down]).await;
    assert!(matches!(deleted, Err(ReadError::Down { status: 503 })));
    let (deleted, _) = delete(vec![media(&["../AC1"], "null")]).await;
    assert!(matches!(deleted, Err(ReadError::Unreadable)));
    let (deleted, asked) = delete(vec![media(&[], rest); 5]).await;
    assert!(matches!(deleted, Err(ReadError::Unreadable)) && asked.len() == 5);
}

#[tokio::test]
async fn our_credentials_do_not_follow_a_page_to_another_host() {
    let (url, server) = serve(vec![page(&[MESSAGE], Some("https://elsewhere.example/x"))]);
    let error = carrier(settings(url)).find_lost("+14155550123").await.unwrap_err();
    assert!(matches!(error, ReadError::Elsewhere));
    server.join().unwrap();
}

#[tokio::test]
async fn reading_says_what_is_wrong() {
    let check = async |answer: String| {
        let (url, server) = serve(vec![answer]);
        let result = carrier(settings(url)).fetch(&"SM1".parse().unwrap()).await;
        server.join().unwrap();
        result.unwrap_err()
    };
    let missing = r#"{"code":20404,"message":"The requested resource was not found","status":404}"#;
    assert!(matches!(check(answer("404 Not Found", missing)).await, ReadError::NotFound));
    // A gateway between us and Twilio knows nothing of the text.
    for body in ["", "<html>", r#"{"message":"no route"}"#, r#"{"code":404}"#] {
        let error = check(answer("404 Not Found", body)).await;
        assert!(matches!(error, ReadError::Down { status: 404 }), "{body}: {error}");
    }
    assert!(matches!(check(answer("429 Too Many", "")).await, ReadError::Throttled { retry_after: None }));
    assert!(matches!(check(answer("502 Bad Gateway", "x")).await, ReadError::Down { status: 502 }));
    assert!(matches!(check(answer("200 OK", "<html>")).await, ReadError::Unreadable));
    assert!(matches!(
        check(answer("200 OK", "{}").replace("th: 2", "th: 9")).await,
        ReadError::Unreachable(_)
    ));
    let denied = answer("401 Unauthorized", r#"{"code":20003}"#);
    assert!(matches!(check(denied).await, ReadError::Refused { status: 401, code: Some(20003) }));
    let huge = answer("200 OK", &" ".repeat(crate::carrier::answer::MAX_ANSWER_BYTES + 1));
    let (url, _) = serve(vec![huge]);
    let error = carrier(settings(url)).fetch(&"SM1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { .. }));
}

#[tokio::test]
async fn an_address_with_a_number_is_in_no_error() {
    let half = answer("200 OK", "{}").replace("th: 2", "th: 9");
    let (url, server) = serve(vec![half, String::new()]);
    let carrier = carrier(settings(url));
    for _ in 0..2 {
        let error = carrier.find_lost("+14155550123").await.unwrap_err();
        assert!(matches!(error, ReadError::Unreachable(_)));
        let plain = format!("{error:?}");
        let printed = format!("{plain} {:#}", anyhow::Error::new(error));
        assert!(!printed.contains("5550123"), "{printed}");
    }
    server.join().unwrap();
}

#[tokio::test]
async fn the_account_is_checked_without_keeping_its_token() {
    let body = r#"{"sid":"AC0","status":"active","type":"Trial","auth_token":"in clear"}"#;
    let (url, server) = serve(vec![answer("200 OK", body)]);
    let account = carrier(settings(url)).check(jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!((account.status.as_str(), account.trial), ("active", true));
    assert!(server.join().unwrap()[0].starts_with("GET /2010-04-01/Accounts/AC0.json HTTP/1.1\r\n"));
}

#[test]
fn no_secret_is_printed() {
    let carrier = carrier(settings("https://api.twilio.com".parse().unwrap()));
    assert!(!format!("{carrier:?} {:?}", outgoing()).contains("secret"));
    assert!(!format!("{:?}", outgoing()).contains("private"));
}

fn file_url(base: &Url) -> Url {
    base.join("/2010-04-01/Accounts/AC0/Messages/MM1/Media/ME1").unwrap()
}

/// What is made of a file, and what was asked.
async fn file(
    answers: Vec<String>,
    at: impl FnOnce(&Url) -> Url,
) -> (Result<Vec<u8>, FileError>, Vec<String>) {
    let (base, server) = serve(answers);
    let url = at(&base);
    let found = carrier(settings(base)).file(&url, 10, jiff::Timestamp::UNIX_EPOCH).await;
    (found, server.join().unwrap())
}

#[tokio::test]
async fn a_file_is_fetched_with_our_credentials_and_its_storage_gets_none() {
    let answers =
        vec![answer("307 Temporary Redirect\r\nlocation: /storage/ME1", ""), answer("200 OK", "pixels")];
    let (found, asked) = file(answers, file_url).await;
    assert_eq!(found.unwrap(), b"pixels");
    assert!(asked[0].contains("authorization: Basic QUMwOnNlY3JldA=="), "{}", asked[0]);
    assert!(asked[1].starts_with("GET /storage/ME1 ") && !asked[1].contains("authorization"), "{}", asked[1]);
}

#[tokio::test]
async fn nothing_is_asked_that_is_not_the_carriers() {
    for elsewhere in [
        "http://127.0.0.1:1/2010-04-01/Accounts/AC0/Messages/MM1/Media/ME1",
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/2010-04-01/Accounts/AC0/Messages/MM1/Media/ME1",
        "file:///etc/passwd",
    ] {
        let (found, _) = file(Vec::new(), |_| elsewhere.parse().unwrap()).await;
        assert!(matches!(found, Err(FileError::Read(ReadError::Elsewhere))), "{elsewhere}: {found:?}");
        let redirect = answer(&format!("302 Found\r\nlocation: {elsewhere}"), "");
        let (found, _) = file(vec![redirect], file_url).await;
        assert!(matches!(found, Err(FileError::Read(ReadError::Elsewhere))), "{elsewhere}: {found:?}");
    }
    // Of the account, and there the media alone.
    for path in ["/2010-04-01/Accounts/AC0.json", "/2010-04-01/Accounts/AC0/Messages/../../AC1/Messages/MM1"]
    {
        let (found, _) = file(Vec::new(), |base| base.join(path).unwrap()).await;
        assert!(matches!(found, Err(FileError::Read(ReadError::Elsewhere))), "{path}: {found:?}");
    }
    let around = || answer("302 Found\r\nlocation: /storage/ME1", "");
    let (found, _) = file(vec![around(), around(), around(), around()], file_url).await;
    assert!(matches!(found, Err(FileError::Read(ReadError::Elsewhere))), "{found:?}");
}

#[tokio::test]
async fn of_a_file_that_is_too_large_no_more_is_read_than_is_wanted() {
    let (found, _) = file(vec![answer("200 OK", "12345678901")], file_url).await;
    assert!(matches!(found, Err(FileError::TooLarge { size: Some(11) })), "{found:?}");
    let untold = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n12345678901".to_owned();
    let (found, _) = file(vec![untold], file_url).await;
    assert!(matches!(found, Err(FileError::TooLarge { size: None })), "{found:?}");
    for (status, failure) in [
        ("404 Not Found", FetchFailure::Gone),
        ("410 Gone", FetchFailure::Gone),
        ("401 Unauthorized", FetchFailure::Refused),
        ("429 Too Many Requests", FetchFailure::Unreachable),
        ("503 Service Unavailable", FetchFailure::Unreachable),
    ] {
        let (found, _) = file(vec![answer(status, "")], file_url).await;
        assert_eq!(found.unwrap_err().failure(), failure, "{status}");
    }
}

//! Lever's webhooks through the real listener: the vectors of lever-api.md 6.4, and what a forger sends.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

const TOKEN: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718";
const AT: i64 = 1_735_689_600_123;
const SIGNATURE: &str = "89b2661c5e3c835a30cebee9aae3a9631d6f6b783971fa2859a369403bc6cdc5";
const DATA: &str = r#"{"opportunityId":"4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f"}"#;

fn body(event: &str, token: &str, at: &str, signature: &str, data: &str) -> String {
    format!(
        r#"{{"event":"{event}","triggeredAt":{at},"token":"{token}","signature":"{signature}","data":{data}}}"#
    )
}

fn signed(event: &str, token: &str, key: &str, data: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{token}{AT}").as_bytes());
    body(event, token, &AT.to_string(), &hex::encode(mac.finalize().into_bytes()), data)
}

async fn at(ms: i64) -> World {
    World::start(Choice { clock: shortly_after(ms), ..Choice::default() }).await
}

fn whole() -> String {
    body("candidateStageChange", TOKEN, &AT.to_string(), SIGNATURE, DATA)
}

#[tokio::test]
async fn the_first_vector_is_stored_once_and_a_repeat_known() {
    let world = at(AT).await;
    let first = world.post("/hooks/lever", whole()).await;
    assert_eq!((first.status, first.text.as_str()), (200, r#"{"status":"stored"}"#));
    assert_eq!(first.header("content-type"), "application/json");
    let again = world.post("/hooks/lever", whole()).await;
    assert_eq!((again.status, again.text.as_str()), (200, r#"{"status":"duplicate"}"#));
}

#[tokio::test]
async fn the_second_vector_verifies() {
    let at = 1_600_000_000_000;
    let world = World::start(Choice {
        clock: shortly_after(at),
        webhooks: "candidate_hired = ['old', 'test-signature-token']",
        ..Choice::default()
    })
    .await;
    let signature = "a642f81028baa36b1798bcc39efac3f4036b4f75e26e71dd908838182317632a";
    let ping = body("candidateHired", "tok", &at.to_string(), signature, "{}");
    assert_eq!(world.post("/hooks/lever", ping).await.text, r#"{"status":"verified"}"#);
}

#[tokio::test]
async fn the_negative_vectors_are_refused() {
    let world = at(AT).await;
    let hex_key = "018299e57cc8585ab2b80e76ea0e861174707f33140d4fbc0e4d778719642180";
    let swapped = "baea367d093c716695f300e780178cf3cb21f4093e64acb47bc6fddc25680ec9";
    let decimals = "2b17c81064dafa3ca5231ff89af4a250c7a95b8ae2fc1e8f02ca184944e9adc7";
    let base64 = "ibJmHF48g1owzr7pquOpYx1va3g5cfooWaNpQDvGzcU=";
    for signature in [hex_key, swapped, decimals, base64, "", &SIGNATURE[..62]] {
        let forged = body("candidateStageChange", TOKEN, &AT.to_string(), signature, DATA);
        world.post("/hooks/lever", forged).await.problem(401, "bad-signature");
    }
    let unsigned = whole().replace("signature", "sig");
    world.post("/hooks/lever", unsigned).await.problem(401, "bad-signature");
}

#[tokio::test]
async fn each_event_needs_its_own_token() {
    let world = World::start(Choice {
        clock: shortly_after(AT),
        webhooks: "candidate_hired = 'h'\ncandidate_deleted = 'd'",
        ..Choice::default()
    })
    .await;
    let status = async |event, key| world.post("/hooks/lever", signed(event, "t", key, "{}")).await.status;
    assert_eq!(status("candidateHired", "h").await, 200);
    assert_eq!(status("candidateHired", "d").await, 401);
    assert_eq!(status("interviewCreated", "h").await, 401, "it has none");

    world.running.replace_keys(keys_of("interview_created = 'h'", None));
    assert_eq!(status("interviewCreated", "h").await, 200);
    assert_eq!(status("candidateHired", "h").await, 401);
}

#[tokio::test]
async fn an_old_one_is_refused_and_one_of_two_weeks_taken() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    assert_eq!(at(AT + 14 * DAY).await.post("/hooks/lever", whole()).await.status, 200);
    at(AT + 15 * DAY).await.post("/hooks/lever", whole()).await.problem(401, "bad-signature");
}

#[tokio::test]
async fn with_a_secret_only_its_path_answers() {
    let choice = Choice { clock: shortly_after(AT), hook_secret: Some("s3cret"), ..Choice::default() };
    let world = World::start(choice).await;
    for path in
        ["/hooks/lever", "/hooks/lever/", "/hooks/lever/wrong", "/hooks/lever/%ff", "/hooks/lever/s3cret/x"]
    {
        world.post(path, whole()).await.problem(404, "not-found");
    }
    assert_eq!(world.post("/hooks/lever/s3cret", whole()).await.status, 200);
    at(AT).await.post("/hooks/lever/s3cret", whole()).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_is_no_webhook_is_refused_and_counted() {
    let world = at(AT).await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"<html>".to_vec(),
        b"[]".to_vec(),
        b"{\"event\":\"\xff\xfe\"}".to_vec(),
        whole().as_bytes()[..100].to_vec(),
        whole().replace("1735689600123", "1735689600123.0").into(),
        whole().replace("1735689600123", "\"1735689600123\"").into(),
        body("candidateHired", TOKEN, &AT.to_string(), SIGNATURE, &deep).into(),
    ];
    let count = cases.len();
    for case in cases {
        world.post("/hooks/lever", case).await.problem(400, "malformed");
    }
    let unknown = signed("contactCreated", "t", LEVER_KEY, "{}");
    world.post("/hooks/lever", unknown).await.problem(400, "malformed");
    world.post("/hooks/lever", whole().replace(SIGNATURE, "00")).await.problem(401, "bad-signature");

    let metrics = Answer::of(world.client.get(world.ops_url("/metrics"))).await.text;
    let line = |event: &str, outcome: &str, count: usize| {
        format!("fulcrum_webhooks_total{{event=\"{event}\",outcome=\"{outcome}\"}} {count}\n")
    };
    for line in [
        line("unknown", "malformed", count),
        line("unknown", "unknown_event", 1),
        line("candidate_stage_change", "bad_signature", 1),
    ] {
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn more_than_a_mebibyte_is_refused_announced_or_not() {
    let world = at(AT).await;
    let huge = vec![b' '; 1024 * 1024 + 1];
    world.post("/hooks/lever", huge.clone()).await.problem(413, "too-large");
    let chunks = huge.chunks(64 * 1024).map(|chunk| Ok::<_, io::Error>(chunk.to_vec()));
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks.collect::<Vec<_>>()));
    world.post("/hooks/lever", stream).await.problem(413, "too-large");
    let just = format!("{}{}", whole(), " ".repeat(1024 * 1024 - whole().len()));
    assert_eq!(world.post("/hooks/lever", just).await.status, 200);
}

#[tokio::test]
async fn only_post_is_allowed() {
    let world = at(AT).await;
    let carriers = ["/hooks/twilio/message", "/hooks/twilio/status", "/hooks/telnyx", "/hooks/gateway"];
    for path in ["/hooks/lever", "/hooks/lever/x"].into_iter().chain(carriers) {
        for method in [http::Method::GET, http::Method::PUT, http::Method::DELETE] {
            let answer = Answer::of(world.client.request(method, world.url(path))).await;
            answer.problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), "POST");
        }
    }
}

#[tokio::test]
async fn a_store_that_takes_nothing_makes_lever_try_again() {
    let world = at(AT).await;
    world.engine.store.close().await;
    let answer = world.post("/hooks/lever", whole()).await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
}

//! The control routes, for programs that run the sandbox as a process of its own (interface.md).
//! `GET /_sandbox/` lists them, with a line for each.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::stream;
use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::Rule;
use crate::lever::{EVENTS_KNOWN, Event, Moves};
use crate::sandbox::Shared;
use crate::twilio::{Addresses, InboundMedia};

/// A control request that makes no sense, with why.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

type Answer = Result<Json<Value>, Refusal>;

/// The routes below `/_sandbox`, and what each does.
const ROUTES: [(&str, &str); 17] = [
    ("GET /", "this list"),
    ("GET /ledger?since=SEQ", "every request that had an effect"),
    ("POST /events", r#"something happens inside Lever: {"event": "apply" ...}"#),
    (
        "POST /inbound",
        r#"a candidate texts: {"from", "to"?, "body", "media"?: [{"content_type", "base64"}]}"#,
    ),
    ("POST /faults", "one rule or a list of them"),
    ("DELETE /faults", "none any more"),
    ("GET /clock", "what time it is there"),
    ("POST /clock", r#"{"set_ms"?, "advance_ms"?, "speed"?}"#),
    ("GET /stats", "requests by route, violations, peak rate"),
    ("POST /webhooks", r#"{"url", "tokens"?, "verify"?}: one webhook of Lever's for each event"#),
    ("POST /twilio", r#"{"message_url", "fallback_url"}: where texts and reports go"#),
    ("POST /telnyx", r#"{"webhook_url"}: the same"#),
    ("POST /gateway", r#"{"webhook_url"}: the same"#),
    ("POST /moves", r#"what happens by itself: {"per_second"?, "every_pages"?}"#),
    ("GET /opportunity?phone=true", "a random active one"),
    ("GET /tenant", "the truth: one JSON line for each opportunity"),
    ("GET /tenant/{id}", "the truth of one of them"),
];

pub(crate) fn router(shared: Shared) -> Router {
    let routes = Router::new()
        .route("/", get(list))
        .route("/ledger", get(ledger))
        .route("/events", post(events))
        .route("/inbound", post(inbound))
        .route("/faults", post(add_faults).delete(clear_faults))
        .route("/clock", get(show_clock).post(set_clock))
        .route("/stats", get(stats))
        .route("/webhooks", post(webhooks))
        .route("/twilio", post(twilio))
        .route("/telnyx", post(telnyx))
        .route("/gateway", post(gateway))
        .route("/moves", post(moves))
        .route("/opportunity", get(opportunity))
        .route("/tenant", get(tenant))
        .route("/tenant/{id}", get(tenant_of))
        .with_state(shared);
    Router::new().route("/_sandbox/", get(list)).nest("/_sandbox", routes)
}

/// JSON whatever the content type says, so that `curl -d` is enough.
fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))
}

fn missing(error: &dyn std::error::Error) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, error.to_string())
}

async fn list() -> String {
    ROUTES.iter().map(|(route, does)| format!("{route:28} {does}\n")).collect()
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn ledger(State(shared): State<Shared>, Query(Since { since }): Query<Since>) -> Json<Value> {
    Json(json!({"data": shared.ledger.since(since)}))
}

async fn events(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let event: Event = parse(&bytes)?;
    let happened = shared.lever.happen(&event).map_err(|error| missing(&error))?;
    Ok(Json(json!(happened)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    from: String,
    to: Option<String>,
    body: String,
    #[serde(default)]
    media: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    content_type: String,
    base64: String,
}

async fn inbound(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let Text { from, to, body, media } = parse(&bytes)?;
    let mut files = Vec::with_capacity(media.len());
    for File { content_type, base64 } in media {
        let bytes = BASE64.decode(base64);
        let bytes = bytes.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
        files.push(InboundMedia { content_type, bytes: bytes.into() });
    }
    let sid = shared.inbound(&from, to.as_deref(), &body, files).map_err(|error| missing(&error))?;
    Ok(Json(json!({"sid": sid})))
}

async fn add_faults(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let rules = Rule::read_all(parse(&bytes)?).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?;
    let added = rules.len();
    rules.into_iter().for_each(|rule| shared.faults.add(rule));
    Ok(Json(json!({"added": added})))
}

async fn clear_faults(State(shared): State<Shared>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    set_ms: Option<i64>,
    advance_ms: Option<i64>,
    speed: Option<f64>,
}

async fn show_clock(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({"now_ms": shared.clock.now_ms()}))
}

async fn set_clock(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let ClockChange { set_ms, advance_ms, speed } = parse(&bytes)?;
    if speed.is_some_and(|speed| !(0.0..=1e6).contains(&speed)) {
        let why = "`speed` is how many seconds pass in one, from 0 to a million";
        return Err(Refusal(StatusCode::BAD_REQUEST, why.into()));
    }
    set_ms.into_iter().for_each(|ms| shared.clock.set(ms));
    advance_ms.into_iter().for_each(|ms| shared.clock.advance(ms));
    speed.into_iter().for_each(|speed| shared.clock.set_speed(speed));
    Ok(show_clock(State(shared)).await)
}

async fn stats(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.stats()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhooks {
    url: String,
    tokens: Option<BTreeMap<String, String>>,
    #[serde(default)]
    verify: bool,
}

async fn webhooks(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let Webhooks { url, tokens, verify } = parse(&bytes)?;
    let tokens = match tokens {
        Some(tokens) => by_event(tokens).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?,
        None => shared.webhook_tokens.clone(),
    };
    shared.lever.set_webhooks(&url, &tokens);
    let failed = if verify { shared.lever.verify_webhooks().await } else { Vec::new() };
    Ok(Json(json!({"tokens": tokens, "failed": failed})))
}

/// Tokens by Lever's names of the events, which may be written as in a file of tokens, too.
fn by_event(tokens: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let known = |name: &str| EVENTS_KNOWN.into_iter().find(|event| plain(event) == plain(name));
    let named = |(name, token): (String, String)| match known(&name) {
        Some(event) => Ok((event.to_owned(), token)),
        None => Err(format!("there is no event `{name}`, expected one of `{}`", EVENTS_KNOWN.join("`, `"))),
    };
    tokens.into_iter().map(named).collect()
}

async fn twilio(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let mut addresses: Addresses = parse(&bytes)?;
    if addresses.base_url.is_empty() {
        addresses.base_url.clone_from(&shared.base_url);
    }
    shared.twilio.set_addresses(addresses);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hooked {
    webhook_url: String,
}

async fn telnyx(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let Hooked { webhook_url } = parse(&bytes)?;
    shared.telnyx.set_webhook(&webhook_url);
    Ok(Json(json!({})))
}

async fn gateway(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let Hooked { webhook_url } = parse(&bytes)?;
    shared.gateway.set_webhook(&webhook_url);
    Ok(Json(json!({})))
}

async fn moves(State(shared): State<Shared>, bytes: Bytes) -> Answer {
    let moves: Moves = parse(&bytes)?;
    shared.lever.set_moves(moves);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    phone: bool,
}

async fn opportunity(State(shared): State<Shared>, Query(Wanted { phone }): Query<Wanted>) -> Answer {
    let nobody = || Refusal(StatusCode::NOT_FOUND, "nobody fits".to_owned());
    shared.lever.random_opportunity(phone).map(|found| Json(json!(found))).ok_or_else(nobody)
}

async fn tenant(State(shared): State<Shared>) -> Response {
    let lines = shared.lever.truth().map(|truth| {
        let mut line = serde_json::to_vec(&truth)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(line)
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream::iter(lines))).into_response()
}

async fn tenant_of(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    let unknown = || Refusal(StatusCode::NOT_FOUND, "there is no opportunity with that id".to_owned());
    shared.lever.truth_of(&id).map(|truth| Json(json!(truth))).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LeverOptions, Options, Sandbox, Truth};

    struct Control {
        sandbox: Sandbox,
        http: reqwest::Client,
    }

    impl Control {
        async fn start() -> Self {
            let lever = LeverOptions { opportunities: 200, ..LeverOptions::default() };
            let sandbox = Sandbox::start(Options { lever, ..Options::default() }).await.unwrap();
            Self { sandbox, http: reqwest::Client::builder().no_proxy().build().unwrap() }
        }

        fn url(&self, path: &str) -> String {
            format!("{}/_sandbox{path}", self.sandbox.twilio_url())
        }

        async fn get(&self, path: &str) -> Value {
            self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
        }

        async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
            let response = self.http.post(self.url(path)).body(body.to_string()).send().await.unwrap();
            (response.status().as_u16(), response.json().await.unwrap())
        }
    }

    #[tokio::test]
    async fn a_candidate_who_applies_and_texts_stands_in_the_truth_and_in_the_ledger() {
        let control = Control::start().await;
        let (_, ana) = control.post("/events", &json!({"event": "apply", "phone": "202 555 0155"})).await;
        assert_eq!(ana["number"], "+12025550155");
        let truth = control.get(&format!("/tenant/{}", ana["opportunity"].as_str().unwrap())).await;
        assert_eq!((&truth["stage"], &truth["name"]), (&json!("applicant-new"), &ana["name"]));
        let (status, text) = control.post("/inbound", &json!({"from": ana["number"], "body": "Hi"})).await;
        assert_eq!(status, 200);
        let ledger = control.get("/ledger?since=1").await;
        assert!(ledger.to_string().contains(text["sid"].as_str().unwrap()));
    }

    #[tokio::test]
    async fn the_tenant_streams_one_line_each() {
        let control = Control::start().await;
        let text = control.http.get(control.url("/tenant")).send().await.unwrap().text().await.unwrap();
        let lines: Vec<Truth> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, control.sandbox.truth().collect::<Vec<_>>());
        assert_eq!(lines.len(), 200);
        assert!(control.get("/opportunity?phone=true").await["number"].is_string());
    }

    #[tokio::test]
    async fn every_route_of_the_list_is_there() {
        let control = Control::start().await;
        let told = control.http.get(control.url("/")).send().await.unwrap().text().await.unwrap();
        assert_eq!(told.lines().count(), ROUTES.len());
        for line in told.lines() {
            let (method, path) = line.split_once(' ').unwrap();
            let path = path.split_whitespace().next().unwrap().replace("SEQ", "0");
            let request = control.http.request(method.parse().unwrap(), control.url(&path));
            let answer = request.send().await.unwrap();
            let (status, body) = (answer.status(), answer.text().await.unwrap());
            // A route that is not there says nothing.
            assert!(status == 204 || !body.is_empty(), "{line}: {status}");
        }
        control.sandbox.shutdown().await;
    }

    #[tokio::test]
    async fn clock_faults_and_moves_are_set() {
        let control = Control::start().await;
        let (_, clock) = control.post("/clock", &json!({"set_ms": 1000, "speed": 0.0})).await;
        assert_eq!(clock["now_ms"], 1000);
        assert_eq!(control.post("/clock", &json!({"sped": 1})).await.0, 400);
        let rule = json!({"remote": "lever", "kind": "status", "code": 500});
        assert_eq!(control.post("/faults", &json!([rule, rule])).await.1["added"], 2);
        assert_eq!(control.post("/faults", &rule).await.1["added"], 1);
        assert_eq!(control.post("/faults", &json!({"remote": "moon"})).await.0, 400);
        let url = format!("{}/stages", control.sandbox.lever_url());
        assert_eq!(control.http.get(&url).send().await.unwrap().status(), 500);
        control.http.delete(control.url("/faults")).send().await.unwrap();
        assert_eq!(control.http.get(&url).send().await.unwrap().status(), 401);
        assert_eq!(control.post("/moves", &json!({"per_second": 1.5})).await.0, 200);
        assert_eq!(control.get("/stats").await["lever"]["requests"], 2);
        assert_eq!(control.post("/events", &json!({"event": "unarchive", "opportunity": "x"})).await.0, 404);
        control.sandbox.shutdown().await;
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused_in_words_that_help_and_does_nothing() {
        let control = Control::start().await;
        let url = "http://127.0.0.1:1/hooks/lever";
        for (path, body, word) in [
            ("/events", json!({"event": "delete", "opportunity_id": "x"}), "expected `opportunity`"),
            ("/events", json!({"event": "stage", "too": "offer"}), "`to`"),
            ("/inbound", json!({"from": "+12025550155", "text": "Hi"}), "`body`"),
            ("/moves", json!({"a_second": 1}), "`per_second`"),
            ("/webhooks", json!({"url": url, "token": {}}), "`tokens`"),
            ("/webhooks", json!({"url": url, "tokens": {"candidate_moved": "t"}}), "`candidateStageChange`"),
            ("/faults", json!({"remote": "lever", "kind": "status", "status": 429}), "`code`"),
            ("/faults", json!([{"remote": "lever", "kind": "hang", "count": 3}]), "`times`"),
            ("/faults", json!({"remote": "lever", "kind": "hung"}), "`hang`"),
            ("/faults", json!({"remote": "lever", "kind": "hang", "code": 500}), "`for_ms`"),
            ("/faults", json!({"kind": "hang"}), "`remote`"),
            ("/faults", json!({"remote": "telnyx_webhook", "kind": "html"}), "`html`"),
        ] {
            let (status, answer) = control.post(path, &body).await;
            let why = answer["error"].as_str().unwrap().to_owned();
            assert!(status == 400 && why.contains(word), "{body}: {status} {why}");
        }
        let truth: Vec<Truth> = control.sandbox.truth().collect();
        assert_eq!(truth.len(), 200);
        assert!(!control.sandbox.ledger().entries().iter().any(|entry| entry.kind == "happened"));
        let stages = format!("{}/stages", control.sandbox.lever_url());
        assert_eq!(control.http.get(&stages).send().await.unwrap().status(), 401, "no fault was added");
        // What is natural to write is taken.
        let (_, ana) = control.post("/events", &json!({"event": "apply"})).await;
        let stage = json!({"event": "stage", "opportunity": ana["opportunity"], "stage": "offer"});
        assert_eq!(control.post("/events", &stage).await.1["stage"], "offer");
        let tokens = json!({"candidate_stage_change": "a", "interviewCreated": "b"});
        let (_, answer) = control.post("/webhooks", &json!({"url": url, "tokens": tokens})).await;
        assert_eq!(answer["tokens"], json!({"candidateStageChange": "a", "interviewCreated": "b"}));
    }

    #[tokio::test]
    async fn the_default_tokens_are_used_and_pings_that_fail_are_named() {
        let control = Control::start().await;
        let body = json!({"url": "http://127.0.0.1:1/hooks/lever", "verify": true});
        let (_, answer) = control.post("/webhooks", &body).await;
        assert_eq!(answer["tokens"], control.sandbox.announcement()["webhook_tokens"]);
        assert_eq!(answer["failed"].as_array().unwrap().len(), 8);
    }
}

//! The simulated Lever seen from outside, over real sockets.

mod hooks;
mod listing;
mod shapes;
mod writes;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::lever::{Hidden, LeverOptions, Permission, Permissions};
use crate::{Fault, Options, Remote, Rule, Sandbox};

/// A sandbox with everything allowed and no limit worth mentioning.
pub(super) async fn open(opportunities: u32) -> Client {
    Client::start(LeverOptions { permissions: Permissions::all(), ..unlimited(opportunities) }).await
}

fn unlimited(opportunities: u32) -> LeverOptions {
    LeverOptions { opportunities, rate: 1e6, burst: 1_000_000, ..LeverOptions::default() }
}

pub(super) struct Client {
    pub(super) sandbox: Sandbox,
    http: reqwest::Client,
}

impl Client {
    async fn start(lever: LeverOptions) -> Self {
        let sandbox = Sandbox::start(Options { lever, ..Options::default() }).await.unwrap();
        Self { sandbox, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.lever_url());
        self.http.request(method, url).basic_auth(self.sandbox.api_key(), Some(""))
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(method, path).json(body)).await
    }

    /// The answer of a `GET` that must succeed.
    pub(super) async fn ok(&self, path: &str) -> Value {
        let (status, value) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {value}");
        value
    }
}

/// The status and the body; null where there is none.
async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let bytes = response.bytes().await.unwrap();
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
}

#[tokio::test]
async fn a_request_beyond_the_burst_is_refused_without_retry_after() {
    let client =
        Client::start(LeverOptions { opportunities: 10, rate: 0.001, ..LeverOptions::default() }).await;
    for _ in 0..20 {
        client.ok("/stages").await;
    }
    let refused = client.request(Method::GET, "/stages").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().get("retry-after").is_none());
    assert_eq!(refused.headers()["content-type"], "application/json; charset=utf-8");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "TooManyRequestsError");
    let stats = client.sandbox.stats().lever;
    assert_eq!((stats.requests, stats.violations, stats.by_route["GET /v1/stages"]), (21, 1, 21));
    assert_eq!((stats.by_status[&200], stats.by_status[&429], stats.peak_per_second), (20, 1, 21));
}

#[tokio::test]
async fn each_kind_of_refusal_has_its_own_body() {
    let client = Client::start(unlimited(300)).await;
    let url = format!("{}/stages", client.sandbox.lever_url());
    let without = answer(client.http.get(&url)).await;
    let wrong = answer(client.http.get(&url).basic_auth("wrong", Some(""))).await;
    let check = |(status, body): (StatusCode, Value), expected: u16, code: &str| {
        assert_eq!((status.as_u16(), body["code"].as_str()), (expected, Some(code)), "{body}");
        assert!(body["message"].is_string());
    };
    check(without, 401, "UnauthorizedError");
    check(wrong, 401, "UnauthorizedError");
    check(client.get("/openapi.json").await, 404, "ResourceNotFound");
    check(client.get("/opportunities/x/y/z/1").await, 404, "ResourceNotFound");
    check(client.get("/opportunities/4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f").await, 404, "NotFoundError");
    check(client.get("/webhooks").await, 403, "ForbiddenError");
    check(client.get("/opportunities?confidentiality=all").await, 403, "ForbiddenError");
    check(client.get("/opportunities?limit=101").await, 400, "BadRequestError");
    check(client.get("/opportunities?email=nonsense").await, 400, "BadRequestError");
    check(client.get("/opportunities?offset=gone").await, 400, "BadRequestError");
    let (_, unknown) = client.get("/openapi.json").await;
    assert_eq!(unknown["message"], "/v1/openapi.json does not exist");
    let routes = client.sandbox.stats().lever.by_route;
    assert_eq!(routes["GET /v1/opportunities"], 4, "{routes:?}");
    assert_eq!(routes["GET /v1/opportunities/{o}"], 1);
    assert_eq!(routes["GET (none)"], 3);
    let hidden = client.sandbox.truth().find(|truth| truth.confidential).unwrap();
    check(client.get(&format!("/opportunities/{}", hidden.id)).await, 403, "ForbiddenError");
}

#[tokio::test]
async fn what_the_contract_leaves_open_is_answered_as_the_options_say() {
    let options = LeverOptions {
        hidden: Hidden::NotFound,
        perform_as_refused: StatusCode::FORBIDDEN,
        notes_lag_ms: 60_000,
        permissions: Permissions::all().without(Permission::Confidential),
        ..unlimited(300)
    };
    let client = Client::start(options).await;
    let hidden = client.sandbox.truth().find(|truth| truth.confidential).unwrap();
    let (status, body) = client.get(&format!("/opportunities/{}", hidden.id)).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("NotFoundError")));
    let shown = client.sandbox.random_opportunity(true).unwrap();
    let notes = format!("/opportunities/{}/notes", shown.opportunity);
    let note = json!({"value": "x"});
    let (status, body) = client.send(Method::POST, &format!("{notes}?perform_as=nobody"), &note).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("ForbiddenError")));
    assert!(body["message"].as_str().unwrap().contains("/perform_as"));
    assert_eq!(client.send(Method::POST, &notes, &note).await.0, StatusCode::CREATED);
    assert_eq!(client.ok(&notes).await["data"], json!([]));
    client.sandbox.clock().advance(60_000);
    assert_eq!(client.ok(&notes).await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_has_left_is_listed_only_on_request_and_never_found_by_id() {
    let client = open(10).await;
    let active = client.ok("/users").await;
    let all = client.ok("/users?includeDeactivated=true").await;
    assert_eq!((active["data"].as_array().unwrap().len(), all["data"].as_array().unwrap().len()), (50, 60));
    let left = all["data"].as_array().unwrap().iter().find(|user| !user["deactivatedAt"].is_null()).unwrap();
    let (status, body) = client.get(&format!("/users/{}", left["id"].as_str().unwrap())).await;
    assert_eq!((status, &body["message"]), (StatusCode::NOT_FOUND, &Value::from("user was not found")));
    let first = client.ok("/users?limit=30&includeDeactivated=true").await;
    let next = first["next"].as_str().unwrap();
    let second = client.ok(&format!("/users?limit=30&includeDeactivated=true&offset={next}")).await;
    assert_eq!(second["hasNext"], false);
    assert_eq!(second["data"][0], all["data"][30]);
}

#[tokio::test]
async fn a_missing_tick_box_is_named() {
    let permissions = Permissions::all().without(Permission::FindAllUsers);
    let client = Client::start(LeverOptions { permissions, ..unlimited(10) }).await;
    let (status, body) = client.get("/users").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body["message"].as_str().unwrap().contains("Find all users"));
}

#[tokio::test]
async fn to_expand_may_need_a_tick_box_of_its_own() {
    let expand_needs = Some(Permission::FindAllApplications);
    let client = Client::start(LeverOptions { expand_needs, ..unlimited(10) }).await;
    let first = client.ok("/opportunities?limit=1").await["data"][0]["id"].as_str().unwrap().to_owned();
    let one = format!("/opportunities/{first}");
    client.ok(&one).await;
    for path in ["/opportunities?expand=applications", &format!("{one}?expand=contact")] {
        assert_eq!(client.get(path).await.0, StatusCode::FORBIDDEN);
    }
    client.sandbox.set_permissions(Permissions::all());
    client.ok(&format!("{one}?expand=applications")).await;
}

#[tokio::test]
async fn faults_are_carried_out() {
    let client = open(10).await;
    let add = |fault| client.sandbox.faults().add(Rule::new(Remote::Lever, fault).path("/stages").times(1));
    add(Fault::Status { code: 503, body: None });
    assert_eq!(client.get("/stages").await.0, StatusCode::SERVICE_UNAVAILABLE);
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        add(fault);
        client.request(Method::GET, "/stages").send().await.unwrap_err();
    }
    add(Fault::HalfBody);
    let half = client.request(Method::GET, "/stages").send().await.unwrap();
    assert_eq!(half.status(), StatusCode::OK);
    half.bytes().await.unwrap_err();
    for fault in [Fault::Html, Fault::Rubbish] {
        add(fault);
        let response = client.request(Method::GET, "/stages").send().await.unwrap();
        assert!(response.json::<Value>().await.is_err());
    }
    client.ok("/stages").await;
}

#[tokio::test]
async fn a_request_that_hangs_does_not_hold_up_the_shutdown() {
    let client = open(10).await;
    client.sandbox.faults().add(Rule::new(Remote::Lever, Fault::Hang));
    let request = client.request(Method::GET, "/stages").send();
    let hanging = tokio::spawn(request);
    while client.sandbox.stats().lever.requests == 0 {
        tokio::task::yield_now().await;
    }
    client.sandbox.shutdown().await;
    hanging.await.unwrap().unwrap_err();
}

//! The simulated account over real sockets: its API, its webhooks and what it writes down.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::{Entry, Fault, Faults, Ledger, Remote, Rule, SimClock};

use super::signature::sign;
use super::*;

const OURS: &str = "+12025550100";
const ANA: &str = "+14155550123";

/// One webhook as it arrived.
struct Hook {
    uri: Uri,
    headers: HeaderMap,
    fields: Vec<(String, String)>,
}

impl Hook {
    fn get(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// What the webhook's receiver answers, in order; afterwards empty TwiML.
type Script = Vec<(StatusCode, &'static str, &'static str)>;

#[derive(Clone)]
struct Receiver {
    hooks: mpsc::UnboundedSender<Hook>,
    script: Arc<Mutex<Script>>,
}

struct World {
    state: TwilioState,
    options: TwilioOptions,
    base: String,
    receiver: String,
    hooks: mpsc::UnboundedReceiver<Hook>,
    ledger: Ledger,
}

async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn receive(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = form_urlencoded::parse(&body).into_owned().collect();
    receiver.hooks.send(Hook { uri, headers, fields }).unwrap();
    let mut script = receiver.script.lock().await;
    let next = if script.is_empty() { None } else { Some(script.remove(0)) };
    let (status, content_type, body) = next.unwrap_or((StatusCode::OK, "text/xml", "<Response/>"));
    (status, [("content-type", content_type)], body)
}

type Answer = (StatusCode, [(&'static str, &'static str); 1], &'static str);

async fn world(options: TwilioOptions, script: Script, rules: Vec<Rule>) -> World {
    let ledger = Ledger::default();
    let state = TwilioState::new(options.clone(), SimClock::default(), ledger.clone(), Faults::new(1, rules));
    let base = listen(router(state.clone())).await;
    let (sender, hooks) = mpsc::unbounded_channel();
    let receiver = Receiver { hooks: sender, script: Arc::new(Mutex::new(script)) };
    let receiver = listen(Router::new().fallback(receive).with_state(receiver)).await;
    World { state, options, base, receiver, hooks, ledger }
}

impl World {
    async fn new() -> Self {
        world(TwilioOptions::default(), vec![], vec![]).await
    }

    fn webhook(&self, fragment: &str, fallback: bool) {
        self.state.set_addresses(Addresses {
            base_url: self.base.clone(),
            message_url: Some(format!("{}/message{fragment}", self.receiver)),
            fallback_url: fallback.then(|| format!("{}/fallback", self.receiver)),
        });
    }

    fn url(&self, path: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}{path}", self.base, self.options.account_sid)
    }

    fn auth(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.options.account_sid, Some(&self.options.auth_token))
    }

    async fn call(&self, request: RequestBuilder) -> (u16, Value) {
        let response = self.auth(request).send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Client::new().get(self.url(path))).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.call(Client::new().post(self.url(path)).form(form)).await
    }

    async fn send(&self, to: &str, callback: &str) -> (u16, Value) {
        let form = [("To", to), ("From", OURS), ("Body", "Hi"), ("StatusCallback", callback)];
        self.post("/Messages.json", &form).await
    }

    async fn hook(&mut self) -> Hook {
        let waiting = tokio::time::timeout(Duration::from_secs(60), self.hooks.recv());
        waiting.await.expect("a webhook in time").expect("the receiver lives")
    }

    /// The first entry of `kind`, waited for.
    async fn entry(&self, kind: &str) -> Entry {
        let search = async {
            let mut seen = 0;
            loop {
                for entry in self.ledger.wait_past(seen).await {
                    seen = entry.seq;
                    if entry.kind == kind {
                        return entry;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), search).await.expect("an entry in time")
    }
}

#[tokio::test]
async fn only_known_credentials_reach_only_this_account() {
    let world = World::new().await;
    let status = async |path: String, user: &str, password: &str| {
        let request = Client::new().get(path).basic_auth(user, Some(password));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap()["code"].as_u64())
    };
    let options = &world.options;
    let (sid, token) = (options.account_sid.as_str(), options.auth_token.as_str());
    let (key, secret) = options.api_keys[0].clone();
    let messages = world.url("/Messages.json");
    assert_eq!(status(messages.clone(), sid, token).await, (200, None));
    assert_eq!(status(messages.clone(), &key, &secret).await, (200, None));
    assert_eq!(status(messages.clone(), sid, "wrong").await, (401, Some(20003)));
    assert_eq!(status(messages.replace("AC0", "AC9"), sid, token).await, (404, Some(20404)));
    assert_eq!(status(world.url(".json"), sid, token).await, (200, None));
    assert_eq!(status(world.url(".json"), &key, &secret).await, (401, Some(20003)));
    assert_eq!(status(world.url("/Messages/SM0.json"), sid, token).await, (404, Some(20404)));
    assert_eq!(status(world.url("/Messages"), sid, token).await, (404, Some(20404)));
}

#[tokio::test]
async fn a_text_is_reported_from_sent_on_and_can_then_be_deleted() {
    let mut world = World::new().await;
    let callback = format!("{}/status?mid=m%2B1#rc=5&rp=all", world.receiver);
    let (status, message) = world.send(ANA, &callback).await;
    assert_eq!((status, &message["status"], &message["date_sent"]), (201, &json!("queued"), &Value::Null));
    let path = format!("/Messages/{}.json", message["sid"].as_str().unwrap());
    let (status, refusal) = world.call(Client::new().delete(world.url(&path))).await;
    assert_eq!((status, &refusal["code"]), (409, &json!(20009)));
    for expected in ["sent", "delivered"] {
        let hook = world.hook().await;
        assert_eq!(hook.get("MessageStatus"), Some(expected));
        assert_eq!(hook.get("MessageSid"), message["sid"].as_str());
        assert_eq!(hook.uri, "/status?mid=m%2B1");
        let signed = sign(&world.options.auth_token, &callback, Port::AsWritten, &hook.fields);
        assert_eq!(hook.headers["x-twilio-signature"], signed);
        assert_eq!(hook.headers["user-agent"], "TwilioProxy/1.1");
    }
    assert_eq!(world.get(&path).await.1["status"], "delivered");
    let created = world.entry("message_created").await.detail;
    assert_eq!(created["mid"], "m+1");
    assert_eq!(
        created["form"],
        json!([["To", ANA], ["From", OURS], ["Body", "Hi"], ["StatusCallback", callback]])
    );
    let redacted = world.post(&path, &[("Body", "")]).await;
    assert_eq!((redacted.0, &redacted.1["body"]), (200, &json!("")));
    assert_eq!(world.post(&path, &[("Status", "canceled")]).await.1["code"], 30409);
    assert_eq!(world.call(Client::new().delete(world.url(&path))).await.0, 204);
    assert_eq!(world.get(&path).await.1["code"], 20404);
}

#[tokio::test]
async fn a_failed_callback_is_retried_with_one_token_as_the_fragment_asks() {
    let failed = (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "");
    let options = TwilioOptions { no_receipt_share: 1.0, ..TwilioOptions::default() };
    let mut world = world(options, vec![failed, failed], vec![]).await;
    world.send(ANA, &format!("{}/status#rc=2&rp=5xx", world.receiver)).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(world.hook().await.headers["i-twilio-idempotency-token"].clone());
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(world.entry("webhook_sent").await.detail["attempts"], 3);
}

#[tokio::test]
async fn webhooks_are_doubled_and_lost_by_faults() {
    let rules = vec![
        Rule::new(Remote::TwilioWebhook, Fault::Duplicate).path("status").times(1),
        Rule::new(Remote::TwilioWebhook, Fault::Drop).path("message"),
    ];
    let mut world = world(TwilioOptions::default(), vec![], rules).await;
    world.webhook("", true);
    world.state.inbound(ANA, OURS, "Hello", vec![]).unwrap();
    world.send(ANA, &format!("{}/status", world.receiver)).await;
    let statuses = [world.hook().await, world.hook().await, world.hook().await];
    let statuses = statuses.map(|hook| hook.get("MessageStatus").unwrap().to_owned());
    assert_eq!(statuses, ["sent", "sent", "delivered"]);
}

/// What goes wrong on the way is an attempt that failed: the fragment says whether another follows, and a text's
/// webhook has its fallback.
#[tokio::test]
async fn a_fault_on_the_way_fails_an_attempt_and_loses_no_webhook() {
    for (fault, arrived) in [
        (Fault::CutBefore, 1),
        (Fault::Hang, 1),
        (Fault::Status { code: 502, body: None }, 1),
        (Fault::StatusAfter { code: 502 }, 2),
    ] {
        let rules = vec![Rule::new(Remote::TwilioWebhook, fault.clone()).times(1)];
        let mut world = world(TwilioOptions::default(), vec![], rules).await;
        world.webhook("#rc=5&rp=all", true);
        world.state.inbound(ANA, OURS, "Hello?", vec![]).unwrap();
        for _ in 0..arrived {
            assert_eq!(world.hook().await.uri, "/message", "{fault:?}");
        }
        let sent = world.entry("webhook_sent").await.detail;
        assert_eq!((&sent["attempts"], &sent["failure"]), (&json!(2), &Value::Null), "{fault:?}");
        assert!(world.hooks.try_recv().is_err(), "{fault:?}");
    }
    // Never retried, as nothing that has begun to be answered is; the text comes again by the fallback.
    let rules = vec![Rule::new(Remote::TwilioWebhook, Fault::CutAfter).times(1)];
    let mut world = world(TwilioOptions::default(), vec![], rules).await;
    world.webhook("#rc=5&rp=all", true);
    world.state.inbound(ANA, OURS, "Hello?", vec![]).unwrap();
    assert_eq!(
        (world.hook().await.uri, world.hook().await.uri),
        ("/message".parse().unwrap(), "/fallback".parse().unwrap())
    );
}

#[tokio::test]
async fn a_report_can_be_overtaken_by_the_next() {
    let rules = vec![Rule::new(Remote::TwilioWebhook, Fault::Reorder).times(1)];
    let mut world = world(TwilioOptions::default(), vec![], rules).await;
    world.send(ANA, &format!("{}/status", world.receiver)).await;
    assert_eq!(world.hook().await.get("MessageStatus"), Some("delivered"));
    assert_eq!(world.hook().await.get("MessageStatus"), Some("sent"));
}

#[tokio::test]
async fn an_inbound_text_reaches_the_webhook_and_the_listing() {
    let mut world = World::new().await;
    world.webhook("#rc=5&rp=all", false);
    let sid = world.state.inbound(ANA, OURS, "Yes, 9am works 👍", vec![]).unwrap();
    let hook = world.hook().await;
    for (field, value) in [
        ("MessageSid", sid.as_str()),
        ("SmsMessageSid", &sid),
        ("Body", "Yes, 9am works 👍"),
        ("From", ANA),
        ("To", OURS),
        ("SmsStatus", "received"),
        ("ToCity", ""),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
    ] {
        assert_eq!(hook.get(field), Some(value), "{field}");
    }
    assert_eq!((hook.get("OptOutType"), hook.get("MessagingServiceSid")), (None, None));
    let url = format!("{}/message", world.receiver);
    let signed = sign(&world.options.auth_token, &url, Port::AsWritten, &hook.fields);
    assert_eq!(hook.headers["x-twilio-signature"], signed);
    let day = jiff::Timestamp::from_millisecond(SimClock::default().now_ms()).unwrap().strftime("%Y-%m-%d");
    let listed = world.get(&format!("/Messages.json?To=%2B12025550100&DateSent%3E={day}")).await.1;
    assert_eq!(listed["messages"][0]["sid"], sid);
    assert_eq!(listed["messages"][0]["direction"], "inbound");
    assert!(world.state.inbound(ANA, "+12025559999", "Hi", vec![]).is_err());
}

/// Twilio does not always sign the port that stands in the address (carriers.md 1.6).
#[tokio::test]
async fn an_address_is_signed_without_its_port_where_that_is_wanted() {
    let options = TwilioOptions { signed_port: Port::Never, ..TwilioOptions::default() };
    let mut world = world(options, vec![], vec![]).await;
    world.webhook("", false);
    world.state.inbound(ANA, OURS, "Hello?", vec![]).unwrap();
    let hook = world.hook().await;
    let url = format!("{}/message", world.receiver);
    let signed = |port| sign(&world.options.auth_token, &url, port, &hook.fields);
    assert_eq!(hook.headers["x-twilio-signature"], signed(Port::Never));
    assert_ne!(signed(Port::Never), signed(Port::AsWritten));
}

#[tokio::test]
async fn stop_blocks_until_start_and_is_answered_out_of_sight() {
    let mut world = World::new().await;
    world.webhook("", false);
    world.state.inbound(ANA, OURS, " stop ", vec![]).unwrap();
    let hook = world.hook().await;
    assert_eq!((hook.get("Body"), hook.get("OptOutType")), (Some(" stop "), None));
    let (status, refusal) = world.send(ANA, "").await;
    assert_eq!((status, &refusal["code"]), (400, &json!(21610)));
    assert_eq!(world.entry("auto_reply").await.detail["to"], ANA);
    assert_eq!(world.get("/Messages.json").await.1["messages"].as_array().unwrap().len(), 1);
    world.state.inbound(ANA, OURS, "START", vec![]).unwrap();
    assert!(!world.state.is_opted_out(OURS, ANA));
    assert_eq!(world.send(ANA, "").await.0, 201);
}

#[tokio::test]
async fn advanced_opt_out_tells_the_webhook_and_switched_off_does_nothing() {
    let advanced = TwilioOptions { keywords: KeywordHandling::Advanced, ..TwilioOptions::default() };
    let mut advanced = world(advanced, vec![], vec![]).await;
    advanced.webhook("", false);
    advanced.state.inbound(ANA, "+12025550101", "Quit", vec![]).unwrap();
    let hook = advanced.hook().await;
    assert_eq!(hook.get("OptOutType"), Some("STOP"));
    assert_eq!(hook.get("MessagingServiceSid"), Some(advanced.options.services[0].sid.as_str()));
    assert!(advanced.state.is_opted_out("+12025550101", ANA));

    let off = TwilioOptions { keywords: KeywordHandling::Off, ..TwilioOptions::default() };
    let off = world(off, vec![], vec![]).await;
    off.state.inbound(ANA, OURS, "STOP", vec![]).unwrap();
    assert!(!off.state.is_opted_out(OURS, ANA));
}

#[tokio::test]
async fn a_plain_text_answer_is_texted_to_the_sender() {
    let mut world = world(TwilioOptions::default(), vec![(StatusCode::OK, "text/plain", "OK")], vec![]).await;
    world.webhook("", false);
    world.state.inbound(ANA, OURS, "Hello?", vec![]).unwrap();
    world.hook().await;
    let accident = world.entry("accidental_reply").await.detail;
    assert_eq!((&accident["to"], &accident["body"]), (&json!(ANA), &json!("OK")));
}

#[tokio::test]
async fn a_failed_webhook_goes_to_the_fallback_with_its_error() {
    let script = vec![(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "oops")];
    let mut world = world(TwilioOptions::default(), script, vec![]).await;
    world.webhook("#rc=5", true);
    let sid = world.state.inbound(ANA, OURS, "Hello?", vec![]).unwrap();
    assert_eq!(world.hook().await.uri, "/message");
    let again = world.hook().await;
    assert_eq!((again.uri.path(), again.get("MessageSid")), ("/fallback", Some(sid.as_str())));
    assert_eq!(again.get("ErrorCode"), Some("11200"));
    assert_eq!(again.get("ErrorUrl"), Some(format!("{}/message#rc=5", world.receiver).as_str()));
}

#[tokio::test]
async fn a_listing_lags_behind_a_single_read() {
    let options = TwilioOptions { list_delay: Duration::from_secs(60), ..TwilioOptions::default() };
    let world = world(options, vec![], vec![]).await;
    let sid = world.send(ANA, "").await.1["sid"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/Messages/{sid}.json")).await.0, 200);
    assert_eq!(world.get("/Messages.json").await.1["messages"], json!([]));
}

#[tokio::test]
async fn a_scheduled_text_can_be_cancelled_and_is_reported_then() {
    let mut world = World::new().await;
    let callback = format!("{}/status", world.receiver);
    let at = jiff::Timestamp::from_millisecond(SimClock::default().now_ms() + 3_600_000).unwrap();
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let service = world.options.services[0].sid.clone();
    let form = [
        ("To", ANA),
        ("MessagingServiceSid", &service),
        ("Body", "Hi"),
        ("ScheduleType", "fixed"),
        ("SendAt", &at),
        ("StatusCallback", &callback),
    ];
    let message = world.post("/Messages.json", &form).await.1;
    assert_eq!((&message["status"], &message["from"]), (&json!("scheduled"), &Value::Null));
    let path = format!("/Messages/{}.json", message["sid"].as_str().unwrap());
    assert_eq!(world.post(&path, &[("Status", "canceled")]).await.1["status"], "canceled");
    assert_eq!(world.hook().await.get("MessageStatus"), Some("canceled"));
}

#[tokio::test]
async fn media_need_credentials_and_come_by_a_redirect() {
    let mut world = World::new().await;
    world.webhook("", false);
    let picture = InboundMedia { content_type: "image/png".into(), bytes: Bytes::from_static(b"png") };
    let sid = world.state.inbound(ANA, OURS, "", vec![picture]).unwrap();
    assert!(sid.starts_with("MM"));
    let hook = world.hook().await;
    assert_eq!((hook.get("NumMedia"), hook.get("MediaContentType0")), (Some("1"), Some("image/png")));
    let url = hook.get("MediaUrl0").unwrap();
    assert_eq!(Client::new().get(url).send().await.unwrap().status(), 401);
    let alone = reqwest::redirect::Policy::none();
    let client = Client::builder().no_proxy().redirect(alone).build().unwrap();
    let redirect = world.auth(client.get(url)).send().await.unwrap();
    let storage = format!("{}{}", world.base, redirect.headers()["location"].to_str().unwrap());
    assert_eq!(world.auth(client.get(&storage)).send().await.unwrap().status(), 400);
    let file = client.get(&storage).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/png");
    assert_eq!(file.bytes().await.unwrap(), &b"png"[..]);
    let metadata = world.call(client.get(format!("{url}.json"))).await.1;
    assert_eq!((&metadata["content_type"], &metadata["parent_sid"]), (&json!("image/png"), &json!(sid)));
    let list = world.get(&format!("/Messages/{sid}/Media.json")).await.1;
    assert_eq!(list["media_list"][0]["sid"], metadata["sid"]);

    // They stay when their message goes.
    let message = world.url(&format!("/Messages/{sid}.json"));
    assert_eq!(world.call(client.delete(&message)).await.0, 204);
    assert_eq!(world.get(&format!("/Messages/{sid}/Media.json")).await.0, 404);
    assert_eq!(client.get(&storage).send().await.unwrap().status(), 200);
    for expected in [204, 404] {
        assert_eq!(world.call(client.delete(format!("{url}.json"))).await.0, expected);
    }
    assert_eq!(client.get(&storage).send().await.unwrap().status(), 404);
}

//! Webhooks as a receiver sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Client, LeverOptions, unlimited};
use crate::lever::signature::sign;
use crate::lever::{Permissions, WebhookRetries};
use crate::server::serve;
use crate::{Event, EventError, Fault, Remote, Rule};

/// Answers what it is told to, then 200; hands on every body.
struct Receiver {
    url: String,
    bodies: mpsc::UnboundedReceiver<Value>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
}

type Shared = (mpsc::UnboundedSender<Value>, Arc<Mutex<Vec<StatusCode>>>);

impl Receiver {
    async fn start() -> Self {
        let (sender, bodies) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/lever", listener.local_addr().unwrap());
        let router =
            Router::new().route("/hooks/lever", post(receive)).with_state((sender, Arc::clone(&answers)));
        tokio::spawn(serve(listener, router, CancellationToken::new()));
        Self { url, bodies, answers }
    }

    async fn next(&mut self) -> Value {
        tokio::time::timeout(Duration::from_secs(20), self.bodies.recv()).await.unwrap().unwrap()
    }
}

async fn receive(
    State((sender, answers)): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["user-agent"], "Lever-Webhooks");
    sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
    (answers.lock().unwrap().pop().unwrap_or(StatusCode::OK), Json(json!({})))
}

async fn connected() -> (Client, Receiver) {
    let quick = WebhookRetries { first_wait: Duration::from_millis(1), ..WebhookRetries::default() };
    let options = LeverOptions { webhook_retries: quick, permissions: Permissions::all(), ..unlimited(300) };
    let (client, receiver) = (Client::start(options).await, Receiver::start().await);
    client.sandbox.configure_webhooks(&receiver.url, client.sandbox.webhook_tokens());
    (client, receiver)
}

fn stage(client: &Client) -> crate::Happened {
    client.sandbox.happen(&Event::Stage { opportunity: None, to: Some("offer".into()), by: None }).unwrap()
}

#[tokio::test]
async fn a_move_is_told_in_a_signed_envelope() {
    let (client, mut receiver) = connected().await;
    let happened = stage(&client);
    let body = receiver.next().await;
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["data", "event", "id", "signature", "token", "triggeredAt"]);
    let key = &client.sandbox.webhook_tokens()["candidateStageChange"];
    let signature = sign(key, body["token"].as_str().unwrap(), body["triggeredAt"].as_i64().unwrap());
    assert_eq!((&body["event"], &body["signature"]), (&json!("candidateStageChange"), &json!(signature)));
    let data = &body["data"];
    let from = data["fromStageId"].clone();
    assert!(from.is_string());
    assert_eq!(
        *data,
        json!({"opportunityId": happened.opportunity, "candidateId": happened.opportunity,
        "contactId": happened.contact, "fromStageId": from, "toStageId": "offer"})
    );
}

#[tokio::test]
async fn every_event_carries_its_ids() {
    let (client, mut receiver) = connected().await;
    let happen =
        |event: Value| client.sandbox.happen(&serde_json::from_value::<Event>(event).unwrap()).unwrap();
    let check = |body: &Value, event: &str, more: &[&str]| {
        assert_eq!(body["event"], event);
        let mut keys = vec!["candidateId", "contactId", "opportunityId"];
        keys.extend(more);
        keys.sort_unstable();
        assert_eq!(body["data"].as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    };
    let somebody = happen(json!({"event": "apply", "name": "Ana Ruiz", "phone": "(202) 555-0123"}));
    assert_eq!((somebody.name.as_str(), somebody.phone.as_deref()), ("Ana Ruiz", Some("(202) 555-0123")));
    check(&receiver.next().await, "applicationCreated", &["applicationId"]);
    let id = &somebody.opportunity;
    let interview = happen(json!({"event": "interview_created", "opportunity": id})).interview.unwrap();
    let body = receiver.next().await;
    check(&body, "interviewCreated", &["interviewId", "panelId"]);
    assert_eq!(body["data"]["interviewId"], json!(interview));
    happen(json!({"event": "interview_moved", "opportunity": id, "date": 1_783_000_000_000_i64}));
    check(&receiver.next().await, "interviewUpdated", &["interviewId", "panelId"]);
    assert_eq!(client.sandbox.truth_of(id).unwrap().interviews[0].date, 1_783_000_000_000);
    happen(json!({"event": "interview_deleted", "opportunity": id}));
    check(&receiver.next().await, "interviewDeleted", &["interviewId", "panelId"]);
    happen(json!({"event": "hire", "opportunity": id}));
    let archive = receiver.next().await;
    check(&archive, "candidateArchiveChange", &["fromArchived", "toArchived"]);
    assert!(archive["data"]["toArchived"]["archivedAt"].is_i64());
    check(&receiver.next().await, "candidateHired", &[]);
    happen(json!({"event": "unarchive", "opportunity": id}));
    assert_eq!(receiver.next().await["data"]["toArchived"], Value::Null);
    happen(json!({"event": "delete", "opportunity": id}));
    check(&receiver.next().await, "candidateDeleted", &["deletedBy"]);
}

#[tokio::test]
async fn contacts_are_told_of_when_they_are_made_and_edited() {
    let (client, mut receiver) = connected().await;
    let tokens = ["contactCreated", "contactUpdated", "applicationCreated"];
    let tokens = tokens.map(|event| (event.to_owned(), "token".to_owned()));
    client.sandbox.configure_webhooks(&receiver.url, &tokens.into());
    let apply = |contact: Option<&str>, name: Option<&str>| {
        let (contact, name) = (contact.map(str::to_owned), name.map(str::to_owned));
        client.sandbox.happen(&Event::Apply { name, phone: None, email: None, contact, posting: None })
    };
    let ana = apply(None, Some("Ana Ruiz")).unwrap();
    let told = async |receiver: &mut Receiver| {
        let body = receiver.next().await;
        (body["event"].as_str().unwrap().to_owned(), body["data"]["contactId"].clone())
    };
    let of_ana = |event: &str| (event.to_owned(), json!(ana.contact));
    assert_eq!(told(&mut receiver).await, of_ana("contactCreated"));
    assert_eq!(told(&mut receiver).await, of_ana("applicationCreated"));
    apply(Some(&ana.contact), None).unwrap();
    assert_eq!(told(&mut receiver).await, of_ana("applicationCreated"));
    let path = format!("/contacts/{}", ana.contact);
    assert_eq!(client.send(Method::PUT, &path, &json!({"name": "Ana R."})).await.0, StatusCode::OK);
    assert_eq!(told(&mut receiver).await, of_ana("contactUpdated"));

    let count = client.sandbox.truth().count();
    assert!(matches!(apply(Some(&ana.contact), Some("Somebody")), Err(EventError::Described)));
    assert_eq!(client.sandbox.truth().count(), count);
}

#[tokio::test]
async fn a_failed_delivery_is_repeated_unchanged_and_given_up_after_six() {
    let (client, mut receiver) = connected().await;
    *receiver.answers.lock().unwrap() = vec![StatusCode::FOUND, StatusCode::SERVICE_UNAVAILABLE];
    stage(&client);
    let first = receiver.next().await;
    assert_eq!((receiver.next().await, receiver.next().await), (first.clone(), first));
    *receiver.answers.lock().unwrap() = vec![StatusCode::INTERNAL_SERVER_ERROR; 6];
    stage(&client);
    let mut seen = Vec::new();
    let given_up = loop {
        seen.extend(client.sandbox.ledger().wait_past(seen.len() as u64).await);
        if let Some(entry) = seen.iter().find(|entry| entry.kind == "webhook_given_up") {
            break entry;
        }
    };
    let of_it = |entry: &&crate::Entry| entry.detail["body"] == given_up.detail["body"];
    assert_eq!(seen.iter().filter(of_it).filter(|entry| entry.kind == "webhook_sent").count(), 6);
}

#[tokio::test]
async fn webhooks_are_doubled_reordered_and_dropped_on_demand() {
    let (client, mut receiver) = connected().await;
    let once = |fault| {
        client.sandbox.faults().add(Rule::new(Remote::LeverWebhook, fault).path("StageChange").times(1));
    };
    once(Fault::Duplicate);
    stage(&client);
    assert_eq!(receiver.next().await, receiver.next().await);
    once(Fault::Reorder);
    let (early, late) = (stage(&client), stage(&client));
    assert_eq!(receiver.next().await["data"]["opportunityId"], json!(late.opportunity));
    assert_eq!(receiver.next().await["data"]["opportunityId"], json!(early.opportunity));
    once(Fault::Drop);
    stage(&client);
    let told = stage(&client);
    assert_eq!(receiver.next().await["data"]["opportunityId"], json!(told.opportunity));
}

/// What is between Lever and the receiver fails, and Lever tries again.
#[tokio::test]
async fn what_goes_wrong_on_the_way_is_a_failed_attempt() {
    let (client, mut receiver) = connected().await;
    let way = [Fault::CutBefore, Fault::Status { code: 503, body: None }, Fault::Hang, Fault::CutAfter];
    for fault in way {
        client.sandbox.faults().add(Rule::new(Remote::LeverWebhook, fault).times(1));
    }
    stage(&client);
    let first = receiver.next().await;
    assert_eq!(receiver.next().await, first, "the answer to the first was lost");
    let mut seen = Vec::new();
    let sent = loop {
        seen.extend(client.sandbox.ledger().wait_past(seen.len() as u64).await);
        let sent: Vec<_> = seen.iter().filter(|entry| entry.kind == "webhook_sent").collect();
        if sent.len() == 5 {
            break sent.iter().map(|entry| entry.detail["status"].clone()).collect::<Vec<_>>();
        }
    };
    assert_eq!(sent, [json!(null), json!(503), json!(null), json!(200), json!(200)]);
}

#[tokio::test]
async fn the_envelopes_id_can_be_left_out() {
    let mut receiver = Receiver::start().await;
    let client = Client::start(LeverOptions { webhook_ids: false, ..unlimited(50) }).await;
    client.sandbox.configure_webhooks(&receiver.url, client.sandbox.webhook_tokens());
    stage(&client);
    assert!(receiver.next().await.get("id").is_none());
}

#[tokio::test]
async fn the_ping_has_empty_data() {
    let (client, mut receiver) = connected().await;
    assert!(client.sandbox.verify_webhooks().await.is_empty());
    let mut events = BTreeMap::new();
    for _ in 0..8 {
        let body = receiver.next().await;
        assert_eq!(body["data"], json!({}));
        events.insert(body["event"].to_string(), ());
    }
    assert_eq!(events.len(), 8);
}

#[tokio::test]
async fn a_webhook_made_by_the_api_shows_its_token_once() {
    let (client, receiver) = connected().await;
    let body = json!({"url": receiver.url, "event": "candidateHired", "configuration": {"conditions": {"origins": ["applied"]}}});
    let (status, made) = client.send(Method::POST, "/webhooks", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["data"]["configuration"]["signatureToken"].as_str().unwrap().len(), 48);
    let list = client.ok("/webhooks").await;
    assert!(list.get("hasNext").is_none());
    assert_eq!(list["data"].as_array().unwrap().len(), 9);
    assert!(!list.to_string().contains("signatureToken"));
    // Several are changed at once, or none.
    let moved = json!({"id": made["data"]["id"], "url": "https://elsewhere.example/"});
    let (status, _) = client.send(Method::PUT, "/webhooks", &json!({"data": [moved, {"id": "none"}]})).await;
    assert_eq!((status, client.ok("/webhooks").await), (StatusCode::NOT_FOUND, list));
    let (status, changed) = client.send(Method::PUT, "/webhooks", &json!({"data": [moved]})).await;
    assert_eq!((status, &changed["data"][0]["url"]), (StatusCode::OK, &moved["url"]));
    let path = format!("/webhooks/{}", made["data"]["id"].as_str().unwrap());
    assert_eq!(client.send(Method::DELETE, &path, &Value::Null).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_changes_nothing_is_told_by_no_event_and_a_move_names_who_made_it() {
    let (client, mut receiver) = connected().await;
    let who = client.sandbox.random_opportunity(true).unwrap();
    let user = client.ok("/users?limit=1").await["data"][0]["id"].clone();
    let base = format!("/opportunities/{}", who.opportunity);
    let by = format!("{base}/stage?perform_as={}", user.as_str().unwrap());
    let to = if who.stage == "offer" { "applicant-new" } else { "offer" };
    for (path, body) in [
        (&format!("{base}/archived"), json!({"reason": null})),
        (&by, json!({"stage": who.stage})),
        (&by, json!({"stage": to})),
    ] {
        assert_eq!(client.send(Method::PUT, path, &body).await.0, StatusCode::OK, "{path} {body}");
    }
    let told = receiver.next().await;
    assert_eq!((&told["event"], &told["data"]["toStageId"]), (&json!("candidateStageChange"), &json!(to)));
    let read = client.ok(&base).await;
    let mut changes = read["data"]["stageChanges"].as_array().unwrap().iter().rev();
    assert_eq!(changes.next().unwrap()["userId"], user);
    assert_ne!(changes.next().unwrap()["userId"], user, "it was not moved to where it was");
}

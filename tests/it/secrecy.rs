//! Neither secrets nor what people write to each other, nor who they are, reaches a log, an error
//! or a metric: a whole day of the real program at trace level, and every line is searched.

use fulcrum_sandbox::{Carrier, Event, Fault, Options, Remote, Rule, Sandbox};
use serde_json::json;

use crate::bulk::call;
use crate::daemon::{API_TOKEN, Daemon};
use crate::world::{eventually, small};

pub(crate) const NAME: &str = "Wilhelmina Quarterstaff";
pub(crate) const PHONE: &str = "+12025550142";

/// Somebody applies whose name, address and words are searched for where they must not stand.
pub(crate) fn applies() -> Event {
    Event::Apply {
        name: Some(NAME.into()),
        phone: Some(PHONE.into()),
        email: Some("wilhelmina@private.example".into()),
        contact: None,
        posting: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_word_of_anybody_is_ever_logged() {
    let days = [
        a_day(Carrier::Twilio, Remote::Twilio, "/hooks/twilio/message"),
        a_day(Carrier::Telnyx, Remote::Telnyx, "/hooks/telnyx"),
        a_day(Carrier::Gateway, Remote::Gateway, "/hooks/gateway"),
    ];
    futures_util::future::join_all(days).await;
}

/// A day over this carrier, whose requests `remote` answers and which announces texts at `hook`.
async fn a_day(carrier: Carrier, remote: Remote, hook: &str) {
    let mut options = Options { carrier, ..small() };
    options.lever.rate = 100.0;
    options.lever.burst = 100;
    let sandbox = Sandbox::start(options).await.unwrap();
    let mut daemon = Daemon::new(&sandbox, |settings| {
        settings["log"]["filter"] = "trace".into();
        settings["optout"]["handled_by"] = "fulcrum".into();
        settings["templates"] =
            json!([{"id": "open-day", "name": "Open day", "text": "A very private invitation"}]);
        settings["automations"] = json!([{"name": "welcome", "paused": false, "trigger": "stage-entered",
                                          "text": "A very private welcome", "cancel_if": []}]);
        settings["automation"]["settle"] = "1s".into();
    });
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    let who = sandbox.happen(&applies()).unwrap();
    let opportunity = format!("opportunities/{}", who.opportunity);
    eventually("she is known", async || client.get(&opportunity).await.is_some()).await;
    // What fails is logged most.
    for fault in [Fault::CutAfter, Fault::Rubbish, Fault::Status { code: 500, body: None }] {
        sandbox.faults().add(Rule::new(Remote::Lever, fault.clone()).times(2));
        sandbox.faults().add(Rule::new(remote, fault).times(2));
    }
    let said = json!({"message": format!("{NAME} is wrong at /value"), "code": "BadRequestError"});
    let refusal = Fault::Status { code: 400, body: Some(said) };
    assert_eq!(client.text(PHONE, "a very private matter", "key-one").await, Some(202));
    assert_eq!(client.text(PHONE, "a very private matter", "key-one").await, Some(202));
    assert_eq!(client.text("no number: Wilhelmina", "a very private matter", "key-two").await, Some(422));
    sandbox.inbound(PHONE, "a very private answer").unwrap();
    let interview = Event::InterviewCreated {
        opportunity: Some(who.opportunity.clone()),
        date: None,
        duration: None,
        subject: Some(format!("Talk with {NAME}")),
        external: false,
    };
    sandbox.happen(&interview).unwrap();
    sandbox.happen(&Event::Stage { opportunity: Some(who.opportunity.clone()), to: None, by: None }).unwrap();
    let made = async |kind: &str| sandbox.ledger().entries().iter().filter(|e| e.kind == kind).count();
    eventually("a note stands", async || made("note_created").await >= 1).await;
    sandbox.faults().clear();
    let socket = daemon.folder.path().join("socket");
    let wanted = json!({"name": "Spring", "template": "open-day", "opportunities": [who.opportunity]});
    let bulk = call(&socket, "POST", "/bulk", &wanted).unwrap();
    let bulk = format!("/bulk/{}/confirm", bulk["id"].as_str().unwrap());
    assert_eq!(call(&socket, "POST", &bulk, &json!({"recipients": 1})).unwrap()["state"], "running");
    for words in ["very private invitation", "very private welcome"] {
        eventually(words, async || {
            let mut made = sandbox.ledger().entries().into_iter().filter(|e| e.kind == "message_created");
            made.any(|entry| entry.detail["body"].as_str().is_some_and(|body| body.contains(words)))
        })
        .await;
    }
    sandbox
        .faults()
        .add(Rule::new(Remote::Lever, refusal).method(&http::Method::POST).path("/notes").times(1));
    sandbox.inbound(PHONE, "a very private afterthought").unwrap();
    sandbox.inbound(PHONE, "STOP").unwrap();
    let outbox = async || client.get("outbox/failed").await.map(|rows| rows.to_string()).unwrap_or_default();
    eventually("a note is held", async || outbox().await.contains("BadRequestError")).await;
    eventually("the opt-out is in force", async || {
        client.text(PHONE, "a very private insistence", "key-three").await == Some(409)
    })
    .await;
    let forged = json!({"event": "candidateHired", "triggeredAt": 1, "token": "t", "signature": "s",
                        "data": {"opportunityId": who.opportunity, "note": NAME}});
    assert_eq!(client.post("/hooks/lever", &forged, &[]).await, Some(401));
    assert_eq!(client.post(hook, &json!({"Body": NAME}), &[]).await, Some(403));
    sandbox.happen(&Event::Delete { opportunity: Some(who.opportunity.clone()) }).unwrap();
    eventually("she is gone", async || client.get(&opportunity).await.is_none()).await;
    let mut told = client.ops("/metrics").await.unwrap() + &outbox().await;
    told += &client.ops("/health").await.unwrap_or_default();
    daemon.terminate().await;
    told += &daemon.log();
    assert!(told.contains("DEBUG fulcrum"), "nothing was logged below the usual level");

    let gateway = sandbox.gateway_secrets();
    let gateway: (&str, &str) = (gateway.0.as_ref(), gateway.1.as_ref());
    let mut secrets = vec![
        API_TOKEN,
        sandbox.api_key(),
        sandbox.auth_token(),
        sandbox.telnyx_api_key(),
        gateway.0,
        gateway.1,
        "Wilhelmina",
        "Quarterstaff",
        "wilhelmina@",
        "very private",
        "2025550142",
        "key-one",
    ];
    secrets.extend(sandbox.webhook_tokens().values().map(String::as_str));
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{}:", sandbox.api_key()));
    secrets.push(&basic);
    for secret in secrets {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was told, over {}", carrier.name());
    }
}

//! Neither secrets nor what people write to each other, nor who they are, reaches a log, an error
//! or a metric: a whole day of the real program at trace level, and every line is searched.

use fulcrum_sandbox::{Event, Fault, Remote, Rule, Sandbox};
use serde_json::json;

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
    let mut options = small();
    options.lever.rate = 100.0;
    options.lever.burst = 100;
    let sandbox = Sandbox::start(options).await.unwrap();
    let mut daemon = Daemon::new(&sandbox, |settings| {
        settings["log"]["filter"] = "trace".into();
        settings["optout"]["handled_by"] = "fulcrum".into();
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
        sandbox.faults().add(Rule::new(Remote::Twilio, fault).times(2));
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
    assert_eq!(client.post("/hooks/twilio/message", &json!({"Body": NAME}), &[]).await, Some(403));
    sandbox.happen(&Event::Delete { opportunity: Some(who.opportunity.clone()) }).unwrap();
    eventually("she is gone", async || client.get(&opportunity).await.is_none()).await;
    let mut told = client.ops("/metrics").await.unwrap() + &outbox().await;
    told += &client.ops("/health").await.unwrap_or_default();
    daemon.terminate().await;
    told += &daemon.log();
    assert!(told.contains("DEBUG fulcrum"), "nothing was logged below the usual level");

    let mut secrets = vec![
        API_TOKEN,
        sandbox.api_key(),
        sandbox.auth_token(),
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
        assert_eq!(line, None, "{secret} was told");
    }
}

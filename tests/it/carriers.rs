//! The same stories over each carrier: what people see must not depend on who carries the texts.

use std::fs;
use std::time::Duration;

use fulcrum::carrier::LostAnswer;
use fulcrum::engine::HealthStatus;
use fulcrum::engine::changes::KeywordAnswers;
use fulcrum_domain::Delivery;
use fulcrum_domain::optout::CarrierWords;
use fulcrum_sandbox::twilio::InboundMedia;
use fulcrum_sandbox::{Carrier, Entry, Fault, Options, Remote, Rule, Sandbox};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::daemon::{Client, Daemon};
use crate::world::{World, carrier, eventually, small, to};

const DANA: &str = "+12025550142";
const LANDLINE: &str = "+12025550006";

/// Each of these stories as a test over each carrier.
macro_rules! over_each_carrier {
    ($($story:ident,)*) => {
        mod twilio {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::Carrier::Twilio).await;
            })*
        }
        mod telnyx {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::Carrier::Telnyx).await;
            })*
        }
        mod gateway {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::Carrier::Gateway).await;
            })*
        }
    };
}

over_each_carrier! {
    a_text_is_sent_and_its_delivery_comes_by_webhook,
    a_text_to_a_landline_fails_with_its_reason,
    what_no_webhook_told_is_asked_for_where_it_can_be,
    a_text_comes_in_once_though_its_webhook_comes_twice,
    a_picture_comes_in_and_is_given_out,
    stop_holds_here_and_at_the_carrier,
    a_stop_that_only_the_carrier_heard_is_learned_from_its_refusal,
    what_the_carrier_did_not_sign_is_refused,
    a_carrier_that_takes_nothing_holds_texts_up_and_loses_none,
    after_a_lost_answer_nobody_is_texted_twice,
    a_request_that_was_lost_is_made_good_where_the_carrier_has_keys,
    what_nobody_can_find_out_is_unconfirmed_for_good,
    who_opts_out_while_an_answer_is_lost_is_not_texted,
    an_opt_out_that_only_the_carrier_heard_leaves_a_lost_text_in_doubt,
}

fn over(carrier: Carrier) -> Options {
    Options { carrier, ..small() }
}

/// The real program over this carrier.
async fn program(carrier: Carrier) -> (Sandbox, Daemon, Client) {
    let sandbox = Sandbox::start(over(carrier)).await.unwrap();
    let mut daemon = Daemon::new(&sandbox, |settings| settings["optout"]["handled_by"] = json!("carrier"));
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    (sandbox, daemon, client)
}

async fn conversation(client: &Client, number: &str) -> Option<Value> {
    let all = client.get("conversations").await?;
    all["data"].as_array()?.iter().find(|one| one["number"] == number).cloned()
}

/// Direction, status and reason of each text with Dana, the newest first.
async fn texts(client: &Client) -> Vec<(String, String, String)> {
    texts_with(client, DANA).await
}

async fn texts_with(client: &Client, number: &str) -> Vec<(String, String, String)> {
    let Some(conversation) = conversation(client, number).await else { return Vec::new() };
    let id = conversation["id"].as_str().unwrap();
    let Some(page) = client.get(&format!("conversations/{id}/messages")).await else { return Vec::new() };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| (word(&row["direction"]), word(&row["status"]), row["error"].to_string())).collect()
}

async fn opted_out(client: &Client) -> bool {
    conversation(client, DANA).await.is_some_and(|one| one["opted_out"] == true)
}

fn entries(sandbox: &Sandbox, kind: &str) -> Vec<Entry> {
    sandbox.ledger().entries().into_iter().filter(|entry| entry.kind == kind).collect()
}

/// The webhooks about texts that came in, as they were delivered.
fn announced(sandbox: &Sandbox) -> usize {
    entries(sandbox, "webhook_sent").iter().filter(|entry| entry.detail["event"] == "message").count()
}

async fn a_text_is_sent_and_its_delivery_comes_by_webhook(carrier: Carrier) {
    let (sandbox, _daemon, client) = program(carrier).await;
    assert_eq!(client.text(DANA, "hello", "1").await, Some(202));
    eventually("the text is delivered", async || {
        texts(&client).await.first().is_some_and(|(_, status, _)| status == "delivered")
    })
    .await;
    assert_eq!(entries(&sandbox, "message_created").len(), 1);
}

async fn a_text_to_a_landline_fails_with_its_reason(carrier: Carrier) {
    let (_sandbox, _daemon, client) = program(carrier).await;
    assert_eq!(client.text(LANDLINE, "hello", "1").await, Some(202));
    let last = async || texts_with(&client, LANDLINE).await.into_iter().next();
    eventually("its end is known", async || {
        last().await.is_some_and(|(_, status, error)| status == "failed" && error.contains("landline"))
    })
    .await;
}

async fn what_no_webhook_told_is_asked_for_where_it_can_be(carrier: Carrier) {
    let world = standing(carrier).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.text(to(&dana), "hello").await.unwrap();
    world.texted(1).await;
    if carrier == Carrier::Gateway {
        // It has nothing to be asked by, and that is no trouble.
        world.idle().await;
        for _ in 0..10 {
            world.pass(SignedDuration::from_mins(1));
            tokio::time::sleep(world.settings.inbound_poll).await;
        }
        assert_eq!(world.messages(DANA).await[0].delivery, Delivery::Accepted);
        let health = &world.engine.status().await.unwrap().health.components["carrier"];
        assert_eq!(health.status, HealthStatus::Ok, "{}", health.detail);
        return;
    }
    eventually("its end is known", async || {
        world.pass(SignedDuration::from_mins(1));
        world.messages(DANA).await[0].delivery == Delivery::Delivered
    })
    .await;
}

async fn a_text_comes_in_once_though_its_webhook_comes_twice(carrier: Carrier) {
    let (sandbox, _daemon, client) = program(carrier).await;
    sandbox.faults().add(Rule::new(carrier.webhooks(), Fault::Duplicate).path("message"));
    sandbox.inbound(DANA, "Yes, 9am works").unwrap();
    eventually("it was announced twice", async || announced(&sandbox) == 2).await;
    assert_eq!(texts(&client).await, [("in".to_owned(), "received".to_owned(), "null".to_owned())]);
}

async fn a_picture_comes_in_and_is_given_out(carrier: Carrier) {
    let (sandbox, _daemon, client) = program(carrier).await;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    let media = InboundMedia { content_type: "image/png".into(), bytes: png.clone().into() };
    sandbox.inbound_with(DANA, "", vec![media]).unwrap();
    let first = async || {
        let id = conversation(&client, DANA).await?["id"].as_str()?.to_owned();
        let page = client.get(&format!("conversations/{id}/messages")).await?;
        Some(page["data"][0].clone())
    };
    eventually("the picture is here", async || {
        first().await.is_some_and(|text| text["files"][0]["state"] == "here")
    })
    .await;
    let text = first().await.unwrap();
    assert_eq!(text["files"][0]["media_type"], "image/png", "{text}");
    let path = format!("messages/{}/files/0", text["id"].as_str().unwrap());
    assert_eq!(client.bytes(&path).await.unwrap(), png);
}

async fn stop_holds_here_and_at_the_carrier(carrier: Carrier) {
    let (sandbox, _daemon, client) = program(carrier).await;
    sandbox.inbound(DANA, "STOP").unwrap();
    eventually("the opt-out is known", async || opted_out(&client).await).await;
    assert_eq!(client.text(DANA, "hello", "1").await, Some(409));
    assert_eq!(entries(&sandbox, "auto_reply").len(), 1);
    sandbox.inbound(DANA, "START").unwrap();
    eventually("the opt-in is known", async || !opted_out(&client).await).await;
    assert_eq!(client.text(DANA, "welcome back", "2").await, Some(202));
    eventually("it is sent", async || entries(&sandbox, "message_created").len() == 1).await;
}

/// Telnyx leaves HELP and REVOKE to us, and knows a STOP ALL that Twilio does not.
#[tokio::test(flavor = "multi_thread")]
async fn each_keyword_is_answered_once_whoever_knows_it() {
    for carrier in [Carrier::Twilio, Carrier::Telnyx] {
        let (sandbox, _daemon, client) = program(carrier).await;
        let answers = || entries(&sandbox, "auto_reply").len() + entries(&sandbox, "message_created").len();
        for (number, word) in
            [("+12025550142", "HELP"), ("+12025550143", "REVOKE"), ("+12025550144", "STOP ALL")]
        {
            let before = answers();
            sandbox.inbound(number, word).unwrap();
            eventually("it is here and answered", async || {
                !texts_with(&client, number).await.is_empty() && answers() > before
            })
            .await;
            // Of two answers, the second is on its way by now.
            eventually("nothing waits", async || {
                let rows = texts_with(&client, number).await;
                rows.iter().all(|(_, status, _)| matches!(status.as_str(), "received" | "delivered"))
            })
            .await;
            assert_eq!(answers(), before + 1, "{carrier:?} {word}");
        }
    }
}

async fn a_stop_that_only_the_carrier_heard_is_learned_from_its_refusal(carrier: Carrier) {
    let (sandbox, _daemon, client) = program(carrier).await;
    sandbox.faults().add(Rule::new(carrier.webhooks(), Fault::Drop));
    // Nor does it come by asking, before the text has left.
    sandbox.faults().add(Rule::new(carrier.remote(), Fault::Hang).method(&Method::GET));
    sandbox.inbound(DANA, "STOP").unwrap();
    assert_eq!(client.text(DANA, "hello", "1").await, Some(202));
    eventually("the opt-out is known", async || opted_out(&client).await).await;
    assert_eq!(texts(&client).await[0].1, "failed");
    assert_eq!(entries(&sandbox, "message_created").len(), 0);
}

async fn what_the_carrier_did_not_sign_is_refused(carrier: Carrier) {
    let sandbox = Sandbox::start(over(carrier)).await.unwrap();
    let mut daemon = Daemon::new(&sandbox, |_| {});
    let config = daemon.folder.path().join("fulcrum.toml");
    match carrier {
        Carrier::Twilio => {
            fs::write(daemon.folder.path().join("twilio-auth-token"), "f".repeat(32)).unwrap();
        }
        Carrier::Telnyx => {
            let other = Sandbox::start(Options { seed: 2, ..over(carrier) }).await.unwrap();
            let settings = fs::read_to_string(&config).unwrap();
            let changed = settings.replace(&sandbox.telnyx_public_key(), &other.telnyx_public_key());
            assert_ne!(settings, changed);
            fs::write(&config, changed).unwrap();
        }
        Carrier::Gateway => {
            let other = Sandbox::start(Options { seed: 2, ..over(carrier) }).await.unwrap();
            fs::write(daemon.folder.path().join("webhook-inbound-secret"), other.gateway_secrets().1)
                .unwrap();
        }
    }
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    sandbox.inbound(DANA, "let me in").unwrap();
    eventually("it was announced", async || announced(&sandbox) == 1).await;
    let sent = &entries(&sandbox, "webhook_sent")[0].detail;
    assert!(sent["status"] == 403 || sent["failure"] == "Status(403)", "{sent}");
    assert!(sent["attempts"].as_u64().unwrap() > 1, "{sent}");
    assert!(conversation(&client, DANA).await.is_none());
}

/// A world whose clock stands, over this carrier, which answers keywords itself.
async fn standing(carrier: Carrier) -> World {
    let words = if carrier == Carrier::Telnyx { CarrierWords::Telnyx } else { CarrierWords::Twilio };
    let answers = KeywordAnswers::Carrier(words);
    World::standing(over(carrier), |settings| settings.rules.keyword_answers = answers).await
}

fn on_send(carrier: Carrier, fault: Fault) -> Rule {
    Rule::new(carrier.remote(), fault).method(&Method::POST)
}

/// How far the one text with Dana is, after a quarter of a minute.
async fn a_moment_later(world: &World) -> Delivery {
    world.pass(SignedDuration::from_secs(15));
    world.messages(DANA).await.last().unwrap().delivery
}

fn has_keys(world: &World) -> bool {
    matches!(carrier(&world.sandbox).lost_answer(), LostAnswer::Repeat { .. })
}

async fn a_carrier_that_takes_nothing_holds_texts_up_and_loses_none(carrier: Carrier) {
    let world = standing(carrier).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(on_send(carrier, Fault::Status { code: 429, body: None }));
    for body in ["one", "two", "three"] {
        world.text(to(&dana), body).await.unwrap();
    }
    let tried =
        async || world.engine.status().await.unwrap().health.components["carrier"].detail.contains("wait");
    eventually("the carrier has refused", tried).await;
    assert_eq!(world.texts().len(), 0);
    world.sandbox.faults().clear();
    eventually("all have left", async || {
        world.pass(SignedDuration::from_secs(60));
        world.texts().len() == 3
    })
    .await;
    world.idle().await;
    let mut bodies: Vec<_> = world.texts().into_iter().map(|(_, body)| body).collect();
    bodies.sort();
    assert_eq!(bodies.iter().filter(|body| body.contains("one")).count(), 1, "{bodies:?}");
    assert_eq!(bodies.len(), 3);
}

/// Of a text with a lost answer the carrier's name comes to be known, and no other one is sent.
async fn is_found_and_stands_alone(world: &World) {
    eventually("the carrier's name for it is known", async || {
        a_moment_later(world).await;
        world.messages(DANA).await[0].sid.is_some()
    })
    .await;
    world.idle().await;
    assert_eq!(world.texts().len(), 1);
    let carrier = &world.engine.status().await.unwrap().health.components["carrier"];
    assert_eq!(carrier.status.as_str(), "ok", "nothing waits any more: {}", carrier.detail);
}

async fn after_a_lost_answer_nobody_is_texted_twice(carrier: Carrier) {
    for fault in [Fault::CutAfter, Fault::StatusAfter { code: 500 }, Fault::Html, Fault::HalfBody] {
        let world = standing(carrier).await;
        let dana = world.apply("Dana Reyes", DANA).await;
        world.sandbox.faults().add(on_send(carrier, fault).times(1));
        world.text(to(&dana), "hello").await.unwrap();
        world.texted(1).await;
        is_found_and_stands_alone(&world).await;
    }
}

/// What Twilio took stands in its list only after a while (carriers.md 1.9).
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_text_that_the_list_shows_late_is_found_all_the_same() {
    let mut options = small();
    options.twilio.list_delay = Duration::from_secs(60);
    let world = World::standing(options, |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(on_send(Carrier::Twilio, Fault::CutAfter).times(1));
    world.text(to(&dana), "hello").await.unwrap();
    world.texted(1).await;
    is_found_and_stands_alone(&world).await;
}

async fn a_request_that_was_lost_is_made_good_where_the_carrier_has_keys(carrier: Carrier) {
    let world = standing(carrier).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let down = Fault::Status { code: 503, body: None };
    world.sandbox.faults().add(on_send(carrier, down).times(2));
    world.text(to(&dana), "hello").await.unwrap();
    let end = [Delivery::Unconfirmed, Delivery::Accepted, Delivery::Sent, Delivery::Delivered];
    eventually("it is settled", async || end.contains(&a_moment_later(&world).await)).await;
    world.idle().await;
    let unconfirmed = world.messages(DANA).await[0].delivery == Delivery::Unconfirmed;
    assert_eq!((world.texts().len(), unconfirmed), if has_keys(&world) { (1, false) } else { (0, true) });
}

async fn what_nobody_can_find_out_is_unconfirmed_for_good(carrier: Carrier) {
    let world = standing(carrier).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    // Taken, and never an answer; nor would the list show it.
    world.sandbox.faults().add(on_send(carrier, Fault::CutAfter));
    let empty = json!({"messages": [], "next_page_uri": null});
    let nothing = Fault::Status { code: 200, body: Some(empty) };
    world.sandbox.faults().add(Rule::new(Remote::Twilio, nothing).method(&Method::GET));
    world.text(to(&dana), "hello").await.unwrap();
    world.texted(1).await;
    let hour = SignedDuration::from_hours(1);
    for _ in 0..22 {
        world.pass(hour);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What is on its way arrives while its key is known: no request takes as long as the hours that pass next.
    tokio::time::sleep(Duration::from_millis(500)).await;
    eventually("it is given up", async || {
        world.pass(hour * 4);
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.messages(DANA).await[0].delivery == Delivery::Unconfirmed
    })
    .await;
    world.sandbox.faults().clear();
    world.pass(hour * 48);
    world.idle().await;
    assert_eq!(world.texts().len(), 1, "the carrier has forgotten the key: one more would be a second text");
}

async fn who_opts_out_while_an_answer_is_lost_is_not_texted(carrier: Carrier) {
    let world = standing(carrier).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(on_send(carrier, Fault::CutBefore));
    world.text(to(&dana), "hello").await.unwrap();
    eventually("it was tried", async || {
        world.messages(DANA).await[0].delivery == Delivery::Submitting
            && world.engine.status().await.unwrap().health.components["carrier"].detail.contains("wait")
    })
    .await;
    world.receive(DANA, "STOP").await;
    world.sandbox.faults().clear();
    eventually("it is settled", async || {
        world.pass(SignedDuration::from_secs(15));
        world.messages(DANA).await.iter().any(|text| text.delivery == Delivery::Unconfirmed)
    })
    .await;
    world.idle().await;
    assert_eq!(world.texts(), []);
}

async fn an_opt_out_that_only_the_carrier_heard_leaves_a_lost_text_in_doubt(carrier: Carrier) {
    let world = standing(carrier).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(on_send(carrier, Fault::CutBefore).times(1));
    world.text(to(&dana), "hello").await.unwrap();
    eventually("it was tried", async || {
        world.engine.status().await.unwrap().health.components["carrier"].detail.contains("wait")
    })
    .await;
    // The daemon has no address for webhooks here, and only Twilio lists it.
    world.sandbox.inbound(DANA, "STOP").unwrap();
    eventually("it is settled", async || {
        world.pass(SignedDuration::from_secs(15));
        world.messages(DANA).await.iter().any(|text| text.delivery == Delivery::Unconfirmed)
    })
    .await;
    eventually("the opt-out is known", async || {
        world.conversation(DANA).await.unwrap().suppression.is_some()
    })
    .await;
    assert_eq!(world.texts(), []);
}

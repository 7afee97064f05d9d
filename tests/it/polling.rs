//! A site that opens no port to the outside: the carrier tells it nothing, it asks (`carrier.mode = "poll"`).

use std::time::Duration;

use fulcrum::engine::HealthStatus;
use fulcrum_domain::{Delivery, Direction};
use fulcrum_sandbox::{Fault, Remote, Rule, Sandbox};
use http::Method;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use crate::daemon::{Client, Daemon};
use crate::world::{World, eventually, small, to};

const DANA: &str = "+12025550142";
const SAM: &str = "+12025550143";
const EVERY: Duration = Duration::from_millis(100);

/// A world that only asks, every tenth of a second; the whole list at the start alone.
async fn asking() -> World {
    World::standing(small(), |settings| {
        settings.poll_alone = Some(EVERY);
        settings.inbound_poll = Duration::from_hours(1);
    })
    .await
}

fn reading(fault: Fault) -> Rule {
    Rule::new(Remote::Twilio, fault).method(&Method::GET)
}

async fn carrier_health(world: &World) -> (HealthStatus, String) {
    let carrier = world.engine.health().await.components["carrier"].clone();
    (carrier.status, carrier.detail)
}

/// What came in, in the order of the thread.
async fn came_in(world: &World, from: &str) -> Vec<String> {
    let messages = world.messages(from).await.into_iter();
    let mut texts: Vec<_> = messages.filter(|text| text.direction == Direction::In).collect();
    texts.sort_by_key(|text| (text.at, text.id));
    texts.into_iter().map(|text| text.body.reveal().to_owned()).collect()
}

async fn texts(client: &Client) -> Vec<Value> {
    let Some(all) = client.get("conversations").await else { return Vec::new() };
    let dana = all["data"].as_array().unwrap().iter().find(|one| one["number"] == DANA).cloned();
    let Some(dana) = dana else { return Vec::new() };
    let path = format!("conversations/{}/messages", dana["id"].as_str().unwrap());
    client.get(&path).await.map_or_else(Vec::new, |page| page["data"].as_array().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_talks_with_a_candidate_and_takes_nothing_from_outside() {
    let sandbox = Sandbox::start(small()).await.unwrap();
    let mut daemon = Daemon::new(&sandbox, |settings| {
        settings["carrier"]["mode"] = json!("poll");
        settings["carrier"]["poll_interval"] = json!("1s");
    });
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    sandbox.inbound(DANA, "Is the job still open?").unwrap();
    eventually("the text is here", async || texts(&client).await.len() == 1).await;
    assert_eq!(client.text(DANA, "It is. Are you free at 2?", "1").await, Some(202));
    eventually("its end is known", async || {
        texts(&client).await.iter().any(|text| text["status"] == "delivered")
    })
    .await;

    daemon.kill();
    daemon.start();
    client.ready().await;
    sandbox.inbound(DANA, "STOP").unwrap();
    eventually("the STOP is here", async || texts(&client).await.iter().any(|text| text["body"] == "STOP"))
        .await;
    assert_eq!(client.text(DANA, "hello?", "2").await, Some(409));
    let bodies: Vec<_> = texts(&client).await.iter().map(|text| text["body"].clone()).collect();
    for once in ["Is the job still open?", "STOP"] {
        assert_eq!(bodies.iter().filter(|body| **body == once).count(), 1, "{bodies:?}");
    }

    // The account's webhook is set all the same, and nobody takes it; for news of a text Twilio was told
    // of no address.
    let told = |event: &str| {
        let entries = sandbox.ledger().entries().into_iter();
        entries.filter(|entry| entry.kind == "webhook_sent" && entry.detail["event"] == event).count()
    };
    assert!(told("message") > 0);
    assert_eq!(told("status"), 0);
    for path in ["/hooks/twilio/message", "/hooks/twilio/status"] {
        assert_eq!(client.post(path, &json!({}), &[]).await, Some(404), "{path}");
    }
    let health = client.health().await.unwrap();
    let detail = health["components"]["carrier"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("asked every 1s for texts that came in; last: 20"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_the_carrier_is_told_and_loses_nothing() {
    let world = asking().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.text(to(&dana), "hello").await.unwrap();
    world.texted(1).await;
    world.idle().await;
    world.sandbox.faults().add(reading(Fault::Status { code: 503, body: None }));
    let began = world.clock.now();
    eventually("health says so", async || carrier_health(&world).await.0 == HealthStatus::Degraded).await;
    // More than a page of them, from more than one.
    for number in 0..120 {
        world.pass(SignedDuration::from_mins(10));
        world.sandbox.inbound(DANA, &format!("text {number:03}")).unwrap();
    }
    world.sandbox.inbound(SAM, "STOP").unwrap();
    world.pass(SignedDuration::from_hours(5));
    let (status, detail) = carrier_health(&world).await;
    assert_eq!(status, HealthStatus::Degraded);
    assert!(detail.contains(&format!("last asked for: {began:.0}")), "{detail}");
    assert_eq!(came_in(&world, DANA).await, Vec::<String>::new());
    world.sandbox.faults().clear();

    let all: Vec<_> = (0..120).map(|number| format!("text {number:03}")).collect();
    eventually("all are here", async || came_in(&world, SAM).await.len() == 1).await;
    assert_eq!(came_in(&world, DANA).await, all);
    assert!(world.conversation(SAM).await.unwrap().suppression.is_some());
    eventually("what left is known to have arrived", async || {
        world.pass(SignedDuration::from_mins(1));
        let mut messages = world.messages(DANA).await.into_iter();
        messages.any(|text| text.direction == Direction::Out && text.delivery == Delivery::Delivered)
    })
    .await;
    eventually("health is well again", async || carrier_health(&world).await.0 == HealthStatus::Ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_our_own_absence_loses_nothing_and_doubles_nothing() {
    let world = asking().await;
    let sid = world.sandbox.inbound(DANA, "before").unwrap();
    eventually("the first is here", async || came_in(&world, DANA).await.len() == 1).await;
    // A webhook of before the change of mode, late.
    let late = fulcrum::carrier::ReceivedText { sid: sid.parse().unwrap(), ..world.received(DANA, "before") };
    world.engine.take_text(late).await.unwrap();
    let (twilio, clock) = (world.sandbox.twilio().clone(), world.sandbox.clock().clone());
    let (ours, here) = (world.sandbox.numbers()[0].clone(), world.clock.clone());
    let day = SignedDuration::from_hours(24);
    let while_away = |_: &std::path::Path| {
        for number in 0..2 {
            clock.advance(i64::try_from(day.as_millis()).unwrap());
            here.set(here.now() + day);
            // A day after the one before: the list tells time by the second.
            twilio.inbound(DANA, &ours, &format!("while away {number}"), Vec::new()).unwrap();
        }
    };
    let world = world.restart_after(Duration::ZERO, while_away).await;
    eventually("all are here", async || came_in(&world, DANA).await.len() == 3).await;
    assert_eq!(came_in(&world, DANA).await, ["before", "while away 0", "while away 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn between_whole_looks_no_more_is_read_than_is_news() {
    let world = asking().await;
    let listed = |sid: &str| {
        json!({"messages": [{
            "sid": sid, "direction": "inbound", "status": "received", "from": DANA,
            "to": world.sandbox.numbers()[0], "body": "hi", "num_segments": "1", "num_media": "0",
            "date_created": DateTimePrinter::new().timestamp_to_string(&world.clock.now()).unwrap(),
        }], "next_page_uri": "/2010-04-01/nowhere"})
    };
    let sid = world.sandbox.inbound(DANA, "hi").unwrap();
    eventually("it is here", async || came_in(&world, DANA).await.len() == 1).await;
    let polled = async || {
        world.advance(SignedDuration::from_secs(1));
        let now = format!("last: {:.0}", world.clock.now());
        eventually("it is polled", async || carrier_health(&world).await.1.contains(&now)).await;
    };
    polled().await;
    let messages = Rule::new(Remote::Twilio, Fault::Status { code: 200, body: Some(listed(&sid)) });
    world.sandbox.faults().add(messages.method(&Method::GET).path("Messages.json"));
    // The next page does not exist: whoever asks for it fails.
    for _ in 0..3 {
        polled().await;
    }
    world.sandbox.faults().clear();
    let news = listed(&format!("SM{:032x}", 77));
    let messages = Rule::new(Remote::Twilio, Fault::Status { code: 200, body: Some(news) });
    world.sandbox.faults().add(messages.method(&Method::GET).path("Messages.json"));
    eventually("the news is here", async || came_in(&world, DANA).await.len() == 2).await;
}

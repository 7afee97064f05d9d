//! Remotes that answer badly: with errors, web pages, rubbish, half a body, late, or not at all.
//! Whatever they do, the end is the same.

use std::time::Duration;

use fulcrum::engine::Confidential;
use fulcrum_domain::Delivery;
use fulcrum_sandbox::{Fault, Options, Permission, Permissions, Remote, Rule};
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::sync::differences;
use crate::world::{World, eventually, fast, small, to};

const DANA: &str = "+12025550142";

/// Everything that a remote may do to a request, and whether it does what was asked all the same.
fn faults() -> Vec<(Fault, bool)> {
    let error_under_200 = json!({"code": "ServiceUnavailable", "message": "try again later"});
    vec![
        (Fault::Status { code: 429, body: None }, false),
        (Fault::Status { code: 500, body: None }, false),
        (Fault::Status { code: 503, body: None }, false),
        (Fault::Status { code: 200, body: Some(error_under_200) }, false),
        (Fault::Html, true),
        (Fault::Rubbish, true),
        (Fault::HalfBody, true),
        (Fault::CutBefore, false),
        (Fault::CutAfter, true),
        (Fault::Hang, false),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_initial_sync_is_exact_though_every_sixth_answer_is_bad() {
    let mut options = fast();
    options.lever.opportunities = 1200;
    for (fault, _) in faults() {
        let rule = Rule::new(Remote::Lever, fault.clone()).method(&Method::GET).probability(0.02);
        options.faults.push(if fault == Fault::Hang { rule.times(2) } else { rule });
    }
    let world = World::start_with(options, |s| s.poll_interval = Duration::from_secs(5)).await;
    world.backfilled().await;
    assert_eq!(differences(&world).await, Vec::<String>::new());
    assert!(world.engine.status().await.unwrap().stored.opportunities > 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_initial_sync_outlives_a_storm_of_429_and_a_lever_that_is_down() {
    let storm = Rule::new(Remote::Lever, Fault::Status { code: 429, body: None });
    let down = Rule::new(Remote::Lever, Fault::CutBefore);
    let mut options = fast();
    options.lever.opportunities = 600;
    options.faults = vec![
        storm.probability(0.7).lasting(Duration::from_millis(1500)),
        down.lasting(Duration::from_millis(2500)),
    ];
    let world = World::start(options).await;
    world.backfilled().await;
    assert_eq!(differences(&world).await, Vec::<String>::new());
    eventually("health is well again", async || {
        world.engine.status().await.unwrap().health.components["lever"].detail.is_empty()
    })
    .await;
}

/// A key that lacks what makes the sync cheap or whole: it is exact all the same, in what it may see.
#[tokio::test(flavor = "multi_thread")]
async fn the_initial_sync_does_without_what_the_key_may_not() {
    let refusal = Rule::new(Remote::Lever, Fault::Status { code: 403, body: None }).method(&Method::GET);
    let mut options = fast();
    options.lever.opportunities = 250;
    // Once for each listing that asks for applications in the same request.
    options.faults = vec![refusal.path("/v1/opportunities").times(3)];
    let without_applications = World::start(options.clone()).await;
    without_applications.backfilled().await;
    assert_eq!(differences(&without_applications).await, Vec::<String>::new());

    options.faults.clear();
    let without_secrets = World::start_with(options, |s| s.confidential = Confidential::Read).await;
    without_secrets.backfilled().await;
    assert_eq!(differences(&without_secrets).await, Vec::<String>::new());
}

fn listing_notes() -> Options {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::FindAllNotes);
    options
}

/// Where notes can be listed nothing is guessed: one note, whatever became of the first answer, and
/// of the first answer to the look for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_stands_once_whatever_lever_answers() {
    for (fault, _) in faults() {
        let world = World::standing(listing_notes(), |_| {}).await;
        world.apply("Dana Reyes", DANA).await;
        world.receive(DANA, "once and only once").await;
        let on_notes = Rule::new(Remote::Lever, fault.clone()).path("/notes");
        world.sandbox.faults().add(on_notes.clone().method(&Method::POST).times(1));
        world.sandbox.faults().add(on_notes.method(&Method::GET).times(1));
        world.file(DANA).await;
        eventually("the note is filed", async || {
            world.advance(SignedDuration::from_mins(5));
            world.outbox().await.is_empty()
        })
        .await;
        assert_eq!(world.notes().len(), 1, "{fault:?}");
        assert!(world.notes()[0].value.contains("once and only once"));
    }
}

/// A text is never sent twice. One whose fate is unknown is found at the carrier if it left, and
/// told as unconfirmed if it did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_sent_at_most_once_whatever_the_carrier_answers() {
    for (fault, done) in faults() {
        let world = World::standing(small(), |_| {}).await;
        let dana = world.apply("Dana Reyes", DANA).await;
        let sending = Rule::new(Remote::Twilio, fault.clone()).method(&Method::POST).times(1);
        world.sandbox.faults().add(sending);
        // The look for it fails once, too.
        world.sandbox.faults().add(Rule::new(Remote::Twilio, fault.clone()).method(&Method::GET).times(1));
        world.text(to(&dana), "once and only once").await.unwrap();
        eventually("its fate is known", async || {
            world.advance(SignedDuration::from_secs(8));
            world.outbox().await.is_empty()
        })
        .await;
        let is_throttle = fault == Fault::Status { code: 429, body: None };
        let left = done || is_throttle;
        assert_eq!(world.texts().len(), usize::from(left), "{fault:?}");
        let delivery = world.messages(DANA).await[0].delivery;
        assert_eq!(delivery == Delivery::Unconfirmed, !left, "{fault:?}: {delivery:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_arrive_once_though_the_carriers_list_is_bad() {
    let mut options = small();
    for (fault, _) in faults() {
        if fault != Fault::Hang {
            options.faults.push(Rule::new(Remote::Twilio, fault).method(&Method::GET).probability(0.08));
        }
    }
    let world = World::start_with(options, |s| s.inbound_poll = Duration::from_millis(50)).await;
    for n in 0..130 {
        world.sandbox.inbound(DANA, &format!("text number {n}.")).unwrap();
    }
    eventually("all have arrived", async || world.messages(DANA).await.len() >= 130).await;
    let messages = world.messages(DANA).await;
    for n in 0..130 {
        let body = format!("text number {n}.");
        assert_eq!(messages.iter().filter(|m| m.body.reveal() == body).count(), 1, "{body}");
    }
}

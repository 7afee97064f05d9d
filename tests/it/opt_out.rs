//! Who says STOP gets no text any more, whatever asks for one and whenever it was asked for.

use std::time::Duration;

use fulcrum::engine::SendRefusal;
use fulcrum::engine::changes::{ComposeError, KeywordAnswers, Recipient};
use fulcrum_domain::optout::CarrierWords;
use fulcrum_domain::{Delivery, HookEvent, Refusal};
use fulcrum_sandbox::twilio::KeywordHandling;
use fulcrum_sandbox::{Fault, Options, Remote, Rule};
use futures_util::future::join_all;
use jiff::SignedDuration;

use crate::world::{World, eventually, number, request, small, to};

const DANA: &str = "+12025550142";
const CONFIRMATION: &str = "Acme Recruiting: you will get no more texts from us. Reply START to resubscribe.";

/// A carrier that leaves keywords to us.
fn quiet_carrier() -> Options {
    let mut options = small();
    options.twilio.keywords = KeywordHandling::Off;
    options
}

fn is_refused(outcome: &Result<fulcrum_domain::Message, SendRefusal>) -> bool {
    matches!(outcome, Err(SendRefusal::Compose(ComposeError::Refused(Refusal::OptedOut))))
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_calls_off_what_is_queued_and_scheduled_and_start_lifts_it() {
    let world = World::standing(quiet_carrier(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.text(to(&dana), "the first").await.unwrap();
    world.texted(1).await;
    // The carrier is busy, so the next ones wait.
    let busy = Fault::Status { code: 429, body: None };
    world.sandbox.faults().add(Rule::new(Remote::Twilio, busy).method(&http::Method::POST));
    let queued = world.text(to(&dana), "queued").await.unwrap();
    let later = world.clock.now() + SignedDuration::from_hours(5);
    let scheduled = fulcrum::engine::SendRequest { send_at: Some(later), ..request(to(&dana), "scheduled") };
    let scheduled = world.engine.send_text(scheduled).await.unwrap();
    assert_eq!(scheduled.delivery, Delivery::Scheduled);

    for _ in 0..3 {
        world.receive(DANA, "Stop.").await;
    }
    assert!(is_refused(&world.text(to(&dana), "after").await));
    assert!(is_refused(&world.text(Recipient::Number(number(DANA)), "after").await));
    world.sandbox.faults().clear();
    world.advance(SignedDuration::from_hours(6));
    eventually("all that may leave has left", async || {
        world.advance(SignedDuration::from_secs(15));
        world.outbox().await.is_empty()
    })
    .await;
    let bodies: Vec<_> = world.texts().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert!(bodies[0].contains("the first") && bodies[1] == CONFIRMATION, "{bodies:?}");
    let messages = world.messages(DANA).await;
    for id in [queued.id, scheduled.id] {
        assert_eq!(messages.iter().find(|m| m.id == id).unwrap().delivery, Delivery::Canceled);
    }

    world.receive(DANA, "START").await;
    world.text(to(&dana), "welcome back").await.unwrap();
    world.texted(3).await;
    assert!(world.conversation(DANA).await.unwrap().suppression.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_carrier_answers_keywords_we_are_silent() {
    let world = World::start_with(small(), |s| {
        s.rules.keyword_answers = KeywordAnswers::Carrier(CarrierWords::Twilio);
    })
    .await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.inbound(DANA, "STOP").unwrap();
    eventually("the STOP was found", async || {
        world.conversation(DANA).await.is_some_and(|view| view.suppression.is_some())
    })
    .await;
    assert!(is_refused(&world.text(to(&dana), "after").await));
    world.idle().await;
    assert_eq!(world.texts(), []);
    let answers = world.sandbox.ledger().entries().into_iter().filter(|e| e.kind == "auto_reply").count();
    assert_eq!(answers, 1);
}

/// Somebody opted out at the carrier before we ever heard of it: its error is their word.
#[tokio::test(flavor = "multi_thread")]
async fn the_carriers_refusal_opts_out() {
    const OPTED_OUT: &str = "+15005550004";
    let world = World::start(small()).await;
    let to = || Recipient::Number(number(OPTED_OUT));
    world.text(to(), "hello").await.unwrap();
    eventually("the refusal is an opt-out", async || {
        world.conversation(OPTED_OUT).await.is_some_and(|view| view.suppression.is_some())
    })
    .await;
    assert!(is_refused(&world.text(to(), "again").await));
    assert_eq!(world.texts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vague_wish_is_marked_and_stops_nothing_by_itself() {
    let world = World::start(small()).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "please remove me from your list").await;
    let view = world.conversation(DANA).await.unwrap();
    assert!(view.conversation.possible_opt_out.is_some() && view.suppression.is_none());
    world.text(to(&dana), "of course").await.unwrap();
    world.texted(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_outlives_the_deletion_of_the_candidate() {
    let world = World::start_with(quiet_carrier(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "STOP").await;
    world.idle().await;
    world
        .sandbox
        .happen(&fulcrum_sandbox::Event::Delete { opportunity: Some(dana.opportunity.clone()) })
        .unwrap();
    world.hook(HookEvent::CandidateDeleted, &dana).await;
    eventually("the thread is gone", async || world.conversation(DANA).await.is_none()).await;
    let again = world.apply("Dana Reyes", DANA).await;
    assert!(is_refused(&world.text(to(&again), "hello again").await));
    assert_eq!(world.texts().len(), 1, "only the confirmation");
}

/// A START that no webhook brought is found in the carrier's list after a newer STOP has come: it
/// must not lift it.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_start_that_is_found_late_lifts_nothing() {
    let world = World::standing(quiet_carrier(), |_| {}).await;
    let started = world.clock.now();
    world.receive(DANA, "STOP").await;
    world.advance(SignedDuration::from_hours(2));
    world.receive(DANA, "stop it").await;
    let mut late = world.received(DANA, "START");
    late.at = Some(started + SignedDuration::from_hours(1));
    world.engine.take_text(late).await.unwrap();
    assert!(world.conversation(DANA).await.unwrap().suppression.is_some());
    world.advance(SignedDuration::from_secs(1));
    let mut newer = world.received(DANA, "START");
    newer.at = Some(world.clock.now());
    world.engine.take_text(newer).await.unwrap();
    assert!(world.conversation(DANA).await.unwrap().suppression.is_none());
}

/// Texts wait in a row for each of many people while each says STOP. What is being handed over at
/// that very moment, one text at most, cannot be called back; nothing else leaves.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_after_a_stop_that_races_with_it() {
    const PEOPLE: u64 = 60;
    const TEXTS: u64 = 4;
    let mut options = quiet_carrier();
    options.twilio_latency_ms = 1..8;
    let world = World::start_with(options, |s| s.segments_per_second = 10_000.0).await;
    let after_stop = join_all((0..PEOPLE).map(|n| {
        let world = &world;
        async move {
            let phone = format!("+1202556{n:04}");
            for text in 0..TEXTS {
                world.text(Recipient::Number(number(&phone)), &format!("text {n} {text}.")).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(n % 20)).await; // Now here, now there.
            world.receive(&phone, "STOP").await;
            (phone, world.sandbox.ledger().len())
        }
    }))
    .await;
    world.idle().await;
    let entries = world.sandbox.ledger().entries();
    let sent_to = |phone: &str, after: u64| {
        let to = |e: &&fulcrum_sandbox::Entry| e.kind == "message_created" && e.detail["to"] == phone;
        let texts = entries.iter().filter(to).filter(|e| e.seq > after && e.detail["body"] != CONFIRMATION);
        texts.count() as u64
    };
    let mut canceled_in_all = 0;
    for (phone, stopped) in after_stop {
        assert!(sent_to(&phone, stopped) <= 1, "{phone}: more than what was under way left after the STOP");
        let messages = world.messages(&phone).await;
        let canceled = messages.iter().filter(|m| m.delivery == Delivery::Canceled).count() as u64;
        assert_eq!(sent_to(&phone, 0) + canceled, TEXTS, "{phone}");
        canceled_in_all += canceled;
    }
    assert!(canceled_in_all > 0, "no STOP came in time to race with anything");
}

//! What goes wrong with one text, one number, one row or one endpoint holds up none of the others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fulcrum::carrier::StatusUpdate;
use fulcrum::engine::changes::{self, Recipient};
use fulcrum::engine::clock::Moment;
use fulcrum::engine::{ActivityQuery, Component, HealthStatus, SendRequest};
use fulcrum::store::tables::BOOKMARKS;
use fulcrum::store::{self, Read as _, Signal, Store};
use fulcrum_domain::{DeadlineKey, Delivery, HookEvent, Message, SendFailure, Sight};
use fulcrum_sandbox::twilio::InboundMedia;
use fulcrum_sandbox::{Fault, Remote, Rule};
use futures_util::future::join_all;
use http::Method;
use jiff::SignedDuration;

use crate::world::{World, break_first, engine, eventually, number, request, small};

const DANA: &str = "+12025550142";
const LEE: &str = "+12025550143";

fn fails(remote: Remote, code: u16) -> Rule {
    Rule::new(remote, Fault::Status { code, body: None })
}

async fn health(world: &World, part: &str) -> Component {
    world.engine.status().await.unwrap().health.components[part].clone()
}

async fn delivery(world: &World, phone: &str, text: &Message) -> Delivery {
    let messages = world.messages(phone).await;
    messages.iter().find(|message| message.id == text.id).unwrap().delivery
}

async fn text_from(world: &World, from: &str, phone: &str, body: &str) -> Message {
    let request = SendRequest { from: Some(number(from)), ..request(Recipient::Number(number(phone)), body) };
    world.engine.send_text(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_wait_for_one_number_do_not_hold_up_another() {
    let world = World::start_with(small(), |s| s.segments_per_second = 0.01).await;
    let [one, other] = [0, 1].map(|n| world.sandbox.numbers()[n].clone());
    join_all((0..300).map(|n| {
        let (world, one) = (&world, &one);
        async move { text_from(world, one, &format!("+1202556{n:04}"), "hello").await }
    }))
    .await;
    text_from(&world, &other, DANA, "hello from the other").await;
    eventually("the other number's text left", async || world.texts().iter().any(|(to, _)| to == DANA)).await;
    assert!(world.texts().len() < 20, "the pace was kept");
}

/// A number that the carrier does not let send: its texts are tried for a while, then people are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_may_not_send_holds_up_its_own_texts_and_not_for_ever() {
    const FOREIGN: &str = "+12025550199";
    let world = World::standing(small(), |s| s.rules.numbers.push(number(FOREIGN))).await;
    let ours = world.sandbox.numbers()[0].clone();
    let refused = text_from(&world, FOREIGN, DANA, "from nowhere").await;
    eventually("health tells", async || health(&world, "carrier").await.status == HealthStatus::Degraded)
        .await;
    text_from(&world, &ours, LEE, "hello").await;
    assert!(world.texted(1).await[0].1.contains("hello"));
    assert_eq!(health(&world, "carrier").await.status, HealthStatus::Degraded, "the other is still refused");
    assert_eq!(delivery(&world, DANA, &refused).await, Delivery::Queued);
    eventually("it is given up", async || {
        world.advance(SignedDuration::from_mins(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
        delivery(&world, DANA, &refused).await == Delivery::Failed
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_carrier_has_forgotten_holds_up_no_receipt() {
    let world = World::standing(small(), |_| {}).await;
    let forgotten = world.text(Recipient::Number(number(DANA)), "forgotten").await.unwrap();
    world.texted(1).await;
    world.advance(SignedDuration::from_secs(1));
    let other = world.text(Recipient::Number(number(LEE)), "known").await.unwrap();
    world.idle().await;
    let sid = world.messages(DANA).await[0].sid.clone().unwrap();
    world.sandbox.faults().add(fails(Remote::Twilio, 404).path(sid.as_str()));
    world.advance(SignedDuration::from_mins(3));
    eventually("the other's receipt came", async || {
        world.advance(SignedDuration::from_mins(3));
        delivery(&world, LEE, &other).await == Delivery::Delivered
    })
    .await;
    assert_ne!(delivery(&world, DANA, &forgotten).await, Delivery::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_lacks_our_name_for_a_text_goes_by_the_carriers() {
    let world = World::standing(small(), |_| {}).await;
    let text = world.text(Recipient::Number(number(DANA)), "hello").await.unwrap();
    world.idle().await;
    let sid = world.messages(DANA).await[0].sid.clone().unwrap();
    let report = |sid| StatusUpdate { mid: None, sid, status: Some(Delivery::Delivered), failure: None };
    assert!(world.engine.take_status(report(sid)).await.unwrap());
    assert_eq!(delivery(&world, DANA, &text).await, Delivery::Delivered);
    assert!(!world.engine.take_status(report("SM0".parse().unwrap())).await.unwrap());
}

fn report(text: &Message, delivery: Delivery, failure: Option<SendFailure>) -> StatusUpdate {
    let sid = text.sid.clone().unwrap();
    StatusUpdate { mid: Some(text.id), sid, status: Some(delivery), failure }
}

/// A text as it stands now.
async fn again(world: &World, phone: &str, text: &Message) -> Message {
    world.messages(phone).await.into_iter().find(|message| message.id == text.id).unwrap()
}

/// An account that is not registered: the carrier takes each text, and says afterwards that it does not leave.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_in_order_is_told_and_paused_for_by_reports_too() {
    let world = World::standing(small(), |_| {}).await;
    let send = async |words: &str| {
        let text = world.text(Recipient::Number(number(DANA)), words).await.unwrap();
        world.idle().await;
        again(&world, DANA, &text).await
    };
    let text = send("hello").await;
    assert_eq!(health(&world, "carrier").await.status, HealthStatus::Ok);
    let failed = report(&text, Delivery::Failed, Some(SendFailure::Config));
    assert!(world.engine.take_status(failed.clone()).await.unwrap());
    assert_eq!(health(&world, "carrier").await.status, HealthStatus::Failing);
    // Nothing leaves for a while, then it is tried; that it is taken says nothing.
    let second = world.text(Recipient::Number(number(DANA)), "are you there?").await.unwrap();
    world.advance(SignedDuration::from_secs(30));
    assert_eq!(world.texts().len(), 1);
    world.advance(SignedDuration::from_secs(31));
    world.idle().await;
    assert_eq!(health(&world, "carrier").await.status, HealthStatus::Failing);
    let second = again(&world, DANA, &second).await;
    world.engine.take_status(report(&second, Delivery::Delivered, None)).await.unwrap();
    assert_eq!(health(&world, "carrier").await.status, HealthStatus::Ok);
    // The first report comes once more: it is no news.
    world.engine.take_status(failed).await.unwrap();
    assert_eq!(health(&world, "carrier").await.status, HealthStatus::Ok);
    let third = send("and now?").await;
    world.engine.take_status(report(&third, Delivery::Failed, Some(SendFailure::Filtered))).await.unwrap();
    let carrier = health(&world, "carrier").await;
    assert!(carrier.status == HealthStatus::Degraded && carrier.detail.contains("spam"), "{carrier:?}");
}

/// Hours without webhooks: more texts than a page of the carrier's list holds, one with a picture
/// that cannot be listed.
#[tokio::test(flavor = "multi_thread")]
async fn missed_texts_become_one_note_in_their_order() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(fails(Remote::Twilio, 503).method(&Method::GET));
    let bodies: Vec<String> = (0..130).map(|n| format!("text number {n}.")).collect();
    for body in &bodies {
        world.sandbox.inbound(DANA, body).unwrap();
        world.sandbox.clock().advance(1000); // The list tells time by the second.
    }
    let picture = InboundMedia { content_type: "image/png".into(), bytes: b"png".as_slice().into() };
    world.sandbox.twilio().inbound(DANA, &world.sandbox.numbers()[0], "the last.", vec![picture]).unwrap();
    world.advance(SignedDuration::from_hours(3));
    world.sandbox.faults().clear();
    world.sandbox.faults().add(fails(Remote::Twilio, 500).path("/Media"));
    let note = world.noted(1).await.remove(0);
    let at = |body: &str| note.value.find(body).unwrap_or_else(|| panic!("{body} is missing"));
    assert!(bodies.iter().map(|body| at(body)).is_sorted() && at("the last.") > at(&bodies[129]));
    // Its picture is asked for again, until the carrier tells of it.
    world.sandbox.faults().clear();
    world.advance(SignedDuration::from_hours(1));
    world.idle().await;
    assert_eq!((world.notes().len(), note.opportunity), (1, dana.opportunity));
}

/// A tick-box is missing: what works besides does not make health forget it.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_shows_whatever_else_works() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(fails(Remote::Lever, 403).path("/interviews"));
    world.hook(HookEvent::InterviewCreated, &dana).await;
    world.idle().await;
    world.fetch(&dana).await;
    assert_eq!(health(&world, "lever").await.status, HealthStatus::Degraded);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carrier_is_well_again_once_its_list_reads() {
    let world = World::standing(small(), |_| {}).await;
    world.sandbox.faults().add(fails(Remote::Twilio, 503).method(&Method::GET));
    eventually("the trouble shows", async || {
        health(&world, "carrier").await.status == HealthStatus::Degraded
    })
    .await;
    world.sandbox.faults().clear();
    eventually("it is over", async || health(&world, "carrier").await.status == HealthStatus::Ok).await;
}

/// A row that cannot be read keeps its own session open, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_filed_holds_up_no_other() {
    let world = World::standing(small(), |_| {}).await;
    for (name, phone) in [("Dana Reyes", DANA), ("Lee Park", LEE)] {
        world.apply(name, phone).await;
        world.receive(phone, "hello").await;
    }
    let (settings, clock) = (world.settings.clone(), world.clock.clone());
    let sandbox = fulcrum_sandbox::Sandbox::start(small()).await.unwrap();
    let (path, _folder) = world.end().await;
    break_first_message(&path).await;
    let engine = engine(&sandbox, store::Options::file(&path), settings, clock.clone()).await.unwrap();
    clock.set(clock.now() + SignedDuration::from_hours(2));
    let deadlines = async || engine.status().await.unwrap().stored.deadlines;
    eventually("the other session is filed", async || deadlines().await == 1).await;
    engine.stop(Duration::from_secs(5)).await;
}

/// A text that cannot be read stays where it is, for a person to see, and the others leave; whether it
/// was found before a stop or after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_cannot_be_read_holds_up_no_other() {
    for under_way in [false, true] {
        let world = World::standing(small(), |_| {}).await;
        // None has left, and none may have: what may have is not sent again.
        world.sandbox.faults().add(fails(Remote::Twilio, 429).method(&Method::POST));
        for (name, phone) in [("Dana Reyes", DANA), ("Lee Park", LEE)] {
            world.apply(name, phone).await;
            world.text(Recipient::Number(number(phone)), "hello").await.unwrap();
        }
        let (settings, clock) = (world.settings.clone(), world.clock.clone());
        let (path, _folder) = world.end().await;
        break_first_message(&path).await;
        if under_way {
            let store = Store::open(store::Options::file(&path), Box::new(|_| {})).unwrap();
            let taken = store.change(|tx| {
                let (due, _) = changes::due(tx, fulcrum_domain::Remote::Carrier, jiff::Timestamp::MAX, 9)?;
                due.into_iter().try_for_each(|effect| changes::take(tx, effect).map(drop))
            });
            taken.await.unwrap();
            store.close().await;
        }
        let sandbox = fulcrum_sandbox::Sandbox::start(small()).await.unwrap();
        let engine = engine(&sandbox, store::Options::file(&path), settings, clock.clone()).await.unwrap();
        clock.set(clock.now() + SignedDuration::from_hours(2));
        eventually("the other text has left, and this one is told", async || {
            let texts = sandbox.ledger().entries().into_iter().filter(|e| e.kind == "message_created");
            texts.count() == 1 && engine.failed_effects(Sight::All).await.unwrap().len() == 1
        })
        .await;
        engine.stop(Duration::from_secs(5)).await;
    }
}

/// Whether the daemon has a bookmark of this name.
fn was_done(world: &World, what: &str) -> bool {
    let beside = store::ReadOnly::open(&world.folder().join("fulcrum.redb")).unwrap();
    beside.read(|read| read.has(BOOKMARKS, &what.to_owned())).unwrap()
}

/// With Lever, what has nothing to do with it stood for as long.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_forgotten_while_lever_is_down() {
    let days = |n: i64| SignedDuration::from_hours(24 * n);
    let world = World::standing(small(), |s| s.retention.nobody = Some(days(1000))).await;
    world.receive(DANA, "hello").await;
    let conversation = Some(world.conversation(DANA).await.unwrap().conversation.id);
    let is_told = async || {
        let query = ActivityQuery {
            kinds: Vec::new(),
            who: None,
            conversation,
            opportunity: None,
            before: None,
            limit: 9,
            sight: Sight::All,
            names: false,
        };
        !world.engine.activity(query).await.unwrap().rows.is_empty()
    };
    assert!(is_told().await);
    eventually("a first look was made", async || was_done(&world, "retention")).await;
    world.sandbox.faults().add(fails(Remote::Lever, 503));
    world.advance(days(91));
    eventually("it is forgotten", async || !is_told().await).await;
    eventually("health says what waits for Lever", async || {
        let store = health(&world, "store").await;
        store.status == HealthStatus::Degraded && store.detail.contains("[retention]")
    })
    .await;
}

async fn break_first_message(path: &std::path::Path) {
    break_first(path, "messages-1").await;
}

/// The clock was set back between the wheel and the change: the wheel gave the deadline away, so it
/// is told anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_fired_too_early_is_told_anew() {
    let world = World::standing(small(), |_| {}).await;
    world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "hello").await;
    let conversation = world.conversation(DANA).await.unwrap().conversation;
    let (rules, now) = (world.settings.rules.clone(), world.clock.now());
    let (path, _folder) = world.end().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let on_commit = move |signals: &[Signal]| telling.lock().unwrap().extend_from_slice(signals);
    let store = Store::open(store::Options::file(&path), Box::new(on_commit)).unwrap();
    let id = conversation.id;
    store
        .change(move |tx| changes::fire(tx, DeadlineKey::Transcript(id), &rules, &mut Moment::new(now, 1)))
        .await
        .unwrap();
    store.close().await;
    let expected = Signal::Deadline(DeadlineKey::Transcript(id), conversation.deadline);
    assert!(conversation.deadline.is_some() && told.lock().unwrap().contains(&expected));
}

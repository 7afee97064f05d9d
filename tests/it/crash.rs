//! The real program, killed at random moments while texts, webhooks and filings flow and the
//! remotes cut connections after the effect; at the end the sandbox's ledger is the judge.
//!
//! A run lasts [`SECONDS`], or as many as `FULCRUM_CRASH_SECONDS` says, and follows from its seed,
//! which a failure tells and `FULCRUM_CRASH_SEED` sets; the operating system's part in the timing
//! does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fulcrum::engine::changes::{Arrival, Recipient};
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{Engine, Found, OnUnknown};
use fulcrum::store::Options;
use fulcrum_domain::{Delivery, Direction, Lane, Message, Sight};
use fulcrum_sandbox::{
    Event, Fault, Permission, Permissions, Remote, Rule, Sandbox, WebhookRetries, twilio::KeywordHandling,
};
use http::Method;
use jiff::SignedDuration;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::daemon::Daemon;
use crate::disk::{Death, Disk};
use crate::sync::same;
use crate::world::{engine, eventually, number, request, settings, small};

const SECONDS: u64 = 10;
const PEOPLE: usize = 8;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// What was done to the daemon.
#[derive(Default)]
struct Done {
    /// Words of texts that the API took.
    taken: Mutex<BTreeSet<String>>,
    /// Words of texts that candidates wrote.
    written: Mutex<BTreeSet<String>>,
    kills: Mutex<u32>,
}

fn phone(person: usize) -> String {
    format!("+1202555{:04}", 1000 + person)
}

async fn sandbox(seed: u64, may_list_notes: bool) -> Sandbox {
    let mut options = small();
    options.seed = seed;
    options.lever.latency_ms = 0..15;
    options.twilio_latency_ms = 0..15;
    options.twilio.keywords = KeywordHandling::Off;
    options.lever.webhook_retries = WebhookRetries {
        retries: 7,
        first_wait: Duration::from_millis(100),
        timeout: Duration::from_secs(2),
    };
    if may_list_notes {
        options.lever.permissions = Permissions::default().with(Permission::FindAllNotes);
    }
    let rule = |remote, fault| Rule::new(remote, fault);
    options.faults = vec![
        rule(Remote::Lever, Fault::CutAfter).method(&Method::POST).path("/notes").probability(0.2),
        rule(Remote::Lever, Fault::CutBefore).method(&Method::POST).path("/notes").probability(0.1),
        rule(Remote::Twilio, Fault::CutAfter).method(&Method::POST).path("/Messages").probability(0.15),
        rule(Remote::Twilio, Fault::CutBefore).method(&Method::POST).path("/Messages").probability(0.05),
        rule(Remote::Lever, Fault::HalfBody).method(&Method::GET).probability(0.03),
        rule(Remote::Twilio, Fault::CutAfter).method(&Method::GET).probability(0.1),
        rule(Remote::LeverWebhook, Fault::Duplicate).probability(0.2),
        rule(Remote::LeverWebhook, Fault::Reorder).probability(0.2),
        rule(Remote::TwilioWebhook, Fault::Duplicate).probability(0.2),
        rule(Remote::TwilioWebhook, Fault::Drop).probability(0.1),
    ];
    Sandbox::start(options).await.unwrap()
}

/// Texts both ways and webhooks, until the end.
async fn traffic(seed: u64, end: Instant, sandbox: &Sandbox, daemon: &Mutex<Daemon>, done: &Done) {
    let mut chance = SmallRng::seed_from_u64(seed);
    let client = daemon.lock().unwrap().client();
    for n in 0.. {
        if Instant::now() > end {
            return;
        }
        let person = phone(chance.random_range(0..PEOPLE));
        match chance.random_range(0..10) {
            0..4 => {
                let words = format!("out{n:05}x");
                // As a script would: again, with the same key, until it is taken.
                while client.text(&person, &words, &words).await != Some(202) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                done.taken.lock().unwrap().insert(words);
            }
            4..8 => {
                let words = format!("in{n:05}x");
                sandbox.inbound(&person, &words).unwrap();
                done.written.lock().unwrap().insert(words);
            }
            8 => drop(sandbox.happen(&Event::Stage { opportunity: None, to: None })),
            _ => drop(sandbox.happen(&Event::Archive { opportunity: None, reason: None })),
        }
        tokio::time::sleep(Duration::from_millis(chance.random_range(5..60))).await;
    }
}

/// Kills the daemon again and again, at once after a start or seconds later.
async fn killer(seed: u64, end: Instant, daemon: &Mutex<Daemon>, done: &Done) {
    let mut chance = SmallRng::seed_from_u64(!seed);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(chance.random_range(150..1800))).await;
        let mut daemon = daemon.lock().unwrap();
        daemon.kill();
        daemon.start();
        *done.kills.lock().unwrap() += 1;
    }
}

async fn torture(may_list_notes: bool, policy: OnUnknown) {
    let seed = from_env("FULCRUM_CRASH_SEED", rand::random::<u64>() >> 32);
    let seconds = from_env("FULCRUM_CRASH_SECONDS", SECONDS);
    println!("FULCRUM_CRASH_SEED={seed} FULCRUM_CRASH_SECONDS={seconds}");
    let sandbox = sandbox(seed, may_list_notes).await;
    let daemon = Mutex::new(Daemon::new(&sandbox, |settings| {
        settings["carrier"]["twilio"]["inbound_poll"] = "1s".into();
        settings["lever"]["poll_interval"] = "1h".into();
        settings["lever"]["request_timeout"] = "2s".into();
        settings["transcript"]["delay"] = "700ms".into();
        settings["transcript"]["on_unknown"] = match policy {
            OnUnknown::Repost => "repost".into(),
            OnUnknown::Hold => "hold".into(),
        };
    }));
    let client = daemon.lock().unwrap().client();
    daemon.lock().unwrap().start();
    client.ready().await;
    for person in 0..PEOPLE {
        let (name, phone) = (Some(format!("Person {person}")), Some(phone(person)));
        let who =
            sandbox.happen(&Event::Apply { name, phone, email: None, contact: None, posting: None }).unwrap();
        let path = format!("opportunities/{}", who.opportunity);
        eventually("somebody new is known", async || client.get(&path).await.is_some()).await;
    }
    let done = Done::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    tokio::join!(traffic(seed, end, &sandbox, &daemon, &done), killer(seed, end, &daemon, &done));

    // The remotes are well again; the webhooks that are left come in.
    sandbox.faults().clear();
    client.ready().await;
    eventually("no webhook waits", async || sandbox.stats().webhooks_waiting == 0).await;
    daemon.lock().unwrap().kill();
    let store = daemon.lock().unwrap().store();

    // The rest on a clock that jumps over all pauses.
    let clock = Clock::manual(Clock::System.now());
    let mut settings = settings(&sandbox);
    settings.poll_interval = Duration::from_secs(3600);
    settings.rules.times.delay = SignedDuration::from_secs(1);
    settings.on_unknown = policy;
    let engine = engine(&sandbox, Options::file(store), settings, clock.clone()).await.unwrap();
    settle(&sandbox, &engine, &clock).await;

    let kills = *done.kills.lock().unwrap();
    let messages = all_messages(&engine).await;
    check_texts(&sandbox, &done, &messages, kills);
    check_notes(&sandbox, &done, &messages, may_list_notes, policy);
    check_hooks(&sandbox, &engine).await;
    let failed = engine.failed_effects(Sight::All).await.unwrap();
    assert!(failed.is_empty() || policy == OnUnknown::Hold, "{failed:?}");
    let failed = failed.len();
    println!("{kills} kills, {} messages, {} notes, {failed} held", messages.len(), notes(&sandbox).len());
    engine.stop(Duration::from_secs(5)).await;
}

/// Lets the daemon's clock run until nothing is left to be done and every text has come in.
async fn settle(sandbox: &Sandbox, engine: &Engine, clock: &Clock) {
    eventually("everything is settled", async || {
        clock.set(clock.now() + SignedDuration::from_secs(20));
        let status = engine.status().await.unwrap().stored;
        let all = all_messages(engine).await;
        let received = all.iter().filter(|message| message.direction == Direction::In).count();
        status.outbox.keys().all(|(_, state)| *state == "failed")
            && status.inbox == 0
            && status.deadlines == 0
            && sandbox.ledger().entries().iter().filter(|e| e.kind == "message_received").count() == received
    })
    .await;
}

async fn all_messages(engine: &Engine) -> Vec<Message> {
    let mut all = Vec::new();
    for view in engine.conversations(None, 200, Sight::All).await.unwrap().rows {
        let mut after = None;
        loop {
            let page = engine.messages(view.conversation.id, after, 200, Sight::All).await.unwrap();
            all.extend(page.rows.into_iter().map(|view| view.message));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

/// Every text that was acknowledged is there once, no text left twice, and what is said of each
/// is true.
fn check_texts(sandbox: &Sandbox, done: &Done, messages: &[Message], kills: u32) {
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for entry in sandbox.ledger().entries().iter().filter(|e| e.kind == "message_created") {
        *sent.entry(entry.detail["body"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let holding = |words: &str| messages.iter().filter(|m| m.body.reveal().contains(words)).count();
    for words in done.written.lock().unwrap().iter().chain(done.taken.lock().unwrap().iter()) {
        assert_eq!(holding(words), 1, "{words}");
    }
    let mut unconfirmed = 0;
    for message in messages.iter().filter(|message| message.direction == Direction::Out) {
        let left = sent.contains_key(message.body.reveal());
        match message.delivery {
            Delivery::Unconfirmed => {
                assert!(!left, "it left and is told as unconfirmed: {message:?}");
                unconfirmed += 1;
            }
            _ => assert!(left, "it is told as {:?} and never left", message.delivery),
        }
    }
    // Cut off before it was taken, or killed in the midst of it: few.
    println!("{} texts left, {unconfirmed} did not, {kills} kills", sent.len());
    assert!(sent.len() > 5 * unconfirmed, "{unconfirmed} of {} texts never left", sent.len());
}

fn notes(sandbox: &Sandbox) -> Vec<String> {
    let made = sandbox.ledger().entries().into_iter().filter(|e| e.kind == "note_created");
    made.map(|entry| entry.detail["body"]["value"].as_str().unwrap().to_owned()).collect()
}

/// Every message stands in exactly one note where that can be known; else as the policy says.
fn check_notes(sandbox: &Sandbox, done: &Done, messages: &[Message], may_list: bool, policy: OnUnknown) {
    let notes = notes(sandbox);
    let mut whole: Vec<&String> = notes.iter().collect();
    if !may_list && policy == OnUnknown::Repost {
        whole.sort_unstable();
        whole.dedup(); // A repeat is the same to the letter, its reference included.
    }
    let written = done.written.lock().unwrap();
    let taken = done.taken.lock().unwrap();
    for words in written.iter().chain(taken.iter()) {
        let copies = whole.iter().filter(|note| note.contains(words.as_str())).count();
        let right = if !may_list && policy == OnUnknown::Hold { copies <= 1 } else { copies == 1 };
        let message = messages.iter().find(|m| m.body.reveal().contains(words.as_str()));
        assert!(right, "{words} stands in {copies} notes: {message:?}");
    }
}

/// What an acknowledged webhook announced is known, though nothing was looked for.
async fn check_hooks(sandbox: &Sandbox, engine: &Engine) {
    let mut given_up = BTreeSet::new();
    let mut announced = BTreeSet::new();
    for entry in sandbox.ledger().entries() {
        let Some(id) = entry.detail["body"]["data"]["opportunityId"].as_str().map(str::to_owned) else {
            continue;
        };
        match entry.kind {
            "webhook_given_up" => drop(given_up.insert(id)),
            "webhook_sent" if entry.detail["status"] == 200 => drop(announced.insert(id)),
            _ => {}
        }
    }
    let mut checked = 0;
    for truth in sandbox.truth().filter(|t| announced.contains(&t.id) && !given_up.contains(&t.id)) {
        match engine.opportunity(&truth.id.parse().unwrap(), Sight::All).await.unwrap() {
            Found::Known(view) => assert!(same(&truth, &view), "an acknowledged webhook was lost: {truth:?}"),
            found => assert!(truth.confidential, "{found:?}"),
        }
        checked += 1;
    }
    assert!(checked > PEOPLE, "{checked}");
}

/// A kill loses nothing that was written, a power cut what was not synced: the engine on a disk
/// that dies at a random operation, and goes on with what is left.
#[tokio::test(flavor = "multi_thread")]
async fn the_power_fails_at_random_and_nothing_is_lost_or_done_twice() {
    const CUTS: u32 = 8;
    let seed = from_env("FULCRUM_CRASH_SEED", rand::random::<u64>() >> 32);
    println!("FULCRUM_CRASH_SEED={seed}");
    let mut chance = SmallRng::seed_from_u64(seed);
    let sandbox = sandbox(seed, true).await;
    let mut settings = settings(&sandbox);
    settings.inbound_poll = Duration::from_millis(200);
    settings.rules.times.delay = SignedDuration::from_millis(400);
    let done = Done::default();
    let mut disk = Disk::default();
    let mut people = 0;
    let mut n = 0;
    for _ in 0..CUTS {
        disk.die(Death::AtOperation(chance.random_range(300..6000)));
        let file = Options::backend(disk.clone());
        if let Ok(engine) = engine(&sandbox, file, settings.clone(), Clock::System).await {
            while people < PEOPLE {
                let (name, phone) = (Some(format!("Person {people}")), Some(phone(people)));
                let apply = Event::Apply { name, phone, email: None, contact: None, posting: None };
                let id = sandbox.happen(&apply).unwrap().opportunity.parse().unwrap();
                if engine.fetch_opportunity(&id, Lane::Interactive, Arrival::Webhook).await.is_err() {
                    break;
                }
                people += 1;
            }
            while !disk.is_dead() && people > 0 {
                n += 1;
                let person = phone(chance.random_range(0..people));
                if chance.random_bool(0.5) {
                    let words = format!("in{n:05}x");
                    sandbox.inbound(&person, &words).unwrap();
                    done.written.lock().unwrap().insert(words);
                } else {
                    let words = format!("out{n:05}x");
                    let text = request(Recipient::Number(number(&person)), &words);
                    if engine.send_text(text).await.is_ok() {
                        done.taken.lock().unwrap().insert(words);
                    }
                }
                tokio::time::sleep(Duration::from_millis(chance.random_range(1..30))).await;
            }
            eventually("the failure is noticed", async || engine.broken().is_cancelled()).await;
            engine.stop(Duration::ZERO).await;
        }
        *done.kills.lock().unwrap() += 1;
        let left = disk.after_power_cut(chance.random());
        // Cut off while it was made, it would be made anew; see `store_faults`.
        disk = if disk.platter().starts_with(b"redb") { Disk::holding(left) } else { Disk::default() };
    }
    sandbox.faults().clear();
    let clock = Clock::manual(Clock::System.now());
    let file = Options::backend(disk);
    let engine = engine(&sandbox, file, settings, clock.clone()).await.unwrap();
    settle(&sandbox, &engine, &clock).await;
    let messages = all_messages(&engine).await;
    check_texts(&sandbox, &done, &messages, CUTS);
    check_notes(&sandbox, &done, &messages, true, OnUnknown::Repost);
    engine.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_nothing_is_lost_and_nothing_is_done_twice() {
    torture(true, OnUnknown::Repost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_with_the_usual_permissions_a_note_is_reposted_at_worst() {
    torture(false, OnUnknown::Repost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_with_the_policy_to_hold_no_note_is_ever_doubled() {
    torture(false, OnUnknown::Hold).await;
}

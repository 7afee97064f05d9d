//! The real program, killed at random moments while texts, webhooks and filings flow and the
//! remotes cut connections after the effect; at the end the sandbox's ledger is the judge.
//!
//! A run lasts [`SECONDS`], or as many as `FULCRUM_CRASH_SECONDS` says, and follows from its seed,
//! which a failure tells and `FULCRUM_CRASH_SEED` sets; the operating system's part in the timing
//! does not.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use fulcrum::engine::OnUnknown;
use fulcrum::engine::changes::{Arrival, Recipient};
use fulcrum::engine::clock::Clock;
use fulcrum::store;
use fulcrum_domain::Lane;
use fulcrum_sandbox::{Event, Fault, Options, Remote, Rule, Sandbox};
use http::Method;
use jiff::SignedDuration;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::daemon::Daemon;
use crate::disk::{Death, Disk};
use crate::judge::{Done, Filing, Verdict, judge, judge_file};
use crate::load;
use crate::world::{engine, eventually, number, request, settings};

const SECONDS: u64 = 10;
fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

async fn sandbox(seed: u64, may_list_notes: bool) -> Sandbox {
    Sandbox::start(Options { faults: faults(), ..load::remotes(seed, may_list_notes) }).await.unwrap()
}

/// Remotes and a network that do now and then what they do seldom.
pub(crate) fn faults() -> Vec<Rule> {
    let rule = |remote, fault| Rule::new(remote, fault);
    vec![
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
    ]
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
    let daemon = Mutex::new(Daemon::new(&sandbox, |settings| load::quick(settings, policy)));
    let client = daemon.lock().unwrap().client();
    daemon.lock().unwrap().start();
    client.ready().await;
    load::people(&sandbox, &client).await;
    let done = Done::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    tokio::join!(load::traffic(seed, end, &sandbox, &client, &done), killer(seed, end, &daemon, &done));

    // The remotes are well again; the webhooks that are left come in.
    sandbox.faults().clear();
    client.ready().await;
    eventually("no webhook waits", async || sandbox.stats().webhooks_waiting == 0).await;
    daemon.lock().unwrap().kill();
    let store = daemon.lock().unwrap().store();
    let filing = Filing { may_list_notes, policy };
    let verdict = judge_file(&sandbox, store, &done, filing, Clock::System.now()).await;
    let kills = *done.kills.lock().unwrap();
    println!("{kills} kills, {} messages, {} notes, {} held", done.texts(), verdict.notes, verdict.held);
    assert!(verdict.hooks > load::PEOPLE + 1, "{verdict:?}");
    check(&verdict);
}

fn check(verdict: &Verdict) {
    assert!(verdict.is_clean(), "{verdict:#?}");
    // Cut off before it was taken, or killed in the midst of it: few.
    println!("{} texts left, {} did not", verdict.left, verdict.unconfirmed);
    assert!(verdict.left > 5 * verdict.unconfirmed, "too many never left: {verdict:?}");
}

/// A kill loses nothing that was written, a power cut what was not synced: the engine on a disk
/// that dies at a random operation, and goes on with what is left.
pub(crate) async fn power_cuts(cuts: u32, seed: u64) -> Verdict {
    let mut chance = SmallRng::seed_from_u64(seed);
    let sandbox = sandbox(seed, true).await;
    let mut settings = settings(&sandbox);
    settings.inbound_poll = Duration::from_millis(200);
    settings.rules.times.delay = SignedDuration::from_millis(400);
    let done = Done::default();
    let mut disk = Disk::default();
    let mut people = 0;
    let mut n = 0;
    for _ in 0..cuts {
        disk.die(Death::AtOperation(chance.random_range(300..6000)));
        let file = store::Options::backend(disk.clone());
        if let Ok(engine) = engine(&sandbox, file, settings.clone(), Clock::System).await {
            while people < load::PEOPLE {
                let (name, phone) = (Some(format!("Person {people}")), Some(load::phone(people)));
                let apply = Event::Apply { name, phone, email: None, contact: None, posting: None };
                let id = sandbox.happen(&apply).unwrap().opportunity.parse().unwrap();
                if engine.fetch_opportunity(&id, Lane::Interactive, Arrival::Webhook).await.is_err() {
                    break;
                }
                people += 1;
            }
            while !disk.is_dead() && people > 0 {
                n += 1;
                let person = load::phone(chance.random_range(0..people));
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
    let file = store::Options::backend(disk);
    let engine = engine(&sandbox, file, settings, clock.clone()).await.unwrap();
    let filing = Filing { may_list_notes: true, policy: OnUnknown::Repost };
    let verdict = judge(&sandbox, &engine, &clock, &done, filing).await;
    engine.stop(Duration::from_secs(5)).await;
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn the_power_fails_at_random_and_nothing_is_lost_or_done_twice() {
    let seed = from_env("FULCRUM_CRASH_SEED", rand::random::<u64>() >> 32);
    println!("FULCRUM_CRASH_SEED={seed}");
    check(&power_cuts(8, seed).await);
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

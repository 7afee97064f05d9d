//! What happens in Lever ends in the right projection: by webhooks alone, whatever their order and
//! however often each comes.

use fulcrum::engine::{Found, HookOutcome, HookRefusal, LeverHook, OpportunityView};
use fulcrum_domain::{HookEvent, Sight};
use fulcrum_sandbox::{Event, Fault, Happened, Remote, Rule, Truth};
use http::Method;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

use crate::judge::same;
use crate::world::{World, eventually, id, small};

const PEOPLE: usize = 10;
const EVENTS: usize = 120;

fn interviews_are_the_same(truth: &Truth, view: &OpportunityView) -> bool {
    let mut stored: Vec<_> = view
        .interviews
        .iter()
        .map(|i| (i.id.to_string(), i.starts_at.as_millisecond(), i.cancelled_at.is_some()))
        .collect();
    let mut real: Vec<_> =
        truth.interviews.iter().map(|i| (i.id.clone(), i.date, i.canceled_at.is_some())).collect();
    stored.sort();
    real.sort();
    stored == real
}

async fn is_right(world: &World, who: &Happened) -> bool {
    match (
        world.sandbox.truth_of(&who.opportunity),
        world.engine.opportunity(&id(who), Sight::All).await.unwrap(),
    ) {
        (Some(truth), Found::Known(view)) => same(&truth, &view) && interviews_are_the_same(&truth, &view),
        (None, Found::Deleted) => true,
        _ => false,
    }
}

/// Something random happens to somebody; which webhooks say so.
fn happen(world: &World, who: &Happened, chance: &mut SmallRng) -> Option<HookEvent> {
    let opportunity = Some(who.opportunity.clone());
    let (event, hook) = match chance.random_range(0..12) {
        0..4 => (Event::Stage { opportunity, to: None, by: None }, HookEvent::CandidateStageChange),
        4 => (Event::Archive { opportunity, reason: None }, HookEvent::CandidateArchiveChange),
        5 => (Event::Unarchive { opportunity: who.opportunity.clone() }, HookEvent::CandidateArchiveChange),
        6 => (Event::Hire { opportunity }, HookEvent::CandidateHired),
        7..9 => {
            let (date, duration, subject, external) = (None, None, None, false);
            let event = Event::InterviewCreated { opportunity, date, duration, subject, external };
            (event, HookEvent::InterviewCreated)
        }
        9 => {
            let event =
                Event::InterviewMoved { opportunity: who.opportunity.clone(), interview: None, date: None };
            (event, HookEvent::InterviewUpdated)
        }
        10 => {
            let event = Event::InterviewDeleted { opportunity: who.opportunity.clone(), interview: None };
            (event, HookEvent::InterviewDeleted)
        }
        _ if chance.random_bool(0.3) => (Event::Delete { opportunity }, HookEvent::CandidateDeleted),
        _ => return None,
    };
    // Nobody to whom it could happen: no interview, or deleted before.
    world.sandbox.happen(&event).ok().map(|_| hook)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_ends_in_the_right_projection_in_any_order() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut chance = SmallRng::seed_from_u64(seed);
    let mut options = small();
    options.lever.latency_ms = 0..20;
    options.faults = vec![Rule::new(Remote::Lever, Fault::HalfBody).method(&Method::GET).probability(0.05)];
    let world = World::start_with(options, |s| s.poll_interval = Duration::from_secs(3600)).await;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(world.apply(&format!("Person {n}"), &format!("+1202557{n:04}")).await);
    }
    let mut held_back: Vec<(HookEvent, usize)> = Vec::new();
    for _ in 0..EVENTS {
        let n = chance.random_range(0..PEOPLE);
        held_back.extend(happen(&world, &people[n], &mut chance).map(|hook| (hook, n)));
        if chance.random_bool(0.3) {
            held_back.shuffle(&mut chance);
            for (hook, n) in held_back.split_off(held_back.len() / 2) {
                for _ in 0..chance.random_range(1..3) {
                    world.hook(hook, &people[n]).await;
                }
            }
        }
    }
    held_back.shuffle(&mut chance);
    for (hook, n) in held_back {
        world.hook(hook, &people[n]).await;
    }
    for who in &people {
        eventually("what is stored is what Lever has", async || is_right(&world, who).await).await;
    }
    world.idle().await;
}

/// The Setup page tells of them, and a daemon that was just updated must not look as if Lever had
/// never sent anything.
#[tokio::test]
async fn how_the_webhooks_do_is_known_after_a_restart() {
    let world = World::start(small()).await;
    let now = world.engine.now();
    let hook = |event, token: &str, is_ping| LeverHook {
        event,
        token: token.to_owned(),
        triggered_at: now,
        opportunity: None,
        is_ping,
    };
    let (hired, deleted) = (HookEvent::CandidateHired, HookEvent::CandidateDeleted);
    assert_eq!(world.engine.take_hook(hook(hired, "1", false)).await.unwrap(), HookOutcome::Stored);
    assert_eq!(world.engine.take_hook(hook(deleted, "2", true)).await.unwrap(), HookOutcome::Verified);
    let old = LeverHook { triggered_at: jiff::Timestamp::UNIX_EPOCH, ..hook(hired, "3", false) };
    assert_eq!(world.engine.take_hook(old).await.unwrap(), HookOutcome::Stale);
    let why = HookRefusal::TokenOf(hired);
    world.engine.note_refused_hook(deleted.as_key(), HookOutcome::BadSignature, Some(why)).await;

    let before = world.engine.hook_records();
    let world = world.restart(Duration::from_secs(5)).await;
    let after = world.engine.hook_records();
    for event in [hired, deleted] {
        let (before, after) = (before[event.as_key()], after[event.as_key()]);
        assert!(after.verified.is_some() && after.fails());
        let in_ms = |at: jiff::Timestamp| at.as_millisecond();
        assert_eq!(after.verified.map(in_ms), before.verified.map(in_ms));
        assert_eq!(after.refused.map(|refused| refused.why), before.refused.map(|refused| refused.why));
    }
    assert_eq!(after[hired.as_key()].refused.map(|refused| refused.why), Some(HookRefusal::TooOld));
    assert_eq!(after[HookEvent::InterviewCreated.as_key()].verified, None);
}

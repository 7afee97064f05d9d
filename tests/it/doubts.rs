//! What Lever does not show, or says too early or too late: nothing stands still for it, nothing is
//! forgotten for a wrong reason, and a deletion is not lost.

use std::time::Duration;

use fulcrum::engine::changes::{Arrival, Put};
use fulcrum::engine::{BackfillScope, Confidential, Found, HealthStatus};
use fulcrum_domain::{EffectKind, EffectState, HookEvent, Lane, Sight};
use fulcrum_sandbox::{Event, Fault, Happened, Permission, Permissions, Remote, Rule};
use jiff::SignedDuration;
use serde_json::json;

use crate::sync::differences;
use crate::world::{World, eventually, id, small};

const DANA: &str = "+12025550142";

fn refusing(code: u16) -> Fault {
    Fault::Status { code, body: None }
}

fn interview(of: &Happened) -> Event {
    Event::InterviewCreated {
        opportunity: Some(of.opportunity.clone()),
        date: None,
        duration: None,
        subject: None,
        external: false,
    }
}

async fn found(world: &World, who: &Happened) -> Found {
    world.engine.opportunity(&id(who), Sight::All).await.unwrap()
}

async fn has_interview(world: &World, who: &Happened) -> bool {
    matches!(found(world, who).await, Found::Known(view) if view.interviews.len() == 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interview_that_no_webhook_told_of_is_found_by_looking() {
    let world = World::start(small()).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.backfilled().await;
    world.sandbox.happen(&interview(&dana)).unwrap();
    eventually("the interview is known", async || has_interview(&world, &dana).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_tick_box_for_reference_data_is_told_and_stops_nothing() {
    let mut options = small();
    options.lever.permissions = Permissions::default().without(Permission::FindAllReasons);
    let world = World::start(options).await;
    world.backfilled().await;
    assert_eq!(differences(&world).await, Vec::<String>::new());
    let health = &world.engine.status().await.unwrap().health.components["lever"];
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(health.detail.contains("Find all archive reasons"), "{}", health.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn interviews_wait_for_a_missing_tick_box_and_are_read_once_it_is_there() {
    let mut options = small();
    options.faults = vec![Rule::new(Remote::Lever, refusing(403)).path("/interviews")];
    let world = World::standing(options, |s| s.interviews = BackfillScope::All).await;
    world.backfilled().await;
    let asked = |world: &World| {
        let routes = world.sandbox.stats().lever.by_status;
        routes.get(&403).copied().unwrap_or(0)
    };
    // Six at a time, and one look at deletions.
    assert!(asked(&world) <= 7, "{}", asked(&world));
    world.sandbox.faults().clear();
    let looked = async || {
        // The first time, a day begins.
        world.advance(SignedDuration::from_hours(25));
        let truth: Vec<_> = world.sandbox.truth().filter(|t| !t.confidential).collect();
        let mut known = 0;
        for one in &truth {
            let Found::Known(view) =
                world.engine.opportunity(&one.id.parse().unwrap(), Sight::All).await.unwrap()
            else {
                panic!("{} is unknown", one.id);
            };
            known += usize::from(view.opportunity.interviews_as_of.is_some());
        }
        known == truth.len()
    };
    eventually("all interviews are read", looked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interviews_that_cannot_be_read_hold_up_no_others() {
    let mut options = small();
    options.faults = vec![Rule::new(Remote::Lever, refusing(400)).path("/interviews").times(1)];
    let world = World::start_with(options, |s| s.interviews = BackfillScope::All).await;
    world.backfilled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_scope_begins_the_sync_anew() {
    let mut world = World::start_with(small(), |s| s.interviews = BackfillScope::None).await;
    world.backfilled().await;
    let archived = world.sandbox.truth().find(|t| t.archived_at.is_some() && !t.confidential).unwrap();
    world.settings.interviews = BackfillScope::All;
    let world = world.restart(Duration::from_secs(5)).await;
    eventually("interviews of archived opportunities are read", async || {
        let found = world.engine.opportunity(&archived.id.parse().unwrap(), Sight::All).await.unwrap();
        matches!(found, Found::Known(view) if view.opportunity.interviews_as_of.is_some())
    })
    .await;
}

/// Without the grant the setting changes nothing, also not at each start; with it, the sync of what
/// was left out begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_for_confidential_records_that_is_given_later_is_found() {
    let mut options = small();
    options.lever.opportunities = 400;
    let world = World::start_with(options, |s| s.confidential = Confidential::Read).await;
    world.backfilled().await;
    let hidden: Vec<_> = world.sandbox.truth().filter(|truth| truth.confidential).collect();
    let shown = async |world: &World| {
        let mut shown = 0;
        for truth in &hidden {
            let found = world.engine.opportunity(&truth.id.parse().unwrap(), Sight::All).await.unwrap();
            shown += usize::from(matches!(found, Found::Known(_)));
        }
        shown
    };
    assert!(!hidden.is_empty() && shown(&world).await == 0);
    let world = world.restart(Duration::from_secs(5)).await;
    let complete = async || world.engine.status().await.unwrap().stored.backfill.complete;
    for _ in 0..20 {
        assert!(complete().await, "nothing begins anew without the grant");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.sandbox.set_permissions(Permissions::default().with(Permission::Confidential));
    let world = world.restart(Duration::from_secs(5)).await;
    eventually("all are known", async || shown(&world).await == hidden.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_becomes_confidential_is_left_out() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::Confidential);
    let world = World::standing(options, |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let hide = Event::Confidential { opportunity: Some(dana.opportunity.clone()), on: true };
    world.sandbox.happen(&hide).unwrap();
    let put = world.engine.fetch_opportunity(&id(&dana), Lane::Interactive, Arrival::Webhook).await;
    assert_eq!(put.unwrap(), Put::LeftOut);
    assert!(matches!(found(&world, &dana).await, Found::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_no_longer_be_read_is_forgotten() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(Rule::new(Remote::Lever, refusing(403)).path(&dana.opportunity));
    world.hook(HookEvent::CandidateStageChange, &dana).await;
    eventually("Dana is forgotten", async || matches!(found(&world, &dana).await, Found::Unknown)).await;
}

/// An admin took the tick-box from the key: each candidate of whom a webhook told was forgotten as one whom Lever
/// shows no more, and health said nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_box_that_is_taken_from_the_key_forgets_nobody_and_is_told() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let ruth = world.apply("Ruth Okafor", "+12025550143").await;
    world.sandbox.set_permissions(Permissions::default().without(Permission::FindOpportunity));
    for who in [&dana, &ruth] {
        world.hook(HookEvent::CandidateStageChange, who).await;
        world.idle().await;
    }
    let health = async || world.engine.status().await.unwrap().health.components["lever"].clone();
    eventually("it is told", async || health().await.status == HealthStatus::Degraded).await;
    for who in [&dana, &ruth] {
        assert!(matches!(found(&world, who).await, Found::Known(_)));
    }
    world.sandbox.set_permissions(Permissions::default());
    world.fetch(&dana).await;
    assert_eq!(health().await.status, HealthStatus::Ok);
}

/// No webhook tells that a candidate turned confidential, so their next interview is refused like that
/// of a key without the tick-box.
#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_who_turned_confidential_costs_nobody_else_their_interviews() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let ruth = world.apply("Ruth Okafor", "+12025550143").await;
    let hide = Event::Confidential { opportunity: Some(dana.opportunity.clone()), on: true };
    world.sandbox.happen(&interview(&dana)).unwrap();
    world.sandbox.happen(&hide).unwrap();
    world.hook(HookEvent::InterviewCreated, &dana).await;
    eventually("Dana is left out", async || matches!(found(&world, &dana).await, Found::Unknown)).await;
    let health = &world.engine.status().await.unwrap().health.components["lever"];
    assert!(!health.detail.contains("interviews"), "{}", health.detail);
    world.sandbox.happen(&interview(&ruth)).unwrap();
    world.hook(HookEvent::InterviewCreated, &ruth).await;
    eventually("Ruth's interview is known", async || has_interview(&world, &ruth).await).await;
}

/// The same while the initial sync reads interviews, before it is known that the key may read one alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_initial_sync_reads_the_interviews_of_all_but_the_one_that_is_refused() {
    let mut world = World::start_with(small(), |s| s.interviews = BackfillScope::None).await;
    world.backfilled().await;
    // Whose turn comes first.
    let open = world.sandbox.truth().filter(|truth| !truth.confidential && truth.archived_at.is_none());
    let refused = open.map(|truth| truth.id).min().unwrap();
    world.sandbox.faults().add(Rule::new(Remote::Lever, refusing(403)).path(&refused));
    world.settings.interviews = BackfillScope::All;
    let world = world.restart(Duration::from_secs(5)).await;
    eventually("all other interviews are read", async || {
        let (mut read, mut all) = (0, 0);
        for truth in world.sandbox.truth().filter(|truth| !truth.confidential && truth.id != refused) {
            let found = world.engine.opportunity(&truth.id.parse().unwrap(), Sight::All).await.unwrap();
            let is_read = matches!(found, Found::Known(view) if view.opportunity.interviews_as_of.is_some());
            (read, all) = (read + usize::from(is_read), all + 1);
        }
        read == all
    })
    .await;
}

/// A firewall refuses with 403 as Lever does, but in its own words.
#[tokio::test(flavor = "multi_thread")]
async fn a_403_that_is_not_of_lever_forgets_nobody() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let firewall = Fault::Status { code: 403, body: Some(json!("blocked")) };
    world.sandbox.faults().add(Rule::new(Remote::Lever, firewall).path(&dana.opportunity));
    world.hook(HookEvent::CandidateStageChange, &dana).await;
    eventually("it was tried", async || {
        world.outbox().await.contains_key(&(EffectKind::Hydrate, EffectState::Due))
            && world.sandbox.stats().lever.by_status.contains_key(&403)
    })
    .await;
    assert!(matches!(found(&world, &dana).await, Found::Known(_)));
    world.sandbox.faults().clear();
}

/// Whoever vanished by mistake comes back though nothing of them changes; who stays hidden is asked for once.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_vanished_is_asked_for_once_more() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let ruth = world.apply("Ruth Okafor", "+12025550143").await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let count = |route: &str| world.sandbox.stats().lever.by_route[route];
    let another_day = async || {
        world.pass(SignedDuration::from_hours(25));
        let looks = || count("GET /v1/opportunities");
        let seen = looks();
        eventually("it has looked twice", async || looks() >= seen + 6).await;
        world.idle().await;
    };
    // So that no look at what changed reaches back to when they applied.
    for _ in 0..3 {
        another_day().await;
    }
    let hide = Event::Confidential { opportunity: Some(ruth.opportunity.clone()), on: true };
    world.sandbox.happen(&hide).unwrap();
    world.sandbox.faults().add(Rule::new(Remote::Lever, refusing(403)).path(&dana.opportunity));
    for who in [&ruth, &dana] {
        world.hook(HookEvent::CandidateStageChange, who).await;
        eventually("they are forgotten", async || matches!(found(&world, who).await, Found::Unknown)).await;
    }
    world.sandbox.faults().clear();
    another_day().await;
    assert!(matches!(found(&world, &dana).await, Found::Known(_)), "Dana is back");
    let reads = count("GET /v1/opportunities/{o}");
    for _ in 0..3 {
        another_day().await;
    }
    assert_eq!(count("GET /v1/opportunities/{o}"), reads);
    assert!(matches!(found(&world, &ruth).await, Found::Unknown));
}

/// Lever's word for a missing record is not that of a gateway.
#[tokio::test(flavor = "multi_thread")]
async fn a_404_that_is_about_no_record_forgets_and_erases_nothing() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let gateway = Fault::Status { code: 404, body: Some(json!({"message": "no route"})) };
    world.sandbox.faults().add(Rule::new(Remote::Lever, gateway).path(&dana.opportunity));
    world.hook(HookEvent::CandidateDeleted, &dana).await;
    eventually("it was tried", async || {
        world.outbox().await.contains_key(&(EffectKind::Hydrate, EffectState::Due))
            && world.sandbox.stats().lever.by_status.contains_key(&404)
    })
    .await;
    assert!(matches!(found(&world, &dana).await, Found::Known(_)));
    world.sandbox.faults().clear();
}

/// The webhook comes first, and Lever shows the candidate for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_lever_does_not_show_yet_is_not_lost() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let reads = |world: &World| world.sandbox.stats().lever.by_route["GET /v1/opportunities/{o}"];
    let before = reads(&world);
    world.hook(HookEvent::CandidateDeleted, &dana).await;
    eventually("Lever was asked", async || reads(&world) > before).await;
    assert!(matches!(found(&world, &dana).await, Found::Known(_)));
    world.sandbox.happen(&Event::Delete { opportunity: Some(dana.opportunity.clone()) }).unwrap();
    eventually("Dana is erased", async || {
        world.advance(SignedDuration::from_secs(31));
        matches!(found(&world, &dana).await, Found::Deleted)
    })
    .await;
}

/// Between two pages somebody deletes the interview that the second one begins with.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_interviews_that_loses_its_place_begins_anew() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let made: Vec<_> =
        (0..102).map(|_| world.sandbox.happen(&interview(&dana)).unwrap().interview.unwrap()).collect();
    let slowly = Rule::new(Remote::Lever, Fault::Latency { ms: 700 });
    world.sandbox.faults().add(slowly.path("/interviews").times(2));
    let lists = || {
        let routes = world.sandbox.stats().lever.by_route;
        routes.get("GET /v1/opportunities/{o}/interviews").copied().unwrap_or(0)
    };
    let before = lists();
    world.hook(HookEvent::InterviewCreated, &dana).await;
    eventually("the second page is under way", async || lists() >= before + 2).await;
    let (opportunity, interview) = (dana.opportunity.clone(), made.get(100).cloned());
    world.sandbox.happen(&Event::InterviewDeleted { opportunity, interview }).unwrap();
    eventually(
        "the others are known",
        async || matches!(found(&world, &dana).await, Found::Known(view) if view.interviews.len() == 101),
    )
    .await;
    assert!(world.engine.failed_effects(Sight::All).await.unwrap().is_empty());
}

/// How Lever answers where deletions are listed is seen nowhere, and may be a refusal of any kind.
#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_cannot_be_listed_hold_nothing_up_and_are_told() {
    for code in [400, 500] {
        let mut options = small();
        options.lever.permissions = Permissions::default().with(Permission::FindDeleted);
        options.faults = vec![Rule::new(Remote::Lever, refusing(code)).path("/opportunities/deleted")];
        let world = World::start(options).await;
        world.backfilled().await;
        let told = async || {
            let health = world.engine.status().await.unwrap().health;
            health.components["lever"].detail.contains("deletions cannot be listed")
        };
        eventually("health tells of it", told).await;
        let dana = world.apply("Dana Reyes", DANA).await;
        let gone = Event::Delete { opportunity: Some(dana.opportunity.clone()) };
        world.sandbox.happen(&gone).unwrap();
        world.sandbox.faults().clear();
        eventually("Dana is erased", async || matches!(found(&world, &dana).await, Found::Deleted)).await;
        eventually("health is well", async || !told().await).await;
    }
}

/// Lever shows deletions for 30 days at a time, and the daemon was away for longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_of_two_months_ago_is_found() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::FindDeleted);
    let world = World::standing(options, |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.idle().await;
    world.pass(SignedDuration::from_hours(1));
    world.sandbox.happen(&Event::Delete { opportunity: Some(dana.opportunity.clone()) }).unwrap();
    world.pass(SignedDuration::from_hours(60 * 24));
    eventually("Dana is erased", async || matches!(found(&world, &dana).await, Found::Deleted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_freezes_nobody() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    world.advance(SignedDuration::from_hours(48));
    let dana = world.apply("Dana Reyes", DANA).await;
    world.advance(SignedDuration::from_hours(-48));
    let archive = Event::Archive { opportunity: Some(dana.opportunity.clone()), reason: None };
    world.sandbox.happen(&archive).unwrap();
    eventually(
        "the archiving is known",
        async || matches!(found(&world, &dana).await, Found::Known(view) if !view.opportunity.is_active()),
    )
    .await;
}

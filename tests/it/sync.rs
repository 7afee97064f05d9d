//! The initial sync and the looks after it: what is stored is what Lever has.

use fulcrum::engine::{Engine, Found};
use fulcrum_domain::{HookEvent, Sight};
use fulcrum_sandbox::{Event, Permission, Sandbox};

use crate::judge::same;
use crate::world::{World, eventually, fast, id, small};

/// Opportunities that are not stored as Lever shows them.
pub(crate) async fn differences(world: &World) -> Vec<String> {
    differences_between(&world.sandbox, &world.engine).await
}

/// The same of any two.
pub(crate) async fn differences_between(sandbox: &Sandbox, engine: &Engine) -> Vec<String> {
    let mut different = Vec::new();
    for truth in sandbox.truth() {
        let found = engine.opportunity(&truth.id.parse().unwrap(), Sight::All).await.unwrap();
        let right = match found {
            Found::Known(view) => !truth.confidential && !truth.anonymized && same(&truth, &view),
            Found::Unknown => truth.confidential,
            // Whoever is anonymised in Lever is erased here.
            Found::Deleted => truth.anonymized,
        };
        if !right {
            different.push(truth.id);
        }
    }
    different
}

#[tokio::test(flavor = "multi_thread")]
async fn the_initial_sync_brings_the_whole_tenant() {
    let world = World::start(fast()).await;
    world.backfilled().await;
    assert_eq!(differences(&world).await, Vec::<String>::new());
    assert_eq!(world.sandbox.stats().lever.violations, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_webhooks_everything_arrives_only_later() {
    let world = World::start(fast()).await;
    world.backfilled().await;
    let happen = |event| world.sandbox.happen(&event).unwrap();
    happen(Event::Apply {
        name: Some("Dana Reyes".into()),
        phone: None,
        email: None,
        contact: None,
        posting: None,
    });
    for _ in 0..20 {
        happen(Event::Stage { opportunity: None, to: None, by: None });
        happen(Event::Archive { opportunity: None, reason: None });
        happen(Event::Hire { opportunity: None });
    }
    eventually("the changes are found", async || differences(&world).await.is_empty()).await;
    assert!(world.engine.status().await.unwrap().stored.found_by_poll >= 20);
}

/// Whether to expand needs a tick box of its own, Lever does not say; a key without it reads one by one.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_expand_brings_every_posting_all_the_same() {
    let mut options = small();
    options.lever.expand_needs = Some(Permission::FindAllApplications);
    let world = World::standing(options, |_| {}).await;
    world.backfilled().await;
    assert_eq!(differences(&world).await, Vec::<String>::new());
    let apply = Event::Apply { name: None, phone: None, email: None, contact: None, posting: None };
    let dana = world.sandbox.happen(&apply).unwrap();
    world.hook(HookEvent::ApplicationCreated, &dana).await;
    let posting = world.sandbox.truth_of(&dana.opportunity).unwrap().posting.unwrap();
    eventually("the job is known", async || {
        match world.engine.opportunity(&id(&dana), Sight::All).await.unwrap() {
            Found::Known(view) => view.opportunity.posting == Some(posting.parse().unwrap()),
            _ => false,
        }
    })
    .await;
    let routes = world.sandbox.stats().lever.by_route;
    assert!(routes["GET /v1/opportunities/{o}/applications/{a}"] > 0, "{routes:?}");
}

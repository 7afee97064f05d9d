//! The initial sync and the looks after it: what is stored is what Lever has.

use fulcrum::engine::{Engine, Found, OpportunityView};
use fulcrum_sandbox::{Event, Sandbox, Truth};

use crate::world::{World, eventually, fast};

pub(crate) fn same(truth: &Truth, view: &OpportunityView) -> bool {
    let row = &view.opportunity;
    let text = |id: &Option<String>| id.clone();
    truth.name == row.name
        && truth.contact == row.contact.to_string()
        && truth.stage == row.stage.to_string()
        && truth.archived_at == row.archived.as_ref().map(|a| a.at.as_millisecond())
        && truth.last_advanced_at == row.advanced_at.as_millisecond()
        && text(&truth.posting) == row.posting.as_ref().map(ToString::to_string)
        && text(&truth.application) == row.application.as_ref().map(ToString::to_string)
}

/// Opportunities that are not stored as Lever shows them.
pub(crate) async fn differences(world: &World) -> Vec<String> {
    differences_between(&world.sandbox, &world.engine).await
}

/// The same of any two.
pub(crate) async fn differences_between(sandbox: &Sandbox, engine: &Engine) -> Vec<String> {
    let mut different = Vec::new();
    for truth in sandbox.truth() {
        let found = engine.opportunity(&truth.id.parse().unwrap(), fulcrum_domain::Sight::All).await.unwrap();
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
        happen(Event::Stage { opportunity: None, to: None });
        happen(Event::Archive { opportunity: None, reason: None });
        happen(Event::Hire { opportunity: None });
    }
    eventually("the changes are found", async || differences(&world).await.is_empty()).await;
    assert!(world.engine.status().await.unwrap().stored.found_by_poll >= 20);
}

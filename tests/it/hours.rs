//! An initial sync that is stopped and begun again twenty times while candidates keep moving: at
//! the end it is exact, no page was lost, and hardly a request was wasted.

use std::time::Duration;

use fulcrum::engine::BackfillScope;
use fulcrum_sandbox::{Moves, Options};

use crate::sync::differences;
use crate::world::{World, eventually, fast};

const STOPS: u64 = 20;

fn tenant() -> Options {
    let mut options = fast();
    options.seed = 7;
    options.lever.opportunities = 1500;
    options
}

async fn start() -> World {
    World::start_with(tenant(), |settings| {
        settings.interviews = BackfillScope::All;
        settings.poll_interval = Duration::from_secs(3600);
    })
    .await
}

fn requests(world: &World) -> u64 {
    world.sandbox.stats().lever.requests
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_twenty_times_the_initial_sync_is_exact_and_wastes_hardly_a_request() {
    let still = start().await;
    still.backfilled().await;
    let least = requests(&still);
    still.end().await;

    let mut world = start().await;
    world.sandbox.set_moves(Moves { per_second: 0.0, every_pages: 2 });
    for stop in 1..=STOPS {
        let mark = least * stop / (STOPS + 1);
        eventually("the sync has come farther", async || requests(&world) >= mark).await;
        assert!(
            !world.engine.status().await.unwrap().stored.backfill.complete,
            "it is done before stop {stop}"
        );
        // Half of the time in order, half of the time with what is under way left behind.
        world = world.restart(Duration::from_secs(if stop % 2 == 0 { 5 } else { 0 })).await;
    }
    world.backfilled().await;
    world.idle().await;
    let used = requests(&world);
    println!("{used} requests, {least} for a still tenant");
    assert!(used * 100 <= least * 110, "{used} requests, {least} would have done");
    let different = differences(&world).await;
    assert!(different.len() <= 2, "more than what moved during the very last pages: {different:?}");
    world.sandbox.set_moves(Moves::default());
    let mut settings = world.settings.clone();
    settings.poll_interval = Duration::from_millis(100);
    world.engine.replace_settings(settings);
    eventually("the next look has found that, too", async || differences(&world).await.is_empty()).await;
    for phase in world.engine.status().await.unwrap().stored.backfill.phases {
        assert_eq!(phase.state.word(), "complete", "{}", phase.name);
    }
}

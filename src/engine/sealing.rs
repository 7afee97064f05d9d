//! The pass that seals what lies in the file with the key that is wanted, or opens it: a little at a time,
//! beside everything else, and from where it was when the last run ended. In the end the file is written anew,
//! as after an erasure (`renewal`), so that nothing of what lay there before is left in it.

use std::time::Duration;

use super::Engine;
use super::changes::owe_new_file;
use super::clock::Clock;
use crate::store::{Sealing, StoreError, Tx};

/// Between two steps, so that the pass takes no more than a part of the writer's time.
const REST: Duration = Duration::from_millis(20);

impl Engine {
    /// Does the pass. Then there is nothing to do until the next start.
    pub(crate) async fn run_sealing(self) -> Result<(), StoreError> {
        let mut steps = 0u64;
        // What lay there before is in pages that are not used again yet, until the file is written anew.
        let owe = |clock: Clock| move |tx: &mut Tx<'_>| owe_new_file(tx, clock.now());
        while self.store.seal_some(owe(self.clock.clone())).await? {
            steps += 1;
            tokio::time::sleep(REST).await;
        }
        if steps > 0 {
            self.wake.renewal.notify_one();
            tracing::info!(steps, "all of the store is sealed as the config wants it");
        }
        std::future::pending().await
    }
}

/// What health says of how the file is sealed.
pub(super) fn in_words(sealing: &Sealing) -> String {
    let (looked_at, all) = sealing.rows;
    let percent = looked_at * 100 / all.max(1);
    match (&sealing.target, sealing.done) {
        (Some(key), false) => format!("being sealed with the key {key}: {percent} % of {all} rows"),
        (None, false) => format!("what is sealed is being opened: {percent} % of {all} rows"),
        (Some(key), true) => format!("sealed with the key {key}{}", spare_in_words(sealing)),
        (None, true) => format!("not sealed{}", spare_in_words(sealing)),
    }
}

fn spare_in_words(sealing: &Sealing) -> String {
    if sealing.spare.is_empty() {
        return String::new();
    }
    let ids: Vec<_> = sealing.spare.iter().map(ToString::to_string).collect();
    format!("; store.keys_file has keys that it needs no more: {}", ids.join(", "))
}

/// Rows that are yet to be looked at.
pub(super) fn left(sealing: Option<&Sealing>) -> u64 {
    sealing.filter(|sealing| !sealing.done).map_or(0, |sealing| sealing.rows.1 - sealing.rows.0)
}

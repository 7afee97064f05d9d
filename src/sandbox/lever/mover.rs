//! Keeps candidates moving while somebody pages through them.
//!
//! Two ways: so many moves a second, for the feel of a live account; or one move after every n-th page
//! served, for tests that must happen the same way each time. Both draw whom and where to from the tenant's
//! seed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Notify;

use super::Lever;

/// How much moves by itself. Zero is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Moves {
    /// Moves in a second of real time, in the background.
    pub per_second: f64,
    /// One move after every so many pages of `GET /opportunities`.
    pub every_pages: u64,
}

/// What is set at present.
#[derive(Default)]
pub(super) struct Mover {
    moves: Mutex<Moves>,
    changed: Notify,
}

impl Mover {
    fn get(&self) -> Moves {
        *self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lever {
    /// From now on so much moves.
    pub(crate) fn set_moves(&self, moves: Moves) {
        *self.0.mover.moves.lock().unwrap_or_else(PoisonError::into_inner) = moves;
        self.0.mover.changed.notify_one();
    }

    /// The background task: one random move at each beat.
    pub(super) async fn keep_moving(self) {
        loop {
            let rate = self.0.mover.get().per_second;
            // A `Notify` keeps one permit, so a change between the two lines is not lost.
            let changed = self.0.mover.changed.notified();
            if rate > 0.0 {
                let beat = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
                tokio::select! {
                    () = tokio::time::sleep(beat) => self.move_somebody(),
                    () = changed => {}
                }
            } else {
                changed.await;
            }
        }
    }

    /// Counts a page, and moves somebody if it is time.
    pub(super) fn page_was_served(&self) {
        let pages = {
            let mut bucket = self.bucket();
            bucket.stats.list_pages += 1;
            bucket.stats.list_pages
        };
        let every = self.0.mover.get().every_pages;
        if every > 0 && pages.is_multiple_of(every) {
            self.move_somebody();
        }
    }

    /// A random active candidate goes to another stage, forward or backward.
    fn move_somebody(&self) {
        let happening = {
            let mut tenant = self.tenant();
            let Some(index) = tenant.random_active(|_, _| true) else { return };
            let stage = tenant.random_stage(index);
            tenant.move_to(index, stage, None, self.now())
        };
        self.emit(&happening);
    }
}

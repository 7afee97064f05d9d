//! Deadlines: the wheel in memory is a cache of their table, rebuilt at the start. Firing is an
//! event like any other: what is stored decides whether anything is due, so a wheel that fires too
//! early or twice does no harm.

use std::sync::Arc;
use std::time::Duration;

use fulcrum_domain::{DeadlineKey, Tick, Wheel};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, mpsc};

use super::wake::Armed;
use super::{Engine, changes};
use crate::store::tables::DEADLINES;
use crate::store::{Keys, Read, Snapshot, StoreError};

/// What the store tells of deadlines.
pub(crate) type Armings = mpsc::UnboundedReceiver<Armed>;

/// Sessions filed in one transaction: enough to be quick, few enough that others need not wait.
const BATCH: usize = 64;

/// When a session that could not be filed is tried again.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Deadlines that are read before they are put on the wheel. Row by row, the table's tree and the
/// wheel would push each other out of the processor's caches: twice the time at a million.
const READ_AHEAD: usize = 4096;

/// Longest sleep: a wall clock that jumps is noticed within it.
const NAP: Duration = Duration::from_secs(1);

impl Engine {
    /// The wheel with every deadline that is stored.
    pub(crate) async fn load_wheel(&self) -> Result<Wheel, StoreError> {
        let now = Tick::of_clock(self.clock.now());
        self.store.read(move |snapshot| wheel_of(snapshot, now)).await
    }

    /// Turns the wheel.
    pub(crate) async fn run_deadlines(self, shared: Arc<Mutex<(Wheel, Armings)>>) -> Result<(), StoreError> {
        let mut shared = shared.lock().await;
        let (wheel, armings) = &mut *shared;
        let mut due = Vec::new();
        loop {
            while let Ok(armed) = armings.try_recv() {
                note(wheel, armed);
            }
            due.clear();
            wheel.poll(Tick::of_clock(self.clock.now()), &mut due);
            match self.fire(&due).await {
                Ok(stuck) => {
                    let again = self.clock.now().checked_add(AGAIN).unwrap_or(Timestamp::MAX);
                    stuck.iter().for_each(|key| wheel.arm(key.to_u64(), Tick::of_deadline(again)));
                }
                Err(error) => {
                    // They are stored still; the wheel must not forget them.
                    for key in &due {
                        wheel.arm(*key, Tick::of_clock(self.clock.now()));
                    }
                    return Err(error);
                }
            }
            let left = wheel.next().map(|tick| tick.begins().duration_since(self.clock.now()));
            let left = left.map_or(NAP, |left| Duration::try_from(left).unwrap_or_default().min(NAP));
            tokio::select! {
                armed = armings.recv() => match armed {
                    Some(armed) => note(wheel, armed),
                    None => return Ok(()),
                },
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Meets what is due. Gives back what cannot be met: one broken row must not hold up the others.
    async fn fire(&self, due: &[u64]) -> Result<Vec<DeadlineKey>, StoreError> {
        let mut stuck = Vec::new();
        let due: Vec<DeadlineKey> = due.iter().filter_map(|key| DeadlineKey::from_u64(*key)).collect();
        for batch in due.chunks(BATCH) {
            match self.meet(batch.to_vec()).await {
                Err(error) if error.lies_in_a_row() => {}
                outcome => {
                    outcome?;
                    continue;
                }
            }
            for key in batch {
                match self.meet(vec![*key]).await {
                    Err(error) if error.lies_in_a_row() => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(
                            ?key,
                            error,
                            "a deadline cannot be met; it is tried again in an hour"
                        );
                        stuck.push(*key);
                    }
                    outcome => outcome?,
                }
            }
        }
        Ok(stuck)
    }

    /// Meets those that are due by what is stored, in one change.
    async fn meet(&self, batch: Vec<DeadlineKey>) -> Result<(), StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| {
                for key in batch {
                    changes::fire(tx, key, &settings.rules, &mut moment)?;
                }
                Ok(())
            })
            .await
    }
}

/// The wheel with every deadline of a snapshot, as seen from `now`.
///
/// # Errors
/// [`StoreError`].
pub fn wheel_of(snapshot: &Snapshot, now: Tick) -> Result<Wheel, StoreError> {
    let count = usize::try_from(snapshot.len(DEADLINES)?).unwrap_or(0);
    let mut wheel = Wheel::with_capacity(now, count);
    let mut ahead = Vec::with_capacity(READ_AHEAD.min(count));
    let mut arm = |ahead: &mut Vec<(u64, Tick)>| ahead.drain(..).for_each(|(key, at)| wheel.arm(key, at));
    snapshot.scan(DEADLINES, &Keys::all(), |(at, key), ()| {
        ahead.push((key, Tick::of_deadline(at)));
        if ahead.len() == READ_AHEAD {
            arm(&mut ahead);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    arm(&mut ahead);
    Ok(wheel)
}

fn note(wheel: &mut Wheel, (key, at): Armed) {
    match at {
        Some(at) => wheel.arm(key.to_u64(), Tick::of_deadline(at)),
        None => drop(wheel.disarm(key.to_u64())),
    }
}

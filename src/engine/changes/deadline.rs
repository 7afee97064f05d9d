//! Deadlines: a row for the file, and word to the wheel, always together.

use fulcrum_domain::DeadlineKey;
use jiff::Timestamp;

use crate::store::tables::DEADLINES;
use crate::store::{Signal, StoreError, Tx};

/// Arms what waited until `before` for `at`, or takes it away.
pub(super) fn arm(
    tx: &mut Tx<'_>,
    key: DeadlineKey,
    before: Option<Timestamp>,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    if let Some(before) = before.filter(|before| Some(*before) != at) {
        tx.remove(DEADLINES, &(before, key.to_u64()))?;
    }
    if let Some(at) = at {
        tx.put(DEADLINES, &(at, key.to_u64()), &())?;
    }
    tx.signal(Signal::Deadline(key, at));
    Ok(())
}

/// Whether what fired is ahead still, since the clock was set back meanwhile, or since it was moved. The wheel
/// has forgotten it then, and is told again.
pub(super) fn is_ahead(tx: &mut Tx<'_>, key: DeadlineKey, at: Timestamp, now: Timestamp) -> bool {
    let ahead = at > now;
    if ahead {
        tx.signal(Signal::Deadline(key, Some(at)));
    }
    ahead
}

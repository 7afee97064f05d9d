//! The numbers that things of ours go by. Each is given out once, in the transaction that makes the thing.
//! (Other counters in the same table: how many effects are in which state, and the chain of the audit log and the
//! certificates of erasures, whose last number is also read.)

use crate::store::tables::COUNTERS;
use crate::store::{Read, StoreError, Tx};

/// What is numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Activity,
    Appointments,
    Bookings,
    Bulks,
    Cards,
    Conversations,
    Enrolments,
    Events,
    Reminders,
    RunLog,
}

impl Counter {
    /// As the file has it.
    fn name(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Appointments => "appointments",
            Self::Bookings => "bookings",
            Self::Bulks => "bulks",
            Self::Cards => "cards",
            Self::Conversations => "conversations",
            Self::Enrolments => "enrolments",
            Self::Events => "events",
            Self::Reminders => "reminders",
            Self::RunLog => "run log",
        }
    }
}

/// The next number of these, the first of which is 1.
pub(crate) fn next(tx: &mut Tx<'_>, of: Counter) -> Result<u64, StoreError> {
    next_of_many(tx, of, 1)
}

/// The first of so many numbers in a row.
pub(super) fn next_of_many(tx: &mut Tx<'_>, of: Counter, many: usize) -> Result<u64, StoreError> {
    let name = of.name().to_owned();
    let given = tx.get(COUNTERS, &name)?.unwrap_or(0);
    tx.put(COUNTERS, &name, &(given + many as u64))?;
    Ok(given + 1)
}

//! The numbers that things of ours go by. Each is given out once, in the transaction that makes the thing; what is
//! counted stands in one table, so the names are all here, and no two things count with one.

use crate::store::tables::COUNTERS;
use crate::store::{Read, StoreError, Tx};

/// What is numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Appointments,
    Bookings,
    Bulks,
    Cards,
    Conversations,
    Enrolments,
    Events,
    Inbox,
    Reminders,
    RunLog,
}

impl Counter {
    /// As the file has it.
    fn name(self) -> &'static str {
        match self {
            Self::Appointments => "appointments",
            Self::Bookings => "bookings",
            Self::Bulks => "bulks",
            Self::Cards => "cards",
            Self::Conversations => "conversations",
            Self::Enrolments => "enrolments",
            Self::Events => "events",
            Self::Inbox => "inbox",
            Self::Reminders => "reminders",
            Self::RunLog => "run log",
        }
    }
}

/// The next number of these, the first of which is 1.
pub(crate) fn next(tx: &mut Tx<'_>, of: Counter) -> Result<u64, StoreError> {
    let name = of.name().to_owned();
    let number = tx.get(COUNTERS, &name)?.unwrap_or(0) + 1;
    tx.put(COUNTERS, &name, &number)?;
    Ok(number)
}

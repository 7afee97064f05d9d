//! Copies of what is stored that a command made: whoever audits asks for those first.

use fulcrum_domain::{Activity, ActivityKind, Actor, OpportunityId};
use jiff::Timestamp;

use super::{Engine, changes};
use crate::store::{StoreError, Tx};

/// What was copied out of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copied {
    /// All of it, as a backup.
    Backup {
        /// How much.
        rows: u64,
        /// Whether nobody without a key can read it.
        encrypted: bool,
    },
    /// All of it, as lines.
    Everything {
        /// How much.
        lines: u64,
    },
    /// What there is of a person, with these opportunities as far as they are known.
    Person(Vec<OpportunityId>),
}

/// Writes down for audits that a copy was made.
///
/// # Errors
/// [`StoreError`].
pub fn note_copied(tx: &mut Tx<'_>, copied: &Copied, by: &Actor, now: Timestamp) -> Result<(), StoreError> {
    let entry = |what: String, about| Activity::new(now, by.clone(), ActivityKind::Admin, what).about(about);
    let entries = match copied {
        Copied::Backup { rows, encrypted } => {
            let how = if *encrypted { "encrypted" } else { "not encrypted" };
            vec![entry(format!("a backup was made by command: {rows} rows, {how}"), None)]
        }
        Copied::Everything { lines } => vec![entry(format!("everything was exported: {lines} lines"), None)],
        Copied::Person(opportunities) if opportunities.is_empty() => {
            vec![entry("what was said with a number was exported".to_owned(), None)]
        }
        Copied::Person(opportunities) => {
            let one =
                |id: &OpportunityId| entry("what there is of a person was exported".into(), Some(id.clone()));
            opportunities.iter().map(one).collect()
        }
    };
    changes::note_all(tx, &entries)
}

impl Engine {
    /// Writes down for audits that a command made a copy.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_copied(&self, copied: Copied, by: Actor) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| note_copied(tx, &copied, &by, now)).await
    }
}

//! The question on applications that asks for consent to texts, and what follows when it changes: the answers
//! of those who applied before were not understood then, and are not kept by themselves, so the lists of
//! opportunities are read once more, a hundred in a request, on the backfill's lane.
//!
//! What was asked stands in the file as a digest, in the transaction that has the lists begin anew: a stop
//! loses at most a page, as in the initial sync.

use sha2::{Digest as _, Sha256};

use super::Engine;
use super::backfill::begin;
use crate::store::tables::COUNTERS;
use crate::store::{BackfillState, PhaseName, Read, StoreError, Tx};

/// Under which name the digest stands.
const ASKED: &str = "question about texts";

impl Engine {
    /// A digest of the question and of what its answers mean; 0 where nothing is asked.
    pub(super) fn asked(&self) -> u64 {
        let settings = self.settings.load();
        let Some(question) = &settings.rules.consent.question else { return 0 };
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(question.line()).into();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
    }
}

/// Whether applications were read by another question so far. Says so once.
pub(super) fn asks_anew(tx: &mut Tx<'_>, asked: u64) -> Result<bool, StoreError> {
    let name = ASKED.to_owned();
    let before = tx.get(COUNTERS, &name)?;
    if before != Some(asked) {
        tx.put(COUNTERS, &name, &asked)?;
    }
    Ok(asked != 0 && before != Some(asked))
}

/// The lists of opportunities are read once more, however far the sync is; the rest stays as it is. What
/// changed and was deleted is looked for since the same beginning.
pub(super) fn read_again(state: &BackfillState) -> BackfillState {
    let fresh = begin(state.began_at, state.scope);
    let anew = |name| {
        matches!(
            name,
            PhaseName::RecentOpportunities
                | PhaseName::ActiveOpportunities
                | PhaseName::ArchivedOpportunities
                | PhaseName::CatchUp
        )
    };
    let phases = fresh.phases.into_iter().map(|new| {
        let old = state.phases.iter().find(|old| old.name == new.name && !anew(old.name));
        old.cloned().unwrap_or(new)
    });
    BackfillState { phases: phases.collect(), ..fresh }
}

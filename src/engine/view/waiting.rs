//! What waits for a person: how much of it, for the menu.

use fulcrum_domain::bulk::BulkState;
use fulcrum_domain::{Account, Actor, Sight};

use super::failed_effects;
use crate::engine::Engine;
use crate::engine::changes::{count_failed, effect_counts, user_by_email};
use crate::store::tables::{BULKS, USERS};
use crate::store::{Keys, Read, StoreError};

/// How much waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Bulk texts that somebody else has confirmed, and that a second person must approve.
    pub approvals: u64,
    /// Effects that failed, as far as they may be seen.
    pub failed: u64,
}

/// Bulk texts among which those that wait are looked for: the newest. Nobody leaves one for longer.
const AMONG: usize = 30;

impl Engine {
    /// What waits for `by`: what they confirmed themselves waits for somebody else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting(&self, by: Actor, sight: Sight) -> Result<Waiting, StoreError> {
        self.store.read(move |snapshot| waiting(snapshot, &by, sight)).await
    }

    /// The name in Lever of whoever has an account; none if Lever does not know them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn name_of(&self, account: &Account) -> Result<Option<String>, StoreError> {
        let email = account.as_str().to_owned();
        self.store
            .read(move |snapshot| match user_by_email(snapshot, &email)? {
                Some(id) => {
                    Ok(snapshot.get(USERS, &id)?.map(|user| user.name).filter(|name| !name.is_empty()))
                }
                None => Ok(None),
            })
            .await
    }
}

fn waiting(read: &impl Read, by: &Actor, sight: Sight) -> Result<Waiting, StoreError> {
    let newest = read.list_back(BULKS, &Keys::all(), AMONG)?;
    let waits = |state: &BulkState| matches!(state, BulkState::Confirmed { by: first } if first != by);
    let approvals = newest.iter().map(|(_, bulk)| u64::from(waits(&bulk.state))).sum();
    let failed = match count_failed(&effect_counts(read)?) {
        all if all == 0 || sight == Sight::All => all,
        _ => failed_effects(read, sight)?.iter().map(|_| 1).sum(),
    };
    Ok(Waiting { approvals, failed })
}

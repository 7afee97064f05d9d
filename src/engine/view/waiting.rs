//! What waits for a person: how much of it, for the menu.

use fulcrum_domain::bulk::BulkState;
use fulcrum_domain::{Account, Actor, Sight};

use super::failed_effects;
use crate::engine::Engine;
use crate::engine::changes::{count_failed, effect_counts, user_by_email};
use crate::store::tables::{BULKS, USERS};
use crate::store::{Keys, Read, StoreError};

/// Bulk texts among which those that wait are looked for: the newest. Nobody leaves one for longer.
const AMONG: usize = 30;

impl Engine {
    /// How many bulk texts somebody else than `by` has confirmed, that a second person must approve.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting_approvals(&self, by: Actor) -> Result<u64, StoreError> {
        self.store.read(move |snapshot| approvals(snapshot, &by)).await
    }

    /// How many effects failed, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting_failures(&self, sight: Sight) -> Result<u64, StoreError> {
        self.store.read(move |snapshot| failures(snapshot, sight)).await
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

fn approvals(read: &impl Read, by: &Actor) -> Result<u64, StoreError> {
    let newest = read.list_back(BULKS, &Keys::all(), AMONG)?;
    let waits = |state: &BulkState| matches!(state, BulkState::Confirmed { by: first } if first != by);
    Ok(newest.iter().map(|(_, bulk)| u64::from(waits(&bulk.state))).sum())
}

fn failures(read: &impl Read, sight: Sight) -> Result<u64, StoreError> {
    match count_failed(&effect_counts(read)?) {
        all if all == 0 || sight == Sight::All => Ok(all),
        _ => Ok(failed_effects(read, sight)?.iter().map(|_| 1).sum()),
    }
}

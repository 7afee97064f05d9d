//! What the search index is to learn, queued in the transaction that makes it so.

use fulcrum_domain::Searchable;

use crate::store::tables::TO_INDEX;
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// Something that can be found is there, is otherwise, or is gone: which of them, the index looks up
/// when its turn comes.
pub(super) fn to_index(tx: &mut Tx<'_>, what: &Searchable) -> Result<(), StoreError> {
    let last = tx.list_back(TO_INDEX, &Keys::all(), 1)?.pop().map_or(0, |(last, _)| last);
    tx.put(TO_INDEX, &(last + 1), what)?;
    tx.signal(Signal::ToIndex);
    Ok(())
}

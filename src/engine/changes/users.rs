//! The recruiting team: who has which e-mail, and whom Lever does not take as the author of a note
//! (behaviour.md 1, "Author").

use fulcrum_domain::{User, UserId};
use jiff::{SignedDuration, Timestamp};

use crate::store::tables::{REFUSED_AUTHORS, USERS, USERS_BY_EMAIL};
use crate::store::{Read, Seen, StoreError, Tx};

/// After so long an author who was refused is tried again.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Takes a user in.
pub(crate) fn put_user(tx: &mut Tx<'_>, id: &UserId, user: &User) -> Result<(), StoreError> {
    let before = tx.get(USERS, id)?;
    if before.as_ref() == Some(user) {
        return Ok(());
    }
    if let Some(before) = before {
        let email = before.email.to_ascii_lowercase();
        if tx.get(USERS_BY_EMAIL, &email)?.as_ref() == Some(id) {
            tx.remove(USERS_BY_EMAIL, &email)?;
        }
    }
    if user.active {
        tx.put(USERS_BY_EMAIL, &user.email.to_ascii_lowercase(), id)?;
    }
    // Lever may take them now.
    tx.remove(REFUSED_AUTHORS, id)?;
    tx.put(USERS, id, user).map(drop)
}

/// The active Lever user with this e-mail.
pub(crate) fn user_by_email(read: &impl Read, email: &str) -> Result<Option<UserId>, StoreError> {
    read.get(USERS_BY_EMAIL, &email.to_ascii_lowercase())
}

/// Lever does not take this author, so the next notes are not tried with them.
pub(super) fn refuse_author(tx: &mut Tx<'_>, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.put(REFUSED_AUTHORS, user, &Seen(now)).map(drop)
}

/// Whether Lever did not take this author of late.
pub(super) fn was_refused(read: &impl Read, user: &UserId, now: Timestamp) -> Result<bool, StoreError> {
    let refused = read.get(REFUSED_AUTHORS, user)?;
    Ok(refused.is_some_and(|Seen(at)| now.duration_since(at).abs() < REFUSED_FOR))
}

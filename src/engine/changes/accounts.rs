//! Signing in and out, as changes of what is stored.

use std::ops::ControlFlow;

use fulcrum_domain::{Account, Authority, Lifetimes, SessionId, SignIn, SignInKind};
use jiff::Timestamp;

use crate::store::tables::SIGN_INS;
use crate::store::{Keys, Read, StoreError, Tx};

/// What is signed in and fits, the latest use first. There is a row for each browser in use, so all
/// of them are gone through.
pub fn sign_ins(
    read: &impl Read,
    fits: impl Fn(&SignIn) -> bool,
) -> Result<Vec<(SessionId, SignIn)>, StoreError> {
    let mut found = Vec::new();
    read.scan(SIGN_INS, &Keys::all(), |id, row: SignIn| {
        if fits(&row) {
            found.push((id, row));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.sort_by_key(|(_, row)| std::cmp::Reverse(row.seen_at));
    Ok(found)
}

/// A browser signs in. What the identity provider says of an account now holds for all that it
/// vouched for before, and their extensions are good for another while; and what has ended is swept out, since nothing else makes these rows many.
pub fn sign_in(
    tx: &mut Tx<'_>,
    id: SessionId,
    account: Account,
    authority: Authority,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (ended, _) in sign_ins(tx, |row| !row.holds(now, lifetimes))? {
        tx.remove(SIGN_INS, &ended)?;
    }
    if matches!(authority, Authority::Provider { .. }) {
        for (other, row) in sign_ins(tx, |row| row.account == account && is_the_providers(row))? {
            let made_at = if row.kind == SignInKind::Browser { row.made_at } else { now };
            tx.put(SIGN_INS, &other, &SignIn { authority: authority.clone(), made_at, ..row })?;
        }
    }
    let row = SignIn { account, authority, kind: SignInKind::Browser, made_at: now, seen_at: now };
    tx.put(SIGN_INS, &id, &row).map(drop)
}

/// Whoever is signed in with `by` gives an extension a token of its own. False when they are not
/// signed in any more, or with an extension: one does not beget another.
pub fn grant_extension(
    tx: &mut Tx<'_>,
    id: SessionId,
    by: SessionId,
    label: String,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(row) = tx.get(SIGN_INS, &by)?.filter(|row| row.kind == SignInKind::Browser) else {
        return Ok(false);
    };
    let kind = SignInKind::Extension { label };
    tx.put(SIGN_INS, &id, &SignIn { kind, made_at: now, seen_at: now, ..row })?;
    Ok(true)
}

/// A use is noted, unless it was signed out meanwhile.
pub fn note_use(tx: &mut Tx<'_>, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
    if let Some(row) = tx.get(SIGN_INS, &id)? {
        tx.put(SIGN_INS, &id, &SignIn { seen_at: now, ..row })?;
    }
    Ok(())
}

/// One of an account's sign-ins ends. False when the account has no such one.
pub fn sign_out(tx: &mut Tx<'_>, account: &Account, id: SessionId) -> Result<bool, StoreError> {
    let theirs = tx.get(SIGN_INS, &id)?.is_some_and(|row| row.account == *account);
    if theirs { tx.remove(SIGN_INS, &id) } else { Ok(false) }
}

/// All of an account's sign-ins end, extensions too. Gives how many there were.
pub fn sign_out_everywhere(tx: &mut Tx<'_>, account: &Account) -> Result<usize, StoreError> {
    end(tx, |row| row.account == *account)
}

/// The identity provider gives an account no role any more: what it vouched for before ends.
pub fn withdraw(tx: &mut Tx<'_>, account: &Account) -> Result<usize, StoreError> {
    end(tx, |row| row.account == *account && is_the_providers(row))
}

fn end(tx: &mut Tx<'_>, fits: impl Fn(&SignIn) -> bool) -> Result<usize, StoreError> {
    let ended = sign_ins(tx, fits)?;
    for (id, _) in &ended {
        tx.remove(SIGN_INS, id)?;
    }
    Ok(ended.len())
}

fn is_the_providers(row: &SignIn) -> bool {
    matches!(row.authority, Authority::Provider { .. })
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::{Role, Sight};
    use jiff::SignedDuration;

    use super::*;
    use crate::store::{Options, Store};

    const LIFETIMES: Lifetimes = Lifetimes {
        idle: SignedDuration::from_hours(8),
        absolute: SignedDuration::from_hours(24),
        extension: SignedDuration::from_hours(720),
    };

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::file(folder.path().join("x.redb")), Box::new(|_| {})).unwrap();
        (folder, store)
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + hours * 3600).unwrap()
    }

    fn provider(role: Role) -> Authority {
        Authority::Provider { name: "Ana".into(), role, sight: Sight::Open }
    }

    fn account(name: &str) -> Account {
        format!("{name}@acme.example").parse().unwrap()
    }

    fn id(n: u8) -> SessionId {
        SessionId::new([n; 16])
    }

    async fn opens(store: &Store, n: u8, name: &str, authority: Authority, now: Timestamp) {
        let account = account(name);
        store.change(move |tx| sign_in(tx, id(n), account, authority, LIFETIMES, now)).await.unwrap();
    }

    fn ids(store: &Store) -> Vec<SessionId> {
        let mut ids: Vec<_> =
            store.read_here(|read| sign_ins(read, |_| true)).unwrap().into_iter().map(|(id, _)| id).collect();
        ids.sort();
        ids
    }

    #[tokio::test]
    async fn what_has_ended_is_swept_out_at_the_next_sign_in() {
        let (_folder, store) = store();
        opens(&store, 1, "ana", provider(Role::Viewer), at(0)).await;
        opens(&store, 2, "ben", provider(Role::Viewer), at(7)).await;
        opens(&store, 3, "ana", provider(Role::Viewer), at(9)).await;
        assert_eq!(ids(&store), [id(2), id(3)]);
    }

    #[tokio::test]
    async fn what_the_provider_says_now_holds_everywhere() {
        let (_folder, store) = store();
        opens(&store, 1, "ana", provider(Role::Admin), at(0)).await;
        opens(&store, 2, "ana", Authority::Config { password: [1; 16] }, at(0)).await;
        opens(&store, 3, "ben", provider(Role::Admin), at(0)).await;
        opens(&store, 4, "ana", provider(Role::Viewer), at(1)).await;
        let of = |n| store.read_here(|read| read.get(SIGN_INS, &id(n))).unwrap().unwrap().authority;
        assert_eq!((of(1), of(3)), (provider(Role::Viewer), provider(Role::Admin)));
        assert_eq!(of(2), Authority::Config { password: [1; 16] });
        let ended = store.change(|tx| withdraw(tx, &account("ana"))).await.unwrap();
        assert_eq!((ended, ids(&store)), (2, vec![id(2), id(3)]));
    }

    #[tokio::test]
    async fn an_extension_is_granted_by_a_browser_alone_and_ends_with_the_account() {
        let (_folder, store) = store();
        opens(&store, 1, "ana", provider(Role::Recruiter), at(0)).await;
        let grant = async |n, by| {
            store.change(move |tx| grant_extension(tx, id(n), id(by), "laptop".into(), at(0))).await.unwrap()
        };
        assert!(grant(2, 1).await);
        assert!(!grant(3, 2).await && !grant(4, 9).await);
        let other = store.change(|tx| sign_out(tx, &account("ben"), id(2))).await.unwrap();
        assert!(!other, "nobody ends what is another's");
        let ended = store.change(|tx| sign_out_everywhere(tx, &account("ana"))).await.unwrap();
        assert_eq!((ended, ids(&store)), (2, vec![]));
    }
}

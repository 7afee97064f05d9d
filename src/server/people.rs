//! Who may sign in and what they may do, by the config as it is now.

use std::time::Duration;

use fulcrum_domain::{Account, Authority, Lifetimes, Right, Role, Sight, SignIn};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::config::{self, LocalUser, Oidc, Secret};

/// A hash of the usual cost that no password is known for.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Y2VydGFpbmx5IG5vdCB0aGUgcmlnaHQgaGFzaCBhdCBhbGw";

/// The people and how they sign in. Part of the keys: replaced as a whole on reload.
#[derive(Clone)]
pub(super) struct People {
    users: Vec<LocalUser>,
    oidc: Option<Oidc>,
    lifetimes: Lifetimes,
}

/// What somebody is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) sight: Sight,
}

impl People {
    pub(super) fn new(users: &[LocalUser], sign_in: &config::SignIn) -> Self {
        Self {
            users: users.to_vec(),
            oidc: sign_in.oidc.clone(),
            lifetimes: Lifetimes {
                idle: signed(sign_in.idle),
                absolute: signed(sign_in.absolute),
                extension: signed(sign_in.extension),
            },
        }
    }

    /// Nobody.
    pub(super) fn none() -> Self {
        let lifetimes = Lifetimes {
            idle: SignedDuration::from_hours(8),
            absolute: SignedDuration::from_hours(24),
            extension: SignedDuration::from_hours(720),
        };
        Self { users: Vec::new(), oidc: None, lifetimes }
    }

    pub(super) fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// What whoever signed in so is now; nothing when those who vouched for them do so no more.
    pub(super) fn standing(&self, sign_in: &SignIn) -> Option<Standing> {
        match &sign_in.authority {
            Authority::Config { password } => {
                let user = self.user(&sign_in.account)?;
                let standing = Standing { name: user.name.clone(), role: user.role, sight: user.sight };
                (digest(user) == *password).then_some(standing)
            }
            Authority::Provider { name, role, sight } => {
                self.oidc.as_ref()?;
                Some(Standing { name: name.clone(), role: *role, sight: *sight })
            }
        }
    }

    /// How people sign in elsewhere.
    pub(super) fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_ref()
    }

    /// Whether anybody can sign in with a password.
    pub(super) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// What an account's password is compared with, and whose word it is when it fits. An account that
    /// nobody has gets the hash of one of the others and no word: always the same one's, so that it takes
    /// as long as somebody's would, however much their hashes cost.
    pub(super) fn credential(&self, account: Option<&Account>) -> (Secret, Option<Authority>) {
        match account.and_then(|account| self.user(account)) {
            Some(user) => (user.password_hash.clone(), Some(Authority::Config { password: digest(user) })),
            None => {
                let named = account.map(ToString::to_string).unwrap_or_default();
                let other = usize::from(Sha256::digest(named)[0]).checked_rem(self.users.len());
                let other = other.and_then(|other| self.users.get(other));
                (other.map_or_else(|| Secret::new(NOBODYS), |user| user.password_hash.clone()), None)
            }
        }
    }

    /// Those of the config who may text: their accounts and names.
    pub(super) fn texting(&self) -> impl Iterator<Item = (&Account, &str)> {
        let users = self.users.iter().filter(|user| user.role.may(Right::Text));
        users.map(|user| (&user.account, user.name.as_str()))
    }

    /// Whether the config has this account.
    pub(super) fn knows(&self, account: &Account) -> bool {
        self.user(account).is_some()
    }

    fn user(&self, account: &Account) -> Option<&LocalUser> {
        self.users.iter().find(|user| user.account == *account)
    }
}

/// What tells a user's password from its successor.
fn digest(user: &LocalUser) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&Sha256::digest(user.password_hash.expose())[..16]);
    half
}

/// The config's bounds are far below what either type holds.
fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::SignInKind;
    use jiff::Timestamp;

    use super::*;

    fn user(role: Role, hash: &str) -> LocalUser {
        LocalUser {
            account: "ana@acme.example".parse().unwrap(),
            name: "Ana".into(),
            role,
            sight: Sight::All,
            password_hash: Secret::new(hash),
        }
    }

    fn people(users: &[LocalUser]) -> People {
        People { users: users.to_vec(), ..People::none() }
    }

    fn signed_in(authority: Authority) -> SignIn {
        SignIn {
            account: "ana@acme.example".parse().unwrap(),
            authority,
            kind: SignInKind::Browser,
            made_at: Timestamp::UNIX_EPOCH,
            seen_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_user_of_the_config_is_what_the_config_says_now() {
        let sign_in = signed_in(Authority::Config { password: digest(&user(Role::Admin, "h")) });
        let role = |users: &[LocalUser]| people(users).standing(&sign_in).map(|standing| standing.role);
        assert_eq!(role(&[user(Role::Admin, "h")]), Some(Role::Admin));
        assert_eq!(role(&[user(Role::Viewer, "h")]), Some(Role::Viewer));
        assert_eq!(role(&[user(Role::Admin, "another")]), None, "the password has changed");
        assert_eq!(role(&[]), None);
    }

    #[test]
    fn an_account_that_nobody_has_is_looked_at_as_long_and_vouched_for_by_nobody() {
        let some = people(&[user(Role::Admin, "h")]);
        let (ana, ben) = ("ana@acme.example".parse().unwrap(), "ben@acme.example".parse().unwrap());
        let (hash, authority) = some.credential(Some(&ana));
        assert!(hash.expose() == "h" && authority.is_some());
        for nobody in [Some(&ben), None] {
            let (hash, authority) = some.credential(nobody);
            assert!(hash.expose() == "h" && authority.is_none());
        }
        let (hash, authority) = people(&[]).credential(Some(&ana));
        assert!(hash.expose() == NOBODYS && authority.is_none());
    }

    #[test]
    fn how_long_it_takes_does_not_tell_who_has_an_account() {
        let other = LocalUser { account: "bo@acme.example".parse().unwrap(), ..user(Role::Viewer, "dear") };
        let some = people(&[user(Role::Admin, "cheap"), other]);
        let costs = |name: u32| {
            let nobody = format!("nobody-{name}@acme.example").parse().unwrap();
            let [first, again] = [(); 2].map(|()| some.credential(Some(&nobody)).0.expose().to_owned());
            assert_eq!(first, again);
            first
        };
        assert_eq!((0..50).map(costs).collect::<std::collections::BTreeSet<_>>().len(), 2);
    }

    #[test]
    fn the_providers_word_counts_while_there_is_a_provider() {
        let authority = Authority::Provider { name: "Ana".into(), role: Role::Viewer, sight: Sight::Open };
        assert_eq!(people(&[user(Role::Admin, "h")]).standing(&signed_in(authority)), None);
    }
}

//! People's sign-ins: opened, looked up at each request, ended.
//!
//! A secret is made here, handed out once, and forgotten; only its digest is stored. Whether
//! somebody may sign in is not decided here: the server has seen their password or their provider.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fulcrum_domain::{
    Account, Activity, ActivityKind, Actor, Authority, Lifetimes, SessionId, SignIn, UserId,
};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{Engine, changes};
use crate::store::tables::{SIGN_INS, USERS, USERS_BY_EMAIL};
use crate::store::{Keys, Read, StoreError};

/// Somebody who is signed in, as they are found at a request.
#[derive(Clone, Debug)]
pub struct Present {
    /// Which sign-in.
    pub id: SessionId,
    /// The row.
    pub sign_in: SignIn,
    /// The active user of Lever with their e-mail.
    pub user: Option<UserId>,
}

/// What happened about signing in, for the activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountEvent {
    /// Somebody signed in with a password.
    PasswordAccepted,
    /// Somebody came by the demo's link.
    LinkFollowed,
    /// Somebody was sent by the identity provider.
    ProviderAccepted,
    /// The password was wrong, or nobody has that account.
    PasswordRefused,
    /// Too many passwords were being checked, and nobody looked at this one.
    NoTurn,
    /// There were too many attempts.
    TooManyAttempts,
    /// The identity provider's answer did not hold.
    ProviderRefused,
    /// The identity provider did not answer.
    ProviderDown,
    /// The identity provider gives the account no role.
    NoRole,
    /// A browser was signed out.
    SignedOut,
    /// Everything of an account was signed out.
    SignedOutEverywhere,
    /// A browser or an extension was signed out from elsewhere.
    Revoked,
    /// An extension got a token.
    ExtensionGranted,
}

impl AccountEvent {
    /// As the activity tells it.
    fn words(self) -> &'static str {
        match self {
            Self::PasswordAccepted => "signed in with a password",
            Self::LinkFollowed => "signed in by the demo's link",
            Self::ProviderAccepted => "signed in with the organisation's account",
            Self::PasswordRefused => "refused: the password is wrong or there is no such account",
            Self::NoTurn => "refused: too many passwords were being checked",
            Self::TooManyAttempts => "refused: too many attempts",
            Self::ProviderRefused => "refused: the identity provider's answer does not hold",
            Self::ProviderDown => "refused: the identity provider does not answer",
            Self::NoRole => "refused: the identity provider gives no role",
            Self::SignedOut => "signed out",
            Self::SignedOutEverywhere => "signed out everywhere",
            Self::Revoked => "signed one of their browsers or extensions out",
            Self::ExtensionGranted => "connected an extension",
        }
    }
}

/// Who tried to sign in, where that is nobody whom we know: what they typed may be their password.
const SOMEBODY: &str = "somebody";

impl Engine {
    /// Signs a browser in. Gives the secret for its cookie.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_session(
        &self,
        account: Account,
        authority: Authority,
        lifetimes: Lifetimes,
    ) -> Result<SecretString, StoreError> {
        let (secret, id) = new_secret();
        let now = self.clock.now();
        self.store.change(move |tx| changes::sign_in(tx, id, account, authority, lifetimes, now)).await?;
        Ok(secret)
    }

    /// Gives an extension a token, on the word of whoever is signed in with `by`; none when that is
    /// not a browser that is signed in. `label` is what its owner tells it from others by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grant_extension(
        &self,
        by: SessionId,
        label: String,
    ) -> Result<Option<SecretString>, StoreError> {
        let (secret, id) = new_secret();
        let now = self.clock.now();
        let granted = self.store.change(move |tx| changes::grant_extension(tx, id, by, label, now)).await?;
        Ok(granted.then_some(secret))
    }

    /// Who is signed in with this secret, whether or not it still holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signed_in(&self, secret: &str) -> Result<Option<Present>, StoreError> {
        let id = id_of(secret);
        self.store
            .read(move |read| {
                let Some(sign_in) = read.get(SIGN_INS, &id)? else { return Ok(None) };
                let user = changes::user_by_email(read, sign_in.account.as_str())?;
                Ok(Some(Present { id, sign_in, user }))
            })
            .await
    }

    /// Notes that a sign-in is in use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_use(&self, id: SessionId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.try_change(move |tx| changes::note_use(tx, id, now)).await
    }

    /// An account's browsers and extensions that hold, the latest use first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_ins_of(
        &self,
        account: Account,
        lifetimes: Lifetimes,
    ) -> Result<Vec<(SessionId, SignIn)>, StoreError> {
        let now = self.clock.now();
        let theirs = move |row: &SignIn| row.account == account && row.holds(now, lifetimes);
        self.store.read(move |read| changes::sign_ins(read, theirs)).await
    }

    /// The active users of Lever, by the account that their e-mail is, with their names; none where there are
    /// more than `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lever_accounts(&self, most: usize) -> Result<Vec<(Account, String)>, StoreError> {
        let ids = self.store.read(move |read| read.list(USERS_BY_EMAIL, &Keys::all(), most + 1)).await?;
        if ids.len() > most {
            return Ok(Vec::new());
        }
        self.store
            .read(move |read| {
                let mut known = Vec::new();
                for (email, id) in ids {
                    let Ok(account) = email.parse() else { continue };
                    known.extend(read.get(USERS, &id)?.map(|user| (account, user.name)));
                }
                Ok(known)
            })
            .await
    }

    /// Ends one of an account's sign-ins; false when it has no such one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_out(&self, account: Account, id: SessionId) -> Result<bool, StoreError> {
        self.store.change(move |tx| changes::sign_out(tx, &account, id)).await
    }

    /// Ends all of an account's sign-ins, extensions too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_out_everywhere(&self, account: Account) -> Result<usize, StoreError> {
        self.store.change(move |tx| changes::sign_out_everywhere(tx, &account)).await
    }

    /// Tells the activity who signed in or out, or was refused, and from where. `account` is one that
    /// there is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_account(
        &self,
        event: AccountEvent,
        account: Option<&Account>,
        from: Option<IpAddr>,
    ) -> Result<(), StoreError> {
        let words = event.words();
        let what = from.map_or_else(|| words.to_owned(), |from| format!("{words}, from {from}"));
        let actor = account.map_or_else(|| Actor::from(SOMEBODY), Actor::from);
        self.note_activity(Activity::new(self.clock.now(), actor, ActivityKind::SignIn, what)).await
    }

    /// Ends what the identity provider vouched for: it gives the account no role any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn withdraw(&self, account: Account) -> Result<usize, StoreError> {
        self.store.change(move |tx| changes::withdraw(tx, &account)).await
    }
}

/// 256 bits that nobody guesses, and what they are stored under.
fn new_secret() -> (SecretString, SessionId) {
    let secret = BASE64.encode(rand::random::<[u8; 32]>());
    let id = id_of(&secret);
    (secret.into(), id)
}

fn id_of(secret: &str) -> SessionId {
    let mut half = [0; 16];
    half.copy_from_slice(&Sha256::digest(secret)[..16]);
    SessionId::new(half)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn secrets_are_long_and_their_ids_do_not_give_them_away() {
        let (one, other) = (new_secret(), new_secret());
        assert_eq!(one.0.expose_secret().len(), 43);
        assert_ne!(one.1, other.1);
        assert_eq!(id_of(one.0.expose_secret()), one.1);
    }
}

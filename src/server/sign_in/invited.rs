//! A way in by a link that works once: whoever starts the demo need not copy a password.
//!
//! Only the program that made an [`Invitation`] knows its word, and only a browser on this machine
//! gets in by it. A daemon that was configured has none: there the route leads nowhere.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use fulcrum_domain::Account;
use http::StatusCode;
use subtle::ConstantTimeEq;

use super::pages::{enter, said};
use super::texts;
use crate::config::Secret;
use crate::engine::accounts::AccountEvent;
use crate::server::Shared;
use crate::server::listener::Peer;

/// Who is let in by a link, once.
pub struct Invitation {
    /// One of the config's users.
    pub account: Account,
    /// The last part of the link's path, which nobody guesses.
    pub word: Secret,
}

/// The invitation, until somebody comes.
pub(in crate::server) struct Invited(Mutex<Option<Invitation>>);

impl Invited {
    pub(in crate::server) fn new(invitation: Option<Invitation>) -> Self {
        Self(Mutex::new(invitation))
    }

    /// Whose invitation it is; there is none afterwards.
    fn take(&self, word: &str) -> Option<Account> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let invitation = waiting.take_if(|one| one.word.expose().as_bytes().ct_eq(word.as_bytes()).into());
        invitation.map(|invitation| invitation.account)
    }
}

/// `GET /sign-in/link/{word}`
pub(super) async fn follow(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    Path(word): Path<String>,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    let is_near = peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback());
    let account = if is_near { shared.invited.take(&word) } else { None };
    let authority = shared.keys.load().people().credential(account.as_ref()).1;
    match (account, authority) {
        (Some(account), Some(authority)) => {
            enter(&shared, account, authority, AccountEvent::LinkFollowed, peer, "/").await
        }
        _ => {
            let on = ("/sign-in", texts::TO_SIGN_IN);
            said(&shared, StatusCode::GONE, texts::LINK_USED, texts::LINK_USED_WORDS, on)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_lets_one_in_and_a_wrong_word_leaves_it_be() {
        let account: Account = "ana@acme.example".parse().unwrap();
        let invited = Invited::new(Some(Invitation { account: account.clone(), word: Secret::new("word") }));
        assert_eq!(invited.take("wor"), None);
        assert_eq!(invited.take(""), None);
        assert_eq!(invited.take("word"), Some(account));
        assert_eq!(invited.take("word"), None);
        assert_eq!(Invited::new(None).take(""), None);
    }
}

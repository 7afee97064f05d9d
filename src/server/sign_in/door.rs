//! The cookie of whoever is about to sign in: a random word from which all else is made, so that
//! nothing of them has to be kept here.

use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::server::Shared;
use crate::server::caller::{csrf_of, keyed};
use crate::server::site::{Jar, local_path};

/// A form may be left open overnight.
const LASTS: Duration = Duration::from_hours(24);
/// The length of our words; others are not ours.
const CHARS: usize = 43;

/// What goes to the identity provider and must come back.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Goes with the browser: shows that the answer belongs to it.
    pub(super) state: String,
    /// Goes into the token: shows that it was made for this attempt.
    pub(super) nonce: String,
    /// Stays here until the code is exchanged: nobody else can use it (RFC 7636).
    pub(super) verifier: String,
    /// Where the person wanted to go.
    pub(super) next: String,
}

/// The door that a browser stands at.
pub(super) struct Door {
    secret: String,
    is_new: bool,
}

impl Door {
    /// The one that the browser has been at, or a new one.
    pub(super) fn of(shared: &Shared, headers: &HeaderMap) -> Self {
        match Self::known(shared, headers) {
            Some(door) => door,
            None => Self { secret: BASE64.encode(rand::random::<[u8; 32]>()), is_new: true },
        }
    }

    /// The one that the browser has been at.
    pub(super) fn known(shared: &Shared, headers: &HeaderMap) -> Option<Self> {
        let secret = shared.site.read(Jar::Door, headers).filter(|secret| secret.len() == CHARS)?;
        Some(Self { secret, is_new: false })
    }

    /// What the form must contain.
    pub(super) fn csrf(&self) -> String {
        csrf_of(&self.secret)
    }

    /// A new way to the identity provider and back, to `next`.
    pub(super) fn attempt(&self, next: &str) -> Attempt {
        let salt = BASE64.encode(rand::random::<[u8; 16]>());
        self.made(&salt, local_path(next))
    }

    /// The one that a state belongs to; none if it did not begin at this door.
    pub(super) fn attempt_of(&self, state: &str) -> Option<Attempt> {
        let mut parts = state.splitn(3, '.');
        let (salt, next) = (parts.next()?, parts.nth(1)?);
        let next = String::from_utf8(BASE64.decode(next).ok()?).ok()?;
        let attempt = self.made(salt, local_path(&next));
        bool::from(attempt.state.as_bytes().ct_eq(state.as_bytes())).then_some(attempt)
    }

    /// All of an attempt follows from the door's secret, its salt and where it leads.
    fn made(&self, salt: &str, next: &str) -> Attempt {
        let word = |purpose: &str| keyed(&self.secret, &format!("{purpose} {salt} {next}"));
        Attempt {
            state: format!("{salt}.{}.{}", word("state"), BASE64.encode(next)),
            nonce: word("nonce"),
            verifier: word("verifier"),
            next: next.to_owned(),
        }
    }

    /// The response with what makes the browser come back to this door.
    pub(super) fn kept(&self, shared: &Shared, mut response: Response) -> Response {
        if self.is_new {
            let cookie = shared.site.set(Jar::Door, &self.secret, LASTS);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(secret: &str) -> Door {
        Door { secret: secret.to_owned(), is_new: false }
    }

    #[test]
    fn an_answer_counts_at_the_door_where_it_was_asked_for_alone() {
        let attempt = door("a").attempt("/c/K3V9?x=y");
        assert_eq!(attempt.next, "/c/K3V9?x=y");
        assert!(door("a").attempt_of(&attempt.state) == Some(attempt.clone()));
        assert!(door("b").attempt_of(&attempt.state).is_none());
        for wrong in ["", ".", "..", "a.b.c", &attempt.state[1..], &format!("{}x", attempt.state)] {
            assert!(door("a").attempt_of(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn no_two_attempts_are_alike_and_a_verifier_is_long_enough() {
        let (one, other) = (door("a").attempt("/"), door("a").attempt("/"));
        assert!(one.state != other.state && one.nonce != other.nonce && one.verifier != other.verifier);
        assert!((43..=128).contains(&one.verifier.len()), "RFC 7636, 4.1");
    }

    #[test]
    fn where_an_attempt_leads_cannot_be_changed() {
        let state = door("a").attempt("/inbox").state;
        let (head, _) = state.rsplit_once('.').unwrap();
        assert!(door("a").attempt_of(&format!("{head}.{}", BASE64.encode("/setup"))).is_none());
        assert_eq!(door("a").attempt("https://evil.example").next, "/");
    }
}

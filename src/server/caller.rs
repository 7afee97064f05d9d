//! Who calls: found from what comes with a request, in one place for the API, pages and fragments.
//!
//! A bearer token is a program's, by the config, or an extension's, by a sign-in that stands in the
//! store. Without one the cookie counts, and then only then can a request have been made by
//! another site's page: [`Caller::csrf`] is what such a page cannot know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fulcrum_domain::{Account, Actor, Right, Role, SessionId, Sight, SignInKind, UserId};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use sha2::Sha256;

use super::Shared;
use super::problem::{Kind, Problem};
use super::site::Jar;
use crate::engine::Sender;

/// The name under which the control socket's users act where they name no Lever user.
const OPERATOR: &str = "operator";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// To be shown: a person's name, a token's.
    pub(super) name: String,
    pub(super) role: Role,
    /// How much of what is confidential they may see.
    pub(super) sight: Sight,
    /// Whose account, if it is a person.
    pub(super) account: Option<Account>,
    /// The active user of Lever with that e-mail.
    pub(super) user: Option<UserId>,
    /// How they are signed in, with a browser or an extension.
    pub(super) session: Option<SessionId>,
    csrf: Option<String>,
}

impl Caller {
    /// Whoever may open the control socket, or has a program's token.
    pub(super) fn program(name: &str, role: Role, sight: Sight) -> Self {
        Self { name: name.to_owned(), role, sight, account: None, user: None, session: None, csrf: None }
    }

    /// Whoever may open the control socket.
    pub(super) fn operator() -> Self {
        Self::program(OPERATOR, Role::Admin, Sight::All)
    }

    /// In whose name a text of theirs is written; none of a program's, which says it with each.
    pub(super) fn signs(&self) -> Option<Sender> {
        self.account.as_ref().map(|_| match &self.user {
            Some(user) => Sender::User(user.clone()),
            None => Sender::Name(self.name.clone()),
        })
    }

    /// Who is meant by the headers of a request from outside.
    ///
    /// `is_used` says whether a person is behind it, so that their browser stays signed in.
    ///
    /// # Errors
    /// The problem that there is nobody, in words, or that the store cannot tell.
    pub(super) async fn of(shared: &Shared, headers: &HeaderMap, is_used: bool) -> Result<Self, Problem> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value
                .to_str()
                .ok()
                .and_then(|value| value.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim())
                .ok_or_else(|| nobody("the header Authorization is not \"Bearer TOKEN\""))?;
            if let Some(program) = shared.keys.load().caller(token) {
                return Ok(program);
            }
            let extension = |kind: &SignInKind| matches!(kind, SignInKind::Extension { .. });
            return Self::signed_in(shared, token, true, extension)
                .await?
                .ok_or_else(|| nobody("no such token is known"));
        }
        let Some(secret) = shared.site.read(Jar::SignedIn, headers) else {
            return Err(nobody("neither the header Authorization nor a cookie of somebody who is signed in"));
        };
        let caller = Self::signed_in(shared, &secret, is_used, |kind| *kind == SignInKind::Browser).await?;
        let caller = caller.ok_or_else(|| nobody("the browser is not signed in any more"))?;
        Ok(Self { csrf: Some(csrf_of(&secret)), ..caller })
    }

    /// Whoever holds a secret, if it is one of the right kind that still holds.
    async fn signed_in(
        shared: &Shared,
        secret: &str,
        is_used: bool,
        fits: impl Fn(&SignInKind) -> bool,
    ) -> Result<Option<Self>, Problem> {
        let Some(present) = shared.engine.signed_in(secret).await? else { return Ok(None) };
        let (now, sign_in) = (shared.engine.now(), present.sign_in);
        let keys = shared.keys.load();
        let standing = keys.people().standing(&sign_in).filter(|_| fits(&sign_in.kind));
        let Some(standing) = standing.filter(|_| sign_in.holds(now, keys.people().lifetimes())) else {
            return Ok(None);
        };
        if is_used && sign_in.wants_noting(now) {
            // A busy disk is no reason to refuse: the next request notes it.
            if let Err(error) = shared.engine.note_use(present.id).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a use was not noted");
            }
        }
        Ok(Some(Self {
            name: standing.name,
            role: standing.role,
            sight: standing.sight,
            account: Some(sign_in.account),
            user: present.user,
            session: Some(present.id),
            csrf: None,
        }))
    }

    /// Whether they have a right.
    pub(super) fn may(&self, right: Right) -> bool {
        self.role.may(right)
    }

    /// Whether they may say that a text cannot wait for the end of quiet hours: people with one of these
    /// roles, never programs.
    pub(super) fn may_override(&self, roles: &[Role]) -> bool {
        self.account.is_some() && self.may(Right::Text) && roles.contains(&self.role)
    }

    /// Whether a person calls, and not a program with a token of the config: one who has an account, or
    /// who may open the control socket.
    pub(super) fn is_person(&self) -> bool {
        self.account.is_some() || *self == Self::operator()
    }

    /// As the activity names them.
    pub(super) fn actor(&self) -> Actor {
        self.account.as_ref().map_or_else(|| Actor::from(self.name.as_str()), Actor::from)
    }

    /// What forms of theirs must contain; empty for whoever came without a cookie.
    pub(super) fn csrf(&self) -> &str {
        self.csrf.as_deref().unwrap_or_default()
    }

    /// Whether they are known by a cookie, which browsers also send for other sites' pages.
    pub(super) fn came_by_cookie(&self) -> bool {
        self.csrf.is_some()
    }
}

fn nobody(detail: &'static str) -> Problem {
    Problem::new(Kind::NoToken, detail)
}

/// What shows that a form is ours: only who knows the cookie's secret can make it, and it does not
/// give the secret away.
pub(super) fn csrf_of(secret: &str) -> String {
    keyed(secret, "csrf")
}

/// A word made from a secret for one purpose.
pub(super) fn keyed(secret: &str, purpose: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_one_browser_is_of_no_use_in_another() {
        assert_eq!(csrf_of("a"), csrf_of("a"));
        assert_ne!(csrf_of("a"), csrf_of("b"));
        assert_ne!(csrf_of("a"), keyed("a", "state"));
    }

    #[test]
    fn a_person_acts_under_their_account_and_a_program_under_its_name() {
        let program = Caller::program("board", Role::Viewer, Sight::Open);
        assert_eq!(program.actor().as_str(), "board");
        let person = Caller { account: Some("ana@acme.example".parse().unwrap()), ..program };
        assert_eq!(person.actor().as_str(), "ana@acme.example");
    }
}

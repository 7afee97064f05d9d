//! What callers prove themselves with, as the config has it. Replaced as a whole on reload.

use fulcrum_domain::{HookEvent, Role, Sight};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::people::People;
use crate::config::{ApiToken, LocalUser, Secret, SignIn, WebhookTokens};

/// What callers prove themselves with. Replaced as a whole on reload.
#[derive(Clone)]
pub struct Keys {
    lever: [Vec<SecretString>; HookEvent::ALL.len()],
    /// Which events have a token under their own name.
    named: [bool; HookEvent::ALL.len()],
    unnamed: usize,
    hook_secret: Option<SecretString>,
    api: Vec<ApiKey>,
    people: People,
}

/// An API token, known by its digest alone.
#[derive(Clone)]
struct ApiKey {
    name: String,
    role: Role,
    sight: Sight,
    digest: [u8; 32],
}

impl Keys {
    /// From the configuration.
    pub fn new(webhooks: &WebhookTokens, hook_secret: Option<&Secret>, api: &[ApiToken]) -> Self {
        Self {
            lever: tokens_of(webhooks),
            named: HookEvent::ALL.map(|event| webhooks.has_own(event)),
            unnamed: webhooks.unnamed(),
            hook_secret: hook_secret.map(own),
            api: api
                .iter()
                .map(|token| ApiKey {
                    name: token.name.clone(),
                    role: token.role,
                    sight: token.sight,
                    digest: Sha256::digest(token.token.expose()).into(),
                })
                .collect(),
            people: People::none(),
        }
    }

    /// The same with people who may sign in.
    #[must_use]
    pub fn with_people(self, users: &[LocalUser], sign_in: &SignIn) -> Self {
        Self { people: People::new(users, sign_in), ..self }
    }

    /// The same with other webhook tokens.
    #[must_use]
    pub(super) fn with_webhooks(&self, webhooks: &WebhookTokens) -> Self {
        Self {
            lever: tokens_of(webhooks),
            named: HookEvent::ALL.map(|event| webhooks.has_own(event)),
            unnamed: webhooks.unnamed(),
            ..self.clone()
        }
    }

    /// The people who may sign in.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// The tokens that may have signed this event.
    pub(super) fn lever(&self, event: HookEvent) -> &[SecretString] {
        &self.lever[event as usize]
    }

    /// Whether a token stands under this event's own name.
    pub(super) fn names(&self, event: HookEvent) -> bool {
        self.named[event as usize]
    }

    /// How many tokens there are of which nobody said whose they are.
    pub(super) fn unnamed(&self) -> usize {
        self.unnamed
    }

    /// How many webhooks can be verified, at most: a token without a name is one event's, and may be that of
    /// one that has its own.
    pub(super) fn verifiable(&self) -> usize {
        let named = self.named.iter().filter(|named| **named).count();
        HookEvent::ALL.len().min(named + self.unnamed)
    }

    /// Whether Lever's webhooks are taken at this path: the part after `/hooks/lever/`, if any.
    pub(super) fn hook_path_fits(&self, part: Option<&str>) -> bool {
        match (&self.hook_secret, part) {
            (None, None) => true,
            (Some(secret), Some(part)) => secret.expose_secret().as_bytes().ct_eq(part.as_bytes()).into(),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whose API token that is. It is compared with all of them, in constant time.
    pub(super) fn caller(&self, token: &str) -> Option<Caller> {
        let given: [u8; 32] = Sha256::digest(token).into();
        let found = self
            .api
            .iter()
            .fold(None, |found, key| if key.digest.ct_eq(&given).into() { Some(key) } else { found });
        found.map(|key| Caller::program(&key.name, key.role, key.sight))
    }
}

fn own(secret: &Secret) -> SecretString {
    SecretString::from(secret.expose())
}

fn tokens_of(webhooks: &WebhookTokens) -> [Vec<SecretString>; HookEvent::ALL.len()] {
    HookEvent::ALL.map(|event| webhooks.tokens_for(event).map(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hook_secret: Option<&str>) -> Keys {
        let token = |name: &str, role, token: &str| ApiToken {
            name: name.into(),
            role,
            token: Secret::new(token),
            sight: Sight::Open,
        };
        Keys::new(
            &WebhookTokens::parse("candidate_hired = 'h'\nany = ['x']", "t".as_ref()).unwrap(),
            hook_secret.map(Secret::new).as_ref(),
            &[token("a", Role::Admin, "0123456789abcdef"), token("v", Role::Viewer, "fedcba9876543210")],
        )
    }

    #[test]
    fn each_event_has_its_own_tokens_and_those_of_any() {
        let count = |event| keys(None).lever(event).len();
        assert_eq!((count(HookEvent::CandidateHired), count(HookEvent::InterviewDeleted)), (2, 1));
    }

    #[test]
    fn with_a_secret_only_its_path_is_taken() {
        assert!(keys(None).hook_path_fits(None) && !keys(None).hook_path_fits(Some("s")));
        let keys = keys(Some("s"));
        assert!(keys.hook_path_fits(Some("s")));
        assert!(
            !keys.hook_path_fits(None) && !keys.hook_path_fits(Some("t")) && !keys.hook_path_fits(Some(""))
        );
    }

    #[test]
    fn a_token_leads_to_its_caller_and_no_other() {
        let caller = keys(None).caller("fedcba9876543210").unwrap();
        assert_eq!((caller.name.as_str(), caller.role), ("v", Role::Viewer));
        for wrong in ["", "fedcba987654321", "fedcba98765432100"] {
            assert_eq!(keys(None).caller(wrong), None);
        }
    }
}

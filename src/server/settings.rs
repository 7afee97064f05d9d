//! What the server needs of the configuration, in its own terms.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fulcrum_domain::HookEvent;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use crate::carrier::twilio;
use crate::config::{ApiToken, LeverHost, Role, Secret, TlsFiles, WebhookTokens};

/// Settings of the server.
pub struct ServerSettings {
    /// Where hooks and the API are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are served.
    pub ops_listen: SocketAddr,
    /// Where commands find the daemon; none for a server without one.
    pub control_socket: Option<PathBuf>,
    /// Set: `listen` speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Under which address the outside reaches `listen`.
    pub public_url: Url,
    /// Where the browser extension works.
    pub lever_hosts: Vec<LeverHost>,
    /// The receiving end of Twilio, where that is the carrier.
    pub twilio: Option<twilio::Hooks>,
    /// Who may come in.
    pub keys: Keys,
    /// How much a client may take up.
    pub limits: Limits,
}

/// What callers prove themselves with. Replaced as a whole on reload.
pub struct Keys {
    lever: [Vec<SecretString>; HookEvent::ALL.len()],
    hook_secret: Option<SecretString>,
    api: Vec<ApiKey>,
}

/// An API token, known by its digest alone.
struct ApiKey {
    name: String,
    role: Role,
    digest: [u8; 32],
}

/// Who calls the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) name: String,
    pub(super) role: Role,
}

impl Keys {
    /// From the configuration.
    pub fn new(webhooks: &WebhookTokens, hook_secret: Option<&Secret>, api: &[ApiToken]) -> Self {
        let own = |secret: &Secret| SecretString::from(secret.expose());
        Self {
            lever: HookEvent::ALL.map(|event| webhooks.tokens_for(event).map(own).collect()),
            hook_secret: hook_secret.map(own),
            api: api
                .iter()
                .map(|token| ApiKey {
                    name: token.name.clone(),
                    role: token.role,
                    digest: Sha256::digest(token.token.expose()).into(),
                })
                .collect(),
        }
    }

    /// The tokens that may have signed this event.
    pub(super) fn lever(&self, event: HookEvent) -> &[SecretString] {
        &self.lever[event as usize]
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
        found.map(|key| Caller { name: key.name.clone(), role: key.role })
    }
}

/// How much a client may take up of the public listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Fields of a request's head.
    pub headers: usize,
    /// Requests at once on an HTTP/2 connection.
    pub streams: u32,
    /// For a request's head, or a TLS handshake.
    pub head_time: Duration,
    /// For a request's body.
    pub body_time: Duration,
    /// A connection on which nothing happens is closed after one to two times this.
    pub idle_time: Duration,
}

impl Default for Limits {
    /// Far above what Lever, Twilio and a team of recruiters do, and little memory: 64 KiB at most
    /// for a connection.
    fn default() -> Self {
        Self {
            connections: 4096,
            head_bytes: 32 * 1024,
            headers: 64,
            streams: 128,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hook_secret: Option<&str>) -> Keys {
        let token =
            |name: &str, role, token: &str| ApiToken { name: name.into(), role, token: Secret::new(token) };
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

//! What the server needs of the configuration, in its own terms.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::console::SetupSettings;
use super::keys::Keys;
use super::sign_in::Invitation;
use crate::carrier::Hooks;
use crate::config::{LeverHost, ProxyRange, TlsFiles};

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
    /// Whose word counts about who is behind them.
    pub trusted_proxies: Vec<ProxyRange>,
    /// Where the browser extension works.
    pub lever_hosts: Vec<LeverHost>,
    /// The receiving end of the carrier.
    pub carrier: Hooks,
    /// How the connection with Lever stands on this machine, for the Setup page.
    pub setup: SetupSettings,
    /// The client with which the identity provider is asked; it must follow no redirects.
    pub provider_http: reqwest::Client,
    /// Who may come in.
    pub keys: Keys,
    /// Who is let in by a link, once: the demo's user.
    pub invitation: Option<Invitation>,
    /// How much a client may take up.
    pub limits: Limits,
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
    /// For a TLS handshake, for a request's head, and until the first request of a connection has begun.
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

//! What the server needs of the configuration, in its own terms.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::certificate::Certificate;
use super::console::SetupSettings;
use super::keys::Keys;
use super::sign_in::Invitation;
use crate::carrier::Hooks;
use crate::config::{LeverHost, Limits, ProxyRange};

/// Settings of the server.
pub struct ServerSettings {
    /// Where hooks and the API are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are served.
    pub ops_listen: SocketAddr,
    /// Where commands find the daemon; none for a server without one.
    pub control_socket: Option<PathBuf>,
    /// Set: `listen` speaks TLS.
    pub tls: Option<Certificate>,
    /// Under which address the outside reaches `listen`.
    pub public_url: Url,
    /// Whose word counts about who is behind them.
    pub trusted_proxies: Vec<ProxyRange>,
    /// Where the browser extension works.
    pub lever_hosts: Vec<LeverHost>,
    /// The receiving end of the carrier; none where it is only asked.
    pub carrier: Option<Hooks>,
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

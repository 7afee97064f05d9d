//! `[server]`, `[ops]`, `[store]`, `[network]` and `[log]`: this process on its machine.

use std::{net::IpAddr, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

use super::Secret;
use super::check::{Check, Checked};
use super::limits::{Limits, RawLimits};

/// The listeners for the outside and for commands. All but the limits needs a restart.
#[derive(Clone, Debug)]
pub struct Server {
    /// Hooks, console, API and booking pages; 127.0.0.1:8080 unless set, port 0 takes a free one.
    pub listen: SocketAddr,
    /// Under which address the outside reaches `listen`; part of the carrier's signature check.
    /// Must be set; https unless on loopback.
    pub public_url: Url,
    /// The Unix socket that commands talk to.
    pub control_socket: PathBuf,
    /// Set: `listen` speaks TLS itself.
    pub tls: Option<TlsFiles>,
    /// From whom X-Forwarded-For and Forwarded are believed; nobody unless set.
    pub trusted_proxies: Vec<ProxyRange>,
    /// How much a client may take up of `listen`.
    pub limits: Limits,
}

/// PEM files for TLS; readable when the config was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// One address, or a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyRange {
    address: IpAddr,
    prefix: u32,
}

impl ProxyRange {
    /// Whether an address lies in the range. An IPv4 address that comes in on an IPv6 socket
    /// (`::ffff:10.0.0.1`) is taken as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u32::from(own) ^ u32::from(other)).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own) ^ u128::from(other)).leading_zeros(),
            _ => return false,
        };
        differing >= self.prefix
    }
}

/// The text is no address and no network.
#[derive(Debug, thiserror::Error)]
#[error("neither an IP address nor a network")]
pub struct ProxyRangeError;

impl FromStr for ProxyRange {
    type Err = ProxyRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ProxyRangeError)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => whole,
            Some(digits) => digits.parse().ok().filter(|p| *p <= whole).ok_or(ProxyRangeError)?,
        };
        Ok(Self { address, prefix })
    }
}

/// The listener for health and metrics. Needs a restart.
#[derive(Clone, Debug)]
pub struct Ops {
    /// 127.0.0.1:9464 unless set.
    pub listen: SocketAddr,
}

/// The one file that holds everything. Needs a restart.
#[derive(Clone, Debug)]
pub struct Store {
    /// `/var/lib/fulcrum/fulcrum.redb` unless set.
    pub path: PathBuf,
    /// Keys that values in it are sealed with and opened, 64 hex digits each; the first one seals.
    pub keys: Vec<Secret>,
    /// Whether it does; if not, what is sealed is opened.
    pub sealed: bool,
}

/// The way out. Needs a restart.
#[derive(Clone, Debug)]
pub struct Network {
    /// HTTP proxy for all that goes out; direct unless set.
    pub proxy: Option<Url>,
    /// Name and password for it, with a colon between them.
    pub proxy_login: Option<Secret>,
    /// Hosts, domains with a dot before them, addresses and networks that are reached without it.
    pub no_proxy: Vec<String>,
    /// Root certificates trusted besides the system's; readable when the config was loaded.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key, in PEM, for whoever asks who we are.
    pub identity: Option<Secret>,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// Needs a restart.
    pub format: LogFormat,
    /// Directives of [`EnvFilter`], known to parse; `info` unless set.
    pub filter: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal under systemd, text on a terminal, else JSON.
    Auto,
    /// systemd's journal, with fields.
    Journald,
    /// One JSON object a line on standard error.
    Json,
    /// Text on standard error.
    Text,
}

/// What a filter may name of ours after `fulcrum::`; a test compares it with the folder.
const ROOMS: [&str; 10] =
    ["bucket", "calendar", "carrier", "cli", "config", "engine", "lever", "search", "server", "store"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    listen: String,
    public_url: String,
    control_socket: String,
    tls_cert_file: String,
    tls_key_file: String,
    trusted_proxies: Vec<String>,
    limits: RawLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOps {
    listen: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStore {
    path: String,
    keys_file: String,
    sealed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetwork {
    proxy: String,
    proxy_login_file: String,
    no_proxy: Vec<String>,
    identity_file: String,
    ca_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    format: String,
    filter: String,
}

impl RawServer {
    /// The path of the socket as it is written.
    pub(super) fn control_socket(&self) -> &str {
        self.control_socket.trim()
    }

    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Server> {
        let listen = check.listen("server.listen", &self.listen);
        let public_url = check.base_url("server.public_url", &self.public_url);
        let control_socket = check.path("server.control_socket", &self.control_socket);
        let tls = self.tls(check);
        let trusted_proxies: Vec<_> = (0..)
            .zip(&self.trusted_proxies)
            .map(|(index, range)| {
                let key = format!("server.trusted_proxies[{index}]");
                check.parse(&key, range, "an IP address or a network, such as \"10.0.0.0/8\"")
            })
            .collect();
        let limits = self.limits.check(check);
        Ok(Server {
            listen: listen?,
            public_url: public_url?,
            control_socket: control_socket?,
            tls: tls?,
            trusted_proxies: trusted_proxies.into_iter().collect::<Checked<_>>()?,
            limits: limits?,
        })
    }

    fn tls(&self, check: &mut Check<'_>) -> Checked<Option<TlsFiles>> {
        let cert = check.readable("server.tls_cert_file", &self.tls_cert_file);
        let key = check.readable("server.tls_key_file", &self.tls_key_file);
        match (cert?, key?) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (Some(_), None) => {
                let expected = "the key of server.tls_cert_file, or neither of both";
                Err(check.reject("server.tls_key_file", "not set", expected))
            }
            (None, Some(_)) => {
                let expected = "the certificate of server.tls_key_file, or neither of both";
                Err(check.reject("server.tls_cert_file", "not set", expected))
            }
        }
    }
}

impl RawOps {
    pub(super) fn check(&self, server: &RawServer, check: &mut Check<'_>) -> Checked<Ops> {
        let listen = check.listen("ops.listen", &self.listen)?;
        if listen.port() != 0 && self.listen == server.listen {
            let expected = "another address than server.listen";
            return Err(check.reject("ops.listen", format!("\"{listen}\""), expected));
        }
        Ok(Ops { listen })
    }
}

impl RawStore {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Store> {
        let path = check.path("store.path", &self.path);
        let keys = check.optional_secret("store.keys", &self.keys_file, "store-keys");
        let keys = keys.and_then(|keys| {
            let lines = keys.iter().flat_map(|keys| keys.expose().lines()).map(str::trim);
            let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
            let is_key = |line: &&str| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !lines.iter().all(is_key) {
                let expected = "one key a line, 64 hex digits each, as `openssl rand -hex 32` makes them";
                return Err(check.reject("store.keys_file", "something else than keys", expected));
            }
            Ok(lines.into_iter().map(Secret::new).collect())
        });
        Ok(Store { path: path?, keys: keys?, sealed: self.sealed })
    }
}

impl RawNetwork {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Network> {
        let proxy = match self.proxy.as_str() {
            "" => Ok(None),
            proxy => {
                let expected = "the address of a proxy, such as \"http://proxy.acme.example:3128\"";
                check.url_as("network.proxy", proxy, expected).map(Some)
            }
        };
        let proxy_login = check.optional_secret("network.proxy_login", &self.proxy_login_file, "proxy-login");
        let proxy_login = proxy_login.and_then(|login| match &login {
            Some(secret) if !secret.expose().contains(':') => {
                Err(check.reject("network.proxy_login_file", "a secret without a colon", "name:password"))
            }
            _ => Ok(login),
        });
        // They go to the client as one list with commas between them.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:/_".contains(c);
        let no_proxy: Vec<_> = (0..)
            .zip(&self.no_proxy)
            .map(|(index, host)| match !host.is_empty() && host.chars().all(plain) {
                true => Ok(host.clone()),
                false => {
                    let key = format!("network.no_proxy[{index}]");
                    let expected = "a host, a \".domain\", an address or a network";
                    Err(check.reject(&key, format!("{host:?}"), expected))
                }
            })
            .collect();
        let ca_file = check.readable("network.ca_file", &self.ca_file);
        let identity = check.optional_secret("network.identity", &self.identity_file, "network-identity");
        Ok(Network {
            proxy: proxy?,
            proxy_login: proxy_login?,
            no_proxy: no_proxy.into_iter().collect::<Checked<_>>()?,
            ca_file: ca_file?,
            identity: identity?,
        })
    }
}

impl RawLog {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Log> {
        let format = check.choice(
            "log.format",
            &self.format,
            &[
                ("auto", LogFormat::Auto),
                ("journald", LogFormat::Journald),
                ("json", LogFormat::Json),
                ("text", LogFormat::Text),
            ],
        );
        let expected = "a level (error, warn, info, debug, trace, off) or directives, such as \
                        \"info,fulcrum::lever=debug\"";
        check.parse::<EnvFilter>("log.filter", &self.filter, expected)?;
        if let Some(odd) = self.filter.split(',').map(str::trim).find(|directive| !is_meant(directive)) {
            return Err(check.reject("log.filter", format!("\"{odd}\""), expected));
        }
        Ok(Log { format: format?, filter: self.filter.clone() })
    }
}

/// Whether a directive is a level or names what there is. Any other word would be taken for the name of a
/// crate, of which all is logged, and of the rest nothing.
fn is_meant(directive: &str) -> bool {
    // Spans and fields are for those who know what they do.
    if directive.is_empty() || directive.contains(['[', ']', '{', '}']) {
        return true;
    }
    match directive.split_once('=') {
        None => directive.parse::<LevelFilter>().is_ok() || is_ours(directive),
        Some((target, _)) => !target.starts_with("fulcrum") || is_ours(target),
    }
}

fn is_ours(target: &str) -> bool {
    let mut parts = target.split("::");
    match parts.next() {
        Some("fulcrum") => parts.next().is_none_or(|room| ROOMS.contains(&room)),
        name => matches!(name.and_then(|name| name.strip_prefix("fulcrum_")), Some("domain" | "sandbox")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ProxyRange, ROOMS, is_meant};

    /// `verbose` silenced the whole log.
    #[test]
    fn a_filter_names_a_level_or_what_there_is() {
        for good in [
            "info",
            "OFF",
            "fulcrum",
            "fulcrum::lever",
            "fulcrum::lever=debug",
            "fulcrum::engine::hydrate=trace",
            "fulcrum_domain=debug",
            "hyper=warn",
            "fulcrum[look]=debug",
            "",
        ] {
            assert!(is_meant(good), "{good}");
        }
        for odd in ["verbose", "all", "hyper", "fulcrum::levr=debug", "fulcrum_lever=debug", "fulcrums"] {
            assert!(!is_meant(odd), "{odd}");
        }
    }

    #[test]
    fn the_rooms_are_those_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.path().join("mod.rs").exists());
        let mut rooms: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        rooms.sort();
        assert_eq!(rooms, ROOMS);
    }

    #[test]
    fn a_range_holds_its_own_network_only() {
        let within = |range: &str, address: &str| {
            range.parse::<ProxyRange>().unwrap().contains(address.parse().unwrap())
        };
        assert!(within("10.0.0.0/8", "10.200.0.1"));
        assert!(within("10.0.0.0/8", "::ffff:10.200.0.1"));
        assert!(!within("10.0.0.0/8", "11.0.0.1"));
        assert!(within("192.0.2.7", "192.0.2.7"));
        assert!(!within("192.0.2.7", "192.0.2.6"));
        assert!(within("0.0.0.0/0", "192.0.2.6"));
        assert!(within("2001:db8::/32", "2001:db8::1"));
        assert!(!within("2001:db8::/32", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "proxy.acme.example", "10.0.0.0/"] {
            assert!(text.parse::<ProxyRange>().is_err(), "{text}");
        }
    }
}

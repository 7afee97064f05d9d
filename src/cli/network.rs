//! From `[network]` to clients: every way out of this machine is made here.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use url::{Host, Url};

use super::wiring::WiringError;
use crate::calendar::Calendars;
use crate::config::{Config, Network, is_loopback};
use crate::engine::audit::Syslog;

/// To have a connection to the carrier or the identity provider. They answer in less than a second.
const CONNECT: Duration = Duration::from_secs(10);

/// The certificates that are trusted besides those of this machine, in PEM.
fn roots(network: &Network) -> Result<Vec<u8>, WiringError> {
    network.ca_file.as_ref().map_or(Ok(Vec::new()), fs::read).map_err(WiringError::Roots)
}

/// The way out as `[network]` has it: the proxy, the extra roots, who we are. Redirects are not followed.
#[expect(clippy::disallowed_methods, reason = "the one place where clients for the outside are made")]
pub(super) fn http(
    config: &Config,
    error: impl Fn(reqwest::Error) -> WiringError,
) -> Result<reqwest::ClientBuilder, WiringError> {
    let network = &config.network;
    let roots = reqwest::Certificate::from_pem_bundle(&roots(network)?).map_err(&error)?;
    let mut http = reqwest::Client::builder()
        .user_agent(concat!("fulcrum/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_merge(roots)
        .connect_timeout(CONNECT);
    if let Some(identity) = &network.identity {
        let identity = reqwest::Identity::from_pem(identity.expose().as_bytes());
        http = http.identity(identity.map_err(WiringError::Identity)?);
    }
    if let Some(proxy) = &network.proxy {
        let mut proxy = reqwest::Proxy::all(proxy.clone()).map_err(&error)?;
        if let Some((name, password)) =
            network.proxy_login.as_ref().and_then(|login| login.expose().split_once(':'))
        {
            proxy = proxy.basic_auth(name, password);
        }
        http = http.proxy(proxy.no_proxy(reqwest::NoProxy::from_string(&network.no_proxy.join(","))));
    }
    Ok(http)
}

/// The same to one address. What is near is asked without the proxy of the environment, which is for
/// addresses out there; one in the config is meant.
pub(super) fn http_to(
    config: &Config,
    url: &Url,
    error: impl Fn(reqwest::Error) -> WiringError,
) -> Result<reqwest::ClientBuilder, WiringError> {
    let http = http(config, error)?;
    let is_direct = config.network.proxy.is_none() && is_loopback(url);
    Ok(if is_direct { http.no_proxy() } else { http })
}

/// The client for the identity provider, whose address can change while the daemon runs.
pub(super) fn provider_http(config: &Config) -> Result<reqwest::Client, WiringError> {
    http(config, WiringError::Provider)?.build().map_err(WiringError::Provider)
}

/// The client for interviewers' calendars.
///
/// # Errors
/// [`WiringError::Roots`], [`WiringError::Calendars`].
pub(super) fn calendars(config: &Config) -> Result<Calendars, WiringError> {
    Calendars::new(http(config, WiringError::Calendars)?).map_err(WiringError::Calendars)
}

/// The receiver of the audit log, as `[network]` has the way out but for the proxy, which is one for HTTP.
pub(super) fn syslog(config: &Config) -> Result<Option<Syslog>, WiringError> {
    let Some((host, port)) = &config.audit.syslog else { return Ok(None) };
    let network = &config.network;
    let roots = CertificateDer::pem_slice_iter(&roots(network)?).collect::<Result<Vec<_>, _>>();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots.map_err(WiringError::Pem)?, provider.clone());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(WiringError::Syslog)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier.map_err(WiringError::Syslog)?));
    let tls = match &network.identity {
        None => tls.with_no_client_auth(),
        Some(identity) => {
            let pem = identity.expose().as_bytes();
            let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(WiringError::Pem)?;
            tls.with_client_auth_cert(chain.map_err(WiringError::Pem)?, key).map_err(WiringError::Syslog)?
        }
    };
    let name = match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(WiringError::SyslogName)?,
        Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
        Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
    };
    let from = config.server.public_url.host_str().unwrap_or_default();
    Ok(Some(Syslog::new(name, *port, from, Arc::new(tls))))
}

//! From `[network]` to clients: every way out of this machine is made here.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
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

/// The proxy by which an address is reached and what names it, without its login; none where the way is direct.
pub(super) fn proxy_to(config: &Config, url: &Url) -> Option<String> {
    let network = &config.network;
    let (matcher, named) = match &network.proxy {
        Some(proxy) => {
            (Matcher::builder().all(proxy.as_str()).no(network.no_proxy.join(",")).build(), "network.proxy")
        }
        None if is_loopback(url) => return None,
        None => (Matcher::from_env(), "HTTPS_PROXY of the environment"),
    };
    let met = matcher.intercept(&url.as_str().parse().ok()?)?;
    let (scheme, host) = (met.uri().scheme_str().unwrap_or("http"), met.uri().host()?);
    let port = met.uri().port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port} ({named})"))
}

/// What to do where the proxy asks who we are.
pub(super) const WANTS_A_LOGIN: &str = "the proxy wants a name and a password, or refuses them: \
                                        network.proxy_login_file, name:password";

/// Why a remote could not be asked, with what to do where it is the proxy.
pub(super) fn told(error: impl Into<anyhow::Error>) -> String {
    let chain = format!("{:#}", error.into());
    // So hyper has it, of a tunnel to an address of https.
    if chain.contains("proxy authorization required") { WANTS_A_LOGIN.to_owned() } else { chain }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::wiring::tests::config_with;

    #[test]
    fn the_proxy_is_named_with_what_names_it() {
        let config =
            config_with("[network]\nproxy = 'http://proxy.acme.example:3128'\nno_proxy = ['.near.example']");
        let proxy = |url: &str| proxy_to(&config, &url.parse().unwrap());
        assert_eq!(
            proxy("https://api.lever.co/v1").as_deref(),
            Some("http://proxy.acme.example:3128 (network.proxy)")
        );
        assert_eq!(proxy("https://lever.near.example/v1"), None);
    }
}

//! `[extension]`: on which pages the browser extension works.

use std::fmt;

use serde::Deserialize;
use url::Url;

use super::check::{Check, Checked};

/// The browser extension. All of it needs a restart.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Hosts of Lever's own site; those of the United States, of Europe and of Lever's sandbox unless set.
    pub lever_hosts: Vec<LeverHost>,
}

/// A host of Lever's site, shown as an origin: `https://hire.lever.co`.
///
/// Without a port, since browsers do not agree on ports in the patterns of an extension; a pattern
/// without one fits every port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeverHost(String);

impl LeverHost {
    /// `hire.lever.co`, or with its scheme; https unless it says http.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&whole).ok()?;
        let origin = format!("{}://{}", url.scheme(), url.host_str()?);
        // What is more than scheme and host stands between the two.
        let bare = matches!(url.scheme(), "http" | "https") && whole.eq_ignore_ascii_case(&origin);
        (bare && url.host_str()?.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)))
            .then_some(Self(origin))
    }

    fn is_plain_http(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl fmt::Display for LeverHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExtension {
    lever_hosts: Vec<String>,
}

impl RawExtension {
    /// `sandboxed`: whether Lever itself is reached by plain HTTP, which only a sandbox is.
    pub(super) fn check(&self, sandboxed: bool, check: &mut Check<'_>) -> Checked<Extension> {
        let key = "extension.lever_hosts";
        if self.lever_hosts.is_empty() {
            return Err(check.reject(key, "no host", "at least one, such as \"hire.lever.co\""));
        }
        let mut lever_hosts = Vec::new();
        let mut noted = None;
        for (index, text) in self.lever_hosts.iter().enumerate() {
            let expected = match LeverHost::parse(text) {
                Some(host) if host.is_plain_http() && !sandboxed => {
                    "https, since lever.base_url is not a sandbox's"
                }
                Some(host) => {
                    lever_hosts.push(host);
                    continue;
                }
                None => "the name of a host without port and path, such as \"hire.lever.co\"",
            };
            noted = Some(check.reject(&format!("{key}[{index}]"), format!("\"{text}\""), expected));
        }
        noted.map_or(Ok(Extension { lever_hosts }), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::LeverHost;

    #[test]
    fn a_host_is_https_unless_it_says_otherwise() {
        let shown = |text: &str| LeverHost::parse(text).map(|host| host.to_string());
        assert_eq!(shown("hire.lever.co").as_deref(), Some("https://hire.lever.co"));
        assert_eq!(shown("Hire.Lever.co").as_deref(), Some("https://hire.lever.co"));
        assert_eq!(shown("http://127.0.0.1").as_deref(), Some("http://127.0.0.1"));
        for wrong in [
            "",
            "*",
            "*.lever.co",
            "hire.lever.co:443",
            "hire.lever.co/",
            "hire.lever.co/candidates",
            "ftp://hire.lever.co",
            "user@hire.lever.co",
            "<all_urls>",
            "hire lever.co",
            "https://",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }
}

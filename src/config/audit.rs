//! `[audit]`: where the audit log goes besides the store.

use std::path::PathBuf;

use serde::Deserialize;
use url::Host;

use super::check::{Check, Checked};
use super::secret::Secret;

/// Where the audit log goes.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The file that its entries are added to; an absolute path.
    pub file: Option<PathBuf>,
    /// Who takes them as syslog over TLS: host and port.
    pub syslog: Option<(Host, u16)>,
    /// The key in PEM that signs checkpoints; if none, the store's own.
    pub signing_key: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    file: String,
    signing_key_file: String,
    syslog: RawSyslog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSyslog {
    address: String,
}

impl RawAudit {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Audit> {
        let file = match self.file.as_str() {
            "" => Ok(None),
            path if path.starts_with('/') && !path.ends_with('/') => Ok(Some(PathBuf::from(path))),
            path => {
                let expected = "a path that begins with /";
                Err(check.reject("audit.file", format!("\"{path}\""), expected))
            }
        };
        let syslog = match self.syslog.address.as_str() {
            "" => Ok(None),
            address => receiver(address).map(Some).ok_or_else(|| {
                let expected = "a host and a port, such as \"siem.acme.example:6514\"";
                check.reject("audit.syslog.address", format!("\"{address}\""), expected)
            }),
        };
        let key = check.optional_secret("audit.signing_key", &self.signing_key_file, "audit-signing-key");
        Ok(Audit { file: file?, syslog: syslog?, signing_key: key? })
    }
}

/// Host and port; an address of IPv6 stands in brackets.
fn receiver(address: &str) -> Option<(Host, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((Host::parse(host).ok()?, port))
}

//! The certificate of the public listener: read, renewed while connections come in, and looked at before
//! whoever connects finds that it is over or for somebody else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use crate::config::TlsFiles;

/// ACME clients renew a month ahead; with so little left, one has not.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Why the public listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A certificate or key.
    #[error("cannot read PEM from {}", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// They were not issued together.
    #[error("the key is not that of the certificate: put both files of one renewal in place")]
    OtherKey,
    /// It is no certificate for a server of today.
    #[error(
        "the certificate is of a kind that nobody accepts: X.509 version 3 is wanted, with the name of \
         server.public_url in subjectAltName, as CAs issue it"
    )]
    Unfit(#[source] rustls::Error),
    /// They make no TLS server.
    #[error("the certificate and key cannot be used")]
    Tls(#[source] rustls::Error),
}

/// What whoever connects will refuse the certificate for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFlaw {
    /// It was valid until then.
    #[error("the certificate of server.tls_cert_file was valid until {0:.0}: renew it, then reload")]
    Expired(Timestamp),
    /// It will be valid from then on.
    #[error("the certificate of server.tls_cert_file is valid from {0:.0} only: is the clock right?")]
    Early(Timestamp),
    /// It is for other names.
    #[error("the certificate of server.tls_cert_file is not for {0}, the host of server.public_url")]
    OtherName(String),
    /// It is over then, which is soon.
    #[error("the certificate of server.tls_cert_file is valid until {0:.0} only: renew it, then reload")]
    Soon(Timestamp),
}

impl CertificateFlaw {
    /// Whether nobody accepts it now.
    pub const fn is_refused(&self) -> bool {
        !matches!(self, Self::Soon(_))
    }
}

/// The certificate of a listener. It can be renewed while connections come in: those that stand keep
/// the one that they began with. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    files: TlsFiles,
    served: Arc<ArcSwap<Served>>,
}

struct Served {
    config: Arc<ServerConfig>,
    /// The server's own, the first of the chain.
    own: CertificateDer<'static>,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load(files: TlsFiles) -> Result<Self, CertificateError> {
        let served = Arc::new(ArcSwap::from_pointee(tls(&files)?));
        Ok(Self { files, served })
    }

    /// Reads the files again; whether it is another one. With a mistake in them the old certificate stays.
    pub(super) fn renew(&self) -> Result<bool, CertificateError> {
        let new = tls(&self.files)?;
        let is_another = new.own != self.served.load().own;
        self.served.store(Arc::new(new));
        Ok(is_another)
    }

    /// What the next connection is met with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.served.load().config.clone())
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.end_when(UnixTime::since_unix_epoch(FAR_AHEAD)).and_then(|refused| match refused {
            rustls::CertificateError::ExpiredContext { not_after, .. } => at(not_after),
            _ => None,
        })
    }

    /// What is wrong with it at `now`, for those who come to the host of `server.public_url`.
    pub fn flaw(&self, host: &str, now: Timestamp) -> Option<CertificateFlaw> {
        let not_before =
            self.end_when(UnixTime::since_unix_epoch(Duration::ZERO)).and_then(|refused| match refused {
                rustls::CertificateError::NotValidYetContext { not_before, .. } => at(not_before),
                _ => None,
            });
        let not_after = self.not_after();
        if let Some(over) = not_after.filter(|over| *over < now) {
            return Some(CertificateFlaw::Expired(over));
        }
        if let Some(begins) = not_before.filter(|begins| *begins > now) {
            return Some(CertificateFlaw::Early(begins));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if !self.is_for(host) {
            return Some(CertificateFlaw::OtherName(host.to_owned()));
        }
        not_after.filter(|over| over.duration_since(now) < SOON).map(CertificateFlaw::Soon)
    }

    fn is_for(&self, host: &str) -> bool {
        let served = self.served.load();
        let Ok(name) = ServerName::try_from(host) else { return false };
        ParsedCertificate::try_from(&served.own).is_ok_and(|own| verify_server_name(&own, &name).is_ok())
    }

    /// Why it would be refused at a time. rustls shows the dates of a certificate in no other way; they are
    /// looked at before all else.
    fn end_when(&self, time: UnixTime) -> Option<rustls::CertificateError> {
        let served = self.served.load();
        let own = ParsedCertificate::try_from(&served.own).ok()?;
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let nobody = RootCertStore::empty();
        match verify_server_cert_signed_by_trust_anchor(&own, &nobody, &[], time, algorithms) {
            Err(rustls::Error::InvalidCertificate(refused)) => Some(refused),
            _ => None,
        }
    }
}

/// Later than any certificate is valid: the year 9999 is the end for those that have none.
const FAR_AHEAD: Duration = Duration::from_secs(400_000_000_000);

fn at(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
}

/// TLS with this certificate and key: 1.2 and 1.3, HTTP/2 and HTTP/1.1.
fn tls(files: &TlsFiles) -> Result<Served, CertificateError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(read(&files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(read(&files.key))?;
    let own = chain.first().cloned().ok_or(CertificateError::Tls(rustls::Error::NoCertificatesPresented))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::OtherKey,
            error @ rustls::Error::InvalidCertificate(_) => CertificateError::Unfit(error),
            error => CertificateError::Tls(error),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Served { config: Arc::new(config), own })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        let file = |name| Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/tests")).join(name);
        Certificate::load(TlsFiles { cert: file("localhost.pem"), key: file("localhost.key") }).unwrap()
    }

    /// Nobody was told until candidates and Lever were turned away.
    #[test]
    fn a_certificate_that_is_refused_is_told_before() {
        let certificate = certificate();
        let over: Timestamp = "2126-10-31T11:13:56Z".parse().unwrap();
        assert_eq!(certificate.not_after(), Some(over));
        let flaw = |host: &str, now: &str| certificate.flaw(host, now.parse().unwrap());
        let here = "localhost";
        assert_eq!(flaw(here, "2027-01-01T00:00:00Z"), None);
        assert_eq!(flaw(here, "2126-10-31T12:00:00Z"), Some(CertificateFlaw::Expired(over)));
        assert_eq!(flaw(here, "2126-10-20T00:00:00Z"), Some(CertificateFlaw::Soon(over)));
        assert!(matches!(flaw(here, "2026-11-01T00:00:00Z"), Some(CertificateFlaw::Early(_))));
        let other = flaw("text.acme.example", "2027-01-01T00:00:00Z").unwrap();
        assert_eq!(other, CertificateFlaw::OtherName("text.acme.example".into()));
        assert!(other.to_string().contains("server.public_url"), "{other}");
    }
}

//! TLS on the public listener, with a real client.

use super::*;
use crate::config::TlsFiles;
use crate::server::{Certificate, CertificateError};

/// For `localhost`, until 2126; `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1
/// -nodes -days 36500 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE`.
const CERTIFICATE: &str = include_str!("localhost.pem");
const KEY: &str = include_str!("localhost.key");
/// The next ones for the same name, made the same way.
const RENEWED: (&str, &str) = (include_str!("renewed.pem"), include_str!("renewed.key"));

fn files(folder: &std::path::Path, cert: &str, key: &str) -> TlsFiles {
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.cert, cert).unwrap();
    std::fs::write(&files.key, key).unwrap();
    files
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { head_time: Duration::from_millis(300), ..Limits::default() };
    let tls = Some(files(folder.path(), CERTIFICATE, KEY));
    let world = World::start(Choice { tls, limits, ..Choice::default() }).await;
    let url = format!("https://localhost:{}/api/v1/status", world.public().port());
    let trusting = |builder| trusting(builder, CERTIFICATE);
    let version = async |client: reqwest::Client| {
        let response = client.get(&url).bearer_auth(ADMIN).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.version()
    };
    assert_eq!(version(trusting(reqwest::Client::builder())).await, http::Version::HTTP_2);
    assert_eq!(version(trusting(reqwest::Client::builder().http1_only())).await, http::Version::HTTP_11);
    let older = reqwest::Client::builder().tls_version_max(reqwest::tls::Version::TLS_1_2);
    assert_eq!(version(trusting(older)).await, http::Version::HTTP_2);
    assert!(world.client.get(&url).send().await.is_err(), "it does not trust the certificate");
    assert!(!world.raw(b"GET / HTTP/1.1\r\n\r\n").await.contains("HTTP"), "an alert at most");
    assert_eq!(world.raw(b"").await, "", "a handshake that does not begin is cut off");
}

fn trusting(builder: reqwest::ClientBuilder, certificate: &str) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    builder.no_proxy().tls_certs_only([root]).build().unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_drops_nobody_and_meets_whoever_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Some(files(folder.path(), CERTIFICATE, KEY));
    let world = World::start(Choice { tls, ..Choice::default() }).await;
    let url = format!("https://localhost:{}/api/v1/status", world.public().port());
    let is_answered =
        async |client: &reqwest::Client| client.get(&url).bearer_auth(ADMIN).send().await.is_ok();
    // One connection, so that its certificate is the one that it began with.
    let standing = trusting(reqwest::Client::builder(), CERTIFICATE);
    assert!(is_answered(&standing).await);

    files(folder.path(), RENEWED.0, KEY);
    let refused = world.running.renew_certificate().unwrap_err();
    assert!(refused.to_string().contains("the key is not that of the certificate"), "{refused}");
    assert!(is_answered(&trusting(reqwest::Client::builder(), CERTIFICATE)).await, "the old one stays");

    files(folder.path(), RENEWED.0, RENEWED.1);
    assert!(world.running.renew_certificate().unwrap(), "it is another one");
    assert!(!world.running.renew_certificate().unwrap(), "and now it is the same");
    assert!(is_answered(&standing).await);
    assert!(is_answered(&trusting(reqwest::Client::builder(), RENEWED.0)).await);
    assert!(!is_answered(&trusting(reqwest::Client::builder(), CERTIFICATE)).await);
}

#[test]
fn what_is_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = |cert, key| Certificate::load(files(folder.path(), cert, key)).err();
    assert!(load(CERTIFICATE, KEY).is_none());
    assert!(matches!(load(CERTIFICATE, ""), Some(CertificateError::Pem { .. })));
    assert!(matches!(load(CERTIFICATE, "rubbish"), Some(CertificateError::Pem { .. })));
    assert!(load("", KEY).is_some());
    assert!(load("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", KEY).is_some());
}

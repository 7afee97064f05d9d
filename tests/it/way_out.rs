//! The way out of an enterprise's network: a proxy with a login, hosts that are reached without it, and
//! a gateway that asks who we are.

#![allow(clippy::disallowed_methods, reason = "a remote of its own, outside of the daemon")]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fulcrum_sandbox::{Event, Sandbox};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::Sha1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::daemon::Daemon;
use crate::world::{eventually, small};

const CERTIFICATE: &str = include_str!("../../src/server/tests/localhost.pem");
const KEY: &str = include_str!("../../src/server/tests/localhost.key");

/// Somebody who answers each request with a refusal, and keeps its head.
struct Listener {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        Self::answering(tls, REFUSAL).await
    }

    async fn answering(tls: Option<TlsAcceptor>, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tls) = (kept.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => refuse(stream, &kept, answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => refuse(stream, &kept, answer).await,
                            Err(error) => kept.lock().unwrap().push(format!("no handshake: {error}")),
                        },
                    }
                });
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

const REFUSAL: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// As Twilio answers who asks for a picture.
const ELSEWHERE: &str = "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://media.twiliocdn.com/picture\r\n\
                         Content-Length: 0\r\nConnection: close\r\n\r\n";

async fn refuse(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    heads: &Mutex<Vec<String>>,
    answer: &str,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).to_lowercase());
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// `fulcrum doctor` with this in `[network]` and this address of Lever.
async fn doctor(base_url: Option<&str>, network: serde_json::Value, secrets: &[(&str, &str)]) -> Output {
    let sandbox = Sandbox::start(small()).await.unwrap();
    let daemon = Daemon::new(&sandbox, |settings| {
        settings["network"] = network;
        if let Some(base_url) = base_url {
            settings["lever"]["base_url"] = json!(base_url);
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_fulcrum"));
    command.args(["doctor", "-c"]).arg(daemon.folder.path().join("fulcrum.toml")).env_clear();
    command.env("CREDENTIALS_DIRECTORY", daemon.folder.path());
    for (name, text) in secrets {
        let path = daemon.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    drop(daemon);
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_is_told_who_asks_and_is_not_asked_for_what_is_near() {
    let proxy = Listener::start(None).await;
    let login = [("proxy-login", "fulcrum:pass:word\n")];
    let way = json!({"proxy": format!("http://{}", proxy.address)});
    let output = doctor(None, way, &login).await;
    let heads = proxy.heads();
    assert!(heads.iter().any(|head| head.starts_with("get http://127.0.0.1:")), "{heads:?}");
    // base64 of fulcrum:pass:word
    let told = "proxy-authorization: basic znvsy3j1btpwyxnzondvcmq=";
    assert!(heads.iter().all(|head| head.contains(told)), "{heads:?}");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("pass:word"), "{said}");

    let direct = Listener::start(None).await;
    let way = json!({"proxy": format!("http://{}", direct.address), "no_proxy": ["127.0.0.0/8"]});
    doctor(None, way, &login).await;
    assert_eq!(direct.heads(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_asks_who_we_are_is_told() {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap())
        .unwrap();
    let gateway = Listener::start(Some(TlsAcceptor::from(Arc::new(config)))).await;
    let base_url = format!("https://{}/v1", gateway.address);
    let roots = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/tests/localhost.pem");

    doctor(Some(&base_url), json!({"ca_file": roots}), &[]).await;
    let met = gateway.heads();
    assert!(!met.is_empty() && met.iter().all(|head| head.starts_with("no handshake")), "{met:?}");

    let identity = format!("{KEY}{CERTIFICATE}");
    doctor(Some(&base_url), json!({"ca_file": roots}), &[("network-identity", &identity)]).await;
    let asked = gateway.heads().into_iter().filter(|head| head.starts_with("get /v1/")).count();
    assert!(asked > 0, "{:?}", gateway.heads());
}

/// The hosts that the page for operators names: those of the defaults, and those that a config adds.
fn hosts_in_the_docs() -> BTreeSet<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/proxy-and-tls.md")).unwrap();
    let (_, table) = page.split_once("### Whom it talks to").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(host, _)| host.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_name_every_host_that_the_daemon_talks_to() {
    let proxy = Listener::start(None).await;
    let sandbox = Sandbox::start(small()).await.unwrap();
    let backups = tempfile::tempdir().unwrap();
    let key = backups.path().join("key");
    let mut daemon = Daemon::new(&sandbox, |settings| {
        // As delivered, where it matters.
        settings["lever"].as_object_mut().unwrap().remove("base_url");
        settings["carrier"]["twilio"].as_object_mut().unwrap().remove("base_url");
        settings["network"] = json!({"proxy": format!("http://{}", proxy.address)});
        let oidc =
            json!({"issuer": "https://id.acme.example/", "client_id": "fulcrum", "admin": ["recruiting"]});
        settings["sign_in"] = json!({"oidc": oidc});
        settings["backup"] = json!({
            "every": "24h", "directory": backups.path(),
            "recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
            "s3": {"endpoint": "https://s3.acme.example", "bucket": "backups", "key_file": key},
        });
    });
    fs::write(&key, "AKIDEXAMPLE:secret").unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    client.visit("/sign-in/oidc").await;
    let mut named = hosts_in_the_docs();
    // This one texts through Twilio.
    assert!(named.remove("api.telnyx.com:443") && named.len() == 2, "{named:?}");
    named.extend(["id.acme.example:443", "s3.acme.example:443"].map(str::to_owned));
    let asked = || asked_of(&proxy);
    eventually("all of them are asked", async || asked().is_superset(&named)).await;
    assert_eq!(asked(), named);
    let heads = proxy.heads();
    assert!(
        heads.iter().all(|head| head.starts_with("connect ")),
        "something goes out in the clear: {heads:?}"
    );
}

/// Whom the proxy was asked for.
fn asked_of(proxy: &Listener) -> BTreeSet<String> {
    let heads = proxy.heads();
    let hosts = heads.iter().filter_map(|head| head.strip_prefix("connect ")?.split_once(' '));
    hosts.map(|(host, _)| host.to_owned()).collect()
}

/// What Twilio signs a form with: the address, then the fields in order.
fn signature(token: &str, url: &str, fields: &[(&str, &str)]) -> String {
    let text = fields.iter().fold(url.to_owned(), |text, (key, value)| text + key + value);
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

/// Hosts that are asked for only once something happens: a calendar when somebody books, and the carrier's storage
/// when a picture comes.
#[tokio::test(flavor = "multi_thread")]
async fn calendars_and_pictures_are_asked_for_by_the_same_way() {
    let proxy = Listener::start(None).await;
    let twilio = Listener::answering(None, ELSEWHERE).await;
    let sandbox = Sandbox::start(small()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("address");
    fs::write(&address, "https://calendars.acme.example/ines.ics").unwrap();
    fs::set_permissions(&address, Permissions::from_mode(0o600)).unwrap();
    let (_, email) = sandbox.lasting_user();
    let mut daemon = Daemon::new(&sandbox, |settings| {
        let proxy = format!("http://{}", proxy.address);
        settings["network"] = json!({"proxy": proxy, "no_proxy": ["127.0.0.0/8", "localhost"]});
        settings["carrier"]["twilio"]["base_url"] = json!(format!("http://{}", twilio.address));
        settings["event_types"] = json!([{
            "id": "phone", "name": "Phone interview", "location": "We call you", "interviewers": [email],
        }]);
        settings["calendars"] = json!([{"user": email, "address_file": address}]);
    });
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    let dana = "+12025550142";
    let applies = Event::Apply {
        name: Some("Dana Reyes".into()),
        phone: Some(dana.into()),
        email: None,
        contact: None,
        posting: None,
    };
    let who = sandbox.happen(&applies).unwrap().opportunity;
    eventually("she is known", async || client.get(&format!("opportunities/{who}")).await.is_some()).await;

    let path = "/hooks/twilio/message";
    let picture = format!(
        "http://{}/2010-04-01/Accounts/{}/Messages/SM{:032}/Media/ME{:032}",
        twilio.address,
        sandbox.account_sid(),
        1,
        1
    );
    let sid = format!("SM{:032}", 1);
    let fields = [
        ("AccountSid", sandbox.account_sid()),
        ("Body", "look"),
        ("From", dana),
        ("MediaContentType0", "image/png"),
        ("MediaUrl0", picture.as_str()),
        ("MessageSid", sid.as_str()),
        ("NumMedia", "1"),
        ("To", sandbox.numbers()[0].as_str()),
    ];
    let url = format!("http://{}{path}", client.public());
    let signed = signature(sandbox.auth_token(), &url, &fields);
    assert_eq!(client.form(path, &fields, &[("x-twilio-signature", &signed)]).await, Some(200));
    let offer = format!("/api/v1/opportunities/{who}/offer-times");
    let wanted: BTreeSet<String> =
        ["calendars.acme.example:443", "media.twiliocdn.com:443"].map(str::to_owned).into();
    eventually("both are asked", async || {
        // She is known a moment before her owner, interviewers and stage are.
        client.post(&offer, &json!({"event_type": "phone"}), &[]).await;
        asked_of(&proxy) == wanted
    })
    .await;
    assert!(proxy.heads().iter().all(|head| head.starts_with("connect ")), "{:?}", proxy.heads());
}

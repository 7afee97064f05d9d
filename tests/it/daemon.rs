//! The real program as a child process beside a sandbox in this one.

#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fulcrum_domain::HookEvent;
use fulcrum_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world::eventually;

pub(crate) const API_TOKEN: &str = "api-token-that-nobody-may-read";

/// A daemon's config, and the daemon while it runs. It is killed when it is dropped.
pub(crate) struct Daemon {
    pub(crate) folder: tempfile::TempDir,
    client: Client,
    child: Option<Child>,
}

/// The way to a daemon, whether it runs or not.
#[derive(Clone)]
pub(crate) struct Client {
    public: String,
    ops: String,
    http: reqwest::Client,
}

/// An address that a daemon may bind later, and again after each kill. Below the ports that the system gives to
/// whoever asks for none, or a connection of another test could have it by then; and each process of tests
/// begins elsewhere.
fn free_address() -> SocketAddr {
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 18_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id() * 211 + next) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl Daemon {
    /// Writes the config of a daemon for this sandbox, with these settings beside the usual, and
    /// lets the sandbox's webhooks go there.
    pub(crate) fn new(sandbox: &Sandbox, more: impl FnOnce(&mut Value)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [public, ops] = [(); 2].map(|()| free_address().to_string());
        let file = |name: &str| folder.path().join(name);
        let mut settings = json!({
            "organisation": {"name": "Acme Recruiting", "timezone": "America/New_York"},
            "server": {
                "listen": public, "public_url": format!("http://{public}"), "control_socket": file("socket"),
            },
            "ops": {"listen": ops},
            "log": {"format": "text"},
            "store": {"path": file("fulcrum.redb")},
            "lever": {
                "base_url": sandbox.lever_url(), "api_key_file": file("lever-api-key"),
                "webhook_tokens_file": file("lever-webhooks.toml"), "requests_per_second": 100, "burst": 100,
            },
            "transcript": {"delay": "2s"},
            "quiet_hours": {"window": "00:00-24:00"},
            "optout": {"handled_by": "fulcrum"},
            "carrier": {
                "kind": sandbox.carrier().name(), "numbers": sandbox.numbers(),
                "twilio": {
                    "base_url": sandbox.twilio_url(), "account_sid": sandbox.account_sid(),
                    "auth_token_file": file("twilio-auth-token"), "segments_per_second": 100.0,
                },
                "telnyx": {
                    "base_url": sandbox.carrier_url(), "api_key_file": file("telnyx-api-key"),
                    "public_key": sandbox.telnyx_public_key(), "segments_per_second": 100.0,
                },
                "webhook": {
                    "url": sandbox.gateway_url(), "secret_file": file("webhook-secret"),
                    "inbound_secret_file": file("webhook-inbound-secret"), "segments_per_second": 100.0,
                },
            },
            "api": {"tokens": [{"name": "tests", "role": "admin", "token_file": file("api-token")}]},
        });
        more(&mut settings);
        let tokens = sandbox.webhook_tokens();
        let tokens: Value = HookEvent::ALL
            .iter()
            .map(|event| (event.as_key().to_owned(), json!(tokens[event.as_lever()])))
            .collect::<serde_json::Map<_, _>>()
            .into();
        for (name, text) in [
            ("lever-api-key", sandbox.api_key()),
            ("lever-webhooks.toml", &toml::to_string(&tokens).unwrap()),
            ("twilio-auth-token", sandbox.auth_token()),
            ("telnyx-api-key", sandbox.telnyx_api_key()),
            ("webhook-secret", &sandbox.gateway_secrets().0),
            ("webhook-inbound-secret", &sandbox.gateway_secrets().1),
            ("api-token", API_TOKEN),
            ("fulcrum.toml", &toml::to_string(&settings).unwrap()),
        ] {
            fs::write(file(name), text).unwrap();
            fs::set_permissions(file(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        sandbox.configure_webhooks(&format!("http://{public}/hooks/lever"), sandbox.webhook_tokens());
        sandbox.configure_carriers(&format!("http://{public}"));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { folder, client: Client { public, ops, http }, child: None }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("fulcrum.redb")
    }

    /// Everything that the daemon has logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Starts the program; it need not be ready yet.
    pub(crate) fn start(&mut self) {
        self.start_under(&[], &[]);
    }

    /// The same under another program that becomes it, with these variables.
    pub(crate) fn start_under(&mut self, under: &[String], env: &[(String, String)]) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let program = env!("CARGO_BIN_EXE_fulcrum").to_owned();
        let line: Vec<&String> = under.iter().chain([&program]).collect();
        let child = Command::new(line[0])
            .args(&line[1..])
            .args(["run", "-c"])
            .arg(self.folder.path().join("fulcrum.toml"))
            .env_clear()
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// The process, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it has ended by itself; it is as if it was never started then.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended {
            self.child = None;
        }
        ended
    }

    /// Starts the program as systemd does with a socket unit: the public port is bound already, and is
    /// handed over as the first descriptor after the three usual ones.
    pub(crate) fn start_on(&mut self, public: &TcpListener) {
        let config = self.folder.path().join("fulcrum.toml");
        let handed = OwnedFd::from(public.try_clone().unwrap());
        let child = Command::new("sh")
            .args(["-c", r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" run -c "$1""#])
            .arg(env!("CARGO_BIN_EXE_fulcrum"))
            .arg(config)
            .env_clear()
            .stdin(handed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the daemon ended by itself:\n{}", self.log());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn terminate(&mut self) {
        let mut child = self.child.take().unwrap();
        let told = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(told.success());
        let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Client {
    pub(crate) async fn ready(&self) {
        eventually("the daemon is ready", async || self.ops("/health/ready").await.is_some()).await;
    }

    /// What the ops listener says, if it says 2xx.
    pub(crate) async fn ops(&self, path: &str) -> Option<String> {
        let answer = self.http.get(format!("http://{}{path}", self.ops)).send().await.ok()?;
        let answer = answer.error_for_status().ok()?;
        answer.text().await.ok()
    }

    /// What health says, whatever that is; none where nobody answers.
    pub(crate) async fn health(&self) -> Option<Value> {
        let answer = self.http.get(format!("http://{}/health", self.ops)).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Where webhooks and the API are.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let url = format!("http://{}/api/v1/{path}", self.public);
        let answer = self.http.get(url).bearer_auth(API_TOKEN).send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    /// A file of the API's.
    pub(crate) async fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let url = format!("http://{}/api/v1/{path}", self.public);
        let answer = self.http.get(url).bearer_auth(API_TOKEN).send().await.ok()?;
        Some(answer.error_for_status().ok()?.bytes().await.ok()?.to_vec())
    }

    /// Opens a page as a browser does that nobody has signed in with.
    pub(crate) async fn visit(&self, path: &str) -> Option<u16> {
        Some(self.http.get(format!("http://{}{path}", self.public)).send().await.ok()?.status().as_u16())
    }

    /// Asks for a text to be sent. The answer's status, if there was an answer.
    pub(crate) async fn text(&self, to: &str, body: &str, key: &str) -> Option<u16> {
        self.post("/api/v1/messages", &json!({"to": to, "body": body}), &[("idempotency-key", key)]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = self.http.post(format!("http://{}{path}", self.public)).bearer_auth(API_TOKEN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Some(request.json(body).send().await.ok()?.status().as_u16())
    }
}

impl Client {
    /// Posts a form, as a carrier does.
    pub(crate) async fn form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Option<u16> {
        let request = self.http.post(format!("http://{}{path}", self.public)).form(fields);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Some(request.send().await.ok()?.status().as_u16())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

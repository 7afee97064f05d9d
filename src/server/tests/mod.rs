//! The listeners as a stranger meets them: real sockets, a real store, remotes that answer nobody.

#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

mod api;
mod booking;
mod bulk;
mod console;
mod control;
mod desk;
#[allow(dead_code, reason = "the disk of fault tests, of which little is needed here")]
#[path = "../../../tests/it/disk.rs"]
mod disk;
mod extension;
mod files;
mod flood;
mod gateway;
mod hooks;
mod interviews;
mod limits;
mod ops;
mod repeats;
mod rights;
mod sign_in;
mod telnyx;
mod texts;
mod tls;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use fulcrum_domain::template::{SavedLinks, Template, Templates};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::carrier::Carrier;
use crate::carrier::twilio::{self, SharedKey, SigningKeys, TwilioSettings};
use crate::config::{ApiToken, LocalUser, Rates, Role, Secret, WebhookTokens};
use crate::engine::changes::Rules;
use crate::engine::clock::Clock;
use crate::engine::{BackfillScope, Remotes, Settings};
use crate::lever::{LeverSettings, PaceSettings};
use crate::store;

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SHARED_KEY: &str = "webhooks_sharedkey_1";
const OURS: &str = "+14155550100";
const ADMIN: &str = "admin-admin-admin";
const RECRUITER: &str = "recruiter-recruiter";
/// They see what is confidential, too.
const COUNSEL: &str = "counsel-counsel-counsel";
const VIEWER: &str = "viewer-viewer-viewer";
const PASSWORD: &str = "correct horse";
const OPERATOR: &str = "operator-operator";
/// The key of the first vector of lever-api.md 6.4.
const LEVER_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";

/// A server at work, with all that it stands on.
struct World {
    running: Running,
    engine: Engine,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

/// What a test may want otherwise.
struct Choice {
    clock: Clock,
    /// None for Twilio.
    carrier: Option<Hooks>,
    /// No carrier's webhooks are taken.
    polls: bool,
    public_url: &'static str,
    webhooks: &'static str,
    hook_secret: Option<&'static str>,
    limits: Limits,
    tls: Option<crate::config::TlsFiles>,
    invitation: Option<Invitation>,
    trusted_proxies: Vec<ProxyRange>,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            carrier: None,
            polls: false,
            public_url: "https://sms.example.com",
            webhooks: "any = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978'",
            hook_secret: None,
            limits: Limits { rates: free(), ..Limits::default() },
            tls: None,
            invitation: None,
            trusted_proxies: Vec::new(),
        }
    }
}

/// Rates that no test reaches by being quick.
fn free() -> Rates {
    let rate = NonZeroU32::new(1_000_000).unwrap();
    Rates { hooks: rate, api: rate, pages: rate, booking: rate }
}

impl World {
    async fn start(choice: Choice) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = store::Options::file(folder.path().join("fulcrum.redb"));
        Self::start_on(file, folder, choice).await
    }

    /// The same on a storage of the test's.
    async fn start_on(file: store::Options, folder: tempfile::TempDir, choice: Choice) -> Self {
        let engine = engine(file, choice.clock).await;
        let keys = SigningKeys {
            auth_tokens: vec![AUTH_TOKEN.into()],
            shared_keys: vec![SharedKey { id: SHARED_KEY.into(), secret: AUTH_TOKEN.into() }],
        };
        let public_url: url::Url = choice.public_url.parse().unwrap();
        let twilio = || Hooks::Twilio(twilio::Hooks::new(public_url.clone(), ACCOUNT.into(), keys));
        let carrier = choice.carrier.unwrap_or_else(twilio);
        let settings = ServerSettings {
            setup: SetupSettings {
                key_file: String::new(),
                hook_url: String::new(),
                hook_secret: false,
                tokens_file: Some(folder.path().join("lever-webhooks.toml")),
                lever_web: "https://hire.lever.co".to_owned(),
            },
            listen: ([127, 0, 0, 1], 0).into(),
            ops_listen: ([127, 0, 0, 1], 0).into(),
            control_socket: Some(folder.path().join("fulcrum.sock")),
            tls: choice.tls.map(|files| Certificate::load(files).unwrap()),
            carrier: (!choice.polls).then_some(carrier),
            public_url,
            trusted_proxies: choice.trusted_proxies,
            lever_hosts: Vec::new(),
            provider_http: reqwest::Client::builder().no_proxy().build().unwrap(),
            keys: keys_of(choice.webhooks, choice.hook_secret),
            invitation: choice.invitation,
            limits: choice.limits,
        };
        let running = Server::bind(engine.clone(), settings, Given::default()).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { running, engine, client, folder }
    }

    fn public(&self) -> SocketAddr {
        self.running.addresses().public
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public())
    }

    fn ops_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addresses().ops)
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.client.post(self.url(path)).body(body)).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.client.get(self.url(path)).bearer_auth(token)).await
    }

    async fn post_json(&self, path: &str, token: &str, body: &Value) -> Answer {
        Answer::of(self.client.post(self.url(path)).bearer_auth(token).json(body)).await
    }

    /// What comes back for these bytes until the server closes the connection.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.public()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
        // A reset after the answer is the server's right.
        let _ = read.await.expect("the server closes the connection");
        String::from_utf8(answer).unwrap()
    }
}

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Checks that it is a whole problem of this kind, and gives its pointer.
    #[track_caller]
    fn problem(&self, status: u16, kind: &str) -> Option<String> {
        assert_eq!(
            (self.status, self.header("content-type")),
            (status, "application/problem+json"),
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["type"], format!("/problems/{kind}"));
        assert_eq!(body["status"], status);
        assert!(!body["title"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty());
        body["pointer"].as_str().map(str::to_owned)
    }
}

fn keys_of(webhooks: &str, hook_secret: Option<&str>) -> Keys {
    let token = |name: &str, role, token: &str| ApiToken {
        name: name.into(),
        role,
        token: Secret::new(token),
        sight: fulcrum_domain::Sight::Open,
    };
    let all = ApiToken { sight: fulcrum_domain::Sight::All, ..token("counsel", Role::Recruiter, COUNSEL) };
    Keys::new(
        &WebhookTokens::parse(webhooks, "hooks.toml".as_ref()).unwrap(),
        hook_secret.map(Secret::new).as_ref(),
        &[
            token("ops", Role::Admin, ADMIN),
            token("scripts", Role::Recruiter, RECRUITER),
            token("board", Role::Viewer, VIEWER),
            token("watch", Role::Operator, OPERATOR),
            all,
        ],
    )
    .with_people(&users(), &sign_in::settings())
}

/// One person for each role, all with one password.
fn users() -> Vec<LocalUser> {
    use crate::config::password::{Cost, hash};
    let hash = hash(PASSWORD, Cost::Least).unwrap();
    let user = |role: Role| LocalUser {
        account: format!("{}@acme.example", role.word()).parse().unwrap(),
        name: role.word().to_uppercase(),
        role,
        sight: fulcrum_domain::Sight::Open,
        password_hash: Secret::new(&hash),
    };
    Role::ALL.map(user).into()
}

/// An engine whose remotes answer nobody.
async fn engine(store: store::Options, clock: Clock) -> Engine {
    // Nobody listens on a port below 1024 that no test may bind.
    let nowhere: url::Url = "http://127.0.0.1:9".parse().unwrap();
    let carrier = TwilioSettings {
        base_url: nowhere.clone(),
        account_sid: ACCOUNT.into(),
        auth_token: AUTH_TOKEN.into(),
        messaging_service_sid: None,
        public_url: None,
        timeout: Duration::from_secs(1),
        validity: Duration::from_hours(1),
    };
    let remotes = Remotes {
        store,
        lever: LeverSettings {
            base_url: nowhere.join("/v1").unwrap(),
            api_key: "key".into(),
            https_only: false,
            way: reqwest::Client::builder(),
            proxy: None,
            connect_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(1),
        },
        pace: PaceSettings {
            period: Duration::from_millis(1),
            burst: NonZeroU32::new(20).unwrap(),
            in_flight: 12,
        },
        carrier: Carrier::Twilio(twilio::Client::new(reqwest::Client::new(), carrier)),
        calendars: crate::calendar::Calendars::new(reqwest::Client::builder().no_proxy()).unwrap(),
    };
    let ours = fulcrum_domain::Number::from_e164(OURS).unwrap();
    let (zone, us) = (jiff::tz::TimeZone::UTC, "US".parse().unwrap());
    let rules = Rules {
        quiet_hours: fulcrum_domain::quiet::Hours::always(),
        ..Rules::delivered("Acme Recruiting", zone, us, vec![ours], "https://sms.example.com")
    };
    let settings = Settings {
        requests_per_second: 1000.0,
        poll_interval: Duration::from_hours(1),
        inbound_poll: Duration::from_hours(1),
        interviews: BackfillScope::None,
        templates: templates(),
        ..Settings::delivered(rules)
    };
    Engine::start(remotes, settings, clock).await.unwrap()
}

/// One template that wants the candidate's name and the sender's.
fn templates() -> Templates {
    let text = "Hi {{ profile.first_name }}, this is {{ sender.name }}.";
    let template = Template::new("hello".into(), "Say hello".into(), text.into(), &SavedLinks::new());
    Templates::new(vec![template.unwrap()], SavedLinks::new())
}

/// A clock that stands shortly after this millisecond.
fn shortly_after(ms: i64) -> Clock {
    Clock::manual(Timestamp::from_millisecond(ms + 1000).unwrap())
}

#[tokio::test]
async fn who_goes_nowhere_is_shown_a_page_in_a_browser_and_told_of_it_elsewhere() {
    let world = World::start(Choice::default()).await;
    let go =
        |path: &str, accept: &str| Answer::of(world.client.get(world.url(path)).header("accept", accept));
    let browser = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
    let page = go("/nonsense", browser).await;
    assert!(page.status == 404 && page.text.contains("There is nothing at this address"), "{page:?}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{page:?}");
    for (path, accept) in [("/nonsense", "*/*"), ("/api/v1/nonsense", browser)] {
        go(path, accept).await.problem(404, "not-found");
    }
    let sent = world.client.post(world.url("/nonsense")).header("accept", browser);
    Answer::of(sent).await.problem(404, "not-found");
}

#[tokio::test]
async fn nothing_else_is_served() {
    let world = World::start(Choice::default()).await;
    for path in
        ["/api", "/api/v1", "/api/v2/status", "/health", "/metrics", "/hooks", "/hooks/twilio", "/%00"]
    {
        world.get(path, ADMIN).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn below_the_path_of_the_public_address_the_routes_answer_too() {
    let world = World::start(Choice { public_url: "https://x.example/fulcrum/", ..Choice::default() }).await;
    for path in ["/fulcrum/api/v1/status", "/api/v1/status"] {
        assert_eq!(world.get(path, ADMIN).await.status, 200, "{path}");
    }
    world.get("/fulcrum/nothing", ADMIN).await.problem(404, "not-found");
    world.get("/fulcrumapi/v1/status", ADMIN).await.problem(404, "not-found");
    assert_eq!(world.get("/fulcrum/hooks/lever", ADMIN).await.header("allow"), "POST");
}

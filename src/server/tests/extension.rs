//! The extension's downloads, as browsers ask for them.

use fulcrum_domain::{Account, Authority, Lifetimes, Sight};
use secrecy::ExposeSecret;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::config::{self, LocalUser};
use crate::server::caller::csrf_of;

#[tokio::test]
async fn the_downloads_ask_nobody_who_they_are_and_lead_to_one_another() {
    let world = World::start(Choice::default()).await;
    let get = async |path: &str| {
        let answer = world.client.get(world.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap()
    };
    let about: Value = serde_json::from_slice(&get("/extension/about").await).unwrap();
    assert_eq!(about["fulcrum"], env!("CARGO_PKG_VERSION"));
    let zip = get("/extension/fulcrum-chromium.zip").await;
    let crx = get("/extension/fulcrum.crx").await;
    assert!(zip.starts_with(b"PK") && crx.starts_with(b"Cr24") && crx.ends_with(&zip));
    let xml = String::from_utf8(get("/extension/updates.xml").await.to_vec()).unwrap();
    assert!(xml.contains("codebase='https://sms.example.com/extension/fulcrum.crx'"), "{xml}");
    let firefox = get("/extension/fulcrum-firefox.zip").await;
    let json: Value = serde_json::from_slice(&get("/extension/updates.json").await).unwrap();
    let update = &json["addons"]["fulcrum@sms.example.com"]["updates"][0];
    let digest = Sha256::digest(&firefox);
    assert_eq!(update["update_hash"], format!("sha256:{}", hex::encode(digest)));
    assert_eq!(update["update_link"], "https://sms.example.com/extension/fulcrum-firefox.zip");
}

#[tokio::test]
async fn the_extensions_id_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = async || {
        let engine = engine(store::Options::file(folder.path().join("fulcrum.redb")), Clock::System).await;
        let key = engine.extension_key().await.unwrap();
        assert!(engine.stop(PATIENCE).await);
        key
    };
    assert_eq!(key().await, key().await);
}

#[tokio::test]
async fn the_bookmark_leads_to_the_installation() {
    let world = World::start(Choice::default()).await;
    let mark = world.running.shared.extension.bookmarklet();
    assert!(mark.starts_with("javascript:") && mark.contains("open(\"https://sms.example.com/o/\"+m[1])"));
}

/// A challenge and its verifier.
const VERIFIER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const CHALLENGE: &str = "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU";
const LABEL: &str = "Firefox on Linux";

async fn ask(world: &World, verifier: &str) -> Answer {
    world.post("/extension/token", json!({ "verifier": verifier }).to_string()).await
}

/// A browser in which somebody is signed in.
struct Browser<'a> {
    world: &'a World,
    secret: String,
}

impl<'a> Browser<'a> {
    async fn sign_in(world: &'a World) -> Self {
        let account: Account = "ana@acme.example".parse().unwrap();
        let user = LocalUser {
            account: account.clone(),
            name: "Ana".into(),
            role: Role::Recruiter,
            sight: Sight::Open,
            password_hash: Secret::new("a hash"),
        };
        let [idle, absolute, extension] = [8, 24, 720].map(Duration::from_hours);
        let sign_in = config::SignIn { idle, absolute, extension, oidc: None };
        let keys = keys_of(Choice::default().webhooks, None).with_people(&[user], &sign_in);
        world.running.replace_keys(keys);
        let mut password = [0; 16];
        password.copy_from_slice(&Sha256::digest("a hash")[..16]);
        let lifetimes = Lifetimes {
            idle: SignedDuration::from_hours(8),
            absolute: SignedDuration::from_hours(24),
            extension: SignedDuration::from_hours(720),
        };
        let secret =
            world.engine.open_session(account, Authority::Config { password }, lifetimes).await.unwrap();
        Self { world, secret: secret.expose_secret().to_owned() }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.header("cookie", format!("__Host-fulcrum={}", self.secret))).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.world.client.get(self.world.url(path))).await
    }

    async fn answer(&self, answer: &str, csrf: &str) -> Answer {
        let fields = [("challenge", CHALLENGE), ("label", LABEL), ("answer", answer), ("csrf", csrf)];
        self.send(self.world.client.post(self.world.url("/extension/pair")).form(&fields)).await
    }
}

#[tokio::test]
async fn a_token_is_given_once_to_whoever_holds_the_verifier() {
    let world = World::start(Choice::default()).await;
    let browser = Browser::sign_in(&world).await;
    let pair = format!("/extension/pair?challenge={CHALLENGE}&label=Firefox+on+Linux");
    assert_eq!(ask(&world, VERIFIER).await.status, 202);

    let page = browser.get(&pair).await;
    assert!(page.text.contains(LABEL) && page.text.contains("123 181"), "{}", page.text);
    let csrf = csrf_of(&browser.secret);
    assert!(page.text.contains(&csrf));
    assert_eq!(browser.answer("approve", "").await.status, 403);
    assert_eq!(ask(&world, VERIFIER).await.status, 202, "another site's page approves nothing");

    assert_eq!(browser.answer("refuse", &csrf).await.status, 200);
    ask(&world, VERIFIER).await.problem(403, "forbidden");
    assert_eq!(ask(&world, VERIFIER).await.status, 202, "a refusal is told once");

    assert_eq!(browser.answer("approve", &csrf).await.status, 200);
    assert_eq!(ask(&world, &VERIFIER.replacen('A', "B", 1)).await.status, 202, "another verifier");
    let token = ask(&world, VERIFIER).await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&world, VERIFIER).await.status, 202);
    assert_eq!(world.get("/api/v1/conversations", &token).await.status, 200);
    let by_extension = world.client.post(world.url("/extension/pair")).bearer_auth(&token);
    let by_extension = by_extension.form(&[("challenge", CHALLENGE), ("answer", "approve")]);
    assert_eq!(Answer::of(by_extension).await.status, 409, "an extension makes no other");
}

#[tokio::test]
async fn a_link_that_is_none_is_explained() {
    let world = World::start(Choice::default()).await;
    let browser = Browser::sign_in(&world).await;
    for path in ["/extension/pair", "/extension/pair?challenge=x", "/extension/pair?challenge=%00&label=%ff"]
    {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (400, "text/html; charset=utf-8"), "{path}");
    }
    let page = browser.get(&format!("/extension/pair?challenge={CHALLENGE}&label=<script>")).await;
    assert!(!page.text.contains("<script>"));
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let world = World::start(Choice::default()).await;
    world.post("/extension/token", "{").await.problem(400, "malformed");
    world.post("/extension/token", "x".repeat(2000)).await.problem(413, "too-large");
    assert_eq!(ask(&world, "short").await.problem(422, "invalid").as_deref(), Some("/verifier"));
}

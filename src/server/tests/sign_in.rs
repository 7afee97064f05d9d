//! Signing in and out as a browser does it.

use std::collections::BTreeMap;

use super::*;
use crate::config;
use crate::engine::ActivityQuery;

pub(super) fn settings() -> config::SignIn {
    config::SignIn {
        idle: Duration::from_hours(8),
        absolute: Duration::from_hours(24),
        extension: Duration::from_hours(720),
        oidc: None,
    }
}

/// Keeps cookies and follows no redirects.
pub(super) struct Browser<'a> {
    world: &'a World,
    pub(super) client: reqwest::Client,
    pub(super) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { world, client: client.build().unwrap(), cookies: BTreeMap::new() }
    }

    pub(super) async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = Answer::of(request.header("cookie", cookies.join("; "))).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = cookie::Cookie::parse(set.to_str().unwrap().to_owned()).unwrap();
            if set.max_age().is_some_and(cookie::time::Duration::is_zero) {
                self.cookies.remove(set.name());
            } else {
                self.cookies.insert(set.name().to_owned(), set.value().to_owned());
            }
        }
        answer
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.client.get(self.world.url(path))).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.client.post(self.world.url(path)).form(fields)).await
    }

    /// Fills the form in, as it is served.
    pub(super) async fn sign_in(&mut self, email: &str, password: &str, next: &str) -> Answer {
        let csrf = csrf(&self.get("/sign-in").await);
        let fields = [("csrf", &*csrf), ("email", email), ("password", password), ("next", next)];
        self.post("/sign-in", &fields).await
    }
}

/// What the page's forms contain.
pub(super) fn csrf(page: &Answer) -> String {
    let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").expect("a page with a form");
    rest.split_once('"').unwrap().0.to_owned()
}

fn alert(page: &Answer) -> &str {
    let (_, rest) = page.text.split_once("role=\"alert\">").expect("a page with an alert");
    rest.split_once('<').unwrap().0
}

/// What the activity tells, the oldest first.
async fn activity(world: &World) -> Vec<(String, String)> {
    let query = ActivityQuery {
        kinds: vec![fulcrum_domain::ActivityKind::SignIn],
        who: None,
        conversation: None,
        opportunity: None,
        before: None,
        limit: 100,
        sight: fulcrum_domain::Sight::All,
        names: false,
    };
    let page = world.engine.activity(query).await.unwrap();
    let told =
        |row: crate::engine::ActivityRow| (row.activity.actor.as_str().to_owned(), row.activity.detail);
    page.rows.into_iter().map(told).rev().collect()
}

#[tokio::test]
async fn a_person_signs_in_looks_at_their_account_and_signs_out() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    let sent = browser.get("/account").await;
    assert_eq!((sent.status, sent.header("location")), (303, "/sign-in?next=%2Faccount"));
    let lost = browser.post("/c/K3V9/texts", &[("body", "Hello")]).await;
    assert_eq!((lost.status, lost.header("location")), (303, "/sign-in?ended=1"));
    assert!(browser.get("/sign-in?ended=1").await.text.contains("what you sent was not taken"));

    let entered = browser.sign_in("Recruiter@Acme.example", PASSWORD, "/account").await;
    assert_eq!((entered.status, entered.header("location")), (303, "/account"));
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["__Host-fulcrum"], "the door's has served");
    let page = browser.get("/account").await;
    assert_eq!(page.status, 200);
    for shown in ["RECRUITER", "recruiter@acme.example", "This browser"] {
        assert!(page.text.contains(shown), "{shown}");
    }
    assert_eq!(browser.get("/api/v1/conversations").await.status, 200);

    let out = browser.post("/sign-out", &[("csrf", &csrf(&page))]).await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(browser.cookies.is_empty());
    let told = [
        ("recruiter@acme.example", "signed in with a password, from 127.0.0.1"),
        ("recruiter@acme.example", "signed out, from 127.0.0.1"),
    ];
    assert_eq!(activity(&world).await, told.map(|(who, what)| (who.to_owned(), what.to_owned())));
}

#[tokio::test]
async fn a_cookie_is_of_no_use_after_signing_out() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in("viewer@acme.example", PASSWORD, "").await;
    let kept = browser.cookies.clone();
    let csrf = csrf(&browser.get("/account").await);
    browser.post("/sign-out", &[("csrf", &csrf)]).await;
    browser.cookies = kept;
    assert_eq!(browser.get("/account").await.status, 303);
    browser.get("/api/v1/conversations").await.problem(401, "no-token");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_one_answer_and_keep_what_was_typed() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    let mut answers = Vec::new();
    for (email, password) in [
        ("viewer@acme.example", "wrong"),
        ("viewer@acme.example", ""),
        ("nobody@acme.example", PASSWORD),
        ("<b>hunter2", PASSWORD),
    ] {
        let answer = browser.sign_in(email, password, "/c/K3V9").await;
        assert_eq!(answer.status, 401);
        assert!(answer.text.contains("value=\"/c/K3V9\"") && !answer.text.contains("<b>"), "{}", answer.text);
        assert!(!browser.cookies.contains_key("__Host-fulcrum"));
        answers.push(alert(&answer).to_owned());
    }
    answers.dedup();
    assert_eq!(answers, ["The e-mail or the password is not right."]);
    let who: Vec<_> = activity(&world).await.into_iter().map(|(who, _)| who).collect();
    assert_eq!(who, ["viewer@acme.example", "viewer@acme.example", "somebody", "somebody"]);
}

#[tokio::test]
async fn whoever_signs_in_is_sent_nowhere_else() {
    let world = World::start(Choice::default()).await;
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", ""] {
        let entered = Browser::new(&world).sign_in("viewer@acme.example", PASSWORD, next).await;
        assert_eq!((entered.status, entered.header("location")), (303, "/"), "{next}");
    }
}

#[tokio::test]
async fn nobody_is_signed_in_by_another_sites_form() {
    let world = World::start(Choice::default()).await;
    let own = csrf(&Browser::new(&world).get("/sign-in").await);
    fn fields(csrf: &str) -> [(&str, &str); 3] {
        [("csrf", csrf), ("email", "viewer@acme.example"), ("password", PASSWORD)]
    }
    // Without a cookie; with a word of another browser's; with one that an empty secret would give.
    let nothing = caller::csrf_of("");
    for forged in ["", &own, &nothing] {
        let mut victim = Browser::new(&world);
        let answer = victim.post("/sign-in", &fields(forged)).await;
        assert_eq!((answer.status, alert(&answer).is_empty()), (403, false));
        assert!(!victim.cookies.contains_key("__Host-fulcrum"));
        // The page that they got instead works.
        let given = csrf(&answer);
        assert_eq!(victim.post("/sign-in", &fields(&given)).await.status, 303);
    }
}

#[tokio::test]
async fn each_sign_in_has_a_cookie_of_its_own_and_can_be_ended_from_another() {
    let world = World::start(Choice::default()).await;
    let (mut one, mut other) = (Browser::new(&world), Browser::new(&world));
    for browser in [&mut one, &mut other] {
        browser.sign_in("admin@acme.example", PASSWORD, "").await;
    }
    assert_ne!(one.cookies, other.cookies);
    let page = one.get("/account").await;
    let (_, rest) = page.text.split_once("name=\"id\" value=\"").expect("another browser");
    let id = rest.split_once('"').unwrap().0.to_owned();
    let csrf_of_one = csrf(&page);

    let mut viewer = Browser::new(&world);
    viewer.sign_in("viewer@acme.example", PASSWORD, "").await;
    let theirs = csrf(&viewer.get("/account").await);
    let refused = viewer.post("/account/revoke", &[("csrf", &theirs), ("id", &id)]).await;
    assert_eq!((refused.status, other.get("/account").await.status), (404, 200), "it is another's");

    assert_eq!(one.post("/account/revoke", &[("csrf", &csrf_of_one), ("id", &id)]).await.status, 303);
    assert_eq!((one.get("/account").await.status, other.get("/account").await.status), (200, 303));
    for id in [&*id, "", "x"] {
        assert_eq!(one.post("/account/revoke", &[("csrf", &csrf_of_one), ("id", id)]).await.status, 404);
    }
}

#[tokio::test]
async fn signing_out_everywhere_ends_extensions_too() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let session = world.engine.signed_in(&browser.cookies["__Host-fulcrum"]).await.unwrap().unwrap().id;
    let token = world.engine.grant_extension(session, "laptop".into()).await.unwrap().unwrap();
    let token = secrecy::ExposeSecret::expose_secret(&token);
    assert_eq!(world.get("/api/v1/conversations", token).await.status, 200);
    let page = browser.get("/account").await;
    assert!(page.text.contains("Extension: laptop") && page.text.contains("Disconnect"));
    let out = browser.post("/account/sign-out-everywhere", &[("csrf", &csrf(&page))]).await;
    assert_eq!(out.status, 303);
    world.get("/api/v1/conversations", token).await.problem(401, "no-token");
}

#[tokio::test]
async fn too_many_attempts_are_told_when_to_come_back() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    for _ in 0..10 {
        assert_eq!(browser.sign_in("viewer@acme.example", "guess", "").await.status, 401);
    }
    let refused = browser.sign_in("viewer@acme.example", PASSWORD, "").await;
    assert_eq!(refused.status, 429, "not even the right one");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds <= 61));
    assert!(alert(&refused).starts_with("Too many attempts"));
    let told = activity(&world).await.pop().unwrap();
    assert_eq!(
        told,
        ("viewer@acme.example".to_owned(), "refused: too many attempts, from 127.0.0.1".to_owned())
    );
    assert_eq!(Browser::new(&world).sign_in("admin@acme.example", PASSWORD, "").await.status, 303);
}

/// Whoever looks for an attack, or for why nobody can sign in, finds those refusals, too.
#[tokio::test]
async fn it_is_told_when_nobody_looked_at_a_password_and_when_the_provider_is_down() {
    let world = World::start(Choice::default()).await;
    world.running.shared.porter.close();
    assert_eq!(Browser::new(&world).sign_in("viewer@acme.example", PASSWORD, "").await.status, 503);
    let oidc = config::Oidc {
        issuer: "http://127.0.0.1:9".into(),
        client_id: "fulcrum".into(),
        client_secret: None,
        scopes: Vec::new(),
        roles_claim: "groups".into(),
        roles: Role::ALL.map(|role| (role, Vec::new())),
        confidential: Vec::new(),
    };
    let settings = config::SignIn { oidc: Some(oidc), ..settings() };
    world.running.replace_keys(keys_of("", None).with_people(&[], &settings));
    assert_eq!(Browser::new(&world).get("/sign-in/oidc").await.status, 503);
    let told = [
        ("viewer@acme.example", "refused: too many passwords were being checked, from 127.0.0.1"),
        ("somebody", "refused: the identity provider does not answer, from 127.0.0.1"),
    ];
    assert_eq!(activity(&world).await, told.map(|(who, what)| (who.to_owned(), what.to_owned())));
}

#[tokio::test]
async fn who_leaves_the_config_is_signed_out_by_its_reload() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in("viewer@acme.example", PASSWORD, "").await;
    assert_eq!(browser.get("/account").await.status, 200);
    world.running.replace_keys(keys_of("", None).with_people(&[], &settings()));
    assert_eq!(browser.get("/account").await.status, 303);
    let page = browser.get("/sign-in").await;
    assert!(page.text.contains("Nobody can sign in yet"));
}

#[tokio::test]
async fn a_browser_is_signed_out_when_its_time_is_over() {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let world = World::start(Choice { clock: clock.clone(), ..Choice::default() }).await;
    let mut browser = Browser::new(&world);
    browser.sign_in("viewer@acme.example", PASSWORD, "").await;
    for _ in 0..3 {
        clock.set(clock.now() + SignedDuration::from_hours(7));
        assert_eq!(browser.get("/account").await.status, 200);
    }
    clock.set(clock.now() + SignedDuration::from_hours(3));
    assert_eq!(browser.get("/account").await.status, 303, "24 hours are over");
    browser.sign_in("viewer@acme.example", PASSWORD, "").await;
    clock.set(clock.now() + SignedDuration::from_hours(8));
    assert_eq!(browser.get("/account").await.status, 303, "8 hours of rest are over");
}

/// An open page reads by itself all day; somebody who went home does not.
#[tokio::test]
async fn a_page_that_is_left_open_keeps_nobody_signed_in() {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let world = World::start(Choice { clock: clock.clone(), ..Choice::default() }).await;
    let mut browser = Browser::new(&world);
    let mode = |mode: &'static str| Some(("sec-fetch-mode", mode));
    let (live, navigated) = (Some(("x-live-read", "1")), mode("navigate"));
    for (path, header, counts) in [
        ("/account", navigated, true),
        ("/account", None, true),
        ("/account", mode("cors"), false),
        ("/account", live, false),
        ("/fragments/c/0001", mode("cors"), false),
        ("/fragments/c/0001", None, false),
        ("/api/v1/conversations", None, false),
        ("/events", mode("cors"), false),
    ] {
        browser.cookies.clear();
        browser.sign_in("viewer@acme.example", PASSWORD, "").await;
        clock.set(clock.now() + SignedDuration::from_hours(7));
        let request = browser.client.get(world.url(path));
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        if path == "/events" {
            let cookies: Vec<_> =
                browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let stream = request.header("cookie", cookies.join("; ")).send().await.unwrap();
            assert_eq!(stream.status(), 200);
        } else {
            let read = browser.send(request).await;
            assert!([200, 404].contains(&read.status), "{path}: {read:?}");
        }
        clock.set(clock.now() + SignedDuration::from_hours(2));
        let later = if counts { 200 } else { 303 };
        assert_eq!(browser.get("/account").await.status, later, "{path} {header:?}");
    }
    browser.cookies.clear();
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    clock.set(clock.now() + SignedDuration::from_hours(7));
    let posted = browser.client.post(world.url("/c/0001/archive")).header("sec-fetch-mode", "cors");
    browser.send(posted).await;
    clock.set(clock.now() + SignedDuration::from_hours(2));
    assert_eq!(browser.get("/account").await.status, 200, "whoever changes something is there");
}

#[tokio::test]
async fn the_demos_link_signs_in_once_and_a_daemon_has_none() {
    let link = "/sign-in/link/0123456789abcdef";
    let account = "admin@acme.example".parse().unwrap();
    let word = Secret::new("0123456789abcdef");
    let world =
        World::start(Choice { invitation: Some(Invitation { account, word }), ..Choice::default() }).await;
    let mut browser = Browser::new(&world);
    assert_eq!(browser.get(&format!("{link}0")).await.status, 410, "another word");
    assert_eq!(browser.get(link).await.status, 303);
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(Browser::new(&world).get(link).await.status, 410, "it works once");

    let world = World::start(Choice::default()).await;
    assert_eq!(Browser::new(&world).get(link).await.status, 410);
}

/// Behind a proxy all would share one limit otherwise.
#[tokio::test]
async fn attempts_count_for_whom_a_known_proxy_names() {
    let proxies = vec!["127.0.0.1".parse().unwrap()];
    let world = World::start(Choice { trusted_proxies: proxies, ..Choice::default() }).await;
    let mut browser = Browser::new(&world);
    let form = [("csrf", &*csrf(&browser.get("/sign-in").await)), ("email", "nobody"), ("password", "x")]
        .map(|(name, value)| (name, value.to_owned()));
    let mut attempt = async |n: usize, client: &str| {
        let mut form = form.clone();
        form[1].1 = format!("nobody{n}@acme.example");
        let post = browser.client.post(world.url("/sign-in")).form(&form).header("x-forwarded-for", client);
        browser.send(post).await.status
    };
    for n in 0..60 {
        assert_eq!(attempt(n, "198.51.100.1").await, 401);
    }
    assert_eq!(attempt(60, "198.51.100.1").await, 429);
    assert_eq!(attempt(61, "6.6.6.6, 198.51.100.1").await, 429, "what a client adds is not believed");
    assert_eq!(attempt(62, "198.51.100.2").await, 401);
    let (_, told) = activity(&world).await.pop().unwrap();
    assert!(told.ends_with(", from 198.51.100.2"), "{told}");
}

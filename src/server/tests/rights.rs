//! Who may use what: every route of every table, with every role and with none.

use fulcrum_domain::Right;

use super::sign_in::{Browser, csrf};
use super::*;
use crate::server::admit::Face;

/// The rows are roles, at what they may do.
const EACH: [(&str, Option<Role>); 5] = [
    ("", None),
    (VIEWER, Some(Role::Viewer)),
    (RECRUITER, Some(Role::Recruiter)),
    (OPERATOR, Some(Role::Operator)),
    (ADMIN, Some(Role::Admin)),
];

fn every_route() -> impl Iterator<Item = Route> {
    tables().into_iter().flat_map(|(_, table)| table)
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says_and_nobody_else() {
    let world = World::start(Choice::default()).await;
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    for route in every_route() {
        let path = route.path.replace("{id}", "x").replace("{name}", "x");
        let only_reads = route.needs.is_some_and(|right| matches!(right, Right::Watch | Right::Read));
        // Where nobody changes anything, or everybody may, there is nothing to keep a viewer from.
        assert!(route.method.is_safe() || !only_reads || may_change_as_viewer(route.path), "{}", route.path);
        for (token, role) in EACH {
            let request = client.request(route.method.clone(), world.url(&path));
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let may = route.needs.is_none_or(|right| role.is_some_and(|role| role.may(right)));
            if may {
                // Whoever signs in has the form that is served to them, or is refused.
                if (&route.method, route.path) == (&http::Method::POST, "/sign-in") {
                    assert_eq!(status, 403);
                    continue;
                }
                assert!(!matches!(status, 401 | 403), "{} {path} as {role:?}: {status}", route.method);
                continue;
            }
            match (role, route.face) {
                (None, Face::Data) => {
                    let answer = Answer::read(response).await;
                    answer.problem(401, "no-token");
                    assert!(answer.header("www-authenticate").starts_with("Bearer"));
                }
                (None, Face::Page) => {
                    assert_eq!(status, 303, "{path}");
                    let to = response.headers()["location"].to_str().unwrap();
                    assert!(to.starts_with("/sign-in"), "{path}: {to}");
                }
                (Some(_), Face::Data) => drop(Answer::read(response).await.problem(403, "forbidden")),
                (Some(_), Face::Page) => {
                    let answer = Answer::read(response).await;
                    assert_eq!(
                        (answer.status, answer.header("content-type")),
                        (403, "text/html; charset=utf-8")
                    );
                }
            }
        }
    }
}

/// The API told everybody with a token who signed in and what administrators did.
#[test]
fn what_happened_is_told_by_the_api_to_nobody_whom_the_page_refuses() {
    let needs = |path: &str| every_route().find(|route| route.path == path).unwrap().needs;
    assert_eq!((needs("/activity"), needs("/api/v1/activity")), (Some(Right::Operate), Some(Right::Operate)));
}

/// What everybody who is signed in may change: what is their own.
fn may_change_as_viewer(path: &str) -> bool {
    let own_marks = ["/follow", "/read", "/unread"].iter().any(|mark| path.ends_with(mark));
    own_marks || path.starts_with("/account") || ["/sign-out", "/extension/pair"].contains(&path)
}

/// The same with a person's cookie, which browsers send along for other sites' pages as well.
#[tokio::test]
async fn every_route_that_changes_something_wants_more_than_the_cookie() {
    let world = World::start(Choice::default()).await;
    for role in Role::ALL {
        let mut browser = Browser::new(&world);
        browser.sign_in(&format!("{}@acme.example", role.word()), PASSWORD, "").await;
        let csrf = csrf(&browser.get("/account").await);
        let client = browser.client.clone();
        for route in every_route().filter(|route| route.path != "/sign-in") {
            let url = world.url(&route.path.replace("{id}", "x").replace("{name}", "x"));
            let request = || client.request(route.method.clone(), &url);
            let may = route.needs.is_none_or(|right| role.may(right));
            if !route.method.is_safe() && route.needs.is_some() {
                for forged in
                    [request(), request().header("x-csrf-token", "guess"), request().form(&[("csrf", "")])]
                {
                    let status = browser.send(forged).await.status;
                    assert_eq!(status, 403, "{} {url} as {role:?} without the token", route.method);
                }
                let elsewhere =
                    request().header("x-csrf-token", &csrf).header("origin", "https://evil.example");
                assert_eq!(browser.send(elsewhere).await.status, 403, "{url} from another site");
            }
            // These end the very session that the others go on with; and news never end.
            if !matches!(route.path, "/sign-out" | "/account/sign-out-everywhere" | "/events") {
                let status = browser.send(request().header("x-csrf-token", &csrf)).await.status;
                assert_eq!(status == 403, !may, "{} {url} as {role:?}: {status}", route.method);
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let world = World::start(Choice::default()).await;
    for route in every_route() {
        let path = route.path.replace("{id}", "x").replace("{name}", "x");
        let wrong = Answer::of(world.client.patch(world.url(&path))).await;
        wrong.problem(405, "method-not-allowed");
        assert!(wrong.header("allow").contains(route.method.as_str()));
    }
}

/// A route beside the tables would have no right beside it. Hooks prove themselves otherwise, and the
/// listener of health and metrics is for the operator's network alone.
#[test]
fn only_the_tables_make_routes() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.starts_with("tests/") {
                let makes_routes = std::fs::read_to_string(&path).unwrap().contains(".route(");
                assert_eq!(makes_routes, ["route.rs", "hooks.rs", "ops.rs"].contains(&&*name), "{name}");
            }
        }
    }
}

//! Lever's own site, as far as a browser extension meets it: a list of candidates and their
//! profiles, in one page that loads no other while people go from one to the next.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /candidates`, `/candidates/{id}` | the page |
//! | `GET /site/{file}` | its script and style |
//! | `GET /site/candidates?q=&id=` | whom it shows, as JSON |
//!
//! The page forbids scripts, styles and frames of others as strictly as a page can, since the real
//! one may. It asks nobody to sign in. What the daemon must not use is not below `/v1`, and costs
//! nothing of Lever's limit.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Lever;
use super::tenant::Tenant;

/// Candidates in the list.
const LISTED: usize = 25;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-src 'none'; base-uri 'none'; form-action 'none'";

pub(super) fn routes(lever: Lever) -> Router {
    Router::new()
        .route("/candidates", get(page))
        .route("/candidates/{id}", get(page))
        .route("/site/candidates", get(candidates))
        .route("/site/{file}", get(file))
        .with_state(lever)
}

async fn page() -> Response {
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (head, include_str!("site/page.html")).into_response()
}

async fn file(Path(name): Path<String>) -> Response {
    let (media_type, text) = match name.as_str() {
        "app.js" => ("text/javascript; charset=utf-8", include_str!("site/app.js")),
        "style.css" => ("text/css; charset=utf-8", include_str!("site/style.css")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    id: String,
}

/// The active candidates whose name has `q` in it, newest first, and the one with `id`.
async fn candidates(State(lever): State<Lever>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let tenant = lever.tenant();
    let sought = wanted.q.to_lowercase();
    let active = (0..tenant.len()).rev().filter(|index| {
        let gone = tenant.row(*index).deleted || tenant.archived(*index).is_some();
        !gone && tenant.person(tenant.facts(*index).contact).name.to_lowercase().contains(&sought)
    });
    let list: Vec<_> = active.take(LISTED).map(|index| shown(&tenant, index)).collect();
    Json(json!({ "list": list, "open": tenant.find(&wanted.id).map(|index| shown(&tenant, index)) }))
}

fn shown(tenant: &Tenant, index: u32) -> Value {
    let stage = &tenant.reference.stages[usize::from(tenant.row(index).stage)].stage;
    let person = tenant.person(tenant.facts(index).contact);
    json!({ "id": tenant.opportunity_id(index), "name": person.name, "stage": stage.text,
            "headline": person.headline, "location": person.location })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{LeverOptions, Options, Sandbox};

    #[tokio::test]
    async fn the_site_shows_candidates_to_everybody_and_costs_nothing_of_the_limit() {
        let lever = LeverOptions { opportunities: 200, ..LeverOptions::default() };
        let sandbox = Sandbox::start(Options { lever, ..Options::default() }).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async |path: &str| {
            http.get(format!("{}{path}", sandbox.twilio_url())).send().await.unwrap().text().await.unwrap()
        };
        let ana = sandbox.random_opportunity(false).unwrap();
        let page = get(&format!("/candidates/{}", ana.opportunity)).await;
        assert!(page.contains("/site/app.js") && page == get("/candidates").await);
        let found = get(&format!("/site/candidates?id={}", ana.opportunity)).await;
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["open"]["name"], ana.name.as_str());
        assert_eq!(found["list"].as_array().unwrap().len(), 25);
        let nobody: Value = serde_json::from_str(&get("/site/candidates?q=%00").await).unwrap();
        assert!(nobody["list"].as_array().unwrap().is_empty() && nobody["open"].is_null());
        assert_eq!(sandbox.stats().lever.requests, 0);
    }
}

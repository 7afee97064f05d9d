//! The browser extension, as this daemon hands it out, and how it comes to its token.
//!
//! | route | for |
//! | --- | --- |
//! | `GET /extension/about` | an extension that asks whether fulcrum answers |
//! | `GET /extension/fulcrum-chromium.zip`, `.../fulcrum-firefox.zip` | people, to load it by hand or to have it signed |
//! | `GET /extension/fulcrum.crx`, `.../updates.xml` | Chromium under a policy |
//! | `GET /extension/updates.json` | Firefox |
//! | `GET`, `POST /extension/pair` | people, to approve an extension |
//! | `POST /extension/token` | an extension that was approved |
//!
//! Downloads ask nobody who they are: browsers fetch updates without signing in, and nothing in a
//! package is secret. The extension's own source lies in `source/`.

mod crx;
mod package;
mod pair;
mod pairing;
mod updates;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fulcrum_domain::Right;
use http::{Method, header};
use serde_json::json;
use tokio::sync::OnceCell;
use url::Url;

use super::Shared;
use super::problem::{Kind, Problem};
use super::route::{Route, data, page};
use crate::config::LeverHost;
use package::Packages;
pub(super) use package::VERSION;
use pairing::Pairings;

/// What the extension's routes share.
pub(super) struct Extension {
    public_url: Url,
    lever_hosts: Vec<LeverHost>,
    packages: OnceCell<Packages>,
    pairings: Pairings,
}

impl Extension {
    pub(super) fn new(public_url: Url, lever_hosts: Vec<LeverHost>) -> Self {
        Self { public_url, lever_hosts, packages: OnceCell::new(), pairings: Pairings::default() }
    }

    /// A bookmark that opens the profile shown in Lever here, for browsers without the extension.
    pub(super) fn bookmarklet(&self) -> String {
        let base = package::base(&self.public_url);
        format!(
            "javascript:(()=>{{const m=/^\\/candidates\\/([0-9a-f-]{{36}})/i.exec(location.pathname);\
             if(m)open({}+m[1]);else alert('Open a candidate in Lever first.')}})()",
            json!(format!("{base}/o/")),
        )
    }
}

async fn packages(shared: &Shared) -> Result<&Packages, Problem> {
    let extension = &shared.extension;
    let make = async || {
        let key = shared.engine.extension_key().await?;
        Packages::make(&extension.public_url, &extension.lever_hosts, &key).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the extension could not be packed");
            Problem::new(Kind::Internal, "the extension could not be packed; the log says why")
        })
    };
    extension.packages.get_or_try_init(make).await
}

/// Every route of the extension.
pub(super) fn table() -> Vec<Route> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    vec![
        data(GET, "/extension/about", None, about),
        data(GET, "/extension/fulcrum-chromium.zip", None, chromium),
        data(GET, "/extension/fulcrum-firefox.zip", None, firefox),
        data(GET, "/extension/fulcrum.crx", None, signed),
        data(GET, "/extension/updates.xml", None, chromium_updates),
        data(GET, "/extension/updates.json", None, firefox_updates),
        page(GET, "/extension/pair", Right::Read, pair::ask),
        page(POST, "/extension/pair", Right::Read, pair::decide),
        data(POST, "/extension/token", None, pair::token),
    ]
}

/// An answer that is asked for anew each time: after an update there is another.
fn file(media_type: &'static str, body: impl IntoResponse) -> Response {
    let head = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-cache")];
    (head, body).into_response()
}

async fn about() -> Json<serde_json::Value> {
    Json(json!({ "fulcrum": VERSION }))
}

fn zip(bytes: Bytes) -> Response {
    file("application/zip", bytes)
}

async fn chromium(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    Ok(zip(packages(&shared).await?.chromium.clone()))
}

async fn firefox(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    Ok(zip(packages(&shared).await?.firefox.clone()))
}

async fn signed(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    Ok(file("application/x-chrome-extension", packages(&shared).await?.crx.clone()))
}

async fn chromium_updates(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let packages = packages(&shared).await?;
    Ok(file("application/xml", updates::chromium(&shared.extension.public_url, packages)))
}

async fn firefox_updates(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let packages = packages(&shared).await?;
    Ok(file("application/json", updates::firefox(&shared.extension.public_url, packages)))
}

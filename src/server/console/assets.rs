//! What pages load: style, modules, the icon. Embedded in the binary; nothing comes from elsewhere.
//!
//! The browser asks each time and gets a 304 while nothing changed, so an update is seen at once.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::server::problem;

/// A file that is served as it is.
pub(in crate::server) struct Asset {
    /// Its name below `/assets/`.
    pub(in crate::server) name: &'static str,
    /// Its content.
    pub(in crate::server) bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        /// All of them. The extension's package takes those that it needs.
        pub(in crate::server) const ASSETS: &[Asset] = &[$(
            Asset { name: $name, bytes: include_bytes!(concat!("assets/", $name)) }
        ),*];
    };
}

assets![
    "booking.js",
    "console.js",
    "conversation.js",
    "events.js",
    "icon.svg",
    "interviews.js",
    "layout.js",
    "segments.js",
    "style.css",
];

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// `GET /assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return problem::no_such_path().await.into_response();
    };
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(asset.bytes)[..8]));
    let common = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    if has_it {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, media_type(asset.name))], asset.bytes).into_response()
}

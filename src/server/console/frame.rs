//! What is around every page: navigation, who is signed in, and the headers that keep a browser
//! from doing anything that we did not write.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use fulcrum_domain::Right;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::texts;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::no_such_path;
use crate::server::sign_in;
use crate::store::StoreError;

/// What every page knows.
pub(in crate::server) struct Frame {
    /// The path of our public address, without a slash at the end: mostly nothing.
    pub(in crate::server) base: String,
    /// Who is signed in; empty where nobody is.
    pub(in crate::server) name: String,
    /// Stands in each form.
    pub(in crate::server) csrf: String,
    /// Which news the page knows: it is told what came since. A page is therefore begun with its frame.
    pub(in crate::server) news: String,
    /// Whether nothing leaves, since this is a restored copy.
    pub(in crate::server) muted: bool,
    /// Where one can go.
    pub(in crate::server) places: Vec<Place>,
}

/// A link of the navigation.
pub(in crate::server) struct Place {
    pub(in crate::server) path: &'static str,
    pub(in crate::server) name: &'static str,
    pub(in crate::server) here: bool,
    /// What waits there for a person: how much, and in words.
    pub(in crate::server) waits: Option<(u64, &'static str)>,
}

/// The parts of the console, and who has them.
const PLACES: [(&str, &str, Right); 7] = [
    ("/inbox", texts::INBOX, Right::Read),
    ("/templates", texts::TEMPLATES, Right::Text),
    ("/bulk", texts::BULK, Right::Text),
    ("/automations", texts::AUTOMATIONS, Right::Read),
    ("/setup", texts::SETUP, Right::Operate),
    ("/activity", texts::ACTIVITY, Right::Operate),
    ("/system", texts::SYSTEM, Right::Operate),
];

impl Frame {
    /// The frame of the page at `here`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(in crate::server) async fn new(
        shared: &Shared,
        caller: &Caller,
        here: &str,
    ) -> Result<Self, StoreError> {
        let news = shared.engine.watch(None).place().to_string();
        // Only what is shown: to find failures that may be seen is to look for them.
        let approvals = match caller.may(Right::Text) {
            true => shared.engine.waiting_approvals(caller.actor()).await?,
            false => 0,
        };
        let failures = match caller.may(Right::Operate) {
            true => shared.engine.waiting_failures(caller.sight).await?,
            false => 0,
        };
        let place = |(path, name, _): &(&'static str, &'static str, Right)| {
            let waits = match *path {
                "/bulk" => Some((approvals, texts::WAIT_FOR_APPROVAL)),
                "/activity" => Some((failures, texts::WAIT_FOR_A_PERSON)),
                _ => None,
            };
            Place { path, name, here: *path == here, waits: waits.filter(|(count, _)| *count > 0) }
        };
        Ok(Self {
            base: shared.site.base().to_owned(),
            name: caller.name.clone(),
            csrf: caller.csrf().to_owned(),
            news,
            muted: shared.engine.is_muted(),
            places: PLACES.iter().filter(|(_, _, right)| caller.may(*right)).map(place).collect(),
        })
    }
}

/// The first place that somebody may be in.
pub(in crate::server) fn home(caller: &Caller) -> &'static str {
    PLACES.iter().find(|(_, _, right)| caller.may(*right)).map_or("/account", |(path, _, _)| path)
}

/// A page, rendered. A template can only fail for want of memory.
pub(in crate::server) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Says one thing, with a status.
pub(super) fn say(shared: &Shared, status: StatusCode, title: &str, words: &str) -> Response {
    sign_in::said(shared, status, title, words, ("/", texts::NOT_FOUND_BACK))
}

/// For people who follow a link that leads nowhere, or to what they may not see.
pub(in crate::server) fn not_found(shared: &Shared) -> Response {
    say(shared, StatusCode::NOT_FOUND, texts::NOT_FOUND, texts::NOT_FOUND_WORDS)
}

/// For addresses at which nothing is: a browser that goes there is shown a page, whatever else comes is told as
/// scripts are.
pub(in crate::server) async fn nowhere(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path().strip_prefix(shared.site.base()).unwrap_or(uri.path());
    let is_for_scripts = ["/api/", "/hooks/", "/fragments/"].iter().any(|of| path.starts_with(of));
    let accepts = |header: &HeaderValue| header.to_str().is_ok_and(|kinds| kinds.contains("text/html"));
    if method.is_safe() && !is_for_scripts && headers.get_all(header::ACCEPT).iter().any(accepts) {
        return not_found(&shared);
    }
    no_such_path().await.into_response()
}

/// Nothing but our own files is loaded, nothing is run that stands in a page, nobody frames us, and
/// nothing of it is kept by anything on the way.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds these headers to what the handlers answer.
pub(in crate::server) async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

//! What is around every page: navigation, who is signed in, and the headers that keep a browser
//! from doing anything that we did not write.

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use fulcrum_domain::Right;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::texts;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::sign_in;

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
    pub(in crate::server) fn new(shared: &Shared, caller: &Caller, here: &str) -> Self {
        let may = |right: &Right| caller.may(*right);
        let places = PLACES.iter().filter(|(_, _, right)| may(right));
        Self {
            base: shared.site.base().to_owned(),
            name: caller.name.clone(),
            csrf: caller.csrf().to_owned(),
            news: shared.engine.watch(None).place().to_string(),
            muted: shared.engine.is_muted(),
            places: places.map(|(path, name, _)| Place { path, name, here: *path == here }).collect(),
        }
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

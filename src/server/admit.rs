//! Who may pass: the caller and their right, before anything of the request is taken for true.
//!
//! A browser sends the cookie along for other sites' pages as well. So whatever changes something
//! and came by cookie must also carry what only our own pages know, in the header `X-CSRF-Token` or
//! the form's field `csrf`; and where the browser says which site asked, it must be ours.
//! (`Origin: null` says nothing: pages that send no referrer send that.)

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use fulcrum_domain::Right;
use http::{HeaderMap, Method, header};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::problem::{Kind, Problem};
use super::site::Site;
use super::{Shared, sign_in};

/// Which way a request comes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    /// From anywhere, with a token or a cookie.
    Public,
    /// Over the control socket: whoever may open that file is admin.
    ControlSocket,
}

/// How a route refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// With problem+json.
    Data,
    /// With a page, or the way to the one where people sign in.
    Page,
}

/// What stands before one route.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) shared: Arc<Shared>,
    pub(super) door: Door,
    pub(super) needs: Option<Right>,
    pub(super) face: Face,
    /// The largest form that is looked into.
    pub(super) form_bytes_max: usize,
}

/// The largest form, but for those with a list: it may hold a text or tokens, no files.
pub(super) const FORM_BYTES_MAX: usize = 64 * 1024;

/// The largest body with a list of as many people as a bulk text may have, with room.
pub(super) const LONG_BYTES_MAX: usize = 1024 * 1024;

/// The header with which a page's module says that it reads, and nobody asked it to.
const LIVE_READ: &str = "x-live-read";

/// Lets the request through with its [`Caller`], or says why not.
pub(super) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.pass(request).await {
        Ok(request) => next.run(request).await,
        Err(Refusal { problem, way_back }) => match gate.face {
            Face::Data => problem.into_response(),
            Face::Page if problem.kind() == Kind::NoToken => {
                let base = gate.shared.site.base();
                let to = way_back.map_or_else(|| sign_in::path_ended(base), |way| sign_in::path(base, &way));
                Redirect::to(&to).into_response()
            }
            Face::Page => sign_in::refusal(&gate.shared, &problem),
        },
    }
}

/// Why a request does not pass, and what it had asked for: none where it sent something, which is lost.
struct Refusal {
    problem: Problem,
    way_back: Option<String>,
}

impl Gate {
    async fn pass(&self, mut request: Request) -> Result<Request, Refusal> {
        // Only what was looked at can be looked at again after signing in.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let way_back = request.method().is_safe().then(|| path.to_owned());
        match self.admitted(&mut request).await {
            Ok(()) => Ok(request),
            Err(problem) => Err(Refusal { problem, way_back }),
        }
    }

    /// Who is not known sends nothing that is read, but to the pages that are for everybody.
    async fn admitted(&self, request: &mut Request) -> Result<(), Problem> {
        let Some(needs) = self.needs else { return self.form(request, None).await.map(drop) };
        let caller = match self.door {
            Door::ControlSocket => Caller::operator(),
            Door::Public => {
                let is_used = is_used(request.method(), request.headers(), self.face);
                Caller::of(&self.shared, request.headers(), is_used).await?
            }
        };
        let form = self.form(request, Some(&caller)).await?;
        if caller.came_by_cookie() && !request.method().is_safe() {
            own_page(&self.shared.site, request.headers(), &form, caller.csrf())?;
        }
        entitled(&caller, needs)?;
        request.extensions_mut().insert(caller);
        Ok(())
    }

    /// The body of what is sent to a page, or of a form of a page's; it stays in the request, for the
    /// handler. Read here, no page can forget that a stranger's body may never end. Empty where the
    /// handler reads for itself.
    async fn form(&self, request: &mut Request, caller: Option<&Caller>) -> Result<Bytes, Problem> {
        let is_of_a_page = match self.face {
            Face::Page => true,
            Face::Data => caller.is_some_and(Caller::came_by_cookie) && is_form(request.headers()),
        };
        if request.method().is_safe() || !is_of_a_page {
            return Ok(Bytes::new());
        }
        let whole = std::mem::take(request.body_mut());
        let bytes = self.shared.read_body(whole, self.form_bytes_max).await?;
        *request.body_mut() = Body::from(bytes.clone());
        Ok(bytes)
    }
}

fn entitled(caller: &Caller, needs: Right) -> Result<(), Problem> {
    if caller.may(needs) {
        return Ok(());
    }
    let detail = match needs {
        Right::Watch => "a role is needed",
        Right::Read => "the role viewer, recruiter or admin is needed",
        Right::Text => "the role recruiter or admin is needed",
        Right::Operate => "the role operator or admin is needed",
        Right::Administer => "the role admin is needed",
    };
    Err(Problem::new(Kind::Forbidden, detail))
}

/// Whether somebody at a browser asked for this, and not a page of ours that reads by itself: one that
/// is only left open is not to keep anybody signed in. Where a browser does not say that it goes to
/// another page, which it does over TLS alone, a page's module says that it reads.
fn is_used(method: &Method, headers: &HeaderMap, face: Face) -> bool {
    if !method.is_safe() {
        return true;
    }
    match headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => matches!(face, Face::Page) && !headers.contains_key(LIVE_READ),
    }
}

/// Whether a request that changes something was made by a page of ours, which knows `token`.
pub(super) fn own_page(site: &Site, headers: &HeaderMap, form: &[u8], token: &str) -> Result<(), Problem> {
    let forged = |detail| Err(Problem::new(Kind::Forged, detail));
    if !is_of_our_site(headers, site) {
        return forged("the browser says that another site's page asked for this");
    }
    let header = headers.get("x-csrf-token").map(|value| value.as_bytes().to_vec());
    match header.or_else(|| field(form, "csrf").map(String::into_bytes)) {
        Some(given) if given.ct_eq(token.as_bytes()).into() => Ok(()),
        Some(_) => forged("the page is from before the last sign-in; open it anew"),
        None => forged("neither the header X-CSRF-Token nor the field csrf is there"),
    }
}

fn is_of_our_site(headers: &HeaderMap, site: &Site) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let fetch_site = said("sec-fetch-site").is_none_or(|from| matches!(from, "same-origin" | "none"));
    // Where somebody reaches us by another name than the public one, the names must agree all the same.
    let host = said(header::HOST.as_str()).unwrap_or_default();
    let ours = |origin: &str| {
        origin == "null"
            || origin == site.origin()
            || origin.split_once("://").is_some_and(|(_, name)| name == host)
    };
    fetch_site && said(header::ORIGIN.as_str()).is_none_or(ours)
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

/// A field of a form; none when it is missing.
pub(super) fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn another_sites_page_is_known_by_what_the_browser_says() {
        let site = Site::new("https://text.acme.example/x".parse().unwrap());
        let ours = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().copied();
            let headers = pairs.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            is_of_our_site(&headers.collect(), &site)
        };
        assert!(ours(&[]));
        assert!(ours(&[("origin", "https://text.acme.example"), ("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(!ours(&[("origin", "https://evil.example"), ("host", "text.acme.example")]));
        assert!(!ours(&[("origin", "https://text.acme.example"), ("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[("sec-fetch-site", "same-site")]), "a neighbour is a stranger");
    }

    #[test]
    fn a_field_is_read_as_it_was_typed() {
        assert_eq!(field(b"a=1&csrf=x%2By+z", "csrf").as_deref(), Some("x+y z"));
        assert_eq!(field(b"a=1", "csrf"), None);
    }
}

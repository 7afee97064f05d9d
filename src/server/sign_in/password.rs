//! Signing in with a password of the config's.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use fulcrum_domain::Account;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::door::Door;
use super::pages::{ENDED, Plain, enter, note};
use super::texts;
use crate::config::Secret;
use crate::engine::accounts::AccountEvent;
use crate::server::Shared;
use crate::server::admit::{field, own_page};
use crate::server::console;
use crate::server::listener::Peer;
use crate::server::site::local_path;

#[derive(Template)]
#[template(path = "sign-in.html")]
struct Form<'a> {
    frame: Plain<'a>,
    csrf: &'a str,
    next: &'a str,
    email: &'a str,
    alert: &'a str,
    /// The way to the identity provider, if there is one.
    provider: Option<String>,
    has_users: bool,
}

/// What was typed, and where its writer wants to go.
#[derive(Default)]
struct Typed {
    email: String,
    next: String,
}

/// `GET /sign-in`
pub(super) async fn show(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let asked = |name| request.uri().query().and_then(|query| field(query.as_bytes(), name));
    let alert = if asked(ENDED).is_some() { texts::ENDED } else { "" };
    let typed = Typed { next: asked("next").unwrap_or_default(), ..Typed::default() };
    let door = Door::of(&shared, request.headers());
    form(&shared, &door, StatusCode::OK, alert, &typed)
}

/// `POST /sign-in`
pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let door = Door::of(&shared, &headers);
    let typed = Typed {
        email: field(&body, "email").unwrap_or_default(),
        next: field(&body, "next").unwrap_or_default(),
    };
    if own_page(&shared.site, &headers, &body, &door.csrf()).is_err() {
        return form(&shared, &door, StatusCode::FORBIDDEN, texts::OUTDATED, &typed);
    }
    let peer = peer.map(|Extension(peer)| peer);
    let account: Option<Account> = typed.email.parse().ok();
    let known = account.as_ref().filter(|account| shared.keys.load().people().knows(account)).cloned();
    if let Err(too_many) = shared.porter.attempt(peer.map(|Peer(address)| address), &typed.email) {
        if shared.porter.tells() {
            note(&shared, AccountEvent::TooManyAttempts, known.as_ref(), peer).await;
        }
        let words = texts::too_many(too_many.seconds);
        let mut response = form(&shared, &door, StatusCode::TOO_MANY_REQUESTS, &words, &typed);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(too_many.seconds));
        return response;
    }
    let (hash, authority) = shared.keys.load().people().credential(account.as_ref());
    match (shared.porter.fits(password(&body), hash).await, account, authority) {
        (Ok(true), Some(account), Some(authority)) => {
            enter(&shared, account, authority, AccountEvent::PasswordAccepted, peer, &typed.next).await
        }
        (Ok(_), ..) => {
            note(&shared, AccountEvent::PasswordRefused, known.as_ref(), peer).await;
            form(&shared, &door, StatusCode::UNAUTHORIZED, texts::WRONG, &typed)
        }
        (Err(_busy), ..) => {
            if shared.porter.tells() {
                note(&shared, AccountEvent::NoTurn, known.as_ref(), peer).await;
            }
            let mut response = form(&shared, &door, StatusCode::SERVICE_UNAVAILABLE, texts::BUSY, &typed);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            response
        }
    }
}

fn password(form: &Bytes) -> Secret {
    Secret::new(&field(form, "password").unwrap_or_default())
}

fn form(shared: &Shared, door: &Door, status: StatusCode, alert: &str, typed: &Typed) -> Response {
    let keys = shared.keys.load();
    let base = shared.site.base();
    let next = local_path(&typed.next);
    let to_provider = || {
        let next: String = byte_serialize(next.as_bytes()).collect();
        format!("{base}/sign-in/oidc?next={next}")
    };
    let page = Form {
        frame: Plain { base },
        csrf: &door.csrf(),
        next,
        email: &typed.email,
        alert,
        provider: keys.people().oidc().map(|_| to_provider()),
        has_users: keys.people().has_users(),
    };
    door.kept(shared, (status, console::page(&page)).into_response())
}

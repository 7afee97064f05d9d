//! Who one is, where one is signed in, and signing out, here and elsewhere.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use fulcrum_domain::{Account, SessionId, Sight, SignIn, SignInKind};
use http::{StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::pages::{Plain, note, refusal, said};
use super::texts;
use crate::engine::accounts::AccountEvent;
use crate::server::Shared;
use crate::server::admit::field;
use crate::server::caller::Caller;
use crate::server::console::page;
use crate::server::listener::Peer;
use crate::server::site::Jar;

#[derive(Template)]
#[template(path = "account.html")]
struct Page<'a> {
    frame: Plain<'a>,
    csrf: &'a str,
    name: &'a str,
    account: &'a Account,
    role: &'static str,
    confidential: bool,
    in_lever: bool,
    rows: Vec<Row>,
}

/// A browser or an extension.
struct Row {
    id: SessionId,
    with: String,
    since: Timestamp,
    since_words: String,
    used: Timestamp,
    used_words: String,
    here: bool,
    revoke: &'static str,
}

impl Row {
    fn new(id: SessionId, sign_in: SignIn, caller: &Caller, zone: &TimeZone) -> Self {
        let here = caller.session == Some(id);
        let (with, revoke) = match sign_in.kind {
            SignInKind::Browser if here => (texts::THIS_BROWSER.to_owned(), texts::REVOKE),
            SignInKind::Browser => (texts::BROWSER.to_owned(), texts::REVOKE),
            SignInKind::Extension { label } => {
                (format!("{}: {label}", texts::EXTENSION), texts::REVOKE_EXTENSION)
            }
        };
        let words =
            |at: Timestamp| at.to_zoned_datetime(zone.clone()).strftime("%-d %b %Y, %H:%M %Z").to_string();
        let (since, used) = (sign_in.made_at, sign_in.seen_at);
        Self { id, with, since, since_words: words(since), used, used_words: words(used), here, revoke }
    }
}

/// `GET /account`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let Some(account) = &caller.account else { return no_account(&shared) };
    let lifetimes = shared.keys.load().people().lifetimes();
    let rows = match shared.engine.sign_ins_of(account.clone(), lifetimes).await {
        Ok(rows) => rows,
        Err(error) => return refusal(&shared, &error.into()),
    };
    let zone = shared.engine.zone();
    page(&Page {
        frame: Plain { base: shared.site.base() },
        csrf: caller.csrf(),
        name: &caller.name,
        account,
        role: caller.role.word(),
        confidential: caller.sight == Sight::All,
        in_lever: caller.user.is_some(),
        rows: rows.into_iter().map(|(id, row)| Row::new(id, row, &caller, &zone)).collect(),
    })
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<Peer>>,
) -> Response {
    let (Some(account), Some(session)) = (&caller.account, caller.session) else {
        return no_account(&shared);
    };
    match shared.engine.sign_out(account.clone(), session).await {
        Ok(_) => {
            note(&shared, AccountEvent::SignedOut, Some(account), peer.map(|Extension(peer)| peer)).await;
            left(&shared)
        }
        Err(error) => refusal(&shared, &error.into()),
    }
}

/// `POST /account/revoke`, with the field `id`.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Response {
    let Some(account) = &caller.account else { return no_account(&shared) };
    let id: Option<SessionId> = field(&body, "id").and_then(|id| id.parse().ok());
    let ended = match id {
        Some(id) => shared.engine.sign_out(account.clone(), id).await,
        None => Ok(false),
    };
    match ended {
        Ok(true) => {
            note(&shared, AccountEvent::Revoked, Some(account), peer.map(|Extension(peer)| peer)).await;
            Redirect::to(&format!("{}/account", shared.site.base())).into_response()
        }
        Ok(false) => {
            let on = ("/account", texts::TO_ACCOUNT);
            said(&shared, StatusCode::NOT_FOUND, texts::GONE, texts::GONE_WORDS, on)
        }
        Err(error) => refusal(&shared, &error.into()),
    }
}

/// `POST /account/sign-out-everywhere`
pub(super) async fn sign_out_everywhere(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<Peer>>,
) -> Response {
    let Some(account) = &caller.account else { return no_account(&shared) };
    match shared.engine.sign_out_everywhere(account.clone()).await {
        Ok(_) => {
            note(&shared, AccountEvent::SignedOutEverywhere, Some(account), peer.map(|Extension(peer)| peer))
                .await;
            left(&shared)
        }
        Err(error) => refusal(&shared, &error.into()),
    }
}

/// To the form, with nothing left in the browser.
fn left(shared: &Shared) -> Response {
    let mut response = Redirect::to(&super::path(shared.site.base(), "/")).into_response();
    let cookie = shared.site.set(Jar::SignedIn, "", std::time::Duration::ZERO);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

fn no_account(shared: &Shared) -> Response {
    let on = ("/sign-in", texts::SIGN_IN);
    said(shared, StatusCode::NOT_FOUND, texts::NO_ACCOUNT, texts::NO_ACCOUNT_WORDS, on)
}

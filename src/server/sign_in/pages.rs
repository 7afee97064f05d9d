//! The pages around signing in. They stand by themselves, without the console's navigation.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use form_urlencoded::byte_serialize;
use fulcrum_domain::{Account, Authority};
use http::{StatusCode, header};
use secrecy::ExposeSecret;

use super::texts;
use crate::engine::accounts::AccountEvent;
use crate::server::Shared;
use crate::server::console::page;
use crate::server::listener::Peer;
use crate::server::problem::Problem;
use crate::server::site::{Jar, local_path};

/// What every page that stands by itself needs.
pub(super) struct Plain<'a> {
    pub(super) base: &'a str,
}

/// A page that tells somebody something, with a way on.
#[derive(Template)]
#[template(path = "said.html")]
struct Said<'a> {
    frame: Plain<'a>,
    title: &'a str,
    said: &'a str,
    on: (&'a str, &'a str),
}

/// Where people sign in and from there go on to `next`.
pub(in crate::server) fn path(base: &str, next: &str) -> String {
    match local_path(next) {
        "/" => format!("{base}/sign-in"),
        next => format!("{base}/sign-in?next={}", byte_serialize(next.as_bytes()).collect::<String>()),
    }
}

/// The same for who sent something and was signed out by then.
pub(in crate::server) fn path_ended(base: &str) -> String {
    format!("{base}/sign-in?{ENDED}=1")
}

/// Says that something was not taken since nobody was signed in.
pub(super) const ENDED: &str = "ended";

/// A problem, told to a person on a page.
pub(in crate::server) fn refusal(shared: &Shared, problem: &Problem) -> Response {
    said(shared, problem.status(), problem.title(), problem.detail(), ("/", texts::TO_START))
}

/// A page with a title, a paragraph, and a link.
pub(in crate::server) fn said(
    shared: &Shared,
    status: StatusCode,
    title: &str,
    said: &str,
    on: (&str, &str),
) -> Response {
    let frame = Plain { base: shared.site.base() };
    (status, page(&Said { frame, title, said, on })).into_response()
}

/// Signs a browser in, and sends it on to `next`.
pub(super) async fn enter(
    shared: &Shared,
    account: Account,
    authority: Authority,
    event: AccountEvent,
    from: Option<Peer>,
    next: &str,
) -> Response {
    let lifetimes = shared.keys.load().people().lifetimes();
    let secret = match shared.engine.open_session(account.clone(), authority, lifetimes).await {
        Ok(secret) => secret,
        Err(error) => return refusal(shared, &error.into()),
    };
    note(shared, event, Some(&account), from).await;
    let to = format!("{}{}", shared.site.base(), local_path(next));
    let mut response = Redirect::to(&to).into_response();
    let lasts = lifetimes.absolute.unsigned_abs();
    let cookies = [
        shared.site.set(Jar::SignedIn, secret.expose_secret(), lasts),
        // What was made from it has served.
        shared.site.set(Jar::Door, "", std::time::Duration::ZERO),
    ];
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Tells the activity. That it cannot be told now keeps nobody in or out.
pub(super) async fn note(
    shared: &Shared,
    event: AccountEvent,
    account: Option<&Account>,
    from: Option<Peer>,
) {
    let from = from.map(|Peer(address)| address);
    if let Err(error) = shared.engine.note_account(event, account, from).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            ?event,
            "the activity was not told of a sign-in"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_kept_in_the_address_and_leads_nowhere_else() {
        assert_eq!(path("", "/c/K3V9?a=b&c"), "/sign-in?next=%2Fc%2FK3V9%3Fa%3Db%26c");
        assert_eq!(path("/x", "//evil.example"), "/x/sign-in");
    }
}

//! Signing in with the organisation's account: the way to the identity provider and back.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use fulcrum_domain::Authority;
use http::{HeaderValue, StatusCode, header};

use super::door::Door;
use super::pages::{enter, note, said};
use super::provider::ProviderError;
use super::texts;
use crate::config::Oidc;
use crate::engine::accounts::AccountEvent;
use crate::server::Shared;
use crate::server::admit::field;
use crate::server::buckets::TooMany;
use crate::server::listener::Peer;

/// Where the provider sends people back to; it must be told of this address.
const CALLBACK: &str = "/sign-in/oidc/callback";

/// `GET /sign-in/oidc?next=`: to the provider.
pub(super) async fn start(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    let oidc = match arrival(&shared, peer).await {
        Ok(oidc) => oidc,
        Err(response) => return *response,
    };
    let next = asked(&request, "next").unwrap_or_default();
    let door = Door::of(&shared, request.headers());
    let attempt = door.attempt(&next);
    match shared.provider.way(&oidc, &shared.site.absolute(CALLBACK), &attempt).await {
        Ok(way) => door.kept(&shared, Redirect::to(&way).into_response()),
        Err(error) => refused(&shared, &error, peer).await,
    }
}

/// `GET /sign-in/oidc/callback`: from the provider, with a code.
pub(super) async fn callback(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    let oidc = match arrival(&shared, peer).await {
        Ok(oidc) => oidc,
        Err(response) => return *response,
    };
    let door = Door::known(&shared, request.headers());
    let state = asked(&request, "state");
    let Some(attempt) = door.and_then(|door| door.attempt_of(&state?)) else {
        let error = ProviderError::Refused(texts::NOT_BEGUN_HERE.to_owned());
        return refused(&shared, &error, peer).await;
    };
    let Some(code) = asked(&request, "code") else {
        // Providers' words are a stranger's: only the standard's short ones are shown.
        let plain =
            |error: &String| error.len() <= 40 && error.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let error = asked(&request, "error").filter(plain).unwrap_or_default();
        return refused(&shared, &ProviderError::Refused(format!("it sends no code {error}")), peer).await;
    };
    let callback = shared.site.absolute(CALLBACK);
    let now = shared.engine.now();
    let vouched = match shared.provider.whom(&oidc, &callback, &attempt, code, now).await {
        Ok(vouched) => vouched,
        Err(error) => return refused(&shared, &error, peer).await,
    };
    let Some((role, sight)) = vouched.rights else {
        if let Err(error) = shared.engine.withdraw(vouched.account.clone()).await {
            return super::refusal(&shared, &error.into());
        }
        note(&shared, AccountEvent::NoRole, Some(&vouched.account), peer).await;
        let looked_for: Vec<_> =
            oidc.roles.iter().flat_map(|(_, values)| values).map(String::as_str).collect();
        let words = texts::no_role(vouched.account.as_str(), &oidc.roles_claim, &looked_for);
        return said(&shared, StatusCode::FORBIDDEN, texts::NO_ROLE, &words, BACK);
    };
    let authority = Authority::Provider { name: vouched.name, role, sight };
    enter(&shared, vouched.account, authority, AccountEvent::ProviderAccepted, peer, &attempt.next).await
}

const BACK: (&str, &str) = ("/sign-in", texts::TO_SIGN_IN);

/// Who may come this way: not too often, and only where there is a provider.
async fn arrival(shared: &Shared, peer: Option<Peer>) -> Result<Oidc, Box<Response>> {
    let Some(oidc) = shared.keys.load().people().oidc().cloned() else {
        let page = said(shared, StatusCode::NOT_FOUND, texts::NO_PROVIDER, texts::NO_PROVIDER_WORDS, BACK);
        return Err(Box::new(page));
    };
    let passed = peer.map_or(Ok(()), |Peer(address)| shared.porter.arrival(address));
    if let Err(TooMany { seconds }) = passed {
        if shared.porter.tells() {
            note(shared, AccountEvent::TooManyAttempts, None, peer).await;
        }
        let words = texts::too_many(seconds);
        let mut page = said(shared, StatusCode::TOO_MANY_REQUESTS, texts::TOO_MANY, &words, BACK);
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return Err(Box::new(page));
    }
    Ok(oidc)
}

async fn refused(shared: &Shared, error: &ProviderError, peer: Option<Peer>) -> Response {
    tracing::warn!(error = error as &dyn std::error::Error, "nobody was signed in by the identity provider");
    let (status, title, words) = match error {
        ProviderError::Down(_) => {
            note(shared, AccountEvent::ProviderDown, None, peer).await;
            (StatusCode::SERVICE_UNAVAILABLE, texts::PROVIDER_DOWN, texts::PROVIDER_DOWN_WORDS.to_owned())
        }
        error => {
            note(shared, AccountEvent::ProviderRefused, None, peer).await;
            (StatusCode::FORBIDDEN, texts::PROVIDER_REFUSED, texts::provider_refused(error))
        }
    };
    said(shared, status, title, &words, BACK)
}

fn asked(request: &Request, name: &str) -> Option<String> {
    field(request.uri().query()?.as_bytes(), name)
}

//! What Lever sends, and the routes of all who send: verified, made durable, then answered (interface.md, HTTP).
//!
//! Nothing here decides what a webhook means. A refusal names its reason to the sender and in
//! `fulcrum_webhooks_total`, and is logged at debug only: strangers must not fill the log.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use fulcrum_domain::HookEvent;
use serde::Serialize;

use super::Shared;
use super::body::BodyError;
use super::carrier_hooks;
use super::problem::{Kind, Problem, no_such_path, wrong_method};
use crate::engine::{HookOutcome, HookRefusal, LeverHook};
use crate::lever::{Envelope, HookError};
use crate::store::StoreError;

/// Lever's are about 1 KiB; the limit is interface.md's.
const LEVER_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/hooks/lever", post(lever))
        .route("/hooks/lever/{secret}", post(lever_by_secret))
        .route("/hooks/twilio/message", post(carrier_hooks::twilio_message))
        .route("/hooks/twilio/status", post(carrier_hooks::twilio_status))
        .route("/hooks/telnyx", post(carrier_hooks::telnyx))
        .route("/hooks/gateway", post(carrier_hooks::gateway))
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

async fn lever(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take_lever(&shared, None, request).await
}

async fn lever_by_secret(
    State(shared): State<Arc<Shared>>,
    secret: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    match secret {
        Ok(Path(secret)) => take_lever(&shared, Some(&secret), request).await,
        Err(_) => no_such_path().await.into_response(),
    }
}

async fn take_lever(shared: &Shared, path: Option<&str>, request: Request) -> Response {
    if !shared.keys.load().hook_path_fits(path) {
        return no_such_path().await.into_response();
    }
    let body = match shared.read_body(request.into_body(), LEVER_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => {
            let outcome = match error {
                BodyError::TooLarge(_) => HookOutcome::TooLarge,
                BodyError::TooSlow | BodyError::Broken => HookOutcome::Malformed,
                BodyError::NoRoom => HookOutcome::Unavailable,
            };
            shared.engine.metrics().webhook(UNKNOWN, outcome);
            return Problem::from(error).into_response();
        }
    };
    match verify(shared, &body) {
        Ok(hook) => {
            let event = hook.event;
            lever_answer(shared, event, shared.engine.take_hook(hook).await)
        }
        Err(refusal) => {
            tracing::debug!(
                hook.event = refusal.event,
                hook.outcome = refusal.outcome.as_str(),
                "a webhook was refused"
            );
            shared.engine.metrics().webhook(refusal.event, refusal.outcome);
            shared.engine.note_refused_hook(refusal.event, refusal.outcome, refusal.why).await;
            refusal.problem.into_response()
        }
    }
}

/// The label of what is not one of the eight.
const UNKNOWN: &str = "unknown";

struct Refusal {
    event: &'static str,
    outcome: HookOutcome,
    /// In the terms of the Setup page, of one of the eight.
    why: Option<HookRefusal>,
    problem: Problem,
}

fn verify(shared: &Shared, body: &Bytes) -> Result<LeverHook, Refusal> {
    let envelope = Envelope::parse(body).map_err(|error| Refusal {
        event: UNKNOWN,
        outcome: match error {
            HookError::UnknownEvent => HookOutcome::UnknownEvent,
            _ => HookOutcome::Malformed,
        },
        why: None,
        problem: Problem::new(Kind::Malformed, error.to_string()),
    })?;
    let event = envelope.event;
    let keys = shared.keys.load();
    let tokens = keys.lever(event);
    if !envelope.verify(tokens) {
        let (outcome, why) = if tokens.is_empty() {
            (HookOutcome::NoToken, HookRefusal::NoToken)
        } else {
            let of_another = HookEvent::ALL.into_iter().find(|other| envelope.verify(keys.lever(*other)));
            let why = of_another.map_or(HookRefusal::BadSignature, HookRefusal::TokenOf);
            (HookOutcome::BadSignature, why)
        };
        let problem = Problem::new(Kind::BadSignature, outcome.in_words());
        return Err(Refusal { event: event.as_key(), outcome, why: Some(why), problem });
    }
    Ok(LeverHook {
        event,
        is_ping: envelope.is_ping(),
        triggered_at: envelope.triggered_at,
        token: envelope.token,
        opportunity: envelope.opportunity,
    })
}

/// What the sender of a webhook that was taken is told.
#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// `take_hook` has counted what it took.
fn lever_answer(shared: &Shared, event: HookEvent, taken: Result<HookOutcome, StoreError>) -> Response {
    match taken {
        Ok(stale @ HookOutcome::Stale) => Problem::new(Kind::BadSignature, stale.in_words()).into_response(),
        Ok(taken) => Json(Status { status: taken.as_str() }).into_response(),
        Err(error) => {
            shared.engine.metrics().webhook(event.as_key(), HookOutcome::Unavailable);
            not_stored(&error)
        }
    }
}

/// Whatever the store's trouble is, the sender is to try again.
pub(super) fn not_stored(error: &StoreError) -> Response {
    if !matches!(error, StoreError::Busy | StoreError::Closed) {
        tracing::error!(error = error as &dyn std::error::Error, "a webhook could not be stored");
    }
    Problem::new(Kind::Unavailable, HookOutcome::Unavailable.in_words()).into_response()
}

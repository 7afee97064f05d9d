//! What the carrier sends: verified, made durable, then answered (interface.md, HTTP).
//!
//! Each carrier has routes of its own (`hooks` has the list), and only those of the one that is configured exist;
//! none where it is only asked. As with Lever's, a refusal is logged at debug only: strangers must not fill the log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use super::Shared;
use super::hooks::not_stored;
use super::problem::{Kind, Problem, no_such_path};
use crate::carrier::twilio::{self, EMPTY_TWIML, FormError, HookRequest};
use crate::carrier::{HookError, HookEvent, Hooks, telnyx, webhook};

/// A text has at most 1,600 characters and some 40 fields.
const BYTES_MAX: usize = 64 * 1024;

pub(super) async fn twilio_message(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let text = match take_twilio(&shared, request, twilio::Hooks::message).await {
        Ok(text) => text,
        Err(problem) => return problem.into_response(),
    };
    match shared.engine.take_text(text).await {
        Ok(_) => ([(header::CONTENT_TYPE, "text/xml")], EMPTY_TWIML).into_response(),
        Err(error) => not_stored(&error),
    }
}

pub(super) async fn twilio_status(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let update = match take_twilio(&shared, request, twilio::Hooks::status).await {
        Ok(update) => update,
        Err(problem) => return problem.into_response(),
    };
    match shared.engine.take_status(update).await {
        // Also for a text that is not known: a repeat would not make it so.
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => not_stored(&error),
    }
}

async fn take_twilio<T>(
    shared: &Shared,
    request: Request,
    read: impl FnOnce(&twilio::Hooks, &HookRequest<'_>) -> Result<T, twilio::HookError>,
) -> Result<T, Problem> {
    let Some(Hooks::Twilio(hooks)) = &shared.carrier else { return Err(no_such_path().await) };
    let (head, body) = request.into_parts();
    let body = shared.read_body(body, BYTES_MAX).await?;
    let request = HookRequest {
        // Raw, as it is signed. Nested below the path of our public address it is without that.
        target: head.uri.path_and_query().map_or("", |target| target.as_str()),
        signature: text(&head.headers, "x-twilio-signature"),
        key_settings: text(&head.headers, "x-twilio-webhooks-signature-settings"),
        body: &body,
    };
    read(hooks, &request).map_err(|error| {
        let kind = match error {
            twilio::HookError::Signature(_) | twilio::HookError::OtherAccount => Kind::NotOurs,
            twilio::HookError::Form(FormError::TooLarge) => Kind::TooLarge,
            twilio::HookError::Form(_) | twilio::HookError::Field(_) => Kind::Malformed,
        };
        refused(kind, &error)
    })
}

pub(super) async fn telnyx(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take_event(&shared, request, |hooks, headers, body, now| match hooks {
        Hooks::Telnyx(hooks) => {
            let timestamp = text(headers, "telnyx-timestamp");
            let signature = text(headers, "telnyx-signature-ed25519");
            Some(hooks.event(&telnyx::HookRequest { timestamp, signature, body }, now))
        }
        _ => None,
    })
    .await
}

pub(super) async fn gateway(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    take_event(&shared, request, |hooks, headers, body, now| match hooks {
        Hooks::Webhook(hooks) => {
            let id = text(headers, "webhook-id");
            let timestamp = text(headers, "webhook-timestamp");
            let signature = text(headers, "webhook-signature");
            Some(hooks.event(&webhook::HookRequest { id, timestamp, signature, body }, now))
        }
        _ => None,
    })
    .await
}

/// Stores what a webhook tells; only then is it taken. `read` gives none if it is not this carrier's.
async fn take_event(
    shared: &Shared,
    request: Request,
    read: impl FnOnce(&Hooks, &HeaderMap, &[u8], Timestamp) -> Option<Result<HookEvent, HookError>>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = match shared.read_body(body, BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return Problem::from(error).into_response(),
    };
    let hooks = shared.carrier.as_ref();
    let event = hooks.and_then(|hooks| read(hooks, &head.headers, &body, shared.engine.now()));
    let stored = match event {
        None => return no_such_path().await.into_response(),
        Some(Err(error)) => {
            let kind = match error {
                HookError::Signature(_) => Kind::NotOurs,
                HookError::Unreadable | HookError::Field(_) => Kind::Malformed,
            };
            return refused(kind, &error).into_response();
        }
        Some(Ok(HookEvent::Text(text))) => shared.engine.take_text(text).await.map(drop),
        Some(Ok(HookEvent::Status(update))) => shared.engine.take_status(update).await.map(drop),
        Some(Ok(HookEvent::Other)) => Ok(()),
    };
    match stored {
        // Also for what is not known: a repeat would not make it so.
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => not_stored(&error),
    }
}

fn refused(kind: Kind, error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::debug!(error, "a request of the carrier's was refused");
    Problem::new(kind, error.to_string())
}

/// A header that is there but no text is kept apart from one that is missing: it must not make
/// another key apply.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

//! The REST API of the simulated Telnyx. Faults are laid around it by the caller.

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{Telnyx, json as wire};
use crate::exchange::{Draft, Refused};

/// What a text may be long here, in characters: ten parts.
const TEXT_CHARACTERS_MAX: usize = 1530;

pub(crate) fn router(telnyx: Telnyx) -> Router {
    Router::new()
        .route("/v2/messages", post(create))
        .route("/v2/messages/{id}", get(read))
        .route("/v2/media/{id}/{place}", get(media))
        .route("/v2/balance", get(balance))
        .route_layer(from_fn_with_state(telnyx.clone(), authenticate))
        .with_state(telnyx)
}

async fn authenticate(State(telnyx): State<Telnyx>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sent.and_then(|sent| sent.strip_prefix("Bearer ")) == Some(telnyx.api_key()) {
        return next.run(request).await;
    }
    wire::error(StatusCode::UNAUTHORIZED, "10009", "Authentication failed")
}

#[derive(Deserialize)]
struct Create {
    from: Option<String>,
    to: Option<String>,
    text: Option<String>,
    messaging_profile_id: Option<String>,
    webhook_url: Option<String>,
}

async fn create(State(telnyx): State<Telnyx>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers.get("idempotency-key").map(|value| value.to_str().unwrap_or_default());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-');
    if key.is_some_and(|key| !(1..=255).contains(&key.len()) || !key.bytes().all(plain)) {
        return wire::error(StatusCode::UNPROCESSABLE_ENTITY, "10015", "Invalid Idempotency-Key");
    }
    let Ok(wanted) = serde_json::from_slice::<Create>(&body) else {
        return wire::error(StatusCode::BAD_REQUEST, "10015", "Bad Request");
    };
    let e164 = |number: &Option<String>| {
        let digits = number.as_deref()?.strip_prefix('+')?;
        let is_one = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_one.then(|| format!("+{digits}"))
    };
    let Some(to) = e164(&wanted.to) else {
        return wire::error(StatusCode::BAD_REQUEST, "40310", "Invalid 'to' address");
    };
    let Some(from) = e164(&wanted.from) else {
        return wire::error(StatusCode::BAD_REQUEST, "40305", "Invalid 'from' address");
    };
    let text = wanted.text.unwrap_or_default();
    if text.is_empty() {
        return wire::error(StatusCode::BAD_REQUEST, "40316", "No content provided");
    }
    if text.chars().count() > TEXT_CHARACTERS_MAX {
        return wire::error(StatusCode::BAD_REQUEST, "40302", "Message too large");
    }
    if wanted.messaging_profile_id.is_some_and(|profile| profile != telnyx.0.profile) {
        return wire::error(StatusCode::BAD_REQUEST, "10017", "Associated resource does not exist");
    }
    let draft = Draft { from: &from, to: &to, body: &text, news_to: wanted.webhook_url.as_deref() };
    match telnyx.0.exchange.take(key, &body, &draft) {
        Ok((text, new)) => {
            let answer = Json(json!({"data": telnyx.json(&text)}));
            if new {
                telnyx.send_on(text);
            }
            answer.into_response()
        }
        Err(Refused::OtherRequest) => wire::error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "10015",
            "The Idempotency-Key was used for another request",
        ),
        Err(Refused::OptedOut) => {
            wire::error(StatusCode::BAD_REQUEST, "40300", "Blocked due to STOP message")
        }
        Err(Refused::NotOurs) => wire::error(StatusCode::BAD_REQUEST, "40305", "Invalid 'from' address"),
    }
}

async fn read(State(telnyx): State<Telnyx>, Path(id): Path<String>) -> Response {
    match telnyx.0.exchange.text(&id) {
        Some(text) => Json(json!({"data": telnyx.json(&text)})).into_response(),
        None => wire::error(StatusCode::NOT_FOUND, "10005", "Resource not found"),
    }
}

async fn media(State(telnyx): State<Telnyx>, Path((id, place)): Path<(String, usize)>) -> Response {
    match telnyx.0.exchange.text(&id).and_then(|text| text.media.into_iter().nth(place)) {
        Some(media) => ([(header::CONTENT_TYPE, media.content_type)], media.bytes).into_response(),
        None => wire::error(StatusCode::NOT_FOUND, "10005", "Resource not found"),
    }
}

async fn balance() -> Json<serde_json::Value> {
    Json(json!({"data": {"record_type": "balance", "balance": "300.00", "credit_limit": "0.00",
                         "available_credit": "300.00", "pending": "0.00", "currency": "USD"}}))
}

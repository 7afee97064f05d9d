//! `/api/v1/.../timezone`: where a person says that a candidate is, in place of what the number says.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Number, OpportunityId, zones};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::named;
use super::input::{Id, IdempotencyKey, Input};
use super::opportunities::numbers_of;
use crate::engine::Engine;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// The time zone of a candidate, as a person knows it.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Timezone {
    /// Its IANA name, such as `America/Chicago`; null for by the number.
    timezone: Option<String>,
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/timezone",
    summary = "Say in which time zone a candidate is, or that it goes by the number again",
    description = "Quiet hours, reminders and the times that a candidate is told go by it. A text that waits for \
                   the end of quiet hours is decided again when it is due.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Timezone,
    responses(
        (status = 200, body = Timezone), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Timezone>,
) -> Result<Json<Timezone>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let view = named(&shared, &caller, &id).await?;
    keep(&engine, &caller, vec![view.conversation.number], None, input.value).await
}

#[utoipa::path(
    post, path = "/api/v1/opportunities/{id}/timezone",
    summary = "The same for a candidate, whether or not they were ever texted: it holds for all their numbers",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Timezone,
    responses(
        (status = 200, body = Timezone), (status = 404, body = ProblemBody),
        (status = 410, body = ProblemBody), (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn set_for_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Timezone>,
) -> Result<Json<Timezone>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let numbers = numbers_of(&shared, &caller, &id).await?;
    keep(&engine, &caller, numbers, id.parse().ok(), input.value).await
}

async fn keep(
    engine: &Engine,
    caller: &Caller,
    numbers: Vec<Number>,
    about: Option<OpportunityId>,
    said: Timezone,
) -> Result<Json<Timezone>, Problem> {
    let named = |name: &str| {
        let unknown =
            || Problem::invalid("timezone", "no such time zone: an IANA name, such as America/Chicago");
        zones::named(name.trim()).ok_or_else(unknown)
    };
    let zone = said.timezone.as_deref().map(named).transpose()?;
    let timezone = zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned);
    engine.set_zone(numbers, about, zone, caller.actor()).await?;
    Ok(Json(Timezone { timezone }))
}

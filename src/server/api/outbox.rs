//! `/api/v1/outbox`: effects that failed and wait for a person, and those that are tried again by themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{BadId, Effect, EffectKind};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{IdempotencyKey, Input, required};
use crate::engine::EffectView;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// An effect that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedEffect)]
pub(super) struct FailedBody {
    /// `send`, `note`, `hydrate`, `interviews`, `delete_note`, `delete_text`, `interview` or `fetch_file`.
    kind: &'static str,
    /// What it is about: a message, a transcript, an opportunity, an erasure and what it deletes.
    id: String,
    /// In which conversation.
    conversation: Option<String>,
    /// About which opportunity.
    opportunity: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    /// How often it was tried.
    attempts: u32,
    /// Why it failed, in words.
    error: Option<String>,
}

/// An effect that was tried in vain and is tried again by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = RetriedEffect)]
pub(super) struct RetriedBody {
    #[serde(flatten)]
    effect: FailedBody,
    /// When it is tried next; one that is over: as soon as its turn comes.
    #[schema(value_type = String, format = DateTime)]
    next_try_at: Timestamp,
}

/// The effect that is to be tried again, or given up.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Retry)]
pub(super) struct RetryBody {
    /// `send`, `note`, `hydrate`, `interviews`, `delete_note`, `delete_text`, `interview` or `fetch_file`.
    #[schema(required)]
    kind: Option<String>,
    /// What it is about.
    #[schema(required)]
    id: Option<String>,
}

/// An effect that is given up.
#[derive(Serialize, ToSchema)]
pub(super) struct GivenUp {
    /// `given_up`.
    state: &'static str,
}

/// An effect that is tried again.
#[derive(Serialize, ToSchema)]
pub(super) struct Retried {
    /// `due`.
    state: &'static str,
}

impl From<EffectView> for FailedBody {
    fn from(view: EffectView) -> Self {
        Self {
            kind: view.effect.kind().as_str(),
            id: effect_id(&view.effect),
            conversation: view.conversation.map(|id| id.to_string()),
            opportunity: view.opportunity.map(|id| id.to_string()),
            asked_at: view.row.asked_at,
            attempts: view.row.attempts,
            error: view.row.last_error,
        }
    }
}

impl From<EffectView> for RetriedBody {
    fn from(view: EffectView) -> Self {
        Self { next_try_at: view.row.due_at, effect: view.into() }
    }
}

impl RetryBody {
    fn effect(self) -> Result<Effect, Problem> {
        effect_of(&required("kind", self.kind)?, &required("id", self.id)?)
    }
}

/// What an effect is about, as lists name it.
pub(in crate::server) fn effect_id(effect: &Effect) -> String {
    match effect {
        Effect::Send(id) => id.to_string(),
        Effect::PostNote(id) => id.to_string(),
        Effect::Hydrate(id) | Effect::Interviews(id) => id.to_string(),
        Effect::DeleteNote(erasure, opportunity, note) => format!("{erasure}:{opportunity}:{note}"),
        Effect::DeleteText(erasure, sid) => format!("{erasure}:{sid}"),
        Effect::Appointment(id) => id.to_string(),
        Effect::FetchFile(message, place) => format!("{message}:{place}"),
    }
}

/// The effect that a list named so.
pub(in crate::server) fn effect_of(kind: &str, id: &str) -> Result<Effect, Problem> {
    let Some(kind) = EffectKind::from_word(kind) else {
        let kinds = EffectKind::ALL.map(EffectKind::as_str).join(", ");
        return Err(Problem::invalid("kind", format!("it must be one of {kinds}")));
    };
    let effect = match kind {
        EffectKind::Send => id.parse().map(Effect::Send),
        EffectKind::Note => id.parse().map(Effect::PostNote),
        EffectKind::Hydrate => id.parse().map(Effect::Hydrate),
        EffectKind::Interviews => id.parse().map(Effect::Interviews),
        EffectKind::Interview => id.parse().map(Effect::Appointment),
        EffectKind::DeleteNote => note_of(id),
        EffectKind::DeleteText => text_of(id),
        EffectKind::FetchFile => file_of(id),
    };
    effect.map_err(|error| Problem::invalid("id", error.to_string()))
}

/// The note of an erasure that is to be deleted.
fn note_of(id: &str) -> Result<Effect, BadId> {
    let mut parts = id.split(':');
    let mut part = || parts.next().ok_or(BadId);
    Ok(Effect::DeleteNote(part()?.parse()?, part()?.parse()?, part()?.parse()?))
}

/// The text of an erasure whose copy is to be deleted.
fn text_of(id: &str) -> Result<Effect, BadId> {
    let (erasure, sid) = id.split_once(':').ok_or(BadId)?;
    Ok(Effect::DeleteText(erasure.parse()?, sid.parse().map_err(|_| BadId)?))
}

/// The file of a text that is to be fetched.
fn file_of(id: &str) -> Result<Effect, BadId> {
    let (message, place) = id.split_once(':').ok_or(BadId)?;
    Ok(Effect::FetchFile(message.parse()?, place.parse().map_err(|_| BadId)?))
}

#[utoipa::path(
    get, path = "/api/v1/outbox/failed", summary = "Effects that failed and wait for a person, at most 200",
    responses((status = 200, body = Listing<FailedBody>)),
    security(("bearer" = []))
)]
pub(super) async fn failed(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Listing<FailedBody>>, Problem> {
    let failed = shared.engine.failed_effects(caller.sight).await?;
    Ok(Json(failed.into()))
}

#[utoipa::path(
    get, path = "/api/v1/outbox/retrying",
    summary = "Effects that were tried in vain and are tried again by themselves, the oldest first, at most 200",
    description = "One that is under way at this moment is none of them. Where many wait, those that are tried next.",
    responses((status = 200, body = Listing<RetriedBody>)),
    security(("bearer" = []))
)]
pub(super) async fn retrying(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Listing<RetriedBody>>, Problem> {
    let retried = shared.engine.retried_effects(caller.sight).await?;
    Ok(Json(retried.into()))
}

#[utoipa::path(
    post, path = "/api/v1/outbox/retry", summary = "Try a failed effect once more",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = RetryBody,
    responses(
        (status = 202, body = Retried),
        (status = 404, description = "No such effect has failed", body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn retry(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<RetryBody>,
) -> Result<(StatusCode, Json<Retried>), Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    if engine.retry_effect(input.value.effect()?, caller.actor()).await? {
        Ok((StatusCode::ACCEPTED, Json(Retried { state: "due" })))
    } else {
        Err(Problem::not_found("no such effect has failed"))
    }
}

#[utoipa::path(
    post, path = "/api/v1/outbox/give-up", summary = "Give a failed effect up",
    description = "A text has failed then, a transcript stays held, and what was to be read is not read.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = RetryBody,
    responses(
        (status = 200, body = GivenUp),
        (status = 404, description = "No such effect has failed", body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn give_up(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<RetryBody>,
) -> Result<Json<GivenUp>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    if engine.give_up_effect(input.value.effect()?, caller.actor()).await? {
        Ok(Json(GivenUp { state: "given_up" }))
    } else {
        Err(Problem::not_found("no such effect has failed"))
    }
}

//! `/api/v1/.../consent`: what candidates said about texts, with its source, and what a person learned
//! of it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Answer, Consent, Number};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::named;
use super::input::{Id, IdempotencyKey, Input, reason, required};
use super::opportunities::numbers_of;
use crate::engine::Engine;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// What a candidate said, as a person records it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConsent {
    /// Required. `yes`: they may be texted. `no`: they may not.
    answer: Option<String>,
    /// Required. How that is known.
    reason: Option<String>,
}

/// One answer, as evidence.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
pub(super) struct ConsentBody {
    /// The number that it holds for.
    number: String,
    /// `yes` or `no`.
    answer: &'static str,
    /// How it is known: `application`, `text`, `person` or `import`.
    source: &'static str,
    /// The application, the person's reason, or the file.
    detail: Option<String>,
    /// When they said it.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who took it down.
    by: String,
}

/// What a candidate said about texts, the newest first, which is the one that counts.
#[derive(Serialize, ToSchema)]
pub(super) struct ConsentList {
    data: Vec<ConsentBody>,
}

impl From<(Number, Consent)> for ConsentBody {
    fn from((number, consent): (Number, Consent)) -> Self {
        let (source, detail) = consent.source.words();
        let (answer, by) = (consent.answer.word(), consent.by.as_str().to_owned());
        Self { number: number.to_string(), answer, source, detail, at: consent.at, by }
    }
}

#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/consent", summary = "What a candidate said about texts",
    params(("id" = String, Path)),
    responses((status = 200, body = ConsentList), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<ConsentList>, Problem> {
    let view = named(&shared, &caller, &id).await?;
    evidence(&shared, vec![view.conversation.number]).await
}

#[utoipa::path(
    get, path = "/api/v1/opportunities/{id}/consent",
    summary = "The same for a candidate, over all their numbers",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ConsentList), (status = 404, body = ProblemBody), (status = 410, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn list_for_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<ConsentList>, Problem> {
    let numbers = numbers_of(&shared, &caller, &id).await?;
    evidence(&shared, numbers).await
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/consent",
    summary = "Record that a candidate agreed to texts, or that they did not",
    description = "The newest answer counts, whoever took it down. An opt-out beats it.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = NewConsent,
    responses(
        (status = 200, body = ConsentList), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn record(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<NewConsent>,
) -> Result<Json<ConsentList>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let view = named(&shared, &caller, &id).await?;
    keep(&shared, &engine, &caller, vec![view.conversation.number], input.value).await
}

#[utoipa::path(
    post, path = "/api/v1/opportunities/{id}/consent",
    summary = "The same for a candidate, whether or not they were ever texted: it holds for all their numbers",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = NewConsent,
    responses(
        (status = 200, body = ConsentList), (status = 404, body = ProblemBody),
        (status = 410, body = ProblemBody), (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn record_for_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<NewConsent>,
) -> Result<Json<ConsentList>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let numbers = numbers_of(&shared, &caller, &id).await?;
    keep(&shared, &engine, &caller, numbers, input.value).await
}

async fn keep(
    shared: &Shared,
    engine: &Engine,
    caller: &Caller,
    numbers: Vec<Number>,
    said: NewConsent,
) -> Result<Json<ConsentList>, Problem> {
    let answer = Answer::from_word(&required("answer", said.answer)?)
        .ok_or_else(|| Problem::invalid("answer", "it must be \"yes\" or \"no\""))?;
    let reason = reason(said.reason)?;
    engine.record_consent(numbers.clone(), answer, reason, caller.actor()).await?;
    evidence(shared, numbers).await
}

async fn evidence(shared: &Shared, numbers: Vec<Number>) -> Result<Json<ConsentList>, Problem> {
    let all = shared.engine.consents(numbers).await?;
    Ok(Json(ConsentList { data: all.into_iter().map(Into::into).collect() }))
}

//! `/api/v1/.../opt-out` and `/api/v1/opt-outs`: what a person learned of a candidate's wish to get no
//! texts, by telephone say, and their answer to a possible opt-out.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Number, Right};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::named;
use super::input::{Id, IdempotencyKey, Input, reason, required};
use super::opportunities::numbers_of;
use crate::engine::Engine;
use crate::engine::changes::{LiftError, Wish};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// A candidate's wish, as a person records it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OptOutDecision)]
pub(super) struct Decision {
    /// Required. Whether the candidate wants no texts.
    opted_out: Option<bool>,
    /// Required. How that is known.
    reason: Option<String>,
    /// The day on which they said so, in the organisation's zone; today if not given.
    #[schema(value_type = Option<String>, format = Date)]
    on: Option<Date>,
}

/// A request for no texts that reached us by another way, for a number that need not be known.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OptOutRequest)]
pub(super) struct Request {
    /// Required. The number.
    number: Option<String>,
    /// Required. How that is known.
    reason: Option<String>,
    /// The day on which they said so, in the organisation's zone; today if not given.
    #[schema(value_type = Option<String>, format = Date)]
    on: Option<Date>,
}

/// Whether the number has opted out now.
#[derive(Serialize, ToSchema)]
pub(super) struct OptOutState {
    opted_out: bool,
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/opt-out",
    summary = "Record that a candidate wants no texts, or that they may be texted",
    description = "Answers a possible opt-out. Only an admin lets a number be texted again, and only after an \
                   opt-out that a person recorded: what the candidate texted, their START lifts.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Decision,
    responses(
        (status = 200, body = OptOutState),
        (status = 403, description = "Only an admin lifts an opt-out", body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 409, description = "The candidate opted out by text", body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Decision>,
) -> Result<Json<OptOutState>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let view = named(&shared, &caller, &id).await?;
    settle(&shared, &engine, &caller, vec![view.conversation.number], input.value).await
}

#[utoipa::path(
    post, path = "/api/v1/opportunities/{id}/opt-out",
    summary = "The same for a candidate, whether or not they were ever texted: it holds for all their numbers",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Decision,
    responses(
        (status = 200, body = OptOutState),
        (status = 403, description = "Only an admin lifts an opt-out", body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 409, description = "The candidate opted out by text", body = ProblemBody),
        (status = 410, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn decide_for_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Decision>,
) -> Result<Json<OptOutState>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let numbers = numbers_of(&shared, &caller, &id).await?;
    settle(&shared, &engine, &caller, numbers, input.value).await
}

#[utoipa::path(
    post, path = "/api/v1/opt-outs",
    summary = "Record that a number wants no texts, whether or not it is known here",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = Request,
    responses((status = 200, body = OptOutState), (status = 422, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn record(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<Request>,
) -> Result<Json<OptOutState>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let Request { number, reason, on } = input.value;
    let number = required("number", number)?;
    let region = shared.engine.settings.load().rules.region;
    let number =
        Number::parse(&number, &region).map_err(|error| Problem::invalid("number", error.to_string()))?;
    let decision = Decision { opted_out: Some(true), reason, on };
    settle(&shared, &engine, &caller, vec![number], decision).await
}

async fn settle(
    shared: &Shared,
    engine: &Engine,
    caller: &Caller,
    numbers: Vec<Number>,
    decision: Decision,
) -> Result<Json<OptOutState>, Problem> {
    let opted_out = required("opted_out", decision.opted_out)?;
    let reason = reason(decision.reason)?;
    let since = decision.on.map(|day| since(shared, day)).transpose()?;
    if !opted_out && !caller.may(Right::Administer) && shared.engine.has_opted_out(numbers.clone()).await? {
        return Err(Problem::new(Kind::Forbidden, "only an admin lifts an opt-out"));
    }
    let wish = Wish { opted_out, reason, since };
    match engine.decide_opt_out(numbers, wish, caller.actor()).await {
        Ok(()) => Ok(Json(OptOutState { opted_out })),
        Err(LiftError::ByText) => Err(Problem::new(Kind::OptedOut, LiftError::ByText.to_string())),
        Err(LiftError::Store(error)) => Err(error.into()),
    }
}

/// The beginning of a day, which must have come.
fn since(shared: &Shared, day: Date) -> Result<Timestamp, Problem> {
    let begins = shared.engine.zone().to_timestamp(day.into()).ok();
    begins
        .filter(|at| *at <= shared.engine.now())
        .ok_or_else(|| Problem::invalid("on", "it must be a day up to today, such as 2025-03-04"))
}

//! `/api/v1/conversations/{id}/opt-out`: what a person learned of a candidate's wish, by telephone
//! say, and their answer to a possible opt-out.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::Right;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::named;
use super::input::{Id, Input, required};
use crate::engine::changes::LiftError;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// The longest reason.
const REASON_CHARS: usize = 500;

/// A candidate's wish, as a person records it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OptOutDecision)]
pub(super) struct Decision {
    /// Required. Whether the candidate wants no texts.
    opted_out: Option<bool>,
    /// Required. How that is known.
    reason: Option<String>,
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
    params(("id" = String, Path)),
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
    input: Input<Decision>,
) -> Result<Json<OptOutState>, Problem> {
    let opted_out = required("opted_out", input.value.opted_out)?;
    let reason = required("reason", input.value.reason)?;
    if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Problem::invalid("reason", format!("it must have 1 to {REASON_CHARS} characters")));
    }
    let view = named(&shared, &caller, &id).await?;
    if !opted_out && view.suppression.is_some() && !caller.may(Right::Administer) {
        return Err(Problem::new(Kind::Forbidden, "only an admin lifts an opt-out"));
    }
    let reason = reason.trim().to_owned();
    match shared.engine.decide_opt_out(view.conversation.id, opted_out, reason, caller.actor()).await {
        Ok(()) => Ok(Json(OptOutState { opted_out })),
        Err(LiftError::ByText) => Err(Problem::new(Kind::OptedOut, LiftError::ByText.to_string())),
        Err(LiftError::Store(error)) => Err(error.into()),
    }
}

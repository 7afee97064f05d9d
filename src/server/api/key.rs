//! `/api/v1/lever/probe`: what Lever's key may do is found out anew, and what waits for that goes on.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{IdempotencyKey, NOTHING};
use crate::engine::KeyTrouble;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// What was found out.
#[derive(Serialize, ToSchema)]
#[schema(as = Probed)]
pub(super) struct ProbedBody {
    /// When.
    at: String,
    /// `works`, `refused`, or `unreachable` where Lever did not answer.
    key: &'static str,
    /// The tick-boxes that the key lacks, by Lever's names.
    missing: Vec<&'static str>,
}

#[utoipa::path(
    post, path = "/api/v1/lever/probe", summary = "Find out what Lever's key may do",
    description = "By about 25 requests, none of which changes anything in Lever. Interviews that wait for a \
                   permission are tried again where it is there. It may be repeated as it is.",
    params(("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = ProbedBody), (status = 422, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn probe(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
) -> Result<Json<ProbedBody>, Problem> {
    let probed = key.engine(&shared, &caller, NOTHING).await?.probe_key().await;
    let (key, permissions) = match probed.outcome {
        Ok(permissions) => ("works", permissions),
        Err(KeyTrouble::Refused) => ("refused", Vec::new()),
        Err(KeyTrouble::Unreachable) => ("unreachable", Vec::new()),
    };
    let missing = permissions.iter().filter(|one| one.works == Some(false)).map(|one| one.name).collect();
    Ok(Json(ProbedBody { at: probed.at.to_string(), key, missing }))
}

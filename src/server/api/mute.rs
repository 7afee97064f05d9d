//! `/api/v1/unmute`: a restored copy may text and write to Lever again.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{IdempotencyKey, Input, required};
use crate::engine::changes::{Late, Unmuted};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// Older texts than this are late, unless the caller says otherwise.
const HOURS: u32 = 4;

/// How a restored copy comes to life.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Unmute)]
pub(super) struct UnmuteBody {
    /// Whether it is only told what would leave.
    #[schema(required)]
    dry_run: Option<bool>,
    /// Whether texts leave that are late. Otherwise they fail, with that reason: those that were due in the
    /// backup, and those that the copy wrote by itself since, both of which the original may have sent, and
    /// those that have been due for some hours. Then bulk texts are paused, too, and automations begin anew.
    send_late: Option<bool>,
    /// For how many hours a text may have been due; 4 unless said.
    hours: Option<u32>,
}

/// What leaves.
#[derive(Serialize, ToSchema)]
#[schema(as = Unmuted)]
pub(super) struct UnmutedBody {
    /// Texts that leave now.
    texts: u64,
    /// Texts that fail, since they are late.
    late: u64,
    /// Transcripts that are looked for in Lever before they are posted.
    transcripts: u64,
    /// What else leaves now.
    others: u64,
    /// Bulk texts that are paused, since the original may have gone on with them.
    bulks: u64,
    /// Candidates who get no text any more of an automation, or of a change in Lever, since the original may
    /// have sent it.
    ended: u64,
}

impl From<Unmuted> for UnmutedBody {
    fn from(told: Unmuted) -> Self {
        let Unmuted { texts, late, transcripts, others, bulks, ended } = told;
        Self { texts, late, transcripts, others, bulks, ended }
    }
}

#[utoipa::path(
    post, path = "/api/v1/unmute", summary = "Let a restored copy text and write to Lever again",
    description = "A store that was restored from a backup is muted: nothing leaves it. Its original must be \
                   stopped for good before.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = UnmuteBody,
    responses(
        (status = 200, body = UnmutedBody),
        (status = 404, description = "Nothing is muted", body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn unmute(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<UnmuteBody>,
) -> Result<Json<UnmutedBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let dry_run = required("dry_run", input.value.dry_run)?;
    let late = match input.value.send_late {
        Some(true) => Late::Send,
        _ => Late::Fail(SignedDuration::from_hours(input.value.hours.unwrap_or(HOURS).into())),
    };
    let told = match dry_run {
        true => engine.preview_unmute(late, caller.actor()).await?,
        false => engine.unmute(late, caller.actor()).await?,
    };
    told.map(|told| Json(told.into())).ok_or_else(|| Problem::not_found("nothing is muted"))
}

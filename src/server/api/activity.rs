//! `/api/v1/activity`: what happened to whom and why.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{ActivityKind, Right};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Asked, Paging};
use crate::engine::{ActivityQuery, ActivityRow, WhoDid};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// What is asked for of what happened.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityParams {
    /// Kinds, with commas between them: `webhook`, `message`, `opt-out`, `possible-opt-out`,
    /// `filing`, `effect`, `sign-in`, `admin`, `sync`, `desk`,
    /// `automation`, `interview`, `booking`, `bulk`, `quiet-hours`.
    kind: Option<String>,
    /// Who did it.
    who: Option<String>,
    /// In which conversation.
    conversation: Option<String>,
    /// To which opportunity.
    opportunity: Option<String>,
    /// Rows of a page, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[schema(as = Activity)]
pub(super) struct ActivityBody {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who did it: an e-mail, the name of a token, `operator`, `candidate`, `lever`, `carrier` or
    /// `fulcrum` itself.
    actor: String,
    /// What it is about.
    kind: &'static str,
    /// What happened and why, in words without data of people.
    detail: String,
    /// In which conversation.
    conversation: Option<String>,
    /// To which opportunity.
    opportunity: Option<String>,
    /// The candidate's name; null for operators.
    name: Option<String>,
}

impl From<ActivityRow> for ActivityBody {
    fn from(row: ActivityRow) -> Self {
        let activity = row.activity;
        Self {
            at: activity.at,
            actor: activity.actor.as_str().to_owned(),
            kind: activity.kind.word(),
            detail: activity.detail,
            conversation: activity.conversation.map(|id| id.to_string()),
            opportunity: activity.opportunity.map(|id| id.to_string()),
            name: row.name,
        }
    }
}

fn kinds(words: &str) -> Result<Vec<ActivityKind>, Problem> {
    let kind = |word: &str| {
        ActivityKind::from_word(word.trim())
            .ok_or_else(|| Problem::new(Kind::Malformed, "there is no such kind of activity"))
    };
    words.split(',').map(kind).collect()
}

#[utoipa::path(
    get, path = "/api/v1/activity", summary = "What happened in the last 90 days, the newest first",
    description = "A page may have fewer rows than asked for, and a next page all the same.",
    params(ActivityParams),
    responses((status = 200, body = Listing<ActivityBody>), (status = 400, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Asked(params): Asked<ActivityParams>,
) -> Result<Json<Listing<ActivityBody>>, Problem> {
    let no_id = |_| Problem::new(Kind::Malformed, "that is no id");
    let paging = Paging::new(params.limit, params.cursor)?;
    let query = ActivityQuery {
        kinds: params.kind.as_deref().map_or(Ok(Vec::new()), kinds)?,
        who: params.who.map(WhoDid::Is),
        conversation: params.conversation.map(|id| id.parse().map_err(no_id)).transpose()?,
        opportunity: params.opportunity.map(|id| id.parse().map_err(no_id)).transpose()?,
        before: paging.after()?,
        limit: paging.limit(),
        sight: caller.sight,
        names: caller.may(Right::Read),
    };
    Ok(Json(shared.engine.activity(query).await?.into()))
}

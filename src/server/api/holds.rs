//! `/api/v1/holds`: legal holds, which keep everything of a person.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{BadId, Number, OpportunityId, Whom};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{self, IdempotencyKey, Input};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};
use crate::store::Hold;

/// Whose data is kept: by one of the first three.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewHold)]
pub(super) struct NewHold {
    /// An opportunity: with all others of the same contact.
    opportunity: Option<String>,
    /// A contact.
    contact: Option<String>,
    /// A number: everybody who has it.
    number: Option<String>,
    /// Why. Required for a hold.
    reason: Option<String>,
    /// Whether the hold is released.
    release: Option<bool>,
}

/// A hold on an opportunity.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub(crate) struct HoldBody {
    /// Lever's id.
    opportunity: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// By whose wish.
    by: String,
    /// Why.
    reason: String,
    /// Whether Lever has deleted or anonymised them since: they go when it is released.
    deleted: bool,
}

/// What a hold, or its release, was about.
#[derive(Serialize, ToSchema)]
pub(super) struct HeldBody {
    /// How many opportunities.
    opportunities: usize,
}

impl From<(OpportunityId, Hold)> for HoldBody {
    fn from((id, hold): (OpportunityId, Hold)) -> Self {
        let by = hold.by.as_str().to_owned();
        let Hold { since, reason, wanted_gone: deleted, .. } = hold;
        Self { opportunity: id.to_string(), since, by, reason, deleted }
    }
}

/// The person who is meant by one of these.
pub(super) fn whom(
    shared: &Shared,
    opportunity: Option<String>,
    contact: Option<String>,
    number: Option<String>,
) -> Result<Whom, Problem> {
    let bad = |field: &'static str| move |error: BadId| Problem::invalid(field, error.to_string());
    match (opportunity, contact, number) {
        (Some(text), None, None) => text.parse().map(Whom::Opportunity).map_err(bad("opportunity")),
        (None, Some(text), None) => text.parse().map(Whom::Contact).map_err(bad("contact")),
        (None, None, Some(text)) => {
            let number = Number::parse(&text, &shared.engine.settings.load().rules.region);
            number.map(Whom::Number).map_err(|error| Problem::invalid("number", error.to_string()))
        }
        _ => Err(Problem::new(Kind::Invalid, "one of opportunity, contact and number is required")),
    }
}

#[utoipa::path(
    post, path = "/api/v1/holds", summary = "Keep everything of a person, or release that",
    description = "Nothing of them is erased, by command, by age or since Lever deletes them, until it is released. Nothing leaves to whom Lever has deleted.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = NewHold,
    responses(
        (status = 200, body = HeldBody),
        (status = 404, description = "Nobody is known so, or nothing was held", body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn hold(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<NewHold>,
) -> Result<Json<HeldBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let NewHold { opportunity, contact, number, reason, release } = input.value;
    let whom = whom(&shared, opportunity, contact, number)?;
    let of_nobody = match &whom {
        Whom::Number(number) => engine.has_thread(*number).await?,
        Whom::Opportunity(_) | Whom::Contact(_) => false,
    };
    let opportunities = if release == Some(true) {
        engine.release_hold(whom, caller.actor()).await?
    } else {
        engine.hold(whom, input::reason(reason)?, caller.actor()).await?
    };
    match opportunities {
        // There is a thread, which can be held by whom it is about.
        0 if of_nobody => Err(Problem::not_found(
            "the number leads to nobody in Lever, and a hold is on a candidate: attach the conversation to one first",
        )),
        0 => Err(Problem::not_found("nobody is known so, or nothing was held")),
        opportunities => Ok(Json(HeldBody { opportunities })),
    }
}

#[utoipa::path(
    get, path = "/api/v1/holds", summary = "All legal holds",
    responses((status = 200, body = Listing<HoldBody>)),
    security(("bearer" = []))
)]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Listing<HoldBody>>, Problem> {
    Ok(Json(shared.engine.holds().await?.into()))
}

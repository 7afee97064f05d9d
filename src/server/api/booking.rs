//! `/api/v1/event-types` and what makes a candidate choose a time: a link, or times offered by text.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Id, IdempotencyKey, Input, required};
use super::interviews::seen;
use super::messages::opportunity_id;
use crate::engine::changes::LinkError;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// A kind of meeting that candidates book.
#[derive(Serialize, ToSchema)]
#[schema(as = EventType)]
pub(super) struct EventTypeBody {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
}

/// What the candidate is to choose a time for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitation {
    /// Required. The id of one of `event_types`.
    event_type: Option<String>,
}

/// A link of one candidate.
#[derive(Serialize, ToSchema)]
pub(super) struct BookingLink {
    /// Whoever opens it acts for the candidate.
    url: String,
}

/// Where times are offered.
#[derive(Serialize, ToSchema)]
pub(super) struct Offered {
    /// The candidate's conversation.
    conversation: String,
}

#[utoipa::path(
    get, path = "/api/v1/event-types", summary = "The meetings that candidates can book, in the config's order",
    responses((status = 200, body = Listing<EventTypeBody>)),
    security(("bearer" = []))
)]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Listing<EventTypeBody>> {
    let types = shared.engine.event_types().into_iter();
    Json(Listing { data: types.map(|(id, name)| EventTypeBody { id, name }).collect(), next: None })
}

#[utoipa::path(
    post, path = "/api/v1/opportunities/{id}/booking-link", summary = "Make a link with which a candidate books",
    description = "Nothing is sent. Good for seven days, until a time is booked, the opportunity is archived, or its \
                   stage is left. \"[booking link]\" in a text makes one by itself.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Invitation,
    responses(
        (status = 201, body = BookingLink),
        (status = 404, description = "No such opportunity", body = ProblemBody),
        (status = 409, description = "The opportunity is archived", body = ProblemBody),
        (status = 410, description = "The candidate was deleted", body = ProblemBody),
        (status = 422, description = "No such event type", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn link(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Invitation>,
) -> Result<(StatusCode, Json<BookingLink>), Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let opportunity = opportunity_id(&id)?;
    seen(&shared, &caller, &opportunity).await?;
    let event_type = required("event_type", input.value.event_type)?;
    let url = engine.booking_link(opportunity, event_type, caller.sight, caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(BookingLink { url })))
}

#[utoipa::path(
    post, path = "/api/v1/opportunities/{id}/offer-times", summary = "Offer a candidate three times by text",
    description = "They answer with a number. The text leaves once the interviewers' calendars were asked; where none \
                   is free, the activity says so and nothing is sent.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Invitation,
    responses(
        (status = 202, body = Offered),
        (status = 404, description = "No such opportunity", body = ProblemBody),
        (status = 409, description = "They must not be texted, have a time already, or are archived", body = ProblemBody),
        (status = 410, description = "The candidate was deleted", body = ProblemBody),
        (status = 422, description = "No such event type, or no number", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn offer_times(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Invitation>,
) -> Result<(StatusCode, Json<Offered>), Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let opportunity = opportunity_id(&id)?;
    seen(&shared, &caller, &opportunity).await?;
    let event_type = required("event_type", input.value.event_type)?;
    let thread = engine.offer_times(opportunity, event_type, caller.sight, caller.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(Offered { conversation: thread.to_string() })))
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let detail = error.to_string();
        match error {
            LinkError::UnknownEventType => Self::invalid("event_type", detail),
            LinkError::UnknownOpportunity => Self::new(Kind::NotFound, detail),
            LinkError::NoNumber => Self::new(Kind::Invalid, detail),
            LinkError::Confidential => Self::new(Kind::Forbidden, detail),
            LinkError::Archived | LinkError::Booked => Self::new(Kind::NotNow, detail),
            LinkError::Refused(refusal) => refusal.into(),
            LinkError::Store(error) => error.into(),
        }
    }
}

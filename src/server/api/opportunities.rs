//! `/api/v1/opportunities`: what is known here of a candidate.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Interview, Number};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::Id;
use crate::engine::{Found, OpportunityView};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// An opportunity, as it was in Lever at `as_of`.
#[derive(Serialize, ToSchema)]
#[schema(as = Opportunity)]
pub(super) struct OpportunityBody {
    /// Lever's id.
    id: String,
    /// The candidate's name.
    name: String,
    /// The present stage.
    stage: StageBody,
    /// When and why it was archived; null while it is active.
    archived: Option<ArchivedBody>,
    /// The person.
    contact: String,
    /// The posting applied for.
    posting: Option<String>,
    /// The recruiter who owns it.
    owner: Option<String>,
    /// The number that a text goes to.
    number: Option<String>,
    /// Whether only some may see it in Lever.
    confidential: bool,
    /// Its interviews, cancelled ones too, in order of their start.
    interviews: Vec<InterviewBody>,
    /// The conversations with this person, over all of their numbers.
    conversations: Vec<String>,
    /// When Lever was asked.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
}

/// An interview.
#[derive(Serialize, ToSchema)]
#[schema(as = Interview)]
struct InterviewBody {
    /// Lever's id.
    id: String,
    /// What it is called.
    subject: Option<String>,
    /// Where.
    location: Option<String>,
    /// Its start.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    /// Its length in minutes.
    minutes: u32,
    /// When it was called off; null while it stands.
    #[schema(value_type = Option<String>, format = DateTime)]
    cancelled_at: Option<Timestamp>,
}

impl From<Interview> for InterviewBody {
    fn from(interview: Interview) -> Self {
        Self {
            id: interview.id.to_string(),
            subject: interview.subject,
            location: interview.location,
            starts_at: interview.starts_at,
            minutes: interview.minutes,
            cancelled_at: interview.cancelled_at,
        }
    }
}

/// A stage of the pipeline.
#[derive(Serialize, ToSchema)]
#[schema(as = Stage)]
struct StageBody {
    /// Lever's id.
    id: String,
    /// What Lever calls it.
    text: Option<String>,
}

/// When and why an opportunity was archived.
#[derive(Serialize, ToSchema)]
#[schema(as = Archived)]
struct ArchivedBody {
    /// The reason's id.
    reason: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<OpportunityView> for OpportunityBody {
    fn from(view: OpportunityView) -> Self {
        let opportunity = view.opportunity;
        Self {
            id: view.id.to_string(),
            number: opportunity.number().map(|number| number.to_string()),
            name: opportunity.name,
            stage: StageBody { id: opportunity.stage.to_string(), text: view.stage },
            archived: opportunity.archived.map(|archived| ArchivedBody {
                reason: archived.reason.map(|id| id.to_string()),
                at: archived.at,
            }),
            contact: opportunity.contact.to_string(),
            posting: opportunity.posting.map(|id| id.to_string()),
            owner: opportunity.owner.map(|id| id.to_string()),
            confidential: opportunity.confidential,
            interviews: view.interviews.into_iter().map(Into::into).collect(),
            conversations: view.conversations.iter().map(ToString::to_string).collect(),
            as_of: opportunity.as_of,
        }
    }
}

#[utoipa::path(
    get, path = "/api/v1/opportunities/{id}", summary = "What is known here of an opportunity",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = OpportunityBody),
        (status = 404, description = "Not known", body = ProblemBody),
        (status = 410, description = "Deleted in Lever, erased here", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<OpportunityBody>, Problem> {
    named(&shared, &caller, &id).await.map(|view| Json(view.into()))
}

/// The numbers of the candidate that a path names, if the caller may see them.
pub(super) async fn numbers_of(shared: &Shared, caller: &Caller, id: &str) -> Result<Vec<Number>, Problem> {
    let view = named(shared, caller, id).await?;
    let numbers: Vec<Number> = view.opportunity.numbers().collect();
    if numbers.is_empty() {
        return Err(Problem::new(Kind::Invalid, "the candidate has no number that can be texted"));
    }
    Ok(numbers)
}

async fn named(shared: &Shared, caller: &Caller, id: &str) -> Result<OpportunityView, Problem> {
    let found = match id.parse() {
        Ok(id) => shared.engine.opportunity(&id, caller.sight).await?,
        Err(_) => Found::Unknown,
    };
    match found {
        Found::Known(view) => Ok(*view),
        Found::Unknown => Err(Problem::not_found("no such opportunity is known")),
        Found::Deleted => {
            Err(Problem::new(Kind::Deleted, "the candidate was deleted in Lever, and erased here"))
        }
    }
}

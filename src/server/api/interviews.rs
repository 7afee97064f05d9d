//! `/api/v1/interviews`: arranging interviews with candidates; Lever follows by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Meeting, OpportunityId};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Id, IdempotencyKey, Input, required};
use super::messages::opportunity_id;
use crate::engine::changes::AppointmentError;
use crate::engine::{Found, InterviewRefusal, InterviewRequest, InterviewView};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// An interview to be arranged.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NewInterview {
    /// The candidate's opportunity in Lever.
    #[schema(required)]
    opportunity: Option<String>,
    /// What it is called.
    subject: Option<String>,
    /// For those who interview.
    note: Option<String>,
    /// Where, or a link.
    location: Option<String>,
    /// Its start.
    #[schema(value_type = String, format = DateTime, required)]
    starts_at: Option<Timestamp>,
    /// Its length in minutes.
    #[schema(required)]
    minutes: Option<u32>,
    /// The zone in which its time is told; else the organisation's.
    #[schema(example = "America/New_York")]
    timezone: Option<String>,
    /// Who interviews: Lever users by e-mail or id.
    #[schema(required)]
    interviewers: Option<Vec<String>>,
    /// The id of Lever's form for the feedback.
    feedback_template: Option<String>,
    /// E-mail of the Lever user in whose name it is written; else the caller's own, else `lever.notes_as`.
    r#as: Option<String>,
}

/// What an interview is to say from now on, as a whole: what is left out is taken away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChangedInterview {
    /// What it is called.
    subject: Option<String>,
    /// For those who interview.
    note: Option<String>,
    /// Where, or a link.
    location: Option<String>,
    /// Its start.
    #[schema(value_type = String, format = DateTime, required)]
    starts_at: Option<Timestamp>,
    /// Its length in minutes.
    #[schema(required)]
    minutes: Option<u32>,
    /// The zone in which its time is told; else the organisation's.
    timezone: Option<String>,
    /// Who interviews: Lever users by e-mail or id.
    #[schema(required)]
    interviewers: Option<Vec<String>>,
    /// The id of Lever's form for the feedback.
    feedback_template: Option<String>,
}

impl NewInterview {
    fn split(self) -> (Option<String>, Option<String>, ChangedInterview) {
        let meeting = ChangedInterview {
            subject: self.subject,
            note: self.note,
            location: self.location,
            starts_at: self.starts_at,
            minutes: self.minutes,
            timezone: self.timezone,
            interviewers: self.interviewers,
            feedback_template: self.feedback_template,
        };
        (self.opportunity, self.r#as, meeting)
    }
}

/// An interview, and how far Lever has it.
#[derive(Serialize, ToSchema)]
#[schema(as = ArrangedInterview)]
pub(super) struct InterviewBody {
    /// Its id here; null for one that was arranged in Lever, which cannot be changed from here.
    id: Option<String>,
    /// Its id in Lever.
    lever_id: Option<String>,
    /// What it is called.
    subject: Option<String>,
    /// For those who interview.
    note: Option<String>,
    /// Where.
    location: Option<String>,
    /// Its start.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    /// Its length in minutes.
    minutes: u32,
    /// The zone in which its time is told.
    timezone: Option<String>,
    /// Who interviews, by their ids in Lever.
    interviewers: Vec<String>,
    /// `in-lever`, `waiting`, `not-in-lever`, `called-off` or `cancelled-in-lever`.
    state: &'static str,
    /// Why Lever does not have it as it is wanted, in words.
    error: Option<String>,
    /// How many minutes before the start there is no reminder, since it would fall in quiet hours: whoever
    /// interviews may tell them.
    no_reminder: Vec<u32>,
}

impl From<InterviewView> for InterviewBody {
    fn from(view: InterviewView) -> Self {
        Self {
            id: view.id.map(|id| id.to_string()),
            lever_id: view.lever.map(|id| id.to_string()),
            subject: view.subject,
            note: view.note,
            location: view.location,
            starts_at: view.starts_at,
            minutes: view.minutes,
            timezone: view.timezone,
            interviewers: view.interviewers.into_iter().map(|(id, _)| id.to_string()).collect(),
            state: view.state.word(),
            no_reminder: view.unreminded,
            error: view.state.why().map(str::to_owned),
        }
    }
}

/// An interview that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct TakenInterview {
    /// Its id here.
    id: String,
}

#[utoipa::path(
    get, path = "/api/v1/opportunities/{id}/interviews", summary = "The interviews of a candidate",
    description = "Those that were arranged here and in Lever, in order of their start, gone ones too.",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Listing<InterviewBody>),
        (status = 404, description = "Not known", body = ProblemBody),
        (status = 410, description = "Deleted in Lever, erased here", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Listing<InterviewBody>>, Problem> {
    let id = opportunity_id(&id)?;
    seen(&shared, &caller, &id).await?;
    let views = shared.engine.interviews_of(&id).await?;
    Ok(Json(views.into()))
}

#[utoipa::path(
    post, path = "/api/v1/interviews", summary = "Arrange an interview",
    description = "Lever has it as soon as it takes it; until then it stands here, with the reason.",
    params((
        "idempotency-key" = Option<String>, Header,
        description = "A repeat with the same key and body arranges nothing more"
    )),
    request_body = NewInterview,
    responses(
        (status = 202, body = TakenInterview),
        (status = 404, description = "No such opportunity", body = ProblemBody),
        (status = 410, description = "The candidate was deleted", body = ProblemBody),
        (status = 422, description = "A field is not right", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn arrange(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<NewInterview>,
) -> Result<(StatusCode, Json<TakenInterview>), Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let (opportunity, on_behalf_of, meeting) = input.value.split();
    let opportunity = opportunity_id(&required("opportunity", opportunity)?)?;
    seen(&shared, &caller, &opportunity).await?;
    let request = InterviewRequest {
        opportunity,
        meeting: meeting.meeting(&shared).await?,
        on_behalf_of,
        account: caller.account.clone(),
        by: caller.actor(),
    };
    let id = engine.arrange_interview(request).await?;
    Ok((StatusCode::ACCEPTED, Json(TakenInterview { id: id.to_string() })))
}

#[utoipa::path(
    put, path = "/api/v1/interviews/{id}", summary = "Change an interview that was arranged here",
    description = "What is left out is taken away. Lever follows.",
    params(("id" = String, Path)),
    request_body = ChangedInterview,
    responses(
        (status = 202, body = TakenInterview),
        (status = 404, body = ProblemBody),
        (status = 409, description = "It was called off", body = ProblemBody),
        (status = 422, description = "A field is not right", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    input: Input<ChangedInterview>,
) -> Result<(StatusCode, Json<TakenInterview>), Problem> {
    let id = named(&shared, &caller, &id).await?;
    let meeting = input.value.meeting(&shared).await?;
    shared.engine.change_interview(id, meeting, caller.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(TakenInterview { id: id.to_string() })))
}

#[utoipa::path(
    delete, path = "/api/v1/interviews/{id}", summary = "Call an interview off that was arranged here",
    description = "It is deleted in Lever.",
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Called off"),
        (status = 404, body = ProblemBody),
        (status = 409, description = "It was called off before", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn call_off(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let id = named(&shared, &caller, &id).await?;
    shared.engine.call_off_interview(id, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The opportunity is known, and the caller may see it.
pub(super) async fn seen(shared: &Shared, caller: &Caller, id: &OpportunityId) -> Result<(), Problem> {
    match shared.engine.opportunity(id, caller.sight).await? {
        Found::Known(_) => Ok(()),
        Found::Unknown => Err(Problem::not_found("no such opportunity is known").at("opportunity")),
        Found::Deleted => {
            Err(Problem::new(Kind::Deleted, "the candidate was deleted in Lever, and erased here"))
        }
    }
}

async fn named(shared: &Shared, caller: &Caller, id: &str) -> Result<fulcrum_domain::AppointmentId, Problem> {
    let unknown = || Problem::not_found("no interview that was arranged here has this id");
    let id = id.parse().map_err(|_| unknown())?;
    shared.engine.interview_with(id, caller.sight).await?.map(|_| id).ok_or_else(unknown)
}

impl ChangedInterview {
    async fn meeting(self, shared: &Shared) -> Result<Meeting, Problem> {
        let interviewers = required("interviewers", self.interviewers)?;
        let found = shared.engine.lever_users(interviewers).await?;
        let interviewers: BTreeSet<_> = match found {
            Ok(users) => users.into_iter().collect(),
            Err(word) => {
                let detail = format!("no active Lever user has the e-mail or id {word:?}");
                return Err(Problem::invalid("interviewers", detail));
            }
        };
        let zone = self.timezone.filter(|zone| !zone.trim().is_empty());
        let own = || shared.engine.zone().iana_name().unwrap_or("UTC").to_owned();
        Ok(Meeting {
            subject: self.subject,
            note: self.note,
            location: self.location,
            starts_at: required("starts_at", self.starts_at)?,
            minutes: required("minutes", self.minutes)?,
            timezone: zone.unwrap_or_else(own),
            interviewers,
            feedback_template: self.feedback_template.filter(|form| !form.trim().is_empty()),
        })
    }
}

impl From<InterviewRefusal> for Problem {
    fn from(refusal: InterviewRefusal) -> Self {
        use fulcrum_domain::MeetingFlaw as Flaw;
        let detail = refusal.to_string();
        match refusal {
            InterviewRefusal::Appointment(error) => match error {
                AppointmentError::Store(error) => error.into(),
                AppointmentError::UnknownOpportunity => Self::new(Kind::NotFound, detail).at("opportunity"),
                AppointmentError::Unknown => Self::new(Kind::NotFound, detail),
                AppointmentError::Confidential => Self::new(Kind::Forbidden, detail),
                AppointmentError::CalledOff => Self::new(Kind::CalledOff, detail),
                AppointmentError::Past => Self::invalid("starts_at", detail),
                AppointmentError::UnknownUser(_) | AppointmentError::Flaw(Flaw::NoInterviewer) => {
                    Self::invalid("interviewers", detail)
                }
                AppointmentError::Flaw(Flaw::Length) => Self::invalid("minutes", detail),
                AppointmentError::Flaw(Flaw::TimeZone) => Self::invalid("timezone", detail),
                AppointmentError::Flaw(Flaw::TooLong) => Self::new(Kind::Invalid, detail),
            },
            InterviewRefusal::NoPerformer => Self::invalid("as", detail),
        }
    }
}

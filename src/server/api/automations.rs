//! `/api/v1/automations`: how each stands, what it would have done, pausing and resuming; cards of the
//! flood guard; and why a text was sent or not.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use fulcrum_domain::{MessageId, OpportunityId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Asked, Id, IdempotencyKey, Input, NOTHING};
use crate::engine::changes::{SwitchError, Waiting};
use crate::engine::{AutomationView, CardView, Engine, OnCard, Reason, TEST_DAYS_MAX, Tested};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// The automations of the config, and what waits for approval.
#[derive(Serialize, ToSchema)]
#[schema(as = Automations)]
pub(crate) struct AutomationsBody {
    /// In the order of the config.
    data: Vec<AutomationBody>,
    /// Many texts at once, which somebody approves or not.
    cards: Vec<CardBody>,
}

/// How an automation stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Automation)]
struct AutomationBody {
    /// Its name.
    name: String,
    /// What sets it off.
    trigger: &'static str,
    /// How long it waits.
    wait: String,
    /// Whether it is paused.
    paused: bool,
    /// Who paused or resumed it; null where the config alone says so.
    by: Option<String>,
    /// Nothing that happened before sets it off.
    #[schema(value_type = Option<String>, format = DateTime)]
    active_since: Option<Timestamp>,
    /// Candidates who wait for its text.
    waiting: u64,
    /// Candidates who are held, by reason.
    held: Vec<HeldBody>,
    /// Texts that it has written.
    sent: u64,
}

/// How many are held for one reason.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldTexts)]
struct HeldBody {
    /// Why.
    why: String,
    /// How many.
    count: u64,
}

/// A card of the flood guard.
#[derive(Serialize, ToSchema)]
#[schema(as = Card)]
struct CardBody {
    /// Its number.
    id: u64,
    /// Who did what set them off.
    by: String,
    /// When the guard struck.
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// When it expires, and nothing is sent.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// How many texts wait on it.
    count: u64,
    /// Those to candidates whom the caller may see; empty while the daemon does not run.
    texts: Vec<OnCardBody>,
}

/// A text that waits on a card.
#[derive(Serialize, ToSchema)]
#[schema(as = CardText)]
struct OnCardBody {
    /// The automation whose text it is.
    automation: String,
    /// To which opportunity.
    opportunity: String,
    /// Whose that is.
    name: String,
}

impl From<OnCard> for OnCardBody {
    fn from(text: OnCard) -> Self {
        let OnCard { automation, opportunity, name } = text;
        Self { automation, opportunity: opportunity.to_string(), name }
    }
}

impl From<(Vec<AutomationView>, Vec<CardView>)> for AutomationsBody {
    fn from((list, cards): (Vec<AutomationView>, Vec<CardView>)) -> Self {
        Self {
            data: list.into_iter().map(Into::into).collect(),
            cards: cards.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<AutomationView> for AutomationBody {
    fn from(view: AutomationView) -> Self {
        Self {
            name: view.name,
            trigger: view.trigger,
            wait: view.wait,
            paused: view.paused,
            by: view.by,
            active_since: view.active_since,
            waiting: view.waiting,
            held: view.held.into_iter().map(|(why, count)| HeldBody { why, count }).collect(),
            sent: view.sent,
        }
    }
}

impl From<CardView> for CardBody {
    fn from(view: CardView) -> Self {
        Self {
            id: view.number,
            by: view.by,
            opened_at: view.opened_at,
            expires_at: view.expires_at,
            count: view.count,
            texts: Vec::new(),
        }
    }
}

/// How far a back-test looks back.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TestParams {
    /// Days, 1 to 30. 30 where it is not said.
    days: Option<u16>,
}

/// What an automation would have done about one event.
#[derive(Serialize, ToSchema)]
#[schema(as = TestedEvent)]
pub(crate) struct TestedBody {
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    happened_at: Timestamp,
    /// To which opportunity.
    opportunity: String,
    /// Whose that is.
    name: String,
    /// When the text would have left; null where it would not.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// What would have put it off, or held it back.
    why: Option<String>,
}

impl From<Tested> for TestedBody {
    fn from(tested: Tested) -> Self {
        Self {
            happened_at: tested.happened_at,
            opportunity: tested.opportunity.to_string(),
            name: tested.name,
            at: tested.at,
            why: tested.why,
        }
    }
}

/// What becomes of those who wait.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pausing {
    /// `keep` (they wait on; where it is not said) or `drop` (they get no text).
    waiting: Option<String>,
}

/// A line of the reasons.
#[derive(Serialize, ToSchema)]
#[schema(as = Reason)]
pub(crate) struct ReasonBody {
    /// When it was decided; null for how things stand now.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// What was.
    what: String,
}

impl From<Reason> for ReasonBody {
    fn from(reason: Reason) -> Self {
        Self { at: reason.at, what: reason.what }
    }
}

fn unknown() -> Problem {
    Problem::not_found("no such automation or candidate is known")
}

#[utoipa::path(
    get, path = "/api/v1/automations", summary = "How the automations of the config stand",
    responses((status = 200, body = AutomationsBody)),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<AutomationsBody>, Problem> {
    let mut body = AutomationsBody::from(shared.engine.automations().await?);
    for card in &mut body.cards {
        let texts = shared.engine.on_card(card.id, caller.sight).await?;
        card.texts = texts.into_iter().map(Into::into).collect();
    }
    Ok(Json(body))
}

#[utoipa::path(
    get, path = "/api/v1/automations/{name}/test", summary = "What an automation would have done",
    description = "By the events of the last days and by what is known of the candidates today. Nothing is \
                   sent. The latest event comes first, 1,000 at most.",
    params(("name" = String, Path), TestParams),
    responses((status = 200, body = Listing<TestedBody>), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn test(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(name): Id,
    Asked(params): Asked<TestParams>,
) -> Result<Json<Listing<TestedBody>>, Problem> {
    let days = params.days.unwrap_or(TEST_DAYS_MAX);
    let tested = shared.engine.test_automation(&name, days, caller.sight).await?;
    Ok(Json(tested.ok_or_else(unknown)?.into()))
}

#[utoipa::path(
    post, path = "/api/v1/automations/{name}/pause", summary = "Pause an automation",
    description = "Until somebody resumes it, or the config says something else than now.",
    params(("name" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Pausing,
    responses(
        (status = 200, body = AutomationsBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn pause(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(name): Id,
    key: IdempotencyKey,
    input: Input<Pausing>,
) -> Result<Json<AutomationsBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let waiting = match input.value.waiting.as_deref() {
        None | Some("keep") => Waiting::Keep,
        Some("drop") => Waiting::Drop,
        Some(_) => return Err(Problem::invalid("waiting", "it must be keep or drop")),
    };
    engine.pause_automation(&name, waiting, caller.actor()).await?;
    list(State(shared), Extension(caller)).await
}

#[utoipa::path(
    post, path = "/api/v1/automations/{name}/resume", summary = "Let an automation go on",
    description = "What happens from now on sets it off. Those who waited are decided, unless it is too late.",
    params(("name" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = AutomationsBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn resume(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(name): Id,
    key: IdempotencyKey,
) -> Result<Json<AutomationsBody>, Problem> {
    let engine = key.engine(&shared, &caller, NOTHING).await?;
    engine.resume_automation(&name, caller.actor()).await?;
    list(State(shared), Extension(caller)).await
}

#[utoipa::path(
    post, path = "/api/v1/automation-cards/{id}/approve", summary = "Let the texts of a card go",
    params(("id" = u64, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = AutomationsBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn approve(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
) -> Result<Json<AutomationsBody>, Problem> {
    let engine = key.engine(&shared, &caller, NOTHING).await?;
    decide_card(&engine, &caller, &id, true).await?;
    list(State(shared), Extension(caller)).await
}

#[utoipa::path(
    post, path = "/api/v1/automation-cards/{id}/call-off", summary = "Call the texts of a card off",
    params(("id" = u64, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = AutomationsBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn call_off(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
) -> Result<Json<AutomationsBody>, Problem> {
    let engine = key.engine(&shared, &caller, NOTHING).await?;
    decide_card(&engine, &caller, &id, false).await?;
    list(State(shared), Extension(caller)).await
}

/// Decides a card, as a form of a page does, too.
pub(in crate::server) async fn decide_card(
    engine: &Engine,
    caller: &Caller,
    id: &str,
    approve: bool,
) -> Result<(), Problem> {
    let number = id.parse().map_err(|_| Problem::from(SwitchError::NoCard))?;
    Ok(engine.decide_card(number, approve, caller.actor()).await?)
}

#[utoipa::path(
    get, path = "/api/v1/automations/{name}/why-not/{id}",
    summary = "Why an automation has not texted a candidate, or has",
    params(("name" = String, Path), ("id" = String, Path, description = "The opportunity")),
    responses((status = 200, body = Listing<ReasonBody>), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn why_not(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Listing<ReasonBody>>, Problem> {
    let id: OpportunityId = id.parse().map_err(|_| unknown())?;
    let reasons = shared.engine.why_not(id, &name, caller.sight).await?;
    Ok(Json(reasons.ok_or_else(unknown)?.into()))
}

#[utoipa::path(
    get, path = "/api/v1/messages/{id}/why", summary = "Why a text was sent, and what became of it",
    params(("id" = String, Path)),
    responses((status = 200, body = Listing<ReasonBody>), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn why(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Listing<ReasonBody>>, Problem> {
    let unknown = || Problem::not_found("no such text is known");
    let id: MessageId = id.parse().map_err(|_| unknown())?;
    Ok(Json(shared.engine.why(id, caller.sight).await?.ok_or_else(unknown)?.into()))
}

impl From<SwitchError> for Problem {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Unknown | SwitchError::NoCard => Self::new(Kind::NotFound, error.to_string()),
            SwitchError::Store(error) => error.into(),
        }
    }
}

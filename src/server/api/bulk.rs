//! `/api/v1/bulk`: one template for an audience (see `domain::bulk`). Programs may prepare one; a person
//! confirms it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::Message;
use fulcrum_domain::bulk::{Audience, Bulk, BulkId, BulkState, RecipientState, Step, StepRefusal};
use fulcrum_domain::guard::FROZEN;
use fulcrum_domain::template::Version;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Cursor, Id, IdempotencyKey, Input, Long, Paging, required};
use crate::engine::changes::BulkError;
use crate::engine::{
    BulkCounts, BulkView, Engine, Listed, MakeError, NewBulk, Part, RecipientView, Who, read_list,
};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// Whoever waits longer has been forgotten.
const NUDGE_DAYS_MAX: u16 = 60;
/// It stands in transcripts.
const NAME_CHARS_MAX: usize = 80;

/// A bulk text that is to be made. Each of postings, stages and tags narrows it; where a list is given,
/// they narrow that.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BulkInput {
    /// What people call it, at most 80 characters. Transcripts show it.
    #[schema(required)]
    name: Option<String>,
    /// The id of its template.
    #[schema(required)]
    template: Option<String>,
    /// Postings in Lever.
    postings: Vec<String>,
    /// Stages in Lever.
    stages: Vec<String>,
    /// Tags in Lever.
    tags: Vec<String>,
    /// Opportunities in Lever.
    opportunities: Vec<String>,
    /// A list as CSV. Its first line names the columns: `opportunity` or `number`, and `consent` (yes, no or
    /// empty) if wanted.
    csv: Option<String>,
    /// The id of the template for those who have not answered after `nudge_after_days`, 1 to 60.
    nudge_template: Option<String>,
    /// See `nudge_template`.
    nudge_after_days: Option<u16>,
    /// E-mail of the Lever user who signs.
    r#as: Option<String>,
}

/// The words of a template as they once were.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeFrom)]
pub(super) struct VersionBody {
    /// The template.
    id: String,
    /// Its words then, for `/api/v1/template-versions/{id}`.
    version: String,
}

impl From<Version> for VersionBody {
    fn from(version: Version) -> Self {
        let hex = version.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id: version.id, version: hex }
    }
}

/// A line of a list that names nobody.
#[derive(Serialize, ToSchema)]
pub(super) struct BadLine {
    /// From 1; the line of the columns' names counts.
    line: u64,
    /// What is wrong with it.
    reason: String,
}

/// A bulk text.
#[derive(Serialize, ToSchema)]
#[schema(as = Bulk)]
pub(super) struct BulkBody {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// `draft`, `awaiting-approval`, `running`, `paused`, `stopped` or `done`.
    state: &'static str,
    /// Its words.
    template: VersionBody,
    /// The words for those who do not answer.
    nudge_template: Option<VersionBody>,
    /// Days until then.
    nudge_after_days: Option<u16>,
    /// Lines of the list that were not understood.
    bad_rows: Vec<BadLine>,
    /// Who made it.
    made_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    made_at: Timestamp,
    /// Who has confirmed it, while a second person must.
    confirmed_by: Option<String>,
}

impl From<(BulkId, Bulk)> for BulkBody {
    fn from((id, bulk): (BulkId, Bulk)) -> Self {
        let state = bulk.state.word();
        let confirmed_by = match bulk.state {
            BulkState::Confirmed { by } => Some(by.as_str().to_owned()),
            _ => None,
        };
        let (nudge_template, nudge_after_days) =
            bulk.nudge.map(|nudge| (nudge.template.into(), nudge.after_days)).unzip();
        Self {
            id: id.to_string(),
            name: bulk.name,
            state,
            template: bulk.template.into(),
            nudge_template,
            nudge_after_days,
            bad_rows: bulk
                .bad_rows
                .into_iter()
                .map(|row| BadLine { line: row.line, reason: row.reason })
                .collect(),
            made_by: bulk.made_by.as_str().to_owned(),
            made_at: bulk.made_at,
            confirmed_by,
        }
    }
}

/// How many recipients are how far.
#[derive(Serialize, ToSchema)]
pub(super) struct Counts {
    /// Their turn has not come. A draft is confirmed for so many.
    waiting: usize,
    /// Of those: they may have opted out, and nothing leaves to them until somebody decides.
    in_doubt: usize,
    /// They get none, with a reason each.
    excluded: usize,
    /// Their text was written; the next three are among them.
    written: usize,
    /// It arrived.
    delivered: usize,
    /// It did not.
    failed: usize,
    /// They have written since.
    answered: usize,
    /// They were reminded.
    nudged: usize,
    /// It was stopped before their turn.
    called_off: usize,
}

/// A bulk text with its progress.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkWhole {
    #[serde(flatten)]
    bulk: BulkBody,
    /// How far it is.
    counts: Counts,
}

impl From<BulkView> for BulkWhole {
    fn from(view: BulkView) -> Self {
        let BulkCounts {
            waiting,
            in_doubt,
            excluded,
            written,
            delivered,
            failed,
            answered,
            nudged,
            called_off,
        } = view.counts;
        let counts =
            Counts { waiting, in_doubt, excluded, written, delivered, failed, answered, nudged, called_off };
        Self { bulk: (view.id, view.bulk).into(), counts }
    }
}

/// Somebody it is for.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkRecipient)]
pub(super) struct RecipientBody {
    /// Their opportunity in Lever.
    opportunity: String,
    /// Their name.
    name: Option<String>,
    /// `waiting`, `excluded`, `written`, `nudged` or `called-off`.
    state: &'static str,
    /// Why they get none, or for what they wait that somebody can decide.
    reason: Option<String>,
    /// The words as they would leave, or have left.
    text: Option<String>,
    /// The message, once it was written.
    message: Option<String>,
    /// How far that is.
    status: Option<&'static str>,
}

impl From<RecipientView> for RecipientBody {
    fn from(view: RecipientView) -> Self {
        Self {
            opportunity: view.opportunity.to_string(),
            name: view.name,
            state: state_word(&view.state),
            reason: match view.state {
                RecipientState::Excluded(why) => Some(why.to_string()),
                _ => view.in_doubt.then(|| FROZEN.to_owned()),
            },
            text: view.words,
            status: view.message.as_ref().map(Message::status_word),
            message: view.message.map(|text| text.id.to_string()),
        }
    }
}

/// The word for how far a recipient is.
pub(in crate::server) fn state_word(state: &RecipientState) -> &'static str {
    match state {
        RecipientState::Waiting => "waiting",
        RecipientState::Excluded(_) => "excluded",
        RecipientState::Written(_) => "written",
        RecipientState::Nudged { .. } => "nudged",
        RecipientState::CalledOff => "called-off",
    }
}

#[utoipa::path(
    get, path = "/api/v1/bulk", summary = "Bulk texts, the newest first", params(Paging),
    responses((status = 200, body = Listing<BulkBody>), (status = 400, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    paging: Paging,
) -> Result<Json<Listing<BulkBody>>, Problem> {
    Ok(Json(shared.engine.bulks(paging.after()?, paging.limit()).await?.into()))
}

#[utoipa::path(
    post, path = "/api/v1/bulk", summary = "Make a bulk text",
    description = "A draft: nothing leaves before a person has confirmed it.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = BulkInput,
    responses((status = 201, body = BulkWhole), (status = 422, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    Long(input): Long<BulkInput>,
) -> Result<(http::StatusCode, Json<BulkWhole>), Problem> {
    let id = made(&shared, caller, key, input).await?;
    Ok((http::StatusCode::CREATED, Json(found(&shared, id).await?.into())))
}

async fn made(
    shared: &Shared,
    caller: Caller,
    key: IdempotencyKey,
    input: Input<BulkInput>,
) -> Result<BulkId, Problem> {
    let once = key.of(&caller, input.digest);
    let engine = key.engine(shared, &caller, input.digest).await?;
    let wanted = input.value;
    let name =
        required("name", wanted.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()))?;
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::invalid("name", format!("a name has {NAME_CHARS_MAX} characters at most")));
    }
    let days = || match wanted.nudge_after_days {
        Some(days) if (1..=NUDGE_DAYS_MAX).contains(&days) => Ok(days),
        _ => Err(Problem::invalid("nudge_after_days", format!("1 to {NUDGE_DAYS_MAX} days are needed"))),
    };
    let region = shared.engine.settings.load().rules.region;
    let (mut listed, bad_rows) = match wanted.csv.filter(|text| !text.trim().is_empty()) {
        Some(text) => read_list(&text, &region),
        None => (Vec::new(), Vec::new()),
    };
    for who in ids::<fulcrum_domain::OpportunityId>("opportunities", &wanted.opportunities)? {
        listed.push(Listed { line: 0, who: Who::Opportunity(who), consents: None });
    }
    let new = NewBulk {
        name,
        template: required("template", wanted.template)?,
        nudge: wanted.nudge_template.map(|id| days().map(|days| (id, days))).transpose()?,
        audience: Audience {
            postings: ids("postings", &wanted.postings)?,
            stages: ids("stages", &wanted.stages)?,
            tags: wanted.tags,
        },
        listed,
        bad_rows,
        on_behalf_of: wanted.r#as.filter(|_| caller.account.is_none()),
        user: caller.user.clone(),
        by: caller.actor(),
        sight: caller.sight,
        name_of_user: caller.name,
        once,
    };
    Ok(engine.make_bulk(new).await?)
}

fn ids<T: std::str::FromStr>(field: &str, texts: &[String]) -> Result<Vec<T>, Problem> {
    let id =
        |text: &String| text.parse().map_err(|_| Problem::invalid(field, "one of them is no id of Lever's"));
    texts.iter().map(id).collect()
}

/// Makes one, as a form of a page does; `wanted` is the body of `POST /api/v1/bulk`.
pub(in crate::server) async fn make_of(
    shared: &Shared,
    caller: Caller,
    wanted: &str,
) -> Result<BulkId, Problem> {
    made(shared, caller, IdempotencyKey::none(), Input::read(wanted.as_bytes())?).await
}

#[utoipa::path(
    get, path = "/api/v1/bulk/{id}", summary = "A bulk text with its progress", params(("id" = String, Path)),
    responses((status = 200, body = BulkWhole), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn one(State(shared): State<Arc<Shared>>, Id(id): Id) -> Result<Json<BulkWhole>, Problem> {
    Ok(Json(found(&shared, named(&id)?).await?.into()))
}

#[utoipa::path(
    get, path = "/api/v1/bulk/{id}/recipients", summary = "Whom a bulk text is for, and what they get",
    params(("id" = String, Path), Paging),
    responses((status = 200, body = Listing<RecipientBody>), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn recipients(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    paging: Paging,
) -> Result<Json<Listing<RecipientBody>>, Problem> {
    let id = found(&shared, named(&id)?).await?.id;
    let page =
        shared.engine.bulk_recipients(id, Part::Whole, paging.after()?, paging.limit(), caller.sight).await?;
    Ok(Json(page.into()))
}

/// What is done with a bulk text.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StepInput {
    /// For `confirm`: how many recipients wait, as they were seen. Others are not texted by mistake.
    recipients: Option<usize>,
}

#[utoipa::path(
    post, path = "/api/v1/bulk/{id}/{step}", summary = "Confirm, approve, pause, resume or stop a bulk text",
    description = "A person must confirm, and above a number of recipients (config, bulk.second_person_above) \
        another one approve. A program may pause and stop.",
    params(("id" = String, Path), ("step" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = StepInput,
    responses(
        (status = 200, body = BulkWhole),
        (status = 404, body = ProblemBody),
        (status = 409, description = "Not as it stands, or not by the same person", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn step(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    axum::extract::Path((id, step)): axum::extract::Path<(String, String)>,
    key: IdempotencyKey,
    input: Input<StepInput>,
) -> Result<Json<BulkWhole>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let id = take_step(&shared, &engine, &caller, &id, &step, input.value.recipients).await?;
    Ok(Json(found(&shared, id).await?.into()))
}

/// Takes a step by its word, for the API and for the forms of pages.
pub(in crate::server) async fn take_step(
    shared: &Shared,
    engine: &Engine,
    caller: &Caller,
    id: &str,
    step: &str,
    recipients: Option<usize>,
) -> Result<BulkId, Problem> {
    let id = found(shared, named(id)?).await?.id;
    let step = match step {
        "confirm" => Step::Confirm { recipients: required("recipients", recipients)? },
        "approve" => Step::Approve,
        "pause" => Step::Pause,
        "resume" => Step::Resume,
        "stop" => Step::Stop,
        _ => return Err(Problem::not_found("there is no such call")),
    };
    if matches!(step, Step::Confirm { .. } | Step::Approve) && !caller.is_person() {
        return Err(Problem::new(Kind::Forbidden, "a person must say so, and not a program"));
    }
    engine.step_bulk(id, step, caller.actor()).await?;
    Ok(id)
}

fn named(id: &str) -> Result<BulkId, Problem> {
    id.parse().map_err(|_| unknown())
}

fn unknown() -> Problem {
    Problem::not_found("no such bulk text is known")
}

async fn found(shared: &Shared, id: BulkId) -> Result<BulkView, Problem> {
    shared.engine.bulk(id).await?.ok_or_else(unknown)
}

impl Cursor for BulkId {
    fn bytes(&self) -> Vec<u8> {
        self.number().bytes()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        <u64 as Cursor>::read(bytes).map(Self::new)
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Unknown => unknown(),
            BulkError::Refused(why @ StepRefusal::Nobody) => Self::new(Kind::Invalid, why.to_string()),
            BulkError::Refused(why @ StepRefusal::Changed { .. }) => {
                Self::invalid("recipients", why.to_string())
            }
            BulkError::Refused(why) => Self::new(Kind::NotNow, why.to_string()),
            BulkError::Store(error) => error.into(),
        }
    }
}

impl From<MakeError> for Problem {
    fn from(error: MakeError) -> Self {
        let detail = error.to_string();
        match error {
            MakeError::UnknownTemplate => Self::invalid("template", detail),
            MakeError::UnknownNudge => Self::invalid("nudge_template", detail),
            MakeError::UnknownSender => Self::invalid("as", detail),
            MakeError::Everybody | MakeError::TooMany => Self::new(Kind::Invalid, detail),
            MakeError::KeyReused(_) => Self::new(Kind::KeyReused, detail),
            MakeError::Store(error) => error.into(),
        }
    }
}

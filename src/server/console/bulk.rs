//! `/bulk`: texts for an audience: made, looked at, confirmed, followed.
//!
//! Forms ask the way of the API, so that what may be done is said once.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use fulcrum_domain::bulk::{Audience, Bulk, BulkId, BulkState, RecipientState};
use fulcrum_domain::{Actor, Message};
use serde::Deserialize;
use serde_json::json;

use super::frame::{self, Frame, page};
use super::{texts, words};
use crate::engine::{BulkCounts, Part, RecipientView};
use crate::server::api::bulk::{make_of, state_word, take_step};
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem};
use crate::server::{Cursor, Shared, sign_in};

/// Rows of a page.
const ROWS: usize = 50;

/// What the address says.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    after: Option<String>,
    /// The bulk text whose words a new one begins with.
    like: Option<String>,
    /// The excluded are asked for, and not the recipients.
    excluded: Option<String>,
}

/// The list, with the form for a new one.
#[derive(Template)]
#[template(path = "bulk.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    templates: Vec<(String, String)>,
    postings: Vec<(String, String)>,
    stages: Vec<(String, String)>,
    typed: NewBulk,
    wrong: String,
}

/// A bulk text in the list.
struct Row {
    id: String,
    name: String,
    state: String,
    template: String,
    by: String,
    at: String,
}

/// What was typed into the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewBulk {
    name: String,
    template: String,
    posting: String,
    stage: String,
    tags: String,
    csv: String,
    nudge_template: String,
    nudge_after_days: String,
}

impl NewBulk {
    /// What was typed for another one, but for its list, which is not kept.
    fn like(bulk: Bulk) -> Self {
        let Audience { postings, stages, tags } = bulk.audience;
        let (nudge_template, nudge_after_days) = match bulk.nudge {
            Some(nudge) => (nudge.template.id, nudge.after_days.to_string()),
            None => (String::new(), String::new()),
        };
        Self {
            name: bulk.name,
            template: bulk.template.id,
            posting: postings.first().map(ToString::to_string).unwrap_or_default(),
            stage: stages.first().map(ToString::to_string).unwrap_or_default(),
            tags: tags.join(", "),
            csv: String::new(),
            nudge_template,
            nudge_after_days,
        }
    }
}

/// One bulk text: its preview, or how far it is.
#[derive(Template)]
#[template(path = "bulk-one.html")]
struct OnePage {
    frame: Frame,
    id: String,
    name: String,
    state: String,
    made: String,
    counts: Vec<(&'static str, String)>,
    waiting: usize,
    confirm: Option<String>,
    second: Option<String>,
    /// Whether it is a draft that goes to nobody.
    nobody: bool,
    reasons: Vec<(String, usize)>,
    /// Whether the excluded are shown, and not the recipients.
    excluded: bool,
    steps: Vec<(&'static str, &'static str)>,
    bad_rows: Vec<(u64, String)>,
    rows: Vec<Who>,
    next: Option<String>,
}

/// A recipient.
struct Who {
    opportunity: String,
    name: String,
    state: String,
    mood: &'static str,
    words: String,
    unanswered: bool,
    in_doubt: bool,
}

/// `GET /bulk`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let like = asked.like.as_deref().and_then(|id| id.parse().ok());
    let typed = match like {
        Some(id) => shared.engine.bulk(id).await?.map(|view| NewBulk::like(view.bulk)),
        None => None,
    };
    listed(&shared, &caller, &asked, typed.unwrap_or_default(), String::new()).await
}

async fn listed(
    shared: &Shared,
    caller: &Caller,
    asked: &Asked,
    typed: NewBulk,
    wrong: String,
) -> Result<Response, Problem> {
    let frame = Frame::new(shared, caller, "/bulk").await?;
    let found = shared.engine.bulks(asked.after.as_deref().and_then(Cursor::from_text), ROWS).await?;
    let zone = shared.engine.zone();
    let templates = shared.engine.templates();
    // One that is not in the config any more is called by its id.
    let named = |id: &str| templates.iter().find(|(other, _)| other == id).map(|(_, name)| name.clone());
    let rows = found.rows.into_iter().map(|(id, bulk)| Row {
        id: id.to_string(),
        name: bulk.name,
        state: words::spoken(bulk.state.word()),
        template: named(&bulk.template.id).unwrap_or(bulk.template.id),
        by: bulk.made_by.as_str().to_owned(),
        at: words::local(bulk.made_at, &zone).strftime("%-d %b %H:%M").to_string(),
    });
    let rows = rows.collect();
    let (postings, stages) = shared.engine.audiences(caller.sight).await?;
    Ok(page(&ListPage {
        frame,
        rows,
        next: found.next.map(|place| place.to_text()),
        templates,
        postings,
        stages,
        typed,
        wrong,
    }))
}

/// `POST /bulk`.
pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Form(typed): Form<NewBulk>,
) -> Result<Response, Problem> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let one = |text: &str| some(text).into_iter().collect::<Vec<_>>();
    let wanted = json!({
        "name": typed.name,
        "template": typed.template,
        "postings": one(&typed.posting),
        "stages": one(&typed.stage),
        "tags": typed.tags.split(',').filter_map(some).collect::<Vec<_>>(),
        "csv": some(&typed.csv),
        "nudge_template": some(&typed.nudge_template),
        "nudge_after_days": typed.nudge_after_days.trim().parse::<u16>().ok(),
    });
    match make_of(&shared, caller.clone(), &wanted.to_string()).await {
        Ok(id) => Ok(to(&shared, &id.to_string())),
        Err(problem) => {
            let wrong = problem.detail().to_owned();
            let shown = listed(&shared, &caller, &Asked::default(), typed, wrong).await?;
            Ok((problem.status(), shown).into_response())
        }
    }
}

/// `GET /bulk/{id}`.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let frame = Frame::new(&shared, &caller, "/bulk").await?;
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    let Some(view) = shared.engine.bulk(id).await? else { return Ok(frame::not_found(&shared)) };
    let after = asked.after.as_deref().and_then(Cursor::from_text);
    let excluded = asked.excluded.is_some();
    let part = if excluded { Part::Excluded } else { Part::Texted };
    let found = shared.engine.bulk_recipients(id, part, after, ROWS, caller.sight).await?;
    let (bulk, counts) = (view.bulk, view.counts);
    let at = words::local(bulk.made_at, &shared.engine.zone()).strftime("%-d %b %H:%M").to_string();
    Ok(page(&OnePage {
        frame,
        id: id.to_string(),
        state: words::spoken(bulk.state.word()),
        nobody: bulk.state == BulkState::Draft && counts.waiting == 0,
        reasons: view.reasons,
        excluded,
        made: format!("{} {}, {at}", texts::MADE_BY, bulk.made_by.as_str()),
        waiting: counts.waiting,
        confirm: (bulk.state == BulkState::Draft && counts.waiting > 0)
            .then(|| texts::CONFIRM.replace("{}", &(counts.waiting - counts.in_doubt).to_string())),
        second: match &bulk.state {
            BulkState::Confirmed { by } if *by == caller.actor() => Some(texts::WANTS_COLLEAGUE.to_owned()),
            BulkState::Confirmed { by } => Some(texts::WANTS_SECOND.replace("{}", by.as_str())),
            _ => None,
        },
        steps: steps(&bulk.state, &caller.actor()),
        counts: named(counts),
        name: bulk.name,
        bad_rows: bulk.bad_rows.into_iter().map(|row| (row.line, row.reason)).collect(),
        rows: found.rows.into_iter().map(Into::into).collect(),
        next: found.next.map(|place| place.to_text()),
    }))
}

/// What somebody can do with it: whoever confirmed it cannot be the second person as well.
fn steps(state: &BulkState, by: &Actor) -> Vec<(&'static str, &'static str)> {
    let stop = ("stop", texts::STOP);
    match state {
        BulkState::Draft => vec![("stop", texts::DISCARD)],
        BulkState::Confirmed { by: first } if first == by => vec![stop],
        BulkState::Confirmed { .. } => vec![("approve", texts::BULK_APPROVE), stop],
        BulkState::Running => vec![("pause", texts::PAUSE), stop],
        BulkState::Paused => vec![("resume", texts::BULK_RESUME), stop],
        BulkState::Stopped | BulkState::Done => Vec::new(),
    }
}

fn named(counts: BulkCounts) -> Vec<(&'static str, String)> {
    [
        (texts::YET_TO_COME, counts.waiting),
        (texts::IN_DOUBT, counts.in_doubt),
        (texts::EXCLUDED, counts.excluded),
        (texts::WRITTEN, counts.written),
        (texts::ARRIVED, counts.delivered),
        (texts::NOT_ARRIVED, counts.failed),
        (texts::ANSWERED, counts.answered),
        (texts::NUDGED, counts.nudged),
        (texts::CALLED_OFF, counts.called_off),
    ]
    .into_iter()
    .map(|(name, count)| (name, words::count(u64::try_from(count).unwrap_or(u64::MAX))))
    .collect()
}

impl From<RecipientView> for Who {
    fn from(view: RecipientView) -> Self {
        let excluded = match &view.state {
            RecipientState::Excluded(why) => Some(why.to_string()),
            _ => None,
        };
        Self {
            opportunity: view.opportunity.to_string(),
            name: view.name.unwrap_or_else(|| view.opportunity.to_string()),
            state: words::spoken(view.message.as_ref().map_or(state_word(&view.state), Message::status_word)),
            unanswered: view.unanswered,
            in_doubt: view.in_doubt,
            mood: if excluded.is_some() { "warn" } else { "" },
            words: excluded.or(view.words).unwrap_or_default(),
        }
    }
}

/// How many recipients the page showed.
#[derive(Deserialize)]
pub(super) struct Seen {
    recipients: Option<usize>,
}

/// `POST /bulk/{id}/confirm`, `approve`, `pause`, `resume`, `stop`.
pub(super) async fn step(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, step)): Path<(String, String)>,
    Form(seen): Form<Seen>,
) -> Result<Response, Problem> {
    match take_step(&shared, &shared.engine, &caller, &id, &step, seen.recipients).await {
        Ok(_) => Ok(to(&shared, &id)),
        Err(problem) if problem.kind() == Kind::NotFound => Ok(frame::not_found(&shared)),
        Err(problem) => {
            let on = (&*format!("/bulk/{id}"), texts::TO_THE_BULK);
            Ok(sign_in::said(&shared, problem.status(), problem.title(), problem.detail(), on))
        }
    }
}

/// `GET` of the same: for somebody who has signed in anew, or types the address again.
pub(super) async fn back(
    State(shared): State<Arc<Shared>>,
    Path((id, _)): Path<(String, String)>,
) -> Response {
    match id.parse::<BulkId>() {
        Ok(id) => to(&shared, &id.to_string()),
        Err(_) => frame::not_found(&shared),
    }
}

fn to(shared: &Shared, id: &str) -> Response {
    Redirect::to(&format!("{}/bulk/{id}", shared.site.base())).into_response()
}

//! `/activity`: what happened, to whom and why; what waits for a person to try it again or give it up; and
//! what is tried again by itself.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use fulcrum_domain::{ActivityKind, ConversationId, EffectKind, OpportunityId, Right};
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::frame::{self, Frame, page};
use super::{texts, words};
use crate::engine::{ActivityQuery, ActivityRow, EffectView, WhoDid};
use crate::server::api::{effect_id, effect_of};
use crate::server::caller::Caller;
use crate::server::problem::Problem;
use crate::server::{Cursor, Shared};

/// Rows of a page.
const ROWS: usize = 100;

/// What the address says.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    who: String,
    c: Option<String>,
    before: Option<String>,
    /// What was done a moment ago.
    done: Option<String>,
}

/// The page.
#[derive(Template)]
#[template(path = "activity.html")]
struct Page {
    frame: Frame,
    /// What was done a moment ago, in words.
    done: Option<&'static str>,
    failed: Vec<Tried>,
    retried: Vec<Tried>,
    kinds: Vec<Kind>,
    who: String,
    conversation: Option<String>,
    rows: Vec<Row>,
    next: Option<String>,
}

/// An effect that was tried in vain.
struct Tried {
    kind: &'static str,
    id: String,
    about: String,
    href: Option<String>,
    reason: String,
    attempts: u32,
    /// When it was asked for.
    at: String,
    time: String,
    next: String,
}

/// Asks whether something is to be given up.
#[derive(Template)]
#[template(path = "give-up.html")]
struct Sure<'a> {
    frame: Frame,
    effect: &'a str,
    id: &'a str,
    about: String,
    what: &'static str,
}

/// A kind to choose.
struct Kind {
    word: &'static str,
    chosen: bool,
}

/// Something that happened.
struct Row {
    at: String,
    time: String,
    kind: &'static str,
    actor: String,
    about: String,
    href: Option<String>,
    detail: String,
}

/// `GET /activity`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let kind = ActivityKind::from_word(&asked.kind);
    let query = ActivityQuery {
        kinds: kind.into_iter().collect(),
        who: Some(asked.who.trim().to_owned()).filter(|who| !who.is_empty()).map(WhoDid::Like),
        conversation: asked.c.as_deref().and_then(|id| id.parse::<ConversationId>().ok()),
        opportunity: None,
        before: asked.before.as_deref().and_then(Cursor::from_text),
        limit: ROWS,
        sight: caller.sight,
        names: caller.may(Right::Read),
    };
    let found = shared.engine.activity(query).await?;
    let zone = shared.engine.zone();
    let rows = found.rows.into_iter().map(|ActivityRow { activity, name }| {
        let (about, href) = about(&caller, name, activity.conversation, activity.opportunity.as_ref());
        Row {
            at: activity.at.to_string(),
            time: time(activity.at, &zone),
            kind: activity.kind.word(),
            actor: activity.actor.as_str().to_owned(),
            about,
            href,
            detail: activity.detail,
        }
    });
    let link = |place: &dyn Fn() -> String| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("kind", &asked.kind).append_pair("who", &asked.who);
        if let Some(id) = &asked.c {
            query.append_pair("c", id);
        }
        format!("/activity?{}", query.append_pair("before", &place()).finish())
    };
    let rows = rows.collect();
    let tried = |view: EffectView| {
        let (about, href) = about(&caller, view.name, view.conversation, view.opportunity.as_ref());
        Tried {
            kind: view.effect.kind().as_str(),
            id: effect_id(&view.effect),
            about,
            href,
            reason: view.row.last_error.unwrap_or_default(),
            attempts: view.row.attempts,
            at: view.row.asked_at.to_string(),
            time: time(view.row.asked_at, &zone),
            next: time(view.row.due_at, &zone),
        }
    };
    let failed = shared.engine.failed_effects(caller.sight).await?;
    let retried = shared.engine.retried_effects(caller.sight).await?;
    Ok(page(&Page {
        frame: Frame::new(&shared, &caller, "/activity").await?,
        done: match asked.done.as_deref() {
            Some("retried") => Some(texts::RETRIED),
            Some("given-up") => Some(texts::GIVEN_UP),
            _ => None,
        },
        failed: failed.into_iter().map(tried).collect(),
        retried: retried.into_iter().map(tried).collect(),
        kinds: ActivityKind::ALL
            .into_iter()
            // It stands in the audit log alone.
            .filter(|each| *each != ActivityKind::Checkpoint)
            .map(|each| Kind { word: each.word(), chosen: Some(each) == kind })
            .collect(),
        next: found.next.map(|place| link(&|| place.to_text())),
        who: asked.who.clone(),
        conversation: asked.c.clone(),
        rows,
    }))
}

fn time(at: Timestamp, zone: &TimeZone) -> String {
    words::local(at, zone).strftime("%-d %b %H:%M:%S").to_string()
}

/// Whom something is about, and where they are found; an operator is told no names.
fn about(
    caller: &Caller,
    name: Option<String>,
    conversation: Option<ConversationId>,
    opportunity: Option<&OpportunityId>,
) -> (String, Option<String>) {
    let may_read = caller.may(Right::Read);
    let href = match (conversation, opportunity) {
        (Some(id), _) => Some(format!("/c/{id}")),
        (None, Some(id)) => Some(format!("/o/{id}")),
        (None, None) => None,
    };
    let id = || conversation.map(|id| id.to_string()).or(opportunity.map(ToString::to_string));
    (name.filter(|_| may_read).or_else(id).unwrap_or_default(), href.filter(|_| may_read))
}

/// Which effect.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WhichEffect {
    effect: String,
    id: String,
    /// Whether they were asked, and said yes.
    sure: String,
}

/// `POST /activity/retry`.
pub(super) async fn retry(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<WhichEffect>,
) -> Result<Response, Problem> {
    let effect = effect_of(&form.effect, &form.id)?;
    let done = shared.engine.retry_effect(effect, caller.actor()).await?;
    Ok(back(&shared, done.then_some("retried")))
}

/// `POST /activity/give-up`: what is given up does not come again, so they are asked once more.
pub(super) async fn give_up(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<WhichEffect>,
) -> Result<Response, Problem> {
    let effect = effect_of(&form.effect, &form.id)?;
    if form.sure.is_empty() {
        let failed = shared.engine.failed_effects(caller.sight).await?;
        let Some(view) = failed.into_iter().find(|view| view.effect == effect) else {
            return Ok(back(&shared, None));
        };
        return Ok(page(&Sure {
            frame: Frame::new(&shared, &caller, "/activity").await?,
            effect: &form.effect,
            id: &form.id,
            about: about(&caller, view.name, view.conversation, view.opportunity.as_ref()).0,
            what: match effect.kind() {
                EffectKind::Note => texts::GIVE_UP_NOTE,
                EffectKind::Send => texts::GIVE_UP_TEXT,
                _ => texts::GIVE_UP_WORDS,
            },
        }));
    }
    let done = shared.engine.give_up_effect(effect, caller.actor()).await?;
    Ok(back(&shared, done.then_some("given-up")))
}

fn back(shared: &Shared, done: Option<&str>) -> Response {
    if let Some(done) = done {
        return Redirect::to(&format!("{}/activity?done={done}", shared.site.base())).into_response();
    }
    frame::say(shared, StatusCode::NOT_FOUND, texts::NOT_FOUND, texts::NO_SUCH_FAILURE)
}

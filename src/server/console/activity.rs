//! `/activity`: what happened, to whom and why; and what waits for a person to try it again or give
//! it up.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use fulcrum_domain::{ActivityKind, ConversationId, EffectKind, Right};
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::frame::{self, Frame, page};
use super::{texts, words};
use crate::engine::{About, ActivityQuery, ActivityRow, WhoDid};
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
    failed: Vec<Failed>,
    kinds: Vec<Kind>,
    who: String,
    conversation: Option<String>,
    rows: Vec<Row>,
    next: Option<String>,
}

/// A failed effect.
struct Failed {
    kind: &'static str,
    id: String,
    reason: String,
    attempts: u32,
    /// When it was asked for.
    at: String,
    time: String,
    about: String,
    href: Option<String>,
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
        let about =
            About { conversation: activity.conversation, opportunity: activity.opportunity.clone(), name };
        let (about, href) = named(&caller, about);
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
    let failed = shared.engine.failed_effects(caller.sight).await?;
    let abouts = shared.engine.about_effects(failed.iter().map(|view| view.effect.clone()).collect()).await?;
    Ok(page(&Page {
        frame: Frame::new(&shared, &caller, "/activity").await?,
        done: match asked.done.as_deref() {
            Some("retried") => Some(texts::RETRIED),
            Some("given-up") => Some(texts::GIVEN_UP),
            _ => None,
        },
        failed: failed
            .into_iter()
            .zip(abouts)
            .map(|(view, about)| {
                let (about, href) = named(&caller, about);
                Failed {
                    kind: view.effect.kind().as_str(),
                    id: effect_id(&view.effect),
                    reason: view.row.last_error.unwrap_or_default(),
                    attempts: view.row.attempts,
                    at: view.row.asked_at.to_string(),
                    time: time(view.row.asked_at, &zone),
                    about,
                    href,
                }
            })
            .collect(),
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

/// What something is about, in words, and where that is shown to those who may read it.
fn named(caller: &Caller, about: About) -> (String, Option<String>) {
    let conversation = about.conversation.map(|id| id.to_string());
    let opportunity = about.opportunity.map(|id| id.to_string());
    let may_read = caller.may(Right::Read);
    let href = match (&conversation, &opportunity) {
        _ if !may_read => None,
        (Some(id), _) => Some(format!("/c/{id}")),
        (None, Some(id)) => Some(format!("/o/{id}")),
        (None, None) => None,
    };
    let name = about.name.filter(|_| may_read);
    (name.or(conversation).or(opportunity).unwrap_or_default(), href)
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
        let about = shared.engine.about_effects(vec![effect.clone()]).await?.pop().unwrap_or_default();
        return Ok(page(&Sure {
            frame: Frame::new(&shared, &caller, "/activity").await?,
            effect: &form.effect,
            id: &form.id,
            about: named(&caller, about).0,
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

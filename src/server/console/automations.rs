//! `/automations`: how each stands, cards that wait for approval, and what one would have done.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use fulcrum_domain::Right;
use serde::Deserialize;

use super::frame::{Frame, not_found, page};
use super::{texts, words};
use crate::engine::changes::Waiting;
use crate::engine::{AutomationView, OnCard, TEST_DAYS_MAX};
use crate::server::Shared;
use crate::server::api::decide_card;
use crate::server::caller::Caller;
use crate::server::problem::Problem;

/// The page.
#[derive(Template)]
#[template(path = "automations.html")]
struct Page {
    frame: Frame,
    may_change: bool,
    list: Vec<Automation>,
    cards: Vec<Card>,
}

/// An automation.
struct Automation {
    name: String,
    trigger: String,
    wait: String,
    paused: bool,
    by: Option<String>,
    waiting: String,
    sent: String,
    held: Vec<String>,
}

/// A card of the flood guard.
struct Card {
    number: u64,
    by: String,
    count: String,
    expires: String,
    /// What is on it, as far as it may be seen.
    texts: Vec<CardTexts>,
}

/// The texts of one automation on a card.
struct CardTexts {
    automation: String,
    /// The words of its template.
    words: String,
    /// For whom, as (opportunity, name).
    whom: Vec<(String, String)>,
}

/// The page of a back-test.
#[derive(Template)]
#[template(path = "back-test.html")]
struct TestPage {
    frame: Frame,
    name: String,
    rows: Vec<Row>,
}

/// What would have come of an event.
struct Row {
    happened: String,
    name: String,
    opportunity: String,
    at: Option<String>,
    why: String,
}

impl From<AutomationView> for Automation {
    fn from(view: AutomationView) -> Self {
        Self {
            name: view.name,
            trigger: words::spoken(view.trigger),
            wait: view.wait,
            paused: view.paused,
            by: view.by,
            waiting: words::count(view.waiting),
            sent: words::count(view.sent),
            held: view
                .held
                .into_iter()
                .map(|(why, count)| format!("{} {why}", words::count(count)))
                .collect(),
        }
    }
}

/// `GET /automations`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let (list, cards) = shared.engine.automations().await?;
    let zone = shared.engine.zone();
    let time = |at| words::local(at, &zone).strftime("%-d %b %H:%M").to_string();
    let mut shown = Vec::with_capacity(cards.len());
    for card in cards {
        let mut texts: Vec<CardTexts> = Vec::new();
        for OnCard { automation, opportunity, name } in
            shared.engine.on_card(card.number, caller.sight).await?
        {
            let who = (opportunity.to_string(), name);
            match texts.iter_mut().find(|texts| texts.automation == automation) {
                Some(texts) => texts.whom.push(who),
                None => {
                    let words = shared.engine.automation_words(&automation).unwrap_or_default();
                    texts.push(CardTexts { automation, words, whom: vec![who] });
                }
            }
        }
        shown.push(Card {
            number: card.number,
            by: card.by,
            count: words::count(card.count),
            expires: time(card.expires_at),
            texts,
        });
    }
    Ok(page(&Page {
        frame: Frame::new(&shared, &caller, "/automations").await?,
        may_change: caller.may(Right::Text),
        list: list.into_iter().map(Into::into).collect(),
        cards: shown,
    }))
}

/// `GET /automations/{name}`.
pub(super) async fn test(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let Some(tested) = shared.engine.test_automation(&name, TEST_DAYS_MAX, caller.sight).await? else {
        return Ok(not_found(&shared));
    };
    let zone = shared.engine.zone();
    let time = |at| words::local(at, &zone).strftime("%-d %b %H:%M").to_string();
    let rows = tested.into_iter().map(|row| Row {
        happened: time(row.happened_at),
        name: row.name,
        opportunity: row.opportunity.to_string(),
        at: row.at.map(time),
        why: row.why.unwrap_or_default(),
    });
    Ok(page(&TestPage {
        frame: Frame::new(&shared, &caller, "/automations").await?,
        name,
        rows: rows.collect(),
    }))
}

/// What becomes of those who wait.
#[derive(Deserialize)]
pub(super) struct Pausing {
    #[serde(default)]
    waiting: String,
}

/// `POST /automations/{name}/pause`.
pub(super) async fn pause(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Form(form): Form<Pausing>,
) -> Result<Response, Problem> {
    let waiting = if form.waiting == "drop" { Waiting::Drop } else { Waiting::Keep };
    shared.engine.pause_automation(&name, waiting, caller.actor()).await?;
    Ok(back(&shared))
}

/// `POST /automations/{name}/resume`.
pub(super) async fn resume(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    shared.engine.resume_automation(&name, caller.actor()).await?;
    Ok(back(&shared))
}

/// What a person says of a card.
#[derive(Deserialize)]
pub(super) struct Decision {
    #[serde(default)]
    approve: String,
}

/// `POST /automation-cards/{id}`.
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(form): Form<Decision>,
) -> Result<Response, Problem> {
    decide_card(&shared.engine, &caller, &id, form.approve == "yes").await?;
    Ok(back(&shared))
}

fn back(shared: &Shared) -> Response {
    Redirect::to(&format!("{}/automations", shared.site.base())).into_response()
}

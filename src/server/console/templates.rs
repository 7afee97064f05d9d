//! `/templates`: the texts of the config, and how each reads for a candidate who is searched for.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use fulcrum_domain::OpportunityId;
use serde::Deserialize;

use super::frame::{Frame, page};
use super::texts;
use crate::engine::{Found, Hit, SearchQuery, TemplateError};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::Problem;

/// People whom a search shows.
const HITS: usize = 10;

/// What the address says.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    o: Option<String>,
}

/// The page.
#[derive(Template)]
#[template(path = "templates.html")]
struct Page {
    frame: Frame,
    words: String,
    wrong: Option<String>,
    people: Vec<Person>,
    /// Whether more may have been found than is shown.
    more: bool,
    candidate: Option<String>,
    templates: Vec<Text>,
}

/// A candidate to choose.
struct Person {
    id: String,
    name: String,
    posting: String,
}

/// A template, as it is written or as it reads.
struct Text {
    id: String,
    name: String,
    words: String,
    missing: Option<String>,
}

/// `GET /templates`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let frame = Frame::new(&shared, &caller, "/templates").await?;
    let (people, wrong) = match asked.q.trim() {
        "" => (Vec::new(), None),
        words => {
            let query = SearchQuery { words: words.to_owned(), limit: HITS, sight: caller.sight };
            match shared.engine.search(query).await {
                Ok(hits) => (hits.into_iter().filter_map(person).collect(), None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            }
        }
    };
    let chosen: Option<OpportunityId> = asked.o.as_deref().and_then(|id| id.parse().ok());
    let candidate = match &chosen {
        Some(id) => match shared.engine.opportunity(id, caller.sight).await? {
            Found::Known(view) => Some(view.opportunity.name),
            Found::Deleted | Found::Unknown => None,
        },
        None => None,
    };
    let mut templates = Vec::new();
    for (id, name, text) in shared.engine.template_texts() {
        let (words, missing) = match chosen.clone().filter(|_| candidate.is_some()) {
            Some(opportunity) => {
                match shared.engine.render_template(&id, opportunity, caller.signs(), caller.sight).await {
                    Ok(words) => (words, None),
                    Err(TemplateError::Store(error)) => return Err(error.into()),
                    Err(error) => (text, Some(error.to_string())),
                }
            }
            None => (text, None),
        };
        templates.push(Text { id, name, words, missing });
    }
    Ok(page(&Page { frame, words: asked.q, wrong, more: people.len() >= HITS, people, candidate, templates }))
}

fn person(hit: Hit) -> Option<Person> {
    match hit {
        Hit::Person { opportunity, name, posting } => {
            Some(Person { id: opportunity.to_string(), name, posting: posting.unwrap_or_default() })
        }
        Hit::Conversation { .. } => None,
    }
}

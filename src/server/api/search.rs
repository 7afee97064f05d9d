//! `/api/v1/search`: people by name and number, conversations by number and words.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::Search;
use crate::engine::{Hit, SearchError, SearchQuery, SnippetPart};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// What was found: people first, then conversations, the newest text first.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchHits)]
pub(super) struct HitsBody {
    /// The hits.
    data: Vec<HitBody>,
}

/// A person or a conversation.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = SearchHit)]
enum HitBody {
    /// A candidate.
    Person {
        /// Lever's id of the opportunity.
        opportunity: String,
        /// Their name.
        name: String,
        /// The title of the job.
        posting: Option<String>,
    },
    /// A conversation.
    Conversation {
        /// Its id.
        id: String,
        /// The candidate's name, where somebody is known for the number.
        name: Option<String>,
        /// The other end, E.164.
        number: String,
        /// The part of the text with what was looked for; empty when it was found by its number.
        snippet: Vec<SnippetBody>,
        /// When that text came or went, or else the last one.
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        /// That text's id.
        message: Option<String>,
    },
}

/// A piece of a text.
#[derive(Serialize, ToSchema)]
#[schema(as = SnippetPart)]
struct SnippetBody {
    /// Its words.
    text: String,
    /// Whether they were looked for.
    marked: bool,
}

impl From<Hit> for HitBody {
    fn from(hit: Hit) -> Self {
        match hit {
            Hit::Person { opportunity, name, posting } => {
                Self::Person { opportunity: opportunity.to_string(), name, posting }
            }
            Hit::Conversation { id, name, number, snippet, at, message } => Self::Conversation {
                id: id.to_string(),
                name: name.filter(|name| !name.is_empty()),
                number: number.to_string(),
                snippet: snippet
                    .into_iter()
                    .map(|SnippetPart { text, marked }| SnippetBody { text, marked })
                    .collect(),
                at,
                message: message.map(|id| id.to_string()),
            },
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Length => Self::new(Kind::Malformed, "q must have 1 to 200 characters"),
            SearchError::NotReady => Self::new(Kind::Unavailable, error.to_string()),
            SearchError::Store(error) => error.into(),
            SearchError::Index(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the index failed under a search");
                Self::new(Kind::Internal, "the search failed; the log says why")
            }
        }
    }
}

#[utoipa::path(
    get, path = "/api/v1/search", summary = "Find people and conversations",
    params(Search),
    responses(
        (status = 200, body = HitsBody),
        (status = 400, description = "Nothing to look for, or too much", body = ProblemBody),
        (status = 503, description = "The index is not open yet, or cannot be", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn search(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    asked: Search,
) -> Result<Json<HitsBody>, Problem> {
    let query = SearchQuery { words: asked.q, limit: asked.limit, sight: caller.sight };
    let hits = shared.engine.search(query).await?;
    Ok(Json(HitsBody { data: hits.into_iter().map(Into::into).collect() }))
}

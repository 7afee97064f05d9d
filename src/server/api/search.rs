//! `/api/v1/search`: people by name and number, conversations by number and words.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use fulcrum_domain::Sight;
use http::request;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::engine::{HITS_MAX, Hit, SearchError, SearchQuery, SnippetPart};
use crate::server::Shared;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Words of a name or of a text: all of them are meant, case and accents do not matter, the last
    /// may be unfinished, what stands in double quotes stands so in the text. Digits alone are a number:
    /// its beginning, or its end from four digits on.
    #[param(min_length = 1, max_length = 200)]
    q: String,
    /// The most people and the most conversations, 1 to 100.
    #[serde(default = "twenty")]
    #[param(default = 20, minimum = 1, maximum = 100)]
    limit: usize,
}

const fn twenty() -> usize {
    20
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        let Query(asked) = Query::<Self>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::new(Kind::Malformed, error.body_text()))?;
        match asked.limit {
            1..=HITS_MAX => Ok(asked),
            _ => Err(Problem::new(Kind::Malformed, "limit must be 1 to 100")),
        }
    }
}

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
    params(Asked),
    responses(
        (status = 200, body = HitsBody),
        (status = 400, description = "Nothing to look for, or too much", body = ProblemBody),
        (status = 503, description = "The index is not open yet, or cannot be", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn search(
    State(shared): State<Arc<Shared>>,
    asked: Asked,
) -> Result<Json<HitsBody>, Problem> {
    let query = SearchQuery { words: asked.q, limit: asked.limit, sight: Sight::Open };
    let hits = shared.engine.search(query).await?;
    Ok(Json(HitsBody { data: hits.into_iter().map(Into::into).collect() }))
}

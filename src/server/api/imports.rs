//! `/api/v1/imports`: conversations from elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Body, Direction, Number};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{IdempotencyKey, Input, required};
use crate::engine::changes::{Imported, Past};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// In one request; with texts of the usual length that is what its body may hold.
const TEXTS_MAX: usize = 500;

/// Texts that were sent and received before.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewImport)]
pub(super) struct ImportBody {
    /// At most 500, the oldest first.
    #[schema(required)]
    messages: Option<Vec<PastBody>>,
}

/// A text from elsewhere.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PastMessage)]
struct PastBody {
    /// The candidate's number, as a person writes it.
    number: String,
    /// `in` or `out`.
    direction: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The words.
    body: String,
    /// Who wrote it, if one of ours.
    author: Option<String>,
    /// Which of our numbers it came to or left from; else the first.
    our_number: Option<String>,
}

/// What became of them.
#[derive(Serialize, ToSchema)]
#[schema(as = Imported)]
pub(super) struct ImportedBody {
    /// They are here now.
    texts: u64,
    /// They were here before.
    known: u64,
    /// Numbers that have opted out by them.
    opt_outs: u64,
    /// Numbers that may have opted out: people are asked, and after a day they have.
    possible_opt_outs: u64,
}

impl From<Imported> for ImportedBody {
    fn from(told: Imported) -> Self {
        let Imported { texts, known, opt_outs, possible: possible_opt_outs } = told;
        Self { texts, known, opt_outs, possible_opt_outs }
    }
}

#[utoipa::path(
    post, path = "/api/v1/imports", summary = "Take conversations in that took place elsewhere",
    description = "Nothing is sent and no note is filed for them. An opt-out among them counts, and people are asked about what may be one. What was imported \
                   before is known by what it says, and is not doubled.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = ImportBody,
    responses((status = 200, body = ImportedBody), (status = 422, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn import(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<ImportBody>,
) -> Result<Json<ImportedBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let messages = required("messages", input.value.messages)?;
    if messages.len() > TEXTS_MAX {
        return Err(Problem::invalid("messages", format!("at most {TEXTS_MAX} at a time")));
    }
    let now = shared.engine.now();
    let texts = messages.into_iter().enumerate().map(|(index, text)| {
        past(&shared, text, now).map_err(|why| Problem::invalid("messages", format!("number {index}: {why}")))
    });
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    Ok(Json(engine.import(texts, caller.actor()).await?.into()))
}

fn past(shared: &Shared, text: PastBody, now: Timestamp) -> Result<Past, String> {
    let settings = shared.engine.settings.load();
    let number = |text: &str| Number::parse(text, &settings.rules.region).map_err(|error| error.to_string());
    let ours = settings.rules.numbers.first().copied().ok_or("we have no number");
    if text.at > now {
        return Err("at lies ahead".to_owned());
    }
    Ok(Past {
        number: number(&text.number)?,
        our_number: text.our_number.as_deref().map_or_else(|| Ok(ours?), number)?,
        direction: match text.direction.as_str() {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return Err("direction must be in or out".to_owned()),
        },
        at: text.at,
        body: Body::new(text.body),
        author: text.author.unwrap_or_else(|| "imported".to_owned()),
    })
}

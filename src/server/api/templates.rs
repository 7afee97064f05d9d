//! `/api/v1/templates`: the texts of the config, and how one reads for a candidate.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::template::RenderError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Id, Input, required};
use super::messages::opportunity_id;
use crate::engine::{Sender, TemplateError};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// A template of the config.
#[derive(Serialize, ToSchema)]
#[schema(as = Template)]
pub(super) struct TemplateBody {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
}

impl From<(String, String)> for TemplateBody {
    fn from((id, name): (String, String)) -> Self {
        Self { id, name }
    }
}

/// For whom a template is filled in.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Filling {
    /// The candidate's opportunity in Lever.
    #[schema(required)]
    opportunity: Option<String>,
    /// E-mail of the Lever user who signs; whoever is signed in, unless said. A program must say it for a template
    /// that signs.
    r#as: Option<String>,
}

/// A template, filled in.
#[derive(Serialize, ToSchema)]
pub(super) struct Filled {
    /// The text. It is not sent.
    text: String,
}

#[utoipa::path(
    get, path = "/api/v1/templates", summary = "The templates of the config, in its order",
    responses((status = 200, body = Listing<TemplateBody>)),
    security(("bearer" = []))
)]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Listing<TemplateBody>> {
    let data = shared.engine.templates().into_iter().map(Into::into).collect();
    Json(Listing { data, next: None })
}

#[utoipa::path(
    post, path = "/api/v1/templates/{id}/render", summary = "A template filled in for a candidate",
    params(("id" = String, Path)),
    request_body = Filling,
    responses(
        (status = 200, body = Filled),
        (status = 404, description = "No such template or opportunity", body = ProblemBody),
        (status = 422, description = "A field of the template has no value", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn render(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    input: Input<Filling>,
) -> Result<Json<Filled>, Problem> {
    let opportunity = opportunity_id(&required("opportunity", input.value.opportunity)?)?;
    let sender = input.value.r#as.map(Sender::Email).or_else(|| caller.signs());
    let text = shared.engine.render_template(&id, opportunity, sender, caller.sight).await?;
    Ok(Json(Filled { text }))
}

/// The words of a template as they once were.
#[derive(Serialize, ToSchema)]
pub(super) struct TemplateWords {
    /// The words, with their fields.
    text: String,
}

#[utoipa::path(
    get, path = "/api/v1/template-versions/{id}", summary = "The words that a text was made from",
    description = "By the `version` that stands in a message's `template`, whatever has become of it since.",
    params(("id" = String, Path)),
    responses((status = 200, body = TemplateWords), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn version(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
) -> Result<Json<TemplateWords>, Problem> {
    let hash = u128::from_str_radix(&id, 16).ok().filter(|_| id.len() == 32).map(u128::to_be_bytes);
    let text = match hash {
        Some(hash) => shared.engine.template_words(hash).await?,
        None => None,
    };
    Ok(Json(TemplateWords {
        text: text.ok_or_else(|| Problem::not_found("no text was made from such words"))?,
    }))
}

impl From<TemplateError> for Problem {
    fn from(error: TemplateError) -> Self {
        let detail = error.to_string();
        match error {
            TemplateError::Render(RenderError::Unknown) => Self::new(Kind::NotFound, detail),
            TemplateError::Render(RenderError::Missing { .. } | RenderError::Broken(_)) => {
                Self::new(Kind::Invalid, detail)
            }
            TemplateError::UnknownOpportunity => Self::new(Kind::NotFound, detail).at("opportunity"),
            TemplateError::UnknownSender => Self::invalid("as", detail),
            TemplateError::Store(error) => error.into(),
        }
    }
}

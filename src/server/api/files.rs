//! `/api/v1/messages/{id}/files/{place}`: a file that came with a text, for whoever may see the text.
//!
//! It was sent by a stranger. So it goes out as what its bytes are and as nothing else, and what a browser
//! makes of it may load, run and frame nothing.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use fulcrum_domain::MessageId;
use http::header;

use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Problem, ProblemBody};

/// Nothing at all: it is looked at, no more.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// Kept by the browser of whoever may see it, for as long as a conversation is read.
const CACHE: &str = "private, max-age=600";

#[utoipa::path(
    get, path = "/api/v1/messages/{id}/files/{place}", summary = "A file that came with a text",
    description = "Pictures are shown by browsers, other files are saved. `place` is that in the text's `files`, from 0.",
    params(("id" = String, Path), ("place" = u8, Path)),
    responses((status = 200, description = "The file, as its own media type"), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn file(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, place)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let nothing = || Problem::not_found("no such file is here, or you may not see it");
    let id: MessageId = id.parse().map_err(|_| nothing())?;
    let place: u8 = place.parse().map_err(|_| nothing())?;
    let (kind, bytes) = shared.engine.file(id, place, caller.sight).await?.ok_or_else(nothing)?;
    let way = if kind.is_picture() { "inline" } else { "attachment" };
    let name = format!("{way}; filename=\"{id}-{place}.{}\"", kind.ending());
    let head = [
        (header::CONTENT_TYPE, kind.media_type()),
        (header::CONTENT_DISPOSITION, &name),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, CACHE),
    ];
    Ok((head, bytes).into_response())
}

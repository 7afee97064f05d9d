//! `/api/v1`: what scripts and commands may ask (interface.md, HTTP).
//!
//! One table lists every route with the right that it needs. It is served twice: on the public
//! listener to bearers of a token and to browsers that are signed in, and on the control socket,
//! whose file mode is the guard, as admin.
//!
//! Conventions: times are RFC 3339 in UTC; ids are strings; lists are `{"data": [...], "next":
//! cursor or null}`; a field without a value is null, never left out; a POST that is repeated with
//! its `Idempotency-Key` has its effect once. (Filing and retrying have it once by themselves.)
//!
//! The bodies of what only reads are also made by commands, where no daemon runs and the file is
//! read instead.

mod activity;
mod conversations;
mod desk;
mod input;
mod interviews;
mod messages;
mod openapi;
mod opportunities;
mod opt_out;
mod outbox;
mod search;
mod status;
mod templates;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use fulcrum_domain::Right;
use http::Method;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use conversations::ConversationBody;
pub(crate) use input::Cursor;
pub(crate) use messages::MessageBody;
pub(super) use outbox::{effect_id, effect_of};
pub(crate) use status::StoredBody;

use super::Shared;
use super::caller::Caller;
use super::problem::Problem;
use super::route::{Route, data};
use crate::engine::Page;
use input::{Id, IdempotencyKey, Input};

/// Every route of the API.
pub(super) fn table() -> Vec<Route> {
    use Right::{Operate, Read, Text, Watch};
    let (get, post) = (Method::GET, Method::POST);
    vec![
        data(get.clone(), "/api/v1/openapi.json", None, openapi::describe),
        data(get.clone(), "/api/v1/status", Watch, status::status),
        data(get.clone(), "/api/v1/activity", Watch, activity::list),
        data(get.clone(), "/api/v1/inbox", Read, desk::inbox),
        data(get.clone(), "/api/v1/conversations", Read, conversations::list),
        data(get.clone(), "/api/v1/conversations/{id}", Read, conversations::one),
        data(get.clone(), "/api/v1/conversations/{id}/messages", Read, messages::list),
        data(post.clone(), "/api/v1/conversations/{id}/file", Text, conversations::file),
        data(post.clone(), "/api/v1/conversations/{id}/opt-out", Text, opt_out::decide),
        data(post.clone(), "/api/v1/conversations/{id}/assign", Text, desk::assign),
        data(post.clone(), "/api/v1/conversations/{id}/follow", Read, desk::follow),
        data(post.clone(), "/api/v1/conversations/{id}/archive", Text, desk::archive),
        data(post.clone(), "/api/v1/conversations/{id}/dismiss", Text, desk::dismiss),
        data(post.clone(), "/api/v1/conversations/{id}/read", Read, desk::read),
        data(post.clone(), "/api/v1/messages", Text, messages::send),
        data(Method::DELETE, "/api/v1/messages/{id}", Text, messages::cancel),
        data(get.clone(), "/api/v1/opportunities/{id}", Read, opportunities::one),
        data(get.clone(), "/api/v1/opportunities/{id}/interviews", Read, interviews::list),
        data(post.clone(), "/api/v1/interviews", Text, interviews::arrange),
        data(Method::PUT, "/api/v1/interviews/{id}", Text, interviews::change),
        data(Method::DELETE, "/api/v1/interviews/{id}", Text, interviews::call_off),
        data(get.clone(), "/api/v1/templates", Read, templates::list),
        data(post.clone(), "/api/v1/templates/{id}/render", Text, templates::render),
        data(get.clone(), "/api/v1/search", Read, search::search),
        data(get.clone(), "/api/v1/outbox/failed", Watch, outbox::failed),
        data(post.clone(), "/api/v1/outbox/retry", Operate, outbox::retry),
        data(post.clone(), "/api/v1/outbox/give-up", Operate, outbox::give_up),
    ]
}

/// A call about a conversation, by the last part of its path, as a form of a page makes it: what may
/// be done, and by whom, is said once, by the handlers.
pub(super) async fn act(
    shared: Arc<Shared>,
    caller: Caller,
    conversation: String,
    what: &str,
    body: &str,
) -> Result<(), Problem> {
    let (shared, caller, id) = (State(shared), Extension(caller), Id(conversation));
    let body = body.as_bytes();
    match what {
        "assign" => drop(desk::assign(shared, caller, id, Input::read(body)?).await?),
        "follow" => drop(desk::follow(shared, caller, id, Input::read(body)?).await?),
        "archive" => drop(desk::archive(shared, caller, id, Input::read(body)?).await?),
        "opt-out" => drop(opt_out::decide(shared, caller, id, Input::read(body)?).await?),
        "file" => drop(conversations::file(shared, caller, id, IdempotencyKey::none()).await?),
        _ => return Err(Problem::not_found("there is no such call")),
    }
    Ok(())
}

/// Calls a text off, as a form of a page does.
pub(super) async fn call_off(shared: Arc<Shared>, caller: Caller, message: String) -> Result<(), Problem> {
    messages::cancel(State(shared), Extension(caller), Id(message)).await.map(drop)
}

/// Sends a text, as a form of a page does; `wanted` is the body of `POST /api/v1/messages`.
pub(super) async fn send(shared: Arc<Shared>, caller: Caller, wanted: &str) -> Result<(), Problem> {
    let input = Input::read(wanted.as_bytes())?;
    messages::send(State(shared), Extension(caller), IdempotencyKey::none(), input).await.map(drop)
}

/// Arranges an interview, as a form of a page does; `wanted` is the body of `POST /api/v1/interviews`.
pub(super) async fn arrange(shared: Arc<Shared>, caller: Caller, wanted: &str) -> Result<(), Problem> {
    let input = Input::read(wanted.as_bytes())?;
    interviews::arrange(State(shared), Extension(caller), IdempotencyKey::none(), input).await.map(drop)
}

/// Changes an interview, as a form of a page does.
pub(super) async fn change_interview(
    shared: Arc<Shared>,
    caller: Caller,
    id: String,
    wanted: &str,
) -> Result<(), Problem> {
    let input = Input::read(wanted.as_bytes())?;
    interviews::change(State(shared), Extension(caller), Id(id), input).await.map(drop)
}

/// Calls an interview off, as a form of a page does.
pub(super) async fn call_off_interview(
    shared: Arc<Shared>,
    caller: Caller,
    id: String,
) -> Result<(), Problem> {
    interviews::call_off(State(shared), Extension(caller), Id(id)).await.map(drop)
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// The rows.
    data: Vec<T>,
    /// The cursor of the next page; null at the end.
    next: Option<String>,
}

impl<T, V: Into<T>, C: Cursor> From<Page<V, C>> for Listing<T> {
    fn from(page: Page<V, C>) -> Self {
        let next = page.next.map(|place| place.to_text());
        Self { data: page.rows.into_iter().map(Into::into).collect(), next }
    }
}

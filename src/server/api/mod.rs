//! `/api/v1`: what scripts and commands may ask (interface.md, HTTP).
//!
//! One table lists every route with the right that it needs. It is served twice: on the public
//! listener to bearers of a token and to browsers that are signed in, and on the control socket,
//! whose file mode is the guard, as admin.
//!
//! Conventions: times are RFC 3339 in UTC; ids are strings; lists are `{"data": [...], "next":
//! cursor or null}`; a field without a value is null, never left out; a POST that is repeated with
//! its `Idempotency-Key` has its effect once and is answered with what came of it then. An answer that is how
//! something stands, such as who is to answer a conversation, is how it stands now: others may have changed it
//! since. (A booking link leads to the same booking as the one before, and cannot be shown twice; a template is
//! only filled in; Lever's key is probed again.)
//!
//! The bodies of what only reads are also made by commands, where no daemon runs and the file is
//! read instead.

mod activity;
mod automations;
mod booking;
pub(super) mod bulk;
mod consent;
mod conversations;
mod copies;
mod desk;
mod erasures;
mod files;
mod holds;
mod imports;
mod input;
mod interviews;
mod key;
mod messages;
mod mute;
mod openapi;
mod opportunities;
mod opt_out;
mod outbox;
mod search;
mod status;
mod templates;
mod timezone;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use fulcrum_domain::Right;
use http::Method;
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use automations::decide_card;
pub(crate) use automations::{AutomationsBody, ReasonBody, TestedBody};
pub(crate) use conversations::ConversationBody;
pub(crate) use erasures::ErasureBody;
pub(crate) use holds::HoldBody;
pub(crate) use input::Cursor;
pub(crate) use messages::MessageBody;
pub(super) use outbox::{effect_id, effect_of};
pub(crate) use status::StoredBody;

use super::Shared;
use super::caller::Caller;
use super::problem::Problem;
use super::route::{Route, data};
use crate::engine::Page;
use input::{Id, IdempotencyKey, Input, Long};

/// Every route of the API.
pub(super) fn table() -> Vec<Route> {
    use Right::{Administer, Operate, Read, Text, Watch};
    let (get, post) = (Method::GET, Method::POST);
    vec![
        data(get.clone(), "/api/v1/openapi.json", None, openapi::describe),
        data(get.clone(), "/api/v1/status", Watch, status::status),
        data(get.clone(), "/api/v1/activity", Operate, activity::list),
        data(get.clone(), "/api/v1/inbox", Read, desk::inbox),
        data(get.clone(), "/api/v1/conversations", Read, conversations::list),
        data(get.clone(), "/api/v1/conversations/{id}", Read, conversations::one),
        data(get.clone(), "/api/v1/conversations/{id}/messages", Read, messages::list),
        data(post.clone(), "/api/v1/conversations/{id}/file", Text, conversations::file),
        data(post.clone(), "/api/v1/conversations/{id}/attach", Text, conversations::attach),
        data(post.clone(), "/api/v1/conversations/{id}/opt-out", Text, opt_out::decide),
        data(get.clone(), "/api/v1/conversations/{id}/consent", Read, consent::list),
        data(post.clone(), "/api/v1/conversations/{id}/consent", Text, consent::record),
        data(post.clone(), "/api/v1/conversations/{id}/timezone", Text, timezone::set),
        data(post.clone(), "/api/v1/conversations/{id}/assign", Text, desk::assign),
        data(post.clone(), "/api/v1/conversations/{id}/follow", Read, desk::follow),
        data(post.clone(), "/api/v1/conversations/{id}/archive", Text, desk::archive),
        data(post.clone(), "/api/v1/conversations/{id}/dismiss", Text, desk::dismiss),
        data(post.clone(), "/api/v1/conversations/{id}/read", Read, desk::read),
        data(post.clone(), "/api/v1/conversations/{id}/unread", Read, desk::unread),
        data(post.clone(), "/api/v1/messages", Text, messages::send),
        data(Method::DELETE, "/api/v1/messages/{id}", Text, messages::cancel),
        data(get.clone(), "/api/v1/opportunities/{id}", Read, opportunities::one),
        data(post.clone(), "/api/v1/opportunities/{id}/opt-out", Text, opt_out::decide_for_candidate),
        data(get.clone(), "/api/v1/opportunities/{id}/consent", Read, consent::list_for_candidate),
        data(post.clone(), "/api/v1/opportunities/{id}/consent", Text, consent::record_for_candidate),
        data(post.clone(), "/api/v1/opportunities/{id}/timezone", Text, timezone::set_for_candidate),
        data(post.clone(), "/api/v1/opt-outs", Text, opt_out::record),
        data(get.clone(), "/api/v1/opportunities/{id}/interviews", Read, interviews::list),
        data(post.clone(), "/api/v1/interviews", Text, interviews::arrange),
        data(Method::PUT, "/api/v1/interviews/{id}", Text, interviews::change),
        data(Method::DELETE, "/api/v1/interviews/{id}", Text, interviews::call_off),
        data(get.clone(), "/api/v1/event-types", Read, booking::list),
        data(post.clone(), "/api/v1/opportunities/{id}/booking-link", Text, booking::link),
        data(post.clone(), "/api/v1/opportunities/{id}/offer-times", Text, booking::offer_times),
        data(get.clone(), "/api/v1/templates", Read, templates::list),
        data(post.clone(), "/api/v1/templates/{id}/render", Text, templates::render),
        data(get.clone(), "/api/v1/template-versions/{id}", Read, templates::version),
        data(get.clone(), "/api/v1/bulk", Read, bulk::list),
        data(post.clone(), "/api/v1/bulk", Text, bulk::make),
        data(get.clone(), "/api/v1/bulk/{id}", Read, bulk::one),
        data(get.clone(), "/api/v1/bulk/{id}/recipients", Read, bulk::recipients),
        data(post.clone(), "/api/v1/bulk/{id}/{step}", Text, bulk::step),
        data(get.clone(), "/api/v1/automations", Read, automations::list),
        data(get.clone(), "/api/v1/automations/{name}/test", Read, automations::test),
        data(post.clone(), "/api/v1/automations/{name}/pause", Text, automations::pause),
        data(post.clone(), "/api/v1/automations/{name}/resume", Text, automations::resume),
        data(get.clone(), "/api/v1/automations/{name}/why-not/{id}", Read, automations::why_not),
        data(post.clone(), "/api/v1/automation-cards/{id}/approve", Text, automations::approve),
        data(post.clone(), "/api/v1/automation-cards/{id}/call-off", Text, automations::call_off),
        data(get.clone(), "/api/v1/messages/{id}/why", Read, automations::why),
        data(get.clone(), "/api/v1/messages/{id}/files/{place}", Read, files::file),
        data(get.clone(), "/api/v1/search", Read, search::search),
        data(get.clone(), "/api/v1/outbox/failed", Watch, outbox::failed),
        data(get.clone(), "/api/v1/outbox/retrying", Watch, outbox::retrying),
        data(post.clone(), "/api/v1/outbox/retry", Operate, outbox::retry),
        data(post.clone(), "/api/v1/lever/probe", Operate, key::probe),
        data(post.clone(), "/api/v1/unmute", Administer, mute::unmute),
        data(post.clone(), "/api/v1/imports", Administer, imports::import),
        data(post.clone(), "/api/v1/copies", Administer, copies::note),
        data(get.clone(), "/api/v1/holds", Administer, holds::list),
        data(post.clone(), "/api/v1/holds", Administer, holds::hold),
        data(get.clone(), "/api/v1/erasures", Administer, erasures::list),
        data(post.clone(), "/api/v1/erasures", Administer, erasures::erase),
        data(get.clone(), "/api/v1/erasures/{id}", Administer, erasures::one),
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
    let (key, body) = (IdempotencyKey::none(), body.as_bytes());
    match what {
        "assign" => drop(desk::assign(shared, caller, id, key, Input::read(body)?).await?),
        "follow" => drop(desk::follow(shared, caller, id, key, Input::read(body)?).await?),
        "archive" => drop(desk::archive(shared, caller, id, key, Input::read(body)?).await?),
        "unread" => drop(desk::unread(shared, caller, id, key, Input::read(body)?).await?),
        "consent" => drop(consent::record(shared, caller, id, key, Input::read(body)?).await?),
        "opt-out" => drop(opt_out::decide(shared, caller, id, key, Input::read(body)?).await?),
        "timezone" => drop(timezone::set(shared, caller, id, key, Input::read(body)?).await?),
        "file" => drop(conversations::file(shared, caller, id, key).await?),
        "attach" => drop(conversations::attach(shared, caller, id, key, Input::read(body)?).await?),
        _ => return Err(Problem::not_found("there is no such call")),
    }
    Ok(())
}

/// The same about a candidate, who may have no conversation.
pub(super) async fn act_on_candidate(
    shared: Arc<Shared>,
    caller: Caller,
    candidate: String,
    what: &str,
    body: &str,
) -> Result<(), Problem> {
    let (shared, caller, id) = (State(shared), Extension(caller), Id(candidate));
    let (key, body) = (IdempotencyKey::none(), body.as_bytes());
    match what {
        "consent" => drop(consent::record_for_candidate(shared, caller, id, key, Input::read(body)?).await?),
        "opt-out" => drop(opt_out::decide_for_candidate(shared, caller, id, key, Input::read(body)?).await?),
        "timezone" => drop(timezone::set_for_candidate(shared, caller, id, key, Input::read(body)?).await?),
        "offer-times" => drop(booking::offer_times(shared, caller, id, key, Input::read(body)?).await?),
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
    messages::send(State(shared), Extension(caller), IdempotencyKey::none(), Long(input)).await.map(drop)
}

/// Arranges an interview, as a form of a page does; `wanted` is the body of `POST /api/v1/interviews`, and
/// `once` the key that the form was drawn with: sent twice, it arranges one.
pub(super) async fn arrange(
    shared: Arc<Shared>,
    caller: Caller,
    wanted: &str,
    once: &str,
) -> Result<(), Problem> {
    let input = Input::read(wanted.as_bytes())?;
    let key = IdempotencyKey::of_form(once, "/api/v1/interviews");
    interviews::arrange(State(shared), Extension(caller), key, input).await.map(drop)
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

/// A list that is short enough to be told whole.
impl<T, V: Into<T>> From<Vec<V>> for Listing<T> {
    fn from(rows: Vec<V>) -> Self {
        Self { data: rows.into_iter().map(Into::into).collect(), next: None }
    }
}

impl<T, V: Into<T>, C: Cursor> From<Page<V, C>> for Listing<T> {
    fn from(page: Page<V, C>) -> Self {
        let next = page.next.map(|place| place.to_text());
        Self { data: page.rows.into_iter().map(Into::into).collect(), next }
    }
}

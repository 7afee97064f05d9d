//! `/api/v1`: what scripts and commands may ask (interface.md, HTTP).
//!
//! One table lists every route with the least role that it needs, so that no route can be added
//! without saying who may use it; the tests walk the same table. It is served twice: on the public
//! listener to bearers of a token, and on the control socket, whose file mode is the guard, as
//! admin.
//!
//! Conventions: times are RFC 3339 in UTC; ids are strings; lists are `{"data": [...], "next":
//! cursor or null}`; a field without a value is null, never left out; a POST that is repeated with
//! its `Idempotency-Key` has its effect once. (Filing and retrying have it once by themselves.)
//!
//! The bodies of what only reads are also made by commands, where no daemon runs and the file is
//! read instead.

mod activity;
mod admit;
mod conversations;
mod desk;
mod input;
mod messages;
mod openapi;
mod opportunities;
mod opt_out;
mod outbox;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use admit::Door;
pub(crate) use conversations::ConversationBody;
pub(crate) use input::Cursor;
pub(crate) use messages::MessageBody;
pub(crate) use status::StoredBody;

use super::Shared;
use super::problem::wrong_method;
use crate::config::Role;
use crate::engine::Page;
use admit::{Gate, admit};

/// A route, and who may use it.
pub(super) struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests walk the table by it"))]
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// The least role; none for everybody.
    pub(super) needs: Option<Role>,
    handler: MethodRouter<Arc<Shared>>,
}

fn get<T: 'static>(path: &'static str, needs: Option<Role>, handler: impl Handler<T, Arc<Shared>>) -> Route {
    Route { method: Method::GET, path, needs, handler: on(MethodFilter::GET, handler) }
}

fn post<T: 'static>(path: &'static str, needs: Role, handler: impl Handler<T, Arc<Shared>>) -> Route {
    Route { method: Method::POST, path, needs: Some(needs), handler: on(MethodFilter::POST, handler) }
}

fn delete<T: 'static>(path: &'static str, needs: Role, handler: impl Handler<T, Arc<Shared>>) -> Route {
    Route { method: Method::DELETE, path, needs: Some(needs), handler: on(MethodFilter::DELETE, handler) }
}

/// Every route of the API.
pub(super) fn table() -> Vec<Route> {
    use Role::{Admin, Recruiter, Viewer};
    vec![
        get("/api/v1/openapi.json", None, openapi::describe),
        get("/api/v1/status", Some(Viewer), status::status),
        get("/api/v1/activity", Some(Viewer), activity::list),
        get("/api/v1/inbox", Some(Viewer), desk::inbox),
        get("/api/v1/conversations", Some(Viewer), conversations::list),
        get("/api/v1/conversations/{id}", Some(Viewer), conversations::one),
        get("/api/v1/conversations/{id}/messages", Some(Viewer), messages::list),
        post("/api/v1/conversations/{id}/file", Recruiter, conversations::file),
        post("/api/v1/conversations/{id}/opt-out", Recruiter, opt_out::decide),
        post("/api/v1/conversations/{id}/assign", Recruiter, desk::assign),
        post("/api/v1/conversations/{id}/follow", Viewer, desk::follow),
        post("/api/v1/conversations/{id}/archive", Recruiter, desk::archive),
        post("/api/v1/conversations/{id}/dismiss", Recruiter, desk::dismiss),
        post("/api/v1/conversations/{id}/read", Viewer, desk::read),
        post("/api/v1/messages", Recruiter, messages::send),
        delete("/api/v1/messages/{id}", Recruiter, messages::cancel),
        get("/api/v1/opportunities/{id}", Some(Viewer), opportunities::one),
        get("/api/v1/outbox/failed", Some(Viewer), outbox::failed),
        post("/api/v1/outbox/retry", Admin, outbox::retry),
        post("/api/v1/outbox/give-up", Admin, outbox::give_up),
    ]
}

/// The API behind `door`.
pub(super) fn router(shared: &Arc<Shared>, door: Door) -> Router {
    let routes = table().into_iter().fold(Router::new(), |router, route| {
        let gate = Gate { shared: shared.clone(), door, needs: route.needs };
        router.route(route.path, route.handler.route_layer(from_fn_with_state(gate, admit)))
    });
    routes.method_not_allowed_fallback(wrong_method).with_state(shared.clone())
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

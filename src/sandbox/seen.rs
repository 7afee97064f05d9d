//! How often a remote was asked, by route and by answer: what tests count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use serde::Serialize;

use crate::server::Cut;

/// What a simulated carrier was asked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Requests {
    /// Requests of any outcome.
    pub requests: u64,
    /// Requests by method and route, such as `POST /v2/messages`.
    pub by_route: BTreeMap<String, u64>,
    /// Answers by status; a cut connection counts as 0.
    pub by_status: BTreeMap<u16, u64>,
}

/// The counts of one remote. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Requests>>);

impl Seen {
    /// Counts what comes to these routes.
    pub(crate) fn count(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), count))
    }

    pub(crate) fn so_far(&self) -> Requests {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn count(State(seen): State<Seen>, request: Request, next: Next) -> Response {
    let route = route_of(&request);
    let response = next.run(request).await;
    let mut requests = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    requests.requests += 1;
    *requests.by_route.entry(route).or_default() += 1;
    *requests.by_status.entry(status_of(&response)).or_default() += 1;
    response
}

/// The method and the route of a request, with names in the place of ids.
pub(crate) fn route_of(request: &Request) -> String {
    let path = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    format!("{} {path}", request.method())
}

/// The status of an answer, 0 where the connection is cut instead.
pub(crate) fn status_of(response: &Response) -> u16 {
    if response.extensions().get::<Cut>().is_some() { 0 } else { response.status().as_u16() }
}

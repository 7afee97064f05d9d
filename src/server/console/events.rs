//! `GET /events`: server-sent events for pages that are open.
//!
//! An event names a conversation or an opportunity that changed; what changed is read by who may. A page that comes
//! back with `Last-Event-ID` misses nothing (see `engine::news`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use fulcrum_domain::{OpportunityId, Sight};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Found, News, NewsId, Watch};
use crate::server::Shared;
use crate::server::caller::Caller;

/// Proxies cut what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// When a browser tries again after a cut.
const RETRY: Duration = Duration::from_secs(1);

/// After so long a stream ends and the browser comes back: whoever was signed out meanwhile is not let
/// in again.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// One watcher.
struct Watcher {
    engine: Engine,
    sight: Sight,
    watch: Watch,
    /// The server ends streams first, since it waits for connections.
    stop: CancellationToken,
    ends: Instant,
    /// Still to be said: where the watch begins.
    hello: Option<NewsId>,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if let Some(place) = self.hello.take() {
            let event = Event::default().event("hello").id(place.to_string()).retry(RETRY).data("{}");
            return Some((Ok(event), self));
        }
        loop {
            let (id, news) = tokio::select! {
                news = self.watch.next() => news?,
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
            };
            let event = Event::default().id(id.to_string());
            let event = match news {
                News::Everything => event.event("everything").data("{}"),
                News::Conversation(id) if self.may_see(id).await => {
                    event.event("conversation").data(format!("{{\"id\":\"{id}\"}}"))
                }
                News::Opportunity(id) if self.may_see_candidate(&id).await => {
                    event.event("opportunity").data(json!({ "id": id.to_string() }).to_string())
                }
                News::Conversation(_) | News::Opportunity(_) => continue,
            };
            return Some((Ok(event), self));
        }
    }

    async fn may_see(&self, id: fulcrum_domain::ConversationId) -> bool {
        match self.sight {
            Sight::All => true,
            Sight::Open => matches!(self.engine.conversation(id, self.sight).await, Ok(Some(_))),
        }
    }

    async fn may_see_candidate(&self, id: &OpportunityId) -> bool {
        match self.sight {
            Sight::All => true,
            Sight::Open => matches!(self.engine.opportunity(id, self.sight).await, Ok(Found::Known(_))),
        }
    }
}

/// What the address says.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// What the page knew when it was made; a browser that comes back says what it saw last.
    after: Option<String>,
}

/// The stream, from what the page saw last.
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(Asked { after }): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seen = last.or(after.as_deref()).and_then(|id| id.parse().ok());
    let engine = shared.engine.clone();
    let watch = engine.watch(seen);
    let hello = seen.is_none().then(|| watch.place());
    let watcher = Watcher {
        engine,
        sight: caller.sight,
        watch,
        stop: shared.stop.clone(),
        ends: Instant::now() + LIFE,
        hello,
    };
    let stream = stream::unfold(watcher, Watcher::next);
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    ([unbuffered], Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response()
}

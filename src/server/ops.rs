//! The listener of the operator's tools: health and metrics (interface.md, ops listener).
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /health/live` | 200 while the process makes progress, else 503 |
//! | `GET /health/ready` | 200 when hooks can be stored, else 503 |
//! | `GET /health` | every component; 503 only when one is failing |
//! | `GET /metrics` | Prometheus text, as OpenMetrics to whoever asks for that |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::problem::{Kind, Problem, no_such_path, wrong_method};
use crate::engine::{Health, HealthStatus};

/// A store that takes longer is not ready: Lever would have given up.
const READY_TIME: Duration = Duration::from_secs(2);

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

fn fine() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#).into_response()
}

async fn live(State(shared): State<Arc<Shared>>) -> Response {
    if shared.engine.is_alive() {
        fine()
    } else {
        Problem::new(Kind::Unavailable, "the process makes no progress: it is to be restarted")
            .into_response()
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match tokio::time::timeout(READY_TIME, shared.engine.ready()).await {
        Ok(Ok(())) => fine(),
        Ok(Err(_)) | Err(_) => {
            Problem::new(Kind::Unavailable, "the store takes no writes at the moment").into_response()
        }
    }
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let health = shared.engine.health().await;
    let code =
        if health.status == HealthStatus::Failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(HealthBody::from(health))).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, Problem> {
    let status = shared.engine.status().await?;
    let text = shared.engine.metrics().text(&status);
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (kind, text) = if accepted.into_iter().any(|kinds| kinds.contains("application/openmetrics-text")) {
        (OPENMETRICS, text)
    } else {
        (PROMETHEUS, in_prometheus_text(&text))
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// OpenMetrics in the older format, which has no units and no end, and where a counter's family has the name
/// of its samples. `prometheus_client` writes the newer one alone.
fn in_prometheus_text(openmetrics: &str) -> String {
    let (mut text, mut help) = (String::with_capacity(openmetrics.len()), None);
    for line in openmetrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            text.extend([line, "\n"]);
            continue;
        };
        if let Some(words) = comment.strip_prefix("HELP ") {
            help = words.split_once(' ');
        } else if let Some((name, kind)) =
            comment.strip_prefix("TYPE ").and_then(|words| words.split_once(' '))
        {
            let ending = if kind == "counter" { "_total" } else { "" };
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, ending, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, ending, " ", kind, "\n"]);
        }
    }
    text
}

/// How the daemon and its parts are.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `ok`, `degraded` or `failing`: the worst of the parts.
    status: &'static str,
    /// `store`, `lever`, `carrier`, `backfill`, `outbox`, `search`, `clock`, `backup`, `calendars`, `audit`,
    /// `listener`, `config`.
    components: BTreeMap<&'static str, ComponentBody>,
}

/// How a part of the daemon is.
#[derive(Serialize, ToSchema)]
#[schema(as = Component)]
struct ComponentBody {
    /// `ok`, `degraded` or `failing`.
    status: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// In words, with what to do.
    detail: String,
}

impl From<Health> for HealthBody {
    fn from(health: Health) -> Self {
        let components = health.components.into_iter().map(|(name, part)| {
            let body = ComponentBody { status: part.status.as_str(), since: part.since, detail: part.detail };
            (name, body)
        });
        Self { status: health.status.as_str(), components: components.collect() }
    }
}

//! The listener under both remotes: our accept loop over hyper, and the middleware that carries faults out.
//!
//! Not `axum::serve`, because a simulated remote must be able to close a connection without an answer. A
//! response that carries [`Cut`] becomes a service error here, and hyper then drops the connection. Only
//! HTTP/1.1 is spoken, so that one cut hits one request.

use std::future::pending;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::dice::Dice;
use crate::faults::{Fault, Faults, Remote};

/// Put into a response's extensions, closes the connection instead of answering.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

impl IntoResponse for Cut {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// The connection was closed on purpose.
#[derive(Debug, thiserror::Error)]
#[error("connection cut on purpose")]
struct CutOnPurpose;

/// Serves `router` until `stop`, then drops the connections that are left.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let served = connection(stream, router.clone());
                    connections.spawn(stop.clone().run_until_cancelled_owned(served));
                }
                // Out of file descriptors, most likely: let some connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, router: Router) {
    // An answer goes out in one small write; without this it would wait for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let router = router.clone();
        async move {
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<Cut>().is_some() { Err(CutOnPurpose) } else { Ok(response) }
        }
    });
    // Errors are the client's leaving or our own cuts.
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// What the middleware needs: whose faults, and how slow this remote is anyway.
#[derive(Clone)]
struct Gate {
    remote: Remote,
    faults: Faults,
    latency_ms: Range<u64>,
    dice: Arc<Mutex<Dice>>,
}

/// Wraps a remote's routes: each request takes a time within `latency_ms` and meets the faults drawn for
/// `remote`.
pub(crate) fn with_faults(router: Router, remote: Remote, faults: Faults, latency_ms: Range<u64>) -> Router {
    let dice = Arc::new(Mutex::new(Dice::new(0, 0x1A7E, 0)));
    router.layer(from_fn_with_state(Gate { remote, faults, latency_ms, dice }, gate))
}

async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if !gate.latency_ms.is_empty() {
        let span = gate.latency_ms.end - gate.latency_ms.start;
        let extra = gate.dice.lock().unwrap_or_else(PoisonError::into_inner).below(span);
        tokio::time::sleep(Duration::from_millis(gate.latency_ms.start + extra)).await;
    }
    let Some(fault) = gate.faults.draw(gate.remote, request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    match fault {
        Fault::Status { code, body } => refusal(gate.remote, code, body),
        Fault::StatusAfter { code } => {
            next.run(request).await;
            refusal(gate.remote, code, None)
        }
        Fault::Latency { ms } | Fault::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            next.run(request).await
        }
        Fault::CutBefore | Fault::Drop => Cut.into_response(),
        Fault::CutAfter => {
            next.run(request).await;
            Cut.into_response()
        }
        Fault::Html => {
            next.run(request).await;
            axum::response::Html("<!doctype html><title>Maintenance</title><h1>We'll be right back</h1>")
                .into_response()
        }
        Fault::Rubbish => {
            next.run(request).await;
            ([(header::CONTENT_TYPE, "application/json")], &b"{\"data\":[\xff\xfe,,"[..]).into_response()
        }
        Fault::HalfBody => half(next.run(request).await).await,
        Fault::Hang => pending::<Response>().await,
        // Meant for webhooks; a request is handled as usual.
        Fault::Duplicate | Fault::Reorder => next.run(request).await,
    }
}

fn refusal(remote: Remote, code: u16, body: Option<Value>) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body.or_else(|| error_body(remote, status)) {
        Some(body) => (status, axum::Json(body)).into_response(),
        None => status.into_response(),
    }
}

/// The error body that each remote would send with `status`, if any.
fn error_body(remote: Remote, status: StatusCode) -> Option<Value> {
    let reason = status.canonical_reason().unwrap_or("Error");
    Some(match remote {
        Remote::Twilio | Remote::TwilioWebhook => {
            let code = match status {
                StatusCode::BAD_REQUEST => 20001,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => 20003,
                StatusCode::NOT_FOUND => 20404,
                StatusCode::TOO_MANY_REQUESTS => 20429,
                _ => 20500,
            };
            json!({"code": code, "message": reason, "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
                   "status": status.as_u16()})
        }
        Remote::Telnyx | Remote::TelnyxWebhook => {
            let code = match status {
                StatusCode::UNAUTHORIZED => "10009",
                StatusCode::FORBIDDEN => "10010",
                StatusCode::NOT_FOUND => "10005",
                StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "10015",
                StatusCode::TOO_MANY_REQUESTS => "10011",
                _ => "10007",
            };
            json!({"errors": [{"code": code, "title": reason, "detail": reason}]})
        }
        // What these say is no word about a text, so none of the contract's comes with them.
        Remote::Gateway | Remote::GatewayWebhook if matches!(status.as_u16(), 401 | 403 | 404 | 410) => {
            return None;
        }
        Remote::Gateway | Remote::GatewayWebhook => json!({"error": reason.to_lowercase()}),
        Remote::Lever | Remote::LeverWebhook => {
            json!({"code": format!("{}Error", reason.replace(' ', "")), "message": reason})
        }
    })
}

/// The same head, with only the first half of the body before the connection closes.
async fn half(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert(header::CONTENT_LENGTH, whole.len().into());
    let first = whole.slice(..whole.len() / 2);
    // The pause lets hyper write what it has before the error makes it close.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    });
    let chunks = stream::iter([Ok::<_, io::Error>(first)]).chain(end);
    Response::from_parts(head, Body::from_stream(chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drill of a token that was revoked must meet what the remotes really answer.
    #[test]
    fn bad_credentials_have_the_code_that_the_remotes_themselves_give_them() {
        let code = |remote, status| {
            let body = error_body(remote, status).unwrap();
            let code = if body["code"].is_null() { &body["errors"][0]["code"] } else { &body["code"] };
            code.to_string()
        };
        assert_eq!(code(Remote::Twilio, StatusCode::UNAUTHORIZED), "20003");
        assert_eq!(code(Remote::Twilio, StatusCode::FORBIDDEN), "20003");
        assert_eq!(code(Remote::Twilio, StatusCode::SERVICE_UNAVAILABLE), "20500");
        assert_eq!(code(Remote::Telnyx, StatusCode::UNAUTHORIZED), "\"10009\"");
        assert_eq!(code(Remote::Telnyx, StatusCode::FORBIDDEN), "\"10010\"");
        assert_eq!(code(Remote::Telnyx, StatusCode::NOT_FOUND), "\"10005\"");
        assert_eq!(code(Remote::Telnyx, StatusCode::UNPROCESSABLE_ENTITY), "\"10015\"");
        assert_eq!(error_body(Remote::Gateway, StatusCode::UNAUTHORIZED), None);
        assert!(error_body(Remote::Gateway, StatusCode::SERVICE_UNAVAILABLE).is_some());
    }
}

//! Load on a receiver of webhooks, from a process of its own: closed (each connection sends the
//! next when it has an answer) or open (so many a second, whatever the answers do).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::table::percentile;

/// Connections, as in the goal.
const CONNECTIONS: u64 = 64;
/// Webhooks that are signed before each closed run: more than any receiver takes in its time.
const PER_SECOND_MAX: u64 = 60_000;

/// What is sent, and how.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LoadJob {
    pub(crate) to: SocketAddr,
    pub(crate) path: String,
    pub(crate) signature_token: String,
    /// The opportunities that the webhooks are about, in turn.
    pub(crate) opportunities: Vec<String>,
    pub(crate) now_ms: i64,
    pub(crate) seconds: u64,
    /// Offered; none for as many as go.
    pub(crate) per_second: Option<u64>,
    /// Makes the tokens differ from those of other runs.
    pub(crate) run: u64,
}

/// What the sender saw. Times in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) refused: u64,
}

/// The job.
pub(crate) fn run(job: LoadJob) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(job))
}

async fn send(job: LoadJob) -> anyhow::Result<Value> {
    let count = job.seconds * job.per_second.unwrap_or(PER_SECOND_MAX);
    let bodies: Vec<Bytes> = (0..count).map(|number| webhook(&job, number)).collect::<Result<_, _>>()?;
    let shared = Arc::new((job, bodies, AtomicU64::new(0)));
    let began = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(connection(shared.clone(), began));
    }
    let (mut times, mut refused) = (Vec::new(), 0);
    while let Some(seen) = connections.join_next().await {
        let (some, others) = seen??;
        times.extend(some);
        refused += others;
    }
    let seconds = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "per_second": times.len() as f64 / seconds,
        "p50": percentile(&times, 0.5),
        "p99": percentile(&times, 0.99),
        "refused": refused,
    }))
}

type Shared = Arc<(LoadJob, Vec<Bytes>, AtomicU64)>;

/// Sends what is next until the time is over: the milliseconds of each answer, and what was refused.
async fn connection(shared: Shared, began: Instant) -> anyhow::Result<(Vec<f64>, u64)> {
    let (job, bodies, next) = &*shared;
    let stream = TcpStream::connect(job.to).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let (mut times, mut refused) = (Vec::new(), 0);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = bodies.get(number as usize) else { break };
        let mut from = Instant::now();
        if let Some(rate) = job.per_second {
            // One that could not be sent in time has waited since; a timer that fires late is ours.
            let planned = began + Duration::from_micros(number * 1_000_000 / rate);
            if planned > from {
                tokio::time::sleep_until(planned).await;
                from = Instant::now();
            } else {
                from = planned;
            }
        } else if began.elapsed().as_secs() >= job.seconds {
            break;
        }
        let request = Request::post(&job.path)
            .header("host", job.to.to_string())
            .header("content-type", "application/json")
            .body(Full::new(body.clone()))?;
        let answer = sender.send_request(request).await?;
        let accepted = answer.status().is_success();
        answer.into_body().collect().await?;
        if accepted {
            times.push(from.elapsed().as_secs_f64() * 1e3);
        } else {
            refused += 1;
        }
    }
    Ok((times, refused))
}

/// One as lever-api.md 6.5 shows it.
fn webhook(job: &LoadJob, number: u64) -> anyhow::Result<Bytes> {
    let token = format!("{:016x}{:032x}", job.run, number);
    let triggered_at = job.now_ms + i64::try_from(number % 1000)?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(job.signature_token.as_bytes()).context("a key of any length")?;
    mac.update(token.as_bytes());
    mac.update(triggered_at.to_string().as_bytes());
    let id = &job.opportunities[number as usize % job.opportunities.len()];
    let body = json!({
        "id": format!("c0ffee00-0000-4000-8000-{number:012x}"),
        "event": "candidateStageChange",
        "triggeredAt": triggered_at,
        "token": token,
        "signature": hex::encode(mac.finalize().into_bytes()),
        "data": {
            "opportunityId": id, "contactId": "9d2b6c10-2222-4d2f-8e4b-1b2c3d4e5f60", "candidateId": id,
            "fromStageId": "applicant-new", "toStageId": "offer",
        },
    });
    Ok(serde_json::to_vec(&body)?.into())
}

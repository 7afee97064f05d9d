//! The initial sync at Lever's own rate, in real time: how much of the rate is used, how near the
//! number of requests is to the least (lever-api.md 9), and whether what is stored is what Lever
//! has, with candidates that stand still and with candidates that move all the while.

use std::time::{Duration, Instant};

use fulcrum_sandbox::{LeverOptions, Moves, Options, Sandbox, Stats};
use serde_json::Value;

use crate::daemon::{Daemon, Home, Setup, lists_are_complete};
use crate::lever;
use crate::table::Row;

/// About 450 of them active: a minute of requests at 10 a second.
const OPPORTUNITIES: u32 = 1500;
const ACTIVE: f64 = 0.3;
/// Each active candidate moves every half hour or so, which is far more than in life.
const MOVES_PER_SECOND: f64 = 0.25;

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut rows = runtime.block_on(measure("still tenant", 0.0, 1.02))?;
    rows.extend(runtime.block_on(measure("a move every 4 s", MOVES_PER_SECOND, 1.05))?);
    Ok(rows)
}

async fn measure(which: &str, moves: f64, most: f64) -> anyhow::Result<Vec<Row>> {
    let lever = LeverOptions {
        opportunities: OPPORTUNITIES,
        active_share: ACTIVE,
        latency_ms: 200..400,
        ..LeverOptions::default()
    };
    let sandbox = Sandbox::start(Options { lever, ..Options::default() }).await?;
    let home = Home::new()?;
    home.configure(&sandbox, Setup::REAL)?;
    sandbox.set_moves(Moves { per_second: moves, every_pages: 0 });
    let began = Instant::now();
    let daemon = home.start().await?;
    daemon
        .until(|status| {
            let interviews = status["backfill"]["phases"]
                .as_array()
                .and_then(|phases| phases.iter().find(|phase| phase["name"] == "interviews"));
            lists_are_complete(status) && interviews.is_some_and(|phase| phase["state"] == "complete")
        })
        .await?;
    let worked = began.elapsed();
    let at_work = sandbox.stats().lever.requests;
    // What moves after the last look is for the next look to find.
    sandbox.set_moves(Moves::default());
    daemon.synced().await?;
    // The requests of the last look wait in the outbox still.
    let status = daemon.until(|status| status["outbox"]["due"] == 0).await?;
    let seen = sandbox.stats().lever;
    let differences = differences(&sandbox, &daemon).await?;
    daemon.stop()?;
    let least = least(&sandbox).await?;
    sandbox.shutdown().await;
    Ok(report(which, most, &Measured { worked, at_work, seen, least, differences, status }))
}

struct Measured {
    worked: Duration,
    at_work: u64,
    seen: Stats,
    least: u64,
    differences: usize,
    status: Value,
}

fn report(which: &str, most: f64, measured: &Measured) -> Vec<Row> {
    let used = measured.at_work as f64 / (10.0 * measured.worked.as_secs_f64());
    let share = measured.seen.requests as f64 / measured.least as f64;
    let refused = measured.seen.violations;
    vec![
        Row::new(
            format!("backfill at 10/s, {which}: rate used"),
            ">= 99 %, no 429",
            format!("{:.1} %, {refused} times 429", used * 100.0),
            used >= 0.99 && refused == 0,
        )
        .beside(format!(
            "by its own count {:.1} %; strict bucket, 200-400 ms",
            measured.status["lever"]["rate_used"].as_f64().unwrap_or(f64::NAN) * 100.0
        )),
        Row::new(
            format!("the same, {which}: requests / least"),
            &format!("<= {most}, exact"),
            format!("{share:.3}, {} differ", measured.differences),
            share <= most && measured.differences == 0,
        )
        .beside(format!("{} / {}", measured.seen.requests, measured.least)),
    ]
}

/// The least number of requests for this tenant: each list's pages, and one for each active
/// opportunity's interviews.
async fn least(sandbox: &Sandbox) -> anyhow::Result<u64> {
    // Fresh and without a limit, but the same tenant: asking is not to be slow.
    let mut pages = 0;
    for path in ["users", "stages", "archive_reasons", "postings", "opportunities"] {
        // At the sandbox's rate there are enough tokens left for these few.
        tokio::time::sleep(Duration::from_secs(2)).await;
        pages += lever::fetch_all(sandbox, path).await?.pages;
    }
    let active = sandbox.truth().filter(|truth| !truth.confidential && truth.archived_at.is_none());
    Ok(pages + active.count() as u64)
}

/// Opportunities that are not known as Lever has them.
async fn differences(sandbox: &Sandbox, daemon: &Daemon<'_>) -> anyhow::Result<usize> {
    let mut different = 0;
    for truth in sandbox.truth() {
        let known = daemon.api(&format!("opportunities/{}", truth.id)).await?;
        let same = if truth.confidential {
            known.is_null()
        } else {
            known["name"] == *truth.name
                && known["stage"]["id"] == *truth.stage
                && known["archived"].is_null() == truth.archived_at.is_none()
        };
        different += usize::from(!same);
    }
    Ok(different)
}

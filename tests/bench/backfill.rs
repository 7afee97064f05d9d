//! The initial sync: how fast it stores, how much memory and file it takes, at three sizes.

use std::time::Instant;

use fulcrum_sandbox::{Options, Sandbox};
use serde::Deserialize;
use serde_json::Value;

use crate::child;
use crate::engine::{Pace, SyncJob, Synced};
use crate::table::{Row, thousands};

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];

#[derive(Deserialize)]
struct Compacted {
    before: f64,
    after: f64,
}

/// The limit: the same pages, fetched one after the other by a client that throws them away.
struct Fetched {
    seconds: f64,
    bytes: f64,
}

struct Measured {
    size: u32,
    synced: Synced,
    file: Compacted,
    fetched: Fetched,
}

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let measured: Vec<Measured> =
        SIZES.into_iter().map(|size| runtime.block_on(measure(size))).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for Measured { size, synced, file, fetched } in &measured {
        let (size, each) = (f64::from(*size), synced.opportunities);
        let rate = each / synced.seconds;
        rows.push(
            Row::new(
                format!("backfill of {}, opportunities/s stored", thousands(size)),
                ">= 20,000",
                format!(
                    "{} ({:.0} us of processor each)",
                    thousands(rate),
                    synced.processor_seconds / each * 1e6
                ),
                rate >= 20_000.0,
            )
            .beside(format!("fetching alone, page after page: {}", thousands(size / fetched.seconds))),
        );
        let bytes = file.after / each;
        rows.push(
            Row::new(
                format!("file bytes for each of {}, compacted", thousands(size)),
                "<= 600",
                format!("{bytes:.0} (before compaction {:.0})", file.before / each),
                bytes <= 600.0,
            )
            .beside(format!("the JSON {:.0}", fetched.bytes / size)),
        );
    }
    let [small, .., large] = measured.as_slice() else { return Ok(rows) };
    let megabytes = |bytes: f64| bytes / f64::from(1 << 20);
    let growth = megabytes(large.synced.resident_peak);
    rows.push(
        Row::new(
            "resident at most, backfill of 1,000,000",
            "<= 80 MB",
            format!("{growth:.0} MB (after it {:.0})", megabytes(large.synced.resident)),
            growth <= 80.0,
        )
        .beside(format!("backfill of 10,000: {:.0} MB", megabytes(small.synced.resident_peak))),
    );
    Ok(rows)
}

async fn measure(size: u32) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("fulcrum.redb");
    let mut options = Options::default();
    options.lever.opportunities = size;
    (options.lever.rate, options.lever.burst) = (1e6, 1_000_000);
    let sandbox = Sandbox::start(options).await?;
    let fetched = fetch(&sandbox).await?;
    let job = SyncJob {
        announced: sandbox.announcement(),
        file: file.clone(),
        pace: Pace::free(),
        interviews: false,
    };
    let synced: Synced = tokio::task::spawn_blocking(move || child::ask("sync", &job)).await??;
    let file: Compacted = tokio::task::spawn_blocking(move || child::ask("compact", &file)).await??;
    sandbox.shutdown().await;
    Ok(Measured { size, synced, file, fetched })
}

async fn fetch(sandbox: &Sandbox) -> anyhow::Result<Fetched> {
    let client = reqwest::Client::builder().http1_only().build()?;
    let url = format!("{}/opportunities", sandbox.lever_url());
    let base = [("limit", "100"), ("expand", "applications"), ("confidentiality", "non-confidential")];
    let began = Instant::now();
    let (mut bytes, mut offset) = (0.0, None::<String>);
    loop {
        let request = client.get(&url).basic_auth(sandbox.api_key(), None::<&str>).query(&base);
        let request = match &offset {
            Some(offset) => request.query(&[("offset", offset)]),
            None => request,
        };
        let page = request.send().await?.error_for_status()?.bytes().await?;
        bytes += page.len() as f64;
        offset = next_of(&page)?;
        if offset.is_none() {
            return Ok(Fetched { seconds: began.elapsed().as_secs_f64(), bytes });
        }
    }
}

/// The offset of the next page, without reading the rest of this one.
fn next_of(page: &[u8]) -> anyhow::Result<Option<String>> {
    let tail = &page[page.len().saturating_sub(400)..];
    let text = String::from_utf8_lossy(tail);
    let Some((_, rest)) = text.rsplit_once("\"next\":") else { return Ok(None) };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    Ok(values.next().transpose()?.and_then(|next| next.as_str().map(str::to_owned)))
}

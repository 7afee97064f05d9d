//! How everything grows with the tenant: the file, memory, a start, a backup, what a webhook and a text
//! cost, the search and the console's pages, at 10,000 opportunities and at 1,000,000.
//!
//! `SCALE_ONE_IN=100` makes all of it smaller by that, to see that it works. `SCALE_FIGURES=FILE` writes the
//! figures as JSON, of which `tests/bench/plot.py` makes the plot of docs/limits.md.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fulcrum::cli::wiring;
use fulcrum::engine::Engine;
use fulcrum::engine::clock::Clock;
use fulcrum::store::{self, Store};
use fulcrum_sandbox::Event;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use crate::daemon::{Daemon, PROGRAM};
use crate::load::Seen;
use crate::process::{processor_seconds, resident, resident_files, resident_peak};
use crate::table::{Row, megabytes, percentile, thousands};
use crate::tenant::Tenant;
use crate::{child, ingest, live, pages, search};

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// Texts that come in while it is measured.
const TEXTS: usize = 200;
/// Opportunities that change without a webhook.
const CHANGES: usize = 200;

/// A figure of each size: what it is, and the most that it should be at the largest.
struct Figure {
    what: String,
    goal: Option<f64>,
    /// Whether it should be the same at every size, but for what two runs differ by.
    is_level: bool,
    unit: &'static str,
}

/// The figures of one size, by their place in the list of figures.
struct Figures {
    list: Vec<Figure>,
    values: Vec<f64>,
}

impl Figures {
    fn put(&mut self, what: impl Into<String>, unit: &'static str, value: f64) {
        self.list.push(Figure { what: what.into(), goal: None, is_level: false, unit });
        self.values.push(value);
    }

    fn put_goal(&mut self, what: impl Into<String>, unit: &'static str, most: f64, value: f64) {
        self.put(what, unit, value);
        self.list.iter_mut().last().into_iter().for_each(|figure| figure.goal = Some(most));
    }

    fn put_level(&mut self, what: impl Into<String>, unit: &'static str, value: f64) {
        self.put(what, unit, value);
        self.list.iter_mut().last().into_iter().for_each(|figure| figure.is_level = true);
    }
}

/// The largest may cost so many times the smallest where the cost should be the same: caches are smaller
/// than a million rows, and a tree is one level deeper.
const LEVEL: f64 = 2.0;

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let smaller: u32 = std::env::var("SCALE_ONE_IN").map_or(Ok(1), |text| text.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut all: Vec<(u32, Figures)> = Vec::new();
    for size in SIZES {
        eprintln!("scale: {} ...", thousands(f64::from(size / smaller)));
        all.push((size / smaller, runtime.block_on(measure(size / smaller))?));
    }
    if let Ok(file) = std::env::var("SCALE_FIGURES") {
        std::fs::write(file, serde_json::to_string_pretty(&as_json(&all))?)?;
    }
    Ok(as_rows(&all))
}

fn as_rows(all: &[(u32, Figures)]) -> Vec<Row> {
    let [(_, first), .., (largest, last)] = all else { return Vec::new() };
    let of = thousands(f64::from(*largest));
    let list = last.list.iter().enumerate().map(|(place, figure)| {
        let value = last.values[place];
        let measured = told(value, figure.unit);
        let what = format!("{of}: {}", figure.what);
        let row = if let Some(most) = figure.goal {
            Row::new(what, &format!("<= {}", told(most, figure.unit)), measured, value <= most)
        } else if figure.is_level {
            let times = value / first.values[place];
            Row::new(what, "the same at every size", format!("{measured}: {times:.1} x"), times <= LEVEL)
        } else {
            Row::told(what, measured)
        };
        let others = all[..all.len() - 1].iter().map(|(size, figures)| {
            format!("{} at {}", told(figures.values[place], figure.unit), thousands(f64::from(*size)))
        });
        row.beside(others.collect::<Vec<_>>().join(", "))
    });
    list.collect()
}

fn told(value: f64, unit: &str) -> String {
    let value = if value >= 100.0 { thousands(value) } else { format!("{value:.1}") };
    format!("{value} {unit}")
}

/// The figures for the plot: what, its unit, and its values by size.
fn as_json(all: &[(u32, Figures)]) -> Value {
    let Some((_, last)) = all.last() else { return Value::Null };
    let figures = last.list.iter().enumerate().map(|(place, figure)| {
        let values: BTreeMap<u32, f64> =
            all.iter().map(|(size, figures)| (*size, figures.values[place])).collect();
        json!({"what": figure.what, "unit": figure.unit, "values": values})
    });
    figures.collect()
}

async fn measure(size: u32) -> anyhow::Result<Figures> {
    let tenant = Tenant::of(size).await?;
    let mut figures = Figures { list: Vec::new(), values: Vec::new() };
    file(&tenant, &mut figures).await?;
    daemon(&tenant, &mut figures).await?;
    backup(&tenant, &mut figures)?;
    asked(&tenant, &mut figures).await?;
    tenant.sandbox.shutdown().await;
    Ok(figures)
}

/// The file, and what it takes to write it anew, which is how fulcrum compacts.
async fn file(tenant: &Tenant, figures: &mut Figures) -> anyhow::Result<()> {
    let path = tenant.home.store();
    let records = tenant.records() as f64;
    figures.put("records of all kinds", "", records);
    figures.put("the file", "MB", megabytes(path.metadata()?.len() as f64));
    let store = Store::open(store::Options::file(&path), Box::new(|_| ()))?;
    let began = Instant::now();
    ensure!(store.renew().await?, "a store without a file");
    figures.put("written anew, which compacts it", "s", began.elapsed().as_secs_f64());
    store.close().await;
    figures.put("bytes of the file for each record, then", "B", path.metadata()?.len() as f64 / records);
    Ok(())
}

/// The daemon over it: a start, memory, webhooks, texts, a look for what changed.
async fn daemon(tenant: &Tenant, figures: &mut Figures) -> anyhow::Result<()> {
    // The index is of a store that had no conversations yet.
    std::fs::remove_dir_all(tenant.home.index())?;
    let daemon = tenant.home.start().await?;
    let began = Instant::now();
    let is_built = |status: &Value| status["health"]["components"]["search"]["detail"] == "";
    daemon.until(|status| !is_built(status)).await?;
    daemon.until(is_built).await?;
    figures.put("the index of the search, built once", "s", began.elapsed().as_secs_f64());
    daemon.stop()?;

    let daemon = tenant.home.start().await?;
    figures.put_goal("from the start to ready", "s", 1.0, daemon.ready_after.as_secs_f64());
    tokio::time::sleep(Duration::from_secs(3)).await;
    figures.put("resident, idle", "MB", megabytes(resident(&daemon.id())?));
    figures.put("of that, pages of files", "MB", megabytes(resident_files(&daemon.id())?));

    let before = processor_seconds(&daemon.id())?;
    let mut job = ingest::job(&tenant.sandbox, tenant.home.public, 1);
    job.opportunities.truncate(1000);
    job.per_second = Some(ingest::OFFERED);
    let sent = (job.seconds * ingest::OFFERED) as f64;
    let seen: Seen = tokio::task::spawn_blocking(move || child::ask("load", &job)).await??;
    ensure!(seen.refused == 0, "{} webhooks were refused", seen.refused);
    daemon.until(|status| status["webhooks"]["waiting"] == 0 && status["outbox"]["due"] == 0).await?;
    let each = (processor_seconds(&daemon.id())? - before) / sent;
    figures.put_level("a webhook with what follows it, processor", "us", each * 1e6);
    figures.put_goal("a webhook acknowledged, 1,000/s, p99", "ms", 3.0, seen.p99);

    let floor = ingest::floor(&tenant.home.store().with_extension("floor"))?;
    let before = processor_seconds(&daemon.id())?;
    let numbers = &tenant.untexted[..TEXTS.min(tenant.untexted.len())];
    let texted = live::texts(&tenant.sandbox, &daemon, numbers, floor.1).await?;
    let each = (processor_seconds(&daemon.id())? - before) / numbers.len() as f64;
    figures.put_level("a text received and shown, processor", "us", each * 1e6);
    figures.put_goal("a text acknowledged, p99", "ms", 5.0, percentile(&texted.acks, 0.99));
    figures.put_goal("the same, seen through the API, p99", "ms", 20.0, percentile(&texted.seen, 0.99));

    look(tenant, &daemon, figures).await?;
    figures.put_goal(
        "resident at most, under that load",
        "MB",
        150.0,
        megabytes(resident_peak(&daemon.id())?),
    );
    figures.put("of that at the end, pages of files", "MB", megabytes(resident_files(&daemon.id())?));
    daemon.stop()
}

/// What changed in Lever without a webhook is found by the next look.
async fn look(tenant: &Tenant, daemon: &Daemon<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let found = |status: &Value| status["found_by_poll"].as_u64().unwrap_or(0);
    let before = found(&daemon.api("status").await?);
    let changed = tenant.untexted.iter().rev().take(CHANGES);
    let wanted = before + changed.len() as u64;
    for (_, opportunity) in changed {
        let opportunity = Some(opportunity.to_string());
        tenant.sandbox.happen(&Event::Stage { opportunity, to: None, by: None })?;
    }
    let requests = || tenant.sandbox.stats().lever.requests;
    let (processor, asked) = (processor_seconds(&daemon.id())?, requests());
    while requests() == asked {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    daemon.until(|status| found(status) >= wanted).await?;
    figures.put("a look that finds 200 changes", "s", began.elapsed().as_secs_f64());
    figures.put("the same, requests to Lever", "", (requests() - asked) as f64);
    let processor = processor_seconds(&daemon.id())? - processor;
    figures.put_level("the same, processor", "ms", processor * 1e3);
    Ok(())
}

/// `fulcrum backup`, which reads back what it wrote.
fn backup(tenant: &Tenant, figures: &mut Figures) -> anyhow::Result<()> {
    let file = tenant.home.store().with_extension("backup");
    let began = Instant::now();
    let made = Command::new(PROGRAM)
        .args(["backup", "--json", "--config"])
        .args([&tenant.home.config(), &file])
        .output()
        .context("cannot start the program")?;
    ensure!(made.status.success(), "no backup: {}", String::from_utf8_lossy(&made.stderr));
    figures.put("a backup, read back", "s", began.elapsed().as_secs_f64());
    figures.put("the backup's file", "MB", megabytes(file.metadata()?.len() as f64));
    std::fs::remove_file(file)?;
    Ok(())
}

/// The search and the pages.
async fn asked(tenant: &Tenant, figures: &mut Figures) -> anyhow::Result<()> {
    let scan = search::scan(&tenant.home.store())?;
    let config = tenant.home.read_config()?;
    let (remotes, settings) = (wiring::remotes(&config)?, wiring::settings(&config)?);
    let engine = Engine::start(remotes, settings, Clock::System).await?;
    while engine.search(search::query("x")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut rng = SmallRng::seed_from_u64(3);
    figures.put("a scan of all texts, beside the search", "ms", scan * 1e3);
    for asked in search::ask(&engine, tenant, &mut rng).await? {
        figures.put_goal(format!("search: {}, p99", asked.what), "ms", 200.0, asked.p99);
        figures.put(format!("search: {}, p50", asked.what), "ms", asked.p50);
    }
    for page in pages::measure(&engine, &config, tenant, &mut rng).await? {
        figures.put_goal(page.what, page.unit, page.most, page.value);
    }
    engine.stop(Duration::from_secs(30)).await;
    Ok(())
}

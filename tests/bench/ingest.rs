//! Webhooks made durable: the daemon, beside hyper and redb alone, and beside a receiver in Python.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fulcrum::engine::clock::Clock;
use fulcrum_sandbox::Sandbox;

use crate::backfill::unlimited;
use crate::daemon::{Daemon, Home, Setup};
use crate::load::{LoadJob, Seen};
use crate::table::{Row, percentile, thousands};
use crate::{child, limit};

/// The receivers are measured in turn so often, and the median of each counts.
const ROUNDS: usize = 3;
const SECONDS: u64 = 4;
pub(crate) const OFFERED: u64 = 1000;

/// What one receiver did: closed load and offered load.
#[derive(Default)]
struct Runs {
    most: Vec<Seen>,
    offered: Vec<Seen>,
}

impl Runs {
    fn median(runs: &[Seen], of: impl Fn(&Seen) -> f64) -> f64 {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn rate(&self) -> f64 {
        Self::median(&self.most, |seen| seen.per_second)
    }

    fn p99(&self) -> f64 {
        Self::median(&self.most, |seen| seen.p99)
    }

    fn offered_p99(&self) -> f64 {
        Self::median(&self.offered, |seen| seen.p99)
    }

    fn offered_p50(&self) -> f64 {
        Self::median(&self.offered, |seen| seen.p50)
    }
}

/// A process that is killed at the end.
pub(crate) struct Server(Child, pub(crate) SocketAddr);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let [ours, floor, python] = tokio::runtime::Runtime::new()?.block_on(measure())?;
    let syncs = limit::syncs(1000)?;
    let share = ours.rate() / floor.rate();
    let times = ours.p99() / floor.p99();
    let ms = |value: f64| format!("{value:.2} ms");
    Ok(vec![
        Row::new(
            "durable webhooks, 64 connections",
            ">= 80 % of the limit",
            format!("{}/s: {:.0} %", thousands(ours.rate()), share * 100.0),
            share >= 0.8,
        )
        .beside(format!(
            "hyper + redb {}/s; FastAPI + SQLite {}/s",
            thousands(floor.rate()),
            thousands(python.rate())
        )),
        Row::new(
            "the same, p99",
            "<= 2 x the limit's",
            format!("{}: {times:.1} x", ms(ours.p99())),
            times <= 2.0,
        )
        .beside(format!("hyper + redb {}; FastAPI + SQLite {}", ms(floor.p99()), ms(python.p99()))),
        Row::new(
            "webhooks, p99 at 1,000/s offered",
            "<= 3 ms",
            format!("{} (p50 {})", ms(ours.offered_p99()), ms(ours.offered_p50())),
            ours.offered_p99() <= 3.0,
        )
        .beside(format!(
            "hyper + redb {}; FastAPI + SQLite {}",
            ms(floor.offered_p99()),
            ms(python.offered_p99())
        )),
        Row::new(
            "against FastAPI + SQLite synchronous=FULL",
            ">= 10 x",
            format!("{:.1} x", ours.rate() / python.rate()),
            ours.rate() >= 10.0 * python.rate(),
        ),
        Row::told(
            "this disk: 4 KiB written and synced, p99",
            format!("{} (p50 {})", ms(percentile(&syncs, 0.99)), ms(percentile(&syncs, 0.5))),
        ),
    ])
}

async fn measure() -> anyhow::Result<[Runs; 3]> {
    let folder = tempfile::tempdir()?;
    let sandbox = unlimited(1000).await?;
    let home = Home::new()?;
    home.configure(&sandbox, Setup::REAL)?;
    let daemon = home.start().await?;
    let floor = floor(&folder.path().join("floor.redb"))?;
    let python = python(&sandbox, &folder.path().join("python.sqlite"))?;
    let mut runs = [Runs::default(), Runs::default(), Runs::default()];
    for round in 0..ROUNDS as u64 {
        for (to, runs) in [home.public, floor.1, python.1].into_iter().zip(&mut runs) {
            for per_second in [None, Some(OFFERED)] {
                let mut job = job(&sandbox, to, round * 2 + u64::from(per_second.is_some()));
                job.per_second = per_second;
                let seen: Seen = tokio::task::spawn_blocking(move || child::ask("load", &job)).await??;
                anyhow::ensure!(seen.refused == 0, "{} webhooks were refused by {to}", seen.refused);
                if per_second.is_none() { runs.most.push(seen) } else { runs.offered.push(seen) }
            }
        }
    }
    daemon.stop()?;
    sandbox.shutdown().await;
    Ok(runs)
}

/// Webhooks about all that is not confidential.
pub(crate) fn job(sandbox: &Sandbox, to: SocketAddr, run: u64) -> LoadJob {
    LoadJob {
        to,
        path: "/hooks/lever".into(),
        signature_token: sandbox.webhook_tokens()["candidateStageChange"].clone(),
        opportunities: sandbox.truth().filter(|truth| !truth.confidential).map(|truth| truth.id).collect(),
        now_ms: Clock::System.now().as_millisecond(),
        seconds: SECONDS,
        per_second: None,
        run,
    }
}

/// Sends webhooks as fast as they are taken, and stops in the midst of it.
pub(crate) async fn burst(sandbox: &Sandbox, daemon: &Daemon<'_>, time: Duration) -> anyhow::Result<()> {
    let mut job = job(sandbox, daemon.home.public, u64::from(std::process::id()));
    job.opportunities.truncate(1000);
    let mut load = child::start("load", &job)?;
    tokio::time::sleep(time).await;
    // The sender goes first, so that it does not complain.
    load.kill()?;
    load.wait()?;
    Ok(())
}

/// Hyper and redb alone, as a process.
pub(crate) fn floor(file: &Path) -> anyhow::Result<Server> {
    let mut process = child::start("floor", &file)?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
    Ok(Server(process, serde_json::from_str(&line)?))
}

/// The receiver in Python, from the environment that `tests/bench/run` made.
fn python(sandbox: &Sandbox, file: &Path) -> anyhow::Result<Server> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let process = Command::new(here.join(".tools/bench/bin/uvicorn"))
        .args(["receiver:app", "--no-access-log", "--log-level", "warning", "--host", "127.0.0.1", "--port"])
        .arg(address.port().to_string())
        .current_dir(here.join("bench"))
        .env("SIGNATURE_TOKEN", &sandbox.webhook_tokens()["candidateStageChange"])
        .env("FILE", file)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::null())
        .spawn()
        .context("no uvicorn: start this by tests/bench/run")?;
    let server = Server(process, address);
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > Duration::from_secs(30) {
            bail!("the receiver in Python does not start");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

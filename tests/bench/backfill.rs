//! The initial sync without a limit of Lever's: how fast it stores, how much memory and file it
//! takes, at three sizes; what the idle daemon takes after it; and how it starts again when killed.

use std::path::Path;
use std::time::{Duration, Instant};

use fulcrum_sandbox::{Options, Sandbox};

use crate::daemon::{Home, PROGRAM, Setup};
use crate::process::{processor_seconds, resident, resident_peak};
use crate::table::{Row, megabytes, thousands};
use crate::{lever, limit};

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// Idle is looked at for so long.
const IDLE: Duration = Duration::from_secs(20);

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (mut rows, mut peaks) = (Vec::new(), Vec::new());
    for size in SIZES {
        peaks.push(runtime.block_on(measure(size, &mut rows))?);
    }
    let (first, last) = (peaks[0], peaks[SIZES.len() - 1]);
    let growth = megabytes(last - first);
    let row = Row::new(
        "resident at most, 1,000,000 against 10,000",
        "<= 80 MB more",
        format!("{growth:.0} MB more ({:.0} MB)", megabytes(last)),
        growth <= 80.0,
    );
    rows.push(row.beside(format!("{:.0} MB at 10,000", megabytes(first))));
    Ok(rows)
}

/// A tenant of this size that answers at once.
pub(crate) async fn unlimited(size: u32) -> anyhow::Result<Sandbox> {
    let mut options = Options::default();
    options.lever.opportunities = size;
    (options.lever.rate, options.lever.burst) = (1e6, 1_000_000);
    Ok(Sandbox::start(options).await?)
}

/// Syncs a tenant of one size; gives the most memory that it took.
async fn measure(size: u32, rows: &mut Vec<Row>) -> anyhow::Result<f64> {
    let sandbox = unlimited(size).await?;
    let fetched = lever::fetch_all(&sandbox, "opportunities").await?;
    let bare = tokio::task::spawn_blocking(move || limit::bare_inserts(size)).await??;
    let home = Home::new()?;
    home.configure(&sandbox, Setup::FREE)?;
    let began = Instant::now();
    let daemon = home.start().await?;
    let status = daemon.synced().await?;
    let seconds = began.elapsed().as_secs_f64();
    let stored = status["opportunities"].as_f64().unwrap_or(f64::NAN);
    let (each, rate) = (processor_seconds(&daemon.id())? / stored * 1e6, stored / seconds);
    let name = thousands(size.into());
    let row = Row::new(
        format!("backfill of {name}, stored each second"),
        ">= 20,000",
        format!("{} ({each:.0} us of processor each)", thousands(rate)),
        rate >= 20_000.0,
    );
    rows.push(row.beside(format!(
        "fetched alone {}; bare redb, same inserts, {}",
        thousands(f64::from(size) / fetched.seconds),
        thousands(bare)
    )));
    let peak = resident_peak(&daemon.id())?;
    if size == 100_000 {
        idle(&daemon.id(), "right after the backfill", rows).await?;
    }
    daemon.stop()?;
    if size == 100_000 {
        let daemon = home.start().await?;
        idle(&daemon.id(), "started again", rows).await?;
        daemon.stop()?;
        let bytes = megabytes(stripped_size()?);
        rows.push(Row::new("the program, stripped", "<= 25 MB", format!("{bytes:.1} MB"), bytes <= 25.0));
    }
    if size == 1_000_000 {
        killed(&sandbox, &home, rows).await?;
    }
    let before = home.store().metadata()?.len() as f64 / stored;
    let after = tokio::task::spawn_blocking(move || compacted(&home.store())).await?? / stored;
    let row = Row::new(
        format!("bytes of file for each of {name}"),
        "<= 600",
        format!("{after:.0} compacted (before {before:.0})"),
        after <= 600.0,
    );
    rows.push(row.beside(format!("as JSON {:.0}", fetched.bytes / f64::from(size))));
    sandbox.shutdown().await;
    Ok(peak)
}

async fn idle(process: &str, when: &str, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = processor_seconds(process)?;
    tokio::time::sleep(IDLE).await;
    let share = (processor_seconds(process)? - began) / IDLE.as_secs_f64();
    let memory = megabytes(resident(process)?);
    rows.push(Row::new(
        format!("idle with 100,000, {when}"),
        "<= 40 MB, < 0.5 %",
        format!("{memory:.0} MB, {:.2} % of a core", share * 100.0),
        memory <= 40.0 && share < 0.005,
    ));
    Ok(())
}

/// Kills the daemon with a million opportunities, once while it is quiet and once as it commits.
async fn killed(sandbox: &Sandbox, home: &Home, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    for (when, quiet) in [("quiet", true), ("committing", false)] {
        let daemon = home.start().await?;
        if quiet {
            tokio::time::sleep(Duration::from_secs(1)).await;
        } else {
            crate::ingest::burst(sandbox, &daemon, Duration::from_secs(2)).await?;
        }
        daemon.kill()?;
        let copy = home.store().with_extension("copy");
        std::fs::copy(home.store(), &copy)?;
        let began = Instant::now();
        drop(redb::Builder::new().create(&copy)?);
        let plain = began.elapsed();
        std::fs::remove_file(&copy)?;
        let daemon = home.start().await?;
        let ready = daemon.ready_after;
        daemon.stop()?;
        let row = Row::new(
            format!("ready after kill -9 with 1,000,000, {when}"),
            "<= 1 s",
            format!("{:.2} s", ready.as_secs_f64()),
            ready <= Duration::from_secs(1),
        );
        rows.push(row.beside(format!("plain redb open {:.2} s", plain.as_secs_f64())));
    }
    Ok(())
}

/// The size of a file once it is compacted.
pub(crate) fn compacted(path: &Path) -> anyhow::Result<f64> {
    let mut database = redb::Builder::new().create(path)?;
    while database.compact()? {}
    drop(database);
    Ok(path.metadata()?.len() as f64)
}

fn stripped_size() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("fulcrum");
    let made = std::process::Command::new("strip").arg("-o").arg(&copy).arg(PROGRAM).status()?;
    anyhow::ensure!(made.success(), "strip failed");
    Ok(copy.metadata()?.len() as f64)
}

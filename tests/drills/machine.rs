//! What the machine does wrong: kills, a disk that is full, read-only or held by another, a clock that
//! jumps, too little memory, ten thousand strangers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fulcrum::store::{self, Store};
use jiff::SignedDuration;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::stage::{Outcome, Scale, Setup, Stage, wait};
use crate::watch::seconds;

/// SIGKILL at a random moment, again and again, at once after a start or later. Nobody waits a second
/// before the next start, so that more of them fit.
pub(crate) async fn kills(scale: Scale) -> anyhow::Result<Outcome> {
    let faults = crate::crash::faults();
    let stage = Stage::set(Setup { faults, ..Setup::default() }, |_| {}).await?;
    let mut longest = Duration::ZERO;
    let mut outcome = stage
        .play(scale, async |stage| {
            let mut chance = SmallRng::seed_from_u64(rand::random());
            for _ in 0..scale.rounds {
                tokio::time::sleep(Duration::from_millis(chance.random_range(20..700))).await;
                stage.lock().kill();
                let began = Instant::now();
                stage.start();
                // Half of them are killed before they are ready.
                if chance.random_bool(0.5) {
                    stage.client.ready().await;
                    longest = longest.max(began.elapsed());
                }
            }
            Ok(())
        })
        .await?;
    outcome.normal = format!("ready after {} at most; {}", seconds(longest), outcome.normal);
    Ok(outcome)
}

/// A file system of our own, mounted until it is dropped.
struct Mounted {
    /// Where it is mounted; the daemon's folder is in it.
    place: tempfile::TempDir,
    /// What is mounted.
    image: Option<tempfile::NamedTempFile>,
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let done = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    ensure!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn as_str(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Where nobody may mount there is no such drill.
pub(crate) fn may_mount() -> anyhow::Result<()> {
    run("unshare", &["--mount", "true"]).context("skipped: it takes the right to mount")
}

impl Mounted {
    /// In memory, with room for so many bytes.
    fn in_memory(bytes: u64) -> anyhow::Result<Self> {
        may_mount()?;
        let place = tempfile::tempdir()?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs", as_str(place.path())?])?;
        Ok(Self { place, image: None })
    }

    /// ext4 in a file.
    fn ext4(bytes: u64) -> anyhow::Result<Self> {
        may_mount()?;
        let image = tempfile::NamedTempFile::new()?;
        image.as_file().set_len(bytes)?;
        run("mkfs.ext4", &["-q", "-F", as_str(image.path())?])?;
        let mounted = Self { place: tempfile::tempdir()?, image: Some(image) };
        mounted.mount()?;
        Ok(mounted)
    }

    fn mount(&self) -> anyhow::Result<()> {
        let image = self.image.as_ref().context("it is in memory")?;
        run("mount", &["-o", "loop", as_str(image.path())?, as_str(self.place.path())?])
    }

    fn store(&self) -> PathBuf {
        self.place.path().join("fulcrum.redb")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.place.path()).status();
    }
}

fn store_at(path: &Path) -> impl FnOnce(&mut Value) {
    let path = path.to_owned();
    move |settings| settings["store"]["path"] = path.to_string_lossy().into()
}

/// Something else has filled the disk, and later makes room.
pub(crate) async fn disk_full(scale: Scale) -> anyhow::Result<Outcome> {
    let disk = Mounted::in_memory(48 << 20)?;
    let filler = disk.place.path().join("filler");
    let stage = Stage::set(Setup::default(), store_at(&disk.store())).await?;
    stage
        .play(scale, async |_| {
            let end = Instant::now() + scale.fault;
            while Instant::now() < end {
                // Whatever room there is, also what the daemon gave back when it ended.
                let _ = fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&filler)
                    .map(|mut file| while std::io::Write::write_all(&mut file, &[7; 4096]).is_ok() {});
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            fs::remove_file(&filler)?;
            Ok(())
        })
        .await
}

/// The kernel meets an error on the disk and lets nobody write any more, whoever has files open. The
/// daemon is started again and again meanwhile; then the disk is mounted anew.
pub(crate) async fn read_only(scale: Scale) -> anyhow::Result<Outcome> {
    let disk = Mounted::ext4(64 << 20)?;
    let place = as_str(disk.place.path())?.to_owned();
    let stage = Stage::set(Setup::default(), store_at(&disk.store())).await?;
    stage
        .play(scale, async |stage| {
            run("mount", &["-o", "remount,abort", &place])?;
            tokio::time::sleep(scale.fault).await;
            stage.is_down.set(true);
            // It has noticed and ended, or else it is to be ended.
            if !wait(Duration::from_secs(12), async || {
                stage.lock().has_ended() || stage.lock().id().is_none()
            })
            .await
            {
                stage.lock().kill();
            }
            run("umount", &[&place])?;
            disk.mount()?;
            stage.is_down.set(false);
            Ok(())
        })
        .await
}

/// The daemon is killed, another process takes its file, and lets go of it later.
pub(crate) async fn locked(scale: Scale) -> anyhow::Result<Outcome> {
    let stage = Stage::set(Setup::default(), |_| {}).await?;
    stage
        .play(scale, async |stage| {
            stage.is_down.set(true);
            stage.lock().kill();
            let path = stage.lock().store();
            let held = Store::open(store::Options::file(path), Box::new(|_| {}))?;
            stage.is_down.set(false);
            tokio::time::sleep(scale.fault).await;
            let told = wait(scale.patience, async || stage.lock().log().contains("already open")).await;
            ensure!(told, "nobody was told that the file is held");
            held.close().await;
            drop(held);
            Ok(())
        })
        .await
}

/// Where Debian's package has what fakes the time.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// The time of day jumps a day ahead, a day back from there, another day back, and comes to be right. The
/// daemon has no seam for it, so libfaketime stands between it and the system; the sandbox has the true time.
pub(crate) async fn clock_jumps(scale: Scale) -> anyhow::Result<Outcome> {
    if !Path::new(FAKETIME).exists() {
        bail!("skipped: the package faketime is not installed");
    }
    let folder = tempfile::tempdir()?;
    let time = folder.path().join("time");
    fs::write(&time, "+0")?;
    let env = [
        ("LD_PRELOAD", FAKETIME.to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", time.to_string_lossy().into_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Timers go by the time since the start, which no correction of the clock moves.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value)).into();
    let stage =
        Stage::set(Setup { env, ahead: SignedDuration::from_hours(24), ..Setup::default() }, |_| {}).await?;
    stage
        .play(scale, async |_| {
            for jump in ["+1d", "+0", "-1d", "+0"] {
                fs::write(&time, jump)?;
                tokio::time::sleep(scale.fault / 3).await;
            }
            Ok(())
        })
        .await
}

/// Less memory than it takes: allocations fail, which ends the process, until there is enough again.
pub(crate) async fn memory(scale: Scale) -> anyhow::Result<Outcome> {
    let stage = Stage::set(Setup::default(), |_| {}).await?;
    stage
        .play(scale, async |stage| {
            let (mut ended, mut limited) = (0, None);
            let (end, patience) = (Instant::now() + scale.fault, Instant::now() + 4 * scale.patience);
            while Instant::now() < end || (ended == 0 && Instant::now() < patience) {
                let id = stage.lock().id().filter(|id| limited != Some(*id));
                if let Some(id) = id {
                    ended += u32::from(limited.is_some());
                    let used = data_bytes(id).unwrap_or(64 << 20);
                    // A little more than it has: it lives for a moment.
                    let limit = format!("--data={}", used + (512 << 10));
                    if run("prlimit", &["--pid", &id.to_string(), &limit]).is_ok() {
                        limited = Some(id);
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            if let Some(id) = stage.lock().id() {
                let _ = run("prlimit", &["--pid", &id.to_string(), "--data=unlimited"]);
            }
            ensure!(ended > 0, "the limit was never felt");
            Ok(())
        })
        .await
}

/// What the kernel counts against the limit.
fn data_bytes(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmData:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// Strangers open as many connections as they can and say nothing. Who is connected goes on; a client that
/// is new meanwhile is timed.
pub(crate) async fn connections(scale: Scale) -> anyhow::Result<Outcome> {
    let stage = Stage::set(Setup::default(), |_| {}).await?;
    let (mut held, mut new) = (0, String::new());
    let mut outcome = stage
        .play(scale, async |stage| {
            let mut open = Vec::with_capacity(scale.connections);
            let mut in_vain = 0;
            while open.len() < scale.connections && in_vain < 3 {
                let connect = TcpStream::connect(stage.client.public());
                match tokio::time::timeout(Duration::from_secs(2), connect).await {
                    Ok(Ok(stream)) => open.push(stream),
                    // The kernel's queue is full: they wait as everybody does.
                    _ => in_vain += 1,
                }
            }
            held = open.len();
            let began = Instant::now();
            let url = format!("http://{}/sign-in", stage.client.public());
            let http = reqwest::Client::builder().no_proxy().timeout(scale.fault).build()?;
            let is_served = http.get(url).send().await.is_ok();
            new = format!(
                "{} after {}",
                if is_served { "served" } else { "not served" },
                seconds(began.elapsed())
            );
            tokio::time::sleep(scale.fault.saturating_sub(began.elapsed())).await;
            drop(open);
            Ok(())
        })
        .await?;
    outcome.normal = format!("{held} held; a new client meanwhile: {new}; {}", outcome.normal);
    Ok(outcome)
}

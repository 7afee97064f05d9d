//! Everything that can go wrong around the real program, made to go wrong under load, in one table: what
//! was lost, what was done twice, what health said, and how long it took until all was well again.
//!
//! `tests/drills/run` builds this and runs all drills, or those that are named. The daemon is a process,
//! the sandbox is here, and its ledger is the judge. A row with a loss, a double or an untruth, or of a daemon
//! that does not become well again, fails the run.

#![allow(clippy::unwrap_used, reason = "a drill may end at what it did not expect")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table is what this program is for")]
#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

#[allow(dead_code, unused_imports, reason = "its tests are not run here")]
#[path = "../it/crash.rs"]
mod crash;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../it/daemon.rs"]
mod daemon;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../it/disk.rs"]
mod disk;
#[path = "../it/judge.rs"]
mod judge;
#[path = "../it/load.rs"]
mod load;
mod machine;
mod remotes;
mod stage;
#[allow(dead_code, reason = "the benchmarks use more of it")]
#[path = "../bench/table.rs"]
mod table;
mod watch;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../it/world.rs"]
mod world;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{FutureExt, StreamExt};

use stage::{Outcome, Scale};

type Play = fn(Scale) -> Pin<Box<dyn Future<Output = anyhow::Result<Outcome>>>>;

/// A drill: its name, and what it does in words.
struct Drill {
    name: &'static str,
    what: &'static str,
    play: Play,
}

macro_rules! drills {
    ($($name:literal, $what:literal, $play:path;)*) => {
        [$(Drill { name: $name, what: $what, play: |scale| Box::pin($play(scale)) }),*]
    };
}

fn drills() -> [Drill; 14] {
    drills![
        "kill", "kill -9 at random, remotes that cut, double and reorder", machine::kills;
        "power", "power cuts that tear and lose what was not synced", power;
        "full", "the disk is full, and has room again", machine::disk_full;
        "read-only", "the file system turns read-only, and is mounted anew", machine::read_only;
        "locked", "another process holds the file, and lets go of it", machine::locked;
        "clock", "the clock jumps a day ahead and a day back, and comes right", machine::clock_jumps;
        "memory", "too little memory: allocations fail, and end it", machine::memory;
        "connections", "strangers hold connections and say nothing", machine::connections;
        "lever-down", "Lever is down", remotes::lever_down;
        "carrier-down", "the carrier is down", remotes::carrier_down;
        "names", "no name is resolved", remotes::names_unknown;
        "cut", "both remotes cut after the effect, 1 in 3", remotes::cut_after;
        "rubbish", "both remotes answer pages, bytes and halves", remotes::rubbish;
        "silence", "both remotes leave 1 in 8 without an answer", remotes::silence;
    ]
}

/// Power is cut from the engine on a disk in memory that loses what was not synced (tests/it/disk.rs), since
/// no process can lose what the kernel has taken from it.
async fn power(scale: Scale) -> anyhow::Result<Outcome> {
    let verdict = crash::power_cuts(scale.rounds.div_ceil(4), rand::random::<u64>() >> 32).await;
    let texts = verdict.left + verdict.unconfirmed;
    Ok(Outcome {
        verdict,
        texts,
        health: "it ends at once".into(),
        normal: "with the next start".into(),
        is_well: true,
        starts: scale.rounds.div_ceil(4),
    })
}

/// What was asked for.
struct Asked {
    names: Vec<String>,
    scale: Scale,
    /// Drills at a time.
    together: usize,
}

fn asked() -> anyhow::Result<Asked> {
    let full = Scale {
        rounds: 300,
        fault: Duration::from_secs(20),
        connections: 10_000,
        patience: Duration::from_secs(150),
    };
    let mut asked = Asked { names: Vec::new(), scale: full, together: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bounded" => {
                asked.scale = Scale {
                    rounds: 8,
                    fault: Duration::from_secs(2),
                    connections: 1000,
                    patience: Duration::from_secs(8),
                };
                asked.together = drills().len();
            }
            "--rounds" => {
                let number = arguments.next().context("--rounds wants a number")?;
                asked.scale.rounds = number.parse().context("--rounds wants a number")?;
            }
            "--seconds" => {
                let number = arguments.next().context("--seconds wants a number")?;
                asked.scale.fault = Duration::from_secs(number.parse().context("--seconds wants a number")?);
            }
            name if drills().iter().any(|drill| drill.name == name) => asked.names.push(name.to_owned()),
            other => bail!("there is no drill {other}: {}", drills().map(|drill| drill.name).join(", ")),
        }
    }
    Ok(asked)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Asked { names, scale, together } = asked()?;
    // A daemon with mounts of its own holds on to what `read-only` mounts, so the two are not played together.
    let usual = |drill: &Drill| names.is_empty() && (together == 1 || drill.name != "names");
    let wanted =
        drills().into_iter().filter(|drill| usual(drill) || names.iter().any(|name| name == drill.name));
    let played = futures_util::stream::iter(wanted).map(async |drill| {
        eprintln!("{} ...", drill.name);
        // One that does not come to its end says so in its row.
        let outcome = AssertUnwindSafe((drill.play)(scale)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| bail!("it did not come to its end; see above"));
        (drill, outcome)
    });
    let played: Vec<_> = played.buffered(together).collect().await;
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    for (drill, outcome) in &played {
        match outcome {
            Ok(outcome) => {
                if !outcome.verdict.is_clean() {
                    bad.push(format!("{}: {:#?}", drill.name, outcome.verdict));
                }
                if !outcome.is_well {
                    bad.push(format!("{}: it does not become well again: {}", drill.name, outcome.normal));
                }
                lines.push(row(drill, outcome));
            }
            Err(error) => {
                let told = format!("{error:#}");
                if !told.starts_with("skipped") {
                    bad.push(format!("{}: {told}", drill.name));
                }
                let none = String::new;
                lines.push([drill.name.into(), drill.what.into(), told, none(), none(), none(), none()]);
            }
        }
    }
    let head = ["drill", "what happens", "done", "lost", "doubled", "health meanwhile", "normal again after"];
    println!("{}", table::markdown(head, &lines));
    if bad.is_empty() { Ok(()) } else { bail!("{}", bad.join("\n")) }
}

fn row(drill: &Drill, outcome: &Outcome) -> [String; 7] {
    let verdict = &outcome.verdict;
    let mut done = format!("{} texts, {} notes, {} starts", outcome.texts, verdict.notes, outcome.starts);
    if verdict.unconfirmed > 0 {
        done.push_str(&format!(", {} told as unconfirmed", verdict.unconfirmed));
    }
    let count = |list: &[String]| if list.is_empty() { "nothing".into() } else { list.len().to_string() };
    let untrue = match verdict.untrue.len() {
        0 => String::new(),
        untrue => format!(", {untrue} told wrongly"),
    };
    [
        drill.name.into(),
        drill.what.into(),
        done,
        count(&verdict.lost) + &untrue,
        count(&verdict.doubled),
        outcome.health.clone(),
        outcome.normal.clone(),
    ]
}

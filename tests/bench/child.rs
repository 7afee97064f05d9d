//! Jobs in processes of their own, so that the memory and the time that are measured are theirs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{floor, load, wheel};

/// Does a job here; its answer is the last line that is printed.
pub(crate) fn run(job: &str, with: &str) -> anyhow::Result<()> {
    let with: Value = serde_json::from_str(with)?;
    let answer = match job {
        "wheel" => wheel::measure(&serde_json::from_value(with)?)?,
        "load" => load::run(serde_json::from_value(with)?)?,
        "floor" => return floor::serve(serde_json::from_value(with)?),
        _ => bail!("there is no job {job}"),
    };
    println!("{answer}");
    Ok(())
}

/// Starts a job in another process.
pub(crate) fn start(job: &str, with: &impl Serialize) -> anyhow::Result<Child> {
    let this = std::env::current_exe()?;
    let child = Command::new(this)
        .args(["child", job, &serde_json::to_string(with)?])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start another process")?;
    Ok(child)
}

/// The last line that the job prints.
pub(crate) fn answer<T: DeserializeOwned>(mut child: Child) -> anyhow::Result<T> {
    let out = child.stdout.take().context("a job without an output")?;
    let mut last = String::new();
    for line in BufReader::new(out).lines() {
        last = line?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("a job failed: {status}");
    }
    serde_json::from_str(&last).with_context(|| format!("a job answered {last}"))
}

/// Does a job in another process.
pub(crate) fn ask<T: DeserializeOwned>(job: &str, with: &impl Serialize) -> anyhow::Result<T> {
    answer(start(job, with)?)
}

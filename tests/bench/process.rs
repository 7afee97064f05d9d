//! What the kernel says of a process, by its number or as `self`: memory and time on the processor.

use anyhow::Context;

/// Resident memory in bytes, now.
pub(crate) fn resident(process: &str) -> anyhow::Result<f64> {
    status(process, "VmRSS:")
}

/// What of it are pages of files, which the kernel takes back when it needs them.
pub(crate) fn resident_files(process: &str) -> anyhow::Result<f64> {
    status(process, "RssFile:")
}

/// The most that was ever resident.
pub(crate) fn resident_peak(process: &str) -> anyhow::Result<f64> {
    status(process, "VmHWM:")
}

/// Seconds on the processor, of all its threads.
pub(crate) fn processor_seconds(process: &str) -> anyhow::Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; the fields are counted behind it.
    let behind = text.rsplit_once(") ").context("no name in /proc/PID/stat")?.1;
    let field = |place: usize| behind.split(' ').nth(place).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = (field(11).context("no time")?, field(12).context("no time")?);
    Ok((user + system) / TICKS_PER_SECOND)
}

fn status(process: &str, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find(|line| line.starts_with(name)).context("no such line in status")?;
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    Ok(kilobytes.context("no number in status")? * 1024.0)
}

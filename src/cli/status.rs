//! `fulcrum status`: how it goes.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use comfy_table::Cell;
use serde_json::Value;

use super::control::{Control, ControlError};
use super::offline::{Offline, ask_or_read};
use super::progress::Bars;
use super::screen::Mood;
use super::shapes::{Failed, Page, Status as Shape};
use super::{Exit, Form, Outcome, live, screen};

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(1);

/// Show how it goes: the initial sync, Lever's rate, what waits, what failed
///
/// Where the daemon does not run, what its file says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum status --watch
  fulcrum status --json | jq .backfill.state")]
pub(super) struct Status {
    /// Keep showing it, with progress bars, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    form: Form,
}

impl Status {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        if self.watch {
            return self.keep_showing(&control).await;
        }
        let answer = ask_or_read(&control, config, PATH, &[], Offline::status).await?;
        if self.form.json {
            screen::json(&answer)?;
            return Ok(Exit::Done);
        }
        let status = read(answer)?;
        show(&status)?;
        if status.outbox.failed() > 0 && status.health.is_some() {
            show_failed(control.get("/api/v1/outbox/failed", &[]).await?)?;
        }
        Ok(Exit::Done)
    }

    async fn keep_showing(&self, control: &Control) -> Outcome {
        let mut signals = live::Signals::new()?;
        let mut ticks = tokio::time::interval(EVERY);
        let mut view = View::new(self.form.json);
        // A daemon that is not there at the start will not be missed; one that restarts is waited for.
        let mut seen = false;
        loop {
            tokio::select! {
                () = signals.stop() => return Ok(Exit::Done),
                _ = ticks.tick() => {}
            }
            match control.get(PATH, &[]).await {
                Ok(answer) => {
                    seen = true;
                    view.show(answer)?;
                }
                Err(error) if seen => view.miss(&error)?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

const PATH: &str = "/api/v1/status";

fn read(answer: Value) -> anyhow::Result<Shape> {
    serde_json::from_value(answer).context("reading the daemon's answer")
}

/// Where `--watch` shows what it sees.
enum View {
    /// A line of JSON each time.
    Json,
    /// A terminal.
    Bars(Bars),
    /// Anything else: a line when something has changed.
    Lines(String),
}

impl View {
    fn new(json: bool) -> Self {
        match json {
            true => Self::Json,
            false if screen::is_watched() => Self::Bars(Bars::new()),
            false => Self::Lines(String::new()),
        }
    }

    fn show(&mut self, answer: Value) -> anyhow::Result<()> {
        match self {
            Self::Json => screen::json(&answer)?,
            Self::Bars(bars) => {
                let status = read(answer)?;
                bars.show(&status.backfill);
                bars.remark(in_a_line(&status));
            }
            Self::Lines(last) => {
                let line = in_a_line(&read(answer)?);
                if line != *last {
                    screen::line(&line)?;
                    *last = line;
                }
            }
        }
        Ok(())
    }

    fn miss(&self, error: &ControlError) -> std::io::Result<()> {
        match self {
            Self::Bars(bars) => bars.remark(error.to_string()),
            Self::Json | Self::Lines(_) => screen::note(error)?,
        }
        Ok(())
    }
}

/// All of it in a line.
fn in_a_line(status: &Shape) -> String {
    let health = status.health.as_ref().map_or("", |health| health.status.as_str());
    let sync = match status.backfill.phases.iter().find(|phase| phase.state == "running") {
        _ if status.backfill.is_complete() => "in sync".to_owned(),
        Some(phase) => format!("syncing {}, {} done", phase.name, screen::count(phase.done)),
        None => format!("sync {}", sync(status)),
    };
    let failed = match status.outbox.failed() {
        0 => String::new(),
        failed => format!(", {} failed", screen::count(failed)),
    };
    format!(
        "{health}: {sync}; {} opportunities; {} effects due{failed}",
        screen::count(status.opportunities),
        screen::count(status.outbox.due),
    )
}

fn show(status: &Shape) -> std::io::Result<()> {
    let mut facts = screen::facts();
    if let Some(health) = &status.health {
        facts.add_row([Cell::new("health"), screen::word(&health.status, mood(&health.status))]);
        for (name, part) in health.components.iter().filter(|(_, part)| !part.detail.is_empty()) {
            facts.add_row([Cell::new(format!("  {name}")), screen::word(&part.detail, mood(&part.status))]);
        }
    }
    if let Some(since) = status.muted_since {
        let told = format!("MUTED since {since:.0}: a restored copy; nothing leaves until `fulcrum unmute`");
        facts.add_row([Cell::new("sending"), screen::word(told, Mood::Bad)]);
    }
    let state = if status.backfill.is_complete() { Mood::Good } else { Mood::Doubtful };
    facts.add_row([Cell::new("initial sync"), screen::word(sync(status), state)]);
    if let Some(used) = status.lever.rate_used {
        let waiting: Vec<_> =
            status.lever.waiting.iter().map(|(lane, waiting)| format!("{waiting} {lane}")).collect();
        let waiting = if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") };
        let slowed = match status.lever.rate_percent {
            Some(percent) if percent < 100 => format!(", slowed to {percent} % after complaints"),
            _ => String::new(),
        };
        let rate = format!("{:.0} % of Lever's rate used{slowed}; requests wait: {waiting}", used * 100.0);
        facts.add_row([Cell::new("lever"), Cell::new(rate)]);
    }
    let failed = match status.outbox.failed() {
        0 => screen::word("none failed", Mood::Good),
        failed => screen::word(format!("{failed} failed and wait for a person"), Mood::Bad),
    };
    let due = match (status.outbox.due, status.outbox.oldest_seconds) {
        (0, _) => "none due".to_owned(),
        (due, oldest) => format!("{} due, the oldest {} old", screen::count(due), screen::span(oldest)),
    };
    for (name, value) in [
        ("effects", Cell::new(due)),
        ("", failed),
        ("transcripts", Cell::new(format!("{} wait to be filed", screen::count(status.deadlines.pending)))),
        ("webhooks", Cell::new(webhooks(status))),
        ("opportunities", Cell::new(screen::count(status.opportunities))),
        ("conversations", Cell::new(screen::count(status.conversations))),
        ("store", Cell::new(screen::bytes(status.store_bytes))),
    ] {
        facts.add_row([Cell::new(name), value]);
    }
    for (name, task) in &status.tasks {
        if let Some(error) = &task.last_error {
            let told = format!("failed {} times, last: {error}", task.failures);
            facts.add_row([Cell::new(format!("task {name}")), screen::word(told, Mood::Doubtful)]);
        }
    }
    screen::show(&mut facts, 1)?;
    screen::line("")?;
    screen::show(&mut phases(status), 5)
}

/// The word for the state of the sync.
fn sync(status: &Shape) -> &str {
    match status.backfill.state.as_str() {
        "running" if !status.backfill.is_begun() => "not begun",
        "running" => running(status),
        other => other,
    }
}

/// Where no daemon runs, nothing does.
fn running(status: &Shape) -> &'static str {
    if status.health.is_some() { "running" } else { "stopped" }
}

/// What waits for a person, with why.
fn show_failed(answer: Value) -> anyhow::Result<()> {
    let failed: Page<Failed> = serde_json::from_value(answer).context("reading the daemon's answer")?;
    if failed.data.is_empty() {
        return Ok(());
    }
    let mut table = screen::table(["failed effect", "id", "tried", "why"]);
    for row in &failed.data {
        let why = screen::word(row.error.as_deref().unwrap_or_default(), Mood::Bad);
        table.add_row([Cell::new(&row.kind), Cell::new(&row.id), Cell::new(row.attempts), why]);
    }
    screen::line("")?;
    Ok(screen::show(&mut table, 3)?)
}

fn phases(status: &Shape) -> comfy_table::Table {
    let mut table = screen::table(["phase", "state", "done", "of", "left"]);
    for phase in &status.backfill.phases {
        let mood = match phase.state.as_str() {
            "complete" => Mood::Good,
            _ => Mood::Doubtful,
        };
        table.add_row([
            Cell::new(&phase.name),
            screen::word(if phase.state == "running" { running(status) } else { &phase.state }, mood),
            Cell::new(screen::count(phase.done)),
            Cell::new(phase.known.map(screen::count).unwrap_or_default()),
            Cell::new(phase.seconds_left.filter(|left| *left > 0).map(screen::span).unwrap_or_default()),
        ]);
    }
    table
}

fn webhooks(status: &Shape) -> String {
    if status.health.is_none() {
        return format!("{} wait", screen::count(status.webhooks.waiting));
    }
    let waiting = match status.webhooks.waiting {
        0 => String::new(),
        waiting => format!("{} wait; ", screen::count(waiting)),
    };
    let missed = match status.found_by_poll {
        0 => String::new(),
        missed => format!("; {} changes came without one", screen::count(missed)),
    };
    format!("{waiting}{} of 8 events seen{missed}", status.webhooks.last_verified.len())
}

fn mood(word: &str) -> Mood {
    match word {
        "ok" => Mood::Good,
        "failing" => Mood::Bad,
        _ => Mood::Doubtful,
    }
}

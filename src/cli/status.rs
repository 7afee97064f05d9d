//! `fulcrum status`: how it goes.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use comfy_table::Cell;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::control::{Control, ControlError};
use super::offline::{Offline, ask_or_read};
use super::progress::Bars;
use super::screen::Mood;
use super::shapes::{Failed, Page, Status as Shape};
use super::{Exit, Form, Outcome, conversations, live, screen};

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
        show(&status, control.timezone())?;
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
    let effects = match status.outbox.first_at {
        Some(_) => format!("{} for later", screen::several(status.outbox.due, "effect", "effects")),
        None => format!("{} due", screen::several(status.outbox.due, "effect", "effects")),
    };
    format!(
        "{health}: {sync}; {}; {effects}{failed}",
        screen::several(status.opportunities, "opportunity", "opportunities"),
    )
}

/// What is to be done outside. What waits for its time is not late.
fn effects(status: &Shape, zone: &TimeZone) -> String {
    let outbox = &status.outbox;
    let count = screen::count(outbox.due);
    match outbox.first_at {
        _ if outbox.due == 0 => "none due".to_owned(),
        None => format!("{count} due, the oldest {} old", screen::span(outbox.oldest_seconds)),
        at => format!("none due; {count} for later, the first for {}", conversations::local(at, zone)),
    }
}

fn show(status: &Shape, zone: &TimeZone) -> std::io::Result<()> {
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
    for (name, value) in [
        ("effects", Cell::new(effects(status, zone))),
        ("", failed),
        ("deadlines", Cell::new(format!("{} to come", screen::count(status.deadlines.pending)))),
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
    for row in &failed.data {
        screen::line("")?;
        screen::show(&mut block(row), 1)?;
    }
    Ok(())
}

/// A failed effect, a fact a line: its id alone may be longer than half of a terminal's line.
fn block(row: &Failed) -> comfy_table::Table {
    let mut facts = screen::facts();
    let about = match (&row.conversation, &row.opportunity) {
        (Some(conversation), Some(opportunity)) => {
            Some(format!("conversation {conversation}, opportunity {opportunity}"))
        }
        (Some(conversation), None) => Some(format!("conversation {conversation}")),
        (None, Some(opportunity)) => Some(format!("opportunity {opportunity}")),
        (None, None) => None,
    };
    let tried = format!("{}, tried {}", row.kind, screen::several(row.attempts.into(), "time", "times"));
    facts.add_row([Cell::new("failed"), Cell::new(tried)]);
    if let Some(about) = about {
        facts.add_row([Cell::new("  about"), Cell::new(about)]);
    }
    let why = screen::word(row.error.as_deref().unwrap_or_default(), Mood::Bad);
    facts.add_row([Cell::new("  why"), why]);
    facts.add_row([Cell::new("  id"), Cell::new(&row.id)]);
    facts
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(outbox: &Value) -> Shape {
        read(json!({ "outbox": outbox, "opportunities": 1 })).unwrap()
    }

    #[test]
    fn what_waits_for_its_time_is_not_late() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let told = |outbox| effects(&status(&outbox), &zone);
        assert_eq!(told(json!({ "due": 0 })), "none due");
        assert_eq!(told(json!({ "due": 2, "oldest_seconds": 90 })), "2 due, the oldest 1 min 30 s old");
        let christmas = json!({ "due": 1, "first_at": "2025-12-24T14:00:00Z" });
        assert_eq!(told(christmas.clone()), "none due; 1 for later, the first for 2025-12-24 09:00");
        assert!(in_a_line(&status(&christmas)).ends_with("1 opportunity; 1 effect for later"));
    }

    #[test]
    fn a_failed_effect_can_be_read_on_a_narrow_terminal() {
        let why =
            "Lever shows no such opportunity to this key any more, and nobody has said that it was deleted";
        let row = Failed {
            kind: "delete_note".to_owned(),
            id: format!("12:{0}:{0}", "250d8f03-738a-4bba-a671-8a3d73477145"),
            conversation: None,
            opportunity: Some("250d8f03-738a-4bba-a671-8a3d73477145".to_owned()),
            attempts: 1,
            error: Some(why.to_owned()),
        };
        let mut block = block(&row);
        block.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(80);
        let told = block.to_string();
        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        assert!(lines.len() <= 6 && lines.iter().all(|line| line.chars().count() <= 80), "{told}");
        assert!(lines[0].contains("delete_note, tried 1 time") && lines[1].contains("about"), "{told}");
        assert!(lines[2].contains("Lever shows no such opportunity to this key"), "{told}");
    }
}

//! `fulcrum automations`: how they stand, what one would have done, pausing and resuming.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Cell;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;

use super::control::Control;
use super::conversations::local;
use super::offline::{Offline, ask_or_read};
use super::screen::Mood;
use super::shapes::Page;
use super::{Form, Outcome, screen};

/// See and switch what texts by itself
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum automations list
  fulcrum automations test phone-screen --days 14
  fulcrum automations pause phone-screen --waiting drop")]
pub(super) struct Automations {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the automations of the config, and what waits for approval
    #[command(after_help = "Example:
  fulcrum automations list")]
    List(List),
    /// Show what one would have done in the last days; nothing is sent
    #[command(after_help = "Example:
  fulcrum automations test phone-screen --days 14")]
    Test(Test),
    /// Pause one
    #[command(after_help = "Examples:
  fulcrum automations pause phone-screen
  fulcrum automations pause phone-screen --waiting drop")]
    Pause(Pause),
    /// Let one go on
    #[command(after_help = "Example:
  fulcrum automations resume phone-screen")]
    Resume(Resume),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Args)]
struct Test {
    /// The automation
    name: String,
    /// How far to look back
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=30))]
    days: u16,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Args)]
struct Pause {
    /// The automation
    name: String,
    /// What becomes of those who wait for its text
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    waiting: Waiting,
    #[command(flatten)]
    form: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Waiting {
    /// They wait on
    Keep,
    /// They get no text
    Drop,
}

#[derive(Debug, Args)]
struct Resume {
    /// The automation
    name: String,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    data: Vec<Automation>,
    cards: Vec<Card>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Automation {
    name: String,
    trigger: String,
    wait: String,
    paused: bool,
    waiting: u64,
    held: Vec<Held>,
    sent: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Held {
    why: String,
    count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Card {
    id: u64,
    by: String,
    count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tested {
    happened_at: Option<Timestamp>,
    name: String,
    at: Option<Timestamp>,
    why: Option<String>,
}

impl Automations {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let zone = control.timezone();
        match self.what {
            What::List(List { form }) => {
                let answer =
                    ask_or_read(&control, config, "/api/v1/automations", &[], Offline::automations).await?;
                form.print(answer, show)
            }
            What::Test(Test { name, days, form }) => {
                let path = format!("/api/v1/automations/{name}/test");
                let read = |offline: &Offline| offline.test(&name, days);
                let days = [("days", days.to_string())];
                let answer = ask_or_read(&control, config, &path, &days, read).await?;
                form.print(answer, |page| show_test(page, zone))
            }
            What::Pause(Pause { name, waiting, form }) => {
                let waiting = match waiting {
                    Waiting::Keep => "keep",
                    Waiting::Drop => "drop",
                };
                let path = format!("/api/v1/automations/{name}/pause");
                form.print(control.post(&path, &json!({"waiting": waiting})).await?, show)
            }
            What::Resume(Resume { name, form }) => {
                let path = format!("/api/v1/automations/{name}/resume");
                form.print(control.post(&path, &json!({})).await?, show)
            }
        }
    }
}

fn show(answer: &Answer) -> std::io::Result<()> {
    if answer.data.is_empty() {
        return screen::note("no automations: the config has no [[automations]]");
    }
    let mut table = screen::table(["name", "", "when", "waits", "waiting", "sent", "held"]);
    for row in &answer.data {
        let state = if row.paused {
            screen::word("paused", Mood::Doubtful)
        } else {
            screen::word("active", Mood::Good)
        };
        let held: Vec<_> = row.held.iter().map(|held| format!("{} {}", held.count, held.why)).collect();
        table.add_row([
            Cell::new(&row.name),
            state,
            Cell::new(&row.trigger),
            Cell::new(&row.wait),
            Cell::new(screen::count(row.waiting)),
            Cell::new(screen::count(row.sent)),
            Cell::new(held.join("; ")),
        ]);
    }
    screen::show(&mut table, 2)?;
    for card in &answer.cards {
        let by = screen::plain(&card.by);
        screen::note(format_args!(
            "card {}: {} texts at once by {by} wait for approval in the console",
            card.id, card.count
        ))?;
    }
    Ok(())
}

fn show_test(page: &Page<Tested>, zone: &TimeZone) -> std::io::Result<()> {
    if page.data.is_empty() {
        return screen::note("nothing would have set it off");
    }
    let mut table = screen::table(["happened", "would have left", "candidate", ""]);
    for row in &page.data {
        let at = match row.at {
            Some(at) => Cell::new(local(Some(at), zone)),
            None => screen::word("not sent", Mood::Doubtful),
        };
        table.add_row([
            Cell::new(local(row.happened_at, zone)),
            at,
            Cell::new(screen::plain(&row.name)),
            Cell::new(row.why.as_deref().unwrap_or_default()),
        ]);
    }
    screen::show(&mut table, 2)
}

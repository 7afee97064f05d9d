//! `fulcrum why`: why a text was sent, or why an automation has sent none.

use std::path::Path;

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::conversations::local;
use super::offline::{Offline, ask_or_read};
use super::shapes::Page;
use super::{Form, Outcome, load, screen};

/// Tell why a text was sent, or why none was
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum why 01963f0e-7a55-7d2b-9c1e-0d6a2f3b4c5d
  fulcrum why --not 4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f phone-screen")]
pub(super) struct Why {
    /// The text, as `fulcrum messages --json` has its id
    #[arg(value_name = "MESSAGE", required_unless_present = "not")]
    message: Option<String>,
    /// The opportunity that an automation has not texted, and the automation
    #[arg(long, num_args = 2, value_names = ["CANDIDATE", "AUTOMATION"], conflicts_with = "message")]
    not: Option<Vec<String>>,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    at: Option<Timestamp>,
    what: String,
}

impl Why {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let config = load(config)?;
        let message = self.message.unwrap_or_default();
        let path = match self.not.as_deref() {
            Some([candidate, automation]) => format!("/api/v1/automations/{automation}/why-not/{candidate}"),
            _ => format!("/api/v1/messages/{message}/why"),
        };
        let read = |offline: &Offline| match self.not.as_deref() {
            Some([candidate, automation]) => offline.why_not(&config, candidate, automation),
            _ => offline.why(&config, &message),
        };
        let answer = ask_or_read(&config, &path, &[], read).await?;
        self.form.print(answer, |page| show(page, &config.organisation.timezone))
    }
}

fn show(page: &Page<Reason>, zone: &TimeZone) -> std::io::Result<()> {
    let mut table = screen::table(["at", "what"]);
    for row in &page.data {
        let at = if row.at.is_some() { local(row.at, zone) } else { "now".to_owned() };
        table.add_row([Cell::new(at), Cell::new(screen::plain(&row.what))]);
    }
    screen::show(&mut table, 1)
}

//! `fulcrum hold`: keeps everything of a person, whoever wants it gone.

use std::path::Path;

use anyhow::bail;
use clap::{ArgGroup, Args};
use comfy_table::Cell;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, json};

use super::control::Control;
use super::offline::{Offline, ask_or_read};
use super::shapes::Page;
use super::{Form, Outcome, screen};

/// Keep everything of a person (a legal hold), release that, or list what is kept
///
/// While a hold lasts nothing of the person is erased: not by command, not by age, and not since Lever
/// deletes or anonymises them; to whom it does nothing leaves any more. On its release Lever is asked again, and what is to go goes. It is about the
/// opportunities that the person has now; a new one is held by another hold.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").args(["opportunity", "contact", "number"]))]
#[command(after_help = "Examples:
  fulcrum hold
  fulcrum hold --opportunity 250d8f03-738a-4bba-a671-8a3d73477145 --reason 'case 24-117'
  fulcrum hold --opportunity 250d8f03-738a-4bba-a671-8a3d73477145 --release")]
pub(super) struct Hold {
    /// The person behind this opportunity, with all their others
    #[arg(long, value_name = "ID")]
    opportunity: Option<String>,
    /// The person with this contact
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Everybody with this number; one that leads to nobody in Lever is attached to an opportunity first
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    number: Option<String>,
    /// Why, such as the number of the case
    #[arg(long, value_name = "WORDS", requires = "whom", conflicts_with = "release")]
    reason: Option<String>,
    /// Release the hold
    #[arg(long, requires = "whom")]
    release: bool,
    #[command(flatten)]
    form: Form,
}

#[derive(Deserialize)]
struct Held {
    opportunity: String,
    since: Timestamp,
    by: String,
    reason: String,
    deleted: bool,
}

#[derive(Deserialize)]
struct Done {
    opportunities: u64,
}

impl Hold {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let named = [("opportunity", self.opportunity), ("contact", self.contact), ("number", self.number)];
        let mut request: Map<_, _> = Map::new();
        for (name, value) in named {
            request.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        if request.is_empty() {
            let answer = ask_or_read(&control, config, "/api/v1/holds", &[], Offline::holds).await?;
            return self.form.print(answer, show);
        }
        if self.reason.is_none() && !self.release {
            bail!("a hold wants a reason, such as --reason 'case 24-117'; --release ends one");
        }
        request.insert("release".to_owned(), json!(self.release));
        request.extend(self.reason.map(|reason| ("reason".to_owned(), json!(reason))));
        let word = if self.release { "released" } else { "held" };
        let answer = control.post("/api/v1/holds", &request.into()).await?;
        self.form.print(answer, |done: &Done| {
            let count = screen::several(done.opportunities, "opportunity", "opportunities");
            screen::line(format_args!("{word}: {count}"))
        })
    }
}

fn show(holds: &Page<Held>) -> std::io::Result<()> {
    if holds.data.is_empty() {
        return screen::note("nothing is held");
    }
    let mut table = screen::table(["opportunity", "since", "by", "in Lever", "why"]);
    for hold in &holds.data {
        let since = format!("{:.0}", hold.since);
        let lever = if hold.deleted { "deleted" } else { "-" };
        let reason = screen::plain(&hold.reason);
        table.add_row([&hold.opportunity, &since, &hold.by, lever, &reason].map(Cell::new));
    }
    screen::show(&mut table, 4)
}

//! `fulcrum conversations`: the threads, the newest first.

use std::path::Path;

use clap::Args;
use comfy_table::Cell;
use fulcrum_domain::ConversationId;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::control::Control;
use super::offline::{Offline, ask_or_read};
use super::shapes::{Conversation, Page};
use super::{Form, Outcome, screen};

/// List conversations, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum conversations --limit 20
  fulcrum conversations --json | jq -r '.data[] | select(.opted_out) | .number'")]
pub(super) struct Conversations {
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    form: Form,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(super) struct Paging {
    /// How many at most, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Where the page before ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Paging {
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let limit = ("limit", self.limit.to_string());
        std::iter::once(limit).chain(self.cursor.clone().map(|cursor| ("cursor", cursor))).collect()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.into()
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Tells how to see the rest.
    pub(super) fn rest(next: Option<&str>) -> std::io::Result<()> {
        next.map_or(Ok(()), |next| screen::note(format_args!("there is more: --cursor {next}")))
    }
}

impl Conversations {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let read = |offline: &Offline| offline.conversations(&self.paging);
        let answer =
            ask_or_read(&control, config, "/api/v1/conversations", &self.paging.query(), read).await?;
        self.form.print(answer, |page| show(page, control.timezone()))
    }
}

fn show(page: &Page<Conversation>, zone: &TimeZone) -> std::io::Result<()> {
    if page.data.is_empty() {
        return screen::note("no conversations: nobody was texted yet, and nobody wrote");
    }
    let mut table = screen::table(["id", "number", "last text", "files at", "name", ""]);
    for row in &page.data {
        let opted_out = match (row.opted_out, row.possible_opt_out) {
            (true, _) => screen::word("opted out", screen::Mood::Bad),
            (false, Some(_)) => screen::word("may have opted out", screen::Mood::Doubtful),
            (false, None) => Cell::new(""),
        };
        table.add_row([
            Cell::new(&row.id),
            Cell::new(&row.number),
            Cell::new(local(row.last_message_at, zone)),
            Cell::new(local(row.files_at, zone)),
            Cell::new(row.name.as_deref().map_or_else(|| "not known".to_owned(), screen::plain)),
            opted_out,
        ]);
    }
    screen::show(&mut table, 4)?;
    Paging::rest(page.next.as_deref())
}

/// The id of a conversation, as an argument.
pub(super) fn id(text: &str) -> Result<ConversationId, &'static str> {
    text.parse().map_err(|_| "`fulcrum conversations` lists the ids, such as 7K3QX")
}

/// A time as people of the organisation read it.
pub(super) fn local(at: Option<Timestamp>, zone: &TimeZone) -> String {
    at.map(|at| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

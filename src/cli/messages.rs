//! `fulcrum messages`: what was said in a conversation.

use std::path::Path;

use clap::Args;
use comfy_table::Cell;
use fulcrum_domain::ConversationId;
use jiff::tz::TimeZone;

use super::control::Control;
use super::conversations::{self, Paging, local};
use super::offline::{Offline, ask_or_read};
use super::screen::Mood;
use super::shapes::{File, Message, Page};
use super::{Form, Outcome, screen};

/// Show the messages of a conversation, in order
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum messages 7K3QX --limit 200")]
pub(super) struct Messages {
    /// The conversation, as `fulcrum conversations` lists it
    #[arg(value_name = "ID", value_parser = conversations::id)]
    conversation: ConversationId,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    form: Form,
}

impl Messages {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        let read = |offline: &Offline| offline.messages(self.conversation, &self.paging);
        let answer = ask_or_read(&control, config, &path, &self.paging.query(), read).await?;
        self.form.print(answer, |page| show(page, control.timezone()))
    }
}

/// The words and what came with them.
fn words(row: &Message) -> String {
    let body = Some(screen::plain(&row.body)).filter(|body| !body.is_empty());
    body.into_iter().chain(row.files.iter().map(File::words)).collect::<Vec<_>>().join(" ")
}

fn show(page: &Page<Message>, zone: &TimeZone) -> std::io::Result<()> {
    let mut table = screen::table(["at", "", "text", "status"]);
    for row in &page.data {
        let mood = match row.status.as_str() {
            "failed" => Mood::Bad,
            "unconfirmed" | "cancelled" => Mood::Doubtful,
            _ => Mood::Good,
        };
        let status = match (&row.error, row.send_at) {
            (Some(error), _) => format!("{}: {error}", row.status),
            (None, Some(at)) => format!("{}: leaves at {}", row.status, local(Some(at), zone)),
            (None, None) => row.status.clone(),
        };
        let arrow = if row.direction == "in" { "<" } else { ">" };
        table.add_row([
            Cell::new(local(Some(row.at), zone)),
            Cell::new(arrow),
            Cell::new(words(row)),
            screen::word(status, mood),
        ]);
    }
    screen::show(&mut table, 2)?;
    Paging::rest(page.next.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_only_a_picture_says_so() {
        let row = serde_json::json!({
            "direction": "in", "body": "", "status": "received", "at": "2025-03-05T12:00:00Z", "error": null,
            "files": [{"media_type": "image/png", "bytes": 3072}, {"media_type": null, "bytes": null}],
        });
        assert_eq!(words(&serde_json::from_value(row).unwrap()), "[picture, 3.0 KiB] [file]");
    }
}

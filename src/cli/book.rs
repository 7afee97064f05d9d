//! `fulcrum book`: has a candidate choose the time of a meeting.

use std::path::Path;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::control::Control;
use super::{Form, Outcome, screen};

/// Have a candidate choose the time of a meeting
///
/// Prints a link with which they book, for you to send; whoever opens it acts for them. With --by-text
/// nothing has to be opened: the daemon texts them three times to choose from by a number.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum book 250d8f03-738a-4bba-a671-8a3d73477145 phone
  fulcrum book 250d8f03-738a-4bba-a671-8a3d73477145 phone --by-text")]
pub(super) struct Book {
    /// Lever's id of the opportunity
    #[arg(value_name = "OPPORTUNITY")]
    opportunity: String,
    /// The id of one of `event_types`
    #[arg(value_name = "EVENT_TYPE")]
    event_type: String,
    /// Text them three times to choose from
    #[arg(long)]
    by_text: bool,
    #[command(flatten)]
    form: Form,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

#[derive(Deserialize)]
struct Offered {
    conversation: String,
}

impl Book {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let path = |what| format!("/api/v1/opportunities/{}/{what}", self.opportunity);
        let wanted = json!({ "event_type": self.event_type });
        if self.by_text {
            let offered = control.post(&path("offer-times"), &wanted).await?;
            return self.form.print(offered, |offered: &Offered| {
                screen::line("the times leave as soon as the calendars are read")?;
                screen::line(format_args!("  to see them: fulcrum messages {}", offered.conversation))
            });
        }
        let link = control.post(&path("booking-link"), &wanted).await?;
        self.form.print(link, |link: &Link| screen::line(&link.url))
    }
}

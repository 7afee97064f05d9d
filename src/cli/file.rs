//! `fulcrum file`: files a conversation's transcript now.

use std::path::Path;

use clap::Args;
use fulcrum_domain::ConversationId;
use serde_json::json;

use super::control::Control;
use super::{Exit, Form, Outcome, conversations, screen};

/// File a conversation's transcript in Lever now
///
/// Otherwise it is filed by itself, an hour after the last text unless the config says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum file 7K3QX")]
pub(super) struct File {
    /// The conversation, as `fulcrum conversations` lists it
    #[arg(value_name = "ID", value_parser = conversations::id)]
    conversation: ConversationId,
    #[command(flatten)]
    form: Form,
}

impl File {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let path = format!("/api/v1/conversations/{}/file", self.conversation);
        let answer = control.post(&path, &json!({})).await?;
        if self.form.json {
            screen::json(&answer)?;
            return Ok(Exit::Done);
        }
        screen::line(match answer["transcripts"].as_u64() {
            Some(0) => "nothing to file: nothing was said since, or nobody is known for the number",
            _ => answer["waits_for"].as_str().unwrap_or("on its way to Lever"),
        })?;
        Ok(Exit::Done)
    }
}

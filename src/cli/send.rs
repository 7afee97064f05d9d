//! `fulcrum send`: texts a candidate.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, json};

use super::control::Control;
use super::shapes::Taken;
use super::{Form, Outcome, screen};

/// Longer ones are refused anyhow; a file that is piped in by mistake must not fill the memory.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Text a candidate
///
/// The text is read from standard input, so that it stands in no list of processes and in no
/// shell's history. Consent, opt-outs and hours are checked by the daemon, when the text is taken
/// and again when it leaves.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo 'See you at 10?' | fulcrum send --opportunity 250d8f03-738a-4bba-a671-8a3d73477145
  fulcrum send --to +13125550142 --as ana@acme.example < text.txt")]
#[command(group = clap::ArgGroup::new("recipient").required(true).multiple(true).args(["to", "opportunity"]))]
pub(super) struct Send {
    /// The telephone number; with --opportunity, which of that candidate's numbers
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    to: Option<String>,
    /// Lever's id of the opportunity
    #[arg(long, value_name = "ID")]
    opportunity: Option<String>,
    /// On behalf of this Lever user, by e-mail
    #[arg(long = "as", value_name = "EMAIL")]
    on_behalf_of: Option<String>,
    /// From this number of ours
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// Not before this time, such as 2025-03-04T09:00:00-05:00
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// The text; `-` or nothing reads standard input
    #[arg(value_name = "TEXT", default_value = "-", hide_default_value = true)]
    body: String,
    #[command(flatten)]
    form: Form,
}

impl Send {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let body = if self.body == "-" { read_body()? } else { self.body };
        let mut request = Map::from_iter([("body".to_owned(), json!(body))]);
        let optional = [
            ("to", self.to),
            ("opportunity", self.opportunity),
            ("as", self.on_behalf_of),
            ("from", self.from),
            ("send_at", self.at.map(|at| at.to_string())),
        ];
        for (name, value) in optional {
            request.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        let taken = control.post("/api/v1/messages", &request.into()).await?;
        self.form.print(taken, |taken| screen::line(told(taken, control.timezone())))
    }
}

/// What became of a text that was taken.
fn told(taken: &Taken, zone: &TimeZone) -> String {
    let Taken { id, conversation, .. } = taken;
    let way = format!("  to see its way: fulcrum messages {conversation}");
    let why = taken.waits_for.as_deref().unwrap_or_default();
    match taken.send_at {
        Some(at) => {
            let at = at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M %Z");
            format!("scheduled: {id}\n  it leaves at {at}: {why}\n{way}")
        }
        None if !why.is_empty() => format!("{}: {id}\n  it waits: {why}\n{way}", taken.status),
        None => format!("{}: {id}\n{way}", taken.status),
    }
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "a time with its zone is wanted, such as 2025-03-04T09:00:00-05:00")
}

fn read_body() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        screen::hint("write the text, then Ctrl-D on a line of its own; Ctrl-C sends nothing")?;
    }
    let mut body = String::new();
    io::stdin().lock().take(BODY_BYTES_MAX + 1).read_to_string(&mut body).context("reading the text")?;
    if body.len() as u64 > BODY_BYTES_MAX {
        bail!("the text is longer than any that can be sent");
    }
    // The newline that editors and `echo` add is no part of it.
    body.truncate(body.trim_end_matches(['\r', '\n']).len());
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_waits_says_until_when_and_for_what() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let told = |send_at: Option<&str>, waits_for: Option<&str>| {
            let taken = Taken {
                id: "01".to_owned(),
                conversation: "7K3QX".to_owned(),
                status: "queued".to_owned(),
                send_at: send_at.map(|at| at.parse().unwrap()),
                waits_for: waits_for.map(str::to_owned),
            };
            told(&taken, &zone)
        };
        let way = "\n  to see its way: fulcrum messages 7K3QX";
        assert_eq!(told(None, None), format!("queued: 01{way}"));
        let morning = told(Some("2025-03-05T13:03:00Z"), Some("quiet hours"));
        assert_eq!(morning, format!("scheduled: 01\n  it leaves at 2025-03-05 08:03 EST: quiet hours{way}"));
        assert_eq!(told(None, Some("muted")), format!("queued: 01\n  it waits: muted{way}"));
    }

    #[test]
    fn a_time_that_is_none_is_answered_with_one() {
        assert!(time("tomorrow").unwrap_err().contains("2025-03-04T09:00"));
        assert!(time("2025-03-04T09:00:00-05:00").is_ok());
    }
}

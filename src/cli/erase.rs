//! `fulcrum erase`: erases a person, or shows what would go.

use std::path::Path;

use clap::{ArgGroup, Args};
use comfy_table::Cell;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::control::Control;
use super::offline::{Offline, ask_or_read};
use super::screen::Mood;
use super::{Exit, Form, Outcome, screen};

/// Erase a person, or show what would go
///
/// Without --yes nothing is erased: it is told what would go. Texts, transcripts, activity and all that Lever
/// showed go from the file at once, and the file is written anew, so that not even unused bytes are left.
/// Notes in Lever are deleted where the API key may, and listed where a person must; the carrier's copies of
/// texts are deleted. An opt-out stays, as a keyed hash, and so does a certificate without data of the
/// person. What Lever itself has is not touched and is not taken in again. Backups that were made before
/// have the person until they are thrown away.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["opportunity", "contact", "number", "certificate"]))]
#[command(
    override_usage = "fulcrum erase [--yes] --opportunity ID | --contact ID | --number NUMBER\n       fulcrum erase --certificate ERASURE"
)]
#[command(after_help = "Examples:
  fulcrum erase --opportunity 250d8f03-738a-4bba-a671-8a3d73477145
  fulcrum erase --number +13125550142 --yes
  fulcrum erase --certificate 7 --json")]
pub(super) struct Erase {
    /// The person behind this opportunity, with all their others
    #[arg(long, value_name = "ID")]
    opportunity: Option<String>,
    /// The person with this contact
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Everybody with this number, and all that was said with it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    number: Option<String>,
    /// Erase nobody: show how far an earlier erasure is
    #[arg(long, value_name = "ERASURE")]
    certificate: Option<u64>,
    /// Do it
    #[arg(long, conflicts_with = "certificate")]
    yes: bool,
    #[command(flatten)]
    form: Form,
}

/// What is read of a certificate.
#[derive(Deserialize)]
struct Certificate {
    id: Option<u64>,
    at: Timestamp,
    by: String,
    cause: String,
    opportunities: Vec<String>,
    erased: Map<String, Value>,
    notes: Vec<Note>,
    copies: Copies,
    file_written_at: Option<String>,
    complete: bool,
}

#[derive(Deserialize)]
struct Note {
    state: String,
    why: Option<String>,
    link: String,
}

#[derive(Deserialize)]
struct Copies {
    asked: u64,
    gone: u64,
    unnamed: u64,
    kept: u64,
}

impl Erase {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let answer = match self.certificate {
            Some(id) => {
                let read = |offline: &Offline| offline.certificate(id);
                ask_or_read(&control, config, &format!("/api/v1/erasures/{id}"), &[], read).await?
            }
            None => {
                let mut request = Map::from_iter([("dry_run".to_owned(), json!(!self.yes))]);
                let named =
                    [("opportunity", self.opportunity), ("contact", self.contact), ("number", self.number)];
                for (name, value) in named {
                    request.extend(value.map(|value| (name.to_owned(), json!(value))));
                }
                control.post("/api/v1/erasures", &request.into()).await?
            }
        };
        self.form.print(answer, |certificate| show(certificate, control.timezone()))?;
        Ok(Exit::Done)
    }
}

fn show(certificate: &Certificate, zone: &TimeZone) -> std::io::Result<()> {
    match certificate.id {
        Some(id) => screen::line(format_args!("erasure {id}, {}", origin(certificate, zone)))?,
        None => screen::line("this would be erased; --yes does it")?,
    }
    let mut facts = screen::facts();
    for (what, rows) in &certificate.erased {
        facts.add_row([Cell::new(format!("  {what}")), Cell::new(screen::count(rows.as_u64().unwrap_or(0)))]);
    }
    facts.add_row([Cell::new("  carrier's copies"), Cell::new(copies(certificate))]);
    facts.add_row([Cell::new("  notes in Lever"), Cell::new(screen::count(certificate.notes.len() as u64))]);
    screen::show(&mut facts, 1)?;
    for id in &certificate.opportunities {
        screen::line(format_args!("  opportunity {id}"))?;
    }
    if certificate.id.is_none() {
        return Ok(());
    }
    let mut left = screen::facts();
    for note in certificate.notes.iter().filter(|note| note.state != "gone") {
        let why = note.why.as_deref().unwrap_or("it is being deleted");
        left.add_row([Cell::new(&note.link), screen::word(why, Mood::Doubtful)]);
    }
    if left.row_count() > 0 {
        screen::line("notes that are left in Lever:")?;
        screen::show(&mut left, 1)?;
    }
    if certificate.file_written_at.is_none() {
        screen::line("the file is being written anew")?;
    }
    let left = certificate.copies.kept + certificate.copies.unnamed;
    match certificate.complete {
        false => return screen::line("not complete yet"),
        true if left == 0 => screen::line("complete: nothing is left here, in Lever or at the carrier")?,
        true => {
            let count = screen::several(left, "copy of a text is", "copies of texts are");
            screen::line(format_args!("complete here and in Lever; {count} left at the carrier"))?;
        }
    }
    screen::line(
        "backups from before, and stores that a restore put aside, have the person until you delete them",
    )
}

/// When, why and by whose wish.
fn origin(certificate: &Certificate, zone: &TimeZone) -> String {
    let cause = match certificate.cause.as_str() {
        "deleted" => "deleted in Lever",
        "anonymised" => "anonymised in Lever",
        "command" => "asked for",
        "retention" => "kept for long enough",
        other => other,
    };
    let at = certificate.at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M %Z");
    format!("{at}: {cause}, by {}", screen::plain(&certificate.by))
}

fn copies(certificate: &Certificate) -> String {
    let Copies { asked, gone, unnamed, kept } = certificate.copies;
    let unnamed = if unnamed == 0 { String::new() } else { format!("; {unnamed} may be there unnamed") };
    let kept = if kept == 0 { String::new() } else { format!("; the carrier keeps {kept}: it deletes none") };
    match certificate.id {
        Some(_) => format!("{gone} of {asked} deleted{kept}{unnamed}"),
        None => format!("{asked}{unnamed}"),
    }
}

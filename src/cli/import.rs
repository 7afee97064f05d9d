//! `fulcrum import`: conversations from elsewhere, by a CSV.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use fulcrum_domain::Number;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::control::Control;
use super::{Exit, Form, Outcome, load, screen};
use crate::config::Config;

/// Rows in one request, and their words at most: what a request may hold is 64 KiB.
const ROWS: usize = 100;
const WORDS: usize = 24 * 1024;

/// Import conversations from elsewhere
///
/// The CSV has a line of names: number, direction (in or out), at (RFC 3339), body, and if you like author
/// and our_number. Import opt-outs first. All rows are checked before any is taken in; nothing is sent and no
/// note is filed for them, and rows that were imported before are passed over. An opt-out among the texts
/// counts as one.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  fulcrum import conversations.csv")]
pub(super) struct Import {
    /// The CSV, in UTF-8
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only check the rows
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    form: Form,
}

#[derive(Deserialize, Serialize)]
struct Row {
    number: String,
    direction: String,
    at: Timestamp,
    body: String,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    our_number: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
struct Taken {
    texts: u64,
    known: u64,
    opt_outs: u64,
}

impl Import {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let config = load(config)?;
        let mut rows = 0u64;
        for row in self.rows(&config)? {
            row?;
            rows += 1;
        }
        if self.check {
            screen::line(format_args!("{} rows, all good", screen::count(rows)))?;
            return Ok(Exit::Done);
        }
        let control = Control::new(&config)?;
        let (mut told, mut batch, mut words) = (Taken::default(), Vec::new(), 0);
        for row in self.rows(&config)? {
            let row = row?;
            if batch.len() == ROWS || words + row.body.len() > WORDS {
                told.add(&send(&control, &batch).await?);
                batch.clear();
                words = 0;
            }
            words += row.body.len();
            batch.push(row);
        }
        told.add(&send(&control, &batch).await?);
        if self.form.json {
            screen::json(&told)?;
        } else {
            let (texts, known) = (screen::count(told.texts), screen::count(told.known));
            screen::line(format_args!(
                "{texts} texts imported, {known} were here; {} opt-outs",
                told.opt_outs
            ))?;
        }
        Ok(Exit::Done)
    }

    /// The rows, each checked; what is wrong with one is told by its place. Its words are nobody's
    /// business, so what csv says of it stays away.
    fn rows(&self, config: &Config) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Row>>> {
        let (file, region) = (self.file.display().to_string(), config.organisation.region);
        let reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_path(&self.file);
        let rows = reader.with_context(|| file.clone())?.into_deserialize::<Row>();
        Ok(rows.zip(1u64..).map(move |(row, number)| {
            let row =
                row.map_err(|_| anyhow::anyhow!("number, direction, at (RFC 3339) and body are wanted"));
            row.and_then(|row| {
                if !matches!(row.direction.as_str(), "in" | "out") {
                    bail!("direction must be in or out");
                }
                Number::parse(&row.number, &region).context("number")?;
                Ok(row)
            })
            .with_context(|| format!("{file}, row {number}"))
        }))
    }
}

async fn send(control: &Control, rows: &[Row]) -> anyhow::Result<Taken> {
    if rows.is_empty() {
        return Ok(Taken::default());
    }
    let answer = control.post("/api/v1/imports", &json!({ "messages": rows })).await?;
    serde_json::from_value(answer).context("reading the daemon's answer")
}

impl Taken {
    fn add(&mut self, more: &Self) {
        self.texts += more.texts;
        self.known += more.known;
        self.opt_outs += more.opt_outs;
    }
}

//! `fulcrum import`: conversations from elsewhere, by a CSV.

use std::fs::File;
use std::io::Read;
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use fulcrum_domain::{Number, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::control::{Control, ControlError};
use super::{Exit, Form, Outcome, screen};
use crate::engine::clock::Clock;

/// Rows in one request, and their bytes in it: what a request may hold is 64 KiB.
const ROWS: usize = 100;
const BYTES: usize = 60 * 1024;

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

#[derive(Debug, Deserialize, Serialize)]
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
        let control = Control::new(config)?;
        let region = control.region()?;
        let mut rows = 0u64;
        for row in self.rows(region)? {
            row?;
            rows += 1;
        }
        if self.check {
            if self.form.json {
                screen::json(&json!({ "rows": rows }))?;
            } else {
                screen::line(format_args!("{} rows, all good", screen::count(rows)))?;
            }
            return Ok(Exit::Done);
        }
        let mut told = Taken::default();
        for batch in batches(self.rows(region)?) {
            let batch = batch?;
            let answer = control.post("/api/v1/imports", &json!({ "messages": batch.rows })).await;
            let answer = answer.map_err(|error| self.refused(error, &batch))?;
            told.add(&serde_json::from_value(answer).context("reading the daemon's answer")?);
        }
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

    /// The rows of the file.
    fn rows(&self, region: Region) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Row>>> {
        let name = self.file.display().to_string();
        let file = File::open(&self.file).with_context(|| name.clone())?;
        Ok(rows(file, name, region, Clock::System.now()))
    }

    /// What the daemon says of a batch, with the row of the file that it means.
    fn refused(&self, error: ControlError, batch: &Batch) -> anyhow::Error {
        let of_row = |reason: &str| {
            let (place, why) = reason.strip_prefix("number ")?.split_once(": ")?;
            let row = batch.before + place.parse::<u64>().ok()? + 1;
            Some(anyhow::anyhow!("{}, row {row}: {why}", self.file.display()))
        };
        let error = match &error {
            ControlError::Refused { reason, .. } => of_row(reason).unwrap_or_else(|| error.into()),
            _ => error.into(),
        };
        let told = format!("{} rows are in; begin again with the same file", screen::count(batch.before));
        if batch.before > 0 { error.context(told) } else { error }
    }
}

/// The rows of a CSV, each checked as the daemon will; what is wrong with one is told by its place. Its words
/// are nobody's business, so what csv says of it stays away.
fn rows(
    from: impl Read,
    name: String,
    region: Region,
    now: Timestamp,
) -> impl Iterator<Item = anyhow::Result<Row>> {
    let reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(from);
    reader.into_deserialize::<Row>().zip(1u64..).map(move |(row, number)| {
        let row = row.map_err(|_| anyhow::anyhow!("number, direction, at (RFC 3339) and body are wanted"));
        row.and_then(|row| {
            if !matches!(row.direction.as_str(), "in" | "out") {
                bail!("direction must be in or out");
            }
            Number::parse(&row.number, &region).context("number")?;
            row.our_number
                .as_deref()
                .map(|ours| Number::parse(ours, &region))
                .transpose()
                .context("our_number")?;
            if row.at > now {
                bail!("at lies ahead");
            }
            if row.bytes() > BYTES {
                bail!("it is longer than any text");
            }
            Ok(row)
        })
        .with_context(|| format!("{name}, row {number}"))
    })
}

/// The rows of one request.
#[derive(Debug, Default)]
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
    /// How many rows of the file come before.
    before: u64,
}

impl Batch {
    fn has_room_for(&self, row: &Row) -> bool {
        self.rows.len() < ROWS && self.bytes + row.bytes() <= BYTES
    }
}

/// Rows as they are sent.
fn batches(rows: impl Iterator<Item = anyhow::Result<Row>>) -> impl Iterator<Item = anyhow::Result<Batch>> {
    let (mut rows, mut before) = (rows.peekable(), 0);
    iter::from_fn(move || {
        let mut batch = Batch { before, ..Batch::default() };
        while let Some(row) = rows.next_if(|row| row.as_ref().map_or(true, |row| batch.has_room_for(row))) {
            match row {
                Ok(row) => {
                    batch.bytes += row.bytes();
                    batch.rows.push(row);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        before += batch.rows.len() as u64;
        (!batch.rows.is_empty()).then_some(Ok(batch))
    })
}

impl Row {
    /// What it takes in a request, with what stands between it and the next.
    fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len() + 1)
    }
}

impl Taken {
    fn add(&mut self, more: &Self) {
        self.texts += more.texts;
        self.known += more.known;
        self.opt_outs += more.opt_outs;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(file: &str) -> Vec<anyhow::Result<Row>> {
        let now = "2025-03-05T12:00:00Z".parse().unwrap();
        rows(file.as_bytes(), "talks.csv".to_owned(), "US".parse().unwrap(), now).collect()
    }

    const HEAD: &str = "number,direction,at,body,author,our_number";

    #[test]
    fn a_row_that_the_daemon_would_refuse_is_told_before_any_is_sent() {
        for (row, why) in [
            ("+12025550142,in,2025-03-05T12:00:00Z,Hi,,", None),
            ("+12025550142,out,2025-03-05T12:00:00Z,Hi,Priya,(202) 555-0100", None),
            ("+12025550142,up,2025-03-05T12:00:00Z,Hi,,", Some("direction")),
            ("none,in,2025-03-05T12:00:00Z,Hi,,", Some("number")),
            ("+12025550142,in,2025-03-05T12:00:00Z,Hi,,none", Some("our_number")),
            ("+12025550142,in,2025-03-05T12:00:01Z,Hi,,", Some("at lies ahead")),
            ("+12025550142,in,yesterday,Hi,,", Some("RFC 3339")),
            (&format!("+12025550142,in,2025-03-05T12:00:00Z,Hi,{},", "x".repeat(BYTES)), Some("longer")),
        ] {
            let file = format!("{HEAD}\n+12025550142,in,2025-03-05T12:00:00Z,Hi,,\n{row}\n");
            let told = read(&file).pop().unwrap().map(drop).map_err(|error| format!("{error:#}"));
            match why {
                None => assert_eq!(told, Ok(()), "{row}"),
                Some(why) => {
                    let told = told.unwrap_err();
                    assert!(told.starts_with("talks.csv, row 2: ") && told.contains(why), "{told}");
                }
            }
        }
    }

    #[test]
    fn what_the_daemon_refuses_is_told_by_its_row_in_the_file() {
        let import = Import { file: "talks.csv".into(), check: false, form: Form { json: false } };
        let refused = |before| {
            let status = reqwest::StatusCode::UNPROCESSABLE_ENTITY;
            let error = ControlError::Refused { status, reason: "number 37: at lies ahead".to_owned() };
            format!("{:#}", import.refused(error, &Batch { before, ..Batch::default() }))
        };
        assert_eq!(refused(0), "talks.csv, row 38: at lies ahead");
        let later = refused(100);
        assert!(later.ends_with("talks.csv, row 138: at lies ahead") && later.contains("100 rows are in"));
    }

    proptest! {
        #[test]
        fn every_row_goes_into_one_request_that_the_daemon_takes(
            rows in proptest::collection::vec(("[ -~\u{0}\u{1f600}\"]{0,60}", 0usize..3, 0usize..9000), 0..250),
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(HEAD.split(',')).unwrap();
            for (body, kind, long) in &rows {
                let odd = "\u{7}".repeat(*long);
                let author = ["", "Priya", &odd][*kind];
                let row = ["+12025550142", "in", "2025-03-05T12:00:00Z", body, author, ""];
                writer.write_record(row).unwrap();
            }
            let file = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let batches: Vec<Batch> = batches(read(&file).into_iter()).collect::<Result<_, _>>().unwrap();
            let mut sent = 0;
            for batch in &batches {
                prop_assert_eq!(batch.before, sent as u64);
                let request = serde_json::to_vec(&json!({ "messages": batch.rows })).unwrap();
                prop_assert!((1..=ROWS).contains(&batch.rows.len()) && request.len() <= 64 * 1024);
                for (row, (body, _, _)) in batch.rows.iter().zip(&rows[sent..]) {
                    prop_assert_eq!(&row.body, body);
                }
                sent += batch.rows.len();
            }
            prop_assert_eq!(sent, rows.len());
        }

        #[test]
        fn whatever_a_file_holds_its_rows_are_good_or_told_by_their_place(
            file in "(number|direction|at|body|,|\"|\r\n|\n|in|out|\\+1202555014[0-9]|2025-03-0[0-9]T00:00:00Z|\\PC){0,60}",
            head in any::<bool>(),
        ) {
            let file = if head { format!("{HEAD}\n{file}") } else { file };
            for (row, number) in read(&file).into_iter().zip(1..) {
                match row {
                    Ok(row) => prop_assert!(matches!(row.direction.as_str(), "in" | "out")),
                    Err(error) => {
                        let told = format!("talks.csv, row {number}");
                        prop_assert_eq!(error.to_string(), told);
                    }
                }
            }
        }
    }
}

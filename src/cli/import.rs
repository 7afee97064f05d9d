//! `fulcrum import`: conversations from elsewhere, by a CSV.

use std::fs::File;
use std::io::{BufReader, Read};
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
use crate::engine::Lines;
use crate::engine::clock::Clock;

/// Rows in one request, and their bytes in it: what a request may hold is 64 KiB.
const ROWS: usize = 100;
const BYTES: usize = 60 * 1024;

/// Import conversations from elsewhere
///
/// The CSV has a line of names: number, direction (in or out), at (RFC 3339), body, and if you like author
/// and our_number. Import opt-outs first. All rows are checked before any is taken in, and all bad ones are told
/// with their line; nothing is sent and no note is filed for them, and rows that were imported before are passed
/// over. An opt-out among the texts counts as one.
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
    /// The byte of the file at which it begins.
    #[serde(skip)]
    begins: u64,
}

/// A row that cannot be taken in.
#[derive(Debug, PartialEq, Eq)]
struct Bad {
    begins: u64,
    why: String,
}

/// The same, as it is told.
#[derive(Debug, Serialize)]
struct Told {
    line: u64,
    reason: String,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
struct Taken {
    texts: u64,
    known: u64,
    opt_outs: u64,
    possible_opt_outs: u64,
}

impl Import {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let region = control.region()?;
        let (rows, bad) = self.checked(region)?;
        if self.check || !bad.is_empty() {
            if self.form.json {
                screen::json(&json!({ "rows": rows, "bad": bad }))?;
            } else if bad.is_empty() {
                screen::line(format_args!("{} rows, all good", screen::count(rows)))?;
            } else {
                let (rows, bad) = (screen::count(rows), screen::count(bad.len() as u64));
                screen::line(format_args!(
                    "{rows} good, {bad} bad; nothing is imported: mend those or take them out, and begin again"
                ))?;
            }
            return Ok(if bad.is_empty() { Exit::Done } else { Exit::Bad });
        }
        let mut told = Taken::default();
        for batch in batches(self.rows(region)?) {
            let batch = batch?.map_err(|bad| self.changed(&bad))?;
            let answer = control.post("/api/v1/imports", &json!({ "messages": batch.rows })).await;
            let answer = answer.map_err(|error| self.refused(error, &batch))?;
            told.add(&serde_json::from_value(answer).context("reading the daemon's answer")?);
        }
        if self.form.json {
            screen::json(&told)?;
        } else {
            let (texts, known) = (screen::count(told.texts), screen::count(told.known));
            let opt_outs = told.opt_outs;
            screen::line(format_args!("{texts} texts imported, {known} were here; {opt_outs} opt-outs"))?;
            if told.possible_opt_outs > 0 {
                let count = screen::several(told.possible_opt_outs, "number", "numbers");
                screen::line(format_args!(
                    "{count} may have opted out: people are asked in the inbox, and who is not decided about in 24 hours has"
                ))?;
            }
        }
        Ok(Exit::Done)
    }

    /// How many rows are good, and which are not. Those are told as they are found, to people.
    fn checked(&self, region: Region) -> anyhow::Result<(u64, Vec<Told>)> {
        let mut lines = self.lines()?;
        let (mut good, mut bad) = (0, Vec::new());
        for row in self.rows(region)? {
            match row? {
                Ok(_) => good += 1,
                Err(Bad { begins, why }) => {
                    let line = lines.of(begins)?;
                    if !self.form.json {
                        screen::note(format_args!("line {line}: {why}"))?;
                    }
                    bad.push(Told { line, reason: why });
                }
            }
        }
        Ok((good, bad))
    }

    fn open(&self) -> anyhow::Result<File> {
        File::open(&self.file).with_context(|| self.file.display().to_string())
    }

    fn lines(&self) -> anyhow::Result<Lines<BufReader<File>>> {
        Ok(Lines::new(BufReader::new(self.open()?)))
    }

    /// The rows of the file.
    fn rows(&self, region: Region) -> anyhow::Result<impl Iterator<Item = csv::Result<Result<Row, Bad>>>> {
        let rows = rows(self.open()?, region, Clock::System.now());
        rows.with_context(|| self.file.display().to_string())
    }

    /// A row, as it is told beside others' words.
    fn place(&self, begins: u64) -> String {
        match self.lines().and_then(|mut lines| Ok(lines.of(begins)?)) {
            Ok(line) => format!("{}, line {line}", self.file.display()),
            Err(_) => self.file.display().to_string(),
        }
    }

    /// The file was another when it was checked.
    fn changed(&self, bad: &Bad) -> anyhow::Error {
        anyhow::anyhow!("{}: {}", self.place(bad.begins), bad.why)
    }

    /// What the daemon says of a batch, with the line of the file that it means.
    fn refused(&self, error: ControlError, batch: &Batch) -> anyhow::Error {
        let of_row = |reason: &str| {
            let (place, why) = reason.strip_prefix("number ")?.split_once(": ")?;
            let row = batch.rows.get(place.parse::<usize>().ok()?)?;
            Some(anyhow::anyhow!("{}: {why}", self.place(row.begins)))
        };
        let error = match &error {
            ControlError::Refused { reason, .. } => of_row(reason).unwrap_or_else(|| error.into()),
            _ => error.into(),
        };
        let told = format!("{} rows are in; begin again with the same file", screen::count(batch.before));
        if batch.before > 0 { error.context(told) } else { error }
    }
}

/// The rows of a CSV, each checked as the daemon will, good or bad. Their words are nobody's business, so what
/// csv says of a row stays away. An error is one of reading the file, and the end.
fn rows(
    from: impl Read,
    region: Region,
    now: Timestamp,
) -> anyhow::Result<impl Iterator<Item = csv::Result<Result<Row, Bad>>>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(from);
    let heads = reader.headers().context("reading the first line")?;
    let names: csv::StringRecord = heads.iter().map(str::to_lowercase).collect();
    for wanted in ["number", "direction", "at", "body"] {
        if !names.iter().any(|name| name == wanted) {
            bail!("the first line names no column `{wanted}`: {COMMAS}");
        }
    }
    let mut records = reader.into_records();
    Ok(iter::from_fn(move || {
        let record = match records.next()? {
            Ok(record) => record,
            Err(error) if error.is_io_error() => return Some(Err(error)),
            Err(error) => {
                let why = match error.kind() {
                    csv::ErrorKind::UnequalLengths { .. } => {
                        "it has more or fewer fields than the first line"
                    }
                    _ => "it is not UTF-8",
                };
                let begins = error.position().map_or(0, csv::Position::byte);
                return Some(Ok(Err(Bad { begins, why: why.to_owned() })));
            }
        };
        let begins = record.position().map_or(0, csv::Position::byte);
        // All others are texts.
        let row = record.deserialize(Some(&names)).context("at is no RFC 3339, such as 2025-03-05T12:00:00Z");
        let row = row.map_err(|error| error.to_string()).and_then(|row| {
            let row = Row { begins, ..row };
            row.check(&region, now).map(|()| row).map_err(|error| format!("{error:#}"))
        });
        Some(Ok(row.map_err(|why| Bad { begins, why })))
    }))
}

/// What a first line is to be like. Its own words may be somebody's, where it names no columns.
pub(super) const COMMAS: &str = "it has the names of the columns, with commas between them";

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

/// Rows as they are sent, up to the first bad one.
fn batches(
    rows: impl Iterator<Item = csv::Result<Result<Row, Bad>>>,
) -> impl Iterator<Item = csv::Result<Result<Batch, Bad>>> {
    let (mut rows, mut before) = (rows.peekable(), 0);
    iter::from_fn(move || {
        let mut batch = Batch { before, ..Batch::default() };
        let fits = |batch: &Batch, row: &csv::Result<Result<Row, Bad>>| match row {
            Ok(Ok(row)) => batch.has_room_for(row),
            _ => true,
        };
        while let Some(row) = rows.next_if(|row| fits(&batch, row)) {
            match row {
                Ok(Ok(row)) => {
                    batch.bytes += row.bytes();
                    batch.rows.push(row);
                }
                Ok(Err(bad)) => return Some(Ok(Err(bad))),
                Err(error) => return Some(Err(error)),
            }
        }
        before += batch.rows.len() as u64;
        (!batch.rows.is_empty()).then_some(Ok(Ok(batch)))
    })
}

impl Row {
    /// What it takes in a request, with what stands between it and the next.
    fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len() + 1)
    }

    fn check(&self, region: &Region, now: Timestamp) -> anyhow::Result<()> {
        if !matches!(self.direction.as_str(), "in" | "out") {
            bail!("direction must be in or out");
        }
        Number::parse(&self.number, region).context("number")?;
        let ours = self.our_number.as_deref().map(|ours| Number::parse(ours, region));
        ours.transpose().context("our_number")?;
        if self.at > now {
            bail!("at lies ahead");
        }
        if self.bytes() > BYTES {
            bail!("it is longer than any text");
        }
        Ok(())
    }
}

impl Taken {
    fn add(&mut self, more: &Self) {
        self.texts += more.texts;
        self.known += more.known;
        self.opt_outs += more.opt_outs;
        self.possible_opt_outs += more.possible_opt_outs;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(file: &str) -> Vec<Result<Row, Bad>> {
        let now = "2025-03-05T12:00:00Z".parse().unwrap();
        let rows = rows(file.as_bytes(), "US".parse().unwrap(), now).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
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
            ("+12025550142,in,2025-03-05T12:00:00Z,Hi,", Some("fewer fields")),
            (&format!("+12025550142,in,2025-03-05T12:00:00Z,Hi,{},", "x".repeat(BYTES)), Some("longer")),
        ] {
            let file = format!("{HEAD}\n+12025550142,in,2025-03-05T12:00:00Z,Hi,,\n{row}\n");
            let told = read(&file).pop().unwrap().map(drop).map_err(|bad| bad.why);
            match why {
                None => assert_eq!(told, Ok(()), "{row}"),
                Some(why) => assert!(told.clone().unwrap_err().contains(why), "{told:?}"),
            }
        }
    }

    fn import(folder: &tempfile::TempDir, file: impl AsRef<[u8]>) -> Import {
        let path = folder.path().join("talks.csv");
        std::fs::write(&path, file).unwrap();
        Import { file: path, check: false, form: Form { json: true } }
    }

    #[test]
    fn all_bad_rows_are_told_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let good = "+12025550142,in,2025-03-05T12:00:00Z,\"two\r\nlines\",,";
        let file = format!(
            "\u{feff}{HEAD}\r\n{good}\r\nnone,in,2025-03-05T12:00:00Z,Hi,,\r\n\r\n{good}\r\n\
             +12025550142,up,2025-03-05T12:00:00Z,Hi,,\r\n{good}\r\nHi\r\n"
        );
        let mut file = file.into_bytes();
        file.extend(b"+12025550142,in,2025-03-05T12:00:00Z,\xff,,\r\n");
        let region = "US".parse().unwrap();
        let (rows, bad) = import(&folder, file).checked(region).unwrap();
        let told: Vec<String> = bad.iter().map(|bad| format!("{}: {}", bad.line, bad.reason)).collect();
        assert_eq!(rows, 3);
        assert!(told[0].starts_with("4: number"), "{told:?}");
        assert_eq!(told[1], "8: direction must be in or out");
        assert!(
            told[2].starts_with("11: it has more or fewer") && told[3] == "12: it is not UTF-8",
            "{told:?}"
        );
        assert_eq!(told.len(), 4);
        for (file, why) in [("number,at,body\n", "`direction`"), ("", "`number`")] {
            let error = import(&folder, file).checked(region).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }

    #[test]
    fn the_names_of_columns_are_read_however_they_are_written() {
        let rows = read("Number, Direction,AT,Body\n+12025550142,in,2025-03-05T12:00:00Z,Hi\n");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].as_ref().unwrap().body, "Hi");
    }

    #[test]
    fn what_the_daemon_refuses_is_told_by_its_line_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let row = "+12025550142,in,2025-03-05T12:00:00Z,Hi,,\n";
        let file = format!("{HEAD}\n{}", row.repeat(150));
        let import = import(&folder, &file);
        let refused = |before| {
            let status = reqwest::StatusCode::UNPROCESSABLE_ENTITY;
            let error = ControlError::Refused { status, reason: "number 37: at lies ahead".to_owned() };
            let rows = read(&file).into_iter().skip(before).take(ROWS).map(Result::unwrap).collect();
            format!("{:#}", import.refused(error, &Batch { rows, before: before as u64, bytes: 0 }))
        };
        assert!(refused(0).ends_with("talks.csv, line 39: at lies ahead"), "{}", refused(0));
        let later = refused(100);
        assert!(later.ends_with("talks.csv, line 139: at lies ahead") && later.contains("100 rows are in"));
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
            let batches: Vec<Batch> =
                batches(read(&file).into_iter().map(Ok)).map(|batch| batch.unwrap().unwrap()).collect();
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
        ) {
            let file = format!("{HEAD}\n{file}");
            let lines = 1 + file.matches('\n').count() as u64;
            let (mut counted, mut last) = (Lines::new(file.as_bytes()), 1);
            for row in read(&file) {
                let begins = match row {
                    Ok(row) => {
                        prop_assert!(matches!(row.direction.as_str(), "in" | "out"));
                        row.begins
                    }
                    Err(bad) => bad.begins,
                };
                let line = counted.of(begins).unwrap();
                prop_assert!((last..=lines).contains(&line), "{line} of {lines}, after {last}");
                last = line;
            }
        }
    }
}

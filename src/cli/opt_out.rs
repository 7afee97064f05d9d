//! `fulcrum opt-out` and `fulcrum opt-outs import`: wishes to get no texts that reached us by other ways
//! than a text (carriers.md 5.2: any reasonable means counts).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use csv::{ByteRecord, ReaderBuilder};
use fulcrum_domain::{Number, Region};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::control::{Control, ControlError};
use super::import::COMMAS;
use super::{Exit, Form, Outcome, screen};
use crate::engine::Lines;
use crate::engine::clock::Clock;

/// Record that a number wants no texts
///
/// For what was said on the telephone, in an e-mail, to somebody in person. It holds at once and for
/// everything, whether or not the number is known.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  fulcrum opt-out +13125550142 --reason 'called the office' --on 2025-03-04")]
pub(super) struct OptOut {
    /// The telephone number
    #[arg(value_name = "NUMBER", allow_hyphen_values = true)]
    number: String,
    /// How that is known
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// The day on which they said so; today if not given
    #[arg(long, value_name = "DATE", value_parser = day)]
    on: Option<Date>,
    #[command(flatten)]
    form: Form,
}

fn reason(text: &str) -> Result<String, &'static str> {
    let said = !text.trim().is_empty();
    said.then(|| text.to_owned()).ok_or("say how that is known, such as 'called the office'")
}

fn day(text: &str) -> Result<Date, &'static str> {
    text.parse().map_err(|_| "a day is wanted, such as 2025-03-04")
}

impl OptOut {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let answer = record(&control, &self.number, &self.reason, self.on).await?;
        self.form.print(answer, |_: &Value| screen::line("recorded: nothing is sent to this number any more"))
    }
}

async fn record(
    control: &Control,
    number: &str,
    reason: &str,
    on: Option<Date>,
) -> Result<Value, ControlError> {
    let wish = json!({ "number": number, "reason": reason, "on": on });
    control.post("/api/v1/opt-outs", &wish).await
}

/// Record many such wishes from a file
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  fulcrum opt-outs import list.csv          shows which rows are bad
  fulcrum opt-outs import list.csv --yes"
)]
pub(super) struct OptOuts {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Import(Import),
}

/// Record the rows of a CSV file
///
/// Its first line names the columns: `number`, and if there are such, `reason` and `date` (2025-03-04,
/// the day on which they said so). A row without a reason wants --reason. Nothing is recorded without --yes. Bad rows are told with their line
/// and are passed over; the good ones are not lost. Recording one twice changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  fulcrum opt-outs import list.csv --reason 'list of the old system' --yes"
)]
struct Import {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How it is known of rows that do not say it themselves
    #[arg(long, value_name = "TEXT", value_parser = self::reason)]
    reason: Option<String>,
    /// Record them
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    form: Form,
}

impl OptOuts {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let What::Import(import) = self.what;
        import.carry_out(config).await
    }
}

impl Import {
    async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let bytes = fs::read(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        let today = control.timezone().to_datetime(Clock::System.now()).date();
        let region = control.region()?;
        let (good, mut bad) = read(&bytes, self.reason.as_deref(), &region, today)?;
        let mut recorded = 0;
        for row in good.iter().filter(|_| self.yes) {
            match record(&control, &row.number.to_string(), &row.reason, row.on).await {
                Ok(_) => recorded += 1,
                Err(ControlError::Refused { status, reason }) if status.is_client_error() => {
                    bad.push(Bad { line: row.line, why: reason });
                }
                Err(error) => {
                    let left = format!(
                        "{recorded} of {} recorded; begin again with the same file",
                        screen::several(good.len() as u64, "row is", "rows are")
                    );
                    return Err(anyhow::Error::new(error).context(left));
                }
            }
        }
        if self.form.json {
            screen::json(&json!({ "good": good.len(), "recorded": recorded, "bad": bad }))?;
            return Ok(if bad.is_empty() { Exit::Done } else { Exit::Bad });
        }
        for Bad { line, why } in &bad {
            screen::note(format_args!("line {line}: {why}"))?;
        }
        screen::line(if self.yes {
            format!("{recorded} recorded, {} bad", bad.len())
        } else {
            format!(
                "{} good, {} bad; nothing is recorded yet: --yes records the good ones",
                good.len(),
                bad.len()
            )
        })?;
        Ok(if bad.is_empty() { Exit::Done } else { Exit::Bad })
    }
}

/// A row that can be recorded.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: u64,
    number: Number,
    reason: String,
    on: Option<Date>,
}

/// A row that cannot.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Bad {
    line: u64,
    #[serde(rename = "reason")]
    why: String,
}

/// The rows of a file, good and bad.
fn read(
    bytes: &[u8],
    reason: Option<&str>,
    region: &Region,
    today: Date,
) -> anyhow::Result<(Vec<Row>, Vec<Bad>)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let heads = reader.byte_headers().context("reading the first line")?.clone();
    let column = |names: &[&str]| {
        heads.iter().position(|head| names.contains(&String::from_utf8_lossy(head).to_lowercase().as_str()))
    };
    let [number, because, on] = [column(&["number", "phone"]), column(&["reason"]), column(&["date", "on"])];
    let Some(number) = number else { bail!("the first line names no column `number`: {COMMAS}") };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut record = ByteRecord::new();
    let mut lines = Lines::new(bytes);
    while reader.read_byte_record(&mut record)? {
        let line = lines.of(record.position().map_or(0, csv::Position::byte))?;
        let field = |column: Option<usize>| {
            let text = column.and_then(|column| record.get(column)).map(String::from_utf8_lossy);
            text.filter(|text| !text.is_empty())
        };
        let row = || {
            let number = Number::parse(&field(Some(number)).ok_or("there is no number")?, region)
                .map_err(|error| error.to_string())?;
            let reason = field(because)
                .or(reason.map(Into::into))
                .ok_or("there is no reason; --reason gives one to all such rows")?
                .into_owned();
            let on = field(on).map(|day| day.parse::<Date>()).transpose();
            let on = on.ok().filter(|day| day.is_none_or(|day| day <= today));
            let on = on.ok_or("the date is none up to today, such as 2025-03-04")?;
            Ok::<_, String>(Row { line, number, reason, on })
        };
        match row() {
            Ok(row) => good.push(row),
            Err(why) => bad.push(Bad { line, why }),
        }
    }
    Ok((good, bad))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, reason: Option<&str>) -> anyhow::Result<(Vec<Row>, Vec<Bad>)> {
        read(text.as_bytes(), reason, &"US".parse().unwrap(), date(2025, 3, 5))
    }

    #[test]
    fn bad_rows_are_told_with_their_line_and_the_good_ones_stay() {
        let file = "\u{feff}Date,Number,Reason\r\n2025-03-04,(202) 555-0142,\"called,\ntwice\"\r\n\
                    ,+1 202 555 0143,\n\n,none,e-mail\n2025-03-06,+12025550144,letter\n,,\n2025-03-05,+12025550145,letter,more\n";
        let (good, bad) = check(file, None).unwrap();
        let number = |text| Number::from_e164(text).unwrap();
        let (first, last) = (&good[0], &good[1]);
        assert_eq!((first.line, first.number, first.on), (2, number("+12025550142"), Some(date(2025, 3, 4))));
        assert_eq!(first.reason, "called,\ntwice");
        assert_eq!((last.number, good.len()), (number("+12025550145"), 2));
        let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [4, 6, 7, 8]);
        assert!(bad[0].why.contains("--reason") && bad[2].why.contains("date"), "{bad:?}");
    }

    #[test]
    fn what_is_no_reason_or_no_day_is_answered_with_one() {
        assert!(reason(" ").unwrap_err().contains("called the office"));
        assert!(day("04.03.2025").unwrap_err().contains("2025-03-04"));
        assert_eq!(day("2025-03-04"), Ok(date(2025, 3, 4)));
    }

    #[test]
    fn one_reason_may_hold_for_all() {
        let (good, bad) = check("phone\n+12025550142\n", Some("the old list")).unwrap();
        assert_eq!((good[0].reason.as_str(), good[0].on, bad.len()), ("the old list", None, 0));
    }

    #[test]
    fn a_file_without_numbers_is_refused_as_a_whole() {
        assert!(check("name,reason\nDana,called\n", None).is_err());
        assert!(check("", None).is_err());
    }

    proptest! {
        #[test]
        fn every_row_of_any_file_is_good_or_told_with_its_line(
            file in "(number|reason|date|,|\"|\"\"|\r\n|\n|\r|\\+1202555014[0-9]|2025-03-0[0-9]|[a-z]{1,5}|\u{feff}|\\PC){0,40}",
            head in any::<bool>(),
        ) {
            let file = if head { format!("number,reason,date\n{file}") } else { file };
            let lines = 1 + file.matches('\n').count() as u64;
            if let Ok((good, bad)) = check(&file, None) {
                prop_assert!(good.iter().map(|row| row.line).is_sorted() && bad.iter().map(|row| row.line).is_sorted());
                prop_assert!(good.iter().all(|row| (2..=lines).contains(&row.line) && !row.reason.is_empty()), "{:?}", file);
                prop_assert!(good.iter().all(|row| row.on.is_none_or(|on| on <= date(2025, 3, 5))));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, Some("a list"), &"US".parse().unwrap(), date(2025, 3, 5));
        }
    }
}

//! `fulcrum export`: everything as lines of JSON, or all of one person as a ZIP.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{ArgGroup, Args};
use fulcrum_domain::{Number, Whom};
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Exit, Form, Outcome, load, screen, wiring};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::engine::{ExportError, export_all, export_files, export_person, export_talk};
use crate::store::{ReadOnly, Snapshot};

/// Export everything, or all of one person
///
/// Everything is written as lines of JSON, one a row, as docs/export.md describes them. A person, by
/// opportunity, contact or number, is a ZIP of the same lines, of what was said, to be read by people, and of the files that came: it
/// is what somebody who asks for their data is given. The daemon may run.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").args(["opportunity", "contact", "number"]))]
#[command(after_help = "Examples:
  fulcrum export everything.jsonl
  fulcrum export - | zstd > everything.jsonl.zst
  fulcrum export --number +13125550142 person.zip")]
pub(super) struct Export {
    /// The file to make; `-` is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only the person behind this opportunity
    #[arg(long, value_name = "ID")]
    opportunity: Option<String>,
    /// Only the person with this contact
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Only whoever has this number, and all that was said with it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    number: Option<String>,
    #[command(flatten)]
    form: Form,
}

impl Export {
    pub(super) fn carry_out(self, config: &Path) -> Outcome {
        let config = load(config)?;
        let whom = self.whom(&config)?;
        let path = &config.store.path;
        let store = ReadOnly::open_with(path, wiring::seal_keys(&config)?)
            .with_context(|| format!("opening {}", path.display()))?;
        if self.file == Path::new("-") {
            if whom.is_some() {
                bail!("a person is exported into a file: name one");
            }
            let out = BufWriter::new(io::stdout().lock());
            store.read(|snapshot| export_all(snapshot, Clock::System.now(), out)).map_err(plain)?;
            return Ok(Exit::Done);
        }
        let about = || self.file.display().to_string();
        let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.file);
        let file = made.map_err(taken).with_context(about)?;
        let written = store.read(|snapshot| match &whom {
            None => Ok(export_all(snapshot, Clock::System.now(), BufWriter::new(&file)).map_err(plain)?),
            Some(whom) => zip(snapshot, whom, &file),
        });
        match written.and_then(|lines| Ok(file.sync_all().map(|()| lines)?)) {
            Ok(lines) if self.form.json => {
                screen::json(&json!({ "file": about(), "lines": lines }))?;
                Ok(Exit::Done)
            }
            Ok(lines) => {
                let lines = screen::several(lines, "line", "lines");
                screen::line(format_args!("{}: {lines}", self.file.display()))?;
                Ok(Exit::Done)
            }
            Err(error) => {
                // Half an export would pass for a whole one.
                let _ = fs::remove_file(&self.file);
                Err(error.context(about()))
            }
        }
    }

    fn whom(&self, config: &Config) -> anyhow::Result<Option<Whom>> {
        let number = self.number.as_deref().map(|text| Number::parse(text, &config.organisation.region));
        let contact = self.contact.as_deref().map(str::parse);
        let opportunity = self.opportunity.as_deref().map(str::parse);
        Ok(match (number.transpose()?, contact.transpose()?, opportunity.transpose()?) {
            (Some(number), _, _) => Some(Whom::Number(number)),
            (_, Some(contact), _) => Some(Whom::Contact(contact)),
            (_, _, Some(opportunity)) => Some(Whom::Opportunity(opportunity)),
            _ => None,
        })
    }
}

/// Why a file could not be made. An export writes over none.
pub(super) fn taken(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow!("a file of this name is there already: give the export another name")
        }
        _ => error.into(),
    }
}

/// A reader that has enough, as `head` has, is told from other failures by its kind.
fn plain(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Write(error) => error.into(),
        error => error.into(),
    }
}

fn zip(snapshot: &Snapshot, whom: &Whom, file: impl Write + Seek) -> anyhow::Result<u64> {
    let mut zip = ZipWriter::new(file);
    let options = SimpleFileOptions::default();
    zip.start_file("data.jsonl", options)?;
    let lines = export_person(snapshot, whom, Clock::System.now(), &mut zip).map_err(plain)?;
    if lines <= 1 {
        bail!("nothing is known of such a person");
    }
    zip.start_file("conversations.txt", options)?;
    export_talk(snapshot, whom, &mut zip).map_err(plain)?;
    let put = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options)?;
        zip.write_all(bytes)
    };
    export_files(snapshot, whom, put).map_err(plain)?;
    zip.finish()?;
    Ok(lines)
}

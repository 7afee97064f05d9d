//! `fulcrum export`: everything as lines of JSON, or all of one person as a ZIP.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{ArgGroup, Args};
use fulcrum_domain::{Number, Whom};
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Exit, Form, Outcome, copied, load, screen, wiring};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::engine::{
    Copied, ExportError, export_all, export_all_files, export_files, export_person, export_talk,
    opportunities_of,
};
use crate::store::{ReadOnly, Snapshot};

/// Export everything, or all of one person
///
/// Everything is written as lines of JSON, one a row, as docs/export.md describes them, and with --files the
/// pictures and files that came into a folder. A person, by opportunity, contact or number, is a ZIP of the same
/// lines, of what was said, to be read by people, and of the files that came: it is what somebody who asks for
/// their data is given. The daemon may run.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").args(["opportunity", "contact", "number"]))]
#[command(after_help = "Examples:
  fulcrum export everything.jsonl
  fulcrum export everything.jsonl --files pictures
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
    /// The folder to make for the pictures and files that came with texts
    #[arg(long, value_name = "FOLDER", conflicts_with = "whom")]
    files: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

impl Export {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let config = load(config)?;
        let whom = self.whom(&config)?;
        let path = &config.store.path;
        let store = ReadOnly::open_with(path, wiring::seal_keys(&config)?)
            .with_context(|| format!("opening {}", path.display()))?;
        let to_stdout = self.file == Path::new("-");
        if to_stdout && whom.is_some() {
            bail!("a person is exported into a file: name one");
        }
        let made = self.make(to_stdout)?;
        let written = store.read(|snapshot| match (&whom, &made) {
            (None, None) => self.all(snapshot, io::stdout().lock()),
            (None, Some(file)) => self.all(snapshot, file),
            (Some(whom), Some(file)) => zip(snapshot, whom, file),
            (Some(_), None) => Ok(0),
        });
        let about = || self.file.display().to_string();
        let synced = written.and_then(|lines| {
            made.as_ref().map_or(Ok(()), File::sync_all)?;
            Ok(lines)
        });
        let copied = match &whom {
            None => Copied::Everything { lines: *synced.as_ref().unwrap_or(&0) },
            Some(whom) => {
                let ids = store.read(|snapshot| opportunities_of(snapshot, whom));
                Copied::Person(ids?.into_iter().collect())
            }
        };
        match synced {
            Ok(_) if to_stdout => {}
            Ok(lines) if self.form.json => {
                screen::json(&json!({ "file": about(), "lines": lines, "files": self.files }))?;
            }
            Ok(lines) => {
                screen::line(format_args!("{}: {}", about(), screen::several(lines, "line", "lines")))?;
            }
            Err(error) => {
                // Half an export would pass for a whole one.
                if made.is_some() {
                    let _ = fs::remove_file(&self.file);
                }
                if let Some(folder) = &self.files {
                    let _ = fs::remove_dir_all(folder);
                }
                return Err(if to_stdout { error } else { error.context(about()) });
            }
        }
        copied::tell(&config, store, copied).await?;
        Ok(Exit::Done)
    }

    /// Makes the file and the folder that are wanted. Neither may be there: what is in them stays.
    fn make(&self, to_stdout: bool) -> anyhow::Result<Option<File>> {
        let about = || self.file.display().to_string();
        let file =
            if to_stdout { None } else { Some(new_file(&self.file).map_err(taken).with_context(about)?) };
        if let Some(folder) = &self.files
            && let Err(error) = DirBuilder::new().mode(0o700).create(folder)
        {
            if file.is_some() {
                let _ = fs::remove_file(&self.file);
            }
            return Err(error).with_context(|| folder.display().to_string());
        }
        Ok(file)
    }

    fn all(&self, snapshot: &Snapshot, out: impl Write) -> anyhow::Result<u64> {
        let (now, with_files) = (Clock::System.now(), self.files.is_some());
        let lines = export_all(snapshot, now, with_files, BufWriter::new(out)).map_err(plain)?;
        if let Some(folder) = &self.files {
            let put = |name: &str, bytes: &[u8]| new_file(&folder.join(name))?.write_all(bytes);
            let put = export_all_files(snapshot, put).map_err(plain);
            put.with_context(|| folder.display().to_string())?;
        }
        Ok(lines)
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

/// A file that its owner alone can read, and that was not there before.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
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

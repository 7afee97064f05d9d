//! `fulcrum audit`: the log of what has to be proven, checked and exported.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{Exit, Form, Outcome, load, screen};
use crate::config::Config;
use crate::engine::audit::{self, AuditError, Verified};
use crate::store::ReadOnly;

/// Check or export the log of sign-ins, refusals, opt-outs, erasures and what administrators did
///
/// Each entry is chained to all before it by a hash, so nothing can be changed or taken out unnoticed. Keep
/// exports, or the last hash, where those who could change the store cannot: then it can be shown that the
/// log continues from there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum audit verify
  fulcrum audit export audit-2025-03.jsonl
  fulcrum audit verify audit-2025-03.jsonl --continues")]
pub(super) struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check the store's log, or one that was exported
    Verify {
        /// An exported log, which is checked without the store
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Check as well that the store's log continues from it
        #[arg(long, requires = "file")]
        continues: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Write the log as lines of JSON
    Export {
        /// The file to make; `-` is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Audit {
    pub(super) fn carry_out(self, config: &Path) -> Outcome {
        match self.what {
            What::Verify { file, continues, form } => {
                let store = || open(&load(config)?);
                let verified = match file {
                    None => store()?.read(audit::verify)?,
                    Some(file) => verify(&file, continues.then(store).transpose()?.as_ref())
                        .with_context(|| file.display().to_string())?,
                };
                tell(&verified, form)
            }
            What::Export { file } => export(&open(&load(config)?)?, &file),
        }
    }
}

fn open(config: &Config) -> anyhow::Result<ReadOnly> {
    let path = &config.store.path;
    ReadOnly::open(path).with_context(|| format!("opening {}", path.display()))
}

/// Checks an exported log, and whether the log of a store continues from it.
fn verify(file: &Path, store: Option<&ReadOnly>) -> Result<Verified, AuditError> {
    let lines = BufReader::new(File::open(file)?);
    let Some(store) = store else { return audit::verify_lines(lines, |_| Ok(())) };
    store.read(|snapshot| {
        audit::verify(snapshot)?;
        audit::verify_lines(lines, |line| audit::has(snapshot, line))
    })
}

fn tell(verified: &Verified, form: Form) -> Outcome {
    if form.json {
        screen::json(verified)?;
    } else {
        screen::line(format_args!("{} entries, unbroken", screen::count(verified.entries)))?;
        if let Some(last) = &verified.last {
            screen::line(format_args!("the last hash: {last}"))?;
        }
    }
    Ok(Exit::Done)
}

fn export(store: &ReadOnly, file: &Path) -> Outcome {
    if file == Path::new("-") {
        let out = BufWriter::new(io::stdout().lock());
        return match store.read(|snapshot| audit::export(snapshot, out)) {
            Err(AuditError::Io(error)) => Err(error.into()),
            written => Ok(written.map(|_| Exit::Done)?),
        };
    }
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    let made = made.with_context(|| file.display().to_string())?;
    let lines = store.read(|snapshot| audit::export(snapshot, BufWriter::new(&made)))?;
    made.sync_all()?;
    screen::line(format_args!("{}: {} entries", file.display(), screen::count(lines)))?;
    Ok(Exit::Done)
}

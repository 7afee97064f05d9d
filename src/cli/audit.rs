//! `fulcrum audit`: the log of what has to be proven, checked and exported.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::export::taken;
use super::{Exit, Form, Outcome, load, screen, wiring};
use crate::config::Config;
use crate::engine::audit::{self, AuditError, Checkpoint, PublicKey, Signer, Verified};
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
  fulcrum audit verify audit-2025-03.jsonl --continues
  fulcrum audit checkpoints --json
  fulcrum audit verify audit-2025-03.jsonl --key 6b5e...")]
pub(super) struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check the store's log, or one that was exported
    #[command(after_help = "Examples:
  fulcrum audit verify
  fulcrum audit verify audit-2025-03.jsonl --continues
  fulcrum audit verify audit-2025-03.jsonl --key 6b5e...")]
    Verify {
        /// An exported log, which is checked without the store
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Check as well that the store's log continues from it
        #[arg(long, requires = "file")]
        continues: bool,
        /// Check as well that its checkpoints are signed by this public key; once for each that was in use
        #[arg(long, value_name = "PUB")]
        key: Vec<PublicKey>,
        #[command(flatten)]
        form: Form,
    },
    /// List the signed checkpoints, and the public key to keep elsewhere
    #[command(after_help = "Example:
  fulcrum audit checkpoints --json")]
    Checkpoints {
        #[command(flatten)]
        form: Form,
    },
    /// Write the log as lines of JSON
    #[command(after_help = "Examples:
  fulcrum audit export audit-2025-03.jsonl
  fulcrum audit export - | gzip > audit-2025-03.jsonl.gz")]
    Export {
        /// The file to make; `-` is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        form: Form,
    },
}

impl Audit {
    pub(super) fn carry_out(self, config: &Path) -> Outcome {
        match self.what {
            What::Verify { file, continues, key, form } => {
                let store = || open(&load(config)?);
                let verified = match file {
                    None => store()?.read(|snapshot| audit::verify(snapshot, &key))?,
                    Some(file) => verify(&file, &key, continues.then(store).transpose()?.as_ref())
                        .with_context(|| file.display().to_string())?,
                };
                tell(&verified, form)
            }
            What::Checkpoints { form } => checkpoints(&load(config)?, form),
            What::Export { file, form } => export(&open(&load(config)?)?, &file, form),
        }
    }
}

fn open(config: &Config) -> anyhow::Result<ReadOnly> {
    let path = &config.store.path;
    ReadOnly::open_with(path, wiring::seal_keys(config)?)
        .with_context(|| format!("opening {}", path.display()))
}

/// Checks an exported log, and whether the log of a store continues from it.
fn verify(file: &Path, keys: &[PublicKey], store: Option<&ReadOnly>) -> Result<Verified, AuditError> {
    let lines = BufReader::new(File::open(file)?);
    let Some(store) = store else { return audit::verify_lines(lines, keys, |_| Ok(())) };
    store.read(|snapshot| {
        audit::verify(snapshot, keys)?;
        audit::verify_lines(lines, keys, |line| audit::has(snapshot, line))
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
        if let Some(signed) = verified.signed {
            screen::line(format_args!("signed up to entry {}", screen::count(signed)))?;
        }
    }
    Ok(Exit::Done)
}

/// What `--json` gives.
#[derive(Serialize)]
struct Signed {
    public_key: Option<String>,
    checkpoints: Vec<Checkpoint>,
}

fn checkpoints(config: &Config, form: Form) -> Outcome {
    let named = wiring::signer(config)?;
    let (stored, checkpoints) = open(config)?
        .read(|snapshot| Ok::<_, AuditError>((Signer::stored(snapshot)?, audit::checkpoints(snapshot)?)))?;
    let public_key = named.or(stored).map(|signer| signer.public_key());
    if form.json {
        screen::json(&Signed { public_key, checkpoints })?;
        return Ok(Exit::Done);
    }
    for Checkpoint { at, head, hash, .. } in &checkpoints {
        screen::line(format_args!("{at}  entry {head}  {hash}"))?;
    }
    if checkpoints.is_empty() {
        screen::note("nothing is signed yet: that is done each hour in which the log grows")?;
    }
    match public_key {
        Some(key) => screen::line(format_args!("the public key: {key}"))?,
        None => screen::note("there is no key yet: the daemon makes one at its first start")?,
    }
    Ok(Exit::Done)
}

fn export(store: &ReadOnly, file: &Path, form: Form) -> Outcome {
    if file == Path::new("-") {
        let out = BufWriter::new(io::stdout().lock());
        return match store.read(|snapshot| audit::export(snapshot, out)) {
            Err(AuditError::Io(error)) => Err(error.into()),
            written => Ok(written.map(|_| Exit::Done)?),
        };
    }
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    let made = made.map_err(taken).with_context(|| file.display().to_string())?;
    let lines = store.read(|snapshot| audit::export(snapshot, BufWriter::new(&made)))?;
    made.sync_all()?;
    if form.json {
        screen::json(&json!({ "file": file.display().to_string(), "entries": lines }))?;
    } else {
        screen::line(format_args!("{}: {} entries", file.display(), screen::count(lines)))?;
    }
    Ok(Exit::Done)
}

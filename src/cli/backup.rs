//! `fulcrum backup`, `fulcrum restore`, `fulcrum unmute`: a copy of everything, and how it comes to life.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::x25519::Recipient;
use anyhow::{Context, bail};
use clap::Args;
use fulcrum_domain::{Activity, ActivityKind};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::Control;
use super::{Exit, Form, Outcome, copied, load, screen, wiring};
use crate::engine::Copied;
use crate::engine::changes::{self, Promised, TakenOver};
use crate::engine::clock::Clock;
use crate::store::{self, Contents, Identities, Options, ReadOnly, SealKeys, Store, StoreError};

/// Make a backup, whether or not the daemon runs
///
/// It holds everything as of one moment, and is read back before it has its name. Without --recipient anybody
/// who can read the file can read everything in it, and so it is without a recipient in the config. The
/// secrets of the config are not in it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum backup /var/backups/fulcrum-today.backup
  fulcrum backup --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p /mnt/fulcrum.backup.age")]
pub(super) struct Backup {
    /// The file to make; there must be none of this name
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Encrypt it for the owner of this key of age's; otherwise as backup.recipient says
    #[arg(long, value_name = "KEY", value_parser = recipient)]
    recipient: Option<Recipient>,
    #[command(flatten)]
    form: Form,
}

impl Backup {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let config = load(config)?;
        let recipient = self.recipient.or(config.backup.recipient.clone());
        let path = &config.store.path;
        let opened = ReadOnly::open_with(path, wiring::seal_keys(&config)?)
            .with_context(|| format!("opening {}", path.display()))?;
        let made = opened
            .backup(&self.file, recipient.as_ref(), Clock::System.now())
            .with_context(|| format!("{}", self.file.display()))?;
        let answer = json!({
            "file": self.file, "bytes": made.bytes, "rows": made.contents.rows, "schema": made.contents.schema,
            "made_at": made.contents.made_at, "encrypted": recipient.is_some(), "sealed": made.contents.sealed,
        });
        if self.form.json {
            screen::json(&answer)?;
        } else {
            let rows = screen::several(made.contents.rows, "row", "rows");
            let bytes = screen::bytes(made.bytes);
            let sealed = if recipient.is_some() { "encrypted" } else { "not encrypted" };
            screen::line(format_args!("{}: {rows}, {bytes}, {sealed}, read back", self.file.display()))?;
        }
        let copied = Copied::Backup { rows: made.contents.rows, encrypted: recipient.is_some() };
        copied::tell(&config, opened, copied).await?;
        Ok(Exit::Done)
    }
}

fn recipient(text: &str) -> Result<Recipient, &'static str> {
    text.parse().map_err(|_| "a public key of age's is wanted, such as `age-keygen` prints: age1...")
}

/// Check a backup, or put a store in place from it
///
/// The backup is read to its end before anything is changed. The restored store is muted: neither texts nor
/// notes leave it until `fulcrum unmute`, since its original may have sent the same. Whom the store that is there
/// has erased by command since the backup is erased again, and who has opted out there has. The daemon must not run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum restore --check /var/backups/fulcrum-today.backup
  systemctl stop fulcrum.socket fulcrum && fulcrum restore --replace --identity key.txt /mnt/fulcrum.backup.age")]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file with the key that opens it, as `age-keygen` writes it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Only read it to its end and say what it holds
    #[arg(long, conflicts_with = "replace")]
    check: bool,
    /// Keep the store that is there aside
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    form: Form,
}

impl Restore {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let keys = self.identity.as_deref().map(Identities::from_file).transpose()?;
        let about = || self.file.display().to_string();
        if self.check {
            let contents = store::check_backup(&self.file, keys.as_ref()).with_context(about)?;
            return self.tell(contents, None);
        }
        let config = load(config)?;
        match Control::of(&config)?.get("/api/v1/status", &[]).await {
            Err(error) if error.is_not_running() => {}
            _ => bail!("the daemon runs: stop it first, with `systemctl stop fulcrum.socket fulcrum`"),
        }
        let (path, now) = (&config.store.path, Clock::System.now());
        let seals = wiring::seal_keys(&config)?;
        let restored =
            store::restore(&self.file, keys.as_ref(), path, self.replace, now, &seals).with_context(about)?;
        let what = format!("restored from a backup of {:.0}: nothing leaves", restored.contents.made_at);
        let activity = Activity::new(now, "operator".into(), ActivityKind::Admin, what);
        give_to_the_folders_owner(path)?;
        let kept = restored.kept.as_deref();
        let promised = match kept.map(|kept| promised(kept, seals.clone(), restored.contents.made_at)) {
            Some(Ok(promised)) => Ok(promised),
            Some(Err(error)) => Err(format!("what was there before cannot be read ({error:#})")),
            None => Err("nothing was there before".to_owned()),
        };
        let opened = Store::open(Options::file(path).keys(seals), Box::new(|_| {}))?;
        let taken = opened
            .change(move |tx| {
                changes::note(tx, &activity)?;
                Ok::<_, StoreError>(match promised {
                    Ok(promised) => Ok(changes::take_over(tx, promised, now)?),
                    Err(why) => Err(why),
                })
            })
            .await?;
        opened.close().await;
        self.tell(restored.contents, Some((path, kept, taken)))
    }

    fn tell(
        &self,
        contents: Contents,
        store: Option<(&Path, Option<&Path>, Result<TakenOver, String>)>,
    ) -> Outcome {
        let kept = store.as_ref().and_then(|(_, kept, _)| *kept);
        if self.form.json {
            screen::json(&json!({
                "rows": contents.rows, "schema": contents.schema, "made_at": contents.made_at,
                "sealed": contents.sealed,
                "store": store.as_ref().map(|(path, ..)| path), "kept": kept,
                "taken_over": store.and_then(|(.., taken)| taken.ok()).map(|taken| json!({
                    "erasures": taken.erasures, "nameless": taken.nameless, "held": taken.held,
                    "opt_outs": taken.opt_outs,
                })),
            }))?;
            return Ok(Exit::Done);
        }
        let rows = screen::several(contents.rows, "row", "rows");
        let sealed = if contents.sealed { ", sealed: its store's keys open it" } else { "" };
        screen::line(format_args!("a whole backup of {:.0}: {rows}{sealed}", contents.made_at))?;
        if let Some(kept) = kept {
            screen::line(format_args!("what was there before is {} now", kept.display()))?;
        }
        if let Some((path, _, taken)) = store {
            screen::line(format_args!("restored to {}, muted", path.display()))?;
            tell_of_promises(taken, contents.made_at)?;
            screen::line("next: start the daemon, look, then `fulcrum unmute`")?;
        }
        Ok(Exit::Done)
    }
}

/// What the store that was there has promised to people since the backup.
fn promised(kept: &Path, seals: Arc<SealKeys>, since: Timestamp) -> Result<Promised, StoreError> {
    ReadOnly::open_with(kept, seals)?.read(|snapshot| changes::promised(snapshot, since))
}

fn tell_of_promises(taken: Result<TakenOver, String>, since: Timestamp) -> std::io::Result<()> {
    let taken = match taken {
        Ok(taken) => taken,
        Err(why) => {
            return screen::line(format_args!(
                "{why}: whom you have erased by command since {since:.0} is here again, and who has opted out by \
                 other ways than a text may be texted; erase and record them again"
            ));
        }
    };
    let TakenOver { erasures, nameless, held, opt_outs } = taken;
    if erasures > 0 || opt_outs > 0 {
        let erasures = screen::several(erasures, "erasure", "erasures");
        let opt_outs = screen::several(opt_outs, "opt-out", "opt-outs");
        screen::line(format_args!("taken over from what was there: {erasures} and {opt_outs} since then"))?;
    }
    if nameless > 0 {
        let count = screen::several(nameless, "erasure", "erasures");
        screen::line(format_args!("{count} of a number that leads to nobody in Lever: erase it again"))?;
    }
    if held > 0 {
        let count = screen::several(held, "opportunity", "opportunities");
        screen::line(format_args!(
            "{count} that was erased since is kept here by a legal hold: `fulcrum hold`"
        ))?;
    }
    Ok(())
}

/// Root restores for the daemon's user, who owns the folder.
fn give_to_the_folders_owner(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (owner, is) = (folder.metadata()?, path.metadata()?);
    if owner.uid() != is.uid() {
        std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
            .context("giving the store to the owner of its folder")?;
    }
    Ok(())
}

/// Let a restored copy text and write to Lever again
///
/// Without --yes it is told what would leave. Its original must be stopped for good before. Texts that were
/// due in the backup, or that this copy wrote by itself since, may have been sent by the original, and texts
/// that have been due for some hours are of no use any more: they fail with that reason, for people to see and
/// send again. Bulk texts that were being sent are paused, and automations begin anew. --send-late does none of
/// this. Texts whose time is yet to come leave at their time. Transcripts and interviews that waited in the
/// backup are looked for in Lever first, where the key may look.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum unmute
  fulcrum unmute --hours 1 --yes")]
pub(super) struct Unmute {
    /// Do it
    #[arg(long)]
    yes: bool,
    /// For how many hours a text may have been due
    #[arg(long, value_name = "HOURS", default_value_t = 4)]
    hours: u32,
    /// Send late texts as well
    #[arg(long)]
    send_late: bool,
    #[command(flatten)]
    form: Form,
}

/// What leaves.
#[derive(Deserialize)]
struct Leaves {
    texts: u64,
    late: u64,
    transcripts: u64,
    others: u64,
    bulks: u64,
    ended: u64,
}

impl Unmute {
    pub(super) async fn carry_out(self, config: &Path) -> Outcome {
        let control = Control::new(config)?;
        let wanted: Value = json!({"dry_run": !self.yes, "hours": self.hours, "send_late": self.send_late});
        let answer = control.post("/api/v1/unmute", &wanted).await?;
        self.form.print(answer, |leaves: &Leaves| {
            screen::line(format_args!("texts that leave now: {}", leaves.texts))?;
            screen::line(format_args!("texts that fail, since they are late: {}", leaves.late))?;
            screen::line(format_args!("transcripts that are looked for first: {}", leaves.transcripts))?;
            screen::line(format_args!("what else leaves: {}", leaves.others))?;
            screen::line(format_args!("bulk texts that are paused: {}", leaves.bulks))?;
            screen::line(format_args!("candidates whom automations text no more: {}", leaves.ended))?;
            screen::line(if self.yes { "it leaves now" } else { "--yes does it" })
        })
    }
}

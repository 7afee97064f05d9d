//! The command line: one file for each command, the wiring of the rooms, and the exit codes.
//!
//! | code | means |
//! | --- | --- |
//! | 0 | done |
//! | 1 | failed; standard error says why |
//! | 2 | wrong usage |
//! | 78 | the config is wrong (`RestartPreventExitStatus=78` in the unit) |
//!
//! Here alone errors are `anyhow`: a command adds what it was doing, and [`report`] prints the chain
//! once. What a command shows goes to standard output, and everything about how it went to standard
//! error, so that `--json` can be piped.

mod audit;
mod automations;
mod backup;
mod book;
mod carriers;
mod check;
mod control;
mod conversations;
mod copied;
mod demo;
mod doctor;
mod erase;
mod export;
mod file;
mod folders;
mod hash_password;
mod hold;
mod import;
mod live;
mod messages;
mod network;
mod offline;
mod opt_out;
mod progress;
mod run;
mod sandbox;
mod screen;
mod send;
mod shapes;
mod shell;
mod status;
mod why;
pub mod wiring;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::{Config, Problems, Sources};
use crate::engine::StartError;
use crate::store::{BackupError, StoreError};

pub use progress::Bars;
pub use sandbox::daemon;

/// How a command ended, if it did not fail with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// It found what it was to look for, and that is bad: 1. The command has said so itself.
    Bad,
    /// The same, of the config: 78.
    BadConfig,
}

/// What a command comes to.
pub type Outcome = anyhow::Result<Exit>;

/// The link between Lever and text messages
///
/// fulcrum keeps a copy of a Lever tenant, lets recruiters text candidates and candidates answer,
/// and files each conversation as a note in Lever.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Example:\n  fulcrum check && fulcrum run")]
pub struct Cli {
    /// The config file
    #[arg(short, long, value_name = "FILE", global = true, default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

const DEFAULT_CONFIG: &str = "/etc/fulcrum/fulcrum.toml";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Demo(demo::Demo),
    Sandbox(sandbox::Sandbox),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Status(status::Status),
    Send(send::Send),
    Book(book::Book),
    Conversations(conversations::Conversations),
    Messages(messages::Messages),
    File(file::File),
    Export(export::Export),
    Import(import::Import),
    Audit(audit::Audit),
    Hold(hold::Hold),
    Erase(erase::Erase),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Unmute(backup::Unmute),
    OptOut(opt_out::OptOut),
    OptOuts(opt_out::OptOuts),
    Automations(automations::Automations),
    Why(why::Why),
    HashPassword(hash_password::HashPassword),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// For whom the output is.
#[derive(Clone, Copy, Debug, Args)]
struct Form {
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

impl Form {
    /// Prints an answer of the daemon: as it is for scripts, and for people as `show` tells it.
    fn print<T: DeserializeOwned>(self, answer: Value, show: impl FnOnce(&T) -> io::Result<()>) -> Outcome {
        if self.json {
            screen::json(&answer)?;
        } else {
            show(&serde_json::from_value(answer).context("reading the daemon's answer")?)?;
        }
        Ok(Exit::Done)
    }
}

/// The arguments of this process. Ends it with 2 when they make no sense, and with 0 after
/// `--help` and `--version`.
pub fn arguments() -> Cli {
    Cli::parse()
}

/// Does what the arguments say.
///
/// # Errors
/// Whatever kept the command from its end.
pub fn carry_out(cli: Cli) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let config = cli.config.as_path();
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(run) => Box::pin(run.carry_out(config)).await,
            Command::Demo(demo) => Box::pin(demo.carry_out()).await,
            Command::Sandbox(sandbox) => sandbox.carry_out().await,
            Command::Check(check) => check.carry_out(config),
            Command::Doctor(doctor) => doctor.carry_out(config).await,
            Command::Status(status) => status.carry_out(config).await,
            Command::Send(send) => send.carry_out(config).await,
            Command::Book(book) => book.carry_out(config).await,
            Command::Conversations(conversations) => conversations.carry_out(config).await,
            Command::Messages(messages) => messages.carry_out(config).await,
            Command::File(file) => file.carry_out(config).await,
            Command::Backup(backup) => backup.carry_out(config).await,
            Command::Restore(restore) => restore.carry_out(config).await,
            Command::Unmute(unmute) => unmute.carry_out(config).await,
            Command::Import(import) => import.carry_out(config).await,
            Command::Export(export) => export.carry_out(config).await,
            Command::Audit(audit) => audit.carry_out(config),
            Command::Hold(hold) => hold.carry_out(config).await,
            Command::Erase(erase) => erase.carry_out(config).await,
            Command::OptOut(opt_out) => opt_out.carry_out(config).await,
            Command::OptOuts(opt_outs) => opt_outs.carry_out(config).await,
            Command::Automations(automations) => automations.carry_out(config).await,
            Command::Why(why) => why.carry_out(config).await,
            Command::HashPassword(hash) => hash.carry_out(),
            Command::Completions(completions) => completions.carry_out(),
            Command::Man(man) => man.carry_out(),
        }
    });
    // What is left on other threads (a name being looked up, a terminal being read) is not waited for.
    runtime.shutdown_background();
    outcome
}

/// Tells the person what went wrong, once, and gives the exit code.
pub fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Bad) => ExitCode::from(1),
        Ok(Exit::BadConfig) => ExitCode::from(78),
        // Whoever read our output has enough of it, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // When standard error is closed as well, there is nobody left to tell.
            let _ = screen::note(format_args!("fulcrum: {error:#}"));
            let bad_config = error.is::<Problems>()
                || error.is::<wiring::WiringError>()
                || error.downcast_ref().is_some_and(control::ControlError::is_bad_config)
                || error.chain().any(is_locked);
            ExitCode::from(if bad_config { 78 } else { 1 })
        }
    }
}

/// Whether a key of the store is missing in the config, or is another one.
fn is_locked(cause: &(dyn std::error::Error + 'static)) -> bool {
    let locked = |error: &StoreError| matches!(error, StoreError::Locked { .. });
    let at_start = |error: &StartError| matches!(error, StartError::Store(error) if locked(error));
    let restoring = |error: &BackupError| matches!(error, BackupError::Store(error) if locked(error));
    cause.downcast_ref().is_some_and(locked)
        || cause.downcast_ref().is_some_and(at_start)
        || cause.downcast_ref().is_some_and(restoring)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref().is_some_and(broken)
}

/// Where the settings of this process come from.
fn sources(config: &Path) -> Sources {
    let env: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // A container may have no file at all, and everything in the environment.
    let by_env_alone = config == Path::new(DEFAULT_CONFIG)
        && !config.exists()
        && env.iter().any(|(name, _)| name.starts_with("FULCRUM_"));
    Sources {
        file: (!by_env_alone).then(|| config.to_owned()),
        env,
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY")
            .filter(|path: &OsString| !path.is_empty())
            .map(PathBuf::from),
    }
}

/// The settings of this process.
fn load(config: &Path) -> Result<Config, Problems> {
    Config::load(&sources(config))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// What talks until it is stopped, or writes a script or pages for other programs.
    const WITHOUT_JSON: [&str; 5] = ["run", "demo", "sandbox", "completions", "man"];

    fn check(command: &clap::Command, name: &str) {
        let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        let is_whole = !command.has_subcommands() || !command.is_subcommand_required_set();
        assert!(has_json || !is_whole, "{name} has no --json");
        for part in command.get_subcommands() {
            check(part, &format!("{name} {}", part.get_name()));
        }
    }

    #[test]
    fn every_command_prints_json_for_scripts() {
        let whole = Cli::command();
        let mut without = Vec::new();
        for command in whole.get_subcommands() {
            match WITHOUT_JSON.contains(&command.get_name()) {
                true => without.push(command.get_name()),
                false => check(command, command.get_name()),
            }
        }
        assert_eq!(without, WITHOUT_JSON, "in the order of the commands");
    }
}

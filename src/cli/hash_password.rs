//! `fulcrum hash-password`: what stands in the config in place of a password.

use std::io::{self, IsTerminal, Read};

use anyhow::{bail, ensure};
use clap::Args;
use console::Term;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Exit, Form, Outcome, screen};
use crate::config::password::{self, Cost};

/// Nobody guesses a password of so many characters that its owner did not take from a list.
const CHARS_MIN: usize = 10;

/// More than anybody types.
const BYTES_MAX: u64 = 4096;

/// Make a password's hash for a user of the config
///
/// Asks twice on a terminal and shows nothing of it; reads one line where there is none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fulcrum hash-password > /etc/fulcrum/ana-password-hash
  pass show fulcrum | fulcrum hash-password")]
pub(super) struct HashPassword {
    #[command(flatten)]
    form: Form,
}

impl HashPassword {
    pub(super) fn carry_out(self) -> Outcome {
        let password = if io::stdin().is_terminal() { asked()? } else { read()? };
        ensure!(password.chars().count() >= CHARS_MIN, "the password has fewer than {CHARS_MIN} characters");
        let hash = password::hash(&password, Cost::Usual)?;
        if self.form.json {
            screen::json(&json!({ "hash": hash }))?;
        } else {
            screen::line(hash)?;
        }
        Ok(Exit::Done)
    }
}

/// What a person types, twice.
fn asked() -> anyhow::Result<Zeroizing<String>> {
    let terminal = Term::stderr();
    let ask = |prompt: &str| -> io::Result<Zeroizing<String>> {
        terminal.write_str(prompt)?;
        terminal.read_secure_line().map(Zeroizing::new)
    };
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        bail!("the two differ");
    }
    Ok(password)
}

/// One line of what comes in.
fn read() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    ensure!(!line.contains('\n'), "the password is not one line");
    Ok(Zeroizing::new(line.to_owned()))
}

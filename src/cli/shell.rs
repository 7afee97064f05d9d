//! `fulcrum completions` and `fulcrum man`: made from the same definitions that the parser uses.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::{Cli, Exit, Outcome};

/// Print a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum completions bash > /etc/bash_completion.d/fulcrum")]
pub(super) struct Completions {
    /// For which shell
    shell: Shell,
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fulcrum man | man -l -\n  fulcrum man --dir /usr/local/share/man/man1")]
pub(super) struct Man {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    pub(super) fn carry_out(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "fulcrum", &mut script);
        io::stdout().lock().write_all(&script)?;
        Ok(Exit::Done)
    }
}

impl Man {
    pub(super) fn carry_out(&self) -> Outcome {
        let mut whole = Cli::command();
        // Names such as `fulcrum-status`, and the options that all have, are filled in by this.
        whole.build();
        let shown = whole.get_subcommands().filter(|command| command.get_name() != "help");
        let pages: Vec<_> =
            std::iter::once(&whole).chain(shown).map(|command| Page::new(command.clone())).collect();
        match &self.dir {
            Some(dir) => {
                fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
                for page in pages {
                    page.generate_to(dir).with_context(|| format!("writing into {}", dir.display()))?;
                }
            }
            None => {
                let mut text = Vec::new();
                for page in pages {
                    page.render(&mut text)?;
                }
                io::stdout().lock().write_all(&text)?;
            }
        }
        Ok(Exit::Done)
    }
}

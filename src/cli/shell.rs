//! `fulcrum completions` and `fulcrum man`: made from the same definitions that the parser uses.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

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
        // Each page tells of `--help`; `help` has none.
        let mut whole = Cli::command().disable_help_subcommand(true);
        // Names such as `fulcrum-status`, and the options that all have, are filled in by this.
        whole.build();
        let mut pages = Vec::new();
        write_pages(&whole, &mut pages)?;
        match &self.dir {
            Some(dir) => {
                fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
                for (name, page) in pages {
                    fs::write(dir.join(name), page)
                        .with_context(|| format!("writing into {}", dir.display()))?;
                }
            }
            None => {
                let mut out = io::stdout().lock();
                pages.iter().try_for_each(|(_, page)| out.write_all(page))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// What the exit codes mean, as the module above has them.
const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "Done."),
    ("1", "It failed, or found what it was to look for; standard error says why."),
    ("2", "Wrong usage."),
    ("78", "The config is wrong."),
];

/// The page of a command and those of the commands within it, by the names of their files.
fn write_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    // As paragraphs, examples would be filled.
    let page = Page::new(command.clone().after_help(None::<&'static str>));
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut more = Roff::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = help.split_once('\n').filter(|(head, _)| head.starts_with("Example")) {
        more.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.1.lines() {
            more.text([roman(line)]);
        }
        more.control("fi", []);
    }
    more.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_STATUS {
        more.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    more.to_writer(&mut text)?;
    pages.push((page.get_filename(), text));
    command.get_subcommands().try_for_each(|part| write_pages(part, pages))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pages() -> Vec<(String, String)> {
        let mut whole = Cli::command().disable_help_subcommand(true);
        whole.build();
        let mut pages = Vec::new();
        write_pages(&whole, &mut pages).unwrap();
        pages.into_iter().map(|(name, page)| (name, String::from_utf8(page).unwrap())).collect()
    }

    #[test]
    fn a_page_names_no_other_that_is_not_there() {
        let pages = pages();
        let names: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), pages.len());
        let mut named = 0;
        for (name, page) in &pages {
            for word in page.split_whitespace().map(|word| word.replace('\\', "")) {
                if let Some(other) = word.strip_suffix("(1)").filter(|other| other.starts_with("fulcrum-")) {
                    assert!(names.contains(format!("{other}.1").as_str()), "{name} names {word}");
                    named += 1;
                }
            }
        }
        assert_eq!(named, pages.len() - 1, "each has its place in the page above it");
        assert!(names.contains("fulcrum-audit-verify.1"));
    }

    #[test]
    fn examples_stand_in_lines_and_every_page_says_what_the_exit_codes_mean() {
        let mut with = 0;
        for (name, page) in pages() {
            assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("\\fB78\\fR"), "{name}");
            assert!(!page.contains(".SH EXTRA"), "{name}");
            let Some((_, examples)) = page.split_once(".SH EXAMPLES\n.nf\n") else { continue };
            let (examples, _) = examples.split_once("\n.fi\n").unwrap();
            assert!(examples.contains("fulcrum") && !examples.contains("Example"), "{name}: {examples}");
            with += 1;
        }
        assert!(with >= 30, "{with}");
    }
}

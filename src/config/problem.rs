//! What is wrong with the settings, in words for the person who can mend it.
//!
//! A list, not an error: a person who has to start the program again after each mistake finds
//! out about the fifth one at the fifth try. No value of a secret ever gets in here: `found`
//! describes, and repeats a value only where it cannot be a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reading::line_at;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file: the config itself, or one that it names.
    File(PathBuf),
    /// A variable of the environment, by its name.
    Environment(String),
    /// Nowhere: the setting is missing, and no config file was given.
    Nowhere,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, such as `lever.poll_interval` or `api.tokens[1].role`; empty if the problem
    /// is the file as a whole.
    pub key: String,
    /// Where the setting stands.
    pub origin: Origin,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
    /// What stands there; never a secret.
    pub found: String,
    /// What would be right.
    pub expected: String,
    /// The known key that was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// One in a file that the config names, by the file's own keys and lines.
    pub(super) fn of_file(
        path: &Path,
        key: &str,
        line: Option<usize>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (found, expected) = (found.into(), expected.into());
        let origin = Origin::File(path.to_owned());
        Self { key: key.to_owned(), origin, line, found, expected, suggestion: None }
    }

    /// What does not fit there. `shape`: what would, where the parser does not say.
    pub(super) fn of_toml(path: &Path, text: &str, error: &toml::de::Error, shape: &str) -> Self {
        let line = error.span().map(|span| line_at(text, span.start));
        let (found, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), shape));
        Self::of_file(path, "", line, found, expected)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(path) => write!(out, "{}", path.display())?,
            Origin::Environment(variable) => write!(out, "${variable}")?,
            Origin::Nowhere => write!(out, "settings")?,
        }
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(out, ": {}", self.key)?;
        }
        write!(out, ": {}, expected {}", self.found, self.expected)?;
        match (&self.suggestion, &self.origin) {
            (Some(key), Origin::Environment(_)) => {
                write!(out, "; did you mean ${}?", variable_of(key))
            }
            (Some(key), _) => write!(out, "; did you mean {key}?"),
            (None, _) => Ok(()),
        }
    }
}

/// The variable of the environment that sets a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("FULCRUM_{}", key.to_uppercase().replace('.', "__"))
}

/// Every mistake that was found, in the order of the files.
#[derive(Debug, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        // What has no line is missing, and missing things are easier to mend after the others.
        let place = |problem: &Problem| (problem.origin.clone(), problem.line.unwrap_or(usize::MAX));
        problems.sort_by_cached_key(place);
        Self(problems)
    }

    /// How many there are.
    pub fn count_in_words(&self) -> String {
        match self.0.len() {
            1 => "1 problem in the settings".to_owned(),
            count => format!("{count} problems in the settings"),
        }
    }

    /// The mistakes one by one, for `--json` and the console.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.count_in_words())?;
        for problem in &self.0 {
            write!(out, "\n  {problem}")?;
        }
        Ok(())
    }
}

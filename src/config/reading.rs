//! The first pass: every key of every source against the schema, before figment sees any.
//!
//! figment stops at the first mistake, has no line for a wrong type, guesses the types of
//! variables (`TOKEN=0012` is 12) and repeats values in its errors. So the file is walked here
//! with its spans, and a variable is read as the type that its key has. What is wrong becomes a
//! [`Problem`] and is left out, secrets are put aside, and figment gets only what is right.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, de::IntoDeserializer};
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::{
    problem::{Origin, Problem},
    schema::{Schema, is_secret, join},
    secret::Secret,
};

/// What the prefix of a variable that is meant for us looks like.
const PREFIX: &str = "FULCRUM_";

/// What the sources say, as far as it has the right shape.
#[derive(Default)]
pub(super) struct Reading {
    /// The file's settings without secrets.
    pub(super) file: Table,
    /// The environment's settings.
    pub(super) environment: Table,
    /// Plain secrets of the file, by key.
    pub(super) secrets: BTreeMap<String, Secret>,
    /// Where each setting stands.
    pub(super) places: Places,
    /// What was wrong so far.
    pub(super) problems: Vec<Problem>,
    /// The file is no proper TOML, so what seems to be missing may stand in the broken part.
    pub(super) torn: bool,
}

/// Where the settings stand.
#[derive(Default)]
pub(super) struct Places {
    file: Option<PathBuf>,
    lines: BTreeMap<String, usize>,
    variables: BTreeMap<String, String>,
}

impl Places {
    /// The source that decides a key, and its line there.
    pub(super) fn of(&self, key: &str) -> (Origin, Option<usize>) {
        let whole = key.split('[').next().unwrap_or(key);
        match (self.variables.get(whole), &self.file) {
            (Some(variable), _) => (Origin::Environment(variable.clone()), None),
            (None, Some(file)) => (Origin::File(file.clone()), self.lines.get(key).copied()),
            (None, None) => (Origin::Nowhere, None),
        }
    }
}

/// The text of the config file, and who may read it.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) text: Zeroizing<String>,
    /// Readable by its owner alone.
    pub(super) private: bool,
}

impl Reading {
    pub(super) fn of(schema: &Schema, file: Option<&ConfigFile>, environment: &[(String, String)]) -> Self {
        let mut walk = Walk { schema, text: "", private: false, reading: Self::default() };
        if let Some(file) = file {
            walk.text = &file.text;
            walk.private = file.private;
            walk.reading.places.file = Some(file.path.clone());
            walk.file();
        }
        walk.environment(environment);
        walk.reading
    }
}

/// The way through one document.
struct Walk<'a> {
    schema: &'a Schema,
    text: &'a str,
    private: bool,
    reading: Reading,
}

impl Walk<'_> {
    fn file(&mut self) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.reading.torn = true;
            let line = error.span().map(|span| line_at(self.text, span.start));
            let (mut found, expected) = what_is_not_toml(error.message());
            if error.message().starts_with("duplicate key") {
                found.extend(
                    error.span().and_then(|span| key_at(self.text, span)).map(|key| format!(" {key}")),
                );
            }
            let origin = self.reading.places.of("").0;
            let key = String::new();
            self.reading.problems.push(Problem { key, origin, line, found, expected, suggestion: None });
        }
        self.reading.file = self.table("", self.schema.root(), document.get_ref());
    }

    fn table(&mut self, section: &str, schema: &Table, found: &DeTable<'_>) -> Table {
        let mut accepted = Table::new();
        for (name, value) in found {
            let key = join(section, name.get_ref());
            self.place(&key, name.span().start);
            if is_secret(schema, name.get_ref()) {
                self.secret(&key, value.get_ref());
                continue;
            }
            let Some(known) = schema.get(name.get_ref().as_ref()) else {
                self.unknown(&key);
                continue;
            };
            if let Some(value) = self.value(&key, known, value) {
                accepted.insert(name.get_ref().to_string(), value);
            }
        }
        accepted
    }

    fn value(&mut self, key: &str, schema: &Value, found: &Spanned<DeValue<'_>>) -> Option<Value> {
        match (schema, found.get_ref()) {
            (Value::Table(schema), DeValue::Table(found)) => {
                Some(Value::Table(self.table(key, schema, found)))
            }
            (Value::Array(schema), DeValue::Array(found)) => {
                let text = Value::String(String::new());
                let schema = schema.first().unwrap_or(&text);
                let items: Vec<_> = (0..)
                    .zip(found)
                    .map(|(index, item)| {
                        let key = format!("{key}[{index}]");
                        self.place(&key, item.span().start);
                        self.value(&key, schema, item).map(|value| completed(schema, value))
                    })
                    .collect();
                items.into_iter().collect::<Option<_>>().map(Value::Array)
            }
            (Value::String(_), DeValue::String(_))
            | (Value::Integer(_), DeValue::Integer(_))
            | (Value::Float(_), DeValue::Float(_) | DeValue::Integer(_))
            | (Value::Boolean(_), DeValue::Boolean(_)) => {
                let value = Value::deserialize(found.clone().into_deserializer());
                value.map_err(|_| self.reject(key, "a number out of range", expected(schema))).ok()
            }
            (_, other) => {
                self.reject(key, kind(other), expected(schema));
                None
            }
        }
    }

    /// Takes a plain secret out of the document, if the document is private enough.
    fn secret(&mut self, key: &str, found: &DeValue<'_>) {
        match found {
            DeValue::String(value) if self.private && !value.is_empty() => {
                self.reading.secrets.insert(key.to_owned(), Secret::new(value));
            }
            DeValue::String(value) if value.is_empty() => {
                self.reject(key, "an empty secret", format!("a secret, or {key}_file instead"));
            }
            DeValue::String(_) => self.reject(
                key,
                "a secret in a config file that others can read",
                format!("{key}_file, or a config file with mode 0600"),
            ),
            other => self.reject(key, kind(other), format!("text, or {key}_file instead")),
        }
    }

    fn environment(&mut self, environment: &[(String, String)]) {
        for (variable, text) in environment {
            let Some(path) = variable.strip_prefix(PREFIX) else { continue };
            let key = path.to_lowercase().replace("__", ".");
            self.reading.places.variables.insert(key.clone(), variable.clone());
            match self.variable(&key, text) {
                Ok(Some(value)) => insert(&mut self.reading.environment, &key, value),
                Ok(None) => {
                    self.reading.places.variables.remove(&key);
                }
                Err(Refused::Unknown) => self.unknown(&key),
                Err(Refused::Secret) => self.reject(
                    &key,
                    "a secret in the environment, where other programs can see it",
                    format!("{key}_file or a systemd credential"),
                ),
                Err(Refused::Value(expected)) => {
                    self.reject(&key, format!("\"{text}\""), expected);
                }
            }
        }
    }

    /// Reads a variable as the type of its key. `None`: it is not meant for us. Orchestrators
    /// set variables after the names of services (`FULCRUM_SERVICE_HOST`), so one without a
    /// section is ours only if it differs from a key's variable by an underscore.
    fn variable(&self, key: &str, text: &str) -> Result<Option<Value>, Refused> {
        if !key.contains('.') {
            let meant = self.schema.keys().any(|known| known.replace('.', "_") == key);
            return if meant && key.contains('_') { Err(Refused::Unknown) } else { Ok(None) };
        }
        let (section, name) = key.rsplit_once('.').ok_or(Refused::Unknown)?;
        let table = section
            .split('.')
            .try_fold(self.schema.root(), |table, name| table.get(name)?.as_table())
            .ok_or(Refused::Unknown)?;
        if is_secret(table, name) {
            return Err(Refused::Secret);
        }
        let schema = table.get(name).ok_or(Refused::Unknown)?;
        let value = match schema {
            Value::String(_) => Some(Value::String(text.to_owned())),
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Float(_) => text.parse().ok().map(Value::Float),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Array(items) if items.is_empty() => Some(Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Value::String(item.to_owned()))
                    .collect(),
            )),
            Value::Array(_) | Value::Table(_) | Value::Datetime(_) => None,
        };
        value.map(Some).ok_or_else(|| Refused::Value(expected(schema)))
    }

    fn place(&mut self, key: &str, offset: usize) {
        self.reading.places.lines.insert(key.to_owned(), line_at(self.text, offset));
    }

    fn unknown(&mut self, key: &str) {
        let suggestion = self.schema.nearest(key).map(str::to_owned);
        let found = match suggestion {
            Some(_) => "an unknown key",
            None => concat!(
                "an unknown key (this is fulcrum ",
                env!("CARGO_PKG_VERSION"),
                "; a newer version may know it)"
            ),
        };
        self.reject(key, found, "a key of the reference, config/default.toml");
        if let Some(problem) = self.reading.problems.last_mut() {
            problem.suggestion = suggestion;
        }
    }

    fn reject(&mut self, key: &str, found: impl Into<String>, expected: impl Into<String>) {
        let (origin, line) = self.reading.places.of(key);
        self.reading.problems.push(Problem {
            key: key.to_owned(),
            origin,
            line,
            found: found.into(),
            expected: expected.into(),
            suggestion: None,
        });
    }
}

/// Why a variable was not taken.
enum Refused {
    Unknown,
    Secret,
    Value(String),
}

/// A table of a list has no defaults below it: what it leaves out becomes the empty value of
/// its type, which the second pass rejects where a value is needed.
fn completed(schema: &Value, value: Value) -> Value {
    match (schema, value) {
        (Value::Table(schema), Value::Table(mut table)) => {
            for (name, empty) in schema.iter().filter(|(name, _)| !is_secret(schema, name)) {
                table.entry(name.clone()).or_insert_with(|| empty.clone());
            }
            Value::Table(table)
        }
        (_, value) => value,
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The parser's message, which does not repeat the text, as what is found and what is expected.
pub(super) fn what_is_not_toml(message: &str) -> (String, String) {
    let (found, expected) = message.split_once(", expected ").unwrap_or((message, "TOML"));
    (format!("not TOML: {found}"), expected.to_owned())
}

/// The key that stands there, if it is one and nothing else, such as a value.
fn key_at(text: &str, span: std::ops::Range<usize>) -> Option<&str> {
    let key = text.get(span)?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(is_key)).then_some(key)
}

/// The line of an offset, counted from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn expected(schema: &Value) -> String {
    match schema {
        Value::String(example) if example.is_empty() => "text in quotes".to_owned(),
        Value::String(example) => format!("text in quotes, such as \"{example}\""),
        Value::Integer(example) => format!("a whole number, such as {example}"),
        Value::Float(example) => format!("a number, such as {example}"),
        Value::Boolean(_) => "true or false".to_owned(),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(items) if items.is_empty() => "a list of texts in quotes".to_owned(),
        Value::Array(_) => "tables in a config file, each under its own [[...]]".to_owned(),
        Value::Table(_) => "a table, under its own [...]".to_owned(),
    }
}

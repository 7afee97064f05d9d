//! The second pass: from texts and numbers to types, with every problem noted.
//!
//! A section's `check` first parses all of its fields and only then asks for the results with
//! `?`, so that one bad field does not hide the next.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::File,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use fulcrum_domain::Role;
use jiff::SignedDuration;
use url::{Host, Url};

use super::{
    problem::{Origin, Problem},
    reading::Places,
    secret::{Guard, Secret, read_file},
};

/// The problem has been noted; there is no value.
pub(super) struct Noted;

/// A value, unless a problem was noted instead.
pub(super) type Checked<T> = Result<T, Noted>;

/// Whether secrets are read, which whoever asks the running daemon may not be able to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// They are.
    Read,
    /// What needs one comes to nothing, and that is no problem.
    Unread,
}

/// What the sections check with, and where they leave their problems.
pub(super) struct Check<'a> {
    places: &'a Places,
    plain_secrets: BTreeMap<String, Secret>,
    /// Where a secret without a path is looked for by its name, and who keeps strangers out there.
    secrets_dir: Option<(&'a Path, Guard)>,
    problems: Vec<Problem>,
    torn: bool,
    reads: Secrets,
    /// Every secret that was found, by its key, to see at a reload which ones changed.
    pub(super) secrets: BTreeMap<String, Secret>,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        places: &'a Places,
        plain_secrets: BTreeMap<String, Secret>,
        secrets_dir: Option<(&'a Path, Guard)>,
        problems: Vec<Problem>,
        torn: bool,
        reads: Secrets,
    ) -> Self {
        Self { places, plain_secrets, secrets_dir, problems, torn, reads, secrets: BTreeMap::new() }
    }

    /// Whether secrets are left where they are.
    pub(super) fn leaves_secrets(&self) -> bool {
        self.reads == Secrets::Unread
    }

    /// Whether a key stands in the file or in the environment.
    pub(super) fn stands(&self, key: &str) -> bool {
        let (origin, line) = self.places.of(key);
        line.is_some() || matches!(origin, Origin::Environment(_))
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Notes a problem, unless the first pass already has one for the key: then the value here
    /// is only the default that stands in for it. So it may be for a key that stands nowhere, if
    /// the file is torn.
    pub(super) fn reject(
        &mut self,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Noted {
        self.reject_each(key, [(found.into(), expected.into())])
    }

    /// The same for a key with several problems, as pairs of what is found and what is expected.
    pub(super) fn reject_each(
        &mut self,
        key: &str,
        problems: impl IntoIterator<Item = (String, String)>,
    ) -> Noted {
        let known = |problem: &Problem| {
            problem.key == key
                || problem.suggestion.as_deref() == Some(key)
                || problem.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('['))
        };
        let (origin, line) = self.places.of(key);
        if (self.stands(key) || !self.torn) && !self.problems.iter().any(known) {
            let noted = problems.into_iter().map(|(found, expected)| Problem {
                key: key.to_owned(),
                origin: origin.clone(),
                line,
                found,
                expected,
                suggestion: None,
            });
            self.problems.extend(noted);
        }
        Noted
    }

    /// Checks what stands in another file: the keys of its problems begin with `prefix`, which is taken
    /// off, and `place` says where they are.
    pub(super) fn elsewhere<T>(
        &mut self,
        prefix: &str,
        checked: impl FnOnce(&mut Self) -> Checked<T>,
        place: impl Fn(Problem) -> Problem,
    ) -> Checked<T> {
        let before = self.problems.len();
        let torn = std::mem::take(&mut self.torn);
        let outcome = checked(self);
        self.torn = torn;
        for problem in self.problems.split_off(before) {
            let key = problem.key.strip_prefix(prefix).unwrap_or(&problem.key).to_owned();
            self.problems.push(place(Problem { key, ..problem }));
        }
        outcome
    }

    /// Takes over problems of another file.
    pub(super) fn extend(&mut self, problems: Vec<Problem>) -> Noted {
        self.problems.extend(problems);
        Noted
    }

    /// A text that must not be empty.
    pub(super) fn text(&mut self, key: &str, value: &str, what: &str) -> Checked<String> {
        match value.trim() {
            "" => Err(self.reject(key, "not set", what)),
            text => Ok(text.to_owned()),
        }
    }

    /// Anything that parses, empty counting as not set. Repeats the value when it does not.
    pub(super) fn parse<T: FromStr>(&mut self, key: &str, value: &str, what: &str) -> Checked<T> {
        let text = self.text(key, value, what)?;
        text.parse().map_err(|_| self.reject(key, format!("\"{text}\""), what))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, value: &str, choices: &[(&str, T)]) -> Checked<T> {
        let chosen = choices.iter().find(|(word, _)| *word == value);
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.reject(key, format!("\"{value}\""), words.join(" or "))
        })
    }

    /// A role by its name.
    pub(super) fn role(&mut self, key: &str, value: &str) -> Checked<Role> {
        self.choice(key, value, &Role::ALL.map(|role| (role.word(), role)))
    }

    /// A number within bounds.
    pub(super) fn within<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        bounds: &RangeInclusive<T>,
    ) -> Checked<T> {
        if bounds.contains(&value) {
            return Ok(value);
        }
        let expected = format!("a number from {} to {}", bounds.start(), bounds.end());
        Err(self.reject(key, value.to_string(), expected))
    }

    /// A duration within bounds.
    pub(super) fn duration(
        &mut self,
        key: &str,
        value: &str,
        bounds: &RangeInclusive<Duration>,
    ) -> Checked<Duration> {
        let parsed = SignedDuration::from_str(value).ok().and_then(|d| Duration::try_from(d).ok());
        parsed.filter(|duration| bounds.contains(duration)).ok_or_else(|| {
            let [from, to] = [bounds.start(), bounds.end()]
                .map(|bound| SignedDuration::try_from(*bound).unwrap_or(SignedDuration::MAX));
            self.reject(
                key,
                format!("\"{value}\""),
                format!("a duration from {from:#} to {to:#}, written as \"90s\", \"5m\", \"1h30m\""),
            )
        })
    }

    /// An address that something listens on.
    pub(super) fn listen(&mut self, key: &str, value: &str) -> Checked<SocketAddr> {
        self.parse(key, value, "an address and a port, such as \"127.0.0.1:8080\"")
    }

    /// The same, below which paths are made: nothing may come after it.
    pub(super) fn base_url(&mut self, key: &str, value: &str) -> Checked<Url> {
        let url = self.secure_url(key, value)?;
        if url.query().or(url.fragment()).is_none() {
            return Ok(url);
        }
        Err(self.reject(key, format!("\"{value}\""), "an address that ends before the ? or #"))
    }

    /// An http or https address without login. One that goes over a network must be https:
    /// what is sent to it is for nobody else.
    pub(super) fn secure_url(&mut self, key: &str, value: &str) -> Checked<Url> {
        let url = self.url(key, value)?;
        if url.scheme() == "https" || is_loopback(&url) {
            return Ok(url);
        }
        Err(self.reject(key, format!("\"{value}\""), "https, since it is not on this machine"))
    }

    /// An http or https address without login, which would be a secret in the open.
    pub(super) fn url(&mut self, key: &str, value: &str) -> Checked<Url> {
        self.url_as(key, value, "an address, such as \"https://text.acme.example\"")
    }

    /// The same with an example of its own.
    pub(super) fn url_as(&mut self, key: &str, value: &str, expected: &str) -> Checked<Url> {
        let text = self.text(key, value, expected)?;
        if text.contains('@') {
            let found = "an address with a login in it";
            return Err(self.reject(key, found, "an address without name and password"));
        }
        let url = Url::parse(&text).ok();
        url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| self.reject(key, format!("\"{text}\""), expected))
    }

    /// A path that the program itself will make.
    pub(super) fn path(&mut self, key: &str, value: &str) -> Checked<PathBuf> {
        self.text(key, value, "a path").map(PathBuf::from)
    }

    /// A file that can be read, or none if empty.
    pub(super) fn readable(&mut self, key: &str, value: &str) -> Checked<Option<PathBuf>> {
        if value.is_empty() {
            return Ok(None);
        }
        match File::open(value) {
            Ok(_) => Ok(Some(PathBuf::from(value))),
            Err(error) if self.leaves_secrets() && error.kind() == ErrorKind::PermissionDenied => Err(Noted),
            Err(error) => {
                let found = format!("{value}, which cannot be read ({})", error.kind());
                Err(self.reject(key, found, "a file that this user can read"))
            }
        }
    }

    /// Where a secret file is: the configured path, or the systemd credential if there is one, or,
    /// where systemd hands nothing over, the file of that name beside the config.
    pub(super) fn secret_path(
        &mut self,
        key: &str,
        value: &str,
        credential: &str,
    ) -> Checked<Option<(PathBuf, Guard)>> {
        if value.is_empty() {
            let place = self.secrets_dir.map(|(directory, guard)| (directory.join(credential), guard));
            return Ok(place.filter(|(path, _)| path.exists()));
        }
        if Path::new(value).is_absolute() {
            return Ok(Some((PathBuf::from(value), Guard::Mode)));
        }
        // Not repeated: it may well be the secret itself, put into the wrong key.
        Err(self.reject(key, "something else", "a path that begins with /"))
    }

    /// A secret, from the config file itself, from its own file or from its credential.
    /// `key` is the plain one, `file` the value of its `_file` key.
    pub(super) fn optional_secret(
        &mut self,
        key: &str,
        file: &str,
        credential: &str,
    ) -> Checked<Option<Secret>> {
        let file_key = format!("{key}_file");
        let secret = match (self.plain_secrets.remove(key), file) {
            (Some(secret), "") => Some(secret),
            (Some(_), _) => {
                let expected = format!("only one of {key} and {file_key}");
                return Err(self.reject(&file_key, "set twice", expected));
            }
            (None, _) if self.leaves_secrets() => return Err(Noted),
            (None, _) => match self.secret_path(&file_key, file, credential)? {
                None => None,
                Some((path, guard)) => {
                    let text = read_file(&path, guard).map_err(|error| {
                        let found = format!("{}: {error}", path.display());
                        self.reject(&file_key, found, error.expected(&path))
                    })?;
                    match text.trim_end_matches(['\r', '\n']) {
                        "" => {
                            let found = format!("{}: an empty file", path.display());
                            return Err(self.reject(&file_key, found, "the secret in it"));
                        }
                        value => Some(Secret::new(value)),
                    }
                }
            },
        };
        if let Some(secret) = &secret {
            self.secrets.insert(file_key, secret.clone());
        }
        Ok(secret)
    }

    /// A secret that must be there.
    pub(super) fn secret(&mut self, key: &str, file: &str, credential: &str) -> Checked<Secret> {
        let found = self.optional_secret(key, file, credential)?;
        if found.is_none() && self.problems.iter().any(|problem| problem.key == key) {
            return Err(Noted);
        }
        found.ok_or_else(|| {
            let expected =
                format!("a file with the secret, or {credential} as a credential or beside the config");
            self.reject(&format!("{key}_file"), "not set", expected)
        })
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

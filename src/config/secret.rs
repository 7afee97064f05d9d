//! Secrets: a type that cannot be printed, and the files that they are read from.
//!
//! Files and not variables: the environment is inherited by children, shown by `ps` and
//! `/proc`, and copied into crash reports. figment echoes values in its errors, so no secret
//! passes through it either.

use std::{fmt, fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// More than any secret or tokens file needs; a wrong path must not fill the memory.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A value that no log, error or `Debug` output shows; wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(SecretString::from(value))
    }

    /// The value itself, for the one place that puts it on the wire or into a signature.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(not shown)")
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the values differ.
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

/// Who guards a file against other users.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Its mode: it must not be readable by others.
    Mode,
    /// Something else, as systemd does for the credentials directory.
    Elsewhere,
}

/// Why a file with secrets was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretFileError {
    #[error("there is no such file")]
    Missing,
    #[error("a file that cannot be read ({0})")]
    Unreadable(std::io::ErrorKind),
    #[error("not a regular file")]
    NotAFile,
    #[error("a file that others can read (mode {0:04o})")]
    Open(u32),
    #[error("a file of more than 64 KiB")]
    TooLong,
    #[error("a file that is not UTF-8")]
    NotText,
}

impl SecretFileError {
    /// What would be right instead.
    pub(super) fn expected(&self, path: &Path) -> String {
        let wanted = "a file that only fulcrum can read";
        match self {
            Self::Open(_) => format!("{wanted}: chmod 0600 {}", path.display()),
            _ => wanted.to_owned(),
        }
    }
}

/// Reads a whole file that holds secrets.
pub(super) fn read_file(path: &Path, guard: Guard) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SecretFileError::Missing,
        kind => SecretFileError::Unreadable(kind),
    };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(SecretFileError::NotAFile);
    }
    let mode = mode_of(&metadata);
    if guard == Guard::Mode && mode & 0o004 != 0 {
        return Err(SecretFileError::Open(mode));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(SecretFileError::TooLong);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretFileError::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether everybody can read a file.
pub(super) fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| mode_of(&metadata) & 0o004 != 0)
}

/// Whether the owner alone can read a file.
pub(super) fn is_private(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| mode_of(&metadata) & 0o044 == 0)
}

fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::Secret;

    /// What the reference calls a credential, the unit can hand over; those that are there for each of
    /// something are named by an example.
    #[test]
    fn the_unit_lists_each_credential_of_the_reference() {
        let reference = fs::read_to_string("config/default.toml").unwrap();
        let words = reference.lines().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join(" ");
        let name = |text: &str| {
            let end = text.find(|c: char| c.is_whitespace() || ",;)".contains(c)).unwrap_or(text.len());
            text[..end].trim_end_matches('.').to_owned()
        };
        let told: BTreeSet<String> =
            words.split(" credential ").skip(1).map(name).filter(|name| name != "of").collect();
        let unit = fs::read_to_string("packaging/systemd/fulcrum.service").unwrap();
        let lines = unit.lines().map(|line| line.trim_start_matches('#'));
        let lines = lines.filter_map(|line| line.strip_prefix("LoadCredential=")?.split_once(':'));
        let listed: BTreeSet<String> = lines
            .map(|(name, path)| {
                assert_eq!(path, format!("/etc/fulcrum/{name}"));
                let of_each = told.iter().filter_map(|told| {
                    let begin = told.trim_end_matches(|c: char| c.is_ascii_uppercase());
                    (begin != told).then_some((told, begin))
                });
                let mut meant = of_each.filter(|(_, begin)| name.starts_with(begin));
                meant.next().map_or_else(|| name.to_owned(), |(told, _)| told.clone())
            })
            .collect();
        assert_eq!(listed, told);
        assert!(told.contains("lever-api-key") && told.contains("calendar-USER"), "{told:?}");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let printed = format!("{:?}", Some(Secret::new("hunter2")));
        assert_eq!(printed, "Some(Secret(not shown))");
    }

    #[test]
    fn secrets_are_compared_by_value() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("ab"));
    }
}

//! The known keys and their types, read from `config/default.toml`.
//!
//! The reference that people read is the schema that the program checks with, so there is no
//! second list to forget. An example value gives a key its type: `"5m"` text, `10` a whole
//! number. Lines that begin with `#:` are comments to TOML and examples to us: they show keys
//! that have no default (secrets, tables of a list).

use toml::{Table, Value};

/// The reference as it is built in; also the lowest layer.
pub(super) const DEFAULT: &str = include_str!("../../config/default.toml");

/// Two keys that are less alike than this were not mixed up by a slip of the hand.
const ALIKE: f64 = 0.6;

/// What is known about the settings.
pub(super) struct Schema {
    root: Table,
    keys: Vec<String>,
}

impl Schema {
    /// Reads the built-in reference.
    pub(super) fn of_default() -> Self {
        Self::parse(DEFAULT)
    }

    fn parse(reference: &str) -> Self {
        let text: Vec<&str> =
            reference.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
        let root = toml::from_str(&text.join("\n")).expect("a test reads the built-in reference");
        let mut keys = Vec::new();
        collect_keys(&root, "", &mut keys);
        Self { root, keys }
    }

    pub(super) fn root(&self) -> &Table {
        &self.root
    }

    /// Every section and key, dotted.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// The known key that is nearest to an unknown one. A key is sought under its own section
    /// first; in another one it must be all the more alike.
    pub(super) fn nearest(&self, key: &str) -> Option<&str> {
        let key = without_index(key);
        if let Some(known) = self.keys().find(|known| known.replace('.', "_") == key) {
            return Some(known);
        }
        let (section, name) = split(&key);
        self.keys()
            .map(|known| {
                let (known_section, known_name) = split(known);
                let alike = strsim::normalized_damerau_levenshtein(name, known_name);
                let strange = if known_section == section { 0.0 } else { 0.2 };
                (alike - strange, known)
            })
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|(left, _), (right, _)| left.total_cmp(right))
            .map(|(_, known)| known)
    }
}

/// A key is a plain secret if the same table knows a `_file` key for it.
pub(super) fn is_secret(table: &Table, name: &str) -> bool {
    table.contains_key(name) && table.contains_key(&format!("{name}_file"))
}

/// `section` and `name`, dotted; a key at the top stands alone.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// `api.tokens[2].role` as `api.tokens.role`.
fn without_index(key: &str) -> String {
    key.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

fn collect_keys(table: &Table, section: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = join(section, name);
        match value {
            Value::Table(inner) => collect_keys(inner, &key, keys),
            Value::Array(items) => {
                if let Some(Value::Table(inner)) = items.first() {
                    collect_keys(inner, &key, keys);
                }
            }
            _ => {}
        }
        keys.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::{Schema, is_secret};

    #[test]
    fn a_slip_of_the_hand_finds_the_key() {
        let schema = Schema::of_default();
        for (wrong, right) in [
            ("lever.poll_intervall", Some("lever.poll_interval")),
            ("levr", Some("lever")),
            ("server.poll_interval", Some("lever.poll_interval")),
            ("api.tokens[3].rol", Some("api.tokens.role")),
            ("transcript.xyz", None),
        ] {
            assert_eq!(schema.nearest(wrong), right, "{wrong}");
        }
    }

    #[test]
    fn only_what_has_a_file_beside_it_is_a_secret() {
        let schema = Schema::of_default();
        let lever = schema.root()["lever"].as_table().unwrap();
        assert!(is_secret(lever, "api_key"));
        assert!(!is_secret(lever, "api_key_file"));
        assert!(!is_secret(lever, "burst"));
        assert!(!is_secret(lever, "webhook_tokens"));
    }

    #[test]
    fn every_key_of_the_reference_has_a_comment_above_it() {
        let mut commented = false;
        for line in super::DEFAULT.lines() {
            if line.starts_with("# ") {
                commented = true;
            } else if line.is_empty() || line.starts_with('[') {
                commented = false;
            } else if !line.starts_with("#:") {
                assert!(commented, "no comment above {line}");
            }
        }
    }
}

//! The house stands as design.md draws it: a room uses what stands below it, never what stands
//! above or beside it on the same floor.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the package by floor. `main` and `lib` are the doors.
const FLOORS: [(&str, u8); 10] = [
    ("config", 2),
    ("store", 2),
    ("search", 2),
    ("lever", 2),
    ("carrier", 2),
    ("calendar", 2),
    ("bucket", 2),
    ("engine", 3),
    ("server", 4),
    ("cli", 5),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The rooms that a file names by `crate::`, in imports and in the midst of code alike.
fn rooms_named(source: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for part in source.split("crate::").skip(1) {
        let word = |text: &str| {
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
            text[..end].to_owned()
        };
        match part.strip_prefix('{') {
            // `use crate::{a, b::{c, d}}`: the words at depth one.
            Some(list) => {
                let mut depth = 1;
                let mut at_start = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 1 => break,
                        '}' => depth -= 1,
                        ',' if depth == 1 => at_start = true,
                        c if at_start && depth == 1 && c.is_alphabetic() => {
                            named.insert(word(&list[at..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => drop(named.insert(word(part))),
        }
    }
    named
}

#[test]
fn a_room_uses_only_what_stands_below_it() {
    let mut wrong = Vec::new();
    for (room, floor) in FLOORS {
        let mut found = Vec::new();
        let folder = root().join("src").join(room);
        if folder.is_dir() {
            files(&folder, &mut found);
        }
        for file in found {
            let source = fs::read_to_string(&file).unwrap();
            for (other, its_floor) in FLOORS {
                if other != room && its_floor >= floor && rooms_named(&source).contains(other) {
                    wrong.push(format!("{} uses {other}", file.display()));
                }
            }
            let uses_sandbox = source.contains("fulcrum_sandbox");
            if uses_sandbox && room != "cli" {
                wrong.push(format!("{} uses the sandbox", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The crates: `domain` is pure, and `sandbox` uses nothing of ours.
#[test]
fn the_crates_below_and_beside_depend_on_nothing_they_must_not_know() {
    let manifest = |name: &str| fs::read_to_string(root().join("src").join(name).join("Cargo.toml")).unwrap();
    let domain = manifest("domain");
    for unwanted in ["tokio", "redb", "hyper", "reqwest", "axum", "rand", "fulcrum"] {
        let line = |line: &str| line.trim_start().starts_with(unwanted);
        assert!(!domain.lines().any(line), "domain depends on {unwanted}");
    }
    assert!(!manifest("sandbox").lines().any(|line| line.trim_start().starts_with("fulcrum")));
    let mut found = Vec::new();
    files(&root().join("src/domain"), &mut found);
    for file in found {
        let source = fs::read_to_string(&file).unwrap();
        for clock in ["SystemTime::now", "Timestamp::now", "Instant::now", "std::fs", "std::net"] {
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!code.contains(clock), "{} knows {clock}", file.display());
        }
    }
}

/// Where a table is read from its first row to its last: each has few rows, however large the tenant. A new
/// place needs a bound, or a reason to stand here.
const READ_WHOLE: [(&str, &str); 17] = [
    ("engine/automations.rs", "CARDS"),
    ("engine/automations.rs", "LIVE_ENROLMENTS"),
    ("engine/bulk/mod.rs", "STAGES"),
    ("engine/changes/appointment.rs", "APPOINTMENTS_BLOCKED"),
    ("engine/changes/automations.rs", "AUTOMATIONS"),
    ("engine/changes/bulk.rs", "BULKS_RUNNING"),
    ("engine/changes/enrolment.rs", "LIVE_ENROLMENTS"),
    ("engine/changes/erase.rs", "VANISHED_NUMBERS"),
    ("engine/changes/interview_news.rs", "APPOINTMENT_NEWS"),
    // Once, when a restored copy takes over.
    ("engine/changes/mute.rs", "AUTOMATIONS"),
    ("engine/changes/mute.rs", "BULKS_RUNNING"),
    ("engine/changes/retention.rs", "HOLDS"),
    ("engine/changes/thaw.rs", "BULKS_RUNNING"),
    // Once, at the start: what waits is soon done.
    ("engine/inbox.rs", "INBOX"),
    ("engine/reconcile.rs", "VANISHED"),
    ("engine/retention.rs", "HOLDS"),
    // Once, by a migration.
    ("store/migrations.rs", "USERS"),
];

#[test]
fn no_table_is_read_whole_that_grows_with_the_tenant() {
    let (src, mut found, mut read) = (root().join("src"), Vec::new(), Vec::new());
    files(&src, &mut found);
    for file in found {
        let place = file.strip_prefix(&src).unwrap().to_str().unwrap();
        let is_of_tests =
            place.ends_with("tests.rs") || place.contains("tests/") || place.contains("/month/");
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let words: String = code.split_whitespace().collect();
        let mut places: Vec<_> = words.split("&Keys::all(),usize::MAX").collect();
        places.pop();
        for before in places.into_iter().filter(|_| !is_of_tests) {
            let table =
                before.trim_end_matches(',').rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
            read.push((place.to_owned(), table.unwrap_or_default().to_owned()));
        }
    }
    read.sort_unstable();
    assert_eq!(read, READ_WHOLE.map(|(place, table)| (place.to_owned(), table.to_owned())));
}

#[test]
fn imports_are_read_right() {
    let source = "use crate::store::{Read, Tx};\nuse crate::{config, lever::{Client, server}, engine::x};";
    let named: Vec<_> = rooms_named(source).into_iter().collect();
    assert_eq!(named, ["config", "engine", "lever", "store"]);
}

//! Names in the config that Lever does not have, as far as the store knows Lever by now.

use super::{Finding, State};
use crate::cli::wiring;
use crate::config::Config;
use crate::engine::{UnknownName, unknown_names};
use crate::store::ReadOnly;

/// One row for each; none where the store cannot be read, which another row says.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let (Ok(keys), Ok(settings)) = (wiring::seal_keys(config), wiring::settings(config)) else {
        return Vec::new();
    };
    let Ok(store) = ReadOnly::open_with(&config.store.path, keys) else { return Vec::new() };
    let found = store.read(|snapshot| unknown_names(snapshot, &settings.rules)).unwrap_or_default();
    found.into_iter().map(told).collect()
}

fn told(unknown: UnknownName) -> Finding {
    let UnknownName { of, kind, name } = unknown;
    let advice =
        format!("Lever has no {kind} \u{201c}{name}\u{201d}, by the last list: is it written as there?");
    Finding::new(of, State::Doubtful, advice)
}

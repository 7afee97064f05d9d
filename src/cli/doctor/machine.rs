//! This machine: the file, its disk, the ports.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Finding, State};
use crate::cli::{screen, wiring};
use crate::config::Config;
use crate::store::{ReadOnly, free_bytes};

/// A store of 100,000 opportunities has a tenth of it; redb doubles the file when it grows.
const FREE_MIN: u64 = 1 << 30;

pub(super) fn look(config: &Config, daemon_runs: bool) -> Vec<Finding> {
    let store = config.store.path.as_path();
    let folder = store.parent().unwrap_or(Path::new("/"));
    let daemon = match daemon_runs {
        true => Finding::new("daemon", State::Works, "it runs"),
        false => Finding::new("daemon", State::Doubtful, "it does not run: `fulcrum run`"),
    };
    vec![
        daemon,
        file(config, folder),
        disk(folder),
        port("port of server.listen", config.server.listen, daemon_runs),
        port("port of ops.listen", config.ops.listen, daemon_runs),
    ]
}

fn file(config: &Config, folder: &Path) -> Finding {
    let store = config.store.path.as_path();
    let what = "store";
    let Ok(metadata) = store.metadata() else {
        return match folder.is_dir() {
            true => Finding::new(what, State::Works, format!("{} will be made", store.display())),
            false => {
                let advice =
                    format!("there is no folder {}: make it, owned by the daemon's user", folder.display());
                Finding::new(what, State::Broken, advice)
            }
        };
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let advice = format!("others can read it (mode {mode:04o}): chmod 600 {}", store.display());
        return Finding::new(what, State::Broken, advice);
    }
    let keys = match wiring::seal_keys(config) {
        Ok(keys) => keys,
        Err(error) => {
            return Finding::new(what, State::Broken, format!("{:#}", anyhow::Error::from(error)));
        }
    };
    match ReadOnly::open_with(store, keys) {
        Ok(_) => Finding::new(
            what,
            State::Works,
            format!("{}, {}", store.display(), screen::bytes(metadata.len())),
        ),
        Err(error) => Finding::new(what, State::Broken, format!("{:#}", anyhow::Error::from(error))),
    }
}

fn disk(folder: &Path) -> Finding {
    let what = "disk space";
    match free_bytes(folder) {
        None => Finding::new(what, State::Doubtful, "the system does not tell"),
        Some(free) if free < FREE_MIN => {
            let advice = format!("only {} free: a full disk stops the daemon", screen::bytes(free));
            Finding::new(what, State::Doubtful, advice)
        }
        Some(free) => Finding::new(what, State::Works, format!("{} free", screen::bytes(free))),
    }
}

fn port(what: &str, address: SocketAddr, daemon_runs: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) if daemon_runs && address.port() != 0 => Finding::new(
            what,
            State::Broken,
            format!("the daemon runs and does not listen on {address}: restart it"),
        ),
        Ok(_) => Finding::new(what, State::Works, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && daemon_runs => {
            Finding::new(what, State::Works, format!("the daemon listens on {address}"))
        }
        Err(error) => Finding::new(what, State::Broken, format!("{address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_how_much_is_free() {
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!(free_bytes(Path::new("/no such folder")), None);
    }

    #[test]
    fn a_port_that_another_has_is_broken() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        assert_eq!(port("p", address, false).state, State::Broken);
        assert_eq!(port("p", address, true).state, State::Works);
    }
}

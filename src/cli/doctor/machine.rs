//! This machine: the file, its disk, the ports.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Finding, State};
use crate::cli::folders::{self, Flaw, folder_of};
use crate::cli::{screen, wiring};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::server::{Certificate, CertificateFlaw};
use crate::store::{ReadOnly, free_bytes};

/// A store of 100,000 opportunities has a tenth of it; redb doubles the file when it grows.
const FREE_MIN: u64 = 1 << 30;

pub(super) fn look(config: &Config, daemon_runs: bool) -> Vec<Finding> {
    let store = config.store.path.as_path();
    let folder = folder_of(store);
    let daemon = match daemon_runs {
        true => Finding::new("daemon", State::Works, "it runs"),
        false => Finding::new("daemon", State::Doubtful, "it does not run: `fulcrum run`"),
    };
    let mut findings = vec![daemon, file(config, folder), disk(folder)];
    findings.extend(folders::named(config).into_iter().map(|(key, path, flaw)| {
        flaw.map_or_else(
            || Finding::new(key, State::Works, path.display().to_string()),
            |flaw| flawed(key, flaw),
        )
    }));
    findings.extend(certificate(config));
    findings.extend([
        port("port of server.listen", config.server.listen, daemon_runs),
        port("port of ops.listen", config.ops.listen, daemon_runs),
    ]);
    findings
}

/// That of the public listener, where it speaks TLS itself.
fn certificate(config: &Config) -> Option<Finding> {
    let what = "certificate";
    let loaded = match Certificate::load(config.server.tls.clone()?) {
        Ok(loaded) => loaded,
        Err(error) => {
            return Some(Finding::new(what, State::Broken, format!("{:#}", anyhow::Error::from(error))));
        }
    };
    Some(match loaded.flaw(config.server.public_url.host_str().unwrap_or_default(), Clock::System.now()) {
        // What stands in front may ask for another name.
        Some(flaw @ CertificateFlaw::OtherName(_)) if !config.server.trusted_proxies.is_empty() => {
            Finding::new(what, State::Doubtful, flaw.to_string())
        }
        Some(flaw) if flaw.is_refused() => Finding::new(what, State::Broken, flaw.to_string()),
        Some(flaw) => Finding::new(what, State::Doubtful, flaw.to_string()),
        None => {
            let until = loaded.not_after().map(|over| format!("valid until {over:.0}"));
            Finding::new(what, State::Works, until.unwrap_or_default())
        }
    })
}

fn flawed(what: &str, flaw: Flaw) -> Finding {
    match flaw {
        Flaw::Certain(advice) => Finding::new(what, State::Broken, advice),
        Flaw::Doubtful(advice) => Finding::new(what, State::Doubtful, advice),
    }
}

fn file(config: &Config, folder: &Path) -> Finding {
    let store = config.store.path.as_path();
    let what = "store";
    // The daemon makes files beside it: its index, and a new one after an erasure.
    let flaw = folders::flaw(folder, folders::owner(store));
    let (metadata, doubt) = match (store.metadata(), flaw) {
        (_, Some(flaw @ Flaw::Certain(_))) | (Err(_), Some(flaw)) => return flawed(what, flaw),
        (Err(_), None) => {
            return Finding::new(what, State::Works, format!("{} will be made", store.display()));
        }
        (Ok(metadata), doubt) => (metadata, doubt),
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
        Ok(_) => match doubt {
            Some(doubt) => flawed(what, doubt),
            None => {
                let told = format!("{}, {}", store.display(), screen::bytes(metadata.len()));
                Finding::new(what, State::Works, told)
            }
        },
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

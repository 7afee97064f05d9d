//! SIGHUP: the config is read again, and what can change while the daemon runs does.
//!
//! All of it or nothing: with one mistake in the new config the old one stays as a whole. What needs
//! a restart is named and stays as it was. The files that the config names are read again with it:
//! secrets, and the certificate.

use std::path::{Path, PathBuf};

use super::logging::Filter;
use crate::cli::{load, wiring};
use crate::config::{Changes, Config, Problems};
use crate::engine::{Engine, Settings};
use crate::server::Running;

/// The settings in force, and where the next ones come from.
pub(super) struct Reloader {
    path: PathBuf,
    /// As of the start: what needs a restart runs by it still.
    started: Config,
    config: Config,
    settings: Settings,
    filter: Filter,
}

impl Reloader {
    pub(super) fn new(path: &Path, config: Config, settings: Settings, filter: Filter) -> Self {
        Self { path: path.to_owned(), started: config.clone(), config, settings, filter }
    }

    pub(super) fn reload(&mut self, engine: &Engine, server: &Running) {
        let taken_up = self.take_up(engine, server);
        engine.note_config(taken_up.as_ref().err().map(refusal));
        match taken_up {
            Ok((changes, renewed)) => {
                if renewed {
                    tracing::info!(
                        "the certificate was renewed: who connects from now on is met with the new one"
                    );
                } else if changes.reloadable.is_empty() && changes.needing_restart.is_empty() {
                    tracing::info!("the config was read again: nothing has changed");
                }
                for key in &changes.reloadable {
                    tracing::info!(key, "the config has changed, and the new value holds");
                }
                for key in &changes.needing_restart {
                    tracing::warn!(
                        key,
                        "the config is another than at the start, and the new value waits for a restart"
                    );
                }
            }
            Err(error) => {
                let problems: Option<&Problems> = error.downcast_ref();
                for problem in problems.into_iter().flat_map(Problems::iter) {
                    tracing::error!(%problem, "a mistake in the new config");
                }
                let error = problems.map_or_else(|| format!("{error:#}"), Problems::count_in_words);
                tracing::error!(error, "the new config is not used, the old one stays");
            }
        }
    }

    /// What has changed, and whether the certificate is another one.
    fn take_up(&mut self, engine: &Engine, server: &Running) -> anyhow::Result<(Changes, bool)> {
        let config = load(&self.path)?;
        let settings = wiring::reloaded(&self.settings, &config)?;
        let renewed = server.renew_certificate()?;
        self.filter.replace(&config.log.filter)?;
        engine.replace_settings(settings.clone());
        server.replace_keys(wiring::keys(&config));
        server.replace_limits(config.server.limits);
        let needing_restart = self.started.reloadable_diff(&config).needing_restart;
        let changes = Changes { needing_restart, ..self.config.reloadable_diff(&config) };
        (self.config, self.settings) = (config, settings);
        Ok((changes, renewed))
    }
}

/// What health says of a config that is not used. What stands in it is for the log and for `check`.
fn refusal(error: &anyhow::Error) -> String {
    let what = match error.downcast_ref().map(|problems: &Problems| problems.iter().count()) {
        Some(1) => "there is a mistake in it, which `fulcrum check` tells".to_owned(),
        Some(count) => format!("there are {count} mistakes in it, which `fulcrum check` tells"),
        None => "the log says why".to_owned(),
    };
    format!("the config was read again and is not used, the one before holds: {what}; then reload")
}

//! Talks to the running daemon through its control socket: HTTP over a Unix socket, so that the
//! routes and shapes are those of the API. Whoever may open the socket needs no token, nor a config without
//! mistakes: those are told beside the answer.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fulcrum_domain::Region;
use jiff::tz::TimeZone;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{screen, sources};
use crate::config::{Config, Outline, Problems};

/// A text to a candidate who is not synced yet waits for Lever first.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The daemon, as commands see it.
pub(super) struct Control {
    client: Client,
    socket: PathBuf,
    timezone: TimeZone,
    region: Option<Region>,
    /// What is wrong with the config on disk, until it is told.
    problems: Mutex<Option<Problems>>,
}

/// The daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    /// Nobody listens.
    #[error(
        "the daemon is not running (nobody listens on {}): start it with `fulcrum run` or `systemctl start fulcrum`",
        socket.display()
    )]
    NotRunning {
        /// Where it would.
        socket: PathBuf,
    },
    /// It is not for us.
    #[error("this user may not use {}: be root, or of the group that the daemon runs as", socket.display())]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// It said no, and why.
    #[error("{reason}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// In words.
        reason: String,
    },
    /// Nobody listens, and the config has mistakes.
    #[error(transparent)]
    BadConfig(Problems),
    /// The connection, or what came by it.
    #[error("the daemon does not answer as it should")]
    Broken(#[source] reqwest::Error),
}

impl ControlError {
    pub(super) fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning { .. } | Self::BadConfig(_))
    }

    pub(super) fn is_bad_config(&self) -> bool {
        matches!(self, Self::BadConfig(_))
    }
}

/// What is read of a problem (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

impl Control {
    /// The daemon of this config, which may have mistakes by now and secrets that are not for us.
    pub(super) fn new(config: &Path) -> anyhow::Result<Self> {
        let Outline { control_socket, timezone, region, problems } = Outline::load(&sources(config))?;
        Ok(Self { timezone, region, problems: Mutex::new(problems), ..Self::at(control_socket)? })
    }

    /// That of a config that was read as a whole.
    pub(super) fn of(config: &Config) -> reqwest::Result<Self> {
        let organisation = &config.organisation;
        let (timezone, region) = (organisation.timezone.clone(), Some(organisation.region));
        Ok(Self { timezone, region, ..Self::at(config.server.control_socket.clone())? })
    }

    #[expect(clippy::disallowed_methods, reason = "through a Unix socket, to the daemon of this machine")]
    fn at(socket: PathBuf) -> reqwest::Result<Self> {
        let client = Client::builder().unix_socket(socket.clone()).no_proxy().timeout(TIMEOUT).build()?;
        Ok(Self { client, socket, timezone: TimeZone::UTC, region: None, problems: Mutex::new(None) })
    }

    /// How numbers without a country code are read.
    ///
    /// # Errors
    /// What is wrong with the config, if it does not say so.
    pub(super) fn region(&self) -> anyhow::Result<Region> {
        self.region.ok_or_else(|| match self.untold() {
            Some(problems) => problems.into(),
            None => anyhow::anyhow!("organisation.region is not set"),
        })
    }

    /// The zone that people read times in.
    pub(super) fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, ControlError> {
        self.ask(self.client.get(url(path)).query(query)).await
    }

    /// Asks for something to be done, once even if the answer gets lost on the way.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, ControlError> {
        let key = Uuid::new_v4().to_string();
        self.ask(self.client.post(url(path)).header("idempotency-key", key).json(body)).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, ControlError> {
        let answer = request.send().await.map_err(|error| self.no_answer(error))?;
        if let Some(problems) = self.untold() {
            // When standard error is closed, there is nobody to warn.
            let _ = screen::note(format_args!(
                "fulcrum: the config on disk has mistakes; the daemon goes by what it has read before: {problems}"
            ));
        }
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(ControlError::Broken);
        }
        let problem: Option<Problem> = answer.json().await.ok();
        let told = problem.and_then(|problem| problem.detail.or(problem.title));
        let reason = told.unwrap_or_else(|| format!("the daemon answers {status}"));
        Err(ControlError::Refused { status, reason })
    }

    fn untold(&self) -> Option<Problems> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn no_answer(&self, error: reqwest::Error) -> ControlError {
        let socket = self.socket.clone();
        match io_kind(&error) {
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => match self.untold() {
                Some(problems) => ControlError::BadConfig(problems),
                None => ControlError::NotRunning { socket },
            },
            Some(io::ErrorKind::PermissionDenied) => ControlError::NotAllowed { socket },
            _ => ControlError::Broken(error),
        }
    }
}

fn url(path: &str) -> String {
    // The host is not looked at: the socket says who is meant.
    format!("http://fulcrum{path}")
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = error.source();
    }
    None
}

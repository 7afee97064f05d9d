//! What commands need that ask the running daemon: where it listens, and how people read its answers.
//!
//! The daemon runs on with the settings that it has read, whatever is on disk by now; so a mistake there must
//! not keep anybody from pausing an automation. And whoever is in its group may use its socket without being
//! able to read its secrets, so none is read here.

use std::path::PathBuf;

use fulcrum_domain::Region;
use jiff::tz::TimeZone;

use super::problem::Problem;
use super::{Problems, Secrets, Sources, read};

/// The key without which nobody can be asked.
const SOCKET: &str = "server.control_socket";

/// What commands need that ask the running daemon.
#[derive(Debug)]
pub struct Outline {
    /// The Unix socket that it listens on.
    pub control_socket: PathBuf,
    /// The zone that times are told in; UTC if none can be read.
    pub timezone: TimeZone,
    /// How numbers without a country code are read, if that can be read.
    pub region: Option<Region>,
    /// What is wrong with the settings, as far as it is seen without their secrets.
    pub problems: Option<Problems>,
}

impl Outline {
    /// Reads it, whatever is wrong with all the rest.
    ///
    /// # Errors
    ///
    /// Every problem of every source, if the file cannot be read or does not tell which socket is meant.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let (read, problems, torn) = read(sources, Secrets::Unread, |raw, values, check| {
            let outline = Self {
                control_socket: raw.server.control_socket().into(),
                timezone: raw.organisation.zone().unwrap_or(TimeZone::UTC),
                region: raw.organisation.region(),
                problems: None,
            };
            let stands = check.stands(SOCKET);
            // Nothing can come of it, without secrets, but problems.
            let _ = raw.check(values, check);
            (outline, stands)
        })?;
        let is_about_it = |problem: &Problem| {
            problem.key == "server" || problem.key == SOCKET || problem.suggestion.as_deref() == Some(SOCKET)
        };
        // In the part that is no TOML another socket may be named than the one that is taken for want of it.
        let hides_it =
            |stands: bool| !stands && torn.as_ref().is_some_and(|text| text.contains("control_socket"));
        match read {
            Some((outline, stands)) if !problems.iter().any(is_about_it) && !hides_it(stands) => {
                let problems = (!problems.is_empty()).then(|| Problems::new(problems));
                Ok(Self { problems, ..outline })
            }
            _ => Err(Problems::new(problems)),
        }
    }
}

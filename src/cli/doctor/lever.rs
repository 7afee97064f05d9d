//! What the key may do, and whether the clocks agree.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fulcrum_domain::{Confidential, Lane};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Finding, State};
use crate::cli::network;
use crate::cli::wiring::{self, WiringError};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::lever::{Endpoint, LeverClient, LeverError, LeverSettings, PaceSettings, Pacer, Verdict, probe};

/// Lever counts the daemon's requests and ours together, so beside a running one we are slow: the
/// time from one request to the next.
const BESIDE_THE_DAEMON: Duration = Duration::from_millis(500);

/// Lever answers within a second or two. The daemon has more patience; a person waits here.
const PATIENCE: Duration = Duration::from_secs(10);

const TOO_BUSY: &str = "Lever was too busy, with the daemon most likely: ask again later";

/// Signatures hold for days, but times in notes and deadlines would be wrong.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Without these there is nothing that fulcrum is for.
const REQUIRED: [Endpoint; 3] = [Endpoint::Opportunities, Endpoint::Opportunity, Endpoint::CreateNote];

pub(super) async fn look(config: &Config, daemon_runs: bool) -> Result<Vec<Finding>, WiringError> {
    let pace = match wiring::pace(config) {
        pace if daemon_runs => {
            PaceSettings { period: pace.period.max(BESIDE_THE_DAEMON), burst: NonZeroU32::MIN, in_flight: 1 }
        }
        pace => pace,
    };
    let stop = CancellationToken::new();
    let pacer = Pacer::start(pace, &TaskTracker::new(), stop.clone());
    let settings = wiring::lever(config)?;
    let settings = LeverSettings { deadline: settings.deadline.min(PATIENCE), ..settings };
    let client = LeverClient::new(settings, pacer, Arc::new(|_| {}))?;
    let probed = probe(&client, Lane::Interactive).await;
    stop.cancel();

    let permissions = match probed {
        Ok(permissions) => permissions,
        Err(error) => return Ok(vec![refused(client.place(), error)]),
    };
    let mut findings = vec![Finding::new("lever key", State::Works, client.place())];
    findings.extend(client.skew(Clock::System.now()).map(clock));
    findings.extend(permissions.endpoints.iter().map(|(endpoint, verdict)| {
        let without = if REQUIRED.contains(endpoint) { State::Broken } else { State::Missing };
        let finding = judged(of(*endpoint), verdict, without, endpoint.without());
        Finding { permission: true, optional: !endpoint.is_required(), ..finding }
    }));
    let expand = "the initial sync takes a request for each opportunity more";
    let applications = "lever: applications within the list".to_owned();
    let applications = judged(applications, &permissions.expand_applications, State::Missing, expand);
    findings.push(Finding { optional: true, ..applications });
    if config.lever.confidential != Confidential::Off {
        let advice = "lever.confidential asks for it: a new key with the toggle for confidential data";
        findings.push(judged(
            "lever: confidential data".to_owned(),
            &permissions.confidential,
            State::Broken,
            advice,
        ));
    }
    Ok(findings)
}

/// Whether the key may make interviews.
pub(super) fn makes_interviews(findings: &[Finding]) -> bool {
    let what = of(Endpoint::CreatePanel);
    findings.iter().any(|finding| finding.what == what && finding.state == State::Works)
}

/// What a finding about an endpoint is called.
fn of(endpoint: Endpoint) -> String {
    format!("lever: {}", endpoint.tick_box())
}

/// What to look at where `place` gave no answer of Lever's.
fn refused(place: &str, error: LeverError) -> Finding {
    if matches!(error, LeverError::Throttled) {
        return Finding::new("lever key", State::Doubtful, TOO_BUSY);
    }
    let is_strange = error.is_strange() || matches!(error, LeverError::BadRequest { .. });
    let advice = match error {
        LeverError::Unauthorized => format!(
            "{place}: the key is refused: look at lever.api_key_file, or make a new one in Lever's settings"
        ),
        LeverError::Intercepted { status: 407 } => format!("{place}: {}", network::WANTS_A_LOGIN),
        error if is_strange => format!(
            "{place}: {error}: that is not Lever's API. Look at lever.base_url, https://api.lever.co/v1 or \
             https://api.eu.lever.co/v1, and at what stands in between"
        ),
        error => format!("{place}: {}", network::told(error)),
    };
    Finding::new("lever key", State::Broken, advice)
}

fn clock(skew: SignedDuration) -> Finding {
    let seconds = skew.as_secs();
    if skew.abs() > SKEW_MAX {
        let advice = format!("{seconds} s from Lever's: set up time synchronisation");
        return Finding::new("clock", State::Doubtful, advice);
    }
    Finding::new("clock", State::Works, format!("{seconds} s from Lever's"))
}

fn judged(what: String, verdict: &Verdict, missing: State, without: &str) -> Finding {
    match verdict {
        Verdict::Allowed => Finding::new(what, State::Works, ""),
        Verdict::Missing => Finding::new(what, missing, without),
        Verdict::Unknown(LeverError::Throttled) => Finding::new(what, State::Doubtful, TOO_BUSY),
        Verdict::Unknown(error) => Finding::new(what, State::Doubtful, format!("cannot be told: {error}")),
        Verdict::Odd => Finding::new(what, State::Doubtful, "Lever took a request that it should refuse"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lever::Unreadable;

    #[test]
    fn what_is_not_lever_is_told_with_its_address_and_what_to_look_at() {
        let not_found =
            || LeverError::NotFound { endpoint: Endpoint::Users, of_record: false, names_user: false };
        for error in [not_found(), LeverError::Unreadable(Unreadable::NotJson)] {
            let told = refused("http://localhost:9464/ by way of P", error);
            assert_eq!(told.state, State::Broken);
            for part in ["http://localhost:9464/ by way of P", "lever.base_url", "https://api.lever.co/v1"] {
                assert!(told.advice.contains(part), "{part}: {}", told.advice);
            }
        }
        let told = refused("P", LeverError::Intercepted { status: 407 });
        assert!(told.advice.contains("network.proxy_login_file"), "{}", told.advice);
        assert!(!told.advice.contains("base_url"), "{}", told.advice);
    }
}

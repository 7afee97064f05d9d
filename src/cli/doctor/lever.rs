//! What the key may do, and whether the clocks agree.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fulcrum_domain::{Confidential, Lane};
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Finding, State};
use crate::cli::wiring::{self, WiringError};
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::lever::{Endpoint, LeverClient, LeverError, PaceSettings, Pacer, Verdict, probe};

/// Lever counts the daemon's requests and ours together, so beside a running one we are slow: the
/// time from one request to the next.
const BESIDE_THE_DAEMON: Duration = Duration::from_millis(500);

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
    let client = LeverClient::new(wiring::lever(config)?, pacer, Arc::new(|_| {}))?;
    let probed = probe(&client, Lane::Interactive).await;
    stop.cancel();

    let permissions = match probed {
        Ok(permissions) => permissions,
        Err(error) => return Ok(vec![refused(config, error)]),
    };
    let mut findings = vec![Finding::new("lever key", State::Works, config.lever.base_url.to_string())];
    findings.extend(client.skew(Clock::System.now()).map(clock));
    findings.extend(permissions.endpoints.iter().map(|(endpoint, verdict)| {
        let without = if REQUIRED.contains(endpoint) { State::Broken } else { State::Missing };
        judged(of(*endpoint), verdict, without, endpoint.without())
    }));
    let expand = "the initial sync takes a request for each opportunity more";
    findings.push(judged(
        "lever: applications within the list".to_owned(),
        &permissions.expand_applications,
        State::Missing,
        expand,
    ));
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

fn refused(config: &Config, error: LeverError) -> Finding {
    let advice = match error {
        LeverError::Unauthorized => {
            "the key is refused: look at lever.api_key_file, or make a new one in Lever's settings".to_owned()
        }
        error => format!("{}: {:#}", config.lever.base_url, anyhow::Error::from(error)),
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
        Verdict::Unknown(LeverError::Throttled) => Finding::new(
            what,
            State::Doubtful,
            "Lever was too busy, with the daemon most likely: ask again later",
        ),
        Verdict::Unknown(error) => Finding::new(what, State::Doubtful, format!("cannot be told: {error}")),
        Verdict::Odd => Finding::new(what, State::Doubtful, "Lever took a request that it should refuse"),
    }
}

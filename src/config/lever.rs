//! `[lever]` and `[backfill]`: how Lever is read and written.

use std::{num::NonZeroU32, ops::RangeInclusive, path::PathBuf, time::Duration};

use fulcrum_domain::{BackfillScope, Confidential};
use jiff::civil::Date;
use serde::Deserialize;
use url::Url;

use super::{
    check::{Check, Checked},
    secret::{Secret, SecretFileError, read_file},
    webhook_tokens::WebhookTokens,
};

/// Lever itself allows 10 requests a second; above that it is a sandbox.
const RATE: RangeInclusive<u32> = 1..=100_000;
/// Each request under way costs a connection's buffers.
const IN_FLIGHT: RangeInclusive<u32> = 1..=1_000;
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(10);
const POLL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

/// The Data API and the webhooks.
#[derive(Clone, Debug)]
pub struct Lever {
    /// Where the Data API is; https unless on loopback. Needs a restart.
    pub base_url: Url,
    /// The API key, the user name of Basic auth. Needs a restart.
    pub api_key: Secret,
    /// In which file the key is; none where it stands in the config itself.
    pub api_key_file: Option<PathBuf>,
    /// Confidential opportunities; off unless set. Needs a restart.
    pub confidential: Confidential,
    /// E-mail of the Lever user who is the author of notes where no sender can be.
    pub notes_as: Option<String>,
    /// Lever's limit for the key, 10 unless set. Needs a restart.
    pub requests_per_second: NonZeroU32,
    /// The limit's bucket, 20 unless set. Needs a restart.
    pub burst: NonZeroU32,
    /// Requests under way at once, 12 unless set. Needs a restart.
    pub in_flight: NonZeroU32,
    /// Time to connect, 10 s unless set. Needs a restart.
    pub connect_timeout: Duration,
    /// Time for a request with its answer, 30 s unless set. Needs a restart.
    pub request_timeout: Duration,
    /// What webhooks are verified with; nothing in it while there is no tokens file.
    pub webhook_tokens: WebhookTokens,
    /// Where the tokens are, or will be once an administrator has them.
    pub webhook_tokens_file: Option<PathBuf>,
    /// The unguessable part of the webhooks' path.
    pub hook_secret: Option<Secret>,
    /// How often Lever is asked what changed, 5 min unless set.
    pub poll_interval: Duration,
}

/// The initial sync. Needs a restart.
#[derive(Clone, Debug)]
pub struct Backfill {
    /// Whose interviews are fetched.
    pub interviews: BackfillScope,
    /// Opportunities created before this day are left out.
    pub since: Option<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLever {
    base_url: String,
    api_key_file: String,
    confidential: String,
    notes_as: String,
    requests_per_second: i64,
    burst: i64,
    in_flight: i64,
    connect_timeout: String,
    request_timeout: String,
    webhook_tokens_file: String,
    hook_secret_file: String,
    poll_interval: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackfill {
    interviews: String,
    since: String,
}

impl RawLever {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Lever> {
        let base_url = check.base_url("lever.base_url", &self.base_url);
        let api_key = check.secret("lever.api_key", &self.api_key_file, "lever-api-key");
        let api_key_file = check.secret_path("lever.api_key_file", &self.api_key_file, "lever-api-key");
        let confidential = check.choice(
            "lever.confidential",
            &self.confidential,
            &[("off", Confidential::Off), ("read", Confidential::Read), ("full", Confidential::Full)],
        );
        let notes_as = match self.notes_as.as_str() {
            "" => Ok(None),
            email if email.contains('@') => Ok(Some(email.to_owned())),
            other => {
                let expected = "the e-mail of a Lever user";
                Err(check.reject("lever.notes_as", format!("\"{other}\""), expected))
            }
        };
        let requests_per_second = count(check, "lever.requests_per_second", self.requests_per_second, &RATE);
        let burst = count(check, "lever.burst", self.burst, &RATE);
        let in_flight = count(check, "lever.in_flight", self.in_flight, &IN_FLIGHT);
        let connect_timeout = check.duration("lever.connect_timeout", &self.connect_timeout, &TIMEOUT);
        let request_timeout = check.duration("lever.request_timeout", &self.request_timeout, &TIMEOUT);
        let webhooks = self.webhook_tokens(check);
        let hook_secret = self.hook_secret(check);
        let poll_interval = check.duration("lever.poll_interval", &self.poll_interval, &POLL);
        let (webhook_tokens_file, webhook_tokens) = webhooks?;
        Ok(Lever {
            base_url: base_url?,
            api_key: api_key?,
            api_key_file: api_key_file?.map(|(path, _)| path),
            confidential: confidential?,
            notes_as: notes_as?,
            requests_per_second: requests_per_second?,
            burst: burst?,
            in_flight: in_flight?,
            connect_timeout: connect_timeout?,
            request_timeout: request_timeout?,
            webhook_tokens,
            webhook_tokens_file,
            hook_secret: hook_secret?,
            poll_interval: poll_interval?,
        })
    }

    /// Whether Lever is reached without TLS, as a sandbox is.
    pub(super) fn is_plain_http(&self) -> bool {
        self.base_url.trim_start().starts_with("http://")
    }

    /// A tokens file that is not there yet is no problem: the tokens exist only once the
    /// webhooks have been made in Lever, which needs a running daemon to answer the first ping.
    fn webhook_tokens(&self, check: &mut Check<'_>) -> Checked<(Option<PathBuf>, WebhookTokens)> {
        let key = "lever.webhook_tokens_file";
        if check.leaves_secrets() {
            return Ok((None, WebhookTokens::default()));
        }
        let place = check.secret_path(key, &self.webhook_tokens_file, "lever-webhooks.toml")?;
        let Some((path, guard)) = place else {
            return Ok((None, WebhookTokens::default()));
        };
        let tokens = match read_file(&path, guard) {
            Ok(text) => WebhookTokens::parse(&text, &path).map_err(|problems| check.extend(problems))?,
            Err(SecretFileError::Missing) => WebhookTokens::default(),
            Err(error) => {
                let found = format!("{}: {error}", path.display());
                return Err(check.reject(key, found, error.expected(&path)));
            }
        };
        for (name, secret) in tokens.named() {
            check.secrets.insert(format!("{key}: {name}"), secret.clone());
        }
        Ok((Some(path), tokens))
    }

    fn hook_secret(&self, check: &mut Check<'_>) -> Checked<Option<Secret>> {
        let key = "lever.hook_secret";
        let secret = check.optional_secret(key, &self.hook_secret_file, "lever-hook-secret")?;
        let in_a_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
        match secret {
            Some(secret) if !secret.expose().chars().all(in_a_path) => Err(check.reject(
                "lever.hook_secret_file",
                "a secret that cannot be part of a path",
                "letters, digits, - and _ only",
            )),
            secret => Ok(secret),
        }
    }
}

impl RawBackfill {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Backfill> {
        let interviews = check.choice(
            "backfill.interviews",
            &self.interviews,
            &[("active", BackfillScope::Active), ("all", BackfillScope::All), ("none", BackfillScope::None)],
        );
        let since = match self.since.as_str() {
            "" => Ok(None),
            date => check.parse("backfill.since", date, "a date, such as \"2023-01-01\"").map(Some),
        };
        Ok(Backfill { interviews: interviews?, since: since? })
    }
}

fn count(check: &mut Check<'_>, key: &str, value: i64, bounds: &RangeInclusive<u32>) -> Checked<NonZeroU32> {
    let bounds = i64::from(*bounds.start())..=i64::from(*bounds.end());
    let value = check.within(key, value, &bounds)?;
    let value = u32::try_from(value).ok().and_then(NonZeroU32::new);
    Ok(value.expect("the bounds are positive and fit"))
}

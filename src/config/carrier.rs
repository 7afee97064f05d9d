//! `[carrier]` and its sections: whom the texts go through. Only the section of the carrier that is used
//! is looked at. All of it needs a restart.

use std::{ops::RangeInclusive, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::VerifyingKey;
use fulcrum_domain::Number;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::{
    check::{Check, Checked},
    secret::Secret,
};

const POLL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
/// Twilio's own bounds (carriers.md 1.2).
const VALIDITY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(10);
const SEGMENTS: RangeInclusive<f64> = 0.01..=1_000.0;

/// The carrier and our numbers there.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Ours, at least one, each once; the first serves new conversations.
    pub numbers: Vec<Number>,
    /// Which one, and how it is reached.
    pub kind: CarrierKind,
    /// Nothing comes in from the carrier: it is asked for what came this often. None: it tells by webhooks.
    pub poll_alone: Option<Duration>,
}

/// A carrier that we can speak to.
#[derive(Clone, Debug)]
pub enum CarrierKind {
    /// Twilio Programmable Messaging.
    Twilio(Twilio),
    /// Telnyx Messaging.
    Telnyx(Telnyx),
    /// A gateway of one's own, by signed webhooks.
    Webhook(Webhook),
}

impl CarrierKind {
    /// Message segments a second from each number.
    #[must_use]
    pub fn segments_per_second(&self) -> f64 {
        match self {
            Self::Twilio(twilio) => twilio.segments_per_second,
            Self::Telnyx(telnyx) => telnyx.segments_per_second,
            Self::Webhook(webhook) => webhook.segments_per_second,
        }
    }

    /// How often the carrier is asked for what no webhook told.
    #[must_use]
    pub fn poll(&self) -> Duration {
        match self {
            Self::Twilio(twilio) => twilio.inbound_poll,
            Self::Telnyx(telnyx) => telnyx.status_poll,
            // It is asked for nothing, so this is only how often nothing is found.
            Self::Webhook(_) => *POLL.end(),
        }
    }
}

/// A Twilio account.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// <https://api.twilio.com> unless set; https unless on loopback.
    pub base_url: Url,
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// The password of requests and the key of webhook signatures.
    pub auth_token: Secret,
    /// Others that webhooks may be signed with, while the token is being changed.
    pub other_tokens: Vec<Secret>,
    /// `MG` and 32 hex digits: texts go out through this service.
    pub messaging_service_sid: Option<String>,
    /// How often received texts are listed, 5 min unless set.
    pub inbound_poll: Duration,
    /// Message segments a second from each number, 1 unless set.
    pub segments_per_second: f64,
    /// How long the carrier may hold a text back, 1 h unless set.
    pub validity_period: Duration,
}

/// A Telnyx account.
#[derive(Clone, Debug)]
pub struct Telnyx {
    /// <https://api.telnyx.com> unless set; https unless on loopback.
    pub base_url: Url,
    /// `KEY…`, the bearer of requests.
    pub api_key: Secret,
    /// What webhooks are signed with.
    pub public_key: VerifyingKey,
    /// The profile by which texts go out, where the number alone does not say.
    pub messaging_profile_id: Option<String>,
    /// How often it is asked what became of texts of which no webhook told, 5 min unless set.
    pub status_poll: Duration,
    /// Message segments a second from each number, 1 unless set.
    pub segments_per_second: f64,
}

/// A gateway of one's own.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where texts are posted; https unless on loopback.
    pub url: Url,
    /// What is posted is signed with it: `whsec_…`.
    pub secret: Secret,
    /// What the gateway posts is signed with it: `whsec_…`.
    pub inbound_secret: Secret,
    /// Message segments a second from each number, 1 unless set.
    pub segments_per_second: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCarrier {
    kind: String,
    mode: String,
    poll_interval: String,
    numbers: Vec<String>,
    twilio: RawTwilio,
    telnyx: RawTelnyx,
    webhook: RawWebhook,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    secret_file: String,
    inbound_secret_file: String,
    segments_per_second: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTelnyx {
    base_url: String,
    api_key_file: String,
    public_key: String,
    messaging_profile_id: String,
    status_poll: String,
    segments_per_second: f64,
}

/// The words of `carrier.kind`.
#[derive(Clone, Copy)]
enum Kind {
    Twilio,
    Telnyx,
    Webhook,
}

const KINDS: [(&str, Kind); 3] =
    [("twilio", Kind::Twilio), ("telnyx", Kind::Telnyx), ("webhook", Kind::Webhook)];

/// The words of `carrier.mode`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Webhooks,
    Poll,
}

const MODES: [(&str, Mode); 2] = [("webhooks", Mode::Webhooks), ("poll", Mode::Poll)];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTwilio {
    base_url: String,
    account_sid: String,
    auth_token_file: String,
    messaging_service_sid: String,
    inbound_poll: String,
    segments_per_second: f64,
    validity_period: String,
}

impl RawCarrier {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Carrier> {
        let numbers = self.numbers(check);
        let kind = check.choice("carrier.kind", &self.kind, &KINDS);
        let poll_alone = self.poll_alone(kind.as_ref().ok().copied(), check);
        let kind = match kind? {
            Kind::Twilio => self.twilio.check(check).map(CarrierKind::Twilio),
            Kind::Telnyx => self.telnyx.check(check).map(CarrierKind::Telnyx),
            Kind::Webhook => self.webhook.check(check).map(CarrierKind::Webhook),
        };
        Ok(Carrier { numbers: numbers?, kind: kind?, poll_alone: poll_alone? })
    }

    /// Where no webhook comes, what came in must be listed: an answer, or a STOP, would never be heard of.
    fn poll_alone(&self, kind: Option<Kind>, check: &mut Check<'_>) -> Checked<Option<Duration>> {
        let interval = check.duration("carrier.poll_interval", &self.poll_interval, &POLL);
        if check.choice("carrier.mode", &self.mode, &MODES)? == Mode::Webhooks {
            return interval.map(|_| None);
        }
        let unheard = match kind {
            Some(Kind::Telnyx) => "Telnyx lists no texts that came in",
            Some(Kind::Webhook) => "a gateway is asked for nothing, it tells by webhooks alone",
            Some(Kind::Twilio) | None => return interval.map(Some),
        };
        let found = format!("\"poll\" with carrier.kind = \"{}\"", self.kind);
        let expected =
            format!("\"webhooks\": {unheard}, so neither an answer nor a STOP would ever be heard of");
        Err(check.reject("carrier.mode", found, expected))
    }

    fn numbers(&self, check: &mut Check<'_>) -> Checked<Vec<Number>> {
        if self.numbers.is_empty() {
            let expected = "at least one number, such as [\"+12025550100\"]";
            return Err(check.reject("carrier.numbers", "none", expected));
        }
        let mut numbers = Vec::new();
        let mut noted = None;
        for (index, raw) in self.numbers.iter().enumerate() {
            let key = format!("carrier.numbers[{index}]");
            match Number::from_e164(raw) {
                Ok(number) if numbers.contains(&number) => {
                    noted = Some(check.reject(&key, format!("\"{raw}\" again"), "each once"));
                }
                Ok(number) => numbers.push(number),
                Err(_) => {
                    let expected = "a number such as \"+12025550100\", without spaces";
                    noted = Some(check.reject(&key, format!("\"{raw}\""), expected));
                }
            }
        }
        noted.map_or(Ok(numbers), Err)
    }
}

impl RawTwilio {
    fn check(&self, check: &mut Check<'_>) -> Checked<Twilio> {
        let base_url = check.base_url("carrier.twilio.base_url", &self.base_url);
        let account_sid = sid(check, "carrier.twilio.account_sid", &self.account_sid, "AC");
        let tokens = check.secret("carrier.twilio.auth_token", &self.auth_token_file, "twilio-auth-token");
        let service = "carrier.twilio.messaging_service_sid";
        let messaging_service_sid = match self.messaging_service_sid.as_str() {
            "" => Ok(None),
            value => sid(check, service, value, "MG").map(Some),
        };
        let inbound_poll = check.duration("carrier.twilio.inbound_poll", &self.inbound_poll, &POLL);
        let segments_per_second =
            check.within("carrier.twilio.segments_per_second", self.segments_per_second, &SEGMENTS);
        let validity_period =
            check.duration("carrier.twilio.validity_period", &self.validity_period, &VALIDITY);
        let tokens = tokens?;
        let mut tokens = tokens.expose().lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(Twilio {
            base_url: base_url?,
            account_sid: account_sid?,
            auth_token: Secret::new(tokens.next().unwrap_or_default()),
            other_tokens: tokens.map(Secret::new).collect(),
            messaging_service_sid: messaging_service_sid?,
            inbound_poll: inbound_poll?,
            segments_per_second: segments_per_second?,
            validity_period: validity_period?,
        })
    }
}

impl RawTelnyx {
    fn check(&self, check: &mut Check<'_>) -> Checked<Telnyx> {
        let base_url = check.base_url("carrier.telnyx.base_url", &self.base_url);
        let api_key = check.secret("carrier.telnyx.api_key", &self.api_key_file, "telnyx-api-key");
        let public_key = public_key(check, "carrier.telnyx.public_key", &self.public_key);
        let messaging_profile_id = match self.messaging_profile_id.as_str() {
            "" => Ok(None),
            value if Uuid::try_parse(value).is_ok() => Ok(Some(value.to_owned())),
            // Not repeated: a key may have been pasted here.
            _ => {
                let expected = "an id such as \"16fd2706-8baf-433b-82eb-8c7fada847da\"";
                Err(check.reject("carrier.telnyx.messaging_profile_id", "something else", expected))
            }
        };
        let status_poll = check.duration("carrier.telnyx.status_poll", &self.status_poll, &POLL);
        let segments_per_second =
            check.within("carrier.telnyx.segments_per_second", self.segments_per_second, &SEGMENTS);
        Ok(Telnyx {
            base_url: base_url?,
            api_key: api_key?,
            public_key: public_key?,
            messaging_profile_id: messaging_profile_id?,
            status_poll: status_poll?,
            segments_per_second: segments_per_second?,
        })
    }
}

impl RawWebhook {
    fn check(&self, check: &mut Check<'_>) -> Checked<Webhook> {
        let url = check.secure_url("carrier.webhook.url", &self.url);
        let secret = webhook_secret(check, "carrier.webhook.secret", &self.secret_file, "webhook-secret");
        let inbound_secret = webhook_secret(
            check,
            "carrier.webhook.inbound_secret",
            &self.inbound_secret_file,
            "webhook-inbound-secret",
        );
        let segments_per_second =
            check.within("carrier.webhook.segments_per_second", self.segments_per_second, &SEGMENTS);
        Ok(Webhook {
            url: url?,
            secret: secret?,
            inbound_secret: inbound_secret?,
            segments_per_second: segments_per_second?,
        })
    }
}

/// A key as Standard Webhooks write one.
fn webhook_secret(check: &mut Check<'_>, key: &str, file: &str, credential: &str) -> Checked<Secret> {
    let secret = check.secret(key, file, credential)?;
    let bytes = secret.expose().strip_prefix("whsec_").and_then(|text| BASE64.decode(text).ok());
    if bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len())) {
        return Ok(secret);
    }
    let expected = "whsec_ and base64 of 24 to 64 random bytes";
    Err(check.reject(&format!("{key}_file"), "a file with something else", expected))
}

/// An Ed25519 key. What is found instead is not repeated: the other key gets pasted here.
fn public_key(check: &mut Check<'_>, key: &str, value: &str) -> Checked<VerifyingKey> {
    let expected = "the account's public key, base64 of 32 bytes";
    let value = check.text(key, value, expected)?;
    let bytes = BASE64.decode(value).ok().and_then(|bytes| bytes.try_into().ok());
    let found = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    // One of the few with which anything would be signed.
    let found = found.filter(|found| !found.is_weak());
    found.ok_or_else(|| check.reject(key, "something else", expected))
}

/// A Twilio identifier. What is found instead is not repeated: an auth token, which is as long
/// and as hexadecimal, gets pasted here.
fn sid(check: &mut Check<'_>, key: &str, value: &str, prefix: &str) -> Checked<String> {
    let expected = format!("{prefix} and 32 hex digits");
    let value = check.text(key, value, &expected)?;
    let digits = value.strip_prefix(prefix).unwrap_or("");
    if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(value);
    }
    Err(check.reject(key, "something else", expected))
}

//! `[carrier]` and `[carrier.twilio]`: whom the texts go through. All of it needs a restart.

use std::{ops::RangeInclusive, time::Duration};

use fulcrum_domain::Number;
use serde::Deserialize;
use url::Url;

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
}

/// A carrier that we can speak to.
#[derive(Clone, Debug)]
pub enum CarrierKind {
    /// Twilio Programmable Messaging.
    Twilio(Twilio),
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
    /// `MG` and 32 hex digits: texts go out through this service.
    pub messaging_service_sid: Option<String>,
    /// How often received texts are listed, 5 min unless set.
    pub inbound_poll: Duration,
    /// Message segments a second from each number, 1 unless set.
    pub segments_per_second: f64,
    /// How long the carrier may hold a text back, 1 h unless set.
    pub validity_period: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCarrier {
    kind: String,
    numbers: Vec<String>,
    twilio: RawTwilio,
}

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
        let kind = check.choice("carrier.kind", &self.kind, &[("twilio", ())]);
        let twilio = self.twilio.check(check);
        kind?;
        Ok(Carrier { numbers: numbers?, kind: CarrierKind::Twilio(twilio?) })
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
        let base_url = check.secure_url("carrier.twilio.base_url", &self.base_url);
        let account_sid = sid(check, "carrier.twilio.account_sid", &self.account_sid, "AC");
        let auth_token =
            check.secret("carrier.twilio.auth_token", &self.auth_token_file, "twilio-auth-token");
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
        Ok(Twilio {
            base_url: base_url?,
            account_sid: account_sid?,
            auth_token: auth_token?,
            messaging_service_sid: messaging_service_sid?,
            inbound_poll: inbound_poll?,
            segments_per_second: segments_per_second?,
            validity_period: validity_period?,
        })
    }
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

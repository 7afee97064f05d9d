//! What the config says of the carrier, in the carrier room's terms.

use std::iter;
use std::time::Duration;

use url::Url;

use super::wiring::{self, WiringError};
use super::{network, screen};
use crate::carrier::{Carrier, Hooks, telnyx, twilio, webhook};
use crate::config::{CarrierKind, Config};

/// For a whole request to the carrier.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections to the carrier are given up before its load balancer does, so that a text is not sent
/// into one that is just being closed.
const CARRIER_IDLE: Duration = Duration::from_secs(20);

/// The carrier's client.
///
/// # Errors
/// [`WiringError::Roots`], [`WiringError::Carrier`], [`WiringError::WebhookKey`].
pub(super) fn client(config: &Config) -> Result<Carrier, WiringError> {
    let http = |base_url: &Url| -> Result<reqwest::Client, WiringError> {
        network::http_to(config, base_url, WiringError::Carrier)?
            .https_only(wiring::is_https(base_url))
            .pool_idle_timeout(CARRIER_IDLE)
            .build()
            .map_err(WiringError::Carrier)
    };
    let public_url = config.carrier.poll_alone.is_none().then(|| config.server.public_url.clone());
    Ok(match &config.carrier.kind {
        CarrierKind::Twilio(settings) => Carrier::Twilio(twilio::Client::new(
            http(&settings.base_url)?,
            twilio::TwilioSettings {
                base_url: settings.base_url.clone(),
                account_sid: settings.account_sid.clone(),
                auth_token: wiring::secret(&settings.auth_token),
                messaging_service_sid: settings.messaging_service_sid.clone(),
                public_url,
                timeout: CARRIER_TIMEOUT,
                validity: settings.validity_period,
            },
        )),
        CarrierKind::Telnyx(settings) => Carrier::Telnyx(telnyx::Client::new(
            http(&settings.base_url)?,
            telnyx::TelnyxSettings {
                base_url: settings.base_url.clone(),
                api_key: wiring::secret(&settings.api_key),
                messaging_profile_id: settings.messaging_profile_id.clone(),
                public_url,
                timeout: CARRIER_TIMEOUT,
            },
        )),
        CarrierKind::Webhook(settings) => Carrier::Webhook(webhook::Client::new(
            http(&settings.url)?,
            webhook::WebhookSettings {
                url: settings.url.clone(),
                key: webhook::Key::parse(settings.secret.expose())?,
                timeout: CARRIER_TIMEOUT,
            },
        )),
    })
}

/// Who takes what the carrier sends; nobody where it is only asked.
///
/// # Errors
/// [`WiringError::WebhookKey`].
pub(super) fn hooks(config: &Config) -> Result<Option<Hooks>, WiringError> {
    if config.carrier.poll_alone.is_some() {
        return Ok(None);
    }
    let public_url = &config.server.public_url;
    Ok(Some(match &config.carrier.kind {
        CarrierKind::Twilio(settings) => {
            let all = iter::once(&settings.auth_token).chain(&settings.other_tokens);
            let auth_tokens = all.map(wiring::secret).collect();
            let keys = twilio::SigningKeys { auth_tokens, shared_keys: Vec::new() };
            Hooks::Twilio(twilio::Hooks::new(public_url.clone(), settings.account_sid.clone(), keys))
        }
        CarrierKind::Telnyx(settings) => Hooks::Telnyx(telnyx::Hooks::new(public_url, settings.public_key)),
        CarrierKind::Webhook(settings) => {
            Hooks::Webhook(webhook::Hooks::new(webhook::Key::parse(settings.inbound_secret.expose())?))
        }
    }))
}

/// Where the carrier is.
pub(super) fn address(config: &Config) -> &Url {
    match &config.carrier.kind {
        CarrierKind::Twilio(twilio) => &twilio.base_url,
        CarrierKind::Telnyx(telnyx) => &telnyx.base_url,
        CarrierKind::Webhook(webhook) => &webhook.url,
    }
}

/// Which account it is, as far as that is no secret, and what is to be entered there.
pub(super) fn described(config: &Config) -> String {
    let base = config.server.public_url.as_str().trim_end_matches('/');
    match &config.carrier.kind {
        CarrierKind::Twilio(twilio) => match config.carrier.poll_alone {
            None => format!("Twilio {}", twilio.account_sid),
            Some(every) => {
                let every = screen::span(every.as_secs());
                format!("Twilio {}, asked every {every} and told nothing", twilio.account_sid)
            }
        },
        CarrierKind::Telnyx(_) => format!("Telnyx, webhooks to {base}/hooks/telnyx"),
        CarrierKind::Webhook(webhook) => {
            let host = webhook.url.host_str().unwrap_or_default();
            format!("a gateway at {host}, webhooks to {base}/hooks/gateway")
        }
    }
}

//! The simulated carriers as a daemon meets them: which one has the numbers, where each is reached, and what
//! proves who is who.

use crate::faults::Remote;
use crate::sandbox::Sandbox;
use crate::twilio::Addresses;

/// A simulated carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// Twilio.
    #[default]
    Twilio,
    /// Telnyx.
    Telnyx,
    /// A gateway of the operator's own.
    Gateway,
}

impl Carrier {
    /// Its word in a daemon's config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Telnyx => "telnyx",
            Self::Gateway => "webhook",
        }
    }

    /// Requests to it, for faults.
    #[must_use]
    pub fn remote(self) -> Remote {
        match self {
            Self::Twilio => Remote::Twilio,
            Self::Telnyx => Remote::Telnyx,
            Self::Gateway => Remote::Gateway,
        }
    }

    /// The webhooks that it sends, for faults.
    #[must_use]
    pub fn webhooks(self) -> Remote {
        match self {
            Self::Twilio => Remote::TwilioWebhook,
            Self::Telnyx => Remote::TelnyxWebhook,
            Self::Gateway => Remote::GatewayWebhook,
        }
    }
}

impl Sandbox {
    /// The base URL of the simulated Twilio.
    #[must_use]
    pub fn twilio_url(&self) -> String {
        self.shared.base_url.clone()
    }

    /// Twilio's account.
    #[must_use]
    pub fn account_sid(&self) -> &str {
        &self.shared.account_sid
    }

    /// Twilio's token.
    #[must_use]
    pub fn auth_token(&self) -> &str {
        &self.shared.auth_token
    }

    /// Our numbers at the simulated carrier.
    #[must_use]
    pub fn numbers(&self) -> &[String] {
        &self.shared.numbers
    }

    /// Who has the numbers.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.shared.carrier
    }

    /// The base URL of the carriers, whichever it is.
    #[must_use]
    pub fn carrier_url(&self) -> String {
        self.shared.base_url.clone()
    }

    /// Telnyx' API key.
    #[must_use]
    pub fn telnyx_api_key(&self) -> &str {
        self.shared.telnyx.api_key()
    }

    /// What Telnyx' webhooks are verified with, base64.
    #[must_use]
    pub fn telnyx_public_key(&self) -> String {
        self.shared.telnyx.public_key()
    }

    /// Where the gateway takes texts.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("{}/gateway", self.shared.base_url)
    }

    /// What is posted to the gateway is signed with the first, what it posts with the second.
    #[must_use]
    pub fn gateway_secrets(&self) -> (String, String) {
        self.shared.gateway.secrets()
    }

    /// Sets where texts that come in are announced.
    pub fn configure_twilio(&self, message_url: &str) {
        let message_url = Some(message_url.to_owned());
        self.shared.twilio.set_addresses(Addresses {
            base_url: self.twilio_url(),
            message_url,
            fallback_url: None,
        });
    }

    /// Sets where the carriers announce texts: below a daemon's public address, without a slash at its end.
    pub fn configure_carriers(&self, public_url: &str) {
        self.configure_twilio(&format!("{public_url}/hooks/twilio/message#rc=5&rp=all"));
        self.shared.telnyx.set_webhook(&format!("{public_url}/hooks/telnyx"));
        self.shared.gateway.set_webhook(&format!("{public_url}/hooks/gateway"));
    }
}

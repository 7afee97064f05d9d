//! Twilio Programmable Messaging (carriers.md 1), the parts that texting candidates needs.
//!
//! [`Client`] speaks to its REST API, [`Hooks`] takes what it sends us. They share nothing but
//! the account: an installation without a public address runs on the client alone.

mod client;
mod codes;
mod form;
mod hooks;
mod signature;
mod wire;

#[cfg(test)]
mod tests;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use client::Client;
pub use form::{Form, FormError};
pub use hooks::{EMPTY_TWIML, HookError, HookRequest, Hooks};
pub use signature::{BadSignature, SharedKey, SigningKeys};

/// How to reach Twilio, and be reached by it.
#[derive(Clone, Debug)]
pub struct TwilioSettings {
    /// `https://api.twilio.com`, a regional host, or a simulator.
    pub base_url: Url,
    /// `AC…`.
    pub account_sid: String,
    /// The account's auth token.
    pub auth_token: SecretString,
    /// `MG…`: its pool then chooses the sender, not we.
    pub messaging_service_sid: Option<String>,
    /// Our own address, for status reports; none: they are polled for.
    pub public_url: Option<Url>,
    /// For a whole request, from the connection to the last byte.
    pub timeout: Duration,
    /// For how long Twilio may hold a text (`ValidityPeriod`, 1 s to 10 h): so long that a queue
    /// may pass, so short that it does not end in the quiet hours.
    pub validity: Duration,
}

/// Where Twilio reports what became of a text (interface.md, HTTP).
const STATUS_PATH: &str = "/hooks/twilio/status";

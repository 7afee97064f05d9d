//! Telnyx Messaging (carriers.md 2.1), the parts that texting candidates needs.
//!
//! Unlike Twilio it knows an idempotency key: our id. So a text whose answer was lost is handed over
//! once more by the same bytes, and the carrier says what became of the first. It lists nothing that
//! came in and deletes nothing; its webhooks are signed with a key of which we have the public half only.

mod client;
mod codes;
mod hooks;
mod signature;
mod wire;

#[cfg(test)]
mod tests;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use client::Client;
pub use hooks::{HookRequest, Hooks};

/// How to reach Telnyx.
#[derive(Clone, Debug)]
pub struct TelnyxSettings {
    /// `https://api.telnyx.com`, or a simulator.
    pub base_url: Url,
    /// `KEY…`.
    pub api_key: SecretString,
    /// The profile that texts go out by, where the number alone does not say.
    pub messaging_profile_id: Option<String>,
    /// Our own address, for what becomes of texts; none: it is polled for.
    pub public_url: Option<Url>,
    /// For a whole request, from the connection to the last byte.
    pub timeout: Duration,
}

/// Where Telnyx tells of texts (interface.md, HTTP).
const HOOK_PATH: &str = "/hooks/telnyx";

/// Our own address for news of texts, which Telnyx repeats in the signed body.
fn hook_url(public_url: &Url) -> String {
    format!("{}{HOOK_PATH}", public_url.as_str().trim_end_matches('/'))
}

//! The operator's own gateway, by signed webhooks both ways (carriers.md 2.8, docs/gateway.md).
//!
//! What goes to it and what comes from it is signed as Standard Webhooks 1.0 has it, each way with a key of
//! its own. The id of a webhook is its idempotency key: of a text that is our id, so one whose answer was
//! lost is handed over once more, as at Telnyx. The gateway is asked for nothing else.

mod client;
mod hooks;
mod signature;
mod wire;

#[cfg(test)]
mod tests;

use std::time::Duration;

use url::Url;

pub use client::Client;
pub use hooks::{HookRequest, Hooks};
pub use signature::{BadKey, Key};

/// How to reach the gateway.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where everything is posted.
    pub url: Url,
    /// What is sent is signed with it.
    pub key: Key,
    /// For a whole request, from the connection to the last byte.
    pub timeout: Duration,
}

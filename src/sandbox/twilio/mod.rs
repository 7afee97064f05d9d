//! The simulated Twilio: one account with its numbers, over the real HTTP contract.
//!
//! By carriers.md 1 and 5.1, including the parts that hurt: no idempotency on sending, services
//! that have no sender yet, reports out of order, retries only where the URL asks for them,
//! listings that lag, plain text that is texted to the candidate. What the daemon believes can
//! be compared with the ledger, where every accepted, received and reported text stands.
//!
//! Faults of the REST side are laid around [`router`] by the caller; those of webhooks are drawn
//! where they are sent.

mod answer;
mod create;
mod delivery;
mod error;
mod inbound;
mod keywords;
mod lifecycle;
mod message;
mod messages;
mod options;
mod routes;
mod segments;
mod signature;
mod state;
#[cfg(test)]
mod tests;

pub use inbound::{InboundError, InboundMedia};
pub use keywords::KeywordHandling;
pub use options::{MessagingService, Pace, TwilioOptions};
pub use routes::router;
pub(crate) use segments::{is_gsm, segments};
pub use signature::Port;
pub use state::{Addresses, TwilioState};

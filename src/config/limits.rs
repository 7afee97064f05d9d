//! `[server.limits]`: how much of the public listener a stranger may take up.
//!
//! The figures are for one address and for all together. They are generous: no honest client of a large
//! tenant comes near them, and who does is a program that runs wild or somebody who means harm. What has
//! no key here is fixed where it is read: the size of a request's head in `server/listener`, the size of
//! a body beside its route.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use serde::Deserialize;

use super::check::{Check, Checked};

/// How much a client may take up of the public listener. A reload changes all of it: times hold for
/// connections that begin afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Connections at once of one address; more are closed.
    pub connections_per_address: usize,
    /// For a request's head, or a TLS handshake.
    pub head_time: Duration,
    /// For a request's body.
    pub body_time: Duration,
    /// A connection on which nothing happens is closed after one to two times this.
    pub idle_time: Duration,
    /// Requests of one address.
    pub rates: Rates,
}

/// Requests that one address may make in a second, for a long time; for a short one ten times that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// What Lever and the carrier send.
    pub hooks: NonZeroU32,
    /// `/api/v1`.
    pub api: NonZeroU32,
    /// The console with its files, the extension, and where people sign in.
    pub pages: NonZeroU32,
    /// What candidates see.
    pub booking: NonZeroU32,
}

impl Default for Limits {
    /// What the reference says; a test compares them.
    fn default() -> Self {
        let rate = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            connections: 4096,
            connections_per_address: 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            rates: Rates { hooks: rate(2000), api: rate(100), pages: rate(300), booking: rate(50) },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    connections: i64,
    connections_per_address: i64,
    head_time: String,
    body_time: String,
    idle_time: String,
    hooks_per_second: i64,
    api_per_second: i64,
    pages_per_second: i64,
    booking_per_second: i64,
}

/// Each takes up to 64 KiB and a descriptor.
const CONNECTIONS: RangeInclusive<i64> = 16..=100_000;
const TIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(5);
const IDLE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(1);
const RATE: RangeInclusive<i64> = 1..=1_000_000;
/// A bulk action in Lever sends thousands of webhooks at once, all from one address. Lever gives one up
/// after five tries, so no setting may come near that.
const HOOKS: RangeInclusive<i64> = 100..=1_000_000;

impl RawLimits {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Limits> {
        let key = |name: &str| format!("server.limits.{name}");
        let connections = check.within(&key("connections"), self.connections, &CONNECTIONS);
        let most = connections.as_ref().map_or(*CONNECTIONS.end(), |most| *most);
        let per_address = check.within(
            &key("connections_per_address"),
            self.connections_per_address,
            &(*CONNECTIONS.start()..=most),
        );
        let head_time = check.duration(&key("head_time"), &self.head_time, &TIME);
        let body_time = check.duration(&key("body_time"), &self.body_time, &TIME);
        let idle_time = check.duration(&key("idle_time"), &self.idle_time, &IDLE);
        let hooks = rate(&key("hooks_per_second"), self.hooks_per_second, &HOOKS, check);
        let api = rate(&key("api_per_second"), self.api_per_second, &RATE, check);
        let pages = rate(&key("pages_per_second"), self.pages_per_second, &RATE, check);
        let booking = rate(&key("booking_per_second"), self.booking_per_second, &RATE, check);
        Ok(Limits {
            connections: usize::try_from(connections?).unwrap_or(usize::MAX),
            connections_per_address: usize::try_from(per_address?).unwrap_or(usize::MAX),
            head_time: head_time?,
            body_time: body_time?,
            idle_time: idle_time?,
            rates: Rates { hooks: hooks?, api: api?, pages: pages?, booking: booking? },
        })
    }
}

fn rate(key: &str, value: i64, bounds: &RangeInclusive<i64>, check: &mut Check<'_>) -> Checked<NonZeroU32> {
    let rate = u32::try_from(check.within(key, value, bounds)?).unwrap_or(u32::MAX);
    Ok(NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN))
}

//! How often somebody may try to sign in, and how many passwords are looked at at once.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::Semaphore;

use crate::config::{Secret, password};
use crate::server::buckets::{Buckets, TooMany};
use crate::server::client::subscriber;

/// A person mistypes a few times; with more than one attempt a minute passwords are being tried.
const ACCOUNT: (u32, Duration) = (10, Duration::from_mins(1));
/// A whole office may come from one address, each morning at the same time.
const ADDRESS: (u32, Duration) = (60, Duration::from_secs(5));
/// Refusals for too many attempts, and for want of a turn, that the activity tells: it must not be filled by
/// strangers.
const TOLD: (u32, Duration) = (10, Duration::from_mins(5));
/// Hashes at once: each takes its memory and a core.
const HASHES: usize = 2;
/// Longer than this nobody waits for their password's turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stands beside the door.
pub(in crate::server) struct Porter {
    accounts: Buckets,
    addresses: Buckets,
    told: DefaultDirectRateLimiter,
    hashes: Semaphore,
}

/// There is no turn for a password soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Default for Porter {
    fn default() -> Self {
        Self {
            accounts: Buckets::new(quota(ACCOUNT)),
            addresses: Buckets::new(quota(ADDRESS)),
            told: DefaultDirectRateLimiter::direct(quota(TOLD)),
            hashes: Semaphore::new(HASHES),
        }
    }
}

fn quota((burst, period): (u32, Duration)) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period).unwrap_or(Quota::per_minute(burst)).allow_burst(burst)
}

impl Porter {
    /// Counts an attempt from an address, on an account in whatever case its e-mail was typed.
    pub(super) fn attempt(&self, from: Option<IpAddr>, email: &str) -> Result<(), TooMany> {
        let from = from.map_or(Ok(()), |from| self.arrival(from));
        from.and_then(|()| self.accounts.passes(email.trim().to_lowercase()))
    }

    /// Counts an attempt from an address, where the account is not known yet.
    pub(super) fn arrival(&self, from: IpAddr) -> Result<(), TooMany> {
        self.addresses.passes(subscriber(from))
    }

    /// Whether the activity is to be told that there were too many attempts, or no turn.
    pub(super) fn tells(&self) -> bool {
        self.told.check().is_ok()
    }

    /// Nobody gets a turn any more.
    #[cfg(test)]
    pub(in crate::server) fn close(&self) {
        self.hashes.close();
    }

    /// Whether a password is the one of a hash; looked at off the threads that others wait on.
    pub(super) async fn fits(&self, typed: Secret, hash: Secret) -> Result<bool, Busy> {
        let turn = tokio::time::timeout(PATIENCE, self.hashes.acquire()).await;
        let _turn = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let look = move || password::fits(typed.expose(), hash.expose());
        tokio::task::spawn_blocking(look).await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_account_is_closed_for_a_while_after_ten_attempts_from_wherever() {
        let porter = Porter::default();
        for n in 0..10 {
            let from = ip(&format!("192.0.2.{n}"));
            assert_eq!(porter.attempt(Some(from), "ana@acme.example"), Ok(()));
        }
        let refused = porter.attempt(None, " Ana@Acme.example").unwrap_err();
        assert!((1..=61).contains(&refused.seconds), "{refused:?}");
        assert_eq!(porter.attempt(None, "ben@acme.example"), Ok(()));
    }

    #[test]
    fn an_address_that_tries_many_accounts_is_slowed_down() {
        let porter = Porter::default();
        let mut tried = (0..100).map(|n| porter.attempt(Some(ip("2001:db8::1")), &format!("{n}@x")).is_ok());
        assert!(tried.by_ref().take(60).all(|passed| passed));
        let neighbour = porter.attempt(Some(ip("2001:db8::2")), "ana@acme.example");
        assert!(neighbour.is_err(), "all of a subscriber's addresses count as one");
        assert_eq!(porter.attempt(Some(ip("2001:db8:0:1::2")), "ana@acme.example"), Ok(()));
    }

    #[tokio::test]
    async fn a_password_is_compared_with_its_hash() {
        let hash = Secret::new(&password::hash("right", password::Cost::Least).unwrap());
        let porter = Porter::default();
        assert_eq!(porter.fits(Secret::new("right"), hash.clone()).await, Ok(true));
        assert_eq!(porter.fits(Secret::new("wrong"), hash).await, Ok(false));
    }
}

//! Ten tokens that lead nowhere from one address in an hour, and the next is told to stop
//! (behaviour.md 4, "Link").

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::server::client::subscriber;

const MOST: u32 = 10;
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Addresses that are kept in mind. When there are more, those whose hour is over go, then all.
const ADDRESSES: usize = 10_000;

/// Who has come with how many bad tokens since when.
#[derive(Default)]
pub(in crate::server) struct Throttle(Mutex<HashMap<u64, (Timestamp, u32)>>);

impl Throttle {
    /// Counts a bad token. True when the address has had its ten in this hour already.
    pub(super) fn count(&self, address: IpAddr, now: Timestamp) -> bool {
        let address = subscriber(address);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Timestamp| now.duration_since(since).abs() >= HOUR;
        if seen.len() >= ADDRESSES && !seen.contains_key(&address) {
            seen.retain(|_, (since, _)| !is_over(*since));
            if seen.len() >= ADDRESSES {
                seen.clear();
            }
        }
        let (since, count) = seen.entry(address).or_insert((now, 0));
        if is_over(*since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count > MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_bad_token_of_an_hour_is_one_too_many() {
        let throttle = Throttle::default();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        assert!((0..10).all(|minute| !throttle.count(one, at(minute))));
        assert!(throttle.count(one, at(59)));
        assert!(!throttle.count("192.0.2.2".parse().unwrap(), at(59)));
        assert!(!throttle.count(one, at(60)));
        // One subscriber has as many addresses as they like.
        let of_one = |host: u16| throttle.count(format!("2001:db8:0:1::{host:x}").parse().unwrap(), at(0));
        assert!((0..10).all(|host| !of_one(host)));
        assert!(of_one(10));
    }
}

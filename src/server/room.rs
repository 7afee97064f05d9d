//! How many are connected, in all and from each address.
//!
//! When all places are taken, whoever comes waits in the kernel's queue: those who hold a place without
//! using it lose it after seconds, so an honest sender is late and not refused. One address is told
//! apart before that: it may have a part of the places, and what it opens beyond is closed at once. So no
//! single address can make others wait.
//!
//! A proxy that is trusted brings everybody's connections, so it has no limit of its own. Health and
//! metrics, and the control socket, have a room for themselves each: the operator comes in when the public
//! one is full.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::client::subscriber;
use crate::config::{Limits, ProxyRange};

/// For the operator's tools and commands: a handful of each is usual.
const OWN: Most = Most { in_all: 256, per_address: 256 };

/// How many there may be.
#[derive(Clone, Copy, Debug)]
struct Most {
    in_all: usize,
    per_address: usize,
}

impl From<&Limits> for Most {
    fn from(limits: &Limits) -> Self {
        Self { in_all: limits.connections, per_address: limits.connections_per_address }
    }
}

/// Why somebody gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    InAll,
    ForAddress,
}

impl Full {
    pub(super) const ALL: [Self; 2] = [Self::InAll, Self::ForAddress];

    /// As metrics call it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::InAll => "connections",
            Self::ForAddress => "connections_per_address",
        }
    }
}

/// Who counts for which places; nothing but the books.
#[derive(Debug)]
struct Places {
    most: Most,
    taken: usize,
    /// By subscriber; nobody stands here without a place, so it has no more rows than there are places.
    by_address: HashMap<u64, usize>,
}

impl Places {
    fn new(most: Most) -> Self {
        Self { most, taken: 0, by_address: HashMap::new() }
    }

    fn has_room(&self) -> bool {
        self.taken < self.most.in_all
    }

    /// Takes a place; without an address it counts for all only.
    fn take(&mut self, address: Option<u64>) -> Result<(), Full> {
        if !self.has_room() {
            return Err(Full::InAll);
        }
        if let Some(address) = address {
            let own = self.by_address.get(&address).copied().unwrap_or(0);
            if own >= self.most.per_address {
                return Err(Full::ForAddress);
            }
            self.by_address.insert(address, own + 1);
        }
        self.taken += 1;
        Ok(())
    }

    /// Gives back what [`Self::take`] gave.
    fn leave(&mut self, address: Option<u64>) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(Entry::Occupied(mut own)) = address.map(|address| self.by_address.entry(address)) {
            match own.get() {
                0 | 1 => drop(own.remove()),
                more => *own.get_mut() = more - 1,
            }
        }
    }
}

/// The places of one listener.
pub(super) struct Room {
    places: Mutex<Places>,
    /// Somebody left, or there are more places.
    left: Notify,
    trusted: Arc<[ProxyRange]>,
}

/// A place that is taken, until it is dropped.
pub(super) struct Place {
    room: Arc<Room>,
    address: Option<u64>,
}

impl Room {
    /// Of the public listener.
    pub(super) fn public(limits: &Limits, trusted: Arc<[ProxyRange]>) -> Arc<Self> {
        Self::new(limits.into(), trusted)
    }

    /// Of a listener for people of the house.
    pub(super) fn own() -> Arc<Self> {
        Self::new(OWN, Arc::new([]))
    }

    fn new(most: Most, trusted: Arc<[ProxyRange]>) -> Arc<Self> {
        Arc::new(Self { places: Mutex::new(Places::new(most)), left: Notify::new(), trusted })
    }

    /// Other limits. Who is there stays.
    pub(super) fn replace(&self, limits: &Limits) {
        self.places().most = limits.into();
        self.left.notify_one();
    }

    pub(super) fn has_room(&self) -> bool {
        self.places().has_room()
    }

    /// Waits until there is room. Only the one loop that accepts waits here. Cancel-safe.
    pub(super) async fn vacancy(&self) {
        while !self.has_room() {
            self.left.notified().await;
        }
    }

    /// A place for a connection from this address.
    pub(super) fn enter(self: &Arc<Self>, from: Option<IpAddr>) -> Result<Place, Full> {
        let counted = from.filter(|from| !self.trusted.iter().any(|range| range.contains(*from)));
        let address = counted.map(subscriber);
        self.places().take(address)?;
        Ok(Place { room: self.clone(), address })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.places().leave(self.address);
        self.room.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Enter(Option<u8>),
        /// The n-th of those who are there.
        Leave(usize),
        Limits(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => proptest::option::weighted(0.8, 0..6_u8).prop_map(Step::Enter),
            4 => any::<usize>().prop_map(Step::Leave),
            1 => (1..12_usize, 1..5_usize).prop_map(|(all, one)| Step::Limits(all, one)),
        ]
    }

    fn limits(connections: usize, connections_per_address: usize) -> Limits {
        Limits { connections, connections_per_address, ..Limits::default() }
    }

    proptest! {
        /// Against a plain list of who is there.
        #[test]
        fn places_are_never_too_many_and_never_lost(steps in proptest::collection::vec(step(), 0..200)) {
            let proxy: ProxyRange = "10.0.0.0/8".parse().unwrap();
            let (mut all, mut one) = (8, 3);
            let room = Room::public(&limits(all, one), Arc::new([proxy]));
            let mut there: Vec<(Option<u8>, Place)> = Vec::new();
            for step in steps {
                match step {
                    // None comes through the proxy.
                    Step::Enter(who) => {
                        let from = who.map_or([10, 0, 0, 1], |who| [192, 0, 2, who]);
                        let own = there.iter().filter(|(other, _)| *other == who).count();
                        let expected = match who {
                            _ if there.len() >= all => Err(Full::InAll),
                            Some(_) if own >= one => Err(Full::ForAddress),
                            _ => Ok(()),
                        };
                        let entered = room.enter(Some(from.into()));
                        prop_assert_eq!(entered.as_ref().map(drop).map_err(|full| *full), expected);
                        there.extend(entered.ok().map(|place| (who, place)));
                    }
                    Step::Leave(_) if there.is_empty() => {}
                    Step::Leave(n) => drop(there.swap_remove(n % there.len())),
                    Step::Limits(new_all, new_one) => {
                        (all, one) = (new_all, new_one);
                        room.replace(&limits(all, one));
                    }
                }
                let places = room.places();
                prop_assert_eq!(places.taken, there.len());
                let counted = there.iter().filter(|(who, _)| who.is_some()).count();
                prop_assert_eq!(places.by_address.values().sum::<usize>(), counted);
                prop_assert!(places.by_address.values().all(|own| *own > 0));
            }
            drop(there);
            let places = room.places();
            prop_assert!(places.taken == 0 && places.by_address.is_empty());
        }
    }

    #[tokio::test]
    async fn who_waits_for_room_is_woken_when_somebody_leaves_and_when_there_is_more_of_it() {
        let room = Room::public(&limits(1, 1), Arc::new([]));
        let place = room.enter(None).ok();
        let vacancy = room.vacancy();
        tokio::pin!(vacancy);
        assert!(futures_util::poll!(&mut vacancy).is_pending());
        drop(place);
        assert!(futures_util::poll!(&mut vacancy).is_ready());
        let _place = room.enter(None).ok();
        let vacancy = room.vacancy();
        tokio::pin!(vacancy);
        assert!(futures_util::poll!(&mut vacancy).is_pending());
        room.replace(&limits(2, 1));
        assert!(futures_util::poll!(&mut vacancy).is_ready());
    }
}

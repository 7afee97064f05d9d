//! A simulated month of a busy tenant: candidates apply, answer, book, move, say STOP and are deleted;
//! Lever and the carrier go down, cut connections before and after the effect; the daemon is killed
//! between any two of its transactions. All of it follows from a seed, on a clock that jumps from event
//! to event, so a month takes seconds and a broken invariant prints the seed that breaks it again.
//!
//! The decisions are the real ones: every change of our state is the function of [`changes`] that the
//! daemon calls, on the real store and the real wheel. What moves them is written anew in [`daemon`],
//! small enough to be read: it takes effects, lets their requests travel, and stores what came of them,
//! each as an event of its own, so that everything else can happen in between. The remotes of
//! [`lever`] and [`carrier`] know nothing of the daemon's state, and [`law`] holds what reaches them
//! against what it has seen happen, not against what is stored.
//!
//! A recruiter texts many at once, somebody moves many at once, and some candidacies are confidential. A longer one: `tests/month` (its head
//! says how). What has no place here is proved elsewhere: Lever's
//! pace in `lever/pace`, the search's index in `tests/it/secrecy.rs`, torn writes and lost syncs in `tests/it/store_faults.rs`, the real tasks under
//! `kill -9` in `tests/it/crash.rs`, memory in `tests/bench`.

mod bulk;
mod cards;
mod carrier;
mod daemon;
mod effects;
mod law;
mod lever;
mod people;
mod settings;
mod trouble;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What happens at a moment.
type Event = Box<dyn FnOnce(&mut Month)>;

/// How much of a month.
#[derive(Clone, Copy, Debug)]
struct Size {
    days: i64,
    candidates: u32,
}

/// The world, and everything that will happen in it as far as is known.
struct Month {
    seed: u64,
    chance: SmallRng,
    now: Timestamp,
    /// When people stop: what is under way comes to its end then.
    ends: Timestamp,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    serial: u64,
    daemon: daemon::Daemon,
    lever: lever::Lever,
    carrier: carrier::Carrier,
    people: people::People,
    law: law::Law,
}

impl Month {
    fn new(seed: u64, size: Size) -> Self {
        let now: Timestamp = "2026-03-02T11:00:00Z".parse().unwrap();
        let mut month = Self {
            seed,
            chance: SmallRng::seed_from_u64(seed),
            now,
            ends: now + SignedDuration::from_hours(24 * size.days),
            agenda: BTreeMap::new(),
            serial: 0,
            daemon: daemon::Daemon::new(now),
            lever: lever::Lever::default(),
            carrier: carrier::Carrier::default(),
            people: people::People::default(),
            law: law::Law::default(),
        };
        month.start_daemon();
        month.settle_in(size.candidates);
        month.bulks_ahead();
        month.moves_ahead();
        month.trouble_ahead();
        month
    }

    /// Lives through the month and the days after it in which everything comes to its end.
    fn live(&mut self) {
        let rest = self.ends + SignedDuration::from_hours(24 * 10);
        while let Some(((at, serial), event)) = self.agenda.pop_first() {
            if at > rest {
                self.agenda.insert((at, serial), event);
                break;
            }
            self.now = self.now.max(at);
            event(self);
            self.turn();
            self.look_at_what_changed();
        }
        self.look_at_the_end();
    }

    fn at(&mut self, at: Timestamp, event: impl FnOnce(&mut Self) + 'static) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), Box::new(event));
    }

    fn after(&mut self, pause: SignedDuration, event: impl FnOnce(&mut Self) + 'static) {
        self.at(self.now + pause, event);
    }

    /// A request of the daemon's travels to a remote, which does what `at` says, and its answer travels back,
    /// to nobody if the daemon died meanwhile: once in so many times it does so then, when the effect is there
    /// and nobody knows.
    fn round_trip<T: 'static>(
        &mut self,
        dies_once_in: u32,
        at: impl FnOnce(&mut Self) -> T + 'static,
        then: impl FnOnce(&mut Self, T) + 'static,
    ) {
        let epoch = self.daemon.epoch();
        let there = self.between(SignedDuration::from_millis(20), SignedDuration::from_millis(300));
        self.after(there, move |month| {
            let answer = at(month);
            // What it did is done, and nobody is there to hear of it.
            month.dies_here(dies_once_in);
            let back = month.between(SignedDuration::from_millis(20), SignedDuration::from_secs(2));
            month.after(back, move |month| {
                if month.daemon.lives_in(epoch) {
                    then(month, answer);
                }
            });
        });
    }

    /// Whether people are still at it.
    fn goes_on(&self) -> bool {
        self.now < self.ends
    }

    fn number_up(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn chance(&mut self, of_a_thousand: u32) -> bool {
        self.chance.random_range(0..1000) < of_a_thousand
    }

    fn between(&mut self, least: SignedDuration, most: SignedDuration) -> SignedDuration {
        SignedDuration::from_millis(self.chance.random_range(
            i64::try_from(least.as_millis()).unwrap()..=i64::try_from(most.as_millis()).unwrap(),
        ))
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.chance.random_range(0..all.len())].clone())
    }

    /// Something must not be. The seed says how to see it again.
    fn broken(&self, what: fmt::Arguments<'_>) -> ! {
        panic!("seed {}, at {}: {what}", self.seed, self.now)
    }
}

fn live(seed: u64, size: Size) -> law::Tally {
    let mut month = Month::new(seed, size);
    month.live();
    month.tally()
}

/// A number from the environment, for the longer runs.
fn set<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn a_simulated_month_breaks_no_invariant() {
    let size = Size { days: set("MONTH_DAYS", 9), candidates: set("MONTH_CANDIDATES", 150) };
    let first: u64 = set("MONTH_SEED", 1);
    for seed in first..first + set("MONTH_RUNS", 1) {
        let tally = live(seed, size);
        println!("seed {seed}: {tally}");
        tally.saw_everything(size.days);
    }
}

//! The wheel against a sorted list.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn poll(wheel: &mut Wheel, now: u64) -> Vec<u64> {
    let mut due = Vec::new();
    wheel.poll(Tick::new(now), &mut due);
    due
}

fn armed(now: u64, deadlines: &[(u64, u64)]) -> Wheel {
    let mut wheel = Wheel::new(Tick::new(now));
    for &(key, when) in deadlines {
        wheel.arm(key, Tick::new(when));
    }
    wheel
}

#[test]
fn deadlines_fire_in_order_of_time_and_then_of_keys() {
    let mut wheel = armed(100, &[(3, 5_000), (2, 101), (1, 5_000), (4, 4_999), (5, 100)]);
    assert_eq!(poll(&mut wheel, 99), []);
    assert_eq!(poll(&mut wheel, 101), [5, 2]);
    assert_eq!(poll(&mut wheel, 4_998), []);
    assert_eq!(poll(&mut wheel, 9_000), [4, 1, 3]);
    assert!(wheel.is_empty() && wheel.next().is_none());
}

#[test]
fn a_key_has_one_deadline() {
    let mut wheel = armed(0, &[(7, 10), (7, 20), (8, 15), (8, 5)]);
    assert_eq!(wheel.len(), 2);
    assert_eq!(poll(&mut wheel, 12), [8]);
    assert_eq!(poll(&mut wheel, 30), [7]);
    assert!(!wheel.disarm(7));
}

#[test]
fn what_is_past_fires_at_once_and_the_oldest_first() {
    let mut wheel = armed(1_000, &[(1, 1_000), (2, 900), (3, 5), (4, 0)]);
    assert_eq!(wheel.next(), Some(Tick::new(1_000)));
    assert_eq!(poll(&mut wheel, 1_000), [4, 3, 2, 1]);
}

#[test]
fn the_end_of_time_is_a_deadline_too() {
    let mut wheel = armed(0, &[(1, u64::MAX), (2, u64::MAX - 1), (3, 1 << 60)]);
    assert_eq!(poll(&mut wheel, u64::MAX - 1), [3, 2]);
    assert_eq!(poll(&mut wheel, u64::MAX), [1]);
}

#[test]
fn a_clock_that_was_a_year_ahead_loses_and_hastens_nothing() {
    let year = 315_360_000;
    let mut wheel = armed(1_000, &[(1, 5_000), (2, year + 3_000)]);
    assert_eq!(poll(&mut wheel, year), [1]);
    wheel.arm(3, Tick::new(2_000));
    assert_eq!(poll(&mut wheel, 1_500), []);
    assert_eq!(poll(&mut wheel, 2_000), [3]);
    assert_eq!(poll(&mut wheel, year + 2_999), []);
    assert_eq!(poll(&mut wheel, year + 3_000), [2]);
}

#[test]
fn a_deadline_is_met_by_sleeping_to_the_next_tick_a_few_times() {
    for when in [1, 63, 64, 4_095, 4_097, 864_000, 3_153_600_000, u64::MAX] {
        let mut wheel = armed(0, &[(1, when)]);
        let steps = std::iter::from_fn(|| wheel.next().map(|next| poll(&mut wheel, next.number())));
        let steps: Vec<_> = steps.collect();
        assert!(steps.len() <= LEVELS && steps.concat() == [1], "{when}");
    }
}

#[test]
fn a_deadline_takes_at_most_48_bytes() {
    assert_eq!(size_of::<Node>(), 24);
    let mut grown = Wheel::new(Tick::new(0));
    for key in 0..1_000_000 {
        grown.arm(key, Tick::new(key * 7 % 36_000));
        if key >= 100_000 && key % 1_000 == 0 {
            assert!(grown.memory_bytes() <= 48 * grown.len(), "at {key}");
        }
    }
    assert!(grown.memory_bytes() <= 48_000_000);
}

#[test]
fn disarmed_memory_is_used_again() {
    let mut wheel = armed(0, &[(1, 10), (2, 20)]);
    let held = wheel.memory_bytes();
    for key in 3..10_000 {
        assert!(wheel.disarm(key - 2));
        wheel.arm(key, Tick::new(key));
    }
    assert_eq!((wheel.len(), wheel.memory_bytes()), (2, held));
}

/// What the wheel must do, done slowly.
#[derive(Default)]
struct SortedList(BTreeMap<u64, u64>);

impl SortedList {
    fn poll(&mut self, now: u64) -> Vec<u64> {
        let mut due: Vec<_> =
            self.0.extract_if(.., |_, when| *when <= now).map(|(key, when)| (when, key)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u64, u64),
    ArmBefore(u64, u64),
    Disarm(u64),
    Advance(u64),
    SetBack(u64),
}

/// Distances of every size, so that all levels are met.
fn distance() -> impl Strategy<Value = u64> {
    (0u32..64, any::<u64>()).prop_map(|(bits, random)| random >> bits)
}

fn near() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..5, 0u64..300, 0u64..300_000]
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0u64..24;
    prop_oneof![
        6 => (key(), near()).prop_map(|(key, after)| Step::Arm(key, after)),
        3 => (key(), distance()).prop_map(|(key, after)| Step::Arm(key, after)),
        1 => (key(), near()).prop_map(|(key, before)| Step::ArmBefore(key, before)),
        2 => key().prop_map(Step::Disarm),
        4 => near().prop_map(Step::Advance),
        1 => distance().prop_map(Step::Advance),
        1 => near().prop_map(Step::SetBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_wheel_does_what_a_sorted_list_does(
        start in distance(),
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut now = start;
        let mut wheel = Wheel::new(Tick::new(now));
        let mut list = SortedList::default();
        let arm = |wheel: &mut Wheel, list: &mut SortedList, key, when| {
            wheel.arm(key, Tick::new(when));
            list.0.insert(key, when);
        };
        for step in steps {
            match step {
                Step::Arm(key, after) => arm(&mut wheel, &mut list, key, now.saturating_add(after)),
                Step::ArmBefore(key, before) => arm(&mut wheel, &mut list, key, now.saturating_sub(before)),
                Step::Disarm(key) => prop_assert_eq!(wheel.disarm(key), list.0.remove(&key).is_some()),
                Step::Advance(by) => {
                    now = now.saturating_add(by);
                    prop_assert_eq!(poll(&mut wheel, now), list.poll(now));
                }
                Step::SetBack(by) => {
                    now = now.saturating_sub(by);
                    prop_assert_eq!(poll(&mut wheel, now), list.poll(now));
                }
            }
            prop_assert_eq!(wheel.len(), list.0.len());
            let soonest = list.0.values().min().map(|&when| when.max(now));
            prop_assert_eq!(wheel.next().is_some(), soonest.is_some());
            prop_assert!(wheel.next().map(Tick::number) <= soonest);
        }
    }
}

//! Who may ask Lever next, and how fast: the lanes, the cap of requests in flight, the rate.
//!
//! Lever counts requests per key, so the whole process shares one budget. The lanes are served by
//! priority, with a floor so that the lower ones never starve, and some of the slots in flight are
//! kept for people who wait. The rate falls at once when Lever refuses and climbs back in steps.
//!
//! Plain state and `now`, given as the time since some fixed start. The tokens themselves are
//! counted by the caller: this decides whose turn it is and at what share of the full rate.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The priority class of a request to Lever, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// A person waits for the answer.
    Interactive,
    /// Something happened: hydration after a webhook, notes, interviews.
    Live,
    /// The regular look at what changed.
    Reconcile,
    /// The initial sync.
    Backfill,
}

impl Lane {
    /// All lanes, the most urgent first; a lane's place here is its [`Lane::index`].
    pub const ALL: [Self; 4] = [Self::Interactive, Self::Live, Self::Reconcile, Self::Backfill];

    /// The place of this lane in tables that have one entry for each.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in logs, metrics and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Live => "live",
            Self::Reconcile => "reconcile",
            Self::Backfill => "backfill",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often a lane that waits may be passed over before its turn comes whatever waits above it.
/// A tenth of the rate keeps a backfill moving under any load and costs the others little.
const PASSED_OVER_MAX: u32 = 9;

/// One slot in this many is kept for [`Lane::Interactive`], so that a person does not wait for
/// a slow page of a listing.
const SLOTS_PER_RESERVED: usize = 8;

/// Hands out turns: priority with a floor, under a cap of requests in flight.
#[derive(Clone, Debug)]
pub struct Turns {
    cap: usize,
    cap_of_others: usize,
    under_way: [usize; 4],
    passed_over: [u32; 4],
}

impl Turns {
    /// At most `in_flight` requests at a time, and at least one.
    pub fn new(in_flight: usize) -> Self {
        let cap = in_flight.max(1);
        let reserved = cap.div_ceil(SLOTS_PER_RESERVED).min(cap - 1);
        Self { cap, cap_of_others: cap - reserved, under_way: [0; 4], passed_over: [0; 4] }
    }

    /// How many requests are under way.
    pub fn in_flight(&self) -> usize {
        self.under_way.iter().sum()
    }

    /// How many of this lane are under way.
    pub const fn in_flight_of(&self, lane: Lane) -> usize {
        self.under_way[lane.index()]
    }

    /// Whose turn it is, given how many wait in each lane. `None` when nobody waits who may go.
    pub fn peek(&self, waiting: &[usize; 4]) -> Option<Lane> {
        let may_go = |lane: &Lane| waiting[lane.index()] > 0 && self.has_slot(*lane);
        let overdue = Lane::ALL
            .into_iter()
            .filter(|lane| may_go(lane) && self.passed_over[lane.index()] >= PASSED_OVER_MAX)
            .max_by_key(|lane| self.passed_over[lane.index()]);
        overdue.or_else(|| Lane::ALL.into_iter().find(may_go))
    }

    /// [`Self::peek`], and the turn is taken. It ends with [`Self::finished`].
    pub fn next(&mut self, waiting: &[usize; 4]) -> Option<Lane> {
        let lane = self.peek(waiting)?;
        for other in Lane::ALL {
            let passed = &mut self.passed_over[other.index()];
            // Held back by its own requests in flight is not passed over.
            let waits = waiting[other.index()] > 0 && other != lane;
            *passed = if waits { passed.saturating_add(1) } else { 0 };
        }
        self.under_way[lane.index()] += 1;
        Some(lane)
    }

    /// A request of this lane is over, whatever came of it.
    pub fn finished(&mut self, lane: Lane) {
        let under_way = &mut self.under_way[lane.index()];
        *under_way = under_way.saturating_sub(1);
    }

    fn has_slot(&self, lane: Lane) -> bool {
        let others = self.in_flight() - self.in_flight_of(Lane::Interactive);
        self.in_flight() < self.cap && (lane == Lane::Interactive || others < self.cap_of_others)
    }
}

/// The least share of the full rate, in percent: enough to notice that Lever answers again.
const PERCENT_MIN: u32 = 5;

/// Trouble at Lever's side slows down to this share at most: fewer requests help a struggling
/// server, but they are not what it complains of.
const PERCENT_MIN_TROUBLED: u32 = 30;

/// The rate climbs by this much...
const STEP_PERCENT: u32 = 5;

/// ...each time that this much time passed without a complaint: from 70 % to all in two minutes.
const STEP_TIME: Duration = Duration::from_secs(20);

/// Requests that were under way together are refused together; that is one complaint.
const ONE_COMPLAINT: Duration = Duration::from_secs(2);

/// The share of the full rate that is used: down by a factor on a complaint, up in steps.
#[derive(Clone, Debug)]
pub struct Rate {
    percent: u32,
    complained_at: Option<Duration>,
}

impl Default for Rate {
    fn default() -> Self {
        Self { percent: 100, complained_at: None }
    }
}

impl Rate {
    /// The share in percent, 5 to 100. It changes in steps, so that whoever counts tokens by it
    /// need not start anew all the time.
    pub fn percent(&self, now: Duration) -> u32 {
        let Some(at) = self.complained_at else { return 100 };
        let steps = now.saturating_sub(at).as_secs() / STEP_TIME.as_secs();
        let climbed = u32::try_from(steps).unwrap_or(u32::MAX).saturating_mul(STEP_PERCENT);
        self.percent.saturating_add(climbed).min(100)
    }

    /// Lever refused for the rate (429).
    pub fn throttled(&mut self, now: Duration) {
        self.cut(now, 70, PERCENT_MIN);
    }

    /// Lever failed (5xx) or did not answer in time.
    pub fn troubled(&mut self, now: Duration) {
        self.cut(now, 90, PERCENT_MIN_TROUBLED);
    }

    fn cut(&mut self, now: Duration, factor_percent: u32, least: u32) {
        if self.complained_at.is_some_and(|at| now.saturating_sub(at) < ONE_COMPLAINT) {
            return;
        }
        let percent = self.percent(now);
        self.percent = (percent * factor_percent / 100).max(least.min(percent));
        self.complained_at = Some(now);
    }
}

/// How much of the permitted rate is used while there is work, over about a minute of such time.
///
/// Sums that fade with busy time alone, so that quiet hours do not count as waste.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    turns: f64,
    busy_secs: f64,
    seen: Duration,
}

/// The weight of what happened this much busy time ago has fallen to a third.
const FADE: Duration = Duration::from_secs(60);

impl Usage {
    /// Time passed until `now`, and all the while there was work, or not.
    pub fn passed(&mut self, now: Duration, busy: bool) {
        let elapsed = now.saturating_sub(self.seen).as_secs_f64();
        self.seen = now;
        if busy {
            let fade = (-elapsed / FADE.as_secs_f64()).exp();
            self.turns *= fade;
            self.busy_secs = self.busy_secs * fade + elapsed;
        }
    }

    /// A turn was handed out.
    pub fn turn(&mut self) {
        self.turns += 1.0;
    }

    /// The share of `per_second` that was used, 0 to 1; 1 as long as nothing had to wait.
    pub fn ratio(&self, per_second: f64) -> f64 {
        let permitted = self.busy_secs * per_second;
        if permitted > 0.0 { (self.turns / permitted).min(1.0) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(usize),
        Go,
        Finish(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..4usize).prop_map(Step::Arrive),
            Just(Step::Go),
            (0..64usize).prop_map(Step::Finish)
        ];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn the_cap_holds_and_interactive_keeps_its_slots(cap in 0..20usize, steps in steps()) {
            let mut turns = Turns::new(cap);
            let cap = cap.max(1);
            let (mut waiting, mut under_way) = ([0usize; 4], Vec::new());
            for step in steps {
                match step {
                    Step::Arrive(lane) => waiting[lane] += 1,
                    Step::Go => if let Some(lane) = turns.next(&waiting) {
                        waiting[lane.index()] -= 1;
                        under_way.push(lane);
                    },
                    Step::Finish(nth) if !under_way.is_empty() => {
                        turns.finished(under_way.swap_remove(nth % under_way.len()));
                    }
                    Step::Finish(_) => {}
                }
                let others = under_way.iter().filter(|&&lane| lane != Lane::Interactive).count();
                prop_assert_eq!(turns.in_flight(), under_way.len());
                prop_assert!(under_way.len() <= cap);
                prop_assert!(cap == 1 || others < cap);
                if under_way.len() < cap && waiting[0] > 0 {
                    prop_assert!(turns.peek(&waiting).is_some());
                }
            }
        }

        #[test]
        fn no_lane_starves(in_flight in 1..20usize, waiting in proptest::array::uniform4(0..3usize)) {
            let mut turns = Turns::new(in_flight);
            let mut since = [0usize; 4];
            for _ in 0..500 {
                let Some(lane) = turns.next(&waiting) else { break };
                turns.finished(lane);
                for other in Lane::ALL {
                    let since = &mut since[other.index()];
                    *since = if other == lane || waiting[other.index()] == 0 { 0 } else { *since + 1 };
                    // A turn of its own, behind at most two other lanes that are overdue too.
                    prop_assert!(*since <= PASSED_OVER_MAX as usize + 2);
                }
            }
        }

        #[test]
        fn the_rate_stays_between_its_bounds_and_recovers(
            complaints in proptest::collection::vec((0..100u64, any::<bool>()), 0..60),
        ) {
            let (mut rate, mut now) = (Rate::default(), Duration::ZERO);
            for (pause, throttled) in complaints {
                now += Duration::from_secs(pause);
                let before = rate.percent(now);
                if throttled { rate.throttled(now) } else { rate.troubled(now) }
                let after = rate.percent(now);
                prop_assert!((PERCENT_MIN..=100).contains(&after) && after <= before);
            }
            prop_assert_eq!(rate.percent(now + 400 * SEC), 100);
        }
    }

    #[test]
    fn the_more_urgent_lane_goes_first() {
        let mut turns = Turns::new(8);
        assert_eq!(turns.next(&[0, 1, 1, 1]), Some(Lane::Live));
        assert_eq!(turns.next(&[1, 1, 1, 1]), Some(Lane::Interactive));
        assert_eq!(turns.next(&[0, 0, 0, 1]), Some(Lane::Backfill));
        assert_eq!(turns.next(&[0; 4]), None);
    }

    #[test]
    fn backfill_gets_its_tenth_under_load() {
        let mut turns = Turns::new(8);
        let mut served = [0; 4];
        for _ in 0..1000 {
            let lane = turns.next(&[5, 0, 0, 5]).unwrap();
            turns.finished(lane);
            served[lane.index()] += 1;
        }
        assert_eq!(served, [900, 0, 0, 100]);
    }

    #[test]
    fn several_refusals_at_once_are_one_complaint() {
        let mut rate = Rate::default();
        let now = 100 * SEC;
        rate.throttled(now);
        rate.throttled(now + SEC);
        assert_eq!(rate.percent(now + SEC), 70);
        rate.throttled(now + 3 * SEC);
        assert_eq!(rate.percent(now + 3 * SEC), 49);
        assert_eq!(rate.percent(now + 23 * SEC), 54);
    }

    #[test]
    fn a_server_in_trouble_slows_us_down_a_little() {
        let mut rate = Rate::default();
        rate.troubled(SEC);
        assert_eq!(rate.percent(SEC), 90);
        for n in 1..50 {
            rate.troubled(n * 5 * SEC);
        }
        assert_eq!(rate.percent(250 * SEC), PERCENT_MIN_TROUBLED);
    }

    #[test]
    fn quiet_hours_are_not_waste() {
        let mut usage = Usage::default();
        for second in 1..=300u32 {
            usage.passed(second * SEC, true);
            (0..9).for_each(|_| usage.turn());
        }
        usage.passed(9000 * SEC, false);
        assert!((usage.ratio(10.0) - 0.9).abs() < 0.02, "{}", usage.ratio(10.0));
    }
}

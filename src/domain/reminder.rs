//! Reminders of interviews: when each is sent, if at all (behaviour.md 4, "Reminders").

use std::fmt;

use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{AppointmentId, InterviewId, MessageId, OpportunityId};

/// Whoever arranged it so shortly before the reminder needs none.
const JUST_ARRANGED: SignedDuration = SignedDuration::from_mins(30);
/// A reminder that quiet hours move comes so long before the start, or not at all.
const IN_TIME: SignedDuration = SignedDuration::from_hours(2);
/// How far back an open minute is looked for, in minutes: three days off are a long weekend.
const LOOK_BACK: i64 = 4 * 24 * 60;

/// What becomes of one reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// It is sent then.
    At(Timestamp),
    /// The interview was arranged too shortly before it.
    Needless,
    /// It would fall in quiet hours, and before them it is too late.
    Quiet,
}

/// When the reminder is sent that comes `lead` before an interview at `starts_at`, of which the candidate
/// knows since `known_at`.
pub fn remind_at(
    starts_at: Timestamp,
    lead: SignedDuration,
    known_at: Timestamp,
    is_open: impl Fn(Timestamp) -> bool,
) -> Planned {
    let earliest = known_at.saturating_add(JUST_ARRANGED).unwrap_or(Timestamp::MAX);
    let due = starts_at.saturating_sub(lead).unwrap_or(Timestamp::MIN);
    if due < earliest || due >= starts_at {
        return Planned::Needless;
    }
    if is_open(due) {
        return Planned::At(due);
    }
    let minute = due.as_second().div_euclid(60);
    let before = (0..LOOK_BACK).map_while(|back| Timestamp::from_second((minute - back) * 60).ok());
    let mut before = before.take_while(|at| *at >= earliest).filter(|at| *at < due && is_open(*at));
    match before.next() {
        Some(at) if starts_at.duration_since(at) >= IN_TIME => Planned::At(at),
        _ => Planned::Quiet,
    }
}

/// What is reminded of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reminded {
    /// An interview that was arranged here.
    Appointment(AppointmentId),
    /// One that was arranged in Lever.
    Interview(InterviewId),
}

/// The reminders of one interview at one time. A moved interview gets others.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminders {
    /// With whom.
    pub opportunity: OpportunityId,
    /// Of what.
    pub of: Reminded,
    /// When that begins: nothing is sent after it.
    #[serde(with = "millisecond::required")]
    pub starts_at: Timestamp,
    /// Those still to be sent, in milliseconds since the epoch, the first last.
    pub due: Vec<i64>,
    /// The last that was sent: it is called off if it has not left by the start.
    pub sent: Option<MessageId>,
    /// When their deadline is armed.
    #[serde(with = "millisecond::required")]
    pub armed: Timestamp,
    /// How many minutes before the start there would be one that quiet hours leave no time for: the candidate
    /// gets none, and a person is told.
    pub dropped: Vec<u32>,
}

impl fmt::Debug for Reminders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reminders").field("of", &self.of).field("armed", &self.armed).finish_non_exhaustive()
    }
}

impl Reminders {
    /// Those at these times.
    pub fn new(
        opportunity: OpportunityId,
        of: Reminded,
        starts_at: Timestamp,
        times: impl IntoIterator<Item = Timestamp>,
        dropped: Vec<u32>,
    ) -> Self {
        let mut due: Vec<i64> = times.into_iter().map(Timestamp::as_millisecond).collect();
        due.sort_unstable_by(|a, b| b.cmp(a));
        due.dedup();
        let mut all = Self { opportunity, of, starts_at, due, sent: None, armed: starts_at, dropped };
        all.armed = all.next();
        all
    }

    /// When something is to be done next: the next reminder, or the start, when all is over.
    pub fn next(&self) -> Timestamp {
        let next = self.due.last().and_then(|ms| Timestamp::from_millisecond(*ms).ok());
        next.unwrap_or(self.starts_at).min(self.starts_at)
    }

    /// Takes those that are due. Whether one is to be sent: one only, however many were missed, and none
    /// once it has begun.
    pub fn take_due(&mut self, now: Timestamp) -> bool {
        let before = self.due.len();
        self.due.retain(|ms| *ms > now.as_millisecond());
        self.due.len() < before && now < self.starts_at
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::quiet::Hours;
    use crate::zones::Zones;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn at(text: &str) -> Timestamp {
        let new_york = TimeZone::get("America/New_York").unwrap();
        new_york.to_timestamp(text.parse::<jiff::civil::DateTime>().unwrap()).unwrap()
    }

    fn in_new_york(moment: Timestamp) -> bool {
        Hours::default().is_open(&Zones::unknown(), &TimeZone::get("America/New_York").unwrap(), moment)
    }

    fn planned(starts_at: &str, lead: SignedDuration, known_at: &str) -> Planned {
        remind_at(at(starts_at), lead, at(known_at), in_new_york)
    }

    #[test]
    fn a_reminder_comes_its_lead_before_the_start() {
        assert_eq!(planned("2025-03-05T14:00", DAY, "2025-03-01T09:00"), Planned::At(at("2025-03-04T14:00")));
        assert_eq!(
            planned("2025-03-05T14:00", HOUR, "2025-03-01T09:00"),
            Planned::At(at("2025-03-05T13:00"))
        );
    }

    #[test]
    fn whoever_has_just_arranged_it_is_not_reminded() {
        assert_eq!(planned("2025-03-05T14:00", DAY, "2025-03-04T13:31"), Planned::Needless);
        assert_eq!(planned("2025-03-05T14:00", DAY, "2025-03-04T13:30"), Planned::At(at("2025-03-04T14:00")));
    }

    #[test]
    fn what_falls_in_quiet_hours_comes_in_the_last_open_minute_before() {
        assert_eq!(
            planned("2025-03-05T08:30", HOUR, "2025-03-01T09:00"),
            Planned::At(at("2025-03-04T19:54"))
        );
        let short = SignedDuration::from_mins(15);
        assert_eq!(planned("2025-03-05T20:30", short, "2025-03-01T09:00"), Planned::Quiet);
        assert_eq!(planned("2025-03-05T08:30", HOUR, "2025-03-04T19:40"), Planned::Quiet);
    }

    #[test]
    fn many_that_were_missed_are_sent_as_one() {
        let start = at("2025-03-05T14:00");
        let of = Reminded::Appointment(AppointmentId::new(1));
        let mut all =
            Reminders::new("o1".parse().unwrap(), of, start, [start - DAY, start - HOUR], Vec::new());
        assert_eq!(all.next(), start - DAY);
        assert!(!all.take_due(start - DAY - HOUR));
        assert!(all.take_due(start - SignedDuration::from_mins(20)));
        assert_eq!(all.next(), start);
        assert!(!all.take_due(start));
    }

    proptest! {
        #[test]
        fn no_reminder_comes_after_its_start_in_quiet_hours_or_before_it_is_known(
            start in 0i64..100_000_000, lead in 1i64..3_000, known in 0i64..10_000,
        ) {
            let starts_at = Timestamp::from_second(1_700_000_000 + start).unwrap();
            let lead = SignedDuration::from_mins(lead);
            let known_at = starts_at - SignedDuration::from_mins(known);
            if let Planned::At(when) = remind_at(starts_at, lead, known_at, in_new_york) {
                prop_assert!(when < starts_at && in_new_york(when));
                prop_assert!(when >= known_at + JUST_ARRANGED);
                prop_assert!(when == starts_at - lead || starts_at.duration_since(when) >= IN_TIME);
                prop_assert!(when <= starts_at - lead);
            }
        }
    }
}

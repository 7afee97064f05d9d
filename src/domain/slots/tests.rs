//! The rules hold for random people, nights and zones, and for the cases that behaviour.md names.

use jiff::civil::Weekday;
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 5] =
    ["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Auckland"];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn terms() -> Terms {
    Terms {
        length: SignedDuration::from_mins(30),
        notice: SignedDuration::from_hours(4),
        horizon: SignedDuration::from_hours(14 * 24),
        increment: SignedDuration::from_mins(30),
        buffer: SignedDuration::from_mins(10),
        per_day: 4,
        per_week: 12,
    }
}

fn person(zone_name: &str, hours: &str) -> Person {
    let week = Week::parse(zone(zone_name), [hours; 7]).unwrap();
    Person { week, busy: Vec::new(), meetings: Vec::new(), weight: 1, known: true }
}

fn starts(slots: &[Slot]) -> Vec<String> {
    slots.iter().map(|slot| slot.start.to_string()).collect()
}

fn days(days: i64) -> Terms {
    Terms { horizon: SignedDuration::from_hours(24 * days), notice: SignedDuration::ZERO, ..terms() }
}

#[test]
fn a_busy_time_and_its_buffers_are_not_offered() {
    let mut ana = person("America/New_York", "09:00-12:00");
    ana.busy.push(Span { start: at("2025-03-04T15:00:00Z"), end: at("2025-03-04T15:30:00Z") });
    let slots = free(&days(1), Need::All, &[ana], at("2025-03-04T13:00:00Z"));
    let expected = ["2025-03-04T14:00:00Z", "2025-03-04T16:00:00Z", "2025-03-04T16:30:00Z"];
    assert_eq!(starts(&slots), expected);
}

#[test]
fn a_group_meets_when_all_can_though_their_dates_differ() {
    let people = [person("America/Los_Angeles", "15:00-18:00"), person("Asia/Tokyo", "08:00-10:00")];
    let slots = free(&days(1), Need::All, &people, at("2025-03-04T12:00:00Z"));
    // Tuesday afternoon there, Wednesday morning here.
    let expected =
        ["2025-03-04T23:00:00Z", "2025-03-04T23:30:00Z", "2025-03-05T00:00:00Z", "2025-03-05T00:30:00Z"];
    assert_eq!(starts(&slots), expected);
    assert_eq!(free(&days(1), Need::Any, &people, at("2025-03-04T12:00:00Z")).len(), 6);
}

#[test]
fn hours_reach_over_midnight() {
    let night = person("Europe/Berlin", "00:00-01:00, 23:00-24:00");
    let long = Terms { length: SignedDuration::from_mins(60), ..days(1) };
    let slots = free(&long, Need::All, &[night], at("2025-03-04T12:00:00Z"));
    let expected = ["2025-03-04T22:00:00Z", "2025-03-04T22:30:00Z", "2025-03-04T23:00:00Z"];
    assert_eq!(starts(&slots), expected);
}

#[test]
fn the_hour_that_a_night_leaves_out_is_not_offered_and_the_repeated_one_is_twice() {
    let night = [person("America/New_York", "01:00-04:00")];
    let lost = free(&Terms { per_day: 99, ..days(1) }, Need::All, &night, at("2025-03-09T04:00:00Z"));
    assert_eq!(lost.len(), 4, "from one to two and from three to four");
    let found = free(&Terms { per_day: 99, ..days(1) }, Need::All, &night, at("2025-11-02T04:00:00Z"));
    assert_eq!(found.len(), 8, "four hours by the clock on the wrist");
}

#[test]
fn caps_count_days_and_weeks_of_the_person() {
    let mut ana = person("America/New_York", "09:00-17:00");
    ana.meetings = (0..4).map(|n| later(at("2025-03-04T14:00:00Z"), SignedDuration::from_hours(n))).collect();
    let slots = free(&days(2), Need::All, &[ana], at("2025-03-04T05:00:00Z"));
    let zone = zone("America/New_York");
    assert!(!slots.is_empty());
    assert!(slots.iter().all(|slot| zone.to_datetime(slot.start).date().weekday() != Weekday::Tuesday));
}

#[test]
fn somebody_whose_calendar_is_not_known_is_never_offered() {
    let gone = Person { known: false, ..person("America/New_York", "00:00-24:00") };
    let ana = person("America/New_York", "09:00-10:00");
    let now = at("2025-03-04T05:00:00Z");
    assert_eq!(free(&days(1), Need::All, &[ana.clone(), gone.clone()], now), []);
    let any = free(&days(1), Need::Any, &[gone, ana], now);
    assert!(!any.is_empty() && any.iter().all(|slot| slot.who == [1]));
}

#[test]
fn a_pool_takes_the_least_booked_then_the_heaviest_then_draws() {
    let now = at("2025-03-04T15:00:00Z");
    let mut busy = person("America/New_York", "09:00-17:00");
    busy.meetings.push(now);
    let light = person("America/New_York", "09:00-17:00");
    let heavy = Person { weight: 3, ..light.clone() };
    let slot = Slot { start: now, who: vec![0, 1, 2] };
    assert_eq!(choose(&slot, &[busy.clone(), light.clone(), heavy], 0.9), Some(2));
    let drawn = |draw| choose(&slot, &[busy.clone(), light.clone(), light.clone()], draw);
    assert_eq!((drawn(0.1), drawn(0.9)), (Some(1), Some(2)));
    assert_eq!(choose(&Slot { start: now, who: vec![] }, &[], 0.5), None);
}

#[test]
fn six_days_with_eight_times_are_shown() {
    let ana = person("America/New_York", "08:00-18:00");
    let slots = free(&terms(), Need::All, &[ana], at("2025-03-04T05:00:00Z"));
    let shown = offer(&slots, &zone("America/New_York"));
    assert_eq!(shown.len(), DAYS_SHOWN);
    assert!(shown.iter().all(|day| day.starts.len() == SLOTS_SHOWN));
    let three = spaced(&slots, &zone("America/New_York"), 3);
    assert!(
        three.len() == 3
            && three
                .windows(2)
                .all(|pair| { pair[1].duration_since(pair[0]) > SignedDuration::from_hours(12) })
    );
}

prop_compose! {
    fn people()(count in 1usize..4)(
        list in proptest::collection::vec(
            (0..ZONES.len(), 0u16..20, 1u16..10, proptest::collection::vec((0i64..20_000, 1i64..300), 0..12)),
            count,
        )
    ) -> Vec<Person> {
        list.into_iter().map(|(place, open, hours, busy)| {
            let close = (open + hours).min(24);
            let mut person = person(ZONES[place], &format!("{open:02}:00-{close:02}:00"));
            let mins = SignedDuration::from_mins;
            // Around the nights on which clocks change.
            let base = at("2025-03-01T00:00:00Z");
            person.busy = busy.iter().map(|(start, length)| Span::new(later(base, mins(*start)), mins(*length))).collect();
            person.meetings = person.busy.iter().map(|span| span.start).collect();
            person
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_slot_is_free_for_everybody_needed(
        people in people(), minute in 0i64..40_000, length in 1i64..5, all in any::<bool>(),
    ) {
        let now = later(at("2025-03-01T00:00:00Z"), SignedDuration::from_mins(minute));
        let terms = Terms { length: SignedDuration::from_mins(15 * length), ..terms() };
        let need = if all { Need::All } else { Need::Any };
        for slot in free(&terms, need, &people, now) {
            let meeting = Span::new(slot.start, terms.length);
            prop_assert!(slot.start >= later(now, terms.notice) && slot.start <= later(now, terms.horizon));
            prop_assert!(!slot.who.is_empty() && (!all || slot.who.len() == people.len()));
            for index in &slot.who {
                let person = &people[*index];
                prop_assert!(!person.busy.iter().any(|busy| busy.overlaps(meeting)));
                // Each minute of it is in their hours by their own clock.
                for minute in (0..15 * length).step_by(5) {
                    let clock = person.week.zone().to_datetime(later(slot.start, SignedDuration::from_mins(minute)));
                    let day = Span { start: later(slot.start, -SignedDuration::from_hours(30)), end: later(slot.start, SignedDuration::from_hours(30)) };
                    let moment = Span::new(later(slot.start, SignedDuration::from_mins(minute)), SignedDuration::from_secs(1));
                    prop_assert!(person.week.spans(day).iter().any(|span| span.holds(moment)), "{clock}");
                }
                let date = person.week.zone().to_datetime(slot.start).date();
                let same_day = person.meetings.iter().filter(|m| person.week.zone().to_datetime(**m).date() == date);
                prop_assert!(same_day.count() < 4);
            }
        }
    }
}

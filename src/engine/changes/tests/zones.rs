//! A person knows where a candidate is, whatever their number says.

use fulcrum_domain::quiet::Hours;

use super::*;
use crate::store::tables::KNOWN_ZONES;

fn by_day() -> Rules {
    Rules { quiet_hours: Hours::default(), ..rules() }
}

fn set(life: &Life, zone: Option<&str>) {
    let zone = zone.map(|name| TimeZone::get(name).unwrap());
    let now = life.now;
    life.change(move |tx, _| set_zone(tx, number(0), None, zone.as_ref(), &"priya".into(), now));
}

fn writes(life: &mut Life) -> Delivery {
    life.count += 1;
    life.change(|tx, moment| Ok(compose(tx, draft(0, None), &by_day(), moment).unwrap().delivery))
}

#[test]
fn quiet_hours_go_by_the_zone_that_a_person_set() {
    let mut life = Life::new();
    // A quarter past nine in the evening in Washington, where the number is from.
    life.now = "2025-03-05T02:15:00Z".parse().unwrap();
    assert_eq!(writes(&mut life), Delivery::Scheduled);
    set(&life, Some("America/Los_Angeles"));
    assert_eq!(writes(&mut life), Delivery::Queued);
    let standing = life.change(|tx, moment| standing(tx, number(0), &by_day(), moment.now));
    assert_eq!(
        standing.zones.iter().filter_map(TimeZone::iana_name).collect::<Vec<_>>(),
        ["America/Los_Angeles"]
    );
    set(&life, Some("Europe/Berlin"));
    assert_eq!(writes(&mut life), Delivery::Scheduled);
    let told = life.change(|tx, _| tx.list_back(ACTIVITY, &Keys::all(), 1));
    assert!(told[0].1.detail.contains("deferred 2025-03-05T03:15 CET"), "{}", told[0].1.detail);
    set(&life, None);
    let zones = life.change(|tx, _| zones_of(tx, number(0)));
    assert_eq!(zones, fulcrum_domain::zones::of(number(0)));
}

#[test]
fn where_somebody_is_goes_with_them() {
    let mut life = Life::new();
    life.step(&Step::Appears { who: 0, active: true });
    set(&life, Some("Europe/Berlin"));
    life.step(&Step::Writes { who: 0, words: 0 });
    assert_eq!(life.change(|tx, _| tx.len(KNOWN_ZONES)), 1);
    life.step(&Step::Goes { who: 0 });
    assert_eq!(life.change(|tx, _| tx.len(KNOWN_ZONES)), 0);
}

//! Texts that could not leave at once, since the carrier was down or the hours closed: what has become of
//! their reasons meanwhile decides, and not what held when they were written.

use fulcrum_domain::guard::Timing;

use super::*;
use crate::store::tables::OVERRIDES;

fn at(life: &mut Life, time: &str) {
    life.now = time.parse().unwrap();
    life.count += 1;
}

/// The hours that are usual; their zone is New York's, by the number.
fn open_by_day() -> Rules {
    Rules { quiet_hours: Hours::default(), ..rules() }
}

/// The next text that is due, if it may leave.
fn leaves(life: &Life, rules: &Rules) -> Option<Submission> {
    let Effect::Send(id) = life.take(Remote::Carrier)?.effect else { panic!("the carrier sends texts only") };
    let rules = rules.clone();
    life.change(move |tx, moment| begin_send(tx, id, &rules, moment))
}

/// The carrier answered that it cannot now.
fn comes_back(life: &Life, text: &Message) {
    let id = text.id;
    life.change(move |tx, moment| requeue_send(tx, id, Some(moment.now), "busy", moment));
}

fn hears(life: &mut Life, words: &'static str) {
    life.step(&Step::Writes {
        who: 0,
        words: ["Yes", "after 2", "STOP", "start", "help"].iter().position(|one| *one == words).unwrap() as u8,
    });
}

fn stored(life: &Life, id: MessageId) -> Message {
    life.store.read_here(|read| message(read, id)).unwrap().unwrap()
}

#[test]
fn what_cannot_wait_cannot_wait_when_the_carrier_was_busy_either() {
    let (mut life, rules) = (Life::new(), open_by_day());
    // Ten in the evening in New York.
    at(&mut life, "2025-03-05T03:00:00Z");
    let draft = Draft { cannot_wait: Some("the office is closed".into()), ..draft(0, None) };
    let now = rules.clone();
    let text = life.change(move |tx, moment| Ok(compose(tx, draft, &now, moment).unwrap()));
    assert!(leaves(&life, &rules).is_some());
    comes_back(&life, &text);
    at(&mut life, "2025-03-05T03:00:10Z");
    assert_eq!(leaves(&life, &rules).map(|one| one.message.id), Some(text.id));
    // Nor where its answer was lost, and it is asked about by the same request.
    let (id, now) = (text.id, life.now);
    let again = life.store.read_here(|read| may_repeat(read, id, &rules, now)).unwrap();
    assert_eq!(again, Some(Ok(Timing::Now)));
    let sid = Some("SM1".parse().unwrap());
    life.change(move |tx, moment| {
        settle_send(tx, id, Report { delivery: Delivery::Accepted, failure: None, sid }, &rules, moment)?;
        assert!(!tx.has(OVERRIDES, &id)?, "it is gone");
        Ok(())
    });
}

#[test]
fn the_answer_to_help_that_was_held_up_waits_for_the_morning() {
    let (mut life, rules) = (Life::new(), open_by_day());
    at(&mut life, "2025-03-05T00:50:00Z");
    hears(&mut life, "help");
    let text = leaves(&life, &rules).unwrap().message;
    comes_back(&life, &text);
    // Three at night, and the carrier is back.
    at(&mut life, "2025-03-05T08:00:00Z");
    assert!(leaves(&life, &rules).is_none());
    assert_eq!(stored(&life, text.id).delivery, Delivery::Scheduled);
    at(&mut life, "2025-03-05T13:10:00Z");
    assert_eq!(leaves(&life, &rules).map(|one| one.message.id), Some(text.id));
}

#[test]
fn nobody_is_told_of_an_opt_out_that_they_took_back() {
    let mut life = Life::new();
    hears(&mut life, "STOP");
    let text = leaves(&life, &rules()).unwrap().message;
    comes_back(&life, &text);
    hears(&mut life, "start");
    assert!(leaves(&life, &rules()).is_none());
    assert_eq!(stored(&life, text.id).delivery, Delivery::Canceled);
    life.check();
}

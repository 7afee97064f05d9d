//! The checks of what is due, in the order of the specification: each on what is stored, and not on a case that
//! somebody made up.

use fulcrum_domain::automation::{EnrolmentState, HeldFor, Trigger};
use fulcrum_domain::{Answer, ConsentSource, NoConsent, Refusal, Sight};

use super::held_up::{at, dana, enrolment, leaves, that_says, with_automation};
use super::*;
use crate::engine::automations::Tested;
use crate::engine::back_test::back_test;

/// So many texts of which nobody wrote one leave for the candidate now.
fn gets(life: &mut Life, about: &OpportunityId, texts: u8) {
    for _ in 0..texts {
        life.count += 1;
        let to = Recipient::Opportunity(about.clone());
        let by = Author::Automatic("open day".into());
        let draft = Draft { to, author: by, purpose: Purpose::Bulk, ..draft(0, None) };
        life.change(move |tx, moment| {
            let id = compose(tx, draft, &rules(), moment).unwrap().id;
            begin_send(tx, id, &rules(), moment)?.expect("it may leave");
            let done = Report { delivery: Delivery::Delivered, failure: None, sid: None };
            settle_send(tx, id, done, &rules(), moment)
        });
    }
    life.count += 1;
}

#[test]
fn a_field_without_a_value_is_looked_at_before_the_caps() {
    let capped = EnrolmentState::Ended(Refusal::Capped.to_string());
    for (text, is_held) in [("Hello", false), ("About {{ job.name }}", true)] {
        let mut life = Life::new();
        let rules = that_says(text, Trigger::StageEntered, "none", rules());
        at(&mut life, "2025-03-04T15:00:00Z");
        let id = dana(&life, &rules);
        gets(&mut life, &id, 2);
        life.fire_by(rules.clone());
        let state = enrolment(&life).state;
        match is_held {
            true => {
                assert!(
                    matches!(&state, EnrolmentState::Held(HeldFor::NoText(why)) if why.contains("job.name")),
                    "{state:?}"
                );
            }
            false => assert_eq!(state, capped),
        }
    }
}

#[test]
fn consent_is_asked_for_before_an_opt_out() {
    let mut life = Life::new();
    let rules = with_automation(Trigger::StageEntered, "none", rules());
    at(&mut life, "2025-03-04T15:00:00Z");
    life.step(&Step::Writes { who: 0, words: 2 });
    let now = life.now;
    life.change(move |tx, _| {
        let source = ConsentSource::Person("called us".into());
        record_consent(tx, number(0), Answer::No, source, "priya".into(), now)
    });
    dana(&life, &rules);
    life.fire_by(rules.clone());
    let said_no = Refusal::from(NoConsent::SaidNo).to_string();
    assert_eq!(enrolment(&life).state, EnrolmentState::Ended(said_no));
}

/// What the back-test of "hello" says of the only event that there is.
fn tested(life: &Life, rules: &Rules) -> Tested {
    let automation = rules.automations.get("hello").unwrap();
    let since = life.now - SignedDuration::from_hours(24);
    let read =
        |read: &_| Ok::<_, StoreError>(back_test(read, automation, since, Sight::All, rules, life.now));
    let mut rows = life.store.read_here(read).unwrap().unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

/// Three events, and what left since: each of those texts counted against the caps of then.
#[test]
fn in_a_back_test_the_caps_count_what_had_left_by_then() {
    for (before, capped) in [(0, false), (1, false), (2, true)] {
        let mut life = Life::new();
        let rules = with_automation(Trigger::StageEntered, "2h", rules());
        at(&mut life, "2025-03-04T15:00:00Z");
        // Nothing is set off: the automation is tried before it is switched on.
        let id = dana(&life, &super::rules());
        gets(&mut life, &id, before);
        at(&mut life, "2025-03-04T18:00:00Z");
        gets(&mut life, &id, 2 - before);
        at(&mut life, "2025-03-04T19:00:00Z");
        let row = tested(&life, &rules);
        assert_eq!(row.at.is_none(), capped, "{before}: {row:?}");
    }
}

/// It was active, and its wait is tried longer: its own text is the one that would have left later.
#[test]
fn in_a_back_test_the_text_of_the_event_itself_does_not_count() {
    let mut life = Life::new();
    let live = with_automation(Trigger::StageEntered, "none", rules());
    at(&mut life, "2025-03-04T15:00:00Z");
    let id = dana(&life, &live);
    life.fire_by(live.clone());
    assert!(leaves(&life, &live).is_some());
    at(&mut life, "2025-03-04T16:00:00Z");
    gets(&mut life, &id, 1);
    at(&mut life, "2025-03-04T19:00:00Z");
    let row = tested(&life, &with_automation(Trigger::StageEntered, "2h", rules()));
    assert_eq!(row.at, "2025-03-04T17:00:00Z".parse().ok(), "{row:?}");
}

//! The checks of what is due, in the order of the specification: each on what is stored, and not on a case that
//! somebody made up.

use fulcrum_domain::automation::{EnrolmentState, Trigger};
use fulcrum_domain::{Answer, ConsentSource, NoConsent, Refusal};

use super::held_up::{at, dana, enrolment, that_says, with_automation};
use super::*;

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
                assert!(matches!(&state, EnrolmentState::Held(why) if why.contains("job.name")), "{state:?}")
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

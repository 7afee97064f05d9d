//! Whom nobody asks "did you see our text?": those who have answered, and what we told them since wants no
//! answer.

use fulcrum_domain::automation::{EnrolmentState, Trigger};

use super::held_up::{at, dana, enrolment, stored, with_automation};
use super::*;
use crate::store::tables::ENROLMENTS;

/// A text is on its way to the candidate.
fn is_texted(
    life: &mut Life,
    about: &OpportunityId,
    by: &Author,
    purpose: Purpose,
    rules: &Rules,
) -> Message {
    life.count += 1;
    let to = Recipient::Opportunity(about.clone());
    let (draft, rules) = (Draft { to, author: by.clone(), purpose, ..draft(0, None) }, rules.clone());
    life.change(move |tx, moment| Ok(compose(tx, draft, &rules, moment).unwrap()))
}

fn priya() -> Author {
    Author::Staff { user: None, name: "Priya".into() }
}

/// What was written by itself told them what they had just done, or of their interview, and began a new wait in
/// the moment of their answer.
#[test]
fn who_answered_and_was_told_something_is_not_asked_whether_they_saw_it() {
    let tells = [
        (Author::Automatic("booking".into()), Purpose::Booking),
        (Author::Automatic("interview: reminder".into()), Purpose::Automatic),
        (Author::Automatic("interview: moved".into()), Purpose::Automatic),
        (Author::Automatic("interview: called-off".into()), Purpose::Automatic),
    ];
    for (by, purpose) in tells {
        let mut life = Life::new();
        let rules = with_automation(Trigger::NoReply, "2d", rules());
        at(&mut life, "2025-03-04T15:00:00Z");
        let id = dana(&life, &rules);
        is_texted(&mut life, &id, &by, purpose, &rules);
        let waits = life.store.read_here(|read| read.list(ENROLMENTS, &Keys::all(), 9)).unwrap();
        assert!(waits.is_empty(), "{by:?} wants no answer: {waits:?}");

        let asked = is_texted(&mut life, &id, &priya(), Purpose::Conversation, &rules);
        let due = enrolment(&life).due;
        at(&mut life, "2025-03-04T17:00:00Z");
        life.step(&Step::Writes { who: 0, words: 0 });
        is_texted(&mut life, &id, &by, purpose, &rules);
        assert_eq!((enrolment(&life).due, enrolment(&life).happened_at), (due, asked.at), "{by:?}");
        at(&mut life, "2025-03-07T15:00:00Z");
        life.fire_by(rules.clone());
        assert_eq!(enrolment(&life).state, EnrolmentState::Ended("they have replied since".into()), "{by:?}");
    }
}

/// A newer question moves the wait all the same.
#[test]
fn a_newer_text_that_asks_something_moves_the_wait() {
    let mut life = Life::new();
    let rules = with_automation(Trigger::NoReply, "2d", rules());
    at(&mut life, "2025-03-04T15:00:00Z");
    let id = dana(&life, &rules);
    is_texted(&mut life, &id, &priya(), Purpose::Conversation, &rules);
    at(&mut life, "2025-03-05T15:00:00Z");
    let again = is_texted(&mut life, &id, &priya(), Purpose::Conversation, &rules);
    assert_eq!(enrolment(&life).happened_at, again.at);
    at(&mut life, "2025-03-07T15:00:00Z");
    life.fire_by(rules.clone());
    let EnrolmentState::Sent(nudge) = enrolment(&life).state else { panic!("{:?}", enrolment(&life)) };
    assert_eq!(stored(&life, nudge).delivery, Delivery::Queued);
}

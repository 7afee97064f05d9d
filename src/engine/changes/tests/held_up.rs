//! Texts that could not leave at once, since the carrier was down or the hours closed: what has become of
//! their reasons meanwhile decides, and not what held when they were written.

use std::sync::Arc;

use fulcrum_domain::Lane;
use fulcrum_domain::automation::{Automation, Automations, CancelIf, Enrolment, EnrolmentState, Trigger};
use fulcrum_domain::guard::Timing;
use fulcrum_domain::template::{Template, Templates};

use super::*;
use crate::store::tables::{ENROLMENTS, OVERRIDES};

pub(super) fn at(life: &mut Life, time: &str) {
    life.now = time.parse().unwrap();
    life.count += 1;
}

/// The hours that are usual; their zone is New York's, by the number.
pub(super) fn open_by_day() -> Rules {
    Rules { quiet_hours: Hours::default(), ..rules() }
}

/// The next text that is due, if it may leave.
pub(super) fn leaves(life: &Life, rules: &Rules) -> Option<Submission> {
    let Effect::Send(id) = life.take(Remote::Carrier)?.effect else { panic!("the carrier sends texts only") };
    let rules = rules.clone();
    life.change(move |tx, moment| begin_send(tx, id, &rules, moment))
}

/// The carrier answered that it cannot now.
pub(super) fn comes_back(life: &Life, text: &Message) {
    let id = text.id;
    life.change(move |tx, moment| requeue_send(tx, id, Some(moment.now), "busy", moment));
}

/// Somebody of whom Lever tells, and an automation of that name, if it is set off by that.
pub(super) fn dana(life: &Life, rules: &Rules) -> OpportunityId {
    let ((id, row), now, rules) = (opportunity(0, true, life.now), life.now, rules.clone());
    life.change(move |tx, _| {
        align(tx, &rules, now)?;
        put_opportunity(tx, &id, row, None, Arrival::Webhook, &rules, now)?;
        Ok(id)
    })
}

pub(super) fn is_archived(life: &Life, id: &OpportunityId, rules: &Rules) {
    let (mut row, now, id, rules) = (opportunity(0, false, life.now).1, life.now, id.clone(), rules.clone());
    row.as_of = now;
    life.change(move |tx, _| put_opportunity(tx, &id, row, None, Arrival::Webhook, &rules, now));
}

/// Rules with one automation.
pub(super) fn with_automation(trigger: Trigger, wait: &str, rules: Rules) -> Rules {
    that_says("Hello", trigger, wait, rules)
}

pub(super) fn that_says(text: &str, trigger: Trigger, wait: &str, rules: Rules) -> Rules {
    let automation = Automation {
        name: "hello".into(),
        paused: false,
        trigger,
        scope: Vec::new(),
        filter: Vec::new(),
        wait: wait.parse().unwrap(),
        wait_words: wait.into(),
        message: "hello".into(),
        per_visit: false,
        max_age: SignedDuration::from_hours(6),
        cancel_if: CancelIf::WORDS.map(|(_, what)| what).to_vec(),
    };
    let text = Template::new("hello".into(), "hello".into(), text.into(), &Default::default()).unwrap();
    let automations = Automations {
        list: vec![automation],
        texts: Templates::new(vec![text], Default::default()),
        settle: SignedDuration::ZERO,
        ..Default::default()
    };
    Rules { automations: Arc::new(automations), ..rules }
}

/// How the only enrolment that there is stands.
pub(super) fn enrolment(life: &Life) -> Enrolment {
    let all = life.store.read_here(|read| read.list(ENROLMENTS, &Keys::all(), 9)).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].1.clone()
}

fn hears(life: &mut Life, words: &'static str) {
    life.step(&Step::Writes {
        who: 0,
        words: ["Yes", "after 2", "STOP", "start", "help"].iter().position(|one| *one == words).unwrap()
            as u8,
    });
}

pub(super) fn stored(life: &Life, id: MessageId) -> Message {
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
    assert_eq!(again, Some(Ok(Timing::Now { closes: None })));
    let sid = Some("SM1".parse().unwrap());
    life.change(move |tx, moment| {
        settle_send(tx, id, Report { delivery: Delivery::Accepted, failure: None, sid }, &rules, moment)?;
        assert!(!tx.has(OVERRIDES, &id)?, "it is gone");
        Ok(())
    });
}

/// Accepted at 19:54, such a text lay in the carrier's queue and left at 20:40.
#[test]
fn what_keeps_the_hours_says_when_they_end() {
    let (mut life, rules) = (Life::new(), open_by_day());
    // 19:54 in New York.
    at(&mut life, "2025-03-05T00:54:00Z");
    let these = rules.clone();
    life.change(move |tx, moment| Ok(compose(tx, draft(0, None), &these, moment).unwrap()));
    let left = leaves(&life, &rules).unwrap();
    assert_eq!(left.closes, Some("2025-03-05T01:00:00Z".parse().unwrap()));
    hears(&mut life, "help");
    assert_eq!(leaves(&life, &rules).unwrap().closes, None);
}

/// A phone that was off, and a carrier that had given it up already.
#[test]
fn a_carrier_that_contradicts_itself_is_told_of_once() {
    let (mut life, rules) = (Life::new(), rules());
    at(&mut life, "2025-03-05T15:00:00Z");
    let these = rules.clone();
    life.change(move |tx, moment| Ok(compose(tx, draft(0, None), &these, moment).unwrap()));
    let id = leaves(&life, &rules).unwrap().message.id;
    for delivery in
        [Delivery::Sent, Delivery::Undelivered, Delivery::Failed, Delivery::Delivered, Delivery::Delivered]
    {
        let (news, these) =
            (Report { delivery, failure: None, sid: Some("SM1".parse().unwrap()) }, rules.clone());
        life.change(move |tx, moment| report(tx, id, news, &these, moment));
    }
    assert_eq!(stored(&life, id).delivery, Delivery::Undelivered, "the first stands");
    let told = life.store.read_here(|read| read.list(ACTIVITY, &Keys::all(), 99)).unwrap();
    let flags = told.iter().filter(|(_, line)| line.detail.contains("the first stands")).count();
    assert_eq!(flags, 1, "{told:?}");
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

#[test]
fn what_an_automation_wrote_in_the_evening_is_decided_again_in_the_morning() {
    type Night = fn(&mut Life, &OpportunityId, &Rules);
    let nights: [(Night, Option<&str>); 3] = [
        (|_, _, _| {}, None),
        (|life, _, _| hears(life, "Yes"), Some("they have replied since")),
        (is_archived_by_night, Some("the opportunity is archived")),
    ];
    fn is_archived_by_night(life: &mut Life, id: &OpportunityId, rules: &Rules) {
        is_archived(life, id, rules);
    }
    for (night, why) in nights {
        let mut life = Life::new();
        let rules = with_automation(Trigger::StageEntered, "none", open_by_day());
        // 19:50 in New York.
        at(&mut life, "2025-03-05T00:50:00Z");
        let id = dana(&life, &rules);
        life.fire_by(rules.clone());
        let text = leaves(&life, &rules).unwrap().message;
        comes_back(&life, &text);
        at(&mut life, "2025-03-05T01:30:00Z");
        assert!(leaves(&life, &rules).is_none(), "it is night");
        night(&mut life, &id, &rules);
        at(&mut life, "2025-03-05T13:30:00Z");
        let left = leaves(&life, &rules);
        assert_eq!(left.is_none(), why.is_some(), "{why:?}");
        if let Some(why) = why {
            assert_eq!(stored(&life, text.id).delivery, Delivery::Canceled);
            assert_eq!(enrolment(&life).state, EnrolmentState::Ended(why.into()));
        }
        life.check();
    }
}

#[test]
fn what_an_automation_wrote_is_not_told_when_the_carrier_was_down_for_long() {
    for (hours, leaves_still) in [(5, true), (7, false)] {
        let mut life = Life::new();
        let rules = with_automation(Trigger::StageEntered, "none", rules());
        dana(&life, &rules);
        life.fire_by(rules.clone());
        let text = leaves(&life, &rules).unwrap().message;
        comes_back(&life, &text);
        life.now += SignedDuration::from_hours(hours);
        assert_eq!(leaves(&life, &rules).is_some(), leaves_still, "{hours}");
    }
}

/// The carrier was down for an hour, and answered the burst that followed with "busy": each text that waited
/// failed for good at the first of those.
#[test]
fn a_text_that_waited_for_the_carrier_has_all_its_tries_when_that_is_busy() {
    let mut life = Life::new();
    let rules = with_automation(Trigger::StageEntered, "none", rules());
    dana(&life, &rules);
    life.fire_by(rules.clone());
    let busy = SendFailure::Congested;
    let mut tried = Vec::new();
    for answer in [None, None, None, None, None, Some(busy), None, Some(busy), Some(busy)] {
        let taken = life.take(Remote::Carrier).unwrap();
        let Effect::Send(id) = taken.effect else { panic!("the carrier sends texts only") };
        let rules = rules.clone();
        let begun = life.change(move |tx, moment| begin_send(tx, id, &rules, moment));
        let text = begun.expect("it may leave").message;
        match answer {
            None => comes_back(&life, &text),
            Some(class) => {
                tried.push(taken.row.tried(class, true));
                life.change(move |tx, moment| requeue_limited(tx, id, class, moment.now, "busy", moment));
            }
        }
        life.now += SignedDuration::from_mins(1);
    }
    assert_eq!((tried, busy.tries(true)), (vec![1, 2, 3], 3));
}

/// The number that it was to leave from had sent all that it may in a day: a day later it was called off as
/// stale.
#[test]
fn a_text_that_rests_for_a_capped_number_leaves_the_next_day() {
    let mut life = Life::new();
    let rules = with_automation(Trigger::StageEntered, "none", rules());
    dana(&life, &rules);
    life.fire_by(rules.clone());
    let text = leaves(&life, &rules).unwrap().message;
    comes_back(&life, &text);
    let (id, until, these) = (text.id, life.now + SignedDuration::from_hours(24), rules.clone());
    life.change(move |tx, moment| rest(tx, id, until, &these, moment.now));
    assert_eq!(stored(&life, id).delivery, Delivery::Scheduled);
    life.check();
    let later = life.now;
    life.change(move |tx, _| {
        // Bulk texts of other numbers do not take it for one that holds them up.
        assert_eq!(waiting_in(tx, Remote::Carrier, Lane::Live, later, 9)?, 0);
        Ok(())
    });
    life.now = until;
    life.count += 1;
    assert_eq!(leaves(&life, &rules).map(|left| left.message.id), Some(id));
    // One that is under way is not put off.
    let these = rules.clone();
    life.change(move |tx, moment| rest(tx, id, until, &these, moment.now));
    assert_eq!(stored(&life, id).delivery, Delivery::Submitting);
}

#[test]
fn who_answers_while_a_nudge_waits_is_not_nudged() {
    for answers in [false, true] {
        let mut life = Life::new();
        let (id, rules) = (dana(&life, &rules()), rules());
        let write = |life: &mut Life| {
            life.now += SignedDuration::from_secs(1);
            life.count += 1;
            let (to, by) = (Recipient::Opportunity(id.clone()), Author::Automatic("open day".into()));
            let draft = Draft { to, author: by, purpose: Purpose::Bulk, ..draft(0, None) };
            let these = rules.clone();
            life.change(move |tx, moment| Ok(compose(tx, draft, &these, moment).unwrap()))
        };
        let first = write(&mut life);
        life.now += SignedDuration::from_secs(1);
        // An answer to the first text of all is no reason.
        hears(&mut life, "Yes");
        assert!(leaves(&life, &rules).is_some());
        let taken = Report { delivery: Delivery::Accepted, failure: None, sid: Some("SM1".parse().unwrap()) };
        let these = rules.clone();
        life.change(move |tx, moment| settle_send(tx, first.id, taken, &these, moment));
        write(&mut life);
        life.now += SignedDuration::from_secs(1);
        if answers {
            hears(&mut life, "after 2");
        }
        assert_eq!(leaves(&life, &rules).is_some(), !answers);
    }
}

#[test]
fn a_bulk_text_that_waits_does_not_leave_for_who_was_archived() {
    for archived in [false, true] {
        let mut life = Life::new();
        let (id, rules) = (dana(&life, &rules()), rules());
        life.now += SignedDuration::from_secs(1);
        let (to, by) = (Recipient::Opportunity(id.clone()), Author::Automatic("open day".into()));
        let draft = Draft { to, author: by, purpose: Purpose::Bulk, ..draft(0, None) };
        let these = rules.clone();
        let text = life.change(move |tx, moment| Ok(compose(tx, draft, &these, moment).unwrap()));
        if archived {
            is_archived(&life, &id, &rules);
        }
        assert_eq!(leaves(&life, &rules).is_some(), !archived);
        assert_eq!(stored(&life, text.id).delivery == Delivery::Canceled, archived);
    }
}

/// What is tried again and again is found, however much waits before it that nobody has tried.
#[test]
fn what_was_tried_in_vain_is_told_behind_all_that_waits() {
    let mut life = Life::new();
    at(&mut life, "2025-03-05T12:00:00Z");
    let (now, hydrate) = (life.now, |id: String| Effect::Hydrate(id.parse().unwrap()));
    let fails = |life: &Life, until: Option<Timestamp>| {
        let effect = life.take(Remote::Lever).unwrap().effect;
        life.change(move |tx, moment| postpone(tx, &effect, EffectState::Due, until, "it is down", moment));
    };
    for name in ["first", "second"] {
        let effect = hydrate(name.into());
        life.change(move |tx, moment| ask(tx, &effect, Lane::Live, moment.now));
        fails(&life, None);
        at(&mut life, "2025-03-05T12:00:01Z");
    }
    life.change(move |tx, moment| {
        for n in 0..300 {
            ask_later(tx, &hydrate(format!("opp-{n}")), Lane::Live, moment.now, now)?;
            ask_later(
                tx,
                &hydrate(format!("late-{n}")),
                Lane::Live,
                moment.now,
                "2025-03-06T12:00:00Z".parse().unwrap(),
            )?;
        }
        Ok(())
    });
    let told = |life: &Life| {
        let now = life.now;
        let told = life.store.read_here(|read| tried_again(read, now)).unwrap();
        told.into_iter()
            .map(|(effect, row)| (effect, row.attempts, row.last_error.unwrap()))
            .collect::<Vec<_>>()
    };
    let both = [("first", 1), ("second", 1)].map(|(id, n)| (hydrate(id.into()), n, "it is down".to_owned()));
    assert_eq!(told(&life), both);
}

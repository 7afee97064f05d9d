//! Somebody may have opted out: what nobody wrote to them waits until a person has decided, leaves then if it is
//! still wanted, and never before.

use std::sync::Arc;

use fulcrum_domain::automation::{EnrolmentState, HeldFor, Trigger};
use fulcrum_domain::bulk::{BulkId, Recipient as Listed, RecipientState};
use fulcrum_domain::template::{Template, Templates};
use fulcrum_domain::{Refusal, Sight, bulk};

use super::held_up::{at, comes_back, dana, enrolment, leaves, stored, with_automation};
use super::refused::open_day;
use super::*;
use crate::engine::Settings;
use crate::engine::bulk::{meet, round};
use crate::store::tables::RECIPIENTS;

/// "Please stop texting me", of which nobody knows what it means.
pub(super) fn is_in_doubt(life: &mut Life) {
    life.step(&Step::Writes { who: 0, words: 5 });
}

/// A person decides about it.
pub(super) fn is_decided(life: &mut Life, opted_out: bool, rules: &Rules) {
    life.count += 1;
    let (now, rules) = (life.now, rules.clone());
    life.change(move |tx, _| {
        let wish = Wish { opted_out, reason: "asked them".into(), since: None };
        decide_opt_out(tx, number(0), &wish, &"priya".into(), &rules, now).unwrap();
        Ok(())
    });
}

fn passes(life: &mut Life, minutes: i64) {
    life.now += SignedDuration::from_mins(minutes);
    life.count += 1;
}

/// An automation that nothing calls off.
fn steady(rules: Rules) -> Rules {
    let rules = with_automation(Trigger::StageEntered, "none", rules);
    let mut automations = (*rules.automations).clone();
    automations.list[0].cancel_if.clear();
    Rules { automations: Arc::new(automations), ..rules }
}

/// It stayed a question that nobody could answer: only their START lifts an opt-out.
#[test]
fn the_carrier_decides_it_too() {
    let mut life = Life::new();
    dana(&life, &rules());
    is_in_doubt(&mut life);
    life.step(&Step::IsWritten { who: 0, later: false });
    life.step(&Step::Sends { outcome: 2 });
    let thread = life.store.read_here(|read| thread_of(read, number(0))).unwrap().unwrap();
    assert_eq!(thread.possible_opt_out, None);
    let key = DeadlineKey::PossibleOptOut(thread.id);
    let armed = life.store.read_here(|read| read.list(DEADLINES, &Keys::all(), 100)).unwrap();
    assert!(!armed.iter().any(|(_, armed)| *armed == key));
}

#[test]
fn an_automation_waits_for_what_a_person_decides() {
    let ended = |why: &str| Some(EnrolmentState::Ended(why.to_owned()));
    let opted_out = Refusal::OptedOut.to_string();
    let stories = [
        // After how many minutes who says what; how it ends, if there is no text.
        (60, Some(false), None),
        (60, Some(true), ended(&opted_out)),
        (7 * 60, Some(false), ended(STALE)),
        (24 * 60, None, ended(&opted_out)),
    ];
    for (minutes, decided, end) in stories {
        let mut life = Life::new();
        let rules = with_automation(Trigger::StageEntered, "none", rules());
        at(&mut life, "2025-03-04T15:00:00Z");
        is_in_doubt(&mut life);
        dana(&life, &rules);
        life.fire_by(rules.clone());
        assert_eq!(enrolment(&life).state, EnrolmentState::Held(HeldFor::Doubt));
        passes(&mut life, minutes);
        if let Some(opted_out) = decided {
            is_decided(&mut life, opted_out, &rules);
        }
        life.fire_by(rules.clone());
        match end {
            Some(end) => assert_eq!(enrolment(&life).state, end, "{minutes} {decided:?}"),
            None => assert_eq!(
                leaves(&life, &rules).unwrap().message.body.reveal(),
                "Acme: Hello. Reply STOP to opt out."
            ),
        }
        life.check();
    }
}

#[test]
fn a_text_that_was_written_is_frozen_and_decided_again_from_the_start() {
    let stories = [
        // Minutes; what is decided; whether it leaves.
        (60, Some(false), true),
        (60, Some(true), false),
        // Too late for the automation.
        (7 * 60, Some(false), false),
        // Nobody has decided, and nobody has looked yet whether anybody did.
        (24 * 60, None, false),
        (25 * 60, None, false),
    ];
    for (minutes, decided, leaves_then) in stories {
        let mut life = Life::new();
        let rules = steady(rules());
        at(&mut life, "2025-03-04T15:00:00Z");
        dana(&life, &rules);
        life.fire_by(rules.clone());
        let text = leaves(&life, &rules).unwrap().message;
        comes_back(&life, &text);
        is_in_doubt(&mut life);
        assert!(leaves(&life, &rules).is_none(), "it is frozen");
        assert_eq!(stored(&life, text.id).delivery, Delivery::Scheduled);
        life.check();
        passes(&mut life, minutes);
        assert!(leaves(&life, &rules).is_none(), "it is frozen, {minutes}");
        if let Some(opted_out) = decided {
            is_decided(&mut life, opted_out, &rules);
        }
        let left = leaves(&life, &rules).map(|left| left.message.id);
        assert_eq!(left, leaves_then.then_some(text.id), "{minutes} {decided:?}");
        let waits = stored(&life, text.id).delivery == Delivery::Scheduled;
        assert_eq!(waits, decided.is_none(), "{minutes} {decided:?}");
        life.check();
    }
}

#[test]
fn a_start_ends_a_doubt_as_well() {
    let mut life = Life::new();
    let rules = steady(rules());
    at(&mut life, "2025-03-04T15:00:00Z");
    is_in_doubt(&mut life);
    dana(&life, &rules);
    life.fire_by(rules.clone());
    assert_eq!(enrolment(&life).state, EnrolmentState::Held(HeldFor::Doubt));
    life.step(&Step::Writes { who: 0, words: 3 });
    life.fire_by(rules.clone());
    assert!(leaves(&life, &rules).is_some());
}

fn settings() -> Settings {
    let text = Template::new("open-day".into(), "open-day".into(), "Come to us.".into(), &Default::default());
    Settings {
        templates: Templates::new(vec![text.unwrap()], Default::default()),
        ..Settings::delivered(rules())
    }
}

/// Takes the turns that have come.
fn turns(life: &mut Life) {
    life.count += 1;
    let now = life.now;
    life.change(move |tx, moment| {
        for turn in round(&*tx, now)?.turns {
            meet(tx, turn, &settings(), &BTreeMap::new(), moment).unwrap();
        }
        Ok(())
    });
}

/// A bulk text for one, confirmed.
fn begun(life: &mut Life, about: &OpportunityId) -> BulkId {
    life.count += 1;
    let opportunity = about.clone();
    life.change(move |tx, moment| {
        let settings = settings();
        let template = keep_words(tx, settings.templates.get("open-day").unwrap())?;
        let bulk = open_day(template, moment.now);
        let listed = crate::engine::bulk::Listed {
            line: 2,
            who: crate::engine::bulk::Who::Opportunity(opportunity),
            consents: None,
        };
        let looked = crate::engine::bulk::look(&*tx, bulk, vec![listed], Sight::All, &settings, moment.now);
        let (bulk, recipients) = looked.unwrap();
        let id = make_bulk(tx, &bulk, recipients)?;
        let confirmed = bulk::Step::Confirm { recipients: 1 };
        step_bulk(tx, id, confirmed, &"priya".into(), 250, &settings.rules, moment).unwrap();
        Ok(id)
    })
}

#[test]
fn a_turn_in_a_bulk_text_waits_for_what_a_person_decides() {
    for (decided, leaves_then) in [(Some(false), true), (Some(true), false), (None, false)] {
        let mut life = Life::new();
        at(&mut life, "2025-03-04T15:00:00Z");
        let id = dana(&life, &rules());
        is_in_doubt(&mut life);
        let bulk = begun(&mut life, &id);
        turns(&mut life);
        let of =
            |life: &Life| -> Listed { life.change(move |tx, _| tx.get(RECIPIENTS, &(bulk, 1))).unwrap() };
        assert_eq!(of(&life).state, RecipientState::Waiting);
        passes(&mut life, 60);
        turns(&mut life);
        assert_eq!(of(&life).state, RecipientState::Waiting);
        if let Some(opted_out) = decided {
            is_decided(&mut life, opted_out, &rules());
        } else {
            passes(&mut life, 24 * 60);
            life.fire();
        }
        turns(&mut life);
        assert_eq!(matches!(of(&life).state, RecipientState::Written(_)), leaves_then, "{decided:?}");
        assert_eq!(leaves(&life, &rules()).is_some(), leaves_then, "{decided:?}");
    }
}

//! What a note is to be: secret or open, by whom, and when; whatever reports come of its texts meanwhile.

use fulcrum_domain::{Filing, User, UserId};

use super::held_up::at;
use super::*;
use crate::store::tables::FILINGS;

fn pass(life: &mut Life, minutes: i64) {
    life.now += SignedDuration::from_mins(minutes);
    life.count += 1;
}

fn writes(life: &mut Life, draft: Draft, rules: &Rules) -> MessageId {
    life.count += 1;
    let rules = rules.clone();
    life.change(move |tx, moment| Ok(compose(tx, draft, &rules, moment).unwrap().id))
}

fn is_told(life: &Life, id: MessageId, delivery: Delivery) {
    let news = Report { delivery, failure: None, sid: "SM1".parse().ok() };
    life.change(move |tx, moment| settle_send(tx, id, news, &rules(), moment));
}

fn known(life: &Life, confidential: bool) {
    let ((id, row), now) = (opportunity(0, true, life.now), life.now);
    let row = Opportunity { confidential, ..row };
    life.change(move |tx, _| put_opportunity(tx, &id, row, None, Arrival::Webhook, &rules(), now));
}

fn thread(life: &Life) -> fulcrum_domain::Conversation {
    life.store.read_here(|read| thread_of(read, number(0))).unwrap().unwrap()
}

/// The only note that there is, once somebody asks for it.
fn filed(life: &mut Life, rules: &Rules) -> Filing {
    let (id, rules) = (thread(life).id, rules.clone());
    life.change(move |tx, moment| file_now(tx, id, &rules, moment));
    let all = life.store.read_here(|read| read.list(FILINGS, &Keys::all(), 9)).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].1.clone()
}

#[test]
fn a_note_is_secret_if_all_are_or_the_candidacy_is_confidential() {
    for (secret_notes, confidential) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut life = Life::new();
        let rules = Rules { secret_notes, text_confidential: true, ..rules() };
        known(&life, confidential);
        writes(&mut life, draft(0, None), &rules);
        life.step(&Step::Sends { outcome: 0 });
        let note = filed(&mut life, &rules);
        assert_eq!((note.secret, note.confidential), (secret_notes || confidential, confidential));
    }
}

#[test]
fn only_who_is_active_in_lever_signs_a_note() {
    let user = |id: &str| -> UserId { id.parse().unwrap() };
    let stories = [(true, true, Some("priya")), (false, true, Some("ops")), (false, false, None)];
    for (priya, ops, signs) in stories {
        let mut life = Life::new();
        let rules = Rules { notes_as: Some("ops@acme.example".into()), ..rules() };
        known(&life, false);
        life.change(move |tx, _| {
            for (id, active) in [("priya", priya), ("ops", ops)] {
                let email = format!("{id}@acme.example");
                // They all were, once.
                for active in [true, active] {
                    put_user(tx, &user(id), &User { name: id.into(), email: email.clone(), active })?;
                }
            }
            Ok(())
        });
        let author = Author::Staff { user: Some(user("priya")), name: "Priya".into() };
        writes(&mut life, Draft { author, ..draft(0, None) }, &rules);
        life.step(&Step::Sends { outcome: 0 });
        assert_eq!(filed(&mut life, &rules).perform_as, signs.map(user), "{priya} {ops}");
    }
    let mut life = Life::new();
    let rules = Rules { notes_as: Some("ops@acme.example".into()), ..rules() };
    known(&life, false);
    life.change(move |tx, _| {
        let ops = User { name: "Ops".into(), email: "ops@acme.example".into(), active: false };
        put_user(tx, &user("ops"), &ops)
    });
    writes(&mut life, draft(0, None), &rules);
    life.step(&Step::Sends { outcome: 0 });
    assert_eq!(filed(&mut life, &rules).perform_as, None, "they never were");
}

/// A transcript is filed one delay after the last message, which a report is none of (invariant 4).
#[test]
fn reports_of_a_text_do_not_put_its_note_off() {
    for appears in [0, 30, 55] {
        let mut life = Life::new();
        at(&mut life, "2025-03-05T15:00:00Z");
        let due = Some("2025-03-05T16:00:00Z".parse().unwrap());
        let told = |life: &mut Life, minutes, minute| {
            pass(life, minutes);
            if minute == appears {
                known(life, false);
            }
        };
        told(&mut life, 0, 0);
        let id = writes(&mut life, draft(0, None), &rules());
        pass(&mut life, 20);
        is_told(&life, id, Delivery::Accepted);
        told(&mut life, 10, 30);
        is_told(&life, id, Delivery::Sent);
        pass(&mut life, 20);
        is_told(&life, id, Delivery::Delivered);
        told(&mut life, 5, 55);
        assert_eq!(thread(&life).deadline, due, "known at {appears}");
        life.check();
    }
}

#[test]
fn a_report_after_the_note_opens_no_session() {
    let mut life = Life::new();
    at(&mut life, "2025-03-05T15:00:00Z");
    known(&life, false);
    let id = writes(&mut life, draft(0, None), &rules());
    is_told(&life, id, Delivery::Accepted);
    pass(&mut life, 60);
    life.fire();
    assert!(thread(&life).session.is_none() && stored_filings(&life) == 1);
    for delivery in [Delivery::Sent, Delivery::Delivered] {
        pass(&mut life, 5);
        is_told(&life, id, delivery);
        assert_eq!((thread(&life).session, thread(&life).deadline), (None, None));
    }
    life.check();
}

fn stored_filings(life: &Life) -> u64 {
    life.store.read_here(|read| read.len(FILINGS)).unwrap()
}

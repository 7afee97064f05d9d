//! A restored copy comes to life: what its original may have sent since the backup is not sent again.

use fulcrum_domain::Whom;
use fulcrum_domain::automation::{EnrolmentState, Trigger};
use fulcrum_domain::bulk::{BulkState, RecipientState};

use super::by_interview::{arranged, in_lever, stands_in_lever, with_texts};
use super::held_up::{at, dana, enrolment, is_archived, stored, with_automation};
use super::refused::{begun, written};
use super::*;
use crate::store::Muted;
use crate::store::tables::{APPOINTMENTS, BULKS, DELETED, ENROLMENTS, MUTED, RECIPIENTS};

/// A backup of this moment is what the daemon goes on with.
fn is_restored(life: &Life) {
    let now = life.now;
    life.change(move |tx, _| tx.put(MUTED, &(), &Muted { since: now, made_at: now }));
}

fn comes_to_life(life: &Life, rules: &Rules) -> Unmuted {
    let rules = rules.clone();
    let late = Late::Fail(SignedDuration::from_hours(4));
    life.change(move |tx, moment| unmute(tx, late, "ana".into(), &rules, moment)).unwrap()
}

fn later(life: &mut Life, minutes: i64) {
    life.now += SignedDuration::from_mins(minutes);
    life.count += 1;
}

fn by_itself(at: Option<Timestamp>) -> Draft {
    Draft { author: Author::Automatic("hello".into()), purpose: Purpose::Automatic, ..draft(0, at) }
}

/// Whom we erased by command, and who told us by telephone to stop, was there again and could be texted.
#[test]
fn a_copy_takes_over_erasures_and_opt_outs_since_the_backup() {
    let story = || {
        let mut life = Life::new();
        for who in [0, 1] {
            life.step(&Step::Appears { who, active: true });
            life.step(&Step::Writes { who, words: 0 });
        }
        life
    };
    // The same steps make the same rows.
    let (mut before, copy) = (story(), story());
    let since = before.now;
    later(&mut before, 10);
    let erased = before.change(|tx, moment| {
        let whom = Whom::Number(number(0));
        Ok(erase_person(tx, &whom, "ana".into(), moment.now).unwrap().unwrap().1.opportunities)
    });
    for stops in [number(1), Number::from_e164("+12025550119").unwrap()] {
        let wish = Wish { opted_out: true, reason: "called".into(), since: None };
        before.change(move |tx, moment| {
            decide_opt_out(tx, stops, &wish, &"ana".into(), &rules(), moment.now).unwrap();
            Ok(())
        });
    }
    let known = before.store.read_here(|read| promised(read, since)).unwrap();
    let told = copy.change(move |tx, moment| take_over(tx, known, moment.now));
    assert_eq!(told, TakenOver { erasures: 1, opt_outs: 2, ..TakenOver::default() });
    let (people, texts, gone, stops) = copy
        .store
        .read_here(|read| {
            let stops = [number(1), Number::from_e164("+12025550119").unwrap()];
            let stops = stops.map(|number| suppression_of(read, number).unwrap().is_some());
            let gone = erased.iter().all(|id| read.has(DELETED, id).unwrap());
            let people = read.list(OPPORTUNITIES, &Keys::all(), 9)?.len();
            Ok::<_, StoreError>((people, read.list(MESSAGES, &Keys::all(), 9)?.len(), gone, stops))
        })
        .unwrap();
    assert_eq!((people, texts, gone, stops), (1, 1, true, [true; 2]));
    // A store of another lineage hashes numbers under another key.
    let other = Life::new();
    other.change(|tx, _| tx.put(SECRETS, &HASH_KEY.to_owned(), &SecretKey([8; 32])));
    let known = before.store.read_here(|read| promised(read, since)).unwrap();
    let told = other.change(move |tx, moment| take_over(tx, known, moment.now));
    assert_eq!((told.opt_outs, told.erasures), (0, 1));
}

#[test]
fn a_bulk_text_that_was_being_sent_waits_for_a_person() {
    let mut life = Life::new();
    let bulk = begun(&life, 3);
    let text = written(&mut life, bulk, 1);
    is_restored(&life);
    later(&mut life, 60);
    let in_the_copy = written(&mut life, bulk, 2);
    let own = begun(&life, 1);
    let told = comes_to_life(&life, &rules());
    assert_eq!(told, Unmuted { bulks: 1, ..Unmuted::default() });
    for text in [text, in_the_copy] {
        assert_eq!(stored(&life, text).delivery, Delivery::Canceled);
    }
    let (state, own, waiting) = life
        .store
        .read_here(|read| {
            let recipients = read.list(RECIPIENTS, &Keys::beginning(&bulk), 9)?;
            let waiting = recipients.iter().filter(|(_, one)| one.state == RecipientState::Waiting).count();
            let state = |id| Ok::<_, StoreError>(read.get(BULKS, &id)?.unwrap().state);
            Ok::<_, StoreError>((state(bulk)?, state(own)?, waiting))
        })
        .unwrap();
    assert_eq!((state, waiting), (BulkState::Paused, 3));
    assert_eq!(own, BulkState::Running, "a person made it in the copy");
}

#[test]
fn what_the_copy_wrote_by_itself_fails_and_what_people_wrote_leaves() {
    let (mut life, rules) = (Life::new(), rules());
    dana(&life, &rules);
    let write = |life: &mut Life, draft: Draft| {
        later(life, 1);
        life.change(move |tx, moment| Ok(compose(tx, draft, &super::rules(), moment).unwrap().id))
    };
    let tomorrow = life.now.checked_add(SignedDuration::from_hours(24)).ok();
    let planned = write(&mut life, by_itself(tomorrow));
    is_restored(&life);
    later(&mut life, 60);
    let doubtful = [write(&mut life, by_itself(None)), write(&mut life, by_itself(tomorrow))];
    let by_a_person = write(&mut life, draft(0, None));
    assert_eq!(comes_to_life(&life, &rules), Unmuted { texts: 1, late: 2, ..Unmuted::default() });
    for text in doubtful {
        assert_eq!(stored(&life, text).failure, Some(SendFailure::HeldBack));
    }
    life.check();
    assert_eq!(stored(&life, by_a_person).delivery, Delivery::Queued);
    assert_eq!(
        stored(&life, planned).delivery,
        Delivery::Scheduled,
        "its time comes after the original's end"
    );
}

#[test]
fn an_automation_goes_by_what_happens_once_the_copy_lives() {
    // An event that the copy finds late, and one whose wait is not over.
    for (wait, ends) in [("10m", true), ("30d", false)] {
        let (mut life, rules) = (Life::new(), with_automation(Trigger::Archived, wait, rules()));
        let id = dana(&life, &rules);
        is_restored(&life);
        later(&mut life, 60);
        is_archived(&life, &id, &rules);
        later(&mut life, 20);
        let told = comes_to_life(&life, &rules);
        assert_eq!(told, Unmuted { ended: u64::from(ends), ..Unmuted::default() }, "{wait}");
        assert_eq!(matches!(enrolment(&life).state, EnrolmentState::Ended(_)), ends, "{wait}");
    }
    // One that it finds only then.
    let (mut life, rules) = (Life::new(), with_automation(Trigger::Archived, "10m", rules()));
    let id = dana(&life, &rules);
    is_restored(&life);
    later(&mut life, 60);
    let happened = life.now;
    later(&mut life, 1);
    comes_to_life(&life, &rules);
    let (_, mut row) = opportunity(0, false, happened);
    row.as_of = life.now;
    let now = life.now;
    life.change(move |tx, _| put_opportunity(tx, &id, row, None, Arrival::Poll, &rules, now));
    assert_eq!(life.store.read_here(|read| read.len(ENROLMENTS)).unwrap(), 0);
}

#[test]
fn an_interview_is_looked_for_before_it_is_made_and_nobody_is_told_of_a_change_twice() {
    let (mut life, rules) = (Life::new(), with_texts(rules()));
    at(&mut life, "2025-03-04T18:00:00Z");
    let about = dana(&life, &rules);
    let waits = arranged(&life, &about, "2025-03-06T18:00:00Z", &rules);
    is_restored(&life);
    later(&mut life, 1);
    let in_the_copy = arranged(&life, &about, "2025-03-07T18:00:00Z", &rules);
    assert_eq!(comes_to_life(&life, &rules), Unmuted { others: 2, ..Unmuted::default() });
    let state = |id| {
        life.store
            .read_here(|read| {
                let sending = read.get(APPOINTMENTS, &id)?.unwrap().sending.is_some();
                let row = read.get(OUTBOX, &Effect::Appointment(id))?.unwrap();
                Ok::<_, StoreError>((row.state, sending))
            })
            .unwrap()
    };
    assert_eq!(state(waits), (EffectState::Unknown, true));
    assert_eq!(state(in_the_copy), (EffectState::Due, false));

    stands_in_lever(&life, waits, &rules);
    is_restored(&life);
    later(&mut life, 1);
    let sent_before = life.store.read_here(|read| read.len(MESSAGES)).unwrap();
    let now = life.now;
    life.change({
        let rules = rules.clone();
        move |tx, _| {
            let row = in_lever("2025-03-06T20:00:00Z", now);
            let listed = ListedInterview { row, made_at: Some(now), made_by: None };
            put_interviews(tx, &about, &[listed], now, &rules, now)
        }
    });
    assert_eq!(comes_to_life(&life, &rules).ended, 1);
    later(&mut life, 10);
    life.fire_by(rules);
    assert_eq!(life.store.read_here(|read| read.len(MESSAGES)).unwrap(), sent_before);
}

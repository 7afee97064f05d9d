//! What people are told of a text that has not left: until when it waits, and for what.

use fulcrum_domain::Sight;

use super::held_up::{at, leaves, open_by_day};
use super::*;
use crate::engine::why;
use crate::store::Muted;
use crate::store::tables::MUTED;

fn writes(life: &mut Life, send_at: Option<&str>, rules: &Rules) -> MessageId {
    life.count += 1;
    let (draft, rules) = (draft(0, send_at.map(|at| at.parse().unwrap())), rules.clone());
    life.change(move |tx, moment| Ok(compose(tx, draft, &rules, moment).unwrap().id))
}

/// Until when it waits, and for what.
fn waits(life: &Life, id: MessageId, rules: &Rules) -> Option<(Option<Timestamp>, String)> {
    let text = life.store.read_here(|read| message(read, id)).unwrap().unwrap();
    let wait = life.store.read_here(|read| wait_of(read, &text, rules, life.now)).unwrap();
    wait.map(|wait| (wait.until, wait.what))
}

/// What `fulcrum why` says last.
fn told(life: &Life, id: MessageId, rules: &Rules) -> String {
    let reasons = life.store.read_here(|read| why(read, id, Sight::All, rules, life.now)).unwrap().unwrap();
    assert_eq!((reasons[0].what.as_str(), reasons[0].at), ("a person wrote it", Some(id.made_at())));
    reasons.last().unwrap().what.clone()
}

#[test]
fn a_text_of_the_evening_waits_for_the_end_of_quiet_hours() {
    let (mut life, rules) = (Life::new(), open_by_day());
    at(&mut life, "2025-03-05T02:14:00Z");
    let id = writes(&mut life, None, &rules);
    let chosen = writes(&mut life, Some("2025-03-06T15:00:00Z"), &rules);
    let (until, what) = waits(&life, id, &rules).unwrap();
    let until = until.unwrap();
    let opens: Timestamp = "2025-03-05T13:00:00Z".parse().unwrap();
    assert!((0..600).contains(&until.duration_since(opens).as_secs()), "{until}");
    assert_eq!(what, "quiet hours");
    assert!(told(&life, id, &rules).ends_with(" UTC: quiet hours"));
    // Also while the hours are open already, and not everybody is texted in the same second.
    life.now = opens;
    assert_eq!(waits(&life, id, &rules), Some((Some(until), "quiet hours".to_owned())));
    // One of the daytime waits for nothing but its time.
    let at_three = Some("2025-03-06T15:00:00Z".parse().unwrap());
    assert_eq!(waits(&life, chosen, &rules), Some((at_three, "the time that was chosen".to_owned())));
    assert_eq!(told(&life, chosen, &rules), "scheduled until 2025-03-06T15:00 UTC: the time that was chosen");
    life.now = until;
    assert_eq!(waits(&life, id, &rules), None, "it leaves");
    assert_eq!(leaves(&life, &rules).unwrap().message.id, id);
    life.store
        .read_here(|read| {
            let reasons = why(read, id, Sight::All, &rules, life.now)?.unwrap();
            assert_eq!((reasons[1].what.as_str(), reasons[1].at), ("it left", Some(until)));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_text_that_is_tried_again_says_why_it_did_not_leave() {
    let mut life = Life::new();
    let id = writes(&mut life, None, &rules());
    assert_eq!(waits(&life, id, &rules()), None, "it leaves");
    leaves(&life, &rules()).unwrap();
    assert_eq!(waits(&life, id, &rules()), None, "it is under way");
    let next = life.now + SignedDuration::from_secs(30);
    life.change(move |tx, moment| requeue_send(tx, id, Some(next), "the carrier is busy", moment));
    let (until, what) = waits(&life, id, &rules()).unwrap();
    assert_eq!(until, Some(next));
    assert!(what.ends_with(": the carrier is busy"), "{what}");
}

#[test]
fn nothing_of_a_muted_copy_is_said_to_be_on_its_way() {
    let mut life = Life::new();
    let (now, later) = (life.now, "2025-12-24T15:00:00Z");
    life.change(move |tx, _| tx.put(MUTED, &(), &Muted { since: now, made_at: now }).map(drop));
    let id = writes(&mut life, None, &rules());
    let chosen = writes(&mut life, Some(later), &rules());
    assert_eq!(waits(&life, id, &rules()), Some((None, MUTED_COPY.to_owned())));
    assert_eq!(waits(&life, chosen, &rules()), Some((later.parse().ok(), MUTED_COPY.to_owned())));
    assert_eq!(told(&life, id, &rules()), format!("queued: {MUTED_COPY}"));
}

#[test]
fn what_is_for_later_is_due_then_and_not_late() {
    let mut life = Life::new();
    let later: Timestamp = "2025-12-24T15:00:00Z".parse().unwrap();
    writes(&mut life, Some("2025-12-24T15:00:00Z"), &rules());
    writes(&mut life, Some("2025-12-25T15:00:00Z"), &rules());
    // Something in another lane, later than both.
    let (now, last) = (life.now, later + SignedDuration::from_hours(48));
    let read = Effect::Hydrate("dana".parse().unwrap());
    life.change(move |tx, _| ask_later(tx, &read, fulcrum_domain::Lane::Reconcile, now, last));
    let known = |now| {
        life.store.read_here(|read| Ok::<_, StoreError>((oldest_asked_at(read, now)?, first_due_at(read)?)))
    };
    assert_eq!(known(life.now).unwrap(), (None, Some(later)));
    assert!(known(later).unwrap().0.is_some());
}

/// Such rows set off the alarm for effects that nothing can be done about.
#[test]
fn a_deletion_that_is_asked_about_again_later_is_not_late() {
    let life = Life::new();
    let now = life.now;
    let doubted = Effect::Hydrate("dana".parse().unwrap());
    life.change(move |tx, _| {
        ask_after_deletion(tx, &doubted, now)?;
        let mut row = tx.get(OUTBOX, &doubted)?.unwrap();
        (row.attempts, row.due_at) = (2, now + SignedDuration::from_hours(1));
        tx.put(OUTBOX, &doubted, &row)?;
        let keys: Vec<_> = tx.list_keys(OUTBOX_DUE, &Keys::all(), 10)?;
        for (remote, (lane, _, effect)) in keys {
            tx.remove(OUTBOX_DUE, &(remote, (lane, now, effect.clone())))?;
            tx.put(OUTBOX_DUE, &(remote, (lane, row.due_at, effect)), &())?;
        }
        Ok(())
    });
    let known = |now| life.store.read_here(|read| oldest_asked_at(read, now)).unwrap();
    assert_eq!(known(now + SignedDuration::from_mins(30)), None);
    assert_eq!(known(now + SignedDuration::from_hours(2)), Some(now));
}

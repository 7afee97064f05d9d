//! What stands in the log that outlives an erasure: who let many be texted, and who had a text leave in quiet hours.

use fulcrum_domain::bulk::{Recipient as Listed, RecipientState, Step as BulkStep};
use fulcrum_domain::template::Version;
use fulcrum_domain::{ActivityKind, Actor, Whom};

use super::refused::open_day;
use super::*;
use crate::store::tables::AUDIT;

/// Who did what of this kind, as the audit log has it.
fn audited(life: &Life, kind: ActivityKind) -> Vec<(String, String)> {
    let entries = life.store.read_here(|read| read.list(AUDIT, &Keys::all(), 99)).unwrap();
    let lines = entries.into_iter().map(|(_, entry)| entry.activity).filter(|line| line.kind == kind);
    lines.map(|line| (line.actor.as_str().to_owned(), line.detail)).collect()
}

#[test]
fn every_step_of_a_bulk_text_stands_there_with_who_took_it() {
    let life = Life::new();
    let bulk = open_day(Version { id: "open-day".into(), hash: [0; 16] }, life.now);
    let listed = |opportunity: &str| Listed {
        opportunity: opportunity.parse().unwrap(),
        consents: None,
        state: RecipientState::Waiting,
    };
    let listed = vec![listed("o1"), listed("o2")];
    let id = life.change(move |tx, _| make_bulk(tx, &bulk, listed));
    for (step, by) in [
        (BulkStep::Confirm { recipients: 2 }, "ana"),
        (BulkStep::Approve, "bo"),
        (BulkStep::Pause, "ana"),
        (BulkStep::Stop, "bo"),
    ] {
        let by = Actor::from(by);
        life.change(move |tx, moment| {
            step_bulk(tx, id, step, &by, 1, &rules(), moment).unwrap();
            Ok(())
        });
    }
    let steps = [
        ("priya", "made"),
        ("ana", "confirmed for 2"),
        ("bo", "approved by a second person"),
        ("ana", "paused"),
        ("bo", "stopped"),
    ];
    let told = steps.map(|(by, what)| (by.to_owned(), format!("bulk text {id} was {what}")));
    assert_eq!(audited(&life, ActivityKind::Bulk), told);
}

#[test]
fn a_legal_hold_and_its_end_stand_there_by_whom_they_are_about() {
    let mut life = Life::new();
    life.step(&Step::Appears { who: 0, active: true });
    let id = life.store.read_here(|read| read.list(OPPORTUNITIES, &Keys::all(), 9)).unwrap()[0].0.clone();
    let whom = Whom::Opportunity(id.clone());
    life.change(move |tx, moment| {
        hold(tx, &whom, "Dana sues", &"ana".into(), moment.now)?;
        assert!(matches!(erase_person(tx, &whom, "bo".into(), moment.now), Err(EraseError::Held)));
        note_held(tx, &whom, "bo".into(), moment.now)?;
        release(tx, &whom, &"ana".into(), moment.now)
    });
    let entries = life.store.read_here(|read| read.list(AUDIT, &Keys::all(), 99)).unwrap();
    let lines: Vec<_> = entries.into_iter().map(|(_, entry)| entry.activity).collect();
    assert!(lines.iter().all(|line| line.opportunity.as_ref() == Some(&id)), "{lines:?}");
    let whats = [
        "a legal hold keeps it",
        "a person was not erased by command: a legal hold keeps them",
        "the legal hold on it was released",
    ];
    assert_eq!(lines.iter().map(|line| line.detail.as_str()).collect::<Vec<_>>(), whats);
}

#[test]
fn who_overrode_quiet_hours_stands_there_and_the_reason_does_not() {
    let life = Life::new();
    let author = Author::Staff { name: "priya".into(), user: None };
    let draft = Draft { author, cannot_wait: Some("Dana's mother died".into()), ..draft(0, None) };
    let text = life.change(move |tx, moment| Ok(compose(tx, draft, &rules(), moment).unwrap()));
    let what = format!("quiet hours were overridden for the text {}", text.id);
    assert_eq!(audited(&life, ActivityKind::QuietHours), [("priya".to_owned(), what)]);
    let entries = life.store.read_here(|read| read.list(AUDIT, &Keys::all(), 99)).unwrap();
    assert!(entries.iter().all(|(_, entry)| !entry.activity.detail.contains("Dana")));
    let lines = life.store.read_here(|read| read.list(ACTIVITY, &Keys::all(), 99)).unwrap();
    assert!(lines.iter().any(|(_, line)| line.detail.ends_with("Dana's mother died")));
}

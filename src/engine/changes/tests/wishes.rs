//! What somebody said by text stays what they said by text, whatever a person recorded and whoever is erased.

use fulcrum_domain::{OptOutSource, Suppression, Whom};

use super::*;

fn suppression(life: &Life) -> Option<Suppression> {
    life.change(|tx, _| suppression_of(tx, number(0)))
}

fn record(life: &Life, opted_out: bool) -> Result<(), LiftError> {
    let now = life.now;
    life.change(move |tx, _| {
        let wish = Wish { opted_out, reason: "called us".into(), since: None };
        Ok(decide_opt_out(tx, number(0), &wish, &"priya".into(), &rules(), now))
    })
}

#[test]
fn a_stop_by_text_comes_before_what_a_person_recorded() {
    let mut life = Life::new();
    life.step(&Step::Writes { who: 0, words: 0 });
    record(&life, true).unwrap();
    assert!(matches!(suppression(&life).unwrap().source, OptOutSource::Person(_)));
    life.step(&Step::Writes { who: 0, words: 2 });
    assert!(matches!(suppression(&life).unwrap().source, OptOutSource::Text(_)));
    // Nobody but the candidate takes that back, and what is recorded later hides it no more.
    record(&life, true).unwrap();
    assert!(matches!(record(&life, false), Err(LiftError::ByText)));
    life.step(&Step::Writes { who: 0, words: 3 });
    assert_eq!(suppression(&life), None);
    life.check();
}

#[test]
fn a_possible_opt_out_that_a_person_confirms_came_by_text() {
    let mut life = Life::new();
    life.step(&Step::Writes { who: 0, words: 5 });
    record(&life, true).unwrap();
    let source = suppression(&life).unwrap().source;
    assert!(matches!(&source, OptOutSource::Text(rule) if rule.contains("called us")), "{source:?}");
    assert!(matches!(record(&life, false), Err(LiftError::ByText)));
    let told = life.change(|tx, _| tx.list(ACTIVITY, &Keys::all(), 100));
    assert!(!told.iter().any(|(_, one)| one.detail.contains("called us")), "{told:?}");
    life.check();
    // What the person wrote goes with the candidate.
    let now = life.now;
    life.change(move |tx, _| {
        Ok(erase_person(tx, &Whom::Number(number(0)), "ops".into(), now).unwrap().is_some())
    });
    let source = suppression(&life).unwrap().source;
    assert!(matches!(&source, OptOutSource::Text(rule) if !rule.contains("called us")), "{source:?}");
}

#[test]
fn a_possible_opt_out_is_one_when_its_thread_is_erased() {
    let mut life = Life::new();
    life.step(&Step::Writes { who: 0, words: 5 });
    assert_eq!(suppression(&life), None);
    let now = life.now;
    life.change(move |tx, _| {
        Ok(erase_person(tx, &Whom::Number(number(0)), "ops".into(), now).unwrap().is_some())
    });
    assert!(matches!(suppression(&life).unwrap().source, OptOutSource::Text(_)));
    assert_eq!(life.change(|tx, _| thread_of(tx, number(0))), None);
    life.check();
}

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

/// History was taken in with the words of live texts, and what may be an opt-out was passed by.
#[test]
fn what_may_be_an_opt_out_in_history_is_asked_about() {
    let life = Life::new();
    let past = |days: i64, words: &str| Past {
        number: number(0),
        our_number: rules().numbers[0],
        direction: Direction::In,
        at: life.now - SignedDuration::from_hours(24 * days),
        body: Body::new(words),
        author: String::new(),
    };
    let take = |texts: Vec<Past>| {
        let told = life.change(move |tx, moment| import(tx, texts, "ana".into(), moment.now));
        let thread = life.change(|tx, _| Ok(thread_of(tx, number(0))?.unwrap()));
        ((told.opt_outs, told.possible), thread.possible_opt_out)
    };
    let doubt = "Please do not text me again. Wrong number";
    // They said otherwise since.
    assert_eq!(take(vec![past(30, doubt), past(29, "START")]), ((0, 1), None));
    assert_eq!(take(vec![past(31, doubt)]), ((0, 0), None));
    let now = life.now;
    assert_eq!(take(vec![past(20, doubt), past(19, doubt)]), ((0, 1), Some(now)));
    assert_eq!(take(vec![past(21, "START")]), ((0, 0), Some(now)), "from before the doubt");
    assert_eq!(take(vec![past(10, "STOP")]), ((1, 0), None));
    assert_eq!(take(vec![past(9, doubt)]), ((0, 0), None), "they have opted out anyway");
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

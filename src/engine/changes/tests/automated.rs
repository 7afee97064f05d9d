//! What an automation is set to: each trigger, its scope and filter, how often, how late and what calls it off,
//! from what Lever says to the text that leaves. And what becomes of a card of the flood guard.

use std::sync::Arc;

use fulcrum_domain::automation::{Automation, Automations, EnrolmentState, Flood, Trigger};
use fulcrum_domain::{ArchiveReason, Archived};

use super::by_interview::{all_that_leaves, in_lever};
use super::held_up::{at, dana, with_automation};
use super::*;
use crate::store::tables::{ARCHIVE_REASONS, CARDS, ENROLMENTS, RUN_LOG};

const START: &str = "2025-03-04T18:00:00Z";

fn set(rules: &Rules, change: impl FnOnce(&mut Automations)) -> Rules {
    let mut automations = (*rules.automations).clone();
    change(&mut automations);
    Rules { automations: Arc::new(automations), ..rules.clone() }
}

/// A story of one candidate.
struct Tale<'t> {
    life: &'t mut Life,
    about: OpportunityId,
    rules: &'t Rules,
    /// How many texts of the automation have left.
    left: usize,
}

impl Tale<'_> {
    /// So much later, and what is due then is done.
    fn pass(&mut self, time: &str) {
        self.life.now += time.parse::<SignedDuration>().unwrap();
        self.life.count += 1;
        self.turn();
    }

    fn turn(&mut self) {
        self.life.fire_by(self.rules.clone());
        let left = all_that_leaves(self.life, self.rules);
        self.left += left.iter().filter(|text| text.contains("Hello")).count();
    }

    /// Lever shows the candidate otherwise than before.
    fn change(&mut self, change: impl FnOnce(&mut Opportunity, Timestamp)) {
        self.life.count += 1;
        let (id, now, rules) = (self.about.clone(), self.life.now, self.rules.clone());
        let mut row = self.life.store.read_here(|read| read.get(OPPORTUNITIES, &id)).unwrap().unwrap();
        row.as_of = now;
        change(&mut row, now);
        self.life.change(move |tx, _| put_opportunity(tx, &id, row, None, Arrival::Webhook, &rules, now));
        self.turn();
    }

    fn enters(&mut self, stage: &str) {
        self.change(|row, now| (row.stage, row.advanced_at) = (stage.parse().unwrap(), now));
    }

    fn is_archived(&mut self, reason: &str) {
        self.change(|row, at| row.archived = Some(Archived { reason: reason.parse().ok(), at }));
    }

    /// Lever lists these interviews.
    fn meets(&mut self, list: &[(&str, &str)]) {
        self.life.count += 1;
        let now = self.life.now;
        let listed = list.iter().map(|(id, starts_at)| ListedInterview {
            row: fulcrum_domain::Interview { id: id.parse().unwrap(), ..in_lever(starts_at, now) },
            made_at: Some(now),
            made_by: None,
        });
        let (id, list, rules) = (self.about.clone(), listed.collect::<Vec<_>>(), self.rules.clone());
        self.life.change(move |tx, _| put_interviews(tx, &id, &list, now, &rules, now));
        self.turn();
    }

    fn somebody_writes(&mut self) {
        self.life.count += 1;
        let rules = self.rules.clone();
        self.life.change(move |tx, moment| Ok(compose(tx, draft(0, None), &rules, moment).unwrap()));
        self.turn();
    }
}

fn reasons(life: &Life, reasons: &'static [(&'static str, bool)]) {
    life.change(move |tx, _| {
        for (id, hired) in reasons {
            let row = ArchiveReason { text: id.to_uppercase(), hired: *hired };
            tx.put(ARCHIVE_REASONS, &id.parse().unwrap(), &row)?;
        }
        Ok(())
    });
}

/// The automation is set off by `trigger` after `wait` and otherwise `set` so; `tale` happens to somebody who was
/// new before it was active. So many texts leave; the last line of the run log ends so.
fn check(
    trigger: Trigger,
    wait: &str,
    so: impl FnOnce(&mut Automation),
    tale: impl FnOnce(&mut Tale<'_>),
    texts: usize,
    last: &str,
) {
    let mut life = Life::new();
    at(&mut life, START);
    reasons(&life, &[("no-fit", false), ("withdrew", false), ("hired", true)]);
    let about = dana(&life, &rules());
    life.now += SignedDuration::from_mins(10);
    let rules = with_automation(trigger, wait, rules());
    let rules = set(&rules, |all| so(&mut all.list[0]));
    let (now, these) = (life.now, rules.clone());
    life.change(move |tx, _| align(tx, &these, now));
    life.now += SignedDuration::from_mins(10);
    let mut told = Tale { life: &mut life, about, rules: &rules, left: 0 };
    tale(&mut told);
    let left = told.left;
    let log = life.store.read_here(|read| read.list(RUN_LOG, &Keys::all(), 99)).unwrap();
    let log: Vec<String> = log.into_iter().map(|(_, line)| line.what).collect();
    let ends = log.last().map_or("", String::as_str);
    assert!(left == texts && ends.ends_with(last) && ends.is_empty() == last.is_empty(), "{left}: {log:?}");
}

const WRITTEN: &str = "the text was written";

#[test]
fn each_trigger_is_set_off_by_its_own() {
    use Trigger::{Archived, Hired, InterviewCreated, InterviewMoved};
    let time = "2025-03-12T15:00:00Z";
    check(Archived, "none", |_| {}, |dana| dana.is_archived("no-fit"), 1, WRITTEN);
    check(Archived, "none", |_| {}, |dana| dana.is_archived("hired"), 0, "");
    check(Archived, "none", |_| {}, |dana| dana.is_archived("of-tomorrow"), 0, "");
    check(Hired, "none", |_| {}, |dana| dana.is_archived("hired"), 1, WRITTEN);
    check(Hired, "none", |_| {}, |dana| dana.is_archived("no-fit"), 0, "");
    check(InterviewCreated, "none", |_| {}, |dana| dana.meets(&[("i", time)]), 1, WRITTEN);
    let moves = |dana: &mut Tale<'_>| {
        dana.meets(&[("i", time)]);
        assert_eq!(dana.left, 0);
        dana.pass("1h");
        dana.meets(&[("i", "2025-03-13T15:00:00Z")]);
    };
    check(InterviewMoved, "none", |_| {}, moves, 1, WRITTEN);
}

#[test]
fn the_scope_names_reasons_and_nobody_who_is_hired_is_told_that_they_are_not() {
    let scope = |one: &mut Automation| one.scope = vec!["no-fit".into()];
    check(Trigger::Archived, "none", scope, |dana| dana.is_archived("no-fit"), 1, WRITTEN);
    check(Trigger::Archived, "none", scope, |dana| dana.is_archived("withdrew"), 0, "");
    // What the reason means is known, or changed, while the text waits.
    let turns = |dana: &mut Tale<'_>| {
        dana.is_archived("no-fit");
        reasons(dana.life, &[("no-fit", true)]);
        dana.pass("1h");
    };
    check(Trigger::Archived, "1h", |_| {}, turns, 0, "they were hired, or is not known");
}

#[test]
fn the_filter_is_asked_when_somebody_is_enrolled_and_when_their_text_is_due() {
    let only = |words: &'static str| {
        move |one: &mut Automation| one.filter = words.split(", ").map(|one| one.parse().unwrap()).collect()
    };
    let enters = |dana: &mut Tale<'_>| dana.enters("on-site");
    let fails = "the filter \"stage = offer\" does not hold";
    check(Trigger::StageEntered, "none", only("stage = on-site"), enters, 1, WRITTEN);
    check(Trigger::StageEntered, "none", only("stage = offer"), enters, 0, fails);
    check(Trigger::StageEntered, "none", only("tag != vip, stage = offer"), enters, 0, fails);
    check(Trigger::StageEntered, "none", only("team = one"), enters, 0, "team is not known");
    let tagged = |dana: &mut Tale<'_>| {
        dana.enters("on-site");
        dana.change(|row, _| row.tags = vec!["VIP".into()]);
        dana.pass("1h");
    };
    check(Trigger::StageEntered, "1h", only("tag != vip"), tagged, 0, "\"tag != vip\" does not hold");
    check(Trigger::StageEntered, "1h", |_| {}, tagged, 1, WRITTEN);
}

#[test]
fn what_happens_meanwhile_calls_a_text_off_if_the_config_says_so() {
    let writes = |dana: &mut Tale<'_>| {
        dana.enters("on-site");
        dana.pass("1h");
        dana.somebody_writes();
        dana.pass("1h");
        dana.pass("4h");
    };
    let why = "no text: a person has texted them in the last 4 hours";
    let whatever = |one: &mut Automation| one.cancel_if.clear();
    check(Trigger::StageEntered, "2h", |_| {}, writes, 0, why);
    check(Trigger::StageEntered, "6h", |_| {}, writes, 1, WRITTEN);
    check(Trigger::StageEntered, "2h", whatever, writes, 1, WRITTEN);
    // Nobody arranged it here: it is known from Lever alone.
    let meets = |dana: &mut Tale<'_>| {
        dana.enters("on-site");
        dana.pass("1h");
        dana.meets(&[("i", "2025-03-12T15:00:00Z")]);
        dana.pass("1h");
    };
    check(Trigger::StageEntered, "2h", |_| {}, meets, 0, "no text: they have an interview since");
    check(Trigger::StageEntered, "2h", whatever, meets, 1, WRITTEN);
}

#[test]
fn what_is_seen_too_late_sets_nothing_off() {
    for (hours, texts, last) in [(5, 1, WRITTEN), (7, 0, "not enrolled: stale: too long ago")] {
        let seen = |dana: &mut Tale<'_>| {
            let moved = dana.life.now;
            dana.life.now += SignedDuration::from_hours(hours);
            dana.change(|row, _| (row.stage, row.advanced_at) = ("on-site".parse().unwrap(), moved));
        };
        check(Trigger::StageEntered, "none", |_| {}, seen, texts, last);
    }
}

#[test]
fn once_is_an_opportunity_or_a_visit_or_an_interview() {
    let per_visit = |one: &mut Automation| one.per_visit = true;
    let visits = |dana: &mut Tale<'_>| {
        for stage in ["on-site", "offer"] {
            dana.enters(stage);
            dana.pass("1h");
        }
    };
    check(Trigger::StageEntered, "none", per_visit, visits, 2, WRITTEN);
    check(Trigger::StageEntered, "none", |_| {}, visits, 1, "not enrolled: once an opportunity");
    let wait = "24h before interview";
    let (first, second) = (("i", "2025-03-06T15:00:00Z"), ("j", "2025-03-08T15:00:00Z"));
    let another = |dana: &mut Tale<'_>| {
        dana.meets(&[first]);
        dana.pass("24h");
        dana.meets(&[first, second]);
        dana.pass("48h");
    };
    check(Trigger::Interview, wait, per_visit, another, 2, WRITTEN);
    check(Trigger::Interview, wait, |_| {}, another, 1, "not enrolled: once an opportunity");
    let moves = |dana: &mut Tale<'_>| {
        dana.meets(&[first]);
        dana.pass("24h");
        assert_eq!(dana.left, 1);
        dana.meets(&[("i", "2025-03-08T15:00:00Z")]);
        dana.pass("48h");
    };
    check(Trigger::Interview, wait, per_visit, moves, 1, "not enrolled: once an interview");
    check(Trigger::Interview, wait, |_| {}, moves, 1, "not enrolled: once an opportunity");
}

/// Two at once are many: their texts wait on a card. What becomes of it, and how many leave then.
#[test]
fn a_card_that_is_refused_or_left_for_a_day_texts_nobody() {
    let decided = |approve: bool| {
        move |life: &mut Life, rules: &Rules| {
            let (now, rules) = (life.now, rules.clone());
            life.change(move |tx, _| {
                decide_card(tx, 1, approve, "ops".into(), &rules, now).unwrap();
                assert!(decide_card(tx, 1, true, "ops".into(), &rules, now).is_err(), "it is decided");
                Ok(())
            });
        }
    };
    let hours_pass = |hours| move |life: &mut Life, _: &Rules| life.now += SignedDuration::from_hours(hours);
    type Fate<'f> = &'f dyn Fn(&mut Life, &Rules);
    let stories: [(Fate<'_>, usize, Option<&str>); 4] = [
        (&decided(true), 2, None),
        (&decided(false), 0, Some("a person called the card off")),
        (&hours_pass(23), 0, None),
        (&hours_pass(24), 0, Some("nobody approved the card in 24 hours")),
    ];
    for (fate, texts, why) in stories {
        let mut life = Life::new();
        let rules = with_automation(Trigger::StageEntered, "none", rules());
        let rules = set(&rules, |all| all.flood = Flood { count: 2 });
        at(&mut life, START);
        dana(&life, &rules);
        let ((id, row), now, these) = (opportunity(1, true, life.now), life.now, rules.clone());
        life.change(move |tx, _| put_opportunity(tx, &id, row, None, Arrival::Webhook, &these, now));
        life.fire_by(rules.clone());
        assert_eq!(all_that_leaves(&life, &rules), [""; 0], "they wait");
        assert_eq!(life.store.read_here(|read| read.list(CARDS, &Keys::all(), 9)).unwrap().len(), 1);
        fate(&mut life, &rules);
        life.fire_by(rules.clone());
        let rows = life.store.read_here(|read| read.list(ENROLMENTS, &Keys::all(), 9)).unwrap();
        let ended =
            |state: &EnrolmentState| matches!(state, EnrolmentState::Ended(said) if Some(&**said) == why);
        assert_eq!(
            rows.iter().filter(|(_, row)| ended(&row.state)).count(),
            if why.is_some() { 2 } else { 0 }
        );
        life.fire_by(rules.clone());
        assert_eq!(all_that_leaves(&life, &rules).len(), texts, "{why:?}");
    }
}

//! What an automation would have done: the events that are stored, decided as live ones are, by what is known
//! of the candidates today.
//!
//! The order is that in which they were seen, since that is what counts live: what came too late sets nothing
//! off, and what somebody set off many times at once waits on a card (the guard counts this automation's
//! enrolments alone; others may add to them). Nobody approves a card here, so it expires.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use fulcrum_domain::automation::{
    Automation, Card, CardState, Enrolment, EnrolmentState, Event, EventKind, Flood, Surge, Trigger, Verdict,
    decide,
};
use fulcrum_domain::{Actor, Opportunity, OpportunityId, Sight};
use jiff::Timestamp;

use super::automations::Tested;
use super::changes::{self, Look, Rules};
use crate::store::tables::{EVENTS, OPPORTUNITIES};
use crate::store::{Keys, Read, StoreError};

/// Rows of a back-test.
const TESTED_MAX: usize = 1000;

/// What becomes of an event.
enum Outcome {
    /// Nobody is enrolled: why not.
    Not(String),
    /// Somebody is: when the text leaves, and what puts it off or holds it back.
    Enrolled(Option<Timestamp>, Option<String>),
}

/// What an automation would have done since then; the latest event first.
pub(super) fn back_test(
    read: &impl Read,
    automation: &Automation,
    since: Timestamp,
    sight: Sight,
    rules: &Rules,
    now: Timestamp,
) -> Result<Vec<Tested>, StoreError> {
    let mut events = Vec::new();
    read.scan(EVENTS, &Keys::from(&(since, 0u64)), |_, event| {
        // An interview is timed by where it stands now, however often it was moved.
        let moves_it =
            automation.trigger == Trigger::Interview && matches!(event.kind, EventKind::InterviewMoved(_));
        let fires =
            automation.trigger.fires_on(&event.kind) && !moves_it && event.by.as_str() != automation.name;
        events.extend(fires.then_some(event));
        Ok(ControlFlow::Continue(()))
    })?;
    events.sort_by_key(|event| event.seen_at);
    let mut tested: Vec<Row> = Vec::new();
    let mut fired = BTreeSet::new();
    let mut waves = Waves::default();
    for event in events {
        let Some(row) = read.get(OPPORTUNITIES, &event.opportunity)? else { continue };
        if changes::is_for(read, automation, &event.kind)?.is_err() {
            continue;
        }
        let used = fired.contains(&event.opportunity) || waves.hold(&event.opportunity, event.seen_at);
        let outcome = if automation.is_too_late_for(&event) {
            Outcome::Not(changes::STALE.to_owned())
        } else if used && !automation.per_visit {
            Outcome::Not("once an opportunity".to_owned())
        } else {
            foreseen(read, automation, &row, &event, rules, now)?
        };
        let enrolled = matches!(outcome, Outcome::Enrolled(..));
        let (at, why) = match outcome {
            Outcome::Not(why) => (None, Some(why)),
            Outcome::Enrolled(at, why) => (at, why),
        };
        if at.is_some() {
            fired.insert(event.opportunity.clone());
        }
        let shown = sight.reaches(row.confidential);
        let (happened_at, opportunity, name) = (event.at, event.opportunity.clone(), row.name);
        tested.push(Row { shown, tested: Tested { happened_at, opportunity, name, at, why } });
        // What the clock sets off has no actor.
        if enrolled && automation.trigger != Trigger::Interview {
            for caught in waves.see(rules.automations.flood, &event, tested.len() - 1) {
                let Some(Row { tested, .. }) = tested.get_mut(caught) else { continue };
                if tested.at.take().is_some() {
                    tested.why = Some(held(&event.by));
                    fired.remove(&tested.opportunity);
                    waves.take(&tested.opportunity, event.seen_at);
                }
            }
        }
    }
    let mut shown: Vec<Tested> = tested.into_iter().filter(|row| row.shown).map(|row| row.tested).collect();
    shown.sort_by_key(|row| std::cmp::Reverse(row.happened_at));
    shown.truncate(TESTED_MAX);
    Ok(shown)
}

/// What would have been done, and whether the reader may see whom it is about.
struct Row {
    tested: Tested,
    shown: bool,
}

fn held(by: &Actor) -> String {
    format!("many at once by {}: held for approval", by.as_str())
}

/// Who has set off how many of late, as the flood guard counts.
#[derive(Default)]
struct Waves {
    of: BTreeMap<String, Wave>,
    /// Until when somebody waits on a card.
    held: BTreeMap<OpportunityId, Timestamp>,
}

#[derive(Default)]
struct Wave {
    /// When each was seen, and its row.
    recent: Vec<(Timestamp, usize)>,
    card: Option<Card>,
}

impl Waves {
    /// One more is enrolled, as this row; the rows that the guard holds from now on.
    fn see(&mut self, flood: Flood, event: &Event, row: usize) -> Vec<usize> {
        let now = event.seen_at;
        let wave = self.of.entry(event.by.as_str().to_owned()).or_default();
        wave.recent.retain(|(at, _)| now.duration_since(*at) <= Flood::WITHIN);
        let recent: Vec<_> = wave.recent.iter().map(|(at, _)| *at).collect();
        let surge = flood.surge(&recent, wave.card.as_ref(), now);
        wave.recent.push((now, row));
        match surge {
            Surge::Passes => Vec::new(),
            Surge::Joins => vec![row],
            Surge::Strikes => {
                let state = CardState::Waiting;
                wave.card = Some(Card { by: event.by.clone(), opened_at: now, state, count: 0 });
                wave.recent.iter().map(|(_, row)| *row).collect()
            }
        }
    }

    /// Somebody waits on a card from now on.
    fn take(&mut self, who: &OpportunityId, now: Timestamp) {
        self.held.insert(who.clone(), now.saturating_add(Flood::EXPIRES).unwrap_or(Timestamp::MAX));
    }

    /// Whether somebody still does.
    fn hold(&self, who: &OpportunityId, now: Timestamp) -> bool {
        self.held.get(who).is_some_and(|until| now < *until)
    }
}

/// When a text would have left after an event, and what would have put it off or held it back.
fn foreseen(
    read: &impl Read,
    automation: &Automation,
    row: &Opportunity,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    /// Quiet hours put a text off once; a week without a morning is none.
    const TRIES: usize = 3;
    let settle = rules.automations.settle;
    let all = changes::events_of(read, &event.opportunity, usize::MAX)?;
    let (earlier, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|other| other.at < event.at);
    let slip = || "out and back: the stage had not settled".to_owned();
    if event.takes_back(&earlier, settle) {
        return Ok(Outcome::Not(slip()));
    }
    if later.iter().any(|other| other.unsettles(event, settle)) {
        return Ok(Outcome::Enrolled(None, Some(slip())));
    }
    let due = changes::due_of(read, automation, &event.opportunity, &event.kind, event.at, rules)?;
    let Some(due) = due else { return Ok(Outcome::Not("the interview was called off".to_owned())) };
    if automation.wait.is_by_interview() && due < event.at {
        return Ok(Outcome::Not("that time was over".to_owned()));
    }
    if let Err(why) = changes::fits(read, automation, row, &event.kind)? {
        return Ok(Outcome::Not(why));
    }
    let mut at = due.max(event.at.saturating_add(settle).unwrap_or(Timestamp::MAX));
    let mut put_off = (at > now).then(|| "not due yet".to_owned());
    let enrolment = Enrolment {
        automation: automation.name.clone(),
        opportunity: event.opportunity.clone(),
        event: event.kind.clone(),
        happened_at: event.at,
        enrolled_at: event.at,
        due: Some(at),
        state: EnrolmentState::Waiting,
        card: None,
        was: None,
    };
    for _ in 0..TRIES {
        let case = changes::foresee(read, Some(automation), &enrolment, Look::BackTest, rules, at)?.case;
        match decide(case) {
            Verdict::Send => return Ok(Outcome::Enrolled(Some(at), put_off)),
            Verdict::Later(then, why) => (at, put_off) = (then, Some(format!("put off: {why}"))),
            Verdict::Held(why) => return Ok(Outcome::Enrolled(None, Some(format!("held: {why}")))),
            Verdict::End(why) => return Ok(Outcome::Enrolled(None, Some(why))),
        }
    }
    Ok(Outcome::Enrolled(None, put_off))
}

//! Candidates in automations: enrolled by an event, decided when they are due, held on a card when they
//! are many.
//!
//! Each of these is one transaction: the enrolment with its deadline in the one that takes the event in,
//! its end with the text in the one that composes it. So a crash loses no text and doubles none.

use std::ops::ControlFlow;

use fulcrum_domain::automation::{
    Automation, Enrolment, EnrolmentId, EnrolmentState, Event, EventKind, RunLine, Trigger, Verdict, decide,
};
use fulcrum_domain::{Actor, DeadlineKey, Purpose};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::cancel::cancel_if_waiting;
use super::cases::{Foreseen, case, due_of, fits, is_for};
use super::compose::{ComposeError, Draft, Recipient, compose};
use super::deadline::is_ahead;
use super::enrolment::{Enrolled, STALE, log};
use super::flood::guard;
use super::made_from::made_from_present;
use crate::engine::clock::Moment;
use crate::store::tables::{AUTOMATIONS, INTERVIEWS, OPPORTUNITIES};
use crate::store::{Keys, Read, StoreError, Tx};

/// Why nothing is written before an interview whose moment for it has passed.
const OVER: &str = "that time is over";

/// Nothing is timed by an interview that was so long ago.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Lets automations see an event. `known` are the candidate's earlier ones.
pub(super) fn on_event(
    tx: &mut Tx<'_>,
    event: &Event,
    known: &[Event],
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    follow(tx, event, rules, now)?;
    let automations = &rules.automations;
    if event.takes_back(known, automations.settle) {
        return Ok(());
    }
    for automation in automations.list.iter().filter(|automation| automation.trigger.fires_on(&event.kind)) {
        consider(tx, automation, event, rules, now)?;
    }
    Ok(())
}

/// What an event does to those who are enrolled: a stage that did not last ends them, an interview that
/// moved and a newer text move them.
pub(super) fn follow(
    tx: &mut Tx<'_>,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    for one in Enrolled::of(tx, &event.opportunity)? {
        let Some(automation) = rules.automations.get(&one.automation) else { continue };
        if !one.is_live() {
            take_back(tx, one, automation, event, rules, now)?;
            continue;
        }
        let entered = Event { kind: one.event.clone(), at: one.happened_at, ..event.clone() };
        if event.unsettles(&entered, rules.automations.settle) {
            one.end(tx, "the stage was left before it had settled", now)?;
        } else if let EventKind::InterviewMoved(moved) = &event.kind
            && one.event.interview() == Some(moved)
            && automation.wait.is_by_interview()
        {
            retime(tx, one, automation, &entered, rules, now)?;
        } else if let EventKind::InterviewCancelled(gone) = &event.kind
            && one.event.interview() == Some(gone)
            && automation.trigger != Trigger::InterviewCancelled
        {
            one.end(tx, "the interview was called off", now)?;
        } else if matches!(event.kind, EventKind::Texted(_))
            && automation.trigger == Trigger::NoReply
            && event.by.as_str() != automation.name
        {
            retime(tx, one, automation, event, rules, now)?;
        }
    }
    Ok(())
}

/// An interview moved whose text was written and has not left: it tells the old time, so it is called off, and
/// another is written when that is due.
fn take_back(
    tx: &mut Tx<'_>,
    one: Enrolled,
    automation: &Automation,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let moved = matches!(event.kind, EventKind::InterviewMoved(_));
    let (true, EnrolmentState::Sent(text)) =
        (moved && one.event.interview() == event.kind.interview(), &one.state)
    else {
        return Ok(());
    };
    if !cancel_if_waiting(tx, *text, rules, now)? {
        return Ok(());
    }
    let due = match automation.wait.is_by_interview() {
        true => due_of(tx, automation, &one.opportunity, &one.event, one.happened_at, rules)?,
        false => None,
    };
    if automation.wait.is_by_interview() && due.is_none_or(|due| due <= now) {
        return one.end(tx, OVER, now);
    }
    let due = due.map_or(now, |due| due.max(now));
    let what = format!("the interview moved before the text had left: timed again for {}", rules.told(due));
    one.log(tx, what, now)?;
    one.change(tx, |row| (row.state, row.due) = (EnrolmentState::Waiting, Some(due)))
}

/// What an enrolment is timed by is another event now, or the same at another time.
fn retime(
    tx: &mut Tx<'_>,
    one: Enrolled,
    automation: &Automation,
    by: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let due = due_of(tx, automation, &one.opportunity, &by.kind, by.at, rules)?;
    if due == one.due && by.kind == one.event {
        return Ok(());
    }
    if automation.wait.is_by_interview() && due.is_none_or(|due| due <= now) {
        return one.end(tx, OVER, now);
    }
    let to = due.map_or_else(|| "no time".to_owned(), |due| rules.told(due));
    one.log(tx, format!("timed again for {to}"), now)?;
    one.change(tx, |row| {
        row.due = due;
        row.event = by.kind.clone();
        row.happened_at = by.at;
    })
}

/// Whether an automation that an event can set off enrols the candidate.
fn consider(
    tx: &mut Tx<'_>,
    automation: &Automation,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let about = &event.opportunity;
    let state = tx.get(AUTOMATIONS, &automation.name)?.unwrap_or_default();
    let Some(since) = state.active_since.filter(|_| !state.is_paused(automation.paused)) else {
        return Ok(());
    };
    if event.by.as_str() == automation.name {
        return Ok(());
    }
    let Some(row) = tx.get(OPPORTUNITIES, about)? else { return Ok(()) };
    let Some(due) = due_of(tx, automation, about, &event.kind, event.at, rules)? else { return Ok(()) };
    // "A day before an interview" happens then, however long ago the interview was made.
    let timed = automation.trigger == Trigger::Interview;
    let is_past = if timed { due <= now } else { event.at < since };
    if is_past {
        return Ok(());
    }
    if is_for(tx, automation, &event.kind)?.is_err() {
        return Ok(());
    }
    let skip = |tx: &mut Tx<'_>, why: &str| {
        let what = format!("{}, not enrolled: {why}", event.kind.words());
        log(tx, about, &RunLine::new(now, automation.name.as_str(), what))
    };
    if automation.is_too_late_for(event) {
        return skip(tx, STALE);
    }
    if automation.wait.is_by_interview() && due <= now {
        return skip(tx, OVER);
    }
    if let Err(why) = fits(tx, automation, &row, &event.kind)? {
        return skip(tx, &why);
    }
    for other in Enrolled::of(tx, about)?.iter().filter(|other| other.automation == automation.name) {
        let no_reply = automation.trigger == Trigger::NoReply;
        // However often it was moved, an interview is one.
        let is_same =
            other.event == event.kind || (timed && other.event.interview() == event.kind.interview());
        if other.is_live() && (no_reply || is_same) {
            // It waits already; a newer text, or the new time, has moved it.
            return Ok(());
        }
        let used = other.is_live() || matches!(other.state, EnrolmentState::Sent(_));
        if used && timed && is_same && automation.per_visit {
            return skip(tx, "once an interview");
        }
        if used && !automation.per_visit {
            // Not for each text that follows.
            return if no_reply { Ok(()) } else { skip(tx, "once an opportunity") };
        }
    }
    enrol(tx, automation, event, due, rules, now)
}

fn enrol(
    tx: &mut Tx<'_>,
    automation: &Automation,
    event: &Event,
    due: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    // No text leaves before the stage has settled and the flood guard has seen who else comes.
    let settled = now.saturating_add(rules.automations.settle).unwrap_or(Timestamp::MAX);
    let due = due.max(settled);
    let was = match &event.kind {
        EventKind::InterviewCancelled(gone) => {
            tx.get(INTERVIEWS, &(event.opportunity.clone(), gone.clone()))?
        }
        _ => None,
    };
    let row = Enrolment {
        automation: automation.name.clone(),
        opportunity: event.opportunity.clone(),
        event: event.kind.clone(),
        happened_at: event.at,
        enrolled_at: now,
        due: Some(due),
        state: EnrolmentState::Waiting,
        card: None,
        was,
    };
    let one = Enrolled::make(tx, row)?;
    let what = format!("{}, enrolled, due {}", event.kind.words(), rules.told(due));
    one.log(tx, what, now)?;
    // What the clock sets off has no actor.
    if automation.trigger == Trigger::Interview { Ok(()) } else { guard(tx, one.id(), event, rules, now) }
}

/// The deadline of an enrolment fired.
pub(super) fn is_due(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let now = moment.now;
    let Some(one) = Enrolled::get(tx, id)? else { return Ok(()) };
    let Some(due) = one.decided_at() else { return Ok(()) };
    if is_ahead(tx, DeadlineKey::Enrolment(id), due, now) {
        return Ok(());
    }
    let Foreseen { case, text } = case(tx, &one, rules, now)?;
    match decide(case) {
        Verdict::End(why) => one.end(tx, &why, now),
        Verdict::Held(why) => {
            one.log(tx, format!("held: {why}"), now)?;
            one.change(tx, |row| row.state = EnrolmentState::Held(why))
        }
        Verdict::Later(at, why) => {
            let what = format!("deferred {} to {}: {why}", rules.told(now), rules.told(at));
            one.log(tx, what, now)?;
            one.change(tx, |row| row.due = Some(at))
        }
        Verdict::Send => {
            let recipient = Recipient::Opportunity(one.opportunity.clone());
            let draft = Draft::by_itself(recipient, text, one.automation.clone(), Purpose::Automatic);
            let message = match compose(tx, draft, rules, moment) {
                Ok(message) => message,
                Err(ComposeError::Store(error)) => return Err(error),
                Err(refused) => return one.end(tx, &refused.to_string(), now),
            };
            let automations = &rules.automations;
            let template =
                automations.get(&one.automation).and_then(|own| automations.texts.get(&own.message));
            made_from_present(tx, message.id, template)?;
            one.sent(tx, message.id, now)
        }
    }
}

/// Enrols for the interviews that are known already: what is timed by one happens when that is due, and
/// not when it was made.
pub(super) fn enrol_for_interviews(
    tx: &mut Tx<'_>,
    automation: &Automation,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    if automation.trigger != Trigger::Interview {
        return Ok(());
    }
    let mut standing = Vec::new();
    tx.scan(INTERVIEWS, &Keys::all(), |(about, id), row| {
        let stands = row.cancelled_at.is_none() && now.duration_since(row.starts_at) < LOOK_BACK;
        standing.extend(stands.then_some((about, id)));
        Ok(ControlFlow::Continue(()))
    })?;
    for (opportunity, id) in standing {
        let kind = EventKind::InterviewCreated(id);
        let event = Event { kind, opportunity, at: now, seen_at: now, by: Actor::fulcrum() };
        consider(tx, automation, &event, rules, now)?;
    }
    Ok(())
}

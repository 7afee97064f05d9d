//! Candidates in automations: enrolled by an event, decided when they are due, held on a card when they
//! are many.
//!
//! Each of these is one transaction: the enrolment with its deadline in the one that takes the event in,
//! its end with the text in the one that composes it. So a crash loses no text and doubles none.

use std::ops::ControlFlow;

use fulcrum_domain::automation::{
    Automation, CardState, Enrolment, EnrolmentId, EnrolmentState, Event, EventKind, RunLine, Trigger,
    Verdict, decide,
};
use fulcrum_domain::{Actor, DeadlineKey, OpportunityId, Purpose};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::cancel::cancel_if_waiting;
use super::cases::{Foreseen, case, due_of, fits, is_for};
use super::compose::{ComposeError, Draft, Recipient, compose};
use super::counter::{Counter, next};
use super::deadline::{arm, is_ahead};
use super::flood::guard;
use super::made_from::made_from_present;
use super::recheck::is_too_late;
use crate::engine::clock::Moment;
use crate::store::tables::{
    AUTOMATIONS, CARDS, ENROLMENTS, ENROLMENTS_OF, ENROLMENTS_ON, INTERVIEWS, LIVE_ENROLMENTS, OPPORTUNITIES,
    RUN_LOG,
};
use crate::store::{Keys, Read, StoreError, Tx};

/// Why a waiting enrolment that is found too late comes to nothing.
pub(crate) const STALE: &str = "stale: too long ago";

/// Why nothing is written before an interview whose moment for it has passed.
const OVER: &str = "that time is over";

/// Nothing is timed by an interview that was so long ago.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One enrolment, and the automation that it is in.
#[derive(Clone, Copy)]
struct Enrolled<'a> {
    id: EnrolmentId,
    row: &'a Enrolment,
    automation: &'a Automation,
}

/// Writes a line of the run log.
fn log(tx: &mut Tx<'_>, about: &OpportunityId, line: &RunLine) -> Result<(), StoreError> {
    let number = next(tx, Counter::RunLog)?;
    tx.put(RUN_LOG, &(about.clone(), number), line).map(drop)
}

/// The same of an enrolment.
fn log_of(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    row: &Enrolment,
    what: impl Into<String>,
    at: Timestamp,
) -> Result<(), StoreError> {
    log(tx, &row.opportunity, &RunLine::new(at, row.automation.as_str(), what).of(id))
}

/// Writes an enrolment, arms its deadline while it waits, and disarms the one that `before` had.
pub(super) fn put(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    before: Option<&Enrolment>,
    enrolment: &Enrolment,
) -> Result<(), StoreError> {
    let armed = |row: &Enrolment| row.due.filter(|_| row.state == EnrolmentState::Waiting);
    arm(tx, DeadlineKey::Enrolment(id), before.and_then(armed), armed(enrolment))?;
    tx.put(ENROLMENTS, &id, enrolment)?;
    if enrolment.is_live() {
        tx.put(LIVE_ENROLMENTS, &id, &())?;
    } else {
        tx.remove(LIVE_ENROLMENTS, &id)?;
    }
    Ok(())
}

/// The enrolments of a candidate.
pub(super) fn enrolments_of(
    read: &impl Read,
    id: &OpportunityId,
) -> Result<Vec<(EnrolmentId, Enrolment)>, StoreError> {
    let mut rows = Vec::new();
    for ((_, number), ()) in read.list(ENROLMENTS_OF, &Keys::beginning(id), usize::MAX)? {
        rows.extend(read.get(ENROLMENTS, &number)?.map(|row| (number, row)));
    }
    Ok(rows)
}

/// Ends an enrolment without a text.
pub(super) fn end(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    row: &Enrolment,
    why: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    put(tx, id, Some(row), &Enrolment { state: EnrolmentState::Ended(why.to_owned()), ..row.clone() })?;
    log_of(tx, id, row, format!("no text: {why}"), at)
}

/// Lets automations see an event. `known` are the candidate's earlier ones.
pub(super) fn on_event(
    tx: &mut Tx<'_>,
    event: &Event,
    known: &[Event],
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    follow(tx, event, rules, now)?;
    let automations = rules.automations.clone();
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
    for (id, row) in enrolments_of(tx, &event.opportunity)? {
        let Some(automation) = rules.automations.get(&row.automation) else { continue };
        let one = Enrolled { id, row: &row, automation };
        if !row.is_live() {
            take_back(tx, one, event, rules, now)?;
            continue;
        }
        let entered = Event { kind: row.event.clone(), at: row.happened_at, ..event.clone() };
        if event.unsettles(&entered, rules.automations.settle) {
            end(tx, id, &row, "the stage was left before it had settled", now)?;
        } else if let EventKind::InterviewMoved(moved) = &event.kind
            && row.event.interview() == Some(moved)
            && automation.wait.is_by_interview()
        {
            retime(tx, one, &row.event, row.happened_at, rules, now)?;
        } else if let EventKind::InterviewCancelled(gone) = &event.kind
            && row.event.interview() == Some(gone)
            && automation.trigger != Trigger::InterviewCancelled
        {
            end(tx, id, &row, "the interview was called off", now)?;
        } else if matches!(event.kind, EventKind::Texted(_))
            && automation.trigger == Trigger::NoReply
            && event.by.as_str() != automation.name
        {
            retime(tx, one, &event.kind, event.at, rules, now)?;
        }
    }
    Ok(())
}

/// An interview moved whose text was written and has not left: it tells the old time, so it is called off, and
/// another is written when that is due.
fn take_back(
    tx: &mut Tx<'_>,
    Enrolled { id, row, automation }: Enrolled<'_>,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let moved = matches!(event.kind, EventKind::InterviewMoved(_));
    let (true, EnrolmentState::Sent(text)) =
        (moved && row.event.interview() == event.kind.interview(), &row.state)
    else {
        return Ok(());
    };
    if !cancel_if_waiting(tx, *text, rules, now)? {
        return Ok(());
    }
    let due = match automation.wait.is_by_interview() {
        true => due_of(tx, automation, &row.opportunity, &row.event, row.happened_at, rules)?,
        false => None,
    };
    if automation.wait.is_by_interview() && due.is_none_or(|due| due <= now) {
        return end(tx, id, row, OVER, now);
    }
    let due = due.map_or(now, |due| due.max(now));
    put(tx, id, Some(row), &Enrolment { state: EnrolmentState::Waiting, due: Some(due), ..row.clone() })?;
    let what = format!("the interview moved before the text had left: timed again for {}", rules.told(due));
    log_of(tx, id, row, what, now)
}

/// What an enrolment is timed by is another event now, or the same at another time.
fn retime(
    tx: &mut Tx<'_>,
    Enrolled { id, row, automation }: Enrolled<'_>,
    event: &EventKind,
    happened_at: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let due = due_of(tx, automation, &row.opportunity, event, happened_at, rules)?;
    if due == row.due && *event == row.event {
        return Ok(());
    }
    if automation.wait.is_by_interview() && due.is_none_or(|due| due <= now) {
        return end(tx, id, row, OVER, now);
    }
    let moved = Enrolment { due, event: event.clone(), happened_at, ..row.clone() };
    put(tx, id, Some(row), &moved)?;
    let to = due.map_or_else(|| "no time".to_owned(), |due| rules.told(due));
    log_of(tx, id, row, format!("timed again for {to}"), now)
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
    for (_, other) in
        enrolments_of(tx, about)?.iter().filter(|(_, other)| other.automation == automation.name)
    {
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
    let id = EnrolmentId::new(next(tx, Counter::Enrolments)?);
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
    put(tx, id, None, &row)?;
    tx.put(ENROLMENTS_OF, &(event.opportunity.clone(), id), &())?;
    let what = format!("{}, enrolled, due {}", event.kind.words(), rules.told(due));
    log_of(tx, id, &row, what, now)?;
    // What the clock sets off has no actor.
    if automation.trigger == Trigger::Interview { Ok(()) } else { guard(tx, id, event, rules, now) }
}

/// The deadline of an enrolment fired.
pub(super) fn is_due(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let now = moment.now;
    let Some(row) = tx.get(ENROLMENTS, &id)? else { return Ok(()) };
    let Some(due) = row.due.filter(|_| row.state == EnrolmentState::Waiting) else { return Ok(()) };
    if is_ahead(tx, DeadlineKey::Enrolment(id), due, now) {
        return Ok(());
    }
    let Foreseen { case, text } = case(tx, &row, rules, now)?;
    let verdict = decide(case);
    let about = row.opportunity.clone();
    match verdict {
        Verdict::End(why) => end(tx, id, &row, &why, now),
        Verdict::Held(why) => {
            log_of(tx, id, &row, format!("held: {why}"), now)?;
            put(tx, id, Some(&row), &Enrolment { state: EnrolmentState::Held(why), ..row.clone() })
        }
        Verdict::Later(at, why) => {
            let what = format!("deferred {} to {}: {why}", rules.told(now), rules.told(at));
            log_of(tx, id, &row, what, now)?;
            put(tx, id, Some(&row), &Enrolment { due: Some(at), ..row.clone() })
        }
        Verdict::Send => {
            let draft = Draft::by_itself(
                Recipient::Opportunity(about.clone()),
                text,
                row.automation.clone(),
                Purpose::Automatic,
            );
            let message = match compose(tx, draft, rules, moment) {
                Ok(message) => message,
                Err(ComposeError::Store(error)) => return Err(error),
                Err(refused) => return end(tx, id, &row, &refused.to_string(), now),
            };
            let automations = &rules.automations;
            let template =
                automations.get(&row.automation).and_then(|one| automations.texts.get(&one.message));
            made_from_present(tx, message.id, template)?;
            put(tx, id, Some(&row), &Enrolment { state: EnrolmentState::Sent(message.id), ..row.clone() })?;
            let mut state = tx.get(AUTOMATIONS, &row.automation)?.unwrap_or_default();
            state.sent += 1;
            tx.put(AUTOMATIONS, &row.automation, &state)?;
            let line = RunLine::new(now, row.automation.as_str(), "the text was written");
            log(tx, &about, &line.of(id).made(message.id))
        }
    }
}

/// Decides an enrolment once more that was held, unless that comes too late. What comes before an interview is
/// good until then.
pub(super) fn wake(
    tx: &mut Tx<'_>,
    id: EnrolmentId,
    row: &Enrolment,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    let late = row.due.is_some_and(|due| is_too_late(row, due, rules, now));
    if late && row.card.is_none() {
        return end(tx, id, row, STALE, now);
    }
    let due = row.due.map(|due| due.max(now));
    put(tx, id, Some(row), &Enrolment { state: EnrolmentState::Waiting, due, ..row.clone() })
}

/// Something about a candidate has changed: those of their enrolments that are held for want of it are
/// decided once more.
pub(super) fn look_again(
    tx: &mut Tx<'_>,
    about: &OpportunityId,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (id, row) in enrolments_of(tx, about)? {
        if matches!(row.state, EnrolmentState::Held(_)) && row.card.is_none() {
            wake(tx, id, &row, rules, now)?;
        }
    }
    Ok(())
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

/// Forgets what automations had to do with somebody who is erased.
pub(super) fn forget_enrolments_of(tx: &mut Tx<'_>, about: &OpportunityId) -> Result<(), StoreError> {
    for (id, row) in enrolments_of(tx, about)? {
        let gone = EnrolmentState::Ended(String::new());
        put(tx, id, Some(&row), &Enrolment { state: gone, ..row.clone() })?;
        forget_enrolment(tx, id, &row)?;
    }
    for (key, _) in tx.list(RUN_LOG, &Keys::beginning(about), usize::MAX)? {
        tx.remove(RUN_LOG, &key)?;
    }
    Ok(())
}

/// Forgets an enrolment that came to its end, and with the last of a card the card.
pub(super) fn forget_enrolment(tx: &mut Tx<'_>, id: EnrolmentId, row: &Enrolment) -> Result<(), StoreError> {
    tx.remove(ENROLMENTS, &id)?;
    tx.remove(ENROLMENTS_OF, &(row.opportunity.clone(), id))?;
    let Some(card) = row.card else { return Ok(()) };
    tx.remove(ENROLMENTS_ON, &(card, id))?;
    let is_empty = tx.list(ENROLMENTS_ON, &Keys::beginning(&card), 1)?.is_empty();
    if is_empty && tx.get(CARDS, &card)?.is_some_and(|row| row.state != CardState::Waiting) {
        tx.remove(CARDS, &card)?;
    }
    Ok(())
}

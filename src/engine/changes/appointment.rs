//! Interviews that people here arrange: making, moving and calling them off, what is written to Lever
//! for that and what came of it, and what was changed in Lever (behaviour.md 4).
//!
//! Here only what is wanted is stored, and an effect is asked for that brings Lever in line with it.

use fulcrum_domain::{
    Activity, ActivityKind, Actor, Appointment, AppointmentId, Effect, EffectState, Interview, InterviewId,
    Lane, LeversChange, Meeting, MeetingFlaw, NewAppointment, Opportunity, OpportunityId, PanelId, UserId,
    Wanted, Write,
};
use jiff::Timestamp;

use super::Rules;
use super::activity::note;
use super::counter::{Counter, next};
use super::filing::fallback_author;
use super::interview_news::{arm_news, forget_news};
use super::outbox::{ask, drop_effect, finish, postpone};
use super::remind::retime;
use super::thread::thread_of;
use super::users::refuse_author;
use crate::engine::clock::Moment;
use crate::store::tables::{
    APPOINTMENT_AT, APPOINTMENTS, APPOINTMENTS_BLOCKED, APPOINTMENTS_OF, OPPORTUNITIES, USERS,
};
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// Why an interview is not arranged.
#[derive(Debug, thiserror::Error)]
pub enum AppointmentError {
    /// The opportunity is not known here.
    #[error("no such opportunity is known")]
    UnknownOpportunity,
    /// The opportunity is confidential, and nothing is written about such.
    #[error("the opportunity is confidential, and lever.confidential does not allow to write about such")]
    Confidential,
    /// There is none with this id.
    #[error("no interview that was arranged here has this id")]
    Unknown,
    /// It was called off, here or in Lever.
    #[error("the interview was called off")]
    CalledOff,
    /// It would begin before now.
    #[error("that time is past")]
    Past,
    /// It cannot be meant.
    #[error(transparent)]
    Flaw(#[from] MeetingFlaw),
    /// Somebody who is to take part in it is no active user of Lever's.
    #[error("no active Lever user has the id {0}")]
    UnknownUser(UserId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Arranges an interview. Lever has it as soon as its turn comes.
///
/// # Errors
/// [`AppointmentError`]; then nothing is stored.
pub fn make_appointment(
    tx: &mut Tx<'_>,
    new: NewAppointment,
    by: Actor,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<AppointmentId, AppointmentError> {
    let opportunity = tx.get(OPPORTUNITIES, &new.opportunity)?;
    let opportunity = opportunity.ok_or(AppointmentError::UnknownOpportunity)?;
    may_write(&opportunity, rules)?;
    let meeting = meant(new.meeting, None, moment.now)?;
    for user in meeting.interviewers.iter().chain([&new.perform_as]) {
        known(tx, user)?;
    }
    let number = next(tx, Counter::Appointments)?;
    let id = AppointmentId::new(number);
    let one = Appointment::new(id, NewAppointment { meeting, ..new }, by.clone(), moment.now);
    tx.put(APPOINTMENTS_OF, &(one.opportunity.clone(), id), &())?;
    want(tx, &one, by, format!("an interview was arranged for {}", one.meeting.starts_at), rules, moment)?;
    Ok(id)
}

/// Changes what an interview says; what differs from before is written to Lever.
///
/// # Errors
/// [`AppointmentError`]; then nothing is changed.
pub fn change_appointment(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    meeting: Meeting,
    by: Actor,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), AppointmentError> {
    let mut one = standing(tx, id)?;
    if let Some(opportunity) = tx.get(OPPORTUNITIES, &one.opportunity)? {
        may_write(&opportunity, rules)?;
    }
    let meeting = meant(meeting, Some(&one.meeting), moment.now)?;
    for user in meeting.interviewers.difference(&one.meeting.interviewers) {
        known(tx, user)?;
    }
    if meeting == one.meeting {
        return Ok(());
    }
    let what = if meeting.starts_at == one.meeting.starts_at {
        "an interview was changed".to_owned()
    } else {
        format!("an interview was moved from {} to {}", one.meeting.starts_at, meeting.starts_at)
    };
    one.meeting = meeting;
    one.revision += 1;
    Ok(want(tx, &one, by, what, rules, moment)?)
}

/// Calls an interview off.
///
/// # Errors
/// [`AppointmentError`]; then nothing is changed.
pub fn call_off_appointment(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    by: Actor,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), AppointmentError> {
    let mut one = standing(tx, id)?;
    one.wanted = Wanted::CalledOff;
    one.revision += 1;
    let what = format!("the interview of {} was called off", one.meeting.starts_at);
    Ok(want(tx, &one, by, what, rules, moment)?)
}

/// The interviews that were arranged here with somebody, in the order in which they were made.
pub fn appointments_of(read: &impl Read, id: &OpportunityId) -> Result<Vec<Appointment>, StoreError> {
    let mut all = Vec::new();
    for ((_, id), ()) in read.list(APPOINTMENTS_OF, &Keys::beginning(id), usize::MAX)? {
        all.extend(read.get(APPOINTMENTS, &id)?);
    }
    Ok(all)
}

/// Whether an interview in Lever was arranged here, and which it is.
pub fn appointment_at(read: &impl Read, id: &InterviewId) -> Result<Option<AppointmentId>, StoreError> {
    read.get(APPOINTMENT_AT, id)
}

fn standing(read: &impl Read, id: AppointmentId) -> Result<Appointment, AppointmentError> {
    let one = read.get(APPOINTMENTS, &id)?.ok_or(AppointmentError::Unknown)?;
    if one.stands() { Ok(one) } else { Err(AppointmentError::CalledOff) }
}

fn may_write(opportunity: &Opportunity, rules: &Rules) -> Result<(), AppointmentError> {
    let allowed = rules.text_confidential || !opportunity.confidential;
    if allowed { Ok(()) } else { Err(AppointmentError::Confidential) }
}

/// A meeting that somebody can mean now. One that has begun may still be changed, but not moved into
/// the past.
fn meant(meeting: Meeting, before: Option<&Meeting>, now: Timestamp) -> Result<Meeting, AppointmentError> {
    let meeting = meeting.tidy()?;
    let is_moved = before.is_none_or(|before| before.starts_at != meeting.starts_at);
    if is_moved && meeting.starts_at <= now { Err(AppointmentError::Past) } else { Ok(meeting) }
}

fn known(read: &impl Read, user: &UserId) -> Result<(), AppointmentError> {
    let active = read.get(USERS, user)?.is_some_and(|user| user.active);
    if active { Ok(()) } else { Err(AppointmentError::UnknownUser(user.clone())) }
}

/// Stores what is wanted, and asks for Lever to be brought in line with it.
fn want(
    tx: &mut Tx<'_>,
    one: &Appointment,
    by: Actor,
    what: String,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    store(tx, one)?;
    tell(tx, one, by, what, moment.now)?;
    retime(tx, &one.opportunity, rules, moment)?;
    ask(tx, &Effect::Appointment(one.id), Lane::Interactive, moment.now)
}

fn store(tx: &mut Tx<'_>, one: &Appointment) -> Result<(), StoreError> {
    let stood = tx.get(APPOINTMENTS, &one.id)?.and_then(|before| before.lever);
    if let Some(before) = stood {
        tx.remove(APPOINTMENT_AT, &before.interview)?;
    }
    if let Some(there) = &one.lever {
        tx.put(APPOINTMENT_AT, &there.interview, &one.id)?;
    }
    if one.blocked.is_some() {
        tx.put(APPOINTMENTS_BLOCKED, &one.id, &())?;
    } else {
        tx.remove(APPOINTMENTS_BLOCKED, &one.id)?;
    }
    tx.put(APPOINTMENTS, &one.id, one)?;
    // It is shown beside the thread.
    let opportunity = tx.get(OPPORTUNITIES, &one.opportunity)?;
    for number in opportunity.iter().flat_map(Opportunity::numbers) {
        if let Some(conversation) = thread_of(tx, number)? {
            tx.signal(Signal::Conversation(conversation.id));
        }
    }
    Ok(())
}

fn tell(
    tx: &mut Tx<'_>,
    one: &Appointment,
    by: Actor,
    what: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    note(tx, &Activity::new(now, by, ActivityKind::Interview, what).about(Some(one.opportunity.clone())))
}

/// What is to be written to Lever.
#[derive(Clone, Debug)]
pub(crate) struct NextWrite {
    /// Of which appointment, as it is wanted now.
    pub(crate) appointment: Appointment,
    /// What.
    pub(crate) write: Write,
}

/// Marks what is wanted of an appointment as being written. None when Lever has it, or may not get it;
/// the effect is then done.
pub(crate) fn begin_write(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<NextWrite>, StoreError> {
    let effect = Effect::Appointment(id);
    let Some(mut one) = tx.get(APPOINTMENTS, &id)? else {
        finish(tx, &effect, now)?;
        return Ok(None);
    };
    let opportunity = tx.get(OPPORTUNITIES, &one.opportunity)?;
    if opportunity.is_some_and(|opportunity| may_write(&opportunity, rules).is_err()) {
        one.blocked =
            Some("the opportunity is confidential, and lever.confidential does not allow it".into());
    } else if let Some(write) = one.next_write() {
        one.sending = Some(one.meeting.clone());
        store(tx, &one)?;
        return Ok(Some(NextWrite { appointment: one, write }));
    } else {
        one.blocked = None;
    }
    one.sending = None;
    store(tx, &one)?;
    finish(tx, &effect, now)?;
    Ok(None)
}

/// What Lever did with a write.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    /// It has the interview as it was sent.
    Stands(InterviewId, Option<PanelId>),
    /// It has it no more.
    Gone,
}

/// Lever has answered a write.
pub(crate) fn settle_write(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    settled: Settled,
    now: Timestamp,
) -> Result<(), StoreError> {
    let effect = Effect::Appointment(id);
    let Some(mut one) = tx.get(APPOINTMENTS, &id)? else { return finish(tx, &effect, now) };
    let what = match settled {
        Settled::Stands(interview, panel) => {
            let is_new = one.lever.is_none();
            one.written(interview, panel, now);
            if is_new { "an interview stands in Lever" } else { "an interview was changed in Lever" }
        }
        Settled::Gone => {
            one.lever = None;
            one.sending = None;
            one.blocked = None;
            "an interview was deleted in Lever"
        }
    };
    store(tx, &one)?;
    tell(tx, &one, Actor::fulcrum(), what.to_owned(), now)?;
    // Lists and texts tell of it as of what Lever shows, whether or not it sends a webhook.
    ask(tx, &Effect::Interviews(one.opportunity), Lane::Live, now)?;
    finish(tx, &effect, now)
}

/// Lever does not take a write, and will not until somebody does something: it is kept, and tried again
/// when the key may do more, or by a person's wish.
pub(crate) fn block_write(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    why: &str,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    if let Some(mut one) = tx.get(APPOINTMENTS, &id)? {
        one.sending = None;
        let is_new = one.blocked.as_deref() != Some(why);
        one.blocked = Some(why.to_owned());
        store(tx, &one)?;
        if is_new {
            let what = format!("an interview is not in Lever as wanted: {why}");
            tell(tx, &one, Actor::fulcrum(), what, moment.now)?;
        }
    }
    postpone(tx, &Effect::Appointment(id), EffectState::Failed, Some(moment.now), why, moment)
}

/// The key may be allowed more by now: what Lever does not have as wanted is tried again.
pub fn unblock_appointments(tx: &mut Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let blocked = tx.list(APPOINTMENTS_BLOCKED, &Keys::all(), usize::MAX)?;
    for (id, ()) in &blocked {
        ask(tx, &Effect::Appointment(*id), Lane::Live, now)?;
    }
    Ok(blocked.len())
}

/// Lever does not take the one in whose name an interview is written: the fallback stands in. False when
/// there is none.
pub fn release_performer(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<bool, StoreError> {
    let Some(mut one) = tx.get(APPOINTMENTS, &id)? else { return Ok(false) };
    refuse_author(tx, &one.perform_as, moment.now)?;
    let Some(next) = fallback_author(tx, rules, moment.now)?.filter(|next| *next != one.perform_as) else {
        return Ok(false);
    };
    one.perform_as = next;
    one.sending = None;
    store(tx, &one)?;
    let why = "the user in whose name it was written was refused";
    postpone(tx, &Effect::Appointment(id), EffectState::Due, Some(moment.now), why, moment)?;
    Ok(true)
}

/// An interview as Lever lists it: its id, its panel, its note.
pub(crate) type Listed = (InterviewId, Option<PanelId>, String);

/// Interviews whose answer has not come, or was lost, are known in a list by the reference in their note.
pub(crate) fn adopt_listed(
    tx: &mut Tx<'_>,
    id: &OpportunityId,
    listed: &[Listed],
    as_of: Timestamp,
) -> Result<(), StoreError> {
    for mut one in appointments_of(tx, id)? {
        if one.lever.is_some() || one.sending.is_none() {
            continue;
        }
        if let Some((interview, panel, _)) = listed.iter().find(|(_, _, note)| one.wrote(note)) {
            one.written(interview.clone(), panel.clone(), as_of);
            store(tx, &one)?;
        }
    }
    Ok(())
}

/// Lever was asked at `as_of` and shows an interview of ours so, or not at all. What was changed there
/// is taken over.
pub fn see_appointment(
    tx: &mut Tx<'_>,
    id: AppointmentId,
    seen: Option<&Interview>,
    as_of: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut one) = tx.get(APPOINTMENTS, &id)? else { return Ok(()) };
    // Asked before our own last write was answered, it may show what was before.
    if one.lever.as_ref().is_none_or(|there| as_of < there.as_of && there.as_of <= now) {
        return Ok(());
    }
    let before = one.clone();
    let change = one.see(seen);
    if one == before {
        return Ok(());
    }
    store(tx, &one)?;
    let Some(change) = change else { return Ok(()) };
    if change != LeversChange::Edited {
        arm_news(tx, id, &before.meeting, now)?;
    }
    let what = match change {
        LeversChange::Edited => "an interview was edited in Lever".to_owned(),
        LeversChange::Moved => format!("an interview was changed in Lever, to {}", one.meeting.starts_at),
        LeversChange::Gone => format!("the interview of {} was called off in Lever", one.meeting.starts_at),
    };
    tell(tx, &one, Actor::lever(), what, now)
}

/// The opportunity is erased, and its interviews with it.
pub(super) fn erase_appointments(tx: &mut Tx<'_>, id: &OpportunityId) -> Result<(), StoreError> {
    for one in appointments_of(tx, id)? {
        drop_effect(tx, &Effect::Appointment(one.id))?;
        forget_news(tx, one.id)?;
        if let Some(there) = &one.lever {
            tx.remove(APPOINTMENT_AT, &there.interview)?;
        }
        tx.remove(APPOINTMENTS_BLOCKED, &one.id)?;
        tx.remove(APPOINTMENTS_OF, &(id.clone(), one.id))?;
        tx.remove(APPOINTMENTS, &one.id)?;
    }
    Ok(())
}

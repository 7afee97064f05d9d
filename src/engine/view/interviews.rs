//! The interviews of a candidate as people and scripts see them: those that were arranged here, and
//! how far Lever has them, and those that were arranged in Lever.

use std::collections::BTreeSet;

use fulcrum_domain::{Appointment, AppointmentId, InterviewId, OpportunityId, Reminded, UserId, Wanted};
use jiff::Timestamp;

use crate::engine::{Engine, changes};
use crate::store::tables::{INTERVIEWS, USERS};
use crate::store::{Keys, Read, StoreError};

/// How far Lever has an interview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterviewState {
    /// It stands there.
    InLever,
    /// It is on its way there.
    Waiting,
    /// Lever does not take it as it is wanted, for this reason.
    Blocked(String),
    /// It was called off here.
    CalledOff,
    /// It was cancelled or deleted there.
    GoneInLever,
}

impl InterviewState {
    /// As the API names it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InLever => "in-lever",
            Self::Waiting => "waiting",
            Self::Blocked(_) => "not-in-lever",
            Self::CalledOff => "called-off",
            Self::GoneInLever => "cancelled-in-lever",
        }
    }

    /// Why Lever does not have it as wanted.
    pub fn why(&self) -> Option<&str> {
        if let Self::Blocked(why) = self { Some(why) } else { None }
    }

    fn of(one: &Appointment) -> Self {
        match (&one.blocked, one.wanted) {
            (Some(why), _) => Self::Blocked(why.clone()),
            (None, Wanted::CalledOff) => Self::CalledOff,
            (None, Wanted::GoneInLever) => Self::GoneInLever,
            (None, Wanted::Stands) if one.next_write().is_none() => Self::InLever,
            (None, Wanted::Stands) => Self::Waiting,
        }
    }
}

/// An interview, wherever it was arranged.
#[derive(Clone, Debug)]
pub struct InterviewView {
    /// Its id here; none for one that was arranged in Lever, which cannot be changed from here.
    pub id: Option<AppointmentId>,
    /// Its id in Lever.
    pub lever: Option<InterviewId>,
    /// What it is called.
    pub subject: Option<String>,
    /// For those who interview; known of ours alone.
    pub note: Option<String>,
    /// Where.
    pub location: Option<String>,
    /// Its start.
    pub starts_at: Timestamp,
    /// Its length in minutes.
    pub minutes: u32,
    /// The zone in which its time is told.
    pub timezone: Option<String>,
    /// Who interviews, with their names and e-mails where they are known.
    pub interviewers: Vec<(UserId, Option<(String, String)>)>,
    /// The form for the feedback.
    pub feedback_template: Option<String>,
    /// How far Lever has it.
    pub state: InterviewState,
    /// How many minutes before it the candidate gets no reminder, since that would fall in quiet hours.
    pub unreminded: Vec<u32>,
    /// How often what is wanted of it was changed.
    pub revision: u32,
}

impl InterviewView {
    /// Whether it can be moved or called off here.
    pub fn is_ours(&self) -> bool {
        let over = matches!(self.state, InterviewState::CalledOff | InterviewState::GoneInLever);
        self.id.is_some() && !over
    }
}

impl Engine {
    /// The interviews of a candidate, in order of their start. Whether they may be seen is asked before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn interviews_of(&self, id: &OpportunityId) -> Result<Vec<InterviewView>, StoreError> {
        let id = id.clone();
        self.store.read(move |snapshot| interviews(snapshot, &id)).await
    }
}

fn interviews(read: &impl Read, id: &OpportunityId) -> Result<Vec<InterviewView>, StoreError> {
    let names = |users: &mut dyn Iterator<Item = &UserId>| {
        let named = users.map(|id| {
            let user = read.get(USERS, id)?;
            Ok((id.clone(), user.map(|user| (user.name, user.email))))
        });
        named.collect::<Result<Vec<_>, StoreError>>()
    };
    let ours = changes::appointments_of(read, id)?;
    let in_lever: BTreeSet<InterviewId> =
        ours.iter().filter_map(|one| one.lever.as_ref()).map(|there| there.interview.clone()).collect();
    let mut dropped = changes::dropped_reminders(read, id)?;
    let mut unreminded = |of| dropped.remove(&of).unwrap_or_default();
    let mut all = Vec::new();
    for one in ours {
        all.push(InterviewView {
            id: Some(one.id),
            interviewers: names(&mut one.meeting.interviewers.iter())?,
            state: InterviewState::of(&one),
            lever: one.lever.map(|there| there.interview),
            subject: one.meeting.subject,
            note: one.meeting.note,
            location: one.meeting.location,
            starts_at: one.meeting.starts_at,
            minutes: one.meeting.minutes,
            timezone: Some(one.meeting.timezone),
            feedback_template: one.meeting.feedback_template,
            unreminded: unreminded(Reminded::Appointment(one.id)),
            revision: one.revision,
        });
    }
    for (_, row) in read.list(INTERVIEWS, &Keys::beginning(id), super::PAGE_MAX)? {
        if in_lever.contains(&row.id) {
            continue;
        }
        let gone = row.cancelled_at.is_some();
        all.push(InterviewView {
            id: None,
            interviewers: names(&mut row.interviewers.iter())?,
            unreminded: unreminded(Reminded::Interview(row.id.clone())),
            state: if gone { InterviewState::GoneInLever } else { InterviewState::InLever },
            lever: Some(row.id),
            subject: row.subject,
            note: None,
            location: row.location,
            starts_at: row.starts_at,
            minutes: row.minutes,
            timezone: row.timezone,
            feedback_template: None,
            revision: 0,
        });
    }
    all.sort_by_key(|view| view.starts_at);
    Ok(all)
}

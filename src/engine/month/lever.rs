//! Lever, as far as the month needs it: who is a candidate, their interviews and notes, and requests
//! that are served, refused, or cut before or after their effect. It knows nothing of our state.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::{
    Interview, InterviewId, NoteId, Opportunity, OpportunityId, PanelId, UserId, note::find_reference,
};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;

use super::Month;

/// What Lever has.
#[derive(Default)]
pub(super) struct Lever {
    pub(super) down_until: Timestamp,
    pub(super) candidates: BTreeMap<OpportunityId, Opportunity>,
    pub(super) deleted: BTreeMap<OpportunityId, Timestamp>,
    pub(super) changed: BTreeMap<OpportunityId, Timestamp>,
    pub(super) interviews: BTreeMap<OpportunityId, Vec<Slot>>,
    pub(super) notes: BTreeMap<NoteId, Note>,
    /// References of all notes that ever stood there, also of those that were deleted since.
    pub(super) references: BTreeSet<String>,
}

/// An interview in Lever, with the note that only those who interview see.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) row: Interview,
    pub(super) panel: PanelId,
    pub(super) note: String,
}

/// A note in Lever.
pub(super) struct Note {
    pub(super) opportunity: OpportunityId,
    pub(super) value: String,
}

/// A request.
pub(super) enum Call {
    Opportunity(OpportunityId),
    Interviews(OpportunityId),
    /// With whether it is secret.
    CreateNote(OpportunityId, String, bool),
    FindNote(OpportunityId, String),
    DeleteNote(OpportunityId, NoteId),
    CreateInterview(OpportunityId, Box<Body>),
    UpdateInterview(OpportunityId, InterviewId, Box<Body>),
    DeleteInterview(OpportunityId, InterviewId),
}

impl Call {
    /// Whom it is about.
    fn of(&self) -> &OpportunityId {
        match self {
            Self::Opportunity(id)
            | Self::Interviews(id)
            | Self::CreateNote(id, ..)
            | Self::FindNote(id, _)
            | Self::DeleteNote(id, _)
            | Self::CreateInterview(id, _)
            | Self::UpdateInterview(id, ..)
            | Self::DeleteInterview(id, _) => id,
        }
    }
}

/// What an interview is to say.
pub(super) struct Body {
    pub(super) subject: Option<String>,
    pub(super) location: Option<String>,
    pub(super) note: String,
    pub(super) starts_at: Timestamp,
    pub(super) minutes: u32,
    pub(super) timezone: String,
    pub(super) interviewers: Vec<UserId>,
}

/// An answer.
pub(super) enum Answer {
    Opportunity(Box<Opportunity>),
    Interviews(Vec<Slot>),
    Note(NoteId),
    NoNote,
    Interview(InterviewId, PanelId),
    Done,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing was there to talk to: the request certainly had no effect.
    Unreachable,
    /// It was cut: whether it had an effect cannot be told.
    Cut,
    /// There is no such record.
    NotFound,
}

impl Lever {
    /// Of whom a row can be shown.
    pub(super) fn active(&self) -> Vec<OpportunityId> {
        let active = self.candidates.iter().filter(|(_, row)| row.is_active());
        active.map(|(id, _)| id.clone()).collect()
    }

    /// Who changed since, the deleted apart.
    pub(super) fn changed_since(&self, since: Timestamp) -> Vec<OpportunityId> {
        let changed = self.changed.iter().filter(|(_, at)| **at >= since);
        changed.map(|(id, _)| id.clone()).filter(|id| self.candidates.contains_key(id)).collect()
    }
}

impl Month {
    /// Sends a request to Lever; what becomes of it is told to `then`, if the daemon still lives.
    pub(super) fn ask_lever(
        &mut self,
        call: Call,
        then: impl FnOnce(&mut Self, Result<Answer, Fault>) + 'static,
    ) {
        // What is made without an answer is what must not be made again.
        let dies_once_in = match &call {
            Call::CreateNote(..) => 80,
            Call::CreateInterview(..) => 8,
            _ => 400,
        };
        self.round_trip(dies_once_in, move |month| month.at_lever(call), then);
    }

    fn at_lever(&mut self, call: Call) -> Result<Answer, Fault> {
        let of = call.of().clone();
        let answer = self.answers(call);
        if answer.as_ref().is_err_and(|fault| *fault == Fault::Cut) {
            self.law_loses(&of);
        }
        answer
    }

    fn answers(&mut self, call: Call) -> Result<Answer, Fault> {
        if self.now < self.lever.down_until {
            return Err(if self.chance(900) { Fault::Unreachable } else { Fault::Cut });
        }
        if self.chance(10) {
            return Err(Fault::Cut);
        }
        let answer = self.serve(call)?;
        if self.chance(20) {
            self.law.lost_answers += 1;
            return Err(Fault::Cut);
        }
        Ok(answer)
    }

    fn serve(&mut self, call: Call) -> Result<Answer, Fault> {
        let now = self.now;
        let of = call.of().clone();
        let row = self.lever.candidates.get(&of).cloned().ok_or(Fault::NotFound)?;
        match call {
            Call::Opportunity(_) => Ok(Answer::Opportunity(Box::new(row))),
            Call::Interviews(_) => {
                Ok(Answer::Interviews(self.lever.interviews.get(&of).cloned().unwrap_or_default()))
            }
            Call::CreateNote(_, value, secret) => {
                let id: NoteId = format!("note-{}", self.number_up()).parse().unwrap();
                self.look_at_note(&of, &value, secret);
                let reference = find_reference(&value).map(str::to_owned);
                self.lever.references.extend(reference);
                self.lever.notes.insert(id.clone(), Note { opportunity: of, value });
                Ok(Answer::Note(id))
            }
            Call::FindNote(_, reference) => {
                let mut notes = self.lever.notes.iter();
                let found = notes.find(|(_, note)| {
                    note.opportunity == of && find_reference(&note.value) == Some(&reference)
                });
                Ok(found.map_or(Answer::NoNote, |(id, _)| Answer::Note(id.clone())))
            }
            Call::DeleteNote(_, note) => match self.lever.notes.remove(&note) {
                Some(_) => Ok(Answer::Done),
                None => Err(Fault::NotFound),
            },
            Call::CreateInterview(_, body) => {
                let id: InterviewId = format!("interview-{}", self.number_up()).parse().unwrap();
                let panel: PanelId = format!("panel-{}", self.number_up()).parse().unwrap();
                self.look_at_interview(&of, &body);
                let slot = Slot { row: body.row(id.clone(), now), panel: panel.clone(), note: body.note };
                self.lever.interviews.entry(of.clone()).or_default().push(slot);
                self.interviews_changed(&of);
                Ok(Answer::Interview(id, panel))
            }
            Call::UpdateInterview(_, id, body) => {
                let slots = self.lever.interviews.entry(of.clone()).or_default();
                let slot = slots.iter_mut().find(|slot| slot.row.id == id).ok_or(Fault::NotFound)?;
                slot.row = body.row(id.clone(), now);
                slot.note = body.note;
                let panel = slot.panel.clone();
                self.interviews_changed(&of);
                Ok(Answer::Interview(id, panel))
            }
            Call::DeleteInterview(_, id) => {
                let slots = self.lever.interviews.entry(of.clone()).or_default();
                let before = slots.len();
                slots.retain(|slot| slot.row.id != id);
                let gone = before != slots.len();
                self.interviews_changed(&of);
                if gone { Ok(Answer::Done) } else { Err(Fault::NotFound) }
            }
        }
    }

    /// Lever has changed something about a candidate: a webhook follows, once, twice or never.
    pub(super) fn candidate_changed(&mut self, id: &OpportunityId) {
        self.lever.changed.insert(id.clone(), self.now);
        self.announce(id, super::daemon::Hook::Candidate);
    }

    pub(super) fn interviews_changed(&mut self, id: &OpportunityId) {
        self.law_sees_interviews(id);
        self.lever.changed.insert(id.clone(), self.now);
        self.announce(id, super::daemon::Hook::Interviews);
    }

    pub(super) fn announce(&mut self, id: &OpportunityId, hook: super::daemon::Hook) {
        let times = match self.chance.random_range(0..20) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..times {
            let pause = self.between(SignedDuration::from_millis(200), SignedDuration::from_secs(90));
            let id = id.clone();
            self.after(pause, move |month| month.hook_arrives(id, hook));
        }
    }
}

impl Body {
    fn row(&self, id: InterviewId, as_of: Timestamp) -> Interview {
        Interview {
            id,
            subject: self.subject.clone(),
            location: self.location.clone(),
            starts_at: self.starts_at,
            minutes: self.minutes,
            timezone: Some(self.timezone.clone()),
            interviewers: self.interviewers.clone(),
            cancelled_at: None,
            as_of,
        }
    }
}

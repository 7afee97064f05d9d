//! Interviews that people here arrange, and how what Lever has is brought in line with them
//! (behaviour.md 4).
//!
//! What is wanted, what Lever is known to have and what is on its way there are kept apart, so that
//! each answer and each look at Lever says by itself what follows. Whatever differs from all three
//! was changed in Lever, and Lever's side wins, field by field. An answer that was lost is not
//! guessed at: the interview carries a reference in its note, by which it is found again.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Actor, BadId, Interview, InterviewId, OpportunityId, PanelId, UserId};

/// An interview that was arranged here: the n-th.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppointmentId(u64);

impl AppointmentId {
    /// The n-th.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Which one it is.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AppointmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AppointmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppointmentId({self})")
    }
}

impl FromStr for AppointmentId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        text.parse().map(Self).map_err(|_| BadId)
    }
}

/// What an interview says (lever-api.md 5.6).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// What it is called.
    pub subject: Option<String>,
    /// For those who interview.
    pub note: Option<String>,
    /// Where, or a link.
    pub location: Option<String>,
    /// Its start.
    #[serde(with = "millisecond::required")]
    pub starts_at: Timestamp,
    /// Its length in minutes.
    pub minutes: u32,
    /// In which zone its time is told; an IANA name. In a panel that stands already, the panel's counts.
    pub timezone: String,
    /// Who interviews, at least one.
    pub interviewers: BTreeSet<UserId>,
    /// Lever's form for the feedback; none asks for no feedback.
    pub feedback_template: Option<String>,
}

/// What is wrong with a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeetingFlaw {
    /// Lever wants somebody.
    #[error("at least one interviewer is needed")]
    NoInterviewer,
    /// Nobody interviews for longer, or for no time.
    #[error("an interview takes 1 to {MINUTES_MAX} minutes")]
    Length,
    /// Not the name of a zone.
    #[error("the time zone is not known: write one like America/New_York")]
    TimeZone,
    /// Nobody can mean such a text.
    #[error("the subject and the place can have {SHORT_CHARS_MAX} characters, the note {NOTE_CHARS_MAX}")]
    TooLong,
}

/// A day.
const MINUTES_MAX: u32 = 24 * 60;
const SHORT_CHARS_MAX: usize = 500;
const NOTE_CHARS_MAX: usize = 5_000;

impl Meeting {
    /// The same without empty texts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn tidy(self) -> Result<Self, MeetingFlaw> {
        if self.interviewers.is_empty() {
            return Err(MeetingFlaw::NoInterviewer);
        }
        if !(1..=MINUTES_MAX).contains(&self.minutes) {
            return Err(MeetingFlaw::Length);
        }
        if TimeZone::get(&self.timezone).is_err() {
            return Err(MeetingFlaw::TimeZone);
        }
        let said = |text: Option<String>, most: usize| {
            let text = text.as_deref().and_then(said);
            let fits = text.as_ref().is_none_or(|text| text.chars().count() <= most);
            if fits { Ok(text) } else { Err(MeetingFlaw::TooLong) }
        };
        Ok(Self {
            subject: said(self.subject, SHORT_CHARS_MAX)?,
            note: said(self.note, NOTE_CHARS_MAX)?,
            location: said(self.location, SHORT_CHARS_MAX)?,
            ..self
        })
    }
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meeting").field("starts_at", &self.starts_at).finish_non_exhaustive()
    }
}

/// A text that says something.
fn said(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An interview to be arranged.
#[derive(Clone, Debug)]
pub struct NewAppointment {
    /// With whom.
    pub opportunity: OpportunityId,
    /// What.
    pub meeting: Meeting,
    /// In whose name Lever takes it.
    pub perform_as: UserId,
    /// How many minutes before it the candidate is reminded; none: as the config says.
    pub reminders: Option<Vec<u32>>,
}

/// What is wanted of an appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// It takes place.
    Stands,
    /// It was called off here.
    CalledOff,
    /// It was cancelled or deleted in Lever.
    GoneInLever,
}

impl Wanted {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stands => "stands",
            Self::CalledOff => "called-off",
            Self::GoneInLever => "cancelled-in-lever",
        }
    }
}

/// What Lever is known to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InLever {
    /// The interview.
    pub interview: InterviewId,
    /// Its panel, where Lever says.
    pub panel: Option<PanelId>,
    /// What it says there, as far as that is ours.
    pub meeting: Meeting,
    /// When Lever last answered a write of ours: what was listed before that is no news.
    #[serde(with = "millisecond::required")]
    pub as_of: Timestamp,
}

/// An interview as people here want it to stand in Lever.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Which one.
    pub id: AppointmentId,
    /// With whom.
    pub opportunity: OpportunityId,
    /// What it should say.
    pub meeting: Meeting,
    /// In whose name Lever takes it.
    pub perform_as: UserId,
    /// Whether it should stand.
    pub wanted: Wanted,
    /// Grows with each change of what is wanted.
    pub revision: u32,
    /// What stands in Lever.
    pub lever: Option<InLever>,
    /// What the request says that is under way, or whose answer was lost.
    pub sending: Option<Meeting>,
    /// Why Lever does not have it as wanted, in words, until that is mended.
    pub blocked: Option<String>,
    /// How many minutes before it the candidate is reminded; none: as the config says.
    pub reminders: Option<Vec<u32>>,
    /// Who made it.
    pub made_by: Actor,
    /// When.
    #[serde(with = "millisecond::required")]
    pub made_at: Timestamp,
}

impl fmt::Debug for Appointment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appointment")
            .field("id", &self.id)
            .field("wanted", &self.wanted)
            .field("lever", &self.lever)
            .field("blocked", &self.blocked)
            .finish_non_exhaustive()
    }
}

/// What brings Lever in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Make it.
    Create,
    /// Replace what stands there.
    Update(InterviewId),
    /// Take it away.
    Delete(InterviewId),
}

/// What a look at Lever told that nobody here did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeversChange {
    /// Something that the candidate need not know.
    Edited,
    /// Its time, length or place.
    Moved,
    /// It was cancelled or deleted.
    Gone,
}

impl Appointment {
    /// A new one.
    pub fn new(id: AppointmentId, new: NewAppointment, made_by: Actor, made_at: Timestamp) -> Self {
        Self {
            id,
            opportunity: new.opportunity,
            meeting: new.meeting,
            perform_as: new.perform_as,
            wanted: Wanted::Stands,
            revision: 0,
            lever: None,
            sending: None,
            blocked: None,
            reminders: new.reminders,
            made_by,
            made_at,
        }
    }

    /// Whether it should take place.
    pub fn stands(&self) -> bool {
        self.wanted == Wanted::Stands
    }

    /// What it is found by in Lever. The time is in it, since another installation counts from one, too.
    pub fn reference(&self) -> String {
        format!("ref fulcrum:interview-{}-{}", self.id, self.made_at.as_millisecond())
    }

    /// The note as it is written to Lever: what people wrote, and the reference.
    pub fn note_with_reference(&self) -> String {
        match &self.meeting.note {
            Some(note) => format!("{note}\n\n{}", self.reference()),
            None => self.reference(),
        }
    }

    /// Whether a note in Lever is this one's.
    pub fn wrote(&self, note: &str) -> bool {
        note.lines().any(|line| line.trim() == self.reference())
    }

    /// What is to be written next; none when Lever has what is wanted.
    pub fn next_write(&self) -> Option<Write> {
        match (self.stands(), &self.lever) {
            (true, None) => Some(Write::Create),
            (true, Some(there)) if there.meeting != self.meeting => {
                Some(Write::Update(there.interview.clone()))
            }
            (false, Some(there)) => Some(Write::Delete(there.interview.clone())),
            (true, Some(_)) | (false, None) => None,
        }
    }

    /// Lever has taken what was sent.
    pub fn written(&mut self, interview: InterviewId, panel: Option<PanelId>, as_of: Timestamp) {
        let known = self.lever.take().map(|there| there.meeting);
        let meeting = self.sending.take().or(known).unwrap_or_else(|| self.meeting.clone());
        self.lever = Some(InLever { interview, panel, meeting, as_of });
        self.blocked = None;
    }

    /// Lever shows this interview, or none. What was changed there is taken over; none when that was
    /// nothing.
    pub fn see(&mut self, seen: Option<&Interview>) -> Option<LeversChange> {
        let there = self.lever.as_mut()?;
        let Some(seen) = seen.filter(|seen| seen.cancelled_at.is_none()) else {
            self.lever = None;
            self.sending = None;
            self.blocked = None;
            if self.wanted != Wanted::Stands {
                return None;
            }
            self.wanted = Wanted::GoneInLever;
            self.revision += 1;
            return Some(LeversChange::Gone);
        };
        let (ours, theirs, sent) = (&mut self.meeting, &mut there.meeting, self.sending.as_ref());
        let text = |text: &Option<String>| text.as_deref().and_then(said);
        let moved = [
            follow(&mut ours.starts_at, &mut theirs.starts_at, sent.map(|m| &m.starts_at), seen.starts_at),
            follow(&mut ours.minutes, &mut theirs.minutes, sent.map(|m| &m.minutes), seen.minutes),
            follow(&mut ours.location, &mut theirs.location, sent.map(|m| &m.location), text(&seen.location)),
        ];
        let edited = [
            follow(&mut ours.subject, &mut theirs.subject, sent.map(|m| &m.subject), text(&seen.subject)),
            follow(
                &mut ours.interviewers,
                &mut theirs.interviewers,
                sent.map(|m| &m.interviewers),
                seen.interviewers.iter().cloned().collect(),
            ),
        ];
        let change = if moved.contains(&true) {
            LeversChange::Moved
        } else if edited.contains(&true) {
            LeversChange::Edited
        } else {
            return None;
        };
        self.revision += 1;
        Some(change)
    }
}

/// Takes over what Lever shows of one field, unless that is what we wrote or are writing. True when it was
/// changed there.
fn follow<T: PartialEq + Clone>(ours: &mut T, theirs: &mut T, sent: Option<&T>, seen: T) -> bool {
    if *theirs == seen {
        return false;
    }
    let by_us = seen == *ours || sent == Some(&seen);
    if !by_us {
        *ours = seen.clone();
    }
    *theirs = seen;
    !by_us
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3600).unwrap()
    }

    fn meeting(hour: i64) -> Meeting {
        Meeting {
            subject: Some("Phone screen".into()),
            note: Some("Ask about the night shift.".into()),
            location: None,
            starts_at: at(hour),
            minutes: 30,
            timezone: "America/New_York".into(),
            interviewers: BTreeSet::from(["u1".parse().unwrap()]),
            feedback_template: None,
        }
    }

    fn made() -> Appointment {
        let new = NewAppointment {
            opportunity: "o1".parse().unwrap(),
            meeting: meeting(10),
            perform_as: "u1".parse().unwrap(),
            reminders: None,
        };
        Appointment::new(AppointmentId::new(7), new, Actor::fulcrum(), at(0))
    }

    fn in_lever() -> Appointment {
        let mut one = made();
        one.sending = Some(one.meeting.clone());
        one.written("i1".parse().unwrap(), Some("p1".parse().unwrap()), at(0));
        one
    }

    fn seen(meeting: &Meeting) -> Interview {
        Interview {
            id: "i1".parse().unwrap(),
            subject: meeting.subject.clone(),
            location: meeting.location.clone(),
            starts_at: meeting.starts_at,
            minutes: meeting.minutes,
            timezone: None,
            interviewers: meeting.interviewers.iter().cloned().collect(),
            cancelled_at: None,
            as_of: at(1),
        }
    }

    #[test]
    fn lever_is_brought_in_line_step_by_step() {
        let mut one = made();
        assert_eq!(one.next_write(), Some(Write::Create));
        one.wanted = Wanted::CalledOff;
        assert_eq!(one.next_write(), None);
        let mut one = in_lever();
        assert_eq!(one.next_write(), None);
        one.meeting.starts_at = at(11);
        assert_eq!(one.next_write(), Some(Write::Update("i1".parse().unwrap())));
        one.wanted = Wanted::CalledOff;
        assert_eq!(one.next_write(), Some(Write::Delete("i1".parse().unwrap())));
    }

    #[test]
    fn a_change_made_while_the_request_was_under_way_is_sent_after_it() {
        let mut one = made();
        one.sending = Some(one.meeting.clone());
        one.meeting.starts_at = at(12);
        one.written("i1".parse().unwrap(), None, at(0));
        assert_eq!(one.next_write(), Some(Write::Update("i1".parse().unwrap())));
    }

    #[test]
    fn our_own_write_seen_in_lever_is_no_news() {
        let mut one = in_lever();
        assert_eq!(one.see(Some(&seen(&meeting(10)))), None);
        one.meeting.starts_at = at(11);
        one.sending = Some(one.meeting.clone());
        one.meeting.starts_at = at(12);
        assert_eq!(one.see(Some(&seen(&meeting(11)))), None);
        assert_eq!(one.meeting.starts_at, at(12));
        one.written("i1".parse().unwrap(), None, at(1));
        assert_eq!(one.next_write(), Some(Write::Update("i1".parse().unwrap())));
    }

    #[test]
    fn levers_side_wins_and_keeps_what_was_changed_here_beside_it() {
        let mut one = in_lever();
        one.meeting.note = Some("Bring the forklift licence.".into());
        assert_eq!(one.see(Some(&seen(&meeting(14)))), Some(LeversChange::Moved));
        assert_eq!(one.meeting.starts_at, at(14));
        assert_eq!(one.next_write(), Some(Write::Update("i1".parse().unwrap())));
        let renamed = Meeting { subject: Some("Talk".into()), ..meeting(14) };
        assert_eq!(one.see(Some(&seen(&renamed))), Some(LeversChange::Edited));
        assert_eq!(one.see(Some(&seen(&renamed))), None);
    }

    #[test]
    fn gone_in_lever_is_gone_once_and_never_made_again() {
        let mut one = in_lever();
        let cancelled = Interview { cancelled_at: Some(at(2)), ..seen(&meeting(10)) };
        assert_eq!(one.see(Some(&cancelled)), Some(LeversChange::Gone));
        assert_eq!((one.see(None), one.next_write()), (None, None));
        let mut one = in_lever();
        one.wanted = Wanted::CalledOff;
        assert_eq!((one.see(None), one.next_write()), (None, None));
        assert_eq!(one.wanted, Wanted::CalledOff);
    }

    #[test]
    fn the_reference_is_found_in_the_note_and_only_as_a_line_of_its_own() {
        let one = made();
        assert!(one.wrote(&one.note_with_reference()));
        assert!(!one.wrote(&format!("see {}1", one.reference())));
        let other = Appointment { made_at: at(1), ..made() };
        assert!(!other.wrote(&one.note_with_reference()));
    }

    #[test]
    fn a_meeting_that_nobody_can_mean_is_refused() {
        let flaw = |meeting: Meeting| meeting.tidy().unwrap_err();
        assert_eq!(flaw(Meeting { interviewers: BTreeSet::new(), ..meeting(1) }), MeetingFlaw::NoInterviewer);
        assert_eq!(flaw(Meeting { minutes: 0, ..meeting(1) }), MeetingFlaw::Length);
        assert_eq!(flaw(Meeting { timezone: "Mars".into(), ..meeting(1) }), MeetingFlaw::TimeZone);
        assert_eq!(flaw(Meeting { note: Some("x".repeat(5_001)), ..meeting(1) }), MeetingFlaw::TooLong);
        let blank = Meeting { location: Some("  ".into()), ..meeting(1) }.tidy().unwrap();
        assert_eq!(blank.location, None);
    }
}

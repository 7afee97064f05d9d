//! Bulk: one template for an audience (behaviour.md 3; issue 5, section 3).
//!
//! What is sent to whom is settled when a person has seen it: the audience is written down as a list of
//! recipients, the words by the hash of the template. What can change until a text leaves is asked again
//! when its turn comes: the candidate, their number, and all that the guard asks. Nobody is passed over
//! in silence: whoever gets no text has an [`Exclusion`] that says why.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::template::Version;
use crate::{Actor, BadId, MessageId, Number, Opportunity, OpportunityId, PostingId, Sight, StageId, UserId};

/// The most recipients of one bulk text: more are an address book and not an audience.
pub const AUDIENCE_MAX: usize = 10_000;

/// The n-th bulk text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BulkId(u64);

impl BulkId {
    /// The n-th.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Which one it is.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BulkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BulkId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        text.parse().map(Self).map_err(|_| BadId)
    }
}

/// Whom it is for, as far as Lever knows: each part that names something narrows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Applied for one of these.
    pub postings: Vec<PostingId>,
    /// Are in one of these stages.
    pub stages: Vec<StageId>,
    /// Have one of these tags, in whatever case.
    pub tags: Vec<String>,
}

impl Audience {
    /// Whether it names nothing, and so would be everybody.
    pub fn is_everybody(&self) -> bool {
        self.postings.is_empty() && self.stages.is_empty() && self.tags.is_empty()
    }

    /// Whether an opportunity belongs to it. Archived ones never do.
    pub fn holds(&self, row: &Opportunity) -> bool {
        let tagged = |tag: &String| row.tags.iter().any(|theirs| theirs.to_lowercase() == tag.to_lowercase());
        row.is_active()
            && (self.postings.is_empty() || row.posting.as_ref().is_some_and(|id| self.postings.contains(id)))
            && (self.stages.is_empty() || self.stages.contains(&row.stage))
            && (self.tags.is_empty() || self.tags.iter().any(tagged))
    }
}

/// A second text to those who have not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nudge {
    /// Its words.
    pub template: Version,
    /// Days after the first.
    pub after_days: u16,
}

/// A line of a list that names nobody whom it could mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// Which, from 1; the line of the names of the columns counts.
    pub line: u64,
    /// What is wrong with it, without what stands in it.
    pub reason: String,
}

/// A bulk text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulk {
    /// What people call it. It stands in transcripts: "automatic: NAME".
    pub name: String,
    /// Its words.
    pub template: Version,
    /// What follows for those who do not answer.
    pub nudge: Option<Nudge>,
    /// Whom it is for, unless a list says so.
    pub audience: Audience,
    /// The lines of a list that were not understood.
    pub bad_rows: Vec<BadRow>,
    /// Who signs, in Lever.
    pub sender: Option<UserId>,
    /// Who signs, if that is nobody in Lever.
    pub sender_name: String,
    /// Who made it.
    pub made_by: Actor,
    /// When.
    #[serde(with = "millisecond::required")]
    pub made_at: Timestamp,
    /// How far it is.
    pub state: BulkState,
}

/// How far a bulk text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkState {
    /// It is looked at; nothing leaves.
    Draft,
    /// A person has confirmed it, and it is so large that a second one must.
    Confirmed {
        /// The first.
        by: Actor,
    },
    /// It is being sent.
    Running,
    /// It stands until somebody lets it go on.
    Paused,
    /// It ended before its end.
    Stopped,
    /// Everybody's turn has come.
    Done,
}

impl BulkState {
    /// The word in the API and the console.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Confirmed { .. } => "awaiting-approval",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }
}

/// What a person does with a bulk text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is to be sent, to as many as they have seen.
    Confirm {
        /// How many that are.
        recipients: usize,
    },
    /// The second person agrees.
    Approve,
    /// Nothing more leaves for now.
    Pause,
    /// It goes on.
    Resume,
    /// Nothing more leaves.
    Stop,
}

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepRefusal {
    /// Nobody would be texted.
    #[error("nobody in it can be texted")]
    Nobody,
    /// They have seen something else.
    #[error("it is for {now} people, and not for as many as were confirmed: look at it again")]
    Changed {
        /// How many there are.
        now: usize,
    },
    /// The first cannot be the second as well.
    #[error("whoever confirmed it cannot approve it as well: a second person must")]
    SamePerson,
    /// Not as it stands.
    #[error("that cannot be done with a bulk text that is {0}")]
    NotNow(&'static str),
}

/// The state after a step. `recipients` wait for their turn; more than `second_person_above` of them want
/// a second person.
///
/// # Errors
/// [`StepRefusal`].
pub fn after(
    state: &BulkState,
    step: Step,
    by: &Actor,
    recipients: usize,
    second_person_above: usize,
) -> Result<BulkState, StepRefusal> {
    use BulkState::{Confirmed, Draft, Paused, Running, Stopped};
    match (state, step) {
        (Draft, Step::Confirm { .. }) if recipients == 0 => Err(StepRefusal::Nobody),
        (Draft, Step::Confirm { recipients: seen }) if seen != recipients => {
            Err(StepRefusal::Changed { now: recipients })
        }
        (Draft, Step::Confirm { .. }) if recipients > second_person_above => Ok(Confirmed { by: by.clone() }),
        (Draft, Step::Confirm { .. }) => Ok(Running),
        (Confirmed { by: first }, Step::Approve) if first == by => Err(StepRefusal::SamePerson),
        (Confirmed { .. }, Step::Approve) | (Paused, Step::Resume) => Ok(Running),
        (Running, Step::Pause) => Ok(Paused),
        (Draft | Confirmed { .. } | Running | Paused, Step::Stop) => Ok(Stopped),
        (state, _) => Err(StepRefusal::NotNow(state.word())),
    }
}

/// One of those it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Who.
    pub opportunity: OpportunityId,
    /// What a list says of their consent.
    pub consents: Option<bool>,
    /// How far it is with them.
    pub state: RecipientState,
}

/// How far it is with one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecipientState {
    /// Their turn has not come.
    Waiting,
    /// They get none.
    Excluded(Exclusion),
    /// Their text was written.
    Written(MessageId),
    /// They did not answer, and the second was written.
    Nudged {
        /// The first.
        first: MessageId,
        /// The second.
        nudge: MessageId,
    },
    /// It was stopped before their turn came.
    CalledOff,
}

/// Why somebody gets no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Exclusion {
    /// Nobody whom we know, or may know of.
    #[error("no such opportunity is known")]
    Unknown,
    /// They are no candidate any more.
    #[error("archived in Lever")]
    Archived,
    /// Their data was removed.
    #[error("anonymised in Lever")]
    Anonymised,
    /// Not one that can be texted.
    #[error("no number that can be texted")]
    NoNumber,
    /// They have two opportunities, or share a telephone.
    #[error("their number is in it already")]
    Repeated,
    /// The list has a no beside them.
    #[error("the list says that they do not consent")]
    NoConsent,
    /// The guard, or whatever else keeps a text from being written.
    #[error("{0}")]
    Refused(String),
    /// The template wants what is not known of them.
    #[error("{0}")]
    Unfilled(String),
}

/// The number at which a recipient is texted, as far as their row decides that.
///
/// # Errors
/// Why they are not.
pub fn number_of(
    row: Option<&Opportunity>,
    consents: Option<bool>,
    sight: Sight,
) -> Result<Number, Exclusion> {
    let row = row.filter(|row| sight.reaches(row.confidential)).ok_or(Exclusion::Unknown)?;
    match row {
        row if row.anonymised => Err(Exclusion::Anonymised),
        row if !row.is_active() => Err(Exclusion::Archived),
        _ if consents == Some(false) => Err(Exclusion::NoConsent),
        row => row.number().ok_or(Exclusion::NoNumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Archived, Phone};

    fn row(posting: &str, stage: &str, tags: &[&str]) -> Opportunity {
        let number = Number::from_e164("+12025550142").unwrap();
        Opportunity {
            contact: "c".parse().unwrap(),
            name: "Dana Reyes".into(),
            phones: vec![Phone { kind: None, number: Some(number), raw: None }],
            emails: vec![],
            stage: stage.parse().unwrap(),
            archived: None,
            owner: None,
            application: None,
            posting: Some(posting.parse().unwrap()),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            confidential: false,
            anonymised: false,
            created_at: Timestamp::UNIX_EPOCH,
            advanced_at: Timestamp::UNIX_EPOCH,
            updated_at: None,
            as_of: Timestamp::UNIX_EPOCH,
            interviews_as_of: None,
        }
    }

    fn archived(row: Opportunity) -> Opportunity {
        Opportunity { archived: Some(Archived { reason: None, at: Timestamp::UNIX_EPOCH }), ..row }
    }

    #[test]
    fn each_part_of_an_audience_narrows_it() {
        let audience = |postings: &[&str], stages: &[&str], tags: &[&str]| Audience {
            postings: postings.iter().map(|id| id.parse().unwrap()).collect(),
            stages: stages.iter().map(|id| id.parse().unwrap()).collect(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        };
        let dana = row("pilot", "applicant-new", &["Night shift"]);
        assert!(audience(&["pilot", "cook"], &[], &[]).holds(&dana));
        assert!(audience(&["pilot"], &["applicant-new"], &["night SHIFT", "day"]).holds(&dana));
        assert!(!audience(&["cook"], &["applicant-new"], &[]).holds(&dana));
        assert!(!audience(&["pilot"], &[], &["day"]).holds(&dana));
        assert!(!audience(&["pilot"], &[], &[]).holds(&archived(dana)));
        assert!(audience(&[], &[], &[]).is_everybody());
    }

    #[test]
    fn a_large_one_wants_a_second_person() {
        let (ana, bo) = (Actor::from("ana@acme.example"), Actor::from("bo@acme.example"));
        let confirm = |seen| Step::Confirm { recipients: seen };
        assert_eq!(after(&BulkState::Draft, confirm(250), &ana, 250, 250), Ok(BulkState::Running));
        let first = after(&BulkState::Draft, confirm(251), &ana, 251, 250).unwrap();
        assert_eq!(first, BulkState::Confirmed { by: ana.clone() });
        assert_eq!(after(&first, Step::Approve, &ana, 251, 250), Err(StepRefusal::SamePerson));
        assert_eq!(after(&first, Step::Approve, &bo, 251, 250), Ok(BulkState::Running));
        assert_eq!(after(&first, confirm(251), &bo, 251, 250), Err(StepRefusal::NotNow("awaiting-approval")));
    }

    #[test]
    fn only_what_was_seen_is_confirmed() {
        let ana = Actor::from("ana@acme.example");
        let confirm =
            |seen, now| after(&BulkState::Draft, Step::Confirm { recipients: seen }, &ana, now, 250);
        assert_eq!(confirm(3, 4), Err(StepRefusal::Changed { now: 4 }));
        assert_eq!(confirm(0, 0), Err(StepRefusal::Nobody));
    }

    #[test]
    fn it_can_be_stopped_at_any_time_and_goes_on_only_from_a_pause() {
        let ana = Actor::from("ana@acme.example");
        let step = |state: &BulkState, step| after(state, step, &ana, 1, 250);
        for state in [BulkState::Draft, BulkState::Running, BulkState::Paused] {
            assert_eq!(step(&state, Step::Stop), Ok(BulkState::Stopped));
        }
        assert_eq!(step(&BulkState::Running, Step::Pause), Ok(BulkState::Paused));
        assert_eq!(step(&BulkState::Paused, Step::Resume), Ok(BulkState::Running));
        for state in [BulkState::Stopped, BulkState::Done] {
            for what in [Step::Approve, Step::Pause, Step::Resume, Step::Stop] {
                assert_eq!(step(&state, what), Err(StepRefusal::NotNow(state.word())));
            }
        }
    }

    #[test]
    fn whoever_cannot_be_texted_is_excluded_with_the_reason() {
        let dana = row("pilot", "applicant-new", &[]);
        let check = |row: Option<&Opportunity>, consents| number_of(row, consents, Sight::Open);
        assert!(check(Some(&dana), None).is_ok() && check(Some(&dana), Some(true)).is_ok());
        assert_eq!(check(Some(&dana), Some(false)), Err(Exclusion::NoConsent));
        assert_eq!(check(None, None), Err(Exclusion::Unknown));
        let hidden = Opportunity { confidential: true, ..dana.clone() };
        assert_eq!(check(Some(&hidden), None), Err(Exclusion::Unknown));
        assert_eq!(check(Some(&archived(dana.clone())), None), Err(Exclusion::Archived));
        let gone = Opportunity { anonymised: true, ..dana.clone() };
        assert_eq!(check(Some(&gone), None), Err(Exclusion::Anonymised));
        assert_eq!(check(Some(&Opportunity { phones: vec![], ..dana }), None), Err(Exclusion::NoNumber));
    }
}

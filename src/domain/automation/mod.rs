//! Automations: trigger + scope + filter + wait + message (behaviour.md 3).
//!
//! ```text
//! rows differ ─> Event ─> Trigger, scope, filter ─> Enrolment, due by its Wait ─> decide ─> text
//! ```
//!
//! All of it is decided by what is passed in. What an automation does to one candidate is its *enrolment*;
//! whatever is decided about one is a line of its run log.

mod checks;
mod enrolment;
mod event;
mod filter;
mod wait;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::template::Templates;

pub use checks::{Case, Hold, Verdict, When, decide};
pub use enrolment::{
    AutomationState, Card, CardState, Enrolment, EnrolmentId, EnrolmentState, Flood, HeldFor, RunLine, Surge,
    Switch,
};
pub use event::{Event, EventKind, difference_of_interview, differences};
pub use filter::{BadCondition, Condition, Trait, Traits};
pub use wait::{NotAWait, Wait};

/// What sets an automation off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A stage is entered.
    StageEntered,
    /// An opportunity is archived, and not since somebody was hired.
    Archived,
    /// Somebody is hired.
    Hired,
    /// Somebody applies.
    ApplicationCreated,
    /// An interview is made.
    InterviewCreated,
    /// It gets another time.
    InterviewMoved,
    /// It is called off.
    InterviewCancelled,
    /// So long before or after an interview.
    Interview,
    /// The candidate has not answered a text for so long.
    NoReply,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::StageEntered,
        Self::Archived,
        Self::Hired,
        Self::ApplicationCreated,
        Self::InterviewCreated,
        Self::InterviewMoved,
        Self::InterviewCancelled,
        Self::Interview,
        Self::NoReply,
    ];

    /// As it is written in the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::StageEntered => "stage-entered",
            Self::Archived => "archived",
            Self::Hired => "hired",
            Self::ApplicationCreated => "application-created",
            Self::InterviewCreated => "interview-created",
            Self::InterviewMoved => "interview-moved",
            Self::InterviewCancelled => "interview-cancelled",
            Self::Interview => "interview",
            Self::NoReply => "no-reply",
        }
    }

    /// Whether it is about one interview.
    pub const fn is_about_interview(self) -> bool {
        matches!(
            self,
            Self::InterviewCreated | Self::InterviewMoved | Self::InterviewCancelled | Self::Interview
        )
    }

    /// Whether it names stages or archive reasons in its scope.
    pub const fn has_scope(self) -> bool {
        matches!(self, Self::StageEntered | Self::Archived)
    }

    /// Whether it fires on those who are archived.
    pub const fn is_about_archived(self) -> bool {
        matches!(self, Self::Archived | Self::Hired)
    }

    /// Whether an event of this kind sets it off.
    pub fn fires_on(self, kind: &EventKind) -> bool {
        matches!(
            (self, kind),
            (Self::StageEntered, EventKind::StageEntered { .. })
                | (Self::Archived, EventKind::Archived(_))
                | (Self::Hired, EventKind::Hired)
                | (Self::ApplicationCreated, EventKind::ApplicationCreated)
                | (Self::InterviewCreated | Self::Interview, EventKind::InterviewCreated(_))
                | (Self::InterviewMoved | Self::Interview, EventKind::InterviewMoved(_))
                | (Self::InterviewCancelled, EventKind::InterviewCancelled(_))
                | (Self::NoReply, EventKind::Texted(_))
        )
    }

    /// Whether it can tell the value of a template's field: nobody signs an automatic text, and the
    /// interview is known where one set it off.
    pub fn supplies(self, field: &str) -> bool {
        match field.split('.').next() {
            Some("sender") => false,
            Some("interview") => self.is_about_interview(),
            _ => true,
        }
    }

    /// Whether a wait makes sense with it; else what would.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn takes(self, wait: Wait) -> Result<(), &'static str> {
        match (self, wait) {
            (Self::Interview, wait) if !wait.is_by_interview() => {
                Err("\"24h before interview\" or \"1h after interview\", since the trigger is an interview")
            }
            (Self::NoReply, Wait::None) => Err("how long there is no reply, such as \"2d\""),
            (Self::InterviewCancelled, wait) if wait.is_by_interview() => {
                Err("a wait that is not counted from the interview, which was called off")
            }
            (trigger, wait) if wait.is_by_interview() && !trigger.is_about_interview() => {
                Err("a wait that is not counted from an interview, or the trigger \"interview\"")
            }
            _ => Ok(()),
        }
    }
}

/// What calls a waiting text off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelIf {
    /// The candidate has texted since.
    Replied,
    /// An interview was made since.
    Booked,
    /// Somebody of the team has texted them in the last 4 hours.
    PersonTexted,
}

impl CancelIf {
    /// All of them, as they are written in the config.
    pub const WORDS: [(&'static str, Self); 3] =
        [("replied", Self::Replied), ("booked", Self::Booked), ("person-texted", Self::PersonTexted)];
}

/// An automation of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automation {
    /// Its name, which is its label at the texts that it sends.
    pub name: String,
    /// Whether it is paused unless somebody resumes it.
    pub paused: bool,
    /// What sets it off.
    pub trigger: Trigger,
    /// Which stages or archive reasons, by name or id in lower case; empty for all.
    pub scope: Vec<String>,
    /// Conditions, all of which must hold.
    pub filter: Vec<Condition>,
    /// How long it waits.
    pub wait: Wait,
    /// The same as it is written.
    pub wait_words: String,
    /// The id of its text in [`Automations::texts`].
    pub message: String,
    /// Whether it fires for each visit of a stage, each interview, each text; else once an opportunity.
    pub per_visit: bool,
    /// What is seen later than this after it happened does not set it off; what the carrier has not taken for
    /// so long is given up.
    pub max_age: SignedDuration,
    /// What calls it off.
    pub cancel_if: Vec<CancelIf>,
}

impl Automation {
    /// Whether an event was seen so late that it sets nothing off. What is timed by an interview happens when
    /// that is due, however long ago the interview was made.
    pub fn is_too_late_for(&self, event: &Event) -> bool {
        self.trigger != Trigger::Interview && event.seen_at.duration_since(event.at) > self.max_age
    }
}

/// All automations of an installation, and what holds for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Automations {
    /// In the order of the config.
    pub list: Vec<Automation>,
    /// Their texts.
    pub texts: Templates,
    /// How long a stage must last to count as entered; no text leaves earlier.
    pub settle: SignedDuration,
    /// When many at once wait for approval.
    pub flood: Flood,
}

impl Automations {
    /// One by its name.
    pub fn get(&self, name: &str) -> Option<&Automation> {
        self.list.iter().find(|automation| automation.name == name)
    }
}

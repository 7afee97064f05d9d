//! The eight webhooks that Lever is asked to send.
//!
//! Two spellings meet here: Lever's own in the envelope (`candidateStageChange`), and ours in
//! `lever-webhooks.toml`, metrics and logs (`candidate_stage_change`). Lever knows two more
//! events, for contacts, which fulcrum has no use for: they are no variants on purpose.

use serde::{Deserialize, Serialize};

/// One kind of webhook (lever-api.md 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HookEvent {
    /// An application was added to an opportunity.
    ApplicationCreated,
    /// An opportunity moved to another stage.
    CandidateStageChange,
    /// An opportunity was archived, unarchived, or its archive reason changed.
    CandidateArchiveChange,
    /// An opportunity was archived with a hired reason.
    CandidateHired,
    /// An opportunity was deleted.
    CandidateDeleted,
    /// An interview was scheduled.
    InterviewCreated,
    /// An interview changed.
    InterviewUpdated,
    /// An interview was deleted.
    InterviewDeleted,
}

impl HookEvent {
    /// All of them, in the order in which Lever's settings list them.
    pub const ALL: [Self; 8] = [
        Self::ApplicationCreated,
        Self::CandidateStageChange,
        Self::CandidateArchiveChange,
        Self::CandidateHired,
        Self::CandidateDeleted,
        Self::InterviewCreated,
        Self::InterviewUpdated,
        Self::InterviewDeleted,
    ];

    /// Our spelling: the key in `lever-webhooks.toml` and the label in metrics.
    #[must_use]
    pub const fn as_key(self) -> &'static str {
        match self {
            Self::ApplicationCreated => "application_created",
            Self::CandidateStageChange => "candidate_stage_change",
            Self::CandidateArchiveChange => "candidate_archive_change",
            Self::CandidateHired => "candidate_hired",
            Self::CandidateDeleted => "candidate_deleted",
            Self::InterviewCreated => "interview_created",
            Self::InterviewUpdated => "interview_updated",
            Self::InterviewDeleted => "interview_deleted",
        }
    }

    /// Lever's spelling: the envelope's `event`.
    #[must_use]
    pub const fn as_lever(self) -> &'static str {
        match self {
            Self::ApplicationCreated => "applicationCreated",
            Self::CandidateStageChange => "candidateStageChange",
            Self::CandidateArchiveChange => "candidateArchiveChange",
            Self::CandidateHired => "candidateHired",
            Self::CandidateDeleted => "candidateDeleted",
            Self::InterviewCreated => "interviewCreated",
            Self::InterviewUpdated => "interviewUpdated",
            Self::InterviewDeleted => "interviewDeleted",
        }
    }

    /// The event with this key of ours, if there is one.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_key() == key)
    }

    /// The event that Lever's envelope names, if it is one of the eight.
    #[must_use]
    pub fn from_lever(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_lever() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::HookEvent;

    #[test]
    fn both_spellings_lead_back_to_the_event() {
        for event in HookEvent::ALL {
            assert_eq!(HookEvent::from_key(event.as_key()), Some(event));
            assert_eq!(HookEvent::from_lever(event.as_lever()), Some(event));
        }
    }

    #[test]
    fn our_spelling_is_levers_in_snake_case() {
        for event in HookEvent::ALL {
            let snake: String = event
                .as_lever()
                .chars()
                .flat_map(|c| {
                    let underscore = c.is_uppercase().then_some('_');
                    underscore.into_iter().chain(c.to_lowercase())
                })
                .collect();
            assert_eq!(event.as_key(), snake);
        }
    }

    #[test]
    fn events_without_a_use_are_unknown() {
        assert_eq!(HookEvent::from_lever("contactCreated"), None);
        assert_eq!(HookEvent::from_lever("candidate_hired"), None);
    }
}

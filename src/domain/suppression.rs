//! Who must not be texted, and the one rule that says so at the moment of sending.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

/// How we learned that somebody wants no texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptOutSource {
    /// They texted so; the rule that understood it.
    Text(String),
    /// The carrier says so: its error or its own keyword handling.
    Carrier,
    /// A person recorded it, for example after a call.
    Person(String),
}

/// A number that has opted out. It is stored under a keyed hash of the number, so that it outlives
/// the deletion of the person (behaviour.md 2, "Effect").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Since when.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// How we know.
    pub source: OptOutSource,
}

impl Suppression {
    /// Whether the candidate's own START lifts it: only what came by text, or from the carrier
    /// that read the text, does.
    pub fn lifted_by_start(&self) -> bool {
        !matches!(self.source, OptOutSource::Person(_))
    }
}

/// Why a text is sent, as far as the guard cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A person or a script writes to the candidate.
    Conversation,
    /// The one confirmation of an opt-out.
    OptOutConfirmation,
    /// The answer to HELP.
    Help,
    /// The daemon writes by itself: an automation, a reminder.
    Automatic,
    /// One of many, which a person sent to an audience.
    Bulk,
    /// The answer to a candidate who just booked, moved or called off a meeting.
    Booking,
}

/// Why a text may not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The number has opted out.
    #[error("the number has opted out of texts")]
    OptedOut,
}

/// Whether a text may leave now. Asked when it is written and again, in the transaction before the
/// request, when it is sent: invariant 2 holds where the message leaves.
///
/// # Errors
/// The reason why it may not.
pub fn may_send(purpose: Purpose, suppression: Option<&Suppression>) -> Result<(), Refusal> {
    match (purpose, suppression) {
        (Purpose::OptOutConfirmation, _) | (_, None) => Ok(()),
        (_, Some(_)) => Err(Refusal::OptedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_stop_only_the_confirmation_leaves() {
        let stop = Suppression { at: Timestamp::UNIX_EPOCH, source: OptOutSource::Text("stop".into()) };
        let others =
            [Purpose::Conversation, Purpose::Help, Purpose::Automatic, Purpose::Bulk, Purpose::Booking];
        for purpose in others {
            assert_eq!(may_send(purpose, Some(&stop)), Err(Refusal::OptedOut));
        }
        assert_eq!(may_send(Purpose::OptOutConfirmation, Some(&stop)), Ok(()));
        assert_eq!(may_send(Purpose::Conversation, None), Ok(()));
    }

    #[test]
    fn start_does_not_lift_what_a_person_recorded() {
        let by = |source| Suppression { at: Timestamp::UNIX_EPOCH, source };
        assert!(by(OptOutSource::Text("stop".into())).lifted_by_start());
        assert!(by(OptOutSource::Carrier).lifted_by_start());
        assert!(!by(OptOutSource::Person("called us".into())).lifted_by_start());
    }
}

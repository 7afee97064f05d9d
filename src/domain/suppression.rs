//! Who must not be texted, and how we know.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_does_not_lift_what_a_person_recorded() {
        let by = |source| Suppression { at: Timestamp::UNIX_EPOCH, source };
        assert!(by(OptOutSource::Text("stop".into())).lifted_by_start());
        assert!(by(OptOutSource::Carrier).lifted_by_start());
        assert!(!by(OptOutSource::Person("called us".into())).lifted_by_start());
    }
}

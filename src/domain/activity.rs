//! What happened, to whom and why, as administrators and operators read it.
//!
//! A row has ids and words of ours alone: no names of candidates, no numbers, no messages, no
//! secrets. So whoever may see the activity sees nothing that they may not, and names are found
//! for those who may read them when it is shown.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::{Actor, ConversationId, OpportunityId};

/// What an event is about. Stored by number: new kinds go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ActivityKind {
    /// A webhook of Lever's was taken or refused.
    Webhook,
    /// A text came, was written, failed or was called off.
    Message,
    /// A number opted out or may be texted again, or its owner said whether it may be.
    OptOut,
    /// Somebody may have opted out, or a person said whether they have.
    PossibleOptOut,
    /// A transcript stands in Lever, or is held.
    Filing,
    /// Something to be done outside failed, was tried again or given up.
    Effect,
    /// Somebody signed in or out, or was refused.
    SignIn,
    /// Somebody changed how fulcrum works.
    Admin,
    /// The copy of the tenant was begun, was completed, or lost a person.
    Sync,
    /// Somebody assigned or archived a conversation, or said in which time zone a candidate is.
    Desk,
    /// An automation was paused, resumed, or held; what it did to one candidate is in its run log.
    Automation,
    /// An interview was arranged, moved or called off, here or in Lever, or waits for Lever.
    Interview,
    /// A meeting was booked, moved or called off, or somebody was asked to book one.
    Booking,
    /// The head of the audit log was signed; it stands there alone.
    Checkpoint,
    /// A bulk text was made, confirmed, approved, paused, stopped, or is done.
    Bulk,
    /// A person had a text leave in quiet hours.
    QuietHours,
}

impl ActivityKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Webhook,
        Self::Message,
        Self::OptOut,
        Self::PossibleOptOut,
        Self::Filing,
        Self::Effect,
        Self::SignIn,
        Self::Admin,
        Self::Sync,
        Self::Desk,
        Self::Automation,
        Self::Interview,
        Self::Booking,
        Self::Checkpoint,
        Self::Bulk,
        Self::QuietHours,
    ];

    /// Whether it is one of what must be proven later on: who came in, what was refused, what
    /// administrators did, who opted out, who texted many, or in quiet hours.
    pub const fn is_audited(self) -> bool {
        !matches!(
            self,
            Self::Webhook
                | Self::Message
                | Self::Filing
                | Self::Effect
                | Self::Sync
                | Self::Desk
                | Self::Interview
        )
    }

    /// The word in addresses and in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Message => "message",
            Self::OptOut => "opt-out",
            Self::PossibleOptOut => "possible-opt-out",
            Self::Filing => "filing",
            Self::Effect => "effect",
            Self::SignIn => "sign-in",
            Self::Admin => "admin",
            Self::Sync => "sync",
            Self::Desk => "desk",
            Self::Automation => "automation",
            Self::Interview => "interview",
            Self::Booking => "booking",
            Self::Checkpoint => "checkpoint",
            Self::Bulk => "bulk",
            Self::QuietHours => "quiet-hours",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What it is about.
    pub kind: ActivityKind,
    /// In which thread.
    pub conversation: Option<ConversationId>,
    /// About which opportunity.
    pub opportunity: Option<OpportunityId>,
    /// What happened and why, in words without data of people.
    pub detail: String,
}

impl Activity {
    /// Something that happened, about nobody yet.
    pub fn new(at: Timestamp, actor: Actor, kind: ActivityKind, detail: impl Into<String>) -> Self {
        Self { at, actor, kind, conversation: None, opportunity: None, detail: detail.into() }
    }

    /// In this thread.
    #[must_use]
    pub fn of(mut self, conversation: ConversationId) -> Self {
        self.conversation = Some(conversation);
        self
    }

    /// About this opportunity, if any.
    #[must_use]
    pub fn about(mut self, opportunity: Option<OpportunityId>) -> Self {
        self.opportunity = opportunity;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_word() {
        for kind in ActivityKind::ALL {
            assert_eq!(ActivityKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(ActivityKind::from_word(""), None);
    }
}

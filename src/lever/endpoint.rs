//! The requests to Lever by kind: their names in metrics, and the tick-boxes they need.
//!
//! Lever publishes no list of which tick-box covers which request; this follows the names, as
//! lever-api.md 1.4 does.

use std::fmt;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it; the tick-boxes are in `facts`")]
pub enum Endpoint {
    Users,
    Opportunities,
    Stages,
    Postings,
    Interviews,
    ArchiveReasons,
    User,
    Opportunity,
    Application,
    Note,
    Interview,
    Stage,
    Posting,
    ArchiveReason,
    CreateNote,
    CreateInterview,
    UpdateInterview,
    DeleteInterview,
    Notes,
    DeleteNote,
    Panels,
    Contact,
    DeletedOpportunities,
    CreatePanel,
}

impl Endpoint {
    /// The 18 that fulcrum asks for, in the order in which they are named.
    pub const REQUIRED: [Self; 18] = [
        Self::Users,
        Self::Opportunities,
        Self::Stages,
        Self::Postings,
        Self::Interviews,
        Self::ArchiveReasons,
        Self::User,
        Self::Opportunity,
        Self::Application,
        Self::Note,
        Self::Interview,
        Self::Stage,
        Self::Posting,
        Self::ArchiveReason,
        Self::CreateNote,
        Self::CreateInterview,
        Self::UpdateInterview,
        Self::DeleteInterview,
    ];

    /// Whether it is one of the 18 that fulcrum asks for. They come first.
    pub const fn is_required(self) -> bool {
        self as usize <= Self::DeleteInterview as usize
    }

    /// Whether it is one of the lists that every tenant has, be they empty.
    pub const fn is_list_of_tenant(self) -> bool {
        matches!(
            self,
            Self::Users | Self::Opportunities | Self::Stages | Self::Postings | Self::ArchiveReasons
        )
    }

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The tick-box of the API key, by the name that Lever's settings show.
    pub const fn tick_box(self) -> &'static str {
        self.facts().1
    }

    /// What does not work without it, for the operator.
    pub const fn without(self) -> &'static str {
        self.facts().2
    }

    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Users => ("users", "Find all users", "no names of recruiters; notes have no author"),
            Self::Opportunities => {
                ("opportunities", "Find all opportunities", "no sync: candidates are unknown until a webhook")
            }
            Self::Stages => ("stages", "Find all stages", "stages show as ids"),
            Self::Postings => ("postings", "Find all postings", "jobs show as ids"),
            Self::Interviews => {
                ("interviews", "Find all opportunity interviews", "interviews are known by webhook only")
            }
            Self::ArchiveReasons => {
                ("archive_reasons", "Find all archive reasons", "hired and rejected look the same")
            }
            Self::User => ("user", "Find a user", "a new recruiter is unknown until the daily list"),
            Self::Opportunity => ("opportunity", "Find an opportunity", "webhooks cannot be acted on"),
            Self::Application => (
                "application",
                "Find an opportunity application",
                "the job is unknown where the list does not expand it",
            ),
            Self::Note => {
                ("note", "Find an opportunity note", "a note whose filing is in doubt cannot be checked")
            }
            Self::Interview => {
                ("interview", "Find an opportunity interview", "interview webhooks cannot be acted on")
            }
            Self::Stage => ("stage", "Find a stage", "a new stage is unknown until the daily list"),
            Self::Posting => ("posting", "Find a posting", "a new job is unknown until the daily list"),
            Self::ArchiveReason => {
                ("archive_reason", "Find an archive reason", "a new reason is unknown until the daily list")
            }
            Self::CreateNote => ("create_note", "Create an opportunity note", "transcripts cannot be filed"),
            Self::CreateInterview => {
                ("create_interview", "Create an opportunity interview", "interviews cannot be booked")
            }
            Self::UpdateInterview => {
                ("update_interview", "Update an opportunity interview", "booked interviews cannot be moved")
            }
            Self::DeleteInterview => (
                "delete_interview",
                "Delete an opportunity interview",
                "booked interviews cannot be called off",
            ),
            Self::Notes => (
                "notes",
                "Find all opportunity notes",
                "a filing whose answer was lost cannot be looked up; transcript.on_unknown decides",
            ),
            Self::DeleteNote => (
                "delete_note",
                "Delete an opportunity note",
                "a note filed twice stays, and those of people who are erased",
            ),
            Self::Panels => {
                ("panels", "Find all opportunity panels", "panels that allow booking cannot be found")
            }
            Self::Contact => ("contact", "Find a contact", "nothing much: opportunities carry the contact"),
            Self::CreatePanel => (
                "create_panel",
                "Create an opportunity panel",
                "interviews can be booked only where the API has made a panel before",
            ),
            Self::DeletedOpportunities => (
                "deleted_opportunities",
                "Find all deleted opportunities",
                "deletions are known by webhook only",
            ),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighteen_permissions_are_asked_for() {
        assert_eq!(Endpoint::DeleteInterview as usize + 1, 18);
        let order: Vec<usize> = Endpoint::REQUIRED.iter().map(|endpoint| *endpoint as usize).collect();
        assert_eq!(order, (0..18).collect::<Vec<_>>());
        assert!(Endpoint::Users.is_required() && Endpoint::DeleteInterview.is_required());
        assert!(!Endpoint::Notes.is_required() && !Endpoint::DeletedOpportunities.is_required());
    }
}

//! What we know of the Lever tenant: a copy that may be thrown away and synced again.
//!
//! Only what the daemon uses is kept, since a tenant has up to a million opportunities. Each row
//! says *as of* when it is true: the moment at which the request that brought it was begun. A row
//! that was asked for later wins, in whatever order the answers arrive; see [`Opportunity::replaces`].

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::{ApplicationId, ArchiveReasonId, ContactId, InterviewId, Number, PostingId, StageId, UserId};

/// A member of the recruiting team (lever-api.md 5.10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their full name.
    pub name: String,
    /// Their e-mail: how people here are matched to people in Lever.
    pub email: String,
    /// Whether they may still act.
    pub active: bool,
}

/// A step of the pipeline (5.8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What Lever calls it.
    pub text: String,
    /// Its place in the pipeline, from 0.
    pub position: u32,
}

/// Why an opportunity was archived (5.11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveReason {
    /// What Lever calls it.
    pub text: String,
    /// Whether it means that the person was hired.
    pub hired: bool,
}

/// A job (5.9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The job's title.
    pub title: String,
    /// Lever's state of it: published, internal, closed, draft, pending, rejected.
    pub state: String,
    /// Where.
    pub location: Option<String>,
    /// Which team.
    pub team: Option<String>,
    /// Which department.
    pub department: Option<String>,
    /// Who owns it.
    pub owner: Option<UserId>,
    /// Whether it is confidential.
    pub confidential: bool,
}

/// A telephone number as Lever has it: free text, and what it means if it means anything.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// Lever's kind: mobile, home, work, skype, other, or nothing.
    pub kind: Option<String>,
    /// The number that can be texted.
    pub number: Option<Number>,
    /// What was typed; kept only when no number could be read from it, to show it to a person.
    pub raw: Option<String>,
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Phone")
            .field("kind", &self.kind)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// When and why an opportunity was archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The reason, where Lever gives one.
    pub reason: Option<ArchiveReasonId>,
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

/// One person's candidacy (5.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opportunity {
    /// The person.
    pub contact: ContactId,
    /// Their name; may be empty.
    pub name: String,
    /// How they can be called.
    pub phones: Vec<Phone>,
    /// Where they can be written to.
    pub emails: Vec<String>,
    /// The present stage; kept by Lever after archiving.
    pub stage: StageId,
    /// None while it is active.
    pub archived: Option<Archived>,
    /// The recruiter who owns it.
    pub owner: Option<UserId>,
    /// The application, of which there is at most one.
    pub application: Option<ApplicationId>,
    /// The job applied for.
    pub posting: Option<PostingId>,
    /// Tags; Lever puts the posting's title, team and location here too.
    pub tags: Vec<String>,
    /// Whether only some may see it.
    pub confidential: bool,
    /// Whether the person's data was removed in Lever.
    pub anonymised: bool,
    /// When the opportunity began.
    #[serde(with = "millisecond::required")]
    pub created_at: Timestamp,
    /// The last change of stage.
    #[serde(with = "millisecond::required")]
    pub advanced_at: Timestamp,
    /// The last change that Lever noted; mostly none (4.2).
    #[serde(with = "millisecond::optional")]
    pub updated_at: Option<Timestamp>,
    /// When the request that brought this row was begun.
    #[serde(with = "millisecond::required")]
    pub as_of: Timestamp,
    /// When its interviews were last listed.
    #[serde(with = "millisecond::optional")]
    pub interviews_as_of: Option<Timestamp>,
}

/// Whether what was asked for at `fetched` tells more than what was asked for at `stored`: unless
/// that was later. What lies ahead of `now` was stored before the clock was set back, and never wins.
pub fn is_newer(fetched: Timestamp, stored: Timestamp, now: Timestamp) -> bool {
    fetched >= stored || stored > now
}

impl std::fmt::Debug for Opportunity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opportunity")
            .field("stage", &self.stage)
            .field("archived", &self.archived)
            .field("as_of", &self.as_of)
            .finish_non_exhaustive()
    }
}

impl Opportunity {
    /// Whether this row, just fetched, takes the place of the one that is stored.
    pub fn replaces(&self, stored: &Self, now: Timestamp) -> bool {
        is_newer(self.as_of, stored.as_of, now)
    }

    /// Whether its interviews may have changed since they were listed. Lever does not list them,
    /// but it notes a change of the candidate with them (lever-api.md 4.2).
    pub fn wants_interviews(&self, now: Timestamp) -> bool {
        let outdated =
            |listed: Timestamp| listed > now || self.updated_at.is_some_and(|updated| updated > listed);
        self.is_active() && self.interviews_as_of.is_none_or(outdated)
    }

    /// Whether two rows say the same of the candidate, whenever they were fetched.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let bare = |row: &Self| Self {
            as_of: Timestamp::UNIX_EPOCH,
            interviews_as_of: None,
            updated_at: None,
            ..row.clone()
        };
        bare(self) == bare(other)
    }

    /// Whether it can still lead to a hire.
    pub fn is_active(&self) -> bool {
        self.archived.is_none()
    }

    /// The number to text: the first mobile, else the first of any kind that can be texted.
    pub fn number(&self) -> Option<Number> {
        let mobile = self.phones.iter().find(|p| p.number.is_some() && p.kind.as_deref() == Some("mobile"));
        mobile.and_then(|phone| phone.number).or_else(|| self.numbers().next())
    }

    /// All numbers that can be texted.
    pub fn numbers(&self) -> impl Iterator<Item = Number> + '_ {
        self.phones.iter().filter_map(|phone| phone.number)
    }
}

/// A meeting (5.5). It has no time of change at Lever: what differs is a change.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interview {
    /// Which one.
    pub id: InterviewId,
    /// What it is called.
    pub subject: Option<String>,
    /// Where.
    pub location: Option<String>,
    /// Its start.
    #[serde(with = "millisecond::required")]
    pub starts_at: Timestamp,
    /// Its length in minutes.
    pub minutes: u32,
    /// The panel's zone, an IANA name.
    pub timezone: Option<String>,
    /// Who interviews.
    pub interviewers: Vec<UserId>,
    /// Set when it was called off; such an interview stays readable.
    #[serde(with = "millisecond::optional")]
    pub cancelled_at: Option<Timestamp>,
    /// When the request that brought this row was begun.
    #[serde(with = "millisecond::required")]
    pub as_of: Timestamp,
}

impl std::fmt::Debug for Interview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interview")
            .field("id", &self.id)
            .field("starts_at", &self.starts_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(as_of: i64) -> Opportunity {
        let at = |s| Timestamp::from_second(s).unwrap();
        Opportunity {
            contact: "c".parse().unwrap(),
            name: "Ana Ruiz".into(),
            phones: vec![],
            emails: vec![],
            stage: "applicant-new".parse().unwrap(),
            archived: None,
            owner: None,
            application: None,
            posting: None,
            tags: vec![],
            confidential: false,
            anonymised: false,
            created_at: at(1),
            advanced_at: at(1),
            updated_at: None,
            as_of: at(as_of),
            interviews_as_of: None,
        }
    }

    #[test]
    fn a_page_asked_for_before_a_webhook_does_not_undo_it() {
        let hydrated = row(20);
        let page = row(10);
        let now = Timestamp::from_second(30).unwrap();
        assert!(!page.replaces(&hydrated, now));
        assert!(hydrated.replaces(&page, now));
        assert!(page.says_the_same(&hydrated));
    }

    #[test]
    fn a_row_from_before_the_clock_was_set_back_holds_nothing_up() {
        let now = Timestamp::from_second(20).unwrap();
        let ahead = Opportunity { interviews_as_of: Some(row(100).as_of), ..row(100) };
        assert!(row(20).replaces(&ahead, now));
        assert!(ahead.wants_interviews(now));
    }

    #[test]
    fn interviews_are_listed_again_once_lever_noted_a_change() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let wants = |listed, updated| {
            let row = Opportunity { interviews_as_of: listed, updated_at: updated, ..row(1) };
            row.wants_interviews(at(30))
        };
        assert!(wants(None, None));
        assert!(wants(Some(at(10)), Some(at(11))));
        assert!(!wants(Some(at(10)), Some(at(10))) && !wants(Some(at(10)), None));
    }

    #[test]
    fn a_mobile_is_texted_before_another_number() {
        let phone = |kind: &str, number: &str| Phone {
            kind: Some(kind.into()),
            number: Some(Number::from_e164(number).unwrap()),
            raw: None,
        };
        let mut opportunity = row(1);
        opportunity.phones = vec![phone("home", "+12025550101"), phone("mobile", "+12025550102")];
        assert_eq!(opportunity.number(), Some(Number::from_e164("+12025550102").unwrap()));
    }
}

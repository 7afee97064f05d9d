//! The tenant's own furniture: users, stages, postings, archive reasons (lever-api.md 5.8 to 5.11).

use fulcrum_domain::{ArchiveReasonId, PostingId, StageId, UserId};
use jiff::Timestamp;

use super::{Fields, Read, debug_by_id};

/// A member of the recruiting team.
#[derive(Clone, PartialEq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// As shown, or empty.
    pub name: String,
    /// As in the account, or empty.
    pub email: String,
    /// What they may do: `super admin`, …, or the id of a role that the tenant made.
    pub access_role: String,
    /// Since when they are there.
    pub created_at: Option<Timestamp>,
    /// Since when they are not; Lever no longer answers for them one by one.
    pub deactivated_at: Option<Timestamp>,
}

impl Read for User {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            name: fields.text("name"),
            email: fields.text("email"),
            access_role: fields.text("accessRole"),
            created_at: fields.time("createdAt"),
            deactivated_at: fields.time("deactivatedAt"),
        })
    }
}

/// A step of the pipeline. The listing gives them in its order.
#[derive(Clone, PartialEq)]
pub struct Stage {
    /// Its id.
    pub id: StageId,
    /// As shown.
    pub text: String,
}

impl Read for Stage {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { id: fields.id("id")?, text: fields.text("text") })
    }
}

/// A job.
#[derive(Clone, PartialEq)]
pub struct Posting {
    /// Its id.
    pub id: PostingId,
    /// Its title.
    pub text: String,
    /// `published`, `internal`, `closed`, `draft`, `pending` or `rejected`.
    pub state: String,
    /// Whether only those with the grant may see it.
    pub confidential: bool,
    /// Whose posting it is.
    pub owner: Option<UserId>,
    /// Who hires.
    pub hiring_manager: Option<UserId>,
    /// The team of its categories.
    pub team: Option<String>,
    /// The department of its categories.
    pub department: Option<String>,
    /// The place of its categories.
    pub location: Option<String>,
    /// The public page, where there is one.
    pub url: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl Read for Posting {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let categories: Categories = fields.object("categories").unwrap_or_default();
        Some(Self {
            id: fields.id("id")?,
            text: fields.text("text"),
            state: fields.text("state"),
            confidential: fields.text("confidentiality") == "confidential",
            owner: fields.id("owner"),
            hiring_manager: fields.id("hiringManager"),
            team: categories.team,
            department: categories.department,
            location: categories.location,
            url: fields.object::<Urls>("urls").and_then(|urls| urls.show),
            created_at: fields.time("createdAt"),
            updated_at: fields.time("updatedAt"),
        })
    }
}

#[derive(Default)]
struct Categories {
    team: Option<String>,
    department: Option<String>,
    location: Option<String>,
}

impl Read for Categories {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            team: fields.take("team"),
            department: fields.take("department"),
            location: fields.take("location"),
        })
    }
}

/// The pages of a resource.
pub(super) struct Urls {
    pub(super) show: Option<String>,
}

impl Read for Urls {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { show: fields.take("show") })
    }
}

/// Why an opportunity was archived.
#[derive(Clone, PartialEq)]
pub struct ArchiveReason {
    /// Its id.
    pub id: ArchiveReasonId,
    /// As shown.
    pub text: String,
    /// Whether whoever is archived for it was hired: Lever has no other mark of that.
    pub hired: bool,
    /// Whether it can still be chosen.
    pub active: bool,
}

impl Read for ArchiveReason {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            text: fields.text("text"),
            hired: fields.text("type") == "hired",
            active: fields.text("status") != "inactive",
        })
    }
}

debug_by_id!(User, Stage, Posting, ArchiveReason);

#[cfg(test)]
mod tests {
    use super::super::single;
    use super::*;

    #[test]
    fn a_posting_without_pages_and_categories_is_read() {
        let body = r#"{"data":{"id":"75ff237f-0000-4000-8000-000000000001","text":"Nurse","state":"draft",
            "categories":{"team":"Care","location":null},"urls":null,"confidentiality":"confidential"}}"#;
        let (posting, wrong) = single::<Posting>(body).unwrap();
        assert_eq!(
            (posting.team.as_deref(), posting.location, posting.url, wrong),
            (Some("Care"), None, None, 0)
        );
        assert!(posting.confidential);
    }

    #[test]
    fn only_the_type_says_hired() {
        let hired = |body| single::<ArchiveReason>(body).unwrap().0.hired;
        assert!(hired(r#"{"data":{"id":"x","text":"Any","type":"hired","status":"active"}}"#));
        assert!(!hired(r#"{"data":{"id":"x","text":"Hired","type":"non-hired"}}"#));
        assert!(!hired(r#"{"data":{"id":"x","text":"Hired","type":null}}"#));
    }
}

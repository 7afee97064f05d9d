//! The candidate: opportunity, contact, application (lever-api.md 5.1 to 5.3).
//!
//! Never to be read from the answer to a write: those blank the personal fields (5.1).

use fulcrum_domain::{ApplicationId, ArchiveReasonId, ContactId, OpportunityId, PostingId, StageId, UserId};
use jiff::Timestamp;
use serde_json::Value;

use super::reference::Urls;
use super::{Fields, IdOr, Read, debug_by_id};

/// One person's candidacy.
#[derive(Clone, PartialEq)]
pub struct Opportunity {
    /// Its id.
    pub id: OpportunityId,
    /// Of the person; may be empty.
    pub name: String,
    /// The person.
    pub contact: Option<IdOr<ContactId, Contact>>,
    /// Where they work, or empty.
    pub headline: String,
    /// Where they live, or empty.
    pub location: String,
    /// Where they stand in the pipeline; kept when archived.
    pub stage: Option<StageId>,
    /// Whether only those with the grant may see it.
    pub confidential: bool,
    /// As typed, not E.164.
    pub phones: Vec<Phone>,
    /// In no order that means something.
    pub emails: Vec<String>,
    /// Set when it is archived, so absent when it is active.
    pub archived: Option<Archived>,
    /// Free words, and some that Lever adds by itself.
    pub tags: Vec<String>,
    /// Where they came from.
    pub sources: Vec<String>,
    /// `agency`, `applied`, `internal`, `referred`, `sourced`, `university`.
    pub origin: String,
    /// Oldest first.
    pub stage_changes: Vec<StageChange>,
    /// Who looks after it.
    pub owner: Option<UserId>,
    /// None or one; whole when asked to expand.
    pub applications: Vec<IdOr<ApplicationId, Application>>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// Absent on most records (lever-api.md 4.2).
    pub updated_at: Option<Timestamp>,
    /// When somebody last did something with it.
    pub last_interaction_at: Option<Timestamp>,
    /// When the stage last changed.
    pub last_advanced_at: Option<Timestamp>,
    /// Until when it is put aside.
    pub snoozed_until: Option<Timestamp>,
    /// Its page in Lever.
    pub url: Option<String>,
    /// Whether the personal data was removed on request.
    pub anonymized: bool,
    /// In the list of deleted ones only.
    pub deleted_at: Option<Timestamp>,
}

impl Read for Opportunity {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            name: fields.text("name"),
            contact: fields.id_or("contact"),
            headline: fields.text("headline"),
            location: fields.text("location"),
            stage: fields.id("stage"),
            confidential: fields.text("confidentiality") == "confidential",
            phones: fields.objects("phones"),
            emails: fields.texts("emails"),
            archived: fields.object("archived"),
            tags: fields.texts("tags"),
            sources: fields.texts("sources"),
            origin: fields.text("origin"),
            stage_changes: fields.objects("stageChanges"),
            owner: fields.id("owner"),
            applications: fields.ids_or("applications"),
            created_at: fields.time("createdAt"),
            updated_at: fields.time("updatedAt"),
            last_interaction_at: fields.time("lastInteractionAt"),
            last_advanced_at: fields.time("lastAdvancedAt"),
            snoozed_until: fields.time("snoozedUntil"),
            url: fields.object::<Urls>("urls").and_then(|urls| urls.show),
            anonymized: fields.take("isAnonymized").unwrap_or(false),
            deleted_at: fields.time("deletedAt"),
        })
    }
}

/// A person, who may have several opportunities.
#[derive(Clone, PartialEq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// May be empty.
    pub name: String,
    /// As typed, not E.164.
    pub phones: Vec<Phone>,
    /// In no order that means something.
    pub emails: Vec<String>,
    /// Whether the personal data was removed on request.
    pub anonymized: bool,
}

impl Read for Contact {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            name: fields.text("name"),
            phones: fields.objects("phones"),
            emails: fields.texts("emails"),
            anonymized: fields.take("isAnonymized").unwrap_or(false),
        })
    }
}

/// A telephone number as somebody typed it.
#[derive(Clone, PartialEq)]
pub struct Phone {
    /// `mobile`, `home`, `work`, `skype`, `other`, or whatever; may be missing.
    pub kind: Option<String>,
    /// Free text.
    pub value: String,
}

impl Read for Phone {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { kind: fields.take("type"), value: fields.take("value")? })
    }
}

/// That and why something was archived.
#[derive(Clone, Debug, PartialEq)]
pub struct Archived {
    /// May be missing or unknown.
    pub reason: Option<ArchiveReasonId>,
    /// When.
    pub at: Option<Timestamp>,
}

impl Read for Archived {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { reason: fields.id("reason"), at: fields.time("archivedAt") })
    }
}

/// A move in the pipeline, or the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct StageChange {
    /// Where to; may name a stage that is gone.
    pub to: StageId,
    /// When.
    pub at: Option<Timestamp>,
    /// By whom, if by a person.
    pub user: Option<UserId>,
}

impl Read for StageChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { to: fields.id("toStageId")?, at: fields.time("updatedAt"), user: fields.id("userId") })
    }
}

/// What the person sent to apply, or what a user or a referral entered.
#[derive(Clone, PartialEq)]
pub struct Application {
    /// Its id.
    pub id: ApplicationId,
    /// What it belongs to.
    pub opportunity: Option<OpportunityId>,
    /// The job.
    pub posting: Option<PostingId>,
    /// Whose posting it was.
    pub posting_owner: Option<UserId>,
    /// Who hires.
    pub hiring_manager: Option<UserId>,
    /// `posting`, `referral` or `user`.
    pub kind: String,
    /// What was asked on the form beside Lever's own fields, and answered.
    pub answers: Vec<Answered>,
    /// The number on the form, if any.
    pub phone: Option<Phone>,
    /// When.
    pub created_at: Option<Timestamp>,
    /// Set when it is archived.
    pub archived: Option<Archived>,
}

impl Read for Application {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            opportunity: fields.id("opportunityId").or_else(|| fields.id("candidateId")),
            posting: fields.id("posting"),
            posting_owner: fields.id("postingOwner"),
            hiring_manager: fields.id("postingHiringManager"),
            kind: fields.text("type"),
            answers: fields.objects::<Form>("customQuestions").into_iter().flat_map(|form| form.0).collect(),
            phone: fields.object("phone"),
            created_at: fields.time("createdAt"),
            archived: fields.object("archived"),
        })
    }
}

/// A form of custom questions.
struct Form(Vec<Answered>);

impl Read for Form {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self(fields.objects("fields")))
    }
}

/// A custom question with its answers.
#[derive(Clone, PartialEq)]
pub struct Answered {
    /// Its id; not every one has one.
    pub id: String,
    /// The question.
    pub text: String,
    /// The answer, or those that were chosen; none where the answer is no text.
    pub values: Vec<String>,
}

impl Read for Answered {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let values = match fields.take("value") {
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
            None => Vec::new(),
        };
        let text = |value| match value {
            Value::String(text) => Some(text),
            Value::Bool(is_so) => Some(is_so.to_string()),
            _ => None,
        };
        let values = values.into_iter().filter_map(text).collect();
        Some(Self { id: fields.text("id"), text: fields.text("text"), values })
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered")
    }
}

debug_by_id!(Opportunity, Contact, Application);

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{page, single};
    use super::*;

    /// The sample of lever-api.md 5.1, with its application and contact expanded.
    const SAMPLE: &str = r#"{"data":{"id":"4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f","name":"Ana Ruiz",
        "contact":{"id":"9d2b6c10-2222-4d2f-8e4b-1b2c3d4e5f60","name":"Ana Ruiz","headline":"Acme","isAnonymized":false,
          "location":{"name":"Austin"},"emails":["ana@example.com"],"phones":[{"type":"mobile","value":"(512) 555-0100"}]},
        "headline":"Acme","stage":"applicant-new","confidentiality":"non-confidential","location":"Austin",
        "phones":[{"type":"mobile","value":"(512) 555-0100"},{"value":"+44 20 7946 0000"},{"type":"home"}],
        "emails":["ana@example.com",5],"links":[],"archived":null,"tags":["Engineering"],"sources":["Posting"],
        "stageChanges":[{"toStageId":"applicant-new","toStageIndex":0,"updatedAt":1782972986091}],
        "origin":"applied","sourcedBy":null,"owner":"11111111-3333-4a4a-8b8b-222222222222",
        "applications":[{"id":"7278da68-4444-4203-b209-8ca6c0fa1f2d","type":"posting",
          "candidateId":"4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f","posting":"75ff237f-0000-4000-8000-000000000001",
          "phone":null,"customQuestions":[],"createdAt":1782972986091,"archived":null}],
        "createdAt":1782972986091,"updatedAt":null,"lastInteractionAt":1782972986091,"lastAdvancedAt":1782972986091,
        "snoozedUntil":null,"urls":{"list":"https://hire.lever.co/candidates","show":"https://hire.lever.co/candidates/4f0c"},
        "isAnonymized":false,"dataProtection":null,"opportunityLocation":"Austin"}}"#;

    #[test]
    fn the_sample_is_read_whole() {
        let (opportunity, wrong) = single::<Opportunity>(SAMPLE).unwrap();
        // One phone without a number, one e-mail that is none.
        assert_eq!(wrong, 2);
        assert_eq!(opportunity.phones.len(), 2);
        assert_eq!(opportunity.phones[1].kind, None);
        assert_eq!(opportunity.emails, ["ana@example.com"]);
        assert_eq!(opportunity.stage_changes.len(), 1);
        assert!(opportunity.archived.is_none() && opportunity.updated_at.is_none());
        let application = opportunity.applications[0].expanded.as_deref().unwrap();
        assert_eq!(application.opportunity.as_ref(), Some(&opportunity.id));
        assert!(application.posting.is_some());
        assert_eq!(opportunity.contact.unwrap().expanded.unwrap().name, "Ana Ruiz");
    }

    #[test]
    fn custom_questions_are_read_with_whatever_answers_they_have() {
        let body = r#"{"data":{"id":"a1","customQuestions":[{"id":"f1","text":"Form","fields":[
            {"id":"q1","type":"multiple-choice","text":"May we text you?","value":"Yes"},
            {"type":"multiple-select","text":"Shifts","value":["Early","Late",7]},
            {"type":"file-upload","text":"Letter","value":{"name":"x"}},{"text":"Left open","value":null}]}]}}"#;
        let (application, wrong) = single::<Application>(body).unwrap();
        let read: Vec<_> =
            application.answers.iter().map(|a| (a.text.as_str(), a.values.join("|"))).collect();
        let expected =
            [("May we text you?", "Yes"), ("Shifts", "Early|Late"), ("Letter", ""), ("Left open", "")];
        assert_eq!((read, wrong), (expected.map(|(text, value)| (text, value.to_owned())).to_vec(), 0));
        assert_eq!(application.answers[0].id, "q1");
    }

    #[test]
    fn a_bare_record_is_an_active_one() {
        let body = r#"{"data":[{"id":"4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f","contact":"c1","applications":["a1"]}]}"#;
        let page = page::<Opportunity>(body).unwrap();
        let opportunity = &page.items[0];
        assert!(opportunity.archived.is_none());
        assert!(opportunity.contact.as_ref().unwrap().expanded.is_none());
        assert_eq!(opportunity.applications[0].id.to_string(), "a1");
    }

    #[test]
    fn archived_without_a_reason_is_still_archived() {
        let body = r#"{"data":{"id":"x","archived":{"reason":null,"archivedAt":1782972986091}}}"#;
        let archived = single::<Opportunity>(body).unwrap().0.archived.unwrap();
        assert!(archived.reason.is_none() && archived.at.is_some());
    }

    #[test]
    fn debug_tells_no_names_and_numbers() {
        let shown = format!("{:?}", single::<Opportunity>(SAMPLE).unwrap().0);
        assert_eq!(shown, "Opportunity(OpportunityId(4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f))");
    }
}

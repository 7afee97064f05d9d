//! From the tenant's rows to Lever's objects, with what `expand` inlines (lever-api.md 4.1, 5.1 to 5.3).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::generator::{Facts, ORIGINS};
use super::ids::Kind;
use super::people::Person;
use super::query::Query;
use super::tenant::Tenant;
use super::wire::{Application, Archived, Contact, Named, Opportunity, Phone, Ref, StageChange, User};

/// Fields of any resource that name a user, a stage or a posting, and that `expand` may inline.
const IN_TABLES: [&str; 10] = [
    "stage",
    "owner",
    "followers",
    "sourcedBy",
    "user",
    "hiringManager",
    "posting",
    "postings",
    "postingOwner",
    "postingHiringManager",
];

/// What an answer shall inline or leave out. Unknown names are ignored.
///
/// Contacts and applications are inlined where they are rendered, because a sync asks for them on every page;
/// what stands in a table of reference is put in afterwards, the same way for every resource.
#[derive(Debug, Default)]
pub(super) struct Shape {
    expand: Vec<String>,
    include: Vec<String>,
}

impl Shape {
    pub(super) fn parse(query: &Query) -> Self {
        let all = |name| query.all(name).map(str::to_owned).collect();
        Self { expand: all("expand"), include: all("include") }
    }

    /// Whether anything is to be inlined.
    pub(super) fn expands_any(&self) -> bool {
        !self.expand.is_empty()
    }

    fn expands(&self, field: &str) -> bool {
        self.expand.iter().any(|name| name == field)
    }

    /// Whether items can be written as they were rendered.
    pub(super) fn is_plain(&self) -> bool {
        self.include.is_empty() && !IN_TABLES.iter().any(|field| self.expands(field))
    }

    /// The item in this shape. `include` is subtractive: it leaves only what it names, what is expanded, and
    /// the id.
    pub(super) fn apply(&self, tenant: &Tenant, item: impl Serialize) -> Value {
        let mut value = json!(item);
        if let Some(object) = value.as_object_mut() {
            if !self.include.is_empty() {
                object
                    .retain(|key, _| key == "id" || self.include.contains(key) || self.expand.contains(key));
            }
            for field in IN_TABLES.iter().filter(|field| self.expands(field)) {
                match object.get_mut(*field) {
                    Some(Value::Array(ids)) => ids.iter_mut().for_each(|id| inline(tenant, id)),
                    Some(id) => inline(tenant, id),
                    None => {}
                }
            }
        }
        value
    }
}

/// Puts the user, stage or posting that `id` names in its place; null and unknown ids stay.
fn inline(tenant: &Tenant, id: &mut Value) {
    let reference = &tenant.reference;
    let Some(text) = id.as_str() else { return };
    if let Some(user) = reference.users.iter().find(|user| user.id == text) {
        *id = json!(user);
    } else if let Some(stage) = reference.stage_index(text) {
        *id = json!(reference.stages[usize::from(stage)].stage);
    } else if let Some(posting) = reference.posting_index(text) {
        *id = reference.postings[usize::from(posting)].wire.clone();
    }
}

impl Tenant {
    /// The opportunity as Lever shows it.
    pub(super) fn opportunity(&self, index: u32, shape: &Shape) -> Opportunity {
        let (row, facts) = (self.row(index), self.facts(index));
        let id = self.opportunity_id(index);
        let person = self.person(facts.contact);
        let owner = &self.reference.users[usize::from(facts.owner)];
        let stage = &self.reference.stages[usize::from(row.stage)].stage;
        let application = self.application(index, &facts, &person);
        let updated = (row.updated > 0).then_some(row.updated);
        let interacted = self.extra(index).map_or(0, |extra| extra.interacted);
        Opportunity {
            contact: if shape.expands("contact") {
                Ref::Object(Box::new(self.contact(facts.contact)))
            } else {
                Ref::Id(self.ids.id(Kind::Contact, facts.contact))
            },
            name: person.name,
            headline: person.headline,
            stage: stage.id.clone(),
            confidentiality: if row.confidential { "confidential" } else { "non-confidential" },
            location: person.location,
            phones: person.phones,
            emails: person.emails,
            links: person.links,
            archived: self.archived(index),
            tags: self.tags(&facts),
            sources: vec![source(&facts).to_owned()],
            stage_changes: self.stage_changes(index),
            origin: ORIGINS[usize::from(facts.origin)],
            sourced_by: (facts.origin == 1).then(|| owner.id.clone()),
            owner: (!self.is_unowned(index)).then(|| owner.id.clone()),
            followers: vec![owner.id.clone()],
            opportunity_location: facts.posting.map(|posting| self.posting(posting).location.to_owned()),
            applications: application
                .map(|application| {
                    if shape.expands("applications") {
                        Ref::Object(Box::new(application))
                    } else {
                        Ref::Id(application.id)
                    }
                })
                .into_iter()
                .collect(),
            created_at: facts.created,
            updated_at: updated,
            last_interaction_at: interacted.max(row.advanced).max(row.archived_at),
            last_advanced_at: row.advanced,
            snoozed_until: None,
            urls: BTreeMap::from([
                ("list", "https://hire.lever.co/candidates".to_owned()),
                ("show", format!("https://hire.lever.co/candidates/{id}")),
            ]),
            id,
            is_anonymized: person.anonymized,
            data_protection: None,
            deleted_at: None,
            deleted_by: None,
        }
    }

    pub(super) fn opportunity_id(&self, index: u32) -> String {
        self.ids.id(Kind::Opportunity, index)
    }

    /// The application, of which there is at most one; `person` is the contact's present state.
    pub(super) fn application(&self, index: u32, facts: &Facts, person: &Person) -> Option<Application> {
        let posting = self.posting(facts.posting?);
        let applied = facts.origin == 0 && !person.anonymized;
        Some(Application {
            id: self.ids.id(Kind::Application, index),
            kind: match facts.origin {
                0 => "posting",
                2 => "referral",
                _ => "user",
            },
            candidate_id: self.opportunity_id(index),
            opportunity_id: self.opportunity_id(index),
            posting: posting.id.clone(),
            posting_hiring_manager: posting.hiring_manager.clone(),
            posting_owner: Some(posting.owner.clone()),
            user: (facts.origin != 0).then(|| self.reference.users[usize::from(facts.owner)].id.clone()),
            name: applied.then(|| person.name.clone()),
            company: None,
            email: person.emails.first().filter(|_| applied).cloned(),
            comments: None,
            phone: person.phones.first().filter(|_| applied).cloned(),
            links: Vec::new(),
            custom_questions: if applied {
                vec![self.consent_form(index, facts.created)]
            } else {
                Vec::new()
            },
            created_at: facts.created,
            archived: self.archived(index),
            requisition_for_hire: None,
            ip_address: None,
            referer: None,
            user_agent: None,
            accept_language: None,
            timezone: None,
        })
    }

    /// What the posting asks beside Lever's own fields: most who apply agree to texts, some do not, and
    /// some leave it open.
    fn consent_form(&self, index: u32, created: i64) -> Value {
        let answer = match index % 6 {
            0..=3 => Some("Yes"),
            4 => Some("No"),
            _ => None,
        };
        json!({
            "id": self.ids.id(Kind::Form, index),
            "type": "posting",
            "text": "Before you send it",
            "user": null,
            "fields": [{
                "id": self.ids.id(Kind::Question, 0),
                "type": "multiple-choice",
                "text": "May we text you about your application?",
                "description": "",
                "required": false,
                "options": [{"text": "Yes"}, {"text": "No"}],
                "value": answer,
            }],
            "createdAt": created,
        })
    }

    /// The contact as `GET /contacts/:id` shows it.
    pub(super) fn contact(&self, contact: u32) -> Contact {
        let person = self.person(contact);
        Contact {
            id: self.ids.id(Kind::Contact, contact),
            name: person.name,
            headline: person.headline,
            is_anonymized: person.anonymized,
            location: Named { name: person.location },
            emails: person.emails,
            phones: person.phones,
            data_protection: json!({"interviewIntelligence": {"allowed": true, "expiresAt": null}}),
        }
    }

    pub(super) fn archived(&self, index: u32) -> Option<Archived> {
        let row = self.row(index);
        (!row.active()).then(|| Archived {
            reason: self.reference.reasons.get(usize::from(row.reason)).map(|reason| reason.id.clone()),
            archived_at: row.archived_at,
        })
    }

    /// Lever adds the posting's title, team and location by itself.
    pub(super) fn tags(&self, facts: &Facts) -> Vec<String> {
        let posting = facts.posting.map(|posting| self.posting(posting));
        posting.map_or_else(Vec::new, |posting| {
            vec![posting.title.clone(), posting.team.into(), posting.location.into()]
        })
    }

    pub(super) fn posting(&self, posting: u16) -> &super::reference::Posting {
        &self.reference.postings[usize::from(posting)]
    }

    pub(super) fn owner(&self, facts: &Facts) -> &User {
        &self.reference.users[usize::from(facts.owner)]
    }

    fn stage_changes(&self, index: u32) -> Vec<StageChange> {
        let (facts, born) = self.born(index);
        let change = |stage: u8, at: i64, by: Option<String>| StageChange {
            to_stage_id: self.reference.stages[usize::from(stage)].stage.id.clone(),
            to_stage_index: stage,
            updated_at: at,
            user_id: by,
        };
        let owner = self.owner(&facts).id.clone();
        let mut changes = vec![change(facts.first_stage, facts.created, None)];
        // A stage that nobody has any more, since it was removed from the pipeline.
        if self.is_generated(index) && index % 37 == 5 {
            changes[0].to_stage_id = "a-stage-that-was-removed".to_owned();
        }
        if born.stage != facts.first_stage {
            changes.push(change(born.stage, born.advanced, Some(owner)));
        }
        let moves = self.extra(index).map(|extra| extra.moves.as_slice()).unwrap_or_default();
        changes.extend(moves.iter().cloned().map(|(stage, at, by)| change(stage, at, by)));
        changes
    }
}

/// Where somebody came from.
pub(super) fn source(facts: &Facts) -> &'static str {
    ["Posting", "LinkedIn", "Referral", "Agency", "Internal", "Career fair"][usize::from(facts.origin)]
}

impl Opportunity {
    /// What replies to stage and archive writes carry: the new state without the contact's fields
    /// (lever-api.md 5.1).
    pub(super) fn blanked(mut self) -> Self {
        self.name = String::new();
        self.headline = String::new();
        self.location = String::new();
        self.phones = Vec::<Phone>::new();
        self.emails = Vec::new();
        self.links = Vec::new();
        self.opportunity_location = None;
        self
    }
}

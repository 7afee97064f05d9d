//! What is really in the tenant, for tests that compare the daemon's copy with it.
//!
//! Read behind the API's back: no token, no permission, no page. One opportunity at a time, so a million
//! stream.

use serde::{Deserialize, Serialize};

use super::Lever;
use super::events::Happened;
use super::ids::Kind;
use super::tenant::Tenant;

/// One opportunity as it is at this moment. Deleted ones are not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields of lever-api.md 5.1 under their own names")]
pub struct Truth {
    pub id: String,
    pub contact: String,
    pub name: String,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub stage: String,
    pub archived_at: Option<i64>,
    pub archive_reason: Option<String>,
    pub owner: Option<String>,
    pub posting: Option<String>,
    pub application: Option<String>,
    pub confidential: bool,
    pub anonymized: bool,
    pub created_at: i64,
    pub updated_at: Option<i64>,
    pub last_advanced_at: i64,
    pub interviews: Vec<TruthInterview>,
    pub notes: Vec<TruthNote>,
}

/// One note as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthNote {
    /// The note's id.
    pub id: String,
    /// Its author, if it has one.
    pub user: Option<String>,
    /// The note's text, and that of each comment on it.
    pub values: Vec<String>,
    /// When it says it was made.
    pub created_at: i64,
}

/// One interview as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields of lever-api.md 5.5 under their own names")]
pub struct TruthInterview {
    pub id: String,
    pub panel: String,
    pub date: i64,
    pub duration: i64,
    pub canceled_at: Option<i64>,
    pub externally_managed: bool,
}

impl Lever {
    /// Every opportunity, confidential ones too, oldest first.
    pub(crate) fn truth(&self) -> impl Iterator<Item = Truth> + Send + use<> {
        let lever = self.clone();
        let mut index = 0;
        std::iter::from_fn(move || {
            let tenant = lever.tenant();
            while index < tenant.len() {
                index += 1;
                if !tenant.row(index - 1).deleted {
                    return Some(tenant.truth(index - 1));
                }
            }
            None
        })
    }

    /// One opportunity, unless it does not exist or was deleted.
    pub(crate) fn truth_of(&self, id: &str) -> Option<Truth> {
        let tenant = self.tenant();
        tenant.find(id).map(|index| tenant.truth(index))
    }

    /// A random active opportunity, if wanted one whose contact has a phone that looks like a North American
    /// number.
    pub(crate) fn random_opportunity(&self, with_phone: bool) -> Option<Happened> {
        let mut tenant = self.tenant();
        let index = tenant
            .random_active(|tenant, index| !with_phone || tenant.happened(index, None).number.is_some())?;
        Some(tenant.happened(index, None))
    }
}

impl Tenant {
    fn truth(&self, index: u32) -> Truth {
        let (row, facts) = (self.row(index), self.facts(index));
        let person = self.person(facts.contact);
        let archived = self.archived(index);
        let schedule = self.schedule(index);
        let external = |panel: &str| schedule.panel(panel).is_ok_and(|panel| panel.externally_managed);
        let interviews = schedule.interviews.iter().map(|interview| TruthInterview {
            id: interview.id.clone(),
            panel: interview.panel.clone(),
            date: interview.date,
            duration: interview.duration,
            canceled_at: interview.canceled_at,
            externally_managed: external(&interview.panel),
        });
        let notes = self.notes(index).iter().map(|note| TruthNote {
            id: note.id.clone(),
            user: note.user.clone(),
            values: note.fields.iter().map(|field| field.value.clone()).collect(),
            created_at: note.created_at,
        });
        Truth {
            id: self.opportunity_id(index),
            contact: self.ids.id(Kind::Contact, facts.contact),
            name: person.name,
            phones: person.phones.into_iter().map(|phone| phone.value).collect(),
            emails: person.emails,
            stage: self.reference.stages[usize::from(row.stage)].stage.id.clone(),
            archived_at: archived.as_ref().map(|archived| archived.archived_at),
            archive_reason: archived.and_then(|archived| archived.reason),
            owner: (!self.is_unowned(index)).then(|| self.owner(&facts).id.clone()),
            posting: facts.posting.map(|posting| self.posting(posting).id.clone()),
            application: facts.posting.map(|_| self.ids.id(Kind::Application, index)),
            confidential: row.confidential,
            anonymized: person.anonymized,
            created_at: facts.created,
            updated_at: (row.updated > 0).then_some(row.updated),
            last_advanced_at: row.advanced,
            interviews: interviews.collect(),
            notes: notes.collect(),
        }
    }
}

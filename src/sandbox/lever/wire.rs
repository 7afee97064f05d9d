//! Lever's objects as they stand in its answers (lever-api.md 5). Keys that are always present are always
//! written, null or not; the few that may be absent say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An id, or the object that it names where `expand` asked for it. Only for what has no table: see
/// [`Shape`](super::render::Shape).
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Ref<T> {
    Id(String),
    Object(Box<T>),
}

/// lever-api.md 5.1.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opportunity {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) contact: Ref<Contact>,
    pub(super) headline: String,
    pub(super) stage: String,
    pub(super) confidentiality: &'static str,
    pub(super) location: String,
    pub(super) phones: Vec<Phone>,
    pub(super) emails: Vec<String>,
    pub(super) links: Vec<String>,
    pub(super) archived: Option<Archived>,
    pub(super) tags: Vec<String>,
    pub(super) sources: Vec<String>,
    pub(super) stage_changes: Vec<StageChange>,
    pub(super) origin: &'static str,
    pub(super) sourced_by: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) followers: Vec<String>,
    pub(super) applications: Vec<Ref<Application>>,
    pub(super) created_at: i64,
    pub(super) updated_at: Option<i64>,
    pub(super) last_interaction_at: i64,
    pub(super) last_advanced_at: i64,
    pub(super) snoozed_until: Option<i64>,
    pub(super) urls: BTreeMap<&'static str, String>,
    pub(super) is_anonymized: bool,
    pub(super) data_protection: Option<()>,
    /// Absent without an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opportunity_location: Option<String>,
    /// Only in the list of the deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted_at: Option<i64>,
    /// Only in the list of the deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted_by: Option<String>,
}

/// A phone number as somebody typed it; the type may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Phone {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    pub(super) value: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Archived {
    pub(super) reason: Option<String>,
    pub(super) archived_at: i64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageChange {
    pub(super) to_stage_id: String,
    pub(super) to_stage_index: u8,
    pub(super) updated_at: i64,
    /// Absent for moves that no user made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
}

/// lever-api.md 5.2.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contact {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) headline: String,
    pub(super) is_anonymized: bool,
    pub(super) location: Named,
    pub(super) emails: Vec<String>,
    pub(super) phones: Vec<Phone>,
    pub(super) data_protection: serde_json::Value,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// lever-api.md 5.3.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) candidate_id: String,
    pub(super) opportunity_id: String,
    pub(super) posting: String,
    pub(super) posting_hiring_manager: Option<String>,
    pub(super) posting_owner: Option<String>,
    pub(super) user: Option<String>,
    pub(super) name: Option<String>,
    pub(super) company: Option<String>,
    pub(super) email: Option<String>,
    pub(super) comments: Option<String>,
    pub(super) phone: Option<Phone>,
    pub(super) links: Vec<String>,
    pub(super) custom_questions: Vec<serde_json::Value>,
    pub(super) created_at: i64,
    pub(super) archived: Option<Archived>,
    pub(super) requisition_for_hire: Option<()>,
    pub(super) ip_address: Option<String>,
    pub(super) referer: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) accept_language: Option<String>,
    pub(super) timezone: Option<String>,
}

/// lever-api.md 5.8.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stage {
    pub(super) id: String,
    pub(super) text: String,
}

/// lever-api.md 5.10.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) access_role: String,
    pub(super) photo: Option<String>,
    pub(super) created_at: i64,
    pub(super) deactivated_at: Option<i64>,
    pub(super) external_directory_id: Option<String>,
    pub(super) linked_contact_ids: Option<Vec<String>>,
    pub(super) job_title: Option<String>,
    pub(super) manager_id: Option<String>,
}

/// lever-api.md 5.11.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ArchiveReason {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) status: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// lever-api.md 5.5.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Interview {
    pub(super) id: String,
    pub(super) panel: String,
    pub(super) subject: Option<String>,
    pub(super) note: Option<String>,
    pub(super) interviewers: Vec<Interviewer>,
    pub(super) timezone: String,
    pub(super) created_at: i64,
    pub(super) date: i64,
    pub(super) duration: i64,
    pub(super) location: Option<String>,
    pub(super) feedback_template: Option<String>,
    pub(super) feedback_forms: Vec<String>,
    pub(super) feedback_reminder: String,
    pub(super) user: Option<String>,
    pub(super) stage: String,
    pub(super) canceled_at: Option<i64>,
    pub(super) postings: Vec<String>,
    pub(super) gcal_event_url: Option<String>,
    pub(super) opportunity_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Interviewer {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) feedback_template: String,
}

/// lever-api.md 5.7, without what follows from its interviews.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Panel {
    pub(super) id: String,
    pub(super) applications: Vec<String>,
    pub(super) canceled_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) timezone: String,
    pub(super) feedback_reminder: String,
    pub(super) user: String,
    pub(super) stage: String,
    pub(super) note: Option<String>,
    pub(super) externally_managed: bool,
    pub(super) external_url: Option<String>,
}

/// lever-api.md 5.4.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    pub(super) id: String,
    pub(super) text: &'static str,
    pub(super) fields: Vec<NoteField>,
    pub(super) user: Option<String>,
    pub(super) secret: bool,
    pub(super) completed_at: i64,
    pub(super) deleted_at: Option<i64>,
    pub(super) created_at: i64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NoteField {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
    pub(super) value: String,
    pub(super) created_at: i64,
    pub(super) user: Option<String>,
    pub(super) score: Option<i64>,
    pub(super) stage: String,
}

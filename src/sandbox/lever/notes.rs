//! Notes (lever-api.md 5.4): the one write that the daemon cannot do without, and not idempotent.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Lever;
use super::api::{body, data, one, page_of, perform_as};
use super::error::{ApiError, Reply};
use super::permissions::Permission;
use super::query::Query;
use super::tenant::Tenant;
use super::wire::{Note, NoteField};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NoteBody {
    value: Option<String>,
    #[serde(default)]
    secret: bool,
    score: Option<i64>,
    created_at: Option<i64>,
}

pub(super) async fn list(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindAllNotes)?;
    let tenant = lever.tenant();
    let index = lever.visible(&tenant, &id)?;
    let shown_before = lever.now().saturating_sub(lever.options().notes_lag_ms);
    let mut notes = tenant.notes(index).to_vec();
    notes.retain(|note| note.created_at <= shown_before);
    notes.sort_by_key(|note| note.created_at);
    page_of(&tenant, notes, &Query::parse(query.as_deref()), |note| json!([note.created_at, note.id]))
}

pub(super) async fn read(
    State(lever): State<Lever>,
    Path((id, note)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindNote)?;
    let tenant = lever.tenant();
    let index = lever.visible(&tenant, &id)?;
    let found = tenant.notes(index).iter().find(|found| found.id == note);
    one(&tenant, query.as_deref(), found.ok_or_else(|| ApiError::not_found("note"))?)
}

/// A note, or with `note_id` a comment on one. The reply is the note with `noteId` beside it.
pub(super) async fn create(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::CreateNote)?;
    let query = Query::parse(query.as_deref());
    let user = perform_as(&query, &lever)?;
    let NoteBody { value, secret, score, created_at } = body(&bytes)?;
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| ApiError::bad_request("A value is required at /value"))?;
    if lever.options().note_chars_max.is_some_and(|max| value.chars().count() > max) {
        return Err(ApiError::bad_request("The value is too long at /value"));
    }
    if score.is_some_and(|score| !(1..=4).contains(&score)) {
        return Err(ApiError::bad_request("Invalid value at /score"));
    }
    let now = lever.now();
    let created_at = created_at.unwrap_or(now);
    if created_at > now {
        return Err(ApiError::bad_request("A time in the past is required at /createdAt"));
    }
    let mut reply = {
        let mut tenant = lever.tenant();
        let index = lever.visible(&tenant, &id)?;
        let field = NoteField {
            kind: "note",
            text: "Comment",
            value,
            created_at,
            user: user.clone(),
            score,
            stage: tenant.reference.stages[usize::from(tenant.row(index).stage)].stage.id.clone(),
        };
        let notes = &mut tenant.extra_mut(index).notes;
        let note = match query.get("note_id") {
            Some(parent) => {
                let note = notes.iter_mut().find(|note| note.id == parent);
                let note = note.ok_or_else(|| ApiError::not_found("note"))?;
                note.fields.push(field);
                note.clone()
            }
            None => {
                let note = Note {
                    id: uuid::Uuid::new_v4().to_string(),
                    text: "Note",
                    fields: vec![field],
                    user,
                    secret,
                    completed_at: created_at,
                    deleted_at: None,
                    created_at,
                };
                notes.push(note.clone());
                note
            }
        };
        tenant.touch(index, now);
        json!(note)
    };
    reply["noteId"] = reply["id"].clone();
    let sent: serde_json::Value = body(&bytes)?;
    lever.record(
        "note_created",
        json!({"opportunity": id, "note": reply["id"], "parent": query.get("note_id"),
                                        "perform_as": query.get("perform_as"), "body": sent}),
    );
    data(StatusCode::CREATED, reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NoteReplacement {
    values: Vec<NoteValue>,
    user: Option<String>,
    #[serde(default)]
    secret: bool,
    created_at: Option<i64>,
    completed_at: Option<i64>,
    score: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NoteValue {
    value: String,
    created_at: Option<i64>,
}

/// Replaces the whole note; all notes here were made through the API, so all may be.
pub(super) async fn update(
    State(lever): State<Lever>,
    Path((id, note)): Path<(String, String)>,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::UpdateNote)?;
    let new: NoteReplacement = body(&bytes)?;
    if new.values.is_empty() {
        return Err(ApiError::bad_request("At least one value is required at /values"));
    }
    let now = lever.now();
    let replaced = {
        let mut tenant = lever.tenant();
        let index = lever.visible(&tenant, &id)?;
        let known = tenant.extra_mut(index).notes.iter_mut().find(|known| known.id == note);
        let known = known.ok_or_else(|| ApiError::not_found("note"))?;
        let stage = known.fields[0].stage.clone();
        let created_at = new.created_at.unwrap_or(known.created_at);
        let fields = new.values.into_iter().map(|value| NoteField {
            kind: "note",
            text: "Comment",
            value: value.value,
            created_at: value.created_at.unwrap_or(created_at),
            user: new.user.clone(),
            score: new.score,
            stage: stage.clone(),
        });
        *known = Note {
            id: note.clone(),
            text: "Note",
            fields: fields.collect(),
            user: new.user.clone(),
            secret: new.secret,
            completed_at: new.completed_at.unwrap_or(created_at),
            deleted_at: None,
            created_at,
        };
        let replaced = known.clone();
        tenant.touch(index, now);
        replaced
    };
    lever.record("note_updated", json!({"opportunity": id, "note": replaced}));
    data(StatusCode::OK, replaced)
}

pub(super) async fn delete(State(lever): State<Lever>, Path((id, note)): Path<(String, String)>) -> Reply {
    lever.require(Permission::DeleteNote)?;
    {
        let mut tenant = lever.tenant();
        let index = lever.visible(&tenant, &id)?;
        let notes = &mut tenant.extra_mut(index).notes;
        let place = notes.iter().position(|known| known.id == note);
        notes.remove(place.ok_or_else(|| ApiError::not_found("note"))?);
        tenant.touch(index, lever.now());
    }
    lever.record("note_deleted", json!({"opportunity": id, "note": note}));
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Tenant {
    /// The notes of an opportunity, in the order in which they were made.
    pub(super) fn notes(&self, index: u32) -> &[Note] {
        self.extra(index).map(|extra| extra.notes.as_slice()).unwrap_or_default()
    }
}

//! Reads of the tables of reference: `/users`, `/stages`, `/postings`, `/archive_reasons`,
//! `/disposition_stages`.

use axum::extract::{Path, RawQuery, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Lever;
use super::api::{one, page_of};
use super::error::{ApiError, Reply};
use super::permissions::Permission;
use super::query::Query;
use super::reference::Posting;

pub(super) fn routes() -> Router<Lever> {
    Router::new()
        .route("/users", get(users))
        .route("/users/{id}", get(user))
        .route("/stages", get(stages))
        .route("/stages/{id}", get(stage))
        .route("/postings", get(postings))
        .route("/postings/deleted", get(deleted_postings))
        .route("/postings/{id}", get(posting))
        .route("/archive_reasons", get(reasons))
        .route("/archive_reasons/{id}", get(reason))
        .route("/disposition_stages", get(disposition_stages))
}

/// Without `includeDeactivated` only those who have not left.
async fn users(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindAllUsers)?;
    let query = Query::parse(query.as_deref());
    let all = query.flag("includeDeactivated")?.unwrap_or(false);
    let wanted = |name: &str, value: &str| query.get(name).is_none() || query.has(name, value);
    let tenant = lever.tenant();
    let mut users = tenant.reference.users.clone();
    users.retain(|user| {
        (all || user.deactivated_at.is_none())
            && wanted("email", &user.email)
            && wanted("accessRole", &user.access_role)
    });
    users.sort_by_key(|user| std::cmp::Reverse(user.created_at));
    page_of(&tenant, users, &query, |user| json!([user.created_at, user.id]))
}

/// Somebody who has left is not found (lever-api.md 1.5).
async fn user(State(lever): State<Lever>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindUser)?;
    let tenant = lever.tenant();
    one(
        &tenant,
        query.as_deref(),
        tenant.reference.active_user(&id).ok_or_else(|| ApiError::not_found("user"))?,
    )
}

async fn stages(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindAllStages)?;
    let tenant = lever.tenant();
    let stages = tenant.reference.stages.iter().map(|row| row.stage.clone()).collect();
    page_of(&tenant, stages, &Query::parse(query.as_deref()), |stage| json!([stage.id]))
}

async fn stage(State(lever): State<Lever>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindStage)?;
    let tenant = lever.tenant();
    let row = tenant.reference.stages.iter().find(|row| row.stage.id == id);
    one(&tenant, query.as_deref(), &row.ok_or_else(|| ApiError::not_found("stage"))?.stage)
}

async fn postings(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindAllPostings)?;
    let query = Query::parse(query.as_deref());
    let granted = lever.grants(Permission::Confidential);
    let confidential = match query.get("confidentiality") {
        None | Some("non-confidential") => Some(false),
        Some(_) if !granted => {
            return Err(ApiError::forbidden("This API key has no access to confidential data"));
        }
        Some("confidential") => Some(true),
        Some(_) => None,
    };
    let updated = query.span("updated_at")?;
    let wanted = |name: &str, value: &str| query.get(name).is_none() || query.has(name, value);
    let admits = |posting: &Posting| {
        confidential.is_none_or(|wanted| posting.confidential == wanted)
            && updated.as_ref().is_none_or(|span| span.contains(&posting.updated_at))
            && wanted("state", posting.state)
            && wanted("team", posting.team)
            && wanted("location", posting.location)
    };
    let tenant = lever.tenant();
    let mut found: Vec<&Posting> =
        tenant.reference.postings.iter().filter(|posting| admits(posting)).collect();
    found.sort_by_key(|posting| std::cmp::Reverse(posting.created_at));
    let found: Vec<&Value> = found.into_iter().map(|posting| &posting.wire).collect();
    page_of(&tenant, found, &query, |posting| json!([posting["createdAt"], posting["id"]]))
}

/// None ever is.
async fn deleted_postings(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindAllPostings)?;
    let query = Query::parse(query.as_deref());
    query.span("deleted_at")?;
    page_of(&lever.tenant(), Vec::<Value>::new(), &query, |posting| json!(posting))
}

async fn posting(State(lever): State<Lever>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindPosting)?;
    let tenant = lever.tenant();
    let posting = tenant.reference.postings.iter().find(|posting| posting.id == id);
    let posting = posting.ok_or_else(|| ApiError::not_found("posting"))?;
    if posting.confidential && !lever.grants(Permission::Confidential) {
        return Err(ApiError::forbidden("This posting is confidential"));
    }
    one(&tenant, query.as_deref(), &posting.wire)
}

async fn reasons(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindAllReasons)?;
    let query = Query::parse(query.as_deref());
    let tenant = lever.tenant();
    let mut reasons = tenant.reference.reasons.clone();
    reasons.retain(|reason| query.get("type").is_none_or(|kind| reason.kind == kind));
    page_of(&tenant, reasons, &query, |reason| json!([reason.id]))
}

async fn reason(State(lever): State<Lever>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindReason)?;
    let tenant = lever.tenant();
    let reason = tenant.reference.reasons.iter().find(|reason| reason.id == id);
    one(&tenant, query.as_deref(), reason.ok_or_else(|| ApiError::not_found("archive reason"))?)
}

/// Stages with rank, and reasons that say `null` for "non-hired" (lever-api.md 4.6).
async fn disposition_stages(State(lever): State<Lever>) -> Reply {
    lever.require(Permission::FindDispositionStages)?;
    let tenant = lever.tenant();
    let stages: Vec<Value> = tenant
        .reference
        .stages
        .iter()
        .map(|row| {
            json!({"id": row.stage.id, "text": row.stage.text, "pipeline": row.pipeline, "rank": row.rank,
                   "hasInterview": row.has_interview})
        })
        .collect();
    let reasons: Vec<Value> = tenant
        .reference
        .reasons
        .iter()
        .map(|reason| {
            let kind = (reason.kind == "hired").then_some("hired");
            json!({"id": reason.id, "text": reason.text, "type": kind, "status": reason.status})
        })
        .collect();
    Ok(Json(json!({"data": {"stages": stages, "archiveReasons": reasons}})).into_response())
}

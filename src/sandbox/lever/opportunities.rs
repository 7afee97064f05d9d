//! Opportunities, their applications and their contacts: reads, and the writes that a daemon may make
//! (lever-api.md 4, 5.1 to 5.3).

use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Lever;
use super::api::{body, data, one, page_of, perform_as, shaped_page};
use super::error::{ApiError, Reply};
use super::list::{Filter, page};
use super::permissions::Permission;
use super::query::Query;
use super::render::Shape;
use super::wire::Phone;

const DELETED_SPAN_MS: i64 = 30 * 86_400_000;

pub(super) async fn list(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindAllOpportunities)?;
    let query = Query::parse(query.as_deref());
    let shape = shape_of(&lever, &query)?;
    let response = {
        let tenant = lever.tenant();
        let filter = Filter::parse(&query, &tenant, lever.grants(Permission::Confidential))?;
        let slice = page(&tenant, &filter, &query)?;
        let items = slice.indexes.iter().map(|index| tenant.opportunity(*index, &shape)).collect();
        shaped_page(&tenant, &shape, items, slice.next)
    };
    lever.page_was_served();
    Ok(response)
}

pub(super) async fn read(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindOpportunity)?;
    let shape = shape_of(&lever, &Query::parse(query.as_deref()))?;
    let tenant = lever.tenant();
    let index = lever.visible(&tenant, &id)?;
    let opportunity = tenant.opportunity(index, &shape);
    one(&tenant, query.as_deref(), opportunity)
}

/// The shape that is asked for, if the key may see it.
fn shape_of(lever: &Lever, query: &Query) -> Result<Shape, ApiError> {
    let shape = Shape::parse(query);
    match lever.options().expand_needs {
        Some(permission) if shape.expands_any() => lever.require(permission)?,
        _ => {}
    }
    Ok(shape)
}

/// Oldest deletion first; the span may be at most 30 days (lever-api.md 4.4).
pub(super) async fn deleted(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindDeleted)?;
    let query = Query::parse(query.as_deref());
    let span = span_of_deletions(&query)?;
    let tenant = lever.tenant();
    let granted = lever.grants(Permission::Confidential);
    let items = tenant
        .deleted
        .iter()
        .filter(|((at, index), _)| span.contains(at) && (granted || !tenant.row(*index).confidential))
        .map(|((at, index), by)| {
            let mut opportunity = tenant.opportunity(*index, &Shape::default());
            opportunity.deleted_at = Some(*at);
            opportunity.deleted_by = Some(by.clone());
            opportunity
        });
    page_of(&tenant, items.collect(), &query, |item| json!([item.deleted_at, item.id]))
}

/// The applications that went with them; both bounds are required.
pub(super) async fn deleted_applications(State(lever): State<Lever>, RawQuery(query): RawQuery) -> Reply {
    lever.require(Permission::FindDeleted)?;
    let query = Query::parse(query.as_deref());
    for bound in ["deleted_at_start", "deleted_at_end"] {
        query.get(bound).ok_or_else(|| ApiError::bad_request(format!("A time is required at /{bound}")))?;
    }
    let span = span_of_deletions(&query)?;
    let tenant = lever.tenant();
    let granted = lever.grants(Permission::Confidential);
    let items = tenant
        .deleted
        .keys()
        .filter(|(at, index)| span.contains(at) && (granted || !tenant.row(*index).confidential));
    let items = items.filter_map(|(at, index)| {
        let facts = tenant.facts(*index);
        let gone = tenant.application(*index, &facts, &tenant.person(facts.contact))?;
        Some(json!({"id": gone.id, "deletedAt": at, "opportunityId": gone.opportunity_id, "postingId": gone.posting}))
    });
    page_of(&tenant, items.collect(), &query, |item| json!([item["deletedAt"], item["id"]]))
}

fn span_of_deletions(query: &Query) -> Result<RangeInclusive<i64>, ApiError> {
    let span = query.span("deleted_at")?.unwrap_or(0..=i64::MAX);
    if query.get("deleted_at_start").is_some() && span.end().saturating_sub(*span.start()) > DELETED_SPAN_MS {
        return Err(ApiError::bad_request("The span must not exceed 30 days at /deleted_at_end"));
    }
    Ok(span)
}

pub(super) async fn applications(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindAllApplications)?;
    let tenant = lever.tenant();
    let index = lever.visible(&tenant, &id)?;
    let facts = tenant.facts(index);
    let application = tenant.application(index, &facts, &tenant.person(facts.contact));
    let all = application.into_iter().collect();
    page_of(&tenant, all, &Query::parse(query.as_deref()), |application| {
        json!([application.created_at, application.id])
    })
}

pub(super) async fn application(
    State(lever): State<Lever>,
    Path((id, application)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindApplication)?;
    let tenant = lever.tenant();
    let index = lever.visible(&tenant, &id)?;
    let facts = tenant.facts(index);
    let found = tenant.application(index, &facts, &tenant.person(facts.contact));
    let found = found.filter(|found| found.id == application);
    one(&tenant, query.as_deref(), found.ok_or_else(|| ApiError::not_found("application"))?)
}

#[derive(Deserialize)]
struct StageBody {
    stage: String,
}

/// The reply blanks the contact's fields.
pub(super) async fn set_stage(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::UpdateStage)?;
    let by = perform_as(&Query::parse(query.as_deref()), &lever)?;
    let StageBody { stage } = body(&bytes)?;
    let (opportunity, happening) = {
        let mut tenant = lever.tenant();
        let index = lever.visible(&tenant, &id)?;
        let to = tenant.reference.stage_index(&stage);
        let to = to.ok_or_else(|| ApiError::bad_request("Stage was not found at /stage"))?;
        let happening = tenant.move_to(index, to, by, lever.now());
        (tenant.opportunity(index, &Shape::default()), happening)
    };
    lever.record("stage_updated", json!({"opportunity": id, "stage": stage}));
    lever.emit(&happening);
    data(StatusCode::OK, opportunity.blanked())
}

#[derive(Deserialize)]
struct ArchivedBody {
    reason: Option<String>,
}

/// A reason archives, none brings back; the reply blanks the contact's fields.
pub(super) async fn set_archived(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::UpdateArchived)?;
    perform_as(&Query::parse(query.as_deref()), &lever)?;
    let ArchivedBody { reason } = body(&bytes)?;
    let (opportunity, happenings) = {
        let mut tenant = lever.tenant();
        let index = lever.visible(&tenant, &id)?;
        let unknown = || ApiError::bad_request("Archive reason was not found at /reason");
        let to =
            reason.as_deref().map(|id| tenant.reference.reason_index(id).ok_or_else(unknown)).transpose()?;
        let happenings = tenant.archive(index, to, lever.now());
        (tenant.opportunity(index, &Shape::default()), happenings)
    };
    lever.record("archived_updated", json!({"opportunity": id, "reason": reason}));
    lever.emit(&happenings);
    data(StatusCode::OK, opportunity.blanked())
}

pub(super) async fn contact(State(lever): State<Lever>, Path(id): Path<String>) -> Reply {
    lever.require(Permission::FindContact)?;
    let tenant = lever.tenant();
    data(
        StatusCode::OK,
        tenant.contact(tenant.find_contact(&id).ok_or_else(|| ApiError::not_found("contact"))?),
    )
}

#[derive(Deserialize)]
struct ContactBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    headline: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    emails: Vec<String>,
    #[serde(default)]
    phones: Vec<Phone>,
}

/// Replaces the contact; the reply lacks `isAnonymized` and `dataProtection` (lever-api.md 5.2).
pub(super) async fn update_contact(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::UpdateContact)?;
    let ContactBody { name, headline, location, emails, phones } = body(&bytes)?;
    let (mut view, happening) = {
        let mut tenant = lever.tenant();
        let contact = tenant.find_contact(&id).ok_or_else(|| ApiError::not_found("contact"))?;
        let mut person = tenant.person(contact);
        if person.anonymized {
            return Err(ApiError::bad_request("An anonymized contact cannot be updated"));
        }
        (person.name, person.headline, person.location) = (name, headline, location);
        (person.emails, person.phones) = (emails, phones);
        tenant.set_person(contact, person, lever.now());
        // It names one opportunity, and one of them is all that is known of it.
        let index = tenant.opportunities_of(contact).into_iter().next();
        let happening = index.map(|index| tenant.contact_event("contactUpdated", index));
        (json!(tenant.contact(contact)), happening)
    };
    if let Value::Object(fields) = &mut view {
        fields.remove("isAnonymized");
        fields.remove("dataProtection");
    }
    lever.record("contact_updated", view.clone());
    lever.emit(&happening);
    data(StatusCode::OK, view)
}

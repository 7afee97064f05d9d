//! Interviews and panels over HTTP; their rules stand in `schedule` (lever-api.md 5.5 to 5.7).

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::{Value, json};

use super::Lever;
use super::api::{body, data, one, page_of, perform_as};
use super::error::{ApiError, Reply};
use super::hooks::Happening;
use super::permissions::Permission;
use super::query::Query;
use super::schedule::{InterviewBody, PanelBody};
use super::tenant::{Schedule, Tenant};
use super::wire::{Interview, Panel};

type Two = Path<(String, String)>;

pub(super) async fn list(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindAllInterviews)?;
    let tenant = lever.tenant();
    let mut interviews = tenant.schedule(lever.visible(&tenant, &id)?).interviews;
    interviews.sort_by_key(|interview| interview.created_at);
    page_of(&tenant, interviews, &Query::parse(query.as_deref()), |interview| {
        json!([interview.created_at, interview.id])
    })
}

pub(super) async fn read(
    State(lever): State<Lever>,
    Path((id, interview)): Two,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindInterview)?;
    let tenant = lever.tenant();
    let schedule = tenant.schedule(lever.visible(&tenant, &id)?);
    one(&tenant, query.as_deref(), schedule.interview(&interview)?)
}

pub(super) async fn create(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::CreateInterview)?;
    let user = author(&lever, query.as_deref())?;
    let new: InterviewBody = body(&bytes)?;
    let (interview, happening) = lever.change(&id, |tenant, index, now| {
        let panel =
            new.panel.as_deref().ok_or_else(|| ApiError::bad_request("A panel is required at /panel"))?;
        let panel = tenant.schedule(index).external_panel(panel)?.clone();
        let interview = tenant.interview_from(index, &panel, new.clone(), None, &user, now)?;
        tenant.schedule_mut(index).put_interview(interview.clone());
        let happening = tenant.interview_event("interviewCreated", index, &interview.id);
        Ok((interview, happening))
    })?;
    lever.told("interview_created", json!(interview), (&user, Some(&bytes)), &happening);
    data(StatusCode::CREATED, interview)
}

/// Replaces: what the body omits is reset, but for the panel.
pub(super) async fn update(
    State(lever): State<Lever>,
    Path((id, interview)): Two,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::UpdateInterview)?;
    let user = author(&lever, query.as_deref())?;
    let new: InterviewBody = body(&bytes)?;
    let (interview, happening) = lever.change(&id, |tenant, index, now| {
        let schedule = tenant.schedule(index);
        let old = schedule.interview(&interview)?;
        schedule.external_panel(&old.panel)?;
        let panel = schedule.external_panel(new.panel.as_deref().unwrap_or(&old.panel))?;
        let interview = tenant.interview_from(index, panel, new.clone(), Some(old), &user, now)?;
        tenant.schedule_mut(index).put_interview(interview.clone());
        let happening = tenant.interview_event("interviewUpdated", index, &interview.id);
        Ok((interview, happening))
    })?;
    lever.told("interview_updated", json!(interview), (&user, Some(&bytes)), &happening);
    data(StatusCode::OK, interview)
}

/// The last interview takes its panel along.
pub(super) async fn delete(
    State(lever): State<Lever>,
    Path((id, interview)): Two,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::DeleteInterview)?;
    let user = author(&lever, query.as_deref())?;
    let happening = lever.change(&id, |tenant, index, _| {
        let schedule = tenant.schedule(index);
        schedule.external_panel(&schedule.interview(&interview)?.panel)?;
        let happening = tenant.interview_event("interviewDeleted", index, &interview);
        tenant.schedule_mut(index).remove_interview(&interview);
        Ok(happening)
    })?;
    let detail = json!({"id": interview, "opportunityId": id});
    lever.told("interview_deleted", detail, (&user, None), &happening);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn list_panels(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindAllPanels)?;
    let tenant = lever.tenant();
    let schedule = tenant.schedule(lever.visible(&tenant, &id)?);
    let panels: Vec<Value> = schedule.panels.iter().map(|panel| schedule.panel_view(panel)).collect();
    page_of(&tenant, panels, &Query::parse(query.as_deref()), |panel| {
        json!([panel["createdAt"], panel["id"]])
    })
}

pub(super) async fn read_panel(
    State(lever): State<Lever>,
    Path((id, panel)): Two,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::FindPanel)?;
    let tenant = lever.tenant();
    let schedule = tenant.schedule(lever.visible(&tenant, &id)?);
    one(&tenant, query.as_deref(), schedule.panel_view(schedule.panel(&panel)?))
}

pub(super) async fn create_panel(
    State(lever): State<Lever>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::CreatePanel)?;
    let user = author(&lever, query.as_deref())?;
    let new: PanelBody = body(&bytes)?;
    let (view, happenings) = lever.change(&id, |tenant, index, now| {
        let panel = tenant.panel_from(index, &new, None, &user, now)?;
        let interviews = interviews_of(tenant, index, &panel, &new, &[], (&user, now))?;
        let schedule = tenant.schedule_mut(index);
        schedule.panels.push(panel.clone());
        schedule.interviews.extend(interviews.iter().cloned());
        let view = tenant.schedule(index).panel_view(&panel);
        let made =
            interviews.iter().filter_map(|one| tenant.interview_event("interviewCreated", index, &one.id));
        Ok((view, made.collect::<Vec<_>>()))
    })?;
    lever.told("panel_created", view.clone(), (&user, Some(&bytes)), &happenings);
    data(StatusCode::CREATED, view)
}

/// Replaces: interviews whose id is not named are removed.
pub(super) async fn update_panel(
    State(lever): State<Lever>,
    Path((id, panel)): Two,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Reply {
    lever.require(Permission::UpdatePanel)?;
    let user = author(&lever, query.as_deref())?;
    let new: PanelBody = body(&bytes)?;
    let (view, happenings) = lever.change(&id, |tenant, index, now| {
        let before = tenant.schedule(index);
        let old = before.external_panel(&panel)?;
        let (own, others): (Vec<_>, Vec<_>) =
            before.interviews.iter().cloned().partition(|one| one.panel == old.id);
        let panel = tenant.panel_from(index, &new, Some(old), &user, now)?;
        let interviews = interviews_of(tenant, index, &panel, &new, &own, (&user, now))?;
        let kept = |id: &str| interviews.iter().any(|one| one.id == id);
        let gone = own.iter().filter(|one| !kept(&one.id));
        let mut happenings: Vec<Happening> =
            gone.filter_map(|one| tenant.interview_event("interviewDeleted", index, &one.id)).collect();
        let schedule = tenant.schedule_mut(index);
        schedule.panels.retain(|known| known.id != panel.id);
        schedule.panels.push(panel.clone());
        schedule.interviews = others.into_iter().chain(interviews.iter().cloned()).collect();
        happenings.extend(interviews.iter().filter_map(|one| {
            let known = own.iter().any(|old| old.id == one.id);
            tenant.interview_event(
                if known { "interviewUpdated" } else { "interviewCreated" },
                index,
                &one.id,
            )
        }));
        Ok((tenant.schedule(index).panel_view(&panel), happenings))
    })?;
    lever.told("panel_updated", view.clone(), (&user, Some(&bytes)), &happenings);
    data(StatusCode::OK, view)
}

pub(super) async fn delete_panel(
    State(lever): State<Lever>,
    Path((id, panel)): Two,
    RawQuery(query): RawQuery,
) -> Reply {
    lever.require(Permission::DeletePanel)?;
    let user = author(&lever, query.as_deref())?;
    let happenings = lever.change(&id, |tenant, index, _| {
        let Schedule { interviews, panels } = tenant.schedule(index);
        Schedule { interviews: Vec::new(), panels }.external_panel(&panel)?;
        let own = interviews.iter().filter(|one| one.panel == panel);
        let gone = own
            .filter_map(|one| tenant.interview_event("interviewDeleted", index, &one.id))
            .collect::<Vec<_>>();
        let schedule = tenant.schedule_mut(index);
        schedule.interviews.retain(|one| one.panel != panel);
        schedule.panels.retain(|known| known.id != panel);
        Ok(gone)
    })?;
    lever.told("panel_deleted", json!({"id": panel, "opportunityId": id}), (&user, None), &happenings);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The interviews of a panel's body; those with an id replace the panel's `own` of that id.
fn interviews_of(
    tenant: &Tenant,
    index: u32,
    panel: &Panel,
    new: &PanelBody,
    own: &[Interview],
    (user, now): (&str, i64),
) -> Result<Vec<Interview>, ApiError> {
    let each = new.interviews.iter().map(|body| {
        let old = match &body.id {
            Some(id) => {
                Some(own.iter().find(|one| one.id == *id).ok_or_else(|| ApiError::not_found("interview"))?)
            }
            None => None,
        };
        tenant.interview_from(index, panel, body.clone(), old, user, now)
    });
    each.collect()
}

/// `perform_as`, which these writes require.
fn author(lever: &Lever, query: Option<&str>) -> Result<String, ApiError> {
    let named = perform_as(&Query::parse(query), lever)?;
    named.ok_or_else(|| ApiError::bad_request("perform_as is required at /perform_as"))
}

impl Lever {
    /// Changes the schedule of a visible opportunity, and notes that it was touched.
    fn change<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Tenant, u32, i64) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let now = self.now();
        let mut tenant = self.tenant();
        let index = self.visible(&tenant, id)?;
        let done = change(&mut tenant, index, now)?;
        tenant.touch_interview(index, now);
        Ok(done)
    }

    /// Writes a change down, with who made it and the body that asked for it, and sends its webhooks.
    fn told<'a>(
        &self,
        kind: &'static str,
        mut detail: Value,
        (user, body): (&str, Option<&Bytes>),
        happenings: impl IntoIterator<Item = &'a Happening>,
    ) {
        detail["perform_as"] = json!(user);
        if let Some(body) = body {
            detail["body"] = serde_json::from_slice(body).unwrap_or_default();
        }
        self.record(kind, detail);
        self.emit(happenings);
    }
}

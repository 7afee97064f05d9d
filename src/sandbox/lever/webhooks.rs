//! The webhooks API (lever-api.md 6.8). The signature token is shown once, when the webhook is made.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Lever;
use super::api::{body, data};
use super::error::{ApiError, Reply};
use super::generator::ORIGINS;
use super::hooks::{EVENTS_KNOWN, Hook};
use super::permissions::Permission;

#[derive(Deserialize)]
struct NewHook {
    url: String,
    event: String,
    #[serde(default)]
    configuration: Configuration,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    conditions: Conditions,
    verify_connection: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    origins: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Changes {
    data: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    id: String,
    url: Option<String>,
    event: Option<String>,
    #[serde(default)]
    configuration: Configuration,
}

/// By event, then age; without `hasNext` and without signature tokens.
pub(super) async fn list(State(lever): State<Lever>) -> Reply {
    lever.require(Permission::FindAllWebhooks)?;
    let mut hooks: Vec<Hook> = lever.0.sender.hooks().clone();
    hooks.sort_by(|a, b| (&a.event, a.created_at).cmp(&(&b.event, b.created_at)));
    let views: Vec<Value> = hooks.iter().map(|hook| view(hook, false)).collect();
    Ok(Json(json!({"data": views})).into_response())
}

pub(super) async fn create(State(lever): State<Lever>, bytes: Bytes) -> Reply {
    lever.require(Permission::CreateWebhook)?;
    let NewHook { url, event, configuration } = body(&bytes)?;
    check(&url, &event)?;
    let hook = Hook {
        by_api: true,
        origins: configuration.conditions.origins,
        ..lever.new_hook(event, url, fresh_token())
    };
    if configuration.verify_connection {
        lever.0.sender.verify(&hook).await;
    }
    lever.0.sender.hooks().push(hook.clone());
    lever.record("webhook_created", view(&hook, false));
    data(StatusCode::CREATED, view(&hook, true))
}

/// Changes several at once, or none.
pub(super) async fn update(State(lever): State<Lever>, bytes: Bytes) -> Reply {
    lever.require(Permission::UpdateWebhook)?;
    let Changes { data: changes } = body(&bytes)?;
    let now = lever.now();
    let mut views = Vec::new();
    {
        let mut hooks = lever.0.sender.hooks();
        let mut changed = hooks.clone();
        for change in changes {
            let place = of_api(&changed, &change.id)?;
            let hook = &mut changed[place];
            let (url, event) =
                (change.url.unwrap_or(hook.url.clone()), change.event.unwrap_or(hook.event.clone()));
            check(&url, &event)?;
            (hook.url, hook.event, hook.origins) = (url, event, change.configuration.conditions.origins);
            hook.updated_at = now;
            views.push(view(hook, false));
        }
        *hooks = changed;
    }
    lever.record("webhooks_updated", json!(views));
    data(StatusCode::OK, views)
}

pub(super) async fn delete(State(lever): State<Lever>, Path(id): Path<String>) -> Reply {
    lever.require(Permission::DeleteWebhook)?;
    {
        let mut hooks = lever.0.sender.hooks();
        let place = of_api(&hooks, &id)?;
        hooks.remove(place);
    }
    lever.record("webhook_deleted", json!({"id": id}));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The place of a webhook that the API may change.
fn of_api(hooks: &[Hook], id: &str) -> Result<usize, ApiError> {
    let place = hooks.iter().position(|hook| hook.id == id).ok_or_else(|| ApiError::not_found("webhook"))?;
    if hooks[place].by_api {
        Ok(place)
    } else {
        Err(ApiError::forbidden("This webhook was not made through the API"))
    }
}

/// Lever wants HTTPS; a simulator is talked to on loopback, so plain HTTP passes too.
fn check(url: &str, event: &str) -> Result<(), ApiError> {
    if url::Url::parse(url).is_err() {
        return Err(ApiError::bad_request("Invalid URL at /url"));
    }
    if !EVENTS_KNOWN.contains(&event) {
        return Err(ApiError::bad_request("Unknown event at /event"));
    }
    Ok(())
}

fn view(hook: &Hook, with_token: bool) -> Value {
    let origins =
        hook.origins.clone().unwrap_or_else(|| ORIGINS.iter().map(|&origin| origin.to_owned()).collect());
    let mut view = json!({"id": hook.id, "event": hook.event, "url": hook.url,
                          "configuration": {"conditions": {"origins": origins}},
                          "createdAt": hook.created_at, "updatedAt": hook.updated_at});
    if with_token {
        view["configuration"]["signatureToken"] = json!(hook.signature_token);
    }
    view
}

/// 48 hexadecimal digits.
pub(super) fn fresh_token() -> String {
    let mut token = uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string();
    token.truncate(48);
    token
}

impl Lever {
    fn new_hook(&self, event: String, url: String, signature_token: String) -> Hook {
        let (id, now) = (uuid::Uuid::new_v4().to_string(), self.now());
        Hook {
            id,
            event,
            url,
            signature_token,
            origins: None,
            by_api: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// What a Super Admin does by hand: one webhook for each event, replacing those there were.
    pub(crate) fn set_webhooks(&self, url: &str, tokens: &BTreeMap<String, String>) {
        let hooks = tokens.iter();
        let hooks = hooks.map(|(event, token)| self.new_hook(event.clone(), url.to_owned(), token.clone()));
        *self.0.sender.hooks() = hooks.collect();
    }

    /// "Verify connection" on every webhook: the events whose ping was not answered with 2xx.
    pub(crate) async fn verify_webhooks(&self) -> Vec<String> {
        let hooks = self.0.sender.hooks().clone();
        let mut failed = Vec::new();
        for hook in hooks {
            if !self.0.sender.verify(&hook).await {
                failed.push(hook.event);
            }
        }
        failed
    }
}

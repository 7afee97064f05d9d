//! The REST API of the simulated Twilio.
//!
//! | route, below `/2010-04-01/Accounts/{AC}` | does |
//! | --- | --- |
//! | `GET .json` | the account, only with its own token |
//! | `GET /Messages.json`, `POST /Messages.json` | list, send |
//! | `GET`, `POST`, `DELETE /Messages/{SM}.json` | read; redact or cancel; delete |
//! | `GET /Messages/{SM}/Media.json` | list of its media |
//! | `GET`, `DELETE /Messages/{SM}/Media/{ME}.json`, `GET …/{ME}` | metadata; delete; the file, by a redirect |
//!
//! A message that is deleted leaves its media behind, under their own names; only the list of them is gone.
//! `GET /media-storage/{SM}/{ME}` stands for the storage that the redirect leads to. Its address is the proof; who
//! shows credentials as well is refused, as by signed storage. Paths without `.json`, which the real one answers in
//! XML, are not found here.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::create::Form;
use super::error::ApiError;
use super::message::{account_path, new_sid, rfc2822};
use super::state::{Account, TwilioState};

type Shared = State<Arc<Account>>;
type Answer = Result<Response, ApiError>;

/// Whose credentials came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Main,
    Standard,
}

/// All routes of the account; faults and latency are laid around it by the caller.
pub fn router(state: TwilioState) -> Router {
    let account = state.0;
    let api = Router::new()
        .route("/2010-04-01/Accounts/{account}", get(show_account))
        .route("/2010-04-01/Accounts/{account}/{file}", get(list).post(create))
        .route("/2010-04-01/Accounts/{account}/Messages/{file}", get(read).post(update).delete(delete))
        .route("/2010-04-01/Accounts/{account}/Messages/{sid}/{file}", get(list_media))
        .route(
            "/2010-04-01/Accounts/{account}/Messages/{sid}/Media/{file}",
            get(read_media).delete(delete_media),
        )
        .method_not_allowed_fallback(|| async { ApiError::new(20004, "Method not allowed") })
        .layer(from_fn_with_state(Arc::clone(&account), authenticate));
    api.route("/media-storage/{sid}/{media}", get(stored_media)).with_state(account)
}

/// Lets in who knows the account's token or one of its keys, and only to this account.
async fn authenticate(State(account): Shared, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let named = path.split('/').nth(3).unwrap_or_default();
    let mut response = match key(&account, request.headers()) {
        None => ApiError::new(20003, "Authenticate").into_response(),
        Some(_) if named.trim_end_matches(".json") != account.options.account_sid => {
            ApiError::not_found(path).into_response()
        }
        Some(key) => {
            request.extensions_mut().insert(key);
            next.run(request).await
        }
    };
    if let Ok(id) = new_sid("RQ").parse() {
        response.headers_mut().insert("Twilio-Request-Id", id);
    }
    response
}

fn key(account: &Account, headers: &HeaderMap) -> Option<Key> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    let options = &account.options;
    if (user, password) == (&options.account_sid, &options.auth_token) {
        return Some(Key::Main);
    }
    let known = options.api_keys.iter().any(|(sid, secret)| (user, password) == (sid, secret));
    known.then_some(Key::Standard)
}

/// The name before `.json`.
fn json_name<'a>(file: &'a str, uri: &Uri) -> Result<&'a str, ApiError> {
    file.strip_suffix(".json").ok_or_else(|| ApiError::not_found(uri.path()))
}

fn found<T>(value: Option<T>, uri: &Uri) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::not_found(uri.path()))
}

fn ok(value: Value) -> Answer {
    Ok(Json(value).into_response())
}

async fn show_account(
    State(account): Shared,
    Extension(key): Extension<Key>,
    Path(file): Path<String>,
    uri: Uri,
) -> Answer {
    let sid = json_name(&file, &uri)?;
    if key != Key::Main {
        return Err(ApiError::new(20003, "Authenticate"));
    }
    let created = rfc2822(account.now());
    ok(json!({
        "sid": sid,
        "friendly_name": "Sandbox",
        "status": "active",
        "type": "Full",
        "owner_account_sid": sid,
        "auth_token": account.options.auth_token,
        "date_created": created,
        "date_updated": created,
        "uri": format!("{}.json", account_path(sid)),
        "subresource_uris": {"messages": format!("{}/Messages.json", account_path(sid))},
    }))
}

async fn list(
    State(account): Shared,
    Path((_, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    uri: Uri,
) -> Answer {
    match json_name(&file, &uri)? {
        "Messages" => ok(account.list(query.as_deref().unwrap_or_default())?),
        _ => Err(ApiError::not_found(uri.path())),
    }
}

async fn create(
    State(account): Shared,
    Path((_, file)): Path<(String, String)>,
    uri: Uri,
    body: Bytes,
) -> Answer {
    match json_name(&file, &uri)? {
        "Messages" => {
            let message = account.create(&Form::parse(&body))?;
            Ok((StatusCode::CREATED, Json(message)).into_response())
        }
        _ => Err(ApiError::not_found(uri.path())),
    }
}

async fn read(State(account): Shared, Path((_, file)): Path<(String, String)>, uri: Uri) -> Answer {
    ok(found(account.read(json_name(&file, &uri)?), &uri)?)
}

async fn update(
    State(account): Shared,
    Path((_, file)): Path<(String, String)>,
    uri: Uri,
    body: Bytes,
) -> Answer {
    ok(found(account.update(json_name(&file, &uri)?, &Form::parse(&body)), &uri)??)
}

async fn delete(State(account): Shared, Path((_, file)): Path<(String, String)>, uri: Uri) -> Answer {
    found(account.delete(json_name(&file, &uri)?), &uri)??;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_media(
    State(account): Shared,
    Path((_, sid, file)): Path<(String, String, String)>,
    uri: Uri,
) -> Answer {
    if json_name(&file, &uri)? != "Media" {
        return Err(ApiError::not_found(uri.path()));
    }
    let book = account.lock();
    let message = found(book.messages.get(&sid), &uri)?;
    let own = &account.options.account_sid;
    let media: Vec<_> = message.media.iter().map(|media| message.media_json(own, media)).collect();
    ok(json!({
        "page": 0, "page_size": 50, "start": 0, "end": media.len().saturating_sub(1),
        "media_list": media,
        "uri": uri.path(), "first_page_uri": uri.path(),
        "next_page_uri": null, "previous_page_uri": null,
    }))
}

async fn read_media(
    State(account): Shared,
    Path((_, sid, file)): Path<(String, String, String)>,
    uri: Uri,
) -> Answer {
    let book = account.lock();
    let message = found(book.messages.with_media(&sid), &uri)?;
    let name = file.trim_end_matches(".json");
    let media = found(message.media.iter().find(|media| media.sid == name), &uri)?;
    if name == file {
        return Ok(Redirect::temporary(&format!("/media-storage/{sid}/{name}")).into_response());
    }
    ok(message.media_json(&account.options.account_sid, media))
}

async fn delete_media(
    State(account): Shared,
    Path((_, sid, file)): Path<(String, String, String)>,
    uri: Uri,
) -> Answer {
    let name = json_name(&file, &uri)?;
    let mut book = account.lock();
    let message = found(book.messages.with_media_mut(&sid), &uri)?;
    let index = found(message.media.iter().position(|media| media.sid == name), &uri)?;
    message.media.remove(index);
    account.record("media_deleted", json!({"sid": sid, "media": name}));
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn stored_media(
    State(account): Shared,
    Path((sid, name)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok((StatusCode::BAD_REQUEST, "Only one auth mechanism is allowed.").into_response());
    }
    let book = account.lock();
    let message = found(book.messages.with_media(&sid), &uri)?;
    let media = found(message.media.iter().find(|media| media.sid == name), &uri)?;
    let head = [(header::CONTENT_TYPE, media.content_type.clone())];
    Ok((head, Body::from(media.bytes.clone())).into_response())
}

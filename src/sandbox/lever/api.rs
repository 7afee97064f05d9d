//! The routes of the simulated Lever, and what stands before all of them: the meter, the faults, the key.
//!
//! The meter comes first, so that a request counts when it arrives, whatever becomes of it; then the faults;
//! then the key. `/candidates/…` is Lever's own old name for `/opportunities/…`.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ApiError, Reply};
use super::order::{invalid_offset, parse_token, token};
use super::query::Query;
use super::render::Shape;
use super::tenant::Tenant;
use super::{Lever, interviews, notes, opportunities, site, tables, webhooks};
use crate::faults::{Faults, Remote};
use crate::seen::{route_of, status_of};
use crate::server::with_faults;

impl Lever {
    /// Everything below `/v1`, metered, and the site that people use.
    pub(crate) fn router(&self, faults: Faults) -> Router {
        let routes = Router::new()
            .merge(tables::routes())
            .route("/webhooks", get(webhooks::list).post(webhooks::create).put(webhooks::update))
            .route("/webhooks/{id}", axum::routing::delete(webhooks::delete))
            .route("/contacts/{id}", get(opportunities::contact).put(opportunities::update_contact))
            .route("/applications/deleted", get(opportunities::deleted_applications))
            .nest("/opportunities", of_opportunities())
            .nest("/candidates", of_opportunities())
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_path)
            .with_state(self.clone());
        let keyed = Router::new().nest("/v1", routes).layer(from_fn_with_state(self.clone(), authenticate));
        with_faults(keyed, Remote::Lever, faults, self.options().latency_ms.clone())
            .layer(from_fn_with_state(self.clone(), meter))
            .merge(site::routes(self.clone()))
    }
}

fn of_opportunities() -> Router<Lever> {
    Router::new()
        .route("/", get(opportunities::list))
        .route("/deleted", get(opportunities::deleted))
        .route("/{o}", get(opportunities::read))
        .route("/{o}/stage", axum::routing::put(opportunities::set_stage))
        .route("/{o}/archived", axum::routing::put(opportunities::set_archived))
        .route("/{o}/applications", get(opportunities::applications))
        .route("/{o}/applications/{a}", get(opportunities::application))
        .route("/{o}/notes", get(notes::list).post(notes::create))
        .route("/{o}/notes/{n}", get(notes::read).put(notes::update).delete(notes::delete))
        .route("/{o}/interviews", get(interviews::list).post(interviews::create))
        .route(
            "/{o}/interviews/{i}",
            get(interviews::read).put(interviews::update).delete(interviews::delete),
        )
        .route("/{o}/panels", get(interviews::list_panels).post(interviews::create_panel))
        .route(
            "/{o}/panels/{p}",
            get(interviews::read_panel).put(interviews::update_panel).delete(interviews::delete_panel),
        )
}

/// Counts every request, and refuses those over the limit.
async fn meter(State(lever): State<Lever>, request: Request, next: Next) -> Response {
    let route = route_of(&request);
    let allowed = {
        let mut bucket = lever.bucket();
        *bucket.stats.by_route.entry(route).or_default() += 1;
        bucket.take(lever.0.started.elapsed())
    };
    let mut response =
        if allowed { next.run(request).await } else { ApiError::too_many_requests().into_response() };
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("lever-data-api"));
    // By its own clock, as a remote would.
    let now = jiff::Timestamp::from_millisecond(lever.now()).unwrap_or_default();
    if let Ok(date) = HeaderValue::from_str(&now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
        headers.insert(header::DATE, date);
    }
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    *lever.bucket().stats.by_status.entry(status_of(&response)).or_default() += 1;
    response
}

/// Lets in who sends the API key as the user name, with an empty password.
async fn authenticate(State(lever): State<Lever>, mut request: Request, next: Next) -> Response {
    let path = WholePath(request.uri().path().to_owned());
    request.extensions_mut().insert(path);
    let expected = format!("{}:", lever.options().api_key);
    if basic(request.headers()).is_some_and(|given| given == expected.as_bytes()) {
        next.run(request).await
    } else {
        ApiError::unauthorized().into_response()
    }
}

fn basic(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    STANDARD.decode(value.strip_prefix("Basic ")?).ok()
}

/// The path before the routers took prefixes off it.
#[derive(Clone)]
struct WholePath(String);

async fn no_such_path(Extension(WholePath(path)): Extension<WholePath>) -> ApiError {
    ApiError::no_such_path(&path)
}

/// A list's answer; `next` is there only when there is more.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    data: Vec<T>,
    has_next: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Page<T> {
    fn new(data: Vec<T>, next: Option<String>) -> Self {
        Self { data, has_next: next.is_some(), next }
    }
}

/// Cuts the page that the query asks for out of a short list; `place` names an item in an offset token.
pub(super) fn page_of<T: Serialize>(
    tenant: &Tenant,
    mut items: Vec<T>,
    query: &Query,
    place: impl Fn(&T) -> Value,
) -> Reply {
    let limit = query.limit()?;
    if let Some(offset) = query.get("offset") {
        let wanted = Value::Array(parse_token(offset)?);
        let start =
            items.iter().position(|item| place(item) == wanted).ok_or_else(|| invalid_offset(offset))?;
        items.drain(..start);
    }
    let next = items.get(limit).map(|item| token(&place(item)));
    items.truncate(limit);
    Ok(shaped_page(tenant, &Shape::parse(query), items, next))
}

/// A page in the shape that was asked for.
pub(super) fn shaped_page<T: Serialize>(
    tenant: &Tenant,
    shape: &Shape,
    items: Vec<T>,
    next: Option<String>,
) -> Response {
    if shape.is_plain() {
        Json(Page::new(items, next)).into_response()
    } else {
        let items = items.into_iter().map(|item| shape.apply(tenant, item)).collect();
        Json(Page::new(items, next)).into_response()
    }
}

/// A single read's answer, in the shape that was asked for.
pub(super) fn one(tenant: &Tenant, query: Option<&str>, item: impl Serialize) -> Reply {
    data(StatusCode::OK, Shape::parse(&Query::parse(query)).apply(tenant, item))
}

/// The answer of a write.
pub(super) fn data(status: StatusCode, value: impl Serialize) -> Reply {
    Ok((status, Json(json!({"data": value}))).into_response())
}

/// The body of a write.
pub(super) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::bad_request(format!("Invalid body: {error}")))
}

/// The user in whose name a write is made, if one is named.
pub(super) fn perform_as(query: &Query, lever: &Lever) -> Result<Option<String>, ApiError> {
    let Some(id) = query.get("perform_as") else { return Ok(None) };
    match lever.tenant().reference.active_user(id) {
        Some(user) => Ok(Some(user.id.clone())),
        None => Err(ApiError::not_performed(lever.options().perform_as_refused)),
    }
}

//! Lever's errors: a status and `{"code", "message"}` (lever-api.md 1.5, defaults of section 10).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// An answer that refuses.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    pub(super) message: String,
}

/// What every handler returns.
pub(super) type Reply = Result<Response, ApiError>;

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 400: a parameter or the body is wrong.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestError", message)
    }

    /// The user in whose name a write is to be made is not taken.
    pub(super) fn not_performed(status: StatusCode) -> Self {
        match status {
            StatusCode::FORBIDDEN => Self::forbidden("User does not have permission at /perform_as"),
            StatusCode::NOT_FOUND => Self::not_found("user"),
            _ => Self::bad_request("User was not found at /perform_as"),
        }
    }

    /// 401: no key, or not ours.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UnauthorizedError", "The request requires authentication.")
    }

    /// 403: the key may not do this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ForbiddenError", message)
    }

    /// 404: no such record.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFoundError", format!("{what} was not found"))
    }

    /// 404: no such path.
    pub(super) fn no_such_path(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", format!("{path} does not exist"))
    }

    /// 429: over the rate limit; Lever sends no `Retry-After`.
    pub(super) fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsError", "Rate limit exceeded.")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"code": self.code, "message": self.message}))).into_response()
    }
}

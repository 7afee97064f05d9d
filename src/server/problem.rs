//! What is answered when something is wrong: problem+json (RFC 9457), in one place.
//!
//! A [`Kind`] is a promise to scripts: its `type` and status do not change. `detail` is for people.
//! What went wrong inside goes to the log, never into an answer.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::KeyReused;
use crate::store::StoreError;

/// The kinds of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Malformed,
    NoToken,
    BadSignature,
    NotOurs,
    Forbidden,
    Forged,
    NotFound,
    MethodNotAllowed,
    TooSlow,
    OptedOut,
    HeldBack,
    TooLate,
    CalledOff,
    Held,
    NotNow,
    Deleted,
    TooLarge,
    NotJson,
    Invalid,
    KeyReused,
    Internal,
    Unavailable,
    LeverUnreachable,
    TooMany,
}

impl Kind {
    /// Status, the last part of `type`, and `title`.
    const fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no-token", "Nobody is signed in"),
            Self::BadSignature => (StatusCode::UNAUTHORIZED, "bad-signature", "The signature is not right"),
            Self::NotOurs => {
                (StatusCode::FORBIDDEN, "bad-signature", "The signature or account is not right")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Your role does not allow this"),
            Self::Forged => (StatusCode::FORBIDDEN, "forged", "This did not come from a page of ours"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method does not fit the path")
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The request took too long to arrive"),
            Self::OptedOut => (StatusCode::CONFLICT, "opted-out", "The number has opted out"),
            Self::HeldBack => (StatusCode::CONFLICT, "held-back", "The rules for texting hold it back"),
            Self::TooLate => (StatusCode::CONFLICT, "too-late", "The text has left already"),
            Self::Held => (StatusCode::CONFLICT, "held", "A legal hold keeps it"),
            Self::NotNow => (StatusCode::CONFLICT, "not-now", "That cannot be done as it stands"),
            Self::CalledOff => (StatusCode::CONFLICT, "called-off", "The interview was called off"),
            Self::Deleted => (StatusCode::GONE, "deleted", "The candidate was deleted"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "The body must be JSON"),
            Self::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A field is not right"),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "The idempotency key belongs to another request",
            ),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed here"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not possible at the moment")
            }
            Self::LeverUnreachable => {
                (StatusCode::SERVICE_UNAVAILABLE, "lever-unreachable", "Lever cannot be asked at the moment")
            }
        }
    }

    /// When trying again makes sense, in seconds.
    const fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Unavailable | Self::TooMany => Some("1"),
            Self::LeverUnreachable => Some("10"),
            _ => None,
        }
    }
}

/// An answer that says what is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    pub(super) pointer: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), pointer: None }
    }

    /// With the field of the body that is meant.
    pub(super) fn at(self, field: &str) -> Self {
        // RFC 6901 escapes these two.
        let escaped = field.replace('~', "~0").replace('/', "~1");
        Self { pointer: Some(format!("/{escaped}")), ..self }
    }

    /// A field of the body is not right.
    pub(super) fn invalid(field: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, detail).at(field)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.words().0
    }

    pub(super) fn title(&self) -> &'static str {
        self.kind.words().2
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The field of the body that is meant; empty where none is.
    pub(super) fn field(&self) -> &str {
        self.pointer.as_deref().and_then(|pointer| pointer.split('/').nth(1)).unwrap_or_default()
    }

    pub(super) fn not_found(detail: &'static str) -> Self {
        Self::new(Kind::NotFound, detail)
    }
}

/// A problem, as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// What kind; scripts may branch on it.
    #[schema(example = "/problems/opted-out")]
    r#type: String,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// This very problem, in words for people.
    detail: &'a str,
    /// The field of the body that is meant, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind.words();
        let body = ProblemBody {
            r#type: format!("/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            pointer: self.pointer.as_deref(),
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.kind.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if self.kind == Kind::NoToken {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"fulcrum\""));
        }
        response
    }
}

/// What the store cannot do is logged here, once, unless it is only busy.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::new(Kind::Unavailable, "more is being written than the disk takes"),
            StoreError::Closed | StoreError::Failed => {
                Self::new(Kind::Unavailable, "the store is closed; the daemon stops or starts again")
            }
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed under a request");
                Self::new(Kind::Internal, "the store failed; the log says why")
            }
        }
    }
}

impl From<KeyReused> for Problem {
    fn from(error: KeyReused) -> Self {
        Self::new(Kind::KeyReused, error.to_string())
    }
}

/// For paths that lead nowhere.
pub(super) async fn no_such_path() -> Problem {
    Problem::not_found("nothing is served at this path")
}

/// For the wrong method; `Allow` is added by the router.
pub(super) async fn wrong_method() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "the header Allow lists the methods of this path")
}

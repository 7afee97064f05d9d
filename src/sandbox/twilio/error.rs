//! The errors that the simulated REST API answers, in Twilio's JSON shape.
//!
//! The code decides: callers branch on it and the HTTP status follows from it (carriers.md
//! 1.3). The sentences are our own; Twilio declares them not to be for programs.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

/// One refusal: Twilio's code and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: u32,
    message: String,
}

impl ApiError {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// The same answer whether the account, the message or the path is unknown.
    pub(super) fn not_found(path: &str) -> Self {
        Self::new(20404, format!("The requested resource {path} was not found"))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            20003 => StatusCode::UNAUTHORIZED,
            20404 | 21701 => StatusCode::NOT_FOUND,
            20004 => StatusCode::METHOD_NOT_ALLOWED,
            20009 | 30409 => StatusCode::CONFLICT,
            20429 => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn body(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status().as_u16(),
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status(), Json(self.body())).into_response()
    }
}

/// What Twilio writes beside the code of a text that was not delivered.
pub(super) fn delivery_error(code: u32) -> &'static str {
    match code {
        21610 => "Attempt to send to unsubscribed recipient",
        30001 => "Queue overflow",
        30003 => "Unreachable destination handset",
        30004 => "Message blocked",
        30005 => "Unknown destination handset",
        30006 => "Landline or unreachable carrier",
        30007 => "Message filtered",
        30036 => "Validity period expired",
        30034 => "Message from an unregistered number",
        _ => "Unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_code_twice_and_its_status() {
        let error = ApiError::new(21606, "not your number");
        assert_eq!(
            error.body(),
            json!({"code": 21606, "message": "not your number",
                "more_info": "https://www.twilio.com/docs/errors/21606", "status": 400})
        );
    }

    #[test]
    fn the_status_follows_from_the_code() {
        for (code, status) in
            [(20003, 401), (20404, 404), (20429, 429), (21211, 400), (21610, 400), (21701, 404)]
        {
            assert_eq!(ApiError::new(code, "").status().as_u16(), status, "{code}");
        }
    }
}

//! What can go wrong with a request to Lever, sorted by what the caller can do about it.
//!
//! Sorted by status, as lever-api.md 1.5 says. Lever's messages may name people, so they are read
//! here and go no further; only the code and a JSON pointer do.

use reqwest::StatusCode;

use super::Endpoint;
use super::wire::{Fields, Unreadable};

/// Lever's code for a record that is not there; for a path, it has another (lever-api.md 1.5).
const RECORD_NOT_FOUND: &str = "NotFoundError";

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
pub enum LeverError {
    /// The key is wrong, or no longer right. Nothing will work until somebody changes it.
    #[error("lever refuses the api key")]
    Unauthorized,
    /// The key lacks a tick-box, or the record is confidential and the key may not see such.
    #[error("{}", may_not(*.endpoint, *.names_user))]
    Forbidden {
        /// What was asked.
        endpoint: Endpoint,
        /// Whether it speaks of a user, as for the author of a note: then it may be about that one alone.
        names_user: bool,
    },
    /// Something that stands before Lever refuses, such as a firewall: it says nothing of the key.
    #[error("something on the way to lever refuses with status {status}")]
    Intercepted {
        /// The status.
        status: u16,
    },
    /// There is no such record, or none that this key sees. Not a proof of deletion.
    #[error("lever finds nothing at {endpoint}")]
    NotFound {
        /// What was asked.
        endpoint: Endpoint,
        /// Whether Lever says so of a record. Otherwise the path is unknown, or a gateway answered.
        of_record: bool,
        /// Whether it is a user that Lever misses, as for the author of a note.
        names_user: bool,
    },
    /// The listing has to begin anew.
    #[error("lever does not accept the offset of the listing")]
    InvalidOffset,
    /// Lever refuses the request as it is; the same again will not help.
    #[error("lever refuses a request to {endpoint}: {status} {code}{}", at(.pointer.as_deref()))]
    BadRequest {
        /// What was asked.
        endpoint: Endpoint,
        /// The status, 400 mostly.
        status: u16,
        /// Lever's word for it, or empty.
        code: String,
        /// Which part of the body it is about, as a JSON pointer.
        pointer: Option<String>,
        /// Whether it speaks of a user, as for the author of a note.
        names_user: bool,
    },
    /// Too many requests, again and again.
    #[error("lever refuses for the rate")]
    Throttled,
    /// Lever failed.
    #[error("lever fails with status {status}")]
    Server {
        /// The status: 500 and above, or 408.
        status: u16,
    },
    /// No connection: name, network, refusal, TLS. Nothing was sent.
    #[error("cannot reach lever")]
    Unreachable(#[source] reqwest::Error),
    /// Something was sent, but no whole answer came: time-out, or the connection was lost.
    #[error("the answer from lever was lost")]
    Interrupted(#[source] reqwest::Error),
    /// An answer came that is not one of Lever's: a login page, rubbish, an error under a 200.
    #[error("the answer from lever cannot be read: {0}")]
    Unreadable(Unreadable),
    /// We stopped before it was sent. Never said of a write that was sent.
    #[error("no more requests to lever: stopping")]
    Cancelled,
}

/// What is known of a write that came back with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It had no effect. It may be sent again.
    NotDone,
    /// It may have had its effect. To send it again may do it twice.
    Unknown,
}

impl LeverError {
    /// What is known of a write that came back with this error.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::Intercepted { .. }
            | Self::NotFound { .. }
            | Self::InvalidOffset
            | Self::BadRequest { .. }
            | Self::Throttled
            | Self::Unreachable(_)
            | Self::Cancelled => Outcome::NotDone,
            Self::Server { .. } | Self::Interrupted(_) | Self::Unreadable(_) => Outcome::Unknown,
        }
    }

    /// Whether the same request may succeed later without anybody doing something.
    pub const fn passes(&self) -> bool {
        matches!(
            self,
            Self::Throttled
                | Self::Intercepted { .. }
                | Self::Server { .. }
                | Self::Unreachable(_)
                | Self::Interrupted(_)
                | Self::Unreadable(_)
                | Self::Cancelled
        )
    }

    /// Whether nothing came for so long that it was given up.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Unreachable(error) | Self::Interrupted(error) if error.is_timeout())
    }

    /// Whether a list of the tenant is missing, which every tenant has: something else than Lever's API
    /// answers, or its address has another path.
    pub const fn is_no_api(&self) -> bool {
        matches!(self, Self::NotFound { endpoint, of_record: false, .. } if endpoint.is_list_of_tenant())
    }

    /// Whether the answer is nothing that Lever's API says, whatever it is asked for.
    pub const fn is_strange(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(Unreadable::NotJson | Unreadable::NoData | Unreadable::Redirect)
                | Self::Intercepted { .. }
        ) || self.is_no_api()
    }

    /// What an answer with this status means, other than success.
    pub(super) fn of_answer(endpoint: Endpoint, status: StatusCode, body: &str) -> Self {
        let mut fields = Fields::parse(body);
        let is_object = fields.is_some();
        let mut text = |key| fields.as_mut().map(|fields| fields.text(key)).unwrap_or_default();
        let (code, message) = (word(text("code")), text("message").to_ascii_lowercase());
        let names_user = ["user", "perform_as", "performas"].iter().any(|word| message.contains(word));
        let of_record = code == RECORD_NOT_FOUND;
        match status.as_u16() {
            401 => Self::Unauthorized,
            // Lever's refusals are objects (lever-api.md 1.5); a web page is somebody else's.
            403 if !is_object => Self::Intercepted { status: 403 },
            403 => Self::Forbidden { endpoint, names_user },
            // A proxy's alone.
            407 => Self::Intercepted { status: 407 },
            404 => Self::NotFound { endpoint, of_record, names_user: of_record && names_user },
            429 => Self::Throttled,
            400 if message.contains("invalid offset token") => Self::InvalidOffset,
            // A proxy's word for a request that did not arrive whole, or did it.
            408 => Self::Server { status: 408 },
            status @ 400..=499 => {
                let pointer = pointer(&message);
                Self::BadRequest { endpoint, status, code, pointer, names_user }
            }
            status @ 500.. => Self::Server { status },
            // Lever's API does not redirect those who ask it rightly; login pages of networks do.
            _ => Self::Unreadable(Unreadable::Redirect),
        }
    }
}

/// Lever's code if it is a plain word, since nobody knows what else might stand there.
fn word(code: String) -> String {
    let plain = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { code } else { String::new() }
}

/// The JSON pointer at the end of "something is wrong at /value" (lever-api.md 1.5).
fn pointer(message: &str) -> Option<String> {
    let (_, pointer) = message.rsplit_once(" at /")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'/';
    (pointer.len() <= 64 && pointer.bytes().all(plain)).then(|| format!("/{pointer}"))
}

fn may_not(endpoint: Endpoint, names_user: bool) -> String {
    let perhaps = if names_user { " in that user's name, or not at all" } else { "" };
    format!("the api key may not use {endpoint}{perhaps}: it needs \u{201c}{}\u{201d}", endpoint.tick_box())
}

fn at(pointer: Option<&str>) -> String {
    pointer.map(|pointer| format!(" at {pointer}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        LeverError::of_answer(Endpoint::CreateNote, status, body).to_string()
    }

    #[test]
    fn statuses_are_told_apart_and_messages_stay_here() {
        let bad = r#"{"code":"BadRequestError","message":"Ana Ruiz is wrong at /value"}"#;
        assert_eq!(shown(400, bad), "lever refuses a request to create_note: 400 BadRequestError at /value");
        let odd = r#"{"code":"Ana Ruiz","message":"bad at /Ana Ruiz"}"#;
        assert_eq!(shown(422, odd), "lever refuses a request to create_note: 422 ");
        assert_eq!(
            shown(400, r#"{"message":"Invalid offset token: x"}"#),
            LeverError::InvalidOffset.to_string()
        );
        assert_eq!(
            shown(403, r#"{"code":"ForbiddenError","message":"no"}"#),
            "the api key may not use create_note: it needs \u{201c}Create an opportunity note\u{201d}"
        );
        assert_eq!(
            shown(403, r#"{"code":"ForbiddenError","message":"Ana Ruiz is no such user at /perform_as"}"#),
            "the api key may not use create_note in that user's name, or not at all: it needs \u{201c}Create an \
             opportunity note\u{201d}"
        );
        assert_eq!(shown(403, "<html>"), "something on the way to lever refuses with status 403");
        assert_eq!(shown(503, "<html>"), "lever fails with status 503");
        assert_eq!(shown(302, ""), "the answer from lever cannot be read: it sends us elsewhere");
    }

    #[test]
    fn a_missing_author_is_told_from_a_missing_opportunity() {
        let names_user = |body| match LeverError::of_answer(Endpoint::CreateNote, StatusCode::NOT_FOUND, body)
        {
            LeverError::NotFound { names_user, .. } => names_user,
            other => panic!("{other}"),
        };
        assert!(names_user(r#"{"code":"NotFoundError","message":"user was not found"}"#));
        assert!(!names_user(r#"{"code":"NotFoundError","message":"Opportunity was not found"}"#));
    }

    #[test]
    fn only_levers_word_for_a_record_says_that_there_is_none() {
        let of_record = |body| {
            let error = LeverError::of_answer(Endpoint::Opportunity, StatusCode::NOT_FOUND, body);
            matches!(error, LeverError::NotFound { of_record: true, .. })
        };
        assert!(of_record(r#"{"code":"NotFoundError","message":"Opportunity was not found"}"#));
        assert!(!of_record(r#"{"code":"ResourceNotFound","message":"/v1/x does not exist"}"#));
        assert!(!of_record("<html>404 page not found"));
    }

    #[test]
    fn a_refusal_of_a_firewall_says_nothing_of_the_key_and_passes() {
        for body in ["<html>blocked", "", r#""blocked""#, r#"{"code":"Forb"#] {
            let error = LeverError::of_answer(Endpoint::Opportunity, StatusCode::FORBIDDEN, body);
            assert!(matches!(error, LeverError::Intercepted { .. }) && error.passes(), "{body}: {error}");
        }
        let word = r#"{"code":"ForbiddenError","message":"no"}"#;
        let error = LeverError::of_answer(Endpoint::Opportunity, StatusCode::FORBIDDEN, word);
        assert!(matches!(error, LeverError::Forbidden { .. }) && !error.passes());
    }

    #[test]
    fn a_proxy_that_wants_a_login_is_no_word_of_levers() {
        let error = LeverError::of_answer(
            Endpoint::Users,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            r#"{"code":"x"}"#,
        );
        assert!(matches!(error, LeverError::Intercepted { status: 407 }) && error.is_strange(), "{error}");
    }

    #[test]
    fn a_tenant_without_its_lists_is_none() {
        let is_no_api =
            |endpoint, body| LeverError::of_answer(endpoint, StatusCode::NOT_FOUND, body).is_no_api();
        assert!(is_no_api(
            Endpoint::Users,
            r#"{"code":"ResourceNotFound","message":"/users does not exist"}"#
        ));
        assert!(is_no_api(Endpoint::Opportunities, "<html>404 page not found"));
        assert!(!is_no_api(Endpoint::Opportunity, "<html>404 page not found"));
        assert!(!is_no_api(Endpoint::Interviews, "<html>404 page not found"));
        assert!(!is_no_api(Endpoint::Users, r#"{"code":"NotFoundError","message":"user was not found"}"#));
    }

    #[test]
    fn only_refusals_prove_that_a_write_was_not_done() {
        let outcome = |status| {
            LeverError::of_answer(Endpoint::CreateNote, StatusCode::from_u16(status).unwrap(), "").outcome()
        };
        for status in [400, 401, 403, 404, 409, 413, 422, 429] {
            assert_eq!(outcome(status), Outcome::NotDone, "{status}");
        }
        for status in [301, 302, 408, 500, 502, 503, 504] {
            assert_eq!(outcome(status), Outcome::Unknown, "{status}");
        }
    }
}

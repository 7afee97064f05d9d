//! The page on which somebody approves an extension, and the question by which it gets its token.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use http::{StatusCode, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::pairing::{Challenge, Decision, label};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::console::page;
use crate::server::console::texts::pairing as texts;
use crate::server::problem::{Kind, Problem};

/// `{"verifier": "…"}` with 43 characters.
const QUESTION_BYTES_MAX: usize = 1024;

#[derive(Template)]
#[template(path = "pair.html")]
struct Page<'a> {
    frame: Frame<'a>,
    title: &'static str,
    words: &'static str,
    asked: Option<Asked<'a>>,
}

struct Frame<'a> {
    base: &'a str,
}

struct Asked<'a> {
    csrf: &'a str,
    challenge: Challenge,
    label: String,
    code: String,
    approve: &'static str,
    refuse: &'static str,
}

impl Page<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        (status, page(self)).into_response()
    }
}

fn said(shared: &Shared, status: StatusCode, title: &'static str, words: &'static str) -> Response {
    Page { frame: Frame { base: shared.site.base() }, title, words, asked: None }.answer(status)
}

/// What the extension's link says, and the form after it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    challenge: String,
    label: String,
    answer: String,
}

/// `GET /extension/pair`: asks whether it is to be.
pub(super) async fn ask(
    State(shared): State<Arc<Shared>>,
    axum::Extension(caller): axum::Extension<Caller>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let Query(wanted) = wanted.unwrap_or_default();
    let Ok(challenge) = wanted.challenge.parse::<Challenge>() else {
        return said(&shared, StatusCode::BAD_REQUEST, texts::WRONG, texts::WRONG_WORDS);
    };
    let asked = Asked {
        csrf: caller.csrf(),
        challenge,
        label: label(&wanted.label),
        code: challenge.code(),
        approve: texts::APPROVE,
        refuse: texts::REFUSE,
    };
    let frame = Frame { base: shared.site.base() };
    Page { frame, title: texts::ASK, words: texts::ASK_WORDS, asked: Some(asked) }.answer(StatusCode::OK)
}

/// `POST /extension/pair`: takes the answer.
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    axum::Extension(caller): axum::Extension<Caller>,
    wanted: Result<Form<Wanted>, FormRejection>,
) -> Response {
    let Form(wanted) = wanted.unwrap_or_default();
    let Ok(challenge) = wanted.challenge.parse::<Challenge>() else {
        return said(&shared, StatusCode::BAD_REQUEST, texts::WRONG, texts::WRONG_WORDS);
    };
    // A program's token is no person, and an extension does not make another.
    let Some(session) = caller.session.filter(|_| caller.came_by_cookie()) else {
        return said(&shared, StatusCode::CONFLICT, texts::WRONG, texts::NO_BROWSER);
    };
    let pairings = &shared.extension.pairings;
    if wanted.answer == "approve" {
        pairings.decide(challenge, Decision::Approved(session, label(&wanted.label)), Instant::now());
        said(&shared, StatusCode::OK, texts::APPROVED, texts::APPROVED_WORDS)
    } else {
        pairings.decide(challenge, Decision::Refused, Instant::now());
        said(&shared, StatusCode::OK, texts::REFUSED, texts::REFUSED_WORDS)
    }
}

#[derive(Deserialize)]
struct Question {
    verifier: String,
}

/// `POST /extension/token`: 200 with the token, once; 202 while nobody has decided; 403 when it was
/// refused.
pub(super) async fn token(State(shared): State<Arc<Shared>>, body: Body) -> Result<Response, Problem> {
    let bytes = shared.read_body(body, QUESTION_BYTES_MAX).await?;
    let verifier = serde_json::from_slice(&bytes).map(|Question { verifier }| verifier);
    let verifier =
        verifier.map_err(|_| Problem::new(Kind::Malformed, "the body is not {\"verifier\": …}"))?;
    let challenge =
        Challenge::of_verifier(&verifier).map_err(|error| Problem::invalid("verifier", error.to_string()))?;
    let refused = || Problem::new(Kind::Forbidden, "the request was refused");
    match shared.extension.pairings.take(challenge, Instant::now()) {
        None => Ok(StatusCode::ACCEPTED.into_response()),
        Some(Decision::Refused) => Err(refused()),
        Some(Decision::Approved(session, label)) => {
            // None: whoever approved has signed out since.
            let token = shared.engine.grant_extension(session, label).await?.ok_or_else(refused)?;
            let kept_by_nobody = [(header::CACHE_CONTROL, "no-store")];
            Ok((kept_by_nobody, Json(json!({ "token": token.expose_secret() }))).into_response())
        }
    }
}

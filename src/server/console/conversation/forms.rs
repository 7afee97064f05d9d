//! The forms of a conversation, for browsers without our module: the same calls as the API's, with
//! a page for an answer.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Draft, Older, Which, whole};
use crate::server::caller::Caller;
use crate::server::console::{frame, texts};
use crate::server::problem::Problem;
use crate::server::{Shared, api, sign_in};

/// A text.
#[derive(Deserialize)]
pub(in crate::server::console) struct Text {
    #[serde(default)]
    body: String,
    #[serde(default)]
    when: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    cannot_wait: String,
    /// What stands for a booking link, to be put behind the words.
    #[serde(default)]
    booking: String,
}

/// `POST /c/{id}/texts`.
pub(in crate::server::console) async fn send_in_thread(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(text): Form<Text>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    send(shared, caller, Which::Thread(id), text).await
}

/// `POST /o/{id}/texts`.
pub(in crate::server::console) async fn send_to_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(text): Form<Text>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    send(shared, caller, Which::Candidate(id), text).await
}

async fn send(
    shared: Arc<Shared>,
    caller: Caller,
    which: Which,
    mut text: Text,
) -> Result<Response, Problem> {
    if !text.booking.is_empty() {
        text.body = format!("{} {}", text.body, text.booking);
    }
    let mut wanted = json!({ "body": text.body, "override_quiet_hours": text.cannot_wait });
    if matches!(text.when.as_str(), "" | "now") {
        wanted["undo"] = true.into();
    } else if let Some(at) = send_at(&shared, &text) {
        wanted["send_at"] = at.to_string().into();
    } else {
        let problem = Problem::invalid("at", texts::JS_NO_TIME);
        return again(&shared, &caller, which, text.body, &problem).await;
    }
    match &which {
        Which::Candidate(id) => wanted["opportunity"] = id.to_string().into(),
        Which::Thread(id) => match shared.engine.conversation(*id, caller.sight).await? {
            Some(view) => wanted["to"] = view.conversation.number.to_string().into(),
            None => return Ok(frame::not_found(&shared)),
        },
    }
    match api::send(shared.clone(), caller.clone(), &wanted.to_string()).await {
        Ok(()) => Ok(Redirect::to(&format!("{}{}", shared.site.base(), which.path())).into_response()),
        Err(problem) => again(&shared, &caller, which, text.body, &problem).await,
    }
}

/// The page once more, with what was typed and why it was not taken.
async fn again(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    words: String,
    problem: &Problem,
) -> Result<Response, Problem> {
    let draft = Draft { words, wrong: problem.detail().to_owned(), meeting: None };
    let page = whole(shared, caller, which, Older::default(), draft).await?;
    Ok((problem.status(), page).into_response())
}

/// The time that was chosen. One without a zone is the organisation's: without our module the browser
/// does not tell its own.
fn send_at(shared: &Shared, text: &Text) -> Option<Timestamp> {
    match text.when.as_str() {
        "at" => {
            let at: DateTime = text.at.parse().ok()?;
            shared.engine.zone().to_timestamp(at).ok()
        }
        moment => moment.parse().ok(),
    }
}

/// Which text.
#[derive(Deserialize)]
pub(in crate::server::console) struct WhichText {
    #[serde(default)]
    message: String,
}

/// `POST /c/{id}/cancel`.
pub(in crate::server::console) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(form): Form<WhichText>,
) -> Result<Response, Problem> {
    match api::call_off(shared.clone(), caller, form.message).await {
        Ok(()) => Ok(back(&shared, &id)),
        Err(problem) => Ok(sign_in::refusal(&shared, &problem)),
    }
}

/// What a button asks for, as the API would be asked, with what was typed beside it.
#[derive(Deserialize)]
pub(in crate::server::console) struct Call {
    #[serde(default)]
    call: String,
    answer: Option<String>,
    reason: Option<String>,
    on: Option<String>,
    event_type: Option<String>,
    timezone: Option<String>,
    opportunity: Option<String>,
}

impl Call {
    /// The body of the API's call.
    fn body(self) -> String {
        let Ok(Value::Object(mut body)) = serde_json::from_str(&self.call) else { return self.call };
        let fields = [
            ("answer", self.answer),
            ("reason", self.reason),
            ("on", self.on),
            ("event_type", self.event_type),
            ("timezone", self.timezone),
            ("opportunity", self.opportunity),
        ];
        for (name, typed) in fields {
            body.extend(typed.filter(|typed| !typed.is_empty()).map(|typed| (name.to_owned(), typed.into())));
        }
        Value::Object(body).to_string()
    }
}

/// `POST /c/{id}/assign`, `follow`, `archive`, `unread`, `file`, `attach`, `consent`, `opt-out`, `timezone`.
pub(in crate::server::console) async fn act(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, what)): Path<(String, String)>,
    Form(form): Form<Call>,
) -> Result<Response, Problem> {
    match api::act(shared.clone(), caller, id.clone(), &what, &form.body()).await {
        // Shown again, it would be read.
        Ok(()) if what == "unread" => {
            Ok(Redirect::to(&format!("{}/inbox", shared.site.base())).into_response())
        }
        Ok(()) => Ok(back(&shared, &id)),
        Err(problem) => Ok(sign_in::refusal(&shared, &problem)),
    }
}

/// `POST /o/{id}/consent`, `opt-out`, `offer-times`, `timezone`.
pub(in crate::server::console) async fn act_on_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, what)): Path<(String, String)>,
    Form(form): Form<Call>,
) -> Result<Response, Problem> {
    match api::act_on_candidate(shared.clone(), caller, id.clone(), &what, &form.body()).await {
        Ok(()) => Ok(Redirect::to(&format!("{}/o/{id}", shared.site.base())).into_response()),
        Err(problem) => Ok(sign_in::refusal(&shared, &problem)),
    }
}

fn back(shared: &Shared, id: &str) -> Response {
    Redirect::to(&format!("{}/c/{id}", shared.site.base())).into_response()
}

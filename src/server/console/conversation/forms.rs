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

use super::view::View;
use super::{Draft, Older, Which, whole};
use crate::server::caller::Caller;
use crate::server::console::{frame, texts};
use crate::server::problem::{Kind, Problem};
use crate::server::{Shared, api, sign_in};

/// A text.
#[derive(Clone, Deserialize)]
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
    /// The number that the page showed.
    #[serde(default)]
    to: String,
}

/// A text that was not taken, as the composer shows it again.
#[derive(Default)]
pub(in crate::server::console) struct Unsent {
    pub(super) words: String,
    when: String,
    pub(super) at: String,
    pub(super) cannot_wait: String,
    /// Why it was not taken; empty at first.
    pub(super) wrong: String,
    /// The field of the API's call that is meant.
    pub(super) field: String,
}

impl Unsent {
    fn of(text: Text, problem: &Problem) -> Self {
        let Text { body, when, at, cannot_wait, .. } = text;
        let field = problem.field().to_owned();
        Self { words: body, when, at, cannot_wait, wrong: problem.detail().to_owned(), field }
    }

    /// Nothing was typed into the composer; what went wrong elsewhere is said there.
    pub(super) fn said(wrong: String) -> Self {
        Self { wrong, ..Self::default() }
    }

    pub(super) fn is_exact(&self) -> bool {
        self.when == "at"
    }

    /// The moment of a morning: the next one now, if that one is over.
    pub(super) fn is_morning(&self) -> bool {
        !matches!(self.when.as_str(), "" | "now" | "at")
    }
}

/// What is typed into one of the small forms beside a conversation, as it is shown.
#[derive(Default)]
pub(super) struct Typed {
    /// Its choice: an answer, a day, a time zone.
    pub(super) value: String,
    pub(super) reason: String,
    /// Why it was not taken; empty at first.
    pub(super) wrong: String,
    /// The field that is meant.
    pub(super) field: String,
}

impl Typed {
    /// As it is at first.
    pub(super) fn fresh(value: String) -> Self {
        Self { value, ..Self::default() }
    }
}

/// A small form that was not taken.
pub(in crate::server::console) struct Refused {
    what: String,
    value: Option<String>,
    reason: Option<String>,
    problem: Problem,
}

impl Refused {
    /// Puts what was typed back where that was; where there is no such form, the composer says why.
    pub(super) fn put_back(self, view: &mut View) {
        let form = match (self.what.as_str(), &mut view.wishes, &mut view.zone) {
            ("consent", Some(wishes), _) => Some(&mut wishes.consent),
            ("opt-out", Some(wishes), _) if wishes.opt_out.is_some() => Some(&mut wishes.opting),
            ("timezone", _, Some(zone)) => Some(&mut zone.typed),
            _ => None,
        };
        let wrong = self.problem.detail().to_owned();
        // A button without fields has no form to come back to.
        match form.filter(|_| self.value.is_some() || self.reason.is_some()) {
            Some(form) => {
                let value = self.value.unwrap_or_default();
                let field = self.problem.field().to_owned();
                *form = Typed { value, reason: self.reason.unwrap_or_default(), wrong, field };
            }
            None => view.draft = Unsent::said(wrong),
        }
    }
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
        let problem = Problem::invalid("send_at", texts::JS_NO_TIME);
        let draft = Draft::Text(Unsent::of(text, &problem));
        return again(&shared, &caller, which, draft, &problem).await;
    }
    match &which {
        Which::Candidate(id) => {
            wanted["opportunity"] = id.to_string().into();
            if !text.to.is_empty() {
                wanted["to"] = text.to.as_str().into();
            }
        }
        Which::Thread(id) => match shared.engine.conversation(*id, caller.sight).await? {
            Some(view) => wanted["to"] = view.conversation.number.to_string().into(),
            None => return Ok(frame::not_found(&shared)),
        },
    }
    match api::send(shared.clone(), caller.clone(), &wanted.to_string()).await {
        Ok(()) => Ok(Redirect::to(&format!("{}{}", shared.site.base(), which.path())).into_response()),
        Err(problem) => {
            let draft = Draft::Text(Unsent::of(text, &problem));
            again(&shared, &caller, which, draft, &problem).await
        }
    }
}

/// The page once more, with what was typed and why it was not taken.
async fn again(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    draft: Draft,
    problem: &Problem,
) -> Result<Response, Problem> {
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
#[derive(Clone, Deserialize)]
pub(in crate::server::console) struct Call {
    #[serde(default)]
    call: String,
    account: Option<String>,
    answer: Option<String>,
    reason: Option<String>,
    on: Option<String>,
    event_type: Option<String>,
    timezone: Option<String>,
    opportunity: Option<String>,
}

impl Call {
    /// The form, as it is to be shown again.
    fn refused(self, what: &str, problem: &Problem) -> Refused {
        Refused {
            what: what.to_owned(),
            value: self.answer.or(self.on).or(self.timezone),
            reason: self.reason,
            problem: problem.clone(),
        }
    }

    /// The body of the API's call.
    fn body(self) -> String {
        let Ok(Value::Object(mut body)) = serde_json::from_str(&self.call) else { return self.call };
        let fields = [
            ("account", self.account),
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
    match api::act(shared.clone(), caller.clone(), id.clone(), &what, &form.clone().body()).await {
        // Shown again, it would be read.
        Ok(()) if what == "unread" => {
            Ok(Redirect::to(&format!("{}/inbox", shared.site.base())).into_response())
        }
        Ok(()) => Ok(back(&shared, &id)),
        Err(problem) => {
            let which = id.parse().ok().filter(|_| what != "unread").map(Which::Thread);
            untaken(&shared, &caller, which, form.refused(&what, &problem)).await
        }
    }
}

/// `POST /o/{id}/consent`, `opt-out`, `offer-times`, `timezone`.
pub(in crate::server::console) async fn act_on_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, what)): Path<(String, String)>,
    Form(form): Form<Call>,
) -> Result<Response, Problem> {
    match api::act_on_candidate(shared.clone(), caller.clone(), id.clone(), &what, &form.clone().body()).await
    {
        Ok(()) => Ok(Redirect::to(&format!("{}/o/{id}", shared.site.base())).into_response()),
        Err(problem) => {
            let which = id.parse().ok().map(Which::Candidate);
            untaken(&shared, &caller, which, form.refused(&what, &problem)).await
        }
    }
}

/// The page once more, with what was typed into one of its small forms and why it was not taken; a page that
/// says so where there is none to show.
async fn untaken(
    shared: &Shared,
    caller: &Caller,
    which: Option<Which>,
    refused: Refused,
) -> Result<Response, Problem> {
    let problem = refused.problem.clone();
    match which.filter(|_| problem.kind() != Kind::NotFound) {
        Some(which) => again(shared, caller, which, Draft::Form(refused), &problem).await,
        None => Ok(sign_in::refusal(shared, &problem)),
    }
}

fn back(shared: &Shared, id: &str) -> Response {
    Redirect::to(&format!("{}/c/{id}", shared.site.base())).into_response()
}

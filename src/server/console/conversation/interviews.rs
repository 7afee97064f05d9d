//! The interviews of a candidate beside their conversation, and the forms that arrange, change and call
//! them off, for browsers without our module: the same calls as the API's, with a page for an answer.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::forms::Unsent;
use super::lines::{Reader, moment, shown};
use super::{Draft, Older, View, Which, whole};
use crate::engine::{InterviewState, InterviewView};
use crate::server::caller::Caller;
use crate::server::console::{frame, texts};
use crate::server::problem::{Kind, Problem};
use crate::server::{Shared, api};

/// An interview, ready to be drawn.
pub(super) struct Meet {
    /// Its id here, while it can be changed here.
    pub(super) id: Option<String>,
    pub(super) words: String,
    pub(super) state: String,
    pub(super) form: Fields,
}

/// What the form of an interview shows at first.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) subject: String,
    pub(super) at: String,
    pub(super) minutes: String,
    pub(super) location: String,
    pub(super) interviewers: String,
    pub(super) note: String,
    pub(super) timezone: String,
    pub(super) feedback_template: String,
    /// Why it was not taken; empty at first.
    pub(super) wrong: String,
}

impl Fields {
    /// Of a new one, held by whoever looks, if Lever knows them.
    pub(super) fn fresh(caller: &Caller) -> Self {
        let own = caller.account.as_ref().filter(|_| caller.user.is_some());
        let own = own.map(|account| account.as_str().to_owned());
        Self { minutes: "30".to_owned(), interviewers: own.unwrap_or_default(), ..Self::default() }
    }
}

/// The interviews, in order of their start.
pub(super) fn meets(views: Vec<InterviewView>, reader: &Reader<'_>) -> Vec<Meet> {
    let meet = |view: InterviewView| {
        let names: Vec<String> = view
            .interviewers
            .iter()
            .filter_map(|(_, known)| known.as_ref())
            .map(|(name, _)| shown(name))
            .collect();
        let parts = [view.subject.as_deref().map(shown), Some(moment(view.starts_at, reader))];
        let mut words: Vec<String> = parts.into_iter().flatten().collect();
        words.extend(view.location.as_deref().map(shown));
        words.extend((!names.is_empty()).then(|| names.join(", ")));
        let state = match &view.state {
            InterviewState::InLever => texts::INTERVIEW_IN_LEVER.to_owned(),
            InterviewState::Waiting => texts::INTERVIEW_WAITING.to_owned(),
            InterviewState::Blocked(why) => format!("{}: {why}", texts::INTERVIEW_NOT_IN_LEVER),
            InterviewState::CalledOff => texts::INTERVIEW_CALLED_OFF.to_owned(),
            InterviewState::GoneInLever => texts::INTERVIEW_GONE.to_owned(),
        };
        let leads: Vec<String> = view.unreminded.iter().map(|minutes| before(*minutes)).collect();
        let state = match leads.as_slice() {
            [] => state,
            leads => format!("{state}; {}", texts::INTERVIEW_UNREMINDED.replace("{}", &leads.join(", "))),
        };
        let named = |(id, known): &(fulcrum_domain::UserId, Option<(String, String)>)| match known {
            Some((_, email)) => email.clone(),
            None => id.to_string(),
        };
        let interviewers: Vec<String> = view.interviewers.iter().map(named).collect();
        let form = Fields {
            at: reader.zone.to_datetime(view.starts_at).strftime("%Y-%m-%dT%H:%M").to_string(),
            minutes: view.minutes.to_string(),
            interviewers: interviewers.join(", "),
            subject: view.subject.clone().unwrap_or_default(),
            location: view.location.clone().unwrap_or_default(),
            note: view.note.clone().unwrap_or_default(),
            timezone: view.timezone.clone().unwrap_or_default(),
            feedback_template: view.feedback_template.clone().unwrap_or_default(),
            wrong: String::new(),
        };
        let id = view.id.filter(|_| view.is_ours()).map(|id| id.to_string());
        Meet { id, words: words.join(", "), state, form }
    };
    views.into_iter().map(meet).collect()
}

/// How long before the start, such as 24h.
fn before(minutes: u32) -> String {
    format!("{:#}", jiff::SignedDuration::from_mins(minutes.into()))
}

/// What a form says.
#[derive(Deserialize)]
pub(in crate::server::console) struct Wanted {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    minutes: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    interviewers: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    timezone: String,
    #[serde(default)]
    feedback_template: String,
    #[serde(default)]
    call_off: String,
    /// What the form was drawn with: sent twice, it arranges one interview.
    #[serde(default)]
    once: String,
}

impl Wanted {
    /// As the API would be asked. A time without a zone is the organisation's.
    fn body(&self, shared: &Shared) -> Result<Value, Problem> {
        let at = self.at.parse::<DateTime>().ok().and_then(|at| shared.engine.zone().to_timestamp(at).ok());
        let at = at.ok_or_else(|| Problem::invalid("starts_at", texts::JS_NO_TIME))?;
        let minutes: Option<u32> = self.minutes.trim().parse().ok();
        let interviewers = self.interviewers.split([',', ';', ' ']).filter(|word| !word.is_empty());
        Ok(json!({
            "subject": self.subject,
            "note": self.note,
            "location": self.location,
            "starts_at": at,
            "minutes": minutes,
            "timezone": self.timezone,
            "interviewers": interviewers.collect::<Vec<_>>(),
            "feedback_template": self.feedback_template,
        }))
    }
}

/// What was typed into a form that was not taken.
pub(in crate::server::console) struct Typed {
    /// Which interview it was to change; none for a new one.
    interview: Option<String>,
    /// None where nothing can be typed.
    fields: Option<Fields>,
    wrong: String,
}

impl Typed {
    fn of(interview: Option<String>, wanted: Wanted, problem: &Problem) -> Self {
        let fields = wanted.call_off.is_empty().then(|| Fields {
            subject: wanted.subject,
            at: wanted.at,
            minutes: wanted.minutes,
            location: wanted.location,
            interviewers: wanted.interviewers,
            note: wanted.note,
            timezone: wanted.timezone,
            feedback_template: wanted.feedback_template,
            wrong: String::new(),
        });
        Self { interview, fields, wrong: problem.detail().to_owned() }
    }

    /// Puts it back where it was typed; where that form is gone, the reason alone.
    pub(super) fn put_back(self, view: &mut View) {
        let form = match self.interview {
            None => Some(&mut view.fresh),
            Some(id) => {
                let meet = view.interviews.iter_mut().find(|meet| meet.id.as_ref() == Some(&id));
                meet.map(|meet| &mut meet.form)
            }
        };
        match form.filter(|_| view.may_arrange) {
            Some(form) => {
                if let Some(fields) = self.fields {
                    *form = fields;
                }
                form.wrong = self.wrong;
            }
            None => view.draft = Unsent::said(self.wrong),
        }
    }
}

/// `POST /o/{id}/interviews`.
pub(in crate::server::console) async fn arrange(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Problem> {
    let done = async {
        let mut body = wanted.body(&shared)?;
        body["opportunity"] = id.as_str().into();
        api::arrange(shared.clone(), caller.clone(), &body.to_string(), &wanted.once).await
    };
    match done.await {
        Ok(()) => Ok(back(&shared, &id)),
        Err(problem) => {
            let typed = Typed::of(None, wanted, &problem);
            again(&shared, &caller, &id, typed, &problem).await
        }
    }
}

/// `POST /o/{id}/interviews/{interview}`: changes it, or calls it off.
pub(in crate::server::console) async fn change(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, interview)): Path<(String, String)>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Problem> {
    let done = async {
        if wanted.call_off.is_empty() {
            let body = wanted.body(&shared)?.to_string();
            api::change_interview(shared.clone(), caller.clone(), interview.clone(), &body).await
        } else {
            api::call_off_interview(shared.clone(), caller.clone(), interview.clone()).await
        }
    };
    match done.await {
        Ok(()) => Ok(back(&shared, &id)),
        // Pressed twice: a browser shows the second answer alone.
        Err(problem) if problem.kind() == Kind::CalledOff && !wanted.call_off.is_empty() => {
            Ok(back(&shared, &id))
        }
        Err(problem) => {
            let typed = Typed::of(Some(interview), wanted, &problem);
            again(&shared, &caller, &id, typed, &problem).await
        }
    }
}

fn back(shared: &Shared, id: &str) -> Response {
    Redirect::to(&format!("{}/o/{id}", shared.site.base())).into_response()
}

/// The page once more, with what was typed and why it was not taken.
async fn again(
    shared: &Shared,
    caller: &Caller,
    id: &str,
    typed: Typed,
    problem: &Problem,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(shared)) };
    let page = whole(shared, caller, Which::Candidate(id), Older::default(), Draft::Meeting(typed)).await?;
    Ok((problem.status(), page).into_response())
}

//! The forms of a conversation, for browsers without our module: the same calls as the API's, with
//! a page for an answer.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use fulcrum_domain::{Body, ConversationId};
use http::StatusCode;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Draft, Older, Which, whole};
use crate::engine::SendRequest;
use crate::engine::changes::Recipient;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::console::{frame, texts};
use crate::server::problem::Problem;

/// How long a text can be called back before it leaves.
const UNDO: SignedDuration = SignedDuration::from_secs(10);

/// A text.
#[derive(Deserialize)]
pub(in crate::server::console) struct Text {
    #[serde(default)]
    body: String,
    #[serde(default)]
    when: String,
    #[serde(default)]
    at: String,
}

/// `POST /c/{id}/texts`.
pub(in crate::server::console) async fn send_in_thread(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(text): Form<Text>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    send(&shared, &caller, Which::Thread(id), text).await
}

/// `POST /o/{id}/texts`.
pub(in crate::server::console) async fn send_to_candidate(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(text): Form<Text>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    send(&shared, &caller, Which::Candidate(id), text).await
}

async fn send(shared: &Shared, caller: &Caller, which: Which, text: Text) -> Result<Response, Problem> {
    let to = match &which {
        Which::Candidate(id) => Recipient::Opportunity(id.clone()),
        Which::Thread(id) => match shared.engine.conversation(*id, caller.sight).await? {
            Some(view) => Recipient::Number(view.conversation.number),
            None => return Ok(frame::not_found(shared)),
        },
    };
    let outcome = match send_at(shared, &text) {
        Some(at) => {
            let request = SendRequest {
                to,
                body: Body::new(text.body.clone()),
                from: None,
                send_at: Some(at),
                idempotency: None,
                on_behalf_of: None,
                caller: caller.name.clone(),
                account: caller.account.clone(),
                sight: caller.sight,
            };
            shared.engine.send_text(request).await.map_err(|refusal| refusal.to_string())
        }
        None => Err(texts::JS_NO_TIME.to_owned()),
    };
    match outcome {
        Ok(_) => Ok(Redirect::to(&format!("{}{}", shared.site.base(), which.path())).into_response()),
        Err(wrong) => {
            let draft = Draft { words: text.body, wrong };
            let page = whole(shared, caller, which, Older::default(), draft).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// When it is to leave: a moment from now, so that it can be undone, or later. A time without a
/// zone is the organisation's: without our module the browser does not tell its own.
fn send_at(shared: &Shared, text: &Text) -> Option<Timestamp> {
    match text.when.as_str() {
        "" | "now" => shared.engine.now().checked_add(UNDO).ok(),
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
    if let Ok(message) = form.message.parse() {
        match shared.engine.cancel_text(message, caller.actor()).await {
            Ok(()) => {}
            Err(error) => {
                let words = error.to_string();
                return Ok(frame::say(&shared, StatusCode::CONFLICT, texts::TROUBLE, &words));
            }
        }
    }
    Ok(back(&shared, &id))
}

/// What a button asks for, as the API would be asked.
#[derive(Deserialize)]
pub(in crate::server::console) struct Call {
    #[serde(default)]
    call: String,
}

/// The fields of all such calls.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    account: Option<String>,
    following: bool,
    archived: bool,
    opted_out: bool,
}

/// `POST /c/{id}/assign`, `follow`, `archive`, `file`, `opt-out`.
pub(in crate::server::console) async fn act(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((id, what)): Path<(String, String)>,
    Form(form): Form<Call>,
) -> Result<Response, Problem> {
    let engine = &shared.engine;
    let Ok(thread) = id.parse::<ConversationId>() else { return Ok(frame::not_found(&shared)) };
    if engine.conversation(thread, caller.sight).await?.is_none() {
        return Ok(frame::not_found(&shared));
    }
    let fields: Fields = serde_json::from_str(&form.call).unwrap_or_default();
    match what.as_str() {
        "assign" => {
            let account = fields.account.and_then(|account| account.parse().ok());
            engine.assign(thread, account, caller.actor()).await?;
        }
        "follow" => {
            if let Some(account) = caller.account.clone() {
                engine.follow(thread, account, fields.following).await?;
            }
        }
        "archive" => engine.archive(thread, fields.archived, caller.actor()).await?,
        "file" => drop(engine.file_now(thread).await?),
        "opt-out" => {
            let decided = engine
                .decide_opt_out(thread, fields.opted_out, texts::DECIDED_HERE.to_owned(), caller.actor())
                .await;
            if let Err(error) = decided {
                let words = error.to_string();
                return Ok(frame::say(&shared, StatusCode::CONFLICT, texts::TROUBLE, &words));
            }
        }
        _ => return Ok(frame::not_found(&shared)),
    }
    Ok(back(&shared, &id))
}

fn back(shared: &Shared, id: &str) -> Response {
    Redirect::to(&format!("{}/c/{id}", shared.site.base())).into_response()
}

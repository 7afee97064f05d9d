//! `/api/v1/messages`: texting, and reading a thread.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::file::FileState;
use fulcrum_domain::{Account, Author, Body, Number, OpportunityId, Refusal};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::bulk::VersionBody;
use super::conversations::named;
use super::input::{Id, IdempotencyKey, Long, Paging, required};
use crate::engine::changes::{CancelError, ComposeError, Recipient};
use crate::engine::{MessageView, SendRefusal, SendRequest};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// The longest reason.
const REASON_CHARS: usize = 200;

/// How long a text can be called off that is to leave now.
const UNDO: SignedDuration = SignedDuration::from_secs(10);

/// A text that is to be sent: to a candidate, to a number, or to one of a candidate's numbers.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NewMessage {
    /// The candidate's opportunity in Lever. One that is not synced yet is read at once.
    opportunity: Option<String>,
    /// The number, as a person writes it.
    #[schema(example = "+12025550142")]
    to: Option<String>,
    /// The words, at most 1,600 characters with what a first text says besides: who we are, and how to say STOP.
    #[schema(required)]
    body: Option<String>,
    /// The template that the words were made from, so that the message can say so.
    template: Option<String>,
    /// E-mail of the Lever user on whose behalf it is sent.
    r#as: Option<String>,
    /// Which of our numbers it leaves from; else the one that spoke last.
    from: Option<String>,
    /// Not before; a time that is over is refused. In quiet hours it waits for their end in any case,
    /// unless it answers somebody who wrote within the last hour.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
    /// Whether it waits ten seconds, in which it can be called off. Not with `send_at`.
    undo: bool,
    /// Why it cannot wait for the end of quiet hours; for people with a role of `quiet_hours.overrides`.
    override_quiet_hours: Option<String>,
}

/// A text that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct TakenMessage {
    /// Its id.
    id: String,
    /// The thread.
    conversation: String,
    /// `queued`, or how far it is when it was taken before.
    status: &'static str,
    /// When it leaves, if it waits for its time.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
    /// What it waits for, in words: such as the end of quiet hours.
    waits_for: Option<String>,
}

/// A text, in or out.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct MessageBody {
    /// Its id.
    id: String,
    /// `in` or `out`.
    direction: &'static str,
    /// The words.
    body: String,
    /// Media types of what came with it.
    attachments: Vec<String>,
    /// How far those are, in the same order; empty in the inbox.
    files: Vec<FileBody>,
    /// `received`, `scheduled`, `queued`, `sent`, `delivered`, `failed`, `unconfirmed` or `cancelled`.
    status: &'static str,
    /// When it came, or was taken to be sent.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// When it leaves, while it waits for its time.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
    /// Why it did not arrive, in words.
    error: Option<&'static str>,
    /// `candidate`, `staff` or `automatic`.
    author: &'static str,
    /// What the author is called, or why it was sent by itself.
    author_name: Option<String>,
    /// The opportunity that it is about.
    opportunity: Option<String>,
    /// The transcript that it stands in; null while that is open.
    transcript: Option<String>,
    /// The template that it was made from, and its words then.
    template: Option<VersionBody>,
}

/// A file that came with a text.
#[derive(Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileBody {
    /// `waiting`, `here`, `missing`, or `unknown` for one of before files were fetched.
    state: &'static str,
    /// What it is by its bytes, while it is here.
    media_type: Option<&'static str>,
    /// Its size, while it is here.
    bytes: Option<u64>,
    /// Why it is missing, in words.
    error: Option<String>,
}

impl From<Option<FileState>> for FileBody {
    fn from(state: Option<FileState>) -> Self {
        let of = |state| Self { state, media_type: None, bytes: None, error: None };
        match state {
            None => of("unknown"),
            Some(FileState::Waiting) => of("waiting"),
            Some(FileState::Here { kind, size }) => {
                Self { media_type: Some(kind.media_type()), bytes: Some(size), ..of("here") }
            }
            Some(FileState::Missing(trouble)) => Self { error: Some(trouble.reason()), ..of("missing") },
        }
    }
}

impl From<MessageView> for MessageBody {
    fn from(view: MessageView) -> Self {
        let MessageView { message, send_at, made_from, files, .. } = view;
        let (status, error) = (message.status_word(), message.failure_words());
        let (author, author_name) = match message.author {
            Author::Candidate => ("candidate", None),
            Author::Staff { name, .. } => ("staff", Some(name)),
            Author::Automatic(reason) => ("automatic", Some(reason)),
        };
        Self {
            id: message.id.to_string(),
            direction: message.direction.word(),
            body: message.body.reveal().to_owned(),
            attachments: message.attachments.into_iter().map(|file| file.media_type).collect(),
            files: files.into_iter().map(Into::into).collect(),
            status,
            at: message.at,
            send_at,
            error,
            author,
            author_name,
            opportunity: message.opportunity.map(|id| id.to_string()),
            transcript: message.filing.map(|id| id.to_string()),
            template: made_from.map(Into::into),
        }
    }
}

#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages", summary = "The messages of a conversation in order",
    description = "After the last, those that wait for their time.",
    params(("id" = String, Path), Paging),
    responses(
        (status = 200, body = Listing<MessageBody>),
        (status = 400, body = ProblemBody),
        (status = 404, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    paging: Paging,
) -> Result<Json<Listing<MessageBody>>, Problem> {
    let id = named(&shared, &caller, &id).await?.conversation.id;
    let page = shared.engine.messages(id, paging.after()?, paging.limit(), caller.sight).await?;
    Ok(Json(page.into()))
}

#[utoipa::path(
    post, path = "/api/v1/messages", summary = "Send a text",
    params((
        "idempotency-key" = Option<String>, Header,
        description = "A repeat with the same key and body sends nothing more"
    )),
    request_body = NewMessage,
    responses(
        (status = 202, description = "Taken; it is checked again when it leaves", body = TakenMessage),
        (status = 404, description = "No such opportunity", body = ProblemBody),
        (status = 409, description = "The number has opted out", body = ProblemBody),
        (status = 410, description = "The candidate was deleted", body = ProblemBody),
        (status = 413, description = "The request has more than 1 MiB", body = ProblemBody),
        (status = 422, description = "A field is not right, or the text too long", body = ProblemBody),
        (status = 503, description = "Lever cannot be asked who that is, or the store is busy", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn send(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    // Whoever writes too much is told so, by the field.
    Long(input): Long<NewMessage>,
) -> Result<(StatusCode, Json<TakenMessage>), Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let wanted = input.value;
    // A program says for whom it writes; a person writes for themselves.
    let own = |account: &Account| {
        wanted.r#as.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(account.as_str()))
    };
    if !caller.account.as_ref().is_none_or(own) {
        return Err(Problem::new(Kind::Forbidden, "a person sends in their own name alone").at("as"));
    }
    let settings = shared.engine.settings.load_full();
    let region = &settings.rules.region;
    let cannot_wait = wanted.override_quiet_hours.filter(|reason| !reason.trim().is_empty());
    if cannot_wait.is_some() && !caller.may_override(&settings.rules.quiet_overrides) {
        let detail = "only people with a role named in quiet_hours.overrides may text in quiet hours";
        return Err(Problem::new(Kind::Forbidden, detail).at("override_quiet_hours"));
    }
    if cannot_wait.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS) {
        return Err(Problem::invalid("override_quiet_hours", "a reason has 200 characters at most"));
    }
    let number = |field, text: String| {
        Number::parse(&text, region).map_err(|error| Problem::invalid(field, error.to_string()))
    };
    if wanted.undo && wanted.send_at.is_some() {
        return Err(Problem::invalid("undo", "a text leaves at a time or in ten seconds, not both"));
    }
    let in_ten_seconds = || shared.engine.now().checked_add(UNDO).ok();
    let to = wanted.to.map(|text| number("to", text)).transpose()?;
    let opportunity = wanted.opportunity.as_deref().map(opportunity_id).transpose()?;
    let request = SendRequest {
        to: match (opportunity, to) {
            (Some(id), Some(number)) => Recipient::Both(id, number),
            (Some(id), None) => Recipient::Opportunity(id),
            (None, Some(number)) => Recipient::Number(number),
            (None, None) => return Err(Problem::new(Kind::Invalid, "either opportunity or to is required")),
        },
        body: Body::new(required("body", wanted.body)?),
        template: wanted.template,
        on_behalf_of: wanted.r#as.filter(|_| caller.account.is_none()),
        from: wanted.from.map(|text| number("from", text)).transpose()?,
        send_at: if wanted.undo { in_ten_seconds() } else { wanted.send_at },
        cannot_wait,
        once: key.of(&caller, input.digest),
        account: caller.account.clone(),
        sight: caller.sight,
        caller: caller.name,
    };
    let message = engine.send_text(request).await?;
    let (id, conversation) = (message.id.to_string(), message.conversation.to_string());
    let status = message.delivery.word();
    let wait = shared.engine.wait_of(message).await?;
    let (send_at, waits_for) = wait.map_or((None, None), |wait| (wait.until, Some(wait.what)));
    let taken = TakenMessage { id, conversation, status, send_at, waits_for };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

#[utoipa::path(
    delete, path = "/api/v1/messages/{id}", summary = "Call a text off that has not left",
    description = "It was never sent then, and stands in no transcript.",
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Called off"),
        (status = 404, body = ProblemBody),
        (status = 409, description = "It has left already, or was called off before", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found("no text has this id");
    let id = id.parse().map_err(|_| unknown())?;
    if !shared.engine.sees_text(id, caller.sight).await? {
        return Err(unknown());
    }
    match shared.engine.cancel_text(id, caller.actor()).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(CancelError::Unknown) => Err(unknown()),
        Err(error @ CancelError::TooLate) => Err(Problem::new(Kind::TooLate, error.to_string())),
        Err(CancelError::Store(error)) => Err(error.into()),
    }
}

/// What cannot be an id is none of an opportunity.
pub(super) fn opportunity_id(text: &str) -> Result<OpportunityId, Problem> {
    text.parse().map_err(|_| Problem::not_found("no such opportunity is known").at("opportunity"))
}

impl From<SendRefusal> for Problem {
    fn from(refusal: SendRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            SendRefusal::Compose(ComposeError::Store(error)) => error.into(),
            SendRefusal::Compose(ComposeError::Refused(refusal)) => refusal.into(),
            SendRefusal::Compose(ComposeError::UnknownOpportunity) => {
                Self::new(Kind::NotFound, detail).at("opportunity")
            }
            SendRefusal::Compose(ComposeError::NoNumber) => Self::invalid("opportunity", detail),
            SendRefusal::Compose(ComposeError::Empty | ComposeError::TooLong { .. }) => {
                Self::invalid("body", detail)
            }
            SendRefusal::Compose(ComposeError::TooFarAhead) => Self::invalid("send_at", detail),
            SendRefusal::Compose(ComposeError::Confidential) => Self::new(Kind::Forbidden, detail),
            SendRefusal::Compose(ComposeError::NotTheirNumber | ComposeError::OurNumber) => {
                Self::invalid("to", detail)
            }
            SendRefusal::Compose(ComposeError::NoBookingLink(_)) => Self::invalid("body", detail),
            SendRefusal::Compose(ComposeError::NotOurNumber) => Self::invalid("from", detail),
            SendRefusal::TimeIsOver => Self::invalid("send_at", detail),
            SendRefusal::Deleted => Self::new(Kind::Deleted, detail).at("opportunity"),
            SendRefusal::UnknownTemplate => Self::invalid("template", detail),
            SendRefusal::UnknownAuthor => Self::invalid("as", detail),
            SendRefusal::KeyReused(_) => Self::new(Kind::KeyReused, detail),
            SendRefusal::Lever(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "a text or a candidate for a conversation was refused, since Lever could not be asked who that is"
                );
                Self::new(Kind::LeverUnreachable, detail)
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::OptedOut => Kind::OptedOut,
            _ => Kind::HeldBack,
        };
        Self::new(kind, refusal.to_string())
    }
}

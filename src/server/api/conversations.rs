//! `/api/v1/conversations`: the threads, their transcripts, filing one now, and whom one is about.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{ConversationId, FilingState, OpportunityId};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::input::{Id, IdempotencyKey, Input, NOTHING, Paging, required};
use crate::engine::{ConversationView, FilingView};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// The thread with one phone number.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(crate) struct ConversationBody {
    /// Its id.
    id: String,
    /// The other end, E.164.
    number: String,
    /// The candidate's name, where somebody is known for the number.
    name: Option<String>,
    /// The opportunity that notes are filed on; null while nobody is known for the number.
    opportunity: Option<String>,
    /// Whether the number has opted out of texts.
    opted_out: bool,
    /// Since when a person should look whether the candidate wants to be left alone.
    #[schema(value_type = Option<String>, format = DateTime)]
    possible_opt_out: Option<Timestamp>,
    /// When the last message came or went.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_message_at: Option<Timestamp>,
    /// When the open transcript is filed; null when nothing is open, or it waits for its opportunity.
    #[schema(value_type = Option<String>, format = DateTime)]
    files_at: Option<Timestamp>,
}

/// A conversation with its transcripts.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationWithTranscripts)]
pub(super) struct OneConversationBody {
    #[serde(flatten)]
    conversation: ConversationBody,
    /// The newest first, at most 200.
    transcripts: Vec<TranscriptBody>,
}

/// A transcript on its way to Lever, or there.
#[derive(Serialize, ToSchema)]
#[schema(as = Transcript)]
struct TranscriptBody {
    /// Its id: the `ref` at the end of its note.
    id: String,
    /// On which opportunity.
    opportunity: String,
    /// `due`, `filed` or `held`.
    state: &'static str,
    /// Why a person must decide, when it is held.
    reason: Option<String>,
    /// How many messages it has.
    messages: u32,
    /// Its notes in Lever.
    notes: Vec<String>,
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// When the last part was posted.
    #[schema(value_type = Option<String>, format = DateTime)]
    filed_at: Option<Timestamp>,
}

/// What was filed.
#[derive(Serialize, ToSchema)]
#[schema(as = Filed)]
pub(super) struct FiledBody {
    /// How many transcripts are on their way to Lever now; none when nothing was open.
    transcripts: usize,
    /// What they wait for, in words, where nothing leaves.
    waits_for: Option<&'static str>,
}

/// Whom a conversation is about.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Attachment)]
pub(super) struct Attach {
    /// Required. The opportunity: its id, or the address of the profile in Lever.
    opportunity: Option<String>,
}

impl From<ConversationView> for ConversationBody {
    fn from(view: ConversationView) -> Self {
        let conversation = view.conversation;
        Self {
            id: conversation.id.to_string(),
            number: conversation.number.to_string(),
            name: view.name.filter(|name| !name.is_empty()),
            opportunity: conversation.opportunity.map(|id| id.to_string()),
            opted_out: view.suppression.is_some(),
            possible_opt_out: conversation.possible_opt_out,
            last_message_at: conversation.last_message_at,
            files_at: conversation.deadline,
        }
    }
}

impl From<FilingView> for TranscriptBody {
    fn from(view: FilingView) -> Self {
        let filing = view.filing;
        let (state, reason) = match filing.state {
            FilingState::Due | FilingState::Posting => ("due", None),
            FilingState::Filed => ("filed", None),
            FilingState::Held(why) => ("held", Some(why.to_string())),
        };
        Self {
            id: view.id.to_string(),
            opportunity: filing.opportunity.to_string(),
            state,
            reason,
            messages: filing.messages,
            notes: filing.notes.iter().map(ToString::to_string).collect(),
            due_at: filing.due_at,
            filed_at: filing.filed_at,
        }
    }
}

/// The conversation that a path names, if the caller may see it.
pub(super) async fn named(shared: &Shared, caller: &Caller, id: &str) -> Result<ConversationView, Problem> {
    let found = match id.parse::<ConversationId>() {
        Ok(id) => shared.engine.conversation(id, caller.sight).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| Problem::not_found("no conversation has this id"))
}

#[utoipa::path(
    get, path = "/api/v1/conversations", summary = "All conversations, the newest thread first",
    params(Paging),
    responses((status = 200, body = Listing<ConversationBody>), (status = 400, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    paging: Paging,
) -> Result<Json<Listing<ConversationBody>>, Problem> {
    let page = shared.engine.conversations(paging.after()?, paging.limit(), caller.sight).await?;
    Ok(Json(page.into()))
}

#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", summary = "One conversation with its transcripts",
    params(("id" = String, Path)),
    responses((status = 200, body = OneConversationBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<OneConversationBody>, Problem> {
    let view = named(&shared, &caller, &id).await?;
    let transcripts = shared.engine.filings(view.conversation.id, caller.sight).await?;
    Ok(Json(OneConversationBody {
        conversation: view.into(),
        transcripts: transcripts.into_iter().map(Into::into).collect(),
    }))
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/file", summary = "File the open transcript now",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = FiledBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn file(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<FiledBody>), Problem> {
    let engine = key.engine(&shared, &caller, NOTHING).await?;
    let view = named(&shared, &caller, &id).await?;
    let transcripts = engine.file_now(view.conversation.id).await?;
    let waits_for = if shared.engine.is_muted() {
        Some(crate::engine::changes::MUTED_COPY)
    } else {
        let waits_for_somebody =
            view.conversation.opportunity.is_none() && view.conversation.session.is_some();
        waits_for_somebody
            .then_some("somebody who says whom it is about: its number is on no profile in Lever")
    };
    Ok((StatusCode::ACCEPTED, Json(FiledBody { transcripts, waits_for })))
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/attach", summary = "Say whom a conversation is about",
    description = "For one that waits in *Unmatched*, since its number is on no profile in Lever. What was said is \
                   filed on that opportunity.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Attach,
    responses(
        (status = 200, body = ConversationBody),
        (status = 403, description = "Of a confidential candidacy, which lever.confidential does not allow", body = ProblemBody),
        (status = 404, description = "No such conversation or opportunity", body = ProblemBody),
        (status = 409, description = "It is about somebody else", body = ProblemBody),
        (status = 410, description = "The candidate was deleted", body = ProblemBody),
        (status = 422, description = "A field is not right", body = ProblemBody),
        (status = 503, description = "Lever cannot be asked who that is", body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn attach(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Attach>,
) -> Result<Json<ConversationBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let whom = required("opportunity", input.value.opportunity)?;
    let whom = OpportunityId::from_profile(&whom).map_err(|_| {
        Problem::invalid("opportunity", "the id of an opportunity, or the address of the profile in Lever")
    })?;
    let thread = named(&shared, &caller, &id).await?.conversation.id;
    if !engine.attach(thread, whom, caller.sight, caller.actor()).await? {
        return Err(Problem::new(Kind::NotNow, "the conversation is about somebody else"));
    }
    Ok(Json(named(&shared, &caller, &id).await?.into()))
}

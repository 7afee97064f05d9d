//! `/api/v1/inbox`, and what people do with a conversation: assign, follow, archive, dismiss, read, and
//! mark as unread.
//!
//! *Mine*, following and reading are an account's. A person's session says whose; a program with a
//! token names the account.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Account, ConversationId, Folder, Shelf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conversations::{ConversationBody, named};
use super::input::{Asked, Id, IdempotencyKey, Input, NOTHING, Paging, required};
use super::{Listing, MessageBody};
use crate::engine::{InboxQuery, InboxRow, MessageView};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// The part of the inbox that is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InboxParams {
    /// `mine`, `team`, `unanswered`, `failed`, `scheduled`, `possible-opt-out`, `unmatched` or
    /// `archived`.
    #[param(default = "team")]
    folder: Option<String>,
    /// Whose `mine` it is and for whom rows are unread: an e-mail, from a program.
    account: Option<String>,
    /// Rows of a page, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A row of the inbox.
#[derive(Serialize, ToSchema)]
#[schema(as = InboxRow)]
pub(super) struct InboxBody {
    #[serde(flatten)]
    conversation: ConversationBody,
    /// E-mail of who is to answer.
    assigned: Option<String>,
    /// E-mails of who follows it.
    followers: Vec<String>,
    /// Since when it is put away.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// Since when a text has failed that nobody has looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_since: Option<Timestamp>,
    /// How many texts wait for their time.
    scheduled: u32,
    /// Whether the account has not read the candidate's newest text.
    unread: bool,
    /// The newest message.
    last: Option<MessageBody>,
}

impl From<InboxRow> for InboxBody {
    fn from(row: InboxRow) -> Self {
        Self {
            conversation: row.view.into(),
            failed_since: row.desk.failed_since(),
            assigned: row.desk.assigned.map(|account| account.to_string()),
            followers: row.desk.followers.iter().map(ToString::to_string).collect(),
            archived_at: row.desk.archived_at,
            scheduled: row.desk.said.scheduled,
            unread: row.unread,
            last: row.last.map(|message| {
                MessageView { message, send_at: None, made_from: None, files: Vec::new(), filing: None }
                    .into()
            }),
        }
    }
}

/// Who is to answer.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Assignment)]
pub(super) struct Assign {
    /// Their e-mail; null for nobody.
    account: Option<String>,
}

/// Whether an account follows a conversation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Following)]
pub(super) struct Follow {
    /// Required. Whether it does.
    following: Option<bool>,
    /// Whose: an e-mail, from a program.
    account: Option<String>,
}

/// Whether a conversation is put away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Archiving)]
pub(super) struct Archive {
    /// Required. Whether it is.
    archived: Option<bool>,
}

/// Up to where an account has read a conversation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Reading)]
pub(super) struct Reading {
    /// Required. The time of the newest message that it has seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    up_to: Option<Timestamp>,
    /// Whose: an e-mail, from a program.
    account: Option<String>,
}

/// For whom a conversation is to be unread.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Reader)]
pub(super) struct Again {
    /// An e-mail, from a program.
    account: Option<String>,
}

/// The office's side of a conversation.
#[derive(Serialize, ToSchema)]
#[schema(as = Desk)]
pub(super) struct DeskBody {
    /// E-mail of who is to answer.
    assigned: Option<String>,
    /// E-mails of who follows it.
    followers: Vec<String>,
    /// Since when it is put away.
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// Since when a text has failed that nobody has looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_since: Option<Timestamp>,
}

async fn desk(shared: &Shared, id: ConversationId) -> Result<Json<DeskBody>, Problem> {
    let desk = shared.engine.desk(id).await?;
    Ok(Json(DeskBody {
        failed_since: desk.failed_since(),
        assigned: desk.assigned.map(|account| account.to_string()),
        followers: desk.followers.iter().map(ToString::to_string).collect(),
        archived_at: desk.archived_at,
    }))
}

fn account(text: &str) -> Result<Account, Problem> {
    text.parse().map_err(|error| Problem::invalid("account", format!("{error}")))
}

/// The account that is meant: a person's own and no other.
fn whose(caller: &Caller, said: Option<&str>) -> Result<Option<Account>, Problem> {
    match (caller.account.as_ref(), said.map(account).transpose()?) {
        (Some(own), Some(said)) if *own != said => {
            Err(Problem::new(Kind::Forbidden, "that is somebody else's account"))
        }
        (Some(own), _) => Ok(Some(own.clone())),
        (None, said) => Ok(said),
    }
}

#[utoipa::path(
    get, path = "/api/v1/inbox", summary = "A folder of the inbox, the last activity first",
    description = "A page may have fewer rows than asked for, and a next page all the same.",
    params(InboxParams),
    responses((status = 200, body = Listing<InboxBody>), (status = 400, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn inbox(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Asked(params): Asked<InboxParams>,
) -> Result<Json<Listing<InboxBody>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor)?;
    let reader = whose(&caller, params.account.as_deref())?;
    let shelf = match (params.folder.as_deref().unwrap_or(Folder::Team.word()), &reader) {
        ("mine", Some(account)) => Shelf::Mine(account.clone()),
        ("mine", None) => return Err(Problem::new(Kind::Malformed, "mine needs an account")),
        (word, _) => Folder::from_word(word)
            .map(Shelf::Folder)
            .ok_or_else(|| Problem::new(Kind::Malformed, "there is no such folder"))?,
    };
    let (after, limit, sight) = (paging.after()?, paging.limit(), caller.sight);
    Ok(Json(shared.engine.inbox(InboxQuery { shelf, after, limit, sight, reader }).await?.into()))
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/assign", summary = "Say who is to answer",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Assign,
    responses(
        (status = 200, body = DeskBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn assign(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Assign>,
) -> Result<Json<DeskBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let to = input.value.account.as_deref().map(account).transpose()?;
    let id = named(&shared, &caller, &id).await?.conversation.id;
    engine.assign(id, to, caller.actor()).await?;
    desk(&shared, id).await
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/follow", summary = "Follow a conversation, or no more",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Follow,
    responses(
        (status = 200, body = DeskBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn follow(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Follow>,
) -> Result<Json<DeskBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let following = required("following", input.value.following)?;
    let account = required("account", whose(&caller, input.value.account.as_deref())?)?;
    let id = named(&shared, &caller, &id).await?.conversation.id;
    engine.follow(id, account, following).await?;
    desk(&shared, id).await
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/archive", summary = "Put a conversation away, or take it out again",
    description = "The candidate's next text takes it out, too.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Archive,
    responses(
        (status = 200, body = DeskBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn archive(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Archive>,
) -> Result<Json<DeskBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let archived = required("archived", input.value.archived)?;
    let id = named(&shared, &caller, &id).await?.conversation.id;
    engine.archive(id, archived, caller.actor()).await?;
    desk(&shared, id).await
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/dismiss", summary = "Say that what failed was seen",
    description = "The conversation leaves the folder of failures until another text fails.",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = DeskBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn dismiss(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
) -> Result<Json<DeskBody>, Problem> {
    let engine = key.engine(&shared, &caller, NOTHING).await?;
    let id = named(&shared, &caller, &id).await?.conversation.id;
    engine.dismiss_failure(id, caller.actor()).await?;
    desk(&shared, id).await
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/read", summary = "Mark a conversation as read up to a message",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Reading,
    responses(
        (status = 200, body = DeskBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn read(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Reading>,
) -> Result<Json<DeskBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let up_to = required("up_to", input.value.up_to)?;
    let account = required("account", whose(&caller, input.value.account.as_deref())?)?;
    let id = named(&shared, &caller, &id).await?.conversation.id;
    engine.mark_read(id, account, up_to).await?;
    desk(&shared, id).await
}

#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/unread", summary = "Mark a conversation as unread",
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = Again,
    responses(
        (status = 200, body = DeskBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn unread(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    key: IdempotencyKey,
    input: Input<Again>,
) -> Result<Json<DeskBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let account = required("account", whose(&caller, input.value.account.as_deref())?)?;
    let id = named(&shared, &caller, &id).await?.conversation.id;
    engine.mark_unread(id, account).await?;
    desk(&shared, id).await
}

//! `/api/v1/erasures`: erasing people, and the certificates of it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fulcrum_domain::{Erasure, ErasureId, Remains};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listing;
use super::holds::whom;
use super::input::{Cursor, Id, IdempotencyKey, Input, Paging, required};
use crate::engine::changes::EraseError;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// Who is to be erased: by one of these.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewErasure)]
pub(super) struct NewErasure {
    /// An opportunity: with all others of the same contact.
    opportunity: Option<String>,
    /// A contact.
    contact: Option<String>,
    /// A number: with everybody who has it, and all that was said with it.
    number: Option<String>,
    /// Whether it is only told what would go.
    #[schema(required)]
    dry_run: Option<bool>,
}

/// The certificate of an erasure. It has no data of the person.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct ErasureBody {
    /// Its number; null in a dry run.
    id: Option<u64>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// By whose wish.
    by: String,
    /// `deleted` or `anonymised` in Lever, `command`, `retention`.
    cause: &'static str,
    /// Lever's ids of the opportunities.
    opportunities: Vec<String>,
    /// What went from the file.
    erased: RowsBody,
    /// The notes in Lever.
    notes: Vec<NoteBody>,
    /// The carrier's copies of texts.
    copies: CopiesBody,
    /// When the file was written anew, so that not even unused bytes are left in it.
    #[schema(value_type = Option<String>, format = DateTime)]
    file_written_at: Option<Timestamp>,
    /// Whether nothing is left to be done.
    complete: bool,
}

/// Rows that went.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasedRows)]
pub(super) struct RowsBody {
    opportunities: u64,
    interviews: u64,
    conversations: u64,
    messages: u64,
    transcripts: u64,
    activity: u64,
}

/// A note in Lever.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasedNote)]
pub(super) struct NoteBody {
    /// Its id.
    note: String,
    /// Where it stands.
    opportunity: String,
    /// `asked`, `gone`, or `by_hand` when a person must delete it.
    state: &'static str,
    /// Why a person must.
    why: Option<String>,
    /// Where they find it.
    link: String,
}

/// The carrier's copies of texts.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasedCopies)]
pub(super) struct CopiesBody {
    /// How many were asked to be deleted.
    asked: u64,
    /// How many are gone.
    gone: u64,
    /// How many the carrier may have under names that are not known here.
    unnamed: u64,
    /// How many stay, since the carrier deletes none when asked.
    kept: u64,
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Held => Self::new(Kind::Held, error.to_string()),
            EraseError::Store(error) => error.into(),
        }
    }
}

impl ErasureBody {
    /// `lever` is where Lever's pages are.
    pub(crate) fn new(id: Option<ErasureId>, erasure: Erasure, lever: &str) -> Self {
        let complete = erasure.is_complete();
        let rows = erasure.rows;
        let note = |note: fulcrum_domain::ErasedNote| {
            let (state, why) = match note.state {
                Remains::Asked => ("asked", None),
                Remains::Gone => ("gone", None),
                Remains::ByHand(why) => ("by_hand", Some(why)),
            };
            let link = format!("{lever}/candidates/{}", note.opportunity);
            NoteBody {
                note: note.note.to_string(),
                opportunity: note.opportunity.to_string(),
                state,
                why,
                link,
            }
        };
        Self {
            id: id.map(ErasureId::number),
            at: erasure.at,
            by: erasure.by.as_str().to_owned(),
            cause: erasure.cause.word(),
            opportunities: erasure.opportunities.iter().map(ToString::to_string).collect(),
            erased: RowsBody {
                opportunities: rows.opportunities,
                interviews: rows.interviews,
                conversations: rows.conversations,
                messages: rows.messages,
                transcripts: rows.transcripts,
                activity: rows.activity,
            },
            notes: erasure.notes.into_iter().map(note).collect(),
            copies: CopiesBody {
                asked: erasure.copies.asked,
                gone: erasure.copies.gone,
                unnamed: erasure.copies.unnamed,
                kept: erasure.copies.kept,
            },
            file_written_at: erasure.file_written_at,
            complete,
        }
    }
}

impl Cursor for ErasureId {
    fn bytes(&self) -> Vec<u8> {
        self.number().to_be_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self::new)
    }
}

#[utoipa::path(
    post, path = "/api/v1/erasures", summary = "Erase a person, or tell what would go",
    description = "Texts, transcripts, activity and all that Lever showed go from the file at once; our notes in \
                   Lever and the carrier's copies are deleted afterwards. An opt-out stays, as a keyed hash.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = NewErasure,
    responses(
        (status = 200, description = "What would go", body = ErasureBody),
        (status = 201, description = "Erased", body = ErasureBody),
        (status = 404, description = "Nothing is known of them", body = ProblemBody),
        (status = 409, description = "A legal hold keeps it", body = ProblemBody),
        (status = 422, body = ProblemBody),
    ),
    security(("bearer" = []))
)]
pub(super) async fn erase(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<NewErasure>,
) -> Result<(StatusCode, Json<ErasureBody>), Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let dry_run = required("dry_run", input.value.dry_run)?;
    let NewErasure { opportunity, contact, number, .. } = input.value;
    let whom = whom(&shared, opportunity, contact, number)?;
    let nobody = || Problem::not_found("nothing is known of such a person");
    let lever = &shared.setup.lever_web;
    if dry_run {
        let erasure = engine.preview_erasure(whom, caller.actor()).await?.ok_or_else(nobody)?;
        return Ok((StatusCode::OK, Json(ErasureBody::new(None, erasure, lever))));
    }
    let (id, erasure) = engine.erase_person(whom, caller.actor()).await?.ok_or_else(nobody)?;
    Ok((StatusCode::CREATED, Json(ErasureBody::new(Some(id), erasure, lever))))
}

#[utoipa::path(
    get, path = "/api/v1/erasures", summary = "Certificates of erasures, the newest first",
    params(Paging),
    responses((status = 200, body = Listing<ErasureBody>), (status = 400, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    paging: Paging,
) -> Result<Json<Listing<ErasureBody>>, Problem> {
    let page = shared.engine.erasures(paging.after()?, paging.limit()).await?;
    let lever = &shared.setup.lever_web;
    let row = |(id, erasure)| ErasureBody::new(Some(id), erasure, lever);
    let next = page.next.map(|id: ErasureId| id.to_text());
    Ok(Json(Listing { data: page.rows.into_iter().map(row).collect(), next }))
}

#[utoipa::path(
    get, path = "/api/v1/erasures/{id}", summary = "The certificate of an erasure",
    params(("id" = String, Path)),
    responses((status = 200, body = ErasureBody), (status = 404, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn one(State(shared): State<Arc<Shared>>, Id(id): Id) -> Result<Json<ErasureBody>, Problem> {
    let unknown = || Problem::not_found("no erasure has this number");
    let id: ErasureId = id.parse().map_err(|_| unknown())?;
    let erasure = shared.engine.erasure(id).await?.ok_or_else(unknown)?;
    Ok(Json(ErasureBody::new(Some(id), erasure, &shared.setup.lever_web)))
}

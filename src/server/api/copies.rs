//! `/api/v1/copies`: a command says that it made a copy of what is stored, for the audit log.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{IdempotencyKey, Input};
use crate::engine::Copied;
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem, ProblemBody};

/// Opportunities of one person; nobody has as many.
const OPPORTUNITIES_MAX: usize = 1000;

/// The copy that was made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewCopy)]
pub(super) struct NewCopy {
    /// `backup`, `everything` or `person`.
    #[schema(required)]
    kind: Option<String>,
    /// How much a backup or everything is.
    rows: Option<u64>,
    /// Whether a backup is encrypted.
    encrypted: Option<bool>,
    /// Which opportunities a person has.
    opportunities: Option<Vec<String>>,
}

/// It is written down.
#[derive(Serialize, ToSchema)]
#[schema(as = Copied)]
pub(super) struct CopiedBody {
    /// Whether it is.
    noted: bool,
}

#[utoipa::path(
    post, path = "/api/v1/copies", summary = "Note in the audit log that a copy was made",
    description = "As `fulcrum backup` and `fulcrum export` do, which read the file beside the daemon.",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = NewCopy,
    responses((status = 200, body = CopiedBody), (status = 422, body = ProblemBody)),
    security(("bearer" = []))
)]
pub(super) async fn note(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    key: IdempotencyKey,
    input: Input<NewCopy>,
) -> Result<Json<CopiedBody>, Problem> {
    let engine = key.engine(&shared, &caller, input.digest).await?;
    let NewCopy { kind, rows, encrypted, opportunities } = input.value;
    let rows = rows.unwrap_or(0);
    let copied = match kind.as_deref() {
        Some("backup") => Copied::Backup { rows, encrypted: encrypted == Some(true) },
        Some("everything") => Copied::Everything { lines: rows },
        Some("person") => {
            let ids = opportunities.unwrap_or_default();
            if ids.len() > OPPORTUNITIES_MAX {
                let what = format!("at most {OPPORTUNITIES_MAX}");
                return Err(Problem::invalid("opportunities", what));
            }
            let ids = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>();
            let bad = |error: fulcrum_domain::BadId| Problem::invalid("opportunities", error.to_string());
            Copied::Person(ids.map_err(bad)?)
        }
        _ => return Err(Problem::new(Kind::Invalid, "kind is backup, everything or person")),
    };
    engine.note_copied(copied, caller.actor()).await?;
    Ok(Json(CopiedBody { noted: true }))
}

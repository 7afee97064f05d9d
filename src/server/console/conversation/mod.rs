//! The conversation with one candidate: the same view in the inbox, on a page of its own, and in
//! the extension's panel.
//!
//! It is found by its thread (`/c/ID`, which notes link to) or by an opportunity (`/o/ID`, which
//! Lever's pages lead to); an opportunity without a thread shows an empty one, to begin with.
//! What was opened by its thread stays that thread, whatever others its candidate has, and what is
//! shown is what is written to.
//! Opening a profile reads it again from Lever where what is known is older than half a minute.

mod facts;
mod forms;
mod interviews;
mod lines;
mod view;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fulcrum_domain::{ConversationId, OpportunityId, Sight};
use http::StatusCode;
use serde::Deserialize;

use super::frame::{self, Frame, page};
use super::texts;
use crate::engine::{ConversationView, Found, Reader};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem};
use crate::store::Subject;
pub(super) use forms::{act, act_on_candidate, cancel, send_in_thread, send_to_candidate};
pub(super) use interviews::{arrange, change as change_interview};
pub(super) use lines::shown;
pub(super) use view::Talk;
use view::{Shown, View};

/// An opened profile is read again when what is known of it is older.
const FRESH: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// A thread.
    Thread(ConversationId),
    /// The thread of an opportunity's candidate, or the one that could begin.
    Candidate(OpportunityId),
}

impl Which {
    /// Its page.
    fn path(&self) -> String {
        match self {
            Self::Thread(id) => format!("/c/{id}"),
            Self::Candidate(id) => format!("/o/{id}"),
        }
    }

    /// What the API calls it.
    fn api(&self) -> String {
        match self {
            Self::Thread(id) => format!("/api/v1/conversations/{id}"),
            Self::Candidate(id) => format!("/api/v1/opportunities/{id}"),
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Thread(id) => Subject::Conversation(*id),
            Self::Candidate(id) => Subject::Opportunity(id.clone()),
        }
    }
}

/// What could not be shown.
pub(super) enum Missing {
    /// There is none, or it may not be seen.
    Nothing,
    /// It was deleted in Lever.
    Deleted,
    /// The store.
    Failed(Problem),
}

impl<E: Into<Problem>> From<E> for Missing {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Missing {
    fn into_page(self, shared: &Shared) -> Result<Response, Problem> {
        match self {
            Self::Nothing => Ok(frame::not_found(shared)),
            Self::Deleted => Ok(frame::say(shared, StatusCode::GONE, texts::GONE, texts::GONE_WORDS)),
            Self::Failed(problem) => Err(problem),
        }
    }

    fn into_problem(self) -> Problem {
        match self {
            Self::Nothing => {
                Problem::not_found("no candidate is known here by this id, or you may not see them")
            }
            Self::Deleted => Problem::new(Kind::Deleted, texts::GONE_WORDS),
            Self::Failed(problem) => problem,
        }
    }
}

/// What was typed and why it was not taken, to be shown again.
#[derive(Default)]
pub(super) enum Draft {
    #[default]
    Nothing,
    /// A text.
    Text(forms::Unsent),
    /// The form of an interview.
    Meeting(interviews::Typed),
    /// One of the small forms beside the texts.
    Form(forms::Refused),
}

/// Where an older page begins.
#[derive(Default, Deserialize)]
pub(super) struct Older {
    before: Option<String>,
}

/// A page with one conversation.
#[derive(Template)]
#[template(path = "open.html")]
struct Open {
    frame: Frame,
    talk: Talk,
}

/// `GET /c/{id}`.
pub(super) async fn by_thread(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    whole(&shared, &caller, Which::Thread(id), older, Draft::default()).await
}

/// `GET /o/{id}`.
pub(super) async fn by_opportunity(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    whole(&shared, &caller, Which::Candidate(id), older, Draft::default()).await
}

/// `GET /fragments/c/{id}`.
pub(super) async fn thread_fragment(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Missing::Nothing.into_problem())?;
    fragment(&shared, &caller, Which::Thread(id), older).await
}

/// `GET /fragments/o/{id}`.
pub(super) async fn opportunity_fragment(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Missing::Nothing.into_problem())?;
    fragment(&shared, &caller, Which::Candidate(id), older).await
}

async fn whole(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    older: Older,
    draft: Draft,
) -> Result<Response, Problem> {
    let frame = Frame::new(shared, caller, "").await?;
    match opened(shared, caller, which, older.before.as_deref(), draft).await {
        Ok(talk) => Ok(page(&Open { frame, talk })),
        Err(missing) => missing.into_page(shared),
    }
}

async fn fragment(shared: &Shared, caller: &Caller, which: Which, older: Older) -> Result<Response, Problem> {
    let talk = talk(shared, caller, which, older.before.as_deref(), Draft::default()).await;
    let (talk, _) = talk.map_err(Missing::into_problem)?;
    Ok(page(&talk))
}

/// A conversation that somebody opens: whom it is with is read again beside the page, however they came.
pub(super) async fn opened(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    before: Option<&str>,
    draft: Draft,
) -> Result<Talk, Missing> {
    let by_thread = matches!(which, Which::Thread(_));
    let (talk, about) = talk(shared, caller, which, before, draft).await?;
    // By the candidate's own address it was asked for already.
    about.filter(|_| by_thread).into_iter().for_each(|id| refresh(shared, id));
    Ok(talk)
}

/// Everything that is shown of a conversation, and whom it is with. Whoever is shown the newest messages has
/// read them.
async fn talk(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    before: Option<&str>,
    draft: Draft,
) -> Result<(Talk, Option<OpportunityId>), Missing> {
    let engine = &shared.engine;
    let sight = caller.sight;
    let thread = match &which {
        Which::Thread(id) => Some(engine.conversation(*id, sight).await?.ok_or(Missing::Nothing)?),
        Which::Candidate(id) => thread_with(shared, id, sight).await?,
    };
    let reader = Reader { sight, user: caller.user.clone(), name: caller.name.clone() };
    let facts = match (&which, &thread) {
        (Which::Candidate(id), Some(view)) => {
            engine.facts_in(id.clone(), view.conversation.id, reader).await?
        }
        _ => engine.facts(which.subject(), reader).await?,
    };
    let facts = facts.ok_or(Missing::Nothing)?;
    // None where Lever shows its opportunity no more: whoever may see the thread sees the thread alone.
    let about = facts.candidate.as_ref().map(|candidate| candidate.id.clone());
    let mut view = View::of(shared, caller, Shown { which, thread, facts }, before).await?;
    match draft {
        Draft::Nothing => {}
        Draft::Text(unsent) => view.draft = unsent,
        Draft::Meeting(typed) => typed.put_back(&mut view),
        Draft::Form(refused) => refused.put_back(&mut view),
    }
    Ok((Talk { view }, about))
}

/// The newest thread with an opportunity's candidate, if anything was ever said. A candidate who is
/// not synced yet is read first; one who is, again, while what is known is shown already.
async fn thread_with(
    shared: &Shared,
    id: &OpportunityId,
    sight: Sight,
) -> Result<Option<ConversationView>, Missing> {
    let engine = &shared.engine;
    let mut found = engine.opportunity(id, sight).await?;
    if let Found::Unknown = found {
        engine.refresh_if_older(id, FRESH).await;
        found = engine.opportunity(id, sight).await?;
    } else {
        refresh(shared, id.clone());
    }
    let found = match found {
        Found::Known(found) => found,
        Found::Deleted => return Err(Missing::Deleted),
        Found::Unknown => return Err(Missing::Nothing),
    };
    let mut newest: Option<ConversationView> = None;
    for id in found.conversations {
        let Some(other) = engine.conversation(id, sight).await? else { continue };
        let last = |view: &ConversationView| view.conversation.last_message_at;
        if newest.as_ref().is_none_or(|known| last(known) < last(&other)) {
            newest = Some(other);
        }
    }
    Ok(newest)
}

/// Reads an opened profile again beside the page, and tells the page when there is something new.
fn refresh(shared: &Shared, id: OpportunityId) {
    let engine = shared.engine.clone();
    shared.engine.tasks().run(async move {
        engine.refresh_shown(&id, FRESH).await;
    });
}

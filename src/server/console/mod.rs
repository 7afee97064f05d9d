//! What people see in a browser: plain HTML from here, small modules to make it live, and nothing
//! from anywhere else.
//!
//! | route | file |
//! | --- | --- |
//! | `/`, `/inbox` | `inbox` |
//! | `/c/{id}`, `/o/{id}`, their forms, `/fragments/...` for live pages and the extension | `conversation` |
//! | `/events`, news for open pages | `events` |
//! | `/setup` | `setup`, `tokens` |
//! | `/templates` | `templates` |
//! | `/bulk`, `/bulk/{id}` and its forms | `bulk` |
//! | `/activity` | `activity` |
//! | `/automations`, a back-test at `/automations/{name}` | `automations` |
//! | `/system` | `system` |
//! | `/assets/{name}` | `assets` |
//!
//! Every page works without its modules; what they add is that it stays true by itself, and that
//! nothing typed is lost. Texts stand in `texts`, what is around every page in `frame`.

mod activity;
mod assets;
mod automations;
mod bulk;
mod conversation;
mod events;
mod frame;
mod inbox;
mod setup;
mod system;
mod templates;
pub(super) mod texts;
mod tokens;
mod words;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use fulcrum_domain::Right;
use http::Method;

pub(super) use frame::{guarded, nowhere, page};
pub use setup::SetupSettings;

use super::Shared;
use super::caller::Caller;
use super::problem::Problem;
use super::route::{self, Route};

/// Every route of the console.
pub(super) fn table() -> Vec<Route> {
    use Right::{Administer, Operate, Read, Text, Watch};
    use route::data;
    use route::page;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    vec![
        data(GET, "/assets/{name}", None, assets::asset),
        page(GET, "/", Watch, home),
        page(GET, "/inbox", Read, inbox::show),
        page(GET, "/c/{id}", Read, conversation::by_thread),
        page(GET, "/o/{id}", Read, conversation::by_opportunity),
        page(POST, "/c/{id}/texts", Text, conversation::send_in_thread),
        page(POST, "/o/{id}/texts", Text, conversation::send_to_candidate),
        page(POST, "/c/{id}/cancel", Text, conversation::cancel),
        page(POST, "/o/{id}/interviews", Text, conversation::arrange),
        page(POST, "/o/{id}/interviews/{interview}", Text, conversation::change_interview),
        page(POST, "/c/{id}/{what}", Text, conversation::act),
        page(POST, "/o/{id}/{what}", Text, conversation::act_on_candidate),
        data(GET, "/fragments/c/{id}", Read, conversation::thread_fragment),
        data(GET, "/fragments/o/{id}", Read, conversation::opportunity_fragment),
        data(GET, "/events", Read, events::events),
        page(GET, "/templates", Text, templates::show),
        page(GET, "/bulk", Text, bulk::list),
        page(POST, "/bulk", Text, bulk::make).long(),
        page(GET, "/bulk/{id}", Text, bulk::one),
        page(POST, "/bulk/{id}/{step}", Text, bulk::step),
        page(GET, "/bulk/{id}/{step}", Text, bulk::back),
        page(GET, "/setup", Operate, setup::show),
        page(POST, "/setup/probe", Operate, setup::probe),
        page(POST, "/setup/tokens", Administer, setup::write_tokens),
        page(GET, "/activity", Operate, activity::show),
        page(POST, "/activity/retry", Operate, activity::retry),
        page(POST, "/activity/give-up", Operate, activity::give_up),
        page(GET, "/automations", Read, automations::show),
        page(GET, "/automations/{name}", Read, automations::test),
        page(POST, "/automations/{name}/pause", Text, automations::pause),
        page(POST, "/automations/{name}/resume", Text, automations::resume),
        page(POST, "/automation-cards/{id}", Text, automations::decide),
        page(GET, "/system", Operate, system::show),
    ]
}

/// `GET /`: to where one's work is. While Lever is not connected, an operator's is the setup.
async fn home(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let connects = caller.may(Right::Operate) && !setup::is_done(&shared).await?;
    let to = if connects { "/setup" } else { frame::home(&caller) };
    Ok(Redirect::to(&format!("{}{to}", shared.site.base())).into_response())
}

//! Who may pass: the bearer's token and role, before anything of the request is read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

use crate::config::Role;
use crate::server::Shared;
use crate::server::problem::{Kind, Problem};
use crate::server::settings::{Caller, Keys};

/// Which way a request comes in.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) enum Door {
    /// With a token.
    Bearer,
    /// Over the control socket: whoever may open that file is admin.
    ControlSocket,
}

/// What stands before one route.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) shared: Arc<Shared>,
    pub(super) door: Door,
    pub(super) needs: Option<Role>,
}

/// The name under which the control socket's users act where they name no Lever user.
const OPERATOR: &str = "operator";

/// Lets the request through with its [`Caller`], or says why not.
pub(super) async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    if let Some(needs) = gate.needs {
        let caller = match gate.door {
            Door::ControlSocket => Ok(Caller { name: OPERATOR.to_owned(), role: Role::Admin }),
            Door::Bearer => bearer(&gate.shared.keys.load(), request.headers()),
        };
        match caller.and_then(|caller| allowed(caller, needs)) {
            Ok(caller) => drop(request.extensions_mut().insert(caller)),
            Err(problem) => return problem.into_response(),
        }
    }
    next.run(request).await
}

fn bearer(keys: &Keys, headers: &HeaderMap) -> Result<Caller, Problem> {
    let refused = |detail| Problem::new(Kind::NoToken, detail);
    let value =
        headers.get(header::AUTHORIZATION).ok_or_else(|| refused("the header Authorization is missing"))?;
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| refused("the header Authorization is not \"Bearer TOKEN\""))?;
    keys.caller(token).ok_or_else(|| refused("no such token is configured"))
}

fn allowed(caller: Caller, needs: Role) -> Result<Caller, Problem> {
    if rank(caller.role) >= rank(needs) {
        return Ok(caller);
    }
    let needed = match needs {
        Role::Admin => "the role admin is needed",
        Role::Recruiter => "the role recruiter or admin is needed",
        Role::Viewer => "the role viewer, recruiter or admin is needed",
    };
    Err(Problem::new(Kind::Forbidden, needed))
}

const fn rank(role: Role) -> u8 {
    match role {
        Role::Viewer => 0,
        Role::Recruiter => 1,
        Role::Admin => 2,
    }
}

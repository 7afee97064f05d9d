//! Signing in and out, and what is signed in.
//!
//! | route | what for | file |
//! | --- | --- | --- |
//! | `GET /sign-in` | the form, and the way to the identity provider | `password` |
//! | `POST /sign-in` | with an e-mail and a password | `password` |
//! | `GET /sign-in/oidc`, `GET /sign-in/oidc/callback` | by way of the identity provider | `oidc`, `provider` |
//! | `GET /sign-in/link/{word}` | by the demo's link, once | `invited` |
//! | `POST /sign-out` | this browser | `account` |
//! | `GET /account` | who one is and where one is signed in | `account` |
//! | `POST /account/revoke`, `POST /account/sign-out-everywhere` | signs out elsewhere | `account` |
//!
//! Whoever is about to sign in has a cookie of its own, the door's: from its secret comes what the
//! form must contain, and what only the answer of the identity provider to this browser can. (Without it another site could sign people in as somebody else, and read what
//! they then write.) The cookie of whoever is signed in is new at each sign-in.

mod account;
mod door;
mod invited;
mod oidc;
mod pages;
mod password;
mod porter;
mod provider;

use fulcrum_domain::Right::Watch;
use http::Method;

pub use invited::Invitation;
pub(super) use invited::Invited;
pub(super) use pages::{path, path_ended, refusal, said};
pub(super) use porter::Porter;
pub(super) use provider::Provider;

use super::console::texts::sign_in as texts;
use super::route::{Route, page};

/// Every route about signing in and out.
pub(super) fn table() -> Vec<Route> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    vec![
        page(GET, "/sign-in", None, password::show),
        page(POST, "/sign-in", None, password::submit),
        page(GET, "/sign-in/oidc", None, oidc::start),
        page(GET, "/sign-in/oidc/callback", None, oidc::callback),
        page(GET, "/sign-in/link/{word}", None, invited::follow),
        page(POST, "/sign-out", Watch, account::sign_out),
        page(GET, "/account", Watch, account::show),
        page(POST, "/account/revoke", Watch, account::revoke),
        page(POST, "/account/sign-out-everywhere", Watch, account::sign_out_everywhere),
    ]
}

//! The cookie of whoever is about to sign in: a random word from which all else is made, so that
//! nothing of them has to be kept here.

use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, header};

use crate::server::Shared;
use crate::server::caller::csrf_of;
use crate::server::site::Jar;

/// A form may be left open overnight.
const LASTS: Duration = Duration::from_hours(24);
/// The length of our words; others are not ours.
const CHARS: usize = 43;

/// The door that a browser stands at.
pub(super) struct Door {
    secret: String,
    is_new: bool,
}

impl Door {
    /// The one that the browser has been at, or a new one.
    pub(super) fn of(shared: &Shared, headers: &HeaderMap) -> Self {
        match Self::known(shared, headers) {
            Some(door) => door,
            None => Self { secret: BASE64.encode(rand::random::<[u8; 32]>()), is_new: true },
        }
    }

    /// The one that the browser has been at.
    pub(super) fn known(shared: &Shared, headers: &HeaderMap) -> Option<Self> {
        let secret = shared.site.read(Jar::Door, headers).filter(|secret| secret.len() == CHARS)?;
        Some(Self { secret, is_new: false })
    }

    /// What the form must contain.
    pub(super) fn csrf(&self) -> String {
        csrf_of(&self.secret)
    }

    /// The response with what makes the browser come back to this door.
    pub(super) fn kept(&self, shared: &Shared, mut response: Response) -> Response {
        if self.is_new {
            let cookie = shared.site.set(Jar::Door, &self.secret, LASTS);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

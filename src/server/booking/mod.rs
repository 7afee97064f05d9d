//! Where candidates book: `/b/{token}`.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /b/{token}` | the free times, or what is booked; `?zone=` shows them by another clock, `?move=1` the times instead |
//! | `POST /b/{token}` | takes a time, calls it off, or takes a wish; then the page again |
//! | `GET /b/{token}/calendar.ics` | the booked time for the candidate's own calendar; the page, if none is |
//!
//! Whoever has the link acts for the candidate, so it says nothing of them but their first name, and
//! looking never books: link scanners open every link. A form carries what only the page of this
//! revision knows, so it is good for one change. A token that leads nowhere is counted against its
//! sender; one that is right always gets through, so that nobody can lock others out who come by the
//! same proxy.

mod pages;
mod texts;
mod throttle;

use std::sync::Arc;

use axum::Form;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use fulcrum_domain::booking::Over;
use http::{Method, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(super) use pages::ZONES;
use pages::say;
pub(super) use throttle::Throttle;

use super::Shared;
use super::listener::Peer;
use super::problem::Problem;
use super::route::{self, Route};
use crate::calendar::{Invitation, file};
use crate::engine::changes::BookError;
use crate::engine::{BookingAct, BookingState, BookingView};

/// Every route for candidates.
pub(super) fn table() -> Vec<Route> {
    use route::page;
    vec![
        page(Method::GET, "/b/{token}", None, show),
        page(Method::POST, "/b/{token}", None, act),
        page(Method::GET, "/b/{token}/calendar.ics", None, calendar),
    ]
}

/// What the address of the page says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    zone: String,
    r#move: String,
}

/// What a form says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    form: String,
    r#do: String,
    start: String,
    zone: String,
    wish: String,
}

/// For an address that asks too often.
pub(super) fn too_many(shared: &Shared) -> Response {
    say(shared, StatusCode::TOO_MANY_REQUESTS, texts::TOO_OFTEN, texts::TOO_OFTEN_WORDS)
}

/// `GET /b/{token}`.
async fn show(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    Path(token): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let zone = TimeZone::get(&wanted.zone).ok().filter(|_| !wanted.zone.is_empty());
    match view(&shared, peer, &token, zone).await {
        Ok(view) => pages::page(&shared, &token, &view, !wanted.r#move.is_empty(), None),
        Err(refusal) => refusal,
    }
}

/// What a token leads to, or why it is not shown.
async fn view(
    shared: &Shared,
    peer: Option<Extension<Peer>>,
    token: &str,
    zone: Option<TimeZone>,
) -> Result<BookingView, Response> {
    match shared.engine.booking(token, zone).await {
        Ok(Some(view)) => Ok(view),
        Ok(None) => {
            let is_one_too_many = peer
                .is_some_and(|Extension(Peer(address))| shared.throttle.count(address, shared.engine.now()));
            Err(if is_one_too_many {
                say(shared, StatusCode::TOO_MANY_REQUESTS, texts::TOO_MANY, texts::TOO_MANY_WORDS)
            } else {
                say(shared, StatusCode::NOT_FOUND, texts::NO_SUCH_LINK, texts::NO_SUCH_LINK_WORDS)
            })
        }
        Err(error) => {
            let problem = Problem::from(error);
            Err(say(shared, problem.status(), problem.title(), texts::TRY_AGAIN))
        }
    }
}

/// `POST /b/{token}`.
async fn act(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let zone = TimeZone::get(&sent.zone).ok().filter(|_| !sent.zone.is_empty());
    let seen = match view(&shared, peer, &token, zone).await {
        Ok(view) => view,
        Err(refusal) => return refusal,
    };
    let moves = matches!(seen.state, BookingState::Booked { .. });
    if !bool::from(form_token(&token, seen.revision).as_bytes().ct_eq(sent.form.as_bytes())) {
        return stale(&shared, &token, &seen, &sent);
    }
    let wanted = match (sent.r#do.as_str(), sent.start.parse::<Timestamp>()) {
        ("take", Ok(start)) => {
            let timezone = seen.zone.iana_name().unwrap_or_default().to_owned();
            Some(BookingAct::Take { start, timezone })
        }
        ("call-off", _) => Some(BookingAct::CallOff),
        ("suggest", _) => Some(BookingAct::Suggest(sent.wish.clone())),
        _ => None,
    };
    let Some(wanted) = wanted else {
        let none = Some((StatusCode::UNPROCESSABLE_ENTITY, texts::CHOOSE_ONE));
        return pages::page(&shared, &token, &seen, moves, none);
    };
    let suggested = matches!(wanted, BookingAct::Suggest(_));
    match shared.engine.act_on_booking(&token, seen.revision, wanted).await {
        Ok(()) if suggested => say(&shared, StatusCode::OK, texts::WISH_TAKEN, texts::WISH_TAKEN_WORDS),
        Ok(()) => done(&shared, &token),
        Err(BookError::Store(error)) => {
            let problem = Problem::from(error);
            say(&shared, problem.status(), problem.title(), texts::TRY_AGAIN)
        }
        Err(error) => {
            let (status, words) = refusal(&error);
            match shared.engine.booking(&token, Some(seen.zone)).await {
                Ok(Some(view)) if stands(&view.state, &sent) => done(&shared, &token),
                Ok(Some(view)) if matches!(error, BookError::Stale) => stale(&shared, &token, &view, &sent),
                Ok(Some(view)) => pages::page(&shared, &token, &view, moves, Some((status, words))),
                _ => say(&shared, status, words, texts::TRY_AGAIN),
            }
        }
    }
}

fn done(shared: &Shared, token: &str) -> Response {
    Redirect::to(&format!("{}/b/{token}", shared.site.base())).into_response()
}

/// Whether what is asked for stands already: somebody pressed twice, and a browser shows the second
/// answer alone.
fn stands(state: &BookingState, sent: &Sent) -> bool {
    match (sent.r#do.as_str(), state) {
        ("take", BookingState::Booked { booked, .. }) => {
            sent.start.parse().is_ok_and(|start: Timestamp| start == booked.starts_at)
        }
        ("call-off", BookingState::Over(Over::CalledOff)) => true,
        _ => false,
    }
}

/// For a form of another revision: how it stands now, which nobody who is booked is asked to choose anew.
fn stale(shared: &Shared, token: &str, view: &BookingView, sent: &Sent) -> Response {
    if stands(&view.state, sent) {
        return done(shared, token);
    }
    let words = match view.state {
        BookingState::Open(_) => texts::STALE,
        BookingState::Booked { .. } | BookingState::Over(_) => texts::STALE_STANDS,
    };
    pages::page(shared, token, view, false, Some((StatusCode::CONFLICT, words)))
}

fn refusal(error: &BookError) -> (StatusCode, &'static str) {
    match error {
        BookError::NotFree => (StatusCode::CONFLICT, texts::NOT_FREE),
        BookError::Wish => (StatusCode::UNPROCESSABLE_ENTITY, texts::WISH_LENGTH),
        BookError::Fixed(_) => (StatusCode::CONFLICT, texts::FIXED),
        BookError::Over(_) | BookError::NoSuchType | BookError::Unknown => (StatusCode::GONE, texts::OVER),
        BookError::Stale | BookError::NotBooked | BookError::Store(_) => (StatusCode::CONFLICT, texts::STALE),
    }
}

/// What a form of this revision carries.
fn form_token(token: &str, revision: u32) -> String {
    hex::encode(&Sha256::digest(format!("form {token} {revision}"))[..16])
}

/// `GET /b/{token}/calendar.ics`.
async fn calendar(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    Path(token): Path<String>,
) -> Response {
    let view = match view(&shared, peer, &token, None).await {
        Ok(view) => view,
        Err(refusal) => return refusal,
    };
    let BookingState::Booked { booked, .. } = &view.state else {
        // The page says how it stands: a candidate may tap the link of a meeting that was called off.
        return done(&shared, &token);
    };
    let url = shared.site.absolute(&format!("/b/{token}"));
    let minutes = jiff::SignedDuration::from_mins(booked.minutes.into());
    let text = file(&Invitation {
        // The same for every link to it: a calendar moves the entry that it has (RFC 5545, 3.8.4.7).
        uid: &format!("booking-{}@{}", view.id.number(), shared.site.host()),
        revision: view.sequence,
        summary: &format!("{}, {}", view.name, view.organisation),
        location: &view.location,
        url: &url,
        start: booked.starts_at,
        end: booked.starts_at.saturating_add(minutes).unwrap_or(booked.starts_at),
        written_at: shared.engine.now(),
    });
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"interview.ics\""),
    ];
    (headers, text).into_response()
}

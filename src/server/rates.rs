//! How many requests an address may make, by what it asks for.
//!
//! Each class of routes has its own buckets, so that whoever asks for too many pages is still heard at the
//! API, and the other way. They stand before everything else that is done for a request: a refusal costs
//! no look into the store. An address is the client's, as [`super::client`] finds it.
//!
//! Hooks are a class apart. A bulk action in Lever sends thousands of webhooks at once, a bulk text as many
//! reports of the carrier's, all from few addresses; Lever gives a webhook up after five tries, and the
//! carrier may repeat none. So theirs is a dam against floods, far above what either sends: the usual one takes
//! 20,000 at once and 2,000 a second from then on. There is no limit over all addresses, which one flood
//! could use up for everybody. What a refused hook would have told is found by the regular look.
//!
//! Attempts to sign in have limits of their own (`sign_in/porter`), and so have links for booking that
//! lead nowhere.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::Quota;
use http::{HeaderValue, header};

use super::buckets::{Buckets, TooMany};
use super::client::subscriber;
use super::listener::Peer;
use super::problem::{Kind, Problem};
use super::{Shared, booking, sign_in};
use crate::config;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Hooks,
    Api,
    Pages,
    Booking,
}

impl Class {
    pub(super) const ALL: [Self; 4] = [Self::Hooks, Self::Api, Self::Pages, Self::Booking];

    /// As metrics call it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Hooks => "hooks",
            Self::Api => "api",
            Self::Pages => "pages",
            Self::Booking => "booking",
        }
    }

    const fn rate(self, rates: &config::Rates) -> NonZeroU32 {
        match self {
            Self::Hooks => rates.hooks,
            Self::Api => rates.api,
            Self::Pages => rates.pages,
            Self::Booking => rates.booking,
        }
    }
}

/// After a quiet time an address may do at once what it may do in so many seconds.
const BURST_SECONDS: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

fn quota(per_second: NonZeroU32) -> Quota {
    Quota::per_second(per_second).allow_burst(per_second.saturating_mul(BURST_SECONDS))
}

/// The buckets of every class.
pub(super) struct Rates(ArcSwap<Held>);

struct Held {
    rates: config::Rates,
    buckets: [Buckets; Class::ALL.len()],
}

impl Rates {
    pub(super) fn new(rates: config::Rates) -> Self {
        Self(ArcSwap::from_pointee(Held::new(rates)))
    }

    /// Other rates; all begin anew then. Without a difference nothing is forgotten.
    pub(super) fn replace(&self, rates: config::Rates) {
        if self.0.load().rates != rates {
            self.0.store(Arc::new(Held::new(rates)));
        }
    }

    fn passes(&self, class: Class, from: IpAddr) -> Result<(), TooMany> {
        self.0.load().buckets[class as usize].passes(subscriber(from))
    }
}

impl Held {
    fn new(rates: config::Rates) -> Self {
        Self { rates, buckets: Class::ALL.map(|class| Buckets::new(quota(class.rate(&rates)))) }
    }
}

/// What stands before the routes of a class.
#[derive(Clone)]
pub(super) struct Dam {
    pub(super) shared: Arc<Shared>,
    pub(super) class: Class,
}

/// Lets the request through, or says when to come again.
pub(super) async fn held_back(State(dam): State<Dam>, request: Request, next: Next) -> Response {
    let Dam { shared, class } = dam;
    let peer = request.extensions().get::<Peer>().copied();
    match peer.map_or(Ok(()), |Peer(from)| shared.rates.passes(class, from)) {
        Ok(()) => next.run(request).await,
        Err(TooMany { seconds }) => {
            shared.engine.metrics().limited(class.word());
            let mut response = refusal(&shared, class);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
    }
}

fn refusal(shared: &Shared, class: Class) -> Response {
    let problem = Problem::new(Kind::TooMany, "this address asks too often; wait a little");
    match class {
        Class::Hooks | Class::Api => problem.into_response(),
        Class::Pages => sign_in::refusal(shared, &problem),
        Class::Booking => booking::too_many(shared),
    }
}

//! The listeners and everything that is served on them. Nothing is decided here: a request becomes
//! a call of the engine, its outcome an answer; what is wrong is answered by `problem` alone.
//!
//! | listener | route | file |
//! | --- | --- | --- |
//! | public | `POST /hooks/lever`, `POST /hooks/lever/{secret}` | `hooks` |
//! | public | `POST /hooks/twilio/message`, `POST /hooks/twilio/status`, `POST /hooks/telnyx`, `POST /hooks/gateway` | `carrier_hooks` |
//! | public, with a bearer token | `/api/v1/...` (its table stands in `api`) | `api` |
//! | public | `/sign-in...`, `/sign-out`, `/account...` (its table stands in `sign_in`) | `sign_in` |
//! | public | `/b/{token}...` (its table stands in `booking`) | `booking` |
//! | public | `/extension/...` (its table stands in `extension`) | `extension` |
//! | public | `/`, `/inbox`, `/c/...`, `/o/...`, `/fragments/...`, `/events`, `/templates`, `/bulk...`, `/setup`, `/activity`, `/system`, `/assets/...` | `console` |
//! | control socket, as admin | `/api/v1/...` | `api` |
//! | ops | `GET /health`, `/health/live`, `/health/ready`, `/metrics` | `ops` |
//!
//! Where the public address has a path of its own, the public routes answer below it too: some
//! proxies take it off, some do not.

mod admit;
mod api;
mod body;
mod booking;
mod buckets;
mod caller;
mod carrier_hooks;
mod certificate;
mod client;
mod console;
mod extension;
mod hooks;
mod keys;
mod listener;
mod ops;
mod people;
mod problem;
mod rates;
mod room;
mod route;
mod settings;
mod sign_in;
mod site;
mod sockets;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use api::{
    AutomationsBody, ConversationBody, Cursor, ErasureBody, HoldBody, Listing, MessageBody, ReasonBody,
    StoredBody, TestedBody,
};
pub use certificate::{Certificate, CertificateError, CertificateFlaw};
pub use console::SetupSettings;
pub use keys::Keys;
pub use settings::ServerSettings;
pub use sockets::{BindError, ControlSocket, Given, Listeners};

use crate::carrier::Hooks;
use crate::config::{Limits, ProxyRange};
use crate::engine::Engine;
use admit::Door;
use body::Bodies;
use listener::{Serving, Socket};
use rates::{Class, Dam, Rates};
use room::{Full, Room};
use route::Route;
pub use sign_in::Invitation;
use sign_in::{Invited, Porter, Provider};
use site::Site;

/// How often the certificate is looked at.
const LOOK: Duration = Duration::from_secs(3600);

/// What the handlers share.
struct Shared {
    engine: Engine,
    keys: ArcSwap<Keys>,
    carrier: Option<Hooks>,
    site: Site,
    setup: SetupSettings,
    /// Cancelled when open streams are to end.
    stop: CancellationToken,
    porter: Porter,
    provider: Provider,
    invited: Invited,
    limits: Arc<ArcSwap<Limits>>,
    rates: Rates,
    extension: extension::Extension,
    throttle: booking::Throttle,
    bodies: Bodies,
}

/// The way in. See [`Server::start`].
pub struct Server;

/// A server at work.
pub struct Running {
    addresses: Addresses,
    shared: Arc<Shared>,
    serving: Serving,
    /// Of the public listener.
    room: Arc<Room>,
    certificate: Option<Certificate>,
    control: Option<ControlSocket>,
}

/// Where a server is reached, with the ports that were free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Hooks and the API.
    pub public: SocketAddr,
    /// Health and metrics.
    pub ops: SocketAddr,
}

impl Server {
    /// Binds what the settings name and is not given, and serves it until [`Running::stop`] or the
    /// engine's stop.
    ///
    /// # Errors
    /// [`BindError`]; nothing is served then.
    pub async fn bind(engine: Engine, settings: ServerSettings, given: Given) -> Result<Running, BindError> {
        let control = settings.control_socket.as_deref();
        let listeners = Listeners::bind(settings.listen, settings.ops_listen, control, given).await?;
        Self::start(engine, settings, listeners)
    }

    /// Serves on sockets that are bound already.
    ///
    /// # Errors
    /// [`BindError`] when a socket is none; nothing is served then.
    pub fn start(
        engine: Engine,
        settings: ServerSettings,
        mut listeners: Listeners,
    ) -> Result<Running, BindError> {
        let addresses = Addresses { public: address(&listeners.public)?, ops: address(&listeners.ops)? };
        let certificate = settings.tls;
        let stop = engine.tasks().stop_token().child_token();
        engine.metrics().limits(Class::ALL.map(Class::word).into_iter().chain(Full::ALL.map(Full::word)));
        let limits = Arc::new(ArcSwap::from_pointee(settings.limits));
        let trusted: Arc<[ProxyRange]> = settings.trusted_proxies.into();
        let room = Room::public(&settings.limits, trusted.clone());
        let serving = Serving {
            limits: limits.clone(),
            engine: engine.clone(),
            tasks: engine.tasks().clone(),
            connections: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        };
        let shared = Arc::new(Shared {
            engine,
            keys: ArcSwap::from_pointee(settings.keys),
            carrier: settings.carrier,
            extension: extension::Extension::new(settings.public_url.clone(), settings.lever_hosts),
            site: Site::new(settings.public_url),
            setup: settings.setup,
            stop: serving.stop.clone(),
            porter: Porter::default(),
            throttle: booking::Throttle::default(),
            bodies: Bodies::default(),
            provider: Provider::new(settings.provider_http),
            invited: Invited::new(settings.invitation),
            limits,
            rates: Rates::new(settings.limits.rates),
        });
        let public = match &certificate {
            Some(certificate) => Socket::Tls(listeners.public, certificate.clone()),
            None => Socket::Tcp(listeners.public),
        };
        let router = match &*trusted {
            [] => public_router(&shared),
            _ => public_router(&shared).layer(from_fn_with_state(trusted, client::found)),
        };
        if let Some(certificate) = certificate.clone() {
            let (shared, stop) = (shared.clone(), serving.stop.clone());
            serving.tasks.run(async move {
                let looks = async {
                    loop {
                        look_at(&certificate, &shared);
                        tokio::time::sleep(LOOK).await;
                    }
                };
                stop.run_until_cancelled(looks).await;
            });
        }
        serving.start(public, router, room.clone());
        serving.start(Socket::Tcp(listeners.ops), ops::router(shared.clone()), Room::own());
        if let Some(listener) = listeners.control.as_mut().and_then(ControlSocket::take_listener) {
            let router = route::router(&shared, api::table(), Door::ControlSocket);
            serving.start(Socket::Unix(listener), router.fallback(problem::no_such_path), Room::own());
        }
        Ok(Running { addresses, shared, serving, room, certificate, control: listeners.control })
    }
}

/// Tells health how it is with the certificate.
fn look_at(certificate: &Certificate, shared: &Shared) {
    let engine = &shared.engine;
    let flaw = certificate.flaw(shared.site.host(), engine.now());
    if let Some(at) = certificate.not_after() {
        engine.metrics().certificate_ends(at);
    }
    engine.note_certificate(flaw.map(|flaw| flaw.to_string()));
}

fn address(listener: &tokio::net::TcpListener) -> Result<SocketAddr, BindError> {
    let unknown = SocketAddr::from(([0; 4], 0));
    listener.local_addr().map_err(|source: io::Error| BindError::Port { address: unknown, source })
}

/// Every route that asks who comes, by what it counts as.
fn tables() -> [(Class, Vec<Route>); 3] {
    let pages = [console::table(), extension::table(), sign_in::table()];
    [
        (Class::Api, api::table()),
        (Class::Booking, booking::table()),
        (Class::Pages, pages.into_iter().flatten().collect()),
    ]
}

fn public_router(shared: &Arc<Shared>) -> Router {
    let behind_dam = |class, router: Router| {
        router.layer(from_fn_with_state(Dam { shared: shared.clone(), class }, rates::held_back))
    };
    let mut routes = behind_dam(Class::Hooks, hooks::router(shared.clone()));
    for (class, table) in tables() {
        let router = behind_dam(class, route::router(shared, table, Door::Public));
        routes = routes.merge(match class {
            Class::Hooks | Class::Api => router,
            Class::Pages | Class::Booking => router.layer(from_fn(console::guarded)),
        });
    }
    let prefix = shared.site.base();
    let below = if prefix.is_empty() { Router::new() } else { Router::new().nest(prefix, routes.clone()) };
    let nowhere = any(console::nowhere).layer(from_fn(console::guarded)).with_state(shared.clone());
    below.merge(routes).fallback_service(nowhere)
}

impl Running {
    /// Where it is reached.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Takes new keys up, whole: webhook tokens, the hook secret, API tokens.
    pub fn replace_keys(&self, keys: Keys) {
        self.shared.keys.store(Arc::new(keys));
    }

    /// Takes other limits up. Connections that stand keep their place, and the times that they began with.
    pub fn replace_limits(&self, limits: Limits) {
        self.room.replace(&limits);
        self.shared.rates.replace(limits.rates);
        self.shared.limits.store(Arc::new(limits));
    }

    /// Reads the certificate and its key again, where there is one, and says whether it is another one.
    /// Connections that stand keep the one they began with.
    ///
    /// # Errors
    /// [`CertificateError`]; the old one stays then.
    pub fn renew_certificate(&self) -> Result<bool, CertificateError> {
        let Some(certificate) = &self.certificate else { return Ok(false) };
        let renewed = certificate.renew()?;
        look_at(certificate, &self.shared);
        Ok(renewed)
    }

    /// Takes no more connections, lets requests under way come to their end, at most `grace`, and
    /// cuts what is left. False when something was cut.
    pub async fn stop(self, grace: Duration) -> bool {
        let Self { serving, control, .. } = self;
        serving.stop.cancel();
        serving.connections.close();
        let in_time = tokio::time::timeout(grace, serving.connections.wait()).await.is_ok();
        serving.cut.cancel();
        drop(control);
        in_time
    }
}

//! Our accept loop over hyper, under every listener: TCP, TLS and the control socket.
//!
//! Not `axum::serve`, which hides what keeps strangers from holding us: the number of connections
//! ([`Room`]; it is asked *before* accepting, so that the rest waits in the kernel), the size and time
//! of a request's head, the time of a TLS handshake, and the time that a connection may do
//! nothing. hyper itself knows no limit while it waits to see which HTTP is spoken, nor for an
//! idle HTTP/2 connection, nor for a client that asks and takes no answer; [`Pulse`] is that limit.
//! Bodies are limited where they are read.
//!
//! A stop lets requests under way come to their end; a cut does not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::certificate::Certificate;
use super::room::{Full, Room};
use crate::config::Limits;
use crate::engine::{Engine, Tasks};

/// The pause after an accept that failed for want of something of ours, such as descriptors:
/// connections that end meanwhile give it back.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request's head: cookies and a referrer are a few hundred.
const HEAD_BYTES: usize = 32 * 1024;
/// Fields of a request's head; behind two proxies a browser's has some thirty.
const HEAD_FIELDS: usize = 64;
/// Requests at once on an HTTP/2 connection.
const STREAMS: u32 = 128;

/// An answer of which the client takes nothing for so long is given up. A stream of events has something
/// to say at least every 20 seconds.
const STUCK: Duration = Duration::from_secs(60);

/// What connections come in on.
pub(super) enum Socket {
    Tcp(TcpListener),
    Tls(TcpListener, Certificate),
    Unix(UnixListener),
}

/// Who is at the other end of a connection over the network; stands in each of its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

enum Stream {
    Tcp(TcpStream),
    Tls(TcpStream, TlsAcceptor),
    Unix(UnixStream),
}

impl Socket {
    /// Cancel-safe.
    async fn accept(&self) -> io::Result<(Stream, Option<Peer>)> {
        let from = |(stream, address): (TcpStream, SocketAddr)| (stream, Some(Peer(address.ip())));
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = from(listener.accept().await?);
                (Stream::Tcp(stream), peer)
            }
            Self::Tls(listener, certificate) => {
                let (stream, peer) = from(listener.accept().await?);
                (Stream::Tls(stream, certificate.acceptor()), peer)
            }
            Self::Unix(listener) => (Stream::Unix(listener.accept().await?.0), None),
        })
    }
}

/// What all accept loops of a server share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) limits: Arc<ArcSwap<Limits>>,
    pub(super) engine: Engine,
    pub(super) tasks: Tasks,
    /// Counts the connections, so that the server can wait for them alone.
    pub(super) connections: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) cut: CancellationToken,
}

impl Serving {
    /// Serves `router` on `socket`, for as many as `room` has places, until the stop.
    pub(super) fn start(&self, socket: Socket, router: Router, room: Arc<Room>) {
        let this = self.clone();
        self.spawn(async move { this.accept(socket, router, room).await });
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.run(self.connections.track_future(work));
    }

    async fn accept(&self, socket: Socket, router: Router, room: Arc<Room>) {
        let next = async || {
            if !room.has_room() {
                self.engine.metrics().limited(Full::InAll.word());
                self.engine.note_crowd(true);
                room.vacancy().await;
                self.engine.note_crowd(false);
            }
            socket.accept().await
        };
        while let Some(accepted) = self.stop.run_until_cancelled(next()).await {
            match accepted {
                Ok((stream, peer)) => match room.enter(peer.map(|Peer(address)| address)) {
                    Ok(place) => {
                        let (this, router) = (self.clone(), router.clone());
                        self.spawn(async move {
                            this.stream(stream, peer, router).await;
                            drop(place);
                        });
                    }
                    // Closed without a word: one costs less than the other, and means the same to a sender.
                    Err(full) => self.engine.metrics().limited(full.word()),
                },
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                    let _ = self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                }
            }
        }
    }

    async fn stream(&self, stream: Stream, peer: Option<Peer>, router: Router) {
        let limits = **self.limits.load();
        // An answer is one small write; without this it would wait for the client's delayed ACK.
        let at_once = |stream: &TcpStream| drop(stream.set_nodelay(true));
        match stream {
            Stream::Unix(stream) => self.connection(stream, peer, router, &limits).await,
            Stream::Tcp(stream) => {
                at_once(&stream);
                self.connection(stream, peer, router, &limits).await;
            }
            Stream::Tls(stream, acceptor) => {
                at_once(&stream);
                match tokio::time::timeout(limits.head_time, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => self.connection(stream, peer, router, &limits).await,
                    Ok(Err(error)) => {
                        tracing::debug!(error = &error as &dyn std::error::Error, "a TLS handshake failed");
                    }
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }
        }
    }

    async fn connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<Peer>,
        router: Router,
        limits: &Limits,
    ) {
        let pulse = Arc::new(Pulse::default());
        let service = service_fn(|mut request: Request<Incoming>| {
            peer.map(|peer| request.extensions_mut().insert(peer));
            let mut beat = Beat::begin(&pulse);
            let answer = router.clone().oneshot(request);
            async move {
                let response = answer.await;
                beat.answered();
                response.map(|response| held(response, beat))
            }
        });
        let builder = self.builder(limits);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // Tokens of its own: waiting on a shared one would lock it at each wake.
        let (stop, cut) = (self.stop.child_token(), self.cut.child_token());
        let mut stopping = false;
        // Who asks nothing at first is a stranger, and holds room that others wait for.
        let mut looks = interval_at(Instant::now() + limits.head_time, limits.idle_time);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Look::first(Instant::now());
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(error, "a connection ended with an error");
                    }
                    break;
                }
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = cut.cancelled(), if stopping => break,
                _ = looks.tick() => if pulse.has_stood_still(&mut last, Instant::now()) { break },
            }
        }
    }

    fn builder(&self, limits: &Limits) -> auto::Builder<Self> {
        let mut builder = auto::Builder::new(self.clone());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_FIELDS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(HEAD_BYTES as u32)
            .max_concurrent_streams(STREAMS);
        builder
    }
}

/// hyper spawns the streams of an HTTP/2 connection: they are tracked like all else.
impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Serving {
    fn execute(&self, work: F) {
        self.spawn(work);
    }
}

/// Whether the peer gave up between its connect and our accept.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The requests of a connection.
#[derive(Default)]
struct Pulse {
    /// How many began.
    begun: AtomicU64,
    /// To how many we know the answer.
    answered: AtomicU64,
    /// Pieces of answers that were taken.
    taken: AtomicU64,
    /// How many are answered to the last byte.
    ended: AtomicU64,
}

/// What a look at a [`Pulse`] found, and since when the client has done nothing.
struct Look {
    begun: u64,
    taken: u64,
    since: Instant,
}

impl Look {
    fn first(now: Instant) -> Self {
        Self { begun: 0, taken: 0, since: now }
    }
}

impl Pulse {
    /// Whether nothing is under way and nothing began since the last look, or the client has let all its
    /// answers wait for [`STUCK`].
    fn has_stood_still(&self, last: &mut Look, now: Instant) -> bool {
        let [begun, answered, taken, ended] = [&self.begun, &self.answered, &self.taken, &self.ended]
            .map(|count| count.load(Ordering::Relaxed));
        let nothing_began = begun == last.begun;
        let waits_for_us = begun != answered;
        if !nothing_began || taken != last.taken || waits_for_us {
            *last = Look { begun, taken, since: now };
        }
        if begun == ended { nothing_began } else { !waits_for_us && now - last.since >= STUCK }
    }
}

/// One request under way.
struct Beat {
    pulse: Arc<Pulse>,
    is_answered: bool,
}

impl Beat {
    fn begin(pulse: &Arc<Pulse>) -> Self {
        pulse.begun.fetch_add(1, Ordering::Relaxed);
        Self { pulse: pulse.clone(), is_answered: false }
    }

    fn answered(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.pulse.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn taken(&self) {
        self.pulse.taken.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        // One that was given up before will not be answered.
        self.answered();
        self.pulse.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Keeps the beat until the body is sent: a stream of events is work, not idleness.
fn held(
    response: Response<Body>,
    beat: Beat,
) -> Response<impl hyper::body::Body<Data = Bytes, Error = axum::Error>> {
    response.map(|body| {
        body.map_frame(move |frame| {
            beat.taken();
            frame
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks each minute, after what happens in between; whether each finds that it stands still.
    fn looks(pulse: &Arc<Pulse>, minutes: &mut [&mut dyn FnMut()]) -> Vec<bool> {
        let began = Instant::now();
        let mut last = Look::first(began);
        let looks = (1..).zip(minutes).map(|(minute, happens)| {
            happens();
            pulse.has_stood_still(&mut last, began + minute * Duration::from_secs(60))
        });
        looks.collect()
    }

    #[test]
    fn who_asks_nothing_stands_still_and_who_waits_for_us_does_not() {
        let pulse = Arc::new(Pulse::default());
        assert_eq!(looks(&pulse, &mut [&mut || {}]), [true]);
        let mut beat = None;
        let found = looks(&pulse, &mut [&mut || beat = Some(Beat::begin(&pulse)), &mut || {}, &mut || {}]);
        assert_eq!(found, [false; 3], "we are at work");
        drop(beat);
        assert_eq!(looks(&pulse, &mut [&mut || {}, &mut || {}]), [false, true]);
    }

    /// HTTP/2 lets a client say that it takes nothing; such a connection once stayed for ever.
    #[test]
    fn an_answer_that_nobody_takes_is_given_up_and_one_that_is_taken_slowly_is_not() {
        let pulse = Arc::new(Pulse::default());
        drop(Beat::begin(&pulse));
        let mut beat = Beat::begin(&pulse);
        beat.answered();
        let found = looks(&pulse, &mut [&mut || {}, &mut || beat.taken(), &mut || beat.taken(), &mut || {}]);
        assert_eq!(found, [false, false, false, true]);
    }
}

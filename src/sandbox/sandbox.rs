//! The simulated remotes in one running server, with everything that tests and the demo do to them.
//!
//! One listener serves all: the paths of Lever (`/v1`, and its site's `/candidates`), of Twilio
//! (`/2010-04-01`), of Telnyx (`/v2`), of the gateway (`/gateway`) and of the control routes (`/_sandbox`) are distinct, so one address
//! is enough for a program that wants several. Of the carriers one has the numbers ([`Carrier`]): there
//! candidates' texts arrive.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::carrier::Carrier;
use crate::clock::SimClock;
use crate::control;
use crate::dice::Dice;
use crate::faults::{Faults, Remote, Rule};
use crate::gateway::{self, Gateway};
use crate::ledger::Ledger;
use crate::lever::{
    Event, EventError, Happened, Lever, LeverOptions, Moves, Permissions, Stats, Truth, WEBHOOK_EVENTS,
};
use crate::seen::{Requests, Seen};
use crate::server::{serve, with_faults};
use crate::telnyx::{self, Telnyx};
use crate::twilio::{self, Addresses, InboundError, InboundMedia, TwilioOptions, TwilioState};

/// How the sandbox is set up.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the tenant, the faults and the moves are drawn from.
    pub seed: u64,
    /// What the clock shows at the start, in milliseconds since the epoch; none is the machine's time.
    pub start_ms: Option<i64>,
    /// The simulated Lever.
    pub lever: LeverOptions,
    /// The simulated Twilio.
    pub twilio: TwilioOptions,
    /// Milliseconds that an answer of the simulated Twilio takes.
    pub twilio_latency_ms: Range<u64>,
    /// Who has the numbers.
    pub carrier: Carrier,
    /// What goes wrong from the start.
    pub faults: Vec<Rule>,
}

impl Default for Options {
    /// A small tenant on a free port of loopback, nothing wrong.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            seed: 1,
            start_ms: None,
            lever: LeverOptions::default(),
            twilio: TwilioOptions::default(),
            twilio_latency_ms: 0..0,
            carrier: Carrier::default(),
            faults: Vec::new(),
        }
    }
}

/// The sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The client that sends webhooks cannot be built.
    #[error("cannot set up the sender of webhooks")]
    Client(#[source] reqwest::Error),
}

/// A running sandbox. It stops when it is shut down or dropped.
pub struct Sandbox {
    address: SocketAddr,
    pub(crate) shared: Shared,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What each carrier was asked.
#[derive(Clone, Default)]
pub(crate) struct SeenByCarriers {
    twilio: Seen,
    telnyx: Seen,
    gateway: Seen,
}

/// What the control routes share with the methods.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) lever: Lever,
    pub(crate) twilio: TwilioState,
    pub(crate) telnyx: Telnyx,
    pub(crate) gateway: Gateway,
    pub(crate) carrier: Carrier,
    pub(crate) clock: SimClock,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) seen: SeenByCarriers,
    pub(crate) base_url: String,
    pub(crate) numbers: Vec<String>,
    pub(crate) webhook_tokens: BTreeMap<String, String>,
    pub(crate) account_sid: String,
    pub(crate) auth_token: String,
}

/// A text from a candidate.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The number it goes to.
    #[error(transparent)]
    Number(#[from] InboundError),
    /// The same, at another carrier.
    #[error("the simulated account does not have that number")]
    NotOurs,
    /// The sandbox was started without a number of ours.
    #[error("the simulated account has no number")]
    NoNumber,
}

/// What the remotes saw.
#[derive(Clone, Debug, Serialize)]
pub struct SandboxStats {
    /// Requests to the simulated Lever.
    pub lever: Stats,
    /// Requests to the simulated Twilio.
    pub twilio: Requests,
    /// Requests to the simulated Telnyx.
    pub telnyx: Requests,
    /// Requests to the gateway that the generic webhook is for.
    pub gateway: Requests,
    /// Lever's webhook events that are neither delivered nor given up.
    pub webhooks_waiting: u64,
    /// Entries in the ledger.
    pub ledger: u64,
}

impl Sandbox {
    /// Generates the tenant and starts serving.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on.
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        let cannot = |error| SandboxError::Listen(options.listen, error);
        let listener = TcpListener::bind(options.listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let base_url = format!("http://{address}");

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (clock, ledger) = (SimClock::default(), Ledger::default());
        options.start_ms.into_iter().for_each(|ms| clock.set(ms));
        let faults = Faults::new(options.seed, options.faults);

        let core = (clock.clone(), ledger.clone(), faults.clone());
        let lever =
            Lever::start(options.lever, options.seed, core, &tasks, &stop).map_err(SandboxError::Client)?;
        let (account_sid, auth_token) =
            (options.twilio.account_sid.clone(), options.twilio.auth_token.clone());
        let numbers = options.twilio.numbers.clone();
        let twilio = TwilioState::new(options.twilio, clock.clone(), ledger.clone(), faults.clone());
        twilio.set_addresses(Addresses { base_url: base_url.clone(), ..Addresses::default() });

        let core = || (clock.clone(), ledger.clone(), faults.clone());
        let (its_clock, its_ledger, its_faults) = core();
        let seed = options.seed;
        let telnyx = Telnyx::new(&base_url, seed, numbers.clone(), its_clock, its_ledger, its_faults);
        let telnyx = telnyx.map_err(SandboxError::Client)?;
        let (its_clock, its_ledger, its_faults) = core();
        let gateway = Gateway::new(&base_url, seed, numbers.clone(), its_clock, its_ledger, its_faults);
        let gateway = gateway.map_err(SandboxError::Client)?;

        let tokens = (0..).zip(WEBHOOK_EVENTS);
        let token = |index| Dice::new(options.seed, 0x70CE, index).hex(48);
        let webhook_tokens = tokens.map(|(index, event)| (event.to_owned(), token(index))).collect();
        let shared = Shared {
            lever,
            twilio,
            telnyx,
            gateway,
            carrier: options.carrier,
            clock,
            ledger,
            faults: faults.clone(),
            seen: SeenByCarriers::default(),
            base_url,
            numbers,
            webhook_tokens,
            account_sid,
            auth_token,
        };
        let twilio = twilio::router(shared.twilio.clone());
        let twilio = with_faults(twilio, Remote::Twilio, faults.clone(), options.twilio_latency_ms);
        let telnyx = telnyx::router(shared.telnyx.clone());
        let telnyx = with_faults(telnyx, Remote::Telnyx, faults.clone(), 0..0);
        let gateway = gateway::router(shared.gateway.clone());
        let gateway = with_faults(gateway, Remote::Gateway, faults.clone(), 0..0);
        let seen = &shared.seen;
        // The control routes come first: a path that nobody has is then answered without Lever's meter.
        let router = control::router(shared.clone())
            .merge(shared.lever.router(faults))
            .merge(seen.twilio.count(twilio))
            .merge(seen.telnyx.count(telnyx))
            .merge(seen.gateway.count(gateway));
        tasks.spawn(serve(listener, router, stop.clone()));
        Ok(Self { address, shared, tasks, stop })
    }

    /// Stops listening, drops what is open, and waits for the tasks to end.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of the simulated Lever, `/v1` included.
    #[must_use]
    pub fn lever_url(&self) -> String {
        format!("{}/v1", self.shared.base_url)
    }

    /// Lever's API key.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.shared.lever.options().api_key
    }

    /// The signature token of each of the eight webhooks, by event; the same for the same seed.
    #[must_use]
    pub fn webhook_tokens(&self) -> &BTreeMap<String, String> {
        &self.shared.webhook_tokens
    }

    /// Name and e-mail of a user of Lever's who is active and stays so.
    #[must_use]
    pub fn lasting_user(&self) -> (String, String) {
        self.shared.lever.lasting_user()
    }

    /// The id of the stage with this name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<String> {
        self.shared.lever.stage(name)
    }

    /// What another program needs to know, as `fulcrum sandbox` prints it.
    #[must_use]
    pub fn announcement(&self) -> Value {
        json!({"lever": self.lever_url(), "twilio": self.twilio_url(), "api_key": self.api_key(),
               "account_sid": self.account_sid(), "auth_token": self.auth_token(), "numbers": self.numbers(),
               "webhook_tokens": self.webhook_tokens(), "carrier": self.carrier().name(),
               "telnyx": self.carrier_url(), "telnyx_api_key": self.telnyx_api_key(),
               "telnyx_public_key": self.telnyx_public_key(), "gateway": self.gateway_url(),
               "gateway_secret": self.gateway_secrets().0, "gateway_inbound_secret": self.gateway_secrets().1})
    }

    /// Sets up one webhook for each event in `tokens`, all to `url`, replacing those there were.
    pub fn configure_webhooks(&self, url: &str, tokens: &BTreeMap<String, String>) {
        self.shared.lever.set_webhooks(url, tokens);
    }

    /// Sends the set-up ping to every webhook; returns the events whose ping was not answered with 2xx.
    pub async fn verify_webhooks(&self) -> Vec<String> {
        self.shared.lever.verify_webhooks().await
    }

    /// Makes something happen inside Lever; the webhooks follow.
    ///
    /// # Errors
    ///
    /// If an id names nothing, or nobody fits.
    pub fn happen(&self, event: &Event) -> Result<Happened, EventError> {
        self.shared.lever.happen(event)
    }

    /// Lets `from` text our first number; returns the message's SID.
    ///
    /// # Errors
    ///
    /// If there is no number of ours.
    pub fn inbound(&self, from: &str, body: &str) -> Result<String, TextError> {
        self.shared.inbound(from, None, body, Vec::new())
    }

    /// The same with pictures or other files.
    ///
    /// # Errors
    ///
    /// If there is no number of ours.
    pub fn inbound_with(
        &self,
        from: &str,
        body: &str,
        media: Vec<InboundMedia>,
    ) -> Result<String, TextError> {
        self.shared.inbound(from, None, body, media)
    }

    /// The simulated Twilio, for what this type has no method for.
    #[must_use]
    pub fn twilio(&self) -> &TwilioState {
        &self.shared.twilio
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The remotes' clock.
    #[must_use]
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// What really happened.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// What the remotes saw.
    #[must_use]
    pub fn stats(&self) -> SandboxStats {
        self.shared.stats()
    }

    /// From now on so much moves by itself.
    pub fn set_moves(&self, moves: Moves) {
        self.shared.lever.set_moves(moves);
    }

    /// From now on the key may do this.
    pub fn set_permissions(&self, permissions: Permissions) {
        self.shared.lever.set_permissions(permissions);
    }

    /// A random active opportunity; `with_phone`: of a contact with a North American number.
    #[must_use]
    pub fn random_opportunity(&self, with_phone: bool) -> Option<Happened> {
        self.shared.lever.random_opportunity(with_phone)
    }

    /// Every opportunity as it really is, confidential ones too, oldest first, one at a time.
    pub fn truth(&self) -> impl Iterator<Item = Truth> + Send + use<> {
        self.shared.lever.truth()
    }

    /// One opportunity as it really is.
    #[must_use]
    pub fn truth_of(&self, id: &str) -> Option<Truth> {
        self.shared.lever.truth_of(id)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    pub(crate) fn inbound(
        &self,
        from: &str,
        to: Option<&str>,
        body: &str,
        media: Vec<InboundMedia>,
    ) -> Result<String, TextError> {
        let to = to.or(self.numbers.first().map(String::as_str)).ok_or(TextError::NoNumber)?;
        match self.carrier {
            Carrier::Twilio => Ok(self.twilio.inbound(from, to, body, media)?),
            Carrier::Telnyx => self.telnyx.inbound(from, to, body, media).ok_or(TextError::NotOurs),
            Carrier::Gateway => self.gateway.inbound(from, to, body, media).ok_or(TextError::NotOurs),
        }
    }

    pub(crate) fn stats(&self) -> SandboxStats {
        SandboxStats {
            lever: self.lever.stats(),
            twilio: self.seen.twilio.so_far(),
            telnyx: self.seen.telnyx.so_far(),
            gateway: self.seen.gateway.so_far(),
            webhooks_waiting: self.lever.webhooks_waiting(),
            ledger: self.ledger.len(),
        }
    }
}

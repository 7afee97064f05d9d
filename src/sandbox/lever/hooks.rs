//! The webhooks that are set up, and the sender that delivers their events (lever-api.md 6).
//!
//! Undisturbed, first attempts arrive in the order of the events; a receiver that is slow or down holds
//! nobody up, since after a moment the sender goes on and leaves the rest to a task of its own. The queue is
//! unbounded: Lever does not lose events because a receiver is slow, and the tests decide how much happens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, header};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::signature::sign;
use super::webhooks::fresh_token;
use crate::clock::SimClock;
use crate::faults::{Fault, Faults, Remote};
use crate::ledger::Ledger;

/// The eight events of a usual set-up.
pub const WEBHOOK_EVENTS: [&str; 8] = [
    "applicationCreated",
    "candidateStageChange",
    "candidateArchiveChange",
    "candidateHired",
    "candidateDeleted",
    "interviewCreated",
    "interviewUpdated",
    "interviewDeleted",
];

/// All events that a webhook can be for.
pub(crate) const EVENTS_KNOWN: [&str; 10] = {
    let [a, b, c, d, e, f, g, h] = WEBHOOK_EVENTS;
    [a, b, c, d, e, f, g, h, "contactCreated", "contactUpdated"]
};

/// How long the sender waits for a first attempt before it turns to the next event.
const IN_ORDER: Duration = Duration::from_millis(250);
/// How long an event that is to be reordered waits for one to overtake it.
const HELD: Duration = Duration::from_secs(1);

/// How webhooks are retried.
#[derive(Clone, Copy, Debug)]
pub struct WebhookRetries {
    /// Attempts after the first.
    pub retries: u32,
    /// Wait before the first retry; each further one waits twice as long. Real time.
    pub first_wait: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
}

impl Default for WebhookRetries {
    fn default() -> Self {
        Self { retries: 5, first_wait: Duration::from_secs(10), timeout: Duration::from_secs(10) }
    }
}

/// One webhook: an event, where it goes, what signs it.
#[derive(Clone)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) event: String,
    pub(super) url: String,
    pub(super) signature_token: String,
    /// Only for opportunities of these origins, where the event has one.
    pub(super) origins: Option<Vec<String>>,
    /// Made through the API; those made by hand can be changed only by hand.
    pub(super) by_api: bool,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// What happened, before it is put into an envelope.
pub(super) struct Happening {
    pub(super) event: &'static str,
    pub(super) origin: &'static str,
    pub(super) data: Value,
}

/// Delivers events to the webhooks. Clones share it.
#[derive(Clone)]
pub(super) struct Sender(Arc<Inner>);

struct Inner {
    hooks: Mutex<Vec<Hook>>,
    queue: mpsc::UnboundedSender<Delivery>,
    waiting: AtomicU64,
    retries: WebhookRetries,
    with_ids: bool,
    client: reqwest::Client,
    clock: SimClock,
    ledger: Ledger,
    faults: Faults,
}

/// One event on its way to one webhook; every retry carries the same body.
#[derive(Clone)]
struct Delivery {
    event: String,
    url: String,
    body: Value,
}

/// The sender's task, to be spawned.
pub(super) struct Queue(mpsc::UnboundedReceiver<Delivery>);

impl Sender {
    pub(super) fn new(
        retries: WebhookRetries,
        with_ids: bool,
        clock: SimClock,
        ledger: Ledger,
        faults: Faults,
    ) -> Result<(Self, Queue), reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent("Lever-Webhooks")
            .timeout(retries.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let (queue, receiver) = mpsc::unbounded_channel();
        let waiting = AtomicU64::new(0);
        let hooks = Mutex::default();
        let inner = Inner { hooks, queue, waiting, retries, with_ids, client, clock, ledger, faults };
        Ok((Self(Arc::new(inner)), Queue(receiver)))
    }

    pub(super) fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events that are neither delivered nor given up yet.
    pub(super) fn waiting(&self) -> u64 {
        self.0.waiting.load(Ordering::Acquire)
    }

    /// Puts an event on its way to every webhook that wants it.
    pub(super) fn emit(&self, happening: &Happening) {
        let hooks = self.hooks();
        for hook in hooks.iter().filter(|hook| hook.wants(happening)) {
            let body = self.envelope(hook, &happening.data);
            self.0.waiting.fetch_add(1, Ordering::AcqRel);
            // Refused only when the sandbox is shutting down.
            let _ = self.0.queue.send(Delivery { event: hook.event.clone(), url: hook.url.clone(), body });
        }
    }

    /// Sends the set-up ping, a signed envelope with empty data, and tells whether it was answered with 2xx.
    pub(super) async fn verify(&self, hook: &Hook) -> bool {
        let body = self.envelope(hook, &json!({}));
        self.attempt(&Delivery { event: hook.event.clone(), url: hook.url.clone(), body }, 1).await
    }

    fn envelope(&self, hook: &Hook, data: &Value) -> Value {
        // Random, not seeded: a simulator that is started again must not look as if it replayed old events.
        let token = fresh_token();
        let triggered_at = self.0.clock.now_ms();
        let signature = sign(&hook.signature_token, &token, triggered_at);
        let mut body = json!({"event": hook.event, "triggeredAt": triggered_at, "token": token,
                              "signature": signature, "data": data});
        if self.0.with_ids {
            body["id"] = json!(uuid::Uuid::new_v4());
        }
        body
    }

    /// Delivers what is queued until `stop`.
    pub(super) async fn run(self, Queue(mut queue): Queue, tasks: TaskTracker, stop: CancellationToken) {
        let mut held: Option<Delivery> = None;
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(HELD), if held.is_some() => None,
                next = queue.recv() => match next {
                    Some(delivery) => Some(delivery),
                    None => return,
                },
            };
            if let Some(delivery) = next {
                match self.draw(&delivery, |fault| !fault.is_of_an_attempt()) {
                    Some(Fault::Reorder) if held.is_none() => {
                        held = Some(delivery);
                        continue;
                    }
                    Some(Fault::Drop) => {
                        self.record("webhook_dropped", &delivery, json!({}));
                        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
                    }
                    Some(Fault::Duplicate) => {
                        self.0.waiting.fetch_add(1, Ordering::AcqRel);
                        self.start(delivery.clone(), Duration::ZERO, &tasks, &stop).await;
                        self.start(delivery, Duration::ZERO, &tasks, &stop).await;
                    }
                    Some(Fault::Delay { ms } | Fault::Latency { ms }) => {
                        self.start(delivery, Duration::from_millis(ms), &tasks, &stop).await;
                    }
                    _ => self.start(delivery, Duration::ZERO, &tasks, &stop).await,
                }
            }
            if let Some(delivery) = held.take() {
                self.start(delivery, Duration::ZERO, &tasks, &stop).await;
            }
        }
    }

    /// Begins a delivery, and waits a moment for its first attempt so that the next event does not overtake
    /// it.
    async fn start(
        &self,
        delivery: Delivery,
        delay: Duration,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let (first, tried) = oneshot::channel();
        let sender = self.clone();
        let deliver = async move {
            sleep(delay).await;
            sender.deliver(&delivery, first).await;
            sender.0.waiting.fetch_sub(1, Ordering::AcqRel);
        };
        tasks.spawn(stop.clone().run_until_cancelled_owned(deliver));
        if delay.is_zero() {
            // Either outcome means the same: go on.
            let _ = timeout(IN_ORDER, tried).await;
        }
    }

    async fn deliver(&self, delivery: &Delivery, first: oneshot::Sender<()>) {
        let mut first = Some(first);
        for attempt in 0..=self.0.retries.retries {
            if attempt > 0 {
                sleep(self.0.retries.first_wait.saturating_mul(2_u32.saturating_pow(attempt - 1))).await;
            }
            let delivered = self.attempt(delivery, attempt + 1).await;
            drop(first.take());
            if delivered {
                return;
            }
        }
        self.record("webhook_given_up", delivery, json!({}));
    }

    fn draw(&self, delivery: &Delivery, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        self.0.faults.draw_of(Remote::LeverWebhook, &Method::POST, &delivery.event, fits)
    }

    /// Tries once. What went wrong on the way is a failed attempt, after which Lever tries again.
    async fn attempt(&self, delivery: &Delivery, attempt: u32) -> bool {
        let fault = self.draw(delivery, Fault::is_of_an_attempt);
        let failed = |status: Option<u16>, error: &str| {
            let detail = json!({"attempt": attempt, "status": status, "error": error});
            self.record("webhook_sent", delivery, detail);
        };
        match &fault {
            Some(Fault::CutBefore | Fault::Hang) => {
                failed(None, "fault: it did not arrive");
                return false;
            }
            Some(Fault::Status { code, .. }) => {
                failed(Some(*code), "fault: something on the way answered");
                return (200..300).contains(code);
            }
            _ => {}
        }
        let request = self.0.client.post(&delivery.url).header(header::ACCEPT, "*/*").json(&delivery.body);
        let answer = request.send().await;
        let status = answer.as_ref().ok().map(reqwest::Response::status);
        let error = answer.as_ref().err().map(ToString::to_string);
        self.record(
            "webhook_sent",
            delivery,
            json!({"attempt": attempt, "status": status.map(|status| status.as_u16()), "error": error}),
        );
        // The receiver has it, and Lever does not know.
        !matches!(fault, Some(Fault::CutAfter | Fault::StatusAfter { .. }))
            && status.is_some_and(|status| status.is_success())
    }

    fn record(&self, kind: &'static str, delivery: &Delivery, mut detail: Value) {
        detail["event"] = json!(delivery.event);
        detail["url"] = json!(delivery.url);
        detail["body"] = delivery.body.clone();
        self.0.ledger.record(self.0.clock.now_ms(), kind, detail);
    }
}

impl Hook {
    fn wants(&self, happening: &Happening) -> bool {
        let conditional = !matches!(
            happening.event,
            "candidateDeleted"
                | "interviewCreated"
                | "interviewUpdated"
                | "interviewDeleted"
                | "contactCreated"
                | "contactUpdated"
        );
        let origin_fits = self
            .origins
            .as_ref()
            .is_none_or(|origins| origins.iter().any(|origin| origin == happening.origin));
        self.event == happening.event && (!conditional || origin_fits)
    }
}

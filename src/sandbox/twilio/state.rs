//! The simulated account: its messages, who has opted out, and what is still to happen.
//!
//! Everything that changes it is a short section under one lock, with the ledger written inside,
//! so that the ledger's order is the true order. Webhooks are sent by tasks of their own. Steps of
//! texts wait in one list that a single task looks through every few milliseconds of real time:
//! the simulated clock can jump and run at any speed, so nobody can sleep until its time comes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::{Faults, Ledger, SimClock};

use super::create::{Form, accept};
use super::delivery::{Failure, Sender, Webhook};
use super::error::ApiError;
use super::keywords::OptOuts;
use super::lifecycle::{Step, plan, report, take};
use super::message::{Message, Status};
use super::messages::{Messages, Query, visible_before};
use super::options::TwilioOptions;

/// How often the list of steps is looked through.
const TICK: Duration = Duration::from_millis(5);

/// The addresses that are known only once the servers listen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Addresses {
    /// Where this sandbox answers, without a slash at the end; media URLs begin with it.
    pub base_url: String,
    /// The webhook of every number, fragment included; none: texts are only stored.
    pub message_url: Option<String>,
    /// Asked once when the webhook fails.
    pub fallback_url: Option<String>,
}

/// The simulated Twilio account. Clones share it.
#[derive(Clone)]
pub struct TwilioState(pub(super) Arc<Account>);

pub(super) struct Account {
    pub(super) options: TwilioOptions,
    pub(super) sender: Sender,
    book: Mutex<Book>,
}

/// What changes.
pub(super) struct Book {
    pub(super) messages: Messages,
    pub(super) opt_outs: OptOuts,
    pub(super) addresses: Addresses,
    /// Steps by their time in milliseconds and the order they were planned in.
    due: BTreeMap<(i64, u64), (String, Step)>,
    planned: u64,
    pumping: bool,
    dice: Dice,
}

impl TwilioState {
    /// An account without messages.
    #[must_use]
    pub fn new(options: TwilioOptions, clock: SimClock, ledger: Ledger, faults: Faults) -> Self {
        let sender = Sender::new(options.auth_token.clone(), options.signed_port, clock, ledger, faults);
        let book = Book {
            messages: Messages::default(),
            opt_outs: OptOuts::default(),
            addresses: Addresses::default(),
            due: BTreeMap::new(),
            planned: 0,
            pumping: false,
            dice: Dice::new(0, 0x7E17, 0),
        };
        Self(Arc::new(Account { options, sender, book: Mutex::new(book) }))
    }

    /// Says where the webhooks go and where this account is reached.
    pub fn set_addresses(&self, addresses: Addresses) {
        self.0.lock().addresses = addresses;
    }
}

impl Account {
    pub(super) fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.sender.clock.now_ms()).unwrap_or_default()
    }

    pub(super) fn record(&self, kind: &'static str, detail: Value) {
        self.sender.ledger.record(self.sender.clock.now_ms(), kind, detail);
    }

    /// Takes a text that the API was asked to send.
    pub(super) fn create(self: &Arc<Self>, form: &Form) -> Result<Value, ApiError> {
        let mut book = self.lock();
        let accepted = accept(&self.options, &book.opt_outs, form, self.now())?;
        let message = accepted.message;
        self.record(
            "message_created",
            json!({
                "sid": message.sid, "to": message.to, "from": message.from, "body": message.body,
                "messaging_service_sid": message.service, "num_media": message.media.len(),
                "mid": message.callback.as_deref().and_then(mid), "form": form.pairs(),
            }),
        );
        let answer = message.to_json(&self.options.account_sid);
        self.start(&mut book, message, accepted.send_at);
        Ok(answer)
    }

    /// Stores an outbound text and plans its way from `send_at`, by default from now.
    pub(super) fn start(self: &Arc<Self>, book: &mut Book, message: Message, send_at: Option<Timestamp>) {
        let from = send_at.unwrap_or(message.created).as_millisecond();
        for step in plan(&self.options, &message, &mut book.dice) {
            let at = from.saturating_add(i64::try_from(step.after.as_millis()).unwrap_or(i64::MAX));
            book.due.insert((at, book.planned), (message.sid.clone(), step));
            book.planned += 1;
        }
        book.messages.insert(message);
        if !std::mem::replace(&mut book.pumping, true) {
            tokio::spawn(pump(Arc::downgrade(self)));
        }
    }

    /// Takes the steps whose time has come; whether there is more to wait for.
    fn turn(self: &Arc<Self>) -> bool {
        let now = self.now();
        let mut book = self.lock();
        while let Some(first) = book.due.first_entry() {
            if first.key().0 > now.as_millisecond() {
                break;
            }
            let (sid, step) = first.remove();
            let report =
                book.messages.get_mut(&sid).and_then(|message| take(&self.options, message, step, now));
            self.post(report);
        }
        book.pumping = !book.due.is_empty();
        book.pumping
    }

    /// Sends a status webhook without waiting; it has no fallback, so a failure ends there.
    fn post(self: &Arc<Self>, webhook: Option<Webhook>) {
        let Some(webhook) = webhook else { return };
        let account = Arc::clone(self);
        tokio::spawn(async move {
            match account.sender.send(&webhook).await {
                Ok(_) | Err(Failure::Lost) => {}
                Err(failure) => {
                    account.record("webhook_error", json!({"code": failure.code(), "url": webhook.url}));
                }
            }
        });
    }

    /// One page of messages.
    pub(super) fn list(&self, query: &str) -> Result<Value, ApiError> {
        let query = Query::parse(query)?;
        let visible = visible_before(self.now(), self.options.list_delay);
        Ok(self.lock().messages.page(&self.options.account_sid, &query, visible))
    }

    /// One message, if it exists.
    pub(super) fn read(&self, sid: &str) -> Option<Value> {
        self.lock().messages.get(sid).map(|message| message.to_json(&self.options.account_sid))
    }

    /// Redacts the body or cancels what is scheduled.
    pub(super) fn update(self: &Arc<Self>, sid: &str, form: &Form) -> Option<Result<Value, ApiError>> {
        let now = self.now();
        let mut book = self.lock();
        let message = book.messages.get_mut(sid)?;
        match (form.given("Body"), form.given("Status")) {
            (None, Some("canceled")) if message.status == Status::Scheduled => {
                message.status = Status::Canceled;
                message.updated = now;
                self.record("message_canceled", json!({"sid": sid}));
                self.post(report(&self.options, message, now));
            }
            (None, Some("canceled")) => {
                return Some(Err(ApiError::new(30409, "The message is not in a cancelable state.")));
            }
            (Some(""), None) => {
                message.body.clear();
                message.updated = now;
                self.record("message_redacted", json!({"sid": sid}));
            }
            _ => return Some(Err(ApiError::new(20001, "Only an empty Body or Status=canceled can be set."))),
        }
        Some(Ok(message.to_json(&self.options.account_sid)))
    }

    /// Deletes a message that has come to its end.
    pub(super) fn delete(&self, sid: &str) -> Option<Result<(), ApiError>> {
        let mut book = self.lock();
        if !book.messages.get(sid)?.status.is_final() {
            return Some(Err(ApiError::new(20009, "Cannot delete this resource before it is complete.")));
        }
        book.messages.remove(sid);
        self.record("message_deleted", json!({"sid": sid}));
        Some(Ok(()))
    }
}

/// Looks for due steps until there are none left, or until nobody holds the account any more.
async fn pump(account: Weak<Account>) {
    loop {
        tokio::time::sleep(TICK).await;
        if !account.upgrade().is_some_and(|account| account.turn()) {
            return;
        }
    }
}

/// The client's own id for a text, from its callback's query.
fn mid(callback: &str) -> Option<String> {
    let url = url::Url::parse(callback).ok()?;
    url.query_pairs().find(|(name, _)| name == "mid").map(|(_, value)| value.into_owned())
}

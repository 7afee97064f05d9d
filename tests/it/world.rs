//! A daemon's engine and the sandbox, wired together, for one test.

#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fulcrum::carrier::{Carrier, ReceivedText, telnyx, twilio, webhook};
use fulcrum::engine::changes::{Arrival, EffectCounts, KeywordAnswers, Received, Recipient, Rules};
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{
    ConversationView, Engine, FileRules, HookOutcome, LeverHook, Remotes, SendRefusal, SendRequest, Settings,
    StartError,
};
use fulcrum::lever::{LeverSettings, PaceSettings};
use fulcrum::store::{self, StoreError};
use fulcrum_domain::{Body, FilingTimes, HookEvent, Lane, Message, Number, OpportunityId, Sight};
use fulcrum_sandbox::{Event, Happened, Options, Sandbox};
use jiff::SignedDuration;

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox whose rate does not hold a test up.
pub(crate) fn fast() -> Options {
    let mut options = Options::default();
    options.lever.rate = 5000.0;
    options.lever.burst = 5000;
    options
}

/// The same with hardly anybody in it.
pub(crate) fn small() -> Options {
    let mut options = fast();
    options.lever.opportunities = 40;
    options
}

/// Settings with a short delay, all else as delivered.
pub(crate) fn settings(sandbox: &Sandbox) -> Settings {
    let numbers = sandbox.numbers().iter().map(|n| number(n)).collect();
    let (zone, us) = (jiff::tz::TimeZone::get("America/New_York").unwrap(), "US".parse().unwrap());
    let rules = Rules {
        quiet_hours: fulcrum_domain::quiet::Hours::always(),
        keyword_answers: KeywordAnswers::Fulcrum,
        times: FilingTimes { delay: SignedDuration::from_secs(2), max_wait: None },
        ..Rules::delivered("Acme Recruiting", zone, us, numbers, "https://text.acme.example")
    };
    Settings {
        requests_per_second: 5000.0,
        poll_interval: Duration::from_millis(300),
        inbound_poll: Duration::from_millis(300),
        segments_per_second: 100.0,
        files: FileRules { fetch: true, most_bytes: 1_000_000 },
        ..Settings::delivered(rules)
    }
}

pub(crate) fn number(e164: &str) -> Number {
    Number::from_e164(e164).unwrap()
}

/// A note that was made in Lever.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) opportunity: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
    pub(crate) perform_as: Option<String>,
    pub(crate) notify_followers: bool,
}

/// An engine and its remotes.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_with(options, |_| {}).await
    }

    pub(crate) async fn start_with(options: Options, change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_at(Clock::System, options, change).await
    }

    /// A world whose daemon has a clock that stands until [`World::advance`]; transcripts wait an
    /// hour, as delivered.
    pub(crate) async fn standing(options: Options, change: impl FnOnce(&mut Settings)) -> Self {
        // At a whole second, since the wheel turns by those.
        let clock = Clock::manual(jiff::Timestamp::from_second(Clock::System.now().as_second()).unwrap());
        let times = FilingTimes {
            delay: SignedDuration::from_hours(1),
            max_wait: Some(SignedDuration::from_hours(24)),
        };
        Self::start_at(clock, options, |settings| {
            settings.rules.times = times;
            change(settings);
        })
        .await
    }

    async fn start_at(clock: Clock, options: Options, change: impl FnOnce(&mut Settings)) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&sandbox);
        change(&mut settings);
        let file = store::Options::file(folder.path().join("fulcrum.redb"));
        let engine = engine(&sandbox, file, settings.clone(), clock.clone()).await.unwrap();
        Self { sandbox, engine, settings, clock, folder }
    }

    /// Stops the daemon and starts it again on the same file. With no `grace`, what is under way is
    /// left behind.
    pub(crate) async fn restart(self, grace: Duration) -> Self {
        self.restart_after(grace, |_| {}).await
    }

    /// The same, and something happens to the folder in between.
    pub(crate) async fn restart_after(self, grace: Duration, happens: impl FnOnce(&Path)) -> Self {
        let Self { sandbox, engine: old, settings, clock, folder } = self;
        old.stop(grace).await;
        drop(old);
        happens(folder.path());
        let path = folder.path().join("fulcrum.redb");
        let reopening = async {
            loop {
                let file = store::Options::file(&path);
                match engine(&sandbox, file, settings.clone(), clock.clone()).await {
                    Ok(engine) => break engine,
                    // What was left behind holds the file until it ends.
                    Err(StartError::Store(StoreError::Held { .. })) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        let engine = tokio::time::timeout(PATIENCE, reopening).await.unwrap();
        Self { sandbox, engine, settings, clock, folder }
    }

    /// Ends the daemon and gives back its file, which nobody has open any more, and what keeps it.
    pub(crate) async fn end(self) -> (PathBuf, tempfile::TempDir) {
        let path = self.file_path();
        self.engine.stop(Duration::from_secs(10)).await;
        drop(self.engine);
        eventually("the file is let go", async || {
            match store::Store::open(store::Options::file(&path), Box::new(|_| {})) {
                Ok(store) => {
                    store.close().await;
                    true
                }
                Err(_) => false,
            }
        })
        .await;
        (path, self.folder)
    }

    /// Where the daemon keeps what it keeps.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The daemon's file.
    pub(crate) fn file_path(&self) -> PathBuf {
        self.folder.path().join("fulcrum.redb")
    }

    /// Lets the daemon's clock jump.
    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.set(self.clock.now() + by);
    }

    /// Lets time pass here and at the remotes.
    pub(crate) fn pass(&self, by: SignedDuration) {
        self.sandbox.clock().advance(i64::try_from(by.as_millis()).unwrap());
        self.advance(by);
    }

    pub(crate) async fn backfilled(&self) {
        eventually("the initial sync is complete", async || {
            self.engine.status().await.unwrap().stored.backfill.complete
        })
        .await;
    }

    /// Somebody applies and is known to the daemon.
    pub(crate) async fn apply(&self, name: &str, phone: &str) -> Happened {
        self.apply_again(name, phone, None).await
    }

    /// The same, as another opportunity of a contact, who has a name and a phone already.
    pub(crate) async fn apply_again(&self, name: &str, phone: &str, contact: Option<&str>) -> Happened {
        let who = self
            .sandbox
            .happen(&Event::Apply {
                name: contact.is_none().then(|| name.into()),
                phone: contact.is_none().then(|| phone.into()),
                email: None,
                contact: contact.map(str::to_owned),
                posting: None,
            })
            .unwrap();
        self.fetch(&who).await;
        who
    }

    /// The daemon reads somebody again.
    pub(crate) async fn fetch(&self, who: &Happened) {
        self.engine.fetch_opportunity(&id(who), Lane::Interactive, Arrival::Webhook).await.unwrap();
    }

    pub(crate) async fn text(&self, to: Recipient, body: &str) -> Result<Message, SendRefusal> {
        self.engine.send_text(request(to, body)).await
    }

    /// A text comes in by webhook.
    pub(crate) async fn receive(&self, from: &str, body: &str) -> Received {
        self.engine.take_text(self.received(from, body)).await.unwrap().unwrap()
    }

    /// A text as a webhook brings it.
    pub(crate) fn received(&self, from: &str, body: &str) -> ReceivedText {
        static SIDS: AtomicU64 = AtomicU64::new(0);
        ReceivedText {
            sid: format!("SM{:032x}", SIDS.fetch_add(1, Ordering::Relaxed)).parse().unwrap(),
            from: from.into(),
            to: self.sandbox.numbers()[0].clone(),
            body: body.into(),
            media: Vec::new(),
            segments: 1,
            opt_out: None,
            at: None,
        }
    }

    /// A webhook of Lever's comes in.
    pub(crate) async fn hook(&self, event: HookEvent, who: &Happened) -> HookOutcome {
        let hook = LeverHook {
            event,
            token: uuid::Uuid::new_v4().to_string(),
            triggered_at: self.engine.now(),
            opportunity: Some(id(who)),
            is_ping: false,
        };
        self.engine.take_hook(hook).await.unwrap()
    }

    pub(crate) async fn conversation(&self, phone: &str) -> Option<ConversationView> {
        let all = self.engine.conversations(None, 200, Sight::All).await.unwrap().rows;
        all.into_iter().find(|view| view.conversation.number == number(phone))
    }

    pub(crate) async fn messages(&self, phone: &str) -> Vec<Message> {
        let Some(view) = self.conversation(phone).await else { return Vec::new() };
        let page = self.engine.messages(view.conversation.id, None, 200, Sight::All).await.unwrap();
        page.rows.into_iter().map(|view| view.message).collect()
    }

    /// Files what is open in the thread with this number; how many transcripts that makes.
    pub(crate) async fn file(&self, phone: &str) -> usize {
        let view = self.conversation(phone).await.unwrap();
        self.engine.file_now(view.conversation.id).await.unwrap()
    }

    /// Every note that was ever made in Lever.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let made = self.sandbox.ledger().entries().into_iter().filter(|e| e.kind == "note_created");
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        made.map(|entry| Note {
            opportunity: text(&entry.detail["opportunity"]).unwrap(),
            value: text(&entry.detail["body"]["value"]).unwrap(),
            secret: entry.detail["body"]["secret"].as_bool().unwrap_or(false),
            perform_as: text(&entry.detail["perform_as"]),
            notify_followers: entry.detail["body"]["notifyFollowers"].as_bool().unwrap_or(true),
        })
        .collect()
    }

    /// Waits for the n-th note; all there are.
    pub(crate) async fn noted(&self, n: usize) -> Vec<Note> {
        eventually(&format!("note {n} stands in Lever"), async || self.notes().len() >= n).await;
        let notes = self.notes();
        let wanted = self.settings.notify_followers;
        assert!(notes.iter().all(|note| note.notify_followers == wanted), "{notes:?}");
        notes
    }

    /// To whom the carrier was asked to send what, in order.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let made = self.sandbox.ledger().entries().into_iter().filter(|e| e.kind == "message_created");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        made.map(|entry| (text(&entry.detail["to"]), text(&entry.detail["body"]))).collect()
    }

    /// Waits until the carrier has been asked to send `n` texts.
    pub(crate) async fn texted(&self, n: usize) -> Vec<(String, String)> {
        eventually(&format!("text {n} is at the carrier"), async || self.texts().len() >= n).await;
        self.texts()
    }

    /// Waits until nothing is left to be done.
    /// How many effects there are, by kind and state.
    pub(crate) async fn outbox(&self) -> EffectCounts {
        self.engine.status().await.unwrap().stored.outbox
    }

    pub(crate) async fn idle(&self) {
        eventually("nothing is left to be done", async || {
            let status = self.engine.status().await.unwrap().stored;
            status.outbox.is_empty() && status.inbox == 0
        })
        .await;
    }
}

pub(crate) fn id(who: &Happened) -> OpportunityId {
    who.opportunity.parse().unwrap()
}

/// For the candidate of this opportunity.
pub(crate) fn to(who: &Happened) -> Recipient {
    Recipient::Opportunity(id(who))
}

pub(crate) fn request(to: Recipient, body: &str) -> SendRequest {
    SendRequest {
        to,
        body: Body::new(body),
        template: None,
        on_behalf_of: None,
        caller: "hr-scripts".into(),
        account: None,
        sight: Sight::All,
        from: None,
        send_at: None,
        cannot_wait: None,
        once: None,
    }
}

/// An engine on this file, talking to this sandbox.
pub(crate) async fn engine(
    sandbox: &Sandbox,
    file: store::Options,
    settings: Settings,
    clock: Clock,
) -> Result<Engine, StartError> {
    Engine::start(remotes(sandbox, file, settings.requests_per_second), settings, clock).await
}

/// This sandbox and this file.
pub(crate) fn remotes(sandbox: &Sandbox, file: store::Options, requests_per_second: f64) -> Remotes {
    Remotes {
        store: file,
        lever: LeverSettings {
            base_url: sandbox.lever_url().parse().unwrap(),
            api_key: sandbox.api_key().into(),
            https_only: false,
            way: reqwest::Client::builder(),
            proxy: None,
            connect_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(3),
        },
        pace: PaceSettings {
            period: Duration::from_secs_f64(1.0 / requests_per_second),
            burst: NonZeroU32::new(20).unwrap(),
            in_flight: 12,
        },
        carrier: carrier(sandbox),
        calendars: fulcrum::calendar::Calendars::new(reqwest::Client::builder().no_proxy()).unwrap(),
    }
}

/// The way to whichever carrier has the sandbox's numbers, without an address for webhooks.
pub(crate) fn carrier(sandbox: &Sandbox) -> Carrier {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let base_url = sandbox.carrier_url().parse().unwrap();
    let timeout = Duration::from_secs(3);
    match sandbox.carrier() {
        fulcrum_sandbox::Carrier::Twilio => Carrier::Twilio(twilio::Client::new(
            http,
            twilio::TwilioSettings {
                base_url,
                account_sid: sandbox.account_sid().to_owned(),
                auth_token: sandbox.auth_token().into(),
                messaging_service_sid: None,
                public_url: None,
                timeout,
                validity: Duration::from_secs(3600),
            },
        )),
        fulcrum_sandbox::Carrier::Telnyx => Carrier::Telnyx(telnyx::Client::new(
            http,
            telnyx::TelnyxSettings {
                base_url,
                api_key: sandbox.telnyx_api_key().into(),
                messaging_profile_id: None,
                public_url: None,
                timeout,
            },
        )),
        fulcrum_sandbox::Carrier::Gateway => Carrier::Webhook(webhook::Client::new(
            http,
            webhook::WebhookSettings {
                url: sandbox.gateway_url().parse().unwrap(),
                key: webhook::Key::parse(&sandbox.gateway_secrets().0).unwrap(),
                timeout,
            },
        )),
    }
}

/// Waits until `holds`; a test that waits in vain says for what.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}

/// The bytes of the first row of a table are none of its values, once nobody has the file open any more.
pub(crate) async fn break_first(path: &Path, table: &str) {
    let mut builder = redb::Builder::new();
    builder.set_concurrency_mode(redb::ConcurrencyMode::SingleWriter);
    let opening = async {
        loop {
            match builder.open(path) {
                Ok(file) => break file,
                Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let transaction = tokio::time::timeout(PATIENCE, opening).await.unwrap().begin_write().unwrap();
    let mut table = transaction.open_table(redb::TableDefinition::<&[u8], &[u8]>::new(table)).unwrap();
    let first = redb::ReadableTable::first(&table).unwrap().unwrap().0.value().to_vec();
    table.insert(first.as_slice(), [99].as_slice()).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

//! Starting and stopping the engine, in mirror order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use fulcrum_domain::Number;
use tokio_util::sync::CancellationToken;

use super::booking::CalendarCache;
use super::clock::Clock;
use super::health::{Notices, Pulse};
use super::indexing::Searching;
use super::metrics::Metrics;
use super::tasks::Tasks;
use super::wake::Wake;
use super::{Engine, Settings, Shared, changes, deadlines};
use crate::calendar::Calendars;
use crate::carrier::Carrier;
use crate::lever::{LeverClient, LeverSettings, PaceSettings, Pacer, SettingsError};
use crate::store::tables::{BOOKMARKS, SECRETS};
use crate::store::{Options, Read, SecretKey, Seen, Store, StoreError};

/// The name under which the extension's key is stored.
const EXTENSION_KEY: &str = "extension";

/// What the engine talks to.
pub struct Remotes {
    /// The file.
    pub store: Options,
    /// Lever.
    pub lever: LeverSettings,
    /// Its pace.
    pub pace: PaceSettings,
    /// The carrier.
    pub carrier: Carrier,
    /// The calendars of those who interview.
    pub calendars: Calendars,
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Lever's settings.
    #[error(transparent)]
    Lever(#[from] SettingsError),
}

impl Engine {
    /// Opens the file, finds everything again that was under way, and sets the parts to work.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(remotes: Remotes, settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let tasks = Tasks::new();
        let metrics = Metrics::new(clock.now());
        let (wake, armed) = Wake::new();
        let wake = Arc::new(wake);
        let searching = remotes.store.beside(".search").map(|folder| Arc::new(Searching::new(folder)));
        let store = Store::open(remotes.store, wake.clone().on_commit(metrics.clone()))?;
        let pacer = Pacer::start(remotes.pace, tasks.tracker(), tasks.stop_token().clone());
        let lever = LeverClient::new(remotes.lever, pacer, metrics.observer())?;
        let shared = Arc::new(Shared {
            store,
            lever,
            carrier: remotes.carrier,
            calendars: CalendarCache::new(remotes.calendars),
            settings: ArcSwap::from_pointee(settings),
            wake,
            metrics,
            tasks,
            notices: Notices::default(),
            pulse: Pulse::new(),
            carrier_pause: 0.into(),
            brake: Default::default(),
            capped: Default::default(),
            muted: false.into(),
            probed: arc_swap::ArcSwapOption::empty(),
            probing: tokio::sync::Mutex::new(()),
            looking: tokio::sync::Mutex::new(()),
            refused: super::refused::Refused::default(),
            refused_hooks: super::intake::RefusedHooks::default(),
            waiting: Arc::default(),
            refreshing: super::turns::Turns::default(),
            searching,
            started_at: clock.now(),
            clock,
        });
        let engine = Self { shared, once: None };
        engine.recover().await?;
        engine.recall_hooks().await?;
        engine.recall_inbox().await?;
        engine.align_automations().await?;
        let wheel = engine.load_wheel().await?;
        engine.set_to_work(wheel, armed);
        Ok(engine)
    }

    /// Makes the keys that a new file lacks, and gives what was in flight its state.
    async fn recover(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let fresh = [
            (changes::HASH_KEY, SecretKey(rand::random())),
            (EXTENSION_KEY, SecretKey(rand::random())),
            (super::audit::KEY, SecretKey(rand::random())),
        ];
        let found = self
            .store
            .change(move |tx| {
                for (name, key) in &fresh {
                    let name = (*name).to_owned();
                    if !tx.has(SECRETS, &name)? {
                        tx.put(SECRETS, &name, key)?;
                    }
                }
                changes::unblock_appointments(tx, now)?;
                changes::recover(tx, now)
            })
            .await?;
        if self.muted().await?.is_some() {
            self.muted.store(true, Ordering::Relaxed);
            tracing::warn!("{}", super::health::MUTED);
        }
        if found > 0 {
            tracing::info!(effects = found, "effects that were under way at the last stop were found again");
        }
        Ok(())
    }

    fn set_to_work(&self, wheel: fulcrum_domain::Wheel, armed: deadlines::Armings) {
        let armed = Arc::new(tokio::sync::Mutex::new((wheel, armed)));
        let this = self.clone();
        self.tasks.keep("deadlines", move || this.clone().run_deadlines(armed.clone()));
        let this = self.clone();
        self.tasks.keep("pulse", move || this.clone().run_pulse());
        let this = self.clone();
        self.tasks.keep("inbox", move || this.clone().run_inbox());
        let this = self.clone();
        self.tasks.keep("outbox to lever", move || this.clone().run_lever_outbox());
        let this = self.clone();
        self.tasks.keep("outbox to carrier", move || this.clone().run_carrier_outbox());
        let this = self.clone();
        self.tasks.keep("outbox to the carrier's records", move || this.clone().run_records_outbox());
        let this = self.clone();
        self.tasks.keep("bulk", move || this.clone().run_bulk());
        let this = self.clone();
        self.tasks.keep("sync", move || this.clone().run_sync());
        let this = self.clone();
        self.tasks.keep("renewal of the file", move || this.clone().run_renewal());
        let this = self.clone();
        self.tasks.keep("seals of the store", move || this.clone().run_sealing());
        let this = self.clone();
        self.tasks.keep("backups", move || this.clone().run_backups());
        let this = self.clone();
        self.tasks.keep("copies of backups", move || this.clone().run_copies());
        let this = self.clone();
        self.tasks.keep("inbound poll", move || this.clone().run_inbound_poll());
        let this = self.clone();
        self.tasks.keep("talks about times", move || this.clone().run_talks());
        let this = self.clone();
        self.tasks.keep("audit log to its file", move || this.clone().run_audit_file());
        let this = self.clone();
        self.tasks.keep("audit log to syslog", move || this.clone().run_audit_syslog());
        let this = self.clone();
        self.tasks.keep("checkpoints of the audit log", move || this.clone().run_audit_checkpoints());
        if let Some(searching) = self.searching.clone() {
            let this = self.clone();
            self.tasks.keep("search", move || this.clone().run_search(searching.clone()));
        }
        // It comes to an end; a failing file ends the process, and the next start goes on.
        let this = self.clone();
        self.tasks.run(async move {
            if let Err(error) = this.place_older().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the inbox lacks older threads until the next start"
                );
            }
        });
    }

    /// Puts the threads of an older file on the shelves where they belong, once after each change of what decides
    /// that.
    async fn place_older(&self) -> Result<(), StoreError> {
        /// Threads in one change: others need not wait for long.
        const BATCH: usize = 50;
        /// The bookmark. Its number is one more whenever messages come to something else than before.
        const PLACED: &str = "shelves-2";
        let name = PLACED.to_owned();
        if self.store.read(move |snapshot| snapshot.has(BOOKMARKS, &name)).await? {
            return Ok(());
        }
        let mut last = None;
        while !self.tasks.stop_token().is_cancelled() {
            last = self.store.change(move |tx| changes::place_older(tx, last, BATCH)).await?;
            if last.is_none() {
                let now = self.clock.now();
                let name = PLACED.to_owned();
                return self.store.change(move |tx| tx.put(BOOKMARKS, &name, &Seen(now)).map(drop)).await;
            }
        }
        Ok(())
    }

    /// Takes new settings up, whole.
    pub fn replace_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
        self.wake.copies.notify_one();
        let this = self.clone();
        self.tasks.run(async move {
            if let Err(error) = this.align_automations().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "automations follow the config from the next start on");
            }
        });
        self.wake.sync.notify_one();
        self.wake.backfill.notify_one();
        self.wake.audit_file.notify_one();
        self.wake.audit_syslog.notify_one();
    }

    /// Cancelled when the storage has failed: the process must end with an error.
    pub fn broken(&self) -> CancellationToken {
        self.store.broken()
    }

    /// Our numbers.
    pub fn numbers(&self) -> Vec<Number> {
        self.settings.load().rules.numbers.clone()
    }

    /// The organisation's zone.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        self.settings.load().rules.zone.clone()
    }

    /// The organisation's name.
    pub fn organisation(&self) -> String {
        self.settings.load().rules.organisation.clone()
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The background tasks, for others to be tracked beside them.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The time, as the engine has it.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// News of conversations from now on, or from after what was `seen`, for whoever shows them live.
    pub fn watch(&self, seen: Option<super::NewsId>) -> super::Watch {
        self.wake.news.watch(seen)
    }

    /// What the browser extension of this installation is signed with: 32 random bytes, the same
    /// for as long as the file is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn extension_key(&self) -> Result<[u8; 32], StoreError> {
        let key = self.store.read(|read| read.get(SECRETS, &EXTENSION_KEY.to_owned())).await?;
        key.map(|key| key.0).ok_or(StoreError::NoKey { name: EXTENSION_KEY })
    }

    /// The client of Lever, for `doctor`.
    pub fn lever(&self) -> &LeverClient {
        &self.lever
    }

    /// The carrier, for `doctor`.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Whether the file takes what strangers send: an empty change goes the way of a webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ready(&self) -> Result<(), StoreError> {
        if self.store.broken().is_cancelled() {
            return Err(StoreError::Failed);
        }
        self.store.try_change(|_| Ok(())).await
    }

    /// Lets what is under way come to its end, at most `grace`, and closes the file. Nothing is
    /// lost either way: what was cut off is found again. False when some of it was cut off.
    pub async fn stop(&self, grace: Duration) -> bool {
        let in_time = self.tasks.stop(grace).await;
        if let Some(searching) = &self.searching {
            let _ = tokio::time::timeout(grace, searching.close()).await;
        }
        self.store.close().await;
        in_time
    }
}

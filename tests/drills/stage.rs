//! A daemon under load beside a sandbox, something that goes wrong with one of them, and what came of it.

use std::cell::Cell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fulcrum::engine::OnUnknown;
use fulcrum::engine::clock::Clock;
use fulcrum_sandbox::{Rule, Sandbox};
use jiff::SignedDuration;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::daemon::{Client, Daemon};
use crate::judge::{Done, Filing, Verdict, judge_file};
use crate::load::{self, PEOPLE};
use crate::watch::{Watch, seconds};

/// What a daemon that ended waits for before it is started again; systemd's unit says 5 s.
const RESTART: Duration = Duration::from_secs(1);

/// Notes can be looked up in Lever, so that nothing is guessed.
const FILING: Filing = Filing { may_list_notes: true, policy: OnUnknown::Repost };

/// How long the drills last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Kills, and power cuts.
    pub(crate) rounds: u32,
    /// How long something is wrong.
    pub(crate) fault: Duration,
    /// Connections that do nothing.
    pub(crate) connections: usize,
    /// How long is waited for what was left to be done.
    pub(crate) patience: Duration,
}

/// How a stage differs from the usual one.
#[derive(Default)]
pub(crate) struct Setup {
    /// What the daemon is started under.
    pub(crate) under: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Faults from the start to the end of the fault.
    pub(crate) faults: Vec<Rule>,
    /// How far its clock is ahead at most.
    pub(crate) ahead: SignedDuration,
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) daemon: Mutex<Daemon>,
    pub(crate) client: Client,
    pub(crate) done: Done,
    setup: Setup,
    seed: u64,
    /// Not to be started again at the moment.
    pub(crate) is_down: Cell<bool>,
    pub(crate) starts: Cell<u32>,
}

/// What came of a drill.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) texts: usize,
    pub(crate) health: String,
    pub(crate) normal: String,
    /// Whether new texts leave again, and health says that all parts are well.
    pub(crate) is_well: bool,
    pub(crate) starts: u32,
}

impl Stage {
    /// A daemon that is ready and knows everybody.
    pub(crate) async fn set(setup: Setup, more: impl FnOnce(&mut Value)) -> anyhow::Result<Self> {
        let seed = rand::random::<u64>() >> 32;
        let sandbox = Sandbox::start(load::remotes(seed, FILING.may_list_notes)).await?;
        let daemon = Daemon::new(&sandbox, |settings| {
            load::quick(settings, FILING.policy);
            more(settings);
        });
        let client = daemon.client();
        let stage = Self {
            sandbox,
            daemon: Mutex::new(daemon),
            client,
            done: Done::default(),
            setup,
            seed,
            is_down: Cell::new(false),
            starts: Cell::new(0),
        };
        stage.start();
        stage.client.ready().await;
        load::people(&stage.sandbox, &stage.client).await;
        Ok(stage)
    }

    /// Starts the daemon.
    pub(crate) fn start(&self) {
        self.lock().start_under(&self.setup.under, &self.setup.env);
        self.starts.set(self.starts.get() + 1);
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap()
    }

    /// The daemon as systemd keeps it: started again when it has ended by itself.
    async fn keep(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let ended = self.lock().has_ended();
            if !self.is_down.get() && (ended || self.lock().id().is_none()) {
                tokio::time::sleep(RESTART).await;
                if !self.is_down.get() {
                    self.start();
                }
            }
        }
    }

    /// Lets `fault` happen under load, waits until all is well, and judges.
    pub(crate) async fn play(
        self,
        scale: Scale,
        fault: impl AsyncFnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<Outcome> {
        let (watch, stop, traffic) = (Watch::default(), CancellationToken::new(), CancellationToken::new());
        let far = Instant::now() + Duration::from_secs(24 * 3600);
        let play = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            for rule in self.setup.faults.clone() {
                self.sandbox.faults().add(rule);
            }
            watch.begin();
            let outcome = fault(&self).await;
            self.sandbox.faults().clear();
            let over = Instant::now();
            traffic.cancel();
            let normal =
                if outcome.is_ok() { self.normal(over, scale.patience).await } else { <_>::default() };
            watch.end();
            stop.cancel();
            outcome.map(|()| normal)
        };
        let busy = load::traffic(self.seed, far, &self.sandbox, &self.client, &self.done);
        let (_, _, _, normal) = tokio::join!(
            traffic.run_until_cancelled(busy),
            stop.run_until_cancelled(self.keep()),
            stop.run_until_cancelled(watch.keep(&self.client)),
            play,
        );
        let (normal, is_well) = normal?;
        let (health, texts, starts) = (watch.in_words(), self.done.texts(), self.starts.get());
        let store = self.settled().await?;
        // What was said while the clock was ahead is due by that clock.
        let from = Clock::System.now() + self.setup.ahead;
        let verdict = judge_file(&self.sandbox, store, &self.done, FILING, from).await;
        Ok(Outcome { verdict, texts, health, normal, is_well, starts })
    }

    /// How long it takes from the end of the fault until a text that is asked for then leaves and all parts
    /// are well, and until nothing is left to be done; and whether the first two came to be.
    async fn normal(&self, over: Instant, patience: Duration) -> (String, bool) {
        let words = format!("probe{}", self.seed);
        let fresh = wait(patience, async || {
            if self.client.text(&load::phone(PEOPLE), &words, &words).await == Some(202) {
                self.done.taken.lock().unwrap().insert(words.clone());
                return true;
            }
            false
        })
        .await;
        let left = || {
            let entries = self.sandbox.ledger().entries();
            // A first text says who writes, too.
            let is_it = |body: &str| body.contains(&words);
            entries
                .iter()
                .any(|e| e.kind == "message_created" && e.detail["body"].as_str().is_some_and(is_it))
        };
        let fresh = fresh && wait(patience, async || left()).await;
        let new = over.elapsed();
        let well = wait(patience, async || {
            self.client.health().await.is_some_and(|health| health["status"] == "ok")
        })
        .await;
        let ok = over.elapsed();
        let idle = wait(patience, async || {
            let Some(status) = self.client.get("status").await else { return false };
            let rows = status["outbox"]["rows"].as_array();
            rows.is_some_and(|rows| rows.iter().all(|row| row["rows"] == 0))
                && status["webhooks"]["waiting"] == 0
        })
        .await;
        let all = over.elapsed();
        let told = |met: bool, time: Duration| {
            if met { seconds(time) } else { format!("not in {}", seconds(patience)) }
        };
        let [new, ok, all] = [told(fresh, new), told(well, ok), told(idle, all)];
        (format!("new texts {new}, health {ok}, all done {all}"), fresh && well)
    }

    /// The webhooks that are left come in, and the daemon ends: its file.
    async fn settled(&self) -> anyhow::Result<std::path::PathBuf> {
        if !wait(Duration::from_secs(60), async || self.sandbox.stats().webhooks_waiting == 0).await {
            bail!("webhooks wait for ever");
        }
        let mut daemon = self.lock();
        if std::env::var_os("DRILLS_LOG").is_some() {
            eprintln!("{}", daemon.log());
        }
        if !daemon.has_ended() && daemon.id().is_some() {
            daemon.kill();
        }
        let config = std::fs::read_to_string(daemon.folder.path().join("fulcrum.toml"))?;
        let config: toml::Table = config.parse()?;
        let path = config["store"]["path"].as_str().context("no store.path")?;
        Ok(path.into())
    }
}

/// Whether something comes to hold.
pub(crate) async fn wait(patience: Duration, holds: impl AsyncFn() -> bool) -> bool {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, waiting).await.is_ok()
}

//! The daemon itself, as a process beside a sandbox: set up, started, asked, stopped, killed.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use fulcrum::cli::daemon::{self, Wanted};
use fulcrum::config::{Config, Sources};
use fulcrum_sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The program that is measured.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fulcrum");

/// No limit at all for a client on this machine.
const RATE_MAX: u32 = 1_000_000;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// How the daemon is set up, where the parts differ.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Requests a second to Lever, and the burst.
    pub(crate) rate: (u32, u32),
    /// Whether interviews are listed: one request for each active opportunity.
    pub(crate) interviews: bool,
    /// How often Lever is looked at.
    pub(crate) poll_interval: &'static str,
}

impl Setup {
    /// A rate that nobody feels, and no interviews.
    pub(crate) const FREE: Self = Self { rate: (100_000, 100_000), interviews: false, poll_interval: "5m" };
    /// Lever's rate, all as delivered.
    pub(crate) const REAL: Self = Self { rate: (10, 20), interviews: true, poll_interval: "5m" };
}

/// A folder with a config and a file.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) public: SocketAddr,
    ops: SocketAddr,
    http: reqwest::Client,
}

impl Home {
    /// An empty one.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (public, ops) = (free()?, free()?);
        Ok(Self {
            folder: TempDir::new()?,
            public: public.local_addr()?,
            ops: ops.local_addr()?,
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("fulcrum.redb")
    }

    /// The index of the search beside it.
    pub(crate) fn index(&self) -> PathBuf {
        self.folder.path().join("fulcrum.redb.search")
    }

    /// The config.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("fulcrum.toml")
    }

    /// Writes the config for a daemon beside this sandbox: the sandbox's own, but for what is measured as
    /// it is delivered, or was told to others before.
    pub(crate) fn configure(&self, sandbox: &Sandbox, setup: Setup) -> anyhow::Result<()> {
        let (rate, burst) = setup.rate;
        let wanted = Wanted { rate, burst, delay: DELAY, lever_user: "admin" };
        let written = daemon::write(self.folder.path(), sandbox, wanted)?;
        let mut config: toml::Table = fs::read_to_string(&written.config)?.parse()?;
        let own = json!({
            "organisation": { "timezone": "UTC" },
            "server": {
                "listen": self.public,
                "public_url": self.public_url(),
                // One machine asks as all of the others together.
                "limits": {
                    "hooks_per_second": RATE_MAX,
                    "api_per_second": RATE_MAX,
                    "pages_per_second": RATE_MAX,
                    "booking_per_second": RATE_MAX,
                },
            },
            "ops": { "listen": self.ops },
            "lever": { "poll_interval": setup.poll_interval },
            "backfill": { "interviews": if setup.interviews { "active" } else { "none" } },
        });
        add(&mut config, toml::Table::try_from(own)?);
        fs::write(written.config, config.to_string())?;
        fs::write(self.folder.path().join("api-token"), API_TOKEN)?;
        Ok(())
    }

    /// The config as the program reads it, for what is measured without a process.
    pub(crate) fn read_config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&Sources { file: Some(self.config()), env: Vec::new(), credentials_dir: None })?)
    }

    pub(crate) fn public_url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) async fn start(&self) -> anyhow::Result<Daemon<'_>> {
        let began = Instant::now();
        let process = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(self.config())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join("log"))?)
            .spawn()?;
        let mut daemon = Daemon { home: self, process, ready_after: Duration::ZERO };
        while !daemon.is_ready().await {
            if daemon.process.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                bail!("the daemon did not start: {}", fs::read_to_string(self.folder.path().join("log"))?);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        daemon.ready_after = began.elapsed();
        Ok(daemon)
    }
}

const API_TOKEN: &str = "bench-0123456789abcdef0123456789abcdef";

/// What a transcript waits, as delivered.
const DELAY: Duration = Duration::from_secs(3600);

/// Adds keys, section by section.
fn add(config: &mut toml::Table, own: toml::Table) {
    for (key, value) in own {
        match (config.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => add(old, new),
            (_, value) => drop(config.insert(key, value)),
        }
    }
}

/// A running daemon. It is killed when it is dropped.
pub(crate) struct Daemon<'h> {
    pub(crate) home: &'h Home,
    process: Child,
    /// From the start of the process to the first answer that it is ready.
    pub(crate) ready_after: Duration,
}

impl Daemon<'_> {
    async fn is_ready(&self) -> bool {
        let url = format!("http://{}/health/ready", self.home.ops);
        self.home.http.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// The process, as the kernel names it.
    pub(crate) fn id(&self) -> String {
        self.process.id().to_string()
    }

    /// What a route of the API answers, null where it knows nothing.
    pub(crate) async fn api(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/{path}", self.home.public_url());
        let answer = self.home.http.get(url).bearer_auth(API_TOKEN).send().await?;
        Ok(if answer.status() == 404 { Value::Null } else { answer.error_for_status()?.json().await? })
    }

    /// Waits until the status is as wanted, and gives it back.
    pub(crate) async fn until(&self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let status = self.api("status").await?;
            if wanted(&status) {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("waited in vain for a status")
    }

    /// Waits until the initial sync is complete.
    pub(crate) async fn synced(&self) -> anyhow::Result<Value> {
        self.until(|status| status["backfill"]["state"] == "complete").await
    }

    /// Stops it in good order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let told = Command::new("kill").arg(self.id()).status()?;
        anyhow::ensure!(told.success() && self.process.wait()?.success(), "the daemon did not stop well");
        Ok(())
    }

    /// Ends it as a power cut would end it, but for the machine's memory.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether all phases are over but the interviews and the last look.
pub(crate) fn lists_are_complete(status: &Value) -> bool {
    let phases = status["backfill"]["phases"].as_array();
    let is_list = |phase: &&Value| phase["name"] != "interviews" && phase["name"] != "catch up";
    phases.is_some_and(|phases| phases.iter().filter(is_list).all(|phase| phase["state"] == "complete"))
}

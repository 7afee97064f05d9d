//! Starting the program, telling it things, and not leaving it behind.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fulcrum");

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command, in an environment without settings.
pub(crate) fn fulcrum() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(PROGRAM);
    command.env_clear().timeout(PATIENCE);
    command
}

/// What stood on standard error.
pub(crate) fn told(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Asks until there is something.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A process of ours that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    told: Arc<Mutex<String>>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), told.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, told }
    }

    /// The first line of standard output.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }

    /// What stood on standard error so far.
    pub(crate) fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of a process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            // The log of the failed test's daemon, captured by the test's output.
            let _ = std::io::stderr().write_all(self.told().as_bytes());
        }
    }
}

/// A sandbox in a process, and a config for a daemon beside it.
pub(crate) struct World {
    _sandbox: Process,
    _folder: TempDir,
    pub(crate) announced: Value,
    pub(crate) config: PathBuf,
}

impl World {
    pub(crate) fn new(more: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let dir = folder.path().to_str().unwrap();
        let mut sandbox = Process::start(&[&["sandbox", "--write-config", dir], more].concat(), &[]);
        let announced: Value = serde_json::from_str(&sandbox.first_line()).unwrap();
        let config = Path::new(announced["config"].as_str().unwrap()).to_owned();
        Self { _sandbox: sandbox, _folder: folder, announced, config }
    }

    /// A daemon that is ready.
    pub(crate) fn daemon(&self) -> Process {
        self.daemon_with(&[])
    }

    /// The same, with these variables.
    pub(crate) fn daemon_with(&self, env: &[(&str, &str)]) -> Process {
        let daemon = Process::start(&["run", "-c", self.config.to_str().unwrap()], env);
        wait_for("a ready daemon", || (self.health("ready")? == 200).then_some(()));
        daemon
    }

    /// The status that the health route answers; none when nobody does.
    pub(crate) fn health(&self, route: &str) -> Option<u16> {
        let config: toml::Table = std::fs::read_to_string(&self.config).unwrap().parse().unwrap();
        let ops = config["ops"]["listen"].as_str().unwrap();
        http("GET", &format!("http://{ops}/health/{route}"), "").map(|(status, _)| status)
    }

    /// How health says that a part is.
    pub(crate) fn component(&self, name: &str) -> Value {
        let config: toml::Table = std::fs::read_to_string(&self.config).unwrap().parse().unwrap();
        let ops = config["ops"]["listen"].as_str().unwrap();
        let (_, health) = http("GET", &format!("http://{ops}/health"), "").unwrap();
        serde_json::from_str::<Value>(&health).unwrap()["components"][name].clone()
    }

    /// What a command with `--json` prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let assert = self.command(arguments).arg("--json").assert().code(0);
        serde_json::from_slice(&assert.get_output().stdout).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = fulcrum();
        command.args(arguments).arg("-c").arg(&self.config);
        command
    }

    /// Asks the sandbox.
    pub(crate) fn sandbox(&self, path: &str) -> Value {
        self.at_the_sandbox("GET", path, "")
    }

    /// Tells the sandbox.
    pub(crate) fn tell_the_sandbox(&self, path: &str, body: &Value) -> Value {
        self.at_the_sandbox("POST", path, &body.to_string())
    }

    fn at_the_sandbox(&self, method: &str, path: &str, body: &str) -> Value {
        let base = self.announced["twilio"].as_str().unwrap();
        let (status, body) = http(method, &format!("{base}/_sandbox/{path}"), body).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// How many entries of that kind the sandbox's ledger has.
    pub(crate) fn ledger(&self, kind: &str) -> usize {
        let entries = self.sandbox("ledger");
        entries["data"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).count()
    }

    /// Waits until the initial sync is done.
    pub(crate) fn synced(&self) -> Value {
        wait_for("the initial sync", || {
            Some(self.json(&["status"])).filter(|status| status["backfill"]["state"] == "complete")
        })
    }
}

fn http(method: &str, url: &str, body: &str) -> Option<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.request(method.parse().unwrap(), url).body(body.to_owned()).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    })
}

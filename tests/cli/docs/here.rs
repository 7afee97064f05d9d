//! A sandbox and a daemon that stand in for the machine of whoever follows a page.
//!
//! A page writes addresses, folders and people of its own; [`Here::places`] says what stands in their
//! place. `systemctl` starts, stops and reloads the daemon of this test.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret;
use toml::{Table, Value};

use super::reading::Command;
use crate::processes::{PROGRAM, Process, World, wait_for};

/// No command of a page takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// Programs that are run as they stand.
const RUN: [&str; 18] = [
    "fulcrum", "curl", "openssl", "install", "chmod", "echo", "printf", "cat", "grep", "sort", "uniq",
    "tail", "head", "tr", "mkdir", "mv", "cp", "true",
];

/// Programs that change the machine, or need one of another kind: only their grammar is looked at.
const LOOKED_AT: [&str; 10] = [
    "apt-get",
    "dnf",
    "packaging/build",
    "packaging/oci/build",
    "packaging/offline",
    "podman",
    "journalctl",
    "age-keygen",
    "chown",
    "timedatectl",
];

/// Units there are. `fulcrum@NAME` is made of the first by packaging/build.
const UNITS: [&str; 4] = ["fulcrum", "fulcrum.service", "fulcrum.socket", "fulcrum@acme"];

/// Sections that a page's settings are taken into the daemon's config from; others would lead it away
/// from its sandbox.
const TAKEN: [&str; 5] = ["api", "users", "retention", "backup", "audit"];

/// What a person types where a command asks.
const TYPED: &str = "correct horse battery staple\n";

pub(super) struct Here {
    world: World,
    folder: PathBuf,
    daemon: Option<Process>,
    places: Vec<(&'static str, String)>,
}

/// How a command ended, and what it said.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) said: String,
}

impl Here {
    /// A daemon that is in sync, has texted somebody, and was backed up to where the pages say.
    pub(super) fn new() -> Self {
        let world = World::new(&["--opportunities", "120", "--rate", "1000", "--burst", "1000"]);
        let folder = world.config.parent().unwrap().to_owned();
        let daemon = world.daemon();
        world.synced();
        let somebody = || world.sandbox("opportunity?phone=true");
        let person = somebody();
        let other = wait_for("somebody else", || {
            Some(somebody()).filter(|other| other["number"] != person["number"])
        });
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let opportunity = word(&person["opportunity"]);
        world
            .command(&["send", "--opportunity", &opportunity])
            .write_stdin("Are you free?\n")
            .assert()
            .code(0);

        let key = age::x25519::Identity::generate();
        fs::write(folder.join("key.txt"), key.to_string().expose_secret()).unwrap();
        fs::write(folder.join("list.csv"), "number,reason,date\n+12025550143,the old system,2025-01-01\n")
            .unwrap();
        private(&folder.join("backup-s3-key"), "AKIDEXAMPLE:secret\n");
        for name in ["bin", "backups", "log", "mnt", "letsencrypt", "tls"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        for name in ["fullchain.pem", "privkey.pem"] {
            fs::write(folder.join("letsencrypt").join(name), "PEM\n").unwrap();
        }
        let wrapper = format!("#!/bin/sh\nexec {PROGRAM} \"$@\" -c {}\n", world.config.display());
        fs::write(folder.join("bin/fulcrum"), wrapper).unwrap();
        fs::set_permissions(folder.join("bin/fulcrum"), fs::Permissions::from_mode(0o755)).unwrap();

        let settings: Table = fs::read_to_string(&world.config).unwrap().parse().unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        let places = vec![
            ("/etc/letsencrypt/live/text.acme.example", at("letsencrypt")),
            ("/etc/fulcrum", at("")),
            ("/var/lib/fulcrum", at("")),
            ("/var/backups", at("backups")),
            ("/var/log/fulcrum", at("log")),
            ("/mnt", at("mnt")),
            ("-o fulcrum -g fulcrum ", String::new()),
            ("https://s3.eu-central-1.amazonaws.com", "http://127.0.0.1:9".to_owned()),
            ("https://text.acme.example", word(&world.announced["daemon"])),
            ("http://127.0.0.1:9464", format!("http://{}", settings["ops"]["listen"].as_str().unwrap())),
            ("+13125550142", word(&person["number"])),
            ("250d8f03-738a-4bba-a671-8a3d73477145", opportunity),
            ("4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f", word(&other["opportunity"])),
            ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", key.to_public().to_string()),
        ];
        let here = Self { world, folder, daemon: Some(daemon), places };
        let made = "fulcrum backup --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p \
                    /mnt/fulcrum-20250304T141200Z.backup.age";
        assert!(here.shell(made).status.success());
        here
    }

    /// What a page writes, with what stands here in its place.
    fn placed(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// Does what a command says. The test does not know programs of other names.
    pub(super) fn follow(&mut self, command: &Command) -> Result<(), String> {
        let programs = command.programs();
        if programs == ["systemctl"] {
            return self.systemctl(&command.text);
        }
        let known = |program: &&str| RUN.contains(program) || LOOKED_AT.contains(program);
        if let Some(unknown) = programs.iter().find(|program| !known(program)) {
            return Err(format!("the test does not know how to treat {unknown}"));
        }
        if programs.iter().any(|program| LOOKED_AT.contains(program)) {
            let looked =
                std::process::Command::new("bash").args(["-n", "-c", &command.text]).status().unwrap();
            return looked.success().then_some(()).ok_or_else(|| "no shell understands this".to_owned());
        }
        let ended = self.shell(&command.text);
        // A number as a remark is what it prints.
        let figure = command.remark.parse::<u64>().is_ok();
        match ended.status.success() {
            true if figure && ended.said.trim() != command.remark => Err(format!("it prints {}", ended.said)),
            true => Ok(()),
            false => Err(format!("{}: {}", ended.status, ended.said)),
        }
    }

    /// Runs a command of a page, with the deadline. One that goes on is ended when it has said something.
    fn shell(&self, text: &str) -> Ended {
        let typed = self.typed(text);
        let said = self.folder.join("said");
        let file = File::create(&said).unwrap();
        let mut child = std::process::Command::new("bash")
            .args(["-euo", "pipefail", "-c", &self.placed(text)])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.join("bin").display()))
            .env("HOME", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        // It may not want to hear it.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let goes_on = text.contains("--watch");
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(!goes_on, "{text}: it was to go on");
                break status;
            }
            if goes_on && said.metadata().unwrap().len() > 0 {
                end(&mut child, "INT");
                break child.wait().unwrap();
            }
            if Instant::now() > deadline {
                end(&mut child, "KILL");
                child.wait().unwrap();
                panic!("{text}: it takes too long; it said {}", fs::read_to_string(&said).unwrap());
            }
            thread::sleep(Duration::from_millis(20));
        };
        Ended { status, said: String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned() }
    }

    /// What is typed at a command: a secret that is there already, or a password.
    fn typed(&self, text: &str) -> String {
        let secret = text.strip_prefix("install ").filter(|rest| rest.contains("/dev/stdin"));
        let file = secret.and_then(|rest| rest.split_whitespace().last());
        let there = file.and_then(|file| fs::read_to_string(self.placed(file)).ok());
        there.unwrap_or_else(|| TYPED.to_owned())
    }

    fn systemctl(&mut self, text: &str) -> Result<(), String> {
        let mut words = text.split_whitespace().skip(1).filter(|word| !word.starts_with('-'));
        let verb = words.next().unwrap_or_default();
        let units: Vec<_> = words.collect();
        if let Some(unit) = units.iter().find(|unit| !UNITS.contains(unit)) {
            return Err(format!("there is no unit {unit}"));
        }
        if units != ["fulcrum"] {
            return Ok(());
        }
        match verb {
            "start" => self.start(),
            "enable" if text.contains("--now") => self.start(),
            "stop" => self.stop(),
            "restart" => {
                self.stop();
                self.start();
            }
            "reload" => self.reload(),
            "enable" | "status" | "reset-failed" => {}
            other => return Err(format!("systemctl {other} is not known")),
        }
        Ok(())
    }

    fn start(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(self.world.daemon());
        }
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("TERM");
            assert_eq!(daemon.wait().code(), Some(0));
        }
    }

    fn reload(&self) {
        let daemon = self.daemon.as_ref().expect("what does not run is not reloaded");
        let told = || daemon.told().matches("config").count();
        let before = told();
        daemon.signal("HUP");
        wait_for("the reload", || (told() > before).then_some(()));
        assert!(!daemon.told().contains("the new config is not used"), "{}", daemon.told());
    }

    /// Takes a page's settings into the daemon's config, as far as they leave it where it is.
    pub(super) fn set(&self, settings: &str) {
        let mut config: Table = fs::read_to_string(&self.world.config).unwrap().parse().unwrap();
        let page: Table = self.placed(settings).parse().unwrap();
        merge(
            &mut config,
            page.into_iter().filter(|(section, _)| TAKEN.contains(&section.as_str())).collect(),
        );
        fs::write(&self.world.config, toml::to_string(&config).unwrap()).unwrap();
    }

    /// What the daemon's metrics say.
    pub(super) fn metrics(&self) -> String {
        self.shell("curl -sf http://127.0.0.1:9464/metrics").said
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }
}

/// Puts settings over others. Of lists of tables those of both stay.
pub(super) fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => merge(under, over),
            (Some(Value::Array(under)), Value::Array(over)) if over.iter().all(Value::is_table) => {
                under.extend(over);
            }
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// Ends a command and whatever it has started.
fn end(child: &mut Child, signal: &str) {
    let group = format!("-{}", child.id());
    let status = std::process::Command::new("kill").args([&format!("-{signal}"), "--", &group]).status();
    assert!(status.unwrap().success());
}

/// Writes a file that its owner alone can read.
pub(super) fn private(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

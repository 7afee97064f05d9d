//! Commands that run alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::CommandFactory;
use fulcrum::store::tables::ERASURES;
use fulcrum::store::{Options, Store};
use fulcrum_domain::{Erasure, ErasureCause, ErasureId};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::processes::{fulcrum, told};

fn names() -> Vec<String> {
    fulcrum::cli::Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// Every command as it is typed, those within others too.
fn all_commands() -> Vec<Vec<String>> {
    fn add(command: &clap::Command, before: &[String], to: &mut Vec<Vec<String>>) {
        for part in command.get_subcommands() {
            let words = [before, &[part.get_name().to_owned()]].concat();
            add(part, &words, to);
            to.push(words);
        }
    }
    let mut all = Vec::new();
    add(&fulcrum::cli::Cli::command(), &[], &mut all);
    all
}

#[test]
fn every_command_has_help_with_an_example() {
    for words in all_commands() {
        let name = words.join(" ");
        let output = fulcrum().args(&words).arg("--help").assert().code(0).get_output().clone();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("Example") && help.contains(&format!("fulcrum {name}")), "{name}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}: {help}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for wrong in [
        &["fly"][..],
        &["run", "--fast"],
        &["send", "--as", "ana@acme.example"],
        &["messages", "no-id!"],
        &["conversations", "--limit", "0"],
        &["sandbox", "--permissions", "find_all_cats"],
        &["sandbox", "--listen", "here"],
        &["completions", "cobol"],
        &[],
    ] {
        fulcrum().args(wrong).assert().code(2);
    }
}

#[test]
fn a_bad_config_exits_with_78_and_names_every_problem() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("fulcrum.toml");
    fs::write(&config, "[organisation]\nname = 'Acme'\ntimezone = 'Mars/Base'\n[server]\nlistne = 'x'\n")
        .unwrap();
    for command in ["check", "run", "status", "conversations", "doctor"] {
        let output = fulcrum().arg(command).arg("-c").arg(&config).assert().code(78).get_output().clone();
        let error = String::from_utf8(output.stderr).unwrap();
        for part in
            ["organisation.timezone", ":3", "Mars/Base", "server.listne", ":5", "did you mean server.listen?"]
        {
            assert!(error.contains(part), "{command}: {part} is not in {error}");
        }
        assert!(output.stdout.is_empty(), "{command}");
    }
    let output =
        fulcrum().args(["check", "--json", "-c"]).arg(&config).assert().code(78).get_output().clone();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], false);
    let of = |key: &str| {
        told["problems"].as_array().unwrap().iter().find(|problem| problem["key"] == key).unwrap().clone()
    };
    assert_eq!(of("server.listne")["line"], 5);
    assert_eq!(of("server.listne")["suggestion"], "server.listen");
}

#[test]
fn a_posting_that_is_no_id_is_a_mistake_in_the_config() {
    let folder = Folder::new();
    let config = fs::read_to_string("config/examples/minimal.toml").unwrap();
    folder
        .write("fulcrum.toml", &(config + "[[transcript.postings]]\nposting = 'the nurses'\nmode = 'off'\n"));
    let assert = folder.check(&folder.0.path().join("fulcrum.toml")).code(78);
    assert!(String::from_utf8_lossy(&assert.get_output().stderr).contains("the nurses"));
}

/// The daemon began its work, ended with 1 and was started again, for ever.
#[test]
fn a_certificate_that_is_none_is_a_mistake_in_the_config() {
    let folder = Folder::new();
    let config = fs::read_to_string("config/examples/minimal.toml").unwrap();
    folder.write("cert.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    folder.write("key.pem", "");
    let file = |name: &str| folder.0.path().join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let tls = format!("[server]\ntls_cert_file = '{cert}'\ntls_key_file = '{key}'");
    folder.write("fulcrum.toml", &config.replace("[server]", &tls));
    let config = folder.0.path().join("fulcrum.toml");
    for refused in [folder.check(&config), folder.ask(&config, &["run"])] {
        let refused = refused.code(78);
        for part in ["server.tls_cert_file", "cert.pem"] {
            assert!(told(&refused).contains(part), "{}", told(&refused));
        }
    }
}

#[test]
fn the_examples_are_valid_and_are_summed_up_without_secrets() {
    let folder = Folder::new();
    let mut examples = 0;
    for entry in fs::read_dir("config/examples").unwrap() {
        let assert = folder.check(&entry.unwrap().path()).code(0);
        let summary = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        assert!(summary.starts_with("OK: ") && summary.contains("Acme Recruiting"), "{summary}");
        assert!(summary.contains("https://text.acme.example/hooks/lever"), "{summary}");
        assert!(!summary.contains("s3cr3t"), "{summary}");
        examples += 1;
    }
    assert!(examples >= 2);
}

/// A folder with credentials, as systemd makes it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        for name in ["lever-api-key", "twilio-auth-token", "api-token-hr-scripts", "api-token-dashboard"] {
            folder.write(name, &format!("s3cr3t-{name}"));
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn check(&self, config: &Path) -> assert_cmd::assert::Assert {
        let mut command = fulcrum();
        command.env("CREDENTIALS_DIRECTORY", self.0.path()).arg("check").arg("-c").arg(config).assert()
    }

    /// A config whose store is in this folder and whose daemon does not run.
    fn with_store(&self) -> std::path::PathBuf {
        let config = fs::read_to_string("config/examples/minimal.toml").unwrap();
        let at = |name: &str| self.0.path().join(name).display().to_string();
        let config = config.replace(
            "[server]",
            &format!("[store]\npath = '{}'\n[server]\ncontrol_socket = '{}'", at("f.redb"), at("f.sock")),
        );
        self.write("fulcrum.toml", &config);
        self.0.path().join("fulcrum.toml")
    }

    fn ask(&self, config: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = fulcrum();
        command.env("CREDENTIALS_DIRECTORY", self.0.path()).args(arguments).arg("-c").arg(config).assert()
    }
}

#[test]
fn without_a_daemon_the_file_is_read() {
    let folder = Folder::new();
    let config = folder.with_store();
    let none = folder.ask(&config, &["status"]).code(1);
    assert!(told(&none).contains("there is no store at"), "{}", told(&none));

    drop(Store::open(Options::file(folder.0.path().join("f.redb")), Box::new(|_| {})).unwrap());
    let status = folder.ask(&config, &["status", "--json"]).code(0);
    assert!(told(&status).contains("the daemon is not running; read from"));
    let status: Value = serde_json::from_slice(&status.get_output().stdout).unwrap();
    assert_eq!(status["backfill"]["state"], "running", "as the API says until it is complete");
    assert_eq!(status["deadlines"]["pending"], 0);
    let shown = folder.ask(&config, &["status"]).code(0);
    assert!(String::from_utf8_lossy(&shown.get_output().stdout).contains("not begun"));

    let list = folder.ask(&config, &["conversations", "--json"]).code(0);
    assert_eq!(String::from_utf8_lossy(&list.get_output().stdout), "{\"data\":[],\"next\":null}\n");
    let cursor = folder.ask(&config, &["conversations", "--cursor", "7K3"]).code(1);
    assert!(told(&cursor).contains("the cursor is not one of this list"), "{}", told(&cursor));
    let messages = folder.ask(&config, &["messages", "7K3"]).code(1);
    assert!(told(&messages).contains("no conversation has this id"), "{}", told(&messages));
    for changing in [&["send", "--to", "+12025550142", "hello"][..], &["file", "7K3"], &["status", "--watch"]]
    {
        let refused = folder.ask(&config, changing).code(1);
        assert!(told(&refused).contains("`fulcrum run`"), "{}", told(&refused));
    }
}

/// When somebody asks for a certificate, or what an automation would do, is seldom when all is well.
#[tokio::test]
async fn without_a_daemon_a_certificate_and_a_back_test_are_read_from_the_file() {
    let folder = Folder::new();
    let config = folder.with_store();
    let automation = "\n[[automations]]\nname = 'hello'\ntrigger = 'hired'\ntext = 'Welcome'\n";
    fs::write(&config, fs::read_to_string(&config).unwrap() + automation).unwrap();
    let store = Store::open(Options::file(folder.0.path().join("f.redb")), Box::new(|_| {})).unwrap();
    let erasure = Erasure::new(Timestamp::UNIX_EPOCH, "ops".into(), ErasureCause::Command);
    store.change(move |tx| tx.put(ERASURES, &ErasureId::new(1), &erasure).map(drop)).await.unwrap();
    drop(store);
    let json = |arguments: &[&str]| -> Value {
        let answer = folder.ask(&config, arguments).code(0);
        assert!(told(&answer).contains("the daemon is not running; read from"));
        serde_json::from_slice(&answer.get_output().stdout).unwrap()
    };
    let certificate = json(&["erase", "--certificate", "1", "--json"]);
    assert_eq!((&certificate["id"], &certificate["by"]), (&json!(1), &json!("ops")));
    let told_to_people = folder.ask(&config, &["erase", "--certificate", "1"]).code(0);
    let told_to_people = String::from_utf8_lossy(&told_to_people.get_output().stdout).into_owned();
    assert!(told_to_people.contains("asked for, by ops"), "{told_to_people}");
    assert_eq!(json(&["automations", "test", "hello", "--json"]), json!({"data": [], "next": null}));
    let none = folder.ask(&config, &["erase", "--certificate", "2"]).code(1);
    assert!(told(&none).contains("no erasure has this number"), "{}", told(&none));
    let none = folder.ask(&config, &["automations", "test", "bye"]).code(1);
    assert!(told(&none).contains("the config has no such automation"), "{}", told(&none));
    let erases = folder.ask(&config, &["erase", "--number", "+12025550142"]).code(1);
    assert!(told(&erases).contains("`fulcrum run`"), "{}", told(&erases));
    let unsaid = folder.ask(&config, &["hold", "--number", "+12025550142"]).code(1);
    assert!(told(&unsaid).contains("--reason"), "{}", told(&unsaid));
    let taken = config.display().to_string();
    let exported = folder.ask(&config, &["export", &taken]).code(1);
    assert!(told(&exported).contains("another name"), "{}", told(&exported));
    assert!(fs::read_to_string(&config).unwrap().contains("trigger = 'hired'"), "it is as it was");
}

#[test]
fn a_hash_is_printed_as_json_for_scripts() {
    let told = fulcrum().args(["hash-password", "--json"]).write_stdin("correct horse").assert().code(0);
    let told: Value = serde_json::from_slice(&told.get_output().stdout).unwrap();
    assert!(told["hash"].as_str().unwrap().starts_with("$argon2id$"), "{told}");
}

#[test]
fn each_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = fulcrum().args(["completions", shell]).assert().code(0).get_output().clone();
        let script = String::from_utf8(output.stdout).unwrap();
        for name in names() {
            assert!(script.contains(&name), "{shell} does not complete {name}");
        }
    }
}

#[test]
fn the_manual_has_every_command() {
    let output = fulcrum().arg("man").assert().code(0).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    let folder = TempDir::new().unwrap();
    fulcrum().args(["man", "--dir"]).arg(folder.path()).assert().code(0);
    assert!(folder.path().join("fulcrum.1").exists());
    for name in names() {
        assert!(text.contains(&format!(".TH fulcrum-{name} 1")), "{name}");
        assert!(folder.path().join(format!("fulcrum-{name}.1")).exists(), "{name}");
    }
}

/// Whoever set the daemon up by its unit alone could not ask it anything: only systemd had the secrets.
#[test]
fn secrets_are_found_beside_the_config_if_their_mode_is_right() {
    let folder = Folder::new();
    folder.write("fulcrum.toml", &fs::read_to_string("config/examples/minimal.toml").unwrap());
    let config = folder.0.path().join("fulcrum.toml");
    let check = || fulcrum().env_remove("CREDENTIALS_DIRECTORY").args(["check", "-c"]).arg(&config).assert();
    check().code(0);
    fs::set_permissions(folder.0.path().join("lever-api-key"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = check().code(78);
    assert!(told(&refused).contains("lever-api-key"), "{}", told(&refused));
}

//! The pages for operators, held to the program: each command is run, each setting, metric and link that
//! they name is there.

mod here;
mod reading;

use std::collections::BTreeSet;
use std::fs;

use clap::CommandFactory;
use fulcrum::engine::clock::Clock;
use serde_json::json;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::processes::{fulcrum, wait_for};
use here::{Here, merge, private};
use reading::Page;

/// Follows a page from its beginning to its end, on one machine.
fn follow(name: &str) {
    let page = Page::read(format!("docs/{name}"));
    let mut here = Here::new();
    for block in page.blocks() {
        match block.language.as_str() {
            "sh" | "console" => {
                for command in block.commands() {
                    if let Err(why) = here.follow(&command) {
                        panic!("docs/{name}:{}: {}\n{why}", command.line, command.text);
                    }
                }
            }
            "toml" => here.set(&block.text),
            "ini" | "json" | "nginx" | "yaml" | "text" => {}
            other => panic!("docs/{name}:{}: the test does not know how to treat {other:?}", block.line),
        }
    }
}

/// A test for each page that has commands.
macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {
        const FOLLOWED: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $test() {
                follow($page);
            }
        )*
    };
}

pages! {
    install: "install.md",
    lever: "lever.md",
    carrier: "carrier.md",
    gateway: "gateway.md",
    proxy_and_tls: "proxy-and-tls.md",
    sign_in: "sign-in.md",
    backup: "backup.md",
    encryption: "encryption.md",
    upgrade: "upgrade.md",
    monitoring: "monitoring.md",
    siem: "siem.md",
    privacy: "privacy.md",
    limits: "limits.md",
    troubleshooting: "troubleshooting.md",
}

#[test]
fn no_page_with_commands_is_left_out_and_the_index_has_all() {
    let index = Page::read("docs/README.md");
    for page in Page::all() {
        let has_commands = page.blocks().iter().any(|block| ["sh", "console"].contains(&&*block.language));
        assert_eq!(has_commands, FOLLOWED.contains(&page.name()), "{}", page.name());
        let in_index = index.links().iter().any(|link| link == page.name());
        assert!(in_index || page.name() == index.name(), "{} is not in the index", page.name());
    }
    assert!(Page::read("README.md").links().iter().any(|link| link == "docs/README.md"));
}

/// The reference with the keys that have no default, as the program reads it.
fn reference() -> Table {
    let text = fs::read_to_string("config/default.toml").unwrap();
    let lines = text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").parse().unwrap()
}

/// The setting of this name, where there is one.
fn setting<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    let Some(rest) = rest else { return Some(value) };
    let inner = match value {
        Value::Array(list) => list.first()?.as_table()?,
        value => value.as_table()?,
    };
    setting(inner, rest)
}

/// Names with a dot that are no settings.
const OTHERS: [&str; 11] =
    [".toml", ".md", ".json", ".yml", ".service", ".socket", ".txt", ".csv", ".example", ".co", ".com"];

#[test]
fn every_setting_that_a_page_names_is_there() {
    let reference = reference();
    let mut named = BTreeSet::new();
    for page in Page::all().into_iter().filter(|page| page.name() != "export.md") {
        for code in page.code() {
            let bare = code.split(" = ").next().unwrap();
            let section = bare.trim_start_matches('[').trim_end_matches(']');
            let dotted = section.contains('.') && !OTHERS.iter().any(|end| section.ends_with(end));
            let plain = section.starts_with(|c: char| c.is_ascii_lowercase())
                && section.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
            // What the gateway and fulcrum tell each other.
            let said =
                page.name() == "gateway.md" && ["message.", "data."].iter().any(|of| section.starts_with(of));
            if plain && !said && (dotted || bare.starts_with('[')) {
                assert!(setting(&reference, section).is_some(), "{}: there is no {section}", page.name());
                named.insert(section.to_owned());
            }
        }
    }
    assert!(named.contains("lever.poll_interval") && named.len() > 40, "{named:?}");
}

const CERTIFICATE: &str = include_str!("../../../src/server/tests/localhost.pem");
const ITS_KEY: &str = include_str!("../../../src/server/tests/localhost.key");

/// Settings that stand in blocks are taken by the program when they are put over the least that it needs.
#[test]
fn every_block_of_settings_is_a_valid_config() {
    let folder = TempDir::new().unwrap();
    let hashed = fulcrum().arg("hash-password").write_stdin("correct horse battery").assert().code(0);
    let hash = String::from_utf8(hashed.get_output().stdout.clone()).unwrap();
    let made = std::process::Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output();
    let signs = String::from_utf8(made.unwrap().stdout).unwrap();
    let secret = |name: &str, text: &str| {
        private(&folder.path().join(name), text);
        folder.path().join(name).display().to_string()
    };
    secret("lever-api-key", "s3cr3t-lever-api-key");
    secret("twilio-auth-token", "s3cr3t-twilio-auth-token");
    secret("telnyx-api-key", "s3cr3t-telnyx-api-key");
    for name in ["webhook-secret", "webhook-inbound-secret"] {
        secret(name, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    }
    secret("backup-s3-key", "AKIDEXAMPLE:s3cr3t-of-the-bucket");
    let mut checked = 0;
    for page in Page::all().into_iter().chain([Page::read("README.md")]) {
        for block in page.blocks().into_iter().filter(|block| block.language == "toml") {
            let mut config: Table =
                fs::read_to_string("config/examples/minimal.toml").unwrap().parse().unwrap();
            let mut settings: Table = block.text.parse().unwrap();
            // A file of tokens, or a template as a file.
            if page.name() == "README.md" && settings.values().all(|value| value.is_str() || value.is_bool())
            {
                continue;
            }
            let mut tables: Vec<&mut Table> = Vec::new();
            for value in settings.iter_mut().map(|(_, value)| value) {
                match value {
                    Value::Table(table) => tables.push(table),
                    Value::Array(list) => tables.extend(list.iter_mut().filter_map(Value::as_table_mut)),
                    _ => {}
                }
            }
            while let Some(table) = tables.pop() {
                for (key, value) in table.iter_mut() {
                    match value {
                        Value::Table(table) => tables.push(table),
                        Value::Array(list) => tables.extend(list.iter_mut().filter_map(Value::as_table_mut)),
                        // The tokens of webhooks may come later.
                        Value::String(_) if key == "webhook_tokens_file" => {}
                        Value::String(path) if key == "password_hash_file" => *path = secret(key, &hash),
                        Value::String(path) if key == "signing_key_file" => *path = secret(key, &signs),
                        Value::String(path) if key == "tls_cert_file" => *path = secret(key, CERTIFICATE),
                        Value::String(path) if key == "tls_key_file" => *path = secret(key, ITS_KEY),
                        Value::String(path) if key == "address_file" => {
                            *path = secret(key, "https://calendars.example/s3cr3t.ics");
                        }
                        Value::String(path) if key.ends_with("_file") => {
                            *path = secret(key, &format!("s3cr3t-of-{key}"));
                        }
                        _ => {}
                    }
                }
            }
            merge(&mut config, settings);
            let file = folder.path().join("fulcrum.toml");
            fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
            let output = fulcrum().args(["check", "-c"]).arg(&file).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}:{}: {told}", page.path.display(), block.line);
            checked += 1;
        }
    }
    assert!(checked >= 24, "{checked}");
}

#[test]
fn every_command_in_the_prose_is_one() {
    let program = fulcrum::cli::Cli::command();
    let mut found = 0;
    for page in Page::all() {
        for code in page.code().iter().filter_map(|code| code.strip_prefix("fulcrum ")) {
            let mut command = &program;
            for word in code.split_whitespace() {
                if let Some(flag) = word.strip_prefix("--") {
                    let is_flag = |argument: &clap::Arg| argument.get_long() == Some(flag);
                    let is_there =
                        command.get_arguments().any(is_flag) || ["version", "help"].contains(&flag);
                    assert!(is_there, "{}: `fulcrum {code}` has no --{flag}", page.name());
                } else if command.has_subcommands() {
                    command = command
                        .find_subcommand(word)
                        .unwrap_or_else(|| panic!("{}: `fulcrum {code}` has no command {word}", page.name()));
                }
            }
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn every_link_leads_somewhere() {
    for page in Page::all().into_iter().chain([Page::read("README.md")]) {
        for link in page.links() {
            let Some((path, anchor)) = page.target(&link) else { continue };
            assert!(path.exists(), "{}: {link} leads nowhere", page.name());
            let Some(anchor) = anchor else { continue };
            let is_there = Page::read(&path).anchors().iter().any(|heading| heading == anchor);
            assert!(is_there, "{}: {link} leads to no heading", page.name());
        }
    }
}

/// The tables of lever.md say what the doctor says.
#[test]
fn every_permission_stands_in_the_page_about_lever() {
    let page = fs::read_to_string("docs/lever.md").unwrap();
    let world = crate::processes::World::new(&[
        "--permissions",
        "find_all_users",
        "--rate",
        "1000",
        "--burst",
        "1000",
    ]);
    let told = world.command(&["doctor", "--json"]).assert().code(1);
    let told: serde_json::Value = serde_json::from_slice(&told.get_output().stdout).unwrap();
    let mut found = 0;
    for finding in told["findings"].as_array().unwrap().iter().filter(|finding| finding["state"] != "works") {
        let what = finding["what"].as_str().unwrap();
        if let Some(tick_box) =
            what.strip_prefix("lever: ").filter(|what| what.contains("ind ") || what.contains("an "))
        {
            let row = format!("| {tick_box} | {} |", finding["advice"].as_str().unwrap());
            assert!(page.contains(&row), "{row}");
            found += 1;
        }
    }
    assert!(found >= 20, "{found}: {told}");
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let begins = ["fulcrum_", "process_"].iter().flat_map(|begin| text.match_indices(begin));
    let names = begins.filter_map(|(at, _)| {
        let of_a_name = |c: &char| c.is_ascii_lowercase() || *c == '_';
        let name: String = text[at..].chars().take_while(of_a_name).collect();
        // fulcrum_0.1.0_amd64.deb and fulcrum_*.deb are files.
        (name != "fulcrum_").then_some(name)
    });
    names.collect()
}

#[test]
fn every_metric_that_a_page_an_alert_or_the_dashboard_names_is_there() {
    let here = Here::new();
    let world = here.world();
    let somebody = world.sandbox("opportunity?phone=true");
    world.tell_the_sandbox("inbound", &json!({ "from": somebody["number"], "body": "Yes" }));
    world.tell_the_sandbox("events", &json!({ "event": "stage", "opportunity": somebody["opportunity"] }));
    let later = (Clock::System.now() + jiff::SignedDuration::from_hours(2)).to_string();
    let opportunity = somebody["opportunity"].as_str().unwrap();
    let waits = ["send", "--opportunity", opportunity, "--at", &later];
    world.command(&waits).write_stdin("See you!").assert().code(0);
    let text = wait_for("a webhook and a text", || {
        let text = here.metrics();
        let all = ["fulcrum_webhooks_total{", "direction=\"in\"", "fulcrum_outbox_rows{"];
        all.iter().all(|part| text.contains(part)).then_some(text)
    });
    let mut there = metrics_in(&text);
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    there.extend(families.map(str::to_owned));
    let mut named = BTreeSet::new();
    let mut texts: Vec<_> = Page::all().into_iter().map(|page| (page.path, page.text)).collect();
    for entry in fs::read_dir("docs/monitoring").unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.clone(), fs::read_to_string(&path).unwrap()));
    }
    for (path, text) in texts {
        for name in metrics_in(&text) {
            assert!(there.contains(&name), "{}: there is no {name}", path.display());
            named.insert(name);
        }
    }
    // And none is left out of the table.
    let table = metrics_in(&fs::read_to_string("docs/monitoring.md").unwrap());
    let is_told = |name: &String| {
        let ends = ["_bucket", "_sum", "_count", "_total"];
        table.contains(name)
            || table.contains(&format!("{name}_total"))
            || ends.iter().filter_map(|end| name.strip_suffix(end)).any(|name| table.contains(name))
    };
    let untold: Vec<_> = there.iter().filter(|name| !is_told(name)).collect();
    assert!(untold.is_empty(), "docs/monitoring.md does not tell of {untold:?}");
    assert!(named.len() > 15, "{named:?}");
}

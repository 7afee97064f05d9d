//! The config and the file of webhook tokens. Operators write them; a slip may be anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fulcrum::config::{Config, Sources, WebhookTokens};
use tempfile::TempDir;

use crate::corpus::{hold, hold_text};

/// What no problem may repeat.
const SECRET: &str = "s3cr3t-of-the-key-file";

#[test]
fn a_config_holds_or_every_problem_has_its_place() {
    let folder = TempDir::new().unwrap();
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    for name in ["lever-api-key", "twilio-auth-token"] {
        fs::write(credentials.join(name), SECRET).unwrap();
        fs::set_permissions(credentials.join(name), fs::Permissions::from_mode(0o400)).unwrap();
    }
    let file = folder.path().join("fulcrum.toml");
    hold("config", |bytes| {
        fs::write(&file, bytes).unwrap();
        let load = || {
            Config::load(&Sources {
                file: Some(file.clone()),
                env: Vec::new(),
                credentials_dir: Some(credentials.clone()),
            })
        };
        match load() {
            Ok(config) => {
                let changes = config.reloadable_diff(&load().unwrap());
                assert!(changes.reloadable.is_empty() && changes.needing_restart.is_empty());
                assert!(!format!("{config:?}").contains(SECRET));
                true
            }
            Err(problems) => {
                let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
                assert!(problems.iter().count() > 0);
                assert!(problems.iter().all(|p| p.line.is_none_or(|line| (1..=lines).contains(&line))));
                assert!(!format!("{problems} {problems:?}").contains(SECRET));
                false
            }
        }
    });
}

#[test]
fn a_file_of_webhook_tokens_holds_or_every_problem_has_its_line() {
    hold_text("tokens", |text| match WebhookTokens::parse(text, Path::new("tokens.toml")) {
        Ok(_) => true,
        Err(problems) => {
            let lines = 1 + text.matches('\n').count();
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|p| p.line.is_some_and(|line| (1..=lines).contains(&line))));
            false
        }
    });
}

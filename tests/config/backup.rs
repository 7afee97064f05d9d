//! `[backup.s3]`.

use crate::{Machine, minimal_and};

const AGE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

fn machine(backup: &str, s3: &str) -> Machine {
    let s3 = format!("[backup.s3]\nendpoint = \"https://s3.acme.example\"\nbucket = \"backups\"\n{s3}");
    let machine = Machine::new(&minimal_and(&format!("[backup]\n{backup}\n{s3}")));
    machine.write("credentials/backup-s3-key", "AKIDEXAMPLE:webhook-s3cr3t\n", 0o400);
    machine
}

#[test]
fn a_bucket_gets_what_is_encrypted_and_its_key_is_not_printed() {
    let made = format!("every = \"24h\"\ndirectory = \"/var/backups/fulcrum\"\nrecipient = \"{AGE}\"");
    let config = machine(&made, "prefix = \"/acme/fulcrum/\"\nkeep = 0").load().unwrap();
    let s3 = config.backup.schedule.as_ref().unwrap().s3.as_ref().unwrap();
    assert_eq!((s3.prefix.as_str(), s3.keep, s3.path_style), ("acme/fulcrum", None, true));
    assert_eq!(s3.key.expose(), "AKIDEXAMPLE:webhook-s3cr3t");
    assert!(!format!("{config:?}").contains("webhook-s3cr3t"));
}

#[test]
fn nothing_leaves_in_the_clear_unless_the_config_says_so() {
    let made = "every = \"24h\"\ndirectory = \"/var/backups/fulcrum\"";
    let config = machine(made, "unencrypted = true").load().unwrap();
    assert!(config.backup.schedule.unwrap().s3.unwrap().unencrypted);
    insta::assert_snapshot!(machine(made, "").complaints(), @"
    1 problem in the settings
      fulcrum.toml: backup.recipient: not set, expected a key that backups are encrypted for before they leave this machine, or backup.s3.unencrypted = true
    ");
    insta::assert_snapshot!(machine("", "unencrypted = true").complaints(), @"
    1 problem in the settings
      fulcrum.toml: backup.every: not set, expected how often, since backup.s3 is for those that the daemon makes by itself
    ");
}

#[test]
fn every_mistake_about_the_bucket_is_told() {
    let made = format!("every = \"24h\"\ndirectory = \"/var/backups/fulcrum\"\nrecipient = \"{AGE}\"");
    let machine = machine(&made, "prefix = \"a//b\"\nregion = \"us east\"\nkeep = 20000");
    machine.write("credentials/backup-s3-key", "webhook-s3cr3t\n", 0o400);
    insta::assert_snapshot!(machine.complaints(), @r#"
    4 problems in the settings
      fulcrum.toml:26: backup.s3.prefix: "a//b", expected a folder, such as "fulcrum"
      fulcrum.toml:27: backup.s3.region: "us east", expected a region, such as "us-east-1"
      fulcrum.toml:28: backup.s3.keep: 20000, expected a number from 0 to 10000
      fulcrum.toml: backup.s3.key_file: a secret without a colon, expected ID:SECRET
    "#);
    let address = "[backup.s3]\nendpoint = \"https://127.0.0.1:9000\"\nbucket = \"b\"\npath_style = false\nkey = \"A:webhook-s3cr3t\"";
    let machine = Machine::new(&minimal_and(&format!("[backup]\n{made}\n{address}")));
    machine.write("fulcrum.toml", &minimal_and(&format!("[backup]\n{made}\n{address}")), 0o600);
    insta::assert_snapshot!(machine.complaints(), @"
    1 problem in the settings
      fulcrum.toml:26: backup.s3.path_style: false, expected true, since backup.s3.endpoint has no name that the bucket could stand before
    ");
}

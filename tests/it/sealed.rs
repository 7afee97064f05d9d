//! A sealed store, as an operator meets it: nothing to be read in the file, another key while the daemon
//! runs, and what is said when a key is missing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use fulcrum_sandbox::Sandbox;
use memchr::memmem;

use crate::daemon::Daemon;
use crate::secrecy::{PHONE, applies};
use crate::world::{eventually, small};

const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What must not stand in the file: names, addresses and words of people.
const PRIVATE: [&str; 5] = ["Wilhelmina", "Quarterstaff", "wilhelmina@", "very private", "private.example"];

fn key_file(folder: &Path, keys: &[&str]) {
    let path = folder.join("store-keys");
    fs::write(&path, keys.join("\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

/// What of [`PRIVATE`] can be read in the file.
fn readable(store: &Path) -> Vec<&'static str> {
    let file = fs::read(store).unwrap();
    PRIVATE.into_iter().filter(|words| memmem::find(&file, words.as_bytes()).is_some()).collect()
}

fn command(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fulcrum"))
        .args(arguments)
        .arg("-c")
        .arg(daemon.folder.path().join("fulcrum.toml"))
        .env_clear()
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_people_can_be_read_in_a_sealed_file_and_without_its_key_it_stays_shut() {
    let sandbox = Sandbox::start(small()).await.unwrap();
    let mut daemon = Daemon::new(&sandbox, |_| {});
    daemon.start();
    let client = daemon.client();
    client.ready().await;
    let who = sandbox.happen(&applies()).unwrap();
    let opportunity = format!("opportunities/{}", who.opportunity);
    eventually("she is known", async || client.get(&opportunity).await.is_some()).await;
    assert_eq!(client.text(PHONE, "a very private matter", "key-one").await, Some(202));
    sandbox.inbound(PHONE, "a very private answer").unwrap();
    let made = async |kind: &str| sandbox.ledger().entries().iter().filter(|e| e.kind == kind).count();
    eventually("a note stands", async || made("note_created").await >= 1).await;
    daemon.terminate().await;
    let store = daemon.store();
    assert_eq!(readable(&store), PRIVATE, "in a plain file all of it can be read");

    // Sealed by itself, old bytes and all.
    key_file(daemon.folder.path(), &[ONE]);
    daemon.start();
    client.ready().await;
    let detail = async || client.ops("/health").await.unwrap_or_default();
    eventually("it is sealed", async || detail().await.contains("sealed with the key")).await;
    eventually("nothing can be read any more", async || readable(&store).is_empty()).await;
    let metrics = client.ops("/metrics").await.unwrap();
    assert!(metrics.contains("fulcrum_store_rows_to_seal 0\n"), "{metrics}");
    assert_eq!(client.text(PHONE, "another very private matter", "key-two").await, Some(202));
    daemon.terminate().await;
    assert_eq!(readable(&store), [""; 0]);

    // Another key, while the daemon runs.
    key_file(daemon.folder.path(), &[OTHER, ONE]);
    daemon.start();
    client.ready().await;
    eventually("the old key is needed no more", async || detail().await.contains("needs no more")).await;
    daemon.terminate().await;

    // Without it, nothing starts and nothing is changed.
    let before = fs::read(&store).unwrap();
    for keys in [&[ONE][..], &[]] {
        key_file(daemon.folder.path(), keys);
        if keys.is_empty() {
            fs::remove_file(daemon.folder.path().join("store-keys")).unwrap();
        }
        for arguments in [&["run"][..], &["export", "-"], &["status"]] {
            let output = command(&daemon, arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{arguments:?}: {said}");
            assert!(said.contains("sealed with the key") && said.contains("store.keys_file"), "{said}");
            assert!(!said.contains(ONE) && !said.contains(OTHER), "{said}");
        }
    }
    assert!(fs::read(&store).unwrap() == before, "the file was touched");
    key_file(daemon.folder.path(), &[OTHER]);
    let output = command(&daemon, &["export", "-"]);
    assert!(memmem::find(&output.stdout, b"another very private matter").is_some());
    let said = daemon.log();
    assert!(!said.contains(ONE) && !said.contains(OTHER), "a key was logged");
}

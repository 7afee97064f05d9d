//! A backup is made while everything goes on; what is restored from it does nothing until somebody says
//! so, and then neither texts nor files anything a second time that waited in it.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use fulcrum::bucket::Bucket;
use fulcrum::engine::changes::{Late, Unmuted};
use fulcrum::engine::{BackupPlan, CopyPlan, HealthStatus};
use fulcrum::store::tables::IDEMPOTENT;
use fulcrum::store::{self, Created, Keys, Read as _, SealKeys};
use fulcrum_domain::{Delivery, EffectKind, EffectState, SendFailure};
use fulcrum_sandbox::{Fault, Permission, Permissions, Remote, Rule};
use http::Method;
use jiff::SignedDuration;
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;

use crate::world::{World, eventually, request, small, to};

const PHONE: &str = "+12025550142";
const OTHER: &str = "+13125550187";

fn plan(world: &World) -> BackupPlan {
    BackupPlan {
        every: Duration::from_secs(3600),
        directory: world.folder().to_owned(),
        keep: 7,
        recipient: None,
        copies: None,
    }
}

fn failures(texts: &[fulcrum_domain::Message]) -> Vec<(Delivery, Option<SendFailure>)> {
    texts.iter().map(|text| (text.delivery, text.failure)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_is_silent_until_it_may_speak_and_repeats_nothing() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::FindAllNotes);
    let world = World::standing(options, |_| {}).await;
    let who = world.apply("Ana Ruiz", PHONE).await;
    world.receive(PHONE, "hello").await;
    world.text(to(&who), "see you at ten").await.unwrap();
    world.texted(1).await;
    world.idle().await;
    let at = |hours| Some(world.clock.now() + SignedDuration::from_hours(hours));
    for hours in [1, 30] {
        let later = request(to(&who), &format!("in {hours} hours"));
        world.engine.send_text(fulcrum::engine::SendRequest { send_at: at(hours), ..later }).await.unwrap();
    }
    // A transcript is on its way while Lever refuses, and the backup has it so.
    let failing = Rule::new(Remote::Lever, Fault::Status { code: 401, body: None }).method(&Method::POST);
    world.sandbox.faults().add(failing.path("/notes"));
    world.file(PHONE).await;
    eventually("the transcript waits", async || {
        let status = world.engine.status().await.unwrap();
        let told = world.engine.metrics().text(&status);
        let refused = told.lines().any(|line| line.contains("create_note") && line.contains("401"));
        refused && status.stored.outbox.get(&(EffectKind::Note, EffectState::Due)) == Some(&1)
    })
    .await;
    let now = world.clock.now();
    assert!(world.engine.backup_if_due(&plan(&world), now).await.unwrap());
    assert!(!world.engine.backup_if_due(&plan(&world), now).await.unwrap(), "the next one is not due");
    let told = world.engine.metrics().text(&world.engine.status().await.unwrap());
    let line = format!("fulcrum_last_backup_timestamp_seconds {}\n", now.as_second());
    assert!(told.contains(&line), "{told}");
    let backup = world.folder().join(format!("fulcrum-{}.backup", now.strftime("%Y%m%dT%H%M%SZ")));
    // What the original does afterwards.
    world.sandbox.faults().clear();
    world.advance(SignedDuration::from_mins(50));
    world.noted(1).await;
    world.advance(SignedDuration::from_mins(11));
    world.texted(2).await;

    let later = world.clock.now();
    let world = world
        .restart_after(Duration::from_secs(10), |folder| {
            let to = folder.join("fulcrum.redb");
            let restored = store::restore(&backup, None, &to, true, later, &SealKeys::default()).unwrap();
            assert!(restored.kept.unwrap().exists() && restored.contents.made_at < later);
        })
        .await;
    let status = world.engine.status().await.unwrap();
    assert!(status.stored.muted.is_some() && world.engine.is_muted());
    assert_eq!(status.health.components["outbox"].status, HealthStatus::Degraded);
    world.text(to(&who), "written in the copy").await.unwrap();
    world.advance(SignedDuration::from_hours(1));
    world.receive(OTHER, "somebody new").await;
    world.fetch(&who).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!((world.texts().len(), world.notes().len()), (2, 1), "nothing has left the copy");

    let late = Late::Fail(SignedDuration::from_hours(4));
    let told = world.engine.preview_unmute(late, "ana".into()).await.unwrap().unwrap();
    assert_eq!(told, Unmuted { texts: 1, late: 1, transcripts: 1, ..Unmuted::default() });
    assert!(world.engine.is_muted(), "a preview changes nothing");
    assert_eq!(world.engine.unmute(late, "ana".into()).await.unwrap(), Some(told));
    assert_eq!(world.engine.unmute(late, "ana".into()).await.unwrap(), None);
    let texts = world.texted(3).await;
    assert!(texts[2].1.contains("written in the copy"));
    eventually("the transcript was found in Lever", async || {
        !world.outbox().await.contains_key(&(EffectKind::Note, EffectState::Unknown))
    })
    .await;
    assert_eq!(world.notes().len(), 1, "it was not posted again");
    let texts = world.messages(PHONE).await;
    assert!(failures(&texts).contains(&(Delivery::Failed, Some(SendFailure::HeldBack))), "{texts:?}");
    world.advance(SignedDuration::from_hours(30));
    let texts = world.texted(4).await;
    assert!(texts[3].1.contains("in 30 hours"), "what was yet to come comes");
}

#[test]
fn what_older_programs_backed_up_is_restored_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut schemas = 0;
    for backup in fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()) {
        let name = backup.file_stem().unwrap().to_str().unwrap();
        let Some(schema) = name.strip_prefix("schema-").and_then(|schema| schema.parse::<u64>().ok()) else {
            continue;
        };
        let to = folder.path().join(name);
        let found = store::restore(&backup, None, &to, false, now, &SealKeys::default()).unwrap();
        assert_eq!(found.contents.schema, schema);
        let store = store::Store::open(store::Options::file(&to), Box::new(|_| {})).unwrap();
        let mut lines = Vec::new();
        store.read_here(|read| fulcrum::engine::export_all(read, now, false, &mut lines)).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        for kind in
            ["message", "transcript", "appointment", "booking", "bulk", "recipient", "opt_out", "erasure"]
        {
            let told = format!("\"type\":\"{kind}\"");
            assert!(lines.lines().any(|line| line.contains(&told)), "{name} has no {kind}");
        }
        // A text and an interview were asked for under a key, and would be again.
        let repeats = store.read_here(|read| read.list(IDEMPOTENT, &Keys::all(), 10)).unwrap();
        let of = |created: fn(&Created) -> bool| repeats.iter().any(|(_, row)| created(&row.created));
        assert!(of(|created| matches!(created, Created::Message(_))), "{name}");
        assert!(of(|created| matches!(created, Created::Appointment(_))), "{name}");
        schemas += 1;
    }
    assert!(schemas > 0);
}

/// A plan for copies, and what lies in its bucket.
fn copies(keep: usize, unencrypted: bool) -> (CopyPlan, Arc<InMemory>) {
    let storage = Arc::new(InMemory::new());
    let bucket = Bucket::on(storage.clone(), "acme", "a bucket in memory".to_owned()).unwrap();
    (CopyPlan { bucket, keep: NonZeroUsize::new(keep), unencrypted }, storage)
}

async fn names(plan: &CopyPlan) -> Vec<String> {
    plan.bucket.list(|_| true).await.unwrap().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_newer_than_all_copies_is_copied_and_the_oldest_are_taken_away() {
    let world = World::start(small()).await;
    let made = tempfile::tempdir().unwrap();
    let name = |day: u8| format!("fulcrum-202503{day:02}T000000Z.backup.age");
    let make = |name: &str| fs::write(made.path().join(name), name).unwrap();
    (1..=3).for_each(|day| make(&name(day)));
    make("fulcrum-20250304T000000Z.backup");
    make("fulcrum-20250305T000000Z.backup.age.part");
    let (plan, storage) = copies(2, false);
    storage.put(&"acme/somebody-elses".into(), "x".into()).await.unwrap();
    let copy = async || world.engine.copy_backups(made.path(), &plan).await.unwrap();
    assert_eq!(copy().await, 2, "as many as are kept, and none that anybody could read");
    assert_eq!(names(&plan).await, [name(2), name(3), "somebody-elses".to_owned()]);
    let there = storage.get(&format!("acme/{}", name(3)).into()).await.unwrap().bytes().await.unwrap();
    assert_eq!(there, name(3).as_bytes());
    assert_eq!(copy().await, 0);
    make(&name(6));
    make(&name(7));
    fs::remove_file(made.path().join(name(6))).unwrap();
    assert_eq!(copy().await, 1);
    assert_eq!(names(&plan).await, [name(3), name(7), "somebody-elses".to_owned()]);
    let told = world.engine.metrics().text(&world.engine.status().await.unwrap());
    for line in [
        "fulcrum_backup_copies_total{outcome=\"copied\"} 3",
        "fulcrum_last_backup_copy_timestamp_seconds 1741305600",
    ] {
        assert!(told.contains(line), "{told}");
    }
    // An emptied bucket gets them again; one for all alike gets what is not encrypted, too.
    let (plan, _) = copies(0, true);
    assert_eq!(world.engine.copy_backups(made.path(), &plan).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_copies_what_it_makes_but_not_from_a_restored_store() {
    let made = tempfile::tempdir().unwrap();
    let (plan, _) = copies(7, true);
    let world = World::start_with(small(), |settings| {
        settings.backup = Some(BackupPlan {
            every: Duration::from_secs(3600),
            directory: made.path().to_owned(),
            keep: 7,
            recipient: None,
            copies: Some(plan.clone()),
        });
    })
    .await;
    eventually("the first one is there", async || names(&plan).await.len() == 1).await;
    let health = async |words: &str| {
        let backup = world.engine.health().await.components["backup"].clone();
        backup.status == HealthStatus::Ok && backup.detail.contains(words)
    };
    eventually("health knows", async || health("the last one in the bucket").await).await;

    let backup = made.path().join(&names(&plan).await[0]);
    let later = world.clock.now();
    let world = world
        .restart_after(Duration::from_secs(10), |folder| {
            store::restore(&backup, None, &folder.join("fulcrum.redb"), true, later, &SealKeys::default())
                .unwrap();
            // Its schedule is due at once.
            fs::rename(&backup, made.path().join("aside")).unwrap();
        })
        .await;
    assert!(world.engine.is_muted());
    plan.bucket.remove(&names(&plan).await[0]).await.unwrap();
    eventually("a backup of the copy is made", async || {
        fs::read_dir(made.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_str().is_some_and(|name| name.ends_with(".backup")))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(names(&plan).await, [""; 0], "the original's bucket was touched");
}

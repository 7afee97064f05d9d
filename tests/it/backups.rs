//! A backup is made while everything goes on; what is restored from it does nothing until somebody says
//! so, and then neither texts nor files anything a second time that waited in it.

use std::time::Duration;

use fulcrum::engine::changes::{Late, Unmuted};
use fulcrum::engine::{BackupPlan, HealthStatus};
use fulcrum::store::tables::IDEMPOTENT;
use fulcrum::store::{self, Created, Keys, Read as _};
use fulcrum_domain::{Delivery, SendFailure};
use fulcrum_sandbox::{Fault, Permission, Permissions, Remote, Rule};
use http::Method;
use jiff::SignedDuration;

use crate::world::{World, eventually, request, small, to};

const PHONE: &str = "+12025550142";
const OTHER: &str = "+13125550187";

fn plan(world: &World) -> BackupPlan {
    BackupPlan {
        every: Duration::from_secs(3600),
        directory: world.folder().to_owned(),
        keep: 7,
        recipient: None,
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
        refused && status.stored.outbox.get(&("note", "due")) == Some(&1)
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
            let restored = store::restore(&backup, None, &to, true, later).unwrap();
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
    assert_eq!(told, Unmuted { texts: 1, late: 1, transcripts: 1, others: 0 });
    assert!(world.engine.is_muted(), "a preview changes nothing");
    assert_eq!(world.engine.unmute(late, "ana".into()).await.unwrap(), Some(told));
    assert_eq!(world.engine.unmute(late, "ana".into()).await.unwrap(), None);
    let texts = world.texted(3).await;
    assert!(texts[2].1.contains("written in the copy"));
    eventually("the transcript was found in Lever", async || {
        !world.engine.status().await.unwrap().stored.outbox.contains_key(&("note", "unknown"))
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
    for backup in std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()) {
        let name = backup.file_stem().unwrap().to_str().unwrap();
        let Some(schema) = name.strip_prefix("schema-").and_then(|schema| schema.parse::<u64>().ok()) else {
            continue;
        };
        let to = folder.path().join(name);
        let found = store::restore(&backup, None, &to, false, now).unwrap();
        assert_eq!(found.contents.schema, schema);
        let store = store::Store::open(store::Options::file(&to), Box::new(|_| {})).unwrap();
        let mut lines = Vec::new();
        store.read_here(|read| fulcrum::engine::export_all(read, now, &mut lines)).unwrap();
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

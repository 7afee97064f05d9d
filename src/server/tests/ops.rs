//! Health and metrics, by the names that others rely on.

use fulcrum_domain::{Activity, ActivityKind, Actor, Delivery};

use super::*;
use crate::carrier::StatusUpdate;
use crate::engine::audit::{AuditOutputs, export};
use crate::engine::changes::note;

#[tokio::test]
async fn health_tells_of_every_component() {
    let world = World::start(Choice::default()).await;
    let get = async |path| Answer::of(world.client.get(world.ops_url(path))).await;
    assert_eq!(get("/health/live").await.status, 200);
    assert_eq!(get("/health/ready").await.status, 200);
    let health = get("/health").await;
    assert_eq!(health.status, 200);
    let body = health.json();
    let parts: Vec<_> = body["components"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        parts,
        [
            "audit",
            "backfill",
            "backup",
            "calendars",
            "carrier",
            "clock",
            "config",
            "lever",
            "listener",
            "outbox",
            "search",
            "store"
        ]
    );
    for part in body["components"].as_object().unwrap().values() {
        assert!(part["status"].is_string() && part["since"].is_string() && part["detail"].is_string());
    }
    get("/api/v1/status").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_store_that_has_failed_is_neither_alive_nor_ready() {
    let world = World::start(Choice::default()).await;
    world.engine.broken().cancel();
    let get = async |path| Answer::of(world.client.get(world.ops_url(path))).await;
    get("/health/live").await.problem(503, "unavailable");
    get("/health/ready").await.problem(503, "unavailable");
    let health = get("/health").await;
    assert_eq!((health.status, &health.json()["status"]), (503, &"failing".into()));
}

/// The file's disk is gone, so that nothing can be read: whoever asks is told which part that is, and
/// what of the others is not known.
#[tokio::test]
async fn health_names_its_parts_when_the_file_cannot_be_read() {
    let disk = disk::Disk::default();
    let file = store::Options::backend(disk.clone()).cache_bytes(0);
    let world = World::start_on(file, tempfile::tempdir().unwrap(), Choice::default()).await;
    let parts = |health: &Value| -> Vec<String> {
        health["components"].as_object().unwrap().keys().cloned().collect()
    };
    let healthy = parts(&Answer::of(world.client.get(world.ops_url("/health"))).await.json());
    disk.die(disk::Death::AtOperation(1));
    Answer::of(world.client.get(world.ops_url("/health/ready"))).await.problem(503, "unavailable");
    assert!(world.engine.status().await.is_err(), "this test is about a file that cannot be read");
    let health = Answer::of(world.client.get(world.ops_url("/health"))).await;
    let body = health.json();
    assert_eq!((health.status, &body["status"]), (503, &"failing".into()));
    let part = |name: &str, what: &str| body["components"][name][what].as_str().unwrap().to_owned();
    assert_eq!(part("store", "status"), "failing");
    assert_eq!(part("outbox", "status"), "degraded");
    assert!(part("outbox", "detail").contains("not known"), "{body}");
    assert_eq!(parts(&body), healthy);
}

#[tokio::test]
async fn the_metrics_have_the_names_that_dashboards_rely_on() {
    let world = World::start(Choice::default()).await;
    world.post("/hooks/lever", "{}").await;
    world.post_json("/api/v1/messages", ADMIN, &serde_json::json!({"to": "+14155552671", "body": "x"})).await;
    world.engine.metrics().filed(0.5);
    let newer = world.client.get(world.ops_url("/metrics")).header("accept", "application/openmetrics-text");
    let newer = Answer::of(newer).await;
    assert!(newer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(newer.text.ends_with("# EOF\n"));
    assert!(newer.text.contains("# TYPE fulcrum_webhooks counter\n"));
    let metrics = Answer::of(world.client.get(world.ops_url("/metrics"))).await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(!metrics.text.contains("# EOF") && !metrics.text.contains("# UNIT"));
    for name in [
        "# HELP fulcrum_webhooks_total ",
        "# TYPE fulcrum_webhooks_total counter",
        "# TYPE fulcrum_note_lag_seconds histogram",
        "fulcrum_webhooks_total{event=\"unknown\",outcome=\"malformed\"} 1",
        // What did not happen yet can be watched all the same.
        "fulcrum_webhooks_total{event=\"candidate_hired\",outcome=\"stored\"} 0",
        "fulcrum_outbox_rows{effect=\"note\",state=\"failed\"} 0",
        "fulcrum_messages_total{direction=\"in\",status=\"received\"} 0",
        "fulcrum_lever_requests_total{lane=",
        "fulcrum_lever_rate_used_ratio ",
        "fulcrum_backfill_done ",
        "fulcrum_backfill_known ",
        "fulcrum_outbox_rows{effect=\"send\",state=",
        "fulcrum_outbox_oldest_seconds ",
        "fulcrum_deadlines_pending ",
        "fulcrum_notes_filed_total 1",
        "fulcrum_note_lag_seconds_bucket{le=\"0.5\"} 1",
        "fulcrum_messages_total{direction=\"out\",status=\"queued\"} 1",
        "fulcrum_store_bytes ",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
        "process_open_fds ",
        "fulcrum_component_state{component=\"lever\"} ",
    ] {
        assert!(
            metrics.text.lines().any(|line| line.starts_with(name)),
            "{name} is missing in {}",
            metrics.text
        );
    }
}

#[tokio::test]
async fn a_text_is_counted_once_in_each_status_however_often_it_is_reported() {
    let world = World::start(Choice::default()).await;
    let text = serde_json::json!({"to": "+14155552671", "body": "x"});
    let sent = world.post_json("/api/v1/messages", ADMIN, &text).await.json();
    for status in [Delivery::Accepted, Delivery::Sending, Delivery::Sent, Delivery::Sending, Delivery::Sent] {
        let update = StatusUpdate {
            mid: Some(sent["id"].as_str().unwrap().parse().unwrap()),
            sid: "SM0123456789abcdef0123456789abcdef".parse().unwrap(),
            status: Some(status),
            failure: None,
        };
        assert!(world.engine.take_status(update).await.unwrap());
    }
    let metrics = Answer::of(world.client.get(world.ops_url("/metrics"))).await.text;
    let counts = |line: &&str| line.starts_with("fulcrum_messages_total") && !line.ends_with(" 0");
    let lines: Vec<_> = metrics.lines().filter(counts).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for status in ["queued", "sent"] {
        let line = format!("fulcrum_messages_total{{direction=\"out\",status=\"{status}\"}} 1");
        assert!(lines.contains(&line.as_str()), "{line}: {lines:?}");
    }
}

#[tokio::test]
async fn an_audit_log_that_cannot_be_written_degrades_health_until_its_folder_is_there() {
    let world = World::start(Choice::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log/audit.jsonl");
    let audit = AuditOutputs { file: Some(path.clone()), syslog: None };
    let settings = world.engine.settings.load_full();
    world.engine.replace_settings(Settings { audit, ..(*settings).clone() });
    let happen = async || {
        let now = world.engine.now();
        let entry = Activity::new(now, Actor::fulcrum(), ActivityKind::Admin, "something was changed");
        world.engine.store.change(move |tx| note(tx, &entry)).await.unwrap();
    };
    let health = async |wanted: &str| {
        for _ in 0..1000 {
            let health = Answer::of(world.client.get(world.ops_url("/health"))).await;
            let part = health.json()["components"]["audit"].clone();
            if part["status"] == wanted {
                return part["detail"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the audit log's health is never {wanted}");
    };
    happen().await;
    let detail = health("degraded").await;
    assert!(detail.contains("log/audit.jsonl") && detail.contains("audit.file"), "{detail}");
    happen().await;
    std::fs::create_dir(folder.path().join("log")).unwrap();
    health("ok").await;
    let mut exported = Vec::new();
    world.engine.store.read_here(|read| export(read, &mut exported)).unwrap();
    assert_eq!(String::from_utf8(exported).unwrap(), std::fs::read_to_string(&path).unwrap());
}

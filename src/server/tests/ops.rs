//! Health and metrics, by the names that others rely on.

use super::*;

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
    assert_eq!(parts, ["backfill", "carrier", "clock", "lever", "outbox", "store"]);
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

#[tokio::test]
async fn the_metrics_have_the_names_that_dashboards_rely_on() {
    let world = World::start(Choice::default()).await;
    world.post("/hooks/lever", "{}").await;
    world.post_json("/api/v1/messages", ADMIN, &serde_json::json!({"to": "+14155552671", "body": "x"})).await;
    world.engine.metrics().filed(0.5);
    world.engine.metrics().message("in", "received");
    let metrics = Answer::of(world.client.get(world.ops_url("/metrics"))).await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text.ends_with("# EOF\n"));
    for name in [
        "fulcrum_webhooks_total{event=\"unknown\",outcome=\"malformed\"} 1",
        "fulcrum_lever_requests_total{lane=",
        "fulcrum_lever_rate_used_ratio ",
        "fulcrum_backfill_done ",
        "fulcrum_backfill_known ",
        "fulcrum_outbox_rows{effect=\"send\",state=",
        "fulcrum_outbox_oldest_seconds ",
        "fulcrum_deadlines_pending ",
        "fulcrum_notes_filed_total 1",
        "fulcrum_note_lag_seconds_bucket{le=\"0.5\"} 1",
        "fulcrum_messages_total{direction=",
        "fulcrum_store_bytes ",
        "fulcrum_process_resident_bytes ",
    ] {
        assert!(
            metrics.text.lines().any(|line| line.starts_with(name)),
            "{name} is missing in {}",
            metrics.text
        );
    }
}

//! A POST that is repeated with its key has its effect once, and is answered with what came of it then; where it
//! is answered how something stands, with how it stands now.

use http::Method;
use serde_json::json;

use super::*;
use crate::engine::changes;
use crate::server::api;
use crate::store::tables::{CONSENTS, MUTED, OPPORTUNITIES};
use crate::store::{Keys, Muted, Read, StoreError};

const THEIRS: &str = "+14155552671";

impl World {
    async fn with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.client.post(self.url(path)).bearer_auth(ADMIN).header("Idempotency-Key", key);
        Answer::of(request.json(body)).await
    }

    /// The same request twice: the second answer.
    async fn twice(&self, path: &str, key: &str, body: &Value) -> Value {
        let first = self.with_key(path, key, body).await;
        assert!((200..300).contains(&first.status), "{path}: {first:?}");
        let again = self.with_key(path, key, body).await;
        assert_eq!((again.status, again.json()), (first.status, first.json()), "{path}");
        again.json()
    }

    /// A candidate with a conversation, and its id.
    async fn with_candidate(&self) -> String {
        let put = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            let (row, id) = (desk::candidate(THEIRS, false), "opp-1".parse().unwrap());
            let number = fulcrum_domain::Number::from_e164(THEIRS).unwrap();
            tx.put(store::tables::BY_NUMBER, &(number, "opp-1".parse().unwrap()), &())?;
            tx.put(store::tables::BY_CONTACT, &(row.contact.clone(), "opp-1".parse().unwrap()), &())?;
            tx.put(OPPORTUNITIES, &id, &row).map(drop)
        };
        self.engine.store.change(put).await.unwrap();
        let sent = self.post_json("/api/v1/messages", ADMIN, &json!({"to": THEIRS, "body": "Hi"})).await;
        sent.json()["conversation"].as_str().unwrap().to_owned()
    }
}

/// What has no effect.
const ONLY_READ: [&str; 1] = ["/api/v1/templates/{id}/render"];

#[tokio::test]
async fn a_key_of_another_request_is_refused_everywhere() {
    let world = World::start(Choice::default()).await;
    let first = json!({"number": "+14155552672", "reason": "called"});
    assert_eq!(world.with_key("/api/v1/opt-outs", "k", &first).await.status, 200);
    for route in api::table().into_iter().filter(|route| route.method == Method::POST) {
        let path = route.path.replace("{id}", "1").replace("{name}", "x").replace("{step}", "stop");
        let answer = world.with_key(&path, "k", &json!({})).await;
        if ONLY_READ.contains(&route.path) {
            assert_ne!(answer.json()["type"], "/problems/key-reused");
        } else {
            answer.problem(422, "key-reused");
        }
    }
    // The same words to another path are another request.
    world.with_key("/api/v1/conversations/1/archive", "l", &json!({})).await.problem(422, "invalid");
    let id = world.with_candidate().await;
    let words = json!({"answer": "yes", "reason": "called"});
    let path = format!("/api/v1/conversations/{id}/consent");
    assert_eq!(world.with_key(&path, "l", &words).await.status, 200, "what was refused used no key");
    world.with_key("/api/v1/opportunities/opp-1/consent", "l", &words).await.problem(422, "key-reused");
}

#[tokio::test]
async fn a_repeat_does_nothing_more_and_is_told_the_same() {
    let world = World::start(Choice::default()).await;
    let id = world.with_candidate().await;
    let of = |what: &str| format!("/api/v1/conversations/{id}/{what}");
    // Consent is evidence: one row for what was said once.
    world.twice(&of("consent"), "consent", &json!({"answer": "yes", "reason": "called"})).await;
    let rows = world.engine.store.read(|read| read.list(CONSENTS, &Keys::all(), 9)).await.unwrap();
    assert_eq!(rows.len(), 1);
    // What somebody else did meanwhile stays, and is told.
    let assign = async |key: &str, to: &str| {
        world.with_key(&of("assign"), key, &json!({"account": to})).await.json()["assigned"].clone()
    };
    assert_eq!(assign("a", "ana@acme.example").await, "ana@acme.example");
    assert_eq!(assign("b", "bea@acme.example").await, "bea@acme.example");
    assert_eq!(assign("a", "ana@acme.example").await, "bea@acme.example");
    let reader = json!({"account": "ana@acme.example", "up_to": "2026-01-01T00:00:00Z"});
    world.twice(&of("read"), "read", &reader).await;
    // Nothing is left to be done the second time.
    world.twice(&of("file"), "file", &json!({})).await;
    let whom = |release: bool| json!({"opportunity": "opp-1", "reason": "a case", "release": release});
    assert_eq!(world.twice("/api/v1/holds", "hold", &whom(false)).await["opportunities"], 1);
    assert_eq!(world.twice("/api/v1/holds", "release", &whom(true)).await["opportunities"], 1);
    world.twice("/api/v1/copies", "copy", &json!({"kind": "backup", "rows": 7, "encrypted": true})).await;
    let wanted = json!({"name": "Spring", "template": "hello", "opportunities": ["opp-1"]});
    world.twice("/api/v1/bulk", "bulk", &wanted).await;
    assert_eq!(world.twice("/api/v1/bulk/1/stop", "stop", &json!({})).await["state"], "stopped");
    world.with_key("/api/v1/bulk/1/stop", "again", &json!({})).await.problem(409, "not-now");
    world.twice("/api/v1/opt-outs", "opt-out", &json!({"number": THEIRS, "reason": "called"})).await;
    let past = json!({
        "number": THEIRS, "direction": "in", "at": "2025-03-04T09:30:00Z", "body": "Yes", "author": null,
        "our_number": null,
    });
    assert_eq!(world.twice("/api/v1/imports", "import", &json!({"messages": [past]})).await["texts"], 1);
    // The certificate is not lost with its answer.
    let erase = json!({"opportunity": "opp-1", "dry_run": false});
    assert_eq!(world.twice("/api/v1/erasures", "erase", &erase).await["id"], 1);
    world.with_key("/api/v1/erasures", "anew", &erase).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_was_retried_given_up_or_let_go_is_so_once() {
    let world = World::start(Choice::default()).await;
    let fail = |tx: &mut store::Tx<'_>| {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let mut moment = crate::engine::clock::Moment::new(at, 1);
        for id in ["opp-1", "opp-2"] {
            let effect = fulcrum_domain::Effect::Hydrate(id.parse().unwrap());
            changes::ask(tx, &effect, fulcrum_domain::Lane::Live, at)?;
            let failed = fulcrum_domain::EffectState::Failed;
            changes::postpone(tx, &effect, failed, Some(at), "refused", &mut moment)?;
        }
        let muted = Muted { since: at, made_at: at };
        tx.put(MUTED, &(), &muted).map(drop)
    };
    world.engine.store.change(fail).await.unwrap();
    let what = |id: &str| json!({"kind": "hydrate", "id": id});
    world.twice("/api/v1/outbox/give-up", "give-up", &what("opp-1")).await;
    world.with_key("/api/v1/outbox/give-up", "anew", &what("opp-1")).await.problem(404, "not-found");
    world.twice("/api/v1/outbox/retry", "retry", &what("opp-2")).await;
    world.with_key("/api/v1/outbox/retry", "more", &what("opp-2")).await.problem(404, "not-found");
    let unmute = json!({"dry_run": false});
    world.twice("/api/v1/unmute", "unmute", &unmute).await;
    world.with_key("/api/v1/unmute", "once-more", &unmute).await.problem(404, "not-found");
}

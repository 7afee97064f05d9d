//! The API: who may use what, and what is answered to each mistake.

use serde_json::json;

use super::*;
use crate::carrier::ReceivedText;
use crate::store::tables::{DELETED, OPPORTUNITIES};
use crate::store::{Deleted, StoreError};

fn number(n: u32) -> String {
    format!("+1415555{n:04}")
}

fn text_to(to: &str) -> Value {
    json!({"to": to, "body": "Hello"})
}

#[tokio::test]
async fn what_is_no_bearer_token_lets_nobody_in() {
    let world = World::start(Choice::default()).await;
    let with = async |value: &[u8]| {
        let value = http::HeaderValue::from_bytes(value).unwrap();
        let request = world.client.get(world.url("/api/v1/status")).header("authorization", value);
        Answer::of(request).await
    };
    let nearly = format!("Bearer {}", &ADMIN[..ADMIN.len() - 1]);
    let basic = format!("Basic {ADMIN}");
    for value in [b"Bearer" as &[u8], b"Bearer ", b"Bearer \xff", nearly.as_bytes(), basic.as_bytes()] {
        with(value).await.problem(401, "no-token");
    }
    assert_eq!(with(format!("bearer {ADMIN}").as_bytes()).await.status, 200);
    world.running.replace_keys(Keys::new(&WebhookTokens::default(), None, &[]));
    with(format!("Bearer {ADMIN}").as_bytes()).await.problem(401, "no-token");
}

#[tokio::test]
async fn a_text_is_taken_and_listed() {
    let world = World::start(Choice::default()).await;
    let taken = world.post_json("/api/v1/messages", RECRUITER, &text_to("(415) 555-2671")).await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let taken = taken.json();
    assert_eq!(taken["status"], "queued");
    let id = taken["conversation"].as_str().unwrap();
    let one = world.get(&format!("/api/v1/conversations/{id}"), VIEWER).await.json();
    assert_eq!((&one["number"], &one["transcripts"]), (&"+14155552671".into(), &json!([])));
    let messages = world.get(&format!("/api/v1/conversations/{id}/messages"), VIEWER).await.json();
    assert_eq!(
        (&messages["data"][0]["id"], &messages["data"][0]["direction"]),
        (&taken["id"], &"out".into())
    );
    assert_eq!(messages["data"][0]["author_name"], "scripts");
    let filed = world.post_json(&format!("/api/v1/conversations/{id}/file"), RECRUITER, &json!({})).await;
    assert_eq!(
        (filed.status, filed.json()),
        (
            202,
            json!({
                "transcripts": 0,
                "waits_for": "somebody who says whom it is about: its number is on no profile in Lever",
            })
        )
    );
}

#[tokio::test]
async fn a_repeat_under_its_key_sends_nothing_more() {
    let world = World::start(Choice::default()).await;
    let send = async |token: &'static str, key: &str, to: &str| {
        let request = world.client.post(world.url("/api/v1/messages")).bearer_auth(token);
        Answer::of(request.header("Idempotency-Key", key).json(&text_to(to))).await
    };
    let first = send(RECRUITER, "k", "+14155552671").await.json();
    assert_eq!(send(RECRUITER, "k", "+14155552671").await.json()["id"], first["id"]);
    send(RECRUITER, "k", "+14155552672").await.problem(422, "key-reused");
    assert_ne!(send(ADMIN, "k", "+14155552671").await.json()["id"], first["id"], "each caller has their own");
    assert_ne!(send(RECRUITER, "l", "+14155552671").await.json()["id"], first["id"]);
    for key in ["", &"k".repeat(256)] {
        send(RECRUITER, key, "+14155552671").await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn what_is_no_text_is_refused_at_its_field() {
    let world = World::start(Choice::default()).await;
    let cases = [
        (json!({"body": "x"}), None),
        (json!({"to": "+14155552671"}), Some("/body")),
        (json!({"to": "+14155552671", "body": "  "}), Some("/body")),
        (json!({"to": "+14155552671", "body": "x".repeat(1601)}), Some("/body")),
        (json!({"to": "+14155552671", "body": 7}), Some("/body")),
        (json!({"to": "12", "body": "x"}), Some("/to")),
        (json!({"to": "call me", "body": "x"}), Some("/to")),
        (json!({"to": "+14155552671", "body": "x", "from": "+14155552672"}), Some("/from")),
        (json!({"to": "+14155552671", "body": "x", "as": "nobody@acme.example"}), Some("/as")),
        (json!({"to": "+14155552671", "body": "x".repeat(1601)}), Some("/body")),
        (json!({"to": "+14155552671", "body": "x".repeat(900_000)}), Some("/body")),
        (json!({"to": "+14155552671", "body": "x", "send_at": "tomorrow"}), Some("/send_at")),
        (json!({"to": "+14155552671", "body": "x", "send_at": "9999-12-30T22:00:00.9Z"}), Some("/send_at")),
        (json!({"to": "+14155552671", "body": "x", "sendAt": "2026-01-01T00:00:00Z"}), Some("/sendAt")),
    ];
    for (body, pointer) in cases {
        let answer = world.post_json("/api/v1/messages", RECRUITER, &body).await;
        assert_eq!(answer.problem(422, "invalid").as_deref(), pointer, "{answer:?}");
    }
    assert_eq!(world.get("/api/v1/conversations", VIEWER).await.json()["data"], json!([]));
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let world = World::start(Choice::default()).await;
    let send = async |media_type: &'static str, body: Vec<u8>| {
        let request = world.client.post(world.url("/api/v1/messages")).bearer_auth(RECRUITER);
        Answer::of(request.header("content-type", media_type).body(body)).await
    };
    for body in [b"".as_slice(), b"[]", b"{\"to\":", b"{\"body\":\"\xff\"}", "[".repeat(60_000).as_bytes()] {
        send("application/json", body.to_vec()).await.problem(400, "malformed");
    }
    send("application/json; charset=utf-8", vec![b' '; 1025 * 1024]).await.problem(413, "too-large");
    let elsewhere = world.client.post(world.url("/api/v1/opt-outs")).bearer_auth(RECRUITER);
    let elsewhere = elsewhere.header("content-type", "application/json").body(vec![b' '; 65 * 1024]);
    Answer::of(elsewhere).await.problem(413, "too-large");
    send("text/plain", b"{}".to_vec()).await.problem(415, "not-json");
}

#[tokio::test]
async fn an_opted_out_number_is_refused() {
    let world = World::start(Choice::default()).await;
    let stop = ReceivedText {
        sid: "SM1".parse().unwrap(),
        from: "+14155552671".into(),
        to: OURS.into(),
        body: "STOP".into(),
        media: Vec::new(),
        segments: 1,
        opt_out: None,
        at: None,
    };
    world.engine.take_text(stop).await.unwrap();
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await.problem(409, "opted-out");
    let lift = json!({ "opted_out": false, "reason": "asked us to" });
    let path = "/api/v1/conversations/0001/opt-out";
    world.post_json(path, RECRUITER, &lift).await.problem(403, "forbidden");
    world.post_json(path, ADMIN, &lift).await.problem(409, "opted-out");
}

#[tokio::test]
async fn a_person_records_an_opt_out_and_an_admin_lifts_it() {
    let world = World::start(Choice::default()).await;
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await;
    let path = "/api/v1/conversations/0001/opt-out";
    let wish = |opted_out: bool| json!({ "opted_out": opted_out, "reason": "said so on the telephone" });
    assert_eq!(world.post_json(path, RECRUITER, &wish(true)).await.status, 200);
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await.problem(409, "opted-out");
    world.post_json(path, RECRUITER, &wish(false)).await.problem(403, "forbidden");
    assert_eq!(world.post_json(path, ADMIN, &wish(false)).await.status, 200);
    assert_eq!(world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await.status, 202);
    world.post_json(path, ADMIN, &json!({ "opted_out": true })).await.problem(422, "invalid");
}

#[tokio::test]
async fn an_opt_out_is_recorded_for_any_number_with_its_day() {
    let world = World::start(Choice::default()).await;
    let wish = |on: &str| json!({ "number": "(415) 555-2671", "reason": "a letter", "on": on });
    let path = "/api/v1/opt-outs";
    assert_eq!(world.post_json(path, RECRUITER, &wish("2020-03-04")).await.status, 200);
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await.problem(409, "opted-out");
    world.post_json(path, RECRUITER, &wish("9999-01-01")).await.problem(422, "invalid");
    world
        .post_json(path, RECRUITER, &json!({ "number": "none", "reason": "x" }))
        .await
        .problem(422, "invalid");
    world.post_json(path, RECRUITER, &json!({ "number": "+14155552671" })).await.problem(422, "invalid");
    world.post_json(path, VIEWER, &wish("2020-03-04")).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_no_holds_texts_back_until_somebody_says_yes() {
    let world = World::start(Choice::default()).await;
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await;
    let path = "/api/v1/conversations/0001/consent";
    let said = |answer: &str| json!({ "answer": answer, "reason": "on the telephone" });
    let listed = world.post_json(path, RECRUITER, &said("no")).await.json();
    assert_eq!(
        (&listed["data"][0]["answer"], &listed["data"][0]["source"]),
        (&json!("no"), &json!("person"))
    );
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await.problem(409, "held-back");
    world.post_json(path, RECRUITER, &said("perhaps")).await.problem(422, "invalid");
    assert_eq!(world.post_json(path, RECRUITER, &said("yes")).await.status, 200);
    assert_eq!(world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await.status, 202);
    assert_eq!(world.get(path, VIEWER).await.json()["data"][0]["answer"], "yes");
}

#[tokio::test]
async fn a_person_says_in_which_time_zone_a_candidate_is() {
    let world = World::start(Choice::default()).await;
    world.post_json("/api/v1/messages", RECRUITER, &text_to("+14155552671")).await;
    let path = "/api/v1/conversations/0001/timezone";
    let set = |zone: Value| json!({ "timezone": zone });
    world.post_json(path, VIEWER, &set(json!("America/Chicago"))).await.problem(403, "forbidden");
    for wrong in ["", "Chicago", "UTC+5", "../zoneinfo"] {
        world.post_json(path, RECRUITER, &set(json!(wrong))).await.problem(422, "invalid");
    }
    let answer = world.post_json(path, RECRUITER, &set(json!("america/chicago"))).await;
    assert_eq!(answer.json(), set(json!("America/Chicago")));
    world.post_json(path, RECRUITER, &set(json!("America/Chicago"))).await;
    let facts = world.get("/c/0001", RECRUITER).await.text;
    assert!(facts.contains("(set by hand)"), "{facts}");
    assert!(!world.get("/c/0001", VIEWER).await.text.contains("/0001/timezone"));
    assert_eq!(world.post_json(path, RECRUITER, &set(Value::Null)).await.json(), set(Value::Null));
    assert!(!world.get("/c/0001", RECRUITER).await.text.contains("(set by hand)"));
    let told = world.get("/api/v1/activity?kind=desk", ADMIN).await.json();
    let told: Vec<_> = told["data"].as_array().unwrap().iter().map(|one| one["detail"].clone()).collect();
    assert_eq!(
        told,
        [
            "the candidate's time zone goes by the number again",
            "the candidate's time zone is America/Chicago"
        ]
    );
    let nowhere = "/api/v1/conversations/0009/timezone";
    world.post_json(nowhere, RECRUITER, &set(json!("America/Chicago"))).await.problem(404, "not-found");
}

#[tokio::test]
async fn opportunities_are_shown_unknown_or_gone() {
    let world = World::start(Choice::default()).await;
    let at = Timestamp::from_second(1_741_097_520).unwrap();
    let known = fulcrum_domain::Opportunity {
        contact: "con-1".parse().unwrap(),
        name: "Ada Example".into(),
        phones: vec![fulcrum_domain::Phone {
            kind: None,
            number: Some(fulcrum_domain::Number::from_e164("+14155552671").unwrap()),
            raw: None,
        }],
        emails: Vec::new(),
        stage: "applicant-new".parse().unwrap(),
        archived: None,
        owner: None,
        application: None,
        posting: None,
        tags: Vec::new(),
        confidential: false,
        anonymised: false,
        created_at: at,
        advanced_at: at,
        updated_at: None,
        as_of: at,
        interviews_as_of: None,
    };
    let change = move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        tx.put(OPPORTUNITIES, &"opp-1".parse().unwrap(), &known)?;
        tx.put(DELETED, &"opp-2".parse().unwrap(), &Deleted(at))?;
        Ok(())
    };
    world.engine.store.change(change).await.unwrap();

    let shown = world.get("/api/v1/opportunities/opp-1", VIEWER).await.json();
    assert_eq!((&shown["name"], &shown["stage"]["id"]), (&"Ada Example".into(), &"applicant-new".into()));
    assert_eq!((&shown["archived"], &shown["conversations"]), (&Value::Null, &json!([])));
    assert_eq!((&shown["contact"], &shown["as_of"]), (&"con-1".into(), &"2025-03-04T14:12:00Z".into()));
    world.get("/api/v1/opportunities/opp-2", VIEWER).await.problem(410, "deleted");
    for id in ["opp-3", "..%2f", "%ff", "a%20b", &"x".repeat(200)] {
        world.get(&format!("/api/v1/opportunities/{id}"), VIEWER).await.problem(404, "not-found");
    }

    let text = async |id: &str| {
        world.post_json("/api/v1/messages", RECRUITER, &json!({"opportunity": id, "body": "Hello"})).await
    };
    let sent = text("opp-1").await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let shown = world.get("/api/v1/opportunities/opp-1", VIEWER).await.json();
    assert_eq!(shown["conversations"], json!([sent.json()["conversation"]]));
    assert_eq!(text("opp-2").await.problem(410, "deleted").unwrap(), "/opportunity");
    assert_eq!(text("a b").await.problem(404, "not-found").unwrap(), "/opportunity");
    assert_eq!(
        world.get("/api/v1/templates", VIEWER).await.json(),
        json!({"data": [{"id": "hello", "name": "Say hello"}], "next": null})
    );
    let fill = async |template: &str, body: Value| {
        world.post_json(&format!("/api/v1/templates/{template}/render"), RECRUITER, &body).await
    };
    let held = fill("hello", json!({"opportunity": "opp-1"})).await;
    assert!(held.json()["detail"].as_str().unwrap().contains("sender.name"), "{held:?}");
    held.problem(422, "invalid");
    fill("other", json!({"opportunity": "opp-1"})).await.problem(404, "not-found");
    for (body, status, kind, pointer) in [
        (json!({}), 422, "invalid", "/opportunity"),
        (json!({"opportunity": "opp-3"}), 404, "not-found", "/opportunity"),
        (json!({"opportunity": "opp-1", "as": "nobody@acme.example"}), 422, "invalid", "/as"),
    ] {
        assert_eq!(fill("hello", body).await.problem(status, kind).unwrap(), pointer);
    }
    let unreachable = text("opp-3").await;
    unreachable.problem(503, "lever-unreachable");
    assert!(!unreachable.header("retry-after").is_empty());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::start(Choice::default()).await;
    for n in 2600..2605 {
        assert_eq!(world.post_json("/api/v1/messages", ADMIN, &text_to(&number(n))).await.status, 202);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/conversations?limit=2".to_owned();
    let mut pages = 1;
    loop {
        let page = world.get(&path, VIEWER).await.json();
        seen.extend(
            page["data"].as_array().unwrap().iter().map(|row| row["number"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        pages += 1;
        path = format!("/api/v1/conversations?limit=2&cursor={next}");
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (2600..2605).rev().map(number).collect::<Vec<_>>());

    for query in ["limit=0", "limit=201", "limit=x", "limit=-1", "cursor=!", "cursor=AAAA", "curser=x"] {
        let answer = world.get(&format!("/api/v1/conversations?{query}"), VIEWER).await;
        assert_eq!(answer.problem(400, "malformed"), None, "{query}");
    }
    for id in ["ZZZZ", "!", "x%2Fy", "ZZZZZZZZZZZZZZZZZZZZ"] {
        for path in ["", "/messages"] {
            world.get(&format!("/api/v1/conversations/{id}{path}"), VIEWER).await.problem(404, "not-found");
        }
    }
}

#[tokio::test]
async fn the_status_has_what_scripts_rely_on() {
    let world = World::start(Choice::default()).await;
    let status = world.get("/api/v1/status", VIEWER).await.json();
    assert_eq!(status["backfill"]["state"], "running");
    let phases = status["backfill"]["phases"].as_array().unwrap();
    let phase = phases.iter().find(|phase| phase["name"] == "opportunities").unwrap();
    for field in ["state", "done", "known", "seconds_left"] {
        assert!(phase.get(field).is_some(), "{field}");
    }
    assert!(status["lever"]["rate_used"].is_number());
    assert_eq!((&status["outbox"]["due"], &status["deadlines"]["pending"]), (&0.into(), &0.into()));
    assert!(status["health"]["components"]["store"]["since"].is_string());
}

#[tokio::test]
async fn only_a_failed_effect_can_be_tried_again() {
    let world = World::start(Choice::default()).await;
    assert_eq!(world.get("/api/v1/outbox/failed", VIEWER).await.json(), json!({"data": [], "next": null}));
    let retry = async |body: Value| world.post_json("/api/v1/outbox/retry", ADMIN, &body).await;
    retry(json!({"kind": "hydrate", "id": "opp-1"})).await.problem(404, "not-found");
    for (body, pointer) in [
        (json!({"id": "x"}), "/kind"),
        (json!({"kind": "send"}), "/id"),
        (json!({"kind": "post", "id": "x"}), "/kind"),
        (json!({"kind": "send", "id": "x"}), "/id"),
    ] {
        assert_eq!(retry(body).await.problem(422, "invalid").unwrap(), pointer);
    }
}

#[tokio::test]
async fn a_text_is_found_by_its_words_and_its_number() {
    let world = World::start(Choice::default()).await;
    let taken = world.post_json("/api/v1/messages", RECRUITER, &text_to("(415) 555-2671")).await.json();
    let find = async |query: &str| world.get(&format!("/api/v1/search?{query}"), VIEWER).await;
    let searching = async {
        loop {
            let found = find("q=HEL").await;
            if found.status == 200 && found.json()["data"] != json!([]) {
                break found.json();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, searching).await.unwrap();
    let hit = &found["data"][0];
    assert_eq!((&hit["kind"], &hit["id"]), (&"conversation".into(), &taken["conversation"]));
    assert_eq!((&hit["message"], &hit["name"]), (&taken["id"], &Value::Null));
    let marked = hit["snippet"].as_array().unwrap().iter().find(|part| part["marked"] == true).unwrap();
    assert_eq!(marked["text"], "Hello");
    let found = find("q=5552671&limit=1").await.json();
    assert_eq!((&found["data"][0]["id"], &found["data"][0]["snippet"]), (&taken["conversation"], &json!([])));
    assert_eq!(find("q=%22%20AND%20(").await.json(), json!({"data": []}));
}

#[tokio::test]
async fn a_search_for_nothing_or_too_much_is_refused() {
    let world = World::start(Choice::default()).await;
    let long = format!("q={}", "x".repeat(201));
    for query in
        ["", "q=", "q=%20%20", "q=x&limit=0", "q=x&limit=101", "q=x&limit=y", "q=x&w=1", "q=%ff", &long]
    {
        let answer = world.get(&format!("/api/v1/search?{query}"), VIEWER).await;
        if query == "q=%ff" {
            assert!(matches!(answer.status, 200 | 400 | 503), "{answer:?}");
        } else {
            answer.problem(400, "malformed");
        }
    }
}

/// What a search met before was told to whoever searched, and to nobody who could mend it.
#[tokio::test]
async fn an_index_that_a_search_found_damaged_is_made_anew() {
    let world = World::start(Choice::default()).await;
    let searching = world.engine.searching.clone().unwrap();
    let index = world.folder.path().join("fulcrum.redb.search");
    let eventually = async |what: &str, holds: &dyn Fn() -> bool| {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect(what);
    };
    eventually("the index is there", &|| searching.index().is_some()).await;
    let mark = index.join("mark");
    std::fs::write(&mark, "").unwrap();
    searching.mistrust();
    eventually("the index was thrown away", &|| !mark.exists()).await;
    eventually("there is another", &|| searching.index().is_some()).await;
}

//! The inbox and the activity, as scripts meet them, and who is shown what is confidential.

use fulcrum_domain::{Folder, Number, Opportunity, Phone, Shelf, Sight};
use serde_json::json;

use super::sign_in::{Browser, csrf};
use super::*;
use crate::carrier::ReceivedText;
use crate::engine::{ActivityQuery, Found, InboxQuery, changes};
use crate::store::tables::OPPORTUNITIES;
use crate::store::{Read, StoreError};

const THEIRS: &str = "+14155552671";

fn text(n: u32, from: &str) -> ReceivedText {
    ReceivedText {
        sid: format!("SM{n}").parse().unwrap(),
        from: from.into(),
        to: OURS.into(),
        body: "the secret word is swordfish".into(),
        media: Vec::new(),
        segments: 1,
        opt_out: None,
        at: None,
    }
}

impl World {
    async fn folder(&self, folder: &str) -> Vec<Value> {
        let path = format!("/api/v1/inbox?account=priya@acme.example&folder={folder}");
        self.get(&path, VIEWER).await.json()["data"].as_array().unwrap().clone()
    }

    async fn act(&self, action: &str, body: Value) -> Answer {
        self.post_json(&format!("/api/v1/conversations/0001/{action}"), RECRUITER, &body).await
    }
}

#[tokio::test]
async fn a_conversation_goes_through_the_inbox() {
    let world = World::start(Choice::default()).await;
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    let rows = world.folder("unanswered").await;
    assert_eq!((&rows[0]["id"], &rows[0]["unread"]), (&"0001".into(), &true.into()));
    assert_eq!((&rows[0]["last"]["direction"], rows.len()), (&"in".into(), 1));
    assert_eq!(world.folder("unmatched").await.len(), 1);

    let me = json!("priya@acme.example");
    let up_to = &rows[0]["last"]["at"];
    assert_eq!(world.act("read", json!({"account": me, "up_to": up_to})).await.status, 200);
    assert_eq!(world.folder("team").await[0]["unread"], false);
    assert_eq!(world.act("unread", json!({"account": me})).await.status, 200);
    assert_eq!(world.folder("team").await[0]["unread"], true);

    assert!(world.folder("mine").await.is_empty());
    assert_eq!(world.act("assign", json!({"account": "Priya@Acme.example"})).await.json()["assigned"], me);
    assert_eq!(world.folder("mine").await.len(), 1);
    world.act("assign", json!({"account": null})).await;
    assert!(world.folder("mine").await.is_empty());
    world.act("follow", json!({"account": me, "following": true})).await;
    assert_eq!(world.folder("mine").await[0]["followers"], json!([me]));

    assert_eq!(world.act("archive", json!({"archived": true})).await.status, 200);
    let counts = [world.folder("team").await.len(), world.folder("mine").await.len()];
    assert_eq!((counts, world.folder("archived").await.len()), ([0, 0], 1));
    world.engine.take_text(text(2, THEIRS)).await.unwrap();
    assert_eq!((world.folder("archived").await.len(), world.folder("mine").await.len()), (0, 1));
    let shelves =
        world.engine.shelves(Some("priya@acme.example".parse().unwrap()), Sight::Open).await.unwrap();
    let mine = shelves.mine.unwrap();
    assert_eq!((mine.all, mine.unread), (1, 1));
}

#[tokio::test]
async fn what_does_not_fit_the_inbox_is_refused() {
    let world = World::start(Choice::default()).await;
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    for query in ["folder=mine", "folder=x", "limit=0", "limit=201", "cursor=!", "folders=team"] {
        world.get(&format!("/api/v1/inbox?{query}"), VIEWER).await.problem(400, "malformed");
    }
    world.get("/api/v1/inbox?account=priya", VIEWER).await.problem(422, "invalid");
    for (action, body, pointer) in [
        ("assign", json!({"account": "priya"}), "/account"),
        ("follow", json!({"account": "a@b"}), "/following"),
        ("follow", json!({"following": true}), "/account"),
        ("archive", json!({}), "/archived"),
        ("read", json!({"account": "a@b", "up_to": "now"}), "/up_to"),
        ("read", json!({"account": "a@b"}), "/up_to"),
        ("unread", json!({}), "/account"),
    ] {
        assert_eq!(world.act(action, body).await.problem(422, "invalid").unwrap(), pointer, "{action}");
    }
    assert_eq!(world.act("dismiss", json!({})).await.status, 200);
    let away = json!({"archived": true});
    let unknown = world.post_json("/api/v1/conversations/ZZZZ/archive", RECRUITER, &away).await;
    unknown.problem(404, "not-found");
}

#[tokio::test]
async fn pages_of_a_folder_follow_one_another() {
    let world = World::start(Choice::default()).await;
    for n in 0..5 {
        world.engine.take_text(text(n, &format!("+1415555{:04}", 2600 + n))).await.unwrap();
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/inbox?limit=2".to_owned());
    loop {
        let page = world.get(&path, VIEWER).await.json();
        let ids = page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/inbox?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["0005", "0004", "0003", "0002", "0001"]);
}

#[tokio::test]
async fn a_text_waits_for_its_time_until_it_is_called_off() {
    let world = World::start(Choice::default()).await;
    let at = world.engine.now().round(jiff::Unit::Hour).unwrap() + SignedDuration::from_hours(24);
    let later = json!({"to": THEIRS, "body": "Hello", "send_at": at});
    let sent = world.post_json("/api/v1/messages", RECRUITER, &later).await.json();
    let (id, listed) = (sent["id"].as_str().unwrap(), "/api/v1/conversations/0001/messages");
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    let last = world.get(listed, VIEWER).await.json()["data"][1].clone();
    assert_eq!((&last["status"], &last["send_at"]), (&"scheduled".into(), &later["send_at"]));
    assert_eq!(world.folder("scheduled").await[0]["scheduled"], 1);

    let path = format!("/api/v1/messages/{id}");
    let call_off =
        async |path: &str, token| Answer::of(world.client.delete(world.url(path)).bearer_auth(token)).await;
    call_off(&path, VIEWER).await.problem(403, "forbidden");
    assert_eq!(call_off(&path, RECRUITER).await.status, 204);
    call_off(&path, RECRUITER).await.problem(409, "too-late");
    call_off("/api/v1/messages/x", RECRUITER).await.problem(404, "not-found");
    call_off(&format!("/api/v1/messages/{MID}"), RECRUITER).await.problem(404, "not-found");
    assert!(world.folder("scheduled").await.is_empty());
    let statuses: Vec<Value> = world.get(listed, VIEWER).await.json()["data"].as_array().unwrap().clone();
    let words: Vec<_> = statuses.iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(words, ["cancelled", "received"]);
}

const MID: &str = "0190f3c2-0000-7000-8000-000000000001";

/// A page that was left open overnight still offers yesterday's "next morning".
#[tokio::test]
async fn a_text_for_a_time_that_is_over_is_not_sent_at_once() {
    let world = World::start(Choice::default()).await;
    let at = |seconds| world.engine.now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
    let text = |at: Timestamp| json!({"to": THEIRS, "body": "Good morning", "send_at": at});
    let over = world.post_json("/api/v1/messages", RECRUITER, &text(at(-120))).await;
    assert_eq!(over.problem(422, "invalid").as_deref(), Some("/send_at"));
    let form = [("body", "Good morning".to_owned()), ("when", at(-40_000).to_string())];
    let taken = world.post_json("/api/v1/messages", RECRUITER, &text(at(3_600))).await.json();
    let thread = taken["conversation"].as_str().unwrap();
    let post = world.client.post(world.url(&format!("/c/{thread}/texts"))).bearer_auth(RECRUITER).form(&form);
    assert_eq!(Answer::of(post).await.status, 422, "nor by the form");
    // Clocks are not that exact.
    assert_eq!(world.post_json("/api/v1/messages", RECRUITER, &text(at(-5))).await.status, 202);
}

/// By our clock, whatever a browser's says.
#[tokio::test]
async fn a_text_that_can_be_undone_waits_ten_seconds() {
    let world = World::start(Choice::default()).await;
    let text = json!({"to": THEIRS, "body": "Hello", "undo": true});
    let before = world.engine.now();
    let taken = world.post_json("/api/v1/messages", RECRUITER, &text).await.json();
    let path = format!("/api/v1/conversations/{}/messages", taken["conversation"].as_str().unwrap());
    let waiting = world.get(&path, VIEWER).await.json()["data"][0].clone();
    assert_eq!(waiting["status"], "scheduled");
    let at: Timestamp = waiting["send_at"].as_str().unwrap().parse().unwrap();
    let waits = at.duration_since(before).as_secs();
    assert!((9..60).contains(&waits), "{waits} s");
    let both = json!({"to": THEIRS, "body": "Hello", "undo": true, "send_at": at});
    let both = world.post_json("/api/v1/messages", RECRUITER, &both).await;
    assert_eq!(both.problem(422, "invalid").as_deref(), Some("/undo"));
}

#[tokio::test]
async fn the_activity_tells_what_happened_and_no_words() {
    let world = World::start(Choice::default()).await;
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    world.act("assign", json!({"account": "priya@acme.example"})).await;
    world.act("opt-out", json!({"opted_out": true, "reason": "Ada said so"})).await;
    let all = world.get("/api/v1/activity?conversation=0001", ADMIN).await;
    let kinds: Vec<Value> =
        all.json()["data"].as_array().unwrap().iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, ["opt-out", "desk", "message"]);
    assert_eq!(all.json()["data"][1]["actor"], "scripts");
    assert!(!["swordfish", "Ada", THEIRS].iter().any(|word| all.text.contains(word)), "{}", all.text);
    let only = world.get("/api/v1/activity?kind=desk,filing&who=Scripts&limit=1", ADMIN).await.json();
    assert_eq!(only["data"].as_array().unwrap().len(), 1);
    for query in ["kind=x", "limit=0", "conversation=!", "cursor=x", "page=2"] {
        world.get(&format!("/api/v1/activity?{query}"), ADMIN).await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_failed_effect_is_given_up_once() {
    let world = World::start(Choice::default()).await;
    let body = json!({"kind": "hydrate", "id": "opp-1"});
    world.post_json("/api/v1/outbox/give-up", ADMIN, &body).await.problem(404, "not-found");
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let id = "opp-1".parse().unwrap();
        tx.put(OPPORTUNITIES, &id, &candidate("+12025550199", false))?;
        let effect = fulcrum_domain::Effect::Hydrate(id);
        let mut moment = crate::engine::clock::Moment::new("2026-01-01T00:00:00Z".parse().unwrap(), 1);
        changes::ask_later(
            tx,
            &effect,
            fulcrum_domain::Lane::Live,
            moment.now,
            "2050-01-01T00:00:00Z".parse().unwrap(),
        )?;
        let failed = fulcrum_domain::EffectState::Failed;
        changes::postpone(tx, &effect, failed, None, "lever says no", &mut moment)
    };
    world.engine.store.change(change).await.unwrap();
    let given = world.post_json("/api/v1/outbox/give-up", ADMIN, &body).await;
    assert_eq!((given.status, given.json()), (200, json!({"state": "given_up"})));
    world.post_json("/api/v1/outbox/give-up", ADMIN, &body).await.problem(404, "not-found");
    let told = world.get("/api/v1/activity?opportunity=opp-1", ADMIN).await.json();
    assert_eq!(told["data"][0]["detail"], "hydrate was given up");
    assert_eq!(told["data"][1]["detail"], "hydrate failed, attempt 0: lever says no");
    // Whoever keeps the daemon running is told what happened, and not to whom.
    assert_eq!(told["data"][0]["name"], "Ada Example");
    let told = world.get("/api/v1/activity?opportunity=opp-1", OPERATOR).await.json();
    assert_eq!(
        (&told["data"][0]["detail"], &told["data"][0]["name"]),
        (&"hydrate was given up".into(), &Value::Null)
    );
}

/// A failure that mends itself is no failure yet; still people see what is tried, since when, and why in vain.
#[tokio::test]
async fn what_is_tried_again_by_itself_is_told_with_its_attempts() {
    let world = World::start(Choice::default()).await;
    let tried = |confidential: bool| {
        move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            let id = "opp-1".parse().unwrap();
            tx.put(OPPORTUNITIES, &id, &candidate("+12025550199", confidential))?;
            let effect = fulcrum_domain::Effect::Interviews(id);
            let mut moment = crate::engine::clock::Moment::new("2026-01-01T00:00:00Z".parse().unwrap(), 1);
            changes::ask(tx, &effect, fulcrum_domain::Lane::Live, moment.now)?;
            changes::take(tx, effect.clone())?.unwrap();
            let (due, at) = (fulcrum_domain::EffectState::Due, "2050-01-01T00:00:00Z".parse().unwrap());
            changes::postpone(tx, &effect, due, Some(at), "lever is down", &mut moment)
        }
    };
    world.engine.store.change(tried(false)).await.unwrap();
    let told = json!({
        "kind": "interviews", "id": "opp-1", "conversation": null, "opportunity": "opp-1", "attempts": 1,
        "asked_at": "2026-01-01T00:00:00Z", "error": "lever is down", "next_try_at": "2050-01-01T00:00:00Z",
    });
    let list = async || world.get("/api/v1/outbox/retrying", VIEWER).await.json()["data"].clone();
    assert_eq!(list().await, json!([told]));
    assert_eq!(world.get("/api/v1/outbox/failed", VIEWER).await.json()["data"], json!([]));
    let section = |page: String| {
        page.split("id=\"retried\"").nth(1).unwrap().split("id=\"rows\"").next().unwrap().to_owned()
    };
    let page = section(world.get("/activity", ADMIN).await.text);
    for word in ["interviews", "Ada Example", "/o/opp-1", "lever is down", "1 Jan"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    // Whoever keeps the daemon running is told no names.
    let page = section(world.get("/activity", OPERATOR).await.text);
    assert!(page.contains("opp-1") && !page.contains("Ada") && !page.contains("/o/"), "{page}");
    world.engine.store.change(tried(true)).await.unwrap();
    assert_eq!(list().await, json!([]));
}

#[tokio::test]
async fn a_person_says_whose_the_number_is() {
    let world = World::start(Choice::default()).await;
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    let put = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        for (id, confidential) in [("opp-1", false), ("opp-2", false), ("secret", true)] {
            tx.put(OPPORTUNITIES, &id.parse().unwrap(), &candidate("+12025550199", confidential))?;
        }
        Ok(())
    };
    world.engine.store.change(put).await.unwrap();
    assert!(world.get("/c/0001", RECRUITER).await.text.contains("/c/0001/attach"));
    assert!(!world.get("/c/0001", VIEWER).await.text.contains("/c/0001/attach"));
    let to = |whom: &str| json!({"opportunity": whom});
    for body in [json!({}), to(""), to("Ada Example"), json!({"opportunity": 7})] {
        assert_eq!(world.act("attach", body).await.problem(422, "invalid").as_deref(), Some("/opportunity"));
    }
    // Whoever may not see what is confidential is not told that there is such a one.
    let hidden = world.act("attach", to("secret")).await;
    assert_eq!(hidden.problem(404, "not-found").as_deref(), Some("/opportunity"));
    let path = "/api/v1/conversations/0001/attach";
    world.post_json(path, COUNSEL, &to("secret")).await.problem(403, "forbidden");
    world
        .post_json("/api/v1/conversations/0009/attach", RECRUITER, &to("opp-1"))
        .await
        .problem(404, "not-found");
    assert_eq!(world.folder("unmatched").await.len(), 1);
    // As the page's form does without its module.
    let form = [("call", "{}"), ("opportunity", "https://hire.lever.co/candidates/opp-1?from=mail")];
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let form = client.build().unwrap().post(world.url("/c/0001/attach")).bearer_auth(RECRUITER).form(&form);
    assert_eq!(form.send().await.unwrap().status(), 303);
    assert!(world.folder("unmatched").await.is_empty());
    assert!(!world.get("/c/0001", RECRUITER).await.text.contains("/c/0001/attach"));
    let again = world.act("attach", to("opp-1")).await.json();
    assert_eq!((&again["opportunity"], &again["name"]), (&"opp-1".into(), &"Ada Example".into()));
    assert!(again["files_at"].is_string(), "{again}");
    world.act("attach", to("opp-2")).await.problem(409, "not-now");
    let told = world.get("/api/v1/activity?opportunity=opp-1", ADMIN).await.json();
    assert_eq!((&told["data"][0]["kind"], &told["data"][0]["actor"]), (&"desk".into(), &"scripts".into()));
}

pub(super) fn candidate(number: &str, confidential: bool) -> Opportunity {
    let at = Timestamp::from_second(1_741_097_520).unwrap();
    Opportunity {
        contact: "con-1".parse().unwrap(),
        name: "Ada Example".into(),
        phones: vec![Phone { kind: None, number: Some(Number::from_e164(number).unwrap()), raw: None }],
        emails: Vec::new(),
        stage: "applicant-new".parse().unwrap(),
        archived: None,
        owner: None,
        application: None,
        posting: None,
        tags: Vec::new(),
        confidential,
        anonymised: false,
        created_at: at,
        advanced_at: at,
        updated_at: None,
        as_of: at,
        interviews_as_of: None,
    }
}

#[tokio::test]
async fn who_may_not_see_what_is_confidential_is_shown_none_of_it() {
    let world = World::start(Choice::default()).await;
    let engine = &world.engine;
    let put = async |confidential| {
        let change = move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            let row = candidate(THEIRS, confidential);
            let number = Number::from_e164(THEIRS).unwrap();
            tx.put(OPPORTUNITIES, &"opp-1".parse().unwrap(), &row)?;
            tx.put(store::tables::BY_NUMBER, &(number, "opp-1".parse().unwrap()), &()).map(drop)
        };
        engine.store.change(change).await.unwrap();
    };
    put(true).await;
    engine.take_text(text(1, THEIRS)).await.unwrap();
    engine.take_text(text(2, "+14155552672")).await.unwrap();
    let inbox = async |sight| {
        let shelf = Shelf::Folder(Folder::Team);
        engine.inbox(InboxQuery { shelf, after: None, limit: 9, sight, reader: None }).await.unwrap()
    };
    let happened = async |sight| {
        let query = ActivityQuery {
            kinds: Vec::new(),
            who: None,
            conversation: None,
            opportunity: Some("opp-1".parse().unwrap()),
            before: None,
            limit: 10,
            sight,
            names: true,
        };
        engine.activity(query).await.unwrap().rows
    };
    let (id, opportunity) = ("0001".parse().unwrap(), "opp-1".parse().unwrap());
    for (sight, seen) in [(Sight::Open, false), (Sight::All, true)] {
        assert_eq!(engine.conversation(id, sight).await.unwrap().is_some(), seen);
        assert_eq!(engine.conversations(None, 9, sight).await.unwrap().rows.len(), 1 + usize::from(seen));
        assert_eq!(inbox(sight).await.rows.len(), 1 + usize::from(seen));
        let counts = engine.shelves(None, sight).await.unwrap().folders;
        assert_eq!(counts[0].1.all, 1 + usize::from(seen));
        assert_eq!(happened(sight).await.len(), usize::from(seen));
        let found = engine.opportunity(&opportunity, sight).await.unwrap();
        assert_eq!(matches!(found, Found::Known(_)), seen);
    }
    put(false).await;
    assert_eq!(engine.messages(id, None, 9, Sight::Open).await.unwrap().rows.len(), 1);
    assert_eq!(happened(Sight::Open).await[0].name.as_deref(), Some("Ada Example"));
}

#[tokio::test]
async fn whoever_lever_shows_no_more_may_be_confidential_by_now() {
    let world = World::start(Choice::default()).await;
    let about: fulcrum_domain::OpportunityId = "opp-1".parse().unwrap();
    let (id, row) = (about.clone(), candidate(THEIRS, false));
    let put = move |tx: &mut store::Tx<'_>| tx.put(OPPORTUNITIES, &id, &row);
    world.engine.store.change(put).await.unwrap();
    let text =
        world.post_json("/api/v1/messages", RECRUITER, &json!({"to": THEIRS, "body": "Hi"})).await.json();
    let wanted = json!({"name": "Spring", "template": "hello", "opportunities": ["opp-1"]});
    assert_eq!(world.post_json("/api/v1/bulk", RECRUITER, &wanted).await.status, 201);
    let (message, of) = (text["id"].as_str().unwrap().parse().unwrap(), about.clone());
    let written = move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let (key, recipient) = tx.first(store::tables::RECIPIENTS, &store::Keys::all())?.unwrap();
        let state = fulcrum_domain::bulk::RecipientState::Written(message);
        tx.put(store::tables::RECIPIENTS, &key, &fulcrum_domain::bulk::Recipient { state, ..recipient })?;
        let mut text = changes::message(tx, message)?.unwrap();
        text.opportunity = Some(of);
        tx.put(store::tables::MESSAGES, &(text.conversation, text.at, text.id), &text).map(drop)
    };
    world.engine.store.change(written).await.unwrap();
    let why = format!("/api/v1/messages/{}/why", text["id"].as_str().unwrap());
    let told = async || world.get("/api/v1/bulk/1/recipients", VIEWER).await.json()["data"].clone();
    assert!(told().await[0]["text"].as_str().unwrap().ends_with("Reply STOP to opt out."));
    assert_eq!(world.get(&why, VIEWER).await.status, 200);
    let at = Timestamp::from_second(1_900_000_000).unwrap();
    let vanish = move |tx: &mut store::Tx<'_>| changes::mark_invisible(tx, &about, at);
    assert!(world.engine.store.change(vanish).await.unwrap());
    assert_eq!(told().await, json!([]));
    world.get(&why, VIEWER).await.problem(404, "not-found");
}

/// By the inbox or by its own address: it once stayed as old as the last webhook.
#[tokio::test]
async fn whom_a_conversation_is_with_is_read_again_when_it_is_opened() {
    for page in ["/c/0001", "/inbox?c=0001"] {
        let world = World::start(Choice::default()).await;
        let put = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            tx.put(OPPORTUNITIES, &"opp-1".parse().unwrap(), &candidate(THEIRS, false))?;
            let number = Number::from_e164(THEIRS).unwrap();
            tx.put(store::tables::BY_NUMBER, &(number, "opp-1".parse().unwrap()), &()).map(drop)
        };
        world.engine.store.change(put).await.unwrap();
        world.engine.take_text(text(1, THEIRS)).await.unwrap();
        assert_eq!(world.get(page, RECRUITER).await.status, 200);
        let asked = async || {
            let metrics = Answer::of(world.client.get(world.ops_url("/metrics"))).await.text;
            let line =
                "fulcrum_lever_requests_total{lane=\"interactive\",endpoint=\"opportunity\",status=\"0\"}";
            metrics.contains(line)
        };
        let mut looks = 0;
        while !asked().await {
            looks += 1;
            assert!(looks < 500, "{page}: Lever is not asked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A thread is bound to an opportunity that Lever shows no more: it was not found by anybody, also not by those
/// who may see whatever there is.
#[tokio::test]
async fn the_thread_of_whom_lever_shows_no_more_is_read_by_who_sees_all() {
    let world = World::start(Choice::default()).await;
    let about: fulcrum_domain::OpportunityId = "opp-1".parse().unwrap();
    let (id, row, number) = (about.clone(), candidate(THEIRS, false), Number::from_e164(THEIRS).unwrap());
    let put = move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        tx.put(OPPORTUNITIES, &id, &row)?;
        tx.put(store::tables::BY_NUMBER, &(number, id), &()).map(drop)
    };
    world.engine.store.change(put).await.unwrap();
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    assert_eq!(world.get("/c/0001", RECRUITER).await.status, 200);
    let at = Timestamp::from_second(1_900_000_000).unwrap();
    let vanish = move |tx: &mut store::Tx<'_>| changes::mark_invisible(tx, &about, at);
    assert!(world.engine.store.change(vanish).await.unwrap());
    assert_eq!(world.get("/c/0001", RECRUITER).await.status, 404);
    let page = world.get("/c/0001", COUNSEL).await;
    assert!(page.status == 200 && page.text.contains("/c/0001/texts"), "{}", page.text);
}

/// A click once gave a transcript up, and nothing said so.
#[tokio::test]
async fn what_failed_is_told_in_the_menu_and_given_up_only_by_whoever_is_sure() {
    let world = World::start(Choice::default()).await;
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let id = "opp-1".parse().unwrap();
        tx.put(OPPORTUNITIES, &id, &candidate("+12025550199", false))?;
        let effect = fulcrum_domain::Effect::Hydrate(id);
        let mut moment = crate::engine::clock::Moment::new("2026-01-01T00:00:00Z".parse().unwrap(), 1);
        let later = "2050-01-01T00:00:00Z".parse().unwrap();
        changes::ask_later(tx, &effect, fulcrum_domain::Lane::Live, moment.now, later)?;
        let failed = fulcrum_domain::EffectState::Failed;
        changes::postpone(tx, &effect, failed, None, "lever says no", &mut moment)
    };
    world.engine.store.change(change).await.unwrap();
    let mut browser = Browser::new(&world);
    browser.sign_in("admin@acme.example", PASSWORD, "").await;
    assert!(browser.get("/inbox").await.text.contains("waiting for a person"));
    let page = browser.get("/activity").await;
    assert!(page.text.contains("<a href=\"/o/opp-1\">Ada Example</a>"), "{}", page.text);
    assert!(page.text.contains("1 Jan 00:00:00"), "{}", page.text);

    let token = csrf(&page);
    let which = [("csrf", &*token), ("effect", "hydrate"), ("id", "opp-1")];
    let asked = browser.post("/activity/give-up", &which).await;
    assert!(asked.status == 200 && asked.text.contains("Yes, give it up"), "{}", asked.text);
    assert!(browser.get("/activity").await.text.contains("lever says no"), "it waits still");
    let sure = [which.as_slice(), &[("sure", "yes")]].concat();
    let done = browser.post("/activity/give-up", &sure).await;
    assert_eq!(done.header("location"), "/activity?done=given-up");
    assert!(browser.get("/activity?done=given-up").await.text.contains("It was given up"));
    assert!(!browser.get("/inbox").await.text.contains("waiting for a person"));
    let did = async |who: &str| world.get(&format!("/activity?who={who}"), ADMIN).await.text;
    assert!(did("ADMIN@ac").await.contains("hydrate was given up"));
    assert!(!did("nobody").await.contains("hydrate was given up"));
}

#[tokio::test]
async fn the_doings_of_somebody_are_found_by_their_name() {
    use crate::engine::WhoDid;
    use fulcrum_domain::{Activity, ActivityKind, Actor};

    let world = World::start(Choice::default()).await;
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let user = fulcrum_domain::User {
            name: "Wendy Smith".into(),
            email: "W.Smith0@acme.example".into(),
            active: true,
        };
        tx.put(store::tables::USERS, &"user-7".parse().unwrap(), &user).map(drop)
    };
    world.engine.store.change(change).await.unwrap();
    let by = Actor::from("w.smith0@acme.example");
    let at = world.engine.now();
    world.engine.note_activity(Activity::new(at, by, ActivityKind::Admin, "did something")).await.unwrap();
    let found = async |who| {
        let query = ActivityQuery {
            kinds: Vec::new(),
            who: Some(who),
            conversation: None,
            opportunity: None,
            before: None,
            limit: 9,
            sight: Sight::All,
            names: false,
        };
        world.engine.activity(query).await.unwrap().rows.len()
    };
    for who in ["wendy", "smith0@", "Wendy Smith"] {
        assert_eq!(found(WhoDid::Like(who.into())).await, 1, "{who}");
        assert_eq!(found(WhoDid::Is(who.into())).await, 0, "a script means exactly whom it says: {who}");
    }
}

#[tokio::test]
async fn the_list_says_for_which_posting_and_when_a_text_leaves() {
    let world = World::start(Choice::default()).await;
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let posting = fulcrum_domain::Posting {
            title: "Night nurse".into(),
            state: "published".into(),
            location: None,
            team: None,
            department: None,
            owner: None,
            confidential: false,
        };
        tx.put(store::tables::POSTINGS, &"posting-1".parse().unwrap(), &posting)?;
        let row = Opportunity { posting: Some("posting-1".parse().unwrap()), ..candidate(THEIRS, false) };
        tx.put(OPPORTUNITIES, &"opp-1".parse().unwrap(), &row)?;
        let number = Number::from_e164(THEIRS).unwrap();
        tx.put(store::tables::BY_NUMBER, &(number, "opp-1".parse().unwrap()), &()).map(drop)
    };
    world.engine.store.change(change).await.unwrap();
    world.engine.take_text(text(1, THEIRS)).await.unwrap();
    let at = world.engine.now().round(jiff::Unit::Hour).unwrap() + SignedDuration::from_hours(24);
    let later = json!({"to": THEIRS, "body": "See you then", "send_at": at});
    assert_eq!(world.post_json("/api/v1/messages", RECRUITER, &later).await.status, 202);
    let team = world.get("/inbox?folder=team", VIEWER).await.text;
    assert!(team.contains("Night nurse"), "{team}");
    let scheduled = world.get("/inbox?folder=scheduled", VIEWER).await.text;
    let leaves = jiff::tz::TimeZone::UTC.to_datetime(at).strftime("leaves %a %-d %b, %H:%M").to_string();
    assert!(scheduled.contains("See you then") && scheduled.contains(&leaves), "{leaves}: {scheduled}");
}

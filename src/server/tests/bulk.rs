//! Bulk texts over the API and in the console: who may do what, and what is said of what is missing.

use serde_json::json;

use super::booking::candidate;
use super::sign_in::{Browser, csrf};
use super::*;
use crate::store::StoreError;
use crate::store::tables::OPPORTUNITIES;

#[tokio::test]
async fn a_program_prepares_one_and_a_person_confirms_it() {
    let world = World::start(Choice::default()).await;
    let csv = "number,consent\n+12025550142,yes\nnobody,yes\n";
    let wanted = json!({"name": "Spring", "template": "hello", "csv": csv});
    let made = world.post_json("/api/v1/bulk", RECRUITER, &wanted).await;
    assert_eq!(made.status, 201, "{made:?}");
    let body = made.json();
    assert_eq!((&body["state"], &body["counts"]["waiting"]), (&json!("draft"), &json!(0)));
    let lines: Vec<u64> =
        body["bad_rows"].as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3]);
    let version = body["template"]["version"].as_str().unwrap();
    let words = world.get(&format!("/api/v1/template-versions/{version}"), VIEWER).await.json();
    assert!(words["text"].as_str().unwrap().starts_with("Hi {{"));
    let confirm = world.post_json("/api/v1/bulk/1/confirm", ADMIN, &json!({"recipients": 0})).await;
    confirm.problem(403, "forbidden");
    let stop = world.post_json("/api/v1/bulk/1/stop", RECRUITER, &json!({})).await;
    assert_eq!(stop.json()["state"], "stopped");
    world.post_json("/api/v1/bulk/1/stop", RECRUITER, &json!({})).await.problem(409, "not-now");
    world.post_json("/api/v1/bulk/1/dance", RECRUITER, &json!({})).await.problem(404, "not-found");
    world.get("/api/v1/bulk/2", VIEWER).await.problem(404, "not-found");
    let all = world.get("/api/v1/bulk", VIEWER).await.json();
    assert_eq!(all["data"][0]["name"], "Spring");
}

#[tokio::test]
async fn of_a_list_that_is_narrowed_everybody_is_told_of() {
    use fulcrum_domain::{Archived, Opportunity};

    let world = World::start(Choice::default()).await;
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let rows = [("fits", "+12025550142"), ("other", "+12025550143"), ("gone", "+12025550144")];
        for (id, number) in rows {
            let row = candidate("Dana Reyes", number);
            let tags = if id == "other" { vec![] } else { vec!["Night shift".to_owned()] };
            let archived = (id == "gone").then_some(Archived { at: row.as_of, reason: None });
            tx.put(OPPORTUNITIES, &id.parse().unwrap(), &Opportunity { tags, archived, ..row })?;
        }
        Ok(())
    };
    world.engine.store.change(change).await.unwrap();
    let wanted = json!({
        "name": "Spring", "template": "hello", "tags": ["night shift"],
        "opportunities": ["fits", "other", "gone", "nobody"],
    });
    let made = world.post_json("/api/v1/bulk", RECRUITER, &wanted).await.json();
    assert_eq!((&made["counts"]["waiting"], &made["counts"]["excluded"]), (&json!(1), &json!(3)), "{made}");
    let all = world.get("/api/v1/bulk/1/recipients", VIEWER).await.json();
    let told: Vec<_> = all["data"].as_array().unwrap().iter().map(|row| row["reason"].clone()).collect();
    let left_out = "not of the postings, stages and tags that it is for";
    let expected =
        [json!(null), json!(left_out), json!("archived in Lever"), json!("no such opportunity is known")];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_repeat_under_its_key_makes_none() {
    let world = World::start(Choice::default()).await;
    let make = async |key: &str, name: &str| {
        let request = world.client.post(world.url("/api/v1/bulk")).bearer_auth(RECRUITER);
        let wanted = json!({"name": name, "template": "hello", "csv": "number\nnobody\n"});
        Answer::of(request.header("Idempotency-Key", key).json(&wanted)).await
    };
    let first = make("k", "Spring").await.json();
    let again = make("k", "Spring").await;
    assert_eq!((again.status, &again.json()["id"]), (201, &first["id"]));
    make("k", "Summer").await.problem(422, "key-reused");
    assert_ne!(make("l", "Spring").await.json()["id"], first["id"]);
    // The key is the caller's for all that it asks for.
    let text = world.client.post(world.url("/api/v1/messages")).bearer_auth(RECRUITER);
    let text = text.header("Idempotency-Key", "k").json(&json!({"to": "+14155552671", "body": "x"}));
    Answer::of(text).await.problem(422, "key-reused");
    let all = world.get("/api/v1/bulk", VIEWER).await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let world = World::start(Choice::default()).await;
    let check = async |wanted: Value, field: Option<&str>| {
        let answer = world.post_json("/api/v1/bulk", RECRUITER, &wanted).await;
        assert_eq!(answer.problem(422, "invalid").as_deref(), field, "{wanted}");
    };
    check(json!({"template": "hello", "tags": ["x"]}), Some("/name")).await;
    check(json!({"name": " ", "template": "hello", "tags": ["x"]}), Some("/name")).await;
    check(json!({"name": "a", "tags": ["x"]}), Some("/template")).await;
    check(json!({"name": "a", "template": "none", "tags": ["x"]}), Some("/template")).await;
    check(json!({"name": "a", "template": "hello"}), None).await;
    check(json!({"name": "a", "template": "hello", "postings": ["no id"]}), Some("/postings")).await;
    let nudge = json!({"name": "a", "template": "hello", "tags": ["x"], "nudge_template": "hello"});
    check(nudge, Some("/nudge_after_days")).await;
}

#[tokio::test]
async fn a_person_makes_one_on_its_page_and_is_told_what_is_wrong() {
    let world = World::start(Choice::default()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let page = browser.get("/bulk").await;
    assert!(page.text.contains("Say hello"), "{}", page.text);
    let token = csrf(&page);
    let client = browser.client.clone();
    let form = |fields: &[(&str, &str)]| {
        let mut all = vec![("csrf", token.as_str()), ("name", "Spring <b>"), ("template", "hello")];
        all.extend(fields);
        client.post(world.url("/bulk")).form(&all)
    };
    let wrong = browser.send(form(&[])).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("Spring &#60;b&#62;") && wrong.text.contains("a bulk text is for somebody"));
    // One with as many people as a bulk text may have is larger than any other form.
    let list = format!("number\n{}", "nobody with a number of 36 characters\n".repeat(10_000));
    assert_eq!(browser.send(form(&[("csv", &list)])).await.status, 303);
    let made = browser.send(form(&[("csv", "number\nnobody\n")])).await;
    assert_eq!((made.status, made.header("location")), (303, "/bulk/2"));
    let page = browser.get("/bulk/2").await;
    assert!(page.text.contains("its number is no telephone number"), "{}", page.text);
    let templates = browser.get("/templates").await;
    assert!(templates.text.contains("this is {{ sender.name }}"), "{}", templates.text);
}

/// Two candidates who can be texted, of whom the first has asked something, and one who is archived.
async fn with_candidates(world: &World) {
    use fulcrum_domain::{Archived, Number, Opportunity};

    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let rows = [("asks", "+12025550142"), ("silent", "+12025550143"), ("gone", "+12025550144")];
        for (id, number) in rows {
            let row = candidate(&format!("Candidate {id}"), number);
            let archived = (id == "gone").then_some(Archived { at: row.as_of, reason: None });
            let at = (Number::from_e164(number).unwrap(), id.parse().unwrap());
            tx.put(store::tables::BY_NUMBER, &at, &())?;
            tx.put(OPPORTUNITIES, &id.parse().unwrap(), &Opportunity { archived, ..row })?;
        }
        Ok(())
    };
    world.engine.store.change(change).await.unwrap();
    let asks = crate::carrier::ReceivedText {
        sid: "SM1".parse().unwrap(),
        from: "+12025550142".into(),
        to: OURS.into(),
        body: "Is there parking?".into(),
        media: Vec::new(),
        segments: 1,
        opt_out: None,
        at: None,
    };
    world.engine.take_text(asks).await.unwrap();
}

/// The first person once was offered to approve what they had confirmed, and ended on a page without a way back.
#[tokio::test]
async fn whoever_confirmed_it_waits_for_a_colleague_who_is_told_of_it() {
    let world = World::start(Choice::default()).await;
    with_candidates(&world).await;
    let mut settings = (*world.engine.settings.load_full()).clone();
    settings.second_person_above = 1;
    world.engine.replace_settings(settings);
    let (mut first, mut second) = (Browser::new(&world), Browser::new(&world));
    first.sign_in("recruiter@acme.example", PASSWORD, "").await;
    second.sign_in("admin@acme.example", PASSWORD, "").await;
    let token = csrf(&first.get("/bulk").await);
    let csv = "opportunity\r\nasks\r\nsilent\r\n";
    let made = first
        .post("/bulk", &[("csrf", &token), ("name", "Spring"), ("template", "hello"), ("csv", csv)])
        .await;
    assert_eq!(made.header("location"), "/bulk/1", "{}", made.text);
    first.post("/bulk/1/confirm", &[("csrf", &token), ("recipients", "2")]).await;

    let page = first.get("/bulk/1").await.text;
    assert!(page.contains("it waits for a colleague") && page.contains("awaiting approval"), "{page}");
    assert!(!page.contains("/bulk/1/approve") && !page.contains("waiting for your approval"), "{page}");
    let refused = first.post("/bulk/1/approve", &[("csrf", &token)]).await;
    assert!(refused.status == 409 && refused.text.contains("href=\"/bulk/1\""), "{}", refused.text);
    let back = first.get("/bulk/1/approve").await;
    assert_eq!((back.status, back.header("location")), (303, "/bulk/1"));

    let page = second.get("/inbox").await.text;
    assert!(page.contains("waiting for your approval"), "{page}");
    assert!(second.get("/bulk/1").await.text.contains("/bulk/1/approve"));
}

#[tokio::test]
async fn the_excluded_stand_apart_and_who_waits_for_an_answer_is_marked() {
    let world = World::start(Choice::default()).await;
    with_candidates(&world).await;
    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let token = csrf(&browser.get("/bulk").await);
    let fields = [("csrf", &*token), ("name", "Spring"), ("template", "hello")];
    let form = |csv| [fields.as_slice(), &[("csv", csv)]].concat();
    browser.post("/bulk", &form("opportunity\nasks\nsilent\ngone\n")).await;
    let page = browser.get("/bulk/1").await.text;
    assert!(page.contains("<li>1: archived in Lever</li>"), "{page}");
    assert!(page.contains("Candidate asks</a> <span class=\"chip\">waits for an answer"), "{page}");
    assert!(page.contains("Candidate silent</a></td>") && !page.contains("Candidate gone"), "{page}");
    let page = browser.get("/bulk/1?excluded=1").await.text;
    assert!(page.contains("Candidate gone") && !page.contains("Candidate silent"), "{page}");

    // One that goes to nobody can be put away, or begun again.
    browser.post("/bulk", &form("number\nnobody\n")).await;
    let page = browser.get("/bulk/2").await.text;
    assert!(page.contains("Discard") && !page.contains("/bulk/2/confirm"), "{page}");
    assert!(page.contains("/bulk?like=2"), "{page}");
    assert!(browser.get("/bulk?like=2").await.text.contains("value=\"Spring\""));
}

/// They once stood among those whom it was sent to, and hung there for a day without a word.
#[tokio::test]
async fn who_may_have_opted_out_is_told_of_and_not_counted_on_the_button() {
    let world = World::start(Choice::default()).await;
    with_candidates(&world).await;
    let doubtful = crate::carrier::ReceivedText {
        sid: "SM2".parse().unwrap(),
        from: "+12025550143".into(),
        to: OURS.into(),
        body: "Remove me from ur list".into(),
        media: Vec::new(),
        segments: 1,
        opt_out: None,
        at: None,
    };
    world.engine.take_text(doubtful).await.unwrap();
    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let token = csrf(&browser.get("/bulk").await);
    let csv = "opportunity\nasks\nsilent\n";
    let fields = [("csrf", &*token), ("name", "Spring"), ("template", "hello"), ("csv", csv)];
    browser.post("/bulk", &fields).await;
    let page = browser.get("/bulk/1").await.text;
    assert!(page.contains("<button>Send to 1</button>"), "{page}");
    assert!(page.contains("name=\"recipients\" value=\"2\""), "{page}");
    let chip = "Candidate silent</a> <span class=\"chip\">may have opted out: waits for your decision</span>";
    assert!(page.contains(chip) && page.contains("<dt>May have opted out</dt><dd>1</dd>"), "{page}");

    let bulk = world.get("/api/v1/bulk/1", VIEWER).await.json();
    assert_eq!((&bulk["counts"]["waiting"], &bulk["counts"]["in_doubt"]), (&json!(2), &json!(1)), "{bulk}");
    let all = world.get("/api/v1/bulk/1/recipients", VIEWER).await.json();
    let reason = "the candidate may have opted out: nothing is sent by itself until somebody decides";
    assert_eq!((&all["data"][1]["state"], &all["data"][1]["reason"]), (&json!("waiting"), &json!(reason)));
    assert_eq!(all["data"][0]["reason"], json!(null));
}

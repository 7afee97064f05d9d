//! The console's forms, and what they may not do.

use serde_json::json;

use super::sign_in::Browser;
use super::*;
use crate::carrier::ReceivedText;
use crate::engine::News;

/// A world with one conversation.
async fn world() -> World {
    let world = World::start(Choice::default()).await;
    world.engine.take_text(hi()).await.unwrap();
    world
}

fn hi() -> ReceivedText {
    ReceivedText {
        sid: "SM1".parse().unwrap(),
        from: "+14155552671".into(),
        to: OURS.into(),
        body: "Hi".into(),
        media: Vec::new(),
        segments: 1,
        opt_out: None,
        at: None,
    }
}

impl World {
    async fn form(&self, what: &str, token: &str, call: &Value) -> u16 {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let url = self.url(&format!("/c/0001/{what}"));
        let form = client.build().unwrap().post(url).bearer_auth(token).form(&[("call", call.to_string())]);
        form.send().await.unwrap().status().as_u16()
    }
}

/// The form once asked the engine itself, past the rule that the API keeps.
#[tokio::test]
async fn a_form_lifts_no_opt_out_for_whoever_may_not() {
    let world = world().await;
    let decided = |opted_out: bool| json!({"opted_out": opted_out, "reason": "they called"});
    assert_eq!(world.form("opt-out", RECRUITER, &decided(true)).await, 303);
    assert_eq!(world.form("opt-out", RECRUITER, &decided(false)).await, 403);
    let stands = world.get("/api/v1/conversations/0001", ADMIN).await.json();
    assert_eq!(stands["opted_out"], true);
    assert_eq!(world.form("opt-out", ADMIN, &decided(false)).await, 303);
}

/// Shown again, it would be read at once.
#[tokio::test]
async fn whoever_marks_a_conversation_as_unread_leaves_it() {
    let world = world().await;
    let me = json!({"account": "priya@acme.example"});
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let form = client.build().unwrap().post(world.url("/c/0001/unread")).bearer_auth(RECRUITER);
    let answer = form.form(&[("call", me.to_string())]).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert!(answer.headers()["location"].to_str().unwrap().ends_with("/inbox"));
}

/// A page of older messages that is read anew shows those again, and nothing newer was read.
#[tokio::test]
async fn older_messages_are_read_anew_as_such() {
    let world = world().await;
    for n in 2..=102 {
        let text =
            ReceivedText { sid: format!("SM{n}").parse().unwrap(), body: format!("text {n}."), ..hi() };
        world.engine.take_text(text).await.unwrap();
    }
    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let newest = world.get("/c/0001", VIEWER).await.text;
    let (_, link) = newest.split_once("/c/0001?before=").unwrap();
    let before = link.split('"').next().unwrap();
    for page in ["/c/0001", "/fragments/c/0001"] {
        let older = browser.get(&format!("{page}?before={before}")).await.text;
        assert!(older.contains(">text 2.<") && !older.contains(">text 102.<"), "{older}");
        assert!(older.contains(&format!("data-fragment=\"/fragments/c/0001?before={before}\"")), "{older}");
        assert_eq!(browser.get("/api/v1/inbox").await.json()["data"][0]["unread"], true);
    }
    browser.get("/fragments/c/0001").await;
    assert_eq!(browser.get("/api/v1/inbox").await.json()["data"][0]["unread"], false);
}

/// Of somebody with two threads, the page of one turned into the other, and the answer went there.
#[tokio::test]
async fn what_was_opened_is_what_is_written_to() {
    const OTHER: &str = "+14155552672";
    let world = World::start(Choice::default()).await;
    let change = |tx: &mut store::Tx<'_>| -> Result<(), store::StoreError> {
        let mut row = desk::candidate(&hi().from, false);
        row.phones.extend(desk::candidate(OTHER, false).phones);
        let id: fulcrum_domain::OpportunityId = "opp-1".parse().unwrap();
        for number in row.numbers() {
            tx.put(store::tables::BY_NUMBER, &(number, id.clone()), &())?;
        }
        tx.put(store::tables::OPPORTUNITIES, &id, &row).map(drop)
    };
    world.engine.store.change(change).await.unwrap();
    world.engine.take_text(hi()).await.unwrap();
    let other = ReceivedText { sid: "SM2".parse().unwrap(), from: OTHER.into(), ..hi() };
    world.engine.take_text(other).await.unwrap();
    let shows = |page: &str, parts: &[&str]| {
        for part in parts {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    };
    for page in ["/c/0001", "/fragments/c/0001"] {
        let page = world.get(page, RECRUITER).await.text;
        let own = [
            "data-fragment=\"/fragments/c/0001\"",
            "data-number=\"+14155552671\"",
            "href=\"tel:+14155552671\"",
        ];
        shows(&page, &own);
        shows(
            &page,
            &[
                "data-opportunity=\"opp-1\"",
                "action=\"/c/0001/texts\"",
                "<a href=\"/c/0002\">+14155552672</a>",
            ],
        );
    }
    // By the profile it is the thread that spoke last, whatever number stands first in Lever.
    let page = world.get("/o/opp-1", RECRUITER).await.text;
    shows(
        &page,
        &["data-number=\"+14155552672\"", "href=\"tel:+14155552672\"", "name=\"to\" value=\"+14155552672\""],
    );
    shows(&page, &["<a href=\"/c/0001\">+14155552671</a>"]);
    let send = async |page: &str, form: &[(&str, &str)]| {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let post = client.build().unwrap().post(world.url(&format!("{page}/texts"))).bearer_auth(RECRUITER);
        assert_eq!(post.form(form).send().await.unwrap().status(), 303);
    };
    send("/c/0001", &[("body", "for the thread")]).await;
    send("/o/opp-1", &[("body", "for the profile"), ("to", OTHER)]).await;
    for (thread, words) in [("0001", "for the thread"), ("0002", "for the profile")] {
        let messages = world.get(&format!("/api/v1/conversations/{thread}/messages"), RECRUITER).await.text;
        assert!(messages.contains(words), "{messages}");
    }
}

/// What is typed beside the call goes into it, as the page's module does it.
#[tokio::test]
async fn a_wish_is_recorded_with_what_was_typed() {
    let world = world().await;
    let typed = |answer: &'static str, reason: &'static str| {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let form = [("call", "{}"), ("answer", answer), ("reason", reason)];
        client.build().unwrap().post(world.url("/c/0001/consent")).bearer_auth(RECRUITER).form(&form).send()
    };
    assert_eq!(typed("no", "").await.unwrap().status(), 422);
    assert_eq!(typed("no", "on the telephone").await.unwrap().status(), 303);
    let page = world.get("/c/0001", RECRUITER).await.text;
    assert!(page.contains("said no to texts (recorded by "), "{page}");
}

#[tokio::test]
async fn a_time_zone_that_was_typed_is_set_and_a_button_ends_that() {
    let world = world().await;
    let post = |form: Vec<(&'static str, &'static str)>| {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        client.build().unwrap().post(world.url("/c/0001/timezone")).bearer_auth(RECRUITER).form(&form).send()
    };
    let is_set =
        async || world.get("/c/0001", RECRUITER).await.text.contains("value=\"Europe/Berlin\" data-field");
    assert_eq!(post(vec![("call", "{}"), ("timezone", "Berlin")]).await.unwrap().status(), 422);
    assert!(!is_set().await);
    assert_eq!(post(vec![("call", "{}"), ("timezone", "Europe/Berlin")]).await.unwrap().status(), 303);
    assert!(is_set().await);
    assert_eq!(post(vec![("call", r#"{"timezone":null}"#)]).await.unwrap().status(), 303);
    assert!(!is_set().await);
}

#[tokio::test]
async fn a_form_that_makes_no_sense_changes_nothing() {
    let world = world().await;
    let me = json!({"account": "priya@acme.example"});
    assert_eq!(world.form("assign", RECRUITER, &me).await, 303);
    for (what, call) in [
        ("assign", json!({"account": "nobody"})),
        ("assign", json!("nothing")),
        ("archive", json!({})),
        ("archive", json!({"archived": "yes"})),
        ("explode", json!({})),
    ] {
        let status = world.form(what, RECRUITER, &call).await;
        assert!((400..500).contains(&status), "{what} {call}: {status}");
    }
    let row = &world.get("/api/v1/inbox", VIEWER).await.json()["data"][0];
    assert_eq!((&row["assigned"], &row["archived_at"]), (&me["account"], &Value::Null));
}

/// A page that is told of a change reads the conversation and marks it as read. That was news in its
/// turn, and open pages never rested.
#[tokio::test]
async fn reading_what_was_read_is_no_news() {
    let world = world().await;
    let account: fulcrum_domain::Account = "priya@acme.example".parse().unwrap();
    let id = "0001".parse().unwrap();
    let now = world.engine.now();
    let mut watch = world.engine.watch(None);
    world.engine.mark_read(id, account.clone(), now).await.unwrap();
    assert_eq!(watch.next().await.unwrap().1, News::Conversation(id));
    world.engine.mark_read(id, account.clone(), now).await.unwrap();
    world.engine.mark_read(id, account.clone(), Timestamp::UNIX_EPOCH).await.unwrap();
    world.engine.mark_unread(id, account.clone()).await.unwrap();
    world.engine.mark_unread(id, account).await.unwrap();
    world.engine.archive(id, true, "priya".into()).await.unwrap();
    let told = [watch.next().await.unwrap().0, watch.next().await.unwrap().0];
    assert_eq!(world.engine.watch(None).place(), told[1], "one of marking as unread, one of the archive");
}

/// Whoever makes a key needs the list before there is one to ask Lever with.
#[tokio::test]
async fn setup_lists_the_permissions_before_lever_was_asked() {
    let world = World::start(Choice::default()).await;
    let page = world.get("/setup", ADMIN).await.text;
    let list = page.split("id=\"permissions\"").nth(1).and_then(|rest| rest.split("</details>").next());
    let rows = list.map(|list| (list.matches("<tr><td>").count(), list.matches("not asked yet").count()));
    assert_eq!(rows, Some((18, 18)), "{page}");
}

/// One token is one webhook's, whichever that is.
#[tokio::test]
async fn a_pasted_token_counts_for_one_webhook() {
    let world = World::start(Choice { webhooks: "", ..Choice::default() }).await;
    let paste = async |tokens: String| {
        let form = world.client.post(world.url("/setup/tokens")).bearer_auth(ADMIN);
        let page = Answer::of(form.form(&[("tokens", tokens)])).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page.text
    };
    let tokens: Vec<String> = ('a'..='h').map(|letter| letter.to_string().repeat(32)).collect();
    let page = paste(tokens[0].clone()).await;
    assert!(page.contains("state warn\">at most 1 of 8 webhooks can be verified"), "{page}");
    assert_eq!(page.matches("perhaps: one").count(), 8);
    let page = paste(tokens.join(" ")).await;
    assert!(page.contains("state good\">8 of 8 webhooks can be verified") && !page.contains("perhaps: one"));
    assert!(page.contains("note good\" role=\"status\">Saved."), "{page}");
    let named = format!("candidate_hired: {}", "x".repeat(32));
    assert!(paste(named).await.contains("state good\">8 of 8"), "the others keep theirs");
    let page = paste(tokens[1].clone()).await;
    assert!(page.contains("8 of 8 webhooks could be verified, and now at most 1 of 8"), "{page}");
}

impl World {
    /// A form of the conversation's page, as a browser without our module sends it.
    async fn typed(&self, what: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.client.post(self.url(&format!("/c/0001/{what}"))).bearer_auth(RECRUITER);
        Answer::of(form.form(fields)).await
    }
}

/// Without our module: nothing that was typed is lost, and the field that is meant is marked.
#[tokio::test]
async fn a_text_that_is_not_taken_is_shown_again_with_its_time() {
    let world = world().await;
    let text = |when: &'static str, at: &'static str| [("body", "See you then"), ("when", when), ("at", at)];
    for at in ["", "2099-03-04T10:00"] {
        let page = world.typed("texts", &text("at", at)).await;
        assert_eq!(page.status, 422);
        for part in [
            ">See you then</textarea>",
            "<option value=\"at\" selected>",
            &format!("value=\"{at}\" aria-invalid=\"true\">"),
        ] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
    }
    let page = world.typed("texts", &text("2099-03-04T10:00:00Z", "")).await.text;
    assert!(page.contains("aria-label=\"When\" aria-invalid=\"true\">"), "{page}");
    assert!(
        page.contains("<option class=\"morning\" value=\"\" selected>") || page.contains("Z\" selected>")
    );
    let form = [("body", "See you then"), ("cannot_wait", "their offer \"ends\" today")];
    let page = world.typed("texts", &form).await;
    assert_eq!(page.status, 403, "{}", page.text);
    assert!(page.text.contains(">See you then</textarea>"), "{}", page.text);
}

#[tokio::test]
async fn a_wish_that_is_not_taken_is_shown_again_with_what_was_typed() {
    let world = world().await;
    let long = "x".repeat(501);
    let page = world.typed("consent", &[("call", "{}"), ("answer", "no"), ("reason", &long)]).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("<option value=\"no\" selected>"), "{}", page.text);
    assert!(page.text.contains(&format!("value=\"{long}\" aria-invalid=\"true\"")), "{}", page.text);
    let fields = [("call", r#"{"opted_out":true}"#), ("reason", "they called"), ("on", "2099-01-01")];
    let page = world.typed("opt-out", &fields).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("value=\"they called\" data-field"), "{}", page.text);
    assert!(page.text.contains("value=\"2099-01-01\" aria-invalid=\"true\""), "{}", page.text);
    assert_eq!(page.text.matches("role=\"alert\">it must be a day up to today").count(), 1);
    let page = world.typed("timezone", &[("call", "{}"), ("timezone", "Berlin")]).await;
    assert!(page.text.contains("value=\"Berlin\" aria-invalid=\"true\""), "{}", page.text);
    let page = world.typed("archive", &[("call", "{}")]).await;
    assert!(page.status == 422 && page.text.contains("role=\"alert\">"), "said beside the composer");
    assert_eq!(world.typed("explode", &[]).await.status, 404);
}

#[tokio::test]
async fn a_conversation_is_given_to_a_colleague_who_may_text() {
    let world = world().await;
    let page = world.get("/c/0001", RECRUITER).await.text;
    for (who, offered) in [("recruiter", true), ("admin", true), ("viewer", false), ("operator", false)] {
        let button = format!("value=\"{who}@acme.example\">{}</button>", who.to_uppercase());
        assert_eq!(page.contains(&button), offered, "{who}: {page}");
    }
    let give = async |to: &str| world.typed("assign", &[("call", "{}"), ("account", to)]).await;
    assert_eq!(give("nobody").await.status, 422);
    let page = give("admin@acme.example").await.text;
    assert!(page.contains("<span class=\"whom\">ADMIN<") && !page.contains("value=\"admin@acme.example\""));
    assert!(!world.get("/c/0001", VIEWER).await.text.contains("name=\"account\""));
}

#[tokio::test]
async fn the_system_page_tells_the_versions_of_all_that_has_one() {
    let world = World::start(Choice::default()).await;
    let page = world.get("/system", OPERATOR).await.text;
    let pair = |name: &str, version: &str| format!("<dt>{name}</dt><dd>{version}</dd>");
    let schema = store::SCHEMA.to_string();
    for (name, version) in [
        ("Version", env!("CARGO_PKG_VERSION")),
        ("Version of the store&#39;s tables", &schema),
        ("Version of the browser extension", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(page.contains(&pair(name, version)), "{name}: {page}");
    }
}

/// Where people sign in elsewhere, these are the colleagues.
#[tokio::test]
async fn the_active_users_of_lever_are_known_by_their_accounts_unless_they_are_many() {
    let world = World::start(Choice::default()).await;
    let users = move |tx: &mut store::Tx<'_>| -> Result<(), store::StoreError> {
        for (id, email, active) in [("u-1", "Ana@acme.example", true), ("u-2", "ben@acme.example", false)] {
            let user = fulcrum_domain::User { name: id.to_uppercase(), email: email.into(), active };
            crate::engine::changes::put_user(tx, &id.parse().unwrap(), &user)?;
        }
        Ok(())
    };
    world.engine.store.change(users).await.unwrap();
    let known = world.engine.lever_accounts(1).await.unwrap();
    assert_eq!(known, [("ana@acme.example".parse().unwrap(), "U-1".to_owned())]);
    assert_eq!(world.engine.lever_accounts(0).await.unwrap(), []);
}

/// Lever takes nobody as an interviewer whom it does not know.
#[tokio::test]
async fn an_interview_is_held_by_whoever_looks_if_lever_knows_them() {
    use crate::store::StoreError;
    use crate::store::tables::{OPPORTUNITIES, USERS, USERS_BY_EMAIL};

    let world = world().await;
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let row = booking::candidate("Dana Reyes", "+12025550142");
        tx.put(OPPORTUNITIES, &"opp-1".parse().unwrap(), &row).map(drop)
    };
    world.engine.store.change(change).await.unwrap();
    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let own = "value=\"recruiter@acme.example\"";
    assert!(!browser.get("/o/opp-1").await.text.contains(own));
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let email = "recruiter@acme.example".to_owned();
        let user = fulcrum_domain::User { name: "Priya Shah".into(), email: email.clone(), active: true };
        tx.put(USERS, &"user-1".parse().unwrap(), &user)?;
        tx.put(USERS_BY_EMAIL, &email, &"user-1".parse().unwrap()).map(drop)
    };
    world.engine.store.change(change).await.unwrap();
    assert!(browser.get("/o/opp-1").await.text.contains(own));

    // And colleagues are called by their names.
    let assigned = json!({"account": "recruiter@acme.example"});
    assert_eq!(world.form("assign", RECRUITER, &assigned).await, 303);
    let page = world.get("/c/0001", VIEWER).await.text;
    assert!(page.contains("Priya Shah") && !page.contains("recruiter@acme.example"), "{page}");
}

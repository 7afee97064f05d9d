//! The forms beside a conversation that arrange interviews, change them and call them off, as a browser
//! without a script sends them.

use fulcrum_domain::User;

use super::*;
use crate::store::StoreError;
use crate::store::tables::{OPPORTUNITIES, USERS, USERS_BY_EMAIL};

const ADA: &str = "opp-1";
const ANA: &str = "ana@acme.example";

async fn world() -> World {
    let world = World::start(Choice::default()).await;
    let mut settings = (*world.engine.settings.load_full()).clone();
    settings.rules.notes_as = Some(ANA.into());
    world.engine.replace_settings(settings);
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let ana = User { name: "Ana Interviewer".into(), email: ANA.into(), active: true };
        tx.put(USERS, &"user-1".parse().unwrap(), &ana)?;
        tx.put(USERS_BY_EMAIL, &ANA.to_owned(), &"user-1".parse().unwrap())?;
        tx.put(OPPORTUNITIES, &ADA.parse().unwrap(), &desk::candidate("+12025550142", false)).map(drop)
    };
    world.engine.store.change(change).await.unwrap();
    world
}

/// What is typed, with whoever interviews.
fn typed<'a>(interviewers: &'a str, once: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("subject", "Phone screen"),
        ("at", "2099-03-04T10:00"),
        ("minutes", "45"),
        ("location", "Room 4"),
        ("interviewers", interviewers),
        ("note", "Ask about the <night> shift."),
        ("once", once),
    ]
}

impl World {
    async fn press(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let url = self.url(&format!("/o/{ADA}/interviews{path}"));
        Answer::of(client.build().unwrap().post(url).bearer_auth(ADMIN).form(form)).await
    }

    async fn arranged(&self) -> Vec<Value> {
        let path = format!("/api/v1/opportunities/{ADA}/interviews");
        self.get(&path, ADMIN).await.json()["data"].as_array().unwrap().clone()
    }

    /// What the page's form is drawn with.
    async fn once(&self) -> String {
        let page = self.get(&format!("/o/{ADA}"), ADMIN).await.text;
        let (_, rest) = page.split_once("name=\"once\" form=\"arrange-interview\" value=\"").expect("a form");
        rest.split_once('"').unwrap().0.to_owned()
    }
}

#[tokio::test]
async fn a_typing_error_costs_nothing_that_was_typed() {
    let world = world().await;
    let refused = world.press("", &typed("nobody@acme.example", "")).await;
    assert_eq!(refused.status, 422);
    let page = &refused.text;
    let kept = ["Phone screen", "2099-03-04T10:00", "\"45\"", "Room 4", "nobody@acme.example", "night"];
    for words in kept.into_iter().chain(["no active Lever user has the e-mail", "<details open>"]) {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("id=\"arrange-interview\"") && !page.contains("<night>"), "{page}");
    assert!(world.arranged().await.is_empty());

    assert_eq!(world.press("", &typed(ANA, "")).await.status, 303);
    let id = world.arranged().await[0]["id"].as_str().unwrap().to_owned();
    let mut later = typed(ANA, "");
    later[1].1 = "soon";
    let refused = world.press(&format!("/{id}"), &later).await;
    assert_eq!(refused.status, 422);
    let (before, after) = refused.text.split_once("id=\"arrange-interview\"").unwrap();
    assert!(before.contains("value=\"soon\"") && before.contains("Choose a time."), "{before}");
    assert!(!after.contains("Choose a time."), "{after}");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_arranges_one_interview() {
    let world = world().await;
    let once = world.once().await;
    let form = typed(ANA, &once);
    let (one, two) = tokio::join!(world.press("", &form), world.press("", &form));
    assert_eq!((one.status, two.status), (303, 303), "{one:?} {two:?}");
    assert_eq!(world.arranged().await.len(), 1);
    let another = world.once().await;
    assert_ne!(another, once);
    assert_eq!(world.press("", &typed(ANA, &another)).await.status, 303);
    assert_eq!(world.arranged().await.len(), 2, "a form that was drawn anew is another");

    let id = world.arranged().await[0]["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let ended = world.press(&format!("/{id}"), &[("call_off", "yes")]).await;
        assert_eq!(ended.status, 303, "{}", ended.text);
    }
    let gone = world.press(&format!("/{id}"), &typed(ANA, "")).await;
    assert!(gone.status == 409 && gone.text.contains("role=\"alert\">"), "{}", gone.text);
}

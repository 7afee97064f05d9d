//! Notes, interviews, panels, and the replies that are not to be trusted.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, LeverOptions, open, unlimited};
use crate::lever::Permissions;
use crate::{Event, Fault, Remote, Rule};

fn kinds(client: &Client) -> Vec<&'static str> {
    client.sandbox.ledger().entries().iter().map(|entry| entry.kind).collect()
}

async fn somebody(client: &Client) -> String {
    client.sandbox.random_opportunity(true).unwrap().opportunity
}

async fn user(client: &Client) -> String {
    client.ok("/users?limit=1").await["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_note_is_created_read_commented_replaced_and_deleted() {
    let client = open(100).await;
    let (id, user) = (somebody(&client).await, user(&client).await);
    let notes = format!("/opportunities/{id}/notes");
    let (status, created) =
        client.send(Method::POST, &format!("{notes}?perform_as={user}"), &json!({"value": "a\nb"})).await;
    assert_eq!(status, StatusCode::CREATED);
    let note = &created["data"];
    assert_eq!(note["noteId"], note["id"]);
    assert_eq!((&note["user"], &note["fields"][0]["value"]), (&json!(user), &json!("a\nb")));
    let path = format!("{notes}/{}", note["id"].as_str().unwrap());
    let read = client.ok(&path).await;
    let keys: Vec<_> = read["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["completedAt", "createdAt", "deletedAt", "fields", "id", "secret", "text", "user"]);
    let field: Vec<_> = read["data"]["fields"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(field, ["createdAt", "score", "stage", "text", "type", "user", "value"]);

    let comment = format!("{notes}?note_id={}", note["id"].as_str().unwrap());
    assert_eq!(client.send(Method::POST, &comment, &json!({"value": "c"})).await.0, StatusCode::CREATED);
    assert_eq!(client.ok(&path).await["data"]["fields"].as_array().unwrap().len(), 2);
    let (status, _) = client.send(Method::PUT, &path, &json!({"values": [{"value": "new"}]})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(client.ok(&notes).await["data"][0]["fields"][0]["value"], "new");
    let deleted = client.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!((deleted.status(), deleted.headers().get("content-type")), (StatusCode::NO_CONTENT, None));
    assert_eq!(client.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(kinds(&client), ["note_created", "note_created", "note_updated", "note_deleted"]);
    assert!(client.sandbox.truth_of(&id).unwrap().updated_at.is_some());
}

#[tokio::test]
async fn a_note_without_value_or_with_an_unknown_author_changes_nothing() {
    let client = open(50).await;
    let notes = format!("/opportunities/{}/notes", somebody(&client).await);
    for (path, body) in [
        (notes.clone(), json!({})),
        (notes.clone(), json!({"value": ""})),
        (notes.clone(), json!({"value": "x", "score": 5})),
        (notes.clone(), json!({"value": "x", "createdAt": 99_999_999_999_999_i64})),
        (format!("{notes}?perform_as=nobody"), json!({"value": "x"})),
    ] {
        assert_eq!(client.send(Method::POST, &path, &body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert!(client.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn a_note_whose_answer_is_cut_off_exists_and_a_retry_doubles_it() {
    let client = open(50).await;
    let notes = format!("/opportunities/{}/notes", somebody(&client).await);
    client.sandbox.faults().add(Rule::new(Remote::Lever, Fault::CutAfter).method(&Method::POST).times(1));
    let body = json!({"value": "once?"});
    client.request(Method::POST, &notes).json(&body).send().await.unwrap_err();
    client.send(Method::POST, &notes, &body).await;
    assert_eq!(client.ok(&notes).await["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_interview_is_made_in_a_panel_of_ours_replaced_and_takes_the_panel_along() {
    let client = open(100).await;
    let (id, user) = (somebody(&client).await, user(&client).await);
    let base = format!("/opportunities/{id}");
    let interview = json!({"interviewers": [{"id": user}], "date": 1_783_000_000_000_i64, "duration": 45, "subject": "Hello"});
    let panel = json!({"timezone": "America/Los_Angeles", "interviews": [interview]});
    assert_eq!(client.send(Method::POST, &format!("{base}/panels"), &panel).await.0, StatusCode::BAD_REQUEST);
    let (status, made) = client.send(Method::POST, &format!("{base}/panels?perform_as={user}"), &panel).await;
    assert_eq!((status, &made["data"]["externallyManaged"]), (StatusCode::CREATED, &json!(true)));
    assert_eq!(made["data"]["end"].as_i64().unwrap() - made["data"]["start"].as_i64().unwrap(), 45 * 60_000);

    let panel_id = made["data"]["id"].as_str().unwrap();
    let mut second = interview.clone();
    second["panel"] = json!(panel_id);
    let (status, second) =
        client.send(Method::POST, &format!("{base}/interviews?perform_as={user}"), &second).await;
    assert_eq!((status, &second["data"]["timezone"]), (StatusCode::CREATED, &json!("America/Los_Angeles")));
    assert_eq!(second["data"]["interviewers"][0]["feedbackTemplate"], "no-feedback");

    let one = format!("{base}/interviews/{}?perform_as={user}", second["data"]["id"].as_str().unwrap());
    let replacement = json!({"interviewers": [{"id": user}], "date": 1_783_000_900_000_i64, "duration": 30});
    let (status, replaced) = client.send(Method::PUT, &one, &replacement).await;
    assert_eq!(
        (status, &replaced["data"]["subject"], &replaced["data"]["panel"]),
        (StatusCode::OK, &Value::Null, &json!(panel_id))
    );
    assert_eq!(replaced["data"]["createdAt"], second["data"]["createdAt"]);
    // To omit a string is documented, to send a null for one is not.
    for string in ["subject", "note", "location", "feedbackReminder"] {
        let mut null = replacement.clone();
        null[string] = Value::Null;
        assert_eq!(client.send(Method::PUT, &one, &null).await.0, StatusCode::BAD_REQUEST, "{string}");
    }
    // A form is named by its id; that none is wanted is said of an interviewer alone.
    let form = "4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f";
    for (own, theirs, expected) in [
        (json!(null), json!(null), None),
        (json!(form), json!(form), None),
        (json!(null), json!("no-feedback"), None),
        (json!("no-feedback"), json!(form), Some("/feedbackTemplate")),
        (json!(""), json!(form), Some("/feedbackTemplate")),
        (json!(form), json!("some form"), Some("/interviewers/0/feedbackTemplate")),
    ] {
        let mut changed = replacement.clone();
        (changed["feedbackTemplate"], changed["interviewers"][0]["feedbackTemplate"]) = (own, theirs);
        let (_, answer) = client.send(Method::PUT, &one, &changed).await;
        let refused = expected.map(|at| json!(format!("Invalid value at {at}"))).unwrap_or_default();
        assert_eq!(answer["message"], refused, "{changed}");
    }

    let first = made["data"]["interviews"][0]["id"].as_str().unwrap();
    for path in [one, format!("{base}/interviews/{first}?perform_as={user}")] {
        assert_eq!(client.send(Method::DELETE, &path, &Value::Null).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(client.get(&format!("{base}/panels/{panel_id}")).await.0, StatusCode::NOT_FOUND);
}

/// It is judged that they bump it, not documented.
#[tokio::test]
async fn interviews_leave_a_trace_in_updated_at_or_none() {
    for bump in [true, false] {
        let options =
            LeverOptions { interviews_bump_updated: bump, permissions: Permissions::all(), ..unlimited(100) };
        let client = Client::start(options).await;
        let (id, user) = (somebody(&client).await, user(&client).await);
        let mut before = client.sandbox.truth_of(&id).unwrap().updated_at;
        let mut bumped = || {
            let now = client.sandbox.truth_of(&id).unwrap().updated_at;
            client.sandbox.clock().advance(1000);
            std::mem::replace(&mut before, now) != now
        };
        assert!(!bumped());
        for event in [
            json!({"event": "interview_created", "opportunity": id}),
            json!({"event": "interview_moved", "opportunity": id}),
            json!({"event": "interview_canceled", "opportunity": id}),
            json!({"event": "interview_deleted", "opportunity": id}),
        ] {
            client.sandbox.happen(&serde_json::from_value::<Event>(event.clone()).unwrap()).unwrap();
            assert_eq!(bumped(), bump, "{event}");
        }
        let interview =
            json!({"interviewers": [{"id": user}], "date": 1_783_000_000_000_i64, "duration": 45});
        let panel = json!({"timezone": "America/Los_Angeles", "interviews": [interview]});
        let path = format!("/opportunities/{id}/panels?perform_as={user}");
        assert_eq!(client.send(Method::POST, &path, &panel).await.0, StatusCode::CREATED);
        assert_eq!(bumped(), bump);
        let made = client.sandbox.ledger().entries().pop().unwrap();
        assert_eq!((made.kind, &made.detail["body"]), ("panel_created", &panel));
        assert_eq!(made.detail["perform_as"], json!(user));
    }
}

#[tokio::test]
async fn an_interview_of_levers_own_cannot_be_changed() {
    let client = open(600).await;
    let inside = |one: &crate::TruthInterview| !one.externally_managed;
    let truth =
        client.sandbox.truth().find(|one| !one.confidential && one.interviews.iter().any(inside)).unwrap();
    let user = user(&client).await;
    let path = format!("/opportunities/{}/interviews/{}?perform_as={user}", truth.id, truth.interviews[0].id);
    assert_eq!(client.send(Method::DELETE, &path, &Value::Null).await.0, StatusCode::FORBIDDEN);
    let body = json!({"interviewers": [{"id": user}], "date": 1, "duration": 30});
    assert_eq!(client.send(Method::PUT, &path, &body).await.0, StatusCode::FORBIDDEN);
    let panel = json!({"panel": truth.interviews[0].panel, "interviewers": [{"id": user}], "date": 1, "duration": 30});
    let create = format!("/opportunities/{}/interviews?perform_as={user}", truth.id);
    assert_eq!(client.send(Method::POST, &create, &panel).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_reply_to_a_move_is_blank_where_the_person_was() {
    let client = open(100).await;
    let id = somebody(&client).await;
    let (status, reply) =
        client.send(Method::PUT, &format!("/opportunities/{id}/stage"), &json!({"stage": "offer"})).await;
    assert_eq!(
        (status, &reply["data"]["stage"], &reply["data"]["name"]),
        (StatusCode::OK, &json!("offer"), &json!(""))
    );
    assert_eq!(reply["data"]["phones"], json!([]));
    let reason = client.ok("/archive_reasons?type=hired").await["data"][0]["id"].clone();
    let (_, reply) =
        client.send(Method::PUT, &format!("/opportunities/{id}/archived"), &json!({"reason": reason})).await;
    assert_eq!(reply["data"]["archived"]["reason"], reason);
    let read = client.ok(&format!("/opportunities/{id}")).await;
    assert_ne!(read["data"]["phones"], json!([]));
    assert_eq!(read["data"]["archived"]["reason"], reason);
}

#[tokio::test]
async fn an_edited_contact_shows_in_its_opportunities() {
    let client = open(100).await;
    let found = client.sandbox.random_opportunity(true).unwrap();
    let body = json!({"name": "New Name", "phones": [{"value": "+12025550177"}], "location": "Paris"});
    let (status, reply) = client.send(Method::PUT, &format!("/contacts/{}", found.contact), &body).await;
    assert_eq!((status, reply["data"].get("isAnonymized")), (StatusCode::OK, None));
    let read = client.ok(&format!("/opportunities/{}", found.opportunity)).await;
    assert_eq!((&read["data"]["name"], &read["data"]["location"]), (&json!("New Name"), &json!("Paris")));
}

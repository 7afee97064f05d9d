//! Every object has the keys and types of the samples in lever-api.md 5.

use serde_json::{Value, json};

use super::{Client, open};

/// Fails unless `ours` has the keys of `sample` and no others, each of the sample's type. Where a value may
/// be of more than one type the sample lists one of each in an array under the key `"?"`.
fn check(sample: &Value, ours: &Value, place: &str) {
    match (sample, ours) {
        (Value::Object(wanted), _) if wanted.contains_key("?") => {
            let choices = wanted["?"].as_array().unwrap();
            let fits = choices.iter().find(|choice| kind(choice) == kind(ours));
            check(fits.unwrap_or_else(|| panic!("{place} is {ours}")), ours, place);
        }
        (Value::Object(wanted), Value::Object(found)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(wanted), keys(found), "{place}");
            wanted.iter().for_each(|(key, value)| check(value, &found[key], &format!("{place}/{key}")));
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if let Some(first) = wanted.first() {
                found.iter().for_each(|item| check(first, item, &format!("{place}/-")));
            }
        }
        _ => assert_eq!(kind(sample), kind(ours), "{place}: {ours}"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn or_null(sample: &Value) -> Value {
    json!({"?": [null, sample]})
}

fn opportunity() -> Value {
    json!({"id": "", "name": "", "contact": "", "headline": "", "stage": "applicant-new", "confidentiality": "",
        "location": "", "phones": [], "emails": [""], "links": [""],
        "archived": or_null(&json!({"reason": or_null(&json!("")), "archivedAt": 1})), "tags": [""], "sources": [""],
        "stageChanges": [], "origin": "applied", "sourcedBy": or_null(&json!("")), "owner": or_null(&json!("")), "followers": [""],
        "applications": [""], "createdAt": 1, "updatedAt": or_null(&json!(1)), "lastInteractionAt": 1,
        "lastAdvancedAt": 1, "snoozedUntil": null, "urls": {"list": "", "show": ""}, "isAnonymized": false,
        "dataProtection": null, "opportunityLocation": "Austin"})
}

async fn items(client: &Client, path: &str) -> Vec<Value> {
    client.ok(path).await["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn opportunities_look_like_the_sample() {
    let client = open(2000).await;
    let mut without_application = 0;
    let stages = items(&client, "/stages").await;
    let is_stage = |id: &Value| stages.iter().any(|stage| stage["id"] == *id);
    // What is to be tolerated is there: nobody owns it, it was archived for no reason that is told, or it came
    // through a stage that was removed since.
    let (mut unowned, mut unexplained, mut removed) = (0, 0, 0);
    for mut item in items(&client, "/opportunities").await {
        unowned += usize::from(item["owner"].is_null());
        unexplained += usize::from(item["archived"].is_object() && item["archived"]["reason"].is_null());
        let changes = item["stageChanges"].as_array().unwrap();
        removed += usize::from(changes.iter().any(|change| !is_stage(&change["toStageId"])));
        if item["applications"] == json!([]) {
            without_application += 1;
            assert!(item.get("opportunityLocation").is_none());
            item["opportunityLocation"] = json!("");
        }
        check(&opportunity(), &item, "");
        for change in item["stageChanges"].as_array().unwrap() {
            assert!(
                change["toStageId"].is_string()
                    && change["toStageIndex"].is_u64()
                    && change["updatedAt"].is_i64()
            );
        }
    }
    assert!(without_application > 0 && unowned > 0 && unexplained > 0 && removed > 0);
}

#[tokio::test]
async fn expand_puts_objects_in_the_place_of_ids() {
    let client = open(500).await;
    let expand = "expand=applications&expand=contact&expand=stage&expand=owner";
    let path = format!("/opportunities?stage_id=applicant-new&archived=true&{expand}");
    let null_or_text = or_null(&json!(""));
    let mut sample = opportunity();
    sample["stage"] = json!({"id": "", "text": ""});
    sample["contact"] = json!({"id": "", "name": "", "headline": "", "isAnonymized": false, "location": {"name": ""},
        "emails": [""], "phones": [], "dataProtection": {"interviewIntelligence": {"allowed": true, "expiresAt": null}}});
    sample["owner"] = or_null(
        &json!({"id": "", "name": "", "username": "", "email": "", "accessRole": "", "photo": null,
        "createdAt": 1, "deactivatedAt": or_null(&json!(1)), "externalDirectoryId": null, "linkedContactIds": null,
        "jobTitle": null_or_text, "managerId": null}),
    );
    sample["applications"] = json!([{"id": "", "type": "", "candidateId": "", "opportunityId": "", "posting": "",
        "postingHiringManager": null_or_text, "postingOwner": "", "user": null_or_text, "name": null_or_text,
        "company": null, "email": null_or_text, "comments": null,
        "phone": {"?": [null, {"type": "", "value": ""}]}, "links": [], "customQuestions": [{"id": "", "type": "", "text": "",
        "user": null, "fields": [{"id": "", "type": "", "text": "", "description": "", "required": false,
        "options": [{"text": ""}], "value": null_or_text}], "createdAt": 1}], "createdAt": 1,
        "archived": {"reason": null_or_text, "archivedAt": 1}, "requisitionForHire": null, "ipAddress": null, "referer": null,
        "userAgent": null, "acceptLanguage": null, "timezone": null}]);
    let found = items(&client, &path).await;
    assert!(!found.is_empty());
    for mut item in found {
        // The type of a phone may be missing, in the application as in the contact.
        if let Some(phone) = item["applications"][0]["phone"].as_object_mut() {
            phone.entry("type").or_insert(json!(""));
        }
        check(&sample, &item, "");
    }
}

#[tokio::test]
async fn include_leaves_only_what_it_names() {
    let client = open(50).await;
    for item in items(&client, "/opportunities?include=name&include=stage").await {
        assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name", "stage"]);
    }
}

#[tokio::test]
async fn interviews_and_panels_look_like_the_samples() {
    let client = open(600).await;
    let id = client.sandbox.truth().find(|truth| !truth.interviews.is_empty()).unwrap().id;
    let text = or_null(&json!(""));
    let interviewer = json!({"id": "", "name": text, "email": text, "feedbackTemplate": "no-feedback"});
    let sample = json!({"id": "", "panel": "", "subject": text, "note": text, "interviewers": [interviewer],
        "timezone": "", "createdAt": 1, "date": 1, "duration": 45, "location": text, "feedbackTemplate": text,
        "feedbackForms": [], "feedbackReminder": "", "user": text, "stage": "", "canceledAt": or_null(&json!(1)),
        "postings": [""], "gcalEventUrl": null, "opportunityId": ""});
    let interviews = items(&client, &format!("/opportunities/{id}/interviews")).await;
    check(&json!([sample]), &json!(interviews), "");
    let one =
        client.ok(&format!("/opportunities/{id}/interviews/{}", interviews[0]["id"].as_str().unwrap())).await;
    assert_eq!(one["data"], interviews[0]);
    let panels = items(&client, &format!("/opportunities/{id}/panels")).await;
    let within = json!({"id": "", "date": 1, "duration": 1, "feedbackReminder": "", "feedbackTemplate": text,
        "interviewers": [{"id": "", "email": text, "name": text, "responseStatus": "", "feedbackTemplate": ""}],
        "location": text, "note": text, "subject": text});
    let sample = json!({"id": "", "applications": [""], "canceledAt": null, "createdAt": 1, "start": 1, "end": 1,
        "timezone": "", "feedbackReminder": "", "user": "", "stage": "", "note": text, "externallyManaged": true,
        "externalUrl": text, "interviews": [within]});
    check(&json!([sample]), &json!(panels), "");
}

#[tokio::test]
async fn the_tables_of_reference_look_like_the_samples() {
    let client = open(10).await;
    let stages = items(&client, "/stages").await;
    check(&json!([{"id": "", "text": ""}]), &json!(stages), "");
    assert_eq!((stages.len(), &stages[3]["id"]), (12, &json!("applicant-new")));
    let reasons = json!([{"id": "", "text": "", "status": "active", "type": "hired"}]);
    check(&reasons, &json!(items(&client, "/archive_reasons").await), "");
    assert_eq!(items(&client, "/archive_reasons?type=hired").await.len(), 2);
    let disposition = client.ok("/disposition_stages").await["data"].clone();
    let sample = json!({"stages": [{"id": "", "text": "", "pipeline": "", "rank": 1, "hasInterview": true}],
        "archiveReasons": [{"id": "", "text": "", "type": or_null(&json!("hired")), "status": ""}]});
    check(&sample, &disposition, "");
    let postings = items(&client, "/postings?confidentiality=all").await;
    let text = or_null(&json!(""));
    let sample = json!({"id": "", "text": "", "state": "", "distributionChannels": or_null(&json!([""])), "user": "",
        "owner": "", "hiringManager": text, "categories": {"commitment": text, "department": text, "level": text,
        "location": text, "team": text, "allLocations": [""]}, "tags": [""], "content": {"description": "",
        "descriptionHtml": "", "lists": [], "closing": "", "closingHtml": ""}, "country": text, "followers": [""],
        "reqCode": text, "requisitionCodes": [""], "urls": or_null(&json!({"list": "", "show": "", "apply": ""})),
        "confidentiality": "", "createdAt": 1, "updatedAt": 1, "workplaceType": "", "transcribeInterviews": false,
        "screening": {"enabled": false}});
    check(&json!([sample]), &json!(postings), "");
}

#[tokio::test]
async fn expand_works_on_interviews_and_notes_too() {
    let client = open(600).await;
    let id = client.sandbox.truth().find(|truth| !truth.interviews.is_empty()).unwrap().id;
    let path =
        format!("/opportunities/{id}/interviews?expand=user&expand=stage&expand=postings&expand=nonsense");
    let interview = &items(&client, &path).await[0];
    assert!(interview["user"]["email"].is_string() && interview["stage"]["text"].is_string());
    assert!(interview["postings"][0]["categories"].is_object());
}

//! Order, pages and filters of `GET /opportunities`, compared with the truth.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, LeverOptions, open, unlimited};
use crate::lever::generator::Plan;
use crate::lever::list::{Filter, page};
use crate::lever::query::Query;
use crate::lever::render::Shape;
use crate::lever::tenant::{NewApplication, Tenant};
use crate::{Event, Moves, Truth};

/// All items of a listing; `raw` puts the token into the URL as it came, else it is encoded once more.
async fn all(client: &Client, query: &str, raw: bool) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let offset = next.as_ref().map(|token| {
            let encoded: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
            format!("&offset={}", if raw { token } else { &encoded })
        });
        let page = client.ok(&format!("/opportunities?{query}{}", offset.unwrap_or_default())).await;
        items.extend(page["data"].as_array().unwrap().iter().cloned());
        assert_eq!(page["hasNext"].as_bool().unwrap(), page.get("next").is_some());
        match page.get("next") {
            Some(token) => next = Some(token.as_str().unwrap().to_owned()),
            None => return items,
        }
    }
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_still_tenant_is_listed_once_each_in_levers_order() {
    let client = open(1500).await;
    let stages = client.ok("/disposition_stages").await["data"]["stages"].clone();
    let rank = |id: &Value| {
        let stage = stages.as_array().unwrap().iter().find(|stage| stage["id"] == *id).unwrap();
        (stage["rank"].as_f64().unwrap() * 10.0) as i64
    };
    let key = |item: &Value| {
        let advanced = item["lastAdvancedAt"].as_i64().unwrap();
        (rank(&item["stage"]), Reverse(advanced), item["id"].as_str().unwrap().to_owned())
    };
    for raw in [true, false] {
        let items = all(&client, "limit=37", raw).await;
        let keys: Vec<_> = items.iter().map(key).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            keys.windows(2).any(|pair| (&pair[0].0, &pair[0].1) == (&pair[1].0, &pair[1].1)),
            "ties occur"
        );
        let expected: BTreeSet<_> =
            client.sandbox.truth().filter(|truth| !truth.confidential).map(|truth| truth.id).collect();
        assert_eq!(items.len(), expected.len());
        assert_eq!(ids(&items).into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test]
async fn filters_find_what_the_truth_says() {
    let client = open(1200).await;
    client
        .sandbox
        .happen(&Event::Apply {
            name: None,
            phone: None,
            email: Some("new@example.org".into()),
            contact: None,
            posting: None,
        })
        .unwrap();
    let truth: Vec<Truth> = client.sandbox.truth().filter(|truth| !truth.confidential).collect();
    let (some, other) = (&truth[700], &truth[701]);
    let (created, advanced) = (some.created_at, some.last_advanced_at);
    let posting = some.posting.as_ref().or(other.posting.as_ref()).unwrap();
    let day = 86_400_000;
    type Test<'a> = Box<dyn Fn(&Truth) -> bool + 'a>;
    let cases: Vec<(String, Test)> = vec![
        ("archived=false".into(), Box::new(|one| one.archived_at.is_none())),
        ("archived=true".into(), Box::new(|one| one.archived_at.is_some())),
        (
            format!("stage_id={}&stage_id=lead-new", some.stage),
            Box::new(|one| one.stage == some.stage || one.stage == "lead-new"),
        ),
        (
            format!("created_at_start={}&created_at_end={created}", created - 90 * day),
            Box::new(|one| (created - 90 * day..=created).contains(&one.created_at)),
        ),
        (format!("created_at_start={created}"), Box::new(|one| one.created_at >= created)),
        (format!("advanced_at_start={advanced}"), Box::new(|one| one.last_advanced_at >= advanced)),
        (
            format!("advanced_at_start={advanced}&archived=false&stage_id=applicant-new"),
            Box::new(|one| {
                one.last_advanced_at >= advanced && one.archived_at.is_none() && one.stage == "applicant-new"
            }),
        ),
        ("updated_at_start=1".into(), Box::new(|one| one.updated_at.is_some())),
        (
            format!("archived_at_end={created}"),
            Box::new(|one| one.archived_at.is_some_and(|at| at <= created)),
        ),
        (format!("contact_id={}", some.contact), Box::new(|one| one.contact == some.contact)),
        (
            "email=new@example.org".into(),
            Box::new(|one| one.emails.iter().any(|email| email == "new@example.org")),
        ),
        (
            format!("posting_id={posting}"),
            Box::new(|one| one.archived_at.is_none() && one.posting.as_ref() == Some(posting)),
        ),
        (
            format!("archived_posting_id={posting}"),
            Box::new(|one| one.archived_at.is_some() && one.posting.as_ref() == Some(posting)),
        ),
        ("stage_id=unknown".into(), Box::new(|_| false)),
        ("nonsense=1".into(), Box::new(|_| true)),
    ];
    for (query, test) in cases {
        let found: BTreeSet<_> = ids(&all(&client, &query, false).await).into_iter().collect();
        let expected: BTreeSet<_> = truth.iter().filter(|one| test(one)).map(|one| one.id.clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let confidential = all(&client, "confidentiality=confidential", false).await;
    assert_eq!(confidential.len(), client.sandbox.truth().filter(|one| one.confidential).count());
    assert!(confidential.iter().all(|item| item["confidentiality"] == "confidential"));
}

/// The trap that a client must know: who moves backward past the cursor is missed, and only a second pass
/// over what was advanced since finds them.
#[tokio::test]
async fn who_moves_during_paging_is_missed_until_a_second_pass() {
    let client = open(1500).await;
    let start = client.sandbox.clock().now_ms();
    client.sandbox.set_moves(Moves { every_pages: 1, ..Moves::default() });
    let first: BTreeSet<_> =
        ids(&all(&client, "limit=10&confidentiality=all", false).await).into_iter().collect();
    client.sandbox.set_moves(Moves::default());
    let truth: BTreeSet<_> = client.sandbox.truth().map(|one| one.id).collect();
    assert!(first.len() < truth.len(), "somebody was missed");
    let query = format!("advanced_at_start={start}&confidentiality=all");
    let second: BTreeSet<_> = ids(&all(&client, &query, false).await).into_iter().collect();
    assert_eq!(&first | &second, truth);
}

/// After any changes the pages still hold everybody who is visible, once, in order.
#[test]
fn changes_keep_the_order() {
    let plan = Plan { seed: 5, opportunities: 400, active_share: 0.5, now_ms: 1_735_689_600_000 };
    let mut tenant = Tenant::generate(plan);
    for step in 0..600_i64 {
        // Several changes share one millisecond, so that ties occur.
        let now = plan.now_ms + step / 7;
        let Some(index) = tenant.random_active(|_, _| true) else { break };
        match step % 10 {
            0 => drop(tenant.archive(index, Some(3), now)),
            1 => tenant.delete(index, now, String::new()),
            2 => tenant.set_confidential(index, true, now),
            3 => {
                let new = NewApplication { contact: None, posting: 1, owner: 0, origin: 0 };
                tenant.apply(new, now, |_| {});
            }
            _ => {
                let stage = tenant.random_stage(index);
                tenant.move_to(index, stage, None, now);
            }
        }
    }
    let place = |index: &u32| {
        let row = tenant.row(*index);
        (row.stage, Reverse(row.advanced), tenant.opportunity_id(*index))
    };
    let mut expected: Vec<u32> = (0..tenant.len()).collect();
    expected.retain(|index| !tenant.row(*index).deleted && !tenant.row(*index).confidential);
    expected.sort_by_key(place);
    let mut found = Vec::new();
    let mut offset = String::new();
    loop {
        let query = Query::parse(Some(&format!("limit=7{offset}")));
        let slice = page(&tenant, &Filter::parse(&query, &tenant, false).unwrap(), &query).unwrap();
        found.extend(slice.indexes);
        let Some(next) = slice.next else { break };
        offset = format!("&offset={next}");
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn times_out_of_range_find_nobody_or_everybody() {
    let client = open(100).await;
    for name in ["created_at", "updated_at", "advanced_at", "archived_at"] {
        let early = all(&client, &format!("{name}_end=-1"), false).await;
        assert!(early.is_empty(), "{name}");
        let range = format!("{name}_start={}&{name}_end={}", i64::MIN, i64::MAX);
        all(&client, &range, false).await;
    }
    assert_eq!(all(&client, "created_at_start=-1", false).await.len(), all(&client, "", false).await.len());
}

#[tokio::test]
async fn the_deleted_leave_the_list_and_stand_in_their_own() {
    let client = open(200).await;
    let gone = client.sandbox.happen(&Event::Delete { opportunity: None }).unwrap().opportunity;
    assert_eq!(client.get(&format!("/opportunities/{gone}")).await.0, StatusCode::NOT_FOUND);
    assert!(!ids(&all(&client, "confidentiality=all", false).await).contains(&gone));
    let now = client.sandbox.clock().now_ms();
    let deleted = client
        .ok(&format!("/opportunities/deleted?deleted_at_start={}&deleted_at_end={now}", now - 60_000))
        .await;
    assert_eq!(deleted["data"][0]["id"], json!(gone));
    assert!(deleted["data"][0]["deletedAt"].is_i64() && deleted["data"][0]["deletedBy"].is_string());
    let (status, _) =
        client.get(&format!("/opportunities/deleted?deleted_at_start=1&deleted_at_end={now}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let applications = "/applications/deleted?deleted_at_start=";
    let went = client.ok(&format!("{applications}{}&deleted_at_end={now}", now - 60_000)).await;
    let of_theirs = |one: &Value| one["opportunityId"] == json!(gone);
    assert!(went["data"].as_array().unwrap().iter().all(of_theirs), "{went}");
    assert_eq!(client.get(&format!("{applications}{now}")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(client.ok("/postings/deleted").await["data"], json!([]));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_tenant() {
    let start = |seed| async move {
        let lever = LeverOptions { ..unlimited(300) };
        let options =
            crate::Options { seed, start_ms: Some(1_735_689_600_000), lever, ..crate::Options::default() };
        let sandbox = crate::Sandbox::start(options).await.unwrap();
        sandbox.truth().collect::<Vec<_>>()
    };
    assert_eq!(start(7).await, start(7).await);
    assert_ne!(start(7).await, start(8).await);
}

#[tokio::test]
async fn a_page_can_be_asked_for_by_the_old_name() {
    let client = open(20).await;
    let response = client.request(Method::GET, "/candidates?limit=1").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_million_opportunities_fit_and_are_served() {
    let before = resident_mib();
    let plan = Plan { seed: 3, opportunities: 1_000_000, active_share: 0.2, now_ms: 1_735_689_600_000 };
    let mut tenant = Tenant::generate(plan);
    let grown = resident_mib().saturating_sub(before);
    assert!(grown < 250, "{grown} MiB");

    let query = Query::parse(Some("limit=100"));
    let filter = Filter::parse(&query, &tenant, false).unwrap();
    let first = page(&tenant, &filter, &query).unwrap();
    assert_eq!(first.indexes.len(), 100);
    let shape = Shape::parse(&Query::parse(Some("expand=applications&expand=contact")));
    let size: usize =
        first.indexes.iter().map(|index| json!(tenant.opportunity(*index, &shape)).to_string().len()).sum();
    assert!(size > 50_000);

    let moved = first.indexes[50];
    tenant.move_to(moved, 11, None, plan.now_ms);
    let after = page(&tenant, &filter, &query).unwrap();
    assert!(!after.indexes.contains(&moved));
}

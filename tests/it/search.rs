//! What was said is found, whatever happens to the index; what was erased is not, and what somebody
//! may not see neither.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fulcrum::engine::{Engine, Hit, SearchError, SearchQuery};
use fulcrum_domain::{HookEvent, Sight};
use fulcrum_sandbox::Event;

use crate::world::{World, eventually, id, small, to};

const NAME: &str = "Zoë Quarterstaff";
const PHONE: &str = "+12025550142";

fn query(words: &str) -> SearchQuery {
    SearchQuery { words: words.into(), limit: 20, sight: Sight::Open }
}

async fn ask(engine: &Engine, query: SearchQuery) -> Vec<String> {
    let hits = match engine.search(query).await {
        Ok(hits) => hits,
        Err(SearchError::NotReady) => return Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let show = |hit| match hit {
        Hit::Person { name, .. } => name,
        Hit::Conversation { number, snippet, .. } => {
            let text: String = snippet.into_iter().map(|part| part.text).collect();
            format!("{number}: {text}")
        }
    };
    hits.into_iter().map(show).collect()
}

async fn finds(world: &World, words: &str, expected: &[&str]) {
    eventually(&format!("\u{201c}{words}\u{201d} finds {expected:?}"), async || {
        ask(&world.engine, query(words)).await == expected
    })
    .await;
}

/// Whether bytes stand in a file of the folder.
fn stands_in(folder: &Path, words: &str) -> bool {
    let holds = |bytes: Vec<u8>| bytes.windows(words.len()).any(|window| window == words.as_bytes());
    fs::read_dir(folder).unwrap().any(|entry| fs::read(entry.unwrap().path()).is_ok_and(holds))
}

async fn search_is(world: &World, status: &str) {
    eventually(&format!("the search is {status}"), async || {
        let (health, _) = (world.engine.health().await.unwrap(), ());
        health.components["search"].status.as_str() == status
            && health.components["search"].detail.is_empty() == (status == "ok")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_and_what_was_said_are_found() {
    let world = World::start(small()).await;
    let who = world.apply(NAME, PHONE).await;
    world.text(to(&who), "Your interview is on Thursday").await.unwrap();
    world.receive(PHONE, "thursday is fine, gracias José").await;
    let said = "+12025550142: thursday is fine, gracias José";
    finds(&world, "zoe quarter", &[NAME]).await;
    finds(&world, "thursday jose", &[said]).await;
    finds(&world, "thursday", &[said]).await;
    finds(&world, "555-0142", &[NAME, "+12025550142: "]).await;
    finds(&world, "nobody said this", &[]).await;
    let change =
        Event::Contact { opportunity: who.opportunity.clone(), name: Some("Bea".into()), phone: None };
    world.sandbox.happen(&change).unwrap();
    world.fetch(&who).await;
    finds(&world, "bea", &["Bea"]).await;
    finds(&world, "quarterstaff", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_index_all_is_found_again() {
    let world = World::start(small()).await;
    world.apply(NAME, PHONE).await;
    world.receive(PHONE, "first words").await;
    // Left behind in the middle of indexing.
    let world = world.restart(Duration::ZERO).await;
    finds(&world, "first", &["+12025550142: first words"]).await;
    world.receive(PHONE, "second words").await;
    let world = world.restart(Duration::from_secs(10)).await;
    finds(&world, "second", &["+12025550142: second words"]).await;
    finds(&world, "zoe", &[NAME]).await;
    let (path, folder) = world.end().await;
    fs::remove_dir_all(path.with_extension("redb.search")).unwrap();
    let world = World::start_in(small(), folder).await;
    finds(&world, "zoe", &[NAME]).await;
    finds(&world, "words", &["+12025550142: second words"]).await;
    finds(&world, "\"first words\"", &["+12025550142: first words"]).await;
    search_is(&world, "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_people_are_not_found_and_not_in_the_files() {
    let world = World::start(small()).await;
    let who = world.apply(NAME, PHONE).await;
    world.receive(PHONE, "marzipan").await;
    world.receive("+12025550143", "licorice").await;
    finds(&world, "marzipan", &["+12025550142: marzipan"]).await;
    finds(&world, "licorice", &["+12025550143: licorice"]).await;
    finds(&world, "zoe", &[NAME]).await;
    let folder = world.folder().join("fulcrum.redb.search");
    world.sandbox.happen(&Event::Delete { opportunity: Some(who.opportunity.clone()) }).unwrap();
    world.hook(HookEvent::CandidateDeleted, &who).await;
    for words in ["marzipan", "zoe", "0142"] {
        finds(&world, words, &[]).await;
    }
    let key = id(&who).to_key();
    eventually("the files hold nothing of it", async || {
        // The opportunity's id is stored as it is, whereas words are packed.
        let id_stands = fs::read_dir(&folder).unwrap().any(|entry| {
            fs::read(entry.unwrap().path())
                .is_ok_and(|bytes| bytes.windows(key.len()).any(|window| window == key))
        });
        !id_stands
            && ["marzipan", "quarterstaff", "12025550142"].iter().all(|words| !stands_in(&folder, words))
    })
    .await;
    finds(&world, "licorice", &["+12025550143: licorice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_folder_the_daemon_goes_on_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // In the folder's place, so that whoever runs the test cannot make it.
    let place = folder.path().join("fulcrum.redb.search");
    fs::write(&place, "not a folder").unwrap();
    let world = World::start_in(small(), folder).await;
    world.receive(PHONE, "still stored").await;
    assert!(matches!(world.engine.search(query("stored")).await, Err(SearchError::NotReady)));
    search_is(&world, "degraded").await;
    assert_eq!(world.messages(PHONE).await.len(), 1);
    fs::remove_file(&place).unwrap();
    finds(&world, "stored", &["+12025550142: still stored"]).await;
    search_is(&world, "ok").await;
}

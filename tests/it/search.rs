//! What was said is found, whatever happens to the index; what was erased is not, and what somebody
//! may not see neither.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fulcrum::engine::{Confidential, Engine, Hit, SearchError, SearchQuery};
use fulcrum_domain::{HookEvent, Sight};
use fulcrum_sandbox::{Event, Permission, Permissions};

use crate::world::{World, eventually, id, small, to};

const NAME: &str = "Zoë Quarterstaff";
const PHONE: &str = "+12025550142";
/// The folder of the index.
const INDEX: &str = "fulcrum.redb.search";

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
        let search = world.engine.status().await.unwrap().health.components["search"].clone();
        search.status.as_str() == status && search.detail.is_empty() == (status == "ok")
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
    finds(&world, "quarterst", &[NAME]).await;
    let world = world
        .restart_after(Duration::from_secs(10), |folder| fs::remove_dir_all(folder.join(INDEX)).unwrap())
        .await;
    finds(&world, "quarterst", &[NAME]).await;
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
    finds(&world, "quarterst", &[NAME]).await;
    let folder = world.folder().join(INDEX);
    world.sandbox.happen(&Event::Delete { opportunity: Some(who.opportunity.clone()) }).unwrap();
    world.hook(HookEvent::CandidateDeleted, &who).await;
    for words in ["marzipan", "quarterst", "0142"] {
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
    let world = World::start(small()).await;
    // In the folder's place, so that even root cannot make it.
    let block = |folder: &Path| {
        fs::remove_dir_all(folder.join(INDEX)).unwrap();
        fs::write(folder.join(INDEX), "not a folder").unwrap();
    };
    world.receive("+12025550143", "before").await;
    finds(&world, "before", &["+12025550143: before"]).await;
    let world = world.restart_after(Duration::from_secs(10), block).await;
    world.receive(PHONE, "still stored").await;
    assert!(matches!(world.engine.search(query("stored")).await, Err(SearchError::NotReady)));
    search_is(&world, "degraded").await;
    assert_eq!(world.messages(PHONE).await.len(), 1);
    fs::remove_file(world.folder().join(INDEX)).unwrap();
    finds(&world, "stored", &["+12025550142: still stored"]).await;
    search_is(&world, "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confidential_is_found_by_those_who_may_see_it() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::Confidential);
    let world = World::start_with(options, |s| s.confidential = Confidential::Read).await;
    let who = world.apply(NAME, PHONE).await;
    world.receive(PHONE, "between us").await;
    finds(&world, "between", &["+12025550142: between us"]).await;
    let hide = Event::Confidential { opportunity: Some(who.opportunity.clone()), on: true };
    world.sandbox.happen(&hide).unwrap();
    world.fetch(&who).await;
    for words in ["between", "quarterst", "0142"] {
        finds(&world, words, &[]).await;
    }
    let all = async |words| ask(&world.engine, SearchQuery { sight: Sight::All, ..query(words) }).await;
    assert_eq!(all("quarterst").await, [NAME]);
    assert_eq!(all("between").await, ["+12025550142: between us"]);
}

/// Lever shows nothing of them then, so the row that said that they are open is gone.
#[tokio::test(flavor = "multi_thread")]
async fn who_became_confidential_is_found_by_those_who_see_all_alone() {
    let world = World::start(small()).await;
    let who = world.apply(NAME, PHONE).await;
    world.receive(PHONE, "between us").await;
    finds(&world, "between", &["+12025550142: between us"]).await;
    let hide = Event::Confidential { opportunity: Some(who.opportunity.clone()), on: true };
    world.sandbox.happen(&hide).unwrap();
    world.hook(HookEvent::CandidateStageChange, &who).await;
    for words in ["between", "quarterst", "0142"] {
        finds(&world, words, &[]).await;
    }
    let all = async |words| ask(&world.engine, SearchQuery { sight: Sight::All, ..query(words) }).await;
    assert_eq!(all("between").await, ["+12025550142: between us"]);
}

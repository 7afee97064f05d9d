//! Pictures that came with texts, as browsers and programs get them.

use fulcrum_domain::file::{FileKind, FileState, FileTrouble};

use super::*;
use crate::carrier::{Media, ReceivedText};
use crate::engine::changes::{Fetched, Received, settle_file};
use crate::store::tables::FILES;
use crate::store::{Keys, Read, StoreError};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

impl World {
    /// A text with two files, as they turned out to be.
    async fn with_files(&self, first: Fetched, second: Fetched) -> (String, String) {
        let media = |n: u8| Media {
            url: format!("https://api.twilio.com/{n}").parse().unwrap(),
            content_type: "image/png\u{202e}<b>".into(),
        };
        let text = ReceivedText {
            sid: "MM1".parse().unwrap(),
            from: "+14155550123".into(),
            to: OURS.into(),
            body: String::new(),
            media: vec![media(0), media(1)],
            segments: 1,
            opt_out: None,
            at: None,
        };
        let Some(Received::Stored(id)) = self.engine.take_text(text).await.unwrap() else { panic!() };
        // They lie elsewhere than at the carrier. What is tested comes after the daemon has found that out.
        let is_known = async || {
            let states = self.engine.store.read(|read| read.list(FILES, &Keys::all(), usize::MAX)).await;
            states.unwrap().iter().all(|(_, state)| *state != FileState::Waiting)
        };
        let known = async {
            while !is_known().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.expect("the daemon looks at what came");
        let now = self.engine.now();
        let settled = self.engine.store.change(move |tx| {
            settle_file(tx, id, 0, first, now)?;
            settle_file(tx, id, 1, second, now)
        });
        settled.await.unwrap();
        (id.to_string(), "0001".to_owned())
    }
}

#[tokio::test]
async fn a_picture_goes_out_as_what_it_is_and_to_nobody_else() {
    let world = World::start(Choice::default()).await;
    let picture = Fetched::File(FileKind::Png, PNG.to_vec());
    let paper = Fetched::File(FileKind::Pdf, b"%PDF-1.7".to_vec());
    let (id, conversation) = world.with_files(picture, paper).await;
    let path = format!("/api/v1/messages/{id}/files/0");
    let response = world.client.get(world.url(&path)).bearer_auth(VIEWER).send().await.unwrap();
    let headers = response.headers().clone();
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", &*format!("inline; filename=\"{id}-0.png\"")),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, max-age=600"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(response.bytes().await.unwrap(), PNG);
    let saved = world.get(&format!("/api/v1/messages/{id}/files/1"), VIEWER).await;
    let way = format!("attachment; filename=\"{id}-1.pdf\"");
    assert_eq!(
        (saved.header("content-type"), saved.header("content-disposition")),
        ("application/pdf", &*way)
    );

    for path in [format!("/api/v1/messages/{id}/files/2"), format!("/api/v1/messages/{id}/files/256")] {
        world.get(&path, VIEWER).await.problem(404, "not-found");
    }
    world.get("/api/v1/messages/x/files/0", VIEWER).await.problem(404, "not-found");
    assert_eq!(world.get(&path, OPERATOR).await.status, 403);
    assert_eq!(world.get(&path, "nobody").await.status, 401);

    let page = world.get(&format!("/fragments/c/{conversation}"), VIEWER).await.text;
    assert!(page.contains(&format!("<img src=\"{path}\" alt=\"picture, image/png, 1 kB\"")), "{page}");
    assert!(page.contains("file, application/pdf, 1 kB</a>"), "{page}");
    let told = world.get(&format!("/api/v1/conversations/{conversation}/messages"), VIEWER).await.json();
    let files = &told["data"][0]["files"];
    assert_eq!((&files[0]["state"], &files[0]["bytes"]), (&"here".into(), &PNG.len().into()));
}

#[tokio::test]
async fn of_a_file_that_is_not_here_the_conversation_says_why() {
    let world = World::start(Choice::default()).await;
    let large = Fetched::Missing(FileTrouble::TooLarge { size: Some(12_000_000) });
    let (id, conversation) = world.with_files(large, Fetched::Missing(FileTrouble::Kind)).await;
    world.get(&format!("/api/v1/messages/{id}/files/0"), VIEWER).await.problem(404, "not-found");
    let page = world.get(&format!("/fragments/c/{conversation}"), VIEWER).await.text;
    assert!(!page.contains("<img"), "{page}");
    // What the sender calls it is text, and turns nothing around.
    assert!(page.contains("[picture, image/png&#60;b&#62;: too large: 12.0 MB]"), "{page}");
    assert!(page.contains(": of a kind that is not taken]"), "{page}");
}

#[tokio::test]
async fn who_may_not_see_a_candidate_sees_no_picture_of_theirs() {
    let world = World::start(Choice::default()).await;
    let opportunity: fulcrum_domain::OpportunityId = "opp-1".parse().unwrap();
    let put = async |confidential| {
        let id = opportunity.clone();
        let change = move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
            let row = desk::candidate("+14155550123", confidential);
            tx.put(store::tables::OPPORTUNITIES, &id, &row)?;
            let number = fulcrum_domain::Number::from_e164("+14155550123").unwrap();
            tx.put(store::tables::BY_NUMBER, &(number, id), &()).map(drop)
        };
        world.engine.store.change(change).await.unwrap();
    };
    put(true).await;
    let picture = || Fetched::File(FileKind::Png, PNG.to_vec());
    let (id, _) = world.with_files(picture(), picture()).await;
    let path = format!("/api/v1/messages/{id}/files/0");
    world.get(&path, VIEWER).await.problem(404, "not-found");
    put(false).await;
    assert_eq!(world.client.get(world.url(&path)).bearer_auth(VIEWER).send().await.unwrap().status(), 200);
}

//! Pictures that come with texts: fetched from the carrier, kept, given up with a reason, erased.

use fulcrum_domain::file::{FileKind, FileState, FileTrouble};
use fulcrum_domain::{Direction, EffectKind, EffectState, Sight};
use fulcrum_sandbox::twilio::InboundMedia;
use fulcrum_sandbox::{Fault, Remote, Rule};
use jiff::SignedDuration;

use crate::world::{World, eventually, small};

const DANA: &str = "+12025550142";

/// Bytes that nothing else has.
const MARK: &[u8] = b"pixels-that-nobody-else-has";

fn png(more: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend_from_slice(MARK);
    bytes.resize(bytes.len() + more, b'x');
    bytes
}

fn media(content_type: &str, bytes: Vec<u8>) -> InboundMedia {
    InboundMedia { content_type: content_type.into(), bytes: bytes.into() }
}

impl World {
    /// Dana texts with these files, and the poll finds it.
    async fn with(&self, body: &str, media: Vec<InboundMedia>) {
        self.sandbox.twilio().inbound(DANA, &self.sandbox.numbers()[0], body, media).unwrap();
        eventually("the text is here", async || !self.messages(DANA).await.is_empty()).await;
    }

    /// How far the files of Dana's text are.
    async fn files(&self) -> Vec<Option<FileState>> {
        let view = self.conversation(DANA).await.unwrap();
        let page = self.engine.messages(view.conversation.id, None, 10, Sight::All).await.unwrap();
        let theirs = page.rows.into_iter().find(|view| view.message.direction == Direction::In);
        theirs.unwrap().files
    }

    async fn fetched(&self) -> Vec<Option<FileState>> {
        eventually("its files are settled", async || {
            self.advance(SignedDuration::from_secs(30));
            !self.files().await.contains(&Some(FileState::Waiting))
        })
        .await;
        self.files().await
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_fetched_kept_named_in_the_note_and_erased() {
    let world = World::standing(small(), |_| {}).await;
    world.apply("Dana Reyes", DANA).await;
    let card = media("text/x-vcard", b"BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n".to_vec());
    world.with("my diploma", vec![media("image/heic", png(240_000)), card]).await;
    let size = png(240_000).len() as u64;
    assert_eq!(
        world.fetched().await,
        [
            Some(FileState::Here { kind: FileKind::Png, size }),
            Some(FileState::Here { kind: FileKind::Vcard, size: 37 })
        ]
    );
    let id = world.messages(DANA).await[0].id;
    let world = world.restart(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.engine.file(id, 0, Sight::All).await.unwrap(), Some((FileKind::Png, png(240_000))));

    world.file(DANA).await;
    let note = world.noted(1).await.remove(0).value;
    assert!(
        note.contains("my diploma [picture, 241 kB, open in fulcrum] [file, 1 kB, open in fulcrum]"),
        "{note}"
    );

    let is_in_the_file = || contains(&std::fs::read(world.file_path()).unwrap(), MARK);
    assert!(is_in_the_file());
    let whom = fulcrum_domain::Whom::Number(crate::world::number(DANA));
    world.engine.erase_person(whom, fulcrum_domain::Actor::from("ana")).await.unwrap().unwrap();
    assert_eq!(world.engine.file(id, 0, Sight::All).await.unwrap(), None);
    eventually("the file is written anew, without it", async || !is_in_the_file()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_of_another_kind_is_not_taken_and_the_words_are() {
    let world = World::standing(small(), |_| {}).await;
    let script = b"<!DOCTYPE html><script>alert(1)</script>".to_vec();
    let size = png(1_000_000).len() as u64;
    world.with("look", vec![media("image/png", png(1_000_000)), media("image/png", script)]).await;
    assert_eq!(
        world.fetched().await,
        [
            Some(FileState::Missing(FileTrouble::TooLarge { size: Some(size) })),
            Some(FileState::Missing(FileTrouble::Kind))
        ]
    );
    assert_eq!(world.messages(DANA).await[0].body.reveal(), "look");
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_down_is_asked_until_it_is_back_or_it_took_too_long() {
    let down = || {
        let down = Fault::Status { code: 503, body: None };
        Rule::new(Remote::Twilio, down).path("/Media/")
    };
    let world = World::standing(small(), |_| {}).await;
    world.sandbox.faults().add(down());
    world.with("look", vec![media("image/png", png(0))]).await;
    let tried = async || {
        let counts = world.outbox().await;
        counts.get(&(EffectKind::FetchFile, EffectState::Due)).copied()
    };
    for _ in 0..5 {
        world.advance(SignedDuration::from_hours(1));
        eventually("it waits", async || tried().await == Some(1)).await;
    }
    assert_eq!(world.files().await, [Some(FileState::Waiting)]);
    let world = world.restart(std::time::Duration::ZERO).await;
    world.sandbox.faults().clear();
    assert!(matches!(world.fetched().await[0], Some(FileState::Here { .. })));

    let world = World::standing(small(), |_| {}).await;
    world.sandbox.faults().add(down());
    world.with("look", vec![media("image/png", png(0))]).await;
    eventually("it is given up", async || {
        world.advance(SignedDuration::from_hours(12));
        world.files().await == [Some(FileState::Missing(FileTrouble::Unreachable))]
    })
    .await;
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_does_not_wait_for_the_list_of_its_pictures() {
    let world = World::standing(small(), |_| {}).await;
    let down = Fault::Status { code: 503, body: None };
    world.sandbox.faults().add(Rule::new(Remote::Twilio, down).path("/Media.json"));
    world.with("STOP", vec![media("image/png", png(0)), media("image/png", png(1))]).await;
    assert!(world.conversation(DANA).await.unwrap().suppression.is_some());
    assert_eq!(world.files().await, [Some(FileState::Waiting)]);
    world.sandbox.faults().clear();
    eventually("both are here", async || {
        world.advance(SignedDuration::from_secs(30));
        let files = world.files().await;
        files.len() == 2 && files.iter().all(|file| matches!(file, Some(FileState::Here { .. })))
    })
    .await;
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_files_are_not_wanted_none_is_asked_for() {
    let world = World::standing(small(), |settings| settings.files.fetch = false).await;
    world.with("look", vec![media("image/png", png(0))]).await;
    assert_eq!(world.fetched().await, [Some(FileState::Missing(FileTrouble::Off))]);
}

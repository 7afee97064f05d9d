//! A deleted candidate is gone from the file, whatever was known of them and in whichever order
//! that came; only the keyed hash of an opt-out stays.

use std::path::Path;

use fulcrum::engine::changes::{Arrival, EraseError, Put, mark_invisible, put_opportunity};
use fulcrum::engine::{Found, HealthStatus};
use fulcrum::store::tables::{DELETED, OPPORTUNITIES};
use fulcrum::store::{self, Read, Store, StoreError};
use fulcrum_domain::{
    EffectKind, Erasure, ErasureCause, ErasureId, HookEvent, Number, Opportunity, Remains, Retention, Sight,
    Whom,
};
use fulcrum_sandbox::twilio::InboundMedia;
use fulcrum_sandbox::{Event, Happened, Hidden, Options, Permission, Permissions};
use jiff::SignedDuration;
use redb::{ReadableDatabase, ReadableTable, TableHandle};

use crate::world::{World, eventually, id, number, settings, small, to};

const NAME: &str = "Wilhelmina Quarterstaff";
const PHONE: &str = "+12025550142";
const FORMER: &str = "+12025550143";
/// Somebody else's.
const OTHER: &str = "+13125550187";

/// What must not be found: words, and a number as rows hold it.
fn traces() -> Vec<(String, Vec<u8>)> {
    let words = [NAME, "Wilhelmina", "a very private matter", "an answer to it", "0142", "5550142"];
    let mut traces: Vec<_> = words.iter().map(|w| ((*w).to_owned(), w.as_bytes().to_vec())).collect();
    for phone in [PHONE, FORMER] {
        let number: Number = number(phone);
        traces.push((format!("{phone} in a key"), number.as_u64().to_be_bytes().to_vec()));
        let (mut left, mut bytes) = (number.as_u64(), Vec::new());
        while left >= 0x80 {
            bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
        traces.push((format!("{phone} in a value"), bytes));
    }
    traces
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The rows in which something is found, by table.
fn rows_with_traces(path: &Path) -> Vec<String> {
    let mut builder = redb::Builder::new();
    builder.set_concurrency_mode(redb::ConcurrencyMode::SingleWriter);
    let database = builder.open(path).unwrap();
    let read = database.begin_read().unwrap();
    let mut found = Vec::new();
    for table in read.list_tables().unwrap() {
        if table.name() == "meta-1" {
            continue;
        }
        let rows = read.open_table(redb::TableDefinition::<&[u8], &[u8]>::new(table.name())).unwrap();
        for row in rows.iter().unwrap() {
            let (key, value) = row.unwrap();
            for (what, bytes) in traces() {
                // The carrier's names for texts are digits by chance.
                if table.name() == "messages-by-sid-1" && bytes == b"0142" {
                    continue;
                }
                if contains(key.value(), &bytes) || contains(value.value(), &bytes) {
                    found.push(format!("{what} in {}", table.name()));
                }
            }
        }
    }
    found
}

async fn delete(world: &World, who: &Happened) {
    world.sandbox.happen(&Event::Delete { opportunity: Some(who.opportunity.clone()) }).unwrap();
}

async fn is_erased(world: &World, who: &Happened) {
    eventually("the deletion is processed", async || {
        // Lever's list is asked up to now, and Lever's clock goes on.
        world.advance(SignedDuration::from_secs(1));
        matches!(world.engine.opportunity(&id(who), Sight::All).await.unwrap(), Found::Deleted)
    })
    .await;
    // A text that is under way still cannot be deleted at the carrier, and is tried again.
    eventually("nothing is left to be done", async || {
        world.advance(SignedDuration::from_secs(5));
        let status = world.engine.status().await.unwrap().stored;
        status.outbox.is_empty() && status.inbox == 0
    })
    .await;
}

/// Everything there can be: a former number, texts both ways, one scheduled, one filed, an
/// interview, an opt-out.
async fn a_story(options: Options) -> (World, Happened) {
    let world = World::standing(options, |_| {}).await;
    // A page of the initial sync that was read before the number changed is not to come after it.
    world.backfilled().await;
    let who = world.apply(NAME, FORMER).await;
    world.text(to(&who), "a very private matter, at the former number").await.unwrap();
    world.texted(1).await;
    world.idle().await;
    let phone = Some(PHONE.to_owned());
    let change = Event::Contact { opportunity: who.opportunity.clone(), name: None, phone };
    world.sandbox.happen(&change).unwrap();
    world.fetch(&who).await;
    world.text(to(&who), "a very private matter").await.unwrap();
    world.texted(2).await;
    world.receive(PHONE, "an answer to it").await;
    world.idle().await;
    world.file(PHONE).await;
    world.noted(1).await;
    world.receive(PHONE, "an answer to it, not filed").await;
    let later = Some(world.clock.now() + SignedDuration::from_hours(9));
    let scheduled = crate::world::request(to(&who), "a very private matter, tomorrow");
    let scheduled = fulcrum::engine::SendRequest { send_at: later, ..scheduled };
    world.engine.send_text(scheduled).await.unwrap();
    let interview = Event::InterviewCreated {
        opportunity: Some(who.opportunity.clone()),
        date: None,
        duration: None,
        subject: Some(format!("Talk with {NAME}")),
        external: false,
    };
    world.sandbox.happen(&interview).unwrap();
    world.hook(HookEvent::InterviewCreated, &who).await;
    eventually("the interview is known", async || {
        match world.engine.opportunity(&id(&who), Sight::All).await.unwrap() {
            Found::Known(view) => view.interviews.len() == 1,
            _ => false,
        }
    })
    .await;
    (world, who)
}

async fn check_nothing_is_left(world: World) {
    world.advance(SignedDuration::from_hours(48));
    world.idle().await;
    let texts = world.texts().len();
    assert_eq!(texts, 2, "nothing leaves for somebody who was deleted");
    assert_eq!(world.notes().len(), 1, "nor is anything filed");
    // The running daemon writes its file anew while texts and webhooks come in.
    let ana = world.apply("Ana Ruiz", OTHER).await;
    let arriving = async {
        for n in 0..50 {
            world.receive(OTHER, &format!("text {n}")).await;
            world.hook(HookEvent::CandidateStageChange, &ana).await;
        }
    };
    let (renewed, ()) = tokio::join!(world.engine.renew_if_owed(), arriving);
    assert!(renewed.unwrap());
    assert!(!world.engine.renew_if_owed().await.unwrap(), "it was owed once");
    world.idle().await;
    assert_eq!(world.messages(OTHER).await.len(), 50);
    let file = std::fs::read(world.file_path()).unwrap();
    let left: Vec<_> = traces().into_iter().filter(|(_, bytes)| contains(&file, bytes)).collect();
    assert!(left.is_empty(), "in the daemon's file: {left:?}");
    let (path, _folder) = world.end().await;
    assert_eq!(rows_with_traces(&path), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_candidate_is_in_no_table_any_more() {
    let (world, who) = a_story(small()).await;
    delete(&world, &who).await;
    world.hook(HookEvent::CandidateDeleted, &who).await;
    is_erased(&world, &who).await;
    check_nothing_is_left(world).await;
}

/// Another webhook is processed between the deletion and the word of it: Lever shows nothing then,
/// which by itself proves no deletion.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_announced_after_the_candidate_vanished_erases_as_much() {
    let (world, who) = a_story(small()).await;
    delete(&world, &who).await;
    world.hook(HookEvent::CandidateStageChange, &who).await;
    eventually("the candidate has vanished", async || {
        matches!(world.engine.opportunity(&id(&who), Sight::All).await.unwrap(), Found::Unknown)
    })
    .await;
    assert_eq!(world.messages(PHONE).await.len(), 4, "what is ours stays meanwhile");
    world.hook(HookEvent::CandidateDeleted, &who).await;
    is_erased(&world, &who).await;
    check_nothing_is_left(world).await;
}

/// No webhook comes at all, but the key may list deletions.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_only_listed_erases_as_much() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::FindDeleted);
    let (world, who) = a_story(options).await;
    delete(&world, &who).await;
    is_erased(&world, &who).await;
    check_nothing_is_left(world).await;
}

/// The certificate once it says that nothing is left to be done but `by_hand` notes.
async fn certificate(world: &World, id: ErasureId, by_hand: usize) -> Erasure {
    let found = async || world.engine.erasure(id).await.unwrap().unwrap();
    eventually("the erasure has come to its end", async || {
        world.advance(SignedDuration::from_secs(5));
        let erasure = found().await;
        let left: Vec<_> = erasure.notes.iter().filter(|note| note.state != Remains::Gone).collect();
        let by_hand_only = left.iter().all(|note| matches!(note.state, Remains::ByHand(_)));
        let copies = erasure.copies.gone == erasure.copies.asked;
        left.len() == by_hand && by_hand_only && copies && erasure.file_written_at.is_some()
    })
    .await;
    found().await
}

fn happened(world: &World, kind: &str) -> usize {
    world.sandbox.ledger().entries().iter().filter(|entry| entry.kind == kind).count()
}

/// Lever has them still, and every look shows them again.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_by_command_is_gone_here_and_what_we_left_elsewhere_as_well() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::DeleteNote);
    let (world, who) = a_story(options).await;
    let stranger = Whom::Opportunity("nobody-yet".parse().unwrap());
    assert!(world.engine.erase_person(stranger, "ana".into()).await.unwrap().is_none());
    let unknown = world.engine.opportunity(&"nobody-yet".parse().unwrap(), Sight::All).await.unwrap();
    assert!(matches!(unknown, Found::Unknown), "a mistyped id keeps nobody away");
    let whom = Whom::Opportunity(id(&who));
    let told = world.engine.preview_erasure(whom.clone(), "ana".into()).await.unwrap().unwrap();
    assert_eq!((told.rows.messages, told.rows.opportunities, told.notes.len()), (5, 1, 1));
    assert_eq!(world.messages(PHONE).await.len(), 4, "a preview changes nothing");
    let (erasure, _) = world.engine.erase_person(whom.clone(), "ana".into()).await.unwrap().unwrap();
    let certificate = certificate(&world, erasure, 0).await;
    assert!(certificate.is_complete() && certificate.cause == ErasureCause::Command);
    assert_eq!(certificate.rows, told.rows);
    assert_eq!((certificate.copies.asked, happened(&world, "note_deleted")), (4, 1));
    assert_eq!(happened(&world, "message_deleted"), 2, "the others came by no carrier");
    is_erased(&world, &who).await;
    world.fetch(&who).await;
    world.advance(SignedDuration::from_hours(48));
    world.idle().await;
    assert!(world.engine.erase_person(whom, "ana".into()).await.unwrap().is_none(), "nothing came back");
    let file = std::fs::read(world.file_path()).unwrap();
    let left: Vec<_> = traces().into_iter().filter(|(_, bytes)| contains(&file, bytes)).collect();
    assert!(left.is_empty(), "in the daemon's file: {left:?}");
    let (path, _folder) = world.end().await;
    assert_eq!(rows_with_traces(&path), Vec::<String>::new());
}

/// Twilio keeps media when their message is deleted, and lists them no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_gone_at_the_carrier_before_the_certificate_says_so() {
    let world = World::standing(small(), |_| {}).await;
    world.apply(NAME, PHONE).await;
    let picture = InboundMedia { content_type: "image/png".into(), bytes: b"\x89PNG\r\n\x1a\n"[..].into() };
    world.sandbox.inbound_with(PHONE, "my diploma", vec![picture.clone(), picture]).unwrap();
    eventually("the text is here", async || !world.messages(PHONE).await.is_empty()).await;
    let whom = Whom::Number(number(PHONE));
    let (erasure, _) = world.engine.erase_person(whom, "ana".into()).await.unwrap().unwrap();
    assert!(certificate(&world, erasure, 0).await.is_complete());
    let deleted: Vec<_> = world.sandbox.ledger().entries().into_iter().map(|entry| entry.kind).collect();
    let deleted: Vec<_> = deleted.into_iter().filter(|kind| kind.ends_with("_deleted")).collect();
    assert_eq!(deleted, ["media_deleted", "media_deleted", "message_deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_that_the_key_may_not_delete_are_left_to_a_person() {
    let (world, _who) = a_story(small()).await;
    let whom = Whom::Number(number(FORMER));
    let (erasure, _) = world.engine.erase_person(whom, "ana".into()).await.unwrap().unwrap();
    assert_eq!(world.messages(PHONE).await.len(), 4, "Lever says that the number is theirs no more");
    let whom = Whom::Number(number(PHONE));
    let (second, _) = world.engine.erase_person(whom, "ana".into()).await.unwrap().unwrap();
    assert!(certificate(&world, erasure, 0).await.is_complete());
    let certificate = certificate(&world, second, 1).await;
    assert!(!certificate.is_complete() && happened(&world, "note_deleted") == 0);
    let failed = world.engine.failed_effects(Sight::All).await.unwrap();
    assert_eq!(failed.iter().map(|one| one.effect.kind()).collect::<Vec<_>>(), [EffectKind::DeleteNote]);
    assert!(failed[0].row.last_error.as_deref().unwrap().contains("Delete an opportunity note"));
}

/// Lever may answer 404 for a candidate whom it does not show, as for a note that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_candidate_whom_lever_hides_is_left_to_a_person_until_lever_deletes_them() {
    let mut options = small();
    options.lever.hidden = Hidden::NotFound;
    options.lever.permissions = Permissions::default().with(Permission::DeleteNote);
    let (world, who) = a_story(options).await;
    let hide = Event::Confidential { opportunity: Some(who.opportunity.clone()), on: true };
    world.sandbox.happen(&hide).unwrap();
    let whom = Whom::Opportunity(id(&who));
    let (erasure, _) = world.engine.erase_person(whom, "ana".into()).await.unwrap().unwrap();
    let hidden = certificate(&world, erasure, 1).await;
    assert!(!hidden.is_complete() && happened(&world, "note_deleted") == 0);
    delete(&world, &who).await;
    world.hook(HookEvent::CandidateDeleted, &who).await;
    assert!(certificate(&world, erasure, 0).await.is_complete());
    assert!(world.engine.failed_effects(Sight::All).await.unwrap().is_empty());
}

/// No webhook of ours tells of it; the next look does.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_anonymised_in_lever_is_erased() {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(Permission::DeleteNote);
    let (world, who) = a_story(options).await;
    world.sandbox.happen(&Event::Anonymise { opportunity: Some(who.opportunity.clone()) }).unwrap();
    is_erased(&world, &who).await;
    let made = world.engine.erasures(None, 10).await.unwrap().rows;
    assert_eq!(made.iter().map(|(_, one)| one.cause).collect::<Vec<_>>(), [ErasureCause::Anonymised]);
    assert_eq!(happened(&world, "note_deleted"), 1);
    let (path, _folder) = world.end().await;
    assert_eq!(rows_with_traces(&path), Vec::<String>::new());
}

/// What a court may ask for stays, whoever wants it gone, until it is released.
#[tokio::test(flavor = "multi_thread")]
async fn a_legal_hold_keeps_everything_until_it_is_released() {
    let (world, who) = a_story(small()).await;
    let whom = Whom::Opportunity(id(&who));
    assert_eq!(world.engine.hold(whom.clone(), "a case".into(), "ana".into()).await.unwrap(), 1);
    let refused = world.engine.erase_person(whom.clone(), "ana".into()).await;
    assert!(matches!(refused, Err(EraseError::Held)));
    delete(&world, &who).await;
    world.hook(HookEvent::CandidateStageChange, &who).await;
    world.hook(HookEvent::CandidateDeleted, &who).await;
    eventually("the deletion is known", async || world.engine.holds().await.unwrap()[0].1.wanted_gone).await;
    assert!(matches!(world.engine.opportunity(&id(&who), Sight::All).await.unwrap(), Found::Known(_)));
    assert_eq!(world.messages(PHONE).await.len(), 4);
    assert_eq!(world.engine.release_hold(whom, "ana".into()).await.unwrap(), 1);
    is_erased(&world, &who).await;
    let (path, _folder) = world.end().await;
    assert_eq!(rows_with_traces(&path), Vec::<String>::new());
}

/// What Lever shows of the candidate follows Lever, and so do the notes there.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_goes_when_its_time_is_over() {
    let days = |n: i64| SignedDuration::from_hours(24 * n);
    let world = World::standing(small(), |settings| {
        settings.retention =
            Retention { archived: Some(days(100)), nobody: Some(days(10)), ..Retention::default() };
    })
    .await;
    let who = world.apply(NAME, PHONE).await;
    let other = world.apply("Ana Ruiz", OTHER).await;
    for one in [&who, &other] {
        world.text(to(one), "a very private matter").await.unwrap();
    }
    world.texted(2).await;
    world.receive(FORMER, "from a stranger").await;
    world.advance(SignedDuration::from_hours(2));
    world.noted(2).await;
    let archive = Event::Archive { opportunity: Some(who.opportunity.clone()), reason: None };
    world.sandbox.happen(&archive).unwrap();
    world.fetch(&who).await;
    let over = async |n| world.engine.erase_what_is_over(world.clock.now() + days(n)).await.unwrap();
    assert_eq!((over(5).await, over(11).await, over(90).await), (0, 1, 0));
    assert!(world.messages(FORMER).await.is_empty());
    assert_eq!(over(101).await, 1);
    assert!(world.messages(PHONE).await.is_empty());
    assert_eq!(world.messages(OTHER).await.len(), 1, "an active candidate's stay");
    assert!(matches!(world.engine.opportunity(&id(&who), Sight::All).await.unwrap(), Found::Known(_)));
    assert_eq!(happened(&world, "note_deleted"), 0);
}

/// What is erased is gone for good, and a clock is set right some time.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_far_ahead_makes_nothing_old() {
    let days = |n: i64| SignedDuration::from_hours(24 * n);
    let world = World::standing(small(), |settings| {
        settings.retention = Retention { archived: Some(days(100)), ..Retention::default() };
    })
    .await;
    let who = world.apply(NAME, PHONE).await;
    world.text(to(&who), "a very private matter").await.unwrap();
    world.texted(1).await;
    world.advance(SignedDuration::from_hours(2));
    world.noted(1).await;
    let archive = Event::Archive { opportunity: Some(who.opportunity.clone()), reason: None };
    world.sandbox.happen(&archive).unwrap();
    world.fetch(&who).await;
    world.backfilled().await;
    // Lever's clock does not go with this one.
    world.advance(days(101));
    eventually("health says so", async || {
        let health = world.engine.status().await.unwrap().health;
        let says = |part: &str| health.components[part].detail.contains("ahead of Lever's");
        says("store") && says("clock")
    })
    .await;
    assert_eq!(world.messages(PHONE).await.len(), 1);
}

/// The other person on the same telephone keeps what was said to them.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_on_one_number_only_the_deleted_one_goes() {
    let world = World::standing(small(), |_| {}).await;
    let gone = world.apply(NAME, PHONE).await;
    let stays = world.apply("Ana Ruiz", PHONE).await;
    world.text(to(&gone), "a very private matter").await.unwrap();
    world.text(to(&stays), "for Ana").await.unwrap();
    world.texted(2).await;
    world.idle().await;
    delete(&world, &gone).await;
    world.hook(HookEvent::CandidateDeleted, &gone).await;
    is_erased(&world, &gone).await;
    let left = world.messages(PHONE).await;
    assert_eq!(left.len(), 1);
    assert!(left[0].body.reveal().contains("for Ana"));
    world.advance(SignedDuration::from_hours(1));
    let notes = world.noted(1).await;
    assert!(notes[0].opportunity == stays.opportunity && !notes[0].value.contains("private"));
}

/// A page that was read before the deletion is stored after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_page_does_not_bring_a_deleted_candidate_back() {
    let (world, who) = a_story(small()).await;
    let rules = settings(&world.sandbox).rules;
    let Found::Known(before) = world.engine.opportunity(&id(&who), Sight::All).await.unwrap() else {
        panic!("unknown")
    };
    let page: Opportunity = before.opportunity.clone();
    delete(&world, &who).await;
    world.hook(HookEvent::CandidateDeleted, &who).await;
    is_erased(&world, &who).await;
    let (path, _folder) = world.end().await;
    let store = Store::open(store::Options::file(&path), Box::new(|_| {})).unwrap();
    let (key, now) = (id(&who), before.opportunity.as_of);
    let put = store
        .change(move |tx| {
            let put = put_opportunity(tx, &key, page, None, Arrival::Backfill, &rules, now)?;
            assert!(tx.has(DELETED, &key)? && !tx.has(OPPORTUNITIES, &key)?);
            Ok::<_, StoreError>(put)
        })
        .await
        .unwrap();
    assert_eq!(put, Put::Gone);
    store.close().await;
    drop(store);
    assert_eq!(rows_with_traces(&path), Vec::<String>::new());
}

/// The same when nobody says that they were deleted: what Lever showed last, counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_page_does_not_bring_a_vanished_candidate_back() {
    let (world, who) = a_story(small()).await;
    let rules = settings(&world.sandbox).rules;
    let Found::Known(before) = world.engine.opportunity(&id(&who), Sight::All).await.unwrap() else {
        panic!("unknown")
    };
    let (path, _folder) = world.end().await;
    let store = Store::open(store::Options::file(&path), Box::new(|_| {})).unwrap();
    let key = id(&who);
    let puts = store
        .change(move |tx| {
            let page = before.opportunity;
            let vanished = page.as_of + SignedDuration::from_secs(1);
            mark_invisible(tx, &key, vanished)?;
            let later = Opportunity { as_of: vanished, ..page.clone() };
            let older = put_opportunity(tx, &key, page, None, Arrival::Poll, &rules, vanished)?;
            let newer = put_opportunity(tx, &key, later, None, Arrival::Poll, &rules, vanished)?;
            Ok::<_, StoreError>((older, newer))
        })
        .await
        .unwrap();
    assert_eq!(puts, (Put::Older, Put::New));
    store.close().await;
}

/// Something is in the way of the second file.
#[tokio::test(flavor = "multi_thread")]
async fn health_says_so_while_the_file_cannot_be_written_anew() {
    let world = World::standing(small(), |_| {}).await;
    for phone in [PHONE, OTHER] {
        world.receive(phone, "hello").await;
    }
    let erase = async |phone: &str| {
        world.engine.erase_person(Whom::Number(number(phone)), "ana".into()).await.unwrap().unwrap().0
    };
    let tells = async || {
        let store = world.engine.status().await.unwrap().health.components["store"].clone();
        store.status == HealthStatus::Degraded && store.detail.contains("could not be written anew")
    };
    let in_the_way = world.file_path().with_extension("redb.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let first = erase(PHONE).await;
    eventually("health says so", tells).await;
    assert!(world.engine.erasure(first).await.unwrap().unwrap().file_written_at.is_none());
    std::fs::remove_dir(in_the_way).unwrap();
    erase(OTHER).await;
    eventually("the file was written anew", async || !tells().await).await;
    assert!(world.engine.erasure(first).await.unwrap().unwrap().file_written_at.is_some());
}

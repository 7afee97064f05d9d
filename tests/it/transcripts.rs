//! From texts to notes: the right ones, on the right opportunity, by the right author, once.

use std::time::Duration;

use fulcrum::carrier::{ReceivedText, StatusUpdate};
use fulcrum::engine::changes::Recipient;
use fulcrum::engine::{Confidential, OnUnknown, SendRequest};
use fulcrum_domain::{
    Delivery, EffectKind, EffectState, FilingState, FilingTimes, Lane, MessageId, Sight, TranscriptMode,
    WhyHeld,
};
use fulcrum_sandbox::{Event, Fault, Options, Permission, Permissions, Remote, Rule};
use http::Method;
use jiff::SignedDuration;

use crate::world::{Note, World, eventually, id, number, request, small, to};

const DANA: &str = "+12025550142";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn with(permission: Permission) -> Options {
    let mut options = small();
    options.lever.permissions = Permissions::default().with(permission);
    options
}

fn on_notes(fault: Fault) -> Rule {
    Rule::new(Remote::Lever, fault).method(&Method::POST).path("/notes")
}

/// How many of the notes hold these words.
fn holding(notes: &[Note], words: &str) -> usize {
    notes.iter().filter(|note| note.value.contains(words)).count()
}

/// Sends a text and waits until the carrier has it, and the daemon knows.
async fn say(world: &World, to: Recipient, words: &str) -> MessageId {
    let before = world.texts().len();
    let id = world.text(to, words).await.unwrap().id;
    world.texted(before + 1).await;
    eventually("the carrier's answer is stored", async || {
        world.outbox().await.keys().all(|(kind, _)| *kind != EffectKind::Send)
    })
    .await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_two_opportunities_becomes_two_notes() {
    let world = World::standing(small(), |_| {}).await;
    let first = world.apply("Dana Reyes", DANA).await;
    let second = world.apply_again("Dana Reyes", DANA, Some(&first.contact)).await;
    say(&world, to(&first), "about the first job").await;
    world.receive(DANA, "tell me more").await;
    world.advance(SignedDuration::from_mins(5));
    say(&world, to(&second), "about the second job").await;
    world.receive(DANA, "and here too").await;
    world.advance(HOUR);
    let notes = world.noted(2).await;
    world.idle().await;
    for (who, words) in [
        (&first, ["about the first job", "tell me more"]),
        (&second, ["about the second job", "and here too"]),
    ] {
        let note = notes.iter().find(|note| note.opportunity == who.opportunity).unwrap();
        for words in words {
            assert!(note.value.contains(words));
            assert_eq!(holding(&world.notes(), words), 1);
        }
    }
}

/// A simulated month found it: the webhook of an answer was lost, a colleague wrote about another job before
/// the answer was found in the carrier's list, and it was filed there.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_found_late_belongs_to_the_text_that_it_answers() {
    let world = World::standing(small(), |_| {}).await;
    let first = world.apply("Dana Reyes", DANA).await;
    let second = world.apply_again("Dana Reyes", DANA, Some(&first.contact)).await;
    say(&world, to(&first), "about the first job").await;
    world.advance(SignedDuration::from_mins(2));
    let answered_at = Some(world.clock.now());
    world.advance(SignedDuration::from_mins(3));
    say(&world, to(&second), "about the second job").await;
    let late = ReceivedText { at: answered_at, ..world.received(DANA, "tell me more") };
    world.engine.take_text(late).await.unwrap().unwrap();
    world.advance(HOUR);
    let notes = world.noted(2).await;
    let of_first: Vec<_> = notes.into_iter().filter(|note| note.opportunity == first.opportunity).collect();
    assert_eq!((of_first.len(), holding(&of_first, "tell me more")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_stranger_wait_and_are_filed_once_somebody_is_known() {
    let world = World::standing(small(), |_| {}).await;
    world.receive(DANA, "hello, I saw your poster").await;
    world.advance(HOUR * 3);
    let view = world.conversation(DANA).await.unwrap();
    assert_eq!((view.conversation.opportunity, view.conversation.deadline), (None, None));
    let dana = world.apply("Dana Reyes", DANA).await;
    let notes = world.noted(1).await;
    assert_eq!(notes[0].opportunity, dana.opportunity);
    assert!(notes[0].value.contains("I saw your poster"));
}

/// Nobody is known for the number until a person texts it about somebody: what had been waiting is
/// part of that conversation and must not wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_stranger_are_filed_with_the_text_that_says_who_it_is() {
    let world = World::standing(small(), |_| {}).await;
    let other = world.apply("Dana Reyes", "+12025550177").await;
    world.receive(DANA, "this is my new number").await;
    say(&world, Recipient::Both(id(&other), number(DANA)), "noted, thanks").await;
    world.receive(DANA, "great").await;
    world.advance(HOUR);
    let notes = world.noted(1).await;
    world.idle().await;
    for words in ["this is my new number", "noted, thanks", "great"] {
        assert_eq!(holding(&notes, words), 1, "{words}");
    }
    assert!(notes.iter().all(|note| note.opportunity == other.opportunity));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_people_on_one_number_the_one_who_was_asked_gets_the_answer() {
    let world = World::standing(small(), |_| {}).await;
    let ana = world.apply("Ana Ruiz", DANA).await;
    let ben = world.apply("Ben Ruiz", DANA).await;
    say(&world, to(&ana), "a question for Ana").await;
    world.receive(DANA, "Ana's answer").await;
    world.advance(HOUR);
    assert_eq!(world.noted(1).await[0].opportunity, ana.opportunity);
    say(&world, to(&ben), "a question for Ben").await;
    world.receive(DANA, "Ben's answer").await;
    world.advance(HOUR);
    let notes = world.noted(2).await;
    assert_eq!(notes[1].opportunity, ben.opportunity);
    assert!(notes[1].value.contains("Ben's answer") && notes[1].value.contains("with Ben Ruiz"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_fails_after_its_note_is_told_in_the_next() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let lost = say(&world, to(&dana), "never seen").await;
    world.file(DANA).await;
    world.noted(1).await;
    world.idle().await;
    let text = world.messages(DANA).await.into_iter().find(|text| text.id == lost).unwrap();
    let failed = StatusUpdate {
        mid: Some(lost),
        sid: text.sid.unwrap(),
        status: Some(Delivery::Undelivered),
        failure: Some(fulcrum_domain::SendFailure::Unreachable),
    };
    for _ in 0..3 {
        assert!(world.engine.take_status(failed.clone()).await.unwrap());
    }
    assert_eq!(world.engine.status().await.unwrap().stored.deadlines, 0, "a receipt reopens nothing");
    world.receive(DANA, "hello?").await;
    world.advance(HOUR);
    let note = &world.noted(2).await[1];
    assert_eq!(note.value.matches("phone off or out of reach").count(), 1, "{}", note.value);
    world.receive(DANA, "once more").await;
    world.advance(HOUR);
    assert!(!world.noted(3).await[2].value.contains("out of reach"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_whose_author_lever_does_not_take_is_signed_by_the_fallback() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let users = world.engine.lever().users(Lane::Interactive, None).await.unwrap().items;
    let mut active = users.into_iter().filter(|user| user.deactivated_at.is_none());
    let (writer, fallback) = (active.next().unwrap(), active.next().unwrap());
    let mut settings = world.settings.clone();
    settings.rules.notes_as = Some(fallback.email.to_uppercase());
    world.engine.replace_settings(settings);
    let dana = world.apply("Dana Reyes", DANA).await;
    let refused = "User does not have permission at /perform_as";
    let answers = [
        (404, serde_json::json!({"code": "NotFoundError", "message": "user was not found"})),
        (403, serde_json::json!({"code": "ForbiddenError", "message": refused})),
    ];
    // Refused once, the writer is not tried again that day.
    let cases = [(0, Some(&writer.id)), (1, Some(&fallback.id)), (0, Some(&fallback.id)), (2, None)];
    for (nth, (refusals, signed)) in cases.into_iter().enumerate() {
        if nth == 3 {
            world.advance(SignedDuration::from_hours(25));
        }
        let by = SendRequest { on_behalf_of: Some(writer.email.clone()), ..request(to(&dana), "hello") };
        let before = world.texts().len();
        world.engine.send_text(by).await.unwrap();
        world.texted(before + 1).await;
        eventually("the carrier's answer is stored", async || world.outbox().await.is_empty()).await;
        if refusals > 0 {
            let (code, body) = &answers[usize::from(refusals > 1)];
            let refusal = Fault::Status { code: *code, body: Some(body.clone()) };
            world.sandbox.faults().add(on_notes(refusal).times(refusals));
        }
        world.file(DANA).await;
        let notes = world.noted(nth + 1).await;
        assert_eq!(notes.last().unwrap().perform_as, signed.map(ToString::to_string));
        assert!(notes.last().unwrap().value.contains(&writer.name));
    }
    world.idle().await;
    assert_eq!(world.notes().len(), 4);
    let health = world.engine.status().await.unwrap().health.components["lever"].clone();
    assert!(!health.detail.contains("Create an opportunity note"), "{}", health.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_a_confidential_candidate_is_secret() {
    let options = with(Permission::Confidential);
    let world = World::standing(options, |s| {
        s.confidential = Confidential::Full;
        s.rules.text_confidential = true;
    })
    .await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "in the open").await;
    world.file(DANA).await;
    assert!(!world.noted(1).await[0].secret);
    world
        .sandbox
        .happen(&Event::Confidential { opportunity: Some(dana.opportunity.clone()), on: true })
        .unwrap();
    world.fetch(&dana).await;
    world.receive(DANA, "between us").await;
    world.file(DANA).await;
    let notes = world.noted(2).await;
    assert!(notes[1].secret && notes[1].value.contains("between us"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_for_an_opportunity_that_is_gone_goes_to_another_of_the_person() {
    let world = World::standing(small(), |_| {}).await;
    let gone = world.apply("Dana Reyes", DANA).await;
    let stays = world.apply_again("Dana Reyes", DANA, Some(&gone.contact)).await;
    say(&world, to(&gone), "about the first job").await;
    world.sandbox.happen(&Event::Delete { opportunity: Some(gone.opportunity.clone()) }).unwrap();
    world.file(DANA).await;
    assert_eq!(world.noted(1).await[0].opportunity, stays.opportunity);
}

/// Lever does not know the only opportunity any more, and nobody said that it was deleted: the
/// messages wait as Unmatched until another appears.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_without_any_opportunity_left_goes_back_and_waits() {
    let world = World::standing(small(), |_| {}).await;
    let gone = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "still there?").await;
    world.sandbox.happen(&Event::Delete { opportunity: Some(gone.opportunity.clone()) }).unwrap();
    world.file(DANA).await;
    eventually("the messages are Unmatched again", async || {
        world.conversation(DANA).await.unwrap().conversation.opportunity.is_none()
    })
    .await;
    world.idle().await;
    world.advance(HOUR * 2);
    assert_eq!(world.notes().len(), 0);
    let new = world.apply("Dana Reyes", DANA).await;
    world.advance(HOUR * 2);
    let notes = world.noted(1).await;
    assert_eq!(notes[0].opportunity, new.opportunity);
    assert!(notes[0].value.contains("still there?"));
}

/// The same, but Lever was only mistaken for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_lever_refused_by_mistake_is_filed_after_all() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "still there?").await;
    let body = serde_json::json!({"code": "NotFoundError", "message": "opportunity was not found"});
    world.sandbox.faults().add(on_notes(Fault::Status { code: 404, body: Some(body) }).times(1));
    world.file(DANA).await;
    eventually("the messages are open again", async || {
        world
            .engine
            .filings(world.conversation(DANA).await.unwrap().conversation.id, Sight::All)
            .await
            .unwrap()
            .is_empty()
    })
    .await;
    eventually("the note stands after all", async || {
        world.advance(HOUR);
        world.notes().len() == 1
    })
    .await;
    assert_eq!(world.notes()[0].opportunity, dana.opportunity);
}

/// A 404 of a gateway is no word of Lever's: the note goes nowhere else, and is neither lost nor made twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_finds_nothing_moves_no_note_and_doubles_none() {
    let gateway = || Fault::Status { code: 404, body: Some(serde_json::json!({"message": "no route"})) };
    for first in [gateway(), Fault::CutAfter] {
        let world = World::standing(with(Permission::FindAllNotes), |_| {}).await;
        let dana = world.apply("Dana Reyes", DANA).await;
        world.apply_again("Dana Reyes", DANA, Some(&dana.contact)).await;
        say(&world, to(&dana), "about the first job").await;
        world.sandbox.faults().add(on_notes(first.clone()).times(1));
        let looking = Rule::new(Remote::Lever, gateway()).path("/notes").method(&Method::GET);
        world.sandbox.faults().add(looking.times(1));
        world.file(DANA).await;
        eventually("the note is filed", async || {
            world.advance(SignedDuration::from_mins(5));
            world.outbox().await.is_empty()
        })
        .await;
        let notes = world.notes();
        assert_eq!(notes.len(), 1, "{first:?}");
        assert_eq!(notes[0].opportunity, dana.opportunity, "{first:?}");
    }
}

/// It was held for want of a tick-box that the key has, and trying again came to the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_note_of_somebody_who_turned_confidential_waits_until_lever_shows_them() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "hello").await;
    let turns = |on| Event::Confidential { opportunity: Some(dana.opportunity.clone()), on };
    world.sandbox.happen(&turns(true)).unwrap();
    let id = world.conversation(DANA).await.unwrap().conversation.id;
    world.file(DANA).await;
    let held = async || {
        let filings = world.engine.filings(id, Sight::All).await.unwrap();
        filings.iter().any(|view| view.filing.state == FilingState::Held(WhyHeld::NotShown))
    };
    eventually("the note is held", held).await;
    assert!(world.notes().is_empty());
}

/// That one candidate's notes are refused, since they turned confidential, says nothing of the others': after
/// an answer that leaves doubt, theirs are looked for before they are posted again.
#[tokio::test(flavor = "multi_thread")]
async fn notes_are_looked_for_though_somebody_turned_confidential() {
    let world = World::standing(with(Permission::FindAllNotes), |_| {}).await;
    let ruth = world.apply("Ruth Okafor", "+12025550143").await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let hide = Event::Confidential { opportunity: Some(ruth.opportunity.clone()), on: true };
    world.receive("+12025550143", "hello").await;
    world.receive(DANA, "once and only once").await;
    world.sandbox.happen(&hide).unwrap();
    world.sandbox.faults().add(on_notes(Fault::Status { code: 503, body: None }).path(&ruth.opportunity));
    world.file("+12025550143").await;
    let looks = || {
        let routes = world.sandbox.stats().lever.by_route;
        routes.get("GET /v1/opportunities/{o}/notes").copied().unwrap_or(0)
    };
    eventually("Ruth's notes were looked for", async || looks() > 0).await;
    let before = looks();
    world.sandbox.faults().clear();
    // Ruth's is tried again meanwhile, and must not use it up.
    let fails = on_notes(Fault::Status { code: 503, body: None }).path(&dana.opportunity);
    world.sandbox.faults().add(fails.times(1));
    world.file(DANA).await;
    let filed = async || {
        world.advance(SignedDuration::from_mins(5));
        let id = world.conversation(DANA).await.unwrap().conversation.id;
        let filings = world.engine.filings(id, Sight::All).await.unwrap();
        filings.iter().all(|view| view.filing.state == FilingState::Filed)
    };
    eventually("Dana's note is filed", filed).await;
    assert_eq!(holding(&world.notes(), "once and only once"), 1);
    // Whether the key may look at all, and whether the note stands.
    assert!(looks() >= before + 2, "{before} and {}", looks());
}

/// The answer to a note is lost, or the daemon ends while it waits for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_whose_fate_is_unknown_after_a_restart_stands_once_where_notes_can_be_listed() {
    for fault in [Fault::CutAfter, Fault::Hang, Fault::CutBefore] {
        let world = World::standing(with(Permission::FindAllNotes), |_| {}).await;
        world.apply("Dana Reyes", DANA).await;
        world.receive(DANA, "once and only once").await;
        world.sandbox.faults().add(on_notes(fault.clone()).times(1));
        world.file(DANA).await;
        let posting = async || {
            let id = world.conversation(DANA).await.unwrap().conversation.id;
            let filings = world.engine.filings(id, Sight::All).await.unwrap();
            filings.iter().all(|view| view.filing.state == FilingState::Posting)
        };
        eventually("the note is being posted", posting).await;
        let world = world.restart(Duration::ZERO).await;
        world.advance(HOUR);
        world.idle().await;
        assert_eq!(holding(&world.notes(), "once and only once"), 1, "{fault:?}");
        let id = world.conversation(DANA).await.unwrap().conversation.id;
        let filings = world.engine.filings(id, Sight::All).await.unwrap();
        assert!(filings[0].filing.state == FilingState::Filed && filings[0].filing.notes.len() == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_whose_fate_is_unknown_is_reposted_or_held_where_notes_cannot_be_listed() {
    for (policy, copies) in [(OnUnknown::Repost, 2), (OnUnknown::Hold, 1)] {
        let world = World::standing(small(), |s| s.on_unknown = policy).await;
        world.apply("Dana Reyes", DANA).await;
        world.receive(DANA, "once if possible").await;
        world.sandbox.faults().add(on_notes(Fault::CutAfter).times(1));
        world.file(DANA).await;
        world.noted(1).await;
        let world = world.restart(Duration::from_secs(5)).await;
        world.advance(HOUR);
        eventually("it is settled", async || {
            let outbox = world.outbox().await;
            outbox.keys().all(|(_, state)| *state == EffectState::Failed)
        })
        .await;
        let notes = world.notes();
        assert_eq!(notes.len(), copies, "{policy:?}");
        assert!(notes.iter().all(|note| note.value == notes[0].value), "a repeat shows by its reference");
        let failed = world.engine.failed_effects(Sight::All).await.unwrap();
        assert_eq!(failed.len(), usize::from(policy == OnUnknown::Hold));
        if let Some(held) = failed.first() {
            assert!(world.engine.retry_effect(held.effect.clone(), "ops".into()).await.unwrap());
            world.noted(2).await;
            world.idle().await;
        }
    }
}

/// A 5xx says that nothing was done: the note is tried again, whatever the policy for lost answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_lever_fails_on_is_tried_again_and_not_held() {
    let world = World::standing(small(), |s| s.on_unknown = OnUnknown::Hold).await;
    world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "try again").await;
    world.sandbox.faults().add(on_notes(Fault::Status { code: 503, body: None }).times(3));
    world.file(DANA).await;
    eventually("the note stands", async || {
        world.advance(SignedDuration::from_mins(31));
        assert!(world.engine.failed_effects(Sight::All).await.unwrap().is_empty());
        !world.notes().is_empty()
    })
    .await;
    world.idle().await;
    assert_eq!(world.notes().len(), 1);
}

/// While Lever fails on whatever is asked, what it says of a note says nothing of that note.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_for_however_it_shows() {
    const NOTES: &str = "/v1/opportunities/{o}/notes";
    let busy = |path: &str| {
        Rule::new(Remote::Lever, Fault::Status { code: 429, body: None }).method(&Method::GET).path(path)
    };
    for code in [500, 502] {
        let world = World::standing(small(), |_| {}).await;
        let dana = world.apply("Dana Reyes", DANA).await;
        let asked = |how: &str| {
            world.sandbox.stats().lever.by_route.get(&format!("{how} {NOTES}")).copied().unwrap_or_default()
        };
        let patiently = async |what: &str, holds: &(dyn Fn() -> bool + Sync)| {
            eventually(what, async || {
                // What the key may is asked anew after a day, which must not be over here.
                world.advance(SignedDuration::from_secs(30));
                assert!(world.engine.failed_effects(Sight::All).await.unwrap().is_empty(), "{code}: {what}");
                holds()
            })
            .await;
        };
        // By this one it is learned that the key may not list notes.
        world.receive(DANA, "the evening before").await;
        world.sandbox.faults().add(on_notes(Fault::Status { code: 500, body: None }).times(1));
        world.file(DANA).await;
        patiently("the first note stands", &|| world.notes().len() == 1).await;
        world.idle().await;

        world.receive(DANA, "all night").await;
        world.sandbox.faults().add(on_notes(Fault::Status { code, body: None }));
        let path = if code == 500 { dana.opportunity.as_str() } else { "/notes" };
        world.sandbox.faults().add(busy(path));
        let (posts, lists) = (asked("POST"), asked("GET"));
        world.file(DANA).await;
        // A note of its own is posted five times; each look for one asks five times.
        let enough = || match code {
            500 => asked("POST") >= posts + 7,
            _ => asked("GET") >= lists + 7 * 5,
        };
        patiently("more tries than a note of its own would get", &enough).await;
        world.sandbox.faults().clear();
        patiently("the note stands", &|| holding(&world.notes(), "all night") > 0).await;
        world.idle().await;
        assert_eq!((holding(&world.notes(), "all night"), world.notes().len()), (1, 2), "{code}");
    }
}

/// Notes are made, and the answer says each time that something failed: a slow gateway, or Lever's own code
/// after the effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_may_stand_already_is_not_made_without_end() {
    use OnUnknown::{Hold, Repost};
    // A key that may list notes, though the list does not show this one.
    let mut blind = with(Permission::FindAllNotes);
    blind.lever.notes_lag_ms = i64::MAX;
    for (options, policy, code, copies) in [
        (small(), Hold, 504, 1),
        (small(), Repost, 504, 5),
        (small(), Repost, 500, 5),
        (blind.clone(), Hold, 504, 13),
        (blind, Repost, 500, 13),
    ] {
        let world = World::standing(options, |s| s.on_unknown = policy).await;
        world.apply("Dana Reyes", DANA).await;
        world.receive(DANA, "not for ever").await;
        world.sandbox.faults().add(on_notes(Fault::StatusAfter { code }));
        world.file(DANA).await;
        eventually("it is left to a person", async || {
            world.advance(SignedDuration::from_mins(31));
            !world.engine.failed_effects(Sight::All).await.unwrap().is_empty()
        })
        .await;
        assert_eq!(world.notes().len(), copies, "{policy:?} {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_never_rests_is_filed_after_the_longest_wait() {
    let world = World::standing(small(), |_| {}).await;
    world.apply("Dana Reyes", DANA).await;
    for n in 0..29 {
        assert_eq!(world.engine.status().await.unwrap().stored.deadlines, 1 - u64::from(n == 0), "text {n}");
        world.receive(DANA, &format!("text number {n}.")).await;
        world.advance(SignedDuration::from_mins(50));
    }
    let notes = world.noted(1).await;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].value.contains("text number 0.") && notes[0].value.contains("text number 28."));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_files_what_it_says() {
    let instant = World::start_with(small(), |s| s.rules.mode = TranscriptMode::Instant).await;
    instant.apply("Dana Reyes", DANA).await;
    instant.receive(DANA, "the first").await;
    instant.noted(1).await;
    instant.receive(DANA, "the second").await;
    let notes = instant.noted(2).await;
    assert!(!notes[1].value.contains("the first"));

    let off = World::standing(small(), |s| s.rules.mode = TranscriptMode::Off).await;
    let dana = off.apply("Dana Reyes", DANA).await;
    off.receive(DANA, "for nobody's note").await;
    say(&off, to(&dana), "neither this").await;
    off.advance(HOUR * 50);
    assert_eq!(off.file(DANA).await, 0);
    assert_eq!(off.engine.status().await.unwrap().stored.deadlines, 0);
}

/// Postings may have modes of their own, and one thread may be about two of them.
#[tokio::test(flavor = "multi_thread")]
async fn each_posting_has_its_mode_also_within_one_thread() {
    let world = World::standing(small(), |_| {}).await;
    let people = [
        world.apply("Dana Reyes", DANA).await,
        world.apply("Dana Reyes", DANA).await,
        world.apply("Dana Reyes", DANA).await,
    ];
    let mut settings = world.settings.clone();
    for (who, mode) in
        people.iter().zip([TranscriptMode::Session, TranscriptMode::Instant, TranscriptMode::Off])
    {
        let posting = world.sandbox.truth_of(&who.opportunity).unwrap().posting.unwrap();
        settings.rules.mode_of.insert(posting.parse().unwrap(), mode);
    }
    assert_eq!(settings.rules.mode_of.len(), 3, "the seed gives three postings");
    world.engine.replace_settings(settings);
    say(&world, to(&people[0]), "for the session").await;
    say(&world, to(&people[1]), "at once").await;
    say(&world, to(&people[2]), "for nobody").await;
    let notes = world.noted(1).await;
    assert!(notes[0].value.contains("at once") && notes[0].opportunity == people[1].opportunity);
    world.idle().await;
    assert_eq!(world.notes().len(), 1, "the session is not over");
    world.advance(HOUR);
    let notes = world.noted(2).await;
    assert!(notes[1].value.contains("for the session"));
    world.idle().await;
    assert_eq!(holding(&world.notes(), "for nobody"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_still_waits_at_the_deadline_is_in_the_next_note() {
    let short = FilingTimes { delay: SignedDuration::from_secs(5), max_wait: None };
    let world = World::standing(small(), |s| s.rules.times = short).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.sandbox.faults().add(
        Rule::new(Remote::Twilio, Fault::Status { code: 429, body: None }).method(&Method::POST).times(1),
    );
    world.text(to(&dana), "held up").await.unwrap();
    world.receive(DANA, "what came in").await;
    eventually("the carrier has put it off", async || {
        world.outbox().await.contains_key(&(EffectKind::Send, EffectState::Due))
    })
    .await;
    world.advance(SignedDuration::from_secs(7));
    let first = world.noted(1).await;
    assert!(first[0].value.contains("what came in") && !first[0].value.contains("held up"));
    world.advance(SignedDuration::from_secs(10));
    world.texted(1).await;
    eventually("the next note stands", async || {
        world.advance(SignedDuration::from_secs(1));
        world.notes().len() == 2
    })
    .await;
    assert!(world.notes()[1].value.contains("held up"));
}

/// A note of several parts: the answer to one of them is lost, the daemon is restarted, and yet
/// each part stands once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_long_note_stand_once_and_in_order() {
    for lost in 0..4 {
        let world = World::standing(with(Permission::FindAllNotes), |s| s.rules.max_note_chars = 1500).await;
        world.apply("Dana Reyes", DANA).await;
        for n in 0..6 {
            world.receive(DANA, &format!("part of the story number {n}. {}", "and so on ".repeat(90))).await;
        }
        // Slow enough that the fault can be set between two parts.
        world.sandbox.faults().add(on_notes(Fault::Latency { ms: 150 }).times(lost));
        world.sandbox.faults().add(on_notes(Fault::CutAfter).times(1));
        world.file(DANA).await;
        world.noted(lost as usize + 1).await;
        let world = world.restart(Duration::from_secs(5)).await;
        eventually("the note is filed", async || {
            world.advance(SignedDuration::from_mins(5));
            world.outbox().await.is_empty()
        })
        .await;
        let notes = world.notes();
        let parts: Vec<_> =
            notes.iter().map(|note| note.value.rsplit(':').next().unwrap().to_owned()).collect();
        let expected: Vec<_> = (1..=parts.len()).map(|n| format!("{n}/{}", parts.len())).collect();
        assert_eq!(parts, expected, "lost answer {lost}");
        assert!(parts.len() >= 4, "{parts:?}");
        for n in 0..6 {
            assert_eq!(holding(&notes, &format!("story number {n}.")), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_text_outlives_a_restart_and_counts_from_when_it_leaves() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let tomorrow = world.clock.now() + HOUR * 24;
    let later = SendRequest { send_at: Some(tomorrow), ..request(to(&dana), "see you today") };
    world.engine.send_text(later).await.unwrap();
    assert_eq!(world.engine.status().await.unwrap().stored.deadlines, 0, "nothing was said yet");
    let world = world.restart(Duration::from_secs(5)).await;
    world.advance(HOUR * 23);
    assert_eq!(world.file(DANA).await, 0);
    world.advance(HOUR);
    world.texted(1).await;
    world.idle().await;
    assert_eq!(world.messages(DANA).await[0].at, tomorrow);
    world.advance(HOUR);
    assert_eq!(holding(&world.noted(1).await, "see you today"), 1);
}

/// Lever cannot be reached for two days: everything waits, health says so, and all of it stands
/// once when Lever is back.
#[tokio::test(flavor = "multi_thread")]
async fn transcripts_wait_for_as_long_as_lever_is_away() {
    let world = World::standing(with(Permission::FindAllNotes), |_| {}).await;
    let people: Vec<String> = (0..5).map(|n| format!("+1202556{n:04}")).collect();
    for phone in &people {
        world.apply("Dana Reyes", phone).await;
    }
    world.sandbox.faults().add(Rule::new(Remote::Lever, Fault::CutBefore));
    for day in 0..2 {
        for phone in &people {
            world.receive(phone, &format!("day {day} from {phone}.")).await;
        }
        world.advance(HOUR * 24);
        eventually("all have been tried", async || {
            let outbox = world.outbox().await;
            outbox
                .get(&(EffectKind::Note, EffectState::Unknown))
                .is_some_and(|waiting| *waiting == 5 * (day + 1))
        })
        .await;
    }
    let health = world.engine.status().await.unwrap().health;
    assert!(!health.components["lever"].detail.is_empty(), "{health:?}");
    assert_eq!(world.notes().len(), 0);
    world.sandbox.faults().clear();
    eventually("all is filed", async || {
        world.advance(SignedDuration::from_mins(10));
        world.outbox().await.is_empty()
    })
    .await;
    let notes = world.notes();
    assert_eq!(notes.len(), 10);
    for (day, phone) in (0..2).flat_map(|day| people.iter().map(move |phone| (day, phone))) {
        assert_eq!(holding(&notes, &format!("day {day} from {phone}.")), 1);
    }
}

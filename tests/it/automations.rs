//! Automations: from what happens in Lever to a text at the carrier.

use std::sync::Arc;

use fulcrum::engine::Settings;
use fulcrum::engine::changes::Waiting;
use fulcrum_domain::automation::{Automation, Automations, CancelIf, Flood, Trigger};
use fulcrum_domain::quiet::Hours;
use fulcrum_domain::template::{Template, Templates};
use fulcrum_domain::{Actor, HookEvent, Retention, Sight, Whom};
use fulcrum_sandbox::{Event, Happened, Permission, Permissions};
use jiff::SignedDuration;

use crate::world::{World, eventually, id, small, to};

const NAME: &str = "offer";

/// Users of Lever's whom the daemon does not know, and so names by their ids.
const PRIYA: &str = "11111111-1111-4111-8111-111111111111";
const QUINN: &str = "22222222-2222-4222-8222-222222222222";

/// An automation for those who come into the offer stage.
fn offer() -> Automation {
    Automation {
        name: NAME.into(),
        paused: false,
        trigger: Trigger::StageEntered,
        scope: vec!["offer".into()],
        filter: Vec::new(),
        wait: "none".parse().unwrap(),
        wait_words: "none".into(),
        message: NAME.into(),
        per_visit: false,
        max_age: SignedDuration::from_hours(6),
        cancel_if: CancelIf::WORDS.map(|(_, what)| what).to_vec(),
    }
}

/// Settings with this automation, which says `text`.
fn with(automation: Automation, text: &str) -> impl FnOnce(&mut Settings) {
    let template = Template::new(NAME.into(), NAME.into(), text.into(), &Default::default()).unwrap();
    let automations = Automations {
        list: vec![automation],
        texts: Templates::new(vec![template], Default::default()),
        settle: SignedDuration::from_secs(60),
        flood: Flood { count: 3 },
    };
    move |settings| settings.rules.automations = Arc::new(automations)
}

const TEXT: &str = "Hi {{ profile.first_name }}, about {{ stage.name }}";

/// Somebody is moved in Lever, and the daemon hears of it.
async fn moved(world: &World, who: &Happened, stage: &str) {
    moved_by(world, who, stage, PRIYA).await;
}

async fn moved_by(world: &World, who: &Happened, stage: &str, by: &str) {
    let (to, by) = (Some(stage.into()), Some(by.into()));
    let event = Event::Stage { opportunity: Some(who.opportunity.clone()), to, by };
    world.sandbox.happen(&event).unwrap();
    world.fetch(who).await;
}

async fn why_not(world: &World, who: &Happened) -> Vec<String> {
    let reasons = world.engine.why_not(id(who), NAME, Sight::All).await.unwrap().unwrap();
    reasons.into_iter().map(|reason| reason.what).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_is_entered_sends_one_text_after_it_has_settled() {
    let world = World::standing(small(), with(offer(), TEXT)).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", "+12025550142").await;
    moved(&world, &dana, "offer").await;
    // A slip of the hand.
    let sam = world.apply("Sam Ortiz", "+12025550143").await;
    moved(&world, &sam, "offer").await;
    moved(&world, &sam, "applicant-new").await;
    world.advance(SignedDuration::from_secs(50));
    let (list, _) = world.engine.automations().await.unwrap();
    assert_eq!((list[0].waiting, list[0].sent), (1, 0));
    assert_eq!(world.texts(), []);

    let world = world.restart(std::time::Duration::ZERO).await;
    world.advance(SignedDuration::from_secs(60));
    let texts = world.texted(1).await;
    assert_eq!(texts[0].0, "+12025550142");
    assert!(texts[0].1.contains("Hi Dana, about Offer"), "{texts:?}");
    world.idle().await;

    // Out and in again is another visit, and one text an opportunity is enough.
    world.advance(SignedDuration::from_hours(1));
    moved(&world, &dana, "applicant-new").await;
    moved(&world, &dana, "offer").await;
    world.advance(SignedDuration::from_hours(1));
    world.idle().await;
    assert_eq!(world.texts().len(), 1);

    let why = why_not(&world, &sam).await;
    assert_eq!(why.last().unwrap(), "no text: the stage was left before it had settled");
    let message = world.messages("+12025550142").await[0].id;
    let why = world.engine.why(message, Sight::All).await.unwrap().unwrap();
    let why: Vec<_> = why.iter().map(|reason| reason.what.as_str()).collect();
    assert!(why[0].starts_with("offer: a stage was entered, enrolled, due "), "{why:?}");
    assert_eq!(why[1], "offer: the text was written");

    let tested = world.engine.test_automation(NAME, 30, Sight::All).await.unwrap().unwrap();
    let of_dana: Vec<_> = tested.iter().filter(|row| row.opportunity == id(&dana)).collect();
    assert!(!of_dana.is_empty() && of_dana.iter().all(|row| row.name == "Dana Reyes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_texted_for_what_happened_before_an_automation_was_active() {
    let world = World::standing(small(), with(Automation { paused: true, ..offer() }, TEXT)).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", "+12025550142").await;
    moved(&world, &dana, "offer").await;
    let why = why_not(&world, &dana).await;
    assert!(why.contains(&"a stage was entered: the automation was paused".to_owned()), "{why:?}");
    world.advance(SignedDuration::from_mins(5));
    world.engine.resume_automation(NAME, Actor::from("ana")).await.unwrap();
    let why = why_not(&world, &dana).await;
    assert!(why.contains(&"a stage was entered: before the automation was active".to_owned()), "{why:?}");
    world.advance(SignedDuration::from_mins(10));
    world.idle().await;
    assert_eq!(world.texts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_wait_for_a_person_and_a_pause_can_drop_them() {
    let world = World::standing(small(), with(offer(), TEXT)).await;
    world.backfilled().await;
    let mut people = Vec::new();
    for (index, name) in ["Ana", "Ben", "Cleo", "Dan"].into_iter().enumerate() {
        people.push(world.apply(name, &format!("+1202555014{index}")).await);
    }
    for who in &people {
        moved(&world, who, "offer").await;
    }
    let (_, cards) = world.engine.automations().await.unwrap();
    assert_eq!(cards.iter().map(|card| card.count).collect::<Vec<_>>(), [4]);
    world.advance(SignedDuration::from_mins(10));
    eventually("all are held", async || {
        let (list, _) = world.engine.automations().await.unwrap();
        list[0].held.iter().map(|(_, count)| count).sum::<u64>() == 4
    })
    .await;
    assert_eq!(world.texts(), []);
    world.engine.decide_card(cards[0].number, true, Actor::from("ana")).await.unwrap();
    assert!(world.engine.decide_card(cards[0].number, true, Actor::from("ana")).await.is_err());
    world.texted(4).await;

    let eve = world.apply("Eve", "+12025550149").await;
    world.advance(SignedDuration::from_mins(10));
    moved(&world, &eve, "offer").await;
    world.engine.pause_automation(NAME, Waiting::Drop, Actor::from("ana")).await.unwrap();
    world.advance(SignedDuration::from_mins(10));
    world.idle().await;
    let why = why_not(&world, &eve).await;
    assert!(why.contains(&"no text: the automation was paused".to_owned()), "{why:?}");
    assert_eq!(world.texts().len(), 4);
}

/// What somebody does holds up nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_counted_by_who_caused_it() {
    let world = World::standing(small(), with(offer(), TEXT)).await;
    world.backfilled().await;
    for (index, by) in [PRIYA, QUINN, PRIYA, QUINN].into_iter().enumerate() {
        let who = world.apply("Ana", &format!("+1202555014{index}")).await;
        moved_by(&world, &who, "offer", by).await;
    }
    assert!(world.engine.automations().await.unwrap().1.is_empty(), "two each are no three");
    let who = world.apply("Ana", "+12025550149").await;
    moved_by(&world, &who, "offer", QUINN).await;
    let (_, cards) = world.engine.automations().await.unwrap();
    let cards: Vec<_> = cards.into_iter().map(|card| (card.by, card.count)).collect();
    assert_eq!(cards, [(format!("Lever user {QUINN}"), 3)]);
    world.advance(SignedDuration::from_mins(10));
    assert_eq!(world.texted(2).await.len(), 2, "what Priya did leaves");
}

/// What a back-test promises is what would leave, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_back_test_knows_of_the_flood_guard_and_of_what_came_too_late() {
    let world = World::standing(small(), with(Automation { paused: true, ..offer() }, TEXT)).await;
    world.backfilled().await;
    let tested = async |who: &Happened| {
        let rows = world.engine.test_automation(NAME, 30, Sight::All).await.unwrap().unwrap();
        let row = rows.into_iter().find(|row| row.opportunity == id(who)).unwrap();
        (row.at.is_some(), row.why.unwrap_or_default())
    };
    let mut people = Vec::new();
    for (index, by) in [PRIYA, PRIYA, QUINN, PRIYA, PRIYA].into_iter().enumerate() {
        let who = world.apply("Ana", &format!("+1202555014{index}")).await;
        moved_by(&world, &who, "offer", by).await;
        people.push(who);
    }
    let held = format!("many at once by Lever user {PRIYA}: held for approval");
    for (who, by) in people.iter().zip([PRIYA, PRIYA, QUINN, PRIYA, PRIYA]) {
        let (leaves, why) = tested(who).await;
        assert_eq!((leaves, why == held), if by == QUINN { (true, false) } else { (false, true) }, "{why}");
    }

    // Lever was not heard of for seven hours.
    world.pass(SignedDuration::from_mins(10));
    let late = world.apply("Ana", "+12025550149").await;
    let (opportunity, to) = (Some(late.opportunity.clone()), Some("offer".into()));
    world.sandbox.happen(&Event::Stage { opportunity, to, by: None }).unwrap();
    world.pass(SignedDuration::from_hours(7));
    world.fetch(&late).await;
    assert_eq!(tested(&late).await, (false, "stale: too long ago".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_automations_decided_is_forgotten_in_time_unless_it_is_still_wanted() {
    let days = |n: i64| SignedDuration::from_hours(24 * n);
    let world = World::standing(small(), |settings| {
        with(offer(), TEXT)(settings);
        let (active, archived) = (Some(days(50)), Some(days(20)));
        settings.retention = Retention { active, archived, ..Retention::default() };
    })
    .await;
    world.backfilled().await;
    let mut people = Vec::new();
    for index in 0..3 {
        let who = world.apply("Ana", &format!("+1202555014{index}")).await;
        moved_by(&world, &who, "offer", [PRIYA, QUINN, PRIYA][index]).await;
        people.push(who);
    }
    let [stays, goes, kept] = &people[..] else { panic!() };
    world.advance(SignedDuration::from_mins(2));
    world.texted(3).await;
    world.idle().await;
    for who in [goes, kept] {
        let archive = Event::Archive { opportunity: Some(who.opportunity.clone()), reason: None };
        world.sandbox.happen(&archive).unwrap();
        world.fetch(who).await;
    }
    let reason = "a court asks".to_owned();
    world.engine.hold(Whom::Opportunity(id(kept)), reason, Actor::from("ana")).await.unwrap();
    let logged = async |who: &Happened| {
        why_not(&world, who).await.iter().filter(|why| why.ends_with("the text was written")).count()
    };
    let over = async |n| world.engine.erase_what_is_over(world.clock.now() + days(n)).await.unwrap();
    over(19).await;
    assert_eq!((logged(stays).await, logged(goes).await, logged(kept).await), (1, 1, 1));
    over(21).await;
    assert_eq!((logged(stays).await, logged(goes).await, logged(kept).await), (1, 0, 1));
    over(51).await;
    assert_eq!((logged(stays).await, logged(kept).await), (0, 1));

    // That somebody was texted counts for as long as they are a candidate.
    world.pass(SignedDuration::from_mins(10));
    moved(&world, stays, "applicant-new").await;
    world.pass(SignedDuration::from_mins(10));
    moved(&world, stays, "offer").await;
    let why = why_not(&world, stays).await;
    assert_eq!(why.last().unwrap(), "a stage was entered, not enrolled: once an opportunity");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_answered_once_and_an_answer_calls_that_off() {
    let quiet =
        Automation { trigger: Trigger::NoReply, scope: Vec::new(), wait: "2d".parse().unwrap(), ..offer() };
    let world = World::standing(small(), with(quiet, "Still there, {{ profile.first_name }}?")).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", "+12025550142").await;
    let sam = world.apply("Sam Ortiz", "+12025550143").await;
    world.text(to(&dana), "Are you free at 2?").await.unwrap();
    world.text(to(&sam), "Are you free at 3?").await.unwrap();
    world.texted(2).await;
    world.advance(SignedDuration::from_hours(24));
    world.receive("+12025550143", "Yes").await;
    world.advance(SignedDuration::from_hours(30));
    let texts = world.texted(3).await;
    assert_eq!(texts[2], ("+12025550142".to_owned(), "Still there, Dana?".to_owned()));
    world.idle().await;
    let why = why_not(&world, &sam).await;
    assert!(why.contains(&"no text: they have replied since".to_owned()), "{why:?}");
    assert_eq!(world.texts().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_before_an_interview_moves_with_it() {
    let before = Automation {
        trigger: Trigger::Interview,
        scope: Vec::new(),
        wait: "24h before interview".parse().unwrap(),
        ..offer()
    };
    let world = World::standing(small(), with(before, "Until {{ interview.date }}!")).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", "+12025550142").await;
    let opportunity = dana.opportunity.clone();
    let in_days =
        |days: i64| Some((world.clock.now() + SignedDuration::from_hours(24 * days)).as_millisecond());
    let waits = async |due: SignedDuration| {
        let at = (world.clock.now() + due).to_zoned_datetime(world.engine.zone());
        let told = at.strftime("%Y-%m-%dT%H:%M").to_string();
        eventually("the text waits for its time", async || {
            why_not(&world, &dana).await.last().is_some_and(|line| line.contains(&told))
        })
        .await;
    };
    let made = Event::InterviewCreated {
        opportunity: Some(opportunity.clone()),
        date: in_days(3),
        duration: Some(30),
        subject: None,
        external: false,
    };
    world.sandbox.happen(&made).unwrap();
    world.hook(HookEvent::InterviewCreated, &dana).await;
    waits(SignedDuration::from_hours(48)).await;
    world.sandbox.happen(&Event::InterviewMoved { opportunity, interview: None, date: in_days(5) }).unwrap();
    world.hook(HookEvent::InterviewUpdated, &dana).await;
    waits(SignedDuration::from_hours(96)).await;
    world.advance(SignedDuration::from_hours(72));
    world.idle().await;
    assert_eq!(world.texts(), []);
    world.advance(SignedDuration::from_hours(24));
    let texts = world.texted(1).await;
    assert!(texts[0].1.contains("Until "), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_a_gap_is_held_until_there_is_a_value() {
    let world = World::standing(small(), with(offer(), "Hi {{ profile.last_name }}")).await;
    world.backfilled().await;
    let dana = world.apply("Dana", "+12025550142").await;
    moved(&world, &dana, "offer").await;
    world.advance(SignedDuration::from_mins(2));
    eventually("it is held", async || {
        let (list, _) = world.engine.automations().await.unwrap();
        list[0].held == [("there is no value for profile.last_name".to_owned(), 1)]
    })
    .await;
    let named = Event::Contact {
        opportunity: dana.opportunity.clone(),
        name: Some("Dana Reyes".into()),
        phone: None,
    };
    world.sandbox.happen(&named).unwrap();
    world.fetch(&dana).await;
    let texts = world.texted(1).await;
    assert!(texts[0].1.contains("Hi Reyes"), "{texts:?}");
}

/// Somebody entered a stage while the initial sync had not read the postings yet: the text that names the
/// job was held, and nothing that followed was a change of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_wants_a_posting_leaves_when_the_postings_are_read() {
    let mut options = small();
    options.lever.permissions = Permissions::all().without(Permission::FindAllPostings);
    let patient = Automation { max_age: SignedDuration::from_hours(24 * 365 * 20), ..offer() };
    let world = World::standing(options, with(patient, "About {{ job.name }}")).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", "+12025550142").await;
    moved(&world, &dana, "offer").await;
    world.advance(SignedDuration::from_mins(2));
    eventually("it is held", async || {
        let (list, _) = world.engine.automations().await.unwrap();
        list[0].held == [("there is no value for job.name".to_owned(), 1)]
    })
    .await;
    world.sandbox.set_permissions(Permissions::all());
    // They are read again a day after the first look, whenever that is.
    eventually("the text has left", async || {
        world.advance(SignedDuration::from_hours(24));
        world.texts().iter().any(|(_, words)| words.contains("About "))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_night_a_text_waits_for_the_morning_and_the_log_says_so() {
    let late = Automation { max_age: SignedDuration::from_hours(48), ..offer() };
    let world = World::standing(small(), |settings| {
        with(late, TEXT)(settings);
        settings.rules.quiet_hours = Hours::default();
    })
    .await;
    world.backfilled().await;
    let hour = world.clock.now().to_zoned_datetime(world.engine.zone()).hour();
    world.advance(SignedDuration::from_hours(i64::from((46 - hour) % 24)));
    let dana = world.apply("Dana Reyes", "+12025550142").await;
    moved(&world, &dana, "offer").await;
    world.advance(SignedDuration::from_mins(2));
    eventually("it is put off", async || {
        why_not(&world, &dana).await.last().is_some_and(|line| line.starts_with("deferred "))
    })
    .await;
    let why = why_not(&world, &dana).await;
    assert!(why.last().unwrap().ends_with(": quiet hours (08-20)"), "{why:?}");
    assert_eq!(world.texts(), []);
    world.advance(SignedDuration::from_hours(11));
    world.texted(1).await;
}

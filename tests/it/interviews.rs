//! Interviews that are arranged here come to stand in Lever once, and Lever's side wins.

use std::collections::BTreeSet;
use std::time::Duration;

use fulcrum::engine::changes::{CALLED_OFF, InterviewTexts, MOVED, REMINDER};
use fulcrum::engine::{InterviewRequest, InterviewState, InterviewView, Once, SendRefusal};
use fulcrum_domain::template::{SavedLinks, Template, Templates};
use fulcrum_domain::{Actor, AppointmentId, Lane, Meeting, RemindOf, UserId};
use fulcrum_sandbox::{Event, Fault, Happened, Hidden, Options, Permission, Permissions, Remote, Rule};
use jiff::SignedDuration;
use serde_json::Value;

use crate::world::{World, eventually, id, small};

const DANA: &str = "+12025550142";

/// A sandbox whose key may do everything.
fn allowed() -> Options {
    let mut options = small();
    options.lever.permissions = Permissions::all();
    options
}

/// A daemon that knows Dana and the users of Lever.
async fn with_dana(options: Options) -> (World, Happened) {
    let world = World::start(options).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    (world, dana)
}

/// A user who stays active, by id and e-mail.
async fn somebody(world: &World) -> (UserId, String) {
    let (_, email) = world.sandbox.lasting_user();
    let found = world.engine.lever_users(vec![email.clone()]).await.unwrap().unwrap();
    (found[0].clone(), email)
}

async fn meeting(world: &World) -> Meeting {
    Meeting {
        subject: Some("Phone screen".into()),
        note: Some("Ask about the night shift.".into()),
        location: None,
        starts_at: world.engine.now() + SignedDuration::from_hours(48),
        minutes: 30,
        timezone: "America/New_York".into(),
        interviewers: BTreeSet::from([somebody(world).await.0]),
        feedback_template: None,
    }
}

async fn arrange(world: &World, dana: &Happened) -> AppointmentId {
    let request = InterviewRequest {
        opportunity: id(dana),
        meeting: meeting(world).await,
        on_behalf_of: Some(somebody(world).await.1),
        account: None,
        by: Actor::from("hr-scripts"),
    };
    let under = async |request: u8| {
        let once = Once { key: [7; 16], request: [request; 16], body: [request; 16] };
        world.engine.under::<SendRefusal>(Some(once)).await
    };
    let id = under(8).await.unwrap().arrange_interview(request.clone()).await.unwrap();
    assert_eq!(under(8).await.unwrap().arrange_interview(request).await.unwrap(), id);
    assert!(matches!(under(9).await, Err(SendRefusal::KeyReused(_))));
    id
}

async fn view(world: &World, dana: &Happened) -> InterviewView {
    let mut all = world.engine.interviews_of(&id(dana)).await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.pop().unwrap()
}

async fn reaches(world: &World, dana: &Happened, state: InterviewState) -> InterviewView {
    eventually(&format!("the interview is {}", state.word()), async || {
        view(world, dana).await.state == state
    })
    .await;
    view(world, dana).await
}

/// What was written to Lever, by kind.
fn written(world: &World, kind: &str) -> Vec<Value> {
    let entries = world.sandbox.ledger().entries().into_iter();
    entries.filter(|entry| entry.kind == kind).map(|entry| entry.detail).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interview_is_made_moved_and_called_off_in_lever() {
    let (world, dana) = with_dana(allowed()).await;
    let id = arrange(&world, &dana).await;
    let made = reaches(&world, &dana, InterviewState::InLever).await;
    let panel = written(&world, "panel_created").pop().unwrap();
    assert_eq!(panel["externallyManaged"], true);
    assert_eq!(panel["interviews"][0]["subject"], "Phone screen");
    let note = panel["interviews"][0]["note"].as_str().unwrap();
    assert!(
        note.starts_with("Ask about the night shift.") && note.contains("ref fulcrum:interview-"),
        "{note}"
    );

    let moved =
        Meeting { starts_at: made.starts_at + SignedDuration::from_hours(2), ..meeting(&world).await };
    world.engine.change_interview(id, moved.clone(), Actor::from("hr-scripts")).await.unwrap();
    eventually("it is moved in Lever", async || !written(&world, "interview_updated").is_empty()).await;
    let updated = written(&world, "interview_updated").pop().unwrap();
    assert_eq!(updated["date"], moved.starts_at.as_millisecond());
    assert_eq!((&updated["note"], &updated["feedbackReminder"]), (&note.into(), &"daily".into()));

    // A second one goes into the same panel.
    let request = InterviewRequest {
        opportunity: crate::world::id(&dana),
        meeting: meeting(&world).await,
        on_behalf_of: Some(somebody(&world).await.1),
        account: None,
        by: Actor::from("hr-scripts"),
    };
    world.engine.arrange_interview(request).await.unwrap();
    eventually("the second one is made", async || written(&world, "interview_created").len() == 1).await;
    assert_eq!(written(&world, "interview_created")[0]["panel"], panel["id"]);

    world.engine.call_off_interview(id, Actor::from("hr-scripts")).await.unwrap();
    eventually("it is deleted in Lever", async || !written(&world, "interview_deleted").is_empty()).await;
    assert_eq!(written(&world, "panel_created").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interview_whose_answer_was_lost_is_found_and_not_made_twice() {
    let mut options = allowed();
    options.faults =
        vec![Rule::new(Remote::Lever, Fault::CutAfter).method(&http::Method::POST).path("/panels").times(1)];
    let (world, dana) = with_dana(options).await;
    arrange(&world, &dana).await;
    let found = reaches(&world, &dana, InterviewState::InLever).await;
    let made = written(&world, "panel_created");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["interviews"][0]["id"], found.lever.unwrap().to_string());
}

/// The look for it, and the deletion, meet a gateway that finds nothing: Lever has said nothing yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_finds_nothing_makes_no_second_interview_and_leaves_none() {
    let gateway = |method| {
        let body = serde_json::json!({"message": "no route"});
        let fault = Fault::Status { code: 404, body: Some(body) };
        Rule::new(Remote::Lever, fault).method(&method).path("/interviews").times(1)
    };
    let (world, dana) = with_dana(allowed()).await;
    let lost = Rule::new(Remote::Lever, Fault::CutAfter).method(&http::Method::POST).path("/panels").times(1);
    world.sandbox.faults().add(lost);
    world.sandbox.faults().add(gateway(http::Method::GET));
    let id = arrange(&world, &dana).await;
    reaches(&world, &dana, InterviewState::InLever).await;
    assert_eq!(written(&world, "panel_created").len(), 1);
    world.sandbox.faults().add(gateway(http::Method::DELETE));
    world.engine.call_off_interview(id, Actor::from("hr-scripts")).await.unwrap();
    eventually("it is deleted in Lever", async || !written(&world, "interview_deleted").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_while_it_posts_makes_no_second_interview() {
    let mut options = allowed();
    options.faults = vec![
        Rule::new(Remote::Lever, Fault::Latency { ms: 1500 })
            .method(&http::Method::POST)
            .path("/panels")
            .times(1),
    ];
    let (world, dana) = with_dana(options).await;
    arrange(&world, &dana).await;
    eventually("the request is under way", async || {
        world.sandbox.stats().lever.by_route.contains_key("POST /v1/opportunities/{o}/panels")
    })
    .await;
    let world = world.restart(Duration::ZERO).await;
    reaches(&world, &dana, InterviewState::InLever).await;
    assert_eq!(written(&world, "panel_created").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_tick_box_it_is_kept_and_made_once_the_key_may() {
    let (world, dana) = with_dana(small()).await;
    arrange(&world, &dana).await;
    eventually("it is not in Lever", async || view(&world, &dana).await.state.why().is_some()).await;
    let state = view(&world, &dana).await.state;
    assert!(state.why().unwrap().contains("Create an opportunity panel"), "{state:?}");
    world.sandbox.set_permissions(Permissions::default().with(Permission::CreatePanel));
    world.engine.probe_key().await;
    reaches(&world, &dana, InterviewState::InLever).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_lever_is_followed_and_never_made_again() {
    let (world, dana) = with_dana(allowed()).await;
    arrange(&world, &dana).await;
    let made = reaches(&world, &dana, InterviewState::InLever).await;
    let later = made.starts_at + SignedDuration::from_hours(24);
    let moved = Event::InterviewMoved {
        opportunity: dana.opportunity.clone(),
        interview: None,
        date: Some(later.as_millisecond()),
    };
    world.sandbox.happen(&moved).unwrap();
    eventually("the move is known", async || view(&world, &dana).await.starts_at == later).await;
    let gone = Event::InterviewDeleted { opportunity: dana.opportunity.clone(), interview: None };
    world.sandbox.happen(&gone).unwrap();
    reaches(&world, &dana, InterviewState::GoneInLever).await;
    world.idle().await;
    assert_eq!(written(&world, "panel_created").len(), 1);
    assert_eq!(written(&world, "interview_updated").len(), 0);
}

/// What candidates are texted, in short words.
fn texts() -> InterviewTexts {
    let template = |id: &str| {
        let text = format!("{id} {{{{ interview.date }}}} {{{{ interview.time }}}}");
        Template::new(id.into(), id.into(), text, &SavedLinks::new()).unwrap()
    };
    InterviewTexts {
        remind_of: RemindOf::Ours,
        leads: vec![SignedDuration::from_hours(24), SignedDuration::from_hours(1)],
        templates: Templates::new([REMINDER, MOVED, CALLED_OFF].map(template).into(), SavedLinks::new()),
    }
}

/// The same daemon, with a clock that stands, and reminders.
async fn standing() -> (World, Happened) {
    let world = World::standing(allowed(), |settings| settings.rules.interview_texts = texts()).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    (world, dana)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_reminded_twice_and_not_of_the_time_before_a_move() {
    let (world, dana) = standing().await;
    let id = arrange(&world, &dana).await;
    reaches(&world, &dana, InterviewState::InLever).await;
    let later =
        Meeting { starts_at: world.engine.now() + SignedDuration::from_hours(72), ..meeting(&world).await };
    world.engine.change_interview(id, later, Actor::from("hr-scripts")).await.unwrap();
    world.advance(SignedDuration::from_hours(47));
    world.advance(SignedDuration::from_hours(1));
    let first = world.texted(1).await;
    assert!(first[0].1.contains("reminder"), "{first:?}");
    world.advance(SignedDuration::from_hours(23));
    let both = world.texted(2).await;
    assert_eq!(both.len(), 2, "{both:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_lever_is_told_once_after_five_minutes_of_quiet() {
    let (world, dana) = standing().await;
    arrange(&world, &dana).await;
    let made = reaches(&world, &dana, InterviewState::InLever).await;
    for hours in [3, 5] {
        let date = (made.starts_at + SignedDuration::from_hours(hours)).as_millisecond();
        let opportunity = dana.opportunity.clone();
        world.advance(SignedDuration::from_mins(1));
        world
            .sandbox
            .happen(&Event::InterviewMoved { opportunity, interview: None, date: Some(date) })
            .unwrap();
        world.hook(fulcrum_domain::HookEvent::InterviewUpdated, &dana).await;
        eventually("the move is known", async || {
            view(&world, &dana).await.starts_at.as_millisecond() == date
        })
        .await;
    }
    assert_eq!(world.texts().len(), 0);
    world.advance(SignedDuration::from_mins(6));
    let told = world.texted(1).await;
    assert!(told[0].1.contains("moved"), "{told:?}");
}

/// Whatever Lever answers for a candidate that it does not show any more: their interview may stand there.
#[tokio::test(flavor = "multi_thread")]
async fn the_interview_of_a_candidate_whom_lever_hides_is_not_taken_for_called_off() {
    for hidden in [Hidden::Forbidden, Hidden::NotFound] {
        let mut options = allowed();
        options.lever.hidden = hidden;
        options.lever.permissions = Permissions::all().without(Permission::Confidential);
        let world = World::standing(options, |settings| settings.rules.interview_texts = texts()).await;
        world.backfilled().await;
        let dana = world.apply("Dana Reyes", DANA).await;
        // A list that was asked for before is older than what is written now.
        world.idle().await;
        world.advance(SignedDuration::from_secs(1));
        let id = arrange(&world, &dana).await;
        let made = reaches(&world, &dana, InterviewState::InLever).await;
        let opportunity = Some(dana.opportunity.clone());
        world.sandbox.happen(&Event::Confidential { opportunity, on: true }).unwrap();
        let later =
            Meeting { starts_at: made.starts_at + SignedDuration::from_hours(1), ..meeting(&world).await };
        let is_blocked = async || view(&world, &dana).await.state.why().is_some();
        world.engine.change_interview(id, later, Actor::from("hr-scripts")).await.unwrap();
        eventually("it is not in Lever as wanted", is_blocked).await;
        world.advance(SignedDuration::from_mins(6));
        world.engine.call_off_interview(id, Actor::from("hr-scripts")).await.unwrap();
        eventually("calling it off was tried", async || {
            world.sandbox.stats().lever.by_route.keys().any(|route| route.starts_with("DELETE"))
        })
        .await;
        eventually("it stands there still", is_blocked).await;
        assert!(written(&world, "interview_deleted").is_empty());
        assert!(world.texts().is_empty(), "{hidden:?}: {:?}", world.texts());
    }
}

/// Whatever the status of a refusal that names the user.
#[tokio::test(flavor = "multi_thread")]
async fn an_interview_whose_performer_lever_refuses_is_made_by_the_fallback() {
    for (code, kind) in [(400, "BadRequestError"), (403, "ForbiddenError")] {
        let message = "User does not have permission at /perform_as";
        let body = serde_json::json!({"code": kind, "message": message});
        let refusal = Rule::new(Remote::Lever, Fault::Status { code, body: Some(body) });
        let (world, dana) = with_dana(allowed()).await;
        let users = world.engine.lever().users(Lane::Interactive, None).await.unwrap().items;
        let performer = somebody(&world).await.1;
        let mut active = users.into_iter().filter(|user| user.deactivated_at.is_none());
        let fallback = active.find(|user| user.email != performer).unwrap();
        let mut settings = world.settings.clone();
        settings.rules.notes_as = Some(fallback.email);
        world.engine.replace_settings(settings);
        world.sandbox.faults().add(refusal.method(&http::Method::POST).path("/panels").times(1));
        arrange(&world, &dana).await;
        reaches(&world, &dana, InterviewState::InLever).await;
        assert_eq!(written(&world, "panel_created")[0]["user"], fallback.id.to_string(), "{code}");
    }
}

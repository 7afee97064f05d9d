//! Quiet hours hold where a text leaves: it waits for the morning, and is decided again then.

use fulcrum::engine::SendRequest;
use fulcrum_domain::Delivery;
use fulcrum_domain::quiet::Hours;
use fulcrum_domain::states::StateWindows;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::world::{World, eventually, request, small, to};

/// In Washington.
const DANA: &str = "+12025550142";

/// What the clock shows in Washington.
fn hour(at: Timestamp) -> i8 {
    TimeZone::get("America/New_York").unwrap().to_datetime(at).hour()
}

/// A world whose clock shows an hour between nine and ten in the evening in Washington.
async fn evening() -> World {
    let world = World::standing(small(), |settings| settings.rules.quiet_hours = Hours::default()).await;
    while hour(world.clock.now()) != 21 {
        world.advance(SignedDuration::from_mins(30));
    }
    world
}

async fn delivery(world: &World, text: fulcrum_domain::MessageId) -> Delivery {
    world.messages(DANA).await.iter().find(|message| message.id == text).unwrap().delivery
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_the_evening_leaves_in_the_morning_in_its_order() {
    let world = evening().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let first = world.text(to(&dana), "first").await.unwrap();
    world.advance(SignedDuration::from_secs(1));
    let second = world.text(to(&dana), "second").await.unwrap();
    assert_eq!([first.delivery, second.delivery], [Delivery::Scheduled; 2]);
    let view = world.conversation(DANA).await.unwrap();
    assert!(view.conversation.session.is_none(), "what has not left is in no transcript");

    // At every hour of the night nothing has left, also after a restart.
    let mut world = world.restart(std::time::Duration::ZERO).await;
    while hour(world.clock.now()) != 8 {
        world.advance(SignedDuration::from_mins(30));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(hour(world.clock.now()) == 8 || world.texts().is_empty());
    }
    world.advance(SignedDuration::from_mins(10));
    let texts = world.texted(2).await;
    assert!(texts[0].1.contains("first") && texts[1].1.contains("second"), "{texts:?}");

    // A STOP in the night would have called them off: it is decided again when they come due.
    while hour(world.clock.now()) != 21 {
        world.advance(SignedDuration::from_mins(30));
    }
    let third = world.text(to(&dana), "third").await.unwrap();
    world.receive(DANA, "STOP").await;
    world.advance(SignedDuration::from_hours(12));
    eventually("it was called off", async || delivery(&world, third.id).await == Delivery::Canceled).await;
    world = world.restart(std::time::Duration::from_secs(5)).await;
    assert!(world.texts().iter().all(|(_, body)| !body.contains("third")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_s_law_closes_earlier_than_the_settings_do() {
    let hours = |window: &str| Hours::new([Some(window.parse().unwrap()); 7]);
    let windows = StateWindows::new(Hours::always(), [("RI".to_owned(), hours("09:00-18:00"))].into());
    let world = World::standing(small(), |settings| {
        settings.rules.quiet_hours = Hours::default();
        settings.rules.state_windows = windows;
    })
    .await;
    while hour(world.clock.now()) != 18 {
        world.advance(SignedDuration::from_mins(30));
    }
    let providence = world.apply("Ana Ruiz", "+14015550142").await;
    let washington = world.apply("Dana Reyes", DANA).await;
    assert_eq!(world.text(to(&providence), "Hello").await.unwrap().delivery, Delivery::Scheduled);
    assert_eq!(world.text(to(&washington), "Hello").await.unwrap().delivery, Delivery::Queued);
    world.texted(1).await;
    while hour(world.clock.now()) != 9 {
        world.advance(SignedDuration::from_mins(30));
    }
    world.advance(SignedDuration::from_mins(10));
    world.texted(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_leaves_at_night_and_so_does_what_cannot_wait() {
    let world = evening().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "I am stuck in traffic, is ten fine?").await;
    world.text(to(&dana), "Yes, drive safely").await.unwrap();
    world.texted(1).await;

    world.advance(SignedDuration::from_mins(61));
    let waits = world.text(to(&dana), "Did you arrive?").await.unwrap();
    assert_eq!(waits.delivery, Delivery::Scheduled);
    let pressing = SendRequest {
        cannot_wait: Some("the office is closed tomorrow".into()),
        ..request(to(&dana), "Do not come")
    };
    world.engine.send_text(pressing).await.unwrap();
    let texts = world.texted(2).await;
    assert!(texts[1].1.contains("Do not come"), "{texts:?}");
    assert_eq!(delivery(&world, waits.id).await, Delivery::Scheduled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_held_up_until_the_window_closes_waits_in_no_transcript() {
    let world = World::standing(small(), |settings| settings.rules.quiet_hours = Hours::default()).await;
    while hour(world.clock.now()) != 19 {
        world.advance(SignedDuration::from_mins(30));
    }
    let dana = world.apply("Dana Reyes", DANA).await;
    let busy = fulcrum_sandbox::Fault::Status { code: 429, body: None };
    world
        .sandbox
        .faults()
        .add(fulcrum_sandbox::Rule::new(fulcrum_sandbox::Remote::Twilio, busy).method(&http::Method::POST));
    let text = world.text(to(&dana), "are you there?").await.unwrap();
    assert_eq!(text.delivery, Delivery::Queued);
    world.advance(SignedDuration::from_hours(2));
    world.sandbox.faults().clear();
    eventually("it is put off", async || {
        world.advance(SignedDuration::from_secs(5));
        delivery(&world, text.id).await == Delivery::Scheduled
    })
    .await;
    assert!(world.texts().is_empty());
    assert!(world.conversation(DANA).await.unwrap().conversation.session.is_none());
    world.advance(SignedDuration::from_hours(13));
    world.texted(1).await;
    world.advance(SignedDuration::from_hours(1));
    eventually("the transcript is filed with it", async || {
        world.advance(SignedDuration::from_secs(5));
        world.notes().iter().any(|note| note.value.contains("are you there?"))
    })
    .await;
}

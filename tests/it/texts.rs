//! Texts and their transcripts.

use fulcrum::engine::SendRequest;
use fulcrum::engine::changes::Recipient;
use fulcrum_domain::Body;
use fulcrum_sandbox::Event;

use crate::world::{World, eventually, fast};

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_becomes_one_note_on_the_right_opportunity() {
    let world = World::start(fast()).await;
    world.backfilled().await;
    let phone = "+12025550142";
    let dana = world
        .sandbox
        .happen(&Event::Apply {
            name: Some("Dana Reyes".into()),
            phone: Some(phone.into()),
            email: None,
            contact: None,
            posting: None,
        })
        .unwrap();
    let request = SendRequest {
        to: Recipient::Opportunity(dana.opportunity.parse().unwrap()),
        body: Body::new("Are you free at 2?"),
        template: None,
        on_behalf_of: None,
        caller: "hr-scripts".into(),
        account: None,
        sight: fulcrum_domain::Sight::All,
        from: None,
        send_at: None,
        cannot_wait: None,
        once: None,
    };
    world.engine.send_text(request).await.unwrap();
    eventually("the text is at the carrier", async || {
        world.sandbox.ledger().entries().iter().any(|e| e.kind == "message_created")
    })
    .await;
    world.sandbox.inbound(phone, "Yes! after 2 works").unwrap();
    eventually("the note stands in Lever", async || {
        world.sandbox.ledger().entries().iter().any(|e| e.kind == "note_created")
    })
    .await;
    let notes: Vec<_> =
        world.sandbox.ledger().entries().into_iter().filter(|e| e.kind == "note_created").collect();
    assert_eq!(notes.len(), 1);
    let text = notes[0].detail.to_string();
    assert!(
        text.contains(&dana.opportunity)
            && text.contains("Are you free at 2?")
            && text.contains("after 2 works")
    );
    println!("{}", notes[0].detail);
}

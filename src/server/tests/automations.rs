//! Automations in the console and over the API.

use fulcrum_domain::OpportunityId;
use fulcrum_domain::automation::{
    Automation, Automations, Card, CardState, Enrolment, EnrolmentId, EnrolmentState, EventKind, Trigger,
    Wait,
};
use serde_json::json;

use super::booking::candidate;
use super::sign_in::Browser;
use super::*;
use crate::store::StoreError;
use crate::store::tables::{CARDS, ENROLMENTS, ENROLMENTS_ON, OPPORTUNITIES};

/// One text that waits on card 3, and one that was called off since.
async fn with_a_card(world: &World) {
    let links = SavedLinks::new();
    let text = Template::new("thanks".into(), "Thanks".into(), "Thank you for applying.".into(), &links);
    let mut settings = (*world.engine.settings.load_full()).clone();
    settings.rules.automations = Arc::new(Automations {
        list: vec![Automation {
            name: "thanks".into(),
            paused: false,
            trigger: Trigger::ApplicationCreated,
            scope: vec![],
            filter: vec![],
            wait: Wait::None,
            wait_words: "none".into(),
            message: "thanks".into(),
            per_visit: false,
            max_age: SignedDuration::from_hours(48),
            cancel_if: vec![],
        }],
        texts: Templates::new(vec![text.unwrap()], links),
        ..Automations::default()
    });
    world.engine.replace_settings(settings);
    let at = world.engine.now();
    let change = move |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        tx.put(CARDS, &3, &Card { by: "lever".into(), opened_at: at, state: CardState::Waiting, count: 2 })?;
        let rows = [("waits", EnrolmentState::Waiting), ("left", EnrolmentState::Ended("booked".into()))];
        for (number, (id, state)) in (1..).zip(rows) {
            let opportunity: OpportunityId = id.parse().unwrap();
            tx.put(OPPORTUNITIES, &opportunity, &candidate(&format!("Candidate {id}"), "+12025550142"))?;
            let row = Enrolment {
                automation: "thanks".into(),
                opportunity,
                event: EventKind::ApplicationCreated,
                happened_at: at,
                enrolled_at: at,
                due: None,
                state,
                card: Some(3),
                was: None,
            };
            tx.put(ENROLMENTS, &EnrolmentId::new(number), &row)?;
            tx.put(ENROLMENTS_ON, &(3, EnrolmentId::new(number)), &())?;
        }
        Ok(())
    };
    world.engine.store.change(change).await.unwrap();
}

/// One click lets them all go: it once said how many, and neither to whom nor what.
#[tokio::test]
async fn a_card_says_whose_texts_wait_on_it_for_whom_and_in_what_words() {
    let world = World::start(Choice::default()).await;
    with_a_card(&world).await;
    let all = world.get("/api/v1/automations", RECRUITER).await.json();
    let waits = json!([{"automation": "thanks", "opportunity": "waits", "name": "Candidate waits"}]);
    assert_eq!((&all["cards"][0]["id"], &all["cards"][0]["texts"]), (&json!(3), &waits), "{all}");

    let mut browser = Browser::new(&world);
    browser.sign_in("recruiter@acme.example", PASSWORD, "").await;
    let page = browser.get("/automations").await.text;
    assert!(page.contains("<summary>thanks: 1</summary>"), "{page}");
    assert!(page.contains("Thank you for applying."), "{page}");
    assert!(page.contains("/o/waits\">Candidate waits</a>") && !page.contains("Candidate left"), "{page}");
}

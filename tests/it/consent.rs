//! What somebody said about texts: read from their application, recorded by people, asked of each text.

use std::sync::Arc;

use fulcrum::engine::changes::{ComposeError, Recipient, Wish};
use fulcrum::engine::{
    ActivityQuery, Listed, NewBulk, Part, Reader, SendRefusal, SendRequest, Settings, Who,
};
use fulcrum::store::Subject;
use fulcrum_domain::automation::{Automation, Automations, Flood, Trigger};
use fulcrum_domain::bulk::{Audience, Exclusion, RecipientState};
use fulcrum_domain::template::{Template, Templates};
use fulcrum_domain::{
    Answer, ConsentLevel, ConsentQuestion, ConsentRules, ConsentSource, Delivery, HookEvent, NoConsent,
    OpportunityId, Refusal, SendFailure, Sight,
};
use fulcrum_sandbox::{Event, Happened};
use jiff::SignedDuration;

use crate::world::{World, eventually, id, number, request, small, to};

const DANA: &str = "+12025550142";
const OMAR: &str = "+12025550143";
const MEI: &str = "+12025550144";
const STRANGER: &str = "+12025550177";

/// The simulated postings ask it, and those who apply say no, nothing and yes in turn.
fn rules(level: ConsentLevel) -> ConsentRules {
    let [yes, no] = ["yes", "no"].map(|answer| vec![answer.to_owned()]);
    let question = ConsentQuestion::new("may we text you about your application?", &yes, &no);
    ConsentRules { level, question: Some(question) }
}

async fn world(level: ConsentLevel) -> World {
    World::standing(small(), |settings| settings.rules.consent = rules(level)).await
}

fn refusal(outcome: Result<fulcrum_domain::Message, SendRefusal>) -> Option<Refusal> {
    match outcome {
        Ok(_) => None,
        Err(SendRefusal::Compose(ComposeError::Refused(refusal))) => Some(refusal),
        Err(error) => panic!("{error:?}"),
    }
}

impl World {
    async fn answers(&self, phone: &str) -> Vec<Answer> {
        let all = self.engine.consents(vec![number(phone)]).await.unwrap();
        all.into_iter().map(|(_, consent)| consent.answer).collect()
    }

    async fn say(&self, phone: &str, answer: Answer) {
        let reason = "on the telephone".to_owned();
        let by = "priya@acme.example".into();
        self.engine.record_consent(vec![number(phone)], answer, reason, by).await.unwrap();
    }

    /// Whether one of these said anything.
    async fn any_answer(&self, phones: &[String]) -> bool {
        let numbers = phones.iter().map(|phone| number(phone)).collect();
        !self.engine.consents(numbers).await.unwrap().is_empty()
    }

    /// What the activity tells of somebody.
    async fn told(&self, who: &Happened) -> Vec<String> {
        self.activity(Some(id(who))).await
    }

    /// How often all applications were read again.
    async fn readings(&self) -> usize {
        let told = self.activity(None).await;
        told.iter().filter(|what| what.starts_with("applications are read again")).count()
    }

    async fn activity(&self, opportunity: Option<OpportunityId>) -> Vec<String> {
        let query = ActivityQuery {
            kinds: Vec::new(),
            who: None,
            conversation: None,
            opportunity,
            before: None,
            limit: 100,
            sight: Sight::All,
            names: false,
        };
        let rows = self.engine.activity(query).await.unwrap().rows;
        rows.into_iter().map(|row| row.activity.detail).collect()
    }
}

fn hello() -> Templates {
    let hello = Template::new("hello".into(), "Hello".into(), "Still looking?".into(), &Default::default());
    Templates::new(vec![hello.unwrap()], Default::default())
}

/// Who applies is texted two hours later.
fn automate(settings: &mut Settings) {
    let automation = Automation {
        name: "hello".into(),
        paused: false,
        trigger: Trigger::ApplicationCreated,
        scope: Vec::new(),
        filter: Vec::new(),
        wait: "2h".parse().unwrap(),
        wait_words: "2h".into(),
        message: "hello".into(),
        per_visit: false,
        max_age: SignedDuration::from_hours(6),
        cancel_if: Vec::new(),
    };
    let (list, settle) = (vec![automation], SignedDuration::from_secs(60));
    settings.rules.automations =
        Arc::new(Automations { list, texts: hello(), settle, flood: Flood::default() });
    settings.templates = hello();
}

fn bulk(who: &Happened) -> NewBulk {
    NewBulk {
        name: "Spring".into(),
        template: "hello".into(),
        nudge: None,
        audience: Audience::default(),
        listed: vec![Listed { line: 0, who: Who::Opportunity(id(who)), consents: None }],
        bad_rows: Vec::new(),
        on_behalf_of: None,
        user: None,
        name_of_user: "Ana".into(),
        by: "ana@acme.example".into(),
        sight: Sight::Open,
        once: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_on_the_application_holds_until_a_person_records_a_yes() {
    let world = world(ConsentLevel::None).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    assert_eq!(world.answers(DANA).await, [Answer::No]);
    assert_eq!(refusal(world.text(to(&dana), "Hello").await), Some(NoConsent::SaidNo.into()));
    let reader = || Reader { sight: Sight::All, user: None, name: "Priya Shah".into() };
    let facts = || async {
        let facts = world.engine.facts(Subject::Opportunity(id(&dana)), reader()).await;
        facts.unwrap().unwrap()
    };
    let why = facts().await.may_text().unwrap_err();
    assert!(why.contains("said no to texts (on their application, "), "{why}");

    world.advance(SignedDuration::from_mins(1));
    world.say(DANA, Answer::Yes).await;
    assert_eq!(refusal(world.text(to(&dana), "Hello").await), None);
    let source = facts().await.consent.source.unwrap();
    assert!(source.starts_with("recorded by priya@acme.example: on the telephone, "), "{source}");
    // The application is read again and again, and is older than what the person learned.
    world.fetch(&dana).await;
    assert_eq!(world.answers(DANA).await, [Answer::Yes, Answer::No]);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_wants_a_yes_and_an_opt_out_beats_it() {
    let world = world(ConsentLevel::Strict).await;
    let [_, omar, mei] =
        [world.apply("Dana", DANA).await, world.apply("Omar", OMAR).await, world.apply("Mei", MEI).await];
    assert_eq!(world.answers(OMAR).await, []);
    assert_eq!(refusal(world.text(to(&omar), "Hello").await), Some(NoConsent::NoAnswer.into()));
    assert_eq!(world.answers(MEI).await, [Answer::Yes]);
    assert_eq!(refusal(world.text(to(&mei), "Hello").await), None);

    world.receive(MEI, "STOP").await;
    assert_eq!(refusal(world.text(to(&mei), "Hello").await), Some(Refusal::OptedOut));
    // Past when they applied: Lever's clock goes on while this one stands.
    world.advance(SignedDuration::from_mins(10));
    world.receive(MEI, "START").await;
    assert_eq!(refusal(world.text(to(&mei), "Hello again").await), None);
    let evidence = world.engine.consents(vec![number(MEI)]).await.unwrap();
    assert_eq!(evidence[0].1.source, ConsentSource::Text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_while_a_text_waits_does_not_get_it() {
    let world = world(ConsentLevel::None).await;
    let _ = world.apply("Dana", DANA).await;
    let omar = world.apply("Omar", OMAR).await;
    let later = world.clock.now() + SignedDuration::from_hours(1);
    let waiting = SendRequest { send_at: Some(later), ..request(to(&omar), "Are you free?") };
    let waiting = world.engine.send_text(waiting).await.unwrap();
    world.say(OMAR, Answer::No).await;
    let messages = world.messages(OMAR).await;
    let text = messages.iter().find(|text| text.id == waiting.id).unwrap();
    assert_eq!((text.delivery, text.failure), (Delivery::Canceled, Some(SendFailure::SaidNo)), "at once");
    let told = world.told(&omar).await;
    let why =
        "a text that waited was called off: the candidate said no when asked whether they may be texted";
    assert!(told.contains(&why.to_owned()), "{told:?}");
    // A yes later on does not bring back what nobody expects any more.
    world.advance(SignedDuration::from_mins(1));
    world.say(OMAR, Answer::Yes).await;
    world.advance(SignedDuration::from_hours(2));
    world.idle().await;
    assert_eq!(world.texts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_on_another_application_calls_off_what_waits_everywhere() {
    let world = World::standing(small(), |settings| {
        settings.rules.consent = rules(ConsentLevel::None);
        automate(settings);
    })
    .await;
    world.backfilled().await;
    let (_, omar) = (world.apply("Dana", DANA).await, world.apply("Omar", OMAR).await);
    let bulk = world.engine.make_bulk(bulk(&omar)).await.unwrap();
    let counts = async || {
        let counts = world.engine.bulk(bulk).await.unwrap().unwrap().counts;
        (counts.waiting, counts.excluded)
    };
    assert_eq!(counts().await, (1, 0));
    let waiting = async || world.engine.automations().await.unwrap().0[0].waiting;
    assert_eq!(waiting().await, 1);

    // After a few others, somebody says no once more.
    for count in 0..4 {
        world.apply("Mei", &format!("+1202555015{count}")).await;
    }
    world.pass(SignedDuration::from_mins(1));
    let again = world.apply_again("Omar", OMAR, Some(&omar.contact)).await;
    assert_eq!(world.answers(OMAR).await, [Answer::No]);
    assert_eq!(counts().await, (0, 1));
    let shown = world.engine.bulk_recipients(bulk, Part::Whole, None, 10, Sight::All).await.unwrap().rows;
    let why = "the candidate said no when asked whether they may be texted";
    assert_eq!(shown[0].state, RecipientState::Excluded(Exclusion::Refused(why.into())));
    for who in [&omar, &again] {
        let reasons = world.engine.why_not(id(who), "hello", Sight::All).await.unwrap().unwrap();
        assert_eq!(reasons.last().unwrap().what, format!("no text: {why}"));
    }
}

/// Answers that nobody asked for were thrown away when the applications were read.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_configured_later_is_read_from_all_applications() {
    let mut world = World::start_with(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana", DANA).await;
    for phone in [OMAR, MEI] {
        world.apply("Somebody", phone).await;
    }
    let archive = Event::Archive { opportunity: Some(dana.opportunity.clone()), reason: None };
    world.sandbox.happen(&archive).unwrap();
    world.fetch(&dana).await;
    assert!(world.answers(DANA).await.is_empty());
    // Those who applied long ago, whom no look at what has changed finds.
    let old = (0..20).filter_map(|_| world.sandbox.random_opportunity(true)?.number);
    let old: Vec<String> = old.filter(|phone| ![DANA, OMAR, MEI].contains(&phone.as_str())).collect();
    assert!(!world.any_answer(&old).await);
    world.settings.rules.consent = rules(ConsentLevel::None);
    world.engine.replace_settings(world.settings.clone());
    eventually("they are read", async || {
        world.any_answer(&old).await
            && world.answers(DANA).await == [Answer::No]
            && world.answers(MEI).await == [Answer::Yes]
    })
    .await;
    world.backfilled().await;

    // No means yes from now on, which is seen at the next start.
    let [yes, no] = [["no"], ["yes"]].map(|words| words.map(str::to_owned));
    let turned = ConsentQuestion::new("may we text you about your application?", &yes, &no);
    world.settings.rules.consent.question = Some(turned);
    let world = world.restart(std::time::Duration::from_secs(5)).await;
    eventually("they are read by the new meaning", async || {
        (world.answers(DANA).await, world.answers(MEI).await) == (vec![Answer::Yes], vec![Answer::No])
    })
    .await;
    world.backfilled().await;
    assert_eq!(world.readings().await, 2);
    world.engine.replace_settings(world.settings.clone());
    let world = world.restart(std::time::Duration::from_secs(5)).await;
    world.backfilled().await;
    assert_eq!(world.readings().await, 2, "nothing is read again while nothing has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_leaves_no_answer_behind() {
    let world = world(ConsentLevel::None).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    assert_eq!(world.answers(DANA).await, [Answer::No]);
    let deleted = Event::Delete { opportunity: Some(dana.opportunity.clone()) };
    world.sandbox.happen(&deleted).unwrap();
    world.hook(HookEvent::CandidateDeleted, &dana).await;
    eventually("they are gone", async || {
        world.advance(SignedDuration::from_secs(5));
        world.answers(DANA).await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_by_another_way_holds_for_a_number_that_nobody_knows() {
    let world = world(ConsentLevel::None).await;
    let since = world.clock.now() - SignedDuration::from_hours(48);
    let wish = Wish { opted_out: true, reason: "a letter".into(), since: Some(since) };
    let all = vec![number(STRANGER), number(OMAR)];
    world.engine.decide_opt_out(all, wish, "priya@acme.example".into()).await.unwrap();
    let refused = world.text(Recipient::Number(number(STRANGER)), "Hello").await;
    assert_eq!(refusal(refused), Some(Refusal::OptedOut));
    world.receive(STRANGER, "START").await;
    let refused = world.text(Recipient::Number(number(STRANGER)), "Hello").await;
    assert_eq!(refusal(refused), Some(Refusal::OptedOut), "what did not come by text, START does not lift");
    let view = world.conversation(STRANGER).await.unwrap();
    assert_eq!(view.suppression.unwrap().at, since);
}

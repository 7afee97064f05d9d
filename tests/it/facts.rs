//! What a recruiter sees beside a conversation, and what a template makes of it.

use std::time::Duration;

use fulcrum::engine::{Facts, Found, Freshness, News, Reader, Sender, TemplateError, ZoneEvidence};
use fulcrum::store::Subject;
use fulcrum_domain::Sight;
use fulcrum_domain::quiet::{Hours, Verdict};
use fulcrum_domain::template::{RenderError, SavedLinks, Template, Templates};
use fulcrum_sandbox::{Event, Fault, Happened, Permissions, Remote, Rule};
use jiff::{SignedDuration, Timestamp};

use crate::world::{World, id, number, small, to};

const DANA: &str = "+12025550142";
/// Southern Indiana, which has two zones.
const ANA: &str = "+18125550143";
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn reader(sight: Sight) -> Reader {
    Reader { sight, user: None, name: "Priya Shah".into() }
}

impl World {
    async fn facts(&self, subject: Subject) -> Facts {
        self.engine.facts(subject, reader(Sight::Open)).await.unwrap().unwrap()
    }

    /// Moves the clock on to this time of day in Washington.
    fn until(&self, time: jiff::civil::Time) {
        let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
        let tomorrow = zone.to_datetime(self.clock.now()).date().tomorrow().unwrap();
        self.clock.set(zone.to_timestamp(tomorrow.to_datetime(time)).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_shown_with_names_for_ids_and_their_own_time() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let again = world.apply_again("Dana Reyes", DANA, Some(&dana.contact)).await;
    world.until(jiff::civil::time(15, 10, 0, 0));
    let facts = world.facts(Subject::Opportunity(id(&dana))).await;
    let candidate = facts.candidate.as_ref().unwrap();
    assert_eq!(candidate.opportunity.name, "Dana Reyes");
    assert!(candidate.stage.is_some() && candidate.posting.is_some());
    assert_eq!(candidate.others.iter().map(|other| other.id.clone()).collect::<Vec<_>>(), [id(&again)]);
    assert_eq!((facts.number, facts.conversation), (Some(number(DANA)), None));
    assert_eq!((facts.local_time().as_str(), facts.evidence), ("15:10", ZoneEvidence::Number));
    assert!(facts.quiet == Verdict::Open && facts.quiet_words().is_none());
    assert!(facts.consent.may && facts.first_text && facts.may_text() == Ok(()));
    assert!(facts.in_their_time(facts.next_morning.unwrap()).ends_with("08:00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_two_zones_is_told_as_such_and_quiet_hours_hold_in_both() {
    let world = World::standing(small(), |settings| settings.rules.quiet_hours = Hours::default()).await;
    let ana = world.apply("Ana Ruiz", ANA).await;
    world.until(jiff::civil::time(8, 30, 0, 0));
    let facts = world.facts(Subject::Opportunity(id(&ana))).await;
    assert_eq!(facts.local_time(), "between 07:30 and 08:30");
    assert_eq!(facts.evidence, ZoneEvidence::NumberInDoubt);
    let opens = world.clock.now() + SignedDuration::from_mins(30);
    assert_eq!(facts.quiet, Verdict::Closed { opens: Some(opens) });
    assert!(facts.quiet_words().unwrap().contains("08:00"), "{:?}", facts.quiet_words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_s_text_of_just_now_is_told_to_others_alone() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.text(to(&dana), "Hi").await.unwrap();
    world.advance(SignedDuration::from_secs(40));
    let facts = world.facts(Subject::Opportunity(id(&dana))).await;
    let colleague = facts.colleague.unwrap();
    assert_eq!((colleague.name.as_str(), colleague.seconds), ("hr-scripts", 40));
    assert!(!facts.first_text);
    let own = Reader { name: "hr-scripts".into(), ..reader(Sight::Open) };
    let facts = world.engine.facts(Subject::Conversation(facts.conversation.unwrap()), own).await;
    assert_eq!(facts.unwrap().unwrap().colleague, None);
    world.advance(SignedDuration::from_secs(81));
    assert_eq!(world.facts(Subject::Opportunity(id(&dana))).await.colleague, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opted_out_may_not_be_texted_and_it_says_how_that_is_known() {
    let world = World::standing(small(), |_| {}).await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "please stop texting me so much, really").await;
    let facts = world.facts(Subject::Opportunity(id(&dana))).await;
    assert!(facts.consent.may && facts.consent.words.contains("decide"));
    world.receive(DANA, "STOP").await;
    let facts = world.facts(Subject::Opportunity(id(&dana))).await;
    assert!(!facts.consent.may && facts.consent.source.as_deref().unwrap().starts_with("by text, "));
    assert!(facts.may_text().unwrap_err().contains("opted out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_a_confidential_candidate_to_open_eyes() {
    let mut options = small();
    options.lever.permissions = Permissions::all();
    let world = World::start_with(options, |settings| {
        settings.confidential = fulcrum::engine::Confidential::Read;
    })
    .await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world
        .sandbox
        .happen(&Event::Confidential { opportunity: Some(dana.opportunity.clone()), on: true })
        .unwrap();
    world.fetch(&dana).await;
    let facts =
        async |sight| world.engine.facts(Subject::Opportunity(id(&dana)), reader(sight)).await.unwrap();
    assert!(facts(Sight::Open).await.is_none());
    assert!(facts(Sight::All).await.unwrap().may_text().unwrap_err().contains("confidential"));
    let rendered = world.engine.render_template("any", id(&dana), None, Sight::Open).await;
    assert!(matches!(rendered, Err(TemplateError::UnknownOpportunity)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_about_nobody_has_a_number_and_a_clock() {
    let world = World::standing(small(), |_| {}).await;
    world.receive("+12125550199", "who is this?").await;
    let thread = world.conversation("+12125550199").await.unwrap().conversation.id;
    let facts = world.facts(Subject::Conversation(thread)).await;
    assert!(facts.candidate.is_none() && facts.may_text() == Ok(()));
    assert_eq!(facts.evidence, ZoneEvidence::Number);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_speaks_of_the_candidate_and_their_next_interview() {
    let text = "Hi {{ profile.first_name }}, {{ interview.date }} at {{ interview.time }}. {{ sender.name }}";
    let template =
        Template::new("see-you".into(), "See you".into(), text.into(), &SavedLinks::new()).unwrap();
    let world = World::standing(small(), |settings| {
        settings.templates = Templates::new(vec![template], SavedLinks::new());
    })
    .await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    assert_eq!(world.engine.templates(), [("see-you".to_owned(), "See you".to_owned())]);
    let render = async |sender| world.engine.render_template("see-you", id(&dana), sender, Sight::Open).await;
    let Err(TemplateError::Render(RenderError::Missing { fields })) = render(None).await else { panic!() };
    assert_eq!(fields, ["sender.name", "interview.date", "interview.time"]);

    let at: Timestamp = "2035-03-06T19:30:00Z".parse().unwrap();
    world
        .sandbox
        .happen(&Event::InterviewCreated {
            opportunity: Some(dana.opportunity.clone()),
            date: Some(at.as_millisecond()),
            duration: None,
            subject: None,
            external: false,
        })
        .unwrap();
    world.hook(fulcrum_domain::HookEvent::InterviewCreated, &dana).await;
    world.idle().await;
    let text = render(Some(Sender::Name("Priya Shah".into()))).await.unwrap();
    assert_eq!(text, "Hi Dana, Tue, Mar 6 at 2:30 PM EST. Priya Shah");
    let nobody = render(Some(Sender::Email("nobody@acme.example".into()))).await;
    assert!(matches!(nobody, Err(TemplateError::UnknownSender)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_read_again_once_it_is_old_and_once_for_all_who_look() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.idle().await;
    let rename = |name: &str| Event::Contact {
        opportunity: dana.opportunity.clone(),
        name: Some(name.into()),
        phone: None,
    };
    world.sandbox.happen(&rename("Dana R. Reyes")).unwrap();
    let name =
        async || world.facts(Subject::Opportunity(id(&dana))).await.candidate.unwrap().opportunity.name;
    let look = async || world.engine.refresh_if_older(&id(&dana), HALF_A_MINUTE).await;
    assert_eq!((look().await, name().await.as_str()), (Freshness::Fresh, "Dana Reyes"));
    world.advance(SignedDuration::from_secs(31));
    let reads = || world.sandbox.stats().lever.by_route["GET /v1/opportunities/{o}"];
    let before = reads();
    let (one, other) = tokio::join!(look(), look());
    assert_eq!((one, other), (Freshness::Fresh, Freshness::Fresh));
    assert_eq!(name().await, "Dana R. Reyes");
    assert_eq!(reads() - before, 1);

    world.advance(SignedDuration::from_secs(31));
    let refuse = Fault::Status { code: 401, body: None };
    world.sandbox.faults().add(Rule::new(Remote::Lever, refuse));
    assert_eq!(look().await, Freshness::Stale("Lever refuses the API key"));
    assert_eq!(name().await, "Dana R. Reyes");
    world.engine.refresh_shown(&id(&dana), HALF_A_MINUTE).await;
    assert_eq!(world.engine.outdated(&id(&dana)), Some("Lever refuses the API key"));
}

impl World {
    /// What open pages are told when somebody opens a profile that was read half a minute ago.
    async fn told_when_opened(&self, who: &Happened) -> Vec<News> {
        self.idle().await;
        self.advance(SignedDuration::from_secs(31));
        let mut watch = self.engine.watch(None);
        self.engine.refresh_shown(&id(who), HALF_A_MINUTE).await;
        let last = self.engine.watch(None).place();
        let mut told = Vec::new();
        while watch.place() != last {
            told.push(watch.next().await.unwrap().1);
        }
        told
    }
}

/// Pages of the old number went on as if nothing had happened, and texts went there unseen.
#[tokio::test(flavor = "multi_thread")]
async fn who_opens_a_profile_sees_a_corrected_number_and_so_do_the_pages_of_the_old_one() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.receive(DANA, "Hi").await;
    let old = world.conversation(DANA).await.unwrap().conversation.id;
    let phone = Some("+12025550177".to_owned());
    let corrected = Event::Contact { opportunity: dana.opportunity.clone(), name: None, phone };
    world.sandbox.happen(&corrected).unwrap();
    let told = world.told_when_opened(&dana).await;
    assert!(told.contains(&News::Conversation(old)), "{told:?}");
    assert!(told.contains(&News::Opportunity(id(&dana))), "{told:?}");
    let facts = world.facts(Subject::Opportunity(id(&dana))).await;
    assert_eq!((facts.number, facts.conversation), (Some(number("+12025550177")), None));
    assert_eq!(facts.spoken_of, [(old, number(DANA))]);
    // In the old thread it is the old number that counts.
    let facts = world.engine.facts_in(id(&dana), old, reader(Sight::Open)).await.unwrap().unwrap();
    assert_eq!((facts.number, facts.conversation), (Some(number(DANA)), Some(old)));
    assert!(facts.spoken_of.is_empty() && facts.candidate.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_turned_confidential_is_left_out_when_somebody_opens_them() {
    let world = World::standing(small(), |_| {}).await;
    world.backfilled().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let hidden = Event::Confidential { opportunity: Some(dana.opportunity.clone()), on: true };
    world.sandbox.happen(&hidden).unwrap();
    let told = world.told_when_opened(&dana).await;
    assert!(told.contains(&News::Everything), "open pages close: {told:?}");
    let found = world.engine.opportunity(&id(&dana), Sight::All).await.unwrap();
    assert!(matches!(found, Found::Unknown), "{found:?}");
}

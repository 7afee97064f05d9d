//! The pages on which candidates book, as browsers, link scanners and strangers meet them.

use fulcrum_domain::booking::{EventType, Interviewer, Offers};
use fulcrum_domain::slots::{Need, Terms, Week};
use fulcrum_domain::{Number, Opportunity, Phone, User};
use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::store::StoreError;
use crate::store::tables::{OPPORTUNITIES, USERS, USERS_BY_EMAIL};

const ADA: &str = "opp-1";
const BOB: &str = "opp-2";
const ANA: &str = "ana@acme.example";

/// A server with two candidates and an interviewer who always has time.
async fn world() -> World {
    let world = World::start(Choice { public_url: "http://127.0.0.1", ..Choice::default() }).await;
    let week = Week::parse(TimeZone::UTC, ["00:00-24:00"; 7]).unwrap();
    let mut settings = (*world.engine.settings.load_full()).clone();
    settings.rules.booking = Offers {
        event_types: vec![EventType {
            id: "phone".into(),
            name: "Phone interview".into(),
            location: "We call you".into(),
            terms: Terms {
                length: SignedDuration::from_mins(30),
                notice: SignedDuration::from_hours(4),
                horizon: SignedDuration::from_hours(14 * 24),
                increment: SignedDuration::from_mins(30),
                buffer: SignedDuration::from_mins(10),
                per_day: 20,
                per_week: 100,
            },
            need: Need::All,
            interviewers: vec![ANA.into()],
            feedback_template: None,
            confirmation: String::new(),
            reminders: None,
        }],
        interviewers: [(ANA.into(), Interviewer { week, weight: 1, has_calendar: false })].into(),
    };
    world.engine.replace_settings(settings);
    let change = |tx: &mut store::Tx<'_>| -> Result<(), StoreError> {
        let ana = User { name: "Ana Interviewer".into(), email: ANA.into(), active: true };
        tx.put(USERS, &"user-1".parse().unwrap(), &ana)?;
        tx.put(USERS_BY_EMAIL, &ANA.to_owned(), &"user-1".parse().unwrap())?;
        for (id, name, number) in [(ADA, "Ada Lovelace", "+12025550142"), (BOB, "Bob Ross", "+12025550143")] {
            tx.put(OPPORTUNITIES, &id.parse().unwrap(), &candidate(name, number))?;
        }
        Ok(())
    };
    world.engine.store.change(change).await.unwrap();
    world
}

pub(super) fn candidate(name: &str, number: &str) -> Opportunity {
    let at = Timestamp::from_second(1_741_097_520).unwrap();
    Opportunity {
        contact: name.replace(' ', "-").parse().unwrap(),
        name: name.into(),
        phones: vec![Phone { kind: None, number: Some(Number::from_e164(number).unwrap()), raw: None }],
        emails: Vec::new(),
        stage: "applicant-new".parse().unwrap(),
        archived: None,
        owner: None,
        application: None,
        posting: None,
        tags: Vec::new(),
        confidential: false,
        anonymised: false,
        created_at: at,
        advanced_at: at,
        updated_at: None,
        as_of: at,
        interviews_as_of: None,
    }
}

/// What a page's forms say.
struct Form {
    token: String,
    starts: Vec<String>,
}

fn form(page: &Answer) -> Form {
    let all = |begin: &str| {
        let found = page.text.match_indices(begin).map(|(at, _)| &page.text[at + begin.len()..]);
        found.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let token = all("name=\"form\" value=\"").first().cloned().unwrap_or_default();
    Form { token, starts: all("name=\"start\" value=\"") }
}

impl World {
    /// The path of a new link of somebody.
    async fn link(&self, who: &str) -> String {
        let path = format!("/api/v1/opportunities/{who}/booking-link");
        let answer = self.post_json(&path, RECRUITER, &json!({"event_type": "phone"})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let url = answer.json()["url"].as_str().unwrap().to_owned();
        url[url.find("/b/").unwrap()..].to_owned()
    }

    async fn look(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.url(path))).await
    }

    /// Sends a form as a browser would, and follows nothing.
    async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Answer::of(client.post(self.url(path)).form(form)).await
    }

    async fn take(&self, path: &str, page: &Form, start: &str) -> Answer {
        self.submit(path, &[("form", &page.token), ("do", "take"), ("start", start)]).await
    }
}

#[tokio::test]
async fn a_candidate_books_moves_and_calls_off_without_a_script() {
    let world = world().await;
    let path = world.link(ADA).await;
    let page = world.look(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Ada, 30 minutes · We call you"), "{}", page.text);
    for hidden in ["Lovelace", "Ana", "2025550142", "fulcrum</title>", ADA] {
        assert!(!page.text.contains(hidden), "{hidden}: {}", page.text);
    }
    let shown = form(&page);
    assert!(shown.starts.len() > 40, "{}", shown.starts.len());
    let taken = world.take(&path, &shown, &shown.starts[40]).await;
    assert_eq!((taken.status, taken.header("location")), (303, path.as_str()));

    let booked = world.look(&path).await;
    assert!(booked.text.contains("You are booked"), "{}", booked.text);
    let file = world.look(&format!("{path}/calendar.ics")).await;
    assert_eq!(file.header("content-type"), "text/calendar; charset=utf-8");
    assert!(file.text.contains("SUMMARY:Phone interview\\, Acme Recruiting"), "{}", file.text);
    let start: Timestamp = shown.starts[40].parse().unwrap();
    assert!(file.text.contains(&start.strftime("DTSTART:%Y%m%dT%H%M%SZ").to_string()), "{}", file.text);

    // Each text has a link of its own.
    let another = world.link(ADA).await;
    let page = world.look(&format!("{path}?move=1")).await;
    assert!(page.text.contains("You are booked for <strong>"), "{}", page.text);
    assert!(page.text.contains("Keep the time that is booked"), "{}", page.text);
    let others = form(&page);
    assert_eq!(world.take(&path, &others, &others.starts[20]).await.status, 303);
    let moved = world.look(&format!("{path}/calendar.ics")).await;
    let uid = |text: &str| text.lines().find(|line| line.starts_with("UID:")).unwrap().to_owned();
    assert_eq!(uid(&moved.text), uid(&file.text), "calendars move the entry that they have");
    let again = world.look(&format!("{another}/calendar.ics")).await;
    assert_eq!(uid(&again.text), uid(&file.text), "whichever link it comes by");
    assert!(uid(&again.text).ends_with("@127.0.0.1"), "{}", again.text);
    let sequence = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("SEQUENCE:")).unwrap();
        line.trim().parse::<u32>().unwrap()
    };
    assert!(sequence(&moved.text) > sequence(&file.text), "{} {}", moved.text, file.text);

    let others = form(&world.look(&format!("{path}?move=1")).await);
    assert_eq!(world.take(&path, &others, &others.starts[30]).await.status, 303);
    let page = world.look(&path).await;
    assert!(page.text.contains("It was moved twice") && !page.text.contains("move=1"), "{}", page.text);
    let shown = form(&page);
    let ended = world.submit(&path, &[("form", &shown.token), ("do", "call-off")]).await;
    assert_eq!(ended.status, 303);
    assert!(world.look(&path).await.text.contains("The meeting is called off"));
    // The confirmation that they have leads there still, and a telephone shows what it gets.
    let page = world.look(&format!("{path}/calendar.ics")).await;
    assert!(page.status == 200 && page.text.contains("The meeting is called off"), "{}", page.text);
}

#[tokio::test]
async fn what_is_booked_stands_and_can_be_called_off_when_the_config_has_its_kind_no_more() {
    let world = world().await;
    let (path, open) = (world.link(ADA).await, world.link(BOB).await);
    let page = form(&world.look(&path).await);
    assert_eq!(world.take(&path, &page, &page.starts[40]).await.status, 303);
    let mut settings = (*world.engine.settings.load_full()).clone();
    settings.rules.booking.event_types.clear();
    world.engine.replace_settings(settings);

    let booked = world.look(&path).await;
    assert!(booked.status == 200 && booked.text.contains("You are booked"), "{}", booked.text);
    assert!(booked.text.contains("Ada, 30 minutes · We call you"), "{}", booked.text);
    assert!(!booked.text.contains("move=1"), "there are no other times: {}", booked.text);
    let file = world.look(&format!("{path}/calendar.ics")).await;
    assert!(file.text.contains("SUMMARY:Phone interview\\, Acme Recruiting"), "{}", file.text);
    let sees = form(&booked);
    assert_eq!(world.take(&path, &sees, &page.starts[20]).await.status, 410);
    let ended = world.submit(&path, &[("form", &sees.token), ("do", "call-off")]).await;
    assert_eq!(ended.status, 303, "{}", ended.text);

    // Nor is a link that led to something once taken for a guess.
    for _ in 0..12 {
        for path in [&path, &open] {
            let page = world.look(path).await;
            assert!(page.status == 200 && page.text.contains("This link has ended"), "{}", page.text);
        }
    }
}

#[tokio::test]
async fn looking_never_books_and_nothing_of_a_page_is_kept() {
    let world = world().await;
    let path = world.link(ADA).await;
    let start = form(&world.look(&path).await).starts[0].clone();
    // What scanners of links do.
    for query in ["", "?move=1", "?do=take", &format!("?do=take&start={start}")] {
        let address = format!("{path}{query}");
        let page = world.look(&address).await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        assert!(page.text.contains("noindex"));
        let head = Answer::of(world.client.head(world.url(&address))).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
    assert_eq!(form(&world.look(&path).await).starts[0], start, "it is free still");
    // A form of another site, or of nowhere, has no token.
    let forged = world.submit(&path, &[("do", "take"), ("start", &start)]).await;
    assert_eq!(forged.status, 409);
    assert!(!world.look(&path).await.text.contains("You are booked"));
}

#[tokio::test]
async fn of_two_the_later_is_shown_fresh_times_and_an_old_form_is_not_taken() {
    let world = world().await;
    let (ada, bob) = (world.link(ADA).await, world.link(BOB).await);
    let [ada_sees, bob_sees] = [form(&world.look(&ada).await), form(&world.look(&bob).await)];
    let start = &ada_sees.starts[0];
    assert_eq!(world.take(&ada, &ada_sees, start).await.status, 303);
    let late = world.take(&bob, &bob_sees, start).await;
    assert_eq!(late.status, 409);
    assert!(late.text.contains("was just taken") && !form(&late).starts.contains(start), "{}", late.text);

    // Back in the browser, and sent again.
    let again = world.take(&ada, &ada_sees, &ada_sees.starts[5]).await;
    assert_eq!(again.status, 409);
    assert!(again.text.contains("not up to date"), "{}", again.text);
    assert!(again.text.contains("You are booked") && !again.text.contains("choose again"), "{}", again.text);
    for (act, start) in [("take", "soon"), ("take", ""), ("x", "")] {
        let wrong = world.submit(&bob, &[("form", &bob_sees.token), ("do", act), ("start", start)]).await;
        assert_eq!(wrong.status, 422, "{act}");
    }
    let wish =
        |words: &str| [("form", bob_sees.token.clone()), ("do", "suggest".into()), ("wish", words.into())];
    let send = async |form: [(&str, String); 3]| {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.submit(&bob, &form).await
    };
    assert_eq!(send(wish(" ")).await.status, 422);
    assert_eq!(send(wish(&"x".repeat(501))).await.status, 422);
    assert_eq!(send(wish("Sundays")).await.status, 200);
}

#[tokio::test]
async fn a_second_tap_says_what_the_first_one_did() {
    let world = world().await;
    let path = world.link(ADA).await;
    let sees = form(&world.look(&path).await);
    let taps = tokio::join!(
        world.take(&path, &sees, &sees.starts[3]),
        world.take(&path, &sees, &sees.starts[3]),
        world.take(&path, &sees, &sees.starts[3]),
    );
    let late = world.take(&path, &sees, &sees.starts[3]).await;
    for tap in [taps.0, taps.1, taps.2, late] {
        assert_eq!((tap.status, tap.header("location")), (303, path.as_str()), "{}", tap.text);
    }
    let booked = form(&world.look(&path).await);
    for _ in 0..2 {
        let ended = world.submit(&path, &[("form", &booked.token), ("do", "call-off")]).await;
        assert_eq!(ended.status, 303, "{}", ended.text);
    }
    let late = world.take(&path, &sees, &sees.starts[3]).await;
    assert!(late.status == 409 && !late.text.contains("choose again"), "{}", late.text);
}

#[tokio::test]
async fn times_are_shown_by_the_clock_that_is_asked_for() {
    let world = world().await;
    let path = world.link(ADA).await;
    let here = world.look(&format!("{path}?zone=America/Chicago")).await;
    assert!(
        here.text.contains("<option value=\"America/Chicago\" selected>America/Chicago"),
        "{}",
        here.text
    );
    for odd in ["Nowhere/Town", "%00", "../../etc/passwd", "<script>"] {
        let page = world.look(&format!("{path}?zone={odd}")).await;
        assert!(page.status == 200 && !page.text.contains("<script>"), "{odd}: {page:?}");
    }
}

#[tokio::test]
async fn wrong_links_lead_nowhere_and_the_eleventh_is_told_to_wait() {
    let world = world().await;
    let path = world.link(ADA).await;
    for n in 0..10 {
        let page = world.look(&format!("/b/guess-{n}")).await;
        assert_eq!(page.status, 404);
        assert!(page.text.contains("Acme Recruiting") && !page.text.contains("sign"), "{}", page.text);
    }
    assert_eq!(world.look("/b/guess-10").await.status, 429);
    assert_eq!(world.submit("/b/guess-11", &[("do", "take")]).await.status, 429);
    assert_eq!(world.look(&path).await.status, 200, "a right one gets through");
}

#[tokio::test]
async fn what_cannot_be_booked_is_refused_in_words() {
    let world = world().await;
    let ask = async |who: &str, what: &str, event: &str, token| {
        let path = format!("/api/v1/opportunities/{who}/{what}");
        world.post_json(&path, token, &json!({ "event_type": event })).await
    };
    for what in ["booking-link", "offer-times"] {
        ask(ADA, what, "phone", VIEWER).await.problem(403, "forbidden");
        assert_eq!(ask(ADA, what, "lunch", RECRUITER).await.problem(422, "invalid").unwrap(), "/event_type");
        ask("nobody", what, "phone", RECRUITER).await.problem(404, "not-found");
    }
    let types = world.get("/api/v1/event-types", VIEWER).await.json();
    assert_eq!(types["data"], json!([{"id": "phone", "name": "Phone interview"}]));

    let out = json!({"number": "+12025550142", "reason": "by telephone"});
    assert!(world.post_json("/api/v1/opt-outs", RECRUITER, &out).await.status < 300);
    ask(ADA, "offer-times", "phone", RECRUITER).await.problem(409, "opted-out");
    let offer = async || {
        let path = world.url(&format!("/api/v1/opportunities/{BOB}/offer-times"));
        let request = world.client.post(path).bearer_auth(RECRUITER).header("Idempotency-Key", "k");
        Answer::of(request.json(&json!({ "event_type": "phone" }))).await
    };
    let offered = offer().await;
    assert_eq!(offered.status, 202, "{offered:?}");

    let text = |words: &str| json!({"opportunity": BOB, "body": words});
    let sent = world.post_json("/api/v1/messages", RECRUITER, &text("[booking link: lunch]")).await;
    assert_eq!(sent.problem(422, "invalid").unwrap(), "/body");
    let path = world.link(BOB).await;
    let page = form(&world.look(&path).await);
    world.take(&path, &page, &page.starts[0]).await;
    ask(BOB, "offer-times", "phone", RECRUITER).await.problem(409, "not-now");
    assert_eq!(offer().await.json(), offered.json(), "a repeat is answered as it was, and offers nothing");
}

//! A candidate books by a link, moves, calls off; of two who want one time one gets it.

#![allow(clippy::disallowed_methods, reason = "candidates and a feed of their own, outside of the daemon")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fulcrum::engine::changes::{self, BookError, LinkError};
use fulcrum::engine::clock::Moment;
use fulcrum::engine::{BookingAct, BookingState, BookingView};
use fulcrum::store::{self, Store};
use fulcrum_domain::booking::{Booked, EventType, Interviewer, Offers, Over};
use fulcrum_domain::slots::{Need, Terms, Week};
use fulcrum_domain::{OpportunityId, Sight};
use fulcrum_sandbox::{Event, Happened, Options, Permissions, Sandbox};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::world::{World, break_first, engine, eventually, id, small};

const DANA: &str = "+12025550142";
const ERIN: &str = "+12025550143";

/// A sandbox whose key may arrange interviews.
fn allowed() -> Options {
    let mut options = small();
    options.lever.permissions = Permissions::all();
    options
}

async fn world() -> World {
    with_interviewer(World::start(allowed()).await).await
}

/// The same, with a clock that stands.
async fn standing() -> World {
    with_interviewer(World::standing(allowed(), |_| {}).await).await
}

/// Somebody of Lever's interviews at any hour.
async fn with_interviewer(mut world: World) -> World {
    world.backfilled().await;
    let (_, email) = world.sandbox.lasting_user();
    let week = Week::parse(TimeZone::get("America/New_York").unwrap(), ["00:00-24:00"; 7]).unwrap();
    world.settings.rules.booking = Offers {
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
            interviewers: vec![email.to_lowercase()],
            feedback_template: None,
            confirmation: "Have your CV at hand".into(),
            reminders: None,
        }],
        interviewers: [(email.to_lowercase(), Interviewer { week, weight: 1, has_calendar: false })].into(),
    };
    world.engine.replace_settings(world.settings.clone());
    world
}

impl World {
    /// The interviewer has a calendar of their own; gives back whose it is.
    fn with_calendar(&mut self, feed: &Feed) -> String {
        let (email, interviewer) = self.settings.rules.booking.interviewers.iter_mut().next().unwrap();
        interviewer.has_calendar = true;
        let email = email.clone();
        self.settings.calendars = [(email.clone(), feed.address.as_str().into())].into();
        self.engine.replace_settings(self.settings.clone());
        email
    }

    /// The token of a new link for somebody.
    async fn link(&self, who: &Happened) -> String {
        let link =
            self.engine.booking_link(id(who), "phone".into(), Sight::All, "tests".into()).await.unwrap();
        link.rsplit_once("/b/").unwrap().1.to_owned()
    }

    async fn page(&self, token: &str) -> BookingView {
        self.engine.booking(token, None).await.unwrap().unwrap()
    }

    /// The page of a new link for somebody.
    async fn page_of(&self, who: &Happened) -> BookingView {
        self.page(&self.link(who).await).await
    }

    /// The times that the page of a token offers.
    async fn times(&self, token: &str) -> Vec<Timestamp> {
        match self.page(token).await.state {
            BookingState::Open(days) | BookingState::Booked { others: Some(days), .. } => {
                days.into_iter().flat_map(|day| day.starts).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    async fn take(&self, token: &str, start: Timestamp) -> Result<(), BookError> {
        let view = self.page(token).await;
        self.act(token, view.revision, BookingAct::Take { start, timezone: "America/Chicago".into() }).await
    }

    async fn act(&self, token: &str, revision: u32, act: BookingAct) -> Result<(), BookError> {
        self.engine.act_on_booking(token, revision, act).await
    }

    /// When the interviews of somebody are by Lever.
    fn in_lever(&self, who: &Happened) -> Vec<Timestamp> {
        let interviews = self.sandbox.truth_of(&who.opportunity).unwrap().interviews.into_iter();
        interviews.map(|interview| Timestamp::from_millisecond(interview.date).unwrap()).collect()
    }

    async fn booked(&self, token: &str) -> Booked {
        match self.page(token).await.state {
            BookingState::Booked { booked, .. } => booked,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_books_moves_twice_and_calls_off() {
    let world = world().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let token = world.link(&dana).await;
    assert!(token.len() * 6 >= 80, "bits of the token");
    assert_eq!(world.page(&token).await.first_name, "Dana");

    let times = world.times(&token).await;
    // Six days with eight times each; fewer on a day that is nearly over.
    assert!((41..=48).contains(&times.len()), "{}", times.len());
    let last = *times.last().unwrap();
    world.take(&token, last).await.unwrap();
    let texts = world.texted(1).await;
    assert!(texts[0].1.contains("Phone interview is booked for"), "{texts:?}");
    assert!(
        texts[0].1.contains("Have your CV at hand.") && texts[0].1.contains("/calendar.ics"),
        "{texts:?}"
    );
    let booked = world.booked(&token).await;
    assert_eq!((booked.starts_at, booked.timezone.as_str()), (last, "America/Chicago"));
    // The link in the text leads to the same booking.
    let again = &texts[0].1.rsplit_once("/b/").unwrap().1[..22];
    assert_eq!(world.booked(again).await.starts_at, last);

    eventually("Lever has it", async || world.in_lever(&dana) == [last]).await;

    // A form of the page before the booking is not taken.
    let stale = world.act(&token, 0, BookingAct::CallOff).await;
    assert!(matches!(stale, Err(BookError::Stale)), "{stale:?}");
    // Where it was, Lever has it until it has written the move: that keeps nobody from moving back.
    for time in [times[30], last] {
        world.take(&token, time).await.unwrap();
        assert_eq!(world.booked(&token).await.starts_at, time);
    }
    let third = world.take(&token, times[31]).await;
    assert!(matches!(third, Err(BookError::Fixed(_))), "{third:?}");

    let revision = world.page(&token).await.revision;
    world.act(&token, revision, BookingAct::CallOff).await.unwrap();
    assert!(matches!(world.page(&token).await.state, BookingState::Over(Over::CalledOff)));
    let texts = world.texted(4).await;
    assert!(texts[1].1.contains("is moved to") && texts[3].1.contains("is called off"), "{texts:?}");
    // What was taken on the way is free again, whether Lever knows it already or not.
    let erin = world.apply("Erin Cole", ERIN).await;
    let other = world.link(&erin).await;
    world.take(&other, last).await.unwrap();
    world.take(&other, times[31]).await.unwrap();
    eventually("Lever has it no more", async || world.in_lever(&dana).is_empty()).await;
    eventually("Lever has it moved", async || world.in_lever(&erin) == [times[31]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_for_the_candidate_alone_and_stands_in_no_note() {
    let world = world().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world
        .text(crate::world::to(&dana), "Pick a time: [booking link] or [booking link: phone].")
        .await
        .unwrap();
    let sent = world.texted(1).await[0].1.clone();
    let links: Vec<_> = sent.match_indices("https://text.acme.example/b/").collect();
    assert!(links.len() == 2 && !sent.contains('['), "{sent}");
    let token = &sent[links[0].0 + "https://text.acme.example/b/".len()..][..22];
    let time = world.times(token).await[0];
    world.take(token, time).await.unwrap();
    world.texted(2).await;
    let note = world.noted(1).await[0].value.clone();
    assert!(note.contains("Pick a time: [booking link] or [booking link]."), "{note}");
    assert!(note.contains("Phone interview is booked for") && !note.contains("/b/"), "{note}");
    // Whom no link can be made for is not sent one.
    world
        .sandbox
        .happen(&Event::Archive { opportunity: Some(dana.opportunity.clone()), reason: None })
        .unwrap();
    world.fetch(&dana).await;
    let refused = world.text(crate::world::to(&dana), "[booking link]").await;
    assert!(refused.unwrap_err().to_string().contains("archived"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_want_one_time_one_gets_it() {
    let world = world().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let erin = world.apply("Erin Cole", ERIN).await;
    for round in 0..5 {
        let one = world.link(&dana).await;
        let other = world.link(&erin).await;
        let time = world.times(&one).await[4 * round];
        let take = |token: String| {
            let engine = world.engine.clone();
            tokio::spawn(async move {
                let revision = engine.booking(&token, None).await.unwrap().unwrap().revision;
                let act = BookingAct::Take { start: time, timezone: "America/New_York".into() };
                engine.act_on_booking(&token, revision, act).await
            })
        };
        let [one_got, other_got] = [take(one.clone()), take(other.clone())];
        let (one_got, other_got) = (one_got.await.unwrap(), other_got.await.unwrap());
        assert!(one_got.is_ok() != other_got.is_ok(), "{one_got:?} {other_got:?}");
        assert!([&one_got, &other_got].iter().any(|got| matches!(got, Err(BookError::NotFree))));
        let (winner, loser) = if one_got.is_ok() { (one, other) } else { (other, one) };
        assert!(!world.times(&loser).await.contains(&time), "the other is shown fresh times");
        let revision = world.page(&winner).await.revision;
        world.act(&winner, revision, BookingAct::CallOff).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_days_its_stage_and_its_opportunity() {
    let world = standing().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let token = world.link(&dana).await;
    let time = world.times(&token).await[0];
    let moved = Event::Stage { opportunity: Some(dana.opportunity.clone()), to: None, by: None };
    world.sandbox.happen(&moved).unwrap();
    world.fetch(&dana).await;
    // Moved while the page was open.
    let late = world.act(&token, 0, BookingAct::Take { start: time, timezone: String::new() }).await;
    assert!(matches!(late, Err(BookError::Over(Over::StageLeft))), "{late:?}");

    let token = world.link(&dana).await;
    assert!(!world.times(&token).await.is_empty());
    world.advance(SignedDuration::from_hours(7 * 24 + 1));
    assert!(matches!(world.page(&token).await.state, BookingState::Over(Over::Expired)));
    let unknown: OpportunityId = "nobody".parse().unwrap();
    let refused = world.engine.booking_link(unknown, "phone".into(), Sight::All, "tests".into()).await;
    assert!(matches!(refused, Err(LinkError::UnknownOpportunity)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_no_time_writes_others_into_the_conversation() {
    let world = world().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    let token = world.link(&dana).await;
    let wish = BookingAct::Suggest("Sundays before church".into());
    world.act(&token, 0, wish).await.unwrap();
    let messages = world.messages(DANA).await;
    assert!(messages[0].body.reveal().contains("Sundays before church"));
    assert!(!world.times(&token).await.is_empty(), "the link is good still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_books_by_text_alone() {
    let world = world().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.engine.offer_times(id(&dana), "phone".into(), Sight::All, "tests".into()).await.unwrap();
    let first = world.texted(1).await[0].1.clone();
    assert!(first.contains("\n1) ") && first.contains("\n3) "), "{first}");
    assert!(first.contains("Reply 1, 2 or 3. 0 for other times."), "{first}");

    world.receive(DANA, "0").await;
    let other = world.texted(2).await[1].1.clone();
    let times = |text: &str| {
        text.lines().filter(|line| line.contains(") ")).map(|line| line[3..].to_owned()).collect::<Vec<_>>()
    };
    assert!(times(&first).iter().all(|time| !times(&other).contains(time)), "{first} {other}");
    world.receive(DANA, "hm, not sure").await;
    assert!(world.texted(3).await[2].1.contains("which time?"));
    world.receive(DANA, "The second one, please!").await;
    let confirmed = world.texted(4).await[3].1.clone();
    assert!(confirmed.contains(&times(&other)[1]), "{confirmed} {other}");
    assert!(confirmed.contains("R to reschedule, X to call it off."), "{confirmed}");
    eventually("Lever has it", async || world.in_lever(&dana).len() == 1).await;

    world.receive(DANA, "R").await;
    assert!(world.texted(5).await[4].1.contains("Choose another time here: https://text.acme.example/b/"));
    // A word that means nothing here is for people.
    world.receive(DANA, "ok thanks").await;
    world.receive(DANA, "X").await;
    let texts = world.texted(6).await;
    assert!(texts[5].1.contains("is called off"), "{texts:?}");
    eventually("Lever has it no more", async || world.in_lever(&dana).is_empty()).await;
    // What a person writes takes the talk over.
    world.receive(DANA, "2").await;
    assert_eq!(world.texts().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_twice_is_left_to_people_and_a_stop_is_a_stop() {
    let world = world().await;
    let dana = world.apply("Dana Reyes", DANA).await;
    world.engine.offer_times(id(&dana), "phone".into(), Sight::All, "tests".into()).await.unwrap();
    world.texted(1).await;
    world.receive(DANA, "who is this").await;
    world.texted(2).await;
    world.receive(DANA, "I mean it").await;
    world.receive(DANA, "2").await;
    let desk = world.conversation(DANA).await.unwrap();
    assert!(desk.conversation.last_message_at.is_some());
    assert!(matches!(world.page_of(&dana).await.state, BookingState::Open(_)), "nobody was booked");
    assert_eq!(world.texts().len(), 2);

    let erin = world.apply("Erin Cole", ERIN).await;
    world.engine.offer_times(id(&erin), "phone".into(), Sight::All, "tests".into()).await.unwrap();
    world.texted(3).await;
    world.receive(ERIN, "STOP").await;
    world.receive(ERIN, "1").await;
    let state = world.page_of(&erin).await.state;
    assert!(matches!(state, BookingState::Open(_)), "{state:?}");
}

/// A server of calendars, whose one calendar can be changed and taken down.
struct Feed {
    address: String,
    answer: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicU32>,
}

impl Feed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/secret-of-ana.ics", listener.local_addr().unwrap());
        let answer: Arc<Mutex<Option<String>>> = Arc::default();
        let asked: Arc<AtomicU32> = Arc::default();
        let (shown, counted) = (answer.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                counted.fetch_add(1, Ordering::Relaxed);
                let text = shown.lock().unwrap().clone();
                let answer = match text {
                    Some(body) => format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    ),
                    None => "HTTP/1.1 503 Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, answer, asked }
    }

    /// Shows a calendar in which these times are taken.
    fn busy(&self, times: &[Timestamp]) {
        let event = |at: &Timestamp| {
            format!(
                "BEGIN:VEVENT\r\nUID:{at}\r\nDTSTART:{}\r\nDURATION:PT30M\r\nEND:VEVENT\r\n",
                at.strftime("%Y%m%dT%H%M%SZ")
            )
        };
        let events: String = times.iter().map(event).collect();
        *self.answer.lock().unwrap() =
            Some(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{events}END:VCALENDAR\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interviewers_calendar_is_asked_and_asked_again_at_the_moment_that_counts() {
    let mut world = standing().await;
    let feed = Feed::start().await;
    let email = world.with_calendar(&feed);
    let dana = world.apply("Dana Reyes", DANA).await;
    let token = world.link(&dana).await;

    // It is down: nothing is offered, and health says why, without the address.
    assert!(world.times(&token).await.is_empty());
    let health = world.engine.status().await.unwrap().health;
    let calendars = &health.components["calendars"];
    assert!(calendars.detail.contains(&email) && calendars.detail.contains("503"), "{calendars:?}");
    assert!(!calendars.detail.contains("secret-of-ana"));

    feed.busy(&[]);
    world.advance(SignedDuration::from_secs(61));
    let times = world.times(&token).await;
    // Somebody takes a time in their own calendar while the page is open.
    feed.busy(&times[..1]);
    assert!(matches!(world.take(&token, times[0]).await, Err(BookError::NotFree)));
    assert!(!world.times(&token).await.contains(&times[0]));
    world.take(&token, times[38]).await.unwrap();
    // Lever writes the interview into that calendar; the candidate may move it by half an hour all the same.
    world.take(&token, times[40]).await.unwrap();
    feed.busy(&[times[40]]);
    world.advance(SignedDuration::from_secs(61));
    let next = times[40] + SignedDuration::from_mins(30);
    world.take(&token, next).await.unwrap();
    // Of somebody else it stands in the way.
    feed.busy(&[times[30]]);
    world.advance(SignedDuration::from_secs(61));
    let erin = world.apply("Erin Cole", ERIN).await;
    let other = world.link(&erin).await;
    assert!(matches!(world.take(&other, times[30]).await, Err(BookError::NotFree)));
}

/// Whoever holds a link, even one that is over, could have all calendars read as fast as they posted.
#[tokio::test(flavor = "multi_thread")]
async fn no_calendar_is_asked_for_a_time_that_was_not_offered_nor_once_for_each_who_asks() {
    let mut world = standing().await;
    let feed = Feed::start().await;
    feed.busy(&[]);
    world.with_calendar(&feed);
    let dana = world.apply("Dana Reyes", DANA).await;
    let token = world.link(&dana).await;
    let asked = || feed.asked.load(Ordering::Relaxed);

    let all = futures_util::future::join_all((0..8).map(|_| world.times(&token))).await;
    assert_eq!(asked(), 1);
    let odd = all[0][0] + SignedDuration::from_secs(1);
    for _ in 0..8 {
        assert!(matches!(world.take(&token, odd).await, Err(BookError::NotFree)));
    }
    assert_eq!(asked(), 1);
    world.take(&token, all[0][0]).await.unwrap();
    assert_eq!(asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talk_that_cannot_be_read_holds_up_no_other() {
    let world = standing().await;
    let mut both = Vec::new();
    for (name, phone) in [("Dana Reyes", DANA), ("Erin Cole", ERIN)] {
        both.push(id(&world.apply(name, phone).await));
    }
    let (settings, clock) = (world.settings.clone(), world.clock.clone());
    let (path, _folder) = world.end().await;
    let store = Store::open(store::Options::file(&path), Box::new(|_| {})).unwrap();
    for who in both {
        let (rules, now) = (settings.rules.clone(), clock.now());
        let offered = store.change(move |tx| {
            changes::offer_times(tx, &who, "phone", &rules, &mut Moment::new(now, 1)).map(drop)
        });
        offered.await.unwrap();
    }
    store.close().await;
    drop(store);
    break_first(&path, "booking-talks-1").await;
    let sandbox = Sandbox::start(allowed()).await.unwrap();
    let engine = engine(&sandbox, store::Options::file(&path), settings, clock).await.unwrap();
    eventually("the other is offered times", async || {
        sandbox.ledger().entries().iter().filter(|entry| entry.kind == "message_created").count() == 1
    })
    .await;
    engine.stop(Duration::from_secs(5)).await;
}

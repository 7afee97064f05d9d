//! Meetings that candidates take and move, by the page and by text, while others change the same things.

use fulcrum_domain::booking::{Booked, EventType, Interviewer, Next, OFFER_LASTS, Offers, Over, State};
use fulcrum_domain::slots::{Need, Terms, Week};
use fulcrum_domain::{AppointmentId, BookingId, Meeting, User, UserId};
use jiff::tz::TimeZone;

use super::*;
use crate::store::tables::{APPOINTMENTS, BOOKINGS, TALKS, TALKS_DUE, USERS, USERS_BY_EMAIL};

const EMAIL: &str = "ana@acme.example";

fn rules() -> Rules {
    let week = Week::parse(TimeZone::UTC, ["00:00-24:00"; 7]).unwrap();
    Rules {
        booking: Offers {
            event_types: vec![EventType {
                id: "phone".into(),
                name: "Phone interview".into(),
                location: "We call you".into(),
                terms: Terms {
                    length: SignedDuration::from_mins(30),
                    notice: SignedDuration::from_hours(4),
                    horizon: SignedDuration::from_hours(14 * 24),
                    increment: SignedDuration::from_mins(30),
                    buffer: SignedDuration::ZERO,
                    per_day: 100,
                    per_week: 1000,
                },
                need: Need::All,
                interviewers: vec![EMAIL.into()],
                feedback_template: None,
                confirmation: String::new(),
                reminders: None,
            }],
            interviewers: [(EMAIL.into(), Interviewer { week, weight: 1, has_calendar: false })].into(),
        },
        ..super::rules()
    }
}

fn user(n: u8) -> UserId {
    format!("user-{n}").parse().unwrap()
}

/// Two candidates, and two who may interview; the first of them does.
fn life() -> (Life, Vec<OpportunityId>) {
    let life = Life::new();
    let now = life.now;
    let who = life.change(move |tx, _| {
        for (n, email) in [(1, EMAIL), (2, "ben@acme.example")] {
            let row = User { name: email.into(), email: email.into(), active: true };
            tx.put(USERS, &user(n), &row)?;
            tx.put(USERS_BY_EMAIL, &email.to_owned(), &user(n))?;
        }
        let mut who = Vec::new();
        for n in 0..2 {
            let (id, row) = opportunity(n, true, now);
            put_opportunity(tx, &id, row, None, Arrival::Webhook, &rules(), now)?;
            who.push(id);
        }
        Ok(who)
    });
    (life, who)
}

impl Life {
    fn passes(&mut self, hours: i64) {
        self.count += 1;
        self.now = self.now.checked_add(SignedDuration::from_hours(hours)).unwrap();
    }

    fn row<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Tx<'_>) -> Result<Option<T>, StoreError> + Send + 'static,
    ) -> T {
        self.change(move |tx, _| read(tx)).unwrap()
    }

    fn booking(&self, id: BookingId) -> fulcrum_domain::booking::Booking {
        self.row(move |tx| tx.get(BOOKINGS, &id))
    }

    /// Takes the n-th free time of a booking.
    fn takes(&self, id: BookingId, nth: usize) -> Booked {
        self.change(move |tx, moment| {
            let rules = rules();
            let mut choice = Choice::of(tx, id, &rules, moment.now)?.unwrap();
            let start = choice.free(tx, &Busy::new())?.slots[nth].start;
            let pick = Pick { start, timezone: "UTC".into(), revision: choice.booking.revision };
            Ok(choice.take(tx, &pick, &Busy::new(), moment).unwrap())
        })
    }

    fn meeting(&self, id: AppointmentId) -> Meeting {
        self.row(move |tx| tx.get(APPOINTMENTS, &id)).meeting
    }

    /// The words of the newest text to a candidate.
    fn last(&self, who: u8) -> String {
        let texts = self.texts(who);
        texts.last().map(|text| text.body.reveal().to_owned()).unwrap_or_default()
    }

    fn texts(&self, who: u8) -> Vec<Message> {
        self.change(move |tx, _| {
            let Some(thread) = thread_of(tx, number(who))? else { return Ok(Vec::new()) };
            let all = tx.list(MESSAGES, &Keys::beginning(&thread.id), 1000)?;
            Ok(all
                .into_iter()
                .map(|(_, text)| text)
                .filter(|text| text.direction == Direction::Out)
                .collect())
        })
    }

    /// Offers times by text, and takes the first turn.
    fn offers(&self, who: &OpportunityId, rules: fn() -> Rules) -> ConversationId {
        let who = who.clone();
        let thread =
            self.change(move |tx, moment| Ok(offer_times(tx, &who, "phone", &rules(), moment).unwrap()));
        self.turn(thread, rules);
        thread
    }

    fn turn(&self, thread: ConversationId, rules: fn() -> Rules) {
        self.change(move |tx, moment| take_turn_to_talk(tx, thread, &Busy::new(), &rules(), moment));
    }

    /// The candidate says something; how many turns of ours follow from that.
    fn says(&mut self, who: u8, words: &'static str) -> usize {
        self.says_by(who, words, rules)
    }

    fn says_by(&mut self, who: u8, words: &'static str, rules: fn() -> Rules) -> usize {
        self.count += 1;
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let sid = format!("SM{}", self.count).parse().unwrap();
        let (from, to) = (number(who), rules().numbers[0]);
        let body = Body::new(words);
        let text = Incoming { sid, from, to, body, attachments: vec![], at: None, keyword: None };
        self.change(move |tx, moment| {
            receive(tx, text, &rules(), moment)?;
            tx.list(TALKS_DUE, &Keys::all(), 10).map(|due| due.len())
        })
    }
}

/// The lines of an offer, without their numbers.
fn offered(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.contains(") ")).map(|line| line[3..].to_owned()).collect()
}

fn link(life: &Life, who: &OpportunityId) -> BookingId {
    let who = who.clone();
    life.change(move |tx, moment| {
        let link = booking_link(tx, &who, "phone", &rules(), moment).unwrap();
        Ok(booking_of(tx, link.rsplit_once("/b/").unwrap().1)?.unwrap().0)
    })
}

/// The recruiter has put a link to a call, another subject and a second interviewer; then the candidate picks
/// another time.
#[test]
fn another_time_keeps_what_was_changed_of_a_meeting_and_tells_its_place() {
    let (mut life, who) = life();
    let id = link(&life, &who[0]);
    let appointment = life.takes(id, 40).appointment.unwrap();
    assert!(life.last(0).contains("We call you"), "{}", life.last(0));
    let before = life.meeting(appointment);
    let changed = Meeting {
        subject: Some("Technical interview".into()),
        note: Some("Ask about the night shift.".into()),
        location: Some("https://zoom.example/7".into()),
        interviewers: [user(1), user(2)].into(),
        ..before.clone()
    };
    let put = changed.clone();
    life.change(move |tx, moment| {
        change_appointment(tx, appointment, put, "priya".into(), &rules(), moment).unwrap();
        Ok(())
    });
    life.passes(1);
    let booked = life.takes(id, 60);
    assert_eq!(booked.appointment, Some(appointment));
    assert_ne!(booked.starts_at, before.starts_at);
    assert_eq!(life.meeting(appointment), Meeting { starts_at: booked.starts_at, ..changed });
    assert!(life.last(0).contains("https://zoom.example/7"), "{}", life.last(0));
    assert!(!life.last(0).contains("We call you"), "{}", life.last(0));
}

#[test]
fn of_two_who_want_one_time_by_text_the_second_is_offered_the_others() {
    let (mut life, who) = life();
    let threads = [life.offers(&who[0], rules), life.offers(&who[1], rules)];
    let times = offered(&life.last(0));
    assert!(times.len() == 3 && offered(&life.last(1)) == times, "{} {}", life.last(0), life.last(1));
    for (who, thread) in [(0, threads[0]), (1, threads[1])] {
        assert_eq!(life.says(who, "1"), 1);
        life.turn(thread, rules);
    }
    assert!(life.last(0).contains("is booked for"), "{}", life.last(0));
    let fresh = life.last(1);
    assert!(fresh.contains("was just taken") && !offered(&fresh).contains(&times[0]), "{fresh}");
    assert!(offered(&fresh).contains(&times[1]) && offered(&fresh).contains(&times[2]), "{fresh}");
}

/// The candidate may be texted for two hours each morning, and it is evening.
fn quiet() -> Rules {
    let window = Some("08:00-10:00".parse().unwrap());
    Rules { quiet_hours: Hours::new([window; 7]), ..rules() }
}

#[test]
fn times_that_leave_in_the_morning_can_be_taken_for_a_day_from_then() {
    let (life, who) = life();
    let thread = life.offers(&who[0], quiet);
    let text = life.texts(0).pop().unwrap();
    assert_eq!(text.delivery, Delivery::Scheduled, "it waits for the morning");
    let leaves = life.row(move |tx| tx.get(OUTBOX, &Effect::Send(text.id))).due_at;
    assert!(leaves.duration_since(life.now) > SignedDuration::from_hours(10), "{leaves}");
    let talk = life.row(move |tx| tx.get(TALKS, &thread));
    assert!(talk.until.duration_since(leaves) >= OFFER_LASTS, "{} {leaves}", talk.until);
    let notice = SignedDuration::from_hours(4);
    assert!(talk.offered.iter().all(|at| at.0.duration_since(leaves) >= notice), "{:?}", talk.offered);
}

#[test]
fn an_answer_is_heard_though_a_colleagues_text_waits_for_tomorrow() {
    let (mut life, who) = life();
    life.offers(&who[0], rules);
    let tomorrow = life.now.checked_add(SignedDuration::from_hours(24)).ok();
    life.change(move |tx, moment| {
        compose(tx, draft(0, tomorrow), &rules(), moment).unwrap();
        Ok(())
    });
    assert_eq!(life.says(0, "2"), 1);
}

#[test]
fn who_may_not_move_a_meeting_any_more_is_not_told_to_and_gets_an_answer() {
    let (mut life, who) = life();
    let id = link(&life, &who[0]);
    for nth in [200, 210, 220] {
        let booked = life.takes(id, nth);
        let offers = life.last(0).contains("R to reschedule, X to call it off.");
        assert_eq!(offers, booked.moves < 2, "{}", life.last(0));
        assert!(life.last(0).contains("X to call it off."), "{}", life.last(0));
        life.passes(1);
    }
    life.says(0, "R");
    assert!(life.last(0).contains("cannot be changed here any more"), "{}", life.last(0));
    assert!(matches!(life.booking(id).state, State::Booked(_)));
}

/// The candidate has a new number when their answer comes: what is booked is told there, and the turn in the
/// old thread is taken all the same.
#[test]
fn a_turn_is_taken_once_though_the_confirmation_goes_to_another_thread() {
    let (mut life, who) = life();
    let thread = life.offers(&who[0], rules);
    assert_eq!(life.says(0, "1"), 1);
    let (now, about) = (life.now, who[0].clone());
    life.change(move |tx, _| {
        let mut row = tx.get(OPPORTUNITIES, &about)?.unwrap();
        row.phones[0].number = Some(Number::from_e164("+12025550119").unwrap());
        row.as_of = now;
        put_opportunity(tx, &about, row, None, Arrival::Webhook, &rules(), now).map(drop)
    });
    for _ in 0..2 {
        life.turn(thread, rules);
        let talk = life.row(move |tx| tx.get(TALKS, &thread));
        assert_eq!(talk.next, None::<Next>);
        let State::Booked(booked) = life.booking(talk.booking).state else { panic!("nothing is booked") };
        assert_eq!(booked.moves, 0);
        life.change(|tx, _| {
            assert!(tx.list(TALKS_DUE, &Keys::all(), 10)?.is_empty());
            Ok(())
        });
    }
}

/// The admin gave the kind of meeting another id.
fn renamed() -> Rules {
    let mut rules = rules();
    rules.booking.event_types[0].id = "call".into();
    rules
}

#[test]
fn an_x_calls_a_meeting_off_though_the_config_has_its_kind_no_more() {
    let (mut life, who) = life();
    let id = link(&life, &who[0]);
    life.takes(id, 40);
    life.passes(1);
    life.says_by(0, "R", renamed);
    assert!(life.last(0).contains("cannot be changed here any more"), "{}", life.last(0));
    life.says_by(0, "X", renamed);
    assert!(life.last(0).contains("your Phone interview on"), "{}", life.last(0));
    assert!(life.last(0).contains("is called off"), "{}", life.last(0));
    assert_eq!(life.booking(id).state, State::Over(Over::CalledOff));
}

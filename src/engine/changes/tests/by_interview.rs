//! Texts about interviews that wait while their interviews move, are called off or begin.

use fulcrum_domain::automation::{EnrolmentState, Trigger};
use fulcrum_domain::quiet::Hours;
use fulcrum_domain::states::StateWindows;
use fulcrum_domain::template::{Template, Templates};
use fulcrum_domain::{AppointmentId, Interview, Meeting, NewAppointment, RemindOf, Reminders, User, UserId};

use super::frozen::{is_decided, is_in_doubt};
use super::held_up::{
    at, comes_back, dana, enrolment, leaves, open_by_day, stored, that_says, with_automation,
};
use super::*;
use crate::store::tables::{APPOINTMENT_NEWS, ENROLMENTS, MADE_FROM, REMINDERS, TEMPLATE_WORDS};

pub(super) fn with_texts(rules: Rules) -> Rules {
    let template =
        |id: &str, text: &str| Template::new(id.into(), id.into(), text.into(), &Default::default()).unwrap();
    let templates = vec![
        template(REMINDER, "A reminder of {{ interview.date }}, {{ interview.time }}."),
        template(MOVED, "It moved to {{ interview.date }}, {{ interview.time }}."),
        template(CALLED_OFF, "{{ interview.date }}, {{ interview.time }} is off."),
    ];
    let interview_texts = InterviewTexts {
        remind_of: RemindOf::Ours,
        leads: [24, 1].map(SignedDuration::from_hours).to_vec(),
        templates: Templates::new(templates, Default::default()),
    };
    Rules { interview_texts, ..rules }
}

fn user() -> UserId {
    "ines".parse().unwrap()
}

/// An interview that is arranged here.
pub(super) fn arranged(life: &Life, about: &OpportunityId, starts_at: &str, rules: &Rules) -> AppointmentId {
    let meeting = Meeting {
        subject: None,
        note: None,
        location: None,
        starts_at: starts_at.parse().unwrap(),
        minutes: 30,
        timezone: "America/New_York".into(),
        interviewers: [user()].into(),
        feedback_template: None,
    };
    let new = NewAppointment { opportunity: about.clone(), meeting, perform_as: user(), reminders: None };
    let rules = rules.clone();
    life.change(move |tx, moment| {
        let ines = User { name: "Ines".into(), email: "ines@acme.example".into(), active: true };
        put_user(tx, &user(), &ines)?;
        Ok(make_appointment(tx, new, "priya".into(), &rules, moment).unwrap())
    })
}

/// Lever has it, too.
pub(super) fn stands_in_lever(life: &Life, id: AppointmentId, rules: &Rules) {
    let (now, rules) = (life.now, rules.clone());
    life.change(move |tx, _| {
        begin_write(tx, id, &rules, now)?.unwrap();
        settle_write(tx, id, Settled::Stands("interview".parse().unwrap(), None), now)
    });
}

pub(super) fn in_lever(starts_at: &str, as_of: Timestamp) -> Interview {
    Interview {
        id: "interview".parse().unwrap(),
        subject: None,
        location: None,
        starts_at: starts_at.parse().unwrap(),
        minutes: 30,
        timezone: Some("America/New_York".into()),
        interviewers: vec![user()],
        cancelled_at: None,
        as_of,
    }
}

/// Lever shows it at this time, or no more; five minutes later its candidate is told.
fn changed_in_lever(life: &mut Life, about: &OpportunityId, starts_at: Option<&str>, rules: &Rules) {
    let now = life.now;
    let listed = starts_at.map(|starts_at| ListedInterview {
        row: in_lever(starts_at, now),
        made_at: Some(now),
        made_by: None,
    });
    let (id, these) = (about.clone(), rules.clone());
    life.change(move |tx, moment| {
        let list: Vec<_> = listed.into_iter().collect();
        put_interviews(tx, &id, &list, now, &these, now)?;
        retime(tx, &id, &these, moment)
    });
    life.now += SignedDuration::from_mins(5);
    life.fire_by(rules.clone());
}

/// The words of all that leaves from now until nothing is due.
pub(super) fn all_that_leaves(life: &Life, rules: &Rules) -> Vec<String> {
    let mut words = Vec::new();
    while life.store.read_here(|read| due(read, Remote::Carrier, life.now, 1)).unwrap().0.len() == 1 {
        if let Some(Submission { message, .. }) = leaves(life, rules) {
            words.push(message.body.reveal().to_owned());
            let (id, rules) = (message.id, rules.clone());
            let done = Report { delivery: Delivery::Delivered, failure: None, sid: None };
            life.change(move |tx, moment| settle_send(tx, id, done, &rules, moment));
        }
    }
    words
}

/// The words that a text was made from, with the id of its template.
fn words_of(life: &Life, text: MessageId) -> Option<(String, String)> {
    let version = life.store.read_here(|read| read.get(MADE_FROM, &text)).unwrap()?;
    let words = life.store.read_here(|read| read.get(TEMPLATE_WORDS, &version.hash)).unwrap()?;
    Some((version.id, words))
}

#[test]
fn what_is_texted_by_itself_says_which_words_it_was_made_from() {
    let (mut life, rules) = (Life::new(), with_texts(with_automation(Trigger::StageEntered, "2h", rules())));
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    at(&mut life, "2025-03-04T20:00:00Z");
    life.fire_by(rules.clone());
    let EnrolmentState::Sent(text) = enrolment(&life).state else { panic!("{:?}", enrolment(&life)) };
    assert_eq!(words_of(&life, text), Some(("hello".into(), "Hello".into())));
    all_that_leaves(&life, &rules);
    arranged(&life, &id, "2025-03-06T18:00:00Z", &rules);
    at(&mut life, "2025-03-05T18:00:00Z");
    life.fire_by(rules.clone());
    let reminder = leaves(&life, &rules).unwrap().message;
    let words = "A reminder of {{ interview.date }}, {{ interview.time }}.";
    assert_eq!(words_of(&life, reminder.id), Some((REMINDER.into(), words.into())));
}

#[test]
fn of_two_reminders_that_the_carrier_did_not_take_only_the_last_leaves_and_none_after_the_start() {
    for (back, reminders) in [("2025-03-06T17:30:00Z", 1), ("2025-03-06T18:30:00Z", 0)] {
        let (mut life, rules) = (Life::new(), with_texts(rules()));
        at(&mut life, "2025-03-04T18:00:00Z");
        let id = dana(&life, &rules);
        arranged(&life, &id, "2025-03-06T18:00:00Z", &rules);
        at(&mut life, "2025-03-05T18:00:00Z");
        life.fire_by(rules.clone());
        let day_before = leaves(&life, &rules).unwrap().message;
        comes_back(&life, &day_before);
        at(&mut life, "2025-03-06T17:00:00Z");
        life.fire_by(rules.clone());
        assert_eq!(stored(&life, day_before.id).delivery, Delivery::Canceled);
        at(&mut life, back);
        life.fire_by(rules.clone());
        assert_eq!(all_that_leaves(&life, &rules).len(), reminders, "{back}");
    }
}

/// It was on its way when the next was written, so it could not be called off then.
#[test]
fn a_reminder_that_comes_back_from_the_carrier_too_late_does_not_leave() {
    let (mut life, rules) = (Life::new(), with_texts(rules()));
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    arranged(&life, &id, "2025-03-06T18:00:00Z", &rules);
    at(&mut life, "2025-03-05T18:00:00Z");
    life.fire_by(rules.clone());
    let day_before = leaves(&life, &rules).unwrap().message;
    at(&mut life, "2025-03-06T18:00:00Z");
    life.fire_by(rules.clone());
    comes_back(&life, &day_before);
    assert_eq!(all_that_leaves(&life, &rules), [""; 0]);
    assert_eq!(stored(&life, day_before.id).delivery, Delivery::Canceled);
}

#[test]
fn a_reminder_for_somebody_who_may_have_opted_out_waits_until_a_person_has_decided() {
    for (decided_at, reminders) in [("2025-03-05T20:00:00Z", 1), ("2025-03-06T18:00:00Z", 0)] {
        let (mut life, rules) = (Life::new(), with_texts(rules()));
        let leads = [24].map(SignedDuration::from_hours).to_vec();
        let rules =
            Rules { interview_texts: InterviewTexts { leads, ..rules.interview_texts.clone() }, ..rules };
        at(&mut life, "2025-03-04T18:00:00Z");
        let id = dana(&life, &rules);
        arranged(&life, &id, "2025-03-06T17:30:00Z", &rules);
        at(&mut life, "2025-03-05T17:00:00Z");
        is_in_doubt(&mut life);
        at(&mut life, "2025-03-05T17:30:00Z");
        life.fire_by(rules.clone());
        assert_eq!(all_that_leaves(&life, &rules), [""; 0]);
        at(&mut life, decided_at);
        is_decided(&mut life, false, &rules);
        assert_eq!(all_that_leaves(&life, &rules).len(), reminders, "{decided_at}");
    }
}

#[test]
fn of_an_interview_that_moves_twice_in_a_night_the_candidate_hears_once() {
    type Times<'t> = &'t [Option<&'t str>];
    let stories: [(Times<'_>, &str, &[&str]); 4] = [
        (
            &[Some("2025-03-05T15:00:00Z"), Some("2025-03-06T15:00:00Z")],
            "2025-03-05T13:30:00Z",
            &["It moved to Thu, Mar 6, 10:00 AM"],
        ),
        // They know of the first time alone.
        (&[Some("2025-03-05T15:00:00Z"), None], "2025-03-05T13:30:00Z", &["Fri, Mar 7, 10:00 AM"]),
        (&[Some("2025-03-05T15:00:00Z"), Some("2025-03-07T15:00:00Z")], "2025-03-05T13:30:00Z", &[]),
        // It begins before anybody may be texted.
        (&[Some("2025-03-05T12:30:00Z")], "2025-03-05T13:30:00Z", &[]),
    ];
    for (times, morning, told) in stories {
        let (mut life, rules) = (Life::new(), with_texts(open_by_day()));
        let rules = Rules {
            interview_texts: InterviewTexts { leads: vec![], ..rules.interview_texts.clone() },
            ..rules
        };
        at(&mut life, "2025-03-05T01:00:00Z");
        let id = dana(&life, &rules);
        let one = arranged(&life, &id, "2025-03-07T15:00:00Z", &rules);
        stands_in_lever(&life, one, &rules);
        // 21:00 in New York.
        at(&mut life, "2025-03-05T02:00:00Z");
        for time in times {
            changed_in_lever(&mut life, &id, *time, &rules);
            assert_eq!(all_that_leaves(&life, &rules), [""; 0], "it is night");
        }
        at(&mut life, "2025-03-05T12:30:00Z");
        life.fire_by(rules.clone());
        at(&mut life, morning);
        life.fire_by(rules.clone());
        let left = all_that_leaves(&life, &rules);
        assert_eq!(left.len(), told.len(), "{times:?}: {left:?}");
        assert!(left.iter().zip(told).all(|(left, told)| left.contains(told)), "{left:?}");
    }
}

/// A program before this one kept no row of a text that it had written, and that still waits.
#[test]
fn a_text_of_an_older_program_that_tells_of_a_change_leaves_while_that_is_so() {
    for (morning, told) in [("2025-03-05T13:30:00Z", 1), ("2025-03-06T15:30:00Z", 0)] {
        let (mut life, rules) = (Life::new(), with_texts(open_by_day()));
        let rules = Rules {
            interview_texts: InterviewTexts { leads: vec![], ..rules.interview_texts.clone() },
            ..rules
        };
        at(&mut life, "2025-03-05T01:00:00Z");
        let id = dana(&life, &rules);
        let one = arranged(&life, &id, "2025-03-07T15:00:00Z", &rules);
        stands_in_lever(&life, one, &rules);
        at(&mut life, "2025-03-05T02:00:00Z");
        changed_in_lever(&mut life, &id, Some("2025-03-06T15:00:00Z"), &rules);
        life.change(move |tx, _| {
            assert!(tx.get(APPOINTMENT_NEWS, &one)?.unwrap().told.is_some());
            tx.remove(APPOINTMENT_NEWS, &one)
        });
        at(&mut life, morning);
        let left = all_that_leaves(&life, &rules);
        assert_eq!(left.len(), told, "{left:?}");
    }
}

#[test]
fn a_reminder_comes_before_the_hours_of_the_law_too() {
    let nine = Hours::new([Some("09:00-20:00".parse().unwrap()); 7]);
    let law = StateWindows::new(nine, Default::default());
    let (mut life, rules) = (Life::new(), with_texts(open_by_day()));
    let rules = Rules { state_windows: law, ..rules };
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    // Nine in the morning in New York: an hour before, the law lets nothing leave.
    arranged(&life, &id, "2025-03-06T14:00:00Z", &rules);
    let rows = life.store.read_here(|read| read.list(REMINDERS, &Keys::all(), 9)).unwrap();
    let evening: Timestamp = "2025-03-06T00:54:00Z".parse().unwrap();
    let due: Vec<i64> = rows.iter().flat_map(|(_, Reminders { due, .. })| due.clone()).collect();
    assert!(due.contains(&evening.as_millisecond()), "{due:?}");
}

#[test]
fn who_books_here_is_not_asked_to_book_before_lever_lists_it() {
    let (mut life, rules) = (Life::new(), with_automation(Trigger::StageEntered, "2h", rules()));
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    at(&mut life, "2025-03-04T19:00:00Z");
    arranged(&life, &id, "2025-03-06T14:00:00Z", &rules);
    at(&mut life, "2025-03-04T20:00:00Z");
    life.fire_by(rules.clone());
    assert_eq!(enrolment(&life).state, EnrolmentState::Ended("they have an interview since".into()));
}

#[test]
fn a_text_before_an_interview_is_due_again_when_that_moves_away() {
    let rules = with_automation(Trigger::Interview, "24h before interview", rules());
    let mut life = Life::new();
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    let enrolled = |life: &Life| life.store.read_here(|read| read.list(ENROLMENTS, &Keys::all(), 9)).unwrap();
    // A day before it is over already.
    changed_in_lever(&mut life, &id, Some("2025-03-05T15:00:00Z"), &rules);
    assert_eq!(enrolled(&life).len(), 0);
    changed_in_lever(&mut life, &id, Some("2025-03-12T15:00:00Z"), &rules);
    let due = |time: &str| time.parse::<Timestamp>().ok();
    assert_eq!(enrolment(&life).due, due("2025-03-11T15:00:00Z"));
    life.now += SignedDuration::from_mins(5);
    changed_in_lever(&mut life, &id, Some("2025-03-13T15:00:00Z"), &rules);
    assert_eq!(enrolment(&life).due, due("2025-03-12T15:00:00Z"), "it is one, at another time");
    // It comes so near that there is nothing left to wait for, and goes away again.
    life.now += SignedDuration::from_mins(5);
    changed_in_lever(&mut life, &id, Some("2025-03-05T15:00:00Z"), &rules);
    assert!(matches!(enrolment(&life).state, EnrolmentState::Ended(_)));
    life.now += SignedDuration::from_mins(5);
    changed_in_lever(&mut life, &id, Some("2025-03-13T15:00:00Z"), &rules);
    let rows = enrolled(&life);
    assert_eq!(rows.last().unwrap().1.state, EnrolmentState::Waiting);
    // Its text waits for the carrier when it moves once more: it tells the old time.
    at(&mut life, "2025-03-12T15:00:00Z");
    life.fire_by(rules.clone());
    let text = leaves(&life, &rules).unwrap().message;
    comes_back(&life, &text);
    changed_in_lever(&mut life, &id, Some("2025-03-14T15:00:00Z"), &rules);
    assert_eq!(stored(&life, text.id).delivery, Delivery::Canceled);
    let last = enrolled(&life).last().unwrap().1.clone();
    assert_eq!((last.state, last.due), (EnrolmentState::Waiting, due("2025-03-13T15:00:00Z")));
}

#[test]
fn a_text_before_an_interview_that_was_frozen_is_good_until_then() {
    let rules = with_automation(Trigger::Interview, "24h before interview", rules());
    let mut life = Life::new();
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    changed_in_lever(&mut life, &id, Some("2025-03-07T15:00:00Z"), &rules);
    at(&mut life, "2025-03-06T14:00:00Z");
    is_in_doubt(&mut life);
    at(&mut life, "2025-03-06T15:00:00Z");
    life.fire_by(rules.clone());
    assert!(matches!(enrolment(&life).state, EnrolmentState::Held(_)));
    // Later than an automation is otherwise.
    at(&mut life, "2025-03-07T00:00:00Z");
    is_decided(&mut life, false, &rules);
    life.fire_by(rules.clone());
    assert_eq!(all_that_leaves(&life, &rules).len(), 1);
}

/// The interview came so near that "See you tomorrow", which had waited for the carrier, was called off, written
/// anew, and left at once.
#[test]
fn a_text_before_an_interview_is_not_written_again_when_that_moves_nearer() {
    let rules = with_automation(Trigger::Interview, "24h before interview", rules());
    let mut life = Life::new();
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    changed_in_lever(&mut life, &id, Some("2025-03-07T15:00:00Z"), &rules);
    at(&mut life, "2025-03-06T15:00:00Z");
    life.fire_by(rules.clone());
    let text = leaves(&life, &rules).unwrap().message;
    comes_back(&life, &text);
    life.now += SignedDuration::from_mins(5);
    changed_in_lever(&mut life, &id, Some("2025-03-06T18:00:00Z"), &rules);
    assert_eq!(stored(&life, text.id).delivery, Delivery::Canceled);
    assert_eq!(enrolment(&life).state, EnrolmentState::Ended("that time is over".into()));
    life.now += SignedDuration::from_mins(5);
    life.fire_by(rules.clone());
    assert_eq!(all_that_leaves(&life, &rules), [""; 0]);
}

#[test]
fn who_is_told_that_an_interview_is_off_is_told_which_though_lever_has_deleted_it() {
    let text = "{{ interview.date }} is off";
    let rules = that_says(text, Trigger::InterviewCancelled, "10m", rules());
    let mut life = Life::new();
    at(&mut life, "2025-03-04T18:00:00Z");
    let id = dana(&life, &rules);
    changed_in_lever(&mut life, &id, Some("2025-03-07T15:00:00Z"), &rules);
    changed_in_lever(&mut life, &id, None, &rules);
    life.now += SignedDuration::from_mins(10);
    life.fire_by(rules.clone());
    let left = all_that_leaves(&life, &rules);
    assert!(left.len() == 1 && left[0].contains("Fri, Mar 7 is off"), "{left:?}");
}

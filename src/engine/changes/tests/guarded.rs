//! What the guard knows of a number by its thread, and what people are told of a reminder that it leaves no time
//! for.

use fulcrum_domain::{Purpose, Refusal};

use super::by_interview::{arranged, with_texts};
use super::held_up::{at, dana, open_by_day};
use super::*;

/// The last text came back from a landline: none leaves by itself, and a person's does.
#[test]
fn nothing_is_written_by_itself_to_a_number_that_cannot_receive_texts() {
    let mut life = Life::new();
    let first = life.change(|tx, moment| Ok(compose(tx, draft(0, None), &rules(), moment).unwrap().id));
    let came_back =
        Report { delivery: Delivery::Failed, failure: Some(SendFailure::Landline), sid: "SM1".parse().ok() };
    life.change(move |tx, moment| settle_send(tx, first, came_back, &rules(), moment));
    let write = |life: &mut Life, purpose| {
        life.now += SignedDuration::from_secs(1);
        life.count += 1;
        let author = Author::Automatic("hello".into());
        let draft = Draft { author, purpose, ..draft(0, None) };
        life.change(move |tx, moment| match compose(tx, draft, &rules(), moment) {
            Ok(_) => Ok(None),
            Err(ComposeError::Refused(why)) => Ok(Some(why)),
            Err(error) => panic!("{error}"),
        })
    };
    assert_eq!(write(&mut life, Purpose::Automatic), Some(Refusal::Unusable));
    assert_eq!(write(&mut life, Purpose::Bulk), Some(Refusal::Unusable));
    assert_eq!(write(&mut life, Purpose::Conversation), None);
    life.step(&Step::Writes { who: 0, words: 0 });
    assert_eq!(write(&mut life, Purpose::Automatic), None, "something came from it");
}

#[test]
fn people_are_told_of_an_interview_that_gets_no_reminder() {
    for (starts_at, told) in [("2025-03-06T00:30:00Z", 0), ("2025-03-05T13:30:00Z", 1)] {
        let (mut life, rules) = (Life::new(), with_texts(open_by_day()));
        // 19:40 in New York: before half past eight in the morning no minute is open any more.
        at(&mut life, "2025-03-05T00:40:00Z");
        let id = dana(&life, &rules);
        arranged(&life, &id, starts_at, &rules);
        let lines = life.store.read_here(|read| read.list(ACTIVITY, &Keys::all(), 99)).unwrap();
        let why = "gets no reminder 1h before: it would fall in quiet hours";
        assert_eq!(lines.iter().filter(|(_, line)| line.detail.ends_with(why)).count(), told, "{lines:?}");
        let dropped = life.store.read_here(|read| dropped_reminders(read, &id)).unwrap();
        assert_eq!(dropped.into_values().flatten().collect::<Vec<_>>(), vec![60; told]);
    }
}

/// Nobody reads the activity every day: who looks after the conversation finds it unread.
#[test]
fn a_thread_whose_candidate_gets_no_reminder_is_unread_again_for_its_people() {
    for (starts_at, told) in [("2025-03-06T00:30:00Z", false), ("2025-03-05T13:30:00Z", true)] {
        let (mut life, rules) = (Life::new(), with_texts(open_by_day()));
        at(&mut life, "2025-03-05T00:40:00Z");
        let id = dana(&life, &rules);
        life.step(&Step::Writes { who: 0, words: 0 });
        let (thread, now) = ("0001".parse::<ConversationId>().unwrap(), life.now);
        let people: [fulcrum_domain::Account; 2] =
            ["priya@acme.example", "omar@acme.example"].map(|account| account.parse().unwrap());
        let looking_after = people.clone();
        life.change(move |tx, _| {
            for account in looking_after {
                change_desk(tx, thread, |desk| {
                    desk.take_part(&account);
                    desk.archive(now);
                })?;
                mark_read(tx, thread, account, Some(now))?;
            }
            Ok(())
        });
        arranged(&life, &id, starts_at, &rules);
        let desk = life.store.read_here(|read| desk_of(read, thread)).unwrap();
        assert_eq!(desk.archived_at.is_none(), told);
        for account in people {
            let read = life.store.read_here(|read| has_read(read, &(thread, account.clone()), now)).unwrap();
            assert_eq!(read, !told, "{account:?} {starts_at}");
        }
    }
}

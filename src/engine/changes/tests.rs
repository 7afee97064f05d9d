//! Random days in the life of a few threads: after each step the rows must agree with each other,
//! whatever came before. A step that fails prints its whole history.

mod audited;
mod automated;
mod by_interview;
mod decided;
mod filed;
mod frozen;
mod gone;
mod guarded;
mod held_up;
mod introduced;
mod rebooked;
mod refused;
mod restored;
mod unanswered;
mod unknown_names;
mod waiting;
mod whom;
mod wishes;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::{
    Activity, Author, Body, CarrierSid, ConversationId, DeadlineKey, Delivery, Direction, Effect,
    EffectState, ErasureCause, FilingState, Folder, Message, MessageId, Number, Opportunity, OpportunityId,
    Phone, Purpose, Remote, Said, SendFailure, Shelf, TranscriptMode, WhyHeld, shelves,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;
use crate::engine::clock::Moment;
use crate::store::tables::{
    ACTIVITY, ACTIVITY_OF, CONVERSATIONS, DEADLINES, DESKS, FILINGS, MESSAGES, MessageKey, OPPORTUNITIES,
    OUTBOX, OUTBOX_DUE, PLACES, SECRETS, SHELVES, UNFILED,
};
use crate::store::{Keys, Options, Read, SecretKey, Store, StoreError, Tx};

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Appears { who: u8, active: bool },
    Goes { who: u8 },
    Writes { who: u8, words: u8 },
    IsWritten { who: u8, later: bool },
    Sends { outcome: u8 },
    Reports { nth: u8, delivery: u8 },
    Posts { outcome: u8 },
    IsRetried,
    IsGivenUp,
    IsCalledOff { nth: u8 },
    IsArchived { who: u8 },
    TimePasses { minutes: u16 },
    FiledByHand { who: u8 },
    Restarts,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0u8..3;
    let step = prop_oneof![
        2 => (who.clone(), any::<bool>()).prop_map(|(who, active)| Step::Appears { who, active }),
        1 => who.clone().prop_map(|who| Step::Goes { who }),
        5 => (who.clone(), 0u8..6).prop_map(|(who, words)| Step::Writes { who, words }),
        5 => (who.clone(), any::<bool>()).prop_map(|(who, later)| Step::IsWritten { who, later }),
        5 => (0u8..5).prop_map(|outcome| Step::Sends { outcome }),
        3 => (0u8..8, 0u8..4).prop_map(|(nth, delivery)| Step::Reports { nth, delivery }),
        3 => (0u8..5).prop_map(|outcome| Step::Posts { outcome }),
        1 => Just(Step::IsRetried),
        1 => Just(Step::IsGivenUp),
        3 => (0u8..8).prop_map(|nth| Step::IsCalledOff { nth }),
        1 => who.clone().prop_map(|who| Step::IsArchived { who }),
        4 => prop_oneof![3 => 1u16..90, 1 => 1500u16..3000].prop_map(|minutes| Step::TimePasses { minutes }),
        1 => who.prop_map(|who| Step::FiledByHand { who }),
        1 => Just(Step::Restarts),
    ];
    proptest::collection::vec(step, 1..60)
}

pub(super) fn rules() -> Rules {
    let ours = Number::from_e164("+12025550100").unwrap();
    let us = "US".parse().unwrap();
    Rules {
        quiet_hours: Hours::always(),
        keyword_answers: KeywordAnswers::Fulcrum,
        ..Rules::delivered("Acme", TimeZone::UTC, us, vec![ours], "https://text.acme.example")
    }
}

fn number(who: u8) -> Number {
    // The third is a second person on the second one's telephone.
    Number::from_e164(["+12025550111", "+12025550112", "+12025550112"][usize::from(who)]).unwrap()
}

fn opportunity(who: u8, active: bool, now: Timestamp) -> (OpportunityId, Opportunity) {
    let row = Opportunity {
        contact: format!("contact-{who}").parse().unwrap(),
        name: format!("Person {who}"),
        phones: vec![Phone { kind: None, number: Some(number(who)), raw: None }],
        emails: vec![],
        stage: "applicant-new".parse().unwrap(),
        archived: (!active).then_some(fulcrum_domain::Archived { reason: None, at: now }),
        owner: None,
        application: None,
        posting: None,
        tags: vec![],
        confidential: false,
        anonymised: false,
        created_at: now,
        advanced_at: now,
        updated_at: None,
        as_of: now,
        interviews_as_of: None,
    };
    // A deleted opportunity never returns, so each appearance is another.
    (format!("opportunity-{who}-{}", now.as_second()).parse().unwrap(), row)
}

struct Life {
    store: Store,
    runtime: tokio::runtime::Runtime,
    now: Timestamp,
    count: u64,
}

impl Life {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store =
            Store::open(Options::backend(redb::backends::InMemoryBackend::new()), Box::new(|_| {})).unwrap();
        let life = Self { store, runtime, now: Timestamp::from_second(1_700_000_000).unwrap(), count: 0 };
        life.change(|tx, _| tx.put(SECRETS, &HASH_KEY.to_owned(), &SecretKey([7; 32])));
        life
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tx<'_>, &mut Moment) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        let mut moment = Moment::new(self.now, self.count);
        self.runtime.block_on(self.store.change(move |tx| change(tx, &mut moment))).unwrap()
    }

    fn take(&self, remote: Remote) -> Option<Taken> {
        let now = self.now;
        self.change(move |tx, _| match due(tx, remote, now, 1)?.0.into_iter().next() {
            Some(effect) => take(tx, effect),
            None => Ok(None),
        })
    }

    fn step(&mut self, step: &Step) {
        self.count += 1;
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let (now, count) = (self.now, self.count);
        match *step {
            Step::Appears { who, active } => {
                let (id, row) = opportunity(who, active, now);
                self.change(move |tx, _| {
                    put_opportunity(tx, &id, row, None, Arrival::Webhook, &rules(), now)
                });
            }
            Step::Goes { who } => self.change(move |tx, _| {
                let prefix = format!("opportunity-{who}-");
                let all = tx.list(OPPORTUNITIES, &Keys::all(), 100)?;
                for (id, _) in all.into_iter().filter(|(id, _)| id.to_string().starts_with(&prefix)) {
                    erase_opportunity(tx, &id, ErasureCause::Deleted, now)?;
                }
                Ok(())
            }),
            Step::Writes { who, words } => {
                let words =
                    ["Yes", "after 2", "STOP", "start", "help", "please stop texting me"][usize::from(words)];
                let text = Incoming {
                    sid: format!("SM{count}").parse().unwrap(),
                    from: number(who),
                    to: rules().numbers[0],
                    body: Body::new(words),
                    attachments: vec![],
                    at: None,
                    keyword: None,
                };
                self.change(move |tx, moment| {
                    assert!(matches!(receive(tx, text.clone(), &rules(), moment)?, Received::Stored(_)));
                    assert_eq!(receive(tx, text, &rules(), moment)?, Received::Duplicate);
                    Ok(())
                });
            }
            Step::IsWritten { who, later } => self.change(move |tx, moment| {
                let draft = Draft {
                    to: Recipient::Number(number(who)),
                    body: Body::new("Are you free?"),
                    author: Author::Staff { user: None, name: "Priya".into() },
                    purpose: Purpose::Conversation,
                    from: None,
                    send_at: later.then(|| now.checked_add(SignedDuration::from_mins(30)).unwrap()),
                    cannot_wait: None,
                };
                match compose(tx, draft, &rules(), moment) {
                    Ok(_) | Err(ComposeError::Refused(_)) => Ok(()),
                    Err(error) => panic!("{error}"),
                }
            }),
            Step::Sends { outcome } => self.send(outcome),
            Step::Reports { nth, delivery } => self.change(move |tx, moment| {
                let all = tx.list(MESSAGES, &Keys::all(), 1000)?;
                let ours: Vec<MessageId> =
                    all.iter().filter(|(_, m)| m.sid.is_some()).map(|((_, _, id), _)| *id).collect();
                let Some(id) = ours.get(usize::from(nth)).copied() else { return Ok(()) };
                let delivery = [Delivery::Sent, Delivery::Delivered, Delivery::Undelivered, Delivery::Failed]
                    [usize::from(delivery)];
                report(tx, id, Report { delivery, failure: None, sid: None }, &rules(), moment).map(drop)
            }),
            Step::Posts { outcome } => self.post(outcome),
            Step::IsRetried => self.change(move |tx, _| {
                for (effect, _) in tx.list(OUTBOX, &Keys::all(), 1000)? {
                    retry_failed(tx, &effect, "ops".into(), now)?;
                }
                Ok(())
            }),
            Step::IsGivenUp => self.change(move |tx, moment| {
                for (effect, _) in tx.list(OUTBOX, &Keys::all(), 1000)? {
                    give_up(tx, &effect, "ops".into(), &rules(), moment)?;
                }
                Ok(())
            }),
            Step::IsCalledOff { nth } => self.change(move |tx, moment| {
                let all = tx.list_back(MESSAGES, &Keys::all(), 1000)?;
                let ours = all.into_iter().map(|(_, m)| m).filter(|m| m.direction == Direction::Out);
                let Some(text) = ours.into_iter().nth(nth.into()) else { return Ok(()) };
                let may_be = matches!(text.delivery, Delivery::Scheduled | Delivery::Queued);
                match cancel(tx, text.id, "ops".into(), &rules(), moment.now) {
                    Ok(()) => assert!(may_be, "it had left: {text:?}"),
                    Err(CancelError::TooLate) => assert!(!may_be, "it had not left: {text:?}"),
                    Err(error) => panic!("{error}"),
                }
                Ok(())
            }),
            Step::IsArchived { who } => self.change(move |tx, _| match thread_of(tx, number(who))? {
                Some(conversation) => change_desk(tx, conversation.id, |desk| {
                    desk.archive(now);
                    desk.take_part(&"priya@acme.example".parse().unwrap());
                })
                .map(drop),
                None => Ok(()),
            }),
            Step::TimePasses { minutes } => {
                self.now = now.checked_add(SignedDuration::from_mins(minutes.into())).unwrap();
                self.fire();
            }
            Step::FiledByHand { who } => self.change(move |tx, moment| match thread_of(tx, number(who))? {
                Some(conversation) => file_now(tx, conversation.id, &rules(), moment).map(drop),
                None => Ok(()),
            }),
            Step::Restarts => {
                self.change(move |tx, _| recover(tx, now));
            }
        }
    }

    fn send(&self, outcome: u8) {
        let Some(taken) = self.take(Remote::Carrier) else { return };
        let Effect::Send(id) = taken.effect else { panic!("the carrier sends texts only") };
        let count = self.count;
        self.change(move |tx, moment| {
            let sid: CarrierSid = format!("SMout{count}").parse().unwrap();
            let accepted = Report { delivery: Delivery::Accepted, failure: None, sid: Some(sid) };
            if taken.row.state == EffectState::Unknown {
                let unconfirmed = Report { delivery: Delivery::Unconfirmed, failure: None, sid: None };
                let news = if outcome == 0 { accepted } else { unconfirmed };
                return settle_send(tx, id, news, &rules(), moment);
            }
            let Some(submission) = begin_send(tx, id, &rules(), moment)? else { return Ok(()) };
            let suppressed = suppression_of(tx, submission.to)?.is_some();
            let confirmation = submission.message.purpose == Purpose::OptOutConfirmation;
            assert!(!suppressed || confirmation, "a text was about to leave after STOP");
            match outcome {
                0 | 1 => settle_send(tx, id, accepted, &rules(), moment),
                2 => {
                    let failure = Some(SendFailure::OptedOut);
                    settle_send(
                        tx,
                        id,
                        Report { delivery: Delivery::Failed, failure, sid: None },
                        &rules(),
                        moment,
                    )
                }
                3 => requeue_send(tx, id, Some(moment.now), "busy", moment),
                // Cut off after it began: found at the next start.
                _ => Ok(()),
            }
        });
    }

    fn post(&self, outcome: u8) {
        let Some(taken) = self.take(Remote::Lever) else { return };
        let Effect::PostNote(id) = taken.effect else { return };
        let count = self.count;
        self.change(move |tx, moment| {
            let Some(next) = begin_post(tx, id, moment.now)? else { return Ok(()) };
            assert!(next.filing.parts.iter().all(|part| part.contains(&id.to_string())));
            match outcome {
                0 | 1 => {
                    let at = next.filing.opportunity.clone();
                    finish_post(tx, id, &at, format!("note-{count}").parse().unwrap(), moment.now).map(drop)
                }
                2 => retarget(tx, id, &rules(), moment),
                3 => hold_post(tx, id, WhyHeld::Other("nobody may".into()), moment),
                _ => Ok(()),
            }
        });
    }

    /// What the wheel would do.
    fn fire(&self) {
        self.fire_by(rules());
    }

    fn fire_by(&self, rules: Rules) {
        let now = self.now;
        self.change(move |tx, moment| {
            for ((at, key), ()) in tx.list(DEADLINES, &Keys::all(), 1000)? {
                let key = DeadlineKey::from_u64(key).unwrap();
                if at <= now {
                    fire(tx, key, &rules, moment)?;
                }
            }
            Ok(())
        });
    }

    fn check(&self) {
        self.store
            .read_here(|read| {
                check(read, self.now);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}

fn check(read: &impl Read, now: Timestamp) {
    let messages = read.list(MESSAGES, &Keys::all(), 10_000).unwrap();
    let unfiled: BTreeSet<_> =
        read.list(UNFILED, &Keys::all(), 10_000).unwrap().into_iter().map(|(key, ())| key).collect();
    let filings: BTreeMap<_, _> = read.list(FILINGS, &Keys::all(), 10_000).unwrap().into_iter().collect();
    let mut in_filing: BTreeMap<_, u32> = BTreeMap::new();
    for (key, message) in &messages {
        let open = unfiled.contains(key);
        let filed = message.filing.is_some();
        let never_left = matches!(message.delivery, Delivery::Canceled | Delivery::Scheduled);
        assert_eq!(
            u8::from(open) + u8::from(filed) + u8::from(never_left),
            1,
            "a message stands in {open} {filed} {never_left}: {message:?}"
        );
        if let Some(filing) = message.filing {
            *in_filing.entry(filing).or_default() += 1;
        }
        assert_eq!(read.get(PLACES, &message.id).unwrap().map(|p| p.at), Some(message.at));
    }
    for (id, filing) in &filings {
        assert_eq!(in_filing.get(id).copied(), Some(filing.messages), "messages of {filing:?}");
        let posted = read.has(OUTBOX, &Effect::PostNote(*id)).unwrap();
        let given_up = matches!(filing.state, FilingState::Held(_)) && !posted;
        assert_eq!(posted || given_up, filing.state != FilingState::Filed, "{filing:?}");
    }
    assert!(unfiled.iter().all(|key| messages.iter().any(|(k, _)| k == key)));

    let armed: BTreeSet<(Timestamp, u64)> =
        read.list(DEADLINES, &Keys::all(), 10_000).unwrap().into_iter().map(|(key, ())| key).collect();
    let mut expected = BTreeSet::new();
    for (id, conversation) in read.list(CONVERSATIONS, &Keys::all(), 1000).unwrap() {
        expected.extend(conversation.deadline.map(|at| (at, DeadlineKey::Transcript(id).to_u64())));
        let doubt =
            conversation.possible_opt_out.map(|at| at.checked_add(SignedDuration::from_hours(24)).unwrap());
        expected.extend(doubt.map(|at| (at, DeadlineKey::PossibleOptOut(id).to_u64())));
        let waits = open_messages(&messages, &unfiled, id);
        let settled = waits.iter().any(|m| {
            m.opportunity.is_some()
                && !matches!(m.delivery, Delivery::Queued | Delivery::Submitting)
                && m.at.checked_add(SignedDuration::from_hours(25)).unwrap() < now
        });
        assert!(!settled || conversation.deadline.is_some(), "an open session is forgotten: {waits:?}");
    }
    assert_eq!(armed, expected);
    check_shelves(read, &messages);

    let indexed: BTreeSet<Effect> = read
        .list(OUTBOX_DUE, &Keys::all(), 10_000)
        .unwrap()
        .into_iter()
        .map(|((_, (_, _, e)), ())| e)
        .collect();
    let mut counts = EffectCounts::new();
    for (effect, row) in read.list(OUTBOX, &Keys::all(), 10_000).unwrap() {
        if row.state == EffectState::Due {
            assert!(indexed.contains(&effect), "{effect:?} waits and nobody would take it");
        }
        if let Effect::Send(id) = effect {
            assert!(message(read, id).unwrap().is_some(), "an effect outlived its message");
        }
        *counts.entry((effect.kind(), row.state)).or_default() += 1;
    }
    assert_eq!(effect_counts(read).unwrap(), counts);
}

/// The index holds what each thread's rows say, counted from the beginning.
fn check_shelves(read: &impl Read, messages: &[(MessageKey, Message)]) {
    let found: BTreeSet<_> =
        read.list(SHELVES, &Keys::all(), 10_000).unwrap().into_iter().map(|(key, ())| key).collect();
    let mut expected = BTreeSet::new();
    let mut desks = 0;
    for (id, conversation) in read.list(CONVERSATIONS, &Keys::all(), 1000).unwrap() {
        desks += 1;
        let theirs = messages.iter().map(|(_, message)| message).filter(|message| message.conversation == id);
        let said = theirs.fold(Said::default(), Said::with);
        let desk = desk_of(read, id).unwrap();
        assert_eq!(desk.said, said, "what was said in {id}");
        assert_eq!(desk.opted_out, suppression_of(read, conversation.number).unwrap().is_some());
        let at = said.last_at.unwrap();
        expected.extend(shelves(&conversation, &desk).into_iter().map(|shelf| (shelf, at, id)));
    }
    assert_eq!(found, expected);
    assert_eq!(read.len(DESKS).unwrap(), desks, "a desk outlived its thread");
    assert_eq!(
        read.list(ACTIVITY, &Keys::all(), 100_000).unwrap().iter().map(|(_, a)| subjects_of(a)).sum::<u64>(),
        read.len(ACTIVITY_OF).unwrap()
    );
}

fn subjects_of(activity: &Activity) -> u64 {
    u64::from(activity.conversation.is_some()) + u64::from(activity.opportunity.is_some())
}

fn open_messages(
    messages: &[((ConversationId, Timestamp, MessageId), Message)],
    unfiled: &BTreeSet<(ConversationId, Timestamp, MessageId)>,
    id: ConversationId,
) -> Vec<Message> {
    messages.iter().filter(|(key, _)| key.0 == id && unfiled.contains(key)).map(|(_, m)| m.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_message_stands_in_one_transcript_or_the_open_session(steps in steps()) {
        let mut life = Life::new();
        for step in &steps {
            life.step(step);
            life.check();
        }
    }
}

fn draft(to: u8, at: Option<Timestamp>) -> Draft {
    Draft {
        to: Recipient::Number(number(to)),
        body: Body::new("Are you free?"),
        author: Author::Staff { user: None, name: "Priya".into() },
        purpose: Purpose::Conversation,
        from: None,
        send_at: at,
        cannot_wait: None,
    }
}

#[test]
fn a_text_that_is_called_off_leaves_the_session_as_if_it_had_never_been_written() {
    let mut life = Life::new();
    life.step(&Step::Appears { who: 0, active: true });
    let write =
        |life: &Life| life.change(|tx, moment| Ok(compose(tx, draft(0, None), &rules(), moment).unwrap()));
    let call_off = |life: &Life, text: &Message| {
        let id = text.id;
        life.change(move |tx, moment| {
            cancel(tx, id, "priya".into(), &rules(), moment.now).unwrap();
            Ok(thread_of(tx, number(0))?.unwrap())
        })
    };
    let first = write(&life);
    life.step(&Step::TimePasses { minutes: 30 });
    let second = write(&life);
    let after = call_off(&life, &second);
    assert_eq!(after.deadline, first.at.checked_add(SignedDuration::from_hours(1)).ok());
    let after = call_off(&life, &first);
    assert_eq!((after.deadline, after.session, after.texted), (None, None, false));
    life.check();
}

#[test]
fn when_the_first_text_is_called_off_the_next_says_who_we_are() {
    let life = Life::new();
    let at = |seconds| life.now.checked_add(SignedDuration::from_secs(seconds)).ok();
    let (soon, later) = (at(10), at(20));
    life.change(move |tx, moment| {
        let first = compose(tx, draft(0, soon), &rules(), moment).unwrap();
        let second = compose(tx, draft(0, later), &rules(), moment).unwrap();
        assert_eq!(second.body.reveal(), "Are you free?", "the first one says so");
        cancel(tx, first.id, "priya".into(), &rules(), moment.now).unwrap();
        let second = message(tx, second.id)?.unwrap();
        assert_eq!(second.body.reveal(), first.body.reveal());
        Ok(())
    });
    life.check();
}

/// Before, whatever left counted as an answer.
#[test]
fn a_file_that_counted_otherwise_is_counted_anew() {
    let mut life = Life::new();
    life.step(&Step::Writes { who: 0, words: 0 });
    life.change(|tx, _| {
        let (id, conversation) = tx.list(CONVERSATIONS, &Keys::all(), 1)?.remove(0);
        let mut row = tx.get(DESKS, &id)?.unwrap();
        row.desk.said.answered_at = row.desk.said.last_at;
        tx.put(DESKS, &id, &row)?;
        desk::place(tx, &conversation)?;
        assert!(!tx.get(DESKS, &id)?.unwrap().shelves.contains(&Shelf::Folder(Folder::Unanswered)));
        place_older(tx, None, 10)?;
        assert!(tx.get(DESKS, &id)?.unwrap().shelves.contains(&Shelf::Folder(Folder::Unanswered)));
        Ok(())
    });
    life.check();
}

#[test]
fn a_file_without_shelves_gets_them() {
    let mut life = Life::new();
    for who in 0..2 {
        life.step(&Step::Writes { who, words: 0 });
        life.step(&Step::IsWritten { who, later: true });
    }
    life.change(|tx, _| {
        for (id, _) in tx.list(DESKS, &Keys::all(), 100)? {
            tx.remove(DESKS, &id)?;
        }
        for (key, ()) in tx.list(SHELVES, &Keys::all(), 100)? {
            tx.remove(SHELVES, &key)?;
        }
        let last = place_older(tx, None, 1)?;
        let last = place_older(tx, last, 1)?;
        assert!(last.is_some() && place_older(tx, last, 1)?.is_none(), "there are two");
        Ok(())
    });
    life.check();
}

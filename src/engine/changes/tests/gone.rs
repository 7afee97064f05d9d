//! Who goes, who is kept, and what is left of them: rows that stand by the number of somebody whom nobody
//! finds by it any more.

use fulcrum_domain::{ActivityKind, Consent, ConsentSource, OptOutSource, Retention, TranscriptMode, Whom};
use fulcrum_domain::{Answer, Archived, Refusal};

use super::*;
use crate::engine::{export_all, export_all_files, export_person};
use crate::store::Seen;
use crate::store::tables::{
    AUDIT, BOOKMARKS, CONSENTS, ERASURES, EVENTS, LIFTED, SPOKEN_OF, THREADS, VANISHED_NUMBERS,
};

fn silent() -> Rules {
    Rules { mode: TranscriptMode::Off, ..rules() }
}

fn put(life: &Life, id: &OpportunityId, row: Opportunity) {
    let (id, now) = (id.clone(), life.now);
    life.change(move |tx, _| put_opportunity(tx, &id, row, None, Arrival::Webhook, &silent(), now));
}

fn later(life: &mut Life) {
    life.count += 1;
    life.now = life.now.checked_add(SignedDuration::from_secs(1)).unwrap();
}

/// The candidate of `who`, known as of now.
fn known(life: &mut Life, who: u8) -> (OpportunityId, Opportunity) {
    later(life);
    let (id, row) = opportunity(who, true, life.now);
    put(life, &id, row.clone());
    (id, row)
}

fn erase(life: &Life, whom: Whom) -> Result<bool, EraseError> {
    let now = life.now;
    life.change(move |tx, _| Ok(erase_person(tx, &whom, "ana".into(), now).map(|erased| erased.is_some())))
}

fn vanishes(life: &mut Life, id: &OpportunityId) {
    later(life);
    let (id, now) = (id.clone(), life.now);
    assert!(life.change(move |tx, _| mark_invisible(tx, &id, now)));
}

fn is_deleted(life: &mut Life, id: &OpportunityId) {
    later(life);
    let (id, now) = (id.clone(), life.now);
    life.change(move |tx, _| erase_opportunity(tx, &id, ErasureCause::Deleted, now));
}

fn says_yes(life: &Life, who: u8) {
    let now = life.now;
    let said = Consent {
        answer: Answer::Yes,
        source: ConsentSource::Person("Dana said so".into()),
        at: now,
        by: "ana".into(),
    };
    life.change(move |tx, _| put_consent(tx, number(who), &said, now));
}

fn wish(life: &Life, who: u8, opted_out: bool, reason: &str) {
    let wish = Wish { opted_out, reason: reason.into(), since: None };
    let now = life.now;
    life.change(move |tx, _| {
        decide_opt_out(tx, number(who), &wish, &"ana@acme.example".into(), &rules(), now).unwrap();
        Ok(())
    });
}

fn rows<K: crate::store::Key, V: crate::store::Stored>(
    life: &Life,
    table: crate::store::tables::Table<K, V>,
) -> Vec<(K, V)> {
    life.store.read_here(|read| read.list(table, &Keys::all(), 1000)).unwrap()
}

#[test]
fn a_hold_keeps_what_was_said_with_somebody_whose_number_is_anothers_now() {
    let mut life = Life::new();
    let (held, row) = known(&mut life, 0);
    life.change(|tx, moment| {
        compose(tx, draft(0, None), &silent(), moment).unwrap();
        Ok(())
    });
    let (whom, now) = (Whom::Opportunity(held.clone()), life.now);
    let keep = whom.clone();
    assert_eq!(life.change(move |tx, _| hold(tx, &keep, "a case", &"ana".into(), now)), 1);
    later(&mut life);
    put(&life, &held, Opportunity { phones: opportunity(1, true, now).1.phones, as_of: life.now, ..row });
    assert!(matches!(erase(&life, Whom::Number(number(0))), Err(EraseError::Held)));
    // The number is somebody else's, who writes from it and is archived.
    later(&mut life);
    let (_, row) = opportunity(0, true, life.now);
    let other = "another".parse().unwrap();
    put(&life, &other, Opportunity { contact: "other".parse().unwrap(), ..row.clone() });
    let text = Incoming {
        sid: "SM1".parse().unwrap(),
        from: number(0),
        to: rules().numbers[0],
        body: Body::new("Yes"),
        attachments: vec![],
        at: None,
        keyword: None,
    };
    life.change(move |tx, moment| receive(tx, text, &silent(), moment));
    later(&mut life);
    let archived = Some(Archived { reason: None, at: life.now });
    put(&life, &other, Opportunity { contact: "other".parse().unwrap(), archived, as_of: life.now, ..row });
    let over = |life: &Life| {
        let now = life.now.checked_add(SignedDuration::from_hours(24 * 400)).unwrap();
        let days = Some(SignedDuration::from_hours(24 * 100));
        let retention = Retention { archived: days, ..Retention::default() };
        life.change(move |tx, _| {
            let thread = thread_of(tx, number(0))?.unwrap();
            assert_eq!(thread.opportunity, Some("another".parse().unwrap()));
            erase_if_over(tx, thread.id, &retention, now)
        })
    };
    assert!(!over(&life), "the age of what was said with another is no reason");
    assert_eq!(rows(&life, MESSAGES).len(), 2);
    assert_eq!(life.change(move |tx, _| release(tx, &whom, &"ana".into(), now)), 1);
    assert!(over(&life));
    assert_eq!(rows(&life, MESSAGES).len(), 0);
}

/// A hold is about keeping: a daemon went on to text whom Lever had deleted.
#[test]
fn whom_lever_has_deleted_gets_nothing_while_a_hold_keeps_them() {
    let mut life = Life::new();
    let (held, row) = known(&mut life, 0);
    let tomorrow = life.now + days(1);
    let (later_text, text) = life.change(move |tx, moment| {
        let later = compose(tx, draft(0, Some(tomorrow)), &silent(), moment).unwrap();
        moment.now += SignedDuration::from_secs(1);
        let text = compose(tx, draft(0, None), &silent(), moment).unwrap();
        Ok((later.id, text.id))
    });
    let (whom, now) = (Whom::Opportunity(held.clone()), life.now);
    let keep = whom.clone();
    life.change(move |tx, _| hold(tx, &keep, "a case", &"ana".into(), now));
    is_deleted(&mut life, &held);
    assert_eq!(rows(&life, OPPORTUNITIES).len(), 1, "what there is of them is kept");
    let states: Vec<_> = rows(&life, MESSAGES).into_iter().map(|(_, text)| text.delivery).collect();
    assert_eq!(states, [Delivery::Canceled; 2], "what waited is called off");
    assert_eq!(rows(&life, OUTBOX), []);
    let id = held.clone();
    life.change(move |tx, moment| {
        let to = [Recipient::Opportunity(id), Recipient::Number(number(0))];
        for to in to {
            let refused = compose(tx, Draft { to, ..draft(0, None) }, &silent(), moment);
            assert!(matches!(refused, Err(ComposeError::Refused(Refusal::Gone))), "{refused:?}");
        }
        // One that was written all the same, say by an older program.
        let mut old = message(tx, text)?.unwrap();
        old.delivery = Delivery::Queued;
        thread::put_message(tx, &old)?;
        assert!(begin_send(tx, text, &silent(), moment)?.is_none());
        assert_eq!(message(tx, text)?.unwrap().delivery, Delivery::Canceled);
        assert_eq!(message(tx, later_text)?.unwrap().delivery, Delivery::Canceled);
        Ok(())
    });
    // Who has the number as well, and is there, may be texted.
    later(&mut life);
    let (contact, as_of) = ("other".parse().unwrap(), life.now);
    put(&life, &"another".parse().unwrap(), Opportunity { contact, as_of, ..row });
    let about = life.change(|tx, moment| {
        let to = Recipient::Number(number(0));
        Ok(compose(tx, Draft { to, ..draft(0, None) }, &silent(), moment).unwrap().opportunity)
    });
    assert_eq!(about, Some("another".parse().unwrap()));
}

#[test]
fn the_note_about_somebody_whom_lever_shows_no_more_is_secret() {
    let mut life = Life::new();
    life.step(&Step::Appears { who: 0, active: true });
    life.step(&Step::Writes { who: 0, words: 0 });
    let id = rows(&life, OPPORTUNITIES)[0].0.clone();
    vanishes(&mut life, &id);
    life.step(&Step::FiledByHand { who: 0 });
    let filings = rows(&life, FILINGS);
    assert!(filings.len() == 1 && filings[0].1.secret && filings[0].1.confidential);
}

/// The thread stood bound to an opportunity that Lever showed no more, so an answer was refused as one about
/// somebody confidential, though the same number has another that may be texted.
#[test]
fn an_answer_goes_to_the_opportunity_that_is_left_when_lever_shows_the_first_no_more() {
    let mut life = Life::new();
    let (gone, row) = known(&mut life, 0);
    later(&mut life);
    let first = life.change(|tx, moment| Ok(compose(tx, draft(0, None), &silent(), moment).unwrap()));
    assert_eq!(first.opportunity, Some(gone.clone()));
    vanishes(&mut life, &gone);
    later(&mut life);
    let answer = |life: &Life| {
        life.change(|tx, moment| {
            let draft = Draft { to: Recipient::Number(number(0)), ..draft(0, None) };
            Ok(compose(tx, draft, &silent(), moment).map(|text| text.opportunity))
        })
    };
    assert!(matches!(answer(&life), Err(ComposeError::Confidential)), "of it nothing is known");
    let left: OpportunityId = "another".parse().unwrap();
    put(&life, &left, Opportunity { as_of: life.now, ..row });
    assert_eq!(answer(&life).unwrap(), Some(left));
}

#[test]
fn a_text_that_waits_does_not_leave_for_whom_lever_shows_no_more() {
    let mut life = Life::new();
    let (gone, _) = known(&mut life, 0);
    later(&mut life);
    let text = life.change(|tx, moment| {
        let draft = Draft { purpose: Purpose::Automatic, ..draft(0, None) };
        Ok(compose(tx, draft, &silent(), moment).unwrap())
    });
    vanishes(&mut life, &gone);
    let begun = life.change(move |tx, moment| begin_send(tx, text.id, &silent(), moment));
    assert!(begun.is_none());
}

#[test]
fn a_transcript_that_was_held_for_whom_lever_did_not_show_is_posted_when_it_does() {
    let mut life = Life::new();
    life.step(&Step::Appears { who: 0, active: true });
    life.step(&Step::Writes { who: 0, words: 0 });
    let (id, row) = rows(&life, OPPORTUNITIES).remove(0);
    vanishes(&mut life, &id);
    life.step(&Step::FiledByHand { who: 0 });
    let post = life.take(Remote::Lever).map(|taken| taken.effect).unwrap();
    let Effect::PostNote(filing) = post else { panic!("{post:?}") };
    life.change(move |tx, moment| {
        begin_post(tx, filing, moment.now)?;
        retarget(tx, filing, &rules(), moment)
    });
    let state = |life: &Life| rows(life, FILINGS)[0].1.state.clone();
    assert!(matches!(state(&life), FilingState::Held(_)), "it may be confidential by now");
    later(&mut life);
    put(&life, &id, Opportunity { as_of: life.now, ..row });
    let filing_again = rows(&life, FILINGS).remove(0).1;
    assert_eq!(filing_again.state, FilingState::Due);
    assert!(!filing_again.secret && !filing_again.confidential && filing_again.contact.is_some());
    let waits = life.store.read_here(|read| read.get(OUTBOX, &Effect::PostNote(filing))).unwrap().unwrap();
    assert_eq!(waits.state, EffectState::Due);
}

#[test]
fn what_staff_wrote_about_an_opt_out_goes_with_the_person_and_the_opt_out_stays() {
    let mut life = Life::new();
    let (id, _) = known(&mut life, 0);
    wish(&life, 0, true, "Dana Reyes called from 312-555-0142");
    wish(&life, 1, true, "Dana Reyes, too");
    let before = life.store.read_here(|read| suppression_of(read, number(0))).unwrap().unwrap();
    later(&mut life);
    assert!(erase(&life, Whom::Opportunity(id)).unwrap());
    // Of this number nothing else was ever known.
    assert!(erase(&life, Whom::Number(number(1))).unwrap());
    assert!(!erase(&life, Whom::Number(number(1))).unwrap(), "there is nothing more");
    for who in [0, 1] {
        let left = life.store.read_here(|read| suppression_of(read, number(who))).unwrap().unwrap();
        let OptOutSource::Person(words) = &left.source else { panic!("{left:?}") };
        assert!(!words.contains("Dana") && !words.contains("ana@"), "{words}");
        assert!(!left.lifted_by_start() && left.at <= before.at);
    }
}

#[test]
fn an_opt_out_by_telephone_is_proven_for_a_number_that_was_never_texted() {
    let mut life = Life::new();
    let (id, _) = known(&mut life, 0);
    wish(&life, 0, true, "Dana called");
    wish(&life, 1, true, "Nobody knows who");
    later(&mut life);
    wish(&life, 0, false, "Dana called again");
    let said: Vec<_> = rows(&life, ACTIVITY)
        .into_iter()
        .map(|(_, a)| a)
        .filter(|a| a.kind == ActivityKind::OptOut)
        .collect();
    let about: Vec<_> = said.iter().map(|line| line.opportunity.clone()).collect();
    assert_eq!(about, [Some(id.clone()), None, Some(id.clone())]);
    assert!(said.iter().all(|line| line.actor == "ana@acme.example".into()));
    assert_eq!(rows(&life, AUDIT).into_iter().map(|(_, entry)| entry.activity).collect::<Vec<_>>(), said);
    let all = format!("{said:?}");
    assert!(!all.contains("5550111") && !all.contains("Dana"), "{all}");
    let hash = said[0].detail.split_whitespace().last().unwrap();
    assert!(hash.len() == 32 && said[2].detail.contains(hash) && !said[1].detail.contains(hash), "{all}");
    // How it is known that they may be texted again stands with the number, and goes with it.
    let lifted = rows(&life, LIFTED);
    assert_eq!((lifted.len(), lifted[0].1.reason.as_str()), (1, "Dana called again"));
    assert!(lifted[0].1.opt_out.is_some());
    is_deleted(&mut life, &id);
    assert!(rows(&life, LIFTED).is_empty());
}

#[test]
fn what_a_vanished_candidate_said_about_texts_goes_when_they_are_deleted() {
    let mut life = Life::new();
    let (id, _) = known(&mut life, 0);
    says_yes(&life, 0);
    vanishes(&mut life, &id);
    assert_eq!(rows(&life, CONSENTS).len(), 1, "nothing of ours is erased");
    is_deleted(&mut life, &id);
    assert!(rows(&life, CONSENTS).is_empty() && rows(&life, VANISHED_NUMBERS).is_empty());
}

#[test]
fn the_number_of_who_vanished_stays_only_where_something_stands_by_it() {
    let mut life = Life::new();
    let (silent_one, _) = known(&mut life, 0);
    vanishes(&mut life, &silent_one);
    assert!(rows(&life, VANISHED_NUMBERS).is_empty());
    // What stood by another goes with the calendar.
    let (id, _) = known(&mut life, 1);
    wish(&life, 1, true, "Dana called");
    vanishes(&mut life, &id);
    let sweep = |life: &Life| {
        let now = life.now;
        life.change(move |tx, _| sweep_vanished_numbers(tx, now));
        rows(life, VANISHED_NUMBERS).len()
    };
    assert_eq!(sweep(&life), 1);
    life.change(|tx, _| consent::forget_owner(tx, number(1)));
    assert_eq!(sweep(&life), 0);
}

#[test]
fn a_vanished_candidate_is_erased_by_their_number_and_known_by_it_when_they_come_back() {
    let mut life = Life::new();
    let (id, row) = known(&mut life, 0);
    says_yes(&life, 0);
    vanishes(&mut life, &id);
    later(&mut life);
    put(&life, &id, Opportunity { as_of: life.now, ..row.clone() });
    assert_eq!((rows(&life, CONSENTS).len(), rows(&life, VANISHED_NUMBERS).len()), (1, 0));
    // With another number they leave what was said at the one before.
    vanishes(&mut life, &id);
    later(&mut life);
    let phones = opportunity(1, true, life.now).1.phones;
    put(&life, &id, Opportunity { as_of: life.now, phones, ..row });
    assert_eq!((rows(&life, CONSENTS).len(), rows(&life, VANISHED_NUMBERS).len()), (0, 0));
    says_yes(&life, 1);
    vanishes(&mut life, &id);
    assert!(erase(&life, Whom::Number(number(1))).unwrap());
    assert!(rows(&life, CONSENTS).is_empty() && rows(&life, VANISHED_NUMBERS).is_empty());
}

#[test]
fn a_text_that_is_refused_leaves_no_thread_behind() {
    let mut life = Life::new();
    let (id, row) = known(&mut life, 0);
    later(&mut life);
    put(&life, &id, Opportunity { confidential: true, as_of: life.now, ..row });
    let refused = life.change(|tx, moment| Ok(compose(tx, draft(0, None), &silent(), moment)));
    assert!(matches!(refused, Err(ComposeError::Confidential)));
    assert!(rows(&life, THREADS).is_empty());
    // An older program left one.
    life.change(|tx, _| tx.put(THREADS, &number(0), &ConversationId::new(99)));
    is_deleted(&mut life, &id);
    assert!(rows(&life, THREADS).is_empty());
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

#[test]
fn a_thread_that_cannot_be_read_keeps_no_other_and_one_that_goes_leaves_nobody_spoken_of() {
    let mut life = Life::new();
    known(&mut life, 0);
    known(&mut life, 1);
    for who in 0..2 {
        later(&mut life);
        life.change(move |tx, moment| Ok(compose(tx, draft(who, None), &silent(), moment).unwrap()));
    }
    let threads: Vec<_> = rows(&life, CONVERSATIONS).into_iter().map(|(id, _)| id).collect();
    let (broken, whole) = (threads[0], threads[1]);
    assert_eq!(rows(&life, SPOKEN_OF).len(), 2);
    life.change(move |tx, _| tx.spoil(CONVERSATIONS, &broken));
    let (now, retention) = (life.now + days(9), Retention { active: Some(days(1)), ..Retention::default() });
    let over = |after, count| {
        life.store.read_here(|read| threads_over(read, after, count, &retention, now)).unwrap()
    };
    assert_eq!(over(None, 1), (vec![], Some(broken)));
    assert_eq!(over(Some(&broken), 1), (vec![whole], Some(whole)));
    assert_eq!(over(Some(&whole), 1), (vec![], None));
    assert!(life.change(move |tx, _| erase_if_over(tx, whole, &retention, now)));
    assert_eq!(rows(&life, SPOKEN_OF).into_iter().map(|((_, id), ())| id).collect::<Vec<_>>(), [broken]);
}

#[test]
fn a_legal_hold_keeps_what_happened() {
    let mut life = Life::new();
    let (held, _) = known(&mut life, 0);
    known(&mut life, 1);
    for who in 0..2 {
        later(&mut life);
        life.change(move |tx, moment| {
            let text = compose(tx, draft(who, None), &silent(), moment).unwrap();
            let read = Activity::new(moment.now, "ana".into(), ActivityKind::Message, "was read");
            note_in_thread(tx, text.conversation, read)
        });
    }
    let (whom, now) = (Whom::Opportunity(held.clone()), life.now + days(100));
    life.change(move |tx, moment| hold(tx, &whom, "a case", &"ana".into(), moment.now));
    let of_held = |life: &Life| {
        let activity = rows(life, ACTIVITY).into_iter().map(|(_, one)| one.opportunity);
        let events = rows(life, EVENTS).into_iter().map(|(_, one)| Some(one.opportunity));
        let of = |all: Vec<_>| {
            let theirs = all.iter().filter(|about| **about == Some(held.clone())).count();
            (theirs, all.len() - theirs)
        };
        (of(activity.collect()), of(events.collect()))
    };
    let before = of_held(&life);
    assert!(before.0.0 > 0 && before.0.1 > 0 && before.1.0 > 0 && before.1.1 > 0, "{before:?}");
    let mut last = None;
    loop {
        last = life.change(move |tx, _| forget_activity(tx, now, last, 1));
        if last.is_none() {
            break;
        }
    }
    let mut last = None;
    loop {
        last = life.change(move |tx, _| forget_events(tx, now, last, 1));
        if last.is_none() {
            break;
        }
    }
    assert_eq!(of_held(&life), ((before.0.0, 0), (before.1.0, 0)));
}

#[test]
fn what_a_carrier_keeps_stands_in_the_certificate_and_the_new_file_stays_owed() {
    let mut life = Life::new();
    life.step(&Step::Writes { who: 0, words: 0 });
    assert!(erase(&life, Whom::Number(number(0))).unwrap());
    let [(id, erasure)] = &rows(&life, ERASURES)[..] else { panic!("one was made") };
    assert_eq!((erasure.copies.asked, erasure.is_complete()), (1, false));
    let (id, owed) = (*id, rows(&life, BOOKMARKS));
    let [(_, Seen(at))] = &owed[..] else { panic!("{owed:?}") };
    let (at, early) = (*at, life.now - days(1));
    // A pass of sealing that began before.
    life.change(move |tx, _| owe_new_file(tx, early));
    assert!(rows(&life, BOOKMARKS)[0].1.0 > at, "another is owed than the one that may be under way");
    life.change(move |tx, moment| {
        certify_kept(tx, id)?;
        certify_file(tx, at, moment.now)
    });
    let erasure = &rows(&life, ERASURES)[0].1;
    assert!(erasure.copies.gone == 0 && erasure.copies.kept == 1 && erasure.is_complete());
}

#[test]
fn an_export_has_what_holds_for_a_person_and_names_no_file_that_is_not_there() {
    let mut life = Life::new();
    let (id, _) = known(&mut life, 0);
    let url = "https://carrier.example/a.jpg".to_owned();
    let text = Incoming {
        sid: "SM1".parse().unwrap(),
        from: number(0),
        to: rules().numbers[0],
        body: Body::new("STOP"),
        attachments: vec![fulcrum_domain::Attachment { media_type: "image/jpeg".into(), url }],
        at: None,
        keyword: None,
    };
    let whom = Whom::Opportunity(id.clone());
    let by = whom.clone();
    life.change(move |tx, moment| {
        let Received::Stored(text) = receive(tx, text, &silent(), moment)? else { panic!("it is new") };
        let picture = Fetched::File(fulcrum_domain::file::FileKind::Jpeg, vec![1]);
        settle_file(tx, text, 0, picture, moment.now)?;
        hold(tx, &by, "a case", &"ana".into(), moment.now)
    });
    let lines = |all: bool, with_files: bool| {
        let mut out = Vec::new();
        let now = life.now;
        life.store
            .read_here(|read| {
                Ok::<_, StoreError>(match all {
                    true => export_all(read, now, with_files, &mut out).unwrap(),
                    false => export_person(read, &whom, now, &mut out).unwrap(),
                })
            })
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let the = |lines: &[serde_json::Value], kind: &str| {
        lines.iter().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone()
    };
    let (person, all) = (lines(false, true), lines(true, false));
    for kind in ["hold", "desk", "event"] {
        assert_eq!(the(&person, kind), the(&all, kind));
    }
    assert_eq!(the(&person, "opt_out")["number"], number(0).to_string());
    assert!(the(&all, "opt_out")["number"].is_null() && the(&all, "opt_out")["number_hash"].is_string());
    let picture = |lines: &[serde_json::Value]| {
        let mut attached = lines.iter().flat_map(|line| line["attachments"].as_array()).flatten();
        attached.next().expect("there is one")["file"].clone()
    };
    assert!(picture(&person).is_string() && picture(&all).is_null());
    // Into a folder they are written by the names that the lines have for them.
    let mut written = Vec::new();
    let put = |name: &str, bytes: &[u8]| {
        written.push((name.to_owned(), bytes.to_vec()));
        Ok(())
    };
    life.store.read_here(|read| Ok::<_, StoreError>(export_all_files(read, put))).unwrap().unwrap();
    let named = picture(&lines(true, true));
    assert_eq!(written, [(named.as_str().unwrap().to_owned(), vec![1])]);
    assert_eq!(picture(&person), format!("files/{}", written[0].0));
    let full = |_: &str, _: &[u8]| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let told = life.store.read_here(|read| Ok::<_, StoreError>(export_all_files(read, full))).unwrap();
    assert!(told.is_err());
}

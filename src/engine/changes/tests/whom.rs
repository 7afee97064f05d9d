//! Whom a message is about: what is said about one person, or about a confidential opportunity, never
//! stands in a note about another, whatever Lever answers meanwhile.

use fulcrum_domain::{Conversation, Filing};

use super::*;

/// An opportunity on the telephone of the first, of the person `contact`.
fn appears(life: &Life, id: &'static str, contact: &'static str, confidential: bool) -> OpportunityId {
    let (_, row) = opportunity(0, true, life.now);
    let row = Opportunity { contact: contact.parse().unwrap(), confidential, ..row };
    let id: OpportunityId = id.parse().unwrap();
    let (of, now) = (id.clone(), life.now);
    life.change(move |tx, _| put_opportunity(tx, &of, row, None, Arrival::Webhook, &rules(), now));
    id
}

/// Texts about confidential ones are allowed.
fn permissive() -> Rules {
    Rules { text_confidential: true, ..rules() }
}

/// Somebody writes; the text leaves, unless it is for later.
fn write(life: &mut Life, about: &OpportunityId, purpose: Purpose, at: Option<Timestamp>) -> Message {
    life.count += 1;
    let to = Recipient::Both(about.clone(), number(0));
    let author = match purpose {
        Purpose::Conversation => Author::Staff { user: None, name: "Priya".into() },
        _ => Author::Automatic("a chase".into()),
    };
    let draft = Draft { to, author, purpose, ..draft(0, at) };
    let text = life.change(move |tx, moment| Ok(compose(tx, draft, &permissive(), moment).unwrap()));
    life.step(&Step::Sends { outcome: 0 });
    text
}

/// The candidate writes; their text as it is stored.
fn hear(life: &mut Life, words: u8) -> Message {
    life.step(&Step::Writes { who: 0, words });
    let all = life.change(|tx, _| tx.list_back(MESSAGES, &Keys::all(), 100));
    all.into_iter().map(|(_, text)| text).find(|text| text.direction == Direction::In).unwrap()
}

fn thread(life: &Life) -> Conversation {
    life.change(|tx, _| Ok(thread_of(tx, number(0))?.unwrap()))
}

/// All transcripts, the oldest first.
fn filings(life: &Life) -> Vec<Filing> {
    life.change(|tx, _| tx.list(FILINGS, &Keys::all(), 100)).into_iter().map(|(_, filing)| filing).collect()
}

fn not_found(life: &Life) {
    life.change(|tx, moment| {
        for (id, filing) in tx.list(FILINGS, &Keys::all(), 100)? {
            if filing.state == FilingState::Due {
                begin_post(tx, id, moment.now)?;
                retarget(tx, id, &permissive(), moment)?;
            }
        }
        Ok(())
    });
}

fn pass(life: &mut Life, minutes: u16) {
    life.step(&Step::TimePasses { minutes });
}

#[test]
fn what_is_said_about_a_confidential_one_that_lever_lost_is_never_given_to_another() {
    let mut life = Life::new();
    let secret = appears(&life, "secret", "dana", true);
    let open = appears(&life, "open", "dana", false);
    write(&mut life, &secret, Purpose::Conversation, None);
    let said = hear(&mut life, 1);
    assert_eq!(said.opportunity, Some(secret.clone()));
    pass(&mut life, 90);
    assert_eq!(filings(&life).len(), 1);
    // Since then somebody wrote about the other one.
    write(&mut life, &open, Purpose::Conversation, None);
    not_found(&life);
    pass(&mut life, 90);
    life.check();
    let kept = life.change(move |tx, _| message(tx, said.id)).unwrap();
    assert_eq!(kept.opportunity, Some(secret.clone()));
    let about: Vec<_> = filings(&life).into_iter().map(|one| (one.opportunity, one.state)).collect();
    assert!(matches!(&about[0], (of, FilingState::Held(_)) if *of == secret), "{about:?}");
    assert_eq!(about[1], (open, FilingState::Due));
    // And it goes with the one that it is about.
    let now = life.now;
    life.change(move |tx, _| erase_opportunity(tx, &secret, ErasureCause::Deleted, now));
    assert_eq!(life.change(move |tx, _| message(tx, kept.id)), None);
    life.check();
}

#[test]
fn what_one_of_two_on_a_telephone_said_is_never_the_other_ones() {
    let mut life = Life::new();
    let ana = appears(&life, "ana", "ana", false);
    write(&mut life, &ana, Purpose::Conversation, None);
    let said = hear(&mut life, 1);
    pass(&mut life, 90);
    appears(&life, "ben", "ben", false);
    not_found(&life);
    hear(&mut life, 0);
    pass(&mut life, 90);
    life.check();
    let kept = life.change(move |tx, _| message(tx, said.id)).unwrap();
    assert_eq!(kept.opportunity, Some(ana));
    assert!(matches!(filings(&life)[0].state, FilingState::Held(_)));
}

#[test]
fn what_nobody_else_can_be_meant_by_goes_back_and_waits() {
    let mut life = Life::new();
    let ana = appears(&life, "ana", "ana", false);
    write(&mut life, &ana, Purpose::Conversation, None);
    pass(&mut life, 90);
    not_found(&life);
    life.check();
    assert_eq!(filings(&life), []);
    assert_eq!(thread(&life).opportunity, None);
}

#[test]
fn an_answer_is_about_whom_the_text_was_about_whoever_wrote_it() {
    let mut life = Life::new();
    let ana = appears(&life, "ana", "ana", false);
    let ben = appears(&life, "ben", "ben", false);
    write(&mut life, &ana, Purpose::Conversation, None);
    for purpose in [Purpose::Automatic, Purpose::Bulk, Purpose::Booking] {
        pass(&mut life, 60);
        write(&mut life, &ana, Purpose::Conversation, None);
        pass(&mut life, 60);
        write(&mut life, &ben, purpose, None);
        assert_eq!(hear(&mut life, 1).opportunity, Some(ben.clone()), "{purpose:?}");
    }
    // An answer of the daemon's own asks for nothing.
    pass(&mut life, 60);
    write(&mut life, &ana, Purpose::Conversation, None);
    life.count += 1;
    life.change(|tx, moment| {
        let thread = thread_of(tx, number(0))?.unwrap();
        let thread = Conversation { opportunity: Some("ben".parse().unwrap()), ..thread };
        let words = "Acme".to_owned();
        compose::queue_automatic(tx, thread, "help", words, Purpose::Help, &rules(), moment)
    });
    life.step(&Step::Sends { outcome: 0 });
    assert_eq!(hear(&mut life, 1).opportunity, Some(ana));
}

#[test]
fn one_that_lever_shows_no_more_counts_as_confidential() {
    let mut life = Life::new();
    let dana = appears(&life, "dana", "dana", false);
    write(&mut life, &dana, Purpose::Conversation, None);
    let now = life.now;
    life.change(move |tx, _| mark_invisible(tx, &dana, now));
    let refused = life.change(|tx, moment| Ok(compose(tx, draft(0, None), &rules(), moment)));
    assert!(matches!(refused, Err(ComposeError::Confidential)), "{refused:?}");
    pass(&mut life, 90);
    let filing = filings(&life).remove(0);
    assert!(filing.secret && filing.confidential);
}

#[test]
fn a_stranger_is_known_from_when_somebody_wrote_to_them_though_that_text_never_left() {
    let mut life = Life::new();
    let said = hear(&mut life, 1);
    assert_eq!(thread(&life).deadline, None);
    let later = life.now.checked_add(SignedDuration::from_hours(48)).ok();
    let (_, row) = opportunity(1, true, life.now);
    let (of, now): (OpportunityId, _) = ("dana".parse().unwrap(), life.now);
    life.change(move |tx, _| put_opportunity(tx, &of, row, None, Arrival::Webhook, &rules(), now));
    let text = write(&mut life, &"dana".parse().unwrap(), Purpose::Conversation, later);
    life.change(move |tx, moment| {
        cancel(tx, text.id, "priya".into(), &rules(), moment.now).unwrap();
        Ok(())
    });
    pass(&mut life, 90);
    life.check();
    assert_eq!(filings(&life).len(), 1);
    let filed = life.change(move |tx, _| message(tx, said.id)).unwrap();
    assert!(filed.filing.is_some() && filed.opportunity == Some("dana".parse().unwrap()));
}

/// Somebody whose numbers in Lever are those of `whose`.
fn has(life: &Life, id: &'static str, contact: &'static str, whose: u8) {
    let (_, row) = opportunity(whose, true, life.now);
    let row = Opportunity { contact: contact.parse().unwrap(), ..row };
    let now = life.now;
    life.change(move |tx, _| {
        put_opportunity(tx, &id.parse().unwrap(), row, None, Arrival::Webhook, &rules(), now)
    });
}

/// Whether somebody may text the first number about this opportunity; what is taken stays.
fn may_text(life: &mut Life, about: &'static str) -> bool {
    life.count += 1;
    let draft = Draft { to: Recipient::Both(about.parse().unwrap(), number(0)), ..draft(0, None) };
    match life.change(move |tx, moment| Ok(compose(tx, draft, &rules(), moment))) {
        Ok(_) => true,
        Err(ComposeError::NotTheirNumber) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn nobody_talks_to_our_own_numbers() {
    let life = Life::new();
    let to = Recipient::Number(rules().numbers[0]);
    let refused =
        life.change(move |tx, moment| Ok(compose(tx, Draft { to, ..draft(0, None) }, &rules(), moment)));
    assert!(matches!(refused, Err(ComposeError::OurNumber)));
    assert!(life.store.read_here(|read| read.list(CONVERSATIONS, &Keys::all(), 1)).unwrap().is_empty());
}

#[test]
fn a_thread_is_not_given_to_somebody_else_by_a_text() {
    let mut life = Life::new();
    has(&life, "liam", "liam", 0);
    has(&life, "rosa", "rosa", 1);
    assert!(!may_text(&mut life, "rosa"), "Lever has another number for her");
    assert!(may_text(&mut life, "liam"));
    life.step(&Step::Sends { outcome: 0 });
    assert!(!may_text(&mut life, "rosa"), "that we have texted it says nothing");
    let answer = hear(&mut life, 0);
    assert!(!may_text(&mut life, "rosa"), "it is Liam who wrote");
    let liam: Option<OpportunityId> = Some("liam".parse().unwrap());
    assert_eq!((&answer.opportunity, &thread(&life).opportunity), (&liam, &liam));
    // Nor when Lever has another number for him meanwhile.
    life.now += SignedDuration::from_secs(1);
    has(&life, "liam", "liam", 1);
    assert!(!may_text(&mut life, "rosa"));
    assert!(may_text(&mut life, "liam"), "it is his thread");
    life.check();
    let now = life.now;
    life.change(move |tx, _| erase_opportunity(tx, &"liam".parse().unwrap(), ErasureCause::Deleted, now));
    assert!(life.change(|tx, _| tx.list(MESSAGES, &Keys::all(), 9)).is_empty());
    life.check();
}

#[test]
fn whose_an_unknown_number_is_can_be_said_once_somebody_wrote_from_it() {
    let mut life = Life::new();
    has(&life, "liam", "liam", 1);
    has(&life, "rosa", "rosa", 1);
    has(&life, "rosa-2", "rosa", 1);
    life.step(&Step::IsWritten { who: 0, later: false });
    assert!(!may_text(&mut life, "rosa"), "nobody has written from it");
    hear(&mut life, 0);
    assert!(may_text(&mut life, "rosa"));
    assert!(!may_text(&mut life, "liam"), "it is hers now");
    assert!(may_text(&mut life, "rosa-2"), "it is one person");
    // Of several people on one number any can be meant, and a candidate by each of their opportunities.
    has(&life, "ana", "ana", 0);
    has(&life, "ben", "ben", 0);
    has(&life, "ben-2", "ben", 1);
    for who in ["ana", "ben", "ben-2"] {
        assert!(may_text(&mut life, who), "{who}");
    }
    assert!(!may_text(&mut life, "liam"));
    life.check();
}

#[test]
fn a_late_failure_is_told_in_a_note_about_the_same_one() {
    let mut life = Life::new();
    let secret = appears(&life, "secret", "dana", true);
    let open = appears(&life, "open", "dana", false);
    let lost = write(&mut life, &secret, Purpose::Conversation, None).id;
    pass(&mut life, 90);
    life.step(&Step::Reports { nth: 0, delivery: 3 });
    assert_eq!(thread(&life).late_failures, [lost]);
    write(&mut life, &open, Purpose::Conversation, None);
    pass(&mut life, 90);
    let told =
        |life: &Life, nth: usize| filings(life)[nth].parts.concat().contains("Not delivered after all");
    assert!(!told(&life, 1), "an open note tells of a confidential text");
    assert_eq!(thread(&life).late_failures, [lost]);
    write(&mut life, &secret, Purpose::Conversation, None);
    pass(&mut life, 90);
    assert_eq!((told(&life, 2), thread(&life).late_failures), (true, vec![]));
    // Whoever else is erased takes nothing of it away.
    life.step(&Step::Reports { nth: 2, delivery: 3 });
    let late = thread(&life).late_failures;
    assert_eq!(late.len(), 1);
    let now = life.now;
    life.change(move |tx, _| erase_opportunity(tx, &open, ErasureCause::Deleted, now));
    assert_eq!(thread(&life).late_failures, late);
    life.change(move |tx, _| erase_opportunity(tx, &secret, ErasureCause::Deleted, now));
    life.check();
}

/// Somebody writes from a telephone of which Lever knows nothing, and a person knows whose it is.
#[test]
fn an_unknown_number_is_attached_by_hand_and_what_it_said_is_filed() {
    for mode in [TranscriptMode::Session, TranscriptMode::Off] {
        let rules = Rules { mode, ..rules() };
        let mut life = Life::new();
        let (dana, row) = opportunity(1, true, life.now);
        let (other, id, now, these) =
            (opportunity(1, true, life.now).1, dana.clone(), life.now, rules.clone());
        life.change(move |tx, _| {
            put_opportunity(tx, &id, row, None, Arrival::Webhook, &these, now)?;
            let secret = Opportunity { confidential: true, ..other };
            put_opportunity(tx, &"secret".parse().unwrap(), secret, None, Arrival::Webhook, &these, now)
        });
        let says = |life: &mut Life, sid: &'static str| {
            life.count += 1;
            let text = Incoming {
                sid: sid.parse().unwrap(),
                from: number(0),
                to: rules.numbers[0],
                body: Body::new("Hi"),
                attachments: vec![],
                at: None,
                keyword: None,
            };
            let these = rules.clone();
            life.change(move |tx, moment| receive(tx, text, &these, moment));
        };
        says(&mut life, "SM1");
        let waits = thread(&life);
        assert_eq!((&waits.opportunity, waits.deadline), (&None, None));
        let is_about = |life: &Life, whom: &str| {
            let (id, whom, these) = (waits.id, whom.parse().unwrap(), rules.clone());
            let by = "ana@acme.example";
            life.change(move |tx, moment| Ok(attach_by_hand(tx, id, &whom, &these, by.into(), moment.now)))
        };
        assert!(matches!(is_about(&life, "nobody"), Err(ComposeError::UnknownOpportunity)));
        assert!(matches!(is_about(&life, "secret"), Err(ComposeError::Confidential)));
        assert_eq!(thread(&life), waits);
        assert!(is_about(&life, &dana.to_string()).unwrap());
        let attached = thread(&life);
        assert_eq!(attached.opportunity, Some(dana.clone()));
        assert_eq!(attached.deadline.is_some(), mode == TranscriptMode::Session);
        // Once is enough, and nobody else is meant any more.
        assert!(is_about(&life, &dana.to_string()).unwrap());
        let (elsewhere, now) = (opportunity(2, true, life.now).1, life.now);
        let these = rules.clone();
        life.change(move |tx, _| {
            put_opportunity(tx, &"else".parse().unwrap(), elsewhere, None, Arrival::Webhook, &these, now)
        });
        assert!(!is_about(&life, "else").unwrap());
        let told = life.change(|tx, _| tx.list(ACTIVITY, &Keys::all(), 100));
        let told: Vec<_> = told.iter().filter(|(_, one)| one.detail == "attached to a candidate").collect();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].1.conversation, told[0].1.opportunity.as_ref()), (Some(waits.id), Some(&dana)));
        // What they write next is theirs, too.
        says(&mut life, "SM2");
        if mode == TranscriptMode::Session {
            life.check();
        }
        let (id, these) = (waits.id, rules.clone());
        life.change(move |tx, moment| file_now(tx, id, &these, moment));
        let notes = filings(&life);
        let about: Vec<_> = notes.iter().map(|note| (&note.opportunity, note.messages)).collect();
        assert_eq!(about, if mode == TranscriptMode::Session { vec![(&dana, 2)] } else { vec![] });
        // They are erased with it, though their number in Lever is another.
        let (gone, now) = (dana.clone(), life.now);
        life.change(move |tx, _| erase_opportunity(tx, &gone, ErasureCause::Deleted, now));
        assert!(life.change(|tx, _| tx.list(MESSAGES, &Keys::all(), 9)).is_empty());
    }
}

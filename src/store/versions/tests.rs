//! What older programs wrote is read as what it means today.

use super::super::codec::decode;
use super::*;

#[test]
fn an_effect_of_an_older_program_reads_as_one_without_counted_answers() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let row =
        EffectRow { attempts: 7, last_error: Some("busy".into()), ..EffectRow::new(Lane::Live, at, at) };
    let mut older = vec![1];
    // The last field, none, is one byte.
    older.extend(postcard::to_allocvec(&row).unwrap().split_last().unwrap().1);
    assert_eq!(EffectRow::upgrade(1, &older[1..]), Some(row));
}

#[test]
fn a_webhook_that_an_older_program_took_waits_still() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let opportunity = Some("a-slug".parse().unwrap());
    let event = HookEvent::CandidateHired;
    let row = HookRow { event, opportunity, triggered_at: at, received_at: at, digest: None };
    let older = postcard::to_allocvec(&row).unwrap();
    // The last field, none, is one byte.
    assert_eq!(HookRow::upgrade(1, older.split_last().unwrap().1), Some(row));
}

#[test]
fn reminders_of_an_older_program_read_as_ones_of_which_none_was_left_out() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let of = Reminded::Appointment(AppointmentId::new(1));
    let row = Reminders::new("o1".parse().unwrap(), of, at, [at], Vec::new());
    let older = postcard::to_allocvec(&row).unwrap();
    // The last field, none, is one byte.
    assert_eq!(Reminders::upgrade(1, &older[..older.len() - 1]), Some(row));
}

#[test]
fn a_certificate_of_an_older_program_reads_as_one_of_which_no_carrier_keeps_anything() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let copies = ErasedCopies { asked: 5, gone: 2, unnamed: 3, kept: 0 };
    let row = Erasure { copies, ..Erasure::new(at, Actor::fulcrum(), ErasureCause::Command) };
    let mut older = postcard::to_allocvec(&row).unwrap();
    // The last field, none, is one byte, and so is the one before, which is new.
    older.remove(older.len() - 2);
    assert_eq!(Erasure::upgrade(1, &older), Some(row));
}

/// What is read of a row whose words are `words` in place of those that stand in `row`, which the older program
/// wrote.
fn with_words<T: Stored>(row: &str, its: &str, words: &str) -> Result<T, u8> {
    let sized = |words: &str| hex::encode([&[u8::try_from(words.len()).unwrap()], words.as_bytes()].concat());
    let (before, after) = row.split_once(&sized(its)).unwrap();
    decode(&hex::decode([before, &sized(words), after].concat()).unwrap())
}

/// The sentences stand here as that program wrote them. Whatever people read today, whoever was held under them is
/// held for the same.
#[test]
fn who_was_held_by_an_older_program_is_held_for_the_same() {
    // "welcome" for o1 after a hire, with a card; as version 2 wrote it.
    let row = "020777656c636f6d6501026f310280a0abfef96280a0abfef9620180a0abfef96201527468652063616e646964617465206d61792068617665206f70746564206f75743a206e6f7468696e672069732073656e7420627920697473656c6620756e74696c20736f6d65626f64792064656369646573010300";
    let doubt = "the candidate may have opted out: nothing is sent by itself until somebody decides";
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let held = |held| Enrolment {
        automation: "welcome".to_owned(),
        opportunity: "o1".parse().unwrap(),
        event: EventKind::Hired,
        happened_at: at,
        enrolled_at: at,
        due: Some(at),
        state: EnrolmentState::Held(held),
        card: Some(3),
        was: None,
    };
    for (words, now) in [
        (doubt, HeldFor::Doubt),
        ("the automation is paused", HeldFor::Paused),
        ("no hour is open in all time zones that the number allows", HeldFor::NoHour),
        ("many at once: card 17 waits for approval", HeldFor::Card(17)),
        ("the text has 1700 characters", HeldFor::NoText("the text has 1700 characters".to_owned())),
    ] {
        assert_eq!(now.to_string(), words, "what people see is the same");
        assert_eq!(with_words(row, doubt, words), Ok(held(now)), "{words}");
        // The first version ended before the interview, which is none.
        let first = format!("01{}", &row[2..row.len() - 2]);
        assert_eq!(with_words::<Enrolment>(&first, doubt, words), with_words(row, doubt, words));
    }
}

#[test]
fn a_transcript_that_an_older_program_held_is_posted_once_lever_shows_its_opportunity() {
    // As version 1 wrote them.
    let row = "010701026f31010102633101020101027531010105776f7264730101026e3105032c4c6576657220646f6573206e6f742073686f7720746865206f70706f7274756e69747920616e79206d6f726580a0abfef96200";
    let filed =
        "010701026f31010102633101020101027531010105776f7264730101026e31050280a0abfef9620180a0abfef962";
    let not_shown = "Lever does not show the opportunity any more";
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let held = |why| Filing {
        conversation: ConversationId::new(7),
        opportunity: "o1".parse().unwrap(),
        contact: Some("c1".parse().unwrap()),
        confidential: true,
        reposts: 2,
        perform_as: Some("u1".parse().unwrap()),
        secret: true,
        parts: vec!["words".to_owned()],
        notes: vec!["n1".parse().unwrap()],
        messages: 5,
        state: FilingState::Held(why),
        due_at: at,
        filed_at: None,
    };
    let refused = "Lever refused it (400)";
    for (words, now) in [(not_shown, WhyHeld::NotShown), (refused, WhyHeld::Other(refused.to_owned()))] {
        assert_eq!(now.to_string(), words, "what people see is the same");
        assert_eq!(with_words(row, not_shown, words), Ok(held(now)));
    }
    let now = Filing { state: FilingState::Filed, filed_at: Some(at), ..held(WhyHeld::NotShown) };
    assert_eq!(decode(&hex::decode(filed).unwrap()), Ok(now));
}

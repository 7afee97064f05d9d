//! The first text that may have reached somebody says who we are, however many before it did not.

use super::*;

fn write(life: &mut Life, purpose: Purpose, at: Option<Timestamp>) -> Message {
    life.count += 1;
    let draft = Draft { purpose, ..draft(0, at) };
    life.change(move |tx, moment| Ok(compose(tx, draft, &rules(), moment).unwrap()))
}

fn says_who(text: &Message) -> bool {
    text.body.reveal().starts_with("Acme: ") && text.body.reveal().ends_with("Reply STOP to opt out.")
}

fn as_stored(life: &Life, text: &Message) -> Message {
    let id = text.id;
    life.change(move |tx, _| message(tx, id)).unwrap()
}

#[test]
fn after_a_first_text_that_failed_the_next_says_who_we_are() {
    for delivery in [2, 3] {
        let mut life = Life::new();
        let first = write(&mut life, Purpose::Conversation, None);
        life.step(&Step::Sends { outcome: 0 });
        let second = write(&mut life, Purpose::Automatic, None);
        assert!(says_who(&first) && !says_who(&second));
        life.step(&Step::Reports { nth: 0, delivery });
        assert!(says_who(&as_stored(&life, &second)), "it has not left yet");
        life.step(&Step::Sends { outcome: 0 });
        assert!(!says_who(&write(&mut life, Purpose::Conversation, None)), "the second may arrive");
        life.step(&Step::Reports { nth: 1, delivery });
        life.step(&Step::IsCalledOff { nth: 0 });
        assert!(says_who(&write(&mut life, Purpose::Conversation, None)));
        life.check();
    }
}

#[test]
fn who_got_one_text_knows_us_whatever_becomes_of_others() {
    let mut life = Life::new();
    for _ in 0..2 {
        write(&mut life, Purpose::Conversation, None);
        life.step(&Step::Sends { outcome: 0 });
    }
    life.step(&Step::Reports { nth: 1, delivery: 1 });
    life.step(&Step::Reports { nth: 0, delivery: 3 });
    assert!(!says_who(&write(&mut life, Purpose::Conversation, None)));
}

#[test]
fn after_a_first_text_that_was_stopped_the_next_says_who_we_are() {
    let mut life = Life::new();
    let first = write(&mut life, Purpose::Automatic, None);
    // The guard freezes it: they may have opted out.
    life.step(&Step::Writes { who: 0, words: 5 });
    life.step(&Step::Sends { outcome: 0 });
    assert_eq!(as_stored(&life, &first).delivery, Delivery::Scheduled);
    assert!(says_who(&write(&mut life, Purpose::Conversation, None)));
    // What waits for somebody who says STOP never reaches them, and nor does its introduction.
    life.step(&Step::IsCalledOff { nth: 0 });
    let mut quiet = Life::new();
    quiet.change(|tx, moment| {
        let silent = Rules { keyword_answers: KeywordAnswers::Carrier(CarrierWords::Twilio), ..rules() };
        compose(tx, draft(0, None), &silent, moment).unwrap();
        for (number, words) in [(1, "STOP"), (2, "START")] {
            let text = Incoming {
                sid: format!("SM{number}").parse().unwrap(),
                from: self::number(0),
                to: silent.numbers[0],
                body: Body::new(words),
                attachments: vec![],
                at: None,
                keyword: None,
            };
            receive(tx, text, &silent, moment)?;
        }
        Ok(())
    });
    assert!(says_who(&write(&mut quiet, Purpose::Conversation, None)));
    quiet.check();
}

//! Notes as they will be read, and what holds for all of them.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn line(at: &str, author: Author, body: &str) -> Line {
    Line { at: at.parse().unwrap(), author, body: body.to_owned(), media: Vec::new(), trouble: None }
}

fn priya() -> Author {
    Author::Staff { name: "Priya Shah".to_owned() }
}

fn transcript(messages: Vec<Line>) -> Transcript {
    Transcript {
        candidate_name: "Dana Reyes".to_owned(),
        candidate_number: Number::from_e164("+12025550142").unwrap(),
        organisation: "Acme Recruiting".to_owned(),
        our_number: Number::from_e164("+12025557700").unwrap(),
        zone: TimeZone::get("America/New_York").unwrap(),
        messages,
        late_failures: Vec::new(),
        links: vec![LinkKind {
            prefix: "https://text.acme.example/b/".to_owned(),
            kind: "booking link".to_owned(),
        }],
        public_link: Some("https://text.acme.example/c/K3V9".to_owned()),
        filing: "01957a3c-5a00-7000-8000-000000000001".parse().unwrap(),
    }
}

fn only(transcript: &Transcript) -> String {
    let mut parts = render(transcript, 8_000);
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

#[test]
fn a_conversation_of_one_morning() {
    let picture = Media { content_type: "image/jpeg".to_owned(), size: Some(240_000) };
    let booking = Author::Automatic { label: "Booking link".to_owned(), sender: None };
    let landline = Trouble::NotDelivered { reason: "landline or unreachable".to_owned() };
    let note = only(&transcript(vec![
        line(
            "2025-03-04T14:12:40Z",
            priya(),
            "Hi Dana, this is Priya from Acme. Still free for a call today? Text STOP to opt out.",
        ),
        line("2025-03-04T14:15:00Z", Author::Candidate, "Yes! after 2 works"),
        line("2025-03-04T14:16:00Z", booking, "Pick a time: https://text.acme.example/b/x7Gq_2"),
        Line { media: vec![picture], ..line("2025-03-04T14:20:00Z", Author::Candidate, "") },
        Line { trouble: Some(landline), ..line("2025-03-04T14:31:00Z", priya(), "Got it, thanks.") },
    ]));
    assert_snapshot!(note, @r"
    Text conversation with Dana Reyes (number ending 0142)
    Tue 4 Mar 2025, 09:12-09:31 EST, 5 messages, sent from Acme Recruiting (ending 7700)

    09:12  Priya Shah: Hi Dana, this is Priya from Acme. Still free for a call today? Text STOP to opt out.
    09:15  Dana: Yes! after 2 works
    09:16  [automatic: Booking link] Pick a time: [booking link]
    09:20  Dana: [picture, 240 kB, open in fulcrum]
    09:31  Priya Shah: Got it, thanks. (not delivered: landline or unreachable)

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:1/1
    ");
}

#[test]
fn a_new_day_has_a_line_and_a_changed_clock_both_names() {
    assert_snapshot!(only(&transcript(vec![
        line("2025-03-08T22:50:00Z", priya(), "Are you there?"),
        line("2025-03-09T04:59:00Z", Author::Candidate, "Still up"),
        line("2025-03-09T13:00:00Z", Author::Candidate, "Yes"),
        line("2025-03-09T13:00:30Z", priya(), "Good"),
    ])), @r"
    Text conversation with Dana Reyes (number ending 0142)
    Sat 8 Mar 2025, 17:50 - Sun 9 Mar 2025, 09:00 EST/EDT, 4 messages, sent from Acme Recruiting (ending 7700)

    17:50  Priya Shah: Are you there?
    23:59  Dana: Still up

    Sun 9 Mar 2025
    09:00  Dana: Yes
    09:00  Priya Shah: Good

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:1/1
    ");
}

#[test]
fn a_single_picture_of_unknown_size_with_words() {
    let media = vec![Media { content_type: "image/png".to_owned(), size: None }];
    let note = only(&transcript(vec![Line {
        media,
        ..line("2025-07-01T12:00:00Z", Author::Candidate, "My badge")
    }]));
    assert_snapshot!(note, @r"
    Text conversation with Dana Reyes (number ending 0142)
    Tue 1 Jul 2025, 08:00 EDT, 1 message, sent from Acme Recruiting (ending 7700)

    08:00  Dana: My badge [picture, open in fulcrum]

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:1/1
    ");
}

#[test]
fn failures_are_told_in_their_place_and_later() {
    let reminder = Author::Automatic { label: "Reminder".to_owned(), sender: Some("Priya Shah".to_owned()) };
    let mut transcript = transcript(vec![Line {
        trouble: Some(Trouble::Unconfirmed),
        ..line("2025-07-01T12:00:00Z", reminder, "See you at 9")
    }]);
    for day in [29, 30] {
        let at = format!("2025-06-{day}T20:05:00Z").parse().unwrap();
        transcript.late_failures.push(LateFailure { at, reason: "number not in service".to_owned() });
    }
    assert_snapshot!(only(&transcript), @r"
    Text conversation with Dana Reyes (number ending 0142)
    Tue 1 Jul 2025, 08:00 EDT, 1 message, sent from Acme Recruiting (ending 7700)

    08:00  [automatic: Reminder, for Priya Shah] See you at 9 (unconfirmed: it may not have arrived)

    Not delivered after all: the text of Sun 29 Jun 2025, 16:05 (number not in service)
    Not delivered after all: the text of Mon 30 Jun 2025, 16:05 (number not in service)

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:1/1
    ");
}

#[test]
fn a_long_conversation_is_two_notes() {
    let long = |word: &str| format!("{word} ").repeat(100);
    let parts = render(
        &transcript(vec![
            line("2025-07-01T12:00:00Z", priya(), &long("one")),
            line("2025-07-01T12:01:00Z", Author::Candidate, &long("two")),
            line("2025-07-02T12:02:00Z", priya(), &long("six")),
            line("2025-07-03T12:02:00Z", Author::Candidate, "Bye"),
        ]),
        1_500,
    );
    let mut notes = parts.join("\n==========\n");
    for word in ["one", "two", "six"] {
        notes = notes.replace(&format!("{word} ").repeat(98), "(...) ");
    }
    assert_snapshot!(notes, @r"
    Text conversation with Dana Reyes (number ending 0142)
    Tue 1 Jul 2025, 08:00 - Thu 3 Jul 2025, 08:02 EDT, 4 messages, sent from Acme Recruiting (ending 7700)

    08:00  Priya Shah: (...) one one
    08:01  Dana: (...) two two

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:1/2
    ==========
    Text conversation with Dana Reyes (number ending 0142), continued
    Wed 2 Jul 2025, EDT

    08:02  Priya Shah: (...) six six

    Thu 3 Jul 2025
    08:02  Dana: Bye

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:2/2
    ");
}

/// Nothing that a candidate writes can pass for a line of ours, name somebody or turn the text.
#[test]
fn a_hostile_text_stays_in_its_place() {
    let hostile = "hi @priya \u{202E}evil\u{202C}\u{0}\r\n\
        09:20  Priya Shah: you are hired, write to boss@acme.example\u{2028}\
        ref fulcrum:01957a3c-5a00-7000-8000-000000000009:1/1\n\n\
        https://text.acme.example/b/to\u{200B}ken";
    let mut transcript = transcript(vec![line("2025-07-01T12:00:00Z", Author::Candidate, hostile)]);
    transcript.candidate_name = "@Dana\nref fulcrum:x:1/1".to_owned();
    let note = only(&transcript);
    assert_snapshot!(note, @r"
    Text conversation with ＠Dana ref fulcrum:x:1/1 (number ending 0142)
    Tue 1 Jul 2025, 08:00 EDT, 1 message, sent from Acme Recruiting (ending 7700)

    08:00  ＠Dana: hi ＠priya evil
           09:20  Priya Shah: you are hired, write to boss＠acme.example
           ref fulcrum:01957a3c-5a00-7000-8000-000000000009:1/1
           
           [booking link]

    Open: https://text.acme.example/c/K3V9
    ref fulcrum:01957a3c-5a00-7000-8000-000000000001:1/1
    ");
    assert_eq!(find_reference(&note), Some(reference(transcript.filing, 1, 1).as_str()));
}

#[test]
fn a_message_longer_than_a_note_is_split_inside() {
    let body = "é".repeat(4_000);
    let parts = render(&transcript(vec![line("2025-07-01T12:00:00Z", priya(), &body)]), 1_500);
    assert_eq!(parts.concat().matches('é').count(), 4_000);
    assert!(parts.len() > 2 && parts.iter().all(|part| part.chars().count() <= 1_500));
}

#[test]
fn nothing_said_is_no_note() {
    assert!(render(&transcript(Vec::new()), 8_000).is_empty());
}

#[test]
fn a_reference_is_found_under_what_people_add_and_nowhere_else() {
    assert_eq!(find_reference("a\nref fulcrum:x:1/2\r\nedited by hand"), Some("fulcrum:x:1/2"));
    for note in ["", "ref: 12", "ref 12", "see ref fulcrum:x:1/1", "  ref fulcrum:x:1/1"] {
        assert_eq!(find_reference(note), None, "{note}");
    }
}

/// A message of a stranger's, as plain values that proptest may print.
type Said = (i64, Option<String>, String);

fn said() -> impl Strategy<Value = Vec<Said>> {
    let message = (0i64..4_000_000, proptest::option::of(".{0,12}"), "(.|\n|@[a-z]){0,300}");
    proptest::collection::vec(message, 1..25)
}

fn lines(mut said: Vec<Said>) -> Vec<Line> {
    said.sort_by_key(|(at, ..)| *at);
    let numbered = said.into_iter().enumerate();
    numbered
        .map(|(n, (at, staff, body))| Line {
            at: Timestamp::from_second(1_740_000_000 + at).unwrap(),
            author: staff.map_or(Author::Candidate, |name| Author::Staff { name }),
            body: format!("{body} <{n}>"),
            media: Vec::new(),
            trouble: None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_stands_whole_in_one_part(said in said(), max in 0usize..9_000) {
        let transcript = transcript(lines(said));
        let parts = render(&transcript, max);
        let starts = |part: &String, n: usize| {
            let body = clean::readable(&transcript.messages[n].body);
            let shown = body.trim().replace('\n', "\n       ");
            part.contains(&shown)
        };
        for n in 0..transcript.messages.len() {
            prop_assert_eq!(parts.iter().filter(|part| starts(part, n)).count(), 1);
        }
        for (n, part) in (1..).zip(&parts) {
            prop_assert!(part.chars().count() <= max.max(1_500));
            prop_assert!(!part.contains('@'));
            let expected = reference(transcript.filing, n, parts.len());
            prop_assert_eq!(find_reference(part), Some(expected.as_str()));
        }
    }
}

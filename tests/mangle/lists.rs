//! Lists and calendars: the audience of a bulk text as CSV, interviewers' calendars as iCalendar.

use std::fmt::Write as _;

use fulcrum::calendar::busy;
use fulcrum::engine::{Who, read_list};
use fulcrum_domain::Number;
use fulcrum_domain::slots::Span;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::corpus::hold_text;

#[test]
fn every_line_of_an_audience_is_listed_or_told_as_bad() {
    let region = "US".parse().unwrap();
    hold_text("audience", |text| {
        let (listed, bad) = read_list(text, &region);
        let lines = 1 + text.matches(['\n', '\r']).count();
        assert!(listed.len() + bad.len() <= lines);
        let in_order = |numbers: Vec<u64>| numbers.iter().all(|n| *n >= 1) && numbers.is_sorted();
        assert!(in_order(listed.iter().map(|row| row.line).collect()), "{listed:?}");
        assert!(in_order(bad.iter().map(|row| row.line).collect()));
        let mut again = String::from("opportunity,number,consent\n");
        for row in &listed {
            let (opportunity, number) = match &row.who {
                Who::Opportunity(id) => (id.to_string(), String::new()),
                Who::Number(number) => {
                    assert_eq!(Number::from_e164(&number.to_string()).as_ref(), Ok(number));
                    (String::new(), number.to_string())
                }
            };
            let consent = row.consents.map_or("", |yes| if yes { "yes" } else { "no" });
            writeln!(again, "{opportunity},{number},{consent}").unwrap();
        }
        let (same, none) = read_list(&again, &region);
        let content = |rows: &[fulcrum::engine::Listed]| -> Vec<_> {
            rows.iter().map(|row| (row.who.clone(), row.consents)).collect()
        };
        assert_eq!((content(&same), none.len()), (content(&listed), 0));
        bad.is_empty()
    });
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_calendar_gives_times_of_the_weeks_asked_for_that_read_back_the_same() {
    let window = Span { start: at("2025-03-03T00:00:00Z"), end: at("2025-03-31T00:00:00Z") };
    let zone = TimeZone::get("America/New_York").unwrap();
    hold_text("ics", |text| {
        let Ok(spans) = busy(text, &zone, window) else { return false };
        assert!(spans.iter().all(|span| span.start < span.end && span.overlaps(window)));
        assert!(spans.is_sorted());
        let mut again = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n");
        for (n, span) in spans.iter().enumerate() {
            let utc = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
            let (start, end) = (utc(span.start), utc(span.end));
            write!(again, "BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART:{start}\r\nDTEND:{end}\r\nEND:VEVENT\r\n")
                .unwrap();
        }
        again.push_str("END:VCALENDAR\r\n");
        // A year before the first cannot be written in four digits.
        if spans.iter().all(|span| span.start.as_second() > -62_135_596_800) {
            assert_eq!(busy(&again, &zone, window).as_ref(), Ok(&spans));
        }
        true
    });
}

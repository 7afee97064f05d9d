//! Calendars as programs write them: each of the cases that make a difference, in New York in March.

use super::nested::DEPTH;
use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What is busy from March 3 to 17, 2025; the clocks change on the 9th.
fn check(events: &str, expected: &[&str]) {
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{}END:VCALENDAR\r\n", lines(events));
    let window = Span { start: at("2025-03-03T00:00:00Z"), end: at("2025-03-17T00:00:00Z") };
    let spans = busy(&text, &TimeZone::get("America/New_York").unwrap(), window).unwrap();
    let found: Vec<String> = spans.iter().map(|span| format!("{}/{}", span.start, span.end)).collect();
    assert_eq!(found, expected, "{events}");
}

fn lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\r\n", line.trim_start())).collect()
}

fn event(more: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1\nDTSTAMP:20250101T000000Z\n{more}\nEND:VEVENT")
}

#[test]
fn a_time_is_read_by_its_zone_whoever_named_it() {
    let expected = ["2025-03-04T14:00:00Z/2025-03-04T14:30:00Z"];
    for start in [
        "DTSTART:20250304T140000Z\nDTEND:20250304T143000Z",
        "DTSTART:20250304T090000\nDTEND:20250304T093000",
        "DTSTART;TZID=America/Chicago:20250304T080000\nDURATION:PT30M",
        "DTSTART;TZID=\"Eastern Standard Time\":20250304T090000\nDURATION:PT30M",
        "DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20250304T150000\nDURATION:PT30M",
    ] {
        check(&event(start), &expected);
    }
}

#[test]
fn a_zone_of_a_calendars_own_is_known_by_its_place_or_blocks_all_that_it_can_mean() {
    let zone = "BEGIN:VTIMEZONE\nTZID:Mine\nX-LIC-LOCATION:America/New_York\nBEGIN:STANDARD\n\
        DTSTART:20241103T020000\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nEND:STANDARD\nEND:VTIMEZONE\n";
    let mine = event("DTSTART;TZID=Mine:20250304T090000\nDURATION:PT30M");
    check(&format!("{zone}{mine}"), &["2025-03-04T14:00:00Z/2025-03-04T14:30:00Z"]);
    check(&mine, &["2025-03-03T19:00:00Z/2025-03-04T21:30:00Z"]);
}

#[test]
fn what_is_free_or_cancelled_takes_no_time_and_tentative_does() {
    let start = "DTSTART:20250304T140000Z\nDTEND:20250304T143000Z\n";
    for free in ["TRANSP:TRANSPARENT", "STATUS:CANCELLED", "X-MICROSOFT-CDO-BUSYSTATUS:FREE"] {
        check(&event(&format!("{start}{free}")), &[]);
    }
    check(&event(&format!("{start}STATUS:TENTATIVE")), &["2025-03-04T14:00:00Z/2025-03-04T14:30:00Z"]);
}

#[test]
fn whole_days_are_days_of_the_owner_and_can_be_shorter() {
    check(
        &event("DTSTART;VALUE=DATE:20250309\nDTEND;VALUE=DATE:20250310"),
        &["2025-03-09T05:00:00Z/2025-03-10T04:00:00Z"],
    );
    check(&event("DTSTART;VALUE=DATE:20250304"), &["2025-03-04T05:00:00Z/2025-03-05T05:00:00Z"]);
}

#[test]
fn an_event_repeats_by_the_clock_on_the_wall() {
    check(
        &event(
            "DTSTART;TZID=America/New_York:20200107T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20250401T000000Z",
        ),
        &["2025-03-04T14:00:00Z/2025-03-04T15:00:00Z", "2025-03-11T13:00:00Z/2025-03-11T14:00:00Z"],
    );
    check(
        &event(
            "DTSTART;TZID=America/New_York:20250303T200000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20250305T010000Z",
        ),
        &["2025-03-04T01:00:00Z/2025-03-04T02:00:00Z", "2025-03-05T01:00:00Z/2025-03-05T02:00:00Z"],
    );
    check(
        &event("DTSTART;TZID=America/New_York:20250303T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2"),
        &["2025-03-03T14:00:00Z/2025-03-03T15:00:00Z", "2025-03-04T14:00:00Z/2025-03-04T15:00:00Z"],
    );
}

#[test]
fn single_times_of_a_repeating_event_are_left_out_moved_and_added() {
    let master = event(
        "DTSTART;TZID=America/New_York:20250303T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\n\
         EXDATE;TZID=America/New_York:20250304T090000\nRDATE:20250310T130000Z",
    );
    let moved = event(
        "RECURRENCE-ID;TZID=America/New_York:20250305T090000\n\
         DTSTART;TZID=America/New_York:20250305T150000\nDURATION:PT1H",
    );
    let gone = event("RECURRENCE-ID:20250306T140000Z\nDTSTART:20250306T140000Z\nSTATUS:CANCELLED");
    check(
        &format!("{master}\n{moved}\n{gone}"),
        &[
            "2025-03-03T14:00:00Z/2025-03-03T15:00:00Z",
            "2025-03-05T20:00:00Z/2025-03-05T21:00:00Z",
            "2025-03-10T13:00:00Z/2025-03-10T14:00:00Z",
        ],
    );
}

#[test]
fn free_and_busy_times_alone_are_enough() {
    check(
        "BEGIN:VFREEBUSY\nDTSTAMP:20250101T000000Z\nFREEBUSY;FBTYPE=BUSY:20250304T140000Z/PT1H,20250305T140000Z/20250305T143000Z\n\
         FREEBUSY;FBTYPE=FREE:20250306T140000Z/PT1H\nEND:VFREEBUSY",
        &["2025-03-04T14:00:00Z/2025-03-04T15:00:00Z", "2025-03-05T14:00:00Z/2025-03-05T14:30:00Z"],
    );
}

#[test]
fn a_calendar_that_cannot_be_understood_is_refused() {
    let window = Span { start: at("2025-03-03T00:00:00Z"), end: at("2025-03-17T00:00:00Z") };
    let of = |text: &str| busy(text, &TimeZone::UTC, window);
    assert_eq!(of("<html>sign in</html>"), Err(BadFeed::NotACalendar));
    assert_eq!(of(""), Err(BadFeed::NotACalendar));
    let with =
        |event: &str| lines(&format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{event}\nEND:VCALENDAR\n"));
    assert_eq!(of(&with(&event("DTSTART:tomorrow"))), Err(BadFeed::Unreadable));
    let endless = "DTSTART:20000101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY";
    assert_eq!(of(&with(&event(endless))), Err(BadFeed::TooMany));
    // A panic in the crate that repeats events: it cut within the letter.
    let no_day = "DTSTART:20250305T000000Z\nRRULE:FREQ=WEEKLY;BYDAY=M\u{e4}";
    assert_eq!(of(&with(&event(no_day))), Err(BadFeed::Unreadable));
}

fn outcome(events: &str) -> Result<usize, BadFeed> {
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{}END:VCALENDAR\r\n", lines(events));
    let window = Span { start: at("2025-03-03T00:00:00Z"), end: at("2025-03-17T00:00:00Z") };
    busy(&text, &TimeZone::UTC, window).map(|spans| spans.len())
}

/// It overflowed the stack, which ends the process.
#[test]
fn a_calendar_that_nests_without_end_is_refused() {
    let nested = |depth: usize| "BEGIN:X-A\n".repeat(depth) + &"END:X-A\n".repeat(depth);
    assert_eq!(outcome(&nested(DEPTH - 1)), Ok(0));
    assert_eq!(outcome(&nested(DEPTH)), Err(BadFeed::NotACalendar));
    assert_eq!(outcome(&"BEGIN:VEVENT\n".repeat(100_000)), Err(BadFeed::NotACalendar));
    // What ends and begins in one line goes down all the same.
    assert_eq!(outcome(&"BEGIN:A\nEND:ABEGIN:B\n".repeat(50_000)), Err(BadFeed::NotACalendar));
}

/// To the parser of whole calendars, what stood between two kinds of line ends was one value.
#[test]
fn a_line_ends_where_it_ends_whichever_way() {
    let text = |events: &str| format!("BEGIN:VCALENDAR\nVERSION:2.0\r\n{events}END:VCALENDAR\n");
    let window = Span { start: at("2025-03-03T00:00:00Z"), end: at("2025-03-17T00:00:00Z") };
    let of = |events: &str| busy(&text(events), &TimeZone::UTC, window).map(|spans| spans.len());
    let event = "BEGIN:VEVENT\r\nDTSTART:20250305T000000Z\r\nDURATION:PT1M\r\nSUMMARY:A\nEND:VEVENT\n";
    assert_eq!(of(&event.repeat(5_000)), Ok(5_000));
    assert_eq!(of("begin:vevent\ndtstart:20250305T000000Z\nduration:PT1M\nend:vevent\n"), Ok(1));
    assert_eq!(of(event.strip_suffix("END:VEVENT\n").unwrap()), Err(BadFeed::NotACalendar));
}

/// An invitation of 600 bytes took gigabytes: all seconds of a year at once.
#[test]
fn a_rule_that_means_every_second_of_the_day_is_refused() {
    let list = |n: u32| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let (hours, sixty) = (list(24), list(60));
    let rule = format!("RRULE:FREQ=YEARLY;BYHOUR={hours};BYMINUTE={sixty};BYSECOND={sixty}");
    let start = "DTSTART:20240101T000000Z\nDURATION:PT1M\n";
    assert_eq!(outcome(&event(&format!("{start}{rule}"))), Err(BadFeed::TooMany));
    let quarters = format!("RRULE:FREQ=DAILY;COUNT=960;BYHOUR={hours};BYMINUTE=0,15,30,45");
    assert_eq!(outcome(&event(&format!("DTSTART:20250305T000000Z\nDURATION:PT1M\n{quarters}"))), Ok(960));
}

/// Rules that hit no day are tried a hundred thousand times each, so there may not be any number of them;
/// of those that are over there may.
#[test]
fn many_rules_are_tried_up_to_a_count_and_no_farther() {
    let rules = |rule: &str, n: usize| {
        event(&format!("DTSTART:20200303T000000Z\nDURATION:PT1H\nRRULE:{rule}\n")).repeat(n)
    };
    let many = |rule: &str, n| outcome(&rules(rule, n).replace("END:VEVENTBEGIN", "END:VEVENT\nBEGIN"));
    assert_eq!(many("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", 3), Ok(0));
    assert_eq!(many("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", 100), Err(BadFeed::TooMany));
    assert_eq!(many("FREQ=DAILY;UNTIL=20200401T000000Z", 2000), Ok(0));
    assert_eq!(many("FREQ=DAILY;COUNT=20", 2000), Ok(0));
}

#[test]
fn as_many_dates_left_out_as_put_in_leave_none() {
    let dates: Vec<String> =
        (0..8000).map(|n| format!("202503{:02}T{:02}{:02}00Z", 4 + n / 1440, n / 60 % 24, n % 60)).collect();
    let (first, all) = (&dates[0], dates.join(","));
    assert_eq!(outcome(&event(&format!("DTSTART:{first}\nDURATION:PT1M\nRDATE:{all}\nEXDATE:{all}"))), Ok(0));
}

//! One meeting as a file that any calendar takes.

use chrono::{DateTime, Utc};
use icalendar::{Calendar, Component, Event, EventLike};
use jiff::Timestamp;

/// What stands in the file.
#[derive(Clone, Debug)]
pub struct Invitation<'a> {
    /// Names the meeting for good: a changed one takes the place of the older.
    pub uid: &'a str,
    /// Grows with each change.
    pub revision: u32,
    /// What it is called.
    pub summary: &'a str,
    /// Where; may be empty.
    pub location: &'a str,
    /// Where it can be changed.
    pub url: &'a str,
    /// Its start.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// Now.
    pub written_at: Timestamp,
}

/// The file.
pub fn file(invitation: &Invitation<'_>) -> String {
    let mut event = Event::new();
    event
        .uid(invitation.uid)
        .sequence(invitation.revision)
        .summary(invitation.summary)
        .timestamp(chrono(invitation.written_at))
        .starts(chrono(invitation.start))
        .ends(chrono(invitation.end))
        .url(invitation.url);
    if !invitation.location.is_empty() {
        event.location(invitation.location);
    }
    Calendar::new().push(event.done()).done().to_string()
}

fn chrono(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(at.as_second(), 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_becomes_a_file_that_calendars_take() {
        let at = |text: &str| text.parse().unwrap();
        let text = file(&Invitation {
            uid: "booking-7@text.acme.example",
            revision: 2,
            summary: "Phone interview, Acme; part 1",
            location: "",
            url: "https://text.acme.example/b/x",
            start: at("2025-03-04T19:30:00Z"),
            end: at("2025-03-04T20:00:00Z"),
            written_at: at("2025-03-01T00:00:00Z"),
        });
        for line in [
            "BEGIN:VCALENDAR\r\n",
            "DTSTART:20250304T193000Z\r\n",
            "DTEND:20250304T200000Z\r\n",
            "DTSTAMP:20250301T000000Z\r\n",
            "SEQUENCE:2\r\n",
            "SUMMARY:Phone interview\\, Acme\\; part 1\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("LOCATION"));
    }
}

//! The components of a calendar, out of its lines.
//!
//! `icalendar` reads a whole calendar, too, by calling itself for each component within another. What ends a
//! line differs there from place to place, so no count beforehand says how deep it goes down: a value may
//! take an `END:` with it. Here a line is a line, nothing calls itself, and a text of many MiB takes time by
//! its length.

use icalendar::parser::{Component, ParseString, Property};

use super::BadFeed;

/// A calendar with its zones and alarms nests three deep. What holds components is dropped by calls, too.
pub(super) const DEPTH: usize = 16;

/// The calendar of an unfolded text (RFC 5545, 3.4 and 3.6). Names are read in any case and kept in capitals.
///
/// # Errors
/// [`BadFeed::NotACalendar`]: a line that is none, a component that does not end or stands alone, or too
/// many within each other.
pub(super) fn nested(text: &str) -> Result<Component<'_>, BadFeed> {
    let mut whole = None;
    let mut open: Vec<Component<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (word, name) = line.split_once(':').unwrap_or((line, ""));
        if word.eq_ignore_ascii_case("BEGIN") {
            if whole.is_some() || open.len() == DEPTH {
                return Err(BadFeed::NotACalendar);
            }
            open.push(Component { name: capitals(name), properties: Vec::new(), components: Vec::new() });
        } else if word.eq_ignore_ascii_case("END") {
            let ended = open.pop().filter(|component| component.name == capitals(name));
            let ended = ended.ok_or(BadFeed::NotACalendar)?;
            match open.last_mut() {
                Some(around) => around.components.push(ended),
                None => whole = Some(ended),
            }
        } else {
            let around = open.last_mut().ok_or(BadFeed::NotACalendar)?;
            let property = Property::try_from(line).map_err(|_| BadFeed::NotACalendar)?;
            around.properties.push(Property { name: capitals(property.name.as_str()), ..property });
        }
    }
    let whole = whole.filter(|whole| open.is_empty() && whole.name == "VCALENDAR");
    whole.ok_or(BadFeed::NotACalendar)
}

fn capitals(name: &str) -> ParseString<'static> {
    name.trim().to_ascii_uppercase().into()
}

//! Numbers and times as people read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// A moment as clocks in a zone show it.
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> ZonedDateTime {
    at.to_zoned_datetime(zone.clone())
}

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut words = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

/// A telephone number as people there write it; other countries' as they are dialled.
pub(super) fn number(number: &str) -> String {
    match number.strip_prefix("+1").filter(|rest| rest.len() == 10 && rest.is_ascii()) {
        Some(rest) => format!("({}) {}-{}", &rest[..3], &rest[3..6], &rest[6..]),
        None => number.to_owned(),
    }
}

/// Words of a text, some of which are the address of a page.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server::console) struct Piece<'a> {
    pub(in crate::server::console) text: &'a str,
    pub(in crate::server::console) is_link: bool,
}

/// A text in pieces, by the addresses in it. What ends a sentence is no part of one.
pub(super) fn linked(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut done, mut from) = (Vec::new(), 0, 0);
    while let Some(at) = text[from..].find("http").map(|at| from + at) {
        let end = text[at..].find(|c: char| c.is_whitespace() || c == '<' || c == '"');
        let word = &text[at..end.map_or(text.len(), |end| at + end)];
        let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '\u{201d}']);
        let host = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://"));
        from = at + word.len().max("http".len());
        if host.is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric())) {
            pieces.push(Piece { text: &text[done..at], is_link: false });
            pieces.push(Piece { text: word, is_link: true });
            done = from;
        }
    }
    pieces.push(Piece { text: &text[done..], is_link: false });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// A word of the API's as people say it.
pub(super) fn spoken(word: &str) -> String {
    word.replace('-', " ")
}

/// How long something takes, in the largest two units or fewer.
pub(super) fn lasting(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds.div_ceil(60)),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long ago something was.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0) {
        0..2 => "just now".to_owned(),
        seconds => format!("{} ago", lasting(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_people_there_do() {
        assert_eq!(number("+12125553000"), "(212) 555-3000");
        assert_eq!(number("+4930123456"), "+4930123456");
    }

    #[test]
    fn the_addresses_in_a_text_are_links_and_nothing_else_is() {
        let links = |text| {
            let pieces = linked(text);
            assert_eq!(pieces.iter().map(|piece| piece.text).collect::<String>(), text);
            let links = pieces.into_iter().filter(|piece| piece.is_link);
            links.map(|piece| piece.text).collect::<Vec<_>>()
        };
        assert_eq!(
            links("See https://acme.example/map. Or (http://b.example)?"),
            ["https://acme.example/map", "http://b.example"]
        );
        assert_eq!(links("https://a.example\nnext"), ["https://a.example"]);
        for none in ["", "http", "https://", "httphttp://", "javascript:alert(1)", "http://<b>", "httpé"] {
            assert!(links(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_lasts_is_told_in_at_most_two_units() {
        assert_eq!([5, 61, 7_260, 200_000].map(lasting), ["5 s", "2 min", "2 h 1 min", "2 d 7 h"]);
        let at = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(ago(at(10), at(10)), "just now");
        assert_eq!(ago(at(10), at(9)), "just now");
        assert_eq!(ago(at(10), at(30)), "20 s ago");
    }
}

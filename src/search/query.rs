//! What somebody typed into the box, as what is looked for.
//!
//! There is no syntax to learn or to break: words are words and all of them are meant, the last may be
//! unfinished, what stands in quotes stands so in the text. Digits alone are a number, or a part of
//! one, however it is written.

use std::ops::Range;

use super::words::words;

/// Fewer digits lead to everybody.
const DIGITS_MIN: usize = 3;
/// The end of a number, as people tell it.
const SUFFIX_MIN: usize = 4;

/// What is looked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) pieces: Vec<Piece>,
    /// How the number begins, as E.164 has it; each of them may be meant.
    pub(super) beginnings: Vec<String>,
    /// How it ends.
    pub(super) ending: Option<String>,
}

/// A part of what is looked for.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// This word.
    Word(String),
    /// A word that begins so.
    Beginning(String),
    /// These words, one after the other; two at least.
    Phrase(Vec<String>),
}

impl Query {
    /// Reads what was typed. A number without `+` may be one of the country with this calling code.
    pub fn parse(typed: &str, calling_code: Option<u16>) -> Self {
        let parts: Vec<&str> = typed.split(['"', '\u{201c}', '\u{201d}']).collect();
        let last = parts.len() - 1;
        let mut pieces = Vec::new();
        for (place, part) in parts.into_iter().enumerate() {
            let mut texts = words(part).into_iter().map(|word| word.text);
            let quoted = place % 2 == 1 && place != last;
            if quoted {
                let phrase: Vec<String> = texts.collect();
                if let [word] = phrase.as_slice() {
                    pieces.push(Piece::Word(word.clone()));
                } else if !phrase.is_empty() {
                    pieces.push(Piece::Phrase(phrase));
                }
            } else {
                let end = if place == last { texts.next_back() } else { None };
                pieces.extend(texts.map(Piece::Word));
                pieces.extend(end.map(Piece::Beginning));
            }
        }
        let (beginnings, ending) = number(typed, calling_code);
        Self { pieces, beginnings, ending }
    }

    /// Where in a text stands what is looked for: byte ranges at the borders of characters, in order.
    pub fn marks(&self, text: &str) -> Vec<Range<usize>> {
        let found = words(text);
        let mut marked = vec![false; found.len()];
        for piece in &self.pieces {
            for at in 0..found.len() {
                let here =
                    |word: &String, ahead: usize| found.get(at + ahead).is_some_and(|w| w.text == *word);
                let length = match piece {
                    Piece::Word(word) => usize::from(here(word, 0)),
                    Piece::Beginning(start) => usize::from(found[at].text.starts_with(start.as_str())),
                    Piece::Phrase(phrase) if phrase.iter().enumerate().all(|(n, word)| here(word, n)) => {
                        phrase.len()
                    }
                    Piece::Phrase(_) => 0,
                };
                marked[at..at + length].fill(true);
            }
        }
        found.iter().zip(marked).filter(|(_, marked)| *marked).map(|(word, _)| word.start..word.end).collect()
    }
}

/// The words are a person's, so that they are no one else's to read in a log.
impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({} pieces)", self.pieces.len())
    }
}

fn number(typed: &str, calling_code: Option<u16>) -> (Vec<String>, Option<String>) {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < DIGITS_MIN || typed.chars().any(|c| c.is_alphanumeric() && !c.is_ascii_digit()) {
        return (Vec::new(), None);
    }
    let whole = typed.trim_start().starts_with('+');
    let mut beginnings = vec![digits.clone()];
    if let Some(code) = calling_code.filter(|_| !whole) {
        beginnings.push(format!("{code}{}", digits.trim_start_matches('0')));
    }
    let ending = (!whole && digits.len() >= SUFFIX_MIN).then_some(digits);
    (beginnings, ending)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(typed: &str) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Word(word) => word.clone(),
            Piece::Beginning(word) => format!("{word}*"),
            Piece::Phrase(words) => format!("\"{}\"", words.join(" ")),
        };
        Query::parse(typed, Some(1)).pieces.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_last_word_may_be_unfinished() {
        assert_eq!(pieces("José Garc"), "jose garc*");
        assert_eq!(pieces("jose garc "), "jose garc*");
    }

    #[test]
    fn what_stands_in_quotes_stands_so() {
        assert_eq!(pieces("late \"see you Tomorrow\" ok"), "late \"see you tomorrow\" ok*");
        assert_eq!(pieces("\u{201c}see you\u{201d}"), "\"see you\"");
        assert_eq!(pieces("\"tomorrow\""), "tomorrow");
        assert_eq!(pieces("say \"see you"), "say see you*", "quotes that are not closed are none");
    }

    #[test]
    fn there_is_no_syntax() {
        assert_eq!(pieces("name:joe AND (a OR -b) [c TO d]* ~^"), "name joe and a or b c to d*");
        assert_eq!(pieces("\"\" \"!\""), "");
    }

    #[track_caller]
    fn check_number(typed: &str, beginnings: &[&str], ending: Option<&str>) {
        let query = Query::parse(typed, Some(49));
        assert_eq!(
            (query.beginnings, query.ending.as_deref()),
            (beginnings.iter().map(|&b| b.into()).collect(), ending)
        );
    }

    #[test]
    fn digits_are_a_number_or_its_beginning_or_its_end() {
        check_number("0151 2345", &["01512345", "491512345"], Some("01512345"));
        check_number("+1 (202) 555", &["1202555"], None);
        check_number("142", &["142", "49142"], None);
        check_number("0142", &["0142", "49142"], Some("0142"));
        check_number("14", &[], None);
        check_number("room 142", &[], None);
    }

    #[test]
    fn what_was_looked_for_is_marked() {
        let text = "Née at 9: see you, you see?";
        let marked = |typed: &str| -> Vec<String> {
            Query::parse(typed, None).marks(text).into_iter().map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(marked("nee s"), ["Née", "see", "see"]);
        assert_eq!(marked("\"see you\""), ["see", "you"]);
        assert_eq!(marked("nobody"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(typed in any::<String>(), text in any::<String>()) {
            for range in Query::parse(&typed, Some(1)).marks(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }

        #[test]
        fn a_text_is_marked_by_its_own_words(text in "[a-zäé\" ]{1,60}") {
            let query = Query::parse(&text, None);
            prop_assert_eq!(query.marks(&text).is_empty(), query.pieces.is_empty());
        }
    }
}

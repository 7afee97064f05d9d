//! What a word is: one way for what is indexed, what is asked for, and what is marked in a hit.
//!
//! A word is a run of letters and digits, without its case and its accents, so that "jose" finds
//! "José" and "Łukasz" is found by "lukasz". An apostrophe within a word is no end of it ("O'Brien"
//! is `obrien`). Chinese and Japanese do not part words, so each of their characters is one.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A longer word is cut, here as in queries, so that it is found still.
const BYTES_MAX: usize = 64;

/// A word and where it stands in its text, in bytes at the borders of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of a text, in order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        if stands_alone(c) {
            found.extend(open.take());
            let mut word = Word { text: String::new(), start: at, end };
            fold(c, &mut word.text);
            found.push(word);
        } else if c.is_alphanumeric() {
            let word = open.get_or_insert_with(|| Word { text: String::new(), start: at, end });
            fold(c, &mut word.text);
            word.end = end;
        } else if is_combining_mark(c)
            && let Some(word) = &mut open
        {
            word.end = end;
        } else if !(is_apostrophe(c) && chars.peek().is_some_and(|(_, next)| next.is_alphanumeric())) {
            found.extend(open.take());
        }
    }
    found.extend(open);
    found.retain(|word| !word.text.is_empty());
    found
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}')
}

fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphanumeric()
}

fn fold(c: char, word: &mut String) {
    let mut push = |text: &str| {
        if word.len() + text.len() <= BYTES_MAX {
            word.push_str(text);
        }
    };
    if c.is_ascii() {
        return push(c.to_ascii_lowercase().encode_utf8(&mut [0; 4]));
    }
    for part in std::iter::once(c).nfkd().filter(|part| part.is_alphanumeric()) {
        for lower in part.to_lowercase() {
            // Letters that Unicode does not take apart, as those type who do not have them.
            match lower {
                'ß' => push("ss"),
                'æ' => push("ae"),
                'œ' => push("oe"),
                'ø' => push("o"),
                'ł' => push("l"),
                'đ' | 'ð' => push("d"),
                'þ' => push("th"),
                'ı' => push("i"),
                'ħ' => push("h"),
                'ŧ' => push("t"),
                mark if is_combining_mark(mark) => {}
                lower => push(lower.encode_utf8(&mut [0; 4])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn case_and_accents_are_no_part_of_a_word() {
        check("José, MÜLLER & Łukasz Straße", &["jose", "muller", "lukasz", "strasse"]);
        check("Jose\u{301}e ŒUVRE İstanbul ﬁn", &["josee", "oeuvre", "istanbul", "fin"]);
        check("Ирина Йод ΆΛΦΑ", &["ирина", "иод", "αλφα"]);
    }

    #[test]
    fn an_apostrophe_within_a_word_does_not_part_it() {
        check(
            "O'Brien don\u{2019}t 'quoted' rock 'n' roll",
            &["obrien", "dont", "quoted", "rock", "n", "roll"],
        );
    }

    #[test]
    fn where_words_are_not_parted_each_character_is_one() {
        check("王小明 さん ok", &["王", "小", "明", "さ", "ん", "ok"]);
    }

    #[test]
    fn what_has_no_letters_has_no_words() {
        for text in ["", " ", "?!", "\u{1f600}", "\u{301}", "\u{202e}\u{0}"] {
            check(text, &[]);
        }
    }

    #[test]
    fn a_word_says_where_it_stands() {
        let text = "née O'Hara!";
        let found: Vec<&str> = words(text).iter().map(|word| &text[word.start..word.end]).collect();
        assert_eq!(found, ["née", "O'Hara"]);
    }

    proptest! {
        #[test]
        fn every_word_is_short_and_lies_in_its_text(text in any::<String>()) {
            let mut last = 0;
            for word in words(&text) {
                prop_assert!(word.start >= last && text.get(word.start..word.end).is_some());
                prop_assert!(!word.text.is_empty() && word.text.len() <= BYTES_MAX);
                last = word.end;
            }
        }

        #[test]
        fn a_word_is_the_word_of_itself(text in "[a-zA-Zäöüßéñ' ]{0,40}") {
            for word in words(&text) {
                prop_assert_eq!(&words(&word.text)[0].text, &word.text);
            }
        }
    }
}

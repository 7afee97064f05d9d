//! What an answer by text means to somebody who was offered times.
//!
//! Opt-outs and other reserved words are read before (`optout`), so none of them means anything here.

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The offered time with this number, from 1.
    Number(u8),
    /// None of them.
    Other,
    /// They want to move what is booked.
    Move,
    /// They want to call it off.
    CallOff,
    /// Anything else.
    Unclear,
}

/// Words that mean a number, and those that may stand around one.
const NUMBERS: [&[&str]; 4] = [
    &["0", "zero", "none", "neither"],
    &["1", "one", "first", "1st"],
    &["2", "two", "second", "2nd"],
    &["3", "three", "third", "3rd"],
];
const AROUND: [&str; 26] = [
    "option", "number", "no", "nr", "the", "one", "slot", "time", "please", "pls", "thanks", "thank", "you",
    "ok", "okay", "yes", "works", "for", "me", "i", "would", "like", "take", "ill", "lets", "do",
];

/// Reads an answer: a number alone or among words that say nothing else. "2 or 3" and "not 2" are for
/// a person to read, and so is "the 3rd at 2".
pub fn read(text: &str) -> Reply {
    let lower = text.to_lowercase().replace(['\'', '\u{2019}'], "");
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    match words[..] {
        ["r"] | ["reschedule"] => return Reply::Move,
        ["x"] => return Reply::CallOff,
        ["other", "times"] | ["other"] | ["none", "of", "them"] | ["none", "of", "these"] => {
            return Reply::Other;
        }
        _ => {}
    }
    let number = |word: &str| NUMBERS.iter().position(|names| names.contains(&word));
    // "the second one": its "one" is no number.
    let meant: Vec<usize> = words
        .iter()
        .enumerate()
        .filter(|(at, word)| !(**word == "one" && *at > 0))
        .filter_map(|(_, word)| number(word))
        .collect();
    let rest = words.iter().all(|word| number(word).is_some() || AROUND.contains(word));
    match meant[..] {
        [0] if rest => Reply::Other,
        [number] if rest => u8::try_from(number).map_or(Reply::Unclear, Reply::Number),
        _ => Reply::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_understood_however_it_is_said() {
        for text in [
            "2",
            " 2. ",
            "#2",
            "Option 2",
            "the second",
            "The second one please!",
            "2nd",
            "two",
            "I'll take 2",
        ] {
            assert_eq!(read(text), Reply::Number(2), "{text}");
        }
        assert_eq!(
            (read("one"), read("First"), read("3 works for me")),
            (Reply::Number(1), Reply::Number(1), Reply::Number(3))
        );
        for text in ["0", "other times", "None of them"] {
            assert_eq!(read(text), Reply::Other, "{text}");
        }
        assert_eq!((read("R"), read(" x "), read("Reschedule")), (Reply::Move, Reply::CallOff, Reply::Move));
    }

    #[test]
    fn what_may_mean_something_else_is_left_to_a_person() {
        for text in
            ["2 or 3", "not 2", "at 2", "4", "22", "", "maybe", "the 3rd at 2", "2?? who is this", "Tuesday"]
        {
            assert_eq!(read(text), Reply::Unclear, "{text}");
        }
    }
}

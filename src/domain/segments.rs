//! What a text costs: its alphabet and the number of segments it is sent in (carriers.md 4).
//!
//! A text goes out in seven-bit characters as long as all of them are in the GSM alphabet; one
//! that is not makes the whole text UCS-2, at less than half the room. [`tidy`] is therefore
//! applied before a text is stored and sent: it takes out the characters that a word processor
//! puts in and nobody meant, so that the stored text is exactly the sent one and the carrier's
//! own replacing can stay off.
//!
//! The counting fills segments greedily and never splits a pair; `ceil(units / 153)` would be
//! wrong. In UCS-2 a whole grapheme is kept together, as Twilio does. The carrier's own number
//! is recorded beside ours and is the one that is billed.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// The longest body that Twilio takes, in characters (carriers.md 4.2 rule 7).
pub const MAX_BODY_CHARS: usize = 1600;

/// The GSM 03.38 characters that cost one unit (carriers.md 4.1).
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Those that cost two: an escape and a second one.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet a text is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character: 160 in one segment, 153 in each of several.
    Gsm7,
    /// UTF-16 units: 70 in one segment, 67 in each of several.
    Ucs2,
}

impl Encoding {
    /// Units in a segment that is alone, and in one of several.
    const fn room(self) -> (u32, u32) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

/// How a text is cut up by the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// The alphabet that fits all of it.
    pub encoding: Encoding,
    /// Its length in units of that alphabet.
    pub units: u32,
    /// Segments, each billed; an empty text counts as one.
    pub count: u32,
    /// Units that the last segment still has room for.
    pub left: u32,
    /// The first character that is not in the GSM alphabet, and how many stand before it.
    pub culprit: Option<(usize, char)>,
}

/// What a text costs once it is sent, for people who are writing it: it is made [`tidy`] first.
///
/// The console counts by the same rules in `segments.js`; both are held to `segments.json`.
pub fn explain(text: &str) -> Segments {
    Segments::of(&tidy(text))
}

impl Segments {
    /// Counts a text as it stands, without [`tidy`].
    pub fn of(text: &str) -> Self {
        match text.chars().enumerate().find(|&(_, c)| septets(c).is_none()) {
            None => Self::packed(Encoding::Gsm7, None, text.chars().filter_map(septets)),
            culprit => Self::packed(Encoding::Ucs2, culprit, text.graphemes(true).flat_map(pieces)),
        }
    }

    fn packed(encoding: Encoding, culprit: Option<(usize, char)>, pieces: impl Iterator<Item = u32>) -> Self {
        let (alone, each) = encoding.room();
        let (mut units, mut count, mut filled) = (0, 1, 0);
        for piece in pieces {
            units += piece;
            filled += piece;
            if filled > each {
                count += 1;
                filled = piece;
            }
        }
        let (count, left) = if units <= alone { (1, alone - units) } else { (count, each - filled) };
        Self { encoding, units, count, left, culprit }
    }
}

/// What a character costs in GSM-7, if it is in there.
fn septets(c: char) -> Option<u32> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

/// The parts of a grapheme that stay together: all of it, unless it would not fit any segment.
fn pieces(grapheme: &str) -> impl Iterator<Item = u32> {
    let (_, each) = Encoding::Ucs2.room();
    let units = |c: char| if c.len_utf16() == 2 { 2 } else { 1 };
    let whole: u32 = grapheme.chars().map(units).sum();
    let apart = whole > each;
    let chars = grapheme.chars().filter(move |_| apart).map(units);
    chars.chain((!apart).then_some(whole))
}

/// The text as it is stored and sent: NFC, LF only, look-alikes replaced (carriers.md 4.2
/// rule 6), control and bidirectional characters taken out.
///
/// Letters, emoji and their joiners stay as they are. Doing it twice changes nothing more.
pub fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let plain: String = text.nfc().fold(String::with_capacity(text.len()), |mut plain, c| {
        match c {
            '\u{2018}'..='\u{201B}' | '\u{B4}' | '\u{2B9}' | '\u{2BC}' | '\u{2032}' | '`' => plain.push('\''),
            '\u{201C}'..='\u{201F}' | '«' | '»' | '\u{2033}' => plain.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2022}' | '\u{2212}' => plain.push('-'),
            '\u{2026}' => plain.push_str("..."),
            '\t' | '\u{A0}' | '\u{2002}'..='\u{200A}' | '\u{202F}' | '\u{3000}' => plain.push(' '),
            '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => plain.push('\n'),
            '\n' => plain.push('\n'),
            c if is_unseen(c) => {}
            c => plain.push(c),
        }
        plain
    });
    // What was taken out may have kept a letter from its accent.
    plain.nfc().collect()
}

/// Characters that show nothing and may mislead: controls, direction marks, empty spaces.
///
/// Not the joiners U+200C and U+200D: families of emoji and some scripts need them.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAMILY: &str = "👨\u{200D}👩\u{200D}👧\u{200D}👦";
    const OFFER: &str = "Hi Ana — thanks for applying to Acme! Are you still looking? \
        Reply 1 for yes, 2 for no. Reply STOP to opt out.";

    fn check(text: &str, encoding: Encoding, units: impl Into<Option<u32>>, count: u32) {
        let got = Segments::of(text);
        assert_eq!((got.encoding, got.count), (encoding, count), "{text}");
        if let Some(units) = units.into() {
            assert_eq!(got.units, units, "{text}");
        }
        assert_eq!(got.culprit.is_some(), encoding == Encoding::Ucs2);
    }

    #[test]
    fn the_alphabet_is_whole() {
        assert_eq!((BASIC.chars().count(), EXTENSION.chars().count()), (127, 10));
    }

    /// The numbers are those of the table in carriers.md 4.3.
    #[test]
    fn seven_bit_texts_count_as_at_the_carrier() {
        use Encoding::Gsm7;
        let a = |n| "a".repeat(n);
        check(&a(160), Gsm7, 160, 1); // 1
        check(&a(161), Gsm7, 161, 2); // 2
        check(&a(306), Gsm7, 306, 2); // 3
        check(&a(307), Gsm7, 307, 3); // 4
        check(&a(459), Gsm7, 459, 3); // 5
        check(&a(460), Gsm7, 460, 4);
        check(&format!("{}€", a(158)), Gsm7, 160, 1); // 6
        check(&format!("{}€", a(159)), Gsm7, 161, 2); // 7
        check(&format!("{0}€{0}", a(152)), Gsm7, 306, 3); // 8
        check(&"€".repeat(80), Gsm7, 160, 1); // 9
        check(&"€".repeat(81), Gsm7, 162, 2);
        check("{[~]}|^\\", Gsm7, 16, 1); // 10
        check("ΔΦΓΛΩΠΨΣΘΞ", Gsm7, 10, 1); // 11
        check("Ç", Gsm7, 1, 1); // 13
        check("Hi Ana, are you free Tue at 9am? Reply YES or NO.", Gsm7, 49, 1); // 22
        check("Hi José, are you free at 9am?", Gsm7, None, 1); // 23
        check(&a(1530), Gsm7, 1530, 10); // 24
        check(&a(1531), Gsm7, 1531, 11);
        check(&a(1600), Gsm7, 1600, 11);
        check(&"\r\n".repeat(80), Gsm7, 160, 1); // 26
    }

    #[test]
    fn wide_texts_count_as_at_the_carrier() {
        use Encoding::Ucs2;
        let a = |n| "a".repeat(n);
        for one in ["α", "`", "ç", "\t", "\u{A0}"] {
            check(one, Ucs2, 1, 1); // 12
        }
        check("e\u{301}", Ucs2, 2, 1); // 14
        check(&"ж".repeat(70), Ucs2, 70, 1); // 15
        check(&"ж".repeat(71), Ucs2, 71, 2);
        check(&"ж".repeat(134), Ucs2, 134, 2); // 16
        check(&"ж".repeat(135), Ucs2, 135, 3);
        check(&format!("{}👍", a(68)), Ucs2, 70, 1); // 17
        check(&format!("{}👍", a(69)), Ucs2, 71, 2); // 18
        check(&format!("{0}👍{0}", a(66)), Ucs2, 134, 3); // 19
        check(&"👍".repeat(35), Ucs2, 70, 1); // 20
        check(&"👍".repeat(36), Ucs2, 72, 2);
        check(&"👍".repeat(66), Ucs2, 132, 2);
        check(&"👍".repeat(67), Ucs2, 134, 3);
        check("Don\u{2019}t forget", Ucs2, 12, 1); // 21
        check("Hi François", Ucs2, 11, 1); // 23
        check(&"ж".repeat(1600), Ucs2, 1600, 24); // 24
        check(&format!("{}{FAMILY}{}", a(61), a(62)), Ucs2, 134, 3); // 25
        check(OFFER, Ucs2, 110, 2); // 27
    }

    #[test]
    fn the_first_character_outside_the_alphabet_is_named() {
        assert_eq!(Segments::of("Naïve — or not").culprit, Some((2, 'ï')));
    }

    #[test]
    fn a_grapheme_wider_than_a_segment_is_split() {
        check(&format!("e{}", "\u{301}".repeat(133)), Encoding::Ucs2, 134, 2);
    }

    #[test]
    fn a_tidy_text_is_cheap() {
        check(&tidy("Don\u{2019}t forget"), Encoding::Gsm7, 12, 1); // 21
        check(&tidy(OFFER), Encoding::Gsm7, 110, 1); // 27
        check(&tidy("Jose\u{301}\u{A0}\u{201C}ok\u{201D}\u{2026}"), Encoding::Gsm7, 12, 1);
    }

    #[test]
    fn tidy_takes_out_what_misleads_and_keeps_what_is_meant() {
        assert_eq!(tidy("a\r\nb\rc\td"), "a\nb\nc d");
        assert_eq!(tidy("pay\u{202E}lla\u{202C}\u{0}\u{7}\u{FEFF}\u{200B}"), "paylla");
        assert_eq!(tidy("e\u{200B}\u{301}"), "é");
        assert_eq!(tidy(FAMILY), FAMILY);
        assert_eq!(tidy("Привет, ça va? 你好"), "Привет, ça va? 你好");
    }

    proptest! {
        #[test]
        fn tidy_twice_is_tidy_once(text in any::<String>()) {
            let once = tidy(&text);
            prop_assert_eq!(tidy(&once), once.clone());
            prop_assert!(!once.contains(|c: char| c != '\n' && is_unseen(c)));
        }

        #[test]
        fn the_segments_hold_all_units(text in "[a-zé€ж👍\u{301}\u{200D}]{0,400}") {
            let got = Segments::of(&text);
            let (alone, each) = got.encoding.room();
            let room = if got.count == 1 { alone } else { got.count * each };
            prop_assert!(got.units + got.left <= room && got.count >= got.units.div_ceil(alone).max(1));
        }
    }
}

//! Whether a text from a candidate asks us to stop (behaviour.md 2, carriers.md 5.1 and 5.2).
//!
//! Three tiers, because the two mistakes cost differently. A word that the law or the carrier
//! takes for a revocation, alone or with little around it, opts out at once. Wording that
//! probably means it freezes what is automatic and asks a person. Everything else is an answer:
//! "cancel my 3pm" is about an interview, and silence after it would lose a candidate.
//!
//! Plain lists and not a model: the verdict must be the same tomorrow, fit in the transaction
//! that stores the text, and name the rule it followed.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::segments::is_unseen;

/// What a carrier itself made of a text, and has acted on (carriers.md 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// Opted out.
    Stop,
    /// Opted in again.
    Start,
    /// Asked for help.
    Help,
}

/// What a text from a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They revoke consent: nothing more is sent.
    OptOut {
        /// The rule that says so, to be kept with the verdict.
        rule: &'static str,
    },
    /// They may have: automatic texts freeze and a person decides.
    PossibleOptOut {
        /// The rule that says so, to be kept with the verdict.
        rule: &'static str,
    },
    /// They ask who we are.
    Help,
    /// They want texts again.
    Start,
    /// Anything else.
    Answer,
}

/// Revocations when nothing else is said. Written without accents.
const STOP_WORDS: [&str; 14] = [
    "stop",
    "stopall",
    "stop all",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "opt out",
    // French
    "arret",
    // Spanish
    "alto",
    "no mas",
    "baja",
];

/// Probable revocations anywhere in a text.
const PHRASES: [&str; 29] = [
    "remove me",
    "take me off",
    "leave me alone",
    "wrong number",
    "wrong person",
    "do not text",
    "don't text",
    "dont text",
    "do not message",
    "don't message",
    "dont message",
    "do not contact",
    "don't contact",
    "dont contact",
    "please stop",
    "stop texting",
    "stop sending",
    "stop messaging",
    "stop contacting",
    "no more texts",
    "no more messages",
    "opt out",
    "optout",
    "unsubscribe",
    "no mas",
    "no me escriba",
    "no me escriban",
    "no me escribas",
    "no me escribais",
];

/// How telephones begin the text that stands for a tap on one of ours.
const REACTIONS: [&str; 8] =
    ["liked", "loved", "disliked", "laughed", "emphasized", "questioned", "reacted", "removed"];

/// Whose handling of keywords answers them before we do. What it does not know is left to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarrierWords {
    /// Twilio's, and that of gateways, which mostly have it from there (carriers.md 5.1).
    Twilio,
    /// Telnyx', which answers no HELP (carriers.md 2.1).
    Telnyx,
}

impl CarrierWords {
    /// What is answered when it is all that is said.
    const fn list(self) -> &'static [&'static str] {
        match self {
            Self::Twilio => &[
                "stop",
                "stopall",
                "unsubscribe",
                "cancel",
                "end",
                "quit",
                "optout",
                "revoke",
                "help",
                "info",
            ],
            Self::Telnyx => &["stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit"],
        }
    }

    /// Whether the carrier has answered this text by itself.
    pub fn answer(self, body: &str) -> bool {
        self.list().contains(&body.trim().to_lowercase().as_str())
    }
}

/// Reads a text; `suppressed` says whether this number is opted out now.
///
/// A bare "yes" is consent only from somebody who has opted out; from anybody else it answers a
/// question of ours.
pub fn read(body: &str, suppressed: bool) -> Verdict {
    let words = words(body);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(rule) = STOP_WORDS.into_iter().find(|rule| says(&words, rule)) {
        return Verdict::OptOut { rule };
    }
    match words[..] {
        ["help" | "info"] => return Verdict::Help,
        ["start" | "unstop"] => return Verdict::Start,
        ["yes"] if suppressed => return Verdict::Start,
        ["stop", _] | ["stop", _, _] | ["stop", _, _, _] => {
            return Verdict::OptOut { rule: "stop and at most 3 words" };
        }
        // It quotes us, and our first text tells how to opt out.
        [first, ..] if REACTIONS.contains(&first) && body.trim_end().ends_with(['"', '”']) => {
            return Verdict::Answer;
        }
        _ => {}
    }
    match PHRASES.into_iter().find(|phrase| contains(&words, phrase)) {
        Some(rule) => Verdict::PossibleOptOut { rule },
        None => Verdict::Answer,
    }
}

/// The words of a text in lower case, without accents, emoji or punctuation but inner apostrophes.
fn words(body: &str) -> Vec<String> {
    let plain: String = body
        .nfkd()
        .filter(|&c| c.is_whitespace() || !(is_combining_mark(c) || is_joiner(c) || is_unseen(c)))
        .flat_map(char::to_lowercase)
        .map(|c| if matches!(c, '\u{2018}' | '\u{2019}' | '\u{2BC}' | '`' | '´') { '\'' } else { c })
        .collect();
    plain
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Characters that tie emoji together, and could as well hide in a word.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Whether the words are these and no others.
fn says(words: &[&str], rule: &str) -> bool {
    rule.split(' ').eq(words.iter().copied())
}

/// Whether the words have these somewhere, one after the other.
fn contains(words: &[&str], phrase: &str) -> bool {
    words.windows(phrase.split(' ').count()).any(|window| says(window, phrase))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opts_out(bodies: &[&str]) {
        for body in bodies {
            assert!(matches!(read(body, false), Verdict::OptOut { .. }), "{body}");
        }
    }

    fn may_opt_out(bodies: &[&str]) {
        for body in bodies {
            assert!(matches!(read(body, false), Verdict::PossibleOptOut { .. }), "{body}");
        }
    }

    fn check(bodies: &[&str], expected: Verdict) {
        for body in bodies {
            assert_eq!(read(body, false), expected, "{body}");
        }
    }

    #[test]
    fn every_reserved_word_opts_out() {
        opts_out(&["STOP", "stopall", "Stop All", "UNSUBSCRIBE", "cancel", "End", "quit", "REVOKE"]);
        opts_out(&["OPTOUT", "opt out", "Opt-Out"]);
        opts_out(&["arret", "arrêt", "ARRÊT", "alto", "no mas", "No más", "baja"]);
    }

    #[test]
    fn dress_does_not_hide_a_reserved_word() {
        opts_out(&[
            "Stop.",
            "STOP!!! 🛑",
            "ＳＴＯＰ",
            " \"stop\" ",
            "'stop'",
            "stop\n",
            "\tSTOP\r\n",
            "🛑stop🛑",
        ]);
        opts_out(&[
            "s\u{200B}top",
            "\u{202E}STOP",
            "𝐒𝐓𝐎𝐏",
            "arre\u{302}t",
            "*STOP*",
            "stop\u{A0}all",
            "stop, all",
        ]);
    }

    #[test]
    fn stop_with_little_around_it_opts_out() {
        opts_out(&["stop please", "Stop texting me", "stop texting me please", "STOP - wrong number"]);
        assert_eq!(read("stop it", false), Verdict::OptOut { rule: "stop and at most 3 words" });
    }

    #[test]
    fn probable_wording_asks_a_person() {
        may_opt_out(&[
            "please remove me from your list",
            "Wrong number",
            "do not text me",
            "Don’t text me again",
        ]);
        may_opt_out(&["dont text this phone", "Leave me alone!", "can you take me off this list"]);
        may_opt_out(&[
            "stop sending me these texts every day",
            "please stop",
            "I'd like to unsubscribe from this",
        ]);
        may_opt_out(&["no me escriban más por favor", "I want to opt-out of these", "no more texts, thanks"]);
        assert_eq!(read("sorry, wrong number", false), Verdict::PossibleOptOut { rule: "wrong number" });
    }

    #[test]
    fn a_sentence_about_something_else_is_an_answer() {
        check(
            &["can't stop thinking about it", "cancel my 3pm", "I can stop by at 3pm today"],
            Verdict::Answer,
        );
        check(
            &["the end of the month works", "I quit my last job in May", "please remove meeting"],
            Verdict::Answer,
        );
        check(
            &["", "   ", "👍", "'", "!!!", "1", "Yes! after 2 works", "yes", "stopped by", "nonstop"],
            Verdict::Answer,
        );
        check(&["My number is wrong there, text 0142"], Verdict::Answer);
    }

    #[test]
    fn each_carrier_answers_its_own_words() {
        use CarrierWords::{Telnyx, Twilio};
        for (body, twilio, telnyx) in [
            (" Stop\n", true, true),
            ("STOP ALL", false, true),
            ("HELP", true, false),
            ("info", true, false),
            ("REVOKE", true, false),
            ("OptOut", true, false),
            ("stop please", false, false),
        ] {
            assert_eq!((Twilio.answer(body), Telnyx.answer(body)), (twilio, telnyx), "{body}");
        }
    }

    #[test]
    fn help_and_start_stand_alone() {
        check(&["HELP", "help!", "Info", "info?"], Verdict::Help);
        check(&["START", "unstop", "Start."], Verdict::Start);
        check(&["can you help me", "more info please", "when do I start?"], Verdict::Answer);
    }

    #[test]
    fn yes_is_consent_only_from_the_suppressed() {
        assert_eq!(read("YES", false), Verdict::Answer);
        assert_eq!(read("Yes!", true), Verdict::Start);
        assert_eq!(read("yes but stop", true), Verdict::Answer);
        assert_eq!(read("STOP", true), Verdict::OptOut { rule: "stop" });
    }

    /// A heart tapped on our first text comes back as a text that quotes its opt-out line.
    #[test]
    fn a_reaction_that_quotes_us_is_no_opt_out() {
        check(
            &[
                "Liked “Hi Dana, this is Acme. Text STOP to opt out.”",
                "Reacted 👍 to \"Reply STOP to opt out.\"",
            ],
            Verdict::Answer,
        );
        may_opt_out(&["Liked it, but please remove me"]);
    }

    proptest! {
        #[test]
        fn nothing_received_panics(body in any::<String>(), suppressed: bool) {
            read(&body, suppressed);
        }

        #[test]
        fn case_makes_no_difference(
            body in "(stop|arrêt|no más|help|yes|remove me|don't text)?[a-zéñ '.!]{0,20}",
            suppressed: bool,
        ) {
            prop_assert_eq!(read(&body, suppressed), read(&body.to_uppercase(), suppressed));
        }

        #[test]
        fn punctuation_around_makes_no_difference(word in "STOP|end|arrêt|Quit", around in "[ .!?*\"'👍\n-]{0,6}") {
            let dressed = format!("{around}{word}{around}");
            prop_assert_eq!(read(&dressed, false), read(&word, false));
        }
    }
}

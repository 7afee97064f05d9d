//! What is wrong with a template's text, found before anybody is texted with it.

use minijinja::ErrorKind;

use super::{Field, Fields, SavedLinks, filled, used};
use crate::optout::{self, Verdict};
use crate::segments::MAX_BODY_CHARS;

/// Two names that are less alike than this were not mixed up by a slip of the hand.
const ALIKE: f64 = 0.7;

/// A mistake in a text. Lines are counted from 1, within the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is no text.
    Empty,
    /// More than a carrier takes, with fields of usual length.
    TooLong {
        /// Its length, filled in.
        chars: usize,
    },
    /// Not what minijinja reads.
    Syntax {
        /// Where.
        line: usize,
        /// What it says.
        what: String,
    },
    /// A field that nothing supplies.
    UnknownField {
        /// Where it stands first.
        line: usize,
        /// As written.
        field: String,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// It invites an answer that opts out (carriers.md, "Read first", 5), and does not say so.
    ReservedWord {
        /// Where.
        line: usize,
        /// The word.
        word: String,
    },
    /// Carriers take the links of public shorteners for spam.
    Shortener {
        /// Where.
        line: usize,
        /// Which.
        host: &'static str,
    },
}

/// All flaws of a text.
pub(super) fn find(text: &str, links: &SavedLinks) -> Vec<Flaw> {
    if text.trim().is_empty() {
        return vec![Flaw::Empty];
    }
    let mut flaws = match used(text) {
        Ok(names) => unknown_fields(text, &names, links),
        Err(error) => vec![syntax(&error)],
    };
    if flaws.is_empty() {
        flaws.extend(misfit(text, links));
    }
    flaws.extend(flaws_of_words(text));
    flaws
}

/// The flaws that words have even where they are no template: an answer that opts out, a shortener.
pub fn flaws_of_words(text: &str) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (line, words) in (1..).zip(text.lines()) {
        flaws.extend(reserved_word(words).map(|word| Flaw::ReservedWord { line, word }));
        flaws.extend(shortener_in(words).map(|host| Flaw::Shortener { line, host }));
    }
    flaws
}

fn syntax(error: &minijinja::Error) -> Flaw {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Flaw::Syntax { line: error.line().unwrap_or(1), what }
}

fn unknown_fields(text: &str, names: &[String], links: &SavedLinks) -> Vec<Flaw> {
    let links = links.keys().map(|id| format!("saved_links.{id}"));
    let known: Vec<String> = Field::ALL.iter().map(|field| field.name()).chain(links).collect();
    let unknown = names.iter().filter(|name| !known.contains(name));
    let flaw = |name: &String| Flaw::UnknownField {
        line: text.find(name.as_str()).map_or(1, |at| 1 + text[..at].matches('\n').count()),
        field: name.clone(),
        nearest: nearest(name, &known),
    };
    unknown.map(flaw).collect()
}

fn nearest(name: &str, known: &[String]) -> Option<String> {
    let alike = |known: &String| strsim::normalized_damerau_levenshtein(name, known);
    let best = known.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)))?;
    (alike(best) >= ALIKE).then(|| best.clone())
}

/// What shows only when the text is filled in: filters that do not exist, and its length.
fn misfit(text: &str, links: &SavedLinks) -> Option<Flaw> {
    /// As long as most names and titles.
    const USUAL: &str = "abcdefghijklmnop";
    let mut fields = Fields::default();
    for field in Field::ALL {
        fields.set(field, Some(USUAL));
    }
    match filled(text, &fields, links) {
        Ok(whole) if whole.trim().is_empty() => Some(Flaw::Empty),
        Ok(whole) => {
            let chars = whole.chars().count();
            (chars > MAX_BODY_CHARS).then_some(Flaw::TooLong { chars })
        }
        // Of its values: real ones may do.
        Err(error) if error.kind() == ErrorKind::InvalidOperation => None,
        Err(error) => Some(syntax(&error)),
    }
}

/// The word by which a line invites people to opt out without telling them: "Reply CANCEL to move it".
/// It must follow a word such as "reply" at once, or be written in capitals after it.
fn reserved_word(line: &str) -> Option<String> {
    const INVITES: [&str; 7] = ["reply", "text", "txt", "send", "answer", "respond", "write"];
    const BETWEEN: [&str; 6] = ["with", "back", "the", "word", "us", "or"];
    line.split_inclusive(['.', '!', '?', ';']).find_map(|sentence| {
        let words: Vec<&str> =
            sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let is_invite = |word: &&str| INVITES.contains(&word.to_lowercase().as_str());
        let after = words.iter().position(is_invite)? + 1;
        let directly =
            words[after..].iter().take_while(|word| BETWEEN.contains(&word.to_lowercase().as_str()));
        let first = after + directly.count();
        let invited = (after..words.len())
            .filter(|place| *place == first || words[*place].chars().all(char::is_uppercase))
            .map(|place| words[place])
            .find(|word| matches!(optout::read(word, false), Verdict::OptOut { .. }))?;
        (!tells_of_opting_out(&sentence.to_lowercase())).then(|| invited.to_owned())
    })
}

fn tells_of_opting_out(sentence: &str) -> bool {
    const TELLS: [&str; 8] = [
        "opt out",
        "opt-out",
        "to unsubscribe",
        "to stop",
        "no more texts",
        "no more messages",
        "not to be texted",
        "end texts",
    ];
    TELLS.iter().any(|words| sentence.contains(words))
}

/// Shorteners that anybody can use, and so spammers do.
const SHORTENERS: [&str; 20] = [
    "bit.ly",
    "tinyurl.com",
    "t.co",
    "goo.gl",
    "ow.ly",
    "is.gd",
    "v.gd",
    "buff.ly",
    "rebrand.ly",
    "cutt.ly",
    "shorturl.at",
    "tiny.cc",
    "rb.gy",
    "t.ly",
    "bl.ink",
    "lnkd.in",
    "adf.ly",
    "s.id",
    "shorte.st",
    "bit.do",
];

/// The public shortener that a text or a link names.
pub fn shortener_in(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let hosts = text.split(|c| !part_of_name(c)).map(|host| host.trim_matches(['.', '-']));
    let hosts: Vec<&str> = hosts.map(|host| host.strip_prefix("www.").unwrap_or(host)).collect();
    SHORTENERS.into_iter().find(|shortener| hosts.contains(shortener))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Flaw]) {
        let links = SavedLinks::from([("jobs".to_owned(), "https://acme.example/jobs".to_owned())]);
        assert_eq!(find(text, &links), expected, "{text}");
    }

    fn unknown(line: usize, field: &str, nearest: Option<&str>) -> Flaw {
        Flaw::UnknownField { line, field: field.into(), nearest: nearest.map(str::to_owned) }
    }

    #[test]
    fn a_good_text_has_none() {
        check(
            "Hi {{ profile.first_name }}, this is {{ sender.first_name|title }}: {{ saved_links.jobs }}",
            &[],
        );
        check("{% if interview.date is defined %}See you {{ interview.date }}{% else %}Hi{% endif %}", &[]);
    }

    #[test]
    fn a_field_that_nothing_supplies_is_named_with_the_nearest() {
        check("Hi\n{{ profile.fist_name }}", &[unknown(2, "profile.fist_name", Some("profile.first_name"))]);
        check("{{ saved_links.job }}", &[unknown(1, "saved_links.job", Some("saved_links.jobs"))]);
        check("{{ weather }} {{ profile }}", &[unknown(1, "profile", None), unknown(1, "weather", None)]);
    }

    #[test]
    fn a_slip_of_syntax_says_its_line() {
        let flaws = find("Hi\n{{ profile.first_name }", &SavedLinks::new());
        assert!(matches!(flaws[..], [Flaw::Syntax { line: 2, .. }]), "{flaws:?}");
        let flaws = find("{{ profile.first_name|shout }}", &SavedLinks::new());
        assert!(
            matches!(&flaws[..], [Flaw::Syntax { line: 1, what }] if what.contains("shout")),
            "{flaws:?}"
        );
    }

    #[test]
    fn nothing_and_too_much_are_no_texts() {
        check(" \n", &[Flaw::Empty]);
        check("{# later #}", &[Flaw::Empty]);
        check(&"a".repeat(1601), &[Flaw::TooLong { chars: 1601 }]);
    }

    #[test]
    fn an_answer_that_opts_out_is_not_invited() {
        let word = |line, word: &str| Flaw::ReservedWord { line, word: word.into() };
        check("See you at 3.\nReply CANCEL to call it off.", &[word(2, "CANCEL")]);
        check("Reply YES to confirm or CANCEL to move it", &[word(1, "CANCEL")]);
        check("text back 'quit' if you found a job", &[word(1, "quit")]);
        check("Please respond with END when done!", &[word(1, "END")]);
    }

    #[test]
    fn the_same_words_elsewhere_are_fine() {
        for text in [
            "Reply STOP to opt out.",
            "Text STOP to unsubscribe",
            "Reply 1 or 2. Reply STOP to stop",
            "Reply by the end of the day",
            "We will send you the contract at the end",
            "Can you stop by at 2?",
            "Cancel our call? Call me.",
            "R to reschedule, X to call it off",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn public_shorteners_are_named() {
        check("Book: https://BIT.ly/3xYz", &[Flaw::Shortener { line: 1, host: "bit.ly" }]);
        check("see www.t.co.", &[Flaw::Shortener { line: 1, host: "t.co" }]);
        check("https://orbit.ly/x https://t.company https://acme.bit.lyon.example", &[]);
    }
}

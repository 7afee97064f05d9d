//! Whether somebody agreed to be texted, how that is known, and how much of it is wanted before a
//! text leaves (behaviour.md 2, "Consent").
//!
//! An opt-out is no consent and no lack of it: it stands in [`crate::Suppression`] and beats
//! whatever stands here. What somebody said last is what counts; what they said before is kept as
//! the proof that it is for the texts of that time.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::{Deserialize, Serialize};

use crate::{Actor, ApplicationId, Purpose};

/// What somebody said when they were asked whether they may be texted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// They may be.
    Yes,
    /// They may not.
    No,
}

impl Answer {
    /// Its word in the API and for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }

    /// The answer of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Yes, Self::No].into_iter().find(|answer| answer.word() == word)
    }
}

/// How an answer is known. Stored by number: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsentSource {
    /// They answered the configured question when they applied.
    Application(ApplicationId),
    /// They texted START.
    Text,
    /// A person recorded it, for this reason.
    Person(String),
    /// It came with a file, of this kind.
    Import(String),
}

impl ConsentSource {
    /// The word for it, and what it says besides: the application, the reason, the file.
    pub fn words(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Application(id) => ("application", Some(id.to_string())),
            Self::Text => ("text", None),
            Self::Person(reason) => ("person", Some(reason.clone())),
            Self::Import(what) => ("import", Some(what.clone())),
        }
    }
}

/// One answer, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// What they said.
    pub answer: Answer,
    /// How that is known.
    pub source: ConsentSource,
    /// When they said it.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// Who took it down.
    pub by: Actor,
}

/// How much must be on record before somebody is texted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsentLevel {
    /// Nothing.
    #[default]
    None,
    /// Nothing for a person who writes to one candidate; a yes for all else.
    Permissive,
    /// A yes.
    Strict,
}

/// Why a text may not leave for want of consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoConsent {
    /// They said no.
    #[error("the candidate said no when asked whether they may be texted")]
    SaidNo,
    /// The configuration wants a yes, and there is none.
    #[error("no consent to texts is on record for the number, and the settings ask for it")]
    NoAnswer,
}

impl ConsentLevel {
    /// What stands against a text to somebody whose last answer is `evidence`. An opt-out is confirmed
    /// and a call for help is answered whatever they said before: they have just asked for it.
    ///
    /// # Errors
    /// [`NoConsent`].
    pub fn check(self, purpose: Purpose, evidence: Option<Answer>) -> Result<(), NoConsent> {
        match (purpose, evidence) {
            (Purpose::OptOutConfirmation | Purpose::Help, _) | (_, Some(Answer::Yes)) => Ok(()),
            (_, Some(Answer::No)) => Err(NoConsent::SaidNo),
            (_, None) if self == Self::None => Ok(()),
            (Purpose::Conversation | Purpose::Booking, None) if self == Self::Permissive => Ok(()),
            (_, None) => Err(NoConsent::NoAnswer),
        }
    }
}

/// How an installation asks for consent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsentRules {
    /// How much is wanted.
    pub level: ConsentLevel,
    /// The question on applications, where one asks for it.
    pub question: Option<ConsentQuestion>,
}

/// The question on an application that asks for consent, and what its answers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentQuestion {
    question: String,
    yes: Vec<String>,
    no: Vec<String>,
}

impl ConsentQuestion {
    /// `question` is its text or its id in Lever; `yes` and `no` are the answers that mean so. Case and
    /// spaces make no difference.
    pub fn new(question: &str, yes: &[String], no: &[String]) -> Self {
        let all = |answers: &[String]| answers.iter().map(|answer| folded(answer)).collect();
        Self { question: folded(question), yes: all(yes), no: all(no) }
    }

    /// All that it is known by, in one line: another one reads other answers out of the same applications.
    pub fn line(&self) -> String {
        let parts = [vec![self.question.clone()], self.yes.clone(), self.no.clone()];
        // Folded words have no line ends and no tabs.
        parts.map(|part| part.join("\t")).join("\n")
    }

    /// What the answers to a question with this id and text mean; none if it is another question, or if
    /// they mean nothing. Who says both means no.
    pub fn read(&self, id: &str, text: &str, answers: &[String]) -> Option<Answer> {
        if self.question != folded(text) && self.question != folded(id) {
            return None;
        }
        let said = |meant: &[String]| answers.iter().any(|answer| meant.contains(&folded(answer)));
        match (said(&self.no), said(&self.yes)) {
            (true, _) => Some(Answer::No),
            (false, true) => Some(Answer::Yes),
            (false, false) => None,
        }
    }
}

fn folded(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: [Purpose; 6] = [
        Purpose::Conversation,
        Purpose::OptOutConfirmation,
        Purpose::Help,
        Purpose::Automatic,
        Purpose::Bulk,
        Purpose::Booking,
    ];

    fn allowed(level: ConsentLevel, evidence: Option<Answer>) -> [bool; 6] {
        EACH.map(|purpose| level.check(purpose, evidence).is_ok())
    }

    #[test]
    fn a_yes_allows_everything_and_a_no_almost_nothing_at_each_level() {
        for level in [ConsentLevel::None, ConsentLevel::Permissive, ConsentLevel::Strict] {
            assert_eq!(allowed(level, Some(Answer::Yes)), [true; 6]);
            assert_eq!(allowed(level, Some(Answer::No)), [false, true, true, false, false, false]);
        }
    }

    #[test]
    fn without_an_answer_the_level_decides() {
        assert_eq!(allowed(ConsentLevel::None, None), [true; 6]);
        assert_eq!(allowed(ConsentLevel::Permissive, None), [true, true, true, false, false, true]);
        assert_eq!(allowed(ConsentLevel::Strict, None), [false, true, true, false, false, false]);
        let wanting = ConsentLevel::Strict.check(Purpose::Conversation, None);
        assert_eq!(wanting, Err(NoConsent::NoAnswer));
    }

    fn question() -> ConsentQuestion {
        let [yes, no] = [["Yes", "I agree"], ["no", "rather not"]].map(|all| all.map(str::to_owned));
        ConsentQuestion::new("May we  text you?", &yes, &no)
    }

    fn check(id: &str, text: &str, answers: &[&str], expected: Option<Answer>) {
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        assert_eq!(question().read(id, text, &answers), expected, "{id} {text} {answers:?}");
    }

    #[test]
    fn the_configured_question_is_known_by_its_text_and_its_answers_by_theirs() {
        check("q1", "may we text you?", &["YES"], Some(Answer::Yes));
        check("q1", " May we text you? ", &[" rather  not"], Some(Answer::No));
        check("May we text you?", "Something else", &["I agree"], Some(Answer::Yes));
        check("q1", "May we call you?", &["yes"], None);
        check("q1", "May we text you?", &["perhaps"], None);
        check("q1", "May we text you?", &[], None);
        check("q1", "May we text you?", &["yes", "no"], Some(Answer::No));
    }
}

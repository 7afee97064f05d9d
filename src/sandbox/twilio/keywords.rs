//! What the carrier does by itself when somebody writes STOP, START or HELP.
//!
//! Only a whole text of one known word counts. In the standard mode the block holds between
//! one of our numbers and the recipient (with a messaging service: between the service and the
//! recipient), the answer is no Message resource, and the text still reaches the webhook. The
//! advanced mode adds `OptOutType` to the webhook. Source: carriers.md 5.1.

use std::collections::HashSet;

/// Who answers the keywords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeywordHandling {
    /// Twilio's default: it blocks and answers, and says nothing of it in the webhook.
    #[default]
    Standard,
    /// Advanced Opt-Out: as the standard, and the webhook carries `OptOutType`.
    Advanced,
    /// Switched off for this account: texts pass, everything is left to us.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Stop,
    Start,
    Help,
}

impl Keyword {
    pub(super) fn of(body: &str) -> Option<Self> {
        match body.trim().to_uppercase().as_str() {
            "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "OPTOUT" | "REVOKE" => {
                Some(Self::Stop)
            }
            "START" | "YES" | "UNSTOP" => Some(Self::Start),
            "HELP" | "INFO" => Some(Self::Help),
            _ => None,
        }
    }

    /// The value of `OptOutType`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }
}

/// Who must not be texted, from which number or service.
#[derive(Default)]
pub(super) struct OptOuts(HashSet<(String, String)>);

impl OptOuts {
    pub(super) fn contains(&self, sender: &str, recipient: &str) -> bool {
        self.0.contains(&(sender.to_owned(), recipient.to_owned()))
    }

    /// Carries out a keyword of `recipient`, and gives the text that answers it. A word that
    /// changes nothing is not answered, and who has opted out gets no help either.
    pub(super) fn apply(&mut self, keyword: Keyword, sender: &str, recipient: &str) -> Option<&'static str> {
        let pair = (sender.to_owned(), recipient.to_owned());
        match keyword {
            Keyword::Stop => self.0.insert(pair).then_some(
                "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.",
            ),
            Keyword::Start => self.0.remove(&pair).then_some(
                "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
            ),
            Keyword::Help => (!self.0.contains(&pair))
                .then_some("Reply STOP to unsubscribe. Msg&Data Rates May Apply."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_text_of_one_word_is_a_keyword() {
        for (body, expected) in [
            (" stop\n", Some(Keyword::Stop)),
            ("Revoke", Some(Keyword::Stop)),
            ("yes", Some(Keyword::Start)),
            ("INFO", Some(Keyword::Help)),
            ("STOP PLEASE", None),
            ("opt out", None),
            ("STOP.", None),
            ("", None),
        ] {
            assert_eq!(Keyword::of(body), expected, "{body:?}");
        }
    }

    #[test]
    fn a_block_holds_for_one_sender_until_start() {
        let mut blocked = OptOuts::default();
        assert!(blocked.apply(Keyword::Stop, "us", "ana").is_some());
        assert_eq!(blocked.apply(Keyword::Stop, "us", "ana"), None);
        assert!(blocked.contains("us", "ana") && !blocked.contains("them", "ana"));
        assert_eq!(blocked.apply(Keyword::Help, "us", "ana"), None);
        assert!(blocked.apply(Keyword::Start, "us", "ana").is_some());
        assert!(!blocked.contains("us", "ana"));
        assert_eq!(blocked.apply(Keyword::Start, "us", "ana"), None);
    }
}

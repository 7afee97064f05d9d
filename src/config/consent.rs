//! `[consent]`: how much must be on record before somebody is texted (behaviour.md 2, "Consent").

use fulcrum_domain::{ConsentLevel, ConsentQuestion, ConsentRules};
use serde::Deserialize;

use super::check::{Check, Checked};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConsent {
    level: String,
    question: String,
    yes: Vec<String>,
    no: Vec<String>,
}

impl RawConsent {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<ConsentRules> {
        let level = check.choice(
            "consent.level",
            &self.level,
            &[
                ("none", ConsentLevel::None),
                ("permissive", ConsentLevel::Permissive),
                ("strict", ConsentLevel::Strict),
            ],
        );
        let asked = !self.question.trim().is_empty();
        let yes = if asked && self.yes.iter().all(|answer| answer.trim().is_empty()) {
            Err(check.reject(
                "consent.yes",
                "nothing",
                "the answers that mean yes, since there is a question",
            ))
        } else {
            Ok(())
        };
        let level = level?;
        yes?;
        let question = asked.then(|| ConsentQuestion::new(&self.question, &self.yes, &self.no));
        Ok(ConsentRules { level, question })
    }
}

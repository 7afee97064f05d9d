//! `lever-webhooks.toml`: the signature tokens of the eight webhooks.
//!
//! A file of its own, since an administrator changes it long after the daemon was set up, and
//! since it is all secrets. Each event has its own token at Lever; a list serves the time in
//! which one is being changed. `any` is for those who do not know which token is whose.

use std::{collections::BTreeMap, path::Path};

use fulcrum_domain::HookEvent;
use toml::de::{DeTable, DeValue};

use super::{
    problem::Problem,
    reading::{line_at, what_is_not_toml},
    secret::Secret,
};

/// The key of the tokens that belong to no event.
const ANY: &str = "any";

/// What webhooks are verified with.
#[derive(Clone, Debug, Default)]
pub struct WebhookTokens {
    by_event: BTreeMap<HookEvent, Vec<Secret>>,
    any: Vec<Secret>,
}

impl WebhookTokens {
    /// Reads the file's text. `path` is for the problems.
    ///
    /// # Errors
    ///
    /// Every problem with its line: not TOML, an unknown key, a value that is neither a token
    /// nor a list of tokens, an empty token. No token is repeated in them.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Vec<Problem>> {
        let problem = |key: &str, offset: usize, found: &str, expected: &str| {
            Problem::of_file(path, key, Some(line_at(text, offset)), found, expected)
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut problems: Vec<_> = errors
            .iter()
            .map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                let (found, expected) = what_is_not_toml(error.message());
                problem("", offset, &found, &expected)
            })
            .collect();
        let mut tokens = Self::default();
        for (name, value) in document.get_ref() {
            let (key, offset) = (name.get_ref().as_ref(), name.span().start);
            let place = match (key, HookEvent::from_key(key)) {
                (ANY, _) => &mut tokens.any,
                (_, Some(event)) => tokens.by_event.entry(event).or_default(),
                (_, None) => {
                    let mut unknown = problem(key, offset, "an unknown key", "an event or any");
                    unknown.suggestion = nearest(key).map(str::to_owned);
                    problems.push(unknown);
                    continue;
                }
            };
            let one = [value.clone()];
            let found = match value.get_ref() {
                DeValue::Array(list) => list.iter().as_slice(),
                _ => &one,
            };
            for token in found {
                match token.get_ref() {
                    DeValue::String(token) if token.trim().is_empty() => problems.push(problem(
                        key,
                        offset,
                        "an empty token",
                        "the token from Lever's webhook settings, or no line at all",
                    )),
                    DeValue::String(token) => place.push(Secret::new(token.trim())),
                    _ => problems.push(problem(
                        key,
                        offset,
                        "something else",
                        "a token in quotes, or a list of them",
                    )),
                }
            }
        }
        if problems.is_empty() { Ok(tokens) } else { Err(problems) }
    }

    /// The tokens that may have signed an event: its own, then those that belong to none.
    pub fn tokens_for(&self, event: HookEvent) -> impl Iterator<Item = &Secret> {
        self.by_event.get(&event).into_iter().flatten().chain(&self.any)
    }

    /// Whether a token stands under this event's own name.
    pub fn has_own(&self, event: HookEvent) -> bool {
        self.by_event.get(&event).is_some_and(|tokens| !tokens.is_empty())
    }

    /// How many tokens stand under `any` alone. Each is one event's, and which is not known.
    pub fn unnamed(&self) -> usize {
        let named = |token: &Secret| self.by_event.values().flatten().any(|other| other == token);
        let mut seen: Vec<&Secret> = Vec::new();
        for token in &self.any {
            if !named(token) && !seen.contains(&token) {
                seen.push(token);
            }
        }
        seen.len()
    }

    /// These, with what `older` has for events that are not named here. A token without a name may be
    /// anybody's, so where there is one nothing is taken over.
    #[must_use]
    pub fn over(mut self, older: Self) -> Self {
        if self.any.is_empty() {
            for (event, tokens) in older.by_event {
                self.by_event.entry(event).or_insert(tokens);
            }
            self.any = older.any;
        }
        self
    }

    /// The tokens under each key of the file.
    pub fn by_key(&self) -> impl Iterator<Item = (&'static str, &[Secret])> {
        let by_event = self.by_event.iter().map(|(event, tokens)| (event.as_key(), tokens.as_slice()));
        by_event.chain([(ANY, self.any.as_slice())])
    }

    /// Every token with the key that it stands under, numbered, for comparison at a reload.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, &Secret)> {
        self.by_key().flat_map(|(key, tokens)| {
            (0..).zip(tokens).map(move |(index, token): (usize, _)| (format!("{key}[{index}]"), token))
        })
    }
}

fn nearest(key: &str) -> Option<&'static str> {
    HookEvent::ALL
        .into_iter()
        .map(HookEvent::as_key)
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .filter(|(alike, _)| *alike >= 0.6)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fulcrum_domain::HookEvent;

    use super::{super::problem::Problems, WebhookTokens};

    fn tokens(text: &str, event: HookEvent) -> Vec<String> {
        let tokens = WebhookTokens::parse(text, Path::new("t")).unwrap();
        tokens.tokens_for(event).map(|token| token.expose().to_owned()).collect()
    }

    #[test]
    fn an_event_has_its_own_tokens_and_then_those_of_any() {
        let text = "candidate_hired = ['new', 'old']\ncandidate_deleted = 'd'\nany = ['x']";
        assert_eq!(tokens(text, HookEvent::CandidateHired), ["new", "old", "x"]);
        assert_eq!(tokens(text, HookEvent::CandidateDeleted), ["d", "x"]);
        assert_eq!(tokens(text, HookEvent::InterviewCreated), ["x"]);
        assert!(tokens("any = []", HookEvent::InterviewCreated).is_empty());
    }

    #[test]
    fn a_token_without_a_name_counts_once_and_for_no_event() {
        let parsed = |text| WebhookTokens::parse(text, Path::new("t")).unwrap();
        let some = parsed("candidate_hired = ['h']\ncandidate_deleted = []\nany = ['h', 'x', 'x', 'y']");
        assert!(some.has_own(HookEvent::CandidateHired) && !some.has_own(HookEvent::CandidateDeleted));
        assert_eq!(some.unnamed(), 2);
        let over = |text| {
            let tokens = parsed(text).over(some.clone());
            (
                tokens.tokens_for(HookEvent::CandidateHired).next().unwrap().expose().to_owned(),
                tokens.unnamed(),
            )
        };
        assert_eq!(over("candidate_deleted = 'd'"), ("h".to_owned(), 2));
        assert_eq!(over("candidate_hired = 'new'"), ("new".to_owned(), 3));
        assert_eq!(over("any = 'z'"), ("z".to_owned(), 1));
    }

    #[test]
    fn every_problem_is_found_and_no_token_shown() {
        let text = "candidate_hierd = 'tok-1'\ncandidate_hired = ''\nany = [3, 'tok-2']";
        let problems = WebhookTokens::parse(text, Path::new("hooks.toml")).unwrap_err();
        let shown = Problems::new(problems).to_string();
        insta::assert_snapshot!(shown, @r"
        3 problems in the settings
          hooks.toml:1: candidate_hierd: an unknown key, expected an event or any; did you mean candidate_hired?
          hooks.toml:2: candidate_hired: an empty token, expected the token from Lever's webhook settings, or no line at all
          hooks.toml:3: any: something else, expected a token in quotes, or a list of them
        ");
        assert!(!shown.contains("tok-"));
    }

    #[test]
    fn broken_toml_is_a_problem_with_a_line() {
        let problems =
            WebhookTokens::parse("any = ['a']\ncandidate_hired = tok", Path::new("t")).unwrap_err();
        assert_eq!(problems[0].line, Some(2));
        assert!(!format!("{problems:?}").contains("tok\""));
    }
}

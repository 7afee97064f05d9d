//! `[[automations]]` and `[automation]`: what texts by itself (behaviour.md 3).
//!
//! An automation is checked against the templates as they are checked themselves: one that names a template
//! with a flaw is not blamed for it.

use std::time::Duration;

use fulcrum_domain::automation::{
    Automation, Automations, BadCondition, CancelIf, Condition, Flood, NotAWait, Trait, Trigger, Wait,
};
use fulcrum_domain::template::{Field, Template};
use jiff::SignedDuration;
use serde::Deserialize;

use super::check::{Check, Checked};
use super::templates::{Known, Meetings, id, in_words, supplied};

/// Bounds of the time after which something is too old.
const MAX_AGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
const SETTLE: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    settle: String,
    flood: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAutomation {
    name: String,
    paused: bool,
    trigger: String,
    scope: Vec<String>,
    filter: Vec<String>,
    wait: String,
    message: String,
    text: String,
    repeat: String,
    max_age: String,
    cancel_if: Vec<String>,
}

/// The automations with their texts.
pub(super) fn check(
    automations: &[RawAutomation],
    limits: &RawLimits,
    known: &Known,
    meetings: &Meetings<'_>,
    check: &mut Check<'_>,
) -> Checked<Automations> {
    let settle = check.duration("automation.settle", &limits.settle, &SETTLE);
    let flood = check.within("automation.flood", limits.flood, &(2..=10_000));
    let mut noted = None;
    let mut own = Vec::new();
    let mut list = Vec::new();
    for (index, raw) in automations.iter().enumerate() {
        let at = format!("automations[{index}]");
        let again = automations[..index].iter().any(|other| other.name == raw.name && !raw.name.is_empty());
        let single = if again {
            Err(check.reject(&format!("{at}.name"), format!("\"{}\" again", raw.name), "each name once"))
        } else {
            Ok(())
        };
        match raw.check(&at, known, meetings, check).and_then(|checked| single.map(|()| checked)) {
            Ok((automation, text)) => {
                list.push(automation);
                own.extend(text);
            }
            Err(problem) => noted = Some(problem),
        }
    }
    if let Some(problem) = noted {
        return Err(problem);
    }
    Ok(Automations {
        list,
        texts: known.templates.with(own),
        settle: signed(settle?),
        flood: Flood { count: usize::try_from(flood?).unwrap_or(usize::MAX) },
    })
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

impl RawAutomation {
    fn check(
        &self,
        at: &str,
        known: &Known,
        meetings: &Meetings<'_>,
        check: &mut Check<'_>,
    ) -> Checked<(Automation, Option<Template>)> {
        let key = |name: &str| format!("{at}.{name}");
        let name = id(&key("name"), &self.name, "-_", check);
        let trigger = check.choice(
            &key("trigger"),
            &self.trigger,
            &Trigger::ALL.map(|trigger| (trigger.word(), trigger)),
        );
        let filter: Vec<_> = (0..)
            .zip(&self.filter)
            .map(|(index, text)| condition(&format!("{at}.filter[{index}]"), text, check))
            .collect();
        let cancel_if: Vec<_> = (0..)
            .zip(&self.cancel_if)
            .map(|(index, word)| check.choice(&format!("{at}.cancel_if[{index}]"), word, &CancelIf::WORDS))
            .collect();
        let wait = self.wait.parse::<Wait>().map_err(|error: NotAWait| {
            let said = error.to_string();
            let expected = said.strip_prefix("not a wait, such as ").unwrap_or(&said).to_owned();
            check.reject(&key("wait"), format!("\"{}\"", self.wait), expected)
        });
        let fitting = match (&trigger, &wait) {
            (Ok(trigger), Ok(wait)) => trigger
                .takes(*wait)
                .map_err(|expected| check.reject(&key("wait"), format!("\"{}\"", self.wait), expected)),
            _ => Ok(()),
        };
        let scoped = match &trigger {
            Ok(trigger) if !trigger.has_scope() && !self.scope.is_empty() => {
                let expected = "none, since only stage-entered and archived have one; use `filter`";
                Err(check.reject(&key("scope"), format!("a scope of {}", self.trigger), expected))
            }
            _ => Ok(()),
        };
        let per_visit = check.choice(&key("repeat"), &self.repeat, &[("once", false), ("per-visit", true)]);
        let max_age = check.duration(&key("max_age"), &self.max_age, &MAX_AGE);
        let own = self.own_text(at, known, check);
        let linked = match &own {
            Ok(Some(own)) => meetings.check(&key("text"), own, check),
            _ => Ok(()),
        };
        let words = match (&trigger, &own) {
            (Ok(trigger), Ok(own)) => self.supplied(at, *trigger, own.as_ref(), known, check),
            _ => Ok(()),
        };
        let own = own?;
        words.and(linked).and(fitting).and(scoped)?;
        let automation = Automation {
            message: own.as_ref().map_or(self.message.clone(), |template| template.id().to_owned()),
            name: name?,
            paused: self.paused,
            trigger: trigger?,
            scope: self.scope.iter().map(|word| word.trim().to_lowercase()).collect(),
            filter: filter.into_iter().collect::<Result<_, _>>()?,
            wait: wait?,
            wait_words: self.wait.clone(),
            per_visit: per_visit?,
            max_age: signed(max_age?),
            cancel_if: cancel_if.into_iter().collect::<Result<_, _>>()?,
        };
        Ok((automation, own))
    }

    /// Its own text as a template; none where it names one of the config's.
    fn own_text(&self, at: &str, known: &Known, check: &mut Check<'_>) -> Checked<Option<Template>> {
        let message = format!("{at}.message");
        match (self.message.as_str(), self.text.trim()) {
            ("", "") => Err(check.reject(&message, "not set", "the id of a template, or words in `text`")),
            ("", text) => {
                // A template's id has no blank in it, so this is nobody else's.
                let id = format!("text of {}", self.name);
                let template = Template::new(id, self.name.clone(), text.to_owned(), known.templates.links());
                template.map(Some).map_err(|flaws| {
                    check.reject_each(&format!("{at}.text"), flaws.into_iter().map(in_words))
                })
            }
            (_, text) if !text.is_empty() => {
                Err(check.reject(&message, "set beside `text`", "only one of the two"))
            }
            (id, _) => {
                let Some(ids) = &known.ids else { return Ok(None) };
                if ids.iter().any(|other| other == id) {
                    return Ok(None);
                }
                let expected = if ids.is_empty() {
                    "the id of one of [[templates]], of which there are none".to_owned()
                } else {
                    format!("the id of a template: {}", ids.join(", "))
                };
                Err(check.reject(&message, format!("\"{id}\""), expected))
            }
        }
    }

    /// Whether the trigger can tell every field that the text cannot do without.
    fn supplied(
        &self,
        at: &str,
        trigger: Trigger,
        own: Option<&Template>,
        known: &Known,
        check: &mut Check<'_>,
    ) -> Checked<()> {
        let Some(template) = own.or_else(|| known.templates.get(&self.message)) else { return Ok(()) };
        let key = if own.is_some() { "text" } else { "message" };
        let has = |field: Field| trigger.supplies(&field.name());
        supplied(&format!("{at}.{key}"), template, trigger.word(), has, check)
    }
}

fn condition(key: &str, text: &str, check: &mut Check<'_>) -> Checked<Condition> {
    text.parse().map_err(|error| match error {
        BadCondition::Shape => {
            let expected = "a condition, such as \"department = Sales | Support\" or \"tag != referral\"";
            check.reject(key, format!("\"{text}\""), expected)
        }
        BadCondition::Unknown(name) => {
            let known = Trait::ALL.map(Trait::word).join(", ");
            check.reject(key, format!("the unknown field {name}"), format!("one of {known}"))
        }
    })
}

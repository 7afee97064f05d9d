//! `[[templates]]` and `[[saved_links]]`: texts that people choose from (behaviour.md 3, "Templates").

use fulcrum_domain::template::{Field, Flaw, SavedLinks, Template, Templates, shortener_in};
use serde::Deserialize;

use super::check::{Check, Checked};

/// Longer ones do not fit a list to choose from.
const NAME_CHARS_MAX: usize = 80;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTemplate {
    id: String,
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSavedLink {
    id: String,
    url: String,
}

/// The templates with the links that they name.
pub(super) fn check(
    templates: &[RawTemplate],
    links: &[RawSavedLink],
    check: &mut Check<'_>,
) -> Checked<Templates> {
    let mut noted = None;
    let mut saved = SavedLinks::new();
    for (index, raw) in links.iter().enumerate() {
        let at = format!("saved_links[{index}]");
        let again = links[..index].iter().any(|other| other.id == raw.id);
        let single = once(&at, &raw.id, again, check);
        match raw.check(&at, check).and_then(|link| single.map(|()| link)) {
            Ok((id, url)) => drop(saved.insert(id, url)),
            Err(problem) => {
                // A text that names it has no flaw of its own.
                saved.entry(raw.id.clone()).or_default();
                noted = Some(problem);
            }
        }
    }
    let mut list = Vec::new();
    for (index, raw) in templates.iter().enumerate() {
        let at = format!("templates[{index}]");
        let again = templates[..index].iter().any(|other| other.id == raw.id);
        let single = once(&at, &raw.id, again, check);
        match raw.check(&at, &saved, check).and_then(|template| single.map(|()| template)) {
            Ok(template) => list.push(template),
            Err(problem) => noted = Some(problem),
        }
    }
    noted.map_or_else(|| Ok(Templates::new(list, saved)), Err)
}

/// One text by itself, under a key of its own; it names no links.
pub(super) fn text(key: &str, id: &str, value: &str, check: &mut Check<'_>) -> Checked<Template> {
    Template::new(id.to_owned(), id.to_owned(), value.trim_end().to_owned(), &SavedLinks::new())
        .map_err(|flaws| check.reject_each(key, flaws.into_iter().map(in_words)))
}

fn once(at: &str, id: &str, again: bool, check: &mut Check<'_>) -> Checked<()> {
    if !again || id.is_empty() {
        return Ok(());
    }
    Err(check.reject(&format!("{at}.id"), format!("\"{id}\" again"), "each id once"))
}

impl RawTemplate {
    fn check(&self, at: &str, links: &SavedLinks, check: &mut Check<'_>) -> Checked<Template> {
        let id = id(&format!("{at}.id"), &self.id, "-_", check);
        let key = format!("{at}.name");
        let name = check.text(&key, &self.name, "a name to choose it by").and_then(|name| {
            let chars = name.chars().count();
            let expected = format!("{NAME_CHARS_MAX} at most");
            if chars <= NAME_CHARS_MAX {
                Ok(name)
            } else {
                Err(check.reject(&key, format!("{chars} characters"), expected))
            }
        });
        // Its text is checked whatever is wrong with the rest.
        let (known_id, known_name) = (id.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default());
        let text = self.text.trim_end().to_owned();
        let template = Template::new(known_id.to_owned(), known_name.to_owned(), text, links);
        let template = template
            .map_err(|flaws| check.reject_each(&format!("{at}.text"), flaws.into_iter().map(in_words)));
        id.and(name).and(template)
    }
}

impl RawSavedLink {
    fn check(&self, at: &str, check: &mut Check<'_>) -> Checked<(String, String)> {
        let id = id(&format!("{at}.id"), &self.id, "_", check);
        let key = format!("{at}.url");
        let url = check.url(&key, &self.url).and_then(|url| match shortener_in(&self.url) {
            None => Ok(String::from(url)),
            Some(host) => Err(check.reject(&key, found_shortener(host), EXPECTED_HOST)),
        });
        Ok((id?, url?))
    }
}

/// An id of letters, digits and some signs.
pub(super) fn id(key: &str, value: &str, signs: &str, check: &mut Check<'_>) -> Checked<String> {
    let expected = match signs {
        "_" => "letters, digits and _, beginning with a letter",
        _ => "letters, digits, - and _, beginning with a letter",
    };
    let id = check.text(key, value, expected)?;
    let fits = id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c));
    if fits { Ok(id) } else { Err(check.reject(key, format!("\"{id}\""), expected)) }
}

const EXPECTED_HOST: &str = "the whole link: carriers take those of public shorteners for spam";

fn found_shortener(host: &str) -> String {
    format!("a link by {host}")
}

/// What is found and what is expected, as a problem says it.
fn in_words(flaw: Flaw) -> (String, String) {
    match flaw {
        Flaw::Empty => ("no text".to_owned(), "the words of the text".to_owned()),
        Flaw::TooLong { chars } => {
            (format!("{chars} characters when filled in"), "what a carrier takes, 1,600".to_owned())
        }
        Flaw::Syntax { line, what } => {
            let example = "minijinja, such as {{ profile.first_name }}";
            let (found, expected) = what.split_once(", expected ").unwrap_or((&what, example));
            (format!("line {line} of the text: {found}"), expected.to_owned())
        }
        Flaw::UnknownField { line, field, nearest } => {
            let expected = nearest.unwrap_or_else(|| {
                let names = Field::ALL.map(Field::name).join(", ");
                format!("one of {names}, saved_links.<id>")
            });
            (format!("line {line} of the text: the unknown field {field}"), expected)
        }
        Flaw::ReservedWord { line, word } => (
            format!("line {line} of the text: it invites the answer {word}, by which people opt out"),
            "another word, or \"to opt out\" after it".to_owned(),
        ),
        Flaw::Shortener { line, host } => {
            (format!("line {line} of the text: {}", found_shortener(host)), EXPECTED_HOST.to_owned())
        }
    }
}

//! `[[templates]]`, `[[saved_links]]` and the folder of templates: texts that people choose from
//! (behaviour.md 3, "Templates").
//!
//! A file of the folder has the keys of a `[[templates]]` but the id, which is its name: one way to write
//! a template, so that it may move from the config into a file and back.

use std::fs;
use std::path::{Path, PathBuf};

use fulcrum_domain::booking::places;
use fulcrum_domain::template::{Field, Flaw, SavedLinks, Template, Templates, flaws_of_words, shortener_in};
use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, Checked};
use super::problem::{Origin, Problem};
use super::reading::line_at;
use super::secret::{Guard, read_file};

/// Longer ones do not fit a list to choose from.
const NAME_CHARS_MAX: usize = 80;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTemplate {
    id: String,
    name: String,
    text: String,
    /// Whether it is written to somebody for the first time.
    first: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTexts {
    templates_dir: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBulk {
    second_person_above: i64,
}

impl RawBulk {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<usize> {
        let above = check.within("bulk.second_person_above", self.second_person_above, &(0..=1_000_000))?;
        Ok(usize::try_from(above).unwrap_or(0))
    }
}

/// A file of the folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    name: Spanned<String>,
    text: Spanned<String>,
    #[serde(default)]
    first: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSavedLink {
    id: String,
    url: String,
}

/// The ids of the meetings that a text may have links for.
pub(super) struct Meetings<'a>(pub(super) Vec<&'a str>);

impl Meetings<'_> {
    /// Whether every link in a text leads to a meeting.
    pub(super) fn check(&self, key: &str, template: &Template, check: &mut Check<'_>) -> Checked<()> {
        let field = template.fields().contains(&Field::LinksBooking).then_some(None);
        let wrong = places(template.text()).chain(field).find(|meeting| match meeting {
            Some(id) => !self.0.contains(id),
            None => self.0.is_empty(),
        });
        let Some(meeting) = wrong else { return Ok(()) };
        let expected = match self.0.as_slice() {
            [] => "one of [[event_types]], of which there are none".to_owned(),
            ids => format!("the id of one of [[event_types]]: {}", ids.join(", ")),
        };
        let found = meeting.map(|id| format!(" of \"{id}\"")).unwrap_or_default();
        Err(check.reject(key, format!("a booking link{found}"), expected))
    }
}

/// The templates with the links that they name, as far as they have no flaw: by these automations are checked
/// whatever is wrong with the others.
pub(super) struct Known {
    pub(super) templates: Templates,
    /// The ids of all of them; none where the folder cannot be read, and any other one may be there.
    pub(super) ids: Option<Vec<String>>,
}

/// The templates with the links that they name, and whether they have no flaw.
pub(super) fn check(
    templates: &[RawTemplate],
    texts: &RawTexts,
    links: &[RawSavedLink],
    organisation: &str,
    meetings: &Meetings<'_>,
    check: &mut Check<'_>,
) -> (Known, Checked<()>) {
    let mut noted = None;
    let mut ids: Vec<_> = templates.iter().map(|raw| raw.id.clone()).collect();
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
        let template = raw.check(&at, &saved, organisation, meetings, check);
        match template.and_then(|template| single.map(|()| template)) {
            Ok(template) => list.push(template),
            Err(problem) => noted = Some(problem),
        }
    }
    let ids = match texts.files(check) {
        Ok(paths) => {
            for path in paths {
                ids.push(id_of(&path));
                let taken = |id: &str| templates.iter().any(|raw| raw.id == id);
                match of_file(&path, taken, &saved, organisation, meetings, check) {
                    Ok(template) => list.push(template),
                    Err(problem) => noted = Some(problem),
                }
            }
            Some(ids)
        }
        Err(problem) => {
            noted = Some(problem);
            None
        }
    };
    (Known { templates: Templates::new(list, saved), ids }, noted.map_or(Ok(()), Err))
}

/// One text by itself, under a key of its own; it names no links.
pub(super) fn text(key: &str, id: &str, value: &str, check: &mut Check<'_>) -> Checked<Template> {
    Template::new(id.to_owned(), id.to_owned(), value.trim_end().to_owned(), &SavedLinks::new())
        .map_err(|flaws| check.reject_each(key, flaws.into_iter().map(in_words)))
}

/// Whether every field that a text cannot do without has a value by `has`; `who` tells those that have.
pub(super) fn supplied(
    key: &str,
    template: &Template,
    who: &str,
    has: impl Fn(Field) -> bool,
    check: &mut Check<'_>,
) -> Checked<()> {
    let problem = |field: Field| {
        let field = field.name();
        let expected = match field.split('.').next() {
            Some("sender") => "owner.* or org.name: nobody signs an automatic text",
            Some("interview") => "a trigger that is about an interview, or a text without it",
            _ => "a text without it",
        };
        (format!("the field {field}, which {who} does not tell"), expected.to_owned())
    };
    let missing: Vec<_> = template.wants(has).into_iter().map(problem).collect();
    if missing.is_empty() { Ok(()) } else { Err(check.reject_each(key, missing)) }
}

/// Words without fields that are texted as they are; they may be empty.
pub(super) fn words(key: &str, value: &str, check: &mut Check<'_>) -> Checked<String> {
    let flaws = flaws_of_words(value);
    if flaws.is_empty() {
        return Ok(value.trim().to_owned());
    }
    Err(check.reject_each(key, flaws.into_iter().map(in_words)))
}

fn once(at: &str, id: &str, again: bool, check: &mut Check<'_>) -> Checked<()> {
    if !again || id.is_empty() {
        return Ok(());
    }
    Err(check.reject(&format!("{at}.id"), format!("\"{id}\" again"), "each id once"))
}

impl RawTexts {
    /// The files of the folder, by name.
    fn files(&self, check: &mut Check<'_>) -> Checked<Vec<PathBuf>> {
        if self.templates_dir.is_empty() {
            return Ok(Vec::new());
        }
        let listed = fs::read_dir(&self.templates_dir).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut paths = listed.map_err(|error| {
            let found = format!("{}, which cannot be read ({})", self.templates_dir, error.kind());
            check.reject("texts.templates_dir", found, "a folder that this user can read")
        })?;
        paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
        paths.sort();
        Ok(paths)
    }
}

fn id_of(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned()
}

/// The template in a file. What is wrong is told with the file's own lines.
fn of_file(
    path: &Path,
    taken: impl Fn(&str) -> bool,
    links: &SavedLinks,
    organisation: &str,
    meetings: &Meetings<'_>,
    check: &mut Check<'_>,
) -> Checked<Template> {
    let problem = |key: &str, line, found, expected| Problem::of_file(path, key, line, found, expected);
    let text = match read_file(path, Guard::Elsewhere) {
        Ok(text) => text,
        Err(error) => {
            let expected = "a template that this user can read".to_owned();
            return Err(check.extend(vec![problem("", None, error.to_string(), expected)]));
        }
    };
    let raw: RawFile = match toml::from_str(&text) {
        Ok(raw) => raw,
        Err(error) => {
            let keys = "name, text and, where it is true, first";
            return Err(check.extend(vec![Problem::of_toml(path, &text, &error, keys)]));
        }
    };
    let line_of = |key: &str| match key {
        "name" => Some(line_at(&text, raw.name.span().start)),
        "text" => Some(line_at(&text, raw.text.span().start)),
        _ => None,
    };
    let id = id_of(path);
    let single = if taken(&id) {
        let (found, expected) =
            (format!("\"{id}\" again"), "each id once, here and in [[templates]]".to_owned());
        Err(check.extend(vec![problem("id", None, found, expected)]))
    } else {
        Ok(())
    };
    let raw = RawTemplate {
        id,
        name: raw.name.get_ref().clone(),
        text: raw.text.get_ref().clone(),
        first: raw.first,
    };
    let at = path.display().to_string();
    let template = check.elsewhere(
        &format!("{at}."),
        |check| raw.check(&at, links, organisation, meetings, check),
        |noted| {
            let line = line_of(&noted.key);
            Problem { origin: Origin::File(path.to_owned()), line, ..noted }
        },
    );
    single.and(template)
}

impl RawTemplate {
    fn check(
        &self,
        at: &str,
        links: &SavedLinks,
        organisation: &str,
        meetings: &Meetings<'_>,
        check: &mut Check<'_>,
    ) -> Checked<Template> {
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
        let key = format!("{at}.text");
        let template = match template {
            Ok(template) if self.first && !template.names(organisation) => {
                let found = "a first text that does not say who writes";
                Err(check.reject(&key, found, format!("{{{{ org.name }}}} or {organisation} in it")))
            }
            Ok(template) => meetings.check(&key, &template, check).map(|()| template),
            Err(flaws) => Err(check.reject_each(&key, flaws.into_iter().map(in_words))),
        };
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
pub(super) fn in_words(flaw: Flaw) -> (String, String) {
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

//! Templates: texts that operators prepare, with fields that a candidate fills (behaviour.md 3).
//!
//! A [`Template`] is one in which no flaw was found ([`flaws`](Template::new)), so what can still go wrong
//! is a field without a value. Such a text is held: somebody's name left out, "Hi ," says that nobody
//! wrote it. The language is minijinja's, without its functions and files, and with a bound on its work.

mod bounds;
mod fields;
mod flaws;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};

pub use fields::{Field, Fields};
pub use flaws::{Flaw, flaws_of_words, shortener_in};

/// Instructions that one text may take; a long one with conditions takes hundreds.
const FUEL: u64 = 20_000;

/// Loops that call themselves. Each takes some kilobytes of a thread's stack.
const DEPTH: usize = 40;

/// Links by their id, for `saved_links.<id>`.
pub type SavedLinks = BTreeMap<String, String>;

/// The words of a template as they once were. The template may have others by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Which template.
    pub id: String,
    /// The first half of the SHA-256 of its words.
    pub hash: [u8; 16],
}

/// A text with fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    id: String,
    name: String,
    text: String,
}

impl Template {
    /// A template whose text is in order.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub fn new(id: String, name: String, text: String, links: &SavedLinks) -> Result<Self, Vec<Flaw>> {
        let flaws = flaws::find(&text, links);
        if flaws.is_empty() { Ok(Self { id, name, text }) } else { Err(flaws) }
    }

    /// What it is called by programs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is called by people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its words, with their fields.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields that it names.
    pub fn fields(&self) -> BTreeSet<Field> {
        fields_of(&self.text)
    }

    /// The fields that it cannot do without, of those that have no value by `has`.
    pub fn wants(&self, has: impl Fn(Field) -> bool) -> BTreeSet<Field> {
        wanted_of(&self.text, has)
    }

    /// Whether it says who writes, as a first text must: by the field or by the name itself.
    pub fn names(&self, organisation: &str) -> bool {
        let said = |text: &str| text.to_lowercase();
        self.fields().contains(&Field::OrgName) || said(&self.text).contains(&said(organisation))
    }
}

/// All templates of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    list: Vec<Template>,
    links: SavedLinks,
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// No template has that id.
    #[error("no such template is configured")]
    Unknown,
    /// Fields that the text wants have no value for this candidate.
    #[error("there is no value for {}", fields.join(", "))]
    Missing {
        /// Their names.
        fields: Vec<String>,
    },
    /// Its conditions cannot be decided by these values.
    #[error("the template cannot be filled in: {0}")]
    Broken(ErrorKind),
}

impl Templates {
    /// These templates, and what `saved_links.<id>` stands for in them.
    pub fn new(list: Vec<Template>, links: SavedLinks) -> Self {
        Self { list, links }
    }

    /// The same, and these texts beside them, with the same links.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Template>) -> Self {
        Self { list: self.list.iter().cloned().chain(more).collect(), links: self.links.clone() }
    }

    /// What `saved_links.<id>` stands for.
    pub fn links(&self) -> &SavedLinks {
        &self.links
    }

    /// The templates in the order of the config.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.list.iter()
    }

    /// The template with this id.
    pub fn get(&self, id: &str) -> Option<&Template> {
        self.list.iter().find(|template| template.id == id)
    }

    /// The text for a candidate.
    ///
    /// # Errors
    /// [`RenderError`]; a text with a gap in it is never given out.
    pub fn render(&self, id: &str, fields: &Fields) -> Result<String, RenderError> {
        self.fill(&self.get(id).ok_or(RenderError::Unknown)?.text, fields)
    }

    /// The same from the text of a template as it once was.
    ///
    /// # Errors
    /// [`RenderError`].
    pub fn fill(&self, text: &str, fields: &Fields) -> Result<String, RenderError> {
        filled(text, fields, &self.links).map_err(|error| match error.kind() {
            ErrorKind::UndefinedError => RenderError::Missing {
                fields: wanted_of(text, |field| fields.get(field).is_some())
                    .into_iter()
                    .map(Field::name)
                    .collect(),
            },
            kind => RenderError::Broken(kind),
        })
    }
}

/// The fields that a text names; none where it is no template.
fn fields_of(text: &str) -> BTreeSet<Field> {
    let names = used(text).unwrap_or_default();
    Field::ALL.into_iter().filter(|field| names.contains(&field.name())).collect()
}

/// The fields without a value that a text wants; none where it is no template.
fn wanted_of(text: &str, has: impl Fn(Field) -> bool) -> BTreeSet<Field> {
    let has = |name: &str| Field::ALL.into_iter().find(|field| field.name() == name).is_none_or(&has);
    let names = wants::wanted(text, &has).unwrap_or_default();
    Field::ALL.into_iter().filter(|field| names.contains(&field.name())).collect()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment
}

/// The names that a text takes from outside itself, in alphabetical order.
fn used(text: &str) -> Result<Vec<String>, minijinja::Error> {
    bounds::check(text)?;
    let environment = environment();
    let mut names: Vec<String> =
        environment.template_from_str(text)?.undeclared_variables(true).into_iter().collect();
    names.sort();
    Ok(names)
}

/// The text with its fields filled in. A field without a value is an undefined one.
fn filled(text: &str, fields: &Fields, links: &SavedLinks) -> Result<String, minijinja::Error> {
    bounds::check(text)?;
    let mut groups = fields.groups();
    groups.insert("saved_links", links.iter().map(|(id, url)| (id.as_str(), url.as_str())).collect());
    let values = groups.into_iter().map(|(group, values)| (group, Value::from_pairs(values)));
    environment().template_from_str(text)?.render(Value::from_pairs(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(text: &str) -> Templates {
        let links = SavedLinks::from([("jobs".to_owned(), "https://acme.example/jobs".to_owned())]);
        let template = Template::new("a".into(), "A".into(), text.into(), &links).unwrap();
        Templates::new(vec![template], links)
    }

    fn dana() -> Fields {
        let mut fields = Fields::default();
        fields.set_names(Field::PROFILE, "Dana Reyes");
        fields.set(Field::JobName, Some("Pilot & <navigator>"));
        fields.set(Field::JobLocation, Some("  "));
        fields
    }

    #[test]
    fn a_text_is_filled_in_as_it_is() {
        let text =
            "Hi {{ profile.first_name }} {{ profile.last_name }}, {{ job.name }}: {{ saved_links.jobs }}";
        assert_eq!(
            templates(text).render("a", &dana()).unwrap(),
            "Hi Dana Reyes, Pilot & <navigator>: https://acme.example/jobs"
        );
        assert_eq!(templates(text).render("b", &dana()), Err(RenderError::Unknown));
    }

    #[test]
    fn a_text_with_a_gap_is_held() {
        let error = templates("Hi {{ profile.first_name }}, from {{ sender.name }}, in {{ job.location }}")
            .render("a", &dana())
            .unwrap_err();
        assert_eq!(error.to_string(), "there is no value for sender.name, job.location");
    }

    #[test]
    fn a_template_may_ask_whether_there_is_a_value() {
        let templates = templates("Hi{% if sender.name is defined %} from {{ sender.name }}{% endif %}");
        assert_eq!(templates.render("a", &dana()).unwrap(), "Hi");
        let mut known = dana();
        known.set_names(Field::SENDER, "Priya Shah");
        assert_eq!(templates.render("a", &known).unwrap(), "Hi from Priya Shah");
    }

    #[test]
    fn a_field_that_is_only_asked_for_is_not_told_as_missing() {
        let text = "Hi{% if sender.name is defined %} from {{ sender.name }}{% endif %}, \
                    {{ stage.name|default('soon') }} in {{ job.location }}";
        let error = templates(text).render("a", &dana()).unwrap_err();
        assert_eq!(error.to_string(), "there is no value for job.location");
    }

    #[test]
    fn a_template_says_what_it_needs() {
        let links = SavedLinks::new();
        let template = |text: &str| Template::new("a".into(), "A".into(), text.into(), &links).unwrap();
        let booking = template("Hi {{ profile.first_name }}: {{ links.booking }}");
        assert_eq!(booking.fields(), BTreeSet::from([Field::ProfileFirstName, Field::LinksBooking]));
        assert!(!booking.names("Acme"));
        assert!(template("{{ org.name }} here").names("Acme") && template("It's ACME!").names("Acme"));
    }

    #[test]
    fn work_without_end_is_cut_off() {
        let text = "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}";
        assert!(filled(text, &dana(), &SavedLinks::new()).is_err());
    }

    #[test]
    fn what_a_candidate_is_called_is_not_read_as_a_template() {
        let mut fields = Fields::default();
        fields.set_names(Field::PROFILE, "{{ sender.name }}");
        assert_eq!(
            templates("Hi {{ profile.last_name }}").render("a", &fields).unwrap(),
            "Hi sender.name }}"
        );
    }
}

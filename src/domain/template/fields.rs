//! What a template may say of a candidate, and what is known of one.

use std::collections::BTreeMap;

/// A field, by the name that Grayscale gave to those it had too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The candidate's first name.
    ProfileFirstName,
    /// The rest of their name.
    ProfileLastName,
    /// The full name of who sends it.
    SenderName,
    /// Their first name.
    SenderFirstName,
    /// The rest of it.
    SenderLastName,
    /// The full name of the recruiter who owns the opportunity.
    OwnerName,
    /// Their first name.
    OwnerFirstName,
    /// The rest of it.
    OwnerLastName,
    /// The posting's title.
    JobName,
    /// Where the job is.
    JobLocation,
    /// The present stage.
    StageName,
    /// The day of the next interview, in the candidate's zone.
    InterviewDate,
    /// Its time, with the zone's short name.
    InterviewTime,
    /// Where it is.
    InterviewLocation,
    /// The organisation.
    OrgName,
    /// A link by which the candidate books a meeting. Made when a text is about to be written.
    LinksBooking,
}

/// The fields of somebody's name.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    whole: Option<Field>,
    first: Field,
    last: Field,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::ProfileFirstName,
        Self::ProfileLastName,
        Self::SenderName,
        Self::SenderFirstName,
        Self::SenderLastName,
        Self::OwnerName,
        Self::OwnerFirstName,
        Self::OwnerLastName,
        Self::JobName,
        Self::JobLocation,
        Self::StageName,
        Self::InterviewDate,
        Self::InterviewTime,
        Self::InterviewLocation,
        Self::OrgName,
        Self::LinksBooking,
    ];
    /// The candidate's name.
    pub const PROFILE: Names =
        Names { whole: None, first: Self::ProfileFirstName, last: Self::ProfileLastName };
    /// The sender's.
    pub const SENDER: Names =
        Names { whole: Some(Self::SenderName), first: Self::SenderFirstName, last: Self::SenderLastName };
    /// The owner's.
    pub const OWNER: Names =
        Names { whole: Some(Self::OwnerName), first: Self::OwnerFirstName, last: Self::OwnerLastName };

    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::ProfileFirstName => ("profile", "first_name"),
            Self::ProfileLastName => ("profile", "last_name"),
            Self::SenderName => ("sender", "name"),
            Self::SenderFirstName => ("sender", "first_name"),
            Self::SenderLastName => ("sender", "last_name"),
            Self::OwnerName => ("owner", "name"),
            Self::OwnerFirstName => ("owner", "first_name"),
            Self::OwnerLastName => ("owner", "last_name"),
            Self::JobName => ("job", "name"),
            Self::JobLocation => ("job", "location"),
            Self::StageName => ("stage", "name"),
            Self::InterviewDate => ("interview", "date"),
            Self::InterviewTime => ("interview", "time"),
            Self::InterviewLocation => ("interview", "location"),
            Self::OrgName => ("org", "name"),
            Self::LinksBooking => ("links", "booking"),
        }
    }

    /// As it stands in a template.
    pub fn name(self) -> String {
        let (group, name) = self.parts();
        format!("{group}.{name}")
    }
}

/// The values for one text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<Field, String>);

impl Fields {
    /// Gives a field its value; an empty one is none.
    pub fn set(&mut self, field: Field, value: Option<&str>) {
        if let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) {
            self.0.insert(field, value.to_owned());
        }
    }

    /// Gives the fields of a name their values. The first word is the first name: Lever keeps no parts.
    pub fn set_names(&mut self, names: Names, whole: &str) {
        let whole = whole.trim();
        let (first, last) = whole.split_once(char::is_whitespace).unwrap_or((whole, ""));
        self.set(names.first, Some(first));
        self.set(names.last, Some(last));
        if let Some(field) = names.whole {
            self.set(field, Some(whole));
        }
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0.get(&field).map(String::as_str)
    }

    /// The values as a template finds them. Every group is there, if only empty.
    pub(super) fn groups(&self) -> BTreeMap<&str, BTreeMap<&str, &str>> {
        let mut groups: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for field in Field::ALL {
            let (group, name) = field.parts();
            let group = groups.entry(group).or_default();
            group.extend(self.get(field).map(|value| (name, value)));
        }
        groups
    }
}

impl std::fmt::Debug for Fields {
    /// The names alone: the values are about a person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_falls_into_parts() {
        let parts = |whole| {
            let mut fields = Fields::default();
            fields.set_names(Field::PROFILE, whole);
            let get = |field| fields.get(field).unwrap_or_default().to_owned();
            (get(Field::ProfileFirstName), get(Field::ProfileLastName))
        };
        assert_eq!(parts(" Ana  María Ruiz "), ("Ana".into(), "María Ruiz".into()));
        assert_eq!(parts("Ana"), ("Ana".into(), String::new()));
        assert_eq!(parts("  "), (String::new(), String::new()));
    }

    #[test]
    fn values_do_not_show_in_a_log() {
        let mut fields = Fields::default();
        fields.set(Field::JobName, Some("secret"));
        assert_eq!(format!("{fields:?}"), "{JobName}");
    }
}

//! Which candidates an automation is for (behaviour.md 3, "Filter").
//!
//! A condition is asked when the candidate is enrolled and again before the text leaves. What is not known
//! of the candidate makes it false, whichever way it is written, and the reason says so.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What a condition can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trait {
    /// The posting, by title or id.
    Posting,
    /// Its department.
    Department,
    /// Its team.
    Team,
    /// Where the job is.
    Location,
    /// A tag.
    Tag,
    /// The opportunity's owner, by name or e-mail.
    Owner,
    /// The present stage, by name or id.
    Stage,
    /// Why it was archived, by name or id.
    ArchiveReason,
    /// `yes` or `no`.
    Confidential,
}

impl Trait {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Posting,
        Self::Department,
        Self::Team,
        Self::Location,
        Self::Tag,
        Self::Owner,
        Self::Stage,
        Self::ArchiveReason,
        Self::Confidential,
    ];

    /// As it is written in the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Posting => "posting",
            Self::Department => "department",
            Self::Team => "team",
            Self::Location => "location",
            Self::Tag => "tag",
            Self::Owner => "owner",
            Self::Stage => "stage",
            Self::ArchiveReason => "archive_reason",
            Self::Confidential => "confidential",
        }
    }
}

/// What is known of a candidate: the words by which each trait can be named. One that is missing is not
/// known.
pub type Traits = BTreeMap<Trait, Vec<String>>;

/// One condition: `department = Sales | Support`, or `tag != referral`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    about: Trait,
    is: bool,
    values: Vec<String>,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCondition {
    /// It has no `=` or `!=`, or nothing behind it.
    #[error("not a condition, such as \"department = Sales | Support\" or \"tag != referral\"")]
    Shape,
    /// Nothing of a candidate is called so.
    #[error("the unknown field {0}")]
    Unknown(String),
}

impl FromStr for Condition {
    type Err = BadCondition;

    fn from_str(text: &str) -> Result<Self, BadCondition> {
        let (name, values) = text.split_once('=').ok_or(BadCondition::Shape)?;
        let (name, is) = name.strip_suffix('!').map_or((name, true), |name| (name, false));
        let name = name.trim();
        let about = Trait::ALL.into_iter().find(|about| about.word() == name);
        let about = about.ok_or_else(|| BadCondition::Unknown(name.to_owned()))?;
        let values: Vec<String> = values.split('|').map(|value| value.trim().to_lowercase()).collect();
        if values.iter().any(String::is_empty) {
            Err(BadCondition::Shape)
        } else {
            Ok(Self { about, is, values })
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is { "=" } else { "!=" };
        write!(f, "{} {sign} {}", self.about.word(), self.values.join(" | "))
    }
}

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn holds(&self, traits: &Traits) -> Result<(), String> {
        let Some(known) = traits.get(&self.about) else {
            return Err(format!("the filter \"{self}\" does not hold: {} is not known", self.about.word()));
        };
        let found = known.iter().any(|word| self.values.contains(&word.to_lowercase()));
        if found == self.is { Ok(()) } else { Err(format!("the filter \"{self}\" does not hold")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(condition: &str, expected: Result<(), &str>) {
        let traits = Traits::from([
            (Trait::Department, vec!["Engineering".to_owned()]),
            (Trait::Tag, vec!["Referral".to_owned(), "remote".to_owned()]),
            (Trait::Stage, vec!["applicant-new".to_owned(), "New applicant".to_owned()]),
        ]);
        let condition: Condition = condition.parse().unwrap();
        assert_eq!(condition.holds(&traits), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_condition_is_asked_in_any_case_and_by_any_name() {
        check("department = sales | engineering", Ok(()));
        check("stage=New Applicant", Ok(()));
        check("stage = applicant-new", Ok(()));
        check("tag != referral", Err("the filter \"tag != referral\" does not hold"));
        check("tag != agency", Ok(()));
    }

    #[test]
    fn what_is_not_known_makes_it_false_either_way_and_says_so() {
        check("team = Ads", Err("the filter \"team = ads\" does not hold: team is not known"));
        check("team != Ads", Err("the filter \"team != ads\" does not hold: team is not known"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!("colour = red".parse::<Condition>(), Err(BadCondition::Unknown("colour".into())));
        for text in ["", "tag", "tag =", "tag = a |", "tag > 3"] {
            assert_eq!(text.parse::<Condition>(), Err(BadCondition::Shape), "{text}");
        }
    }
}

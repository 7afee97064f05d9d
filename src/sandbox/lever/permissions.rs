//! What an API key may do: Lever's tick-boxes (lever-api.md 1.4).
//!
//! The first 18 are the ones customers are asked to tick, and the default. The others are judged from the
//! naming pattern; they are here so that a test can show what the daemon gains by each.

use std::collections::BTreeSet;
use std::str::FromStr;

macro_rules! permissions {
    ($($name:ident = $label:literal),* $(,)?) => {
        /// One tick-box.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $(#[doc = $label] $name,)*
        }

        impl Permission {
            /// Every tick-box, in the order of Lever's page, the usual 18 first.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What Lever's page calls it.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

permissions! {
    FindAllUsers = "Find all users",
    FindAllOpportunities = "Find all opportunities",
    FindAllStages = "Find all stages",
    FindAllPostings = "Find all postings",
    FindAllInterviews = "Find all opportunity interviews",
    FindAllReasons = "Find all archive reasons",
    FindUser = "Find a user",
    FindOpportunity = "Find an opportunity",
    FindApplication = "Find an opportunity application",
    FindNote = "Find an opportunity note",
    FindInterview = "Find an opportunity interview",
    FindStage = "Find a stage",
    FindPosting = "Find a posting",
    FindReason = "Find an archive reason",
    CreateNote = "Create an opportunity note",
    CreateInterview = "Create an opportunity interview",
    DeleteInterview = "Delete an opportunity interview",
    UpdateInterview = "Update an opportunity interview",
    Confidential = "Allow access to confidential data",
    FindAllNotes = "Find all opportunity notes",
    UpdateNote = "Update an opportunity note",
    DeleteNote = "Delete an opportunity note",
    FindAllPanels = "Find all opportunity panels",
    FindPanel = "Find an opportunity panel",
    CreatePanel = "Create an opportunity panel",
    UpdatePanel = "Update an opportunity panel",
    DeletePanel = "Delete an opportunity panel",
    FindAllApplications = "Find all opportunity applications",
    FindContact = "Find a contact",
    UpdateContact = "Update a contact",
    UpdateStage = "Update an opportunity stage",
    UpdateArchived = "Update an opportunity archive state",
    FindDeleted = "Find all deleted opportunities",
    FindDispositionStages = "Find all disposition stages",
    FindAllWebhooks = "Find all webhooks",
    CreateWebhook = "Create a webhook",
    UpdateWebhook = "Update a webhook",
    DeleteWebhook = "Delete a webhook",
}

impl Permission {
    /// Its name on the command line: the label in snake case.
    #[must_use]
    pub fn name(self) -> String {
        self.label().to_lowercase().replace(' ', "_")
    }
}

/// The tick-boxes that are ticked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Permission>);

impl Default for Permissions {
    /// The usual 18, without access to confidential data.
    fn default() -> Self {
        Self(Permission::ALL[..18].iter().copied().collect())
    }
}

impl Permissions {
    /// Everything ticked.
    #[must_use]
    pub fn all() -> Self {
        Self(Permission::ALL.iter().copied().collect())
    }

    /// Ticks one more.
    #[must_use]
    pub fn with(mut self, permission: Permission) -> Self {
        self.0.insert(permission);
        self
    }

    /// Unticks one.
    #[must_use]
    pub fn without(mut self, permission: Permission) -> Self {
        self.0.remove(&permission);
        self
    }

    /// Whether it is ticked.
    #[must_use]
    pub fn allow(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }
}

/// A word in a list of permissions that names none.
#[derive(Debug, thiserror::Error)]
#[error("no permission is called `{0}`")]
pub struct UnknownPermission(String);

impl FromStr for Permissions {
    type Err = UnknownPermission;

    /// A comma-separated list of names; `default` and `all` stand for many, `-name` takes one away.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let named = |name: &str| {
            let found = Permission::ALL.iter().copied().find(|permission| permission.name() == name);
            found.ok_or_else(|| UnknownPermission(name.to_owned()))
        };
        let mut set = BTreeSet::new();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "default" => set.extend(Self::default().0),
                "all" => set.extend(Self::all().0),
                _ => match word.strip_prefix('-') {
                    Some(name) => drop(set.remove(&named(name)?)),
                    None => drop(set.insert(named(word)?)),
                },
            }
        }
        Ok(Self(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_list_has_18_names_and_no_confidential_access() {
        let usual = Permissions::default();
        assert_eq!(usual.0.len(), 18);
        assert!(!usual.allow(Permission::Confidential));
        assert!(!usual.allow(Permission::CreatePanel));
    }

    #[test]
    fn a_list_adds_and_takes_away() {
        let list: Permissions = "default, find_all_opportunity_notes, -find_all_users".parse().unwrap();
        assert_eq!(
            list,
            Permissions::default().with(Permission::FindAllNotes).without(Permission::FindAllUsers)
        );
        assert_eq!(
            "find_all_cats".parse::<Permissions>().unwrap_err().to_string(),
            "no permission is called `find_all_cats`"
        );
    }
}

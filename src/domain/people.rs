//! Who looks and who acts: people with an account here, programs, and fulcrum itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest e-mail address (RFC 5321).
const ACCOUNT_BYTES_MAX: usize = 254;

/// A person's account: their e-mail, in lower case. It is what people here and in Lever are matched
/// by, and what their sessions, read marks and folders hang on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account(Box<str>);

/// What is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct NotAnAccount;

impl Account {
    /// The e-mail.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Account {
    type Err = NotAnAccount;

    /// Whether mail arrives there is not asked: only that nothing but an address is taken for one.
    fn from_str(text: &str) -> Result<Self, NotAnAccount> {
        let text = text.trim();
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        let fits = text.len() <= ACCOUNT_BYTES_MAX
            && text.chars().all(plain)
            && text
                .split_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
        if fits { Ok(Self(text.to_lowercase().into())) } else { Err(NotAnAccount) }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}

/// Who did something, as the activity names them: an account's e-mail, the name of an API token,
/// `operator` on the control socket, `fulcrum` itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor(Box<str>);

impl Actor {
    /// Who is no person and no program: no API token may have such a name, which would put its acts down to them.
    pub const OURS: [&str; 5] = ["fulcrum", "operator", "candidate", "carrier", "lever"];

    /// The daemon itself.
    pub fn fulcrum() -> Self {
        Self("fulcrum".into())
    }

    /// A candidate, by a text or a link.
    pub fn candidate() -> Self {
        Self("candidate".into())
    }

    /// The carrier.
    pub fn carrier() -> Self {
        Self("carrier".into())
    }

    /// Lever, by a webhook or since somebody did it there.
    pub fn lever() -> Self {
        Self("lever".into())
    }

    /// As the activity shows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Actor {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<&Account> for Actor {
    fn from(account: &Account) -> Self {
        Self(account.0.clone())
    }
}

/// How much somebody may see of what Lever calls confidential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sight {
    /// Nothing of it.
    Open,
    /// Everything.
    All,
}

impl Sight {
    /// Whether something is to be shown that is `confidential` or not.
    pub fn reaches(self, confidential: bool) -> bool {
        self == Self::All || !confidential
    }
}

/// What somebody is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Does everything.
    Admin,
    /// Reads and texts.
    Recruiter,
    /// Reads.
    Viewer,
    /// Keeps the daemon running: sees how it is and what it did, without what people wrote.
    Operator,
}

/// What somebody must be allowed to do for something to be served to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See how the daemon is.
    Watch,
    /// Read conversations and candidates.
    Read,
    /// Text, and decide about conversations.
    Text,
    /// See what happened, retry or give up what failed.
    Operate,
    /// Change who and what the daemon is connected to.
    Administer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Recruiter, Self::Viewer, Self::Operator];

    /// Whether it includes a right.
    pub fn may(self, right: Right) -> bool {
        match right {
            Right::Watch => true,
            Right::Read => self != Self::Operator,
            Right::Text => matches!(self, Self::Admin | Self::Recruiter),
            Right::Operate => matches!(self, Self::Admin | Self::Operator),
            Right::Administer => self == Self::Admin,
        }
    }

    /// Its name in the config and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Recruiter => "recruiter",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_it_is_there_for_and_no_more() {
        let rights = |role: Role| {
            let all = [Right::Watch, Right::Read, Right::Text, Right::Operate, Right::Administer];
            all.map(|right| role.may(right))
        };
        assert_eq!(rights(Role::Admin), [true; 5]);
        assert_eq!(rights(Role::Recruiter), [true, true, true, false, false]);
        assert_eq!(rights(Role::Viewer), [true, true, false, false, false]);
        assert_eq!(rights(Role::Operator), [true, false, false, true, false]);
    }

    #[test]
    fn an_account_is_known_by_its_address_in_whatever_case() {
        let account: Account = " Priya.Shah@Acme.example ".parse().unwrap();
        assert_eq!(account.as_str(), "priya.shah@acme.example");
        for wrong in ["", "priya", "@acme.example", "priya@", "a@b@c", "pri ya@acme.example", "a\u{7}@b"] {
            assert_eq!(wrong.parse::<Account>(), Err(NotAnAccount));
        }
        assert!(format!("{}@x", "a".repeat(300)).parse::<Account>().is_err());
    }

    #[test]
    fn open_sight_ends_before_what_is_confidential() {
        assert!(Sight::All.reaches(true) && Sight::Open.reaches(false) && !Sight::Open.reaches(true));
    }
}

//! Who is signed in, from where, and for how long.
//!
//! A sign-in is known by a secret that only the browser or the extension has; what is stored stands
//! under its digest, the [`SessionId`], so that whoever reads the file can sign in as nobody.
//!
//! What somebody may do is not frozen into it where it can be looked up: a user of the config has
//! the role that the config gives now, and loses it with the entry or with its password. Only what
//! the identity provider said at the sign-in has to be kept.

use std::fmt;
use std::str::FromStr;

use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Account, BadId, Role, Sight};

/// Which sign-in: the first half of the SHA-256 of its secret. No secret itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// From the digest of the secret.
    pub fn new(digest: [u8; 16]) -> Self {
        Self(digest)
    }

    /// The bytes that stand for it in a key of the store.
    pub fn to_key(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| hex).ok_or(BadId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// Somebody who is signed in somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Who.
    pub account: Account,
    /// By whose word they may do what they may.
    pub authority: Authority,
    /// With what.
    pub kind: SignInKind,
    /// Since when; of an extension, since the provider last vouched for its owner.
    #[serde(with = "millisecond::required")]
    pub made_at: Timestamp,
    /// The last use, to the minute.
    #[serde(with = "millisecond::required")]
    pub seen_at: Timestamp,
}

/// By whose word an account has its rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authority {
    /// The config's, as long as it has that user with that password.
    Config {
        /// What tells the password from its successor: a digest of its hash.
        password: [u8; 16],
    },
    /// The identity provider's, at the sign-in.
    Provider {
        /// The name that it gave.
        name: String,
        /// What the claim came to.
        role: Role,
        /// The same of what is confidential.
        sight: Sight,
    },
}

/// What is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignInKind {
    /// A browser, by its cookie.
    Browser,
    /// The browser extension, by a token of its own. It ends when it is revoked, or when the identity
    /// provider has not vouched for its owner for long.
    Extension {
        /// What its owner tells it from others by.
        label: String,
    },
}

/// How long a sign-in holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A browser's, without being used.
    pub idle: SignedDuration,
    /// A browser's, in all.
    pub absolute: SignedDuration,
    /// An extension's, since the identity provider last said what its owner may do.
    pub extension: SignedDuration,
}

/// A use is noted when the last noted one is so long ago: not each request is to be a write.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(1);

impl SignIn {
    /// Whether it still holds.
    pub fn holds(&self, now: Timestamp, lifetimes: Lifetimes) -> bool {
        let age = now.duration_since(self.made_at);
        match (&self.kind, &self.authority) {
            (SignInKind::Browser, _) => {
                age < lifetimes.absolute && now.duration_since(self.seen_at) < lifetimes.idle
            }
            (SignInKind::Extension { .. }, Authority::Provider { .. }) => age < lifetimes.extension,
            // What the config says of them is looked up at each request.
            (SignInKind::Extension { .. }, Authority::Config { .. }) => true,
        }
    }

    /// Whether the present use is to be noted.
    pub fn wants_noting(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at).abs() >= NOTED_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        idle: SignedDuration::from_hours(8),
        absolute: SignedDuration::from_hours(24),
        extension: SignedDuration::from_hours(720),
    };

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + minutes * 60).unwrap()
    }

    fn sign_in(kind: SignInKind, seen: i64) -> SignIn {
        SignIn {
            account: "ana@acme.example".parse().unwrap(),
            authority: Authority::Config { password: [7; 16] },
            kind,
            made_at: at(0),
            seen_at: at(seen),
        }
    }

    #[test]
    fn a_browser_is_signed_out_when_it_rests_too_long() {
        let browser = sign_in(SignInKind::Browser, 60);
        assert!(browser.holds(at(60 + 8 * 60 - 1), LIFETIMES));
        assert!(!browser.holds(at(60 + 8 * 60), LIFETIMES));
    }

    #[test]
    fn use_does_not_keep_a_browser_signed_in_for_ever() {
        let browser = sign_in(SignInKind::Browser, 24 * 60 - 1);
        assert!(browser.holds(at(24 * 60 - 1), LIFETIMES));
        assert!(!browser.holds(at(24 * 60), LIFETIMES));
    }

    #[test]
    fn an_extension_stays_until_it_is_revoked_or_the_provider_is_silent_for_long() {
        let extension = sign_in(SignInKind::Extension { label: "laptop".into() }, 0);
        assert!(extension.holds(at(1_000_000), LIFETIMES));
        let authority = Authority::Provider { name: "Ana".into(), role: Role::Admin, sight: Sight::All };
        let extension = SignIn { authority, seen_at: at(720 * 60 - 1), ..extension };
        assert!(extension.holds(at(720 * 60 - 1), LIFETIMES));
        assert!(!extension.holds(at(720 * 60), LIFETIMES));
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let browser = sign_in(SignInKind::Browser, 10);
        assert!(!browser.wants_noting(at(10)) && browser.wants_noting(at(11)));
        assert!(browser.wants_noting(at(1)), "the clock was set back");
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_is_one() {
        let id = SessionId::new(*b"\x00\xff0123456789abcd");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "0", "+0000000000000000000000000000000", &"0".repeat(33), &"g".repeat(32)] {
            assert_eq!(wrong.parse::<SessionId>(), Err(BadId), "{wrong}");
        }
    }
}

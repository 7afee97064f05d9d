//! Passwords of the config's users: how they become hashes, and how one is compared with its hash.
//!
//! The same letters can be typed as different bytes (an umlaut is one character on one keyboard and
//! two on another), so both sides are brought to one form (NFC) first.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// How hard a hash is to guess from, and to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// For people: 19 MiB and two passes, as OWASP advises.
    Usual,
    /// For passwords that are random and short-lived, such as the sandbox's.
    Least,
}

/// The hash could not be made: no randomness, or a password of gigabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct HashError(argon2::password_hash::Error);

/// A password's argon2id hash in PHC form, with a salt of its own.
///
/// # Errors
/// [`HashError`].
pub fn hash(password: &str, cost: Cost) -> Result<String, HashError> {
    let params = match cost {
        Cost::Usual => Params::DEFAULT,
        Cost::Least => Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None)
            .map_err(|error| HashError(error.into()))?,
    };
    let salt: [u8; 16] = rand::random();
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_params(normal(password).as_bytes(), &salt, params)
        .map_err(HashError)?;
    Ok(hash.to_string())
}

/// Whether a password is the one of this hash. Takes what the hash's cost takes, tens of
/// milliseconds: not for threads that others wait on.
pub fn fits(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(normal(password).as_bytes(), &hash).is_ok())
}

fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_however_it_was_typed() {
        let hash = hash("Grüße 1", Cost::Least).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"));
        assert!(fits("Grüße 1", &hash) && fits("Gru\u{308}ße 1", &hash));
        for wrong in ["", "grüße 1", "Grüße 1 ", "Grusse 1"] {
            assert!(!fits(wrong, &hash), "{wrong}");
        }
        assert!(!fits("Grüße 1", "no hash"));
    }

    #[test]
    fn each_hash_has_its_own_salt() {
        assert_ne!(hash("a", Cost::Least), hash("a", Cost::Least));
    }

    #[test]
    fn people_get_the_usual_cost() {
        assert!(hash("a", Cost::Usual).unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }
}

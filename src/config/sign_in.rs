//! `[[users]]` and `[sign_in]`: the people who may use the console and the extension.

use std::{ops::RangeInclusive, time::Duration};

use argon2::{Params, password_hash::phc::PasswordHash};
use fulcrum_domain::{Account, Role, Sight};
use serde::Deserialize;

use super::{
    api::sight,
    check::{Check, Checked, Noted},
    secret::Secret,
};

/// A shorter end would sign people out as they type; a longer one is a forgotten browser.
const LIFETIME: RangeInclusive<Duration> = Duration::from_mins(5)..=Duration::from_hours(24 * 30);

/// A shorter end would have people pair their extension anew each morning.
const EXTENSION: RangeInclusive<Duration> = Duration::from_hours(24)..=Duration::from_hours(24 * 366);

/// A hash that takes more memory than this, in KiB, or more passes, is a mistake: each sign-in pays it.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 32;

/// A person of the config.
#[derive(Clone, Debug)]
pub struct LocalUser {
    /// Their e-mail, by which they are matched to a user of Lever. Unique.
    pub account: Account,
    /// How they are called; the e-mail unless set.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How much of what is confidential they may see; nothing unless set.
    pub sight: Sight,
    /// Their password's hash: argon2id in PHC form, known to parse.
    pub password_hash: Secret,
}

/// How people sign in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// A browser that is not used for so long is signed out; 8 hours unless set.
    pub idle: Duration,
    /// So long after signing in it is signed out whatever it did; 24 hours unless set.
    pub absolute: Duration,
    /// For so long an extension goes by what the identity provider last said of its owner; 30 days unless
    /// set.
    pub extension: Duration,
    /// The identity provider; none unless set.
    pub oidc: Option<Oidc>,
}

/// An identity provider that speaks OpenID Connect.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// Its name, exactly as it calls itself: a slash at the end counts.
    pub issuer: String,
    /// How it knows us.
    pub client_id: String,
    /// What we prove that with; none for a public client.
    pub client_secret: Option<Secret>,
    /// Scopes asked for besides openid, email and profile.
    pub scopes: Vec<String>,
    /// The claim that roles are read from.
    pub roles_claim: String,
    /// Which of its values give which role, in the order in which they are looked at.
    pub roles: [(Role, Vec<String>); 4],
    /// Which values let their holder see what is confidential.
    pub confidential: Vec<String>,
}

impl Oidc {
    /// What the values of the claim come to: the first role that one of them gives.
    pub fn rights(&self, values: &[String]) -> Option<(Role, Sight)> {
        let given = |list: &[String]| list.iter().any(|value| values.contains(value));
        let (role, _) = self.roles.iter().find(|(_, list)| given(list))?;
        Some((*role, sight(given(&self.confidential))))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    email: String,
    name: String,
    role: String,
    password_hash_file: String,
    confidential: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignIn {
    idle: String,
    absolute: String,
    extension: String,
    oidc: RawOidc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOidc {
    issuer: String,
    client_id: String,
    client_secret_file: String,
    scopes: Vec<String>,
    roles_claim: String,
    admin: Vec<String>,
    recruiter: Vec<String>,
    viewer: Vec<String>,
    operator: Vec<String>,
    confidential: Vec<String>,
}

/// The users, each e-mail once.
pub(super) fn users(raw: &[RawUser], check: &mut Check<'_>) -> Checked<Vec<LocalUser>> {
    let mut users: Vec<LocalUser> = Vec::new();
    let mut noted = None;
    for (index, raw) in raw.iter().enumerate() {
        let at = format!("users[{index}]");
        match raw.check(&at, check) {
            Ok(user) if users.iter().any(|other| other.account == user.account) => {
                let found = format!("\"{}\" again", raw.email);
                noted = Some(check.reject(&format!("{at}.email"), found, "each e-mail once"));
            }
            Ok(user) => users.push(user),
            Err(problem) => noted = Some(problem),
        }
    }
    noted.map_or(Ok(users), Err)
}

impl RawUser {
    fn check(&self, at: &str, check: &mut Check<'_>) -> Checked<LocalUser> {
        let role = check.role(&format!("{at}.role"), &self.role);
        let account: Account = check.parse(&format!("{at}.email"), &self.email, "an e-mail address")?;
        let key = format!("{at}.password_hash");
        let hash = check.secret(&key, &self.password_hash_file, &format!("password-hash-{account}"))?;
        if !is_usable(hash.expose()) {
            let expected = "what `fulcrum hash-password` prints";
            return Err(check.reject(&format!("{key}_file"), "no argon2id hash", expected));
        }
        let name = match self.name.trim() {
            "" => account.to_string(),
            name => name.to_owned(),
        };
        Ok(LocalUser { name, account, role: role?, sight: sight(self.confidential), password_hash: hash })
    }
}

/// Whether a text is an argon2id hash that can be verified at a bearable cost.
fn is_usable(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let bearable = |params: Params| params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX;
    hash.algorithm.as_str() == "argon2id"
        && hash.hash.is_some()
        && Params::try_from(&hash).is_ok_and(bearable)
}

impl RawSignIn {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<SignIn> {
        let idle = check.duration("sign_in.idle", &self.idle, &LIFETIME);
        let absolute = check.duration("sign_in.absolute", &self.absolute, &LIFETIME);
        let extension = check.duration("sign_in.extension", &self.extension, &EXTENSION);
        let oidc = self.oidc.check(check);
        let (idle, absolute) = (idle?, absolute?);
        if absolute < idle {
            let found = format!("\"{}\"", self.absolute);
            return Err(check.reject("sign_in.absolute", found, "as long as sign_in.idle or longer"));
        }
        Ok(SignIn { idle, absolute, extension: extension?, oidc: oidc? })
    }
}

impl RawOidc {
    fn check(&self, check: &mut Check<'_>) -> Checked<Option<Oidc>> {
        if self.issuer.is_empty() {
            return self.without_issuer(check).map_or(Ok(None), Err);
        }
        let issuer = check.secure_url("sign_in.oidc.issuer", &self.issuer);
        let client_id = check.text("sign_in.oidc.client_id", &self.client_id, "the client's id there");
        let client_secret = check.optional_secret(
            "sign_in.oidc.client_secret",
            &self.client_secret_file,
            "oidc-client-secret",
        );
        let roles_claim = check.text("sign_in.oidc.roles_claim", &self.roles_claim, "the name of a claim");
        let roles = [
            (Role::Admin, self.admin.clone()),
            (Role::Recruiter, self.recruiter.clone()),
            (Role::Viewer, self.viewer.clone()),
            (Role::Operator, self.operator.clone()),
        ];
        if roles.iter().all(|(_, values)| values.is_empty()) {
            let expected = "a value of the claim for at least one role, or nobody could sign in";
            return Err(check.reject("sign_in.oidc.admin", "no role is given to anybody", expected));
        }
        issuer?;
        Ok(Some(Oidc {
            issuer: self.issuer.trim().to_owned(),
            client_id: client_id?,
            client_secret: client_secret?,
            scopes: self.scopes.clone(),
            roles_claim: roles_claim?,
            roles,
            confidential: self.confidential.clone(),
        }))
    }

    /// What is said of a provider that is not named leads nowhere.
    fn without_issuer(&self, check: &mut Check<'_>) -> Option<Noted> {
        let expected = "the issuer of the other keys of [sign_in.oidc]";
        (!self.client_id.is_empty() || !self.client_secret_file.is_empty())
            .then(|| check.reject("sign_in.oidc.issuer", "not set", expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc() -> Oidc {
        let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        Oidc {
            issuer: "https://id.acme.example".into(),
            client_id: "fulcrum".into(),
            client_secret: None,
            scopes: Vec::new(),
            roles_claim: "groups".into(),
            roles: [
                (Role::Admin, list(&["admins"])),
                (Role::Recruiter, list(&["talent", "sourcers"])),
                (Role::Viewer, Vec::new()),
                (Role::Operator, list(&["ops"])),
            ],
            confidential: list(&["executives"]),
        }
    }

    #[test]
    fn a_claim_gives_the_first_role_that_it_names() {
        let rights = |values: &[&str]| {
            oidc().rights(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(rights(&["sourcers", "admins"]), Some((Role::Admin, Sight::Open)));
        assert_eq!(rights(&["sourcers", "executives"]), Some((Role::Recruiter, Sight::All)));
        assert_eq!(rights(&["ops"]), Some((Role::Operator, Sight::Open)));
        assert_eq!(rights(&["executives"]), None, "sight is no role");
        assert_eq!(rights(&["Admins", "admin"]), None);
        assert_eq!(rights(&[]), None);
    }

    #[test]
    fn only_a_bearable_argon2id_hash_is_taken() {
        let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$Y2VydGFpbmx5IG5vdCB0aGUgcmlnaHQgaGFzaCBhdCBhbGw";
        let of = |head: &str| is_usable(&format!("{head}${salt_and_hash}"));
        assert!(of("$argon2id$v=19$m=19456,t=2,p=1"));
        assert!(!of("$argon2i$v=19$m=19456,t=2,p=1"));
        assert!(!of("$argon2id$v=19$m=4194304,t=2,p=1"));
        assert!(!of("$argon2id$v=19$m=19456,t=1000,p=1"));
        for wrong in ["", "hunter2", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA", "$2b$12$abc"] {
            assert!(!is_usable(wrong), "{wrong}");
        }
    }
}

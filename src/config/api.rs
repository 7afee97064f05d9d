//! `[[api.tokens]]`: the programs that may use `/api/v1`.

use fulcrum_domain::{Actor, Role, Sight};
use serde::Deserialize;

use super::{
    check::{Check, Checked},
    secret::Secret,
};

/// Shorter ones can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

/// The API.
#[derive(Clone, Debug)]
pub struct Api {
    /// Nobody unless set.
    pub tokens: Vec<ApiToken>,
}

/// A program that may use the API.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// Its name in the activity; letters, digits, `-`, `_`; unique.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its bearer token, 16 characters or more, unique.
    pub token: Secret,
    /// How much of what is confidential it may see; nothing unless set.
    pub sight: Sight,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawApi {
    /// A list of tables, which no lower layer knows.
    #[serde(default)]
    tokens: Vec<RawToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    name: String,
    role: String,
    token_file: String,
    confidential: bool,
}

impl RawApi {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Api> {
        let mut tokens: Vec<ApiToken> = Vec::new();
        let mut noted = None;
        for (index, raw) in self.tokens.iter().enumerate() {
            let at = format!("api.tokens[{index}]");
            let Ok(token) = raw.check(&at, check).map_err(|problem| noted = Some(problem)) else {
                continue;
            };
            if tokens.iter().any(|other| other.name == token.name) {
                let found = format!("\"{}\" again", token.name);
                noted = Some(check.reject(&format!("{at}.name"), found, "each name once"));
            }
            if tokens.iter().any(|other| other.token == token.token) {
                let found = "the token of another entry";
                noted = Some(check.reject(&format!("{at}.token_file"), found, "each token once"));
            }
            tokens.push(token);
        }
        noted.map_or(Ok(Api { tokens }), Err)
    }
}

impl RawToken {
    fn check(&self, at: &str, check: &mut Check<'_>) -> Checked<ApiToken> {
        let role = check.role(&format!("{at}.role"), &self.role);
        let what = "a name of letters, digits, - and _";
        let key = format!("{at}.name");
        let name = check.text(&key, &self.name, what)?;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(check.reject(&key, format!("\"{name}\""), what));
        }
        if Actor::OURS.iter().any(|ours| ours.eq_ignore_ascii_case(&name)) {
            let expected = "a name that the activity does not use for somebody else";
            return Err(check.reject(&key, format!("\"{name}\""), expected));
        }
        let credential = format!("api-token-{name}");
        let token = check.secret(&format!("{at}.token"), &self.token_file, &credential)?;
        if token.expose().len() < TOKEN_CHARS_MIN {
            return Err(check.reject(
                &format!("{at}.token_file"),
                "a token that can be guessed",
                format!("{TOKEN_CHARS_MIN} characters or more"),
            ));
        }
        Ok(ApiToken { name, role: role?, token, sight: sight(self.confidential) })
    }
}

/// What the switch `confidential` means.
pub(super) fn sight(confidential: bool) -> Sight {
    if confidential { Sight::All } else { Sight::Open }
}

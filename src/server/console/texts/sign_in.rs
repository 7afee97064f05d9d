//! What the pages around signing in say.

pub(in crate::server) const SIGN_IN: &str = "Sign in";
pub(in crate::server) const EMAIL: &str = "E-mail";
pub(in crate::server) const PASSWORD: &str = "Password";
pub(in crate::server) const BY_PROVIDER: &str = "Sign in with your organisation's account";
pub(in crate::server) const OR_WITH_PASSWORD: &str = "Or with a password";
pub(in crate::server) const NOBODY_CAN: &str =
    "Nobody can sign in yet: the config has neither [[users]] nor [sign_in.oidc].";

/// The same whether there is such an account or not.
pub(in crate::server) const WRONG: &str = "The e-mail or the password is not right.";
pub(in crate::server) const OUTDATED: &str =
    "This page had been open for too long, or cookies are switched off. Please sign in again.";
pub(in crate::server) const BUSY: &str = "Too many people sign in at this moment. Please try again.";

pub(in crate::server) const ACCOUNT: &str = "Your account";
pub(in crate::server) const SIGNED_IN_AS: &str = "Signed in as";
pub(in crate::server) const ROLE: &str = "Role";
pub(in crate::server) const SEES_CONFIDENTIAL: &str = "sees confidential opportunities";
pub(in crate::server) const IN_LEVER: &str = "In Lever";
pub(in crate::server) const KNOWN_IN_LEVER: &str =
    "an active user has this e-mail: your texts and notes carry that name";
pub(in crate::server) const UNKNOWN_IN_LEVER: &str =
    "no active user has this e-mail, so notes say your name in their text";
pub(in crate::server) const WHERE: &str = "Where you are signed in";
pub(in crate::server) const WITH: &str = "With";
pub(in crate::server) const SINCE: &str = "Since";
pub(in crate::server) const LAST_USED: &str = "Last used";
pub(in crate::server) const BROWSER: &str = "A browser";
pub(in crate::server) const THIS_BROWSER: &str = "This browser";
pub(in crate::server) const EXTENSION: &str = "Extension";
pub(in crate::server) const REVOKE: &str = "Sign out there";
pub(in crate::server) const REVOKE_EXTENSION: &str = "Disconnect";
pub(in crate::server) const SIGN_OUT: &str = "Sign out";
pub(in crate::server) const SIGN_OUT_EVERYWHERE: &str = "Sign out everywhere";
pub(in crate::server) const EVERYWHERE_WORDS: &str =
    "Ends all of these at once, this browser and every extension too.";
pub(in crate::server) const BACK: &str = "Back";

pub(in crate::server) const NO_ACCOUNT: &str = "No account";
pub(in crate::server) const NO_ACCOUNT_WORDS: &str =
    "A program's token has no account: only people who sign in do.";
pub(in crate::server) const GONE: &str = "That was signed out already";
pub(in crate::server) const GONE_WORDS: &str = "There is no such browser or extension among yours any more.";
pub(in crate::server) const TO_ACCOUNT: &str = "Back to your account";

/// When to try again.
pub(in crate::server) fn too_many(seconds: u64) -> String {
    let (count, unit) = if seconds <= 90 { (seconds, "seconds") } else { (seconds.div_ceil(60), "minutes") };
    format!("Too many attempts. Please try again in {count} {unit}.")
}

pub(in crate::server) const TO_START: &str = "Back to the start";
pub(in crate::server) const ENDED: &str = "You were signed out by then, and what you sent was not taken. Your browser's Back leads to what you typed.";
pub(in crate::server) const TO_SIGN_IN: &str = "Back to signing in";
pub(in crate::server) const LINK_USED: &str = "This link leads nowhere";
pub(in crate::server) const LINK_USED_WORDS: &str = "A link that signs somebody in works once, on the machine where it was made. Sign in with your password instead.";
pub(in crate::server) const TOO_MANY: &str = "Too many attempts";
pub(in crate::server) const NO_PROVIDER: &str = "No such way to sign in";
pub(in crate::server) const NO_PROVIDER_WORDS: &str = "The config names no identity provider.";
pub(in crate::server) const PROVIDER_DOWN: &str = "The identity provider does not answer";
pub(in crate::server) const PROVIDER_DOWN_WORDS: &str = "Your organisation's sign-in service cannot be used at this moment. \
     Try again in a minute, or sign in with a password if you have one here. The log says more.";
pub(in crate::server) const PROVIDER_REFUSED: &str = "You are not signed in";
/// Follows "the identity provider's answer does not hold".
pub(in crate::server) const NOT_BEGUN_HERE: &str =
    "it belongs to no sign-in that was begun in this browser today";
pub(in crate::server) const NO_ROLE: &str = "Your account has no role here";

/// Why the provider's word is not taken.
pub(in crate::server) fn provider_refused(why: &impl std::fmt::Display) -> String {
    format!("Please try again. If it stays like this, tell your administrator: {why}.")
}

/// What an administrator must do for somebody whom the provider gives no role.
pub(in crate::server) fn no_role(account: &str, claim: &str, values: &[&str]) -> String {
    let values = values.join(", ");
    format!(
        "Your organisation knows you as {account}, but the claim \u{201c}{claim}\u{201d} has none of the values that \
         give a role here: {values}. Ask your administrator for one of them."
    )
}

//! What the page says on which somebody approves an extension.

pub(in crate::server) const ASK: &str = "Connect a browser?";
pub(in crate::server) const ASK_WORDS: &str = "A browser asks to read and send texts for you, beside Lever. Approve only if you pressed \
                         Connect in it a moment ago and it shows these very digits.";
pub(in crate::server) const APPROVE: &str = "Approve";
pub(in crate::server) const REFUSE: &str = "Refuse";
pub(in crate::server) const APPROVED: &str = "Connected";
pub(in crate::server) const APPROVED_WORDS: &str = "You can close this page and go back to Lever.";
pub(in crate::server) const REFUSED: &str = "Refused";
pub(in crate::server) const REFUSED_WORDS: &str = "The browser was not connected. You can close this page.";
pub(in crate::server) const WRONG: &str = "This link does not work";
pub(in crate::server) const WRONG_WORDS: &str =
    "Press Connect in the extension again; it opens the right one.";
pub(in crate::server) const NO_BROWSER: &str = "Sign in with a browser to connect another";

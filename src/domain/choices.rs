//! What an operator chooses by a word in the config, where the parts that follow it need no more than the word.

use serde::{Deserialize, Serialize};

/// Whose interviews the initial sync lists, one request an opportunity. Stored by position, from the least to
/// the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BackfillScope {
    /// Nobody's.
    None,
    /// Those of active opportunities.
    Active,
    /// Those of all.
    All,
}

/// What is done with confidential opportunities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidential {
    /// They are left out.
    Off,
    /// All that the key shows are synced; nobody is texted about them.
    Read,
    /// The same, and they may be texted.
    Full,
}

/// What becomes of a note whose answer was lost and that cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// It is posted again; the reference in it lets a reader see the repeat.
    Repost,
    /// A person decides.
    Hold,
}

/// Of which interviews candidates are reminded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemindOf {
    /// Those that were arranged here.
    Ours,
    /// Those that were arranged in Lever, too.
    All,
    /// None.
    #[default]
    None,
}

/// When a note is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranscriptMode {
    /// After a pause, one for the texts since the last.
    Session,
    /// One for each text.
    Instant,
    /// Never.
    Off,
}

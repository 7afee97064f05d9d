//! What the engine needs of the configuration, in its own terms. Built by whoever starts it and
//! replaced as a whole on reload; a part takes it up once per decision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fulcrum_domain::Retention;
use fulcrum_domain::template::Templates;
pub use fulcrum_domain::{BackfillScope, Confidential, OnUnknown};
use jiff::Timestamp;
use secrecy::SecretString;

use super::audit::{AuditOutputs, Signer};
use super::backups::BackupPlan;
use super::changes::Rules;
use super::files::FileRules;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What changes follow.
    pub rules: Rules,
    /// Requests a second that Lever allows.
    pub requests_per_second: f64,
    /// Time between two looks at what changed in Lever.
    pub poll_interval: Duration,
    /// Time between two looks at the carrier's list of inbound texts, as far as it may be new.
    pub inbound_poll: Duration,
    /// Where no webhook of the carrier's comes, the time between two looks at the newest of them.
    pub poll_alone: Option<Duration>,
    /// Which files that come with texts are fetched.
    pub files: FileRules,
    /// Segments a second that one of our numbers may send.
    pub segments_per_second: f64,
    /// Which interviews the initial sync lists.
    pub interviews: BackfillScope,
    /// Opportunities created before are left out of the initial sync.
    pub since: Option<Timestamp>,
    /// Confidential records.
    pub confidential: Confidential,
    /// Notes with a lost answer.
    pub on_unknown: OnUnknown,
    /// Whether Lever tells followers of a note.
    pub notify_followers: bool,
    /// The backups that are made by themselves, if any.
    pub backup: Option<BackupPlan>,
    /// Where the audit log goes by itself.
    pub audit: AuditOutputs,
    /// What signs its checkpoints; if none, the key that the store has made.
    pub audit_key: Option<Arc<Signer>>,
    /// For how long what was said is kept.
    pub retention: Retention,
    /// Where the calendars of those who interview are read, by their e-mail in lower case.
    pub calendars: BTreeMap<String, SecretString>,
    /// Texts to choose from.
    pub templates: Templates,
    /// A bulk text to more people than this wants a second person.
    pub second_person_above: usize,
}

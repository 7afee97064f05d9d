//! Settings as types, with every problem reported at once.
//!
//! ```text
//! default.toml ──────────────────────────────┐
//! fulcrum.toml ──> reading: keys, types,  ───┼─> figment ──> Raw… ──> check: ranges, ──> Config
//! FULCRUM_…    ──> lines, secrets aside   ───┘   (layers)            files, pairs
//!                        └───────────── problems ───────────────────────┘
//! ```
//!
//! Not figment and serde alone: they stop at the first mistake, know no lines, and repeat values
//! that may be secrets. So `reading` goes over the documents first, with `config/default.toml`
//! as its schema, and figment only layers what has the right shape. The `Raw…` structs hold what
//! can be written; only [`Config`] and its parts are seen from outside, and nobody can hold an
//! invalid one. A key is added in three places: the reference, its `Raw…` struct, its section's
//! `check`; a test compares the first two.

mod api;
mod audit;
mod automations;
mod backup;
mod booking;
mod carrier;
mod check;
mod consent;
mod extension;
mod files;
mod lever;
mod limits;
mod organisation;
mod outline;
pub mod password;
mod problem;
mod quiet_hours;
mod reading;
mod reminders;
mod retention;
mod schema;
mod secret;
mod server;
mod sign_in;
mod state_windows;
mod templates;
mod transcript;
mod webhook_tokens;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use fulcrum_domain::{ConsentRules, Retention, automation::Automations, guard::Caps, template::Templates};
use serde::Deserialize;
use toml::{Table, Value};
use zeroize::Zeroizing;

pub use api::{Api, ApiToken};
pub use audit::Audit;
pub use backup::{Backup, BackupS3, BackupSchedule};
pub use booking::{Booking, Calendar};
pub use carrier::{Carrier, CarrierKind, Telnyx, Twilio, Webhook};
pub use extension::{Extension, LeverHost};
pub use files::Files;
pub use lever::{Backfill, Lever};
pub use limits::{Limits, Rates};
pub use organisation::{OptOut, OptOutHandler, Organisation};
pub use outline::Outline;
pub use problem::{Origin, Problem, Problems};
pub use quiet_hours::QuietHours;
pub use reminders::Reminders;
pub use secret::Secret;
pub use server::{Log, LogFormat, Network, Ops, ProxyRange, ProxyRangeError, Server, Store, TlsFiles};
pub use sign_in::{LocalUser, Oidc, SignIn};
pub use transcript::Transcript;
pub use webhook_tokens::WebhookTokens;

pub use fulcrum_domain::{Right, Role};

pub(crate) use check::is_loopback;
use check::{Check, Checked, Secrets};
use reading::{ConfigFile, Reading};
use schema::{DEFAULT, Schema, join};
use secret::{Guard, is_private, read_file};

/// What is read only at the start: sections and single keys. The rest holds after a reload.
const NEEDS_RESTART: [&str; 21] = [
    "server.listen",
    "server.public_url",
    "server.control_socket",
    "server.tls_cert_file",
    "server.tls_key_file",
    "server.trusted_proxies",
    "ops",
    "store",
    "network",
    "log.format",
    "lever.base_url",
    "lever.api_key_file",
    "lever.confidential",
    "lever.requests_per_second",
    "lever.burst",
    "lever.in_flight",
    "lever.connect_timeout",
    "lever.request_timeout",
    "backfill",
    "carrier",
    "extension",
];

/// Where settings come from. All of it is passed in, so that tests need no global environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The config file; without one there are only defaults and environment.
    pub file: Option<PathBuf>,
    /// The variables of the environment; those without `FULCRUM_` are passed over.
    pub env: Vec<(String, String)>,
    /// `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` names.
    pub credentials_dir: Option<PathBuf>,
}

/// The settings, all of them valid, with secrets that `Debug` does not show.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who texts.
    pub organisation: Organisation,
    /// The listeners for the outside and for commands.
    pub server: Server,
    /// The listener for health and metrics.
    pub ops: Ops,
    /// The one file that holds everything.
    pub store: Store,
    /// For how long what was said is kept.
    pub retention: Retention,
    /// Which files that come with texts are fetched.
    pub files: Files,
    /// How backups are made.
    pub backup: Backup,
    /// Where the audit log goes.
    pub audit: Audit,
    /// The way out.
    pub network: Network,
    /// What is logged, and how.
    pub log: Log,
    /// The Data API and the webhooks.
    pub lever: Lever,
    /// The initial sync.
    pub backfill: Backfill,
    /// How transcripts are filed.
    pub transcript: Transcript,
    /// How a STOP is answered.
    pub optout: OptOut,
    /// How much consent is wanted, and where it is asked for.
    pub consent: ConsentRules,
    /// When texts may start.
    pub quiet_hours: QuietHours,
    /// What candidates are texted of their interviews.
    pub reminders: Reminders,
    /// How many texts that nobody wrote to them a person gets.
    pub frequency_caps: Caps,
    /// Texts to choose from.
    pub templates: Templates,
    /// What more texts at once than a second person must approve.
    pub second_person_above: usize,
    /// What texts by itself.
    pub automations: Automations,
    /// What candidates book, and with whom.
    pub booking: Booking,
    /// The carrier and our numbers there.
    pub carrier: Carrier,
    /// The API.
    pub api: Api,
    /// People who sign in with a password.
    pub users: Vec<LocalUser>,
    /// How people sign in.
    pub sign_in: SignIn,
    /// The browser extension.
    pub extension: Extension,
    as_written: AsWritten,
}

/// The settings by key, to see what a reload changes.
#[derive(Clone, Debug)]
struct AsWritten {
    values: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

/// What a new config changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys whose new values can be used at once.
    pub reloadable: Vec<String>,
    /// Keys whose new values wait for the next start.
    pub needing_restart: Vec<String>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    ///
    /// Every problem of every source, none of which repeats a secret.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let (config, problems, _) =
            read(sources, Secrets::Read, |raw, values, check| raw.check(values, check).ok())?;
        match config.flatten() {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Problems::new(problems)),
        }
    }

    /// What changes from this config to a new one, key by key, for SIGHUP.
    #[must_use]
    pub fn reloadable_diff(&self, new: &Self) -> Changes {
        let (old, new) = (&self.as_written, &new.as_written);
        let mut changed = differing(&old.values, &new.values);
        changed.extend(differing(&old.secrets, &new.secrets));
        changed.sort();
        changed.dedup();
        let (needing_restart, reloadable) = changed.into_iter().partition(|key| needs_restart(key));
        Changes { reloadable, needing_restart }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    organisation: organisation::RawOrganisation,
    server: server::RawServer,
    ops: server::RawOps,
    store: server::RawStore,
    retention: retention::RawRetention,
    files: files::RawFiles,
    backup: backup::RawBackup,
    audit: audit::RawAudit,
    network: server::RawNetwork,
    log: server::RawLog,
    lever: lever::RawLever,
    backfill: lever::RawBackfill,
    transcript: transcript::RawTranscript,
    optout: organisation::RawOptOut,
    consent: consent::RawConsent,
    quiet_hours: quiet_hours::RawQuietHours,
    reminders: reminders::RawReminders,
    frequency_caps: quiet_hours::RawFrequencyCaps,
    texts: templates::RawTexts,
    bulk: templates::RawBulk,
    /// Lists of tables, which no lower layer knows.
    #[serde(default)]
    templates: Vec<templates::RawTemplate>,
    #[serde(default)]
    saved_links: Vec<templates::RawSavedLink>,
    automation: automations::RawLimits,
    #[serde(default)]
    automations: Vec<automations::RawAutomation>,
    #[serde(default)]
    event_types: Vec<booking::RawEventType>,
    #[serde(default)]
    calendars: Vec<booking::RawCalendar>,
    carrier: carrier::RawCarrier,
    api: api::RawApi,
    /// A list of tables, which no lower layer knows.
    #[serde(default)]
    users: Vec<sign_in::RawUser>,
    sign_in: sign_in::RawSignIn,
    extension: extension::RawExtension,
}

impl Raw {
    fn check(&self, values: BTreeMap<String, String>, check: &mut Check<'_>) -> Checked<Config> {
        let organisation = self.organisation.check(check);
        let server = self.server.check(check);
        let ops = self.ops.check(&self.server, check);
        let store = self.store.check(check);
        let retention = self.retention.check(check);
        let files = self.files.check(check);
        let backup = self.backup.check(check);
        let audit = self.audit.check(check);
        let network = self.network.check(check);
        let log = self.log.check(check);
        let lever = self.lever.check(check);
        let backfill = self.backfill.check(check);
        let transcript = self.transcript.check(check);
        let optout = self.optout.check(&self.organisation, check);
        let consent = self.consent.check(check);
        let quiet_hours = self.quiet_hours.check(check);
        let meetings = templates::Meetings(self.event_types.iter().map(booking::RawEventType::id).collect());
        let reminders = self.reminders.check(&meetings, check);
        let frequency_caps = self.frequency_caps.check(check);
        let (known, templates) = templates::check(
            &self.templates,
            &self.texts,
            &self.saved_links,
            self.organisation.name(),
            &meetings,
            check,
        );
        let bulk = self.bulk.check(check);
        let automations = automations::check(&self.automations, &self.automation, &known, &meetings, check);
        let zone = organisation.as_ref().ok().map(|organisation| &organisation.timezone);
        let booking = booking::check(&self.event_types, &self.calendars, zone, check);
        let carrier = self.carrier.check(check);
        let reached = match (&server, &carrier) {
            (Ok(server), Ok(carrier)) => carrier.can_reach(&server.public_url, check),
            _ => Ok(()),
        };
        let api = self.api.check(check);
        let users = sign_in::users(&self.users, check);
        let sign_in = self.sign_in.check(check);
        let sandboxed = self.lever.is_plain_http();
        let extension = self.extension.check(sandboxed, check);
        Ok(Config {
            organisation: organisation?,
            server: reached.and(server)?,
            ops: ops?,
            store: store?,
            retention: retention?,
            files: files?,
            backup: backup?,
            audit: audit?,
            network: network?,
            log: log?,
            lever: lever?,
            backfill: backfill?,
            transcript: transcript?,
            optout: optout?,
            consent: consent?,
            quiet_hours: quiet_hours?,
            reminders: reminders?,
            frequency_caps: frequency_caps?,
            templates: templates.map(|()| known.templates)?,
            second_person_above: bulk?,
            automations: automations?,
            booking: booking?,
            carrier: carrier?,
            api: api?,
            users: users?,
            sign_in: sign_in?,
            extension: extension?,
            as_written: AsWritten { values, secrets: std::mem::take(&mut check.secrets) },
        })
    }
}

/// What `take` makes of the settings, what is wrong with them, and the file's text if it is no proper TOML.
type ReadAs<T> = (Option<T>, Vec<Problem>, Option<Zeroizing<String>>);

/// Reads everything, for `take` to check.
fn read<T>(
    sources: &Sources,
    secrets: Secrets,
    take: impl FnOnce(&Raw, BTreeMap<String, String>, &mut Check<'_>) -> T,
) -> Result<ReadAs<T>, Problems> {
    let file = sources.file.as_deref().map(read_config_file).transpose()?;
    let reading = Reading::of(&Schema::of_default(), file.as_ref(), &sources.env);
    let figment = Figment::from(Toml::string(DEFAULT))
        .merge(Serialized::defaults(&reading.file))
        .merge(Serialized::defaults(&reading.environment));
    // Under systemd only what it hands over counts: the rest is for root alone.
    let beside = sources.file.as_deref().and_then(Path::parent);
    let secrets_dir = match &sources.credentials_dir {
        Some(directory) => Some((directory.as_path(), Guard::Elsewhere)),
        None => beside.map(|directory| (directory, Guard::Mode)),
    };
    let torn = reading.torn;
    let mut check =
        Check::new(&reading.places, reading.secrets, secrets_dir, reading.problems, torn, secrets);
    let taken = match layered(&figment) {
        Ok((raw, values)) => Some(take(&raw, values, &mut check)),
        Err(error) => {
            // The first pass has let through what the structs refuse. The error's text stays
            // out of the problem, since figment repeats values.
            check.reject(&error.path.join("."), "a value that does not fit", "another");
            None
        }
    };
    Ok((taken, check.into_problems(), file.filter(|_| torn).map(|file| file.text)))
}

fn read_config_file(path: &Path) -> Result<ConfigFile, Problems> {
    match read_file(path, Guard::Elsewhere) {
        Ok(text) => Ok(ConfigFile { path: path.to_owned(), text, private: is_private(path) }),
        Err(error) => Err(Problems::new(vec![Problem {
            key: String::new(),
            origin: Origin::File(path.to_owned()),
            line: None,
            found: error.to_string(),
            expected: "a config file that this user can read; -c FILE names another".to_owned(),
            suggestion: None,
        }])),
    }
}

fn layered(figment: &Figment) -> Result<(Raw, BTreeMap<String, String>), Box<figment::Error>> {
    let mut values = BTreeMap::new();
    flatten("", &figment.extract::<Table>()?, &mut values);
    Ok((figment.extract()?, values))
}

fn flatten(section: &str, table: &Table, values: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = join(section, name);
        match value {
            Value::Table(table) => flatten(&key, table, values),
            other => {
                values.insert(key, other.to_string());
            }
        }
    }
}

fn differing<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    let keys = old.keys().chain(new.keys());
    keys.filter(|key| old.get(*key) != new.get(*key)).cloned().collect()
}

fn needs_restart(key: &str) -> bool {
    NEEDS_RESTART
        .iter()
        .any(|part| key.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The structs have no defaults of their own and refuse unknown keys, so this proves both
    /// directions: each key of the reference has a field, each field a key in the reference.
    #[test]
    fn the_reference_and_the_structs_have_the_same_keys() {
        let schema = Schema::of_default();
        let without_secrets = without_secrets(schema.root());
        Value::Table(without_secrets).try_into::<Raw>().map(drop).unwrap();
    }

    fn without_secrets(table: &Table) -> Table {
        let kept = table.iter().filter(|(name, _)| !schema::is_secret(table, name));
        let inner = |value: &Value| match value {
            Value::Table(table) => Value::Table(without_secrets(table)),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| match item {
                        Value::Table(table) => Value::Table(without_secrets(table)),
                        other => other.clone(),
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        kept.map(|(name, value)| (name.clone(), inner(value))).collect()
    }

    #[test]
    fn the_reference_says_restart_where_one_is_needed() {
        let mut section = String::new();
        let mut comment = String::new();
        let mut closed = true;
        for line in DEFAULT.lines() {
            if let Some(text) = line.strip_prefix("# ") {
                if std::mem::take(&mut closed) {
                    comment.clear();
                }
                comment.push_str(text);
            } else if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            } else if let Some((name, _)) = line.split_once(" = ") {
                closed = true;
                if !line.starts_with("#:") {
                    let key = join(&section, name);
                    assert_eq!(needs_restart(&key), comment.ends_with("estart."), "{key}");
                }
            }
        }
    }
}

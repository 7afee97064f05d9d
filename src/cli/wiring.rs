//! From the config to what each room wants to know, in its own terms.
//!
//! The rooms do not know the config: it is one way of many to set them up (tests and the demo have
//! others), and a key may move without any of them noticing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fulcrum_domain::booking::{Interviewer, Offers};
use fulcrum_domain::optout::CarrierWords;
use fulcrum_domain::{Confidential, FilingTimes, HookEvent};
use jiff::SignedDuration;
use secrecy::SecretString;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, pem};
use url::Url;

use super::carriers;
use super::network::{calendars, http_to, provider_http, proxy_to, syslog};
use crate::bucket::{Bucket, BucketError, BucketSettings};
use crate::config::{self, CarrierKind, Config, OptOutHandler, Secret};
use crate::engine::audit::{AuditOutputs, KeyError, Signer};
use crate::engine::changes::{InterviewTexts, KeywordAnswers, Rules};
use crate::engine::{BackupPlan, CopyPlan, FileRules, Remotes, Settings};
use crate::lever::{LeverSettings, PaceSettings, SettingsError};
use crate::server::{Certificate, CertificateError, Keys, ServerSettings, SetupSettings};
use crate::store::{self, BadSealKey, SealKeys};

/// A setting that only its user can judge, and refuses. As much a mistake in the config as those that
/// reading it finds.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The file with more root certificates.
    #[error("network.ca_file")]
    Roots(#[source] io::Error),
    /// The file with our certificate and key.
    #[error("network.identity_file")]
    Identity(#[source] reqwest::Error),
    /// The way out, as the carrier's client sees it.
    #[error("the connection to the carrier cannot be set up by what [network] says")]
    Carrier(#[source] reqwest::Error),
    /// The same, as the identity provider's client sees it.
    #[error("the connection to the identity provider cannot be set up by what [network] says")]
    Provider(#[source] reqwest::Error),
    /// The same, for the calendars of interviewers.
    #[error("the connection to calendars cannot be set up by what [network] says")]
    Calendars(#[source] reqwest::Error),
    /// The certificate of the public listener and its key.
    #[error("server.tls_cert_file, server.tls_key_file")]
    Certificate(#[from] CertificateError),
    /// A key for the carrier's webhooks.
    #[error("carrier.webhook")]
    WebhookKey(#[from] crate::carrier::webhook::BadKey),
    /// PEM in a file of `[network]`, for the syslog.
    #[error("the connection to the syslog cannot be set up by the files that [network] names")]
    Pem(#[source] pem::Error),
    /// The same for the TLS of it.
    #[error("the connection to the syslog cannot be set up by what [network] says")]
    Syslog(#[source] rustls::Error),
    /// What signs checkpoints.
    #[error("audit.signing_key_file")]
    SigningKey(#[source] KeyError),
    /// The name of the syslog.
    #[error("audit.syslog.address")]
    SyslogName(#[source] InvalidDnsNameError),
    /// The store's keys.
    #[error("store.keys_file")]
    StoreKeys(#[from] BadSealKey),
    /// The bucket for copies of backups.
    #[error("backup.s3")]
    Bucket(#[from] BucketError),
    /// Lever.
    #[error("lever")]
    Lever(#[from] SettingsError),
    /// The day from which opportunities are synced.
    #[error("backfill.since")]
    Since(#[source] jiff::Error),
}

impl WiringError {
    /// The setting that it is about.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Roots(_) => "network.ca_file",
            Self::Identity(_) => "network.identity_file",
            Self::Carrier(_) | Self::Provider(_) | Self::Calendars(_) | Self::Pem(_) | Self::Syslog(_) => {
                "network"
            }
            Self::Certificate(_) => "server.tls_cert_file",
            Self::WebhookKey(_) => "carrier.webhook.secret_file",
            Self::SigningKey(_) => "audit.signing_key_file",
            Self::SyslogName(_) => "audit.syslog.address",
            Self::StoreKeys(_) => "store.keys_file",
            Self::Bucket(_) => "backup.s3",
            Self::Lever(_) => "lever",
            Self::Since(_) => "backfill.since",
        }
    }

    /// What would be right there.
    pub const fn expected(&self) -> &'static str {
        match self {
            Self::Roots(_) => "certificates in PEM",
            Self::Identity(_) => "a certificate and its key in PEM",
            Self::Carrier(_) | Self::Provider(_) | Self::Calendars(_) | Self::Pem(_) | Self::Syslog(_) => {
                "proxies and PEM files that can be used"
            }
            Self::Certificate(_) => "a chain of certificates in PEM, and the key of the first",
            Self::WebhookKey(_) => "a key as the gateway shows it",
            Self::SigningKey(_) => "an Ed25519 key in PEM",
            Self::SyslogName(_) => "a host and a port, such as \"logs.acme.example:6514\"",
            Self::StoreKeys(_) => "keys of 64 hexadecimal digits, one a line",
            Self::Bucket(_) => "a bucket of a service that speaks S3",
            Self::Lever(_) => "an address that can be asked",
            Self::Since(_) => "a day that there is",
        }
    }
}

/// What the engine talks to.
///
/// # Errors
/// [`WiringError`]; nothing is opened yet.
pub fn remotes(config: &Config) -> Result<Remotes, WiringError> {
    Ok(Remotes {
        store: store::Options::file(&config.store.path).keys(seal_keys(config)?),
        lever: lever(config)?,
        pace: pace(config),
        carrier: carriers::client(config)?,
        calendars: calendars(config)?,
    })
}

/// What the engine goes by.
///
/// # Errors
/// [`WiringError`] for what reading the config lets through.
pub fn settings(config: &Config) -> Result<Settings, WiringError> {
    let zone = &config.organisation.timezone;
    let since = config.backfill.since.map(|day| zone.to_timestamp(day.into()));
    Ok(Settings {
        rules: rules(config),
        requests_per_second: config.lever.requests_per_second.get().into(),
        poll_interval: config.lever.poll_interval,
        inbound_poll: config.carrier.kind.poll(),
        poll_alone: config.carrier.poll_alone,
        files: FileRules { fetch: config.files.fetch, most_bytes: config.files.most_bytes },
        segments_per_second: config.carrier.kind.segments_per_second(),
        interviews: config.backfill.interviews,
        since: since.transpose().map_err(WiringError::Since)?,
        confidential: config.lever.confidential,
        on_unknown: config.transcript.on_unknown,
        notify_followers: config.transcript.notify_followers,
        backup: backup(config)?,
        audit: AuditOutputs { file: config.audit.file.clone(), syslog: syslog(config)?.map(Arc::new) },
        audit_key: signer(config)?.map(Arc::new),
        retention: config.retention,
        calendars: addresses(&config.booking),
        templates: config.templates.clone(),
        second_person_above: config.second_person_above,
    })
}

/// The same after a reload: what needs a restart stays as it was.
///
/// # Errors
/// [`WiringError`]; the old settings stay then.
pub fn reloaded(old: &Settings, config: &Config) -> Result<Settings, WiringError> {
    let new = settings(config)?;
    Ok(Settings {
        rules: Rules {
            numbers: old.rules.numbers.clone(),
            public_url: old.rules.public_url.clone(),
            text_confidential: old.rules.text_confidential,
            ..new.rules
        },
        poll_interval: new.poll_interval,
        on_unknown: new.on_unknown,
        notify_followers: new.notify_followers,
        backup: new.backup,
        audit: new.audit,
        audit_key: new.audit_key,
        retention: new.retention,
        files: new.files,
        calendars: new.calendars,
        templates: new.templates,
        second_person_above: new.second_person_above,
        ..old.clone()
    })
}

/// The keys that values of the store are sealed with.
///
/// # Errors
/// [`WiringError::StoreKeys`].
pub fn seal_keys(config: &Config) -> Result<Arc<SealKeys>, WiringError> {
    let keys = config.store.keys.iter().map(Secret::expose);
    Ok(Arc::new(SealKeys::new(keys, config.store.sealed)?))
}

/// The backups that are made by themselves.
fn backup(config: &Config) -> Result<Option<BackupPlan>, WiringError> {
    let Some(schedule) = config.backup.schedule.clone() else { return Ok(None) };
    Ok(Some(BackupPlan {
        every: schedule.every,
        directory: schedule.directory,
        keep: schedule.keep,
        recipient: config.backup.recipient.clone(),
        copies: schedule.s3.map(|s3| copies(config, &s3)).transpose()?,
    }))
}

/// Where they are copied to.
fn copies(config: &Config, s3: &config::BackupS3) -> Result<CopyPlan, WiringError> {
    let (key_id, secret) = s3.key.expose().split_once(':').unwrap_or_default();
    let settings = BucketSettings {
        endpoint: s3.endpoint.clone(),
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone(),
        region: s3.region.clone(),
        path_style: s3.path_style,
        key_id: key_id.to_owned(),
        secret: SecretString::from(secret),
    };
    let bucket = Bucket::new(
        &settings,
        http_to(config, &s3.endpoint, |error| BucketError::Connection(error).into())?,
    )?;
    Ok(CopyPlan { bucket, keep: s3.keep, unencrypted: s3.unencrypted })
}

fn rules(config: &Config) -> Rules {
    let (organisation, transcript) = (&config.organisation, &config.transcript);
    Rules {
        consent: config.consent.clone(),
        quiet_hours: config.quiet_hours.hours,
        state_windows: config.quiet_hours.states.clone(),
        quiet_overrides: config.quiet_hours.overrides.clone(),
        caps: config.frequency_caps,
        organisation: organisation.name.clone(),
        zone: organisation.timezone.clone(),
        region: organisation.region,
        help_text: organisation.help_text.clone(),
        opt_out_confirmation: config.optout.confirmation.clone(),
        keyword_answers: match config.optout.handled_by {
            OptOutHandler::Carrier => KeywordAnswers::Carrier(match config.carrier.kind {
                CarrierKind::Telnyx(_) => CarrierWords::Telnyx,
                CarrierKind::Twilio(_) | CarrierKind::Webhook(_) => CarrierWords::Twilio,
            }),
            OptOutHandler::Fulcrum => KeywordAnswers::Fulcrum,
        },
        numbers: config.carrier.numbers.clone(),
        times: FilingTimes { delay: signed(transcript.delay), max_wait: transcript.max_wait.map(signed) },
        mode: transcript.mode,
        mode_of: transcript.postings.clone(),
        secret_notes: transcript.secret,
        text_confidential: config.lever.confidential == Confidential::Full,
        max_note_chars: transcript.max_note_chars,
        public_url: config.server.public_url.to_string(),
        booking: offers(&config.booking),
        notes_as: config.lever.notes_as.clone(),
        automations: Arc::new(config.automations.clone()),
        interview_texts: InterviewTexts {
            remind_of: config.reminders.interviews,
            leads: config.reminders.leads.iter().copied().map(signed).collect(),
            templates: config.reminders.texts.clone(),
        },
    }
}

fn offers(booking: &config::Booking) -> Offers {
    let interviewer = |calendar: &config::Calendar| Interviewer {
        week: calendar.week.clone(),
        weight: calendar.weight,
        has_calendar: calendar.address.is_some(),
    };
    let interviewers =
        booking.calendars.iter().map(|calendar| (calendar.user.clone(), interviewer(calendar)));
    Offers { event_types: booking.event_types.clone(), interviewers: interviewers.collect() }
}

fn addresses(booking: &config::Booking) -> BTreeMap<String, SecretString> {
    let with = booking
        .calendars
        .iter()
        .filter_map(|calendar| Some((calendar.user.clone(), secret(calendar.address.as_ref()?))));
    with.collect()
}

/// How Lever is reached.
///
/// # Errors
/// [`WiringError::Roots`].
pub fn lever(config: &Config) -> Result<LeverSettings, WiringError> {
    Ok(LeverSettings {
        base_url: config.lever.base_url.clone(),
        api_key: secret(&config.lever.api_key),
        https_only: is_https(&config.lever.base_url),
        way: http_to(config, &config.lever.base_url, |error| SettingsError::Connection(error).into())?,
        proxy: proxy_to(config, &config.lever.base_url),
        connect_timeout: config.lever.connect_timeout,
        deadline: config.lever.request_timeout,
    })
}

/// How fast.
pub fn pace(config: &Config) -> PaceSettings {
    PaceSettings {
        period: Duration::from_secs(1) / config.lever.requests_per_second.get(),
        burst: config.lever.burst,
        in_flight: usize::try_from(config.lever.in_flight.get()).unwrap_or(usize::MAX),
    }
}

/// What signs the audit log, where the config names a key.
///
/// # Errors
/// [`WiringError::SigningKey`].
pub fn signer(config: &Config) -> Result<Option<Signer>, WiringError> {
    let key = config.audit.signing_key.as_ref().map(|key| Signer::from_pem(key.expose()));
    key.transpose().map_err(WiringError::SigningKey)
}

/// What the server goes by.
///
/// # Errors
/// [`WiringError::Certificate`], [`WiringError::Roots`], [`WiringError::Provider`], [`WiringError::WebhookKey`].
pub fn server(config: &Config) -> Result<ServerSettings, WiringError> {
    let public_url = config.server.public_url.clone();
    Ok(ServerSettings {
        listen: config.server.listen,
        ops_listen: config.ops.listen,
        control_socket: Some(config.server.control_socket.clone()),
        tls: config.server.tls.clone().map(Certificate::load).transpose()?,
        public_url: public_url.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        lever_hosts: config.extension.lever_hosts.clone(),
        carrier: carriers::hooks(config)?,
        setup: setup(config),
        provider_http: provider_http(config)?,
        keys: keys(config),
        invitation: None,
        limits: config.server.limits,
    })
}

/// What the Setup page knows of this machine.
fn setup(config: &Config) -> SetupSettings {
    let lever = &config.lever;
    SetupSettings {
        key_file: lever.api_key_file.as_ref().map_or_else(String::new, |path| path.display().to_string()),
        hook_url: lever_hook_url(config),
        hook_secret: lever.hook_secret.is_some(),
        tokens_file: lever.webhook_tokens_file.clone(),
        lever_web: lever_web(config),
    }
}

/// Where Lever's pages are.
pub fn lever_web(config: &Config) -> String {
    config.extension.lever_hosts.first().map_or_else(String::new, ToString::to_string)
}

/// What callers prove themselves with.
pub fn keys(config: &Config) -> Keys {
    Keys::new(&config.lever.webhook_tokens, config.lever.hook_secret.as_ref(), &config.api.tokens)
        .with_people(&config.users, &config.sign_in)
}

/// The address to paste into Lever's webhook settings.
pub fn lever_hook_url(config: &Config) -> String {
    let base = config.server.public_url.as_str().trim_end_matches('/');
    let secret_path = if config.lever.hook_secret.is_some() { "/(the secret path)" } else { "" };
    format!("{base}/hooks/lever{secret_path}")
}

/// The events whose webhooks can be verified.
pub fn events_with_tokens(config: &Config) -> impl Iterator<Item = HookEvent> {
    HookEvent::ALL.into_iter().filter(|event| config.lever.webhook_tokens.tokens_for(*event).next().is_some())
}

/// The config allows plain HTTP on loopback alone.
pub(super) fn is_https(url: &Url) -> bool {
    url.scheme() == "https"
}

pub(super) fn secret(secret: &Secret) -> SecretString {
    SecretString::from(secret.expose())
}

/// The config's bounds are far below what either type holds.
fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;
    use crate::config::Sources;

    /// The example with a section more.
    pub(in crate::cli) fn config_with(section: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            path
        };
        for name in ["lever-api-key", "twilio-auth-token"] {
            write(name, "s3cr3t");
        }
        let example = include_str!("../../config/examples/minimal.toml");
        let file = Some(write("fulcrum.toml", &format!("{example}\n{section}\n")));
        let credentials_dir = Some(folder.path().to_owned());
        Config::load(&Sources { file, env: Vec::new(), credentials_dir }).unwrap()
    }

    /// Its settings, at the start or after a reload.
    fn settings_with(section: &str, old: Option<&Settings>) -> Settings {
        let config = config_with(section);
        old.map_or_else(|| settings(&config), |old| reloaded(old, &config)).unwrap()
    }

    #[test]
    fn what_has_a_default_is_delivered() {
        let wired = settings_with("", None);
        let rules = Rules {
            interview_texts: wired.rules.interview_texts.clone(),
            automations: wired.rules.automations.clone(),
            state_windows: wired.rules.state_windows.clone(),
            ..Rules::delivered(
                "Acme Recruiting",
                wired.rules.zone.clone(),
                wired.rules.region,
                wired.rules.numbers.clone(),
                "https://text.acme.example/",
            )
        };
        assert_eq!(format!("{wired:#?}"), format!("{:#?}", Settings::delivered(rules)));
    }

    /// One of them was taken up by a reload: confidential opportunities were texted that nobody had read.
    #[test]
    fn what_needs_a_restart_stays_as_it_was() {
        let old = settings_with("[lever]\nconfidential = 'read'", None);
        let new = settings_with("[lever]\nconfidential = 'full'\nrequests_per_second = 5", Some(&old));
        assert_eq!(new.confidential, Confidential::Read);
        assert!(!new.rules.text_confidential);
        assert_eq!(new.requests_per_second.to_bits(), old.requests_per_second.to_bits());
        let new = settings_with("[transcript]\nsecret = true", Some(&old));
        assert!(new.rules.secret_notes, "and what needs none holds");
    }
}

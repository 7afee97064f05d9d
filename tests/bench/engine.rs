//! The engine in a process of its own: what it needs of the sandbox, and the jobs it is measured in.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use fulcrum::carrier::{Carrier, twilio};
use fulcrum::engine::changes::{KeywordAnswers, Mode, Rules};
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{BackfillScope, Confidential, Engine, OnUnknown, Remotes, Settings};
use fulcrum::lever::{LeverSettings, PaceSettings};
use fulcrum::store;
use fulcrum_domain::{FilingTimes, Number};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::process::{processor_seconds, resident, resident_peak};

/// How fast Lever may be asked.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Pace {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
    pub(crate) in_flight: usize,
}

impl Pace {
    /// Lever's own.
    pub(crate) fn real() -> Self {
        Self { per_second: 10, burst: 20, in_flight: 16 }
    }

    /// None that is felt.
    pub(crate) fn free() -> Self {
        Self { per_second: 100_000, burst: 100_000, in_flight: 16 }
    }
}

/// What the engine needs to talk to a sandbox that announced itself.
pub(crate) fn remotes(announced: &Value, file: PathBuf, pace: Pace) -> anyhow::Result<Remotes> {
    let text = |key: &str| announced[key].as_str().context("an announcement lacks something");
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let carrier = twilio::Client::new(
        http,
        twilio::TwilioSettings {
            base_url: text("twilio")?.parse()?,
            account_sid: text("account_sid")?.to_owned(),
            auth_token: text("auth_token")?.into(),
            messaging_service_sid: None,
            public_url: None,
            timeout: Duration::from_secs(10),
            validity: Duration::from_secs(3600),
        },
    );
    Ok(Remotes {
        store: store::Options::file(file),
        lever: LeverSettings {
            base_url: text("lever")?.parse()?,
            api_key: text("api_key")?.into(),
            https_only: false,
            proxy: None,
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(30),
        },
        pace: PaceSettings {
            requests_per_second: NonZeroU32::new(pace.per_second).context("no rate")?,
            burst: NonZeroU32::new(pace.burst).context("no burst")?,
            in_flight: pace.in_flight,
        },
        carrier: Carrier::Twilio(carrier),
    })
}

/// The settings as delivered, for a sandbox's numbers.
pub(crate) fn settings(announced: &Value, pace: Pace) -> anyhow::Result<Settings> {
    let numbers = announced["numbers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(Settings {
        rules: Rules {
            organisation: "Acme Recruiting".into(),
            zone: jiff::tz::TimeZone::UTC,
            region: "US".parse()?,
            help_text: "Acme Recruiting. Reply STOP to opt out.".into(),
            opt_out_confirmation: "You will get no more texts from Acme Recruiting.".into(),
            keyword_answers: KeywordAnswers::Fulcrum,
            numbers: numbers.map(Number::from_e164).collect::<Result<_, _>>()?,
            times: FilingTimes { delay: SignedDuration::from_hours(1), max_wait: None },
            mode: Mode::Session,
            mode_of: Default::default(),
            secret_notes: false,
            max_note_chars: 8000,
            public_url: "https://text.acme.example".into(),
            notes_as: None,
        },
        requests_per_second: pace.per_second.into(),
        poll_interval: Duration::from_secs(300),
        inbound_poll: Duration::from_secs(300),
        segments_per_second: 1.0,
        interviews: BackfillScope::None,
        since: None,
        confidential: Confidential::Off,
        on_unknown: OnUnknown::Repost,
        notify_followers: false,
    })
}

/// An initial sync, from nothing to complete.
#[derive(Serialize, Deserialize)]
pub(crate) struct SyncJob {
    pub(crate) announced: Value,
    pub(crate) file: PathBuf,
    pub(crate) pace: Pace,
    pub(crate) interviews: bool,
}

/// What it took.
#[derive(Deserialize)]
pub(crate) struct Synced {
    pub(crate) seconds: f64,
    pub(crate) processor_seconds: f64,
    pub(crate) opportunities: f64,
    pub(crate) resident: f64,
    pub(crate) resident_peak: f64,
    pub(crate) throttled: u64,
    pub(crate) rate_used: f64,
}

/// The job.
pub(crate) fn sync(job: SyncJob) -> anyhow::Result<Value> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut settings = settings(&job.announced, job.pace)?;
        if job.interviews {
            settings.interviews = BackfillScope::Active;
        }
        let began = Instant::now();
        let engine =
            Engine::start(remotes(&job.announced, job.file, job.pace)?, settings, Clock::System).await?;
        let mut rate_used = 0.0;
        let status = loop {
            let status = engine.status().await?;
            if status.backfill.complete {
                break status;
            }
            rate_used = status.lever.rate_used;
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let seconds = began.elapsed().as_secs_f64();
        let answer = json!({
            "seconds": seconds,
            "processor_seconds": processor_seconds("self")?,
            "opportunities": status.opportunities,
            "resident": resident()?,
            "resident_peak": resident_peak()?,
            "throttled": status.lever.throttled,
            "rate_used": rate_used,
        });
        engine.stop(Duration::from_secs(10)).await;
        Ok(answer)
    })
}

/// The job: bytes of a file before and after compaction.
pub(crate) fn compact(path: &str) -> anyhow::Result<Value> {
    let path = Path::new(path);
    let before = path.metadata()?.len();
    let mut database = redb::Builder::new().open(path)?;
    while database.compact()? {}
    drop(database);
    Ok(json!({"before": before, "after": path.metadata()?.len()}))
}

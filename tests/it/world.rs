//! A daemon's engine and the sandbox, wired together, for one test.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use fulcrum::carrier::{Carrier, twilio};
use fulcrum::engine::changes::{KeywordAnswers, Mode, Rules};
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{BackfillScope, Confidential, Engine, OnUnknown, Remotes, Settings};
use fulcrum::lever::{LeverSettings, PaceSettings};
use fulcrum::store;
use fulcrum_domain::FilingTimes;
use fulcrum_sandbox::{Options, Sandbox};
use jiff::SignedDuration;

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox whose rate does not hold a test up.
pub(crate) fn fast() -> Options {
    let mut options = Options::default();
    options.lever.rate = 5000.0;
    options.lever.burst = 5000;
    options
}

/// Settings with a short delay, all else as delivered.
pub(crate) fn settings(sandbox: &Sandbox) -> Settings {
    Settings {
        rules: Rules {
            organisation: "Acme Recruiting".into(),
            zone: jiff::tz::TimeZone::get("America/New_York").unwrap(),
            region: "US".parse().unwrap(),
            help_text: "Acme Recruiting. Reply STOP to opt out.".into(),
            opt_out_confirmation: "You will get no more texts from Acme Recruiting.".into(),
            keyword_answers: KeywordAnswers::Fulcrum,
            numbers: sandbox
                .numbers()
                .iter()
                .map(|n| fulcrum_domain::Number::from_e164(n).unwrap())
                .collect(),
            times: FilingTimes { delay: SignedDuration::from_secs(2), max_wait: None },
            mode: Mode::Session,
            mode_of: Default::default(),
            secret_notes: false,
            max_note_chars: 8000,
            public_url: "https://text.acme.example".into(),
            notes_as: None,
        },
        requests_per_second: 5000.0,
        poll_interval: Duration::from_millis(300),
        inbound_poll: Duration::from_millis(300),
        segments_per_second: 100.0,
        interviews: BackfillScope::Active,
        since: None,
        confidential: Confidential::Off,
        on_unknown: OnUnknown::Repost,
        notify_followers: false,
    }
}

/// An engine and its remotes.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) engine: Engine,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_with(options, |_| {}).await
    }

    pub(crate) async fn start_with(options: Options, change: impl FnOnce(&mut Settings)) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&sandbox);
        change(&mut settings);
        let engine = engine(&sandbox, folder.path().join("fulcrum.redb"), settings).await;
        Self { sandbox, engine, _folder: folder }
    }

    pub(crate) async fn backfilled(&self) {
        eventually("the initial sync is complete", async || {
            self.engine.status().await.unwrap().backfill.complete
        })
        .await;
    }
}

/// An engine on this file, talking to this sandbox.
pub(crate) async fn engine(sandbox: &Sandbox, path: PathBuf, settings: Settings) -> Engine {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let carrier = twilio::Client::new(
        http,
        twilio::TwilioSettings {
            base_url: sandbox.twilio_url().parse().unwrap(),
            account_sid: sandbox.account_sid().to_owned(),
            auth_token: sandbox.auth_token().into(),
            messaging_service_sid: None,
            public_url: None,
            timeout: Duration::from_secs(5),
            validity: Duration::from_secs(3600),
        },
    );
    let remotes = Remotes {
        store: store::Options::file(path),
        lever: LeverSettings {
            base_url: sandbox.lever_url().parse().unwrap(),
            api_key: sandbox.api_key().into(),
            https_only: false,
            proxy: None,
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(5),
        },
        pace: PaceSettings {
            requests_per_second: NonZeroU32::new(settings.requests_per_second as u32).unwrap(),
            burst: NonZeroU32::new(20).unwrap(),
            in_flight: 12,
        },
        carrier: Carrier::Twilio(carrier),
    };
    Engine::start(remotes, settings, Clock::System).await.unwrap()
}

/// Waits until `holds`; a test that waits in vain says for what.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}

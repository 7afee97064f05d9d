//! Rules and settings as `config/default.toml` delivers them, for whoever has no config. Tests say what differs, so that
//! a new rule has its default in one place here, which a test of `cli::wiring` compares with what the config makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use fulcrum_domain::booking::Offers;
use fulcrum_domain::guard::Caps;
use fulcrum_domain::optout::CarrierWords;
use fulcrum_domain::quiet::Hours;
use fulcrum_domain::template::Templates;
use fulcrum_domain::{
    BackfillScope, Confidential, FilingTimes, Number, OnUnknown, Region, Retention, Role, TranscriptMode,
};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::audit::AuditOutputs;
use super::changes::{InterviewTexts, KeywordAnswers, Rules};
use super::files::FileRules;
use super::settings::Settings;

impl Rules {
    /// The rules of an organisation that has set what has no default, and nothing else; but without what is read from
    /// files and templates: the windows of states, automations and texts about interviews.
    pub fn delivered(
        organisation: &str,
        zone: TimeZone,
        region: Region,
        numbers: Vec<Number>,
        public_url: &str,
    ) -> Self {
        Self {
            organisation: organisation.to_owned(),
            zone,
            region,
            help_text: format!("{organisation}. Msg & data rates may apply. Reply STOP to opt out."),
            opt_out_confirmation: format!(
                "{organisation}: you will get no more texts from us. Reply START to resubscribe."
            ),
            keyword_answers: KeywordAnswers::Carrier(CarrierWords::Twilio),
            consent: Default::default(),
            quiet_hours: Hours::default(),
            state_windows: Default::default(),
            quiet_overrides: vec![Role::Admin],
            caps: Caps::default(),
            numbers,
            times: FilingTimes {
                delay: SignedDuration::from_hours(1),
                max_wait: Some(SignedDuration::from_hours(24)),
            },
            mode: TranscriptMode::Session,
            mode_of: BTreeMap::new(),
            secret_notes: false,
            text_confidential: false,
            max_note_chars: 8000,
            public_url: public_url.to_owned(),
            booking: Offers::default(),
            notes_as: None,
            automations: Default::default(),
            interview_texts: InterviewTexts::default(),
        }
    }
}

impl Settings {
    /// The settings of an organisation with these rules that has set nothing else.
    pub fn delivered(rules: Rules) -> Self {
        Self {
            rules,
            requests_per_second: 10.0,
            poll_interval: Duration::from_mins(5),
            inbound_poll: Duration::from_mins(5),
            poll_alone: None,
            files: FileRules { fetch: true, most_bytes: 5_000_000 },
            segments_per_second: 1.0,
            interviews: BackfillScope::Active,
            since: None,
            confidential: Confidential::Off,
            on_unknown: OnUnknown::Repost,
            notify_followers: false,
            backup: None,
            audit: AuditOutputs::default(),
            audit_key: None,
            retention: Retention::default(),
            calendars: BTreeMap::new(),
            templates: Templates::default(),
            second_person_above: 250,
        }
    }
}

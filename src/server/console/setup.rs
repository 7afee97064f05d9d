//! `/setup`: connecting Lever in five steps, each with its live state, and then the sync.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use fulcrum_domain::{Activity, ActivityKind, HookEvent, Right};
use http::StatusCode;
use serde::Deserialize;

use super::frame::{Frame, page};
use super::{texts, words};
use crate::config::WebhookTokens;
use crate::engine::{
    HookRecord, HookRefusal, KeyTrouble, Permission, Probed, Status, lacked_by, permissions_wanted,
};
use crate::server::Shared;
use crate::server::caller::Caller;
use crate::server::keys::Keys;
use crate::server::problem::Problem;
use crate::store::PhaseState;

/// The page.
#[derive(Template)]
#[template(path = "setup.html")]
struct Page<'a> {
    frame: Frame,
    admin: bool,
    key_file: &'a str,
    key_since: String,
    key: Key,
    file: Step,
    address: Step,
    permissions: Vec<Row>,
    hook_url: &'a str,
    hook_secret: bool,
    tokens_file: String,
    tokens: Step,
    hooks: Vec<Hook>,
    hooks_seen: Step,
    wrong: String,
    /// Tokens were just saved: what the page says of it, and how it stands.
    written: Option<Step>,
    phases: Vec<Phase>,
    complete: bool,
    requests: String,
    rate: String,
    bookmarklet: String,
}

/// How a step stands.
struct Step {
    mood: &'static str,
    words: String,
}

impl Step {
    fn good(words: &str) -> Self {
        Self { mood: "good", words: words.to_owned() }
    }
}

/// What is known of the key.
struct Key {
    step: Step,
    asked: Option<String>,
}

/// A permission.
struct Row {
    name: &'static str,
    required: bool,
    mood: &'static str,
    words: &'static str,
    without: &'static str,
}

/// A webhook.
struct Hook {
    name: &'static str,
    mood: &'static str,
    token: &'static str,
    last: String,
    trouble: String,
}

/// A part of the initial sync.
struct Phase {
    name: &'static str,
    state: String,
    done: String,
    /// For the bar, from 0 to 1; none where the end is not known.
    share: Option<f64>,
    left: String,
}

/// What the address says.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// Tokens were just saved: how many webhooks could be verified before.
    saved: Option<String>,
}

/// `GET /setup`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    draw(&shared, &caller, String::new(), asked.saved).await
}

/// `POST /setup/probe`: asks Lever again what the key may do.
pub(super) async fn probe(State(shared): State<Arc<Shared>>) -> Response {
    shared.engine.probe_key().await;
    Redirect::to(&format!("{}/setup#key", shared.site.base())).into_response()
}

/// What the box of tokens holds.
#[derive(Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    tokens: String,
}

/// `POST /setup/tokens`: writes the tokens file and takes it into use.
pub(super) async fn write_tokens(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Tokens>,
) -> Result<Response, Problem> {
    match shared.setup.write_tokens(form.tokens).await {
        Ok(tokens) => {
            let before = shared.keys.load().verifiable();
            shared.keys.rcu(|keys| keys.with_webhooks(&tokens));
            let words = "wrote the webhook tokens";
            let now = shared.engine.now();
            shared
                .engine
                .note_activity(Activity::new(now, caller.actor(), ActivityKind::Admin, words))
                .await?;
            Ok(Redirect::to(&format!("{}/setup?saved={before}#tokens", shared.site.base())).into_response())
        }
        Err(error) => {
            let page = draw(&shared, &caller, error.to_string(), None).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn draw(
    shared: &Shared,
    caller: &Caller,
    wrong: String,
    saved: Option<String>,
) -> Result<Response, Problem> {
    let status = shared.engine.status().await?;
    let probed = shared.engine.probed();
    if probed.is_none() {
        let engine = shared.engine.clone();
        shared.engine.tasks().run(async move { engine.probe_key_once().await });
    }
    let keys = shared.keys.load();
    let records = shared.engine.hook_records();
    let now = shared.engine.now();
    let hooks: Vec<Hook> = HookEvent::ALL
        .into_iter()
        .map(|event| {
            let record = records.get(event.as_key()).copied().unwrap_or_default();
            hook(event, token_words(&keys, event), &record, now)
        })
        .collect();
    let tokens = tokens(&keys);
    let written = saved.map(|before| saved_words(&before, &keys));
    let seen = hooks.iter().filter(|hook| hook.mood == "good").count();
    let troubled = hooks.iter().any(|hook| hook.mood == "bad");
    let setup = &shared.setup;
    Ok(page(&Page {
        frame: Frame::new(shared, caller, "/setup").await?,
        admin: caller.may(Right::Administer),
        key_file: &setup.key_file,
        key_since: setup.key_since(now),
        key: key(probed.as_ref(), now),
        file: match probed.as_ref().map(|probed| &probed.outcome) {
            Some(Ok(_)) => Step::good(texts::KEY_KNOWN),
            Some(Err(KeyTrouble::Refused)) => Step { mood: "bad", words: texts::KEY_REFUSED.to_owned() },
            _ => Step { mood: "", words: texts::KEY_NOT_ASKED.to_owned() },
        },
        address: match records.values().any(|record| record.verified.is_some()) {
            true => Step::good(texts::ADDRESS_WORKS),
            false => Step { mood: "", words: texts::ADDRESS_UNUSED.to_owned() },
        },
        permissions: permissions(probed.as_ref()),
        hook_url: &setup.hook_url,
        hook_secret: setup.hook_secret,
        tokens_file: setup.tokens_file_words(),
        tokens,
        hooks_seen: Step {
            mood: if troubled {
                "bad"
            } else if seen == 8 {
                "good"
            } else {
                "warn"
            },
            words: texts::HOOKS_SEEN.replace("{}", &seen.to_string()),
        },
        hooks,
        wrong,
        written,
        complete: status.stored.backfill.complete,
        requests: words::count(status.stored.backfill.phases.iter().map(|phase| phase.requests).sum()),
        rate: format!("{:.0} %", status.lever.rate_used * 100.0),
        phases: phases(&status, probed.as_ref()),
        bookmarklet: shared.extension.bookmarklet(),
    }))
}

/// Whether Lever is connected and read: webhooks can be verified, and the sync is over.
pub(super) async fn is_done(shared: &Shared) -> Result<bool, Problem> {
    let status = shared.engine.status().await?;
    Ok(status.stored.backfill.complete && shared.keys.load().verifiable() > 0)
}

fn key(probed: Option<&Probed>, now: jiff::Timestamp) -> Key {
    let Some(probed) = probed else {
        return Key { step: Step { mood: "", words: texts::KEY_NOT_ASKED.to_owned() }, asked: None };
    };
    let asked = Some(texts::ASKED.replace("{}", &words::ago(probed.at, now)));
    let step = match &probed.outcome {
        Err(KeyTrouble::Refused) => Step { mood: "bad", words: texts::KEY_REFUSED.to_owned() },
        Err(KeyTrouble::Unreachable) => Step { mood: "bad", words: texts::LEVER_UNREACHABLE.to_owned() },
        Ok(permissions) => {
            let required = permissions.iter().filter(|permission| permission.required);
            let missing = required.clone().filter(|permission| permission.works == Some(false)).count();
            let all = required.count();
            let mood = if missing == 0 { "good" } else { "bad" };
            let words = texts::KEY_MAY.replace("{}", &format!("{} of {all}", all - missing));
            Step { mood, words }
        }
    };
    Key { step, asked }
}

fn permissions(probed: Option<&Probed>) -> Vec<Row> {
    // Whoever makes a key needs the list before there is a key to ask with.
    let Some(Probed { outcome: Ok(permissions), .. }) = probed else {
        let row = |Permission { name, required, without, .. }| {
            let (mood, words) = ("", texts::KEY_NOT_ASKED);
            Row { name, required, mood, words, without }
        };
        return permissions_wanted().into_iter().map(row).collect();
    };
    let row = |permission: &Permission| {
        let (mood, words) = match (permission.works, permission.required) {
            (Some(true), _) => ("good", texts::WORKS),
            (Some(false), true) => ("bad", texts::MISSING),
            (Some(false), false) => ("warn", texts::MISSING),
            (None, _) => ("warn", texts::CANNOT_TELL),
        };
        Row { name: permission.name, required: permission.required, mood, words, without: permission.without }
    };
    permissions.iter().map(row).collect()
}

/// How many webhooks can be verified.
fn tokens(keys: &Keys) -> Step {
    let known = keys.verifiable();
    let words = match (known, keys.unnamed()) {
        (8, _) | (_, 0) => texts::TOKENS_KNOWN,
        _ => texts::TOKENS_AT_MOST,
    };
    let mood = if known == 8 { "good" } else { "warn" };
    Step { mood, words: words.replace("{}", &known.to_string()) }
}

/// Whether there is a token for this event.
fn token_words(keys: &Keys, event: HookEvent) -> &'static str {
    match (keys.names(event), keys.unnamed()) {
        (true, _) => texts::HAS_TOKEN,
        (false, 0) => texts::HAS_NO_TOKEN,
        (false, _) if keys.verifiable() == 8 => texts::HAS_TOKEN,
        (false, _) => texts::MAY_HAVE_TOKEN,
    }
}

/// What is said of tokens that were just saved; `before` webhooks could be verified until then.
fn saved_words(before: &str, keys: &Keys) -> Step {
    let now = tokens(keys);
    match before.parse::<usize>() {
        Ok(before) if before > keys.verifiable() => {
            let words = texts::TOKENS_FEWER.replacen("{}", &before.to_string(), 1);
            Step { mood: "warn", words: words.replacen("{}", &now.words, 1) }
        }
        _ => Step { mood: "good", words: texts::TOKENS_SAVED.to_owned() },
    }
}

fn hook(event: HookEvent, token: &'static str, record: &HookRecord, now: jiff::Timestamp) -> Hook {
    let trouble = match record.refused.filter(|_| record.fails()) {
        None => String::new(),
        Some(refused) => {
            let words = match refused.why {
                HookRefusal::NoToken => texts::HOOK_NO_TOKEN.to_owned(),
                HookRefusal::TokenOf(other) => texts::HOOK_TOKEN_OF.replace("{}", event_name(other)),
                HookRefusal::BadSignature => texts::HOOK_BAD_SIGNATURE.to_owned(),
                HookRefusal::TooOld => texts::HOOK_TOO_OLD.to_owned(),
            };
            format!("{} {words}", words::ago(refused.at, now))
        }
    };
    Hook {
        name: event_name(event),
        mood: match (record.fails(), record.verified) {
            (true, _) => "bad",
            (false, Some(_)) => "good",
            (false, None) => "",
        },
        token,
        last: record.verified.map_or_else(|| texts::NOT_SEEN_YET.to_owned(), |at| words::ago(at, now)),
        trouble,
    }
}

/// As Lever's settings name them.
fn event_name(event: HookEvent) -> &'static str {
    match event {
        HookEvent::ApplicationCreated => texts::APPLICATION_CREATED,
        HookEvent::CandidateStageChange => texts::STAGE_CHANGE,
        HookEvent::CandidateArchiveChange => texts::ARCHIVE_CHANGE,
        HookEvent::CandidateHired => texts::HIRED,
        HookEvent::CandidateDeleted => texts::CANDIDATE_DELETED,
        HookEvent::InterviewCreated => texts::INTERVIEW_CREATED,
        HookEvent::InterviewUpdated => texts::INTERVIEW_UPDATED,
        HookEvent::InterviewDeleted => texts::INTERVIEW_DELETED,
    }
}

fn phases(status: &Status, probed: Option<&Probed>) -> Vec<Phase> {
    let permissions = probed.and_then(|probed| probed.outcome.as_deref().ok()).unwrap_or_default();
    let phase = |phase: &crate::engine::PhaseStatus| {
        let share = match (phase.state, phase.known) {
            (PhaseState::Complete, _) => Some(1.0),
            #[expect(clippy::cast_precision_loss, reason = "a bar has no more than a thousand steps")]
            (_, Some(known)) if known > 0 => Some(phase.done as f64 / known as f64),
            (PhaseState::Waiting, _) => Some(0.0),
            _ => None,
        };
        Phase {
            name: phase.name,
            state: match lacked_by(phase.name, permissions).filter(|_| phase.done == 0) {
                Some(lacks) => texts::LEFT_OUT.replace("{}", lacks),
                None => phase.state.word().to_owned(),
            },
            done: words::count(phase.done),
            share,
            left: phase
                .seconds_left
                .filter(|_| phase.state == PhaseState::Running)
                .map(words::lasting)
                .unwrap_or_default(),
        }
    };
    status.stored.backfill.phases.iter().map(phase).collect()
}

/// Where the parts of the connection stand on this machine, as the page shows and changes them.
pub struct SetupSettings {
    /// In which file the API key is, or how else it came.
    pub key_file: String,
    /// The address to paste into Lever.
    pub hook_url: String,
    /// Whether that has a secret part, which is not shown.
    pub hook_secret: bool,
    /// The file with the tokens; none when they came otherwise.
    pub tokens_file: Option<std::path::PathBuf>,
    /// Lever's own site, without a slash at the end.
    pub lever_web: String,
}

/// Why tokens are not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokensRefused {
    #[error("{}", texts::NO_TOKENS)]
    Empty,
    #[error("{}", texts::NOT_A_TOKEN.replace("{}", start))]
    NotAToken { start: String },
    #[error("{}", texts::NO_TOKENS_FILE)]
    NoFile,
    #[error("{}", texts::TOKENS_DISK.replace("{}", &.0.to_string()))]
    Disk(std::io::Error),
}

impl SetupSettings {
    fn key_since(&self, now: jiff::Timestamp) -> String {
        let modified = std::fs::metadata(&self.key_file).and_then(|meta| meta.modified()).ok();
        let at = modified.and_then(|at| jiff::Timestamp::try_from(at).ok());
        at.map(|at| words::ago(at, now)).unwrap_or_default()
    }

    fn tokens_file_words(&self) -> String {
        self.tokens_file.as_ref().map_or_else(String::new, |path| path.display().to_string())
    }

    /// Writes what was pasted, tokens, each with or without the name of its event before it, and gives what
    /// the file holds then.
    async fn write_tokens(&self, pasted: String) -> Result<WebhookTokens, TokensRefused> {
        let path = self.tokens_file.clone().ok_or(TokensRefused::NoFile)?;
        let tokens = super::tokens::read_pasted(&pasted)?;
        tokio::task::spawn_blocking(move || super::tokens::take_over(&path, tokens))
            .await
            .map_err(std::io::Error::other)
            .and_then(|written| written)
            .map_err(TokensRefused::Disk)
    }
}

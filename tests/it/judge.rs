//! What a run has lost, done twice or told wrongly. The sandbox's ledger is the judge: it has what really
//! happened at the remotes, whether or not the daemon heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use fulcrum::engine::clock::Clock;
use fulcrum::engine::{Engine, FilingView, Found, OnUnknown, OpportunityView};
use fulcrum::store::Options;
use fulcrum_domain::{Delivery, Direction, EffectState, FilingId, FilingState, Message, Sight};
use fulcrum_sandbox::{Sandbox, Truth};
use jiff::{SignedDuration, Timestamp};

use crate::world::{engine, eventually, settings};

/// What was done to the daemon.
#[derive(Default)]
pub(crate) struct Done {
    /// Words of texts that the API took.
    pub(crate) taken: Mutex<BTreeSet<String>>,
    /// Words of texts that candidates wrote.
    pub(crate) written: Mutex<BTreeSet<String>>,
    pub(crate) kills: Mutex<u32>,
}

impl Done {
    fn words(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        written.iter().chain(self.taken.lock().unwrap().iter()).cloned().collect()
    }

    /// Texts in both directions.
    pub(crate) fn texts(&self) -> usize {
        self.words().len()
    }
}

/// What went wrong, one line for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    /// The daemon says what is not so.
    pub(crate) untrue: Vec<String>,
    /// Texts that left, and those that people are told of as unconfirmed.
    pub(crate) left: usize,
    pub(crate) unconfirmed: usize,
    pub(crate) notes: usize,
    /// Opportunities whose webhooks were acknowledged.
    pub(crate) hooks: usize,
    /// Effects that wait for a person.
    pub(crate) held: usize,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.untrue.is_empty()
    }
}

/// How notes are filed that may have been filed.
#[derive(Clone, Copy)]
pub(crate) struct Filing {
    pub(crate) may_list_notes: bool,
    pub(crate) policy: OnUnknown,
}

/// Lets everything come to its end by a clock that jumps over all pauses, and judges.
pub(crate) async fn judge(
    sandbox: &Sandbox,
    engine: &Engine,
    clock: &Clock,
    done: &Done,
    filing: Filing,
) -> Verdict {
    settle(sandbox, engine, clock).await;
    let messages = all_messages(engine).await;
    let failed = engine.failed_effects(Sight::All).await.unwrap();
    let mut verdict = Verdict { held: failed.len(), ..Verdict::default() };
    check_texts(sandbox, done, &messages, &mut verdict);
    let held = held_filings(engine).await;
    check_notes(sandbox, done, filing, &messages, &held, &mut verdict);
    if filing.policy == OnUnknown::Repost {
        verdict.lost.extend(failed.iter().map(|effect| format!("it failed for good: {effect:?}")));
    }
    verdict
}

/// The same of the file of a daemon that has ended, from this moment on, and of the webhooks that it
/// acknowledged.
pub(crate) async fn judge_file(
    sandbox: &Sandbox,
    store: PathBuf,
    done: &Done,
    filing: Filing,
    from: Timestamp,
) -> Verdict {
    let clock = Clock::manual(from);
    let mut settings = settings(sandbox);
    settings.poll_interval = Duration::from_secs(3600);
    settings.rules.times.delay = SignedDuration::from_secs(1);
    settings.on_unknown = filing.policy;
    let engine = engine(sandbox, Options::file(store), settings, clock.clone()).await.unwrap();
    let mut verdict = judge(sandbox, &engine, &clock, done, filing).await;
    verdict.hooks = check_hooks(sandbox, &engine, &mut verdict).await;
    engine.stop(Duration::from_secs(5)).await;
    verdict
}

/// Lets the daemon's clock run until nothing is left to be done and every text has come in.
async fn settle(sandbox: &Sandbox, engine: &Engine, clock: &Clock) {
    eventually("everything is settled", async || {
        clock.set(clock.now() + SignedDuration::from_secs(20));
        let status = engine.status().await.unwrap().stored;
        let all = all_messages(engine).await;
        let received = all.iter().filter(|message| message.direction == Direction::In).count();
        status.outbox.keys().all(|(_, state)| *state == EffectState::Failed)
            && status.inbox == 0
            && status.deadlines == 0
            && sandbox.ledger().entries().iter().filter(|e| e.kind == "message_received").count() == received
    })
    .await;
}

async fn all_messages(engine: &Engine) -> Vec<Message> {
    let mut all = Vec::new();
    for view in engine.conversations(None, 200, Sight::All).await.unwrap().rows {
        let mut after = None;
        loop {
            let page = engine.messages(view.conversation.id, after, 200, Sight::All).await.unwrap();
            all.extend(page.rows.into_iter().map(|view| view.message));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

/// Every text that was acknowledged is there once, no text left twice, and what is said of each
/// is true.
fn check_texts(sandbox: &Sandbox, done: &Done, messages: &[Message], verdict: &mut Verdict) {
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for entry in sandbox.ledger().entries().iter().filter(|e| e.kind == "message_created") {
        *sent.entry(entry.detail["body"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice = sent.iter().filter(|(_, times)| **times > 1);
    verdict.doubled.extend(twice.map(|(body, times)| format!("sent {times} times: {body}")));
    for words in done.words() {
        match messages.iter().filter(|m| m.body.reveal().contains(&words)).count() {
            0 => verdict.lost.push(format!("the text {words}")),
            1 => {}
            copies => verdict.doubled.push(format!("the text {words} is stored {copies} times")),
        }
    }
    verdict.left = sent.len();
    for message in messages.iter().filter(|message| message.direction == Direction::Out) {
        let left = sent.contains_key(message.body.reveal());
        match message.delivery {
            Delivery::Unconfirmed if left => {
                verdict.untrue.push(format!("it left and is told as unconfirmed: {message:?}"));
            }
            Delivery::Unconfirmed => verdict.unconfirmed += 1,
            told if !left => verdict.untrue.push(format!("it is told as {told:?} and never left")),
            _ => {}
        }
    }
}

/// The transcripts that wait for a person.
async fn held_filings(engine: &Engine) -> BTreeSet<FilingId> {
    let mut held = BTreeSet::new();
    for view in engine.conversations(None, 200, Sight::All).await.unwrap().rows {
        let filings = engine.filings(view.conversation.id, Sight::All).await.unwrap();
        let is_held = |filing: &FilingView| matches!(filing.filing.state, FilingState::Held(_));
        held.extend(filings.into_iter().filter(is_held).map(|filing| filing.id));
    }
    held
}

/// Every note in Lever, in the order in which they were made.
fn notes(sandbox: &Sandbox) -> Vec<String> {
    let made = sandbox.ledger().entries().into_iter().filter(|e| e.kind == "note_created");
    made.map(|entry| entry.detail["body"]["value"].as_str().unwrap().to_owned()).collect()
}

/// Every message stands in exactly one note where that can be known; else as the policy says.
fn check_notes(
    sandbox: &Sandbox,
    done: &Done,
    filing: Filing,
    messages: &[Message],
    held: &BTreeSet<FilingId>,
    verdict: &mut Verdict,
) {
    let notes = notes(sandbox);
    verdict.notes = notes.len();
    let mut whole: Vec<&String> = notes.iter().collect();
    if !filing.may_list_notes && filing.policy == OnUnknown::Repost {
        whole.sort_unstable();
        whole.dedup(); // A repeat is the same to the letter, its reference included.
    }
    for words in done.words() {
        match whole.iter().filter(|note| note.contains(words.as_str())).count() {
            // A note whose answer was lost waits for a person then, who is told so.
            0 if !filing.may_list_notes && filing.policy == OnUnknown::Hold => {
                let message = messages.iter().find(|message| message.body.reveal().contains(&words));
                if !message.and_then(|message| message.filing).is_some_and(|id| held.contains(&id)) {
                    verdict.lost.push(format!("{words} stands in no note, and none of it is held"));
                }
            }
            0 => verdict.lost.push(format!("{words} stands in no note")),
            1 => {}
            copies => verdict.doubled.push(format!("{words} stands in {copies} notes")),
        }
    }
}

/// Whether an opportunity is stored as Lever shows it.
pub(crate) fn same(truth: &Truth, view: &OpportunityView) -> bool {
    let row = &view.opportunity;
    let text = |id: &Option<String>| id.clone();
    truth.name == row.name
        && truth.contact == row.contact.to_string()
        && truth.stage == row.stage.to_string()
        && truth.archived_at == row.archived.as_ref().map(|a| a.at.as_millisecond())
        && truth.last_advanced_at == row.advanced_at.as_millisecond()
        && text(&truth.posting) == row.posting.as_ref().map(ToString::to_string)
        && text(&truth.application) == row.application.as_ref().map(ToString::to_string)
}

/// What an acknowledged webhook announced is known, though nothing was looked for. How many were checked.
async fn check_hooks(sandbox: &Sandbox, engine: &Engine, verdict: &mut Verdict) -> usize {
    let mut given_up = BTreeSet::new();
    let mut announced = BTreeSet::new();
    for entry in sandbox.ledger().entries() {
        let Some(id) = entry.detail["body"]["data"]["opportunityId"].as_str().map(str::to_owned) else {
            continue;
        };
        match entry.kind {
            "webhook_given_up" => drop(given_up.insert(id)),
            "webhook_sent" if entry.detail["status"] == 200 => drop(announced.insert(id)),
            _ => {}
        }
    }
    let mut checked = 0;
    for truth in sandbox.truth().filter(|t| announced.contains(&t.id) && !given_up.contains(&t.id)) {
        match engine.opportunity(&truth.id.parse().unwrap(), Sight::All).await.unwrap() {
            Found::Known(view) if same(&truth, &view) => {}
            Found::Known(_) => verdict.lost.push(format!("an acknowledged webhook: {truth:?}")),
            // Whoever is anonymised in Lever is erased here.
            Found::Deleted if truth.anonymized => {}
            found if !truth.confidential => verdict.lost.push(format!("{} is {found:?}", truth.id)),
            _ => {}
        }
        checked += 1;
    }
    checked
}

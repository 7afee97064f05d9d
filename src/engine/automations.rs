//! Automations as people and scripts see them: how each stands, what it would have done, why a text was
//! sent and why another was not.

use fulcrum_domain::automation::{Automation, CardState, EnrolmentId, EnrolmentState, RunLine, Trigger};
use fulcrum_domain::{Actor, Author, Direction, Message, MessageId, OpportunityId, Sight};
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::back_test::back_test;
use super::changes::{self, Rules, SwitchError, Wait, Waiting};
use super::view::Gaze;
use crate::store::tables::{AUTOMATIONS, CARDS, ENROLMENTS, LIVE_ENROLMENTS, OPPORTUNITIES, RUN_LOG};
use crate::store::{Keys, Read, StoreError};

/// A text that left so much later than it was written has waited.
const LATER: SignedDuration = SignedDuration::from_mins(1);

/// Days that a back-test looks back at most: so long events are kept.
pub const TEST_DAYS_MAX: u16 = 30;

/// How an automation stands.
#[derive(Clone, Debug)]
pub struct AutomationView {
    /// Its name.
    pub name: String,
    /// What sets it off.
    pub trigger: &'static str,
    /// How long it waits, as it is written.
    pub wait: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Who paused or resumed it, where a person did.
    pub by: Option<String>,
    /// Since when it is active.
    pub active_since: Option<Timestamp>,
    /// Candidates who wait for its text.
    pub waiting: u64,
    /// Candidates who are held, by reason.
    pub held: Vec<(String, u64)>,
    /// Texts that it has written.
    pub sent: u64,
}

/// Many texts at once, which a person lets go or not.
#[derive(Clone, Debug)]
pub struct CardView {
    /// Its number.
    pub number: u64,
    /// Who did what set them off.
    pub by: String,
    /// When the guard struck.
    pub opened_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// How many texts wait on it.
    pub count: u64,
}

/// What an automation would have done about one event.
#[derive(Clone, Debug)]
pub struct Tested {
    /// When it happened.
    pub happened_at: Timestamp,
    /// To whom.
    pub opportunity: OpportunityId,
    /// Their name.
    pub name: String,
    /// When the text would have left; none where it would not.
    pub at: Option<Timestamp>,
    /// What would have held it back, or put it off.
    pub why: Option<String>,
}

/// Why a text was sent, or why there is none.
#[derive(Clone, Debug)]
pub struct Reason {
    /// When it was decided; none for how things stand now.
    pub at: Option<Timestamp>,
    /// What was.
    pub what: String,
}

impl Engine {
    /// Brings the automations that are stored in line with the config.
    pub(crate) async fn align_automations(&self) -> Result<(), StoreError> {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        self.store.change(move |tx| changes::align(tx, &settings.rules, now)).await
    }

    /// How the automations of the config stand, in its order, and the cards that wait for approval.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn automations(&self) -> Result<(Vec<AutomationView>, Vec<CardView>), StoreError> {
        let settings = self.settings.load_full();
        self.store.read(move |read| standing(read, &settings.rules.automations.list)).await
    }

    /// What an automation would have done in the last `days`, by the events that are stored and by what is
    /// known of the candidates today; the latest event first. None where the config has none of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn test_automation(
        &self,
        name: &str,
        days: u16,
        sight: Sight,
    ) -> Result<Option<Vec<Tested>>, StoreError> {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        let Some(automation) = settings.rules.automations.get(name).cloned() else { return Ok(None) };
        self.store
            .read(move |read| tested(read, &automation, days, sight, &settings.rules, now))
            .await
            .map(Some)
    }

    /// Pauses an automation.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub async fn pause_automation(&self, name: &str, waiting: Waiting, by: Actor) -> Result<(), SwitchError> {
        let (settings, now, name) = (self.settings.load_full(), self.clock.now(), name.to_owned());
        self.change_once(move |tx| changes::pause(tx, &name, waiting, by, &settings.rules, now)).await
    }

    /// Lets an automation go on.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub async fn resume_automation(&self, name: &str, by: Actor) -> Result<(), SwitchError> {
        let (settings, now, name) = (self.settings.load_full(), self.clock.now(), name.to_owned());
        self.change_once(move |tx| changes::resume(tx, &name, by, &settings.rules, now)).await
    }

    /// Lets the texts of a card go, or calls them off.
    ///
    /// # Errors
    /// [`SwitchError`].
    pub async fn decide_card(&self, number: u64, approve: bool, by: Actor) -> Result<(), SwitchError> {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        self.change_once(move |tx| changes::decide_card(tx, number, approve, by, &settings.rules, now)).await
    }

    /// Why a text was written. None where it is not known, or not for these eyes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn why(&self, id: MessageId, sight: Sight) -> Result<Option<Vec<Reason>>, StoreError> {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        self.store.read(move |read| why(read, id, sight, &settings.rules, now)).await
    }

    /// Until when a text waits that was just taken, and for what. None for one that leaves now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wait_of(&self, text: Message) -> Result<Option<Wait>, StoreError> {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        self.store.read(move |read| changes::wait_of(read, &text, &settings.rules, now)).await
    }

    /// Why an automation has not texted a candidate, or has. None where the candidate or the automation is
    /// not known, or not for these eyes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn why_not(
        &self,
        id: OpportunityId,
        automation: &str,
        sight: Sight,
    ) -> Result<Option<Vec<Reason>>, StoreError> {
        let settings = self.settings.load_full();
        let Some(automation) = settings.rules.automations.get(automation).cloned() else { return Ok(None) };
        self.store.read(move |read| why_not(read, &id, &automation, sight)).await
    }
}

/// What an automation would have done in the last `days`.
pub(crate) fn tested(
    read: &impl Read,
    automation: &Automation,
    days: u16,
    sight: Sight,
    rules: &Rules,
    now: Timestamp,
) -> Result<Vec<Tested>, StoreError> {
    let days = SignedDuration::from_hours(24 * i64::from(days.clamp(1, TEST_DAYS_MAX)));
    let since = now.saturating_sub(days).unwrap_or(Timestamp::MIN);
    back_test(read, automation, since, sight, rules, now)
}

/// How these automations stand, in their order, and the cards that wait for approval.
pub(crate) fn standing(
    read: &impl Read,
    list: &[Automation],
) -> Result<(Vec<AutomationView>, Vec<CardView>), StoreError> {
    let mut views = list.iter().map(|row| view(read, row)).collect::<Result<Vec<_>, _>>()?;
    for (id, ()) in read.list(LIVE_ENROLMENTS, &Keys::all(), usize::MAX)? {
        let Some(row) = read.get(ENROLMENTS, &id)? else { continue };
        let Some(view) = views.iter_mut().find(|view| view.name == row.automation) else { continue };
        match row.state {
            EnrolmentState::Held(why) => {
                let why = why.to_string();
                match view.held.iter_mut().find(|(held, _)| *held == why) {
                    Some((_, count)) => *count += 1,
                    None => view.held.push((why, 1)),
                }
            }
            _ => view.waiting += 1,
        }
    }
    let cards = read.list(CARDS, &Keys::all(), usize::MAX)?.into_iter();
    let cards = cards.filter(|(_, card)| card.state == CardState::Waiting);
    let cards = cards.map(|(number, card)| CardView {
        number,
        by: card.by.as_str().to_owned(),
        opened_at: card.opened_at,
        expires_at: card.expires_at(),
        count: card.count,
    });
    Ok((views, cards.collect()))
}

fn view(read: &impl Read, automation: &Automation) -> Result<AutomationView, StoreError> {
    let state = read.get(AUTOMATIONS, &automation.name)?.unwrap_or_default();
    Ok(AutomationView {
        name: automation.name.clone(),
        trigger: automation.trigger.word(),
        wait: automation.wait_words.clone(),
        paused: state.is_paused(automation.paused),
        by: state.switch.map(|switch| switch.by.as_str().to_owned()),
        active_since: state.active_since,
        waiting: 0,
        held: Vec::new(),
        sent: state.sent,
    })
}

/// The run log of a candidate.
fn lines(read: &impl Read, id: &OpportunityId) -> Result<Vec<RunLine>, StoreError> {
    let rows = read.list(RUN_LOG, &Keys::beginning(id), usize::MAX)?;
    Ok(rows.into_iter().map(|(_, line)| line).collect())
}

/// Why a text was written, and what became of it.
pub(crate) fn why(
    read: &impl Read,
    id: MessageId,
    sight: Sight,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<Vec<Reason>>, StoreError> {
    let Some(message) = changes::message(read, id)? else { return Ok(None) };
    if !Gaze::new(read, sight).reaches(message.opportunity.as_ref())? {
        return Ok(None);
    }
    let mut reasons = Vec::new();
    if let Some(about) = &message.opportunity {
        let lines = lines(read, about)?;
        let enrolment: Option<EnrolmentId> =
            lines.iter().find(|line| line.message == Some(id)).and_then(|line| line.enrolment);
        let chain = lines.into_iter().filter(|line| enrolment.is_some() && line.enrolment == enrolment);
        reasons.extend(chain.map(|line| reason(line, true)));
    }
    if reasons.is_empty() {
        let what = match &message.author {
            Author::Candidate => "the candidate wrote it".to_owned(),
            Author::Staff { .. } => "a person wrote it".to_owned(),
            Author::Automatic(label) => format!("written by itself: {label}"),
        };
        let came = message.direction == Direction::In;
        // A text that waited stands in its thread where it left.
        reasons.push(Reason { at: Some(if came { message.at } else { id.made_at() }), what });
    }
    let left_at = message.submitted_at.filter(|at| at.duration_since(id.made_at()) >= LATER);
    reasons.extend(left_at.map(|at| Reason { at: Some(at), what: "it left".to_owned() }));
    let word = message.status_word();
    let end = match (changes::wait_of(read, &message, rules, now)?, message.failure) {
        (Some(Wait { until: Some(at), what }), _) => format!("{word} until {}: {what}", rules.told(at)),
        (Some(Wait { until: None, what }), _) => format!("{word}: {what}"),
        (None, Some(failure)) => format!("{word}: {}", failure.reason()),
        (None, None) => word.to_owned(),
    };
    reasons.push(Reason { at: None, what: end });
    Ok(Some(reasons))
}

fn reason(line: RunLine, with_name: bool) -> Reason {
    let what = if with_name { format!("{}: {}", line.automation, line.what) } else { line.what };
    Reason { at: Some(line.at), what }
}

/// Why an automation has not texted a candidate, or has.
pub(crate) fn why_not(
    read: &impl Read,
    id: &OpportunityId,
    automation: &Automation,
    sight: Sight,
) -> Result<Option<Vec<Reason>>, StoreError> {
    if !read.get(OPPORTUNITIES, id)?.is_some_and(|row| sight.reaches(row.confidential)) {
        return Ok(None);
    }
    let state = read.get(AUTOMATIONS, &automation.name)?.unwrap_or_default();
    let logged = lines(read, id)?.into_iter().filter(|line| line.automation == automation.name);
    let mut reasons: Vec<Reason> = logged.map(|line| reason(line, false)).collect();
    if reasons.is_empty() {
        let events = changes::events_of(read, id, usize::MAX)?;
        for event in events.iter().filter(|event| automation.trigger.fires_on(&event.kind)) {
            let what = match (changes::is_for(read, automation, &event.kind)?, state.active_since) {
                (Err(why), _) => why,
                (Ok(()), None) => "the automation was paused".to_owned(),
                (Ok(()), Some(since)) if event.at < since && automation.trigger != Trigger::Interview => {
                    "before the automation was active".to_owned()
                }
                (Ok(()), Some(_)) => "there was nothing to be timed".to_owned(),
            };
            reasons.push(Reason { at: Some(event.at), what: format!("{}: {what}", event.kind.words()) });
        }
        if reasons.is_empty() {
            let what = format!("nothing has set it off in 30 days ({})", automation.trigger.word());
            reasons.push(Reason { at: None, what });
        }
    }
    if state.is_paused(automation.paused) {
        reasons.push(Reason { at: None, what: "now: the automation is paused".to_owned() });
    }
    Ok(Some(reasons))
}

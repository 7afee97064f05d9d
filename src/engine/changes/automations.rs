//! Automations as a whole: active or paused, and the cards of the flood guard.

use fulcrum_domain::automation::{AutomationState, CardState, Enrolment, Switch};
use fulcrum_domain::{Activity, ActivityKind, Actor, DeadlineKey};
use jiff::Timestamp;

use super::Rules;
use super::activity::note;
use super::deadline::{arm, is_ahead};
use super::enrol::enrol_for_interviews;
use super::enrolment::{Enrolled, wake_those};
use crate::store::tables::{AUTOMATIONS, CARDS};
use crate::store::{Keys, Read, StoreError, Tx};

/// What becomes of those who wait when an automation is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// They wait on, and are decided once it is resumed.
    Keep,
    /// They get no text.
    Drop,
}

/// Why something cannot be switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The config has none of that name.
    #[error("there is no automation of that name in the config")]
    Unknown,
    /// There is no such card, or it has been decided.
    #[error("no such card waits for approval")]
    NoCard,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Brings what is stored in line with the config: an automation is active from the moment at which that is
/// first seen, and nothing that happened before sets it off.
///
/// # Errors
/// [`StoreError`].
pub fn align(tx: &mut Tx<'_>, rules: &Rules, now: Timestamp) -> Result<(), StoreError> {
    for automation in &rules.automations.list {
        let mut state = tx.get(AUTOMATIONS, &automation.name)?.unwrap_or_default();
        let before = state.clone();
        state.switch = state.switch.filter(|switch| switch.config_paused == automation.paused);
        let paused = state.is_paused(automation.paused);
        state.active_since = if paused { None } else { state.active_since.or(Some(now)) };
        if state == before {
            continue;
        }
        tx.put(AUTOMATIONS, &automation.name, &state)?;
        if before.active_since.is_some() != state.active_since.is_some() {
            let what = if paused { "was paused" } else { "is active from now on" };
            let what = format!("{} {what}, since the config says so", automation.name);
            note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Automation, what))?;
            if !paused {
                awaken(tx, &automation.name, rules, now)?;
                enrol_for_interviews(tx, automation, rules, now)?;
            }
        }
    }
    // One that the config names no more is as good as paused.
    for (name, state) in tx.list(AUTOMATIONS, &Keys::all(), usize::MAX)? {
        if rules.automations.get(&name).is_none() && state.active_since.is_some() {
            tx.put(AUTOMATIONS, &name, &AutomationState { active_since: None, switch: None, ..state })?;
        }
    }
    Ok(())
}

/// Pauses an automation.
///
/// # Errors
/// [`SwitchError`]; then nothing changes.
pub fn pause(
    tx: &mut Tx<'_>,
    name: &str,
    waiting: Waiting,
    by: Actor,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), SwitchError> {
    let automation = rules.automations.get(name).ok_or(SwitchError::Unknown)?;
    let state = tx.get(AUTOMATIONS, &automation.name)?.unwrap_or_default();
    let switch = Switch { paused: true, config_paused: automation.paused, by: by.clone() };
    let paused = AutomationState { active_since: None, switch: Some(switch), ..state };
    tx.put(AUTOMATIONS, &automation.name, &paused)?;
    if waiting == Waiting::Drop {
        for one in Enrolled::live(tx)?.into_iter().filter(|one| one.automation == name) {
            one.end(tx, "the automation was paused", now)?;
        }
    }
    let kept =
        if waiting == Waiting::Keep { "those who wait are kept" } else { "those who waited get no text" };
    let what = format!("{name} was paused; {kept}");
    Ok(note(tx, &Activity::new(now, by, ActivityKind::Automation, what))?)
}

/// Lets an automation go on: what happens from now on sets it off, and those who waited are decided.
///
/// # Errors
/// [`SwitchError`]; then nothing changes.
pub fn resume(
    tx: &mut Tx<'_>,
    name: &str,
    by: Actor,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), SwitchError> {
    let automation = rules.automations.get(name).ok_or(SwitchError::Unknown)?;
    let state = tx.get(AUTOMATIONS, &automation.name)?.unwrap_or_default();
    let switch = Switch { paused: false, config_paused: automation.paused, by: by.clone() };
    let active_since = state.active_since.or(Some(now));
    tx.put(AUTOMATIONS, &automation.name, &AutomationState { active_since, switch: Some(switch), ..state })?;
    awaken(tx, name, rules, now)?;
    enrol_for_interviews(tx, automation, rules, now)?;
    let what = format!("{name} was resumed");
    Ok(note(tx, &Activity::new(now, by, ActivityKind::Automation, what))?)
}

/// Those that were held while an automation was paused are decided.
fn awaken(tx: &mut Tx<'_>, name: &str, rules: &Rules, now: Timestamp) -> Result<(), StoreError> {
    let held = |row: &Enrolment| row.automation == name && row.is_held();
    wake_those(tx, Enrolled::live(tx)?, held, rules, now)
}

/// Names that texts tell may be known by now (of postings, of users): those that are held for want of one
/// are decided once more.
pub fn look_at_held(tx: &mut Tx<'_>, rules: &Rules, now: Timestamp) -> Result<(), StoreError> {
    wake_those(tx, Enrolled::live(tx)?, |row| row.is_held() && row.card.is_none(), rules, now)
}

/// A person lets the texts of a card go, or calls them off.
///
/// # Errors
/// [`SwitchError`]; then nothing changes.
pub fn decide_card(
    tx: &mut Tx<'_>,
    number: u64,
    approve: bool,
    by: Actor,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), SwitchError> {
    let card = tx.get(CARDS, &number)?.filter(|card| card.state == CardState::Waiting);
    let mut card = card.ok_or(SwitchError::NoCard)?;
    card.state = if approve { CardState::Approved(by.clone()) } else { CardState::Refused(by.clone()) };
    arm(tx, DeadlineKey::Card(number), Some(card.expires_at()), None)?;
    tx.put(CARDS, &number, &card)?;
    for one in Enrolled::on(tx, number)? {
        if approve {
            one.wake(tx, rules, now)?;
        } else {
            one.end(tx, "a person called the card off", now)?;
        }
    }
    let what = if approve { "was approved" } else { "was called off" };
    let what = format!("card {number} of {} texts {what}", card.count);
    Ok(note(tx, &Activity::new(now, by, ActivityKind::Automation, what))?)
}

/// Nobody has said anything about a card in time: its texts are not sent.
pub(super) fn card_expires(tx: &mut Tx<'_>, number: u64, now: Timestamp) -> Result<(), StoreError> {
    let Some(mut card) = tx.get(CARDS, &number)?.filter(|card| card.state == CardState::Waiting) else {
        return Ok(());
    };
    let key = DeadlineKey::Card(number);
    if is_ahead(tx, key, card.expires_at(), now) {
        return Ok(());
    }
    card.state = CardState::Expired;
    arm(tx, key, Some(card.expires_at()), None)?;
    tx.put(CARDS, &number, &card)?;
    for one in Enrolled::on(tx, number)? {
        one.end(tx, "nobody approved the card in 24 hours", now)?;
    }
    let what = format!("card {number} expired: {} texts are not sent", card.count);
    note(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Automation, what))
}

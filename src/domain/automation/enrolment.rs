//! What is stored of automations: how each stands, whom it is about to text, cards that wait for approval,
//! and the log of what was decided.

use std::fmt;

use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::EventKind;
use crate::guard::FROZEN;
use crate::{Actor, Interview, MessageId, OpportunityId, Refusal};

/// One candidate in one automation; its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnrolmentId(u64);

impl EnrolmentId {
    /// The n-th.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Which one it is.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EnrolmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

/// What an enrolment is held for: it is decided again once that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldFor {
    /// The automation is paused.
    Paused,
    /// The candidate may have opted out, and nobody has decided about that.
    Doubt,
    /// The text cannot be written: why, in words.
    NoText(String),
    /// No hour is open in all zones that the number allows.
    NoHour,
    /// A person has not let this card go.
    Card(u64),
}

impl fmt::Display for HeldFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("the automation is paused"),
            Self::Doubt => f.write_str(FROZEN),
            Self::NoText(why) => f.write_str(why),
            Self::NoHour => Refusal::NoHour.fmt(f),
            Self::Card(card) => write!(f, "many at once: card {card} waits for approval"),
        }
    }
}

/// How far an enrolment has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolmentState {
    /// It waits for its time.
    Waiting,
    /// It waits for something else to change.
    Held(HeldFor),
    /// Its text was written.
    Sent(MessageId),
    /// There will be no text: why.
    Ended(String),
}

/// One candidate in one automation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Which automation, by name.
    pub automation: String,
    /// Which candidate.
    pub opportunity: OpportunityId,
    /// What set it off.
    pub event: EventKind,
    /// When that happened.
    #[serde(with = "millisecond::required")]
    pub happened_at: Timestamp,
    /// When it was enrolled.
    #[serde(with = "millisecond::required")]
    pub enrolled_at: Timestamp,
    /// When it is decided next, or was to be.
    #[serde(with = "millisecond::optional")]
    pub due: Option<Timestamp>,
    /// How far it has come.
    pub state: EnrolmentState,
    /// The card that it waits on, by number.
    pub card: Option<u64>,
    /// The interview that was called off, as it was then: Lever may have deleted it, and the text tells of it.
    pub was: Option<Interview>,
}

impl Enrolment {
    /// Whether a text may still come of it.
    pub fn is_live(&self) -> bool {
        matches!(self.state, EnrolmentState::Waiting | EnrolmentState::Held(_))
    }

    /// Whether it waits for something else than its time.
    pub fn is_held(&self) -> bool {
        matches!(self.state, EnrolmentState::Held(_))
    }

    /// When it is decided, while it waits for that: the deadline that is armed.
    pub fn decided_at(&self) -> Option<Timestamp> {
        self.due.filter(|_| self.state == EnrolmentState::Waiting)
    }
}

/// That a person paused or resumed an automation. It holds until the config says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Whether it is paused.
    pub paused: bool,
    /// What the config said then.
    pub config_paused: bool,
    /// Who.
    pub by: Actor,
}

/// How an automation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomationState {
    /// Since when it is active; nothing that happened before sets it off.
    #[serde(with = "millisecond::optional")]
    pub active_since: Option<Timestamp>,
    /// What a person said.
    pub switch: Option<Switch>,
    /// Texts that it has written.
    pub sent: u64,
}

impl AutomationState {
    /// Whether it is paused, where the config says `config_paused`.
    pub fn is_paused(&self, config_paused: bool) -> bool {
        match &self.switch {
            Some(switch) if switch.config_paused == config_paused => switch.paused,
            _ => config_paused,
        }
    }
}

/// When many enrolments at once are held (behaviour.md 3, "Flood guard").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// So many by one actor within [`Self::WITHIN`].
    pub count: usize,
}

impl Default for Flood {
    fn default() -> Self {
        Self { count: 25 }
    }
}

impl Flood {
    /// The time in which they are counted.
    pub const WITHIN: SignedDuration = SignedDuration::from_secs(60);
    /// How long more are collected.
    pub const COLLECT: SignedDuration = SignedDuration::from_mins(2);
    /// How long a card waits for a person.
    pub const EXPIRES: SignedDuration = SignedDuration::from_hours(24);

    /// Whether one more at `now`, after those at `recent`, is a flood.
    pub fn is_reached(self, recent: &[Timestamp], now: Timestamp) -> bool {
        let within = recent.iter().filter(|at| now.duration_since(**at).abs() <= Self::WITHIN).count();
        within + 1 >= self.count
    }

    /// What the guard does with one more enrolment at `now`, after those at `recent` of the same actor, whose
    /// last card is `card`.
    pub fn surge(self, recent: &[Timestamp], card: Option<&Card>, now: Timestamp) -> Surge {
        if card.is_some_and(|card| card.collects(now)) {
            Surge::Joins
        } else if self.is_reached(recent, now) {
            Surge::Strikes
        } else {
            Surge::Passes
        }
    }
}

/// What the flood guard does with an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surge {
    /// Nothing.
    Passes,
    /// It joins the card that is open.
    Joins,
    /// It is one too many: a card is opened for it and for those of the last minute.
    Strikes,
}

/// What became of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CardState {
    /// It waits for a person.
    Waiting,
    /// A person let its texts go.
    Approved(Actor),
    /// A person called them off.
    Refused(Actor),
    /// Nobody said anything in a day.
    Expired,
}

/// Enrolments that came all at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Who did what set them off.
    pub by: Actor,
    /// When the guard struck.
    #[serde(with = "millisecond::required")]
    pub opened_at: Timestamp,
    /// What became of it.
    pub state: CardState,
    /// How many wait on it.
    pub count: u64,
}

impl Card {
    /// Whether what comes at `now` joins it.
    pub fn collects(&self, now: Timestamp) -> bool {
        self.state == CardState::Waiting && now.duration_since(self.opened_at) < Flood::COLLECT
    }

    /// When it expires.
    pub fn expires_at(&self) -> Timestamp {
        self.opened_at.saturating_add(Flood::EXPIRES).unwrap_or(Timestamp::MAX)
    }
}

/// A line of the run log: one for each decision, without data of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    /// When it was decided.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// By which automation.
    pub automation: String,
    /// About which enrolment; none where there came none of it.
    pub enrolment: Option<EnrolmentId>,
    /// What, and why.
    pub what: String,
    /// The text that came of it.
    pub message: Option<MessageId>,
}

impl RunLine {
    /// What an automation decided, and why, about no enrolment yet.
    pub fn new(at: Timestamp, automation: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at, automation: automation.into(), enrolment: None, what: what.into(), message: None }
    }

    /// The same about an enrolment.
    #[must_use]
    pub fn of(self, enrolment: EnrolmentId) -> Self {
        Self { enrolment: Some(enrolment), ..self }
    }

    /// The same with the text that came of it.
    #[must_use]
    pub fn made(self, message: MessageId) -> Self {
        Self { message: Some(message), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_holds_until_the_config_changes() {
        let switch = Switch { paused: false, config_paused: true, by: "ana".into() };
        let state = AutomationState { switch: Some(switch), ..AutomationState::default() };
        assert!(!state.is_paused(true) && !state.is_paused(false));
        let switch = Switch { paused: true, config_paused: false, by: "ana".into() };
        let state = AutomationState { switch: Some(switch), ..AutomationState::default() };
        assert!(state.is_paused(false) && state.is_paused(true));
        assert!(AutomationState::default().is_paused(true) && !AutomationState::default().is_paused(false));
    }

    #[test]
    fn the_twenty_fifth_within_a_minute_is_a_flood() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let recent: Vec<_> = (0..24).map(at).collect();
        assert!(Flood::default().is_reached(&recent, at(24)));
        assert!(!Flood::default().is_reached(&recent[1..], at(24)));
        assert!(!Flood::default().is_reached(&recent, at(61)));
    }

    #[test]
    fn what_comes_while_a_card_collects_joins_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let card = Card { by: "ana".into(), opened_at: at(100), state: CardState::Waiting, count: 2 };
        let flood = Flood { count: 2 };
        assert_eq!(flood.surge(&[], Some(&card), at(219)), Surge::Joins);
        assert_eq!(flood.surge(&[], Some(&card), at(220)), Surge::Passes);
        assert_eq!(flood.surge(&[at(219)], Some(&card), at(220)), Surge::Strikes);
        let approved = Card { state: CardState::Approved("ana".into()), ..card };
        assert_eq!(flood.surge(&[], Some(&approved), at(101)), Surge::Passes);
    }
}

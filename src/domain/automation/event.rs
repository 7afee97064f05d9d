//! What happens to candidates, as one log has it, whether a webhook told of it or a look found it.
//!
//! An event is what differs between the row that was stored and the one that was fetched, so a webhook
//! that comes twice, or comes late, tells nothing new. It is dated by when it happened in Lever and not
//! by when it was seen: what is older than an automation must not set it off, however late a page of the
//! backfill brings it.

use jiff::fmt::serde::timestamp::millisecond;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Actor, ArchiveReasonId, Interview, InterviewId, MessageId, Opportunity, OpportunityId, StageId};

/// The same once more within this time is one event (behaviour.md 3, "Events").
const ONE: SignedDuration = SignedDuration::from_mins(2);

/// What happened. Stored by number: new kinds go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// The candidate came into a stage.
    StageEntered {
        /// From which, where they were known before.
        from: Option<StageId>,
        /// Into which.
        to: StageId,
    },
    /// The opportunity was archived.
    Archived(Option<ArchiveReasonId>),
    /// It was archived since the person was hired.
    Hired,
    /// They applied.
    ApplicationCreated,
    /// An interview was made.
    InterviewCreated(InterviewId),
    /// It got another time.
    InterviewMoved(InterviewId),
    /// It was called off, or deleted.
    InterviewCancelled(InterviewId),
    /// We texted them.
    Texted(MessageId),
}

impl EventKind {
    /// The interview that it is about.
    pub fn interview(&self) -> Option<&InterviewId> {
        match self {
            Self::InterviewCreated(id) | Self::InterviewMoved(id) | Self::InterviewCancelled(id) => Some(id),
            _ => None,
        }
    }

    /// In words, for the run log.
    pub fn words(&self) -> &'static str {
        match self {
            Self::StageEntered { .. } => "a stage was entered",
            Self::Archived(_) => "archived",
            Self::Hired => "hired",
            Self::ApplicationCreated => "applied",
            Self::InterviewCreated(_) => "an interview was made",
            Self::InterviewMoved(_) => "an interview was moved",
            Self::InterviewCancelled(_) => "an interview was called off",
            Self::Texted(_) => "a text was sent",
        }
    }

    /// Whether the later of two takes the place of the earlier: being in one stage ends being in another.
    fn succeeds(&self, earlier: &Self) -> bool {
        matches!((self, earlier), (Self::StageEntered { .. }, Self::StageEntered { .. })) || self == earlier
    }

    fn has_target_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::StageEntered { to, .. }, Self::StageEntered { to: other, .. }) => to == other,
            _ => self == other,
        }
    }
}

/// Something that happened to an opportunity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To which.
    pub opportunity: OpportunityId,
    /// When, in Lever.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
    /// When we saw it.
    #[serde(with = "millisecond::required")]
    pub seen_at: Timestamp,
    /// Who did it, as far as it is known.
    pub by: Actor,
}

impl Event {
    /// Whether it is one that is known: the newest of its kind in `known`, which is in order of time, says
    /// the same and is hardly older.
    pub fn repeats(&self, known: &[Self]) -> bool {
        let last = known.iter().rev().find(|event| self.kind.succeeds(&event.kind));
        last.is_some_and(|last| {
            self.kind.has_target_of(&last.kind) && self.at.duration_since(last.at).abs() < ONE
        })
    }

    /// Whether it takes back the last change of stage in `known`: out and back within `settle` is no
    /// entering.
    pub fn takes_back(&self, known: &[Self], settle: SignedDuration) -> bool {
        let EventKind::StageEntered { from: Some(from), to } = &self.kind else { return false };
        let last = known.iter().rev().find(|event| matches!(event.kind, EventKind::StageEntered { .. }));
        last.is_some_and(|last| {
            let slip = EventKind::StageEntered { from: Some(to.clone()), to: from.clone() };
            last.kind == slip && self.at.duration_since(last.at) < settle
        })
    }

    /// Whether this, a later event, ends the stage that `entered` began before it had settled.
    pub fn unsettles(&self, entered: &Self, settle: SignedDuration) -> bool {
        let (EventKind::StageEntered { .. }, EventKind::StageEntered { to, .. }) =
            (&self.kind, &entered.kind)
        else {
            return false;
        };
        !matches!(&self.kind, EventKind::StageEntered { to: next, .. } if next == to)
            && self.at >= entered.at
            && self.at.duration_since(entered.at) < settle
    }
}

/// What a row that was just fetched tells, and since when each is so. `undated` is for what Lever gives no
/// time: the earliest that it can have been, or now where a webhook has just told of it. `hired` says
/// whether its archive reason means that.
pub fn differences(
    stored: Option<&Opportunity>,
    fetched: &Opportunity,
    hired: bool,
    undated: Timestamp,
) -> Vec<(EventKind, Timestamp)> {
    let mut happened = Vec::new();
    if fetched.application.is_some() && stored.is_none_or(|row| row.application.is_none()) {
        let at = if stored.is_none() { fetched.created_at } else { undated };
        happened.push((EventKind::ApplicationCreated, at));
    }
    let from = stored.map(|row| &row.stage);
    if from != Some(&fetched.stage) {
        let dated = stored.is_none_or(|row| fetched.advanced_at > row.advanced_at);
        let at = if dated { fetched.advanced_at } else { undated };
        happened.push((EventKind::StageEntered { from: from.cloned(), to: fetched.stage.clone() }, at));
    }
    if let Some(archived) = &fetched.archived
        && stored.is_none_or(|row| row.archived.as_ref().is_none_or(|before| before.at != archived.at))
    {
        let kind = if hired { EventKind::Hired } else { EventKind::Archived(archived.reason.clone()) };
        happened.push((kind, archived.at));
    }
    happened
}

/// What an interview's row tells beside the one that was stored; `made_at` is when Lever says that it was
/// made. One that is gone from the list was called off, unless it was over.
pub fn difference_of_interview(
    stored: Option<&Interview>,
    fetched: Option<&Interview>,
    made_at: Timestamp,
    as_of: Timestamp,
) -> Option<(EventKind, Timestamp)> {
    match (stored, fetched) {
        (None, Some(row)) if row.cancelled_at.is_none() => {
            Some((EventKind::InterviewCreated(row.id.clone()), made_at))
        }
        (Some(before), None) if before.cancelled_at.is_none() && before.starts_at > as_of => {
            Some((EventKind::InterviewCancelled(before.id.clone()), as_of))
        }
        (Some(before), Some(row)) => match (before.cancelled_at, row.cancelled_at) {
            (None, Some(at)) => Some((EventKind::InterviewCancelled(row.id.clone()), at)),
            (None, None) if before.starts_at != row.starts_at => {
                Some((EventKind::InterviewMoved(row.id.clone()), as_of))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn moved(from: &str, to: &str, second: i64) -> Event {
        let kind = EventKind::StageEntered { from: from.parse().ok(), to: to.parse().unwrap() };
        event(kind, second)
    }

    fn event(kind: EventKind, second: i64) -> Event {
        let (opportunity, by) = ("o".parse().unwrap(), Actor::from("Lever"));
        Event { kind, opportunity, at: at(second), seen_at: at(second), by }
    }

    #[test]
    fn the_same_within_two_minutes_is_one() {
        let known = [moved("a", "b", 1000)];
        assert!(moved("a", "b", 1119).repeats(&known) && moved("a", "b", 881).repeats(&known));
        assert!(!moved("a", "b", 1120).repeats(&known) && !moved("a", "c", 1001).repeats(&known));
        assert!(!event(EventKind::Hired, 1000).repeats(&known));
    }

    #[test]
    fn entering_again_after_another_stage_is_no_repeat() {
        let known = [moved("a", "b", 1000), moved("b", "a", 1030)];
        assert!(!moved("a", "b", 1060).repeats(&known));
    }

    #[test]
    fn out_and_back_is_no_entering() {
        let settle = SignedDuration::from_secs(60);
        let (out, back) = (moved("a", "b", 1000), moved("b", "a", 1059));
        assert!(back.unsettles(&out, settle) && back.takes_back(std::slice::from_ref(&out), settle));
        let late = moved("b", "a", 1060);
        assert!(!late.unsettles(&out, settle) && !late.takes_back(&[out], settle));
    }

    fn row(stage: &str, advanced: i64) -> Opportunity {
        Opportunity {
            contact: "c".parse().unwrap(),
            name: String::new(),
            phones: vec![],
            emails: vec![],
            stage: stage.parse().unwrap(),
            archived: None,
            owner: None,
            application: None,
            posting: None,
            tags: vec![],
            confidential: false,
            anonymised: false,
            created_at: at(1),
            advanced_at: at(advanced),
            updated_at: None,
            as_of: at(5),
            interviews_as_of: None,
        }
    }

    #[test]
    fn rows_tell_what_happened_and_when() {
        let applied = Opportunity { application: "x".parse().ok(), ..row("a", 2) };
        let told = differences(None, &applied, false, at(9));
        let entered = |from: Option<&str>, to: &str| EventKind::StageEntered {
            from: from.map(|id| id.parse().unwrap()),
            to: to.parse().unwrap(),
        };
        assert_eq!(told, [(EventKind::ApplicationCreated, at(1)), (entered(None, "a"), at(2))]);
        let told = differences(
            Some(&applied),
            &Opportunity { stage: "b".parse().unwrap(), ..applied.clone() },
            false,
            at(9),
        );
        assert_eq!(told, [(entered(Some("a"), "b"), at(9))]);
        let archived = crate::Archived { reason: None, at: at(7) };
        let gone = Opportunity { archived: Some(archived), ..applied.clone() };
        assert_eq!(differences(Some(&applied), &gone, false, at(9)), [(EventKind::Archived(None), at(7))]);
        assert_eq!(differences(Some(&applied), &gone, true, at(9)), [(EventKind::Hired, at(7))]);
        assert_eq!(differences(Some(&gone), &gone, true, at(9)), []);
    }

    proptest! {
        #[test]
        fn of_events_told_twice_one_is_kept(
            told in prop::collection::vec((0..3u8, 0..2_000i64), 1..30),
        ) {
            let mut told: Vec<_> = told.into_iter().flat_map(|one| [one, one]).collect();
            told.sort_by_key(|(_, second)| *second);
            let mut known: Vec<Event> = Vec::new();
            for (stage, second) in told {
                let event = moved("x", ["a", "b", "c"][usize::from(stage)], second);
                if !event.repeats(&known) {
                    known.push(event);
                }
            }
            for pair in known.windows(2) {
                let same = pair[0].kind.has_target_of(&pair[1].kind);
                prop_assert!(!same || pair[1].at.duration_since(pair[0].at) >= ONE);
            }
        }
    }
}

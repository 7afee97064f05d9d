//! The opportunities of a tenant as a pure function of (seed, index).
//!
//! Index 0 is the oldest; creation times rise with the index, so a window of creation is a range of indexes.
//! What cannot change is computed again whenever it is needed ([`Facts`]); what can is a small [`Row`].

use super::ids::Kind;
use crate::dice::Dice;

const DAY_MS: i64 = 86_400_000;
const AGE_MS: i64 = 5 * 365 * DAY_MS;

/// Position in the pipeline of the first stage for people who applied.
pub(super) const NEW_APPLICANT: u8 = 3;
const STAGES: u64 = 12;
const HIRED: u8 = 0;
/// Archived, and no reason is told (lever-api.md 5.1).
pub(super) const NO_REASON: u8 = u8::MAX;

pub(super) const ORIGINS: [&str; 6] = ["applied", "sourced", "referred", "agency", "internal", "university"];

/// What the tenant is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) opportunities: u32,
    pub(super) active_share: f64,
    /// When the tenant is as generated.
    pub(super) now_ms: i64,
}

/// What never changes about an opportunity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) created: i64,
    pub(super) contact: u32,
    /// Position among the postings; without one there is no application.
    pub(super) posting: Option<u16>,
    pub(super) owner: u8,
    pub(super) origin: u8,
    pub(super) first_stage: u8,
}

/// What may change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) advanced: i64,
    /// 0 while active.
    pub(super) archived_at: i64,
    /// 0 for null.
    pub(super) updated: i64,
    pub(super) stage: u8,
    pub(super) reason: u8,
    pub(super) confidential: bool,
    pub(super) deleted: bool,
}

impl Row {
    /// Just created.
    pub(super) fn fresh(facts: &Facts) -> Self {
        Self {
            advanced: facts.created,
            archived_at: 0,
            updated: 0,
            stage: facts.first_stage,
            reason: 0,
            confidential: false,
            deleted: false,
        }
    }

    pub(super) fn active(&self) -> bool {
        self.archived_at == 0
    }
}

impl Plan {
    /// The opportunity at `index`, as it was when the simulator started.
    pub(super) fn generate(&self, index: u32) -> (Facts, Row) {
        let mut dice = Dice::new(self.seed, Kind::Opportunity as u64, index.into());
        let created = self.created(index);
        let lead = dice.chance(0.3);
        let posting = (!lead || dice.chance(0.9)).then(|| dice.below(300) as u16);
        let facts = Facts {
            created,
            contact: self.contact_of(index),
            posting,
            owner: dice.below(60) as u8,
            origin: if lead { 1 } else { dice.pick(&[0, 0, 0, 0, 0, 2, 3, 4, 5]) },
            first_stage: if lead { 0 } else { NEW_APPLICANT },
        };
        let mut row = self.row(&mut dice, &facts, lead);
        if index % 41 == 7 && row.reason != HIRED {
            row.reason = NO_REASON;
        }
        (facts, row)
    }

    /// Usually the contact of the same index; some share the contact of an older opportunity.
    pub(super) fn contact_of(&self, index: u32) -> u32 {
        let gap = self.sharing_gap();
        let shares = index % 2 == 1 && index >= gap && Dice::new(self.seed, 0xC0, index.into()).chance(0.06);
        if shares { index - gap } else { index }
    }

    /// The generated opportunities of a contact.
    pub(super) fn opportunities_of(&self, contact: u32) -> impl Iterator<Item = u32> {
        let candidates = [Some(contact), contact.checked_add(self.sharing_gap())].into_iter().flatten();
        candidates.filter(move |index| *index < self.opportunities && self.contact_of(*index) == contact)
    }

    /// The generated indexes that may have been created within a span.
    pub(super) fn created_within(&self, start: i64, end: i64) -> std::ops::Range<u32> {
        let step = self.step().max(1);
        let index = |ms: i64| {
            (ms.saturating_sub(self.now_ms - AGE_MS) / step).clamp(0, self.opportunities.into()) as u32
        };
        // One more on either side, against the jitter.
        index(start).saturating_sub(1)..(index(end).saturating_add(2)).min(self.opportunities)
    }

    /// Odd, so that only odd indexes share and only even ones are shared.
    fn sharing_gap(&self) -> u32 {
        (self.opportunities / 3).min(997) | 1
    }

    fn step(&self) -> i64 {
        (AGE_MS - 3_600_000) / i64::from(self.opportunities.max(1))
    }

    fn created(&self, index: u32) -> i64 {
        let jitter = Dice::new(self.seed, 0xCE, index.into()).below(self.step().max(1) as u64) as i64;
        self.now_ms - AGE_MS + i64::from(index) * self.step() + jitter
    }

    fn row(&self, dice: &mut Dice, facts: &Facts, lead: bool) -> Row {
        let active = dice.chance(self.active_share);
        let (first, last) = if lead { (0, 3) } else { (u64::from(NEW_APPLICANT), STAGES) };
        // The lower of two draws: most people are early in the pipeline. Without an application one stays a
        // lead.
        let ahead = dice.below(last - first).min(dice.below(last - first));
        let stage = (first + ahead) as u8;
        let room = (self.now_ms - facts.created).max(1) as u64;
        let advanced = if stage == facts.first_stage {
            facts.created
        } else {
            let later = facts.created + dice.below(room.min(60 * DAY_MS as u64)) as i64;
            // Some were moved in bulk, at the same millisecond as others.
            if dice.chance(0.2) { (later - later % DAY_MS).max(facts.created) } else { later }
        };
        let room = (self.now_ms - advanced).max(1) as u64;
        let archived_at = match active {
            true => 0,
            false if dice.chance(0.3) => advanced,
            false => advanced + dice.below(room.min(30 * DAY_MS as u64)) as i64,
        };
        let hired = !lead && dice.chance(0.08);
        let updated =
            if dice.chance(0.04) { advanced.max(archived_at) + dice.below(room / 2 + 1) as i64 } else { 0 };
        Row {
            advanced,
            archived_at,
            updated: updated.min(self.now_ms),
            stage,
            reason: if hired { HIRED } else { 2 + dice.below(10) as u8 },
            confidential: dice.chance(0.01),
            deleted: false,
        }
    }
}

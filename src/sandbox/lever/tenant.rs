//! The tenant's state: what was generated, and what has changed since.
//!
//! A row of 32 bytes and a key of 16 stand for each opportunity; everything that was touched by a write lies
//! in overlays. So a million opportunities fit beside the program under test, and a page costs what its items
//! cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use super::generator::{Facts, NEW_APPLICANT, Plan, Row};
use super::ids::{Ids, Kind};
use super::order::{Key, Order};
use super::people::{self, Person};
use super::reference::Reference;
use super::wire::{Interview, Note, Panel};
use crate::dice::Dice;

/// What was touched since the start, for one opportunity.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Moves made since the start: stage, when, by which user.
    pub(super) moves: Vec<(u8, i64, Option<String>)>,
    pub(super) notes: Vec<Note>,
    /// The panels and interviews, once any was touched; until then they are generated.
    pub(super) schedule: Option<Schedule>,
    pub(super) interacted: i64,
}

/// The panels of one opportunity and the interviews in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    pub(super) panels: Vec<Panel>,
    pub(super) interviews: Vec<Interview>,
}

/// One simulated Lever account.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) plan: Plan,
    pub(super) ids: Ids,
    pub(super) reference: Reference,
    pub(super) order: Order,
    /// Whether `updatedAt` tells of interviews.
    pub(super) interviews_bump_updated: bool,
    rows: Vec<Row>,
    /// Facts of those who applied since the start; their indexes follow the generated ones.
    late: Vec<Facts>,
    /// Opportunities whose `updatedAt` is not null, by it.
    updated: BTreeSet<(i64, u32)>,
    people: HashMap<u32, Person>,
    extras: HashMap<u32, Extra>,
    /// When and which; by whom.
    pub(super) deleted: BTreeMap<(i64, u32), String>,
    dice: Dice,
}

impl Tenant {
    pub(super) fn generate(plan: Plan) -> Self {
        let ids = Ids::new(plan.seed);
        let rows: Vec<Row> = (0..plan.opportunities).map(|index| plan.generate(index).1).collect();
        let keys = (0..).zip(&rows).map(|(index, row)| key(ids, index, row));
        Self {
            ids,
            reference: Reference::generate(ids, plan.seed, plan.now_ms),
            order: Order::new(keys),
            interviews_bump_updated: true,
            updated: (0..)
                .zip(&rows)
                .filter(|(_, row)| row.updated > 0)
                .map(|(index, row)| (row.updated, index))
                .collect(),
            rows,
            late: Vec::new(),
            people: HashMap::new(),
            extras: HashMap::new(),
            deleted: BTreeMap::new(),
            dice: Dice::new(plan.seed, 0x7E, 0),
            plan,
        }
    }

    /// Opportunities there have ever been.
    pub(super) fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    pub(super) fn row(&self, index: u32) -> &Row {
        &self.rows[index as usize]
    }

    pub(super) fn is_generated(&self, index: u32) -> bool {
        index < self.plan.opportunities
    }

    /// Whether its owner is told as null (lever-api.md 5.1).
    pub(super) fn is_unowned(&self, index: u32) -> bool {
        self.is_generated(index) && index % 53 == 11
    }

    pub(super) fn facts(&self, index: u32) -> Facts {
        self.born(index).0
    }

    /// As it was at the start, or when it was created since.
    pub(super) fn born(&self, index: u32) -> (Facts, Row) {
        match index.checked_sub(self.plan.opportunities) {
            Some(late) => (self.late[late as usize], Row::fresh(&self.late[late as usize])),
            None => self.plan.generate(index),
        }
    }

    /// The contacts that have this e-mail address now.
    pub(super) fn contacts_with_email(&self, email: &str) -> Vec<u32> {
        let generated = people::index_of_email(email).filter(|contact| *contact < self.len());
        let candidates: BTreeSet<u32> = self.people.keys().copied().chain(generated).collect();
        let has_it = |contact: &u32| self.person(*contact).emails.iter().any(|own| own == email);
        candidates.into_iter().filter(has_it).collect()
    }

    pub(super) fn person(&self, contact: u32) -> Person {
        let edited = self.people.get(&contact).cloned();
        edited.unwrap_or_else(|| people::generate(self.plan.seed, contact, self.plan.opportunities))
    }

    pub(super) fn extra(&self, index: u32) -> Option<&Extra> {
        self.extras.get(&index)
    }

    pub(super) fn extra_mut(&mut self, index: u32) -> &mut Extra {
        self.extras.entry(index).or_default()
    }

    pub(super) fn key(&self, index: u32) -> Key {
        key(self.ids, index, self.row(index))
    }

    pub(super) fn index_at(&self, key: Key) -> u32 {
        self.ids.index_of_head(Kind::Opportunity, key.head())
    }

    /// The opportunity with this id, unless there is none or it was deleted.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        let index = self.ids.index(Kind::Opportunity, id)?;
        self.rows.get(index as usize).is_some_and(|row| !row.deleted).then_some(index)
    }

    /// The contact with this id, if any opportunity was ever its.
    pub(super) fn find_contact(&self, id: &str) -> Option<u32> {
        let contact = self.ids.index(Kind::Contact, id)?;
        (contact < self.len() && self.facts(contact).contact == contact).then_some(contact)
    }

    /// The opportunities of a contact that are not deleted.
    pub(super) fn opportunities_of(&self, contact: u32) -> Vec<u32> {
        let late = (self.plan.opportunities..).zip(&self.late).filter(|(_, facts)| facts.contact == contact);
        let all = self.plan.opportunities_of(contact).chain(late.map(|(index, _)| index));
        all.filter(|index| !self.row(*index).deleted).collect()
    }

    /// Who may have been created within a span; a superset.
    pub(super) fn created_within(&self, span: &RangeInclusive<i64>) -> impl Iterator<Item = u32> + use<> {
        self.plan.created_within(*span.start(), *span.end()).chain(self.plan.opportunities..self.len())
    }

    /// Who was updated within a span.
    pub(super) fn updated_within(&self, span: &RangeInclusive<i64>) -> impl Iterator<Item = u32> + use<'_> {
        let range = (span.start() <= span.end())
            .then(|| self.updated.range((*span.start(), 0)..=(*span.end(), u32::MAX)));
        range.into_iter().flatten().map(|(_, index)| *index)
    }

    /// A random opportunity that is active, visible to everybody and passes `also`.
    pub(super) fn random_active(&mut self, also: impl Fn(&Self, u32) -> bool) -> Option<u32> {
        let fits = |tenant: &Self, index: u32| {
            let row = tenant.row(index);
            row.active() && !row.deleted && !row.confidential && also(tenant, index)
        };
        let len = self.len();
        for _ in 0..200 {
            let index = self.dice.below(len.into()) as u32;
            if index < len && fits(self, index) {
                return Some(index);
            }
        }
        (0..len).find(|index| fits(self, *index))
    }

    /// A stage other than the present one, forward or backward.
    pub(super) fn random_stage(&mut self, index: u32) -> u8 {
        let stages = self.reference.stages.len() as u64;
        (u64::from(self.row(index).stage) + 1 + self.dice.below(stages - 1)).rem_euclid(stages) as u8
    }

    /// A number in `0..bound`, for what else is random.
    pub(super) fn random(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// Something changed that bumps `updatedAt` and `lastInteractionAt`.
    pub(super) fn touch(&mut self, index: u32, now: i64) {
        self.extra_mut(index).interacted = now;
        let row = &mut self.rows[index as usize];
        self.updated.remove(&(row.updated, index));
        row.updated = now;
        self.updated.insert((now, index));
    }

    /// The same for an interview, of which `updatedAt` may tell nothing.
    pub(super) fn touch_interview(&mut self, index: u32, now: i64) {
        if self.interviews_bump_updated {
            self.touch(index, now);
        }
    }

    pub(super) fn advance(&mut self, index: u32, stage: u8, now: i64, by: Option<String>) {
        let old = self.key(index);
        self.order.remove(old);
        let row = &mut self.rows[index as usize];
        row.stage = stage;
        row.advanced = now;
        self.order.insert(self.key(index));
        self.extra_mut(index).moves.push((stage, now, by));
        self.touch(index, now);
    }

    /// Archives with a reason, or brings back with none.
    pub(super) fn set_archived(&mut self, index: u32, reason: Option<u8>, now: i64) {
        let row = &mut self.rows[index as usize];
        row.archived_at = if reason.is_some() { now } else { 0 };
        row.reason = reason.unwrap_or(row.reason);
        self.touch(index, now);
    }

    pub(super) fn set_confidential(&mut self, index: u32, confidential: bool, now: i64) {
        self.rows[index as usize].confidential = confidential;
        self.touch(index, now);
    }

    pub(super) fn delete(&mut self, index: u32, now: i64, by: String) {
        let old = self.key(index);
        self.order.remove(old);
        let row = &mut self.rows[index as usize];
        row.deleted = true;
        self.updated.remove(&(row.updated, index));
        self.deleted.insert((now, index), by);
    }

    /// Changes a contact, and with it each of its opportunities.
    pub(super) fn set_person(&mut self, contact: u32, person: Person, now: i64) {
        self.people.insert(contact, person);
        for index in self.opportunities_of(contact) {
            self.touch(index, now);
        }
    }

    /// Somebody applies: a contact that is known, or a new one that `describe` may finish.
    pub(super) fn apply(
        &mut self,
        application: NewApplication,
        now: i64,
        describe: impl FnOnce(&mut Person),
    ) -> u32 {
        let index = self.len();
        let contact = application.contact.unwrap_or(index);
        if application.contact.is_none() {
            let mut person = people::newcomer(self.plan.seed, contact, index - self.plan.opportunities);
            describe(&mut person);
            self.people.insert(contact, person);
        }
        let facts = Facts {
            created: now,
            contact,
            posting: Some(application.posting),
            owner: application.owner,
            origin: application.origin,
            first_stage: NEW_APPLICANT,
        };
        self.rows.push(Row::fresh(&facts));
        self.late.push(facts);
        self.order.insert(self.key(index));
        index
    }
}

/// What an application says.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewApplication {
    /// A known contact; else a new one is made.
    pub(super) contact: Option<u32>,
    pub(super) posting: u16,
    pub(super) owner: u8,
    pub(super) origin: u8,
}

fn key(ids: Ids, index: u32, row: &Row) -> Key {
    Key::new(row.stage, row.advanced, ids.head(Kind::Opportunity, index))
}

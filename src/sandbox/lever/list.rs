//! `GET /opportunities`: which ones, in what order, a page at a time (lever-api.md 3 and 4.2).
//!
//! The order index yields candidates from the cursor on; narrow filters (a window of creation or update, a
//! contact, an address) yield them from their own index instead and sort. Either way the rest of the filter
//! is a test.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::error::ApiError;
use super::generator::ORIGINS;
use super::order::{Key, parse_key, token};
use super::query::Query;
use super::render::source;
use super::tenant::Tenant;

/// The most candidates that are sorted for one page; beyond that, walking the order finds a page sooner.
const SORTED_MAX: usize = 20_000;

/// A parsed filter. Values of one parameter are a union, parameters an intersection.
#[derive(Debug)]
pub(super) struct Filter {
    confidential: Option<bool>,
    archived: Option<bool>,
    snoozed: Option<bool>,
    stages: Option<Vec<u8>>,
    contacts: Option<Vec<u32>>,
    emails: Option<Vec<u32>>,
    created: Option<RangeInclusive<i64>>,
    updated: Option<RangeInclusive<i64>>,
    advanced: Option<RangeInclusive<i64>>,
    archived_at: Option<RangeInclusive<i64>>,
    postings: Option<Vec<u16>>,
    archived_postings: Option<Vec<u16>>,
    reasons: Option<Vec<u8>>,
    tags: Option<Vec<String>>,
    sources: Option<Vec<String>>,
    locations: Option<Vec<String>>,
    origins: Option<Vec<String>>,
}

impl Filter {
    /// Reads the filter; `granted` says whether the key may see confidential records.
    pub(super) fn parse(query: &Query, tenant: &Tenant, granted: bool) -> Result<Self, ApiError> {
        let confidential = match query.get("confidentiality") {
            None | Some("non-confidential") => Some(false),
            Some("confidential" | "all") if !granted => {
                return Err(ApiError::forbidden("This API key has no access to confidential data"));
            }
            Some("confidential") => Some(true),
            Some("all") => None,
            Some(_) => return Err(ApiError::bad_request("Invalid value at /confidentiality")),
        };
        if query.all("email").any(|email| !email.contains('@')) {
            return Err(ApiError::bad_request("Email address is not valid"));
        }
        let reference = &tenant.reference;
        Ok(Self {
            confidential,
            archived: query.flag("archived")?,
            snoozed: query.flag("snoozed")?,
            stages: known(query, "stage_id", |id| reference.stage_index(id)),
            contacts: known(query, "contact_id", |id| tenant.find_contact(id)),
            emails: given(query, "email")
                .map(|emails| emails.iter().flat_map(|email| tenant.contacts_with_email(email)).collect()),
            created: query.span("created_at")?,
            updated: query.span("updated_at")?,
            advanced: query.span("advanced_at")?,
            archived_at: query.span("archived_at")?,
            postings: known(query, "posting_id", |id| reference.posting_index(id)),
            archived_postings: known(query, "archived_posting_id", |id| reference.posting_index(id)),
            reasons: known(query, "archive_reason_id", |id| reference.reason_index(id)),
            tags: given(query, "tag"),
            sources: given(query, "source"),
            locations: given(query, "location"),
            origins: given(query, "origin"),
        })
    }

    fn admits(&self, tenant: &Tenant, index: u32) -> bool {
        let row = tenant.row(index);
        let cheap = !row.deleted
            && self.confidential.is_none_or(|wanted| row.confidential == wanted)
            && self.archived.is_none_or(|wanted| row.active() != wanted)
            && self.snoozed != Some(true)
            && among(&self.stages, &row.stage)
            && within(&self.advanced, row.advanced)
            && within_if_set(&self.updated, row.updated)
            && within_if_set(&self.archived_at, row.archived_at)
            && (self.reasons.is_none() || !row.active() && among(&self.reasons, &row.reason));
        cheap && (!self.asks_for_facts() || self.admits_facts(tenant, index))
    }

    fn asks_for_facts(&self) -> bool {
        let lists = [&self.tags, &self.sources, &self.locations, &self.origins];
        self.created.is_some()
            || self.contacts.is_some()
            || self.emails.is_some()
            || self.postings.is_some()
            || self.archived_postings.is_some()
            || lists.iter().any(|list| list.is_some())
    }

    fn admits_facts(&self, tenant: &Tenant, index: u32) -> bool {
        let facts = tenant.facts(index);
        let active = tenant.row(index).active();
        let posting = |wanted: &Option<Vec<u16>>, of_active: bool| {
            wanted.is_none()
                || active == of_active && facts.posting.is_some_and(|posting| among(wanted, &posting))
        };
        within(&self.created, facts.created)
            && among(&self.contacts, &facts.contact)
            && among(&self.emails, &facts.contact)
            && posting(&self.postings, true)
            && posting(&self.archived_postings, false)
            && among_text(&self.origins, ORIGINS[usize::from(facts.origin)])
            && among_text(&self.sources, source(&facts))
            && self.tags.as_ref().is_none_or(|tags| tenant.tags(&facts).iter().any(|tag| tags.contains(tag)))
            && self
                .locations
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&tenant.person(facts.contact).location))
    }

    /// A superset of what is admitted, from `from` on, in Lever's order.
    fn candidates<'a>(&'a self, tenant: &'a Tenant, from: Key) -> Box<dyn Iterator<Item = u32> + 'a> {
        let narrow: Option<Box<dyn Iterator<Item = u32> + '_>> =
            if let Some(contacts) = self.contacts.as_ref().or(self.emails.as_ref()) {
                Some(Box::new(contacts.iter().flat_map(|contact| tenant.opportunities_of(*contact))))
            } else if let Some(span) = &self.updated {
                Some(Box::new(tenant.updated_within(span)))
            } else if let Some(span) = &self.created {
                Some(Box::new(tenant.created_within(span)))
            } else {
                None
            };
        if let Some(narrow) = narrow {
            let mut keys: Vec<Key> = narrow.take(SORTED_MAX + 1).map(|index| tenant.key(index)).collect();
            if keys.len() <= SORTED_MAX {
                keys.sort_unstable();
                keys.dedup();
                let rest = keys.into_iter().filter(move |key| *key >= from);
                return Box::new(rest.map(|key| tenant.index_at(key)));
            }
        }
        let advanced = self.advanced.clone().unwrap_or(0..=i64::MAX);
        let stages = 0..tenant.reference.stages.len() as u8;
        let keys = stages
            .filter(|stage| among(&self.stages, stage))
            .flat_map(move |stage| tenant.order.stage(stage, &advanced, from));
        Box::new(keys.map(|key| tenant.index_at(key)))
    }
}

/// One page: who is on it, and the token of the next.
pub(super) struct Slice {
    pub(super) indexes: Vec<u32>,
    pub(super) next: Option<String>,
}

/// Cuts a page out of the list.
pub(super) fn page(tenant: &Tenant, filter: &Filter, query: &Query) -> Result<Slice, ApiError> {
    let limit = query.limit()?;
    let from = match query.get("offset") {
        Some(offset) => parse_key(offset, &tenant.reference.ranks())?,
        None => Key::new(0, i64::MAX, 0),
    };
    let admitted = filter.candidates(tenant, from).filter(|index| filter.admits(tenant, *index));
    let mut indexes: Vec<u32> = admitted.take(limit + 1).collect();
    let next = (indexes.len() > limit).then(|| indexes.pop()).flatten();
    Ok(Slice { indexes, next: next.map(|index| token(&place(tenant, index))) })
}

fn place(tenant: &Tenant, index: u32) -> Value {
    let row = tenant.row(index);
    let rank = tenant.reference.stages[usize::from(row.stage)].rank;
    // Whole ranks are written without a fraction, as Lever does.
    let rank = if rank.fract() == 0.0 { json!(rank as i64) } else { json!(rank) };
    json!([rank, row.advanced, tenant.opportunity_id(index)])
}

/// The values of a parameter that name something known; an unknown one matches nothing.
fn known<T>(query: &Query, name: &str, find: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    query.get(name).map(|_| query.all(name).filter_map(find).collect())
}

fn given(query: &Query, name: &str) -> Option<Vec<String>> {
    known(query, name, |value| Some(value.to_owned()))
}

fn among<T: PartialEq>(wanted: &Option<Vec<T>>, value: &T) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.contains(value))
}

fn among_text(wanted: &Option<Vec<String>>, value: &str) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one == value))
}

fn within(span: &Option<RangeInclusive<i64>>, value: i64) -> bool {
    span.as_ref().is_none_or(|span| span.contains(&value))
}

/// As [`within`], for times where 0 stands for null, which is in no span.
fn within_if_set(span: &Option<RangeInclusive<i64>>, value: i64) -> bool {
    span.as_ref().is_none_or(|span| value != 0 && span.contains(&value))
}

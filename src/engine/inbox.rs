//! The inbox: webhooks that were stored, and wait to become effects. Apart from where they come in, since there each
//! row more costs their sender time; and in batches, so that many of one candidate become one read.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fulcrum_domain::{Activity, ActivityKind, Actor, Effect, HookEvent, Lane, OpportunityId};
use jiff::Timestamp;

use super::{Engine, HookOutcome, changes};
use crate::store::tables::{Digest, HOOKS_VERIFIED, INBOX, SEEN_HOOKS};
use crate::store::{HookRow, Keys, Read, Seen, Signal, Snapshot, StoreError, Tx, readable};

/// Webhooks that are looked at together.
const BATCH: usize = 4096;
/// Those of them that are done in one change: whoever waits for that commit waits for all of these.
const PART: usize = 64;
/// After a look so long is waited for others, so that in a rush many are done together. One alone is done at once.
const GATHER: Duration = Duration::from_millis(200);

/// What is known of the waiting webhooks without their table, of which this is a cache, made at the start. Digests
/// have no order: each that goes among those that were seen costs a page of the file, which its sender would wait
/// for. So it stands with its webhook first, and goes with many.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The last number that was given.
    last: u64,
    digests: HashSet<Digest>,
}

impl Waiting {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a webhook, unless it was before.
    pub(super) fn store(
        &self,
        tx: &mut Tx<'_>,
        digest: Digest,
        row: &HookRow,
    ) -> Result<HookOutcome, StoreError> {
        let mut known = self.known();
        if known.digests.contains(&digest) || tx.has(SEEN_HOOKS, &digest)? {
            return Ok(HookOutcome::Duplicate);
        }
        let number = known.last + 1;
        tx.put(INBOX, &number, row)?;
        tx.signal(Signal::Inbox);
        known.last = number;
        known.digests.insert(digest);
        Ok(HookOutcome::Stored)
    }

    /// They stand among those that were seen.
    fn forget(&self, seen: &[(Digest, Timestamp)]) {
        let mut known = self.known();
        for (digest, _) in seen {
            known.digests.remove(digest);
        }
    }
}

impl Engine {
    /// Finds the webhooks again that waited at the last stop.
    pub(super) async fn recall_inbox(&self) -> Result<(), StoreError> {
        *self.waiting.known() = self.store.read(known_of).await?;
        Ok(())
    }

    /// Turns waiting webhooks into effects.
    pub(crate) async fn run_inbox(self) -> Result<(), StoreError> {
        loop {
            let mut news = std::pin::pin!(self.wake.inbox.notified());
            news.as_mut().enable();
            let (rows, damaged) = self.store.read(first_of).await?;
            if rows.is_empty() && damaged.is_empty() {
                news.await;
                continue;
            }
            let may_rest = rows.len() + damaged.len() < BATCH;
            if !damaged.is_empty() {
                self.leave_out(damaged).await?;
            }
            for (seen, rows) in parts(rows) {
                self.work_off(seen, rows).await?;
            }
            if may_rest {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    /// What cannot be read is not to hold up what comes after it, and looking at Lever finds it.
    async fn leave_out(&self, damaged: Vec<u64>) -> Result<(), StoreError> {
        tracing::error!(
            rows = damaged.len(),
            "webhooks in the inbox cannot be read and are left out: looking at Lever will find what they told"
        );
        self.store
            .change(move |tx| damaged.iter().try_for_each(|number| tx.remove(INBOX, number).map(drop)))
            .await
    }

    async fn work_off(&self, seen: Vec<(Digest, Timestamp)>, rows: Rows) -> Result<(), StoreError> {
        let (now, digests) = (self.clock.now(), seen.clone());
        let about_nobody = self
            .store
            .change(move |tx| {
                for (digest, at) in digests {
                    tx.put(SEEN_HOOKS, &digest, &Seen(at))?;
                }
                let told = told_by(&rows);
                note_webhooks(tx, &told)?;
                let mut about_nobody = Vec::new();
                for ((opportunity, event), told) in told {
                    match opportunity {
                        Some(id) => ask_for(tx, event, id.clone(), now)?,
                        None => about_nobody.extend(std::iter::repeat_n(event, told.times)),
                    }
                }
                for (number, _) in &rows {
                    tx.remove(INBOX, number)?;
                }
                Ok::<_, StoreError>(about_nobody)
            })
            .await?;
        self.waiting.forget(&seen);
        for event in about_nobody {
            self.metrics.webhook(event.as_key(), HookOutcome::NoOpportunity);
            tracing::warn!(event = event.as_key(), "a webhook names no opportunity: looking will find it");
        }
        Ok(())
    }
}

/// Webhooks by their numbers.
type Rows = Vec<(u64, HookRow)>;

/// The first rows, and the numbers of those among them that cannot be read.
fn first_of(read: &Snapshot) -> Result<(Rows, Vec<u64>), StoreError> {
    let (mut rows, mut damaged) = (Vec::new(), Vec::new());
    for number in read.list_keys(INBOX, &Keys::all(), BATCH)? {
        match readable(read.get(INBOX, &number))? {
            Some(row) => rows.push((number, row)),
            None => damaged.push(number),
        }
    }
    Ok((rows, damaged))
}

/// What the table says.
fn known_of(read: &Snapshot) -> Result<Known, StoreError> {
    let mut known = Known::default();
    for number in read.list_keys(INBOX, &Keys::all(), usize::MAX)? {
        known.last = number;
        known.digests.extend(readable(read.get(INBOX, &number))?.and_then(|row| row.digest));
    }
    Ok(known)
}

/// What one change does: webhooks to be known when they come again, and some that become effects.
type Part = (Vec<(Digest, Timestamp)>, Rows);

/// All of these, each where it neighbours those that change the same pages of the file; and none is gone from the
/// inbox before it is known among those that were seen.
fn parts(mut rows: Rows) -> Vec<Part> {
    let digest = |(_, row): &(u64, HookRow)| row.digest.map(|digest| (digest, row.received_at));
    let mut seen: Vec<_> = rows.iter().filter_map(digest).collect();
    if rows.len() <= PART {
        return vec![(seen, rows)];
    }
    seen.sort_unstable();
    rows.sort_by(|(_, one), (_, other)| one.opportunity.cmp(&other.opportunity));
    let seen = seen.chunks(PART).map(|part| (part.to_vec(), Vec::new()));
    seen.chain(rows.chunks(PART).map(|part| (Vec::new(), part.to_vec()))).collect()
}

/// How often the same was told, and when last.
#[derive(Debug, PartialEq)]
struct Told {
    times: usize,
    last: Timestamp,
}

/// What these tell, of whom: the same once, however often it came.
fn told_by(rows: &[(u64, HookRow)]) -> BTreeMap<(Option<&OpportunityId>, HookEvent), Told> {
    let mut told = BTreeMap::new();
    for (_, HookRow { event, opportunity, received_at, .. }) in rows {
        let so_far =
            told.entry((opportunity.as_ref(), *event)).or_insert(Told { times: 0, last: *received_at });
        so_far.times += 1;
        so_far.last = so_far.last.max(*received_at);
    }
    told
}

/// Writes down that webhooks came.
fn note_webhooks(
    tx: &mut Tx<'_>,
    told: &BTreeMap<(Option<&OpportunityId>, HookEvent), Told>,
) -> Result<(), StoreError> {
    let (mut activities, mut last) = (Vec::with_capacity(told.len()), BTreeMap::new());
    for ((opportunity, event), Told { times, last: at }) in told {
        let what = match times {
            1 => event.as_key().to_owned(),
            times => format!("{}, {times} times", event.as_key()),
        };
        let what = Activity::new(*at, Actor::lever(), ActivityKind::Webhook, what);
        activities.push(what.about(opportunity.cloned()));
        let newest = last.entry(event.as_key()).or_insert(*at);
        *newest = (*newest).max(*at);
    }
    changes::note_all(tx, &activities)?;
    for (event, at) in last {
        tx.put(HOOKS_VERIFIED, &event.to_owned(), &Seen(at))?;
    }
    Ok(())
}

/// What a webhook asks for. Only ids were taken from it, so everything is fetched.
fn ask_for(tx: &mut Tx<'_>, event: HookEvent, id: OpportunityId, now: Timestamp) -> Result<(), StoreError> {
    match event {
        HookEvent::CandidateDeleted => changes::ask_after_deletion(tx, &Effect::Hydrate(id), now),
        HookEvent::InterviewCreated | HookEvent::InterviewUpdated | HookEvent::InterviewDeleted => {
            changes::ask(tx, &Effect::Interviews(id), Lane::Live, now)
        }
        HookEvent::ApplicationCreated
        | HookEvent::CandidateStageChange
        | HookEvent::CandidateArchiveChange
        | HookEvent::CandidateHired => changes::ask(tx, &Effect::Hydrate(id), Lane::Live, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Store};

    fn row(number: u64) -> (u64, HookRow) {
        // Neither digests nor opportunities come in the order of arrival.
        let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&mixed.to_be_bytes());
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let opportunity = Some(format!("opportunity-{}", mixed % 300).parse().unwrap());
        let event = HookEvent::CandidateStageChange;
        let row = HookRow { event, opportunity, triggered_at: at, received_at: at, digest: Some(digest) };
        (number, row)
    }

    #[test]
    fn a_webhook_leaves_the_inbox_once_and_not_before_it_is_known_when_it_comes_again() {
        for many in [1, PART, PART + 1, BATCH] {
            let rows: Vec<_> = (1..=many as u64).map(row).collect();
            let (mut seen, mut gone) = (HashSet::new(), HashSet::new());
            for (digests, part) in parts(rows.clone()) {
                assert!(digests.len() <= PART && part.len() <= PART);
                seen.extend(digests.iter().map(|(digest, _)| *digest));
                for (number, row) in part {
                    assert!(seen.contains(&row.digest.unwrap()));
                    assert!(gone.insert(number), "twice");
                }
            }
            assert_eq!((seen.len(), gone.len()), (many, many));
        }
    }

    #[test]
    fn in_a_rush_each_change_is_about_few_opportunities() {
        let rows: Vec<_> = (1..=BATCH as u64).map(row).collect();
        let about = |part: &[(u64, HookRow)]| told_by(part).len();
        let in_order: usize = rows.chunks(PART).map(about).sum();
        let sorted: usize = parts(rows).iter().map(|(_, part)| about(part)).sum();
        assert!(sorted * 5 < in_order, "{sorted} lines instead of {in_order}");
    }

    #[tokio::test]
    async fn what_comes_again_is_known_while_it_waits_and_after() {
        let backend = Options::backend(redb::backends::InMemoryBackend::new());
        let store = Store::open(backend, Box::new(|_| {})).unwrap();
        let waiting = std::sync::Arc::new(Waiting::default());
        let (_, hook) = row(1);
        let digest = hook.digest.unwrap();
        let take = async |waiting: &std::sync::Arc<Waiting>| {
            let (waiting, hook) = (waiting.clone(), hook.clone());
            store.change(move |tx| waiting.store(tx, digest, &hook)).await.unwrap()
        };
        assert_eq!(take(&waiting).await, HookOutcome::Stored);
        assert_eq!(take(&waiting).await, HookOutcome::Duplicate);

        // As after a stop at this moment.
        let known = store.read(known_of).await.unwrap();
        let waiting = std::sync::Arc::new(Waiting(Mutex::new(known)));
        assert_eq!(take(&waiting).await, HookOutcome::Duplicate);

        let seen = Seen(hook.received_at);
        store.change(move |tx| tx.put(SEEN_HOOKS, &digest, &seen)).await.unwrap();
        waiting.forget(&[(digest, seen.0)]);
        assert!(waiting.known().digests.is_empty());
        assert_eq!(take(&waiting).await, HookOutcome::Duplicate);
    }
}
